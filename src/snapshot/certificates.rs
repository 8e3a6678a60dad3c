//! Certificates by server name.

use crate::persistent::Shards;
use std::sync::Arc;

/// Which certificate entity answers to which server name.
///
/// *Kong parity*: the exact name first, then `*.` with the first label replaced, then the last label
/// replaced by `.*`, then `*`.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    by_name: Shards<Box<str>, Arc<str>>,
}

impl Certificates {
    /// From pairs of server name (in lower case) and certificate id.
    pub fn from_names(names: impl IntoIterator<Item = (Box<str>, Arc<str>)>) -> Certificates {
        Certificates { by_name: names.into_iter().collect() }
    }

    /// Has another certificate answer to a server name in lower case, or none.
    pub(super) fn set(&mut self, name: &str, certificate: Option<Arc<str>>) {
        match certificate {
            Some(id) => drop(self.by_name.insert(name.into(), id)),
            None => drop(self.by_name.remove(name)),
        }
    }

    /// The certificate id for a server name in lower case.
    pub fn find(&self, name: &str) -> Option<&Arc<str>> {
        if self.by_name.is_empty() {
            return None;
        }
        let prefix = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let suffix = name.rsplit_once('.').map(|(rest, _)| format!("{rest}.*"));
        self.by_name
            .get(name)
            .or_else(|| self.by_name.get(prefix?.as_str()))
            .or_else(|| self.by_name.get(suffix?.as_str()))
            .or_else(|| self.by_name.get("*"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_exact_name_wins() {
        let names = ["a.test", "*.test", "a.*", "*"];
        let certificates = Certificates::from_names(names.map(|n| (n.into(), Arc::from(n))));
        let found = |name| certificates.find(name).map(|id| id.to_string());
        assert_eq!(found("a.test").as_deref(), Some("a.test"));
        assert_eq!(found("b.test").as_deref(), Some("*.test"));
        assert_eq!(found("a.example").as_deref(), Some("a.*"));
        assert_eq!(found("x").as_deref(), Some("*"));
    }
}
