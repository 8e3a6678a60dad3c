//! One request and its response, as all phases see it.
//!
//! An [`Exchange`] is made when a request head is complete, travels through every phase of
//! [`crate::proxy`], is what Lua reads and changes through `ngx.*` and `kong.*`, and ends after the
//! access log line. It belongs to one worker and is never shared between threads.
//!
//! - [`Client`]: facts of the client's connection, shared by its requests
//! - [`Request`]: head, body, and what plugins changed about them
//! - [`Upstream`]: where the request goes and what came of each try
//! - [`Response`]: what the client gets, from the upstream or from the gateway
//! - [`Times`]: when each step happened, by the clock that [`timed`] keeps
//! - [`Phase`]: the step that runs now
//! - [`Handshake`]: what plugins say about a TLS handshake
//! - [`current`]: the exchange that Lua code of this thread acts on
//! - [`output`]: what that code wants to leave before its phase is over

mod body;
mod client;
mod clock;
pub mod current;
mod handshake;
mod held;
mod id;
mod log_context;
mod match_input;
pub mod output;
mod raw;
mod request;
mod response;
mod times;
mod timing;
mod upstream;

pub use crate::phase::Phase;
pub use crate::snapshot::Timeouts;
pub use body::{BodyError, BodySource, RequestBody, SpoolFile};
pub use client::{Address, Client, Tls};
pub use clock::{Timed, now, refresh, timed};
pub use handshake::{Brought, ClientCertificateRequest, ClientIdentity, Handshake, OwnCertificate};
pub use held::{EndsWithRequest, Held};
pub use id::RequestId;
pub use log_context::LogContext;
pub use raw::{RawConnection, RawLink};
pub use request::{Forwarded, Request};
pub use response::{BodyChunk, Response, Source};
pub use times::Times;
pub use timing::Timing;
pub use upstream::{Balancing, PeerFailure, Try, Upstream};

use crate::router::Match;
use crate::snapshot::Snapshot;
use std::rc::Rc;
use std::sync::Arc;

/// One request and its response.
///
/// *Invariant*: it does not move while Lua may hold it: the proxy keeps it in a box that lives
/// until the `log` phase is over.
pub struct Exchange {
    /// The client's connection.
    pub client: Rc<Client>,
    /// The entities this request is served by, from its first phase to its last.
    pub snapshot: Arc<Snapshot>,
    /// The request's identity in headers, logs and error bodies.
    pub id: RequestId,
    /// The phase that runs now.
    pub phase: Phase,
    /// What the client asked.
    pub request: Request,
    /// What the router found.
    pub matched: Option<Match>,
    /// Where the request goes.
    pub upstream: Upstream,
    /// What the client gets.
    pub response: Response,
    /// When each step happened.
    pub times: Times,
    /// Where the time went, for a request that asked (`X-Kong-Request-Debug`).
    pub timing: Option<Box<Timing>>,
    /// What plugins say about the handshake, in the `certificate` phase.
    pub handshake: Option<Box<Handshake>>,
    /// What the Lua runtime keeps for this exchange.
    pub lua: LuaSlots,
}

/// What the Lua runtime keeps for one exchange; its meaning is [`crate::lua`]'s own.
#[derive(Debug, Default)]
pub struct LuaSlots {
    /// What compiled Lua reads and writes by itself.
    pub running: Running,
    /// Registry reference of the table of variables that plugins set; zero when there is none yet.
    pub vars: i32,
    /// Number of the plan whose plugins run, in the worker's Lua plan table; zero for none.
    pub plan: u32,
    /// How many steps of the plan later phases have, zero for all: code that ended access by `ngx.exit` keeps the
    /// plugins behind it out of them.
    pub reached: u32,
    /// Id of the authenticated consumer, for plugins configured per consumer.
    pub consumer: Option<Arc<str>>,
    /// What Lua code wrote to `ngx.ctx.KONG_PHASE`, zero for nothing, and in which phase it did: it
    /// holds until that is over.
    pub claimed_phase: Option<(Phase, u32)>,
    /// Whether a plugin ended the access phase with a response of its own.
    pub exited: bool,
    /// Whether a plugin that answers by itself says that an upstream did: one that keeps responses.
    pub proxied: bool,
    /// Whether a plugin asked for the response body to be buffered.
    pub buffered: bool,
    /// What ends with the request: connections that its code has opened and not put away.
    pub held: Vec<Held>,
}

/// What compiled Lua reads and writes by its address, without a call: `lua/host/running.lua` declares the same.
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
pub struct Running {
    /// Where the VM keeps the request's `ngx.ctx`; zero while no place is taken.
    pub place: i32,
    /// Whether `ngx.ctx` has been made.
    pub has_ctx: i32,
    /// Number of the plugin that runs, in the order of the VM's plugins; zero for none.
    pub plugin: i32,
    /// How many of [`Running::keepers`] there are.
    pub kept: i32,
    /// Under which number the VM has the plan that runs; zero for none.
    pub plan: f64,
    /// Numbers of the plugins that keep values of their own for the request (`kong.ctx.plugin`) at its place.
    pub keepers: [u8; 12],
}

impl Exchange {
    /// The exchange of a request whose head is complete.
    pub fn new(client: Rc<Client>, snapshot: Arc<Snapshot>, request: Request) -> Exchange {
        Exchange {
            client,
            snapshot,
            id: RequestId::random(),
            phase: Phase::Rewrite,
            request,
            matched: None,
            upstream: Upstream::default(),
            response: Response::default(),
            times: Times::starting_now(),
            timing: None,
            handshake: None,
            lua: LuaSlots::default(),
        }
    }

    /// Makes a finished exchange that of the next request, keeping its memory; the request is to be
    /// filled in.
    pub fn renew(&mut self, client: &Rc<Client>) {
        self.client.clone_from(client);
        self.id = RequestId::random();
        self.phase = Phase::Rewrite;
        self.request.renew();
        self.matched = None;
        self.upstream.renew();
        self.response.renew();
        self.times = Times::starting_now();
        self.timing = None;
        self.lua = LuaSlots::default();
    }

    /// Who asks: whom `real_ip_header` named, or the connection's peer.
    pub fn remote(&self) -> &Address {
        self.request.remote.as_ref().unwrap_or(&self.client.peer)
    }

    /// The name of the matched route, or its id.
    pub fn route_name(&self) -> Option<&str> {
        let route = self.snapshot.routes.get(self.matched.as_ref()?.route)?;
        Some(route.name.as_deref().unwrap_or(&route.id))
    }

    /// Whether the request went to an upstream, or at least a peer was chosen for it.
    pub fn is_proxied(&self) -> bool {
        !self.upstream.tries.is_empty()
    }
}
