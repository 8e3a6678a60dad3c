-- The beta of vaults became vaults. The paths of routes are migrated by code.
CREATE TABLE IF NOT EXISTS sm_vaults (
  id UUID PRIMARY KEY, ws_id UUID REFERENCES workspaces (id), prefix TEXT UNIQUE, name TEXT NOT NULL,
  description TEXT, config JSONB NOT NULL,
  created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'), updated_at TIMESTAMPTZ,
  tags TEXT[], UNIQUE (id, ws_id), UNIQUE (prefix, ws_id));
CREATE INDEX IF NOT EXISTS sm_vaults_tags_idx ON sm_vaults USING GIN (tags);
DROP TRIGGER IF EXISTS sm_vaults_sync_tags_trigger ON sm_vaults;
CREATE TRIGGER sm_vaults_sync_tags_trigger AFTER INSERT OR UPDATE OF tags OR DELETE ON sm_vaults
  FOR EACH ROW EXECUTE PROCEDURE sync_tags();

DO $body$
BEGIN
  IF to_regclass('vaults_beta') IS NOT NULL THEN
    INSERT INTO sm_vaults (id, ws_id, prefix, name, description, config, created_at, updated_at, tags)
      SELECT id, ws_id, prefix, name, description, config, created_at, updated_at, tags FROM vaults_beta
      ON CONFLICT DO NOTHING;
  END IF;
  -- a table of the edition with a licence, which its next release reads under another name
  IF to_regclass('vaults') IS NOT NULL AND to_regclass('vault_auth_vaults') IS NULL THEN
    CREATE TABLE vault_auth_vaults (LIKE vaults INCLUDING ALL);
    INSERT INTO vault_auth_vaults SELECT * FROM vaults;
  END IF;
END $body$;

ALTER TABLE targets ADD COLUMN IF NOT EXISTS cache_key TEXT UNIQUE;
ALTER TABLE upstreams ADD COLUMN IF NOT EXISTS hash_on_query_arg TEXT,
  ADD COLUMN IF NOT EXISTS hash_fallback_query_arg TEXT,
  ADD COLUMN IF NOT EXISTS hash_on_uri_capture TEXT,
  ADD COLUMN IF NOT EXISTS hash_fallback_uri_capture TEXT;
ALTER TABLE routes ADD COLUMN IF NOT EXISTS expression TEXT, ADD COLUMN IF NOT EXISTS priority BIGINT;
