//! Health that is set by hand on one node holds on all that share the database.
//!
//! *Kong parity*: it is told in the database, in Kong's form, on the channel `balancer:post_health`.

use super::control::Control;
use crate::db::{ClusterEvent, DbError, Store};
use crate::observability::log;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

const CHANNEL: &str = "balancer:post_health";
/// How long what is told is kept for nodes that are slow to ask, in seconds.
const KEPT: f64 = 3600.0;

/// The health of the addresses of a target, or of one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posted {
    /// The name of the upstream.
    pub(super) upstream: String,
    /// The host of the target, IPv6 addresses in brackets.
    pub(super) host: String,
    /// The address; all of the target's where there is none.
    pub(super) ip: Option<String>,
    pub(super) port: u16,
    pub(super) available: bool,
}

impl Posted {
    /// In Kong's form; `id` is that of the upstream.
    fn data(&self, id: &str) -> String {
        let (ip, health) = (self.ip.as_deref().unwrap_or_default(), u8::from(self.available));
        format!("{}|{ip}|{}|{health}|{id}|{}", self.host, self.port, self.upstream)
    }

    fn read(data: &str) -> Option<Posted> {
        let mut parts = data.splitn(6, '|');
        let mut part = || parts.next().map(str::to_owned);
        let (host, ip, port, health) = (part()?, part()?, part()?, part()?);
        let (_id, upstream) = (part()?, part()?);
        let (ip, available) = (Some(ip).filter(|ip| !ip.is_empty()), health == "1");
        Some(Posted { upstream, host, ip, port: port.parse().ok()?, available })
    }
}

/// Sets health on this node; whether the upstream is known here.
pub(super) fn set(control: &Control, posted: &Posted) -> bool {
    let Posted { upstream, host, ip, port, available } = posted;
    let Some(balancer) = control.balancers.balancer(upstream) else { return false };
    let count = balancer.borrow_mut().set_available(host, ip.as_deref(), *port, *available);
    let (health, ip) = (if *available { "healthy" } else { "unhealthy" }, ip.as_ref().unwrap_or(host));
    log::warn!("[healthcheck] ({upstream}) {health} forced for {host} {ip}:{port}: {count} addresses");
    true
}

/// Tells all other nodes, in the background.
pub(super) fn tell(control: &Rc<Control>, posted: &Posted) {
    let (Some(database), Some(balancer)) = (&control.database, control.balancers.balancer(&posted.upstream))
    else {
        return;
    };
    let id = balancer.borrow().spec().id.to_string();
    let event = ClusterEvent {
        id: uuid::Uuid::new_v4().to_string(),
        node_id: control.shared.node_id.clone(),
        at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()),
        not_before: None,
        lifetime: KEPT,
        channel: CHANNEL.to_owned(),
        data: posted.data(&id),
    };
    let store = Arc::clone(database.dao().store());
    tokio::task::spawn_local(async move {
        if let Err(error) = store.add_event(event).await {
            log::error!("failed to tell other nodes of health that was set: {error}");
        }
    });
}

/// Does what other nodes tell, until it is dropped.
pub(super) async fn follow(control: Rc<Control>) {
    let Some(database) = &control.database else { return };
    let store = Arc::clone(database.dao().store());
    let (period, mut notices) = (control.shared.conf.db_update_frequency, store.notices());
    // What was told before this node was there is over.
    let mut after = store.events_since(&[CHANNEL], f64::from(u32::MAX)).await.map_or(0.0, |(_, now)| now);
    loop {
        match &mut notices {
            Some(notices) => drop(tokio::time::timeout(period, notices.changed()).await),
            None => tokio::time::sleep(period).await,
        }
        after = hear(&control, &store, after).await.unwrap_or(after);
    }
}

/// Does what was told after a time; answers up to when that is.
async fn hear(control: &Rc<Control>, store: &Arc<dyn Store>, after: f64) -> Result<f64, DbError> {
    let (events, _) = store.events_since(&[CHANNEL], after).await?;
    for event in events.iter().filter(|event| event.node_id != control.shared.node_id) {
        if let Some(posted) = Posted::read(&event.data) {
            set(control, &posted);
        }
    }
    Ok(events.iter().map(|event| event.at).fold(after, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kongs_nodes_tell_is_understood_and_told_in_their_form() {
        let data = "[0000::0001]|10.0.0.1|80|0|an-id|a|name";
        let posted = Posted::read(data).unwrap();
        assert_eq!((posted.host.as_str(), posted.ip.as_deref()), ("[0000::0001]", Some("10.0.0.1")));
        assert_eq!((posted.port, posted.available, posted.upstream.as_str()), (80, false, "a|name"));
        assert_eq!(posted.data("an-id"), data);
        let whole = Posted { ip: None, available: true, ..posted };
        assert_eq!(whole.data("an-id"), "[0000::0001]||80|1|an-id|a|name");
        assert_eq!(Posted::read(&whole.data("an-id")), Some(whole));
        assert_eq!(Posted::read("host|ip"), None);
    }
}
