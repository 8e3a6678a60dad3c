//! When each step of an exchange happened.

use super::now;

/// Microseconds since the Unix epoch, at the step named; zero while it has not happened.
///
/// *Kong parity*: latencies are differences of these, in whole milliseconds, as nginx's cached
/// clock gives them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// The first byte of the request head was seen.
    pub start: u64,
    /// The route was looked for.
    pub router_start: u64,
    /// The access phase began.
    pub access_start: u64,
    /// The access phase was over.
    pub access_end: u64,
    /// The first peer was asked for.
    pub balancer_start: u64,
    /// The request was handed to the upstream: what came before is the gateway's latency.
    pub balancer_end: u64,
    /// The upstream's response head was complete.
    pub header_filter_start: u64,
    /// The first body piece was at hand.
    pub body_filter_start: u64,
    /// The last byte of the response was handed to the kernel.
    pub response_end: u64,
}

impl Times {
    /// Times of an exchange that starts now.
    pub fn starting_now() -> Times {
        Times { start: now(), ..Times::default() }
    }

    /// Whole milliseconds between two steps; `None` while either has not happened.
    pub const fn between(from: u64, to: u64) -> Option<u64> {
        if from == 0 || to == 0 { None } else { Some((to / 1000).saturating_sub(from / 1000)) }
    }
}
