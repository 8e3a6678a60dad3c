//! The schema of schemas: finds out whether a plugin's definition has the form of one.
//!
//! Written with the engine itself: a definition is a value, and the fields below describe it. The few rules
//! that need all of a definition at once are in `structure`.

use std::cell::OnceCell;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::callback::{EntityCheck, Verdict};
use super::check::{Check, Conditional};
use super::field::{Field, Kind};
use super::messages;
use super::read::{Functions, Reader};
use super::record::Record;
use super::schema::Schema;
use super::structure;
use super::validate::{Errors, Pass, validate_field};

/// The types a field can have.
const TYPES: [&str; 11] = [
    "array", "set", "string", "number", "boolean", "integer", "foreign", "map", "record", "function", "json",
];

/// The types a shorthand can have.
const SHORTHAND_TYPES: [&str; 8] = ["array", "set", "string", "number", "boolean", "integer", "map", "json"];

/// Validates the definition of an entity.
///
/// # Errors
/// What is wrong with it, by attribute.
pub fn validate_entity(definition: &Map<String, Value>) -> Result<(), Errors> {
    ENTITY.with(|schema| schema.get_or_init(entity).validate(definition, true, None, None))
}

/// Validates the definition of a plugin's or vault's configuration.
///
/// # Errors
/// What is wrong with it, by attribute.
pub fn validate_subschema(definition: &Map<String, Value>) -> Result<(), Errors> {
    SUBSCHEMA.with(|schema| schema.get_or_init(subschema).validate(definition, true, None, None))
}

thread_local! {
    static ENTITY: OnceCell<Schema> = const { OnceCell::new() };
    static SUBSCHEMA: OnceCell<Schema> = const { OnceCell::new() };
    static FIELD: OnceCell<Rc<Record>> = const { OnceCell::new() };
    static SHORTHAND: OnceCell<Rc<Record>> = const { OnceCell::new() };
    static CONDITION: OnceCell<Rc<Record>> = const { OnceCell::new() };
}

fn field_record() -> Rc<Record> {
    FIELD.with(|record| Rc::clone(record.get_or_init(|| Rc::new(described_field(&TYPES, None)))))
}

fn shorthand_record() -> Rc<Record> {
    SHORTHAND.with(|record| {
        let function = Field::new(Kind::Function).required();
        Rc::clone(record.get_or_init(|| Rc::new(described_field(&SHORTHAND_TYPES, Some(function)))))
    })
}

fn condition_record() -> Rc<Record> {
    CONDITION.with(|record| {
        let make = || {
            let nested = ["elements", "keys", "values"].map(|name| (name, definition(field_record)));
            let fields = [("required", Field::boolean())].into_iter().chain(nested).chain(validators());
            Rc::new(Record::new(fields.map(|(name, field)| (name, nilable(field)))))
        };
        Rc::clone(record.get_or_init(make))
    })
}

/// A field that holds a definition of this form.
fn definition(form: fn() -> Rc<Record>) -> Field {
    Field::new(Kind::Definition(form))
}

fn nilable(field: Field) -> Field {
    Field { nilable: true, ..field }
}

fn any() -> Field {
    Field::new(Kind::Any)
}

fn function() -> Field {
    Field::new(Kind::Function)
}

fn texts() -> Field {
    Field::array(Field::string())
}

fn record<const N: usize>(fields: [(&str, Field); N]) -> Field {
    Field::record(Record::new(fields))
}

fn validators() -> Vec<(&'static str, Field)> {
    let rules = || Field::array(record([("pattern", Field::string().required()), ("err", Field::string())]));
    let match_any = record([("patterns", texts().required()), ("err", Field::string())]);
    vec![
        ("between", Field::array(Field::number()).len_eq(2)),
        ("eq", any()),
        ("ne", any()),
        ("gt", Field::number()),
        ("len_eq", Field::integer()),
        ("len_min", Field::integer()),
        ("len_max", Field::integer()),
        ("match", Field::string()),
        ("not_match", Field::string()),
        ("match_all", rules()),
        ("match_none", rules()),
        ("match_any", match_any),
        ("starts_with", Field::string()),
        ("one_of", Field::array(any())),
        ("not_one_of", Field::array(any())),
        ("contains", any()),
        ("is_regex", Field::boolean()),
        ("timestamp", Field::boolean()),
        ("uuid", Field::boolean()),
        ("custom_validator", function()),
        ("mutually_exclusive_subsets", Field::array(texts())),
    ]
}

