//! The schema of an entity: its record, its keys, its subschemas and what the Admin API and the stores need.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::SchemaError;
use super::callback::EntityCheck;
use super::check;
use super::field::{Field, Kind};
use super::messages;
use super::record::Record;
use super::transform;
use super::validate::{Errors, Pass, Scope, validate_record};
use super::value::{at, deep_equal};

/// The schema of an entity.
///
/// *Invariant*: fixed once it is shared; only subschemas are added later, when plugins and vaults are loaded.
/// Not `Send`: a schema may call functions of a Lua VM, so each VM has its own.
#[derive(Debug, Default)]
pub struct Schema {
    /// The entity's name, which is also the name of its collection.
    pub name: String,
    /// The fields and the rules between them.
    pub record: Record,
    /// The fields that identify an entity.
    pub primary_key: Vec<String>,
    /// The unique field that may stand for the primary key in paths.
    pub endpoint_key: Option<String>,
    /// The fields that make the key of an entity in the cache.
    pub cache_key: Vec<String>,
    /// The field whose value chooses the subschema.
    pub subschema_key: Option<String>,
    /// The message when there is no such subschema; `%s` stands for the value.
    pub subschema_error: Option<String>,
    /// Entities expire.
    pub ttl: bool,
    /// Entities belong to a workspace.
    pub workspaceable: bool,
    /// Whether the Admin API serves the entity without further code; yes unless said otherwise.
    pub generate_admin_api: Option<bool>,
    /// The name in Admin API paths, when it differs.
    pub admin_api_name: Option<String>,
    /// The name in nested Admin API paths, when it differs.
    pub admin_api_nested_name: Option<String>,
    /// The table's name, when it differs.
    pub table_name: Option<String>,
    /// Whether `kong config db_export` includes the entity; yes unless said otherwise.
    pub db_export: Option<bool>,
    /// The Lua module that extends the entity's data access.
    pub dao: Option<String>,
    /// A last rule, over complete entities only.
    pub check: Option<EntityCheck>,
    pub(super) subschemas: RefCell<HashMap<String, Rc<Record>>>,
}

