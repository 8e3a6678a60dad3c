#!/usr/bin/env bash
# Entry point of the container. `kong docker-start` runs the gateway in the foreground with its logs
# on stdout and stderr; anything else is run as given.
set -euo pipefail

# A secret may come as a file: KONG_PG_PASSWORD_FILE=/run/secrets/pg gives KONG_PG_PASSWORD.
read_secret_files() {
  local pointer name
  for pointer in $(compgen -e | grep -E '^KONG_.+_FILE$' || true); do
    name=${pointer%_FILE}
    if [ -n "${!name:-}" ]; then
      echo "docker-entrypoint.sh: both $name and $pointer are set; unset one of them" >&2
      exit 1
    fi
    [ -n "${!pointer}" ] || continue
    export "$name=$(<"${!pointer}")"
    unset "$pointer"
  done
}

if [ "${1:-}" = kong ] && [ "${2:-}" = docker-start ]; then
  read_secret_files
  export KONG_NGINX_DAEMON=${KONG_NGINX_DAEMON:-off}
  prefix=${KONG_PREFIX:-/usr/local/kong}
  mkdir -p "$prefix/logs"
  ln -sfn /dev/stdout "$prefix/logs/access.log"
  ln -sfn /dev/stdout "$prefix/logs/admin_access.log"
  ln -sfn /dev/stderr "$prefix/logs/error.log"
  shift 2
  exec kong start -p "$prefix" "$@"
fi
[ "${1:-}" = kong ] && read_secret_files
exec "$@"
