//! What the proxy reads of the configuration, in the form the request path wants.

use super::error_pages::Templates;
use super::h1::request::HeadLimits;
use super::upstream::PoolLimits;
use crate::conf::directives::BodyLimit;
use crate::conf::{Conf, HeaderTokens, TrustedIps};
use crate::http::{Fields, Known};
use ipnet::IpNet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// What `Server` and `Via` call this gateway.
pub const SERVER: &str = concat!("kong/", env!("CARGO_PKG_VERSION"));

/// The configuration of the proxy, read once per worker process. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Bounds on request heads.
    pub head_limits: HeadLimits,
    /// For the whole request head.
    pub client_header_timeout: u64,
    /// Between two reads of a request body.
    pub client_body_timeout: u64,
    /// Between two writes to a client.
    pub send_timeout: u64,
    /// Until an idle client connection is closed; zero keeps none.
    pub keepalive_timeout: u64,
    /// Requests that one client connection may carry.
    pub keepalive_requests: u64,
    /// Between two reads of what a client still sends after an early response.
    pub lingering_timeout: u64,
    /// Longest request body in bytes; zero is any.
    pub client_max_body_size: u64,
    /// Longest request body kept in memory, in bytes.
    pub client_body_buffer_size: usize,
    /// Where longer ones are spooled.
    pub spool: PathBuf,
    /// Headers added to responses.
    pub headers: HeaderTokens,
    /// Whether `X-Kong-Request-Id` goes upstream.
    pub headers_upstream_request_id: bool,
    /// Peers whose forwarding fields are believed.
    pub trusted_ips: TrustedIps,
    /// More of them, for `real_ip_header` only.
    pub set_real_ip_from: Vec<IpNet>,
    /// Where the client's address is read from.
    pub real_ip: RealIpSource,
    /// Whether trusted addresses are skipped from the right.
    pub real_ip_recursive: bool,
    /// Charset added to text responses without one.
    pub charset: Option<String>,
    /// Format of error bodies when the request names none.
    pub error_default_type: String,
    /// Error bodies.
    pub templates: Templates,
    /// Ports as clients know them: pairs of the port listened on and the public one.
    pub port_maps: Vec<(u16, u16)>,
    /// Whether `Kong-Debug` is honoured.
    pub allow_debug_header: bool,
    /// Whether `X-Kong-Request-Debug` is honoured.
    pub request_debug: bool,
    /// What `X-Kong-Request-Debug-Token` must hold when it comes from elsewhere.
    pub request_debug_token: String,
    /// Bounds on idle upstream connections.
    pub pool: PoolLimits,
    /// Whether upstream certificates are verified, where the service does not say.
    pub proxy_ssl_verify: bool,
    /// How long an upstream's chain may be, where the service does not say.
    pub proxy_ssl_verify_depth: u32,
    /// `proxy_buffer_size`: most bytes of an upstream's response head.
    pub proxy_buffer_size: usize,
    /// HTTP/2 streams at once per connection.
    pub http2_max_concurrent_streams: u32,
}

/// What `real_ip_header` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RealIpSource {
    /// A header field.
    Field(Vec<u8>),
    /// The source address of the PROXY protocol header.
    ProxyProtocol,
}

impl Settings {
    /// The proxy's part of a configuration.
    pub fn new(conf: &Conf) -> Settings {
        let http = &conf.nginx.proxy;
        let buffers = http.large_client_header_buffers;
        Settings {
            head_limits: HeadLimits { buffers: buffers.number as usize, buffer: buffers.size as usize },
            client_header_timeout: millis(http.client_header_timeout),
            client_body_timeout: millis(http.client_body_timeout),
            send_timeout: millis(http.send_timeout),
            keepalive_timeout: millis(http.keepalive_timeout.idle),
            keepalive_requests: http.keepalive_requests,
            lingering_timeout: millis(http.lingering_timeout),
            client_max_body_size: match http.client_max_body_size {
                BodyLimit::Unlimited => 0,
                BodyLimit::Bytes(bytes) => bytes,
            },
            client_body_buffer_size: http.client_body_buffer_size as usize,
            spool: conf.prefix.join("client_body_temp"),
            headers: conf.headers,
            headers_upstream_request_id: conf.headers_upstream.contains(HeaderTokens::REQUEST_ID),
            trusted_ips: conf.trusted_ips.clone(),
            set_real_ip_from: http.set_real_ip_from.clone(),
            real_ip: RealIpSource::named(&http.real_ip_header),
            real_ip_recursive: http.real_ip_recursive,
            charset: http.charset.clone(),
            error_default_type: conf.error_default_type.clone(),
            templates: Templates::read(conf),
            port_maps: conf.port_maps.clone(),
            allow_debug_header: conf.allow_debug_header,
            request_debug: conf.request_debug,
            request_debug_token: debug_token(conf),
            pool: PoolLimits {
                size: conf.upstream_keepalive_pool_size,
                idle: millis(conf.upstream_keepalive_idle_timeout),
                requests: u32::try_from(conf.upstream_keepalive_max_requests).unwrap_or(u32::MAX),
            },
            proxy_ssl_verify: http.proxy_ssl_verify,
            proxy_ssl_verify_depth: http.proxy_ssl_verify_depth as u32,
            proxy_buffer_size: http.proxy_buffer_size as usize,
            http2_max_concurrent_streams: http.http2_max_concurrent_streams as u32,
        }
    }

    /// The port that a client used to reach the local `port`, through `port_maps`.
    pub fn public_port(&self, port: u16) -> u16 {
        self.port_maps.iter().find(|(local, _)| *local == port).map_or(port, |(_, public)| *public)
    }

    /// Whether `real_ip_header` of this peer is believed.
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.trusted_ips.contains(peer) || self.set_real_ip_from.iter().any(|block| block.contains(&peer))
    }

    /// Whether anybody is believed at all.
    pub fn believes_anybody(&self) -> bool {
        !self.trusted_ips.is_empty() || !self.set_real_ip_from.is_empty()
    }
}

/// The token of this start: the configured one, or what was made for it.
fn debug_token(conf: &Conf) -> String {
    let made = || std::fs::read_to_string(conf.debug_token_file()).ok();
    conf.request_debug_token.clone().or_else(made).unwrap_or_default().trim().to_owned()
}

impl RealIpSource {
    fn named(name: &str) -> RealIpSource {
        if name == "proxy_protocol" {
            RealIpSource::ProxyProtocol
        } else {
            RealIpSource::Field(name.as_bytes().to_vec())
        }
    }

    /// The field's values in a request, joined as a list; `None` when it is absent.
    pub fn values<'a>(&'a self, fields: &'a Fields) -> Option<Vec<&'a [u8]>> {
        let RealIpSource::Field(name) = self else { return None };
        if Known::of(name) != Known::Other && !fields.has(Known::of(name)) {
            return None;
        }
        let values: Vec<_> = fields.values(name).collect();
        (!values.is_empty()).then_some(values)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
