-- The settings of nodes under test where the working directory has none of its own.

return [[
admin_listen = 127.0.0.1:9001
admin_gui_listen = off
proxy_listen = 0.0.0.0:9000, 0.0.0.0:9443 http2 ssl, 0.0.0.0:9002 http2
status_listen = off
stream_listen = off

database = off
anonymous_reports = off
worker_consistency = strict
nginx_main_worker_processes = 1
nginx_main_worker_rlimit_nofile = 4096
nginx_events_worker_connections = 4096

plugins = bundled
prefix = servroot
log_level = debug
untrusted_lua = sandbox
vaults = bundled
]]
