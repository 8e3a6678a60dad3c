//! Shorthand fields: names that are rewritten into other fields before anything else happens.
//!
//! *Kong parity*: a deprecated shorthand gives way to the fields that replace it, any other shorthand wins
//! over them; and when an entity is read, deprecated names are computed back from their replacements.

use serde_json::{Map, Value};

use super::auto::{AutoOptions, Context};
use super::field::{Deprecation, Replacement};
use super::record::{Record, Shorthand};
use super::validate::{Errors, Pass, validate_field};
use super::value::{deep_equal, display};

impl Record {
    /// Rewrites the shorthands of a table.
    pub(super) fn expand_shorthands(
        &self,
        data: &mut Map<String, Value>,
        context: Context,
        options: &AutoOptions<'_>,
    ) -> Result<(), Errors> {
        if self.shorthand_fields.is_empty() {
            return Ok(());
        }
        let mut errors = Map::new();
        for shorthand in &self.shorthand_fields {
            if let Err(error) = shorthand.expand(data) {
                errors.insert(shorthand.name.clone(), error);
            }
            if context == Context::Select && !options.hide_shorthands {
                shorthand.restore(data);
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Shorthand {
    fn expand(&self, data: &mut Map<String, Value>) -> Result<(), Value> {
        let Some(value) = data.get(&self.name) else {
            return Ok(());
        };
        validate_field(&self.field, value, Pass::default())?;
        if let Some(deprecation) = self.deprecation() {
            agree(data, &self.name, value, deprecation)?;
        }
        let Some(value) = data.shift_remove(&self.name) else {
            return Ok(());
        };
        let fields = self.expand.function()(&value)?;
        for (name, value) in fields.into_iter().flatten() {
            merge(data, name, value, self.deprecation().is_some());
        }
        Ok(())
    }

    fn restore(&self, data: &mut Map<String, Value>) {
        let replacement = self.deprecation().and_then(|deprecation| deprecation.replaced_with.first());
        let Some(replacement) = replacement else {
            return;
        };
        match replacement.value(data) {
            Some(value) => data.insert(self.name.clone(), value),
            None => data.shift_remove(&self.name),
        };
    }
}

impl Replacement {
    fn value(&self, data: &Map<String, Value>) -> Option<Value> {
        match &self.reverse {
            Some(reverse) => reverse.function()(data),
            None => {
                let (first, rest) = self.path.split_first()?;
                rest.iter().try_fold(data.get(first)?, |value, key| value.get(key)).cloned()
            }
        }
    }
}

/// A deprecated field and its replacement may both be given only with equal values.
fn agree(
    data: &Map<String, Value>,
    name: &str,
    value: &Value,
    deprecation: &Deprecation,
) -> Result<(), Value> {
    if value.is_null() {
        return Ok(());
    }
    for replacement in &deprecation.replaced_with {
        let Some(new) = replacement.value(data) else { continue };
        let is_set = !new.is_null() && new != Value::Bool(false);
        if is_set && !deep_equal(&new, value) {
            let message = format!(
                "both deprecated and new field are used but their values mismatch: {name} = {} vs {} = {}",
                display(value),
                replacement.path.join("."),
                display(&new),
            );
            return Err(message.into());
        }
    }
    Ok(())
}

fn merge(data: &mut Map<String, Value>, name: String, value: Value, yields: bool) {
    let current = data.get(&name).filter(|current| !current.is_null());
    let merged = match (value, current) {
        (value @ (Value::Array(_) | Value::Object(_)), None) => value,
        (Value::Object(new), Some(Value::Object(old))) if yields => overlay(new, old.clone(), true),
        (Value::Object(new), Some(Value::Object(old))) => overlay(old.clone(), new, false),
        (Value::Array(new), Some(Value::Array(old))) if yields => overlay_items(new, old),
        (Value::Array(new), Some(Value::Array(old))) => overlay_items(old.clone(), &new),
        (new @ (Value::Array(_) | Value::Object(_)), Some(old)) => {
            if yields {
                old.clone()
            } else {
                new
            }
        }
        (_, Some(_)) if yields => return,
        (value, _) => value,
    };
    data.insert(name, merged);
}

/// `top` over `bottom`; with `skip_nulls` a null in `top` does not hide a value.
fn overlay(mut bottom: Map<String, Value>, top: Map<String, Value>, skip_nulls: bool) -> Value {
    for (key, value) in top {
        if !skip_nulls || !value.is_null() || !bottom.contains_key(&key) {
            bottom.insert(key, value);
        }
    }
    Value::Object(bottom)
}

fn overlay_items(mut bottom: Vec<Value>, top: &[Value]) -> Value {
    for (place, value) in top.iter().enumerate() {
        match bottom.get_mut(place) {
            Some(slot) => slot.clone_from(value),
            None => bottom.push(value.clone()),
        }
    }
    Value::Array(bottom)
}
