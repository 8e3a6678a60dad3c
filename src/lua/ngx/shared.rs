//! `ngx.shared`: the shared dictionaries of [`crate::shm`].

use crate::lua::frame::{Answer, Flow, Frame, Kind as Type};
use crate::lua::object::{self, Object};
use crate::shm::{Dict, Dicts, Found, Kind, Popped, Refusal, Store, Value};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

/// Keys that `get_keys` answers when nobody says otherwise.
const DEFAULT_KEYS: usize = 1024;

thread_local! {
    /// Strings are copied out of a dictionary into this before Lua gets them.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A dictionary in Lua's hands.
struct Shared(Arc<Dict>);

impl Object for Shared {
    const NAME: &'static CStr = c"shared dictionary";

    fn methods(frame: &Frame, table: c_int) {
        install_entries(frame, table);
        install_lists(frame, table);
        install_whole(frame, table);
    }
}

/// Adds `ngx.shared` with a field for each dictionary.
pub(super) fn install(frame: &Frame, ngx: c_int, dicts: Option<&Dicts>) {
    frame.push_table(0, 16);
    for dict in dicts.iter().flat_map(|dicts| dicts.iter()) {
        object::push_wrapped(frame, Shared(Arc::clone(dict)));
        // For the functions that compiled code calls; see `hot`.
        frame.push_light(Arc::as_ptr(dict).cast());
        frame.set_index(-2, 2);
        frame.set_field(-2, dict.name());
    }
    frame.set_field(ngx, "shared");
}

fn dict(frame: &Frame) -> Result<&Dict, Flow> {
    match object::at::<Shared>(frame, 1) {
        Ok(shared) => Ok(&*shared.0),
        Err(_) => Err(Flow::raise("bad \"zone\" argument")),
    }
}

fn install_entries(frame: &Frame, table: c_int) {
    frame.set_function(table, "get", |frame| get(frame, false));
    frame.set_function(table, "get_stale", |frame| get(frame, true));
    frame.set_function(table, "set", |frame| store(frame, Store::Set));
    frame.set_function(table, "add", |frame| store(frame, Store::Add));
    frame.set_function(table, "replace", |frame| store(frame, Store::Replace));
    frame.set_function(table, "safe_set", |frame| store(frame, Store::SafeSet));
    frame.set_function(table, "safe_add", |frame| store(frame, Store::SafeAdd));
    frame.set_function(table, "delete", |frame| {
        let Some(key) = key(frame)? else { return frame.fail("nil key") };
        stored(frame, dict(frame)?.delete(key), false)
    });
    frame.set_function(table, "incr", incr);
    frame.set_function(table, "ttl", |frame| {
        let Some(key) = key(frame)? else { return frame.fail("nil key") };
        match dict(frame)?.ttl(key) {
            Ok(left) => frame.push_number(left as f64 / 1000.0),
            Err(refusal) => return frame.fail(refusal.to_string()),
        }
        Ok(1)
    });
    frame.set_function(table, "expire", |frame| {
        let Some(key) = key(frame)? else { return frame.fail("nil key") };
        let seconds = match frame.kind(3) {
            Type::Number => frame.number(3)?,
            _ if is_default(frame, 3) => return Err(Flow::raise("bad \"exptime\" argument")),
            _ => {
                let kind = frame.kind_name(3);
                let text = "attempt to perform arithmetic on local 'exptime'";
                return Err(Flow::raise(format!("{text} (a {kind} value)")));
            }
        };
        // A time that is over is over with the next millisecond.
        let ttl = if seconds < 0.0 { 1 } else { (seconds * 1000.0) as u64 };
        match dict(frame)?.expire(key, ttl) {
            Ok(()) => frame.push_boolean(true),
            Err(refusal) => return frame.fail(refusal.to_string()),
        }
        Ok(1)
    });
}

fn install_lists(frame: &Frame, table: c_int) {
    frame.set_function(table, "lpush", |frame| push(frame, Dict::lpush));
    frame.set_function(table, "rpush", |frame| push(frame, Dict::rpush));
    frame.set_function(table, "lpop", |frame| pop(frame, Dict::lpop));
    frame.set_function(table, "rpop", |frame| pop(frame, Dict::rpop));
    frame.set_function(table, "llen", |frame| {
        let Some(key) = list_key(frame)? else { return frame.fail("nil key") };
        length(frame, dict(frame)?.llen(key))
    });
}

fn install_whole(frame: &Frame, table: c_int) {
    frame.set_function(table, "flush_all", |frame| {
        dict(frame)?.flush_all();
        Ok(0)
    });
    frame.set_function(table, "flush_expired", |frame| {
        let limit = limit(frame)?.unwrap_or(0);
        frame.push_integer(dict(frame)?.flush_expired(limit) as i64);
        Ok(1)
    });
    frame.set_function(table, "get_keys", |frame| {
        let limit = limit(frame)?.unwrap_or(DEFAULT_KEYS);
        let keys = dict(frame)?.keys(limit);
        frame.push_table(keys.len(), 0);
        for (index, key) in keys.iter().enumerate() {
            frame.push_bytes(key);
            frame.set_index(-2, index + 1);
        }
        Ok(1)
    });
    frame.set_function(table, "capacity", |frame| {
        frame.push_integer(dict(frame)?.capacity() as i64);
        Ok(1)
    });
    frame.set_function(table, "free_space", |frame| {
        frame.push_integer(dict(frame)?.free_space() as i64);
        Ok(1)
    });
}

/// How many entries a function is to look at, its second argument; none where it is not given.
fn limit(frame: &Frame) -> Result<Option<usize>, Flow> {
    if frame.kind(2) == Type::None { Ok(None) } else { frame.number(2).map(|limit| Some(limit as usize)) }
}

/// The key; none for `nil`. The text of anything else is one.
fn key(frame: &Frame) -> Result<Option<&[u8]>, Flow> {
    match frame.kind(2) {
        Type::None | Type::Nil => Ok(None),
        Type::String | Type::Number => frame.bytes(2).map(Some),
        _ => {
            frame.push_field(mlua::ffi::LUA_GLOBALSINDEX, "tostring");
            frame.push_value(2);
            frame.call(1, 1)?;
            frame.replace(2);
            frame.bytes(2).map(Some)
        }
    }
}

/// The key of a list: a string or a number.
fn list_key(frame: &Frame) -> Result<Option<&[u8]>, Flow> {
    match frame.kind(2) {
        Type::None => Err(Flow::raise("expecting 2 arguments, but only seen 1")),
        Type::Nil => Ok(None),
        _ => frame.bytes(2).map(Some),
    }
}

/// Whether the value at `at` is `nil` or `false`, which stand for what an argument is by default.
fn is_default(frame: &Frame, at: c_int) -> bool {
    frame.is_nil(at) || (frame.kind(at) == Type::Boolean && !frame.truth(at))
}

/// A time to live in seconds as milliseconds; 0 is for ever.
fn time_to_live(frame: &Frame, at: c_int) -> Result<u64, Flow> {
    if is_default(frame, at) {
        return Ok(0);
    }
    if frame.kind(at) != Type::Number {
        let kind = frame.kind_name(at);
        return Err(Flow::raise(format!("attempt to compare {kind} with number")));
    }
    let seconds = frame.number(at)?;
    if seconds < 0.0 {
        return Err(Flow::raise("bad \"exptime\" argument"));
    }
    Ok((seconds * 1000.0) as u64)
}

/// The time to live of a number that `incr` begins.
fn init_ttl(frame: &Frame, at: c_int) -> Result<u64, Flow> {
    let is_number = frame.is_nil(at) || frame.number(at).is_ok();
    if !is_number {
        let kind = frame.kind_name(at);
        return Err(Flow::raise(format!("bad init_ttl arg: number expected, got {kind}")));
    }
    let seconds = frame.optional_number(at)?.unwrap_or(0.0);
    if seconds < 0.0 {
        return Err(Flow::raise("bad \"init_ttl\" argument"));
    }
    Ok((seconds * 1000.0) as u64)
}

fn get(frame: &Frame, stale: bool) -> Answer {
    let Some(key) = key(frame)? else { return frame.fail("nil key") };
    let dict = dict(frame)?;
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        let found = if stale { dict.get_stale(key, buffer) } else { dict.get(key, buffer) };
        match found {
            Err(refusal) => frame.fail(refusal.to_string()),
            Ok(None) => {
                frame.push_nil();
                Ok(1)
            }
            Ok(Some(found)) => Ok(push_found(frame, &found, buffer, stale)),
        }
    })
}

