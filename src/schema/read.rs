//! Definitions as plugins write them, read into fields, records and schemas.
//!
//! Reading is lenient, as Kong's constructor is: whether a definition has the form of one is what
//! `metaschema` finds out. A type that does not exist becomes a field that refuses every value.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::SchemaError;
use super::callback::{EntityCheck, Expansion, Reverse, Transform, ValueCheck};
use super::check::{AtLeastOneOfIf, Check, Condition, Conditional, Custom};
use super::field::{Deprecation, Field, Foreign, Kind, Replacement};
use super::json_schema::JsonRule;
use super::lua_pattern::LuaPattern;
use super::record::{Fields, Record, Shorthand, Transformation};
use super::schema::Schema;
use super::validator::{PatternRule, Validator};
use super::value::{display, is_table, sequence};

/// Makes callbacks of the functions in a definition. What is no function gives `None`.
pub trait Functions {
    /// A `custom_validator`.
    fn value_check(&self, function: &Value) -> Option<ValueCheck>;
    /// The `fn` of an entity check, or `check`.
    fn entity_check(&self, function: &Value) -> Option<EntityCheck>;
    /// The `func` of a shorthand.
    fn expansion(&self, function: &Value) -> Option<Expansion>;
    /// A `reverse_mapping_function`.
    fn reverse(&self, function: &Value) -> Option<Reverse>;
    /// An `on_write` or `on_read`.
    fn transform(&self, function: &Value) -> Option<Transform>;
}

/// Reads definitions.
pub struct Reader<'a> {
    functions: &'a dyn Functions,
}

type Result<T> = std::result::Result<T, SchemaError>;

impl<'a> Reader<'a> {
    /// A reader that makes callbacks so.
    pub fn new(functions: &'a dyn Functions) -> Self {
        Self { functions }
    }

    /// Reads the schema of an entity, or of anything else with fields.
    ///
    /// # Errors
    /// When it is no table, has no fields, or a pattern does not compile.
    pub fn schema(&self, definition: &Value) -> Result<Schema> {
        let Value::Object(object) = definition else {
            return Err(SchemaError::NoDefinition);
        };
        Ok(Schema {
            record: self.record(definition)?,
            primary_key: names(object.get("primary_key")),
            endpoint_key: text(object, "endpoint_key"),
            cache_key: names(object.get("cache_key")),
            subschema_key: text(object, "subschema_key"),
            subschema_error: text(object, "subschema_error"),
            ttl: flag(object, "ttl"),
            workspaceable: flag(object, "workspaceable"),
            generate_admin_api: object.get("generate_admin_api").and_then(Value::as_bool),
            admin_api_name: text(object, "admin_api_name"),
            admin_api_nested_name: text(object, "admin_api_nested_name"),
            table_name: text(object, "table_name"),
            db_export: object.get("db_export").and_then(Value::as_bool),
            dao: text(object, "dao"),
            check: object.get("check").and_then(|check| self.functions.entity_check(check)),
            ..Schema::new(&text(object, "name").unwrap_or_default(), &[])
        })
    }

    /// Reads fields and the rules between them.
    ///
    /// # Errors
    /// When there are no fields, or a pattern does not compile.
    pub fn record(&self, definition: &Value) -> Result<Record> {
        let Some(fields) = definition.get("fields") else {
            return Err(SchemaError::NoFields);
        };
        Ok(Record {
            fields: self.fields(fields)?,
            entity_checks: self
                .each(definition.get("entity_checks"), |name, argument| self.entity_check(name, argument))?,
            shorthand_fields: self.each(definition.get("shorthand_fields"), |name, field| {
                self.shorthand(name, field).map(Some)
            })?,
            transformations: list(definition.get("transformations"))
                .iter()
                .map(|one| self.transformation(one))
                .collect(),
        })
    }

    fn fields(&self, fields: &Value) -> Result<Fields> {
        let mut out = Fields::default();
        for item in list(Some(fields)) {
            if let Some((name, field)) = item.as_object().and_then(|item| item.iter().next()) {
                out.insert(name.clone(), self.field(name, field)?);
            }
        }
        Ok(out)
    }

    /// The single entry of each item of a list such as `entity_checks`.
    fn each<T>(
        &self,
        items: Option<&Value>,
        mut read: impl FnMut(&str, &Value) -> Result<Option<T>>,
    ) -> Result<Vec<T>> {
        let mut out = Vec::new();
        for item in list(items) {
            let entry = item.as_object().and_then(|item| item.iter().find(|(_, value)| !value.is_null()));
            if let Some((name, value)) = entry {
                out.extend(read(name, value)?);
            }
        }
        Ok(out)
    }

