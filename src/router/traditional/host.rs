//! A host of a traditional route, plain or with a wildcard at one end.

use super::request::{TraditionalRequest, split_port};
use crate::router::expression::Hint;

/// A host.
#[derive(Debug)]
pub(super) enum Host {
    Plain(String),
    /// `*.x` or `x.*`, the text on either side of the star, and a port if there is one.
    Wildcard {
        text: String,
        before: String,
        after: String,
        port: Option<String>,
    },
}

impl Host {
    pub(super) fn new(host: &str) -> Self {
        let Some((before, after)) = host.split_once('*') else {
            return Self::Plain(host.to_owned());
        };
        let (after, port) = match split_port(host) {
            (name, Some(port)) => (name.split_once('*').map_or("", |(_, after)| after), Some(port)),
            _ => (after, None),
        };
        Self::Wildcard {
            text: host.to_owned(),
            before: before.to_owned(),
            after: after.to_owned(),
            port: port.map(str::to_owned),
        }
    }

    pub(super) fn matches(&self, request: &TraditionalRequest<'_>) -> bool {
        match self {
            Self::Plain(host) => host == request.host || host == request.name,
            Self::Wildcard { before, after, port, .. } => {
                let name = request.name;
                let at_least = before.len() + after.len() + usize::from(!after.is_empty() || port.is_some());
                name.len() >= at_least
                    && name.starts_with(before.as_str())
                    && name.ends_with(after.as_str())
                    && port.as_ref().is_none_or(|port| port == request.port)
            }
        }
    }

    pub(super) fn hint(&self) -> Hint {
        match self {
            Self::Plain(host) => Hint::Exact(host.as_bytes().into()),
            Self::Wildcard { before, after, .. } if before.is_empty() => {
                Hint::Suffix(after.as_bytes().into())
            }
            Self::Wildcard { before, .. } => Hint::Prefix(before.as_bytes().into()),
        }
    }
}
