//! Native parts of the PDK: the modules `kong.native` and, for hot calls, the table of C functions
//! that `lua/kong/host.lua` reaches through LuaJIT's FFI.
//!
//! The PDK itself is Lua (`lua/kong/pdk/`, one file per namespace). What it needs of the gateway it
//! asks here. Every function works on the exchange of the running code.
//!
//! | file | holds |
//! |---|---|
//! | [`hot`] | headers, arguments, phase: functions that compiled Lua calls directly |
//! | [`request`], [`response`], [`upstream`] | the sides of an exchange |
//! | [`routing`] | route, service, captures, configuration of plugins for a consumer |
//! | [`counters`] | counters in a database |
//! | [`health`] | the health of upstreams |
//! | [`declarative`] | declarative configurations as tables |
//! | [`dns`] | `kong.dns` |
//! | [`entities`] | `kong.db`: reading the entities in force |
//! | [`store`] | `kong.db`: over a database |
//! | [`locks`] | locks that nodes of a database hold |
//! | [`sql`] | statements of plugins' own |
//! | [`caching`] | `kong.cache`: invalidations, single flight |
//! | [`conf`] | reading kong.conf: `kong.conf_loader` |
//! | [`secrets`] | `{vault://…}` references |
//! | [`text`] | identifiers, digests, compression, paths |
//! | [`addresses`] | IP addresses and sets of them |
//! | [`node`] | this machine and process, its logs and files |
//! | [`values`] | JSON values as Lua values and back |
//! | [`worker_events`] | events between workers |

mod addresses;
mod caching;
mod conf;
mod counters;
mod declarative;
mod dns;
mod entities;
pub mod health;
mod hot;
mod locks;
mod node;
pub mod request;
pub mod response;
mod routing;
pub mod secrets;
mod sql;
mod store;
mod text;
mod upstream;
pub mod values;
pub mod worker_events;

pub use store::is_own_event;

use super::frame::{Flow, Frame, Kind};
use super::plugin::RunnerSettings;
use super::{Context, LuaError, Phase, Vm};
use crate::db::Connector;
use crate::entities::{Registry, RouterFlavor};
use crate::snapshot::Published;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

thread_local! {
    static SETTINGS: RefCell<Option<Rc<RunnerSettings>>> = const { RefCell::new(None) };
}

/// Makes `kong.native` and the global `kong` of a VM.
///
/// # Errors
/// When an embedded module fails: a defect of the build.
pub fn install(vm: &Vm, settings: &RunnerSettings) -> Result<(), LuaError> {
    SETTINGS.set(Some(Rc::new(settings.clone())));
    super::ngx::socket::use_resolver(settings.resolver.clone());
    let set_up = vm.load("=native", b"package.loaded['kong.native'] = ...")?;
    let jit = vm.settings().jit;
    vm.call_now(&set_up, Context::bare(Phase::Init), move |frame| {
        push_native(frame, jit);
        1
    })?;
    let flavor = settings.configuration.get("router_flavor").and_then(serde_json::Value::as_str);
    let flavor = flavor.and_then(RouterFlavor::from_name).unwrap_or_default();
    let schemas = Registry::core(flavor).map_err(|error| LuaError::Setup(error.to_string()))?;
    schemas.register(vm.lua())?;
    declarative::register(vm)?;
    let start = vm.load("=kong", b"require('kong.globals')(...)")?;
    let configuration = serde_json::Value::Object(settings.configuration.clone());
    vm.call_now(&start, Context::bare(Phase::Init), |frame| {
        if values::push(frame, &configuration).is_err() {
            frame.push_table(0, 0);
        }
        1
    })?;
    Ok(())
}

/// Has `kong.db` of the VM of this thread ask another database, whose model is that of the published dataset.
pub fn set_database(connector: Arc<Connector>, published: Arc<Published>) {
    let known = settings().map(|settings| settings.as_ref().clone()).unwrap_or_default();
    SETTINGS.set(Some(Rc::new(RunnerSettings { connector: Some(connector), published, ..known })));
}

/// What the runner was set up with, for the functions here.
fn settings() -> Option<Rc<RunnerSettings>> {
    SETTINGS.with_borrow(Clone::clone)
}

/// A property that is a number.
fn limit(property: &str, default: usize) -> usize {
    let value = settings().and_then(|settings| settings.configuration.get(property)?.as_u64());
    value.map_or(default, |number| usize::try_from(number).unwrap_or(default))
}

fn push_native(frame: &Frame, jit: bool) {
    frame.push_table(0, 96);
    let table = frame.top();
    hot::install(frame, table, jit);
    request::install(frame, table);
    response::install(frame, table);
    upstream::install(frame, table);
    routing::install(frame, table);
    caching::install(frame, table);
    conf::install(frame, table);
    dns::install(frame, table);
    entities::install(frame, table);
    health::install(frame, table);
    store::install(frame, table);
    locks::install(frame, table);
    sql::install(frame, table);
    counters::install(frame, table);
    secrets::install(frame, table);
    text::install(frame, table);
    addresses::install(frame, table);
    node::install(frame, table);
    worker_events::install(frame, table);
}

/// Calls `each` with the string at `at`, or with every string of the list there.
fn each_value(frame: &Frame, at: i32, mut each: impl FnMut(&[u8]) -> Result<(), Flow>) -> Result<(), Flow> {
    if frame.kind(at) != Kind::Table {
        return each(frame.bytes(at)?);
    }
    for index in 1..=frame.length(at) {
        frame.push_index(at, index);
        each(frame.bytes(-1)?)?;
        frame.pop(1);
    }
    Ok(())
}

/// Adds a value under a name: the first as a string, further ones in a list with it.
fn add_value(frame: &Frame, table: i32, name: &[u8], value: &[u8]) -> Result<(), Flow> {
    frame.reserve(6)?;
    frame.push_bytes(name);
    frame.push_value(-1);
    frame.raw_get(table);
    match frame.kind(-1) {
        Kind::Table => {
            frame.push_bytes(value);
            frame.set_index(-2, frame.length(-2) + 1);
            frame.pop(2);
        }
        Kind::String => {
            frame.push_table(2, 0);
            frame.insert(-2);
            frame.set_index(-2, 1);
            frame.push_bytes(value);
            frame.set_index(-2, 2);
            frame.raw_set(table);
        }
        _ => {
            frame.pop(1);
            frame.push_bytes(value);
            frame.raw_set(table);
        }
    }
    Ok(())
}