    /// Reads the definition of one field.
    ///
    /// # Errors
    /// When it is no table, or a pattern does not compile.
    pub fn field(&self, name: &str, definition: &Value) -> Result<Field> {
        let Value::Object(object) = definition else {
            return Err(SchemaError::Definition(format!("'{name}' must be a table")));
        };
        let mut field = Field::new(self.kind(name, object)?);
        for (attribute, value) in object {
            if let Some(validator) = self.validator(name, attribute, value)? {
                field.add(validator);
            }
        }
        field.required = object.get("required").and_then(Value::as_bool);
        field.default = object.get("default").map(|default| default_of(&field.kind, default));
        field.err = text(object, "err");
        field.description = text(object, "description");
        field.examples = object.get("examples").cloned();
        field.auto = flag(object, "auto");
        field.unique = flag(object, "unique");
        field.unique_across_ws = flag(object, "unique_across_ws");
        field.is_abstract = flag(object, "abstract");
        field.immutable = flag(object, "immutable");
        field.nilable = flag(object, "nilable");
        field.referenceable = flag(object, "referenceable");
        field.encrypted = flag(object, "encrypted");
        field.transient = flag(object, "transient");
        field.generate_admin_api = object.get("generate_admin_api").and_then(Value::as_bool);
        field.deprecation =
            object.get("deprecation").map(|deprecation| Rc::new(self.deprecation(deprecation)));
        Ok(field)
    }

    fn kind(&self, name: &str, object: &Map<String, Value>) -> Result<Kind> {
        let nested = |attribute: &str| match object.get(attribute) {
            Some(definition) => self.field(attribute, definition).map(Rc::new),
            None => Ok(Rc::new(Field::new(Kind::Any))),
        };
        let refined = |attribute: &str| {
            object.get(attribute).map(|definition| self.field(attribute, definition).map(Rc::new)).transpose()
        };
        let Some(kind) = object.get("type") else {
            return Ok(Kind::Refined {
                elements: refined("elements")?,
                keys: refined("keys")?,
                values: refined("values")?,
            });
        };
        Ok(match kind.as_str().unwrap_or_default() {
            "string" => Kind::String,
            "number" => Kind::Number,
            "integer" => Kind::Integer,
            "boolean" => Kind::Boolean,
            "function" => Kind::Function,
            "any" => Kind::Any,
            "self" => Kind::Itself,
            "json" => Kind::Json(Rc::new(json_rule(object.get("json_schema")))),
            "array" => Kind::Array(nested("elements")?),
            "set" => Kind::Set(nested("elements")?),
            "map" => Kind::Map(nested("keys")?, nested("values")?),
            "record" if object.contains_key("fields") => {
                Kind::Record(Some(Rc::new(self.record(&Value::Object(object.clone()))?)))
            }
            "record" => Kind::Record(None),
            "foreign" => Kind::Foreign(Foreign {
                reference: text(object, "reference").ok_or_else(|| {
                    SchemaError::Definition(format!("{name}: foreign field without reference"))
                })?,
                schema: None,
                on_delete: text(object, "on_delete"),
            }),
            _ => Kind::Unknown(display(kind)),
        })
    }

    fn validator(&self, name: &str, attribute: &str, value: &Value) -> Result<Option<Validator>> {
        let number = value.as_f64();
        let length = || number.map(|number| number as i64);
        let pattern = |source: &Value| {
            LuaPattern::new(source.as_str().unwrap_or_default())
                .map_err(|error| SchemaError::Pattern(name.to_owned(), error))
        };
        let rules = || {
            list(Some(value))
                .iter()
                .map(|rule| {
                    let source = rule.get("pattern").unwrap_or(&Value::Null);
                    Ok(PatternRule { pattern: pattern(source)?, err: member_text(rule, "err") })
                })
                .collect::<Result<Vec<PatternRule>>>()
        };
        Ok(match attribute {
            "eq" => Some(Validator::Eq(value.clone())),
            "ne" => Some(Validator::Ne(value.clone())),
            "one_of" => Some(Validator::OneOf(list(Some(value)).to_vec())),
            "not_one_of" => Some(Validator::NotOneOf(list(Some(value)).to_vec())),
            "gt" => number.map(Validator::Gt),
            "timestamp" => Some(Validator::Timestamp),
            "uuid" => Some(Validator::Uuid),
            "is_regex" => Some(Validator::IsRegex),
            "between" => match list(Some(value)) {
                [low, high, ..] => {
                    low.as_f64().zip(high.as_f64()).map(|(low, high)| Validator::Between(low, high))
                }
                _ => None,
            },
            "len_eq" => length().map(Validator::LenEq),
            "len_min" => length().map(Validator::LenMin),
            "len_max" => length().map(Validator::LenMax),
            "starts_with" => value.as_str().map(|prefix| Validator::StartsWith(prefix.to_owned())),
            "match" => Some(Validator::Match(pattern(value)?)),
            "not_match" => Some(Validator::NotMatch(pattern(value)?)),
            "match_all" => Some(Validator::MatchAll(rules()?)),
            "match_none" => Some(Validator::MatchNone(rules()?)),
            "match_any" => {
                let patterns = list(value.get("patterns")).iter().map(pattern).collect::<Result<_>>()?;
                Some(Validator::MatchAny(patterns, member_text(value, "err")))
            }
            "contains" => Some(Validator::Contains(value.clone())),
            "custom_validator" => self.functions.value_check(value).map(Validator::Custom),
            "mutually_exclusive_subsets" => {
                let subsets = list(Some(value)).iter().map(|subset| names(Some(subset))).collect();
                Some(Validator::MutuallyExclusiveSubsets(Rc::new(subsets)))
            }
            _ => None,
        })
    }

