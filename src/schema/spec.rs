//! Every validator and every rule between fields, in tables.

use serde_json::{Map, Value, json};

use super::read::{Functions, Reader};
use super::{
    AutoOptions, Context, EntityCheck, Expansion, Reverse, Schema, Transform, ValueCheck, metaschema,
};

struct NoFunctions;

impl Functions for NoFunctions {
    fn value_check(&self, _: &Value) -> Option<ValueCheck> {
        None
    }
    fn entity_check(&self, _: &Value) -> Option<EntityCheck> {
        None
    }
    fn expansion(&self, _: &Value) -> Option<Expansion> {
        None
    }
    fn reverse(&self, _: &Value) -> Option<Reverse> {
        None
    }
    fn transform(&self, _: &Value) -> Option<Transform> {
        None
    }
}

fn schema(definition: Value) -> Schema {
    Reader::new(&NoFunctions).schema(&definition).expect("a schema")
}

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

#[test]
fn validators_accept_and_refuse_in_kongs_words() {
    let cases = [
        (json!({"type": "number", "between": [9.5, 20]}), json!(10), None),
        (
            json!({"type": "number", "between": [9.5, 20]}),
            json!(9.4),
            Some("value should be between 9 and 20"),
        ),
        (json!({"type": "number", "eq": 9}), json!(9.0), None),
        (json!({"type": "number", "eq": 9}), json!(8), Some("value must be 9")),
        (json!({"type": "boolean", "eq": false}), json!(true), Some("value must be false")),
        (json!({"type": "string", "eq": null}), json!("x"), Some("value must be null")),
        (json!({"type": "string", "eq": "x"}), json!(null), Some("value must be x")),
        (json!({"type": "string", "ne": null}), json!(null), Some("value must not be null")),
        (json!({"type": "string", "ne": "x"}), json!("x"), Some("value must not be x")),
        (json!({"type": "string", "eq": "x", "err": "own words"}), json!("y"), Some("own words")),
        (json!({"type": "integer", "gt": 5}), json!(5), Some("value must be greater than 5")),
        (json!({"type": "string", "one_of": ["a", "b"]}), json!("c"), Some("expected one of: a, b")),
        (json!({"type": "string", "not_one_of": ["a"]}), json!("a"), Some("must not be one of: a")),
        (json!({"type": "string"}), json!(""), Some("length must be at least 1")),
        (json!({"type": "string", "len_min": 0}), json!(""), None),
        (json!({"type": "string", "len_eq": 2}), json!("abc"), Some("length must be 2")),
        (json!({"type": "string", "len_max": 2}), json!("abc"), Some("length must be at most 2")),
        (
            json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "string"}, "len_eq": 1}),
            json!({"a": "1", "b": "2"}),
            Some("length must be 1"),
        ),
        (json!({"type": "string", "match": "^%u+$"}), json!("Ab"), Some("invalid value: Ab")),
        (json!({"type": "string", "not_match": "^%u+$"}), json!("AB"), Some("invalid value: AB")),
        (
            json!({"type": "string", "match_all": [{"pattern": "^a", "err": "no a"}]}),
            json!("b"),
            Some("no a"),
        ),
        (
            json!({"type": "string", "match_none": [{"pattern": "^a", "err": "an a"}]}),
            json!("ab"),
            Some("an a"),
        ),
        (
            json!({"type": "string", "match_any": {"patterns": ["^a", "b$"], "err": "neither"}}),
            json!("xb"),
            None,
        ),
        (
            json!({"type": "string", "match_any": {"patterns": ["^a", "b$"], "err": "neither"}}),
            json!("x"),
            Some("neither"),
        ),
        (json!({"type": "string", "match_any": {"patterns": ["^a"]}}), json!("x"), Some("invalid value: x")),
        (json!({"type": "string", "starts_with": "/"}), json!("x"), Some("should start with: /")),
        (json!({"type": "string", "is_regex": true}), json!("a(b"), Some("not a valid regex: a(b")),
        (json!({"type": "string", "is_regex": true}), json!("a(?=b)"), None),
        (json!({"type": "string", "uuid": true}), json!("cbb297c0-a956-486d-ad1d-f9b42df9465a"), None),
        (json!({"type": "string", "uuid": true}), json!("x"), Some("expected a valid UUID")),
        (json!({"type": "integer", "timestamp": true}), json!(0), Some("expected a valid timestamp")),
        (
            json!({"type": "array", "elements": {"type": "string"}, "contains": "a"}),
            json!(["b"]),
            Some("expected to contain: a"),
        ),
        (
            json!({"type": "array", "elements": {"type": "string"},
            "mutually_exclusive_subsets": [["a", "b"], ["c"]]}),
            json!(["a", "c"]),
            Some("these sets are mutually exclusive: ('a', 'b'), ('c')"),
        ),
        (json!({"type": "integer"}), json!(1.5), Some("expected an integer")),
        (json!({"type": "integer"}), json!(1.0), None),
        (json!({"type": "boolean"}), json!("true"), Some("expected a boolean")),
        (json!({"type": "array", "elements": {"type": "string"}}), json!({}), None),
        (
            json!({"type": "array", "elements": {"type": "string"}}),
            json!({"a": 1}),
            Some("expected an array"),
        ),
        (json!({"type": "set", "elements": {"type": "string"}}), json!("a"), Some("expected a set")),
        (
            json!({"type": "map", "keys": {"type": "string"}, "values": {"type": "number"}}),
            json!({"a": "b"}),
            Some("expected a number"),
        ),
        (json!({"type": "record", "fields": []}), json!("a"), Some("expected a record")),
        (json!({"type": "string", "required": true}), json!(null), Some("required field missing")),
        (json!({"type": "typo"}), json!(1), Some("invalid type: typo")),
        (json!({"type": "string", "referenceable": true, "len_eq": 1}), json!("{vault://env/x}"), None),
    ];
    for (field, value, expected) in cases {
        let schema = schema(json!({"fields": [{"f": field}]}));
        let input = object(&json!({"f": value}));
        let errors = schema.validate(&input, true, None, None).err();
        let message = errors.map(|errors| errors["f"].clone());
        assert_eq!(message, expected.map(Value::from), "{field} of {value}");
    }
}

