//! What a name is: an address, a service, or a name to ask for.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::DnsError;
use super::cache::FOREVER;
use super::record::{Answer, Data, Kind, Record};
use super::tries::Tries;

/// The answer for a name that is an address, or looks like one.
pub(super) fn literal_answer(
    name: &str,
    kind: Option<Kind>,
    tries: &mut Tries,
) -> Option<Result<Rc<Answer>, DnsError>> {
    let v6 = name.matches(':').count() > 1;
    let v4 = !v6 && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if !v4 && !v6 {
        return None;
    }
    let (own, note, error) = match v6 {
        true => (Kind::Aaaa, "IPv6", DnsError::BadIpv6),
        false => (Kind::A, "IPv4", DnsError::BadIpv4),
    };
    tries.start(name, kind.or(Some(own)), note);
    let ip = literal(name).filter(|_| kind.is_none_or(|kind| kind == own));
    let Some(ip) = ip else {
        tries.note(if v6 { "bad IPv6" } else { "bad IPv4" });
        return Some(Err(error));
    };
    tries.note("validated");
    let now = Instant::now();
    let record = Record { name: name.to_owned(), ttl: FOREVER, data: Data::Address(ip) };
    let expires = now + Duration::from_secs(FOREVER.into());
    Some(Ok(Rc::new(Answer::new(vec![record], None, expires, now))))
}

/// An address written as a name, with or without brackets.
pub(super) fn literal(name: &str) -> Option<IpAddr> {
    let first = *name.as_bytes().first()?;
    if !first.is_ascii_hexdigit() && first != b'[' && first != b':' {
        return None;
    }
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(name).parse().ok()
}

/// `_service._protocol.name`
pub(super) fn is_service_name(name: &str) -> bool {
    let mut labels = name.splitn(3, '.');
    let mut marked = || labels.next().is_some_and(|label| label.len() > 1 && label.starts_with('_'));
    marked() && marked() && labels.next().is_some_and(|rest| !rest.is_empty())
}

/// Names are compared in lower case.
pub(super) fn lower_case(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(name.to_ascii_lowercase()),
        false => Cow::Borrowed(name),
    }
}
