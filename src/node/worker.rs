//! A worker: its VM, its plugins, its share of the proxy.

use super::Configuration;
use super::events::Events;
use super::listeners;
use super::peers::BalancedPeers;
use super::trust;
use crate::balancer::Balancers;
use crate::conf::{Conf, Database, Server};
use crate::dns::{DnsOptions, Resolver};
use crate::lua::pdk::worker_events;
use crate::lua::plugin::{Runner, RunnerSettings, Statistics, inquiries};
use crate::lua::vm::Settings as VmSettings;
use crate::lua::{Limits, LuaError, Vm, memory};
use crate::observability::{AccessLog, Target, capture, counters, log};
use crate::proxy::tls::SnapshotTrust;
use crate::proxy::{self, Plugins, Settings, Worker, WorkerParts};
use crate::runtime::{self, Order, WorkerSetup};
use crate::shm::Dicts;
use crate::snapshot::Snapshot;
use crate::vaults::Vaults;
use nix::sys::signal::{Signal, kill};
use nix::unistd::getppid;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::spawn_local;

/// How long after a process should have been replaced it is looked at again.
const ASK_AGAIN: Duration = Duration::from_secs(120);

/// How long after a change the snapshot before it has been freed, unless requests hold it.
const UNTIL_FREED: Duration = Duration::from_millis(500);

/// The shared dictionary, one of Kong's, in which the next process finds which targets are down.
pub(super) const HEALTH_DICT: &str = "kong_healthchecks";

/// Runs a worker until it is ordered to end and its last connection has.
pub(super) async fn run(setup: WorkerSetup<Configuration>) -> Result<(), String> {
    runtime::answer_promptly();
    let shared = setup.configuration;
    let vm = make_vm(&shared, Some(setup.id), setup.workers, &setup.dicts)?;
    shared.health.record_in(setup.dicts.find(HEALTH_DICT));
    let settings = runner_settings(&shared);
    let runner = Runner::new(&vm, &settings).map_err(text)?;
    shared.first_published().await;
    let events = Events::new(&vm).map_err(text)?;
    events.start().await;
    let told = worker_events::subscribe();
    runner.init_worker().await;
    runner.configure(&shared.published.current()).await;
    let balancers = balancers(&shared, settings.resolver);
    let worker = make_worker(&shared, runner.clone(), balancers.clone())?;
    note_memory(setup.id, &vm);
    if !setup.ready.announce().await {
        return Ok(());
    }
    let background = [
        spawn_local(follow_snapshots(shared.clone(), worker.clone(), runner.clone())),
        spawn_local(forget_old_configurations(shared.clone(), runner)),
        spawn_local(async move { renew_targets(&balancers).await }),
        spawn_local(follow_events(shared.clone(), events)),
        spawn_local(worker_events::follow(vm.clone(), told)),
        spawn_local(replace_outgrown(vm.clone(), shared.conf.lua_memory_limit << 20, setup.orders.clone())),
        spawn_local(tell_memory(setup.id, vm.clone())),
        spawn_local({
            let vm = vm.clone();
            async move { memory::pace(&vm).await }
        }),
        spawn_local(inquiries::answer(setup.id, vm.clone())),
    ];
    let doors = listeners::open(&shared, setup.sockets, &setup.orders)?;
    let serving = proxy::serve_worker(worker, doors, ordered_to(setup.orders.clone(), Order::Drain));
    tokio::select! {
        () = serving => {}
        () = ordered_to(setup.orders, Order::Stop) => {}
    }
    background.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(())
}