    fn deprecation(&self, value: &Value) -> Deprecation {
        let replacement = |value: &Value| Replacement {
            path: names(value.get("path")),
            reverse: value
                .get("reverse_mapping_function")
                .and_then(|function| self.functions.reverse(function)),
        };
        Deprecation {
            message: member_text(value, "message").unwrap_or_default(),
            removal_in_version: member_text(value, "removal_in_version").unwrap_or_default(),
            old_default: value.get("old_default").cloned(),
            replaced_with: list(value.get("replaced_with")).iter().map(replacement).collect(),
        }
    }

    fn shorthand(&self, name: &str, definition: &Value) -> Result<Shorthand> {
        let function = definition.get("func").and_then(|function| self.functions.expansion(function));
        let expand = function
            .ok_or_else(|| SchemaError::Definition(format!("shorthand field '{name}' has no 'func'")))?;
        Ok(Shorthand { name: name.to_owned(), field: self.field(name, definition)?, expand })
    }

    fn transformation(&self, definition: &Value) -> Transformation {
        let function =
            |name: &str| definition.get(name).and_then(|function| self.functions.transform(function));
        let fields =
            |name: &str| definition.get(name).filter(|list| is_table(list)).map(|list| names(Some(list)));
        Transformation {
            input: fields("input"),
            needs: fields("needs"),
            on_write: function("on_write"),
            on_read: function("on_read"),
        }
    }

    fn entity_check(&self, name: &str, argument: &Value) -> Result<Option<Check>> {
        let field = |key: &str| member_text(argument, key).unwrap_or_default();
        let refinement = |key: &str| match argument.get(key) {
            Some(definition) => self.field(key, definition),
            None => Ok(Field::refined()),
        };
        Ok(Some(match name {
            "at_least_one_of" => Check::AtLeastOneOf(names(Some(argument))),
            "only_one_of" => Check::OnlyOneOf(names(Some(argument))),
            "distinct" => Check::Distinct(names(Some(argument))),
            "mutually_required" => Check::MutuallyRequired(names(Some(argument))),
            "mutually_exclusive" => Check::MutuallyExclusive(names(Some(argument))),
            "mutually_exclusive_sets" => {
                Check::MutuallyExclusiveSets(names(argument.get("set1")), names(argument.get("set2")))
            }
            "conditional" => Check::Conditional(Box::new(Conditional {
                then_err: member_text(argument, "then_err"),
                ..Conditional::new(
                    &field("if_field"),
                    refinement("if_match")?,
                    &field("then_field"),
                    refinement("then_match")?,
                )
            })),
            "conditional_at_least_one_of" => Check::ConditionalAtLeastOneOf(Box::new(AtLeastOneOfIf {
                condition: Condition::new(&field("if_field"), refinement("if_match")?),
                then_fields: names(argument.get("then_at_least_one_of")),
                then_err: member_text(argument, "then_err"),
                else_match: match argument.get("else_match") {
                    Some(_) => Some(Condition::new(&field("if_field"), refinement("else_match")?)),
                    None => None,
                },
                else_fields: names(argument.get("else_then_at_least_one_of")),
                else_err: member_text(argument, "else_then_err"),
            })),
            "custom_entity_check" => {
                let function = argument.get("fn").and_then(|function| self.functions.entity_check(function));
                let Some(function) = function else { return Ok(None) };
                let is_set = |key: &str| argument.get(key).and_then(Value::as_bool) == Some(true);
                Check::Custom(Custom {
                    field_sources: names(argument.get("field_sources")),
                    run_with_missing_fields: is_set("run_with_missing_fields"),
                    run_with_invalid_fields: is_set("run_with_invalid_fields"),
                    function,
                })
            }
            _ => return Ok(None),
        }))
    }
}

fn json_rule(definition: Option<&Value>) -> JsonRule {
    let member = |name: &str| definition.and_then(|definition| definition.get(name));
    let text = |name: &str| member(name).and_then(Value::as_str).map(str::to_owned);
    JsonRule {
        inline: member("inline").cloned(),
        namespace: text("namespace"),
        parent_subschema_key: text("parent_subschema_key"),
        optional: member("optional").and_then(Value::as_bool) == Some(true),
        default: member("default").cloned(),
    }
}

/// A default value; Lua's empty table is an empty list where the field is one.
fn default_of(kind: &Kind, default: &Value) -> Value {
    let is_list = matches!(kind, Kind::Array(_) | Kind::Set(_));
    match default {
        Value::Object(object) if is_list && object.is_empty() => Value::Array(Vec::new()),
        _ => default.clone(),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(sequence).unwrap_or_default()
}

fn names(value: Option<&Value>) -> Vec<String> {
    list(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name)?.as_str().map(str::to_owned)
}

fn member_text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn flag(object: &Map<String, Value>, name: &str) -> bool {
    object.get(name).and_then(Value::as_bool) == Some(true)
}
