//! Transformations: fields computed from other fields when an entity is written or read.

use serde_json::{Map, Value};

use super::auto::Context;
use super::check;
use super::messages;
use super::record::{Record, Transformation};
use super::schema::Schema;
use super::validate::{Errors, Scope};
use super::value::{at, is_given};

impl Schema {
    /// Whether writing or reading such an entity computes fields.
    pub fn has_transformations(&self, input: &Map<String, Value>) -> bool {
        !self.record.transformations.is_empty()
            || self.subschema(input).is_some_and(|subschema| !subschema.transformations.is_empty())
    }

    /// Computes fields of an entity: on reading with [`Context::Select`], on writing otherwise.
    ///
    /// `original_input` is what the client sent: only transformations whose input it names run.
    ///
    /// # Errors
    /// The message of a transformation that failed.
    pub fn transform(
        &self,
        input: Map<String, Value>,
        original_input: Option<&Map<String, Value>>,
        context: Context,
    ) -> Result<Map<String, Value>, String> {
        let subschema = self.subschema(&input);
        let mut output = run(&self.record, input, original_input, context)?;
        if let Some(subschema) = subschema {
            output = run(&subschema, output, original_input, context)?;
        }
        Ok(output)
    }
}

fn run(
    record: &Record,
    input: Map<String, Value>,
    original_input: Option<&Map<String, Value>>,
    context: Context,
) -> Result<Map<String, Value>, String> {
    let mut current = input;
    let mut is_changed = false;
    for transformation in &record.transformations {
        let function = match context {
            Context::Select => &transformation.on_read,
            _ => &transformation.on_write,
        };
        let Some(function) = function else { continue };
        let decides = if is_changed { None } else { original_input };
        let Some(arguments) = arguments(transformation, &current, decides) else { continue };
        let computed = function.function()(&arguments).map_err(|reason| messages::transformation(&reason))?;
        current = merge(record, None, &computed, &current);
        is_changed = true;
    }
    Ok(current)
}

/// The values a transformation is called with; `None` when one of them is not given.
fn arguments(
    transformation: &Transformation,
    current: &Map<String, Value>,
    original_input: Option<&Map<String, Value>>,
) -> Option<Vec<Value>> {
    if transformation.input.is_none() && transformation.needs.is_none() {
        return Some(vec![Value::Object(current.clone())]);
    }
    let mut arguments = Vec::new();
    for name in transformation.input.iter().flatten() {
        is_given(at(original_input.unwrap_or(current), name)).then_some(())?;
        arguments.push(at(current, name).cloned().unwrap_or(Value::Null));
    }
    for name in transformation.needs.iter().flatten() {
        let value = at(current, name);
        is_given(value).then_some(())?;
        arguments.push(value.cloned().unwrap_or(Value::Null));
    }
    Some(arguments)
}

/// Lays the fields of `top` over those of `bottom`, records field by field.
pub(super) fn merge(
    record: &Record,
    subschema: Option<&Record>,
    top: &Map<String, Value>,
    bottom: &Map<String, Value>,
) -> Map<String, Value> {
    let mut output = bottom.clone();
    for (name, value) in top {
        let field = record.field(subschema, name).filter(|field| !field.is_abstract);
        let merged = match (field.and_then(|field| field.as_record()), value) {
            (Some(record), Value::Object(top)) => {
                let empty = Map::new();
                let bottom = bottom.get(name).and_then(Value::as_object).unwrap_or(&empty);
                Value::Object(merge(record, None, top, bottom))
            }
            _ => value.clone(),
        };
        output.insert(name.clone(), merged);
    }
    output
}

/// Checks that what a transformation needs is given together, and that an update does not change half of it.
pub(super) fn check_inputs(
    scope: Scope<'_>,
    input: &Map<String, Value>,
    original_input: Option<&Map<String, Value>>,
    rbw_entity: Option<&Map<String, Value>>,
    errors: &mut Errors,
) {
    let records = std::iter::once(scope.record).chain(scope.subschema);
    for transformation in records.flat_map(|record| &record.transformations) {
        if transformation.input.is_none() && transformation.needs.is_none() {
            continue;
        }
        if let Err(fields) = check_input(transformation, input, original_input, rbw_entity) {
            check::insert_entity_error(errors, messages::mutually_required(&fields).into());
        }
    }
}

fn check_input(
    transformation: &Transformation,
    input: &Map<String, Value>,
    original_input: Option<&Map<String, Value>>,
    rbw_entity: Option<&Map<String, Value>>,
) -> Result<(), String> {
    let inputs = transformation.input.as_deref().unwrap_or_default();
    let needs = transformation.needs.as_deref().unwrap_or_default();
    let sent = original_input.unwrap_or(input);
    let any_input = inputs.iter().any(|name| is_given(at(sent, name)));
    let needs_changed =
        rbw_entity.is_some_and(|stored| needs.iter().any(|name| at(sent, name) != at(stored, name)));
    if !any_input && !needs_changed {
        return Ok(());
    }
    let all: Vec<String> = inputs.iter().chain(needs).cloned().collect();
    check::all_or_none(if needs_changed { sent } else { input }, &all)?;
    check::all_or_none(sent, inputs)
}
