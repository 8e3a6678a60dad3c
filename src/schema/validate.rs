//! Validation of values, fields and records.
//!
//! Nothing here changes its input. What is wrong comes back as an error tree: a message for a scalar, an object
//! by field for a record, an array with `null` in the places of good elements for an array or set.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::auto::{AutoOptions, Context};
use super::callback::Rejection;
use super::check;
use super::environment;
use super::field::{Field, Kind, NullRule};
use super::json_schema;
use super::messages;
use super::record::Record;
use super::reference::is_reference;
use super::schema::Schema;
use super::value::{deep_equal, is_opaque, is_table, key_value, number_key, sequence};

/// What is wrong with an entity, by field; `@entity` holds a list about the entity as a whole.
pub type Errors = Map<String, Value>;

/// How a validation looks at absent fields, and which words it uses.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pass {
    /// Required fields must be there.
    pub full_check: bool,
    /// Messages speak of an update.
    pub updating: bool,
}

/// A record with the subschema that its values chose.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scope<'a> {
    pub record: &'a Record,
    pub subschema: Option<&'a Record>,
}

impl<'a> Scope<'a> {
    pub(super) fn field_at(&self, path: &str) -> Option<&'a Field> {
        self.record.field_at(self.subschema, path)
    }
}

impl Record {
    /// Validates a whole table against the record.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate(&self, input: &Map<String, Value>) -> Result<(), Errors> {
        let mut errors = Map::new();
        let scope = Scope { record: self, subschema: None };
        validate_record(scope, input, Pass { full_check: true, updating: false }, &mut errors, None);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl Field {
    /// Validates a value.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate(&self, value: &Value) -> Result<(), Value> {
        validate_field(self, value, Pass { full_check: true, updating: false })
    }
}

/// Validates fields, required fields and the rules between fields.
pub(super) fn validate_record(
    scope: Scope<'_>,
    input: &Map<String, Value>,
    pass: Pass,
    errors: &mut Errors,
    schema: Option<&Schema>,
) {
    for (name, value) in input {
        if let Err(error) = validate_named(scope, input, name, value, pass, schema) {
            errors.insert(name.clone(), error);
        }
    }
    for (name, field) in &scope.record.fields {
        if field.is_required() && is_missing(input.get(name), pass) {
            errors.insert(name.clone(), messages::REQUIRED.into());
        }
    }
    check::run_all(scope, input, pass, errors);
}

fn is_missing(value: Option<&Value>, pass: Pass) -> bool {
    value.map_or(pass.full_check, Value::is_null)
}

fn validate_named(
    scope: Scope<'_>,
    input: &Map<String, Value>,
    name: &str,
    value: &Value,
    pass: Pass,
    schema: Option<&Schema>,
) -> Result<(), Value> {
    let field = scope.record.field(scope.subschema, name);
    match field.map(|field| &field.kind) {
        Some(Kind::Json(rule)) => return json_schema::validate(rule, name, value, input),
        Some(Kind::Itself) => return super::metaschema::validate_default(input, value),
        _ => {}
    }
    if name == "updated_at" || (name == "ttl" && schema.is_some_and(|schema| schema.ttl)) {
        return Ok(());
    }
    match field {
        Some(field) => validate_field(field, value, pass),
        None if value.is_null() && environment::is_data_plane() => Ok(()),
        None => Err(messages::UNKNOWN.into()),
    }
}

/// Validates one value against its field.
pub(super) fn validate_field(field: &Field, value: &Value, pass: Pass) -> Result<(), Value> {
    validate_with(field, value, pass, field.is_required())
}

fn validate_with(field: &Field, value: &Value, pass: Pass, required: bool) -> Result<(), Value> {
    if value.is_null() {
        return validate_null(field, required);
    }
    if let Some(NullRule::Only) = field.null_rule() {
        return Err(field.err.clone().unwrap_or_else(|| messages::eq(&Value::Null)).into());
    }
    if field.is_abstract {
        return Err(messages::ABSTRACT.into());
    }
    warn_if_deprecated(field, value);
    validate_type(field, value, pass)?;
    if field.referenceable && matches!(field.kind, Kind::String) && is_reference(value) {
        return Ok(());
    }
    run_validators(field, value)
}

