//! The prefix: the directory that holds everything of one node.
//!
//! ```text
//! <prefix>/.kong_env              the configuration in force, for every other command
//!          .ca_combined           the authorities of lua_ssl_trusted_certificate in one file
//!          .request_debug_token   what a request must send to be debugged from elsewhere
//!          logs/  pids/  sockets/
//!          standby/               the copy of the database, for starts while that is away
//!          ssl/                   default certificates, and those given as content
//! ```
//!
//! *Kong parity*: names and modes are Kong's. nginx's own configuration files are not there: there is no
//! nginx.

mod certificates;
mod contents;
mod env_file;
mod owner;

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::value::ConfValue;
use super::{Conf, ConfError};

pub use certificates::{CertifiedKey, cluster_certificate};
pub(super) use env_file::decode as decode_env_value;
pub use owner::write_private;

/// File descriptors below which a warning is given.
const FEW_DESCRIPTORS: u64 = 4096;
/// Properties whose log files exist before anybody writes to them.
const LOGS: [&str; 10] = [
    "proxy_error_log",
    "proxy_access_log",
    "proxy_stream_access_log",
    "proxy_stream_error_log",
    "admin_access_log",
    "admin_error_log",
    "admin_gui_access_log",
    "admin_gui_error_log",
    "status_access_log",
    "status_error_log",
];

/// A prefix that is ready, and what there is to tell about it.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration with the paths of the files that were made.
    pub conf: Conf,
    /// What was done, for the user.
    pub notes: Vec<String>,
    /// What the user should look at.
    pub warnings: Vec<String>,
}

/// Makes the prefix of `conf` ready: directories, log files, certificates, `.kong_env`.
///
/// Existing files are kept, except `.kong_env`, `.ca_combined` and the debug token. As root, what workers
/// write to is given to the user that they run as.
///
/// *Errors*: something cannot be made; the message names it.
pub fn prepare(conf: Conf) -> Result<Prepared, ConfError> {
    let env_file = conf.kong_env();
    prepare_with(conf, &env_file)
}

