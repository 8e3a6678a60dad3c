//! The steps of a request's life.

/// The phase that runs now; the names are those of Kong and of `ngx.get_phase()`.
///
/// *Kong parity*: the numbers are those of `kong.pdk.private.phases`, which plugins compare with
/// `ngx.ctx.KONG_PHASE`; `Init` has none there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Phase {
    /// The VM is being set up; no request.
    Init = 0x8000,
    /// A worker starts, or its configuration changed; no request.
    InitWorker = 0x1,
    /// A TLS handshake chooses its certificate.
    Certificate = 0x2,
    /// Global plugins, before routing.
    Rewrite = 0x10,
    /// Plugins of the matched route, before the upstream is contacted.
    Access = 0x20,
    /// A peer is being chosen, once for each try.
    Balancer = 0x40,
    /// The upstream's whole response is at hand and may be replaced.
    Response = 0x80,
    /// The response head is about to be sent.
    HeaderFilter = 0x200,
    /// A piece of the response body is about to be sent.
    BodyFilter = 0x400,
    /// The response has been sent.
    Log = 0x2000,
    /// A stream connection, before its upstream is contacted.
    Preread = 0x4000,
    /// The gateway makes an error response.
    Error = 0x0100_0000,
    /// A request of the Admin API.
    AdminApi = 0x1000_0000,
    /// A timer's callback; no request.
    Timer = 0x1000,
}

impl Phase {
    /// This phase's bit in a set of phases.
    pub const fn bit(self) -> u32 {
        self as u32
    }
}
