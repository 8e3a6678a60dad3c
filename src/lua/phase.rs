//! What a phase is called in Lua, and what code may do in it.

use crate::exchange::Phase;

impl Phase {
    /// The name `ngx.get_phase()` returns.
    ///
    /// *Kong parity*: the `response` phase runs within nginx's access phase there.
    pub const fn ngx_name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::InitWorker => "init_worker",
            Self::Certificate => "ssl_cert",
            Self::Rewrite => "rewrite",
            Self::Access | Self::Response => "access",
            Self::Balancer => "balancer",
            Self::HeaderFilter => "header_filter",
            Self::BodyFilter => "body_filter",
            Self::Log => "log",
            Self::Preread => "preread",
            Self::Error | Self::AdminApi => "content",
            Self::Timer => "timer",
        }
    }

    /// The name that stands in "API disabled in the context of …".
    pub const fn directive(self) -> &'static str {
        match self {
            Self::Init => "init_by_lua*",
            Self::InitWorker => "init_worker_by_lua*",
            Self::Certificate => "ssl_certificate_by_lua*",
            Self::Rewrite => "rewrite_by_lua*",
            Self::Access | Self::Response => "access_by_lua*",
            Self::Balancer => "balancer_by_lua*",
            Self::HeaderFilter => "header_filter_by_lua*",
            Self::BodyFilter => "body_filter_by_lua*",
            Self::Log => "log_by_lua*",
            Self::Preread => "preread_by_lua*",
            Self::Error | Self::AdminApi => "content_by_lua*",
            Self::Timer => "ngx.timer",
        }
    }

    /// Whether code of this phase may wait for input, output or time.
    pub const fn may_wait(self) -> bool {
        matches!(
            self,
            Self::Certificate
                | Self::Rewrite
                | Self::Access
                | Self::Response
                | Self::Preread
                | Self::Error
                | Self::AdminApi
                | Self::Timer
        )
    }
}