fn push_found(frame: &Frame, found: &Found, buffer: &[u8], stale: bool) -> c_int {
    match found.value {
        Kind::Boolean(truth) => frame.push_boolean(truth),
        Kind::Number(number) => frame.push_number(number),
        Kind::String => frame.push_bytes(buffer),
    }
    if found.flags != 0 {
        frame.push_integer(i64::from(found.flags as i32));
    } else if stale {
        frame.push_nil();
    } else {
        return 1;
    }
    if stale {
        frame.push_boolean(found.stale);
        return 3;
    }
    2
}

fn store(frame: &Frame, how: Store) -> Answer {
    let Some(key) = key(frame)? else { return frame.fail("nil key") };
    let Some(value) = value(frame, 3)? else { return frame.fail("bad value type") };
    let ttl = time_to_live(frame, 4)?;
    let flags = flags(frame, 5)?;
    let outcome = dict(frame)?.store(how, key, value, ttl, flags);
    stored(frame, outcome.result, outcome.forcible)
}

/// The flags that a value is stored with: a C `int`.
fn flags(frame: &Frame, at: c_int) -> Result<u32, Flow> {
    match frame.kind(at) {
        Type::None | Type::Nil => Ok(0),
        Type::Boolean => Ok(u32::from(frame.truth(at))),
        Type::Number => Ok(frame.number(at)? as i64 as u32),
        _ => {
            let kind = frame.kind_name(at);
            let text = "bad argument #10 to 'ngx_lua_ffi_shdict_store' (cannot convert";
            Err(Flow::raise(format!("{text} '{kind}' to 'int')")))
        }
    }
}

