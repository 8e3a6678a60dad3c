//! The rules that count which fields are given.

use serde_json::{Map, Value};

use crate::schema::value::{at, equal, is_given, quoted_list};

/// How many of the fields are given.
pub(super) fn given(entity: &Map<String, Value>, fields: &[String]) -> usize {
    fields.iter().filter(|field| is_given(at(entity, field))).count()
}

/// The list that follows the message of a rule that does not hold.
pub(super) fn unless(holds: bool, fields: &[String]) -> Result<(), String> {
    if holds { Ok(()) } else { Err(quoted_list(fields)) }
}

/// `only_one_of`: any number but one fails.
pub(super) fn only_one(entity: &Map<String, Value>, fields: &[String]) -> Result<(), String> {
    unless(given(entity, fields) == 1, fields)
}

/// `distinct`: no two given fields have equal values.
pub(super) fn distinct(entity: &Map<String, Value>, fields: &[String]) -> Result<(), String> {
    let values: Vec<&Value> =
        fields.iter().filter_map(|field| at(entity, field)).filter(|value| is_given(Some(value))).collect();
    let repeated = values
        .iter()
        .enumerate()
        .any(|(place, value)| values.iter().take(place).any(|earlier| equal(earlier, value)));
    unless(!repeated, fields)
}

/// `mutually_required`: all or none.
pub(in crate::schema) fn all_or_none(entity: &Map<String, Value>, fields: &[String]) -> Result<(), String> {
    let given = given(entity, fields);
    unless(given == 0 || given == fields.len(), fields)
}

/// `mutually_exclusive_sets`: fields of one set only.
pub(super) fn exclusive_sets(
    entity: &Map<String, Value>,
    first: &[String],
    second: &[String],
) -> Result<(), String> {
    let given_of = |fields: &[String]| -> Vec<String> {
        fields.iter().filter(|field| is_given(at(entity, field))).cloned().collect()
    };
    let (first, second) = (given_of(first), given_of(second));
    if first.is_empty() || second.is_empty() {
        return Ok(());
    }
    Err(format!("({}), ({})", quoted_list(&first), quoted_list(&second)))
}
