DROP TABLE IF EXISTS vaults_beta;
DROP TABLE IF EXISTS vaults;

-- A target stands once in an upstream; of several the newest stays.
DELETE FROM targets AS older USING targets AS newer
  WHERE older.upstream_id = newer.upstream_id AND older.target = newer.target
    AND older.created_at < newer.created_at;
UPDATE targets SET cache_key = concat_ws(':', 'targets', upstream_id, target, '', '', '', COALESCE(ws_id::text, ''));
