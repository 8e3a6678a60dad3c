//! Values that a schema supplies: defaults, identifiers, timestamps, shorthands.
//!
//! *Kong parity*: an absent field that is not required becomes null on insert, a required record is built from
//! the defaults of its fields, and on update absent fields stay absent.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::field::{Field, Kind};
use super::generate;
use super::record::Record;
use super::schema::Schema;
use super::select;
use super::validate::{Errors, table};
use super::value::{is_table, number};

/// What is being done with an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// A new entity is made.
    Insert,
    /// Some fields of an entity change.
    Update,
    /// An entity is made or replaced.
    Upsert,
    /// An entity was read and is about to be shown or used.
    Select,
    /// Nothing is generated, but defaults are supplied.
    Unspecified,
}

/// Finds the secret that a vault reference stands for.
pub type Resolve<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How values are supplied.
#[derive(Clone, Copy, Default)]
pub struct AutoOptions<'a> {
    /// Keep nulls when reading, as the Admin API shows them; also leaves vault references alone.
    pub nulls: bool,
    /// Supply no defaults.
    pub no_defaults: bool,
    /// Do not compute deprecated fields from the ones that replace them.
    pub hide_shorthands: bool,
    /// Keep `ws_id` when reading.
    pub show_ws_id: bool,
    /// Resolves vault references when reading without nulls; `None` leaves them as they are.
    pub resolve: Option<Resolve<'a>>,
}

/// An entity with the values its schema supplied.
#[derive(Debug, Clone, PartialEq)]
pub struct Processed {
    /// The entity.
    pub data: Map<String, Value>,
    /// An update names immutable fields: compare with [`Schema::validate_immutable_fields`].
    pub check_immutable_fields: bool,
}

impl Schema {
    /// Supplies shorthands, automatic values and defaults.
    ///
    /// The result has the fields in the schema's order, then what the schema does not know.
    ///
    /// # Errors
    /// What is wrong with shorthand fields.
    pub fn process_auto_fields(
        &self,
        data: Map<String, Value>,
        context: Context,
        options: &AutoOptions<'_>,
    ) -> Result<Processed, Errors> {
        let subschema = self.subschema(&data);
        let filler = Filler { record: &self.record, schema: Some(self), context, options };
        filler.fill(data, subschema.as_deref())
    }
}

impl Record {
    /// Supplies shorthands and defaults for a nested table.
    pub(super) fn process_auto_fields(
        &self,
        data: Map<String, Value>,
        context: Context,
        options: &AutoOptions<'_>,
    ) -> Result<Map<String, Value>, Errors> {
        let filler = Filler { record: self, schema: None, context, options };
        filler.fill(data, None).map(|processed| processed.data)
    }
}

/// Keys and values in the order of the fields of a record.
type Given = Vec<Option<(String, Value)>>;

/// One pass over one table.
struct Filler<'a> {
    record: &'a Record,
    schema: Option<&'a Schema>,
    context: Context,
    options: &'a AutoOptions<'a>,
}

impl Filler<'_> {
    fn fill(&self, mut data: Map<String, Value>, subschema: Option<&Record>) -> Result<Processed, Errors> {
        self.record.expand_shorthands(&mut data, self.context, self.options)?;
        let is_select = self.context == Context::Select;
        let previous = if is_select { data.get("$refs").cloned() } else { None };
        let mut references = select::References::new(previous, self.options);
        let mut filled = Map::with_capacity(data.len().max(self.record.fields.len()));
        let mut check_immutable_fields = false;
        let (given, rest) = self.sort(data);
        for ((name, field), given) in self.record.each_field(subschema).zip(given) {
            let (key, value) = given.map_or((None, None), |(key, value)| (Some(key), Some(value)));
            let value = self.automatic(name, field, value);
            let value = adjust(field, value, self.context, self.options)?;
            let value = if is_select { references.finish(name, field, value) } else { value };
            check_immutable_fields |= self.context == Context::Update && field.immutable;
            if let Some(value) = value {
                filled.insert(key.unwrap_or_else(|| name.to_owned()), value);
            }
        }
        if is_select {
            select::keep_known(self.record, self.schema, rest, &mut filled, &references, self.options);
        } else {
            filled.extend(rest);
        }
        Ok(Processed { data: filled, check_immutable_fields: check_immutable_fields && !is_select })
    }

    /// The values in the order of the fields they belong to, and those that belong to none.
    ///
    /// *Cost*: a look-up for each value; one for each field would be several times as many, as most are absent.
    fn sort(&self, data: Map<String, Value>) -> (Given, Map<String, Value>) {
        let mut given = Given::new();
        given.resize_with(self.record.fields.len(), || None);
        let mut rest = Map::new();
        for (key, value) in data {
            match self.record.fields.get_index_of(&key).and_then(|at| given.get_mut(at)) {
                Some(slot) => *slot = Some((key, value)),
                None => drop(rest.insert(key, value)),
            }
        }
        (given, rest)
    }

    fn automatic(&self, name: &str, field: &Field, value: Option<Value>) -> Option<Value> {
        if !field.auto || self.context == Context::Select {
            return value;
        }
        let is_new = matches!(self.context, Context::Insert | Context::Upsert);
        if matches!(field.kind, Kind::String) {
            return match value {
                None if is_new && field.is_uuid() => Some(generate::uuid().into()),
                None if is_new => Some(generate::random_string().into()),
                value => value,
            };
        }
        let is_stamped = match name {
            "created_at" => is_new && value.as_ref().is_none_or(Value::is_null),
            "updated_at" => self.context != Context::Unspecified,
            _ => false,
        };
        match field.kind {
            Kind::Integer if is_stamped => Some(generate::seconds().into()),
            Kind::Number if is_stamped => Some(number(generate::seconds_with_milliseconds())),
            _ => value,
        }
    }
}

