# Two stages: build on Debian with a Rust toolchain, run on slim Debian with the Lua modules that
# published plugins use. Environment variables, ports, stop signal and entry point behave as those of
# the image people run today.
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --bin kong && strip target/release/kong

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates lua-socket lua-sec lua-filesystem \
      lua-penlight lua-lpeg lua-yaml lua-inspect lua-binaryheap lua-messagepack \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd -r kong && useradd -r -g kong -d /usr/local/kong -s /usr/sbin/nologin kong \
 && install -d -o kong -g kong /usr/local/kong
COPY --from=build /src/target/release/kong /usr/local/bin/kong
COPY kong.conf.default /etc/kong/kong.conf.default
COPY docker-entrypoint.sh /docker-entrypoint.sh
ENV KONG_PREFIX=/usr/local/kong
USER kong
EXPOSE 8000 8443 8001 8444 8002 8445 8003 8446 8004 8447
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=60s --timeout=10s --retries=10 CMD ["kong", "health"]
ENTRYPOINT ["/docker-entrypoint.sh"]
CMD ["kong", "docker-start"]
