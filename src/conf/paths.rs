//! Where things are under the prefix.

use std::path::{Path, PathBuf};

use super::Conf;

/// Kong's names for paths under the prefix, which `.kong_env` and `kong.configuration` hold too.
pub const PREFIX_PATHS: &[(&str, &str)] = &[
    ("nginx_pid", "pids/nginx.pid"),
    ("nginx_err_logs", "logs/error.log"),
    ("nginx_acc_logs", "logs/access.log"),
    ("admin_acc_logs", "logs/admin_access.log"),
    ("nginx_conf", "nginx.conf"),
    ("nginx_kong_gui_include_conf", "nginx-kong-gui-include.conf"),
    ("nginx_kong_conf", "nginx-kong.conf"),
    ("nginx_kong_stream_conf", "nginx-kong-stream.conf"),
    ("nginx_inject_conf", "nginx-inject.conf"),
    ("nginx_kong_inject_conf", "nginx-kong-inject.conf"),
    ("nginx_kong_stream_inject_conf", "nginx-kong-stream-inject.conf"),
    ("kong_env", ".kong_env"),
    ("kong_process_secrets", ".kong_process_secrets"),
    ("ssl_cert_csr_default", "ssl/kong-default.csr"),
    ("ssl_cert_default", "ssl/kong-default.crt"),
    ("ssl_cert_key_default", "ssl/kong-default.key"),
    ("ssl_cert_default_ecdsa", "ssl/kong-default-ecdsa.crt"),
    ("ssl_cert_key_default_ecdsa", "ssl/kong-default-ecdsa.key"),
    ("client_ssl_cert_default", "ssl/kong-default.crt"),
    ("client_ssl_cert_key_default", "ssl/kong-default.key"),
    ("admin_ssl_cert_default", "ssl/admin-kong-default.crt"),
    ("admin_ssl_cert_key_default", "ssl/admin-kong-default.key"),
    ("admin_ssl_cert_default_ecdsa", "ssl/admin-kong-default-ecdsa.crt"),
    ("admin_ssl_cert_key_default_ecdsa", "ssl/admin-kong-default-ecdsa.key"),
    ("admin_gui_ssl_cert_default", "ssl/admin-gui-kong-default.crt"),
    ("admin_gui_ssl_cert_key_default", "ssl/admin-gui-kong-default.key"),
    ("admin_gui_ssl_cert_default_ecdsa", "ssl/admin-gui-kong-default-ecdsa.crt"),
    ("admin_gui_ssl_cert_key_default_ecdsa", "ssl/admin-gui-kong-default-ecdsa.key"),
    ("status_ssl_cert_default", "ssl/status-kong-default.crt"),
    ("status_ssl_cert_key_default", "ssl/status-kong-default.key"),
    ("status_ssl_cert_default_ecdsa", "ssl/status-kong-default-ecdsa.crt"),
    ("status_ssl_cert_key_default_ecdsa", "ssl/status-kong-default-ecdsa.key"),
];

/// The directory for Unix domain sockets of the node's own, and their names.
pub const SOCKET_DIRECTORY: &str = "sockets";
/// Kong's names for its own sockets.
pub const SOCKETS: &[(&str, &str)] = &[
    ("worker_events_sock", "we"),
    ("stream_worker_events_sock", "sw"),
    ("stream_rpc_sock", "rp"),
    ("stream_config_sock", "sc"),
    ("stream_tls_passthrough_sock", "sp"),
    ("stream_tls_terminate_sock", "st"),
    ("cluster_proxy_ssl_terminator_sock", "cp"),
];

impl Conf {
    /// `<prefix>/pids/nginx.pid`: the master's process id. The name is Kong's.
    pub fn pid_file(&self) -> PathBuf {
        self.prefix.join("pids/nginx.pid")
    }

    /// `<prefix>/.kong_env`: the configuration of the running node.
    pub fn kong_env(&self) -> PathBuf {
        kong_env(&self.prefix)
    }

    /// `<prefix>/sockets`: Unix domain sockets of the node's own.
    pub fn socket_path(&self) -> PathBuf {
        self.prefix.join(SOCKET_DIRECTORY)
    }
}

/// `.kong_env` under `prefix`.
pub fn kong_env(prefix: &Path) -> PathBuf {
    prefix.join(".kong_env")
}

/// `path`, made absolute against the working directory, `.` and `..` resolved in the text, without a
/// trailing slash.
pub fn absolute(path: &Path) -> PathBuf {
    let joined = std::env::current_dir().unwrap_or_default().join(path);
    let mut absolute = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                absolute.pop();
            }
            std::path::Component::CurDir => {}
            part => absolute.push(part),
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_absolute_without_touching_the_disk() {
        assert_eq!(absolute(Path::new("/usr/local/kong/")), Path::new("/usr/local/kong"));
        assert_eq!(absolute(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert_eq!(absolute(Path::new("servroot")), std::env::current_dir().unwrap().join("servroot"));
    }
}
