//! Functions of Lua schemas as callbacks.
//!
//! A callback holds the VM weakly: schemas live inside the VM, which would otherwise never be freed.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Value as LuaValue, WeakLua};
use serde_json::{Map, Value};

use super::convert::{from_lua, keep, opaque_value, table_to_lua, to_lua};
use crate::schema::callback::{EntityCheck, Expansion, Reverse, Transform, ValueCheck, Verdict};
use crate::schema::definition::Code;
use crate::schema::read::Functions;
use crate::schema::value::{opaque, opaque_id};

/// Native functions of schemas that Lua code has seen, by the number of the Lua function that stands for
/// them: read back, they are called without the VM.
#[derive(Default)]
struct Natives(RefCell<HashMap<u64, Native>>);

#[derive(Clone)]
enum Native {
    Value(ValueCheck),
    Entity(EntityCheck),
    Expansion(Expansion),
    Reverse(Reverse),
    Transform(Transform),
}

/// Makes callbacks of Lua functions.
pub(super) struct Callbacks {
    lua: WeakLua,
}

#[derive(Clone)]
struct LuaFunction {
    lua: WeakLua,
    id: u64,
}

impl Callbacks {
    pub(super) fn new(lua: &Lua) -> Self {
        Self { lua: lua.weak() }
    }

    /// The native function that a Lua function of this number stands for.
    fn native(&self, id: u64) -> Option<Native> {
        let lua = self.lua.try_upgrade()?;
        let natives = lua.app_data_ref::<Natives>()?;
        natives.0.borrow().get(&id).cloned()
    }

    fn function(&self, value: &Value) -> Option<LuaFunction> {
        Some(LuaFunction { lua: self.lua.clone(), id: opaque_id(value)? })
    }
}

impl Functions for Callbacks {
    fn value_check(&self, value: &Value) -> Option<ValueCheck> {
        let function = self.function(value)?;
        if let Some(Native::Value(native)) = self.native(function.id) {
            return Some(native);
        }
        let id = function.id;
        Some(ValueCheck::of_lua(Rc::new(move |value: &Value| function.judge(|lua| to_lua(lua, value))), id))
    }

    fn entity_check(&self, value: &Value) -> Option<EntityCheck> {
        let function = self.function(value)?;
        if let Some(Native::Entity(native)) = self.native(function.id) {
            return Some(native);
        }
        let id = function.id;
        let check = move |entity: &Map<String, Value>| {
            function.judge(|lua| table_to_lua(lua, entity).map(LuaValue::Table))
        };
        Some(EntityCheck::of_lua(Rc::new(check), id))
    }

    fn expansion(&self, value: &Value) -> Option<Expansion> {
        let function = self.function(value)?;
        if let Some(Native::Expansion(native)) = self.native(function.id) {
            return Some(native);
        }
        let id = function.id;
        let expand = move |value: &Value| {
            let results = function.call(|lua| Ok(MultiValue::from_iter([to_lua(lua, value)?])))?;
            Ok(match results.into_iter().next() {
                Some(Value::Object(fields)) => Some(fields),
                _ => None,
            })
        };
        Some(Expansion::of_lua(Rc::new(expand), id))
    }

    fn reverse(&self, value: &Value) -> Option<Reverse> {
        let function = self.function(value)?;
        if let Some(Native::Reverse(native)) = self.native(function.id) {
            return Some(native);
        }
        let id = function.id;
        let reverse = move |record: &Map<String, Value>| {
            let arguments =
                |lua: &Lua| Ok(MultiValue::from_iter([LuaValue::Table(table_to_lua(lua, record)?)]));
            function.call(arguments).ok()?.into_iter().next().filter(|value| !value.is_null())
        };
        Some(Reverse::of_lua(Rc::new(reverse), id))
    }

    fn transform(&self, value: &Value) -> Option<Transform> {
        let function = self.function(value)?;
        if let Some(Native::Transform(native)) = self.native(function.id) {
            return Some(native);
        }
        let id = function.id;
        let transform = move |arguments: &[Value]| {
            let results =
                function.call(|lua| arguments.iter().map(|argument| to_lua(lua, argument)).collect())?;
            let mut results = results.into_iter();
            let (computed, error) = (results.next(), results.next());
            match (computed, error) {
                (_, Some(error)) if !error.is_null() => Err(crate::schema::value::display(&error)),
                (Some(Value::Object(fields)), _) => Ok(fields),
                _ => Ok(Map::new()),
            }
        };
        Some(Transform::of_lua(Rc::new(transform), id))
    }
}

