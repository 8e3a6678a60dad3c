//! The module `kong.db.schema.native`: the engine, for the Lua modules of `lua/kong/db/schema/`.
//!
//! Its functions take and return plain tables; the Lua side gives them the methods and the in-place changes
//! that plugins expect.

use std::rc::Rc;

use mlua::{AnyUserData, Lua, MultiValue, Table, UserData, Value as LuaValue};
use serde_json::{Map, Value};

use super::callbacks::{Callbacks, export};
use super::convert::{errors_to_lua, from_lua, object_from_lua, table_to_lua, to_lua};
use super::shape::{entity_to_lua, record_to_lua};
use crate::schema::read::Reader;
use crate::schema::{
    AutoOptions, Catalog, Context, Errors, Schema, SchemaError, environment, metaschema, typedefs,
};

/// A schema that Lua code holds.
struct Engine(Rc<Schema>);

impl UserData for Engine {}

/// The schemas of a VM: those Lua code makes, over those it was given.
struct Schemas(Rc<Catalog>);

/// Makes the schema of an entity, for a router flavor or the default one.
pub type Definitions = fn(name: &str, flavor: Option<&str>) -> Option<Schema>;

type Pair = (LuaValue, LuaValue);

/// Makes `kong.db.schema.native` known to `require`.
///
/// Schemas that Lua code makes may refer to those of `catalog`, but never replace them.
///
/// # Errors
/// When the VM has no memory left.
pub fn register(lua: &Lua, catalog: Rc<Catalog>) -> mlua::Result<()> {
    lua.set_app_data(Schemas(Rc::new(Catalog::over(catalog))));
    let module = lua.create_table()?;
    construction(lua, &module)?;
    validation(lua, &module)?;
    processing(lua, &module)?;
    module.set("typedef", lua.create_function(typedef)?)?;
    let names: Vec<&str> = typedefs::all_names().collect();
    module.set("typedef_names", names)?;
    let validators: Vec<&str> = crate::schema::validator_names().collect();
    module.set("validator_names", validators)?;
    let package: Table = lua.globals().get("package")?;
    package.get::<Table>("loaded")?.set("kong.db.schema.native", module)
}

/// All schemas of entities of a VM: those it was given, and those that its Lua code made.
pub fn schemas(lua: &Lua) -> Vec<Rc<Schema>> {
    let Some(schemas) = lua.app_data_ref::<Schemas>() else { return Vec::new() };
    let all = schemas.0.all_with_base();
    all.into_iter().filter(|schema| !schema.primary_key.is_empty()).collect()
}

