CREATE TABLE IF NOT EXISTS jwt_secrets (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  consumer_id UUID, key TEXT, secret TEXT, algorithm TEXT, rsa_public_key TEXT, tags TEXT[], ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT jwt_secrets_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT jwt_secrets_ws_id_key_unique UNIQUE (ws_id, key),
  CONSTRAINT jwt_secrets_consumer_id_fkey
    FOREIGN KEY (consumer_id, ws_id) REFERENCES consumers (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS jwt_secrets_consumer_id_idx ON jwt_secrets (consumer_id);
CREATE INDEX IF NOT EXISTS jwtsecrets_tags_idex_tags_idx ON jwt_secrets USING GIN (tags);
DROP TRIGGER IF EXISTS jwtsecrets_sync_tags_trigger ON jwt_secrets;
CREATE TRIGGER jwtsecrets_sync_tags_trigger AFTER INSERT OR UPDATE OF tags OR DELETE ON jwt_secrets
  FOR EACH ROW EXECUTE PROCEDURE sync_tags();
CREATE INDEX IF NOT EXISTS jwt_secrets_secret_idx ON jwt_secrets (secret);
