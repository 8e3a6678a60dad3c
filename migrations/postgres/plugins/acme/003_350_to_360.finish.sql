UPDATE plugins SET config = jsonb_set(config, '{storage_config,redis}',
    (config #> '{storage_config,redis}') - ARRAY['auth', 'ssl_server_name', 'scan_count', 'namespace'])
  WHERE name = 'acme' AND jsonb_typeof(config #> '{storage_config,redis}') = 'object';
