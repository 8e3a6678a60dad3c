-- The settings of Redis moved into a record of their own. A value that stands there already is kept where the old
-- field is gone.
UPDATE plugins SET config = config || jsonb_build_object('redis', (
    SELECT jsonb_object_agg(field, COALESCE(config -> ('redis_' || field), config -> 'redis' -> field))
    FROM unnest(ARRAY['host', 'port', 'password', 'username', 'ssl', 'ssl_verify', 'server_name', 'timeout',
      'database']) AS field))
  WHERE name = 'response-ratelimiting';
