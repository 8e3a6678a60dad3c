CREATE TABLE IF NOT EXISTS keyauth_credentials (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  consumer_id UUID, key TEXT, tags TEXT[], ttl TIMESTAMPTZ, ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT keyauth_credentials_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT keyauth_credentials_ws_id_key_unique UNIQUE (ws_id, key),
  CONSTRAINT keyauth_credentials_consumer_id_fkey
    FOREIGN KEY (consumer_id, ws_id) REFERENCES consumers (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS keyauth_credentials_consumer_id_idx ON keyauth_credentials (consumer_id);
CREATE INDEX IF NOT EXISTS keyauth_tags_idex_tags_idx ON keyauth_credentials USING GIN (tags);
DROP TRIGGER IF EXISTS keyauth_sync_tags_trigger ON keyauth_credentials;
CREATE TRIGGER keyauth_sync_tags_trigger AFTER INSERT OR UPDATE OF tags OR DELETE ON keyauth_credentials
  FOR EACH ROW EXECUTE PROCEDURE sync_tags();
CREATE INDEX IF NOT EXISTS keyauth_credentials_ttl_idx ON keyauth_credentials (ttl);
