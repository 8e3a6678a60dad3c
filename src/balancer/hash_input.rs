//! The value that consistent hashing hashes, read from the request.

use std::borrow::Cow;

use super::spec::{HashOn, UpstreamSpec};

/// Where the value may come from; answered by whoever holds the request.
pub trait HashSource {
    /// The id of the authenticated consumer, or else of the credential.
    fn consumer(&self) -> Option<Cow<'_, str>>;
    /// The client's address.
    fn ip(&self) -> Option<Cow<'_, str>>;
    /// A field of the request.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// A cookie.
    fn cookie(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The decoded path.
    fn path(&self) -> Option<Cow<'_, str>>;
    /// A query argument; several values sorted and joined by commas.
    fn query_arg(&self, name: &str) -> Option<Cow<'_, str>>;
    /// A group captured by the route's path.
    fn uri_capture(&self, name: &str) -> Option<Cow<'_, str>>;
}

/// A cookie to set, so that the client comes back to the same target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HashCookie {
    /// Its name.
    pub name: String,
    /// A fresh random value.
    pub value: String,
    /// Its path.
    pub path: String,
}

impl HashCookie {
    /// The value of the `Set-Cookie` field.
    ///
    /// *Kong parity*: the attribute is spelled `Same-Site`.
    pub fn field_value(&self) -> String {
        format!("{}={}; Path={}; Same-Site=Lax; HttpOnly", self.name, self.value, self.path)
    }
}

/// The value to hash for `upstream`, empty when there is none, and the cookie that carries it.
pub fn hash_value<'s>(
    upstream: &UpstreamSpec,
    source: &'s dyn HashSource,
) -> (Cow<'s, str>, Option<HashCookie>) {
    if upstream.hash_on == HashOn::None {
        return (Cow::Borrowed(""), None);
    }
    for hash_on in [&upstream.hash_on, &upstream.hash_fallback] {
        let value = match hash_on {
            HashOn::None => None,
            HashOn::Consumer => source.consumer(),
            HashOn::Ip => source.ip(),
            HashOn::Header(name) => source.header(name),
            HashOn::Path => source.path(),
            HashOn::QueryArg(name) => source.query_arg(name),
            HashOn::UriCapture(name) => source.uri_capture(name),
            HashOn::Cookie { name, path } => match source.cookie(name) {
                Some(value) => Some(value),
                None => {
                    let value = uuid::Uuid::new_v4().to_string();
                    let cookie = HashCookie { name: name.clone(), value: value.clone(), path: path.clone() };
                    return (Cow::Owned(value), Some(cookie));
                }
            },
        };
        if let Some(value) = value {
            return (value, None);
        }
    }
    (Cow::Borrowed(""), None)
}
