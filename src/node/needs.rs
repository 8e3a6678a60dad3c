//! What a configuration means for processes: sockets, shared memory, logs, limits.

use crate::conf::{Address as ConfAddress, Conf, KeepAlive, Listen as ConfListen};
use crate::runtime::{Address, Keepalive, Listen, Needs, Watch, plugin_folders};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};

/// The dictionaries that Kong's nginx template defines, with their sizes; those sized by properties
/// follow.
const DICTS: &[(&str, usize)] = &[
    ("kong", 5 << 20),
    ("kong_locks", 8 << 20),
    ("kong_healthchecks", 5 << 20),
    ("kong_cluster_events", 5 << 20),
    ("kong_rate_limiting_counters", 12 << 20),
    ("kong_core_db_cache_miss", 12 << 20),
    ("kong_db_cache_miss", 12 << 20),
    ("kong_secrets", 5 << 20),
    ("prometheus_metrics", 5 << 20),
];

/// nginx's length of the queue of connections that nobody accepted yet.
const BACKLOG: i32 = 511;

/// What this configuration needs of the master.
///
/// *Errors*: a listen address whose host name cannot be resolved.
pub(super) fn needs(conf: &Conf) -> Result<Needs, String> {
    let main = &conf.nginx.main;
    Ok(Needs {
        workers: main.worker_processes,
        proxy: listens(&conf.proxy_listen)?,
        control: listens(conf.admin_listen.iter().chain(&conf.status_listen))?,
        dicts: dicts(conf),
        error_log: conf.proxy_error_log.clone(),
        log_level: conf.log_level.to_string(),
        logs: log_files(conf),
        user: main.user.as_ref().map(|user| format!("{} {}", user.user, user.group)),
        open_files: main.worker_rlimit_nofile,
        drain_timeout: main.worker_shutdown_timeout,
        watch: conf.config_watch.then(|| watch(conf)),
    })
}

/// The address of a listener, as the master knows it.
///
/// *Errors*: a host name that cannot be resolved.
pub(super) fn address(listen: &ConfListen) -> Result<Address, String> {
    Ok(match &listen.address {
        ConfAddress::V4(ip, port) => Address::Tcp((*ip, *port).into()),
        ConfAddress::V6(ip, port) => Address::Tcp((*ip, *port).into()),
        ConfAddress::Name(name, port) if name == "*" => Address::Tcp((Ipv4Addr::UNSPECIFIED, *port).into()),
        ConfAddress::Name(name, port) => Address::Tcp(resolve(name, *port)?),
        ConfAddress::Unix(path) => Address::Unix(path.clone()),
    })
}

fn resolve(name: &str, port: u16) -> Result<SocketAddr, String> {
    let unknown = || format!("host not found in \"{name}:{port}\" of the listen address");
    (name, port).to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(unknown)
}

fn listens<'a>(listens: impl IntoIterator<Item = &'a ConfListen>) -> Result<Vec<Listen>, String> {
    listens.into_iter().map(listen).collect()
}

fn listen(listen: &ConfListen) -> Result<Listen, String> {
    Ok(Listen {
        address: address(listen)?,
        reuseport: listen.reuseport,
        backlog: listen.backlog.map_or(BACKLOG, |backlog| backlog.min(i32::MAX as u32) as i32),
        ipv6_only: listen.ipv6only.unwrap_or(true),
        deferred: listen.deferred,
        keepalive: listen.so_keepalive.as_ref().map(keepalive),
    })
}

fn keepalive(keepalive: &KeepAlive) -> Keepalive {
    match *keepalive {
        KeepAlive::Off => Keepalive::Off,
        KeepAlive::On => Keepalive::On { idle: None, interval: None, count: None },
        KeepAlive::Timing { idle, interval, probes } => Keepalive::On { idle, interval, count: probes },
    }
}

fn dicts(conf: &Conf) -> Vec<(String, usize)> {
    let sized = [
        ("kong_core_db_cache", conf.mem_cache_size),
        ("kong_db_cache", conf.mem_cache_size),
        ("kong_dns_cache", conf.resolver_mem_cache_size),
    ];
    let own = conf.nginx.shared_dicts.iter().map(|dict| (dict.name.as_str(), dict.size));
    let mut all: Vec<(String, usize)> =
        DICTS.iter().map(|(name, size)| ((*name).to_owned(), *size)).collect();
    for (name, size) in sized.into_iter().chain(own) {
        all.retain(|(known, _)| known != name);
        all.push((name.to_owned(), size as usize));
    }
    all
}

fn log_files(conf: &Conf) -> Vec<PathBuf> {
    let names = [
        &conf.proxy_access_log,
        &conf.admin_access_log,
        &conf.admin_error_log,
        &conf.status_access_log,
        &conf.status_error_log,
    ];
    names.into_iter().filter_map(|name| log_file(&conf.prefix, name)).collect()
}

/// The file of a log property (`path [format]`); `None` for `off` and for what is no file.
fn log_file(prefix: &Path, property: &str) -> Option<PathBuf> {
    let name = property.split_whitespace().next()?;
    let elsewhere = name == "off" || name.starts_with("syslog:") || name.starts_with("/dev/");
    (!elsewhere).then(|| prefix.join(name))
}

fn watch(conf: &Conf) -> Watch {
    let mut reload: Vec<PathBuf> = conf.file.iter().cloned().collect();
    reload.extend(plugin_folders(&conf.lua_package_path, &conf.plugins));
    Watch { reload, declarative: conf.declarative_config.clone() }
}
