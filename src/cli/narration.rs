//! What `--v` and `--vv` tell about where a configuration comes from.

use std::path::Path;

use super::Console;
use crate::conf::{Conf, ConfValue, DEFAULT_FILES, Sources};

/// What is shown instead of a secret.
const MASK: &str = "******";

/// Tells which file is read and which environment variables count.
pub fn tell_sources(console: &Console, sources: &Sources) {
    match sources.file() {
        Ok(Some(path)) => console.verbose(format!("reading config file at {}", path.display())),
        Ok(None) => {
            for path in DEFAULT_FILES {
                console.verbose(format!("no config file found at {path}"));
            }
            console.verbose("no config file, skip loading");
        }
        Err(_) => {}
    }
    for (name, value) in sources.environment_properties() {
        let shown = if Conf::is_sensitive(&name) { MASK } else { value.as_str() };
        console.debug(format!("KONG_{} ENV found with \"{shown}\"", name.to_uppercase()));
    }
}

/// Tells that the configuration of a node is read which was started.
pub fn tell_env_file(console: &Console, file: &Path) {
    console.verbose(format!("reading config file at {}", file.display()));
}

/// Tells the outcome: the prefix, and every value, secrets masked.
pub fn tell_values(console: &Console, conf: &Conf) {
    console.verbose(format!("prefix in use: {}", conf.prefix.display()));
    for (name, value) in conf.values() {
        let shown = if Conf::is_sensitive(name) { quoted(MASK) } else { print(value) };
        console.debug(format!("{name} = {shown}"));
    }
}

/// A value as Lua source.
fn print(value: &ConfValue) -> String {
    match value {
        ConfValue::String(text) => quoted(text),
        ConfValue::Array(items) => format!("{{{}}}", items.iter().map(print).collect::<Vec<_>>().join(",")),
        ConfValue::Map(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("[{}]={}", quoted(name), print(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
        plain => plain.to_conf().unwrap_or_default(),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_lua_source() {
        assert_eq!(print(&ConfValue::from("a\"b")), "\"a\\\"b\"");
        assert_eq!(print(&ConfValue::list(["a", "b"])), "{\"a\",\"b\"}");
        assert_eq!(print(&ConfValue::Number(5432.0)), "5432");
        assert_eq!(print(&ConfValue::Boolean(false)), "false");
        assert_eq!(print(&ConfValue::Map(vec![("a".into(), ConfValue::Boolean(true))])), "{[\"a\"]=true}");
    }
}
