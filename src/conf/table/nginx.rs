//! Properties of the section "Listeners and TLS".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Listeners and TLS",
    introduction: "A listener is `ip:port` or `unix:/path` with flags after it: `ssl`, `http2`, \
         `proxy_protocol`, `deferred`, `bind`, `reuseport`, `backlog=N`, `ipv6only=on|off` and \
         `so_keepalive=on|off|idle:interval:probes`. IPv6 addresses stand in brackets. Several \
         listeners are separated by commas; `off` means none.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::list(
        "proxy_listen",
        "0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384",
        "Where the proxy listens for HTTP. With `off` the node only administers.",
    ),
    Property::list(
        "stream_listen",
        "off",
        "Where the proxy listens for TCP, TLS and UDP (flag `udp`). The flags http2 and deferred do \
         not exist here.",
    ),
    Property::list(
        "admin_listen",
        "127.0.0.1:8001 reuseport backlog=16384, 127.0.0.1:8444 http2 ssl reuseport backlog=16384",
        "Where the Admin API listens. Whoever can reach it can change everything, so keep it off \
         public interfaces. With `off` the node cannot be changed by HTTP.",
    ),
    Property::list(
        "status_listen",
        "127.0.0.1:8007 reuseport backlog=16384",
        "Where the Status API listens, which answers read-only questions about health and metrics.",
    ),
    Property::text(
        "nginx_user",
        "kong kong",
        "The user and the group that serve requests, when the gateway is started as root. An alias of \
         nginx_main_user; the default is used only on a system that has both.",
    )
    .alias_of("nginx_main_user"),
    Property::text(
        "nginx_worker_processes",
        "auto",
        "The number of workers, or `auto` for one per processor. An alias of \
         nginx_main_worker_processes.",
    )
    .alias_of("nginx_main_worker_processes"),
    Property::switch(
        "nginx_daemon",
        "on",
        "Whether `kong start` returns as soon as the gateway serves. In a container, where the \
         process has to stay, it is off. An alias of nginx_main_daemon.",
    )
    .alias_of("nginx_main_daemon"),
    Property::text(
        "mem_cache_size",
        "128m",
        "The size of each of the two caches for entities, of HTTP and of stream: what the database \
         was asked for, and what it does not have.",
    ),
    Property::text(
        "ssl_cipher_suite",
        "intermediate",
        "Which TLS versions and ciphers clients may use: `modern`, `intermediate`, `old` or `fips` \
         after Mozilla's recommendations, or `custom` for your own ssl_ciphers and ssl_protocols.",
    ),
    Property::text(
        "ssl_ciphers",
        "",
        "The ciphers, as OpenSSL writes them, when ssl_cipher_suite is custom. They concern TLS up to \
         1.2.",
    ),
    Property::text(
        "ssl_protocols",
        "TLSv1.2 TLSv1.3",
        "The TLS versions that clients may use. A suite other than custom decides by itself.",
    )
    .sets(&["nginx_http_ssl_protocols", "nginx_stream_ssl_protocols"]),
    Property::switch(
        "ssl_prefer_server_ciphers",
        "on",
        "Whether the order of the server decides which cipher is taken. A suite other than custom \
         decides by itself.",
    )
    .sets(&["nginx_http_ssl_prefer_server_ciphers", "nginx_stream_ssl_prefer_server_ciphers"]),
    Property::text(
        "ssl_dhparam",
        "",
        "The Diffie-Hellman group for ciphers that need one: the name of a well-known group, a path, \
         or the parameters themselves, plain or in base64.",
    )
    .sets(&["nginx_http_ssl_dhparam", "nginx_stream_ssl_dhparam"]),
    Property::switch("ssl_session_tickets", "on", "Whether clients may resume TLS sessions by a ticket.")
        .sets(&["nginx_http_ssl_session_tickets", "nginx_stream_ssl_session_tickets"]),
    Property::text("ssl_session_timeout", "1d", "How long a TLS session can be resumed.")
        .sets(&["nginx_http_ssl_session_timeout", "nginx_stream_ssl_session_timeout"]),
    Property::text(
        "ssl_session_cache_size",
        "10m",
        "The size of the cache for TLS sessions that are resumed without tickets.",
    ),
    Property::list(
        "ssl_cert",
        "",
        "Certificates of the proxy for names that no certificate entity serves: paths, or the \
         certificates themselves, plain or in base64. Give several for several key types. Unset, the \
         node makes self-signed ones.",
    ),
    Property::list("ssl_cert_key", "", "The keys of ssl_cert, in the same order and given in the same way.")
        .sensitive(),
    Property::boolean(
        "client_ssl",
        "off",
        "Whether the gateway shows a certificate to upstreams that ask for one and whose service does \
         not name one.",
    ),
    Property::text("client_ssl_cert", "", "The certificate for client_ssl."),
    Property::text("client_ssl_cert_key", "", "The key of client_ssl_cert.").sensitive(),
    Property::list("admin_ssl_cert", "", "Certificates of the Admin API, as for ssl_cert."),
    Property::list("admin_ssl_cert_key", "", "The keys of admin_ssl_cert.").sensitive(),
    Property::list("status_ssl_cert", "", "Certificates of the Status API, as for ssl_cert."),
    Property::list("status_ssl_cert_key", "", "The keys of status_ssl_cert.").sensitive(),
    Property::text(
        "debug_ssl_cert",
        "",
        "Accepted for compatibility with the internal debug listener of Kong, which this gateway does \
         not have.",
    ),
    Property::text("debug_ssl_cert_key", "", "The key of debug_ssl_cert, accepted in the same way.")
        .sensitive(),
    Property::list(
        "headers",
        "server_tokens, latency_tokens, x-kong-request-id",
        "Which headers the gateway adds to responses: Server, Via, X-Kong-Proxy-Latency, X-Kong- \
         Response-Latency, X-Kong-Admin-Latency, X-Kong-Upstream-Latency, X-Kong-Upstream-Status and \
         X-Kong-Request-Id, by name. `server_tokens` stands for the first two, `latency_tokens` for \
         the four latencies, `off` for none at all.",
    )
    .shown_as("server_tokens, latency_tokens, X-Kong-Request-Id"),
    Property::list(
        "headers_upstream",
        "x-kong-request-id",
        "Which headers the gateway adds to requests on their way upstream: X-Kong-Request-Id or \
         `off`.",
    )
    .shown_as("X-Kong-Request-Id"),
    Property::list(
        "trusted_ips",
        "",
        "Addresses and blocks of proxies before the gateway. Only from them are X-Forwarded-* headers \
         believed, and the client's address is taken from real_ip_header. `unix:` trusts everybody on \
         Unix domain sockets; 0.0.0.0/0,::/0 trusts everybody.",
    ),
    Property::text(
        "real_ip_header",
        "X-Real-IP",
        "The header that a trusted proxy puts the client's address in, or `proxy_protocol`, which \
         also needs that flag on the listener. An alias of nginx_proxy_real_ip_header.",
    )
    .alias_of("nginx_proxy_real_ip_header"),
    Property::switch(
        "real_ip_recursive",
        "off",
        "Whether trusted addresses at the end of that header are skipped until one is found that is \
         not trusted. An alias of nginx_proxy_real_ip_recursive.",
    )
    .alias_of("nginx_proxy_real_ip_recursive"),
    Property::one_of(
        "error_default_type",
        &["application/json", "application/xml", "text/html", "text/plain"],
        "text/plain",
        "The type of an error body for a client that neither accepts nor sends one of the known \
         types.",
    ),
    Property::number(
        "upstream_keepalive_pool_size",
        "512",
        "How many idle connections a worker keeps for one upstream address. 0 keeps none.",
    ),
    Property::number(
        "upstream_keepalive_max_requests",
        "10000",
        "After how many requests a connection to an upstream is closed. 0 is never.",
    ),
    Property::number(
        "upstream_keepalive_idle_timeout",
        "60",
        "After how many idle seconds a connection to an upstream is closed. 0 is never.",
    ),
    Property::boolean(
        "allow_debug_header",
        "off",
        "Whether the request header Kong-Debug: 1 makes the gateway name the matched route and \
         service in the response.",
    ),
];
