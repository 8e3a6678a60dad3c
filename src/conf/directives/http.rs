//! Limits, time-outs and buffers of an HTTP server.

use std::time::Duration;

use ipnet::IpNet;

use super::TlsDirectives;
use super::reader::Reader;
use crate::conf::{TrustedIps, units};

const KIB: u64 = 1024;
const MINUTE: Duration = Duration::from_secs(60);

/// The directives of one HTTP server, inherited ones included. Defaults are nginx's; those of Kong are in
/// the table.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpDirectives {
    /// `client_max_body_size`.
    pub client_max_body_size: BodyLimit,
    /// Bytes of a request body that are held in memory when it is buffered.
    pub client_body_buffer_size: u64,
    /// Bytes of the first buffer for a request head.
    pub client_header_buffer_size: u64,
    /// The buffers for a larger head.
    pub large_client_header_buffers: HeaderBuffers,
    /// How long a client may take for the whole request head.
    pub client_header_timeout: Duration,
    /// How long a client may pause within the request body.
    pub client_body_timeout: Duration,
    /// How long a client may take nothing of the response.
    pub send_timeout: Duration,
    /// How long an idle connection is kept; zero closes after each response.
    pub keepalive_timeout: KeepAlive,
    /// Requests on one connection.
    pub keepalive_requests: u64,
    /// How long a connection may be reused at all.
    pub keepalive_time: Duration,
    /// How long what a client still sends is read and dropped before the connection is closed.
    pub lingering_timeout: Duration,
    /// Whether field names with `_` are accepted. Kong's templates switch it on.
    pub underscores_in_headers: bool,
    /// Streams at once on one HTTP/2 connection.
    pub http2_max_concurrent_streams: u64,
    /// The charset added to text responses; `None` adds none.
    pub charset: Option<String>,
    /// The field that carries the client's address behind a trusted proxy, or `proxy_protocol`.
    pub real_ip_header: String,
    /// Whether trusted addresses in that field are skipped from the right.
    pub real_ip_recursive: bool,
    /// Blocks trusted beside `trusted_ips`.
    pub set_real_ip_from: Vec<IpNet>,
    /// TLS towards clients.
    pub tls: TlsDirectives,
    /// Time to connect to an upstream, where the service does not say.
    pub proxy_connect_timeout: Duration,
    /// Longest pause while sending to an upstream, where the service does not say.
    pub proxy_send_timeout: Duration,
    /// Longest pause while reading from an upstream, where the service does not say.
    pub proxy_read_timeout: Duration,
    /// Whether upstream certificates are verified, where the service does not say.
    pub proxy_ssl_verify: bool,
    /// How many intermediate certificates of an upstream are followed.
    pub proxy_ssl_verify_depth: u64,
    /// Authorities for upstream certificates, where the service does not say.
    pub proxy_ssl_trusted_certificate: Option<String>,
    /// Bytes for an upstream's response head.
    pub proxy_buffer_size: u64,
    /// Steps that a regular expression of `ngx.re` may take; 0 is any.
    pub lua_regex_match_limit: u64,
    /// Compiled expressions that `ngx.re` keeps.
    pub lua_regex_cache_max_entries: u64,
    /// Time to connect a cosocket.
    pub lua_socket_connect_timeout: Duration,
    /// Longest pause while sending on a cosocket.
    pub lua_socket_send_timeout: Duration,
    /// Longest pause while reading from a cosocket.
    pub lua_socket_read_timeout: Duration,
    /// How long an idle cosocket stays in its pool.
    pub lua_socket_keepalive_timeout: Duration,
    /// Timers that wait at the same time.
    pub lua_max_pending_timers: u64,
    /// Timers that run at the same time.
    pub lua_max_running_timers: u64,
    /// Bytes of the error log's lines that each worker keeps for Lua code; 0 is none.
    pub lua_capture_error_log: u64,
    /// DNS servers of `resolver`, if it is set.
    pub resolver: Vec<String>,
}

/// The longest request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLimit {
    /// Any.
    Unlimited,
    /// So many bytes.
    Bytes(u64),
}

/// How many buffers of which size a request head may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderBuffers {
    /// Buffers.
    pub number: u64,
    /// Bytes of each; the longest request line or field line.
    pub size: u64,
}

/// The arguments of `keepalive_timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// How long an idle connection is kept.
    pub idle: Duration,
    /// What a `Keep-Alive` field announces, if it is sent.
    pub announced: Option<Duration>,
}