impl LuaFunction {
    /// Calls the function; `nil` results are null here.
    fn call(&self, arguments: impl FnOnce(&Lua) -> mlua::Result<MultiValue>) -> Result<Vec<Value>, String> {
        let lua = self.lua.try_upgrade().ok_or("the Lua VM of this schema is gone")?;
        let call = || -> mlua::Result<Vec<Value>> {
            let LuaValue::Function(function) = opaque_value(&lua, self.id)? else {
                return Err(mlua::Error::runtime("attempt to call a value that is no function"));
            };
            let results: MultiValue = function.call(arguments(&lua)?)?;
            results.iter().map(|result| Ok(from_lua(&lua, result)?.unwrap_or(Value::Null))).collect()
        };
        call().map_err(|error| error_text(&error))
    }

    /// Calls a validator: true, or nothing true and then a message. A third result is a message that
    /// replaces the second, as entity checks give it.
    fn judge(&self, argument: impl FnOnce(&Lua) -> mlua::Result<LuaValue>) -> Verdict {
        let results = self
            .call(|lua| Ok(MultiValue::from_iter([argument(lua)?])))
            .map_err(|error| Some(Value::String(error)))?;
        match results.first() {
            None | Some(Value::Null | Value::Bool(false)) => {
                Err(results.into_iter().skip(1).rev().find(|message| !message.is_null()))
            }
            Some(_) => Ok(()),
        }
    }
}

/// The message of an error without mlua's frame around it.
fn error_text(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => error_text(cause),
        mlua::Error::RuntimeError(message) => message.lines().next().unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}

/// What stands for a schema's function in a definition handed to Lua: the Lua function it came from, or a
/// new one around a native function.
pub(super) fn export(lua: &Lua, code: Code<'_>) -> Option<Value> {
    let known = match code {
        Code::Value(check) => check.lua_id(),
        Code::Entity(check) => check.lua_id(),
        Code::Expansion(expand) => expand.lua_id(),
        Code::Reverse(reverse) => reverse.lua_id(),
        Code::Transform(transform) => transform.lua_id(),
    };
    match known {
        Some(id) => Some(opaque(id)),
        None => export_native(lua, code).ok().map(opaque),
    }
}

fn export_native(lua: &Lua, code: Code<'_>) -> mlua::Result<u64> {
    let native = match code {
        Code::Value(check) => Native::Value(check.clone()),
        Code::Entity(check) => Native::Entity(check.clone()),
        Code::Expansion(expand) => Native::Expansion(expand.clone()),
        Code::Reverse(reverse) => Native::Reverse(reverse.clone()),
        Code::Transform(transform) => Native::Transform(transform.clone()),
    };
    let called = native.clone();
    let function = lua.create_function(move |lua, arguments: MultiValue| called.call(lua, &arguments))?;
    let id = keep(lua, &LuaValue::Function(function))?;
    if lua.app_data_ref::<Natives>().is_none() {
        lua.set_app_data(Natives::default());
    }
    if let Some(natives) = lua.app_data_ref::<Natives>() {
        natives.0.borrow_mut().insert(id, native);
    }
    Ok(id)
}

impl Native {
    /// Calls the function as Lua code calls it: a result, or nil and a message.
    fn call(&self, lua: &Lua, arguments: &MultiValue) -> mlua::Result<(LuaValue, LuaValue)> {
        let values: Vec<Value> = arguments
            .iter()
            .map(|argument| Ok(from_lua(lua, argument)?.unwrap_or(Value::Null)))
            .collect::<mlua::Result<_>>()?;
        let first = values.first().cloned().unwrap_or_default();
        let table = || first.as_object().cloned().unwrap_or_default();
        let result = match self {
            Self::Value(check) => check.function()(&first).map(|()| Value::Bool(true)),
            Self::Entity(check) => check.function()(&table()).map(|()| Value::Bool(true)),
            Self::Expansion(expand) => expand.function()(&first)
                .map(|fields| fields.map_or(Value::Null, Value::Object))
                .map_err(|error| Some(error.into())),
            Self::Reverse(reverse) => Ok(reverse.function()(&table()).unwrap_or_default()),
            Self::Transform(transform) => {
                transform.function()(&values).map(Value::Object).map_err(|error| Some(error.into()))
            }
        };
        Ok(match result {
            Ok(Value::Null) | Err(None) => (LuaValue::Nil, LuaValue::Nil),
            Ok(value) => (to_lua(lua, &value)?, LuaValue::Nil),
            Err(Some(message)) => (LuaValue::Nil, to_lua(lua, &message)?),
        })
    }
}
