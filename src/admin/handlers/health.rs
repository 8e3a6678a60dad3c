//! The health of upstreams: what is known of their targets, and setting it by hand.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::keys::{self, parameter};
use super::pages::{self, latest_targets};
use crate::admin::access::Access;
use crate::admin::call::Call;
use crate::admin::endpoint::{Matched, Relation};
use crate::admin::node::Node;
use crate::admin::reply::Reply;
use crate::balancer::{TargetStatus, UpstreamStatus};

/// The port of a target or address that names none.
const DEFAULT_PORT: u16 = 8000;

/// `/upstreams/:upstreams/health`: of each target, or with `balancer_health=1` of the upstream as a whole.
pub(in crate::admin) async fn health(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Reply {
    told(node, call, matched).await.unwrap_or_else(|refusal| refusal)
}

async fn told(node: &dyn Node, call: &Call, matched: &Matched<'_>) -> Result<Reply, Reply> {
    let access = Access::of(node);
    let upstream = keys::found(node, &access, "upstreams", call, matched).await?;
    let text = |field: &str| upstream.get(field).and_then(Value::as_str).unwrap_or_default();
    let known = node.upstream_status(text("name")).await;
    let node_id = Value::from(node.identity().node_id.as_str());
    if call.argument("balancer_health").as_deref() == Some("1") {
        let data = known.map(|known| balancer(text("id"), &known));
        return Ok(Reply::json(200, json!({ "data": data, "next": null, "node_id": node_id })));
    }
    let request = pages::request(call, false)?;
    let key = access.primary_key("upstreams", &upstream);
    let page = latest_targets(&access, &key, &request).await?;
    let rows = page.rows.iter().map(|row| with_health(Value::Object(row.as_ref().clone()), known.as_ref()));
    let path = matched.parameters.first().map_or("", String::as_str);
    let mut body = pages::answer(rows.collect(), page.offset, &format!("/upstreams/{path}/health"), "");
    body.insert("node_id".to_owned(), node_id);
    Ok(body.into())
}

/// `PUT /upstreams/:upstreams/targets/:targets/[:address/](healthy|unhealthy)`.
pub(in crate::admin) async fn set(
    node: &dyn Node,
    available: bool,
    call: &Call,
    matched: &Matched<'_>,
) -> Reply {
    let relation = Relation { child: "targets".into(), field: "upstream".into(), parent: "upstreams".into() };
    let access = Access::of(node);
    let (upstream, target) = match keys::child(node, &access, &relation, call, matched).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let name = upstream.get("name").and_then(Value::as_str).unwrap_or_default();
    match node.upstream_status(name).await {
        None => return Reply::message(400, format!("Upstream {name} has no balancer")),
        Some(known) if !known.checked => {
            return Reply::message(400, format!("no healthchecker found for {name}"));
        }
        Some(_) => {}
    }
    let (host, port) = address(target.get("target").and_then(Value::as_str).unwrap_or_default());
    let one = (matched.parameters.len() > 2).then(|| address(&parameter(matched, 2)));
    match one {
        Some((ip, port)) if ip.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() => {
            node.set_available(name, &host, Some(&ip), port, available);
        }
        Some((_, port)) => node.set_available(name, &host, None, port, available),
        None => node.set_available(name, &host, None, port, available),
    }
    Reply::empty(204)
}

/// Host and port of a target or address.
fn address(text: &str) -> (String, u16) {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (!host.contains(':') || host.ends_with(']')) => {
            (host.to_owned(), port.parse().unwrap_or(DEFAULT_PORT))
        }
        _ => (text.to_owned(), DEFAULT_PORT),
    }
}

/// A target with what is known of its addresses. Any that is healthy makes it so.
fn with_health(mut target: Value, known: Option<&UpstreamStatus>) -> Value {
    let Some(known) = known else { return target };
    let name = target.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = known.targets.iter().find(|status| format!("{}:{}", status.host, status.port) == name);
    let Some(fields) = target.as_object_mut() else { return target };
    let health = status.filter(|status| !status.addresses.is_empty()).map(|status| {
        let healths = status.addresses.iter().map(|one| address_health(known, status, one.healthy));
        let rank =
            |health: &&str| ["HEALTHCHECKS_OFF", "UNHEALTHY", "HEALTHY"].iter().position(|h| h == health);
        healths.max_by_key(rank).unwrap_or("HEALTHCHECKS_OFF")
    });
    fields.insert("health".to_owned(), Value::from(health.unwrap_or("DNS_ERROR")));
    if let Some(status) = status {
        let data = described(status, |healthy| ("health", address_health(known, status, healthy).into()));
        fields.insert("data".to_owned(), data);
    }
    target
}

fn address_health(known: &UpstreamStatus, status: &TargetStatus, healthy: bool) -> &'static str {
    match healthy {
        _ if !known.checked || status.node_weight == 0 => "HEALTHCHECKS_OFF",
        true => "HEALTHY",
        false => "UNHEALTHY",
    }
}

/// The upstream as a whole.
fn balancer(id: &str, known: &UpstreamStatus) -> Value {
    let health = if known.healthy { "HEALTHY" } else { "UNHEALTHY" };
    let (total, unavailable) = known.targets.iter().fold((0, 0), |(total, unavailable), status| {
        (total + status.total_weight, unavailable + status.unavailable_weight)
    });
    let hosts: Vec<Value> =
        known.targets.iter().map(|status| described(status, |healthy| ("healthy", healthy.into()))).collect();
    json!({
        "health": if known.checked { health } else { "HEALTHCHECKS_OFF" },
        "balancer_health": health,
        "id": id,
        "details": {
            "healthy": known.healthy,
            "weight": weight(total, unavailable),
            "hosts": lua_list(hosts),
        },
    })
}

/// What is known of a target; `health` names and gives the field that tells an address's state.
fn described(status: &TargetStatus, health: impl Fn(bool) -> (&'static str, Value)) -> Value {
    let addresses = status.addresses.iter().map(|address| {
        let (name, value) = health(address.healthy);
        json!({ "ip": address.ip, "port": address.port, "weight": address.weight, name: value })
    });
    json!({
        "host": status.host,
        "port": status.port,
        "dns": status.dns,
        "nodeWeight": status.node_weight,
        "weight": weight(status.total_weight, status.unavailable_weight),
        "addresses": lua_list(addresses.collect()),
    })
}

fn weight(total: u64, unavailable: u64) -> Value {
    json!({ "total": total, "unavailable": unavailable, "available": total.saturating_sub(unavailable) })
}

/// A list as Lua encodes it: an empty one is an object.
fn lua_list(list: Vec<Value>) -> Value {
    if list.is_empty() { Value::Object(Map::new()) } else { Value::Array(list) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_port_of_their_own_or_the_default() {
        for (text, host, port) in [
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("127.0.0.1", "127.0.0.1", 8000),
            ("a.test:1", "a.test", 1),
            ("[::1]:80", "[::1]", 80),
            ("::1", "::1", 8000),
        ] {
            assert_eq!(address(text), (host.to_owned(), port), "{text}");
        }
    }
}