fn attributes() -> Vec<(&'static str, Field)> {
    vec![
        ("required", Field::boolean()),
        ("reference", Field::string()),
        ("description", Field::string().len_min(10).with(super::Validator::LenMax(500))),
        ("examples", Field::array(any())),
        ("auto", Field::boolean()),
        ("unique", Field::boolean()),
        ("unique_across_ws", Field::boolean()),
        ("on_delete", Field::string().one_of(["restrict", "cascade", "null"])),
        ("default", Field::new(Kind::Itself)),
        ("abstract", Field::boolean()),
        ("generate_admin_api", Field::boolean()),
        ("immutable", Field::boolean()),
        ("err", Field::string()),
        ("encrypted", Field::boolean()),
        ("referenceable", Field::boolean()),
        ("json_schema", json_schema()),
        ("transient", Field::boolean()),
        ("deprecation", deprecation()),
    ]
}

fn json_schema() -> Field {
    let schema = || any().custom(check_json_schema);
    Field::record(
        Record::new([
            ("namespace", Field::string().one_of(["proxy-wasm-filters"])),
            ("parent_subschema_key", Field::string()),
            ("optional", Field::boolean()),
            ("inline", schema()),
            ("default", schema()),
        ])
        .check(Check::at_least_one_of(["inline", "namespace", "parent_subschema_key"]))
        .check(Check::mutually_required(["namespace", "parent_subschema_key"]))
        .check(Check::MutuallyExclusiveSets(
            vec!["inline".to_owned()],
            ["namespace", "parent_subschema_key", "optional"].map(str::to_owned).to_vec(),
        )),
    )
}

fn check_json_schema(value: &Value) -> Verdict {
    if super::value::is_table(value) { Ok(()) } else { Err(Some("schema must be a table".into())) }
}

fn deprecation() -> Field {
    let replacement = record([
        ("path", texts().len_min(1).required()),
        ("reverse_mapping_function", function().optional()),
    ]);
    record([
        ("message", Field::string().required()),
        ("removal_in_version", Field::string().required()),
        ("old_default", any().optional()),
        ("replaced_with", Field::array(replacement.optional()).optional()),
    ])
}

