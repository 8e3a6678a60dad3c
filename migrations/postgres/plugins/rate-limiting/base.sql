CREATE TABLE IF NOT EXISTS ratelimiting_metrics (
  identifier TEXT NOT NULL, period TEXT NOT NULL, period_date TIMESTAMPTZ NOT NULL,
  service_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  route_id UUID NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  value INTEGER, ttl TIMESTAMPTZ,
  PRIMARY KEY (identifier, period, period_date, service_id, route_id));
CREATE INDEX IF NOT EXISTS ratelimiting_metrics_idx
  ON ratelimiting_metrics (service_id, route_id, period_date, period);
CREATE INDEX IF NOT EXISTS ratelimiting_metrics_ttl_idx ON ratelimiting_metrics (ttl);
