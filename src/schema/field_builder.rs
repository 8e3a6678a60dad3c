//! How fields are written in Rust: a type and a chain of what holds for it.

use std::rc::Rc;

use serde_json::Value;

use super::callback::{ValueCheck, Verdict};
use super::field::{Field, Foreign, Kind};
use super::lua_pattern::{LuaPattern, PatternError};
use super::record::Record;
use super::validator::{PatternRule, Validator};

impl Field {
    /// A string, not empty unless [`Field::len_min`] says so.
    pub fn string() -> Self {
        Self::new(Kind::String)
    }

    /// A number.
    pub fn number() -> Self {
        Self::new(Kind::Number)
    }

    /// An integer.
    pub fn integer() -> Self {
        Self::new(Kind::Integer)
    }

    /// A boolean.
    pub fn boolean() -> Self {
        Self::new(Kind::Boolean)
    }

    /// An array of such elements.
    pub fn array(elements: Field) -> Self {
        Self::new(Kind::Array(Rc::new(elements)))
    }

    /// A set of such elements.
    pub fn set(elements: Field) -> Self {
        Self::new(Kind::Set(Rc::new(elements)))
    }

    /// A map with such keys and values.
    pub fn map(keys: Field, values: Field) -> Self {
        Self::new(Kind::Map(Rc::new(keys), Rc::new(values)))
    }

    /// A record.
    pub fn record(record: Record) -> Self {
        Self::new(Kind::Record(Some(Rc::new(record))))
    }

    /// The primary key of another entity.
    pub fn foreign(reference: &str) -> Self {
        Self::new(Kind::Foreign(Foreign { reference: reference.to_owned(), schema: None, on_delete: None }))
    }

    /// A record that only subschemas define.
    pub fn abstract_record() -> Self {
        Self { is_abstract: true, ..Self::new(Kind::Record(None)) }
    }

    /// The refinement of another field, for the conditions of entity checks.
    pub fn refined() -> Self {
        Self::new(Kind::Refined { elements: None, keys: None, values: None })
    }

    /// A refinement of the elements of an array or set.
    pub fn refined_elements(elements: Field) -> Self {
        Self::new(Kind::Refined { elements: Some(Rc::new(elements)), keys: None, values: None })
    }

    /// Must be given.
    pub fn required(mut self) -> Self {
        self.required = Some(true);
        self
    }

    /// Need not be given, also in records of entities.
    pub fn optional(mut self) -> Self {
        self.required = Some(false);
        self
    }

