//! Upstreams at run time.

use super::read;
use crate::balancer::{ActiveChecks, Algorithm, Checks, HashOn, TargetSpec, UpstreamSpec};
use crate::db::Entity;
use crate::db::off::{DEFAULT_WORKSPACE, Dataset};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// The run-time form of a stored upstream, with its targets.
pub(super) fn spec(entity: &Entity, dataset: &Dataset) -> Option<UpstreamSpec> {
    let id = read::text(entity, "id")?;
    Some(upstream(entity, id, targets(dataset, id)))
}

/// *Kong parity*: targets in the order they were made, since the round robin's wheel follows it.
fn targets(dataset: &Dataset, upstream: &str) -> Vec<TargetSpec> {
    let Some(all) = dataset.collection("targets") else { return Vec::new() };
    let places = all.places_for("upstream", upstream).iter();
    let mut entities: Vec<&Arc<Entity>> = places.filter_map(|at| all.at(*at)).collect();
    entities.sort_by(|a, b| created(a).total_cmp(&created(b)));
    let target = |entity: &&Arc<Entity>| {
        let weight = read::integer(entity, "weight").unwrap_or(100).max(0) as u32;
        TargetSpec::new(read::text(entity, "target")?, weight)
    };
    entities.iter().filter_map(target).collect()
}

fn created(entity: &Entity) -> f64 {
    entity.get("created_at").and_then(Value::as_f64).unwrap_or_default()
}

fn upstream(entity: &Entity, id: &str, targets: Vec<TargetSpec>) -> UpstreamSpec {
    let healthchecks = record(entity, "healthchecks");
    UpstreamSpec {
        id: Uuid::parse_str(id).unwrap_or_default(),
        name: read::text(entity, "name").unwrap_or_default().to_owned(),
        algorithm: read::text(entity, "algorithm").and_then(Algorithm::from_name).unwrap_or_default(),
        slots: read::integer(entity, "slots").unwrap_or(10_000) as u32,
        hash_on: hash_on(entity, "hash_on"),
        hash_fallback: hash_on(entity, "hash_fallback"),
        host_header: read::text(entity, "host_header").map(str::to_owned),
        use_srv_name: read::flag(entity, "use_srv_name").unwrap_or(false),
        threshold: healthchecks.and_then(|h| h.get("threshold")).and_then(Value::as_f64).unwrap_or(0.0),
        passive: healthchecks.and_then(|h| record(h, "passive")).and_then(passive_checks),
        active: healthchecks
            .and_then(|h| record(h, "active"))
            .and_then(|active| active_checks(active, entity)),
        checked: healthchecks.is_some_and(is_checked),
        log_name: format!(
            "{}:{}",
            read::text(entity, "ws_id").unwrap_or(DEFAULT_WORKSPACE),
            read::text(entity, "name").unwrap_or_default()
        ),
        targets,
    }
}

fn record<'a>(entity: &'a Entity, field: &str) -> Option<&'a Entity> {
    entity.get(field)?.as_object()
}

/// What `hash_on` or `hash_fallback` names, with the field that goes with it.
fn hash_on(entity: &Entity, field: &str) -> HashOn {
    let detail = |what: &str| read::text(entity, &format!("{field}_{what}")).unwrap_or_default().to_owned();
    match read::text(entity, field) {
        Some("consumer") => HashOn::Consumer,
        Some("ip") => HashOn::Ip,
        Some("header") => HashOn::Header(detail("header")),
        Some("cookie") => HashOn::Cookie {
            name: read::text(entity, "hash_on_cookie").unwrap_or_default().to_owned(),
            path: read::text(entity, "hash_on_cookie_path").unwrap_or("/").to_owned(),
        },
        Some("path") => HashOn::Path,
        Some("query_arg") => HashOn::QueryArg(detail("query_arg")),
        Some("uri_capture") => HashOn::UriCapture(detail("uri_capture")),
        _ => HashOn::None,
    }
}

/// The thresholds of passive checks; `None` when none of them can ever be reached.
fn passive_checks(passive: &Entity) -> Option<Checks> {
    let checks = checks(passive)?;
    let enabled = [checks.successes, checks.http_failures, checks.tcp_failures, checks.timeouts];
    enabled.iter().any(|threshold| *threshold > 0).then_some(checks)
}

/// How addresses are probed; `None` when no interval is set.
///
/// *Kong parity*: `tcp` is for streams, and probes nothing here.
fn active_checks(active: &Entity, upstream: &Entity) -> Option<ActiveChecks> {
    let kind = read::text(active, "type").unwrap_or("http");
    let interval =
        |part: &str| record(active, part).map(|part| seconds(part, "interval")).unwrap_or_default();
    let (healthy_interval, unhealthy_interval) = (interval("healthy"), interval("unhealthy"));
    if kind == "tcp" || healthy_interval.is_zero() && unhealthy_interval.is_zero() {
        return None;
    }
    let headers = record(active, "headers").into_iter().flatten().flat_map(|(name, values)| {
        let values = values.as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().filter_map(Value::as_str).map(|value| (name.clone(), value.to_owned()))
    });
    Some(ActiveChecks {
        tls: matches!(kind, "https" | "grpcs"),
        timeout: seconds(active, "timeout"),
        concurrency: read::integer(active, "concurrency").unwrap_or(10).max(1) as usize,
        path: read::text(active, "http_path").unwrap_or("/").to_owned(),
        headers: headers.collect(),
        sni: read::text(active, "https_sni").map(str::to_owned),
        verify: read::flag(active, "https_verify_certificate").unwrap_or(true),
        client_certificate: read::foreign(upstream, "client_certificate").map(Arc::from),
        healthy_interval,
        unhealthy_interval,
        checks: checks(active)?,
    })
}

/// Whether any check can find out a failure, as Kong asks it.
fn is_checked(healthchecks: &Entity) -> bool {
    let number = |path: [&str; 3]| {
        let part = record(healthchecks, path[0]).and_then(|part| record(part, path[1]));
        part.and_then(|part| part.get(path[2])).and_then(Value::as_f64).unwrap_or(0.0)
    };
    [
        ["active", "healthy", "interval"],
        ["active", "unhealthy", "interval"],
        ["passive", "unhealthy", "tcp_failures"],
        ["passive", "unhealthy", "timeouts"],
        ["passive", "unhealthy", "http_failures"],
    ]
    .into_iter()
    .any(|path| number(path) != 0.0)
}

fn seconds(entity: &Entity, field: &str) -> Duration {
    let number = entity.get(field).and_then(Value::as_f64).unwrap_or(0.0);
    Duration::try_from_secs_f64(number.max(0.0)).unwrap_or_default()
}

/// The thresholds of active or passive checks.
fn checks(part: &Entity) -> Option<Checks> {
    let (healthy, unhealthy) = (record(part, "healthy")?, record(part, "unhealthy")?);
    let count = |part, field| read::integer(part, field).unwrap_or(0) as u8;
    let statuses =
        |part| read::list(part, "http_statuses").filter_map(Value::as_u64).map(|s| s as u16).collect();
    Some(Checks {
        healthy_statuses: statuses(healthy),
        successes: count(healthy, "successes"),
        unhealthy_statuses: statuses(unhealthy),
        http_failures: count(unhealthy, "http_failures"),
        tcp_failures: count(unhealthy, "tcp_failures"),
        timeouts: count(unhealthy, "timeouts"),
    })
}
