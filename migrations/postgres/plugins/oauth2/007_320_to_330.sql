ALTER TABLE oauth2_authorization_codes
  ADD COLUMN IF NOT EXISTS plugin_id UUID REFERENCES plugins (id) ON DELETE CASCADE;
