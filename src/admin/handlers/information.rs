//! What a node says about itself.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::admin::arguments;
use crate::admin::call::Call;
use crate::admin::endpoint::{Endpoints, Matched, Reach};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::lua::plugin::inquiries::{self, Inquiry};
use crate::observability::{Level, log};

use super::keys::parameter;

/// `/`: version, plugins, process ids and configuration.
pub(in crate::admin) fn root(node: &dyn Node) -> Reply {
    let (identity, statistics) = (node.identity(), node.statistics());
    let available = identity.plugins.iter().map(|plugin| {
        let facts = json!({"version": plugin.version, "priority": plugin.priority});
        (plugin.name.clone(), facts)
    });
    let available: Map<String, Value> = available.collect();
    let workers: Vec<u32> = statistics.workers.iter().map(|(pid, _)| *pid).collect();
    let mut configuration = node.configuration();
    configuration.insert("log_level".to_owned(), Value::from(node.log_level()));
    let configuration: Map<String, Value> =
        configuration.into_iter().map(|(name, value)| (name, without_empty_list(value))).collect();
    Reply::json(
        200,
        json!({
            "tagline": "Welcome to kong",
            "version": crate::KONG_VERSION,
            "edition": "community",
            "hostname": identity.hostname,
            "node_id": identity.node_id,
            "timers": {"running": statistics.timers_running, "pending": statistics.timers_pending},
            "plugins": {"available_on_server": available, "enabled_in_cluster": configured_plugins(node)},
            "lua_version": identity.lua_version,
            "configuration": configuration,
            "pids": {"master": statistics.master_pid, "workers": workers},
        }),
    )
}

/// *Kong parity*: a property that is an empty list is shown as `{}`, what Lua makes of an empty table.
fn without_empty_list(value: Value) -> Value {
    match value {
        Value::Array(items) if items.is_empty() => Value::Object(Map::new()),
        value => value,
    }
}

/// `/endpoints`: all paths.
pub(in crate::admin) fn endpoints(endpoints: &Endpoints) -> Reply {
    Reply::json(200, json!({ "data": endpoints.paths() }))
}

/// `/plugins/enabled`: plugins that may be configured.
pub(in crate::admin) fn enabled_plugins(node: &dyn Node) -> Reply {
    let names: Vec<&str> = node.identity().plugins.iter().map(|plugin| plugin.name.as_str()).collect();
    Reply::json(200, json!({ "enabled_plugins": names }))
}

/// `/timers`: the timers of a worker. The Admin API has a thread of its own, whose timers say nothing: it asks the
/// first worker.
pub(in crate::admin) async fn timers(node: &dyn Node) -> Reply {
    of_first_worker(node, Inquiry::Timers).await
}

async fn of_first_worker(node: &dyn Node, inquiry: Inquiry) -> Reply {
    const WORKER: usize = 0;
    let stats = inquiries::of_worker(WORKER, inquiry).await;
    if stats.is_null() {
        return Reply::message(503, "the worker does not answer");
    }
    let count = node.statistics().workers.len();
    Reply::json(200, json!({"worker": {"id": WORKER, "count": count}, "stats": stats}))
}

/// `/status`: counters.
pub(in crate::admin) async fn status(node: &dyn Node, call: &Call) -> Reply {
    let unit = call.argument("unit").unwrap_or_else(|| "m".to_owned());
    let scale = call.argument("scale").and_then(|scale| scale.trim().parse().ok());
    let size = match Size::new(&unit, scale) {
        Ok(size) => size,
        Err(message) => return Reply::message(400, message),
    };
    let statistics = node.statistics();
    let workers: Vec<Value> = statistics
        .workers
        .iter()
        .map(|(pid, bytes)| json!({"pid": pid, "http_allocated_gc": size.show(*bytes)}))
        .collect();
    let dictionaries = statistics.dictionaries.iter().map(|(name, used, capacity)| {
        let facts = json!({"allocated_slabs": size.show(*used), "capacity": size.show(*capacity)});
        (name.clone(), facts)
    });
    let mut body = Map::new();
    let memory = json!({"workers_lua_vms": workers, "lua_shared_dicts": dictionaries.collect::<Map<_, _>>()});
    body.insert("memory".to_owned(), memory);
    let server = json!({
        "connections_active": statistics.connections_active,
        "connections_reading": statistics.connections_reading,
        "connections_writing": statistics.connections_writing,
        "connections_waiting": statistics.connections_waiting,
        "connections_accepted": statistics.connections_accepted,
        "connections_handled": statistics.connections_handled,
        "total_requests": statistics.total_requests,
    });
    body.insert("server".to_owned(), server);
    if node.identity().is_dbless || node.identity().role == "data_plane" {
        body.insert("configuration_hash".to_owned(), Value::from(node.dataset().hash()));
    } else if let Some(dao) = node.dao() {
        let reached = dao.store().ping().await;
        if let Err(error) = &reached {
            log::error!("failed to connect to the database during /status endpoint check: {error}");
        }
        body.insert("database".to_owned(), json!({ "reachable": reached.is_ok() }));
    }
    body.into()
}

