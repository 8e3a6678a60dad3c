-- The settings of Redis got the names that all plugins use.
UPDATE plugins SET config = jsonb_set(config, '{storage_config,redis}', redis || jsonb_build_object(
    'password', COALESCE(redis -> 'auth', redis -> 'password'),
    'server_name', COALESCE(redis -> 'ssl_server_name', redis -> 'server_name'),
    'extra_options', jsonb_build_object(
      'scan_count', COALESCE(redis -> 'scan_count', redis #> '{extra_options,scan_count}'),
      'namespace', COALESCE(redis -> 'namespace', redis #> '{extra_options,namespace}'))))
  FROM (SELECT id AS plugin_id, config #> '{storage_config,redis}' AS redis FROM plugins) AS old
  WHERE name = 'acme' AND id = plugin_id AND jsonb_typeof(redis) = 'object';
