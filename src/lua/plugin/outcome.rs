//! How a phase of plugins ended.

/// How a phase of plugins ended, and what the proxy does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PhaseOutcome {
    /// All plugins ran, or there was none: go on.
    Continue,
    /// A plugin answered: the exchange's response has status, fields and body. Skip to `header_filter`.
    Exited,
    /// A plugin threw; the log has the error.
    ///
    /// Before the upstream is asked the status is 500 and there is no body: the gateway makes it. In a filter
    /// the response stays as far as it was changed; before the head is sent, it becomes a 500.
    Failed,
}
