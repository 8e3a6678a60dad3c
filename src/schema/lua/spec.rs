//! `kong.db.schema` as Lua code uses it, and plugins' schemas as the engine reads them.
#![allow(unsafe_code)] // The VM is made with all libraries, as the workers' is.

use std::rc::Rc;

use mlua::{Lua, Table};
use serde_json::{Map, Value, json};

use super::read::{read_configuration, read_entity};
use super::register;
use crate::schema::{AutoOptions, Catalog, Context, Field, Schema, SchemaError, typedefs};

/// A VM with the Lua side of schemas over an entity `consumers`.
fn vm() -> Lua {
    // SAFETY: the code of these tests is trusted.
    let lua = unsafe { Lua::unsafe_new() };
    lua.load("package.path = './lua/?.lua;./lua/?/init.lua'").exec().expect("package.path");
    lua.globals().set("null", mlua::Value::NULL).expect("null");
    let catalog = Catalog::default();
    let consumers = Schema::new("consumers", &["id"]).fields([("id", typedefs::uuid())]);
    catalog.add(consumers).expect("consumers");
    register(&lua, Rc::new(catalog)).expect("register");
    lua
}

fn run(code: &str) {
    let lua = vm();
    if let Err(error) = lua.load(code).exec() {
        panic!("{error}");
    }
}

fn table(lua: &Lua, code: &str) -> Table {
    lua.load(code).eval().expect("a table")
}

