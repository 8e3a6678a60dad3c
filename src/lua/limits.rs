//! How much Lua code may use: what directives of nginx say about timers, expressions and sockets.

use std::cell::Cell;
use std::time::Duration;

/// Limits of a VM.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Timers that may wait: `lua_max_pending_timers`.
    pub pending_timers: usize,
    /// Timers whose functions may run at once: `lua_max_running_timers`.
    pub running_timers: usize,
    /// Steps that a match may take: `lua_regex_match_limit`; zero is any number.
    pub match_steps: u32,
    /// Compiled expressions that are kept: `lua_regex_cache_max_entries`.
    pub kept_expressions: usize,
    /// Time to connect a socket that was given none: `lua_socket_connect_timeout`.
    pub connect: Duration,
    /// Longest pause while sending: `lua_socket_send_timeout`.
    pub send: Duration,
    /// Longest pause while reading: `lua_socket_read_timeout`.
    pub read: Duration,
    /// How long an idle connection is kept: `lua_socket_keepalive_timeout`; zero is for ever.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        USUAL
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// Kong's own.
const USUAL: Limits = Limits {
    pending_timers: 16_384,
    running_timers: 4_096,
    match_steps: 100_000,
    kept_expressions: 8_192,
    connect: MINUTE,
    send: MINUTE,
    read: MINUTE,
    keep_alive: MINUTE,
};

thread_local! {
    static LIMITS: Cell<Limits> = const { Cell::new(USUAL) };
}

/// Puts limits in force for the VM of this thread.
pub(super) fn set(limits: Limits) {
    LIMITS.set(limits);
}

/// The limits of this thread's VM.
pub(super) fn limits() -> Limits {
    LIMITS.get()
}
