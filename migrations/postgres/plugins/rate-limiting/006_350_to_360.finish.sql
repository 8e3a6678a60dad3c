UPDATE plugins SET config = config - ARRAY['redis_host', 'redis_port', 'redis_password', 'redis_username', 'redis_ssl',
    'redis_ssl_verify', 'redis_server_name', 'redis_timeout', 'redis_database']
  WHERE name = 'rate-limiting';
