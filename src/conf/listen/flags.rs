//! What may follow the address of a listener.

use std::time::Duration;

use crate::conf::units;

/// Which flags are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// HTTP listeners.
    Http,
    /// TCP, TLS and UDP listeners.
    Stream,
}

impl Subsystem {
    /// The flags as Kong writes them in its error message.
    pub(super) const fn flags(self) -> &'static [&'static str] {
        match self {
            Subsystem::Http => &[
                "ssl",
                "http2",
                "proxy_protocol",
                "deferred",
                "bind",
                "reuseport",
                "backlog=%d+",
                "ipv6only=on",
                "ipv6only=off",
                "so_keepalive=on",
                "so_keepalive=off",
                "so_keepalive=%w*:%w*:%d*",
            ],
            Subsystem::Stream => &[
                "udp",
                "ssl",
                "proxy_protocol",
                "bind",
                "reuseport",
                "backlog=%d+",
                "ipv6only=on",
                "ipv6only=off",
                "so_keepalive=on",
                "so_keepalive=off",
                "so_keepalive=%w*:%w*:%d*",
            ],
        }
    }

    /// What a wrong value is answered with.
    pub(super) fn usage(self) -> String {
        format!("must be of form: [off] | <ip>:<port> [{}], [... next entry ...]", self.flags().join("] ["))
    }

    /// Where in Kong's order the flag `word` stands; `None` if it is no flag of this subsystem.
    pub(super) fn position(self, word: &str) -> Option<usize> {
        self.flags().iter().position(|flag| match flag.split_once('%') {
            None => *flag == word,
            Some(("backlog=", _)) => word.strip_prefix("backlog=").is_some_and(is_digits),
            Some((prefix, _)) => word.strip_prefix(prefix).is_some_and(is_timing),
        })
    }

    /// Where the flag `flag`, as Kong writes it, stands in that order.
    pub(super) fn position_of(self, flag: &str) -> Option<usize> {
        self.flags().iter().position(|known| *known == flag)
    }
}

/// The value of `so_keepalive=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepAlive {
    /// Probes with the system's timing.
    On,
    /// No probes.
    Off,
    /// Probes with the given timing; what is omitted is the system's.
    Timing {
        /// Idle time before the first probe.
        idle: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
        /// Probes before the connection counts as dead.
        probes: Option<u32>,
    },
}

impl KeepAlive {
    /// Reads what follows `so_keepalive=`.
    pub(super) fn parse(word: &str) -> KeepAlive {
        match word {
            "on" => KeepAlive::On,
            "off" => KeepAlive::Off,
            timing => {
                let mut parts = timing.split(':');
                let mut time = || parts.next().and_then(|part| units::time(part).ok());
                let (idle, interval) = (time(), time());
                let probes = parts.next().and_then(|count| count.parse().ok());
                KeepAlive::Timing { idle, interval, probes }
            }
        }
    }
}

/// Whether `text` is one or more digits.
pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `idle:interval:probes`, each possibly empty.
fn is_timing(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let [idle, interval, probes] = parts.as_slice() else { return false };
    let is_word = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word(idle) && is_word(interval) && probes.bytes().all(|byte| byte.is_ascii_digit())
}