fn stored(frame: &Frame, result: Result<(), Refusal>, forcible: bool) -> Answer {
    match result {
        Ok(()) => {
            frame.push_boolean(true);
            frame.push_nil();
        }
        Err(refusal @ (Refusal::EmptyKey | Refusal::KeyTooLong)) => {
            return frame.fail(refusal.to_string());
        }
        Err(refusal) => {
            frame.push_boolean(false);
            frame.push_text(&refusal.to_string());
        }
    }
    frame.push_boolean(forcible);
    Ok(3)
}

fn value(frame: &Frame, at: c_int) -> Result<Option<Value<'_>>, Flow> {
    Ok(Some(match frame.kind(at) {
        Type::None | Type::Nil => Value::Nil,
        Type::Boolean => Value::Boolean(frame.truth(at)),
        Type::Number => Value::Number(frame.number(at)?),
        Type::String => Value::String(frame.bytes(at)?),
        _ => return Ok(None),
    }))
}

fn incr(frame: &Frame) -> Answer {
    let Some(key) = key(frame)? else { return frame.fail("nil key") };
    let by = frame.number(3).map_err(|_| Flow::raise("cannot convert 'nil' to 'double'"))?;
    let init = frame.optional_number(4)?;
    let ttl = init_ttl(frame, 5)?;
    if ttl > 0 && init.is_none() {
        return Err(Flow::raise("must provide \"init\" when providing \"init_ttl\""));
    }
    let outcome = dict(frame)?.incr(key, by, init.map(|init| (init, ttl)));
    match outcome.result {
        Err(refusal) => frame.fail(refusal.to_string()),
        Ok(number) => {
            frame.push_number(number);
            if init.is_none() {
                return Ok(1);
            }
            frame.push_nil();
            frame.push_boolean(outcome.forcible);
            Ok(3)
        }
    }
}