/// What describes a field; a shorthand also has a function.
fn described_field(types: &[&'static str], func: Option<Field>) -> Record {
    let kind = ("type", Field::string().one_of(types.to_vec()).required());
    let nested = ["elements", "keys", "values"].map(|name| (name, definition(field_record)));
    let lists =
        [("fields", fields()), ("entity_checks", entity_checks()), ("shorthand_fields", shorthand_fields())];
    let optional = attributes().into_iter().chain(validators()).chain(nested).chain(lists);
    let all = [kind].into_iter().chain(optional.map(|(name, field)| (name, nilable(field))));
    let record = Record::new(all.chain(func.map(|field| ("func", field))));
    let is_true = || Field::refined().eq(true);
    record.check(Check::Conditional(Box::new(Conditional::new(
        "unique_across_ws",
        is_true(),
        "unique",
        is_true().required(),
    ))))
}

fn single_entry(values: Field) -> Field {
    Field::array(Field::map(Field::string(), values).required().len_eq(1))
}

fn fields() -> Field {
    single_entry(definition(field_record))
}

fn shorthand_fields() -> Field {
    single_entry(definition(shorthand_record))
}

fn entity_checks() -> Field {
    let condition = || definition(condition_record);
    let check = Record::new([
        ("at_least_one_of", texts()),
        (
            "conditional_at_least_one_of",
            record([
                ("if_field", Field::string()),
                ("if_match", condition()),
                ("then_at_least_one_of", texts()),
                ("then_err", Field::string()),
                ("else_match", condition()),
                ("else_then_at_least_one_of", texts()),
                ("else_then_err", Field::string()),
            ]),
        ),
        ("only_one_of", texts()),
        ("distinct", texts()),
        (
            "conditional",
            record([
                ("if_field", Field::string()),
                ("if_match", condition()),
                ("then_field", Field::string()),
                ("then_match", condition()),
                ("then_err", Field::string()),
            ]),
        ),
        (
            "custom_entity_check",
            record([
                ("field_sources", texts()),
                ("fn", function()),
                ("run_with_missing_fields", Field::boolean()),
                ("run_with_invalid_fields", Field::boolean()),
            ]),
        ),
        ("mutually_required", texts()),
        ("mutually_exclusive", texts()),
        ("mutually_exclusive_sets", record([("set1", texts()), ("set2", texts())])),
    ]);
    let names = check.fields.keys().cloned().collect();
    Field::array(Field::record(check.check(Check::OnlyOneOf(names))))
}

fn transformations() -> Field {
    Field::array(Field::record(
        Record::new([
            ("input", texts().optional()),
            ("needs", texts().optional()),
            ("on_write", function().optional()),
            ("on_read", function().optional()),
        ])
        .check(Check::at_least_one_of(["on_write", "on_read"])),
    ))
}

fn entity() -> Schema {
    let schema = Schema::new("metaschema", &[]).fields([
        ("name", Field::string().required()),
        ("primary_key", texts().required()),
        ("workspaceable", nilable(Field::boolean())),
        ("endpoint_key", nilable(Field::string())),
        ("cache_key", nilable(texts())),
        ("ttl", nilable(Field::boolean())),
        ("db_export", nilable(Field::boolean()).default(true)),
        ("subschema_key", nilable(Field::string())),
        ("subschema_error", nilable(Field::string())),
        ("generate_admin_api", nilable(Field::boolean()).default(true)),
        ("admin_api_name", nilable(Field::string())),
        ("table_name", nilable(Field::string())),
        ("admin_api_nested_name", nilable(Field::string())),
        ("fields", fields()),
        ("entity_checks", nilable(entity_checks())),
        ("shorthand_fields", nilable(shorthand_fields())),
        ("transformations", nilable(transformations())),
        ("check", nilable(function())),
        ("dao", nilable(Field::string())),
    ]);
    Schema { check: Some(EntityCheck::new(Rc::new(structure::check_entity))), ..schema }
}

fn subschema() -> Schema {
    let schema = Schema::new("metasubschema", &[]).fields([
        ("name", Field::string().required()),
        ("fields", fields()),
        ("entity_checks", nilable(entity_checks())),
        ("shorthand_fields", nilable(shorthand_fields())),
        ("transformations", nilable(transformations())),
        ("check", nilable(function())),
    ]);
    Schema { check: Some(EntityCheck::new(Rc::new(structure::check_subschema))), ..schema }
}

/// A default must be a value that its own field accepts.
pub(super) fn validate_default(definition: &Map<String, Value>, default: &Value) -> Result<(), Value> {
    let reader = Reader::new(&NoFunctions);
    match reader.field("default", &Value::Object(definition.clone())) {
        Ok(field) => validate_field(&field, default, Pass::default()),
        Err(_) => Err(messages::CANNOT_VALIDATE.into()),
    }
}

/// Leaves functions out: defaults are not put to custom validators.
struct NoFunctions;

impl Functions for NoFunctions {
    fn value_check(&self, _: &Value) -> Option<super::ValueCheck> {
        None
    }
    fn entity_check(&self, _: &Value) -> Option<EntityCheck> {
        None
    }
    fn expansion(&self, _: &Value) -> Option<super::Expansion> {
        None
    }
    fn reverse(&self, _: &Value) -> Option<super::Reverse> {
        None
    }
    fn transform(&self, _: &Value) -> Option<super::Transform> {
        None
    }
}
