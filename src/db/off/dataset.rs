//! All entities of a configuration, indexed and immutable.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;

use super::collection::{Changes, Collection};
use crate::db::{DbError, Entities, Entity, Model, Rows, lua_literal};

/// The hash of a configuration without entities.
pub const EMPTY_HASH: &str = "00000000000000000000000000000000";

/// The workspace everything belongs to that names none.
pub const DEFAULT_WORKSPACE: &str = "0dc6f45b-8f8d-40d2-a504-473544ee190b";

/// The entities of one configuration.
///
/// *Invariant*: never changes; a new configuration is a new dataset.
#[derive(Debug)]
pub struct Dataset {
    collections: IndexMap<String, Arc<Collection>>,
    model: Arc<Model>,
    hash: String,
    default_workspace: String,
}

impl Dataset {
    /// Indexes the entities of a configuration whose text has this hash.
    ///
    /// A configuration that has nothing but workspaces counts as empty, whatever its text.
    ///
    /// # Errors
    /// A kind of entity the model does not have.
    pub fn build(model: Arc<Model>, entities: Entities, hash: &str) -> Result<Self, DbError> {
        Self::build_after(None, model, entities, hash)
    }

    /// The same, with the indexes of `previous` for kinds whose entities are the very same ones.
    ///
    /// # Errors
    /// As [`Dataset::build`].
    pub fn build_after(
        previous: Option<&Dataset>,
        model: Arc<Model>,
        mut entities: Entities,
        hash: &str,
    ) -> Result<Self, DbError> {
        let workspaces = entities.get("workspaces").into_iter().flat_map(Rows::values);
        let default_workspace = default_workspace(workspaces.cloned());
        let is_empty = entities.iter().all(|(kind, rows)| kind == "workspaces" || rows.is_empty());
        for kind in model.kinds() {
            entities.entry(kind.name.clone()).or_default();
        }
        let previous = previous.filter(|previous| Arc::ptr_eq(&previous.model, &model));
        let mut collections = IndexMap::with_capacity(entities.len());
        for (name, rows) in entities {
            let kind =
                model.kind(&name).ok_or_else(|| DbError::unsupported(format!("unknown entity: {name}")))?;
            let known = previous.and_then(|previous| previous.collections.get(&name));
            collections.insert(name, Collection::build(kind, rows, &default_workspace, known));
        }
        let hash = if is_empty || hash.is_empty() { EMPTY_HASH } else { hash };
        Ok(Dataset { collections, model, hash: hash.to_owned(), default_workspace })
    }

    /// The same entities but for those that changed, by their kinds.
    ///
    /// *Cost*: that of the changes.
    ///
    /// # Errors
    /// As [`Dataset::build`].
    pub fn with(&self, changes: &IndexMap<String, Changes>, hash: &str) -> Result<Self, DbError> {
        let mut collections = self.collections.clone();
        for (kind, changes) in changes {
            let collection = collections
                .get_mut(kind)
                .ok_or_else(|| DbError::unsupported(format!("unknown entity: {kind}")))?;
            *collection = Arc::new(collection.with(changes));
        }
        let workspaces = collections.get("workspaces");
        let default_workspace = default_workspace(workspaces.into_iter().flat_map(|all| all.each()));
        if default_workspace != self.default_workspace {
            for collection in collections.values_mut() {
                *collection = collection.in_workspace(&default_workspace);
            }
        }
        let is_empty = collections.iter().all(|(kind, all)| kind == "workspaces" || all.is_empty());
        let hash = if is_empty || hash.is_empty() { EMPTY_HASH } else { hash };
        Ok(Dataset { collections, model: Arc::clone(&self.model), hash: hash.to_owned(), default_workspace })
    }

    /// How many entities the two do not have in common, by place.
    pub fn differences(&self, other: &Dataset) -> usize {
        let of_kind = |(kind, collection): (&String, &Arc<Collection>)| {
            let theirs = other.collections.get(kind).filter(|theirs| !Arc::ptr_eq(theirs, collection));
            theirs.map_or(0, |theirs| collection.differences(theirs).len())
        };
        self.collections.iter().map(of_kind).sum()
    }

    /// A dataset without entities.
    pub fn empty(model: Arc<Model>) -> Self {
        let collections = model.kinds().map(|kind| {
            (kind.name.clone(), Collection::build(kind, Rows::default(), DEFAULT_WORKSPACE, None))
        });
        let collections = collections.collect();
        let default_workspace = DEFAULT_WORKSPACE.to_owned();
        Dataset { collections, model, hash: EMPTY_HASH.to_owned(), default_workspace }
    }