fn validate_null(field: &Field, required: bool) -> Result<(), Value> {
    match field.null_rule() {
        Some(NullRule::Forbidden) => {
            Err(field.err.clone().unwrap_or_else(|| messages::ne(&Value::Null, &Value::Null)).into())
        }
        Some(NullRule::Instead(wanted)) => Err(messages::eq(wanted).into()),
        _ if required => Err(messages::REQUIRED.into()),
        _ => Ok(()),
    }
}

fn warn_if_deprecated(field: &Field, value: &Value) {
    if let Some(deprecation) = &field.deprecation {
        let is_default = deprecation.old_default.as_ref().is_some_and(|old| deep_equal(old, value));
        if !is_default {
            environment::warn_deprecated(deprecation);
        }
    }
}

fn validate_type(field: &Field, value: &Value, pass: Pass) -> Result<(), Value> {
    match &field.kind {
        Kind::String => require(value.is_string(), messages::STRING),
        Kind::Number => require(value.is_number(), messages::NUMBER),
        Kind::Integer => require(is_integer(value), messages::INTEGER),
        Kind::Boolean => require(value.is_boolean(), messages::BOOLEAN),
        Kind::Function => require(is_opaque(value), messages::FUNCTION),
        Kind::Any | Kind::Itself | Kind::Json(_) => Ok(()),
        Kind::Array(elements) => {
            let items = sequence(value).ok_or(messages::ARRAY)?;
            validate_elements(elements, items, pass)
        }
        Kind::Set(elements) => {
            let items = sequence(value).ok_or(messages::SET)?;
            validate_elements(elements, items, pass)
        }
        Kind::Map(keys, values) => validate_map(keys, values, value, pass),
        Kind::Definition(form) => validate_definition(&form(), value, pass),
        Kind::Record(record) => validate_nested(record.as_deref(), value, pass),
        Kind::Foreign(foreign) => match &foreign.schema {
            Some(schema) => validate_foreign(schema, value),
            None => Ok(()),
        },
        Kind::Refined { .. } => Err(messages::invalid_type(field.type_name()).into()),
        Kind::Unknown(name) => Err(messages::invalid_type(name).into()),
    }
}

fn require(holds: bool, message: &str) -> Result<(), Value> {
    if holds { Ok(()) } else { Err(message.into()) }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64()
        || value.is_u64()
        || value.as_f64().is_some_and(|number| number.abs() < f64::MAX && number == number.trunc())
}

