ALTER TABLE keyauth_credentials ALTER COLUMN ws_id DROP DEFAULT;
