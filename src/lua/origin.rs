//! Which plugin, and for which route, started code that runs on its own: timers and light threads. Their errors say
//! so.

use super::context;
use super::frame::{Frame, Kind};
use crate::exchange::current;
use mlua::ffi;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What an error message begins with: `[my-plugin] route "my-route" `.
pub(super) type Origin = Rc<str>;

thread_local! {
    /// Of calls without a request, by their number.
    static OF_CALLS: RefCell<HashMap<u64, Origin>> = RefCell::default();
}

/// Knows the origin of a call without a request until it is dropped.
pub(super) struct Named(u64);

impl Named {
    pub(super) fn new(number: u64, origin: Option<&Origin>) -> Named {
        if let Some(origin) = origin {
            OF_CALLS.with_borrow_mut(|calls| calls.insert(number, origin.clone()));
        }
        Named(number)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        OF_CALLS.with_borrow_mut(|calls| calls.remove(&self.0));
    }
}

/// The origin of what the running code starts: its plugin and route, or what started it.
pub(super) fn of_running(frame: &Frame) -> Option<Origin> {
    frame.reserve(6).ok()?;
    let Some(plugin) = current::with(|exchange| exchange.lua.running.plugin) else {
        let number = context::current().number;
        return OF_CALLS.with_borrow(|calls| calls.get(&number).cloned()).or_else(|| of_worker(frame));
    };
    let plugin = name_of(frame, usize::try_from(plugin).ok().filter(|plugin| *plugin != 0)?);
    let route = current::with(|exchange| exchange.route_name().map(str::to_owned)).flatten();
    Some(match route {
        Some(route) => format!("[{}] route \"{route}\" ", plugin?).into(),
        None => format!("[{}] ", plugin?).into(),
    })
}

/// The plugin whose `init_worker` or `configure` runs.
fn of_worker(frame: &Frame) -> Option<Origin> {
    let plugin = of_module(frame, |frame| raw_field(frame, "global_plugin"));
    plugin.map(|plugin| format!("[{plugin}] ").into())
}

/// The name of the plugin with a number.
fn name_of(frame: &Frame, number: usize) -> Option<String> {
    of_module(frame, |frame| {
        raw_field(frame, "plugins");
        if frame.kind(-1) == Kind::Table {
            frame.push_index(-1, number);
            frame.insert(-2);
            frame.pop(1);
        }
    })
}

/// The name of the plugin that `push` finds in the module that knows what runs, which is on top for it.
fn of_module(frame: &Frame, push: impl FnOnce(&Frame)) -> Option<String> {
    let bottom = frame.top();
    frame.push_field(ffi::LUA_REGISTRYINDEX, "_LOADED");
    raw_field(frame, "kong.runloop.running");
    let mut name = None;
    if frame.kind(-1) == Kind::Table {
        push(frame);
    }
    if frame.kind(-1) == Kind::Table {
        raw_field(frame, "name");
        name = frame.text_at(-1).map(|name| String::from_utf8_lossy(name).into_owned());
    }
    frame.pop(frame.top() - bottom);
    name
}

/// Pushes a field of the table on top, without its metatable having a say.
fn raw_field(frame: &Frame, field: &str) {
    frame.push_text(field);
    frame.raw_get(-2);
}