    /// The entities of one kind; `None` for a kind that does not exist.
    pub fn collection(&self, kind: &str) -> Option<&Collection> {
        self.collections.get(kind).map(AsRef::as_ref)
    }

    /// All kinds with their entities.
    pub fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collections.values().map(AsRef::as_ref)
    }

    /// What kinds there are.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The hash of the configuration's text: 32 hexadecimal digits, zeros if it has no entities.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether a configuration with entities has been loaded.
    pub fn is_empty(&self) -> bool {
        self.hash == EMPTY_HASH
    }

    /// The id of the workspace that everything belongs to that names none.
    pub fn default_workspace(&self) -> &str {
        &self.default_workspace
    }

    /// The entity that a reference in another one points to.
    pub fn follow(&self, kind: &str, reference: Option<&Value>) -> Option<Arc<Entity>> {
        let collection = self.collection(kind)?;
        collection.select(&collection.model().key_text(reference?.as_object()?))
    }
}

/// The error of a look-up by something that is no key of `kind`.
pub fn invalid_key(field: &str, message: &str) -> DbError {
    let mut errors = Entity::new();
    errors.insert(lua_literal::key_text(field).to_owned(), Value::from(message));
    DbError::invalid_primary_key(errors)
}

fn default_workspace(mut workspaces: impl Iterator<Item = Arc<Entity>>) -> String {
    let default = workspaces.find(|row| row.get("name").is_some_and(|name| name == "default"));
    let id = default.as_ref().and_then(|row| row.get("id")).and_then(Value::as_str);
    id.unwrap_or(DEFAULT_WORKSPACE).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::db::off::{PageRequest, TagFilter};
    use crate::db::{EntityModel, ForeignField, UniqueField};

    fn model() -> Arc<Model> {
        let id = || vec!["id".to_owned()];
        let services = EntityModel {
            name: "services".to_owned(),
            primary_key: id(),
            endpoint_key: Some("name".to_owned()),
            unique: vec![UniqueField { name: "name".to_owned(), across_workspaces: false }],
            workspaceable: true,
            ..EntityModel::default()
        };
        let service = ForeignField {
            name: "service".to_owned(),
            reference: "services".to_owned(),
            cascades: false,
            admin_api: true,
        };
        let routes = EntityModel {
            name: "routes".to_owned(),
            primary_key: id(),
            foreign: vec![service],
            workspaceable: true,
            ..EntityModel::default()
        };
        let keys = EntityModel {
            name: "tokens".to_owned(),
            primary_key: id(),
            cache_key: vec!["key".to_owned()],
            has_ttl: true,
            ..EntityModel::default()
        };
        Arc::new(Model::new([services, routes, keys]))
    }

    fn dataset() -> Dataset {
        let mut entities = Entities::new();
        let services = entities.entry("services".to_owned()).or_default();
        services.insert("s1".into(), entity(json!({"id": "s1", "name": "one", "tags": ["a", "b"]})));
        services.insert("s0".into(), entity(json!({"id": "s0", "name": "zero", "tags": ["a"]})));
        let routes = entities.entry("routes".to_owned()).or_default();
        for number in (0..25).rev() {
            let id = format!("r{number:02}");
            let service = if number % 2 == 0 { "s0" } else { "s1" };
            routes.insert(id.as_str().into(), entity(json!({"id": id, "service": {"id": service}})));
        }
        let keys = entities.entry("tokens".to_owned()).or_default();
        keys.insert("k1".into(), entity(json!({"id": "k1", "key": "secret", "ttl": null})));
        keys.insert("k2".into(), entity(json!({"id": "k2", "key": "old", "ttl": 1000})));
        keys.insert("k3".into(), entity(json!({"id": "k3", "key": "new", "ttl": 99_999_999_999_i64})));
        Dataset::build(model(), entities, "0123456789abcdef0123456789abcdef").unwrap()
    }

    fn entity(value: Value) -> Arc<Entity> {
        Arc::new(value.as_object().unwrap().clone())
    }

    fn ids(rows: &[Arc<Entity>]) -> Vec<&str> {
        rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
    }

    #[test]
    fn kinds_whose_entities_are_the_same_ones_keep_their_indexes() {
        let model = model();
        let service = entity(json!({"id": "s", "name": "one"}));
        let rows = |names: &[&str]| {
            let mut entities = Entities::new();
            entities.entry("services".to_owned()).or_default().insert("s".into(), Arc::clone(&service));
            for name in names {
                let route = entity(json!({"id": name, "service": {"id": "s"}}));
                entities.entry("routes".to_owned()).or_default().insert((*name).into(), route);
            }
            entities
        };
        let before = Dataset::build(model.clone(), rows(&["a"]), "1").unwrap();
        let after = Dataset::build_after(Some(&before), model, rows(&["a", "b"]), "2").unwrap();
        let is_same = |kind| std::ptr::eq(before.collection(kind).unwrap(), after.collection(kind).unwrap());
        assert!(is_same("services") && is_same("tokens"));
        assert!(!is_same("routes"));
        assert_eq!(after.collection("routes").unwrap().len(), 2);
    }

    #[test]
    fn entities_are_found_by_each_of_their_keys() {
        let dataset = dataset();
        let services = dataset.collection("services").unwrap();
        assert_eq!(services.select("s1").unwrap()["name"], "one");
        assert_eq!(services.select_by("name", "zero").unwrap()["id"], "s0");
        assert!(services.select_by("name", "none").is_none());
        let keys = dataset.collection("tokens").unwrap();
        assert_eq!(keys.select_by_cache_key("tokens:secret:::::").unwrap()["id"], "k1");
        assert_eq!(dataset.follow("services", Some(&json!({"id": "s0"}))).unwrap()["name"], "zero");
    }

    #[test]
    fn pages_follow_each_other_in_key_order_without_loss() {
        let dataset = dataset();
        let routes = dataset.collection("routes").unwrap();
        let mut request = PageRequest { size: 10, ..PageRequest::first() };
        let mut seen = Vec::new();
        loop {
            let page = routes.page(&request).unwrap();
            seen.extend(ids(&page.rows).iter().map(|id| (*id).to_owned()));
            let Some(offset) = page.offset else { break };
            request.offset = Some(offset);
        }
        let expected: Vec<String> = (0..25).map(|number| format!("r{number:02}")).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_page_of_children_has_only_those_of_the_parent() {
        let dataset = dataset();
        let routes = dataset.collection("routes").unwrap();
        let mut request = PageRequest { size: 7, ..PageRequest::first() };
        let page = routes.page_for("service", "s1", &request).unwrap();
        assert_eq!(ids(&page.rows), ["r01", "r03", "r05", "r07", "r09", "r11", "r13"]);
        request.offset = page.offset;
        let page = routes.page_for("service", "s1", &request).unwrap();
        assert_eq!(ids(&page.rows), ["r15", "r17", "r19", "r21", "r23"]);
        assert_eq!(page.offset, None);
    }

    #[test]
    fn tags_select_rows() {
        let dataset = dataset();
        let services = dataset.collection("services").unwrap();
        let with = |tags| services.page(&PageRequest { tags: Some(tags), ..PageRequest::first() }).unwrap();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(ids(&with(TagFilter::All(names(&["a", "b"]))).rows), ["s1"]);
        assert_eq!(ids(&with(TagFilter::Any(names(&["a", "b"]))).rows), ["s0", "s1"]);
    }

    #[test]
    fn an_offset_that_is_not_base64_is_refused() {
        let request = PageRequest { offset: Some("x!".to_owned()), ..PageRequest::first() };
        let error = dataset().collection("services").unwrap().page(&request).unwrap_err();
        assert_eq!(error.message, "'x!' is not a valid offset: bad base64 encoding");
    }

    #[test]
    fn an_expired_entity_is_not_there_and_a_living_one_says_how_long() {
        let dataset = dataset();
        let keys = dataset.collection("tokens").unwrap();
        assert!(keys.select("k2").is_none());
        let ttl = keys.select("k3").unwrap()["ttl"].as_i64().unwrap();
        assert!(ttl > 0 && ttl < 99_999_999_999);
    }

    #[test]
    fn a_configuration_with_workspaces_only_is_empty() {
        let mut entities = Entities::new();
        let workspaces = entities.entry("workspaces".to_owned()).or_default();
        workspaces.insert("w".into(), entity(json!({"id": "w", "name": "default"})));
        let model =
            Arc::new(Model::new([EntityModel { name: "workspaces".to_owned(), ..EntityModel::default() }]));
        let dataset = Dataset::build(model, entities, "abc").unwrap();
        assert!(dataset.is_empty());
        assert_eq!(dataset.default_workspace(), "w");
    }
}
