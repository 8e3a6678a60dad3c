//! The steps of a request's life.

/// The phase that runs now; the names are those of Kong and of `ngx.get_phase()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Phase {
    /// The VM is being set up; no request.
    Init = 1,
    /// A worker starts, or its configuration changed; no request.
    InitWorker = 2,
    /// A TLS handshake chooses its certificate.
    Certificate = 4,
    /// Global plugins, before routing.
    Rewrite = 8,
    /// Plugins of the matched route, before the upstream is contacted.
    Access = 16,
    /// A peer is being chosen, once for each try.
    Balancer = 32,
    /// The upstream's whole response is at hand and may be replaced.
    Response = 64,
    /// The response head is about to be sent.
    HeaderFilter = 128,
    /// A piece of the response body is about to be sent.
    BodyFilter = 256,
    /// The response has been sent.
    Log = 512,
    /// A stream connection, before its upstream is contacted.
    Preread = 1024,
    /// The gateway makes an error response.
    Error = 2048,
    /// A request of the Admin API.
    AdminApi = 4096,
    /// A timer's callback; no request.
    Timer = 8192,
}

impl Phase {
    /// This phase's bit in a set of phases.
    pub const fn bit(self) -> u32 {
        self as u32
    }
}