    /// Has a value when none is given.
    pub fn default(mut self, value: impl Into<Value>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// No two entities have the same value.
    pub fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    /// No two entities of any workspace have the same value.
    pub fn unique_across_ws(mut self) -> Self {
        self.unique = true;
        self.unique_across_ws = true;
        self
    }

    /// Is filled in by the gateway.
    pub fn auto(mut self) -> Self {
        self.auto = true;
        self
    }

    /// May hold a vault reference.
    pub fn referenceable(mut self) -> Self {
        self.referenceable = true;
        self
    }

    /// Is a secret.
    pub fn encrypted(mut self) -> Self {
        self.encrypted = true;
        self
    }

    /// Is not stored.
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// Goes when the entity that a foreign field points to goes.
    pub fn cascade(mut self) -> Self {
        if let Kind::Foreign(foreign) = &mut self.kind {
            foreign.on_delete = Some("cascade".to_owned());
        }
        self
    }

    /// Says what the field is for.
    pub fn describe(mut self, description: &str) -> Self {
        self.description = Some(description.to_owned());
        self
    }

    /// Replaces the message of every validator.
    pub fn err(mut self, message: &str) -> Self {
        self.err = Some(message.to_owned());
        self
    }

    /// Adds a validator, in place of one of the same name.
    pub fn with(mut self, validator: Validator) -> Self {
        self.add(validator);
        self
    }

    /// Adds a validator, in place of one of the same name.
    pub fn add(&mut self, validator: Validator) {
        let rank = validator.rank();
        self.validators.retain(|known| known.rank() != rank);
        let place = self.validators.partition_point(|known| known.rank() < rank);
        self.validators.insert(place, validator);
    }

    /// Must be this value.
    pub fn eq(self, value: impl Into<Value>) -> Self {
        self.with(Validator::Eq(value.into()))
    }

    /// Must be another value.
    pub fn ne(self, value: impl Into<Value>) -> Self {
        self.with(Validator::Ne(value.into()))
    }

    /// Must be one of these.
    pub fn one_of<T: Into<Value>>(self, options: impl IntoIterator<Item = T>) -> Self {
        self.with(Validator::OneOf(options.into_iter().map(Into::into).collect()))
    }

    /// Must be none of these.
    pub fn not_one_of<T: Into<Value>>(self, options: impl IntoIterator<Item = T>) -> Self {
        self.with(Validator::NotOneOf(options.into_iter().map(Into::into).collect()))
    }

    /// Must lie between these bounds, both included.
    pub fn between(self, low: f64, high: f64) -> Self {
        self.with(Validator::Between(low, high))
    }

    /// Must be at least this long.
    pub fn len_min(self, least: i64) -> Self {
        self.with(Validator::LenMin(least))
    }

    /// Must be this long.
    pub fn len_eq(self, length: i64) -> Self {
        self.with(Validator::LenEq(length))
    }

    /// Must match this Lua pattern.
    pub fn matches(self, pattern: &str) -> Self {
        self.with_pattern(pattern, Validator::Match)
    }

    /// Must match none of these Lua patterns; each has its message.
    pub fn match_none(self, rules: &[(&str, &str)]) -> Self {
        self.with_rules(rules, Validator::MatchNone)
    }

    /// Must match all of these Lua patterns; each has its message.
    pub fn match_all(self, rules: &[(&str, &str)]) -> Self {
        self.with_rules(rules, Validator::MatchAll)
    }

    /// Must match one of these Lua patterns.
    pub fn match_any(self, patterns: &[&str], message: &str) -> Self {
        let compiled = patterns.iter().map(|pattern| LuaPattern::new(pattern)).collect();
        self.with_compiled(compiled, |patterns| Validator::MatchAny(patterns, Some(message.to_owned())))
    }

    /// Must begin so.
    pub fn starts_with(self, prefix: &str) -> Self {
        self.with(Validator::StartsWith(prefix.to_owned()))
    }

    /// Must hold this element.
    pub fn contains(self, element: impl Into<Value>) -> Self {
        self.with(Validator::Contains(element.into()))
    }

    /// Must satisfy this function.
    pub fn custom(self, check: fn(&Value) -> Verdict) -> Self {
        self.with(Validator::Custom(ValueCheck::new(Rc::new(check))))
    }

    fn with_pattern(self, pattern: &str, make: fn(LuaPattern) -> Validator) -> Self {
        self.with_compiled(LuaPattern::new(pattern), make)
    }

    fn with_rules(self, rules: &[(&str, &str)], make: fn(Vec<PatternRule>) -> Validator) -> Self {
        let compiled = rules
            .iter()
            .map(|(pattern, err)| {
                Ok(PatternRule { pattern: LuaPattern::new(pattern)?, err: Some((*err).to_owned()) })
            })
            .collect();
        self.with_compiled(compiled, make)
    }

    /// A pattern written in this crate that does not compile shows in the schema as a field of no type.
    fn with_compiled<T>(
        mut self,
        compiled: Result<T, PatternError>,
        make: impl FnOnce(T) -> Validator,
    ) -> Self {
        match compiled {
            Ok(patterns) => self.with(make(patterns)),
            Err(error) => {
                self.kind = Kind::Unknown(error.to_string());
                self
            }
        }
    }
}
