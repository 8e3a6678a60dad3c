//! Code that a schema carries: functions over values, native or of a Lua VM.

use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value};

/// Why a value is refused: a message (text or an error tree), or nothing, then the validator's own words
/// are used.
pub type Rejection = Option<Value>;

/// The outcome of a validator or an entity check.
pub type Verdict = Result<(), Rejection>;

/// A function that schemas call, shared and cheap to clone.
///
/// A callback read from Lua also holds the number of its function, so that the schema can be handed back to
/// Lua with the very same function in place.
pub struct Callback<F: ?Sized> {
    function: Rc<F>,
    lua: Option<u64>,
}

/// Checks one value (`custom_validator`).
pub type ValueCheck = Callback<dyn Fn(&Value) -> Verdict>;

/// Checks several fields of an entity together (`custom_entity_check`, `check`).
pub type EntityCheck = Callback<dyn Fn(&Map<String, Value>) -> Verdict>;

/// Makes field values of a shorthand's value; `None` when there is nothing to set.
pub type Expansion = Callback<dyn Fn(&Value) -> Result<Option<Map<String, Value>>, String>>;

/// Computes the value of a replaced field from the whole record.
pub type Reverse = Callback<dyn Fn(&Map<String, Value>) -> Option<Value>>;

/// Computes field values from other field values when an entity is written or read.
pub type Transform = Callback<dyn Fn(&[Value]) -> Result<Map<String, Value>, String>>;

impl<F: ?Sized> Callback<F> {
    /// A callback over a function.
    pub fn new(function: Rc<F>) -> Self {
        Self { function, lua: None }
    }

    /// A callback into a Lua function known by this number.
    pub fn of_lua(function: Rc<F>, id: u64) -> Self {
        Self { function, lua: Some(id) }
    }

    /// The function to call.
    pub fn function(&self) -> &F {
        &self.function
    }

    /// The number of the Lua function behind it.
    pub fn lua_id(&self) -> Option<u64> {
        self.lua
    }
}

impl<F: ?Sized> Clone for Callback<F> {
    fn clone(&self) -> Self {
        Self { function: Rc::clone(&self.function), lua: self.lua }
    }
}

impl<F: ?Sized> fmt::Debug for Callback<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("function")
    }
}
