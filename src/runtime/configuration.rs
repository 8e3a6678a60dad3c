//! From kong.conf to what processes need.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use super::{Address, Keepalive, Listen, Needs, Origin, Source, Watch, plugin_folders};
use crate::conf::{self, Conf, ConfError, Database, Purpose, Sources, prefix};

/// nginx's length of the queue of connections nobody accepted yet.
const BACKLOG: i32 = 511;

/// Reads the configuration that `origin` names: what [`super::Gateway::load`] begins with.
///
/// For [`Source::Files`] it also brings the prefix up to date, and writes [`Origin::candidate`].
/// [`Conf::file`] is the kong.conf in use, there or not: it is watched for its return, too.
///
/// *Errors*: as for [`Conf::load`] and [`prefix::prepare_with`].
pub fn configuration(origin: &Origin) -> Result<Conf, ConfError> {
    let sources = match (origin.source, origin.conf.as_deref().filter(|file| file.exists())) {
        (Source::Running, _) => Sources::kong_env(&origin.running()),
        (Source::Files, Some(file)) => match &origin.variables {
            Some(variables) => {
                Sources::new(Some(file)).only_variables(variables.clone()).over(&origin.running())
            }
            None => Sources::new(Some(file)),
        },
        // a node goes on without the file it was started with: what that said is in .kong_env
        (Source::Files, None) => Sources::new(None).without_default_files().over(&origin.running()),
    };
    let mut conf = Conf::load(&sources.flag("prefix", origin.prefix.to_str()).purpose(Purpose::Start))?;
    if origin.source == Source::Files {
        conf = prefix::prepare_with(conf, &origin.candidate())?.conf;
    }
    conf.file.clone_from(&origin.conf);
    Ok(conf)
}

impl Needs {
    /// What `conf` means for processes: proxy listeners for the workers, Admin and Status API for the control
    /// thread. A control plane proxies nothing, a data plane has no Admin API.
    ///
    /// # Errors
    /// A listener's name cannot be resolved.
    pub fn of(conf: &Conf) -> Result<Needs, String> {
        let main = &conf.nginx.main;
        let proxied = if conf.role == conf::Role::ControlPlane { &[][..] } else { &conf.proxy_listen };
        let administered = if conf.role == conf::Role::DataPlane { &[][..] } else { &conf.admin_listen };
        let listeners = |list: &[&[conf::Listen]]| -> Result<Vec<Listen>, String> {
            list.iter().flat_map(|listeners| listeners.iter()).map(listen).collect()
        };
        Ok(Needs {
            workers: main.worker_processes,
            proxy: listeners(&[proxied])?,
            control: listeners(&[administered, &conf.status_listen])?,
            dicts: conf
                .nginx
                .shared_dicts
                .iter()
                .map(|dict| (dict.name.clone(), dict.size as usize))
                .collect(),
            error_log: conf.proxy_error_log.clone(),
            log_level: conf.log_level.name().to_owned(),
            logs: logs(conf),
            user: main.user.as_ref().map(conf::directives::User::to_text),
            open_files: main.worker_rlimit_nofile,
            drain_timeout: main.worker_shutdown_timeout,
            watch: conf.config_watch.then(|| watch(conf)),
        })
    }
}

fn listen(listen: &conf::Listen) -> Result<Listen, String> {
    Ok(Listen {
        address: resolve(&listen.address)?,
        reuseport: listen.reuseport,
        backlog: listen.backlog.map_or(BACKLOG, |backlog| backlog.try_into().unwrap_or(i32::MAX)),
        ipv6_only: listen.ipv6only.unwrap_or(true),
        deferred: listen.deferred,
        keepalive: listen.so_keepalive.map(|keepalive| match keepalive {
            conf::KeepAlive::Off => Keepalive::Off,
            conf::KeepAlive::On => Keepalive::On { idle: None, interval: None, count: None },
            conf::KeepAlive::Timing { idle, interval, probes } => {
                Keepalive::On { idle, interval, count: probes }
            }
        }),
    })
}

