//! Certificates and keys that are given as content instead of a path: written under `ssl/`.

use std::path::Path;

use super::owner;
use crate::conf::value::ConfValue;
use crate::conf::{Conf, ConfError};

/// Properties, and the file that their content goes to; lists get a number before the extension.
const PROPERTIES: [(&str, &str, &str, u32); 14] = [
    ("ssl_cert", "proxy", "crt", 0o644),
    ("ssl_cert_key", "proxy", "key", 0o600),
    ("admin_ssl_cert", "admin", "crt", 0o644),
    ("admin_ssl_cert_key", "admin", "key", 0o600),
    ("admin_gui_ssl_cert", "admin_gui", "crt", 0o644),
    ("admin_gui_ssl_cert_key", "admin_gui", "key", 0o600),
    ("status_ssl_cert", "status", "crt", 0o644),
    ("status_ssl_cert_key", "status", "key", 0o600),
    ("client_ssl_cert", "client", "crt", 0o644),
    ("client_ssl_cert_key", "client", "key", 0o600),
    ("cluster_cert", "cluster", "crt", 0o644),
    ("cluster_cert_key", "cluster", "key", 0o600),
    ("lua_ssl_trusted_certificate", "lua-ssl-trusted", "crt", 0o644),
    ("cluster_ca_cert", "cluster-ca", "crt", 0o644),
];

/// Writes each content to its file and puts the file's path into the configuration.
pub(super) fn write(conf: &mut Conf) -> Result<(), ConfError> {
    let mut replaced = Vec::new();
    for (name, stem, extension, mode) in PROPERTIES {
        let directory = conf.prefix.join("ssl");
        let write = |content: &str, file: String| -> Result<String, ConfError> {
            if Path::new(content).exists() {
                return Ok(content.to_owned());
            }
            let path = directory.join(file);
            owner::write_private(&path, content.as_bytes(), mode)?;
            Ok(path.to_string_lossy().into_owned())
        };
        let value = match conf.value(name) {
            Some(ConfValue::String(content)) => {
                ConfValue::String(write(content, format!("{stem}.{extension}"))?)
            }
            Some(list @ ConfValue::Array(_)) => {
                let paths: Result<Vec<String>, ConfError> = list
                    .texts()
                    .enumerate()
                    .map(|(index, content)| write(content, format!("{stem}-{}.{extension}", index + 1)))
                    .collect();
                ConfValue::list(paths?)
            }
            _ => continue,
        };
        replaced.push((name, value));
    }
    conf.set_values(replaced);
    Ok(())
}
