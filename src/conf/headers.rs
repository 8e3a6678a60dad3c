//! Which headers the gateway adds, as bits that the request path tests.

use std::ops::BitOr;

use super::field::Field;
use super::value::ConfValue;

/// A set of the headers that `headers` and `headers_upstream` switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderTokens(u16);

impl HeaderTokens {
    /// `Via`.
    pub const VIA: HeaderTokens = HeaderTokens(1);
    /// `Server`.
    pub const SERVER: HeaderTokens = HeaderTokens(1 << 1);
    /// `X-Kong-Proxy-Latency`.
    pub const PROXY_LATENCY: HeaderTokens = HeaderTokens(1 << 2);
    /// `X-Kong-Response-Latency`.
    pub const RESPONSE_LATENCY: HeaderTokens = HeaderTokens(1 << 3);
    /// `X-Kong-Admin-Latency`.
    pub const ADMIN_LATENCY: HeaderTokens = HeaderTokens(1 << 4);
    /// `X-Kong-Upstream-Latency`.
    pub const UPSTREAM_LATENCY: HeaderTokens = HeaderTokens(1 << 5);
    /// `X-Kong-Upstream-Status`.
    pub const UPSTREAM_STATUS: HeaderTokens = HeaderTokens(1 << 6);
    /// `X-Kong-Request-Id`.
    pub const REQUEST_ID: HeaderTokens = HeaderTokens(1 << 7);
    /// The word `server_tokens`; implies [`HeaderTokens::VIA`] and [`HeaderTokens::SERVER`].
    pub const SERVER_TOKENS: HeaderTokens = HeaderTokens(1 << 8);
    /// The word `latency_tokens`; implies the four latencies.
    pub const LATENCY_TOKENS: HeaderTokens = HeaderTokens(1 << 9);

    /// Each header that can be named, as it is written on the wire.
    pub const NAMES: [(&'static str, HeaderTokens); 10] = [
        ("server_tokens", HeaderTokens::SERVER_TOKENS),
        ("latency_tokens", HeaderTokens::LATENCY_TOKENS),
        ("Via", HeaderTokens::VIA),
        ("Server", HeaderTokens::SERVER),
        ("X-Kong-Proxy-Latency", HeaderTokens::PROXY_LATENCY),
        ("X-Kong-Response-Latency", HeaderTokens::RESPONSE_LATENCY),
        ("X-Kong-Admin-Latency", HeaderTokens::ADMIN_LATENCY),
        ("X-Kong-Upstream-Latency", HeaderTokens::UPSTREAM_LATENCY),
        ("X-Kong-Upstream-Status", HeaderTokens::UPSTREAM_STATUS),
        ("X-Kong-Request-Id", HeaderTokens::REQUEST_ID),
    ];

    /// The tokens that `headers_upstream` knows.
    pub const UPSTREAM_NAMES: [(&'static str, HeaderTokens); 1] =
        [("X-Kong-Request-Id", HeaderTokens::REQUEST_ID)];

    /// Whether every header of `wanted` is in the set.
    pub const fn contains(self, wanted: HeaderTokens) -> bool {
        self.0 & wanted.0 == wanted.0
    }

    /// The tokens called `name`, in any case, with what they imply.
    pub fn named(name: &str) -> Option<HeaderTokens> {
        let (_, token) = Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(match *token {
            Self::SERVER_TOKENS => Self::SERVER_TOKENS | Self::VIA | Self::SERVER,
            Self::LATENCY_TOKENS => {
                Self::LATENCY_TOKENS
                    | Self::PROXY_LATENCY
                    | Self::RESPONSE_LATENCY
                    | Self::ADMIN_LATENCY
                    | Self::UPSTREAM_LATENCY
            }
            single => single,
        })
    }

    /// The set as Kong's `enabled_headers` table holds it: every name of `names` and whether it is on.
    pub fn to_value(self, names: &[(&str, HeaderTokens)]) -> ConfValue {
        let entry = |(name, token): &(&str, HeaderTokens)| {
            ((*name).to_owned(), ConfValue::Boolean(self.contains(*token)))
        };
        ConfValue::Map(names.iter().map(entry).collect())
    }
}

impl BitOr for HeaderTokens {
    type Output = HeaderTokens;

    fn bitor(self, other: HeaderTokens) -> HeaderTokens {
        HeaderTokens(self.0 | other.0)
    }
}

/// A first item `off` switches everything off; later ones mean nothing.
impl Field for HeaderTokens {
    fn read(value: Option<&ConfValue>) -> HeaderTokens {
        let names: Vec<&str> = value.map(|list| list.texts().collect()).unwrap_or_default();
        if names.first() == Some(&"off") {
            return HeaderTokens::default();
        }
        names.into_iter().filter_map(HeaderTokens::named).fold(HeaderTokens::default(), BitOr::bitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> HeaderTokens {
        HeaderTokens::read(Some(&ConfValue::list(names.iter().copied())))
    }

    #[test]
    fn the_default_leaves_out_only_the_upstream_status() {
        let tokens = read(&["server_tokens", "latency_tokens", "x-kong-request-id"]);
        for (name, token) in HeaderTokens::NAMES {
            assert_eq!(tokens.contains(token), token != HeaderTokens::UPSTREAM_STATUS, "{name}");
        }
    }

    #[test]
    fn single_headers_are_named_in_any_case() {
        let tokens = read(&["VIA", "x-kong-upstream-status"]);
        assert!(tokens.contains(HeaderTokens::VIA | HeaderTokens::UPSTREAM_STATUS));
        assert!(!tokens.contains(HeaderTokens::SERVER));
    }

    #[test]
    fn off_first_switches_everything_off() {
        assert_eq!(read(&["off", "Via"]), HeaderTokens::default());
        assert!(read(&["Via", "off"]).contains(HeaderTokens::VIA));
    }
}