impl Schema {
    /// A schema without fields.
    pub fn new(name: &str, primary_key: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            primary_key: primary_key.iter().map(|key| (*key).to_owned()).collect(),
            ..Self::default()
        }
    }

    /// The schema as that of an entity: nested records are required unless they say otherwise.
    ///
    /// # Errors
    /// When a field has a form that a store cannot keep.
    pub fn into_entity(mut self) -> Result<Self, SchemaError> {
        for (name, field) in &self.record.fields {
            let fault = match &field.kind {
                _ if field.nilable => "Entities cannot have nilable types.",
                Kind::Map(keys, _) if !matches!(keys.kind, Kind::String) => {
                    "Entities map keys must be strings."
                }
                Kind::Function => "Entities cannot have function types.",
                _ => continue,
            };
            return Err(SchemaError::Entity(name.clone(), fault));
        }
        self.record.require_records();
        Ok(self)
    }

    /// The same entity with other fields and rules; the subschemas are those known now.
    pub fn with_record(&self, record: Record) -> Self {
        Self {
            name: self.name.clone(),
            record,
            primary_key: self.primary_key.clone(),
            endpoint_key: self.endpoint_key.clone(),
            cache_key: self.cache_key.clone(),
            subschema_key: self.subschema_key.clone(),
            subschema_error: self.subschema_error.clone(),
            admin_api_name: self.admin_api_name.clone(),
            admin_api_nested_name: self.admin_api_nested_name.clone(),
            table_name: self.table_name.clone(),
            dao: self.dao.clone(),
            check: self.check.clone(),
            subschemas: RefCell::new(self.subschemas.borrow().clone()),
            ..*self
        }
    }

    /// Whether the Admin API serves the entity.
    pub fn has_admin_api(&self) -> bool {
        self.generate_admin_api != Some(false)
    }

    /// Whether exports include the entity.
    pub fn is_exported(&self) -> bool {
        self.db_export != Some(false)
    }

    /// The name of the entity's table.
    pub fn table(&self) -> &str {
        self.table_name.as_deref().unwrap_or(&self.name)
    }

    /// All fields, with those of the subschema that the values choose.
    pub fn each_field(&self, values: Option<&Map<String, Value>>, mut visit: impl FnMut(&str, &Field)) {
        let subschema = values.and_then(|values| self.subschema(values));
        for (name, field) in self.record.each_field(subschema.as_deref()) {
            visit(name, field);
        }
    }

    /// The foreign fields and the entities they point to.
    pub fn foreign_fields(&self) -> impl Iterator<Item = (&str, &super::field::Foreign)> {
        self.record.fields.iter().filter_map(|(name, field)| Some((name.as_str(), field.as_foreign()?)))
    }

    /// The fields that no two entities share a value of.
    pub fn unique_fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.record
            .fields
            .iter()
            .filter(|(_, field)| field.unique)
            .map(|(name, field)| (name.as_str(), field))
    }

    /// The subschema that the values choose.
    pub fn subschema(&self, values: &Map<String, Value>) -> Option<Rc<Record>> {
        let subschemas = self.subschemas.borrow();
        match values.get(self.subschema_key.as_ref()?)? {
            Value::String(name) => subschemas.get(name).cloned(),
            Value::Array(names) => {
                names.iter().filter_map(Value::as_str).find_map(|name| subschemas.get(name)).cloned()
            }
            _ => None,
        }
    }

    /// The subschema of this name.
    pub fn subschema_named(&self, name: &str) -> Option<Rc<Record>> {
        self.subschemas.borrow().get(name).cloned()
    }

    /// Adds a subschema, in place of one of the same name.
    ///
    /// # Errors
    /// When the subschema adds a field, changes a type, or leaves a required abstract field open.
    pub fn add_subschema(&self, key: &str, subschema: Rc<Record>) -> Result<(), SchemaError> {
        if self.subschema_key.is_none() {
            return Err(SchemaError::NoSubschemas { key: key.to_owned(), parent: self.name.clone() });
        }
        for (name, field) in &subschema.fields {
            let fault = match self.record.fields.get(name) {
                None => "cannot create a new field",
                Some(parent) if !compatible(parent, field) => "cannot change type in a specialized field",
                Some(_) => continue,
            };
            return Err(SchemaError::Subschema { key: key.to_owned(), field: name.clone(), fault });
        }
        for (name, field) in &self.record.fields {
            if field.is_abstract && field.is_required() && !subschema.fields.contains_key(name) {
                let fault = "abstract field was not specialized";
                return Err(SchemaError::Subschema { key: key.to_owned(), field: name.clone(), fault });
            }
        }
        self.subschemas.borrow_mut().insert(key.to_owned(), subschema);
        Ok(())
    }

    /// Removes a subschema.
    pub fn remove_subschema(&self, key: &str) {
        self.subschemas.borrow_mut().remove(key);
    }

    /// Validates an entity.
    ///
    /// `original_input` is the entity before transformations, `rbw_entity` the stored entity of an update.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate(
        &self,
        input: &Map<String, Value>,
        full_check: bool,
        original_input: Option<&Map<String, Value>>,
        rbw_entity: Option<&Map<String, Value>>,
    ) -> Result<(), Errors> {
        self.validate_pass(input, Pass { full_check, updating: false }, original_input, rbw_entity)
    }

    /// Validates a new entity.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate_insert(
        &self,
        input: &Map<String, Value>,
        original_input: Option<&Map<String, Value>>,
    ) -> Result<(), Errors> {
        self.validate(input, true, original_input, None)
    }

    /// Validates an entity that may replace another.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate_upsert(
        &self,
        input: &Map<String, Value>,
        original_input: Option<&Map<String, Value>>,
    ) -> Result<(), Errors> {
        self.validate(input, true, original_input, None)
    }

    /// Validates some fields of an entity; required ones may be absent.
    ///
    /// # Errors
    /// What is wrong, by field, in words that speak of an update.
    pub fn validate_update(
        &self,
        input: &Map<String, Value>,
        original_input: Option<&Map<String, Value>>,
        rbw_entity: Option<&Map<String, Value>>,
    ) -> Result<(), Errors> {
        self.validate_pass(input, Pass { full_check: false, updating: true }, original_input, rbw_entity)
    }

    fn validate_pass(
        &self,
        input: &Map<String, Value>,
        pass: Pass,
        original_input: Option<&Map<String, Value>>,
        rbw_entity: Option<&Map<String, Value>>,
    ) -> Result<(), Errors> {
        let subschema = self.chosen_subschema(input)?;
        let scope = Scope { record: &self.record, subschema: subschema.as_deref() };
        let mut errors = Map::new();
        validate_record(scope, input, pass, &mut errors, Some(self));
        if let (Some(check), true) = (&self.check, pass.full_check) {
            self.run_check(check, input, pass, &mut errors);
        }
        transform::check_inputs(scope, input, original_input, rbw_entity, &mut errors);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn chosen_subschema(&self, input: &Map<String, Value>) -> Result<Option<Rc<Record>>, Errors> {
        let Some(key) = &self.subschema_key else {
            return Ok(None);
        };
        let one = |message: Value| Map::from_iter([(key.clone(), message)]);
        let value = match input.get(key) {
            None | Some(Value::Null) => return Err(one(messages::REQUIRED.into())),
            Some(value) => value,
        };
        if let Some(subschema) = self.subschema(input) {
            return Ok(Some(subschema));
        }
        let shown = match value {
            Value::Array(items) => items.first().map_or_else(|| "nil".to_owned(), super::value::display),
            Value::Object(_) => "nil".to_owned(),
            value => super::value::display(value),
        };
        let words = self.subschema_error.as_deref().unwrap_or(messages::SUBSCHEMA_UNKNOWN);
        Err(one(words.replacen("%s", &shown, 1).into()))
    }

    fn run_check(&self, check: &EntityCheck, input: &Map<String, Value>, pass: Pass, errors: &mut Errors) {
        let absent: Vec<&String> = self
            .record
            .fields
            .iter()
            .filter(|(name, field)| !input.contains_key(*name) && !field.nilable)
            .map(|(name, _)| name)
            .collect();
        if !absent.is_empty() {
            for name in absent {
                errors.insert(name.clone(), check::missing_message(pass).into());
            }
            return;
        }
        match check.function()(input) {
            Ok(()) => {}
            Err(None) => check::insert_entity_error(errors, messages::CHECK.into()),
            Err(Some(Value::Object(fields))) => {
                for (name, error) in fields {
                    if super::value::key_value(&name).is_number() {
                        check::insert_entity_error(errors, error);
                    } else {
                        errors.insert(name, error);
                    }
                }
            }
            Err(Some(Value::Array(list))) => {
                list.into_iter().for_each(|error| check::insert_entity_error(errors, error));
            }
            Err(Some(message)) => check::insert_entity_error(errors, message),
        }
    }

    /// Validates the value of one field.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn validate_field(&self, field: &Field, value: &Value) -> Result<(), Value> {
        field.validate(value)
    }

    /// Validates a primary key; with `ignore_others` other fields may be present.
    ///
    /// # Errors
    /// What is wrong, by field.
    pub fn validate_primary_key(&self, pk: &Map<String, Value>, ignore_others: bool) -> Result<(), Errors> {
        let mut errors = Map::new();
        for name in &self.primary_key {
            let field = self.record.fields.get(name);
            let is_needed = field.is_some_and(|field| field.is_required() || field.auto);
            let error = match (pk.get(name), field) {
                (None | Some(Value::Bool(false)), _) => messages::MISSING_PK.into(),
                (Some(Value::Null), _) if is_needed => messages::REQUIRED.into(),
                (Some(value), Some(field)) => match field.validate(value) {
                    Err(error) => error,
                    Ok(()) => continue,
                },
                (Some(_), None) => continue,
            };
            errors.insert(name.clone(), error);
        }
        if !ignore_others {
            for name in pk.keys().filter(|name| !self.primary_key.contains(name)) {
                errors.insert(name.clone(), messages::NOT_PK.into());
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Compares the immutable fields of an update with the stored entity; the order of elements does not count.
    ///
    /// # Errors
    /// The immutable fields that would change.
    pub fn validate_immutable_fields(
        &self,
        input: &Map<String, Value>,
        entity: &Map<String, Value>,
    ) -> Result<(), Errors> {
        let mut errors = Map::new();
        self.each_field(Some(input), |name, field| {
            if let Some(stored) = entity.get(name)
                && field.immutable
                && !input.get(name).is_some_and(|given| same_elements(given, stored))
            {
                errors.insert(name.to_owned(), messages::IMMUTABLE.into());
            }
        });
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The primary key of an entity.
    pub fn extract_pk_values(&self, entity: &Map<String, Value>) -> Map<String, Value> {
        let values =
            self.primary_key.iter().filter_map(|name| Some((name.clone(), entity.get(name)?.clone())));
        values.collect()
    }

    /// Lays the fields of `top` over those of `bottom`: records field by field, everything else as a whole.
    pub fn merge_values(&self, top: &Map<String, Value>, bottom: &Map<String, Value>) -> Map<String, Value> {
        let subschema = self.subschema(bottom);
        transform::merge(&self.record, subschema.as_deref(), top, bottom)
    }

    /// The key of an entity in the cache: the name, up to five values and the workspace, joined by colons.
    ///
    /// The values are those of `cache_key`, or the primary key when the entity has none of them.
    pub fn cache_key_of(&self, entity: &Map<String, Value>, ws_id: Option<&str>) -> String {
        let own_ws = entity.get("ws_id").and_then(Value::as_str).filter(|_| self.workspaceable);
        let from_cache_key = self.cache_key.iter().any(|name| cache_value(entity, name).is_some());
        let source = if from_cache_key { &self.cache_key } else { &self.primary_key };
        let mut parts = vec![self.name.clone()];
        parts.extend(source.iter().take(5).map(|name| cache_value(entity, name).unwrap_or_default()));
        parts.resize(6, String::new());
        parts.push(own_ws.or(ws_id.filter(|_| self.workspaceable)).unwrap_or_default().to_owned());
        parts.join(":")
    }
}

/// The text of a cache key's part: a scalar, or the primary key inside a foreign value.
fn cache_value(entity: &Map<String, Value>, name: &str) -> Option<String> {
    match at(entity, name)? {
        Value::Null => None,
        Value::Object(foreign) => foreign.get("id").filter(|id| !id.is_null()).map(super::value::display),
        value => Some(super::value::display(value)),
    }
}

/// Whether a subschema may put `special` in the place of `parent`.
fn compatible(parent: &Field, special: &Field) -> bool {
    match (&parent.kind, &special.kind) {
        (Kind::Record(_), Kind::Json(_) | Kind::Record(_)) => true,
        (Kind::Array(own), Kind::Array(other)) | (Kind::Set(own), Kind::Set(other)) => {
            own.type_name() == other.type_name()
        }
        (Kind::Map(keys, values), Kind::Map(other_keys, other_values)) => {
            keys.type_name() == other_keys.type_name() && values.type_name() == other_values.type_name()
        }
        _ => parent.type_name() == special.type_name(),
    }
}

fn same_elements(given: &Value, stored: &Value) -> bool {
    match (given, stored) {
        (Value::Array(given), Value::Array(stored)) => {
            given.len() == stored.len()
                && given.iter().all(|item| stored.iter().any(|other| deep_equal(item, other)))
        }
        _ => deep_equal(given, stored),
    }
}
