//! Schemas as JSON: what `/schemas` answers.
//!
//! *Kong parity*: fields are a list of objects with one member each; functions are left out; foreign
//! fields do not carry the schema they point to.

use serde_json::{Map, Value, json};

use crate::schema::{Check, Deprecation, Field, Kind, LuaPattern, PatternRule, Record, Validator};

/// A record: its fields and the rules between them.
pub(super) fn record(record: &Record) -> Value {
    let checks: Vec<Value> = record.entity_checks.iter().map(check).collect();
    json!({ "fields": fields(record), "entity_checks": checks })
}

fn fields(record: &Record) -> Value {
    record.fields.iter().map(|(name, field)| json!({ name: definition(field) })).collect()
}

fn definition(field: &Field) -> Value {
    let mut out = Map::new();
    out.insert("type".to_owned(), Value::from(field.type_name()));
    nested(field, &mut out);
    if let Some(required) = field.required {
        out.insert("required".to_owned(), Value::from(required));
    }
    for (name, flag) in [
        ("auto", field.auto),
        ("unique", field.unique),
        ("unique_across_ws", field.unique_across_ws),
        ("abstract", field.is_abstract),
        ("immutable", field.immutable),
        ("referenceable", field.referenceable),
        ("encrypted", field.encrypted),
        ("transient", field.transient),
    ] {
        if flag {
            out.insert(name.to_owned(), Value::from(true));
        }
    }
    for (name, value) in [
        ("default", field.default.clone()),
        ("description", field.description.clone().map(Value::from)),
        ("examples", field.examples.clone()),
        ("err", field.err.clone().map(Value::from)),
        ("deprecation", field.deprecation.as_deref().map(deprecation)),
    ] {
        if let Some(value) = value {
            out.insert(name.to_owned(), value);
        }
    }
    for validator in &field.validators {
        if let Some(value) = argument(validator) {
            out.insert(validator.name().to_owned(), value);
        }
    }
    Value::Object(out)
}

fn deprecation(deprecation: &Deprecation) -> Value {
    let mut out = Map::new();
    out.insert("message".to_owned(), Value::from(deprecation.message.as_str()));
    out.insert("removal_in_version".to_owned(), Value::from(deprecation.removal_in_version.as_str()));
    out.extend(deprecation.old_default.clone().map(|value| ("old_default".to_owned(), value)));
    let paths: Vec<Value> =
        deprecation.replaced_with.iter().map(|replacement| json!({"path": replacement.path})).collect();
    if !paths.is_empty() {
        out.insert("replaced_with".to_owned(), Value::from(paths));
    }
    Value::Object(out)
}

fn nested(field: &Field, out: &mut Map<String, Value>) {
    match &field.kind {
        Kind::Array(elements) | Kind::Set(elements) => {
            out.insert("elements".to_owned(), definition(elements));
        }
        Kind::Map(keys, values) => {
            out.insert("keys".to_owned(), definition(keys));
            out.insert("values".to_owned(), definition(values));
        }
        Kind::Record(Some(record)) => {
            out.insert("fields".to_owned(), fields(record));
            if !record.shorthand_fields.is_empty() {
                let shorthands = record.shorthand_fields.iter();
                let shown =
                    shorthands.map(|shorthand| json!({ &shorthand.name: definition(&shorthand.field) }));
                out.insert("shorthand_fields".to_owned(), shown.collect());
            }
            if !record.entity_checks.is_empty() {
                out.insert("entity_checks".to_owned(), record.entity_checks.iter().map(check).collect());
            }
        }
        Kind::Foreign(foreign) => {
            out.insert("reference".to_owned(), Value::from(foreign.reference.as_str()));
            if let Some(action) = &foreign.on_delete {
                out.insert("on_delete".to_owned(), Value::from(action.as_str()));
            }
        }
        _ => {}
    }
}

