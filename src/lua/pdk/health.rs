//! `upstream_health(name)`: the health of an upstream's targets, on threads that know it.

use super::values;
use crate::balancer::{TargetStatus, UpstreamStatus};
use crate::lua::frame::{Answer, Frame};
use crate::lua::task::Resume;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::ffi::c_int;
use std::pin::Pin;
use std::rc::Rc;

/// Finds an upstream by its name; none where it has no balancer.
pub type Reader = dyn Fn(&str) -> Option<Status>;
/// Its status, once the addresses of its targets are known.
pub type Status = Pin<Box<dyn Future<Output = UpstreamStatus>>>;

thread_local! {
    static READER: RefCell<Option<Rc<Reader>>> = const { RefCell::new(None) };
}

/// Has the plugins of this thread learn the health of upstreams from a reader.
pub fn read_by(reader: Rc<Reader>) {
    READER.set(Some(reader));
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "upstream_health", upstream_health);
}

fn upstream_health(frame: &Frame) -> Answer {
    let name = frame.text(1)?.into_owned();
    let Some(reader) = READER.with_borrow(Clone::clone) else {
        return frame.fail("the health of upstreams is not told to this thread's plugins");
    };
    let Some(status) = reader(&name) else { return frame.fail("balancer not found") };
    frame.wait(async move {
        let health = health(&status.await);
        Box::new(move |frame: &Frame| {
            values::push(frame, &health)?;
            Ok(1)
        }) as Resume
    })
}

/// *Kong parity*: the form that `get_upstream_health` has, by `host:port` of the targets.
fn health(status: &UpstreamStatus) -> Value {
    let told = |target: &TargetStatus| {
        let addresses: Vec<Value> = target
            .addresses
            .iter()
            .map(|address| {
                let health = match (status.checked && target.node_weight > 0, address.healthy) {
                    (false, _) => "HEALTHCHECKS_OFF",
                    (true, true) => "HEALTHY",
                    (true, false) => "UNHEALTHY",
                };
                json!({"ip": address.ip, "port": address.port, "weight": address.weight, "health": health})
            })
            .collect();
        let available = target.total_weight.saturating_sub(target.unavailable_weight);
        let weight = json!({"total": target.total_weight, "available": available,
            "unavailable": target.unavailable_weight});
        json!({"host": target.host, "port": target.port, "dns": target.dns,
            "nodeWeight": target.node_weight, "weight": weight, "addresses": addresses})
    };
    let targets: Map<String, Value> = status
        .targets
        .iter()
        .map(|target| (format!("{}:{}", target.host, target.port), told(target)))
        .collect();
    Value::Object(targets)
}
