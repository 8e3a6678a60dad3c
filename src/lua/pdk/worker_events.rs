//! `kong.worker_events` between workers: what code of one VM tells, that of all others of the process hears.

use crate::lua::frame::{Answer, Frame};
use crate::lua::{Context, LuaError, Phase, Vm};
use crate::observability::log;
use std::ffi::c_int;
use std::sync::{Arc, LazyLock};
use std::thread::{self, ThreadId};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{self, Receiver, Sender};

/// Most events that wait for a worker.
const WAITING: usize = 10_240;

/// Tells those who registered.
const HEAR: &str =
    "local post, decode = require('kong.worker_events').post_local, require('string.buffer').decode
    return function(source, event, text) post(source, event, decode(text)) end";

static EVENTS: LazyLock<Sender<Arc<Event>>> = LazyLock::new(|| broadcast::channel(WAITING).0);

/// An event as it travels.
#[derive(Debug)]
pub struct Event {
    /// Every VM has a thread of its own.
    from: ThreadId,
    source: Vec<u8>,
    name: Vec<u8>,
    data: Vec<u8>,
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "tell_workers", tell);
}

/// `tell_workers(source, event, data)`: texts, for all VMs but this one.
fn tell(frame: &Frame) -> Answer {
    let (source, name, data) = (frame.bytes(1)?.to_vec(), frame.bytes(2)?.to_vec(), frame.bytes(3)?.to_vec());
    let event = Event { from: thread::current().id(), source, name, data };
    // Without another VM nobody hears it.
    let _ = EVENTS.send(Arc::new(event));
    Ok(0)
}

/// Events from now on; to be taken before code that may cause some runs.
pub fn subscribe() -> Receiver<Arc<Event>> {
    EVENTS.subscribe()
}

/// Calls those who registered in this thread's VM for what others tell, as long as it is polled.
pub async fn follow(vm: Vm, mut heard: Receiver<Arc<Event>>) {
    let module = vm.lua().load(HEAR).eval::<mlua::Function>();
    let hear = match module.map_err(LuaError::from).and_then(|hear| vm.reference(hear)) {
        Ok(hear) => hear,
        Err(error) => return log::error!("{}", error.report()),
    };
    let own = thread::current().id();
    loop {
        let event = match heard.recv().await {
            Ok(event) if event.from == own => continue,
            Ok(event) => event,
            Err(RecvError::Lagged(lost)) => {
                log::error!("[worker_events] {lost} events of other workers were lost");
                continue;
            }
            Err(RecvError::Closed) => return,
        };
        let push = |frame: &Frame| {
            for text in [&event.source, &event.name, &event.data] {
                frame.push_bytes(text);
            }
            3
        };
        if let Err(error) = vm.call(&hear, Context::bare(Phase::Timer), push).await {
            log::error!("{}", error.report());
        }
    }
}
