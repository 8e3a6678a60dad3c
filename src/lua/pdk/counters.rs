//! Counters that all nodes of a database share: what the policy `cluster` of rate-limiting counts in.

use super::settings;
use super::store::{push_error, question};
use crate::db::{Counter, Store};
use crate::lua::frame::{Answer, Frame};
use crate::lua::task::Resume;
use serde::Deserialize;
use std::ffi::c_int;
use std::sync::Arc;

const ERR_AWAY: &str = "the database is not connected yet";

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "store_count", count);
    frame.set_function(table, "store_counted", counted);
}

/// A counter as Kong's table has it, and what is added to it.
#[derive(Deserialize)]
struct Row {
    identifier: String,
    period: String,
    /// Seconds since 1970.
    period_date: i64,
    service_id: String,
    route_id: String,
    #[serde(default)]
    value: i64,
    /// Seconds that a new counter is kept.
    #[serde(default)]
    ttl: f64,
}

impl Row {
    fn counter(self) -> Counter {
        let Row { identifier, period, period_date, service_id, route_id, .. } = self;
        Counter { identifier, period, period_date, service_id, route_id }
    }
}

fn store() -> Option<Arc<dyn Store>> {
    settings()?.connector.as_ref()?.store().cloned()
}

/// Argument: rows. Answers true; nil and an error.
fn count(frame: &Frame) -> Answer {
    let rows: Vec<Row> = question(frame)?;
    let Some(store) = store() else { return frame.fail(ERR_AWAY) };
    let added = rows.into_iter().map(|row| {
        let (value, ttl) = (row.value, row.ttl);
        (row.counter(), value, ttl)
    });
    let added = added.collect();
    frame.wait(async move {
        let done = store.count(added).await;
        Box::new(move |frame: &Frame| match done {
            Ok(()) => {
                frame.push_boolean(true);
                Ok(1)
            }
            Err(error) => push_error(frame, &error),
        }) as Resume
    })
}

/// Argument: a row. Answers its value, 0 where there is none; nil and an error.
fn counted(frame: &Frame) -> Answer {
    let row: Row = question(frame)?;
    let Some(store) = store() else { return frame.fail(ERR_AWAY) };
    frame.wait(async move {
        let found = store.counted(&row.counter()).await;
        Box::new(move |frame: &Frame| match found {
            Ok(value) => {
                frame.push_integer(value.unwrap_or(0));
                Ok(1)
            }
            Err(error) => push_error(frame, &error),
        }) as Resume
    })
}
