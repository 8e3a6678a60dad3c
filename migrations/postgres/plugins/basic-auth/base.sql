CREATE TABLE IF NOT EXISTS basicauth_credentials (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  consumer_id UUID, username TEXT, password TEXT, tags TEXT[], ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT basicauth_credentials_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT basicauth_credentials_ws_id_username_unique UNIQUE (ws_id, username),
  CONSTRAINT basicauth_credentials_consumer_id_fkey
    FOREIGN KEY (consumer_id, ws_id) REFERENCES consumers (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS basicauth_consumer_id_idx ON basicauth_credentials (consumer_id);
CREATE INDEX IF NOT EXISTS basicauth_tags_idex_tags_idx ON basicauth_credentials USING GIN (tags);
DROP TRIGGER IF EXISTS basicauth_sync_tags_trigger ON basicauth_credentials;
CREATE TRIGGER basicauth_sync_tags_trigger AFTER INSERT OR UPDATE OF tags OR DELETE ON basicauth_credentials
  FOR EACH ROW EXECUTE PROCEDURE sync_tags();
