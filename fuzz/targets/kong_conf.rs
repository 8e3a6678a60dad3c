//! The text of a kong.conf: its lines, and the whole way to a configuration or an error.
#![no_main]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use kong::conf::file::{self, Dialect};
use kong::conf::{Conf, Sources};

/// In memory where the system has such a folder, one for each process.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = PathBuf::from("/dev/shm");
    let folder = if shared.is_dir() { shared } else { std::env::temp_dir() };
    folder.join(format!("kong-fuzz-{}.conf", std::process::id()))
});

libfuzzer_sys::fuzz_target!(|text: &str| {
    for dialect in [Dialect::KongConf, Dialect::KongEnv] {
        for key in file::parse(text, dialect).keys() {
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "{key:?}");
        }
    }
    if std::fs::write(&*FILE, text).is_err() {
        return;
    }
    let sources = Sources::new(Some(&FILE)).environment(BTreeMap::new());
    match Conf::load(&sources) {
        Ok(_) => {}
        Err(error) => assert!(!error.to_string().is_empty(), "an error without a text"),
    }
});
