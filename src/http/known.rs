//! Field names that the gateway itself looks at.

/// A field name with a meaning to the gateway, recognised once when a line is added.
///
/// A set of them fits one `u64`, so "is there any `Expect`?" costs one bit test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // each variant is the field name of the same spelling
pub enum Known {
    Other,
    Accept,
    Age,
    Authorization,
    CacheControl,
    Connection,
    ContentLength,
    ContentType,
    Cookie,
    Date,
    Expect,
    Host,
    KeepAlive,
    KongDebug,
    Location,
    Origin,
    Proxy,
    ProxyConnection,
    Referer,
    Server,
    SetCookie,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
    UserAgent,
    Via,
    XForwardedFor,
    XForwardedHost,
    XForwardedPath,
    XForwardedPort,
    XForwardedPrefix,
    XForwardedProto,
    XKongRequestDebug,
    XKongRequestDebugLog,
    XKongRequestDebugToken,
    XKongRequestId,
    XRealIp,
}

impl Known {
    /// The known name that `name` spells, in any case; [`Known::Other`] for all the rest.
    ///
    /// *Cost*: a jump on the length, then the ends of at most five names, and mostly one comparison or none.
    pub fn of(name: &[u8]) -> Known {
        candidates(name.len())
            .iter()
            .find(|(spelling, _)| same_ends(spelling, name) && spelling.eq_ignore_ascii_case(name))
            .map_or(Known::Other, |(_, known)| *known)
    }

    /// This name's bit in a set of known names; zero for [`Known::Other`].
    pub const fn bit(self) -> u64 {
        if matches!(self, Known::Other) { 0 } else { 1 << self as u8 }
    }
}

/// What can be told of a name at a glance: its length and three of its bytes, whatever the case, dashes and
/// underscores alike. Names that differ in it are different.
pub(super) fn glance(name: &[u8]) -> u32 {
    let fold = |byte: Option<&u8>| match byte.copied().unwrap_or_default() | 0x20 {
        // an underscore
        0x7f => b'-',
        folded => folded,
    };
    let middle = name.get(name.len() / 2);
    u32::from_le_bytes([name.len() as u8, fold(name.first()), fold(middle), fold(name.last())])
}

/// Whether the first and the last byte of two names can be the same letter.
fn same_ends(one: &[u8], other: &[u8]) -> bool {
    let folded = |byte: Option<&u8>| byte.map(|byte| byte | 0x20);
    folded(one.first()) == folded(other.first()) && folded(one.last()) == folded(other.last())
}

fn candidates(len: usize) -> &'static [(&'static [u8], Known)] {
    match len {
        2 => &[(b"te", Known::Te)],
        3 => &[(b"via", Known::Via), (b"age", Known::Age)],
        4 => &[(b"host", Known::Host), (b"date", Known::Date)],
        5 => &[(b"proxy", Known::Proxy)],
        6 => &[
            (b"accept", Known::Accept),
            (b"cookie", Known::Cookie),
            (b"server", Known::Server),
            (b"expect", Known::Expect),
            (b"origin", Known::Origin),
        ],
        7 => &[(b"upgrade", Known::Upgrade), (b"referer", Known::Referer), (b"trailer", Known::Trailer)],
        8 => &[(b"location", Known::Location)],
        9 => &[(b"x-real-ip", Known::XRealIp)],
        10 => &[
            (b"user-agent", Known::UserAgent),
            (b"connection", Known::Connection),
            (b"keep-alive", Known::KeepAlive),
            (b"set-cookie", Known::SetCookie),
            (b"kong-debug", Known::KongDebug),
        ],
        12 => &[(b"content-type", Known::ContentType)],
        13 => &[(b"authorization", Known::Authorization), (b"cache-control", Known::CacheControl)],
        14 => &[(b"content-length", Known::ContentLength)],
        15 => &[(b"x-forwarded-for", Known::XForwardedFor)],
        16 => &[
            (b"x-forwarded-host", Known::XForwardedHost),
            (b"x-forwarded-port", Known::XForwardedPort),
            (b"x-forwarded-path", Known::XForwardedPath),
            (b"proxy-connection", Known::ProxyConnection),
        ],
        17 => &[
            (b"transfer-encoding", Known::TransferEncoding),
            (b"x-forwarded-proto", Known::XForwardedProto),
            (b"x-kong-request-id", Known::XKongRequestId),
        ],
        18 => &[(b"x-forwarded-prefix", Known::XForwardedPrefix)],
        20 => &[(b"x-kong-request-debug", Known::XKongRequestDebug)],
        24 => &[(b"x-kong-request-debug-log", Known::XKongRequestDebugLog)],
        26 => &[(b"x-kong-request-debug-token", Known::XKongRequestDebugToken)],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_case_and_others_are_not() {
        assert_eq!(Known::of(b"Content-LENGTH"), Known::ContentLength);
        assert_eq!(Known::of(b"content_length"), Known::Other);
        assert_eq!(Known::of(b""), Known::Other);
    }

    #[test]
    fn a_name_is_listed_under_its_own_length_and_has_its_own_bit() {
        let mut seen = 0;
        for len in 0..64 {
            for (spelling, known) in candidates(len) {
                assert_eq!(spelling.len(), len);
                assert_eq!(seen & known.bit(), 0);
                seen |= known.bit();
            }
        }
        assert_eq!(seen.count_ones(), Known::XRealIp as u32);
    }
}
