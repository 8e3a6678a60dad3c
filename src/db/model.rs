//! What stores need to know about the kinds of entities.

use indexmap::IndexMap;
use serde_json::Value;

use super::{DbError, Entity, FieldKind, StoredField};
use crate::schema::Schema;

/// The kinds of entities by name, parents before children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    kinds: IndexMap<String, EntityModel>,
}

/// Keys and relations of one kind of entity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntityModel {
    /// Its name, such as `services`.
    pub name: String,
    /// The fields that make up the primary key.
    pub primary_key: Vec<String>,
    /// The field that can stand for the primary key in paths and references, such as `name`.
    pub endpoint_key: Option<String>,
    /// The fields of the composite key for caches and uniqueness; empty if there is none.
    pub cache_key: Vec<String>,
    /// The fields no two entities share a value of.
    pub unique: Vec<UniqueField>,
    /// The fields that point to other entities.
    pub foreign: Vec<ForeignField>,
    /// Whether entities belong to a workspace.
    pub workspaceable: bool,
    /// Whether entities can expire.
    pub has_ttl: bool,
    /// Whether there is a field `tags`.
    pub has_tags: bool,
    /// Whether the Admin API serves the kind.
    pub admin_api: bool,
    /// Its first path segment there, if it is not the name.
    pub admin_api_name: Option<String>,
    /// Its path segment below a parent, if it is another one still.
    pub admin_api_nested_name: Option<String>,
    /// Whether exports of the configuration contain the kind.
    pub exported: bool,
    /// The table of its rows in a database.
    pub table: String,
    /// What is stored of an entity, in the order of the schema: all fields that are not transient.
    pub fields: Vec<StoredField>,
}

/// A field no two entities share a value of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueField {
    /// Its name.
    pub name: String,
    /// Whether that holds over all workspaces.
    pub across_workspaces: bool,
}

/// A field that points to another entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignField {
    /// Its name, such as `service`.
    pub name: String,
    /// The kind it points to, such as `services`.
    pub reference: String,
    /// Whether the entity is deleted with the one it points to.
    pub cascades: bool,
    /// Whether the Admin API serves the relation.
    pub admin_api: bool,
}

impl Model {
    /// Collects kinds; each must come after those it points to.
    pub fn new(kinds: impl IntoIterator<Item = EntityModel>) -> Self {
        Model { kinds: kinds.into_iter().map(|kind| (kind.name.clone(), kind)).collect() }
    }

    /// Takes keys and relations from schemas, each of which comes after those it refers to.
    pub fn of<'a>(schemas: impl IntoIterator<Item = &'a Schema>) -> Self {
        Self::new(schemas.into_iter().map(EntityModel::of))
    }

    /// The kind of this name.
    pub fn kind(&self, name: &str) -> Option<&EntityModel> {
        self.kinds.get(name)
    }

    /// All kinds, parents before children.
    pub fn kinds(&self) -> impl DoubleEndedIterator<Item = &EntityModel> {
        self.kinds.values()
    }

    /// The fields of any kind that point to `kind`, with the kind they belong to.
    pub fn children(&self, kind: &str) -> impl Iterator<Item = (&EntityModel, &ForeignField)> {
        self.kinds().flat_map(move |child| {
            child.foreign.iter().filter(move |field| field.reference == kind).map(move |field| (child, field))
        })
    }

    /// The kinds that are emptied with `kind`, itself first: all that point to one of them, and with workspaces
    /// what lies in them.
    pub fn emptied_with(&self, kind: &str) -> Vec<String> {
        let mut gone = vec![kind.to_owned()];
        let mut at = 0;
        while let Some(kind) = gone.get(at).cloned() {
            let below = self.children(&kind).map(|(child, _)| child);
            let inside = self.kinds().filter(|child| kind == "workspaces" && child.workspaceable);
            for child in below.chain(inside) {
                if !gone.contains(&child.name) {
                    gone.push(child.name.clone());
                }
            }
            at += 1;
        }
        gone
    }
}

impl EntityModel {
    /// Takes keys and relations from a schema.
    pub fn of(schema: &Schema) -> Self {
        let unique = schema.unique_fields().map(|(name, field)| UniqueField {
            name: name.to_owned(),
            across_workspaces: field.unique_across_ws,
        });
        let foreign = schema.record.fields.iter().filter_map(|(name, field)| {
            let foreign = field.as_foreign()?;
            Some(ForeignField {
                name: name.clone(),
                reference: foreign.reference.clone(),
                cascades: foreign.on_delete.as_deref() == Some("cascade"),
                admin_api: field.generate_admin_api != Some(false),
            })
        });
        EntityModel {
            name: schema.name.clone(),
            primary_key: schema.primary_key.clone(),
            endpoint_key: schema.endpoint_key.clone(),
            cache_key: schema.cache_key.clone(),
            unique: unique.collect(),
            foreign: foreign.collect(),
            workspaceable: schema.workspaceable,
            has_ttl: schema.ttl,
            has_tags: schema.record.fields.contains_key("tags"),
            admin_api: schema.has_admin_api(),
            admin_api_name: schema.admin_api_name.clone(),
            admin_api_nested_name: schema.admin_api_nested_name.clone(),
            exported: schema.is_exported(),
            table: schema.table().to_owned(),
            fields: StoredField::all_of(schema),
        }
    }

