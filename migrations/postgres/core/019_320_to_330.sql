ALTER TABLE plugins ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE ca_certificates ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE certificates ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE consumers ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE snis ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE upstreams ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE workspaces ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE clustering_data_planes ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC');
ALTER TABLE targets ADD COLUMN IF NOT EXISTS updated_at TIMESTAMPTZ
  DEFAULT (CURRENT_TIMESTAMP(3) AT TIME ZONE 'UTC');

-- Sweeps a few rows of the table that has just got new ones: those whose time, in the column that the
-- trigger names, is over. Rows that another transaction holds are left to the next sweep.
CREATE OR REPLACE FUNCTION batch_delete_expired_rows() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  EXECUTE format(
    'DELETE FROM %1$I.%2$I WHERE ctid = ANY (ARRAY('
      'SELECT ctid FROM %1$I.%2$I WHERE %3$I < CURRENT_TIMESTAMP ORDER BY %3$I LIMIT 2 FOR UPDATE SKIP LOCKED))',
    TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_ARGV[0]);
  RETURN NULL;
END $body$;

DROP TRIGGER IF EXISTS cluster_events_ttl_trigger ON cluster_events;
CREATE TRIGGER cluster_events_ttl_trigger AFTER INSERT ON cluster_events
  FOR EACH STATEMENT EXECUTE PROCEDURE batch_delete_expired_rows('expire_at');
DROP TRIGGER IF EXISTS clustering_data_planes_ttl_trigger ON clustering_data_planes;
CREATE TRIGGER clustering_data_planes_ttl_trigger AFTER INSERT ON clustering_data_planes
  FOR EACH STATEMENT EXECUTE PROCEDURE batch_delete_expired_rows('ttl');