/// The socket address of a listener; what the listener's own address is found by among inherited sockets.
///
/// *Errors*: a name does not resolve; nginx's wording.
pub fn resolve(address: &conf::Address) -> Result<Address, String> {
    Ok(match address {
        conf::Address::V4(ip, port) => Address::Tcp(SocketAddr::new(IpAddr::V4(*ip), *port)),
        conf::Address::V6(ip, port) => Address::Tcp(SocketAddr::new(IpAddr::V6(*ip), *port)),
        conf::Address::Unix(path) => Address::Unix(path.clone()),
        conf::Address::Name(name, port) if name == "*" => {
            Address::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port))
        }
        conf::Address::Name(name, port) => {
            let mut found = (name.as_str(), *port).to_socket_addrs().into_iter().flatten();
            let first =
                found.next().ok_or_else(|| format!("host not found in \"{name}:{port}\" of the listen"))?;
            Address::Tcp(first)
        }
    })
}

/// The log files that are not standard streams, syslog servers or off.
fn logs(conf: &Conf) -> Vec<PathBuf> {
    let targets = [
        &conf.proxy_access_log,
        &conf.proxy_error_log,
        &conf.admin_access_log,
        &conf.admin_error_log,
        &conf.status_access_log,
        &conf.status_error_log,
    ];
    let files = targets.into_iter().filter_map(|target| target.split_whitespace().next());
    let elsewhere = |file: &str| file.starts_with("syslog:") || file.starts_with("/dev/");
    let files = files.filter(|file| !matches!(*file, "off" | "stderr") && !elsewhere(file));
    let mut files: Vec<PathBuf> = files.map(|file| conf.prefix.join(file)).collect();
    files.sort();
    files.dedup();
    files
}

fn watch(conf: &Conf) -> Watch {
    let plugins = plugin_folders(&conf.lua_package_path, &conf.plugins);
    Watch {
        reload: conf.file.iter().cloned().chain(plugins).collect(),
        declarative: conf.declarative_config.clone().filter(|_| conf.database == Database::Off),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn conf(properties: &[(&str, &str)]) -> Conf {
        let sources = Sources::new(None).without_default_files().environment(BTreeMap::new());
        let with = |sources: Sources, (name, value): &(&str, &str)| sources.flag(name, Some(value));
        Conf::load(&properties.iter().fold(sources, with)).unwrap()
    }

    #[test]
    fn listeners_logs_and_limits_come_from_the_configuration() {
        let mut conf = conf(&[
            ("database", "off"),
            ("prefix", "/srv/kong"),
            ("proxy_listen", "*:8000 reuseport backlog=16384, [::1]:8443 ssl so_keepalive=30s::4"),
            ("status_listen", "off"),
            ("admin_listen", "unix:/srv/admin.sock"),
            ("proxy_access_log", "/dev/stdout"),
            ("proxy_error_log", "syslog:server=127.0.0.1"),
            ("nginx_main_worker_processes", "3"),
            ("nginx_main_worker_shutdown_timeout", "30s"),
            ("declarative_config", "/dev/null"),
        ]);
        conf.file = Some("/etc/kong.conf".into());
        let needs = Needs::of(&conf).unwrap();
        let [first, second] = needs.proxy.as_slice() else { panic!("{:?}", needs.proxy) };
        assert_eq!(first.address.to_string(), "0.0.0.0:8000");
        assert!(first.reuseport && first.backlog == 16384);
        assert_eq!(second.backlog, 511);
        let timing = Keepalive::On { idle: Some(Duration::from_secs(30)), interval: None, count: Some(4) };
        assert_eq!(second.keepalive, Some(timing));
        assert_eq!(needs.control, [Listen::new(Address::Unix("/srv/admin.sock".into()))]);
        assert_eq!((needs.workers, needs.drain_timeout), (3, Some(Duration::from_secs(30))));
        assert!(needs.dicts.contains(&("kong_locks".to_owned(), 8 << 20)));
        assert!(needs.logs.contains(&PathBuf::from("/srv/kong/logs/admin_access.log")));
        assert!(!needs.logs.iter().any(|log| log.starts_with("/dev") || log.ends_with("server=127.0.0.1")));
        let watch = needs.watch.unwrap();
        assert_eq!(watch.reload, [PathBuf::from("/etc/kong.conf")]);
        assert_eq!(watch.declarative, Some("/dev/null".into()));
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let unknown = conf(&[("proxy_listen", "no-such-host.invalid:8000")]);
        let error = Needs::of(&unknown).unwrap_err();
        assert!(error.starts_with("host not found in \"no-such-host.invalid:8000\""), "{error}");
    }
}