/// `/status/ready`: whether the node can serve, and reaches its database.
pub(in crate::admin) async fn ready(node: &dyn Node) -> Reply {
    let reason = match (node.not_ready(), node.dao()) {
        (None, Some(dao)) => {
            dao.store().ping().await.err().map(|_| "failed to connect to database".to_owned())
        }
        (reason, _) => reason,
    };
    match reason {
        None => Reply::message(200, "ready"),
        Some(reason) => {
            log::notice!("not ready for proxying: {reason}");
            Reply::message(503, reason)
        }
    }
}

/// `POST /status/ready`: takes the node out of service.
pub(in crate::admin) fn drain(node: &dyn Node, call: &Call) -> Reply {
    let arguments = match arguments::all(call) {
        Ok(arguments) => arguments,
        Err(refusal) => return refusal,
    };
    if arguments.get("status").is_some_and(|status| status == "draining") {
        node.drain();
        return Reply::empty(204);
    }
    Reply::empty(400)
}

/// `/debug/node/log-level`: the level of the error log.
pub(in crate::admin) fn log_level(node: &dyn Node) -> Reply {
    Reply::message(200, format!("log level: {}", node.log_level()))
}

/// `PUT /debug/…/log-level/:log_level`: its change, for a time.
pub(in crate::admin) async fn change_log_level(
    node: &dyn Node,
    call: &Call,
    matched: &Matched<'_>,
    reach: Reach,
) -> Reply {
    const DEFAULT_SECONDS: f64 = 60.0;
    if node.identity().is_dbless {
        return Reply::message(405, "cannot change log level when not using a database");
    }
    let name = parameter(matched, 0);
    let Ok(level) = name.parse::<Level>() else {
        return Reply::message(400, format!("unknown log level: {name}"));
    };
    let arguments = match arguments::all(call) {
        Ok(arguments) => arguments,
        Err(refusal) => return refusal,
    };
    let given = arguments.get("timeout").and_then(|timeout| arguments::number(&arguments::text(timeout)));
    let seconds = given.and_then(|given| given.as_f64()).unwrap_or(DEFAULT_SECONDS).ceil();
    if seconds < 0.0 {
        return Reply::message(400, "timeout must be greater than or equal to 0");
    }
    if node.log_level() == name {
        return Reply::message(200, format!("log level is already {name}"));
    }
    match node.change_log_level(level, seconds as u64, reach).await {
        Ok(()) => Reply::message(200, "log level changed"),
        Err(error) => Reply::message(500, format!("failed broadcasting to cluster: {error}")),
    }
}

/// `/status/dns`: what the resolver of a worker did, which the one that Kong calls the legacy one does not tell.
pub(in crate::admin) async fn resolver(node: &dyn Node) -> Reply {
    match node.configuration().get("new_dns_client") {
        Some(Value::Bool(true)) => of_first_worker(node, Inquiry::Names).await,
        _ => Reply::message(501, "not implemented with the legacy DNS client"),
    }
}

/// `/clustering/…`: only control planes have data planes.
pub(in crate::admin) fn clustering(node: &dyn Node) -> Reply {
    const REFUSAL: &str =
        "this endpoint is only available when Kong is configured to run as Control Plane for the cluster";
    match node.identity().role.as_str() {
        "control_plane" => Reply::message(501, "not implemented: this version is no control plane yet"),
        _ => Reply::message(400, REFUSAL),
    }
}

/// The names of plugins with at least one instance.
fn configured_plugins(node: &dyn Node) -> Vec<Value> {
    let dataset = node.dataset();
    let mut seen = HashSet::new();
    let plugins = dataset.collection("plugins").into_iter().flat_map(|plugins| plugins.each());
    let names = plugins.filter_map(|plugin| plugin.get("name").cloned());
    names.filter(|name| seen.insert(name.to_string())).collect()
}

/// How numbers of bytes are shown.
enum Size {
    /// As a number.
    Bytes,
    /// As the text of a number.
    Text,
    /// Divided, with so many decimals and a suffix.
    Divided(f64, usize, &'static str),
}

impl Size {
    fn new(unit: &str, scale: Option<f64>) -> Result<Self, String> {
        let unit = match unit.to_ascii_lowercase().as_str() {
            "b" => return Ok(Size::Bytes),
            "" => return Ok(Size::Text),
            _ if scale.is_some_and(|scale| scale < 0.0) => {
                return Err("scale must be equal or greater than 0".to_owned());
            }
            "k" => (1024.0, "KiB"),
            "m" => (1_048_576.0, "MiB"),
            "g" => (1_073_741_824.0, "GiB"),
            _ => return Err(format!("invalid unit '{unit}' (expected 'k/K', 'm/M', or 'g/G')")),
        };
        const MOST: f64 = 99.0;
        let decimals = scale.unwrap_or(2.0).min(MOST) as usize;
        Ok(Size::Divided(unit.0, decimals, unit.1))
    }

    fn show(&self, bytes: u64) -> Value {
        match *self {
            Size::Bytes => Value::from(bytes),
            Size::Text => Value::from(bytes.to_string()),
            Size::Divided(divisor, decimals, suffix) => {
                // halves are rounded up, not to the even digit
                let scale = 10f64.powi(decimals as i32);
                let rounded = (bytes as f64 / divisor * scale + 0.5).floor() / scale;
                let shown = if rounded.is_finite() { rounded } else { bytes as f64 / divisor };
                Value::from(format!("{shown:.decimals$} {suffix}"))
            }
        }
    }
}
