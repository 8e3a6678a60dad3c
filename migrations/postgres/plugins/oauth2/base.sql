CREATE TABLE IF NOT EXISTS oauth2_credentials (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  name TEXT, consumer_id UUID, client_id TEXT, client_secret TEXT, redirect_uris TEXT[], tags TEXT[],
  client_type TEXT, hash_secret BOOLEAN, ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT oauth2_credentials_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT oauth2_credentials_ws_id_client_id_unique UNIQUE (ws_id, client_id),
  CONSTRAINT oauth2_credentials_consumer_id_fkey
    FOREIGN KEY (consumer_id, ws_id) REFERENCES consumers (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS oauth2_credentials_consumer_id_idx ON oauth2_credentials (consumer_id);
CREATE INDEX IF NOT EXISTS oauth2_credentials_tags_idex_tags_idx ON oauth2_credentials USING GIN (tags);
DROP TRIGGER IF EXISTS oauth2_credentials_sync_tags_trigger ON oauth2_credentials;
CREATE TRIGGER oauth2_credentials_sync_tags_trigger AFTER INSERT OR UPDATE OF tags OR DELETE ON oauth2_credentials
  FOR EACH ROW EXECUTE PROCEDURE sync_tags();
CREATE INDEX IF NOT EXISTS oauth2_credentials_secret_idx ON oauth2_credentials (client_secret);

CREATE TABLE IF NOT EXISTS oauth2_authorization_codes (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  credential_id UUID, service_id UUID, code TEXT, authenticated_userid TEXT, scope TEXT, ttl TIMESTAMPTZ,
  challenge TEXT, challenge_method TEXT, ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT oauth2_authorization_codes_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT oauth2_authorization_codes_ws_id_code_unique UNIQUE (ws_id, code),
  CONSTRAINT oauth2_authorization_codes_credential_id_fkey
    FOREIGN KEY (credential_id, ws_id) REFERENCES oauth2_credentials (id, ws_id) ON DELETE CASCADE,
  CONSTRAINT oauth2_authorization_codes_service_id_fkey
    FOREIGN KEY (service_id, ws_id) REFERENCES services (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS oauth2_authorization_codes_authenticated_userid_idx
  ON oauth2_authorization_codes (authenticated_userid);
CREATE INDEX IF NOT EXISTS oauth2_authorization_credential_id_idx ON oauth2_authorization_codes (credential_id);
CREATE INDEX IF NOT EXISTS oauth2_authorization_service_id_idx ON oauth2_authorization_codes (service_id);
CREATE INDEX IF NOT EXISTS oauth2_authorization_codes_ttl_idx ON oauth2_authorization_codes (ttl);

CREATE TABLE IF NOT EXISTS oauth2_tokens (
  id UUID PRIMARY KEY, created_at TIMESTAMPTZ DEFAULT (CURRENT_TIMESTAMP(0) AT TIME ZONE 'UTC'),
  credential_id UUID, service_id UUID, access_token TEXT, refresh_token TEXT, token_type TEXT,
  expires_in INTEGER, authenticated_userid TEXT, scope TEXT, ttl TIMESTAMPTZ,
  ws_id UUID REFERENCES workspaces (id),
  CONSTRAINT oauth2_tokens_id_ws_id_unique UNIQUE (id, ws_id),
  CONSTRAINT oauth2_tokens_ws_id_access_token_unique UNIQUE (ws_id, access_token),
  CONSTRAINT oauth2_tokens_ws_id_refresh_token_unique UNIQUE (ws_id, refresh_token),
  CONSTRAINT oauth2_tokens_credential_id_fkey
    FOREIGN KEY (credential_id, ws_id) REFERENCES oauth2_credentials (id, ws_id) ON DELETE CASCADE,
  CONSTRAINT oauth2_tokens_service_id_fkey
    FOREIGN KEY (service_id, ws_id) REFERENCES services (id, ws_id) ON DELETE CASCADE);
CREATE INDEX IF NOT EXISTS oauth2_tokens_authenticated_userid_idx ON oauth2_tokens (authenticated_userid);
CREATE INDEX IF NOT EXISTS oauth2_tokens_credential_id_idx ON oauth2_tokens (credential_id);
CREATE INDEX IF NOT EXISTS oauth2_tokens_service_id_idx ON oauth2_tokens (service_id);
CREATE INDEX IF NOT EXISTS oauth2_tokens_ttl_idx ON oauth2_tokens (ttl);
