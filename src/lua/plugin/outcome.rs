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
    /// In `access` the exchange's response is a 500, to be sent like any other. In `rewrite` and
    /// `certificate` there is no response yet: the gateway makes its own 500. In a filter the response
    /// stays as far as it was changed; before the head is sent, it becomes a 500.
    Failed,
}
