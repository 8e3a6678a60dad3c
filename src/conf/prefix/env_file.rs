//! `.kong_env`: the configuration in force, as a file that the other commands read.

use std::path::Path;

use super::owner;
use crate::conf::{Conf, ConfError};

const HEAD: &str = "\
# ---------------------------------------------------------------
# Written by kong: do not edit, the next start or reload replaces it.
# It holds the whole configuration of the node in this prefix, with
# every default, as the node took it from kong.conf, the environment
# and the command line. Secrets that are vault references stay so.
# To change something, edit kong.conf and run `kong reload`.
# ---------------------------------------------------------------

";

/// Writes every value that can stand in a file, sorted by name. A secret is written as its reference.
pub(super) fn write(conf: &Conf, path: &Path) -> Result<(), ConfError> {
    let mut text = HEAD.to_owned();
    for (name, value) in conf.values() {
        let Some(value) = conf.written_form(name, value).filter(|value| !value.is_empty()) else { continue };
        text.push_str(&format!("{name} = {}\n", encode(&value)));
    }
    owner::write_private(path, text.as_bytes(), 0o640)
}

/// A value that would not survive as one line is written as a JSON string.
fn encode(value: &str) -> String {
    let written =
        if needs_encoding(value) { serde_json::Value::from(value).to_string() } else { value.to_owned() };
    written.replace('#', "\\#")
}

/// Reads what [`encode`] wrote; everything else is left alone.
pub fn decode(written: &str) -> String {
    if !written.starts_with('"') {
        return written.to_owned();
    }
    match serde_json::from_str::<String>(written) {
        Ok(value) if needs_encoding(&value) => value,
        _ => written.to_owned(),
    }
}

fn needs_encoding(value: &str) -> bool {
    value.contains(['\n', '\r']) || value.ends_with('\\') || value.trim() != value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::file;

    proptest::proptest! {
        #[test]
        fn every_value_survives(value in "(\\PC|[\n\r\t#\\\\\" =]){1,40}") {
            let line = format!("name = {}\n", encode(&value));
            let read = file::parse(&line, file::Dialect::KongEnv);
            proptest::prop_assert_eq!(read.get("name"), Some(&value));
        }
    }

    #[test]
    fn values_that_are_no_single_line_survive() {
        for value in ["a\nb", "ends with \\", "\"quoted\"", "plain", " spaces ", "\"a\nb\""] {
            assert_eq!(decode(&encode(value)), value, "{value:?}");
        }
        assert_eq!(encode("a#b"), "a\\#b");
    }
}
