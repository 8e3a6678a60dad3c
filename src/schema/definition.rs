//! Schemas as values: what `GET /schemas/…` shows, and what Lua code sees of a schema made in Rust.

use serde_json::{Map, Value, json};

use super::callback::{EntityCheck, Expansion, Reverse, Transform, ValueCheck};
use super::check::Check;
use super::field::{Deprecation, Field, Kind};
use super::json_schema::JsonRule;
use super::record::{Fields, Record, Shorthand, Transformation};
use super::schema::Schema;
use super::validator::{PatternRule, Validator};

/// A function inside a schema, on its way out.
#[derive(Debug, Clone, Copy)]
pub enum Code<'a> {
    /// A `custom_validator`.
    Value(&'a ValueCheck),
    /// The `fn` of an entity check.
    Entity(&'a EntityCheck),
    /// The `func` of a shorthand.
    Expansion(&'a Expansion),
    /// A `reverse_mapping_function`.
    Reverse(&'a Reverse),
    /// An `on_write` or `on_read`.
    Transform(&'a Transform),
}

/// What stands in the place of a function; `None` leaves it out.
pub type Export<'a> = &'a dyn Fn(Code<'_>) -> Option<Value>;

impl Schema {
    /// The whole definition, as a Lua schema file would write it.
    pub fn definition(&self, export: Export<'_>) -> Value {
        let record = &self.record;
        without_nulls(json!({
            "name": self.name,
            "primary_key": self.primary_key,
            "endpoint_key": self.endpoint_key,
            "cache_key": Some(&self.cache_key).filter(|key| !key.is_empty()),
            "subschema_key": self.subschema_key,
            "subschema_error": self.subschema_error,
            "ttl": self.ttl.then_some(true),
            "workspaceable": self.workspaceable.then_some(true),
            "generate_admin_api": self.generate_admin_api,
            "admin_api_name": self.admin_api_name,
            "admin_api_nested_name": self.admin_api_nested_name,
            "table_name": self.table(),
            "db_export": self.db_export,
            "dao": self.dao,
            "fields": fields(&record.fields, export),
            "entity_checks": checks(&record.entity_checks, export),
            "shorthand_fields": shorthands(&record.shorthand_fields, export),
            "transformations": transformations(&record.transformations, export),
        }))
    }

    /// The definitions of all subschemas, by the value that chooses them.
    pub fn subschema_definitions(&self, export: Export<'_>) -> Value {
        let one = |record: &Record| {
            json!({
                "fields": fields(&record.fields, export),
                "entity_checks": checks(&record.entity_checks, export),
            })
        };
        let subschemas = self.subschemas.borrow();
        subschemas.iter().map(|(key, record)| (key.clone(), one(record))).collect()
    }

    /// The fields and the rules between them, without functions, as `GET /schemas/<entity>` shows them.
    pub fn to_json(&self) -> Value {
        self.record.to_json()
    }
}

impl Record {
    /// The fields and the rules between them, without functions.
    pub fn to_json(&self) -> Value {
        json!({
            "entity_checks": checks(&self.entity_checks, &|_| None),
            "fields": fields(&self.fields, &|_| None),
        })
    }
}

impl Field {
    /// The definition as a value; `export` says what becomes of its functions.
    pub fn definition(&self, export: Export<'_>) -> Value {
        let mut out = Writer { out: Map::new(), export };
        out.kind(&self.kind);
        if let Some(required) = self.required {
            out.put("required", required);
        }
        if let Some(default) = &self.default {
            out.put("default", default.clone());
        }
        self.validators.iter().for_each(|validator| out.validator(validator));
        out.attributes(self);
        Value::Object(out.out)
    }
}

struct Writer<'a> {
    out: Map<String, Value>,
    export: Export<'a>,
}

impl Writer<'_> {
    fn put(&mut self, name: &str, value: impl Into<Value>) {
        self.out.insert(name.to_owned(), value.into());
    }

    fn nested(&mut self, name: &str, field: Option<&std::rc::Rc<Field>>) {
        if let Some(field) = field {
            self.put(name, field.definition(self.export));
        }
    }

    fn kind(&mut self, kind: &Kind) {
        match kind {
            Kind::Refined { elements, keys, values } => {
                self.nested("elements", elements.as_ref());
                self.nested("keys", keys.as_ref());
                self.nested("values", values.as_ref());
                return;
            }
            Kind::Array(elements) | Kind::Set(elements) => self.nested("elements", Some(elements)),
            Kind::Map(keys, values) => {
                self.nested("keys", Some(keys));
                self.nested("values", Some(values));
            }
            Kind::Record(Some(record)) => self.record(record),
            Kind::Json(rule) => self.put("json_schema", json_rule(rule)),
            Kind::Foreign(foreign) => {
                self.put("reference", foreign.reference.as_str());
                if let Some(on_delete) = &foreign.on_delete {
                    self.put("on_delete", on_delete.as_str());
                }
            }
            _ => {}
        }
        let name = Field::new(kind.clone());
        self.put("type", name.type_name());
    }

    fn record(&mut self, record: &Record) {
        self.put("fields", fields(&record.fields, self.export));
        if !record.entity_checks.is_empty() {
            self.put("entity_checks", checks(&record.entity_checks, self.export));
        }
        if !record.shorthand_fields.is_empty() {
            self.put("shorthand_fields", shorthands(&record.shorthand_fields, self.export));
        }
    }

    fn validator(&mut self, validator: &Validator) {
        let value = match validator {
            Validator::NonEmpty => return,
            Validator::Eq(value) | Validator::Ne(value) | Validator::Contains(value) => value.clone(),
            Validator::OneOf(options) | Validator::NotOneOf(options) => Value::Array(options.clone()),
            Validator::Gt(limit) => super::value::number(*limit),
            Validator::Timestamp | Validator::Uuid | Validator::IsRegex => Value::Bool(true),
            Validator::Between(low, high) => {
                Value::Array(vec![super::value::number(*low), super::value::number(*high)])
            }
            Validator::LenEq(length) | Validator::LenMin(length) | Validator::LenMax(length) => json!(length),
            Validator::StartsWith(prefix) => json!(prefix),
            Validator::Match(pattern) | Validator::NotMatch(pattern) => json!(pattern.source()),
            Validator::MatchNone(rules) | Validator::MatchAll(rules) => pattern_rules(rules),
            Validator::MatchAny(patterns, err) => {
                let sources: Vec<&str> = patterns.iter().map(|pattern| pattern.source()).collect();
                without_nulls(json!({"patterns": sources, "err": err}))
            }
            Validator::MutuallyExclusiveSubsets(subsets) => json!(**subsets),
            Validator::Custom(check) => match (self.export)(Code::Value(check)) {
                Some(function) => function,
                None => return,
            },
        };
        self.put(validator.name(), value);
    }

    fn attributes(&mut self, field: &Field) {
        let flags = [
            ("auto", field.auto),
            ("unique", field.unique),
            ("unique_across_ws", field.unique_across_ws),
            ("abstract", field.is_abstract),
            ("immutable", field.immutable),
            ("nilable", field.nilable),
            ("referenceable", field.referenceable),
            ("encrypted", field.encrypted),
            ("transient", field.transient),
        ];
        for (name, _) in flags.iter().filter(|(_, is_set)| *is_set) {
            self.put(name, true);
        }
        if let Some(generate) = field.generate_admin_api {
            self.put("generate_admin_api", generate);
        }
        for (name, text) in [("err", &field.err), ("description", &field.description)] {
            if let Some(text) = text {
                self.put(name, text.as_str());
            }
        }
        if let Some(examples) = &field.examples {
            self.put("examples", examples.clone());
        }
        if let Some(deprecation) = &field.deprecation {
            self.put("deprecation", deprecation_value(deprecation, self.export));
        }
    }
}

/// Fields as schemas list them: one object with one key each, so that their order is kept.
pub(super) fn fields(fields: &Fields, export: Export<'_>) -> Value {
    fields.iter().map(|(name, field)| json!({name.as_str(): field.definition(export)})).collect()
}

/// Rules as schemas list them.
pub(super) fn checks(checks: &[Check], export: Export<'_>) -> Value {
    checks.iter().map(|check| json!({check.name(): check_argument(check, export)})).collect()
}

/// Shorthands as schemas list them.
pub(super) fn shorthands(shorthands: &[Shorthand], export: Export<'_>) -> Value {
    let one = |shorthand: &Shorthand| {
        let mut definition = shorthand.field.definition(export);
        let function = export(Code::Expansion(&shorthand.expand));
        if let (Some(function), Some(object)) = (function, definition.as_object_mut()) {
            object.insert("func".to_owned(), function);
        }
        json!({shorthand.name.as_str(): definition})
    };
    shorthands.iter().map(one).collect()
}

/// Transformations as schemas list them.
pub(super) fn transformations(list: &[Transformation], export: Export<'_>) -> Value {
    let function = |transform: &Option<Transform>| {
        transform.as_ref().and_then(|transform| export(Code::Transform(transform)))
    };
    list.iter()
        .map(|one| {
            without_nulls(json!({
                "input": one.input,
                "needs": one.needs,
                "on_write": function(&one.on_write),
                "on_read": function(&one.on_read),
            }))
        })
        .collect()
}

fn check_argument(check: &Check, export: Export<'_>) -> Value {
    match check {
        Check::AtLeastOneOf(names)
        | Check::OnlyOneOf(names)
        | Check::Distinct(names)
        | Check::MutuallyRequired(names)
        | Check::MutuallyExclusive(names) => json!(names),
        Check::MutuallyExclusiveSets(first, second) => json!({"set1": first, "set2": second}),
        Check::Conditional(rule) => without_nulls(json!({
            "if_field": rule.condition.field,
            "if_match": rule.condition.refinement.definition(export),
            "then_field": rule.then_field,
            "then_match": rule.then_match.refinement.definition(export),
            "then_err": rule.then_err,
        })),
        Check::ConditionalAtLeastOneOf(rule) => {
            let else_match = rule.else_match.as_ref();
            without_nulls(json!({
                "if_field": rule.condition.field,
                "if_match": rule.condition.refinement.definition(export),
                "then_at_least_one_of": rule.then_fields,
                "then_err": rule.then_err,
                "else_match": else_match.map(|condition| condition.refinement.definition(export)),
                "else_then_at_least_one_of": else_match.map(|_| &rule.else_fields),
                "else_then_err": rule.else_err,
            }))
        }
        Check::Custom(custom) => without_nulls(json!({
            "field_sources": custom.field_sources,
            "run_with_missing_fields": custom.run_with_missing_fields.then_some(true),
            "run_with_invalid_fields": custom.run_with_invalid_fields.then_some(true),
            "fn": export(Code::Entity(&custom.function)),
        })),
    }
}

fn pattern_rules(rules: &[PatternRule]) -> Value {
    rules
        .iter()
        .map(|rule| without_nulls(json!({"pattern": rule.pattern.source(), "err": rule.err})))
        .collect()
}

fn json_rule(rule: &JsonRule) -> Value {
    without_nulls(json!({
        "inline": rule.inline,
        "namespace": rule.namespace,
        "parent_subschema_key": rule.parent_subschema_key,
        "optional": rule.optional.then_some(true),
        "default": rule.default,
    }))
}

fn deprecation_value(deprecation: &Deprecation, export: Export<'_>) -> Value {
    let replaced_with: Vec<Value> = deprecation
        .replaced_with
        .iter()
        .map(|replacement| {
            let reverse = replacement.reverse.as_ref().and_then(|reverse| export(Code::Reverse(reverse)));
            without_nulls(json!({"path": replacement.path, "reverse_mapping_function": reverse}))
        })
        .collect();
    without_nulls(json!({
        "message": deprecation.message,
        "removal_in_version": deprecation.removal_in_version,
        "old_default": deprecation.old_default,
        "replaced_with": Some(replaced_with).filter(|list| !list.is_empty()),
    }))
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(object) = &mut value {
        object.retain(|_, member| !member.is_null());
    }
    value
}
