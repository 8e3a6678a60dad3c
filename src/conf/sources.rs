//! Where a configuration comes from, and which source wins.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::property::environment_name;
use super::{ConfError, file, table};

/// Where kong.conf is looked for when no path is given.
pub const DEFAULT_FILES: [&str; 2] = ["/etc/kong/kong.conf", "/etc/kong.conf"];

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What a configuration is read for, which decides what an unresolvable reference means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To start serving: a reference that cannot be resolved is an error.
    Start,
    /// To find or stop a running node: such a value is left out.
    Stop,
    /// To look at it: such a value stays the reference.
    Inspect,
}

/// The sources of a configuration, weakest first: the table's defaults, a file, the environment, flags.
#[derive(Debug, Clone)]
pub struct Sources {
    path: Option<PathBuf>,
    look_up: bool,
    environment: BTreeMap<String, String>,
    /// The `KONG_*` variables that count, if not all: none for a `.kong_env`, which has them already.
    only_variables: Option<BTreeSet<String>>,
    flags: BTreeMap<String, String>,
    /// A `.kong_env` below all others but the defaults.
    base: Option<PathBuf>,
    purpose: Purpose,
}

impl Sources {
    /// The file at `path` — or the first of [`DEFAULT_FILES`] that exists, or none — and the environment
    /// of the process.
    pub fn new(path: Option<&Path>) -> Sources {
        Sources {
            path: path.map(Path::to_owned),
            look_up: path.is_none(),
            environment: process_environment(),
            only_variables: None,
            flags: BTreeMap::new(),
            base: None,
            purpose: Purpose::Inspect,
        }
    }

    /// Only the `.kong_env` at `path`: it holds the result of all sources already.
    pub fn kong_env(path: &Path) -> Sources {
        Sources {
            base: Some(path.to_owned()),
            only_variables: Some(BTreeSet::new()),
            ..Sources::new(None).without_default_files()
        }
    }

    /// The same sources on top of the `.kong_env` at `path`, if that exists: what `kong reload` reads, so
    /// that a node keeps what it was started with.
    pub fn over(self, path: &Path) -> Sources {
        Sources { base: path.exists().then(|| path.to_owned()), ..self }
    }

    /// The same sources, with `value` for `name` above all others, if there is one.
    pub fn flag(mut self, name: &str, value: Option<&str>) -> Sources {
        self.flags.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// The same sources, read for `purpose`.
    pub fn purpose(self, purpose: Purpose) -> Sources {
        Sources { purpose, ..self }
    }

    /// The same sources with another environment than the process's.
    pub fn environment(self, environment: BTreeMap<String, String>) -> Sources {
        Sources { environment, ..self }
    }

    /// The same sources, without looking for a file in the default places.
    pub fn without_default_files(self) -> Sources {
        Sources { look_up: false, ..self }
    }

    /// The same sources, where no other variables set properties; secrets may be in others.
    pub fn only_variables(self, names: BTreeSet<String>) -> Sources {
        Sources { only_variables: Some(names), ..self }
    }

    /// The file that is read, if any.
    ///
    /// *Errors*: a path was given and nothing is there.
    pub fn file(&self) -> Result<Option<PathBuf>, ConfError> {
        match &self.path {
            Some(path) if path.exists() => Ok(Some(path.clone())),
            Some(path) => Err(ConfError::NoFile(path.clone())),
            None if self.look_up => Ok(DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists())),
            None => Ok(None),
        }
    }

    /// The `.kong_env` underneath, if any.
    pub(super) fn running(&self) -> Option<&Path> {
        self.base.as_deref()
    }

    pub(super) fn read_purpose(&self) -> Purpose {
        self.purpose
    }

    pub(super) fn variables(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// What a running node has, from its `.kong_env`, where it is among the sources. Its names are those
    /// in use and its values complete.
    pub(super) fn read_running(&self) -> Result<BTreeMap<String, String>, ConfError> {
        match &self.base {
            Some(path) if path.exists() => read_properties(path, file::Dialect::KongEnv),
            Some(path) => Err(ConfError::NoFile(path.clone())),
            None => Ok(BTreeMap::new()),
        }
    }

    /// What the user set: file, environment and flags merged; no defaults yet.
    ///
    /// *Kong parity*: a property that sets directives does so within its own source, above a directive
    /// in the same source and below one in a stronger source.
    pub(super) fn read(&self) -> Result<BTreeMap<String, String>, ConfError> {
        let mut merged = match self.file()? {
            Some(path) => read_properties(&path, file::Dialect::KongConf)?,
            None => BTreeMap::new(),
        };

        merged.extend(self.environment_properties());

        let mut flags = self.flags.clone();
        set_directives(&mut flags);
        merged.extend(flags.into_iter().filter(|(name, _)| is_property(name)));
        Ok(merged)
    }

    /// The properties that the environment sets, sorted by name.
    pub fn environment_properties(&self) -> impl Iterator<Item = (String, String)> {
        let candidates: BTreeSet<String> = self
            .environment
            .keys()
            .filter_map(|variable| variable.strip_prefix("KONG_"))
            .map(str::to_lowercase)
            .chain(table::properties().map(|property| property.name.to_owned()))
            .filter(|name| is_property(name))
            .collect();
        candidates.into_iter().filter_map(|name| {
            let variable = environment_name(&name);
            let counts = self.only_variables.as_ref().is_none_or(|only| only.contains(&variable));
            let value = self.environment.get(&variable).filter(|_| counts)?;
            Some((name, value.clone()))
        })
    }
}

/// The defaults of the table, with those that they imply for directives.
pub(super) fn defaults() -> BTreeMap<String, String> {
    let mut defaults: BTreeMap<String, String> = table::properties()
        .map(|property| (property.name.to_owned(), property.default.to_owned()))
        .filter(|(_, default)| !default.is_empty())
        .collect();
    set_directives(&mut defaults);
    defaults
}

fn set_directives(source: &mut BTreeMap<String, String>) {
    for property in table::properties().filter(|property| !property.sets.is_empty()) {
        if let Some(value) = source.get(property.name).cloned() {
            source.extend(property.sets.iter().map(|directive| ((*directive).to_owned(), value.clone())));
        }
    }
}

fn is_property(name: &str) -> bool {
    table::find(name).is_some() || table::family_of(name).is_some()
}

fn read_properties(path: &Path, dialect: file::Dialect) -> Result<BTreeMap<String, String>, ConfError> {
    let mut properties = file::parse(&read_text(path)?, dialect);
    properties.retain(|name, _| is_property(name));
    if dialect == file::Dialect::KongConf {
        set_directives(&mut properties);
    }
    Ok(properties)
}

/// Reads a file that may have comments in another encoding than UTF-8, and an editor's byte order mark.
fn read_text(path: &Path) -> Result<String, ConfError> {
    let bytes = fs::read(path).map_err(|error| {
        let reason = error
            .raw_os_error()
            .map_or_else(|| error.to_string(), |code| Errno::from_raw(code).desc().to_owned());
        ConfError::Unreadable { path: path.to_owned(), reason }
    })?;
    let text = String::from_utf8_lossy(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes));
    Ok(text.into_owned())
}

