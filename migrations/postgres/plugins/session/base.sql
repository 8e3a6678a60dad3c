CREATE TABLE IF NOT EXISTS sessions (
  id UUID PRIMARY KEY, session_id TEXT UNIQUE, expires INT, data TEXT, created_at TIMESTAMPTZ, ttl TIMESTAMPTZ);
CREATE INDEX IF NOT EXISTS session_sessions_expires_idx ON sessions (expires);
CREATE INDEX IF NOT EXISTS sessions_ttl_idx ON sessions (ttl);