/// Brings a field's value into shape: defaults, nested tables, sets without duplicates.
fn adjust(
    field: &Field,
    value: Option<Value>,
    context: Context,
    options: &AutoOptions<'_>,
) -> Result<Option<Value>, Errors> {
    let is_null = value.as_ref().is_some_and(Value::is_null);
    if context == Context::Select && is_null && field.is_required() {
        return missing(field, value, options);
    }
    if field.is_abstract {
        return Ok(value);
    }
    let value = match &field.kind {
        Kind::Record(Some(record)) if recurses(field, value.as_ref(), context) => {
            // *Kong parity*: false is no record and not refused either
            let value = match value {
                None | Some(Value::Bool(false)) => missing(field, None, options)?,
                value => value,
            };
            return match value {
                Some(value) if is_table(&value) => {
                    let data = into_table(value);
                    record.process_auto_fields(data, context, options).map(|data| Some(data.into()))
                }
                value => Ok(value),
            };
        }
        Kind::Array(elements) => shape_elements(elements, value, context, options)?,
        Kind::Set(elements) => shape_elements(elements, value.map(unique), context, options)?,
        Kind::Map(_, values) => shape_map(values, value, context, options)?,
        Kind::Number | Kind::Integer => value.map(plain_number),
        _ => value,
    };
    match value {
        None if context != Context::Update => missing(field, None, options),
        value => Ok(value),
    }
}

fn recurses(field: &Field, value: Option<&Value>, context: Context) -> bool {
    match value {
        Some(value) => !value.is_null(),
        None => context != Context::Update && field.is_required(),
    }
}

/// The value of a field that was not given.
fn missing(field: &Field, value: Option<Value>, options: &AutoOptions<'_>) -> Result<Option<Value>, Errors> {
    if let Some(default) = &field.default
        && !options.no_defaults
    {
        return Ok(Some(default.clone()));
    }
    if field.nilable {
        return Ok(value);
    }
    if !field.is_required() {
        return Ok(Some(Value::Null));
    }
    match &field.kind {
        Kind::Record(Some(record)) if !field.is_abstract => record
            .process_auto_fields(Map::new(), Context::Insert, &AutoOptions::default())
            .map(|data| Some(data.into())),
        _ => Ok(None),
    }
}

fn shape_elements(
    elements: &Field,
    value: Option<Value>,
    context: Context,
    options: &AutoOptions<'_>,
) -> Result<Option<Value>, Errors> {
    match value {
        Some(Value::Object(object)) if object.is_empty() => Ok(Some(Value::Array(Vec::new()))),
        Some(Value::Array(items)) if is_shapeless(elements) => Ok(Some(Value::Array(items))),
        Some(Value::Array(items)) => {
            let shaped: Result<Vec<Value>, Errors> = items
                .into_iter()
                .map(|item| Ok(adjust(elements, Some(item), context, options)?.unwrap_or(Value::Null)))
                .collect();
            shaped.map(|items| Some(Value::Array(items)))
        }
        value => Ok(value),
    }
}

fn shape_map(
    values: &Field,
    value: Option<Value>,
    context: Context,
    options: &AutoOptions<'_>,
) -> Result<Option<Value>, Errors> {
    match value {
        Some(Value::Array(items)) if items.is_empty() => Ok(Some(Value::Object(Map::new()))),
        Some(Value::Object(mut object)) if !is_shapeless(values) => {
            for value in object.values_mut() {
                *value = adjust(values, Some(value.take()), context, options)?.unwrap_or(Value::Null);
            }
            Ok(Some(Value::Object(object)))
        }
        value => Ok(value),
    }
}

/// Whether values of the field stay as they are: most elements are plain texts.
fn is_shapeless(field: &Field) -> bool {
    matches!(field.kind, Kind::String | Kind::Boolean | Kind::Any)
}

fn unique(value: Value) -> Value {
    const SMALL: usize = 16;
    let Value::Array(items) = value else {
        return value;
    };
    let mut seen = HashSet::new();
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    let is_small = items.len() <= SMALL;
    for item in items {
        let is_repeated = match &item {
            Value::Array(_) | Value::Object(_) => false,
            _ if is_small => kept.contains(&item),
            _ => !seen.insert(item.to_string()),
        };
        if !is_repeated {
            kept.push(item);
        }
    }
    Value::Array(kept)
}

fn plain_number(value: Value) -> Value {
    match &value {
        Value::Number(given) if given.is_f64() => given.as_f64().map_or(value, number),
        _ => value,
    }
}

fn into_table(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        value => table(&value).into_owned(),
    }
}