/// As [`prepare`], for a node that runs: the configuration is written to `env_file` and replaces `.kong_env`
/// when it serves.
///
/// *Errors*: as for [`prepare`].
pub fn prepare_with(conf: Conf, env_file: &Path) -> Result<Prepared, ConfError> {
    let mut prepared = Prepared { conf, notes: Vec::new(), warnings: Vec::new() };
    make_directories(&mut prepared)?;
    touch_logs(&prepared.conf)?;
    certificates::make_defaults(&mut prepared)?;
    contents::write(&mut prepared.conf)?;
    combine_authorities(&prepared.conf)?;
    write_debug_token(&prepared.conf)?;
    let (descriptors, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((FEW_DESCRIPTORS, 0));
    if descriptors < FEW_DESCRIPTORS {
        prepared.warnings.push(format!(
            "ulimit is currently set to \"{descriptors}\". For better performance set it to at least \
             \"{FEW_DESCRIPTORS}\" using \"ulimit -n\""
        ));
    }
    env_file::write(&prepared.conf, env_file)?;
    Ok(prepared)
}

fn make_directories(prepared: &mut Prepared) -> Result<(), ConfError> {
    let prefix = &prepared.conf.prefix;
    if !prefix.exists() {
        prepared.notes.push(format!("prefix directory {} not found, trying to create it", prefix.display()));
        make_directory(prefix)?;
    } else if !prefix.is_dir() {
        return Err(ConfError::Prefix(format!("{} is not a directory", prefix.display())));
    }
    for (name, for_workers) in [("sockets", true), ("logs", true), ("pids", false), ("ssl", false)] {
        let path = prefix.join(name);
        make_directory(&path)?;
        if for_workers {
            owner::give_to_workers(&path, &prepared.conf)?;
        }
    }
    make_database_folder(&prepared.conf)
}

/// Workers write the embedded database, and files beside it; or the copy of another one.
fn make_database_folder(conf: &Conf) -> Result<(), ConfError> {
    let embedded = (conf.database == super::Database::Sqlite).then(|| conf.sqlite_file());
    let file = embedded.or_else(|| conf.standby_file());
    match file.as_deref().and_then(Path::parent).filter(|folder| !folder.exists()) {
        Some(folder) => {
            make_directory(folder)?;
            owner::give_to_workers(folder, conf)
        }
        None => Ok(()),
    }
}

fn make_directory(path: &Path) -> Result<(), ConfError> {
    fs::create_dir_all(path).map_err(|error| failed("create directory", path, &error))
}

fn touch_logs(conf: &Conf) -> Result<(), ConfError> {
    let has_manager = !is_off(conf, "admin_gui_listen");
    for property in LOGS.into_iter().filter(|name| has_manager || !name.starts_with("admin_gui_")) {
        let target = conf.value(property).and_then(ConfValue::as_str).unwrap_or_default();
        let file = target.split_whitespace().next().unwrap_or_default();
        if !file.starts_with("logs/") {
            continue;
        }
        let path = conf.prefix.join(file);
        let opened = fs::OpenOptions::new().append(true).create(true).open(&path);
        opened.map_err(|error| failed("create log file", &path, &error))?;
        owner::give_to_workers(&path, conf)?;
    }
    Ok(())
}

fn is_off(conf: &Conf, listen: &str) -> bool {
    conf.value(listen).and_then(|list| list.texts().next()).is_none_or(|first| first == "off")
}

fn combine_authorities(conf: &Conf) -> Result<(), ConfError> {
    let combined = conf.prefix.join(".ca_combined");
    if conf.lua_ssl_trusted_certificate.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for path in &conf.lua_ssl_trusted_certificate {
        let mut certificate =
            fs::read(path).map_err(|error| failed("read certificate", Path::new(path), &error))?;
        text.append(&mut certificate);
        text.push(b'\n');
    }
    fs::write(&combined, text).map_err(|error| failed("write", &combined, &error))
}

/// A new token for each start unless the user chose one; none where requests cannot be debugged.
fn write_debug_token(conf: &Conf) -> Result<(), ConfError> {
    if !conf.request_debug || conf.role == super::Role::ControlPlane {
        return Ok(());
    }
    let token = conf.request_debug_token.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
    let path = conf.debug_token_file();
    owner::write_private(&path, token.as_bytes(), 0o600)?;
    owner::give_to_workers(&path, conf)
}

fn failed(action: &str, path: &Path, error: &std::io::Error) -> ConfError {
    let reason = error.raw_os_error().map(|code| Errno::from_raw(code).desc().to_owned());
    let reason = reason.unwrap_or_else(|| error.to_string());
    ConfError::Prefix(format!("could not {action} {}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::conf::Sources;

    fn load(prefix: &Path, properties: &[(&str, &str)], environment: &[(&str, &str)]) -> Conf {
        let environment: BTreeMap<String, String> =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let sources = properties.iter().fold(
            Sources::new(None).without_default_files().environment(environment),
            |sources, (name, value)| sources.flag(name, Some(value)),
        );
        Conf::load(&sources.flag("prefix", prefix.to_str())).unwrap()
    }

    #[test]
    fn a_prefix_is_laid_out_as_kong_does() {
        let parent = tempfile::tempdir().unwrap();
        let prefix = parent.path().join("servroot");
        let prepared = prepare(load(&prefix, &[], &[])).unwrap();
        assert_eq!(
            prepared.notes,
            [format!("prefix directory {} not found, trying to create it", prefix.display())]
        );
        for path in [
            "pids",
            "sockets",
            "logs/access.log",
            "logs/error.log",
            "logs/admin_access.log",
            "ssl/kong-default.crt",
            "ssl/kong-default.key",
            "ssl/kong-default-ecdsa.crt",
            "ssl/admin-kong-default.crt",
            "ssl/admin-gui-kong-default-ecdsa.key",
            ".kong_env",
            ".request_debug_token",
        ] {
            assert!(prefix.join(path).exists(), "{path}");
        }
        assert!(!prefix.join("ssl/status-kong-default.crt").exists(), "no TLS on the status listener");
        let mode = |path: &str| prefix.join(path).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode("ssl/kong-default.key"), 0o600);
        assert_eq!(mode(".kong_env"), 0o640);
        assert_eq!(prepared.conf.ssl_cert.len(), 2);
        assert!(prepared.conf.ssl_cert[1].ends_with("ssl/kong-default-ecdsa.crt"));
    }

    #[test]
    fn existing_default_certificates_are_kept() {
        let prefix = tempfile::tempdir().unwrap();
        let read = || fs::read(prefix.path().join("ssl/kong-default.crt")).unwrap();
        prepare(load(prefix.path(), &[], &[])).unwrap();
        let first = read();
        prepare(load(prefix.path(), &[], &[])).unwrap();
        assert_eq!(read(), first);
    }

    #[test]
    fn the_configuration_in_force_is_read_back_unchanged() {
        let prefix = tempfile::tempdir().unwrap();
        let properties = [
            ("pg_password", "00#12\\"),
            ("declarative_config_string", "_format_version: \"3.0\"\nservices:\n- name: a # b"),
            ("plugins", "bundled,mine"),
            ("nginx_http_keepalive_timeout", "5s"),
            ("pg_user", "{vault://env/db-user}"),
        ];
        let prepared = prepare(load(prefix.path(), &properties, &[("DB_USER", "resolved-user")])).unwrap();
        assert_eq!(prepared.conf.pg_user, "resolved-user");

        let text = fs::read_to_string(prefix.path().join(".kong_env")).unwrap();
        assert_eq!(text.lines().take_while(|line| line.starts_with('#')).count(), 7);
        assert!(text.contains("\npg_user = {vault://env/db-user}\n"));
        assert!(!text.contains("resolved-user"));
        assert!(text.contains(&format!("\nnginx_pid = {}/pids/nginx.pid\n", prefix.path().display())));
        let keys: Vec<_> =
            text.lines().skip(8).filter_map(|line| line.split_once(" = ")).map(|it| it.0).collect();
        assert!(keys.is_sorted());

        let running = Conf::from_prefix(prefix.path()).unwrap();
        for (name, expected) in &properties[..4] {
            let value = running.value(name).and_then(ConfValue::to_conf).unwrap();
            assert_eq!(value, *expected, "{name}");
        }
        assert_eq!(running.warnings, Vec::<String>::new(), "defaults of old names are no use of them");
        assert_eq!(running.ssl_cert, prepared.conf.ssl_cert);
        assert_eq!(running.proxy_listen, prepared.conf.proxy_listen);
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = prepare(load(file.path(), &[], &[])).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is not a directory", file.path().display()));
    }
}