/// What a validator was given in the schema; nothing for functions and for what strings have anyway.
fn argument(validator: &Validator) -> Option<Value> {
    Some(match validator {
        Validator::Eq(value) | Validator::Ne(value) | Validator::Contains(value) => value.clone(),
        Validator::OneOf(values) | Validator::NotOneOf(values) => Value::from(values.clone()),
        Validator::Gt(limit) => crate::schema::value::number(*limit),
        Validator::Timestamp | Validator::Uuid | Validator::IsRegex => Value::from(true),
        Validator::Between(low, high) => {
            json!([crate::schema::value::number(*low), crate::schema::value::number(*high)])
        }
        Validator::LenEq(length) | Validator::LenMin(length) | Validator::LenMax(length) => {
            Value::from(*length)
        }
        Validator::StartsWith(prefix) => Value::from(prefix.as_str()),
        Validator::MutuallyExclusiveSubsets(subsets) => json!(subsets.as_ref()),
        Validator::Match(pattern) | Validator::NotMatch(pattern) => Value::from(pattern.source()),
        Validator::MatchNone(rules) | Validator::MatchAll(rules) => rules.iter().map(rule).collect(),
        Validator::MatchAny(patterns, err) => {
            let patterns: Vec<&str> = patterns.iter().map(LuaPattern::source).collect();
            with_err(json!({ "patterns": patterns }), err.as_deref())
        }
        _ => return None,
    })
}

fn rule(rule: &PatternRule) -> Value {
    with_err(json!({ "pattern": rule.pattern.source() }), rule.err.as_deref())
}

fn with_err(mut shown: Value, err: Option<&str>) -> Value {
    if let (Some(fields), Some(err)) = (shown.as_object_mut(), err) {
        fields.insert("err".to_owned(), Value::from(err));
    }
    shown
}

fn check(check: &Check) -> Value {
    let argument = match check {
        Check::AtLeastOneOf(fields)
        | Check::OnlyOneOf(fields)
        | Check::Distinct(fields)
        | Check::MutuallyRequired(fields)
        | Check::MutuallyExclusive(fields) => json!(fields),
        Check::MutuallyExclusiveSets(first, second) => json!({"set1": first, "set2": second}),
        Check::Conditional(rule) => json!({
            "if_field": rule.condition.field,
            "if_match": refinement(&rule.condition.refinement),
            "then_field": rule.then_field,
            "then_match": refinement(&rule.then_match.refinement),
            "then_err": rule.then_err,
        }),
        Check::ConditionalAtLeastOneOf(rule) => json!({
            "if_field": rule.condition.field,
            "if_match": refinement(&rule.condition.refinement),
            "then_at_least_one_of": rule.then_fields,
            "then_err": rule.then_err,
            "else_match": rule.else_match.as_ref().map(|condition| refinement(&condition.refinement)),
            "else_then_at_least_one_of": rule.else_fields,
            "else_then_err": rule.else_err,
        }),
        Check::Custom(custom) => json!({
            "field_sources": custom.field_sources,
            "run_with_missing_fields": custom.run_with_missing_fields,
            "run_with_invalid_fields": custom.run_with_invalid_fields,
        }),
    };
    let argument = match argument {
        Value::Object(map) => map.into_iter().filter(|(_, value)| !is_idle(value)).collect(),
        other => other,
    };
    json!({ check.name(): argument })
}

fn is_idle(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn refinement(field: &Field) -> Value {
    let Value::Object(mut out) = definition(field) else { return Value::Null };
    out.shift_remove("type");
    Value::Object(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entities::{Registry, RouterFlavor};

    #[test]
    fn a_schema_lists_its_fields_with_their_attributes() {
        let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
        let shown = record(&registry.named("services").unwrap().record);
        let fields = shown["fields"].as_array().unwrap();
        let field = |name: &str| fields.iter().find_map(|field| field.get(name)).unwrap();
        assert_eq!(field("id")["uuid"], true);
        assert_eq!(field("host")["required"], true);
        assert_eq!(field("retries")["between"], json!([0, 32767]));
        assert_eq!(field("client_certificate")["reference"], "certificates");
        assert_eq!(field("tags")["elements"]["type"], "string");
        assert!(shown["entity_checks"].as_array().is_some_and(|checks| !checks.is_empty()));
    }
}
