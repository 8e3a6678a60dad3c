//! Which rules run on an input, and where their messages go.

use serde_json::{Map, Value};

use super::conditional::Failure;
use super::{Check, Custom, fields};
use crate::schema::messages;
use crate::schema::reference::is_reference;
use crate::schema::validate::{Pass, Scope};
use crate::schema::value::{at, put};

/// Runs all rules of a record, and then those of its subschema.
pub(in crate::schema) fn run_all(
    scope: Scope<'_>,
    input: &Map<String, Value>,
    pass: Pass,
    errors: &mut Map<String, Value>,
) {
    let base = Scope { record: scope.record, subschema: None };
    for check in &scope.record.entity_checks {
        run(check, base, input, pass, errors);
    }
    for check in scope.subschema.iter().flat_map(|subschema| &subschema.entity_checks) {
        run(check, scope, input, pass, errors);
    }
}

/// Adds a message about the entity as a whole.
pub(in crate::schema) fn insert_entity_error(errors: &mut Map<String, Value>, error: Value) {
    let list = errors.entry("@entity").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.push(error);
    }
}

fn run(
    check: &Check,
    scope: Scope<'_>,
    input: &Map<String, Value>,
    pass: Pass,
    errors: &mut Map<String, Value>,
) {
    match decide(check, scope, input, pass, errors) {
        Decision::Skip => {}
        Decision::Missing(names) => {
            for name in names {
                put(errors, name, missing_message(pass).into());
            }
        }
        Decision::Run => {
            if let Err(error) = apply(check, scope, input, pass, errors) {
                insert_entity_error(errors, error);
            }
        }
    }
}

enum Decision<'a> {
    Run,
    Skip,
    Missing(Vec<&'a str>),
}

fn decide<'a>(
    check: &'a Check,
    scope: Scope<'_>,
    input: &Map<String, Value>,
    pass: Pass,
    errors: &Map<String, Value>,
) -> Decision<'a> {
    let (with_missing, with_invalid) = match check {
        Check::Custom(custom) => (custom.run_with_missing_fields, custom.run_with_invalid_fields),
        _ => (check.runs_with_missing_fields(), check.runs_with_invalid_fields()),
    };
    let sources = check.sources();
    let mut missing = Vec::new();
    let mut all_absent = true;
    for source in &sources {
        let field = scope.field_at(source);
        match at(input, source) {
            None => {
                let nilable = field.is_some_and(|field| field.nilable);
                if !with_missing && check.demands(source) && !nilable {
                    missing.push(*source);
                }
            }
            Some(value) => {
                all_absent = false;
                if field.is_some_and(|field| field.referenceable) && is_reference(value) {
                    return Decision::Skip;
                }
            }
        }
    }
    let invalid = sources.iter().any(|source| errors.contains_key(*source));
    if invalid && !with_invalid {
        return Decision::Skip;
    }
    if all_absent && !(check.runs_with_missing_fields() && pass.full_check) {
        return Decision::Skip;
    }
    if missing.is_empty() { Decision::Run } else { Decision::Missing(missing) }
}

fn apply(
    check: &Check,
    scope: Scope<'_>,
    input: &Map<String, Value>,
    pass: Pass,
    errors: &mut Map<String, Value>,
) -> Result<(), Value> {
    let failure = match check {
        Check::AtLeastOneOf(names) => fields::unless(fields::given(input, names) > 0, names),
        Check::OnlyOneOf(names) => fields::only_one(input, names),
        Check::Distinct(names) => fields::distinct(input, names),
        Check::MutuallyRequired(names) => fields::all_or_none(input, names),
        Check::MutuallyExclusive(names) => fields::unless(fields::given(input, names) < 2, names),
        Check::MutuallyExclusiveSets(first, second) => fields::exclusive_sets(input, first, second),
        Check::Custom(custom) => return apply_custom(custom, input),
        Check::Conditional(rule) => match rule.run(input, scope, pass, errors) {
            Err(Failure::Message(message)) => return Err(message.into()),
            Err(Failure::Argument(argument)) => Err(argument),
            Ok(()) => Ok(()),
        },
        Check::ConditionalAtLeastOneOf(rule) => match rule.run(input, scope, pass) {
            Err(Failure::Message(message)) => return Err(message.into()),
            Err(Failure::Argument(argument)) => Err(argument),
            Ok(()) => Ok(()),
        },
    };
    failure.map_err(|argument| message(check, &argument, pass).into())
}

fn apply_custom(custom: &Custom, input: &Map<String, Value>) -> Result<(), Value> {
    let mut projection = Map::new();
    for source in &custom.field_sources {
        if let Some(value) = at(input, source) {
            put(&mut projection, source, value.clone());
        }
    }
    custom.function.function()(&projection).map_err(|error| {
        error.unwrap_or_else(|| "failed entity check: custom_entity_check({ name = <function> })".into())
    })
}

fn message(check: &Check, argument: &str, pass: Pass) -> String {
    let when = if pass.updating { "when updating, " } else { "" };
    match check {
        Check::AtLeastOneOf(_) | Check::ConditionalAtLeastOneOf(_) => {
            format!("{when}at least one of these fields must be non-empty: {argument}")
        }
        Check::OnlyOneOf(_) => format!("exactly one of these fields must be non-empty: {argument}"),
        Check::Distinct(_) => format!("values of these fields must be distinct: {argument}"),
        Check::MutuallyRequired(_) => messages::mutually_required(argument),
        Check::MutuallyExclusive(_) => {
            format!("only one or none of these fields must be set: {argument}")
        }
        Check::MutuallyExclusiveSets(..) => format!("these sets are mutually exclusive: {argument}"),
        Check::Conditional(_) => {
            format!("failed conditional validation given value of field '{argument}'")
        }
        Check::Custom(_) => argument.to_owned(),
    }
}

/// The message for a field that a rule lacks.
pub(in crate::schema) fn missing_message(pass: Pass) -> String {
    let when = if pass.updating { " when updating" } else { "" };
    format!("{}{when}", messages::REQUIRED_FOR_ENTITY_CHECK)
}
