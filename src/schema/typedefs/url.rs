//! URLs, taken apart as leniently as LuaSocket does it: `url` of services must mean what it means in Kong.

use serde_json::Value;

use super::address::{refuse, text};
use crate::schema::callback::Verdict;

/// The parts of a URL that configuration uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Url<'a> {
    /// Before the first colon.
    pub scheme: Option<&'a str>,
    /// Without user, port and the brackets of IPv6.
    pub host: Option<&'a str>,
    /// As written; may be anything.
    pub port: Option<&'a str>,
    /// Without parameters, query and fragment.
    pub path: Option<&'a str>,
}

impl<'a> Url<'a> {
    /// Takes a URL apart; `None` for an empty one.
    pub fn parse(url: &'a str) -> Option<Self> {
        if url.is_empty() {
            return None;
        }
        let (scheme, rest) = split_scheme(url);
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                (rest.get(..end), rest.get(end..).unwrap_or_default())
            }
            None => (None, rest),
        };
        let path = ['#', '?', ';']
            .iter()
            .fold(rest, |rest, mark| rest.split_once(*mark).map_or(rest, |(before, _)| before));
        let (host, port) = authority.map_or((None, None), split_authority);
        Some(Self { scheme, host, port, path: Some(path).filter(|path| !path.is_empty()) })
    }
}

fn split_scheme(url: &str) -> (Option<&str>, &str) {
    let Some((scheme, rest)) = url.split_once(':') else {
        return (None, url);
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphanumeric())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    if is_scheme { (Some(scheme), rest) } else { (None, url) }
}

fn split_authority(authority: &str) -> (Option<&str>, Option<&str>) {
    let address = authority.split_once('@').map_or(authority, |(_, address)| address);
    let (host, port) = match address.rsplit_once(':').filter(|(_, port)| !port.contains(']')) {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    };
    let inner =
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| !inner.is_empty());
    (Some(inner.unwrap_or(host)).filter(|host| !host.is_empty()), port)
}

/// `typedefs.url`.
pub fn url(value: &Value) -> Verdict {
    let Some(url) = Url::parse(text(value)) else {
        return refuse("could not parse url. invalid url");
    };
    if url.host.is_none() {
        return refuse("missing host in url");
    }
    if url.scheme.is_none() {
        return refuse("missing scheme in url");
    }
    Ok(())
}