fn push(frame: &Frame, add: fn(&Dict, &[u8], Value<'_>) -> Result<usize, Refusal>) -> Answer {
    let Some(key) = list_key(frame)? else { return frame.fail("nil key") };
    match value(frame, 3)? {
        Some(value @ (Value::Number(_) | Value::String(_))) => length(frame, add(dict(frame)?, key, value)),
        _ => frame.fail("bad value type"),
    }
}

fn length(frame: &Frame, result: Result<usize, Refusal>) -> Answer {
    match result {
        Ok(length) => frame.push_integer(length as i64),
        Err(refusal) => return frame.fail(refusal.to_string()),
    }
    Ok(1)
}

type Take = fn(&Dict, &[u8], &mut Vec<u8>) -> Result<Option<Popped>, Refusal>;

fn pop(frame: &Frame, take: Take) -> Answer {
    let Some(key) = list_key(frame)? else { return frame.fail("nil key") };
    let dict = dict(frame)?;
    BUFFER.with_borrow_mut(|buffer| {
        buffer.clear();
        match take(dict, key, buffer) {
            Err(refusal) => return frame.fail(refusal.to_string()),
            Ok(None) => frame.push_nil(),
            Ok(Some(Popped::Number(number))) => frame.push_number(number),
            Ok(Some(Popped::String)) => frame.push_bytes(buffer),
        }
        Ok(1)
    })
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::{block_on, run_in};
    use crate::lua::{Vm, vm::Settings};
    use crate::shm::Dicts;
    use std::sync::Arc;

    #[test]
    fn dictionaries_answer_as_in_openresty() {
        let dicts = Arc::new(Dicts::create(&[("test", 1 << 20)]).unwrap());
        let vm = Vm::new(Settings { dicts: Some(dicts), ..Settings::default() }).unwrap();
        let source = r#"
            local d = ngx.shared.test
            assert(type(d) == "table" and ngx.shared.none == nil)
            local ok, err, forcible = d:set("a", "x", 0, 7)
            assert(ok == true and err == nil and forcible == false)
            local v, flags = d:get("a")
            assert(v == "x" and flags == 7)
            local ok, err = d:add("a", 1)
            assert(ok == false and err == "exists")
            local ok, err = d:replace("b", 1)
            assert(ok == false and err == "not found")
            assert(d:incr("n", 1, 5) == 6 and d:incr("n", 2) == 8)
            local v, err = d:incr("none", 1)
            assert(v == nil and err == "not found")
            local v, err = d:incr("a", 1)
            assert(v == nil and err == "not a number")
            assert(d:set("t", true, 0.001)) ngx.sleep(0.01)
            local v, flags, stale = d:get_stale("t")
            assert(v == true and flags == nil and stale == true and d:get("t") == nil)
            assert(d:lpush("l", "1") == 1 and d:rpush("l", 2) == 2 and d:lpop("l") == "1" and d:llen("l") == 1)
            local v, err = d:get("l")
            assert(v == nil and err == "value is a list")
            assert(select(2, d:get(nil)) == "nil key" and select(2, d:get("")) == "empty key")
            assert(select(2, d:set("z", {})) == "bad value type")
            d:delete("a") assert(d:get("a") == nil)
            local none, err = d:ttl("a") assert(none == nil and err == "not found")
            d:set("e", 1, 10) assert(d:ttl("e") > 9 and d:expire("e", 100) == true and d:ttl("e") > 99)
            assert(#d:get_keys() == 3 and d:capacity() == 1048576 and d:free_space() >= 0)
            d:flush_all() assert(#d:get_keys(0) == 0 and d:flush_expired() > 0)
        "#;
        block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
    }
}
