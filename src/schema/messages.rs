//! The words of validation errors. Clients match on them: they are part of the contract.

use serde_json::Value;

use super::value::{display, display_number, quoted_list};

/// A field of type array holds something else.
pub const ARRAY: &str = "expected an array";
/// A field of type set holds something else.
pub const SET: &str = "expected a set";
/// A field of type map holds something else.
pub const MAP: &str = "expected a map";
/// A field of type record holds something else.
pub const RECORD: &str = "expected a record";
/// A field of type string holds something else.
pub const STRING: &str = "expected a string";
/// A field of type number holds something else.
pub const NUMBER: &str = "expected a number";
/// A field of type boolean holds something else.
pub const BOOLEAN: &str = "expected a boolean";
/// A field of type integer holds something else.
pub const INTEGER: &str = "expected an integer";
/// A field of type function holds something else.
pub const FUNCTION: &str = "expected a function";
/// A required field has no value.
pub const REQUIRED: &str = "required field missing";
/// The schema has no such field.
pub const UNKNOWN: &str = "unknown field";
/// An update changes a field that must stay.
pub const IMMUTABLE: &str = "immutable field cannot be updated";
/// A field that an entity check needs is absent.
pub const REQUIRED_FOR_ENTITY_CHECK: &str = "field required for entity check";
/// A `check` function failed without a message.
pub const CHECK: &str = "entity check failed";
/// A value for a field that is no part of the primary key.
pub const NOT_PK: &str = "not a primary key";
/// A primary key lacks one of its fields.
pub const MISSING_PK: &str = "missing primary key";
/// A field of a parent schema that only subschemas can fill.
pub const ABSTRACT: &str = "error in schema definition: abstract field was not specialized";
/// A definition in which a default cannot be validated.
pub const CANNOT_VALIDATE: &str = "error in schema prevents from validating this field";
/// A definition that is no table.
pub const NO_DEFINITION: &str = "expected a definition table";
/// A definition without fields.
pub const NO_FIELDS: &str = "error in schema definition: no 'fields' table";
/// The default words of a schema whose subschema is not known.
pub const SUBSCHEMA_UNKNOWN: &str = "unknown type: %s";

/// `eq` failed.
pub fn eq(wanted: &Value) -> String {
    format!("value must be {}", null_or(wanted, wanted))
}

/// `ne` failed.
pub fn ne(value: &Value, unwanted: &Value) -> String {
    format!("value must not be {}", null_or(unwanted, value))
}

/// `one_of` failed.
pub fn one_of(options: &[Value]) -> String {
    format!("expected one of: {}", list(options))
}

/// `not_one_of` failed.
pub fn not_one_of(options: &[Value]) -> String {
    format!("must not be one of: {}", list(options))
}

/// `gt` failed.
pub fn gt(limit: f64) -> String {
    format!("value must be greater than {}", display_number(limit))
}

/// `between` failed; the bounds are printed as integers.
pub fn between(low: f64, high: f64) -> String {
    format!("value should be between {} and {}", low as i64, high as i64)
}

/// `len_eq` failed.
pub fn len_eq(wanted: i64) -> String {
    format!("length must be {wanted}")
}

/// `len_min` failed.
pub fn len_min(least: i64) -> String {
    format!("length must be at least {least}")
}

/// `len_max` failed.
pub fn len_max(most: i64) -> String {
    format!("length must be at most {most}")
}

/// `match` or `not_match` failed.
pub fn invalid(text: &str) -> String {
    format!("invalid value: {text}")
}

/// `starts_with` failed.
pub fn starts_with(prefix: &str) -> String {
    format!("should start with: {prefix}")
}

/// `contains` failed.
pub fn contains(wanted: &Value) -> String {
    format!("expected to contain: {}", display(wanted))
}

/// `mutually_exclusive_subsets` failed.
pub fn exclusive_subsets(subsets: &[&Vec<String>]) -> String {
    let lists: Vec<String> = subsets.iter().map(|subset| format!("({})", quoted_list(subset))).collect();
    format!("these sets are mutually exclusive: {}", lists.join(", "))
}

/// A validator refused the value without a word of its own.
pub fn fallback(validator: &str, value: &Value) -> String {
    match validator {
        "timestamp" => "expected a valid timestamp".to_owned(),
        "uuid" => "expected a valid UUID".to_owned(),
        "is_regex" => format!("not a valid regex: {}", display(value)),
        "match_all" | "match_none" | "match_any" => format!("invalid value: {}", display(value)),
        _ => format!("failed validating: {}", display(value)),
    }
}

/// A definition names a type that does not exist.
pub fn invalid_type(name: &str) -> String {
    format!("invalid type: {name}")
}

/// A foreign field refers to an entity that does not exist.
pub fn bad_reference(entity: &str) -> String {
    format!("schema refers to an invalid foreign entity: {entity}")
}

/// A transformation failed.
pub fn transformation(reason: &str) -> String {
    format!("transformation failed: {reason}")
}

/// Fields that must be given together are not.
pub fn mutually_required(fields: &str) -> String {
    format!("all or none of these fields must be set: {fields}")
}

fn null_or(decides: &Value, shown: &Value) -> String {
    if decides.is_null() { "null".to_owned() } else { display(shown) }
}

fn list(options: &[Value]) -> String {
    options.iter().map(display).collect::<Vec<_>>().join(", ")
}