#[test]
fn nested_errors_keep_the_shape_of_the_value() {
    let schema = schema(json!({"fields": [
        {"r": {"type": "record", "fields": [{"a": {"type": "string", "required": true}}]}},
        {"l": {"type": "array", "elements": {"type": "record", "fields": [{"n": {"type": "number"}}]}}},
    ]}));
    let input = object(&json!({"r": {"b": 1}, "l": [{"n": 1}, {"n": "x"}, null]}));
    assert_eq!(
        schema.validate(&input, true, None, None).map_err(Value::Object),
        Err(json!({
            "r": {"a": "required field missing", "b": "unknown field"},
            "l": [null, {"n": "expected a number"}, "required field missing"],
        }))
    );
}

#[test]
fn rules_between_fields_hold_in_kongs_words() {
    let conditional = json!({"conditional": {"if_field": "a", "if_match": {"match": "^x$"},
        "then_field": "b", "then_match": {"required": true}}});
    let custom_words = json!({"conditional": {"if_field": "a", "if_match": {"eq": "x"},
        "then_field": "b", "then_match": {"eq": "y"}, "then_err": "b depends on %s"}});
    let one_of_if = json!({"conditional_at_least_one_of": {"if_field": "a", "if_match": {"one_of": ["x"]},
        "then_at_least_one_of": ["b", "c"], "then_err": "need %s",
        "else_match": {"one_of": ["z"]}, "else_then_at_least_one_of": ["c"]}});
    let cases = [
        (
            json!({"at_least_one_of": ["a", "b"]}),
            json!({}),
            json!({"@entity": ["at least one of these fields must be non-empty: 'a', 'b'"]}),
        ),
        (json!({"at_least_one_of": ["a", "b"]}), json!({"b": "1"}), json!(null)),
        (
            json!({"only_one_of": ["a", "b"]}),
            json!({"a": "1", "b": "2"}),
            json!({"@entity": ["exactly one of these fields must be non-empty: 'a', 'b'"]}),
        ),
        (
            json!({"distinct": ["a", "b"]}),
            json!({"a": "1", "b": "1"}),
            json!({"@entity": ["values of these fields must be distinct: 'a', 'b'"]}),
        ),
        (
            json!({"mutually_required": ["a", "b"]}),
            json!({"a": "1"}),
            json!({"@entity": ["all or none of these fields must be set: 'a', 'b'"]}),
        ),
        (
            json!({"mutually_exclusive": ["a", "b"]}),
            json!({"a": "1", "b": "2"}),
            json!({"@entity": ["only one or none of these fields must be set: 'a', 'b'"]}),
        ),
        (
            json!({"mutually_exclusive_sets": {"set1": ["a"], "set2": ["b", "c"]}}),
            json!({"a": "1", "c": "2"}),
            json!({"@entity": ["these sets are mutually exclusive: ('a'), ('c')"]}),
        ),
        (
            conditional.clone(),
            json!({"a": "x"}),
            json!({"b": "required field missing",
            "@entity": ["failed conditional validation given value of field 'a'"]}),
        ),
        (conditional, json!({"a": "w"}), json!(null)),
        (
            custom_words,
            json!({"a": "x", "b": "n"}),
            json!({"b": "value must be y", "@entity": ["b depends on a"]}),
        ),
        (one_of_if.clone(), json!({"a": "x"}), json!({"@entity": ["need 'b', 'c'"]})),
        (
            one_of_if.clone(),
            json!({"a": "z"}),
            json!({"@entity": ["at least one of these fields must be non-empty: 'c'"]}),
        ),
        (one_of_if, json!({"a": "v"}), json!(null)),
        (
            json!({"at_least_one_of": ["r.n", "a"]}),
            json!({"r": {}}),
            json!({"@entity": ["at least one of these fields must be non-empty: 'r.n', 'a'"]}),
        ),
    ];
    for (check, input, expected) in cases {
        let text = || json!({"type": "string"});
        let schema = schema(json!({
            "fields": [{"a": text()}, {"b": text()}, {"c": text()},
                {"r": {"type": "record", "fields": [{"n": text()}]}}],
            "entity_checks": [check],
        }));
        let filled = schema
            .process_auto_fields(object(&input), Context::Insert, &AutoOptions::default())
            .expect("filled in");
        let errors = schema.validate(&filled.data, true, None, None).err();
        assert_eq!(errors.map_or(Value::Null, Value::Object), expected, "{check} of {input}");
    }
}