fn validate_elements(elements: &Field, items: &[Value], pass: Pass) -> Result<(), Value> {
    let mut errors = Vec::new();
    for (place, item) in items.iter().enumerate() {
        if let Err(error) = validate_with(elements, item, pass, true) {
            errors.resize(place, Value::Null);
            errors.push(error);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(Value::Array(errors)) }
}

fn validate_map(keys: &Field, values: &Field, value: &Value, pass: Pass) -> Result<(), Value> {
    if !is_table(value) {
        return Err(messages::MAP.into());
    }
    for (key, value) in table(value).iter() {
        validate_with(keys, &key_value(key), pass, true)?;
        validate_with(values, value, pass, true)?;
    }
    Ok(())
}

fn validate_nested(record: Option<&Record>, value: &Value, pass: Pass) -> Result<(), Value> {
    if !is_table(value) {
        return Err(messages::RECORD.into());
    }
    let Some(record) = record else {
        return Ok(());
    };
    let filled = record
        .process_auto_fields(table(value).into_owned(), Context::Insert, &AutoOptions::default())
        .map_err(tree)?;
    let mut errors = Map::new();
    let scope = Scope { record, subschema: None };
    let pass = Pass { full_check: true, ..pass };
    validate_record(scope, &filled, pass, &mut errors, None);
    if errors.is_empty() { Ok(()) } else { Err(tree(errors)) }
}

/// A definition says what it says: nothing is filled in before it is validated.
fn validate_definition(form: &Record, value: &Value, pass: Pass) -> Result<(), Value> {
    if !is_table(value) {
        return Err(messages::RECORD.into());
    }
    let mut errors = Map::new();
    let scope = Scope { record: form, subschema: None };
    validate_record(scope, &table(value), Pass { full_check: true, ..pass }, &mut errors, None);
    if errors.is_empty() { Ok(()) } else { Err(tree(errors)) }
}

fn validate_foreign(schema: &Schema, value: &Value) -> Result<(), Value> {
    let key = table(value);
    let Err(errors) = schema.validate_primary_key(&key, true) else {
        return Ok(());
    };
    if is_table(value)
        && let Err(errors) = schema.validate(&key, false, None, None)
    {
        return Err(tree(errors));
    }
    Err(tree(errors))
}

fn run_validators(field: &Field, value: &Value) -> Result<(), Value> {
    let is_map = matches!(field.kind, Kind::Map(..));
    for validator in &field.validators {
        validator
            .check(value, is_map)
            .map_err(|rejection| refusal(field, validator.name(), value, rejection))?;
    }
    Ok(())
}

fn refusal(field: &Field, validator: &str, value: &Value, rejection: Rejection) -> Value {
    match &field.err {
        Some(message) => message.clone().into(),
        None => rejection.unwrap_or_else(|| messages::fallback(validator, value).into()),
    }
}

/// All errors of a tree in one text; `None` when there are none.
pub fn errors_to_string(errors: &Errors) -> Option<String> {
    if errors.is_empty() {
        return None;
    }
    let mut parts: Vec<String> = match errors.get("@entity") {
        Some(Value::Array(list)) => list.iter().map(error_text).collect(),
        Some(other) => vec![error_text(other)],
        None => Vec::new(),
    };
    let fields = errors.iter().filter(|(name, _)| *name != "@entity");
    parts.extend(fields.map(|(name, error)| format!("{name}: {}", error_text(error))));
    Some(format!("Validation error: {}", parts.join("; ")))
}

fn error_text(error: &Value) -> String {
    match error {
        Value::Object(nested) => errors_to_string(nested).unwrap_or_default(),
        Value::Array(items) => {
            let texts: Vec<String> = items.iter().filter(|item| !item.is_null()).map(error_text).collect();
            format!("Validation error: {}", texts.join("; "))
        }
        scalar => super::value::display(scalar),
    }
}

/// A table as an object; elements of an array get numbers as keys.
pub(super) fn table(value: &Value) -> Cow<'_, Map<String, Value>> {
    match value {
        Value::Object(object) => Cow::Borrowed(object),
        Value::Array(items) => {
            let keys = (1..=items.len()).map(|place| number_key(place as f64));
            Cow::Owned(keys.zip(items.iter().cloned()).collect())
        }
        _ => Cow::Owned(Map::new()),
    }
}

/// Errors as they are shown: an array when all keys are numbers, with plain numbers as keys otherwise.
pub(super) fn tree(errors: Errors) -> Value {
    if !errors.keys().any(|key| key.starts_with('\0')) {
        return Value::Object(errors);
    }
    let places: Option<Vec<usize>> = errors
        .keys()
        .map(|key| key_value(key).as_u64().and_then(|place| usize::try_from(place).ok()))
        .collect();
    match places {
        Some(places) => {
            let mut list = vec![Value::Null; places.iter().copied().max().unwrap_or_default()];
            for (place, error) in places.iter().zip(errors.into_values()) {
                if let Some(slot) = place.checked_sub(1).and_then(|place| list.get_mut(place)) {
                    *slot = error;
                }
            }
            Value::Array(list)
        }
        None => Value::Object(
            errors.into_iter().map(|(key, error)| (super::value::display(&key_value(&key)), error)).collect(),
        ),
    }
}