impl HttpDirectives {
    /// Reads the directives that the reader's namespaces set.
    pub(super) fn read(reader: &mut Reader<'_>) -> HttpDirectives {
        let hour = 60 * MINUTE;
        HttpDirectives {
            client_max_body_size: BodyLimit::from(reader.size("client_max_body_size", 1024 * KIB)),
            client_body_buffer_size: reader.size("client_body_buffer_size", 16 * KIB),
            client_header_buffer_size: reader.size("client_header_buffer_size", KIB),
            large_client_header_buffers: reader
                .parsed("large_client_header_buffers", HeaderBuffers::parse)
                .unwrap_or(HeaderBuffers { number: 4, size: 8 * KIB }),
            client_header_timeout: reader.time("client_header_timeout", MINUTE),
            client_body_timeout: reader.time("client_body_timeout", MINUTE),
            send_timeout: reader.time("send_timeout", MINUTE),
            keepalive_timeout: reader
                .parsed("keepalive_timeout", KeepAlive::parse)
                .unwrap_or(KeepAlive { idle: Duration::from_secs(75), announced: None }),
            keepalive_requests: reader.number("keepalive_requests", 1000),
            keepalive_time: reader.time("keepalive_time", hour),
            lingering_timeout: reader.time("lingering_timeout", Duration::from_secs(5)),
            underscores_in_headers: reader.switch("underscores_in_headers", true),
            http2_max_concurrent_streams: reader.number("http2_max_concurrent_streams", 128),
            charset: reader.text("charset").filter(|charset| charset != "off"),
            real_ip_header: reader.text("real_ip_header").unwrap_or_else(|| "X-Real-IP".to_owned()),
            real_ip_recursive: reader.switch("real_ip_recursive", false),
            set_real_ip_from: reader
                .every("set_real_ip_from")
                .iter()
                .filter_map(|block| TrustedIps::parse_block(block))
                .collect(),
            tls: TlsDirectives::read(reader),
            proxy_connect_timeout: reader.time("proxy_connect_timeout", MINUTE),
            proxy_send_timeout: reader.time("proxy_send_timeout", MINUTE),
            proxy_read_timeout: reader.time("proxy_read_timeout", MINUTE),
            proxy_ssl_verify: reader.switch("proxy_ssl_verify", false),
            proxy_ssl_verify_depth: reader.number("proxy_ssl_verify_depth", 1),
            proxy_ssl_trusted_certificate: reader.text("proxy_ssl_trusted_certificate"),
            proxy_buffer_size: reader.size("proxy_buffer_size", 4 * KIB),
            lua_regex_match_limit: reader.number("lua_regex_match_limit", 0),
            lua_regex_cache_max_entries: reader.number("lua_regex_cache_max_entries", 1024),
            lua_socket_connect_timeout: reader.time("lua_socket_connect_timeout", MINUTE),
            lua_socket_send_timeout: reader.time("lua_socket_send_timeout", MINUTE),
            lua_socket_read_timeout: reader.time("lua_socket_read_timeout", MINUTE),
            lua_socket_keepalive_timeout: reader.time("lua_socket_keepalive_timeout", MINUTE),
            lua_max_pending_timers: reader.number("lua_max_pending_timers", 16384),
            lua_max_running_timers: reader.number("lua_max_running_timers", 4096),
            lua_capture_error_log: reader.size("lua_capture_error_log", 0),
            resolver: reader.text("resolver").map(|value| resolver_addresses(&value)).unwrap_or_default(),
        }
    }
}

impl From<u64> for BodyLimit {
    fn from(bytes: u64) -> BodyLimit {
        if bytes == 0 { BodyLimit::Unlimited } else { BodyLimit::Bytes(bytes) }
    }
}

impl HeaderBuffers {
    fn parse(text: &str) -> Option<HeaderBuffers> {
        let (number, size) = text.split_once(char::is_whitespace)?;
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(HeaderBuffers { number, size: units::size(size.trim()).ok().filter(|size| *size > 0)? })
    }
}

impl KeepAlive {
    fn parse(text: &str) -> Option<KeepAlive> {
        let mut times = text.split_whitespace().map(units::time);
        let idle = times.next()?.ok()?;
        let announced = times.next().transpose().ok()?;
        times.next().is_none().then_some(KeepAlive { idle, announced })
    }
}

/// The addresses among the arguments of `resolver`; `valid=30s` and its siblings are none.
fn resolver_addresses(value: &str) -> Vec<String> {
    value.split_whitespace().filter(|word| !word.contains('=')).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::value::ConfValue;
    use crate::conf::values::Values;

    fn read(properties: &[(&str, &str)]) -> (HttpDirectives, Vec<String>) {
        let mut values = Values::default();
        for (name, value) in properties {
            values.set(name, ConfValue::from(*value));
        }
        let mut errors = Vec::new();
        let server =
            HttpDirectives::read(&mut Reader::new(&values, &["nginx_proxy_", "nginx_http_"], &mut errors));
        (server, errors)
    }

    #[test]
    fn defaults_are_those_of_nginx() {
        let (server, errors) = read(&[]);
        assert!(errors.is_empty());
        assert_eq!(server.client_max_body_size, BodyLimit::Bytes(1 << 20));
        assert_eq!(server.large_client_header_buffers, HeaderBuffers { number: 4, size: 8192 });
        assert_eq!(server.keepalive_timeout.idle, Duration::from_secs(75));
    }

    #[test]
    fn arguments_of_several_words_are_read() {
        let (server, errors) = read(&[
            ("nginx_http_client_max_body_size", "0"),
            ("nginx_http_large_client_header_buffers", "8 24k"),
            ("nginx_proxy_keepalive_timeout", "30s 20s"),
            ("nginx_proxy_set_real_ip_from", "10.0.0.0/8; set_real_ip_from 192.168.0.1"),
            ("nginx_http_resolver", "1.1.1.1 [::1]:53 valid=30s"),
        ]);
        assert!(errors.is_empty());
        assert_eq!(server.client_max_body_size, BodyLimit::Unlimited);
        assert_eq!(server.large_client_header_buffers, HeaderBuffers { number: 8, size: 24 * KIB });
        let announced = Some(Duration::from_secs(20));
        assert_eq!(server.keepalive_timeout, KeepAlive { idle: Duration::from_secs(30), announced });
        assert_eq!(server.set_real_ip_from.len(), 2);
        assert_eq!(server.resolver, ["1.1.1.1", "[::1]:53"]);
    }

    #[test]
    fn wrong_arguments_are_noted() {
        let (_, errors) = read(&[
            ("nginx_http_large_client_header_buffers", "8k"),
            ("nginx_http_keepalive_timeout", "soon"),
            ("nginx_http_proxy_ssl_verify", "maybe"),
        ]);
        assert_eq!(errors.len(), 3, "{errors:?}");
    }
}