#[test]
fn immutable_fields_may_be_repeated_but_not_changed() {
    let schema = schema(json!({"fields": [
        {"a": {"type": "string", "immutable": true}},
        {"l": {"type": "set", "elements": {"type": "string"}, "immutable": true}},
    ]}));
    let stored = object(&json!({"a": "x", "l": ["1", "2"]}));
    let check = |input: Value| schema.validate_immutable_fields(&object(&input), &stored).err();
    assert_eq!(check(json!({"a": "x", "l": ["2", "1"]})), None);
    let errors = check(json!({"a": "y", "l": ["1", "2"]})).expect("errors");
    assert_eq!(Value::Object(errors), json!({"a": "immutable field cannot be updated"}));
}

#[test]
fn vault_references_are_resolved_on_reading_and_remembered() {
    let schema = schema(json!({"fields": [
        {"a": {"type": "string", "referenceable": true}},
        {"l": {"type": "array", "elements": {"type": "string", "referenceable": true}}},
    ]}));
    let stored = object(&json!({"a": "{vault://env/a}", "l": ["x", "{vault://env/b}"]}));
    let resolve = |reference: &str| reference.contains("env/a").then(|| "secret".to_owned());
    let options = AutoOptions { resolve: Some(&resolve), ..AutoOptions::default() };
    let read = schema.process_auto_fields(stored, Context::Select, &options).expect("read");
    assert_eq!(
        Value::Object(read.data),
        json!({
            "a": "secret",
            "l": ["x", ""],
            "$refs": {"a": "{vault://env/a}", "l": [null, "{vault://env/b}"]},
        })
    );
}

#[test]
fn records_merge_field_by_field_and_everything_else_as_a_whole() {
    let schema = schema(json!({"fields": [
        {"r": {"type": "record", "fields": [{"a": {"type": "number"}}, {"b": {"type": "number"}}]}},
        {"l": {"type": "array", "elements": {"type": "number"}}},
    ]}));
    let merged = schema.merge_values(
        &object(&json!({"r": {"a": 1}, "l": [1]})),
        &object(&json!({"r": {"a": 0, "b": 2}, "l": [2, 3]})),
    );
    assert_eq!(Value::Object(merged), json!({"r": {"a": 1, "b": 2}, "l": [1]}));
}

#[test]
fn a_definition_read_and_written_is_the_same() {
    let definition = json!({
        "entity_checks": [{"mutually_required": ["a", "b"]}],
        "fields": [
            {"a": {"type": "string", "match": "^x", "description": "what a is for"}},
            {"b": {"type": "map", "keys": {"type": "string"}, "values": {"type": "integer", "between": [1, 2]}}},
            {"c": {"type": "record", "required": true, "fields": [{"d": {"type": "number", "default": 1}}]}},
        ],
    });
    assert_eq!(schema(definition.clone()).to_json(), definition);
    let named = json!({"name": "n", "fields": definition["fields"]});
    assert_eq!(metaschema::validate_subschema(&object(&named)), Ok(()));
}