/// Makes the definitions of entities modules, as Kong has them: `kong.db.schema.entities.<name>`, and with
/// `_subschemas` behind it for the refinements that belong to the schema itself.
///
/// `make` gives the schema of an entity for the router flavor of `kong.configuration`, if there is one yet.
///
/// # Errors
/// When the VM has no memory left.
pub fn register_definitions(lua: &Lua, names: &[&'static str], make: Definitions) -> mlua::Result<()> {
    let preload: Table = lua.globals().get::<Table>("package")?.get("preload")?;
    for name in names.iter().copied() {
        let makes = make;
        let load =
            lua.create_function(move |lua, _: MultiValue| match makes(name, flavor(lua)?.as_deref()) {
                Some(schema) => to_lua(lua, &schema.definition(&|code| export(lua, code))),
                None => Ok(LuaValue::Nil),
            })?;
        preload.set(format!("kong.db.schema.entities.{name}"), load)?;
        let load =
            lua.create_function(move |lua, _: MultiValue| match makes(name, flavor(lua)?.as_deref()) {
                Some(schema) => to_lua(lua, &schema.subschema_definitions(&|code| export(lua, code))),
                None => Ok(LuaValue::Nil),
            })?;
        preload.set(format!("kong.db.schema.entities.{name}_subschemas"), load)?;
    }
    Ok(())
}

fn flavor(lua: &Lua) -> mlua::Result<Option<String>> {
    let LuaValue::Table(kong) = lua.globals().get("kong")? else {
        return Ok(None);
    };
    match kong.get("configuration")? {
        LuaValue::Table(configuration) => configuration.get("router_flavor"),
        _ => Ok(None),
    }
}

fn construction(lua: &Lua, module: &Table) -> mlua::Result<()> {
    module.set("new", lua.create_function(new)?)?;
    module.set("named", lua.create_function(named)?)?;
    module.set("add_subschema", lua.create_function(add_subschema)?)?;
    module.set("constraints", lua.create_function(constraints)?)
}

fn validation(lua: &Lua, module: &Table) -> mlua::Result<()> {
    module.set("validate", lua.create_function(validate)?)?;
    module.set("validate_field", lua.create_function(validate_field)?)?;
    module.set("validate_primary_key", lua.create_function(validate_primary_key)?)?;
    module.set("validate_immutable_fields", lua.create_function(validate_immutable_fields)?)?;
    module.set("validate_definition", lua.create_function(validate_definition)?)
}

fn processing(lua: &Lua, module: &Table) -> mlua::Result<()> {
    module.set("process_auto_fields", lua.create_function(process_auto_fields)?)?;
    module.set("merge_values", lua.create_function(merge_values)?)?;
    module.set("transform", lua.create_function(transform)?)?;
    module.set(
        "has_transformations",
        lua.create_function(|lua, (engine, input): (AnyUserData, Table)| {
            Ok(schema(&engine)?.has_transformations(&object_from_lua(lua, &input)?))
        })?,
    )
}

fn schema(engine: &AnyUserData) -> mlua::Result<Rc<Schema>> {
    Ok(Rc::clone(&engine.borrow::<Engine>()?.0))
}

fn catalog(lua: &Lua) -> mlua::Result<Rc<Catalog>> {
    let schemas = lua.app_data_ref::<Schemas>();
    schemas.map(|schemas| Rc::clone(&schemas.0)).ok_or_else(|| mlua::Error::runtime("no schemas in this VM"))
}

fn fault(lua: &Lua, error: &SchemaError) -> mlua::Result<Pair> {
    Ok((LuaValue::Nil, LuaValue::String(lua.create_string(error.to_string())?)))
}

fn answer(lua: &Lua, result: Result<(), Errors>) -> mlua::Result<Pair> {
    match result {
        Ok(()) => Ok((LuaValue::Boolean(true), LuaValue::Nil)),
        Err(errors) => Ok((LuaValue::Nil, errors_to_lua(lua, &Value::Object(errors))?)),
    }
}

/// `new(definition, is_entity)`: a schema, or nil and why not.
fn new(lua: &Lua, (definition, is_entity): (LuaValue, Option<bool>)) -> mlua::Result<Pair> {
    let definition = from_lua(lua, &definition)?.unwrap_or_default();
    let made = Reader::new(&Callbacks::new(lua)).schema(&definition).and_then(|schema| {
        let schema = if is_entity == Some(true) { schema.into_entity()? } else { schema };
        catalog(lua).map_err(|error| SchemaError::Definition(error.to_string()))?.add(schema)
    });
    match made {
        Ok(schema) => Ok((LuaValue::UserData(lua.create_userdata(Engine(schema))?), LuaValue::Nil)),
        Err(error) => fault(lua, &error),
    }
}

/// `named(name)`: the schema of a core entity and its definition.
fn named(lua: &Lua, name: String) -> mlua::Result<Pair> {
    let Some(schema) = catalog(lua)?.named(&name) else {
        return Ok((LuaValue::Nil, LuaValue::Nil));
    };
    let definition = to_lua(lua, &schema.definition(&|code| export(lua, code)))?;
    Ok((LuaValue::UserData(lua.create_userdata(Engine(schema))?), definition))
}

/// `add_subschema(schema, key, definition)`: true, or nil and why not.
fn add_subschema(
    lua: &Lua,
    (engine, key, definition): (AnyUserData, String, LuaValue),
) -> mlua::Result<Pair> {
    let definition = from_lua(lua, &definition)?.unwrap_or_default();
    let added = Reader::new(&Callbacks::new(lua)).record(&definition).and_then(|mut record| {
        catalog(lua).map_err(|error| SchemaError::Definition(error.to_string()))?.resolve(&mut record)?;
        let schema = schema(&engine).map_err(|error| SchemaError::Definition(error.to_string()))?;
        schema.add_subschema(&key, Rc::new(record))
    });
    match added {
        Ok(()) => Ok((LuaValue::Boolean(true), LuaValue::Nil)),
        Err(error) => fault(lua, &error),
    }
}

/// `constraints(name)`: the foreign fields that point to an entity.
fn constraints(lua: &Lua, name: String) -> mlua::Result<Table> {
    let list = lua.create_table()?;
    for constraint in catalog(lua)?.constraints(&name) {
        let item = lua.create_table()?;
        item.set("entity", constraint.schema.name.as_str())?;
        item.set("field_name", constraint.field_name)?;
        item.set("on_delete", constraint.on_delete)?;
        list.push(item)?;
    }
    Ok(list)
}

/// `validate(schema, input, options)`; the options are `partial`, `updating`, `original`, `stored` and
/// `data_plane`.
fn validate(lua: &Lua, (engine, input, options): (AnyUserData, Table, Table)) -> mlua::Result<Pair> {
    let schema = schema(&engine)?;
    let input = object_from_lua(lua, &input)?;
    let part = |name: &str| match options.get(name)? {
        LuaValue::Table(table) => object_from_lua(lua, &table).map(Some),
        _ => Ok(None),
    };
    let (original, stored) = (part("original")?, part("stored")?);
    let was_data_plane = environment::is_data_plane();
    environment::set_data_plane(was_data_plane || options.get("data_plane")?);
    let result = if options.get("updating")? {
        schema.validate_update(&input, original.as_ref(), stored.as_ref())
    } else {
        let full_check = !options.get::<bool>("partial")?;
        schema.validate(&input, full_check, original.as_ref(), stored.as_ref())
    };
    environment::set_data_plane(was_data_plane);
    answer(lua, result)
}

/// `validate_field(field_definition, value)`.
fn validate_field(lua: &Lua, (definition, value): (LuaValue, LuaValue)) -> mlua::Result<Pair> {
    let definition = from_lua(lua, &definition)?.unwrap_or_default();
    let mut field = match Reader::new(&Callbacks::new(lua)).field("field", &definition) {
        Ok(field) => field,
        Err(error) => return fault(lua, &error),
    };
    if let crate::schema::Kind::Foreign(foreign) = &mut field.kind {
        foreign.schema = catalog(lua)?.named(&foreign.reference);
    }
    let value = from_lua(lua, &value)?.unwrap_or(Value::Null);
    match field.validate(&value) {
        Ok(()) => Ok((LuaValue::Boolean(true), LuaValue::Nil)),
        Err(error) => Ok((LuaValue::Nil, errors_to_lua(lua, &error)?)),
    }
}

fn validate_primary_key(
    lua: &Lua,
    (engine, key, ignore_others): (AnyUserData, Table, Option<bool>),
) -> mlua::Result<Pair> {
    let key = object_from_lua(lua, &key)?;
    answer(lua, schema(&engine)?.validate_primary_key(&key, ignore_others == Some(true)))
}

fn validate_immutable_fields(
    lua: &Lua,
    (engine, input, stored): (AnyUserData, Table, Table),
) -> mlua::Result<Pair> {
    let (input, stored) = (object_from_lua(lua, &input)?, object_from_lua(lua, &stored)?);
    answer(lua, schema(&engine)?.validate_immutable_fields(&input, &stored))
}

/// `validate_definition(definition, is_subschema)`: whether a schema has the form of one.
fn validate_definition(lua: &Lua, (definition, is_subschema): (Table, Option<bool>)) -> mlua::Result<Pair> {
    let definition = object_from_lua(lua, &definition)?;
    answer(
        lua,
        if is_subschema == Some(true) {
            metaschema::validate_subschema(&definition)
        } else {
            metaschema::validate_entity(&definition)
        },
    )
}

/// `process_auto_fields(schema, data, context, options)`: the data, or nil and the errors; and whether immutable
/// fields are to be compared.
fn process_auto_fields(
    lua: &Lua,
    (engine, data, context, options): (AnyUserData, Table, Option<String>, Table),
) -> mlua::Result<MultiValue> {
    let schema = schema(&engine)?;
    let data = object_from_lua(lua, &data)?;
    let resolver: Option<mlua::Function> = options.get("resolve")?;
    let resolve = |reference: &str| {
        resolver.as_ref().and_then(|resolver| resolver.call::<Option<String>>(reference).ok().flatten())
    };
    let auto = AutoOptions {
        nulls: options.get("nulls")?,
        no_defaults: options.get("no_defaults")?,
        hide_shorthands: options.get("hide_shorthands")?,
        show_ws_id: options.get("show_ws_id")?,
        resolve: if resolver.is_some() { Some(&resolve) } else { None },
    };
    match schema.process_auto_fields(data, context_of(context.as_deref()), &auto) {
        Ok(processed) => {
            let table = entity_to_lua(lua, &schema, &processed.data)?;
            Ok(MultiValue::from_iter([
                LuaValue::Table(table),
                LuaValue::Nil,
                LuaValue::Boolean(processed.check_immutable_fields),
            ]))
        }
        Err(errors) => {
            Ok(MultiValue::from_iter([LuaValue::Nil, errors_to_lua(lua, &Value::Object(errors))?]))
        }
    }
}

/// Without a context absent fields get their defaults, but nothing is generated.
fn context_of(name: Option<&str>) -> Context {
    match name {
        Some("insert") => Context::Insert,
        Some("update") => Context::Update,
        Some("upsert") => Context::Upsert,
        Some("select") => Context::Select,
        _ => Context::Unspecified,
    }
}

fn merge_values(
    lua: &Lua,
    (engine, top, bottom): (AnyUserData, Table, Option<Table>),
) -> mlua::Result<Table> {
    let schema = schema(&engine)?;
    let bottom = match bottom {
        Some(bottom) => object_from_lua(lua, &bottom)?,
        None => Map::new(),
    };
    let merged = schema.merge_values(&object_from_lua(lua, &top)?, &bottom);
    record_to_lua(lua, &schema.record, &merged)
}

fn transform(
    lua: &Lua,
    (engine, input, original, context): (AnyUserData, Table, Option<Table>, Option<String>),
) -> mlua::Result<Pair> {
    let schema = schema(&engine)?;
    let original = original.map(|original| object_from_lua(lua, &original)).transpose()?;
    let input = object_from_lua(lua, &input)?;
    match schema.transform(input, original.as_ref(), context_of(context.as_deref())) {
        Ok(output) => Ok((LuaValue::Table(table_to_lua(lua, &output)?), LuaValue::Nil)),
        Err(message) => Ok((LuaValue::Nil, LuaValue::String(lua.create_string(message)?))),
    }
}

/// `typedef(name)`: the definition of a shared field.
fn typedef(lua: &Lua, name: String) -> mlua::Result<LuaValue> {
    match typedefs::by_name(&name) {
        Some(field) => to_lua(lua, &field.definition(&|code| export(lua, code))),
        None => Ok(LuaValue::Nil),
    }
}