    /// The stored field of this name.
    pub fn field(&self, name: &str) -> Option<&StoredField> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// Whether the cache key has several fields, which together are unique, too.
    pub fn has_composite_cache_key(&self) -> bool {
        self.cache_key.len() > 1
    }

    /// The name of the kind in paths of the Admin API.
    pub fn path_name(&self) -> &str {
        self.admin_api_name.as_deref().unwrap_or(&self.name)
    }

    /// Its name in paths below a parent.
    pub fn nested_path_name(&self) -> &str {
        self.admin_api_nested_name.as_deref().unwrap_or_else(|| self.path_name())
    }

    /// The field that points to another kind, by name.
    pub fn foreign_field(&self, name: &str) -> Option<&ForeignField> {
        self.foreign.iter().find(|field| field.name == name)
    }

    /// The unique field of this name.
    pub fn unique_field(&self, name: &str) -> Option<&UniqueField> {
        self.unique.iter().find(|field| field.name == name)
    }

    /// The text of an entity's primary key: its parts with `:` between them.
    pub fn key_text(&self, entity: &Entity) -> String {
        let parts: Vec<String> = self.primary_key.iter().map(|name| part_text(entity.get(name))).collect();
        parts.join(":")
    }

    /// The primary key of an entity as an entity of its own.
    pub fn primary_key_of(&self, entity: &Entity) -> Entity {
        let part = |name: &String| entity.get(name).map(|value| (name.clone(), value.clone()));
        self.primary_key.iter().filter_map(part).collect()
    }

    /// A row of all stored fields, and of `ws_id` where the kind has one; null where the entity has nothing.
    pub fn row(&self, mut entity: Entity) -> Entity {
        let mut row = Entity::with_capacity(self.fields.len() + 1);
        for field in &self.fields {
            let mut value = entity.swap_remove(&field.name).unwrap_or_default();
            if matches!(field.kind, FieldKind::Foreign(_)) {
                keep_key(&mut value);
            }
            row.insert(field.name.clone(), value);
        }
        if self.workspaceable {
            row.insert("ws_id".to_owned(), entity.swap_remove("ws_id").unwrap_or_default());
        }
        row
    }

    /// The error of an entity whose value of a unique field another one has.
    pub fn unique_violation(&self, field: &str, entity: &Entity) -> DbError {
        let value = entity.get(field).cloned().unwrap_or_default();
        DbError::unique_violation(Entity::from_iter([(field.to_owned(), value)]))
    }

    /// The error of an entity whose composite cache key another one has.
    pub fn cache_key_violation(&self, entity: &Entity) -> DbError {
        let value = |name: &String| (name.clone(), entity.get(name).cloned().unwrap_or_default());
        DbError::unique_violation(self.cache_key.iter().map(value).collect())
    }

    /// The text by which caches know an entity: kind, five parts, workspace.
    ///
    /// *Kong parity*: parts come from the cache key's fields or, if all of those are absent, from the
    /// primary key; the workspace is left out of kinds that belong to none.
    ///
    /// Keys are known by their `kid` and the set they are in, in whatever workspace.
    pub fn cache_key_text(&self, entity: &Entity, default_workspace: &str) -> String {
        const PARTS: usize = 5;
        if self.name == "keys" {
            return format!("keys:{}:{}", part_text(entity.get("kid")), part_text(entity.get("set")));
        }
        let texts = |fields: &[String]| -> Vec<String> {
            fields.iter().map(|name| part_text(entity.get(name))).collect()
        };
        let mut parts = texts(&self.cache_key);
        if parts.iter().all(String::is_empty) {
            parts = texts(&self.primary_key);
        }
        parts.resize(PARTS.max(parts.len()), String::new());
        let workspace = match entity.get("ws_id") {
            _ if !self.workspaceable => "",
            Some(Value::String(id)) => id,
            _ => default_workspace,
        };
        format!("{}:{}:{workspace}", self.name, parts.join(":"))
    }
}

/// Leaves of an entity that is given for a foreign key nothing but that.
fn keep_key(value: &mut Value) {
    if let Value::Object(entity) = value
        && entity.contains_key("id")
    {
        entity.retain(|name, _| name == "id");
    }
}

/// The text of one part of a key: a foreign key gives its `id`, null and absence give nothing.
pub(crate) fn part_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Object(foreign)) => part_text(foreign.get("id")),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plugins() -> EntityModel {
        EntityModel {
            name: "plugins".to_owned(),
            primary_key: vec!["id".to_owned()],
            cache_key: ["name", "route", "service", "consumer"].map(str::to_owned).to_vec(),
            workspaceable: true,
            ..EntityModel::default()
        }
    }

    #[test]
    fn a_cache_key_has_five_parts_and_the_workspace() {
        let plugin = json!({"id": "p", "name": "cors", "service": {"id": "s"}, "route": null});
        let text = plugins().cache_key_text(plugin.as_object().unwrap(), "w");
        assert_eq!(text, "plugins:cors::s:::w");
    }

    #[test]
    fn without_any_part_of_the_cache_key_the_primary_key_takes_its_place() {
        let plugin = json!({"id": "p", "ws_id": "v"});
        assert_eq!(plugins().cache_key_text(plugin.as_object().unwrap(), "w"), "plugins:p:::::v");
    }
}
