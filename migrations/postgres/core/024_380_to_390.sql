CREATE TABLE IF NOT EXISTS clustering_sync_version (version SERIAL PRIMARY KEY);
CREATE TABLE IF NOT EXISTS clustering_sync_delta (
  version INT NOT NULL REFERENCES clustering_sync_version (version) ON DELETE CASCADE,
  type TEXT NOT NULL, pk JSON NOT NULL, ws_id UUID NOT NULL, entity JSON);
CREATE INDEX IF NOT EXISTS clustering_sync_delta_version_idx ON clustering_sync_delta (version);