fn process_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(file: &str, environment: &[(&str, &str)]) -> (tempfile::NamedTempFile, Sources) {
        let path = tempfile::NamedTempFile::new().unwrap();
        fs::write(path.path(), file).unwrap();
        let environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = Sources::new(Some(path.path())).environment(environment);
        (path, sources)
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let (_file, sources) = sources(
            "log_level = info\ndatabase = off\npg_user = file",
            &[("KONG_LOG_LEVEL", "warn"), ("KONG_DATABASE", "postgres"), ("UNRELATED", "1")],
        );
        let read = sources.flag("log_level", Some("debug")).flag("prefix", None).read().unwrap();
        assert_eq!(read["log_level"], "debug");
        assert_eq!(read["database"], "postgres");
        assert_eq!(read["pg_user"], "file");
        assert_eq!(read.get("prefix"), None);
    }

    #[test]
    fn unknown_properties_are_ignored_and_open_families_are_not() {
        let (_file, sources) = sources(
            "stub_property = leave me alone\nnginx_http_foo = 1\nvault_env_prefix = A_",
            &[("KONG_NGINX_PROXY_BAR", "2"), ("KONG_STUB_TOO", "3")],
        );
        let read = sources.read().unwrap();
        let names: Vec<_> = read.keys().map(String::as_str).collect();
        assert_eq!(names, ["nginx_http_foo", "nginx_proxy_bar", "vault_env_prefix"]);
    }

    #[test]
    fn the_environment_is_taken_literally() {
        let (_file, sources) = sources("", &[("KONG_PG_PASSWORD", "test##12##3#"), ("KONG_PG_USER", "0123")]);
        let read = sources.read().unwrap();
        assert_eq!(read["pg_password"], "test##12##3#");
        assert_eq!(read["pg_user"], "0123");
    }

    #[test]
    fn a_property_sets_its_directives_within_its_source() {
        let text = "ssl_protocols = TLSv1.3\nnginx_http_ssl_protocols = TLSv1.1";
        let (_file, sources) = sources(text, &[("KONG_NGINX_STREAM_SSL_PROTOCOLS", "TLSv1.2")]);
        let read = sources.read().unwrap();
        assert_eq!(read["nginx_http_ssl_protocols"], "TLSv1.3");
        assert_eq!(read["nginx_stream_ssl_protocols"], "TLSv1.2");
    }

    #[test]
    fn a_reload_lays_the_file_over_what_the_node_runs_with() {
        let running = tempfile::NamedTempFile::new().unwrap();
        fs::write(running.path(), "log_level = info\npg_user = started").unwrap();
        let (_file, sources) = sources("log_level = debug", &[]);
        let sources = sources.over(running.path());
        assert_eq!(sources.read_running().unwrap()["pg_user"], "started");
        assert_eq!(sources.read().unwrap(), BTreeMap::from([("log_level".to_owned(), "debug".to_owned())]));
    }

    #[test]
    fn foreign_encodings_and_byte_order_marks_do_no_harm() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"\xef\xbb\xbflog_level = info\n# caf\xe9\npg_user = me\n").unwrap();
        let read = Sources::new(Some(file.path())).environment(BTreeMap::new()).read().unwrap();
        assert_eq!((read["log_level"].as_str(), read["pg_user"].as_str()), ("info", "me"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_reason() {
        let directory = tempfile::tempdir().unwrap();
        let error = Sources::new(Some(directory.path())).read().unwrap_err();
        let path = directory.path().display();
        assert_eq!(error.to_string(), format!("could not load config file: {path}: Is a directory"));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Sources::new(Some(Path::new("inexistent"))).read().unwrap_err();
        assert_eq!(error.to_string(), "no file at: inexistent");
    }

    #[test]
    fn a_kong_env_is_not_overridden_by_the_environment() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "log_level = info").unwrap();
        let environment = BTreeMap::from([("KONG_LOG_LEVEL".to_owned(), "debug".to_owned())]);
        let sources = Sources::kong_env(file.path()).environment(environment);
        assert_eq!(sources.read_running().unwrap()["log_level"], "info");
        assert!(sources.read().unwrap().is_empty());
    }
}