#[test]
fn a_schema_made_in_lua_validates_and_fills_in() {
    run(r#"
        local Schema = require "kong.db.schema"
        local typedefs = require "kong.db.schema.typedefs"
        local S = assert(Schema.new({
          name = "things",
          primary_key = { "id" },
          fields = {
            { id = typedefs.uuid },
            { host = typedefs.host { required = true } },
            { tags = typedefs.tags },
            { size = { type = "integer", default = 3, between = { 1, 5 } } },
            { even = { type = "number", custom_validator = function(n)
                if n % 2 == 0 then return true end
                return nil, "odd: " .. n
              end } },
            { consumer = { type = "foreign", reference = "consumers" } },
          },
          entity_checks = { { custom_entity_check = { field_sources = { "host", "size" }, fn = function(e)
            if e.host == "small" and e.size > 1 then return nil, "too big" end
            return true
          end } } },
        }))
        local thing = S:process_auto_fields({ host = "a", tags = { "x", "x", "y" } }, "insert")
        assert(#thing.id == 36 and thing.size == 3 and thing.even == null)
        assert(#thing.tags == 2 and thing.tags.x and not thing.tags.z)
        assert(S:validate_insert(thing))

        local ok, errors = S:validate({ host = "a b", size = 9, even = 3, consumer = { id = "x" } })
        assert(not ok)
        assert(errors.host == "invalid value: a b")
        assert(errors.size == "value should be between 1 and 5")
        assert(errors.even == "odd: 3")
        assert(errors.consumer.id == "expected a valid UUID")
        ok, errors = S:validate({ host = "small", size = 2 })
        assert(not ok and errors["@entity"][1] == "too big")
        assert(S:errors_to_string(errors) == "Validation error: too big")
        assert(S.fields.host.required and S.fields.consumer.schema.name == "consumers")
        local names = {}
        for name in S:each_field() do names[#names + 1] = name end
        assert(table.concat(names, " ") == "id host tags size even consumer")
        local pk = S:extract_pk_values({ id = "1", host = "b" })
        assert(pk.id == "1" and not pk.host)
    "#);
}

#[test]
fn values_keep_what_json_cannot_hold() {
    run(r#"
        local Schema = require "kong.db.schema"
        local S = Schema.new({ fields = {
          { bytes = { type = "string", len_eq = 2 } },
          { map = { type = "map", keys = { type = "string" }, values = { type = "number" } } },
          { list = { type = "array", elements = { type = "number" } } },
          { fn = { type = "function" } },
          { n = { type = "number" } },
          { i = { type = "integer" } },
        } })
        local f = function() end
        local out = S:process_auto_fields({ bytes = "\255\254", fn = f, n = 1 / 0 })
        assert(out.bytes == "\255\254" and out.fn == f and out.n == 1 / 0)
        assert(S:validate(out))
        assert(select(2, S:validate({ map = { [2] = 2 } })).map == "expected a string")
        assert(select(2, S:validate({ list = { nil, 1 } })).list == "expected an array")
        assert(select(2, S:validate({ i = 1 / 0 })).i == "expected an integer")
        assert(select(2, S:validate({ list = { 1, "x" } })).list[2] == "expected a number")
    "#);
}

#[test]
fn every_typedef_can_be_used_and_called() {
    run(r#"
        local typedefs = require "kong.db.schema.typedefs"
        local native = require "kong.db.schema.native"
        for _, name in ipairs(native.typedef_names) do
          assert(typedefs[name].type, name)
          local refined = typedefs[name] { required = true, description = "something else" }
          assert(refined.type == typedefs[name].type and refined.required, name)
        end
        assert(typedefs.host.custom_validator("example.com"))
        local ok, err = typedefs.ip_or_cidr.custom_validator("x")
        assert(not ok and err == "invalid ip or cidr range: 'x'")
        local found, message = pcall(function() return typedefs.nothing end)
        assert(not found and message:find("definition nothing does not exist", 1, true))
    "#);
}

#[test]
fn shorthands_transformations_and_subschemas_work_from_lua() {
    run(r#"
        local Entity = require "kong.db.schema.entity"
        local E = assert(Entity.new({
          name = "gadgets", primary_key = { "name" }, subschema_key = "name",
          fields = {
            { name = { type = "string", required = true } },
            { config = { type = "record", abstract = true } },
          },
        }))
        assert(E:new_subschema("timer", { name = "timer", fields = {
          { config = { type = "record", fields = {
            { seconds = { type = "number", default = 1 } },
            { redis = { type = "record", fields = { { host = { type = "string", default = "h" } } } } },
          }, shorthand_fields = {
            { minutes = { type = "number", func = function(v) return { seconds = v * 60 } end,
              deprecation = { message = "use seconds", removal_in_version = "4.0",
                              replaced_with = { { path = { "seconds" },
                                reverse_mapping_function = function(c) return c.seconds / 60 end } } } } },
          } } },
        } }))
        local g = assert(E:process_auto_fields({ name = "timer", config = { minutes = 2 } }, "insert"))
        assert(g.config.seconds == 120 and g.config.redis.host == "h" and g.config.minutes == nil)
        assert(E:validate(g))
        local shown = E:process_auto_fields(g, "select")
        assert(shown == g and shown.config.minutes == 2)
        local ok, err = E:process_auto_fields({ name = "timer", config = { minutes = 2, seconds = 9 } }, "insert")
        assert(not ok and err.minutes == "both deprecated and new field are used but their values mismatch: "
                                         .. "minutes = 2 vs seconds = 0.15")
        ok, err = E:validate({ name = "other" })
        assert(not ok and err.name == "unknown type: other")
        ok, err = E:new_subschema("bad", { fields = { { extra = { type = "string" } } } })
        assert(not ok and err == "error in definition of 'bad': extra: cannot create a new field")
    "#);
}

#[test]
fn a_plugin_schema_is_read_with_its_functions() {
    let lua = vm();
    let schema = table(
        &lua,
        r#"
        local typedefs = require "kong.db.schema.typedefs"
        return {
          name = "stamp",
          fields = {
            { consumer = typedefs.no_consumer },
            { protocols = typedefs.protocols_http },
            { config = { type = "record", fields = {
              { header = typedefs.header_name { default = "x-stamp" } },
              { secret = { type = "string", referenceable = true, custom_validator = function(s)
                  return s == "s", "wrong secret" end } },
            } } },
          },
        }"#,
    );
    let stamp = read_configuration(&lua, "stamp", &schema).expect("a schema");
    assert!(stamp.warnings.is_empty());
    let config = stamp.record.fields["config"].clone();
    let validate = |value: Value| config.validate(&value);
    assert_eq!(validate(json!({"secret": "s"})), Ok(()));
    assert_eq!(validate(json!({"secret": "{vault://env/s}"})), Ok(()));
    assert_eq!(validate(json!({"secret": "x"})), Err(json!({"secret": "wrong secret"})));
    assert_eq!(
        validate(json!({"header": "a b"})),
        Err(json!({
        "header": "bad header name 'a b', allowed characters are A-Z, a-z, 0-9, '_', and '-'"}))
    );
}

#[test]
fn a_plugin_schema_of_the_old_form_is_converted_with_a_warning() {
    let lua = vm();
    let schema = table(
        &lua,
        r#"return { no_consumer = true, fields = {
            limit = { type = "number", required = true, default = 5 },
            names = { type = "array", default = {} },
            strict = { type = "boolean", default = false },
        } }"#,
    );
    let old = read_configuration(&lua, "old", &schema).expect("a schema");
    assert!(old.warnings[0].contains("form of Kong 0.x"));
    let config = old.record.fields["config"].as_record().expect("a record");
    let field = Field { required: Some(true), ..Field::record(config.as_ref().clone()) };
    let parent = Schema::new("p", &[]).field("config", field);
    let filled =
        parent.process_auto_fields(Map::new(), Context::Insert, &AutoOptions::default()).expect("defaults");
    assert_eq!(filled.data["config"]["limit"], json!(5));
    assert_eq!(filled.data["config"]["names"], json!([]));
}

#[test]
fn malformed_schemas_are_refused_in_kongs_words() {
    let lua = vm();
    let cases = [
        (
            r#"{ name = "a", fields = { { config = { type = "record" } } } }"#,
            json!({"config": "field of type 'record' must declare 'fields'"}),
        ),
        (
            r#"{ name = "a", fields = { { x = { type = "array" } } } }"#,
            json!({"x": "field of type 'array' must declare 'elements'"}),
        ),
        (
            r#"{ name = "a", fields = { { x = { type = "string", between = { 1, 2 } } } } }"#,
            json!({"x": "field of type 'string' cannot have attribute 'between'"}),
        ),
        (
            r#"{ name = "a", fields = { { x = { type = "string", default = 1 } } } }"#,
            json!({"fields": [{"default": "expected a string"}]}),
        ),
        (
            r#"{ name = "a", fields = { { x = { type = "string", typo = 1 } } } }"#,
            json!({"fields": [{"typo": "unknown field"}]}),
        ),
    ];
    for (code, expected) in cases {
        let schema = table(&lua, &format!("return {code}"));
        match read_configuration(&lua, "a", &schema) {
            Err(SchemaError::Violation(errors)) => assert_eq!(Value::Object(errors), expected, "{code}"),
            other => panic!("{code}: {other:?}"),
        }
    }
    let entity = table(
        &lua,
        r#"return { name = "e", primary_key = { "id" }, endpoint_key = "x", fields = {
        { id = { type = "string" } } }, cache_key = { "id" } }"#,
    );
    match read_entity(&lua, &entity) {
        Err(SchemaError::Violation(errors)) => assert_eq!(
            Value::Object(errors),
            json!({
                "endpoint_key": "value must be a field name",
                "cache_key": "a field used as a single cache key must be unique",
            })
        ),
        other => panic!("{other:?}"),
    }
}
