//! The states of the gateway's life.

use std::fmt;
use std::time::Duration;

/// What the master is doing. Its sentence is logged whenever it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// The first worker process is loading.
    Starting,
    /// A worker process serves.
    Serving,
    /// A worker process serves while the next one is loading.
    Reloading,
    /// The worker process died, and the next one is loading.
    Recovering,
    /// The worker process died too often: the next one has to wait.
    BackingOff(Duration),
    /// WINCH: nobody serves until the next reload.
    Drained,
    /// QUIT: requests are being finished.
    Quitting,
    /// TERM: everything ends now.
    Stopping,
    /// All worker processes are gone.
    Stopped,
}

impl Life {
    /// Whether the gateway is on its way out.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Life::Quitting | Life::Stopping | Life::Stopped)
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Life::Starting => write!(f, "the first worker process is loading its configuration"),
            Life::Serving => write!(f, "the gateway serves"),
            Life::Reloading => write!(f, "the gateway serves while its next worker process is loading"),
            Life::Recovering => write!(f, "the worker process is gone, a new one is loading"),
            Life::BackingOff(wait) => {
                write!(f, "worker processes keep failing, the next one starts in {} ms", wait.as_millis())
            }
            Life::Drained => write!(f, "the worker process is draining, a reload starts the next one"),
            Life::Quitting => write!(f, "the gateway finishes its requests and ends"),
            Life::Stopping => write!(f, "the gateway ends now"),
            Life::Stopped => write!(f, "the gateway has ended"),
        }
    }
}
