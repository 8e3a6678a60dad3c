//! Secrets that vaults written in Lua gave, for all threads of the process.

use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is known of a reference's secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It was not asked for yet.
    Unknown,
    /// The vault has none, or did not answer.
    Nothing,
    /// The secret.
    Secret(Arc<str>),
}

/// A secret, and the configuration of the vault that gave it.
struct Entry {
    configuration: String,
    secret: Option<Arc<str>>,
}

/// By reference.
static ENTRIES: LazyLock<RwLock<HashMap<String, Entry>>> = LazyLock::new(RwLock::default);
static VERSION: AtomicU64 = AtomicU64::new(0);

/// Keeps what a vault of this `configuration` says of a reference.
pub fn keep(reference: &str, configuration: &str, secret: Option<&str>) {
    if find(reference, configuration) == secret.map_or(Kept::Nothing, |secret| Kept::Secret(secret.into())) {
        return;
    }
    let entry = Entry { configuration: configuration.to_owned(), secret: secret.map(Arc::from) };
    ENTRIES.write().insert(reference.to_owned(), entry);
    VERSION.fetch_add(1, Ordering::Release);
}

/// What a vault of this `configuration` said of a reference.
///
/// *Cost*: a lock shared by readers, and a copy of a counted pointer. Not for the request path.
pub fn find(reference: &str, configuration: &str) -> Kept {
    let entries = ENTRIES.read();
    match entries.get(reference).filter(|entry| entry.configuration == configuration) {
        None => Kept::Unknown,
        Some(entry) => entry.secret.clone().map_or(Kept::Nothing, Kept::Secret),
    }
}

/// Changes with every secret that is new or another.
pub fn version() -> u64 {
    VERSION.load(Ordering::Acquire)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_that_of_its_vaults_configuration() {
        let reference = "{vault://kept-test/a}";
        assert_eq!(find(reference, "1"), Kept::Unknown);
        let before = version();
        keep(reference, "1", Some("a"));
        assert!(version() > before);
        assert_eq!(find(reference, "1"), Kept::Secret("a".into()));
        assert_eq!(find(reference, "2"), Kept::Unknown);
        keep(reference, "1", None);
        assert_eq!(find(reference, "1"), Kept::Nothing);
    }
}