/// Has the master put a fresh process in this one's place, once the worker's VM holds too much.
///
/// The old process finishes its requests, as in any reload. A reload may fail, on a kong.conf that was broken
/// meanwhile: it is asked for again.
async fn replace_outgrown(vm: Vm, limit: usize, orders: watch::Receiver<Order>) {
    if limit == 0 {
        return;
    }
    loop {
        memory::outgrown(&vm, limit).await;
        // A process that drains has been replaced, and would have its successor replaced.
        if *orders.borrow() != Order::Serve {
            return;
        }
        if let Err(error) = kill(getppid(), Signal::SIGHUP) {
            log::alert!("the process could not be replaced: {}", error.desc());
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// How old what `/status` says of a VM may be; Kong renews it as often.
const MEMORY_TOLD: Duration = Duration::from_secs(10);

/// Tells, now and then, how much the worker's VM holds.
async fn tell_memory(worker: usize, vm: Vm) {
    loop {
        tokio::time::sleep(MEMORY_TOLD).await;
        note_memory(worker, &vm);
    }
}

fn note_memory(worker: usize, vm: &Vm) {
    counters::note_lua_memory(worker, vm.lua().used_memory() as u64);
}

/// Waits for an order at least as strong as `least`.
async fn ordered_to(mut orders: watch::Receiver<Order>, least: Order) {
    // The sender is gone only when the process ends.
    let _ = orders.wait_for(|order| *order >= least).await;
}

/// The VM of a worker, or of the control thread when `id` is `None`.
pub(super) fn make_vm(
    shared: &Configuration,
    id: Option<usize>,
    workers: usize,
    dicts: &Dicts,
) -> Result<Vm, String> {
    let conf = &shared.conf;
    capture::begin(conf.nginx.proxy.lua_capture_error_log as usize);
    let settings = VmSettings {
        package_path: conf.lua_package_path.clone(),
        package_cpath: conf.lua_package_cpath.clone(),
        prefix: conf.prefix.clone(),
        worker_id: id.unwrap_or(0),
        worker_count: workers,
        is_worker: id.is_some(),
        dicts: Some(Arc::new(dicts.clone())),
        trusted: trust::authorities(conf),
        verify_depth: conf.lua_ssl_verify_depth as usize,
        body_memory: conf.nginx.proxy.client_body_buffer_size as usize,
        limits: limits(conf),
        time_limit: Some(conf.lua_time_limit).filter(|limit| !limit.is_zero()),
        ..VmSettings::default()
    };
    Vm::new(settings).map_err(text)
}

/// What directives of nginx allow Lua code.
pub(super) fn limits(conf: &Conf) -> Limits {
    let directives = &conf.nginx.proxy;
    Limits {
        pending_timers: directives.lua_max_pending_timers as usize,
        running_timers: directives.lua_max_running_timers as usize,
        match_steps: u32::try_from(directives.lua_regex_match_limit).unwrap_or(u32::MAX),
        kept_expressions: directives.lua_regex_cache_max_entries as usize,
        connect: directives.lua_socket_connect_timeout,
        send: directives.lua_socket_send_timeout,
        read: directives.lua_socket_read_timeout,
        keep_alive: directives.lua_socket_keepalive_timeout,
    }
}

/// What plugins see of the gateway.
pub(super) fn runner_settings(shared: &Configuration) -> RunnerSettings {
    RunnerSettings {
        plugins: shared.plugins.clone(),
        configuration: shared.properties(),
        node_id: shared.node_id.clone(),
        published: shared.published.clone(),
        connector: (shared.conf.database != Database::Off).then(|| shared.connector.clone()),
        vaults: Some(Arc::new(Vaults::of_process(&shared.conf))),
        resolver: Some(Resolver::new(DnsOptions::from_conf(&shared.conf))),
        statistics: Some(statistics),
    }
}

fn statistics() -> Statistics {
    let counted = counters::counted();
    Statistics {
        active: counted.active,
        reading: 0,
        writing: counted.writing,
        waiting: counted.waiting(),
        accepted: counted.accepted,
        handled: counted.accepted,
        requests: counted.requests,
    }
}

/// The balancers of a worker, with the resolver that its plugins have.
pub(super) fn balancers(shared: &Configuration, resolver: Option<Resolver>) -> Rc<Balancers> {
    let resolver = resolver.unwrap_or_else(|| Resolver::new(DnsOptions::from_conf(&shared.conf)));
    Rc::new(Balancers::new(resolver, shared.health.clone()))
}

fn make_worker(
    shared: &Configuration,
    runner: Runner,
    balancers: Rc<Balancers>,
) -> Result<Rc<Worker>, String> {
    let conf: &Conf = &shared.conf;
    let access = conf.access_log(Server::Proxy);
    let target = Target::open(&access.target, &conf.prefix).map_err(|error| error.to_string())?;
    Ok(Worker::new(WorkerParts {
        settings: Settings::new(conf),
        published: shared.published.clone(),
        peers: Box::new(BalancedPeers::new(balancers, shared.published.clone())),
        plugins: Plugins::Lua(runner),
        upstream_trust: Box::new(SnapshotTrust::new(conf, shared.published.clone())),
        access_log: AccessLog::new(target),
        access_format: access.format,
    }))
}

/// Lets go of each old configuration, and tells plugins the new one where it is another for them.
async fn follow_snapshots(shared: Arc<Configuration>, worker: Rc<proxy::Worker>, runner: Runner) {
    let mut generation = shared.published.generation();
    let mut changes = shared.published.changes();
    // Vaults may have parts of what plugins are told.
    let told = |snapshot: &Snapshot| (snapshot.plugins.clone(), snapshot.certificates_version);
    let mut last = told(&shared.published.current());
    while changes.changed().await.is_ok() {
        let snapshot = shared.published.current();
        if snapshot.generation != generation {
            generation = snapshot.generation;
            worker.release_old_snapshots();
            let (plugins, version) = &last;
            if !plugins.is_same(&snapshot.plugins) || *version != snapshot.certificates_version {
                last = told(&snapshot);
                runner.configure(&snapshot).await;
            }
        }
    }
}

/// Frees what the VM holds of old configurations, soon after each change.
async fn forget_old_configurations(shared: Arc<Configuration>, runner: Runner) {
    let mut changes = shared.published.changes();
    while changes.changed().await.is_ok() {
        tokio::time::sleep(UNTIL_FREED).await;
        runner.sweep(&shared.published.current()).await;
    }
}

/// Tells plugins which entities changed.
async fn follow_events(shared: Arc<Configuration>, events: Events) {
    let mut changes = shared.connector.events();
    loop {
        match changes.recv().await {
            Ok(changed) => events.tell(&changed).await,
            Err(RecvError::Lagged(missed)) => {
                log::warn!("plugins were not told of {missed} changes of entities")
            }
            Err(RecvError::Closed) => return,
        }
    }
}

/// Asks again for the names of targets whose answers ran out.
async fn renew_targets(balancers: &Balancers) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        balancers.renew().await;
    }
}

fn text(error: LuaError) -> String {
    error.to_string()
}
