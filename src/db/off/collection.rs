//! All entities of one kind, indexed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::db::model::part_text;
use crate::db::page::{Page, PageRequest, offset_after};
use crate::db::{DbError, Entity, EntityModel, Rows};
use crate::persistent::{Shards, Slots, Sorted};

/// Text → the place of a row.
type Places = Shards<Arc<str>, usize>;

/// Rows of one kind that are no longer as they were: the text of their keys, and what they are now.
pub type Changes = Vec<(Arc<str>, Option<Arc<Entity>>)>;

/// So many changes are made one by one, however few rows there are.
const FEW: usize = 64;

/// The entities of one kind, in the order of their primary keys.
///
/// *Invariant*: an entity keeps its place from one collection to the next that is made of it.
#[derive(Debug, Clone, Default)]
pub struct Collection {
    model: Arc<EntityModel>,
    default_workspace: Arc<str>,
    rows: Slots<Row>,
    by_key: Places,
    /// Key → the place of the row.
    order: Sorted<Arc<str>, usize>,
    by_cache_key: Places,
    /// Field → workspace and value → row.
    unique: HashMap<String, Places>,
    /// Field → key of the entity pointed to → rows in the order of their keys.
    foreign: HashMap<String, Shards<Arc<str>, Arc<Vec<usize>>>>,
}

#[derive(Debug, Clone)]
struct Row {
    key: Arc<str>,
    entity: Arc<Entity>,
}

impl Collection {
    /// Indexes rows; `previous` itself when it has the very same ones, and else as much of it as stays.
    pub(super) fn build(
        model: &EntityModel,
        rows: Rows,
        workspace: &str,
        previous: Option<&Arc<Collection>>,
    ) -> Arc<Self> {
        if let Some(previous) = previous.filter(|previous| &*previous.default_workspace == workspace) {
            let changes = previous.changes_to(&rows);
            if changes.is_empty() {
                return Arc::clone(previous);
            }
            if changes.len() < rows.len() / 4 + FEW {
                return Arc::new(previous.with(&changes));
            }
        }
        let mut pairs: Vec<(Arc<str>, Arc<Entity>)> = rows.into_iter().collect();
        pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut collection = Collection {
            model: Arc::new(model.clone()),
            default_workspace: workspace.into(),
            by_key: Places::with_capacity(pairs.len()),
            order: pairs.iter().enumerate().map(|(at, (key, _))| (Arc::clone(key), at)).collect(),
            ..Collection::default()
        };
        collection.rows = pairs.into_iter().map(|(key, entity)| Row { key, entity }).collect();
        let rows = collection.rows.clone();
        for (at, row) in rows.places() {
            collection.index(at, row);
        }
        Arc::new(collection)
    }

    /// The same rows but for these.
    ///
    /// *Cost*: some microseconds a change.
    pub(super) fn with(&self, changes: &Changes) -> Self {
        let mut collection = self.clone();
        // What leaves goes first: a unique value may pass from one row to another.
        let places: Vec<Option<usize>> = changes.iter().map(|(key, _)| collection.take_out(key)).collect();
        // A new row must not take the place of one that comes back to it.
        for is_new in [false, true] {
            for ((key, entity), place) in changes.iter().zip(&places) {
                let Some(entity) = entity.as_ref().filter(|_| place.is_none() == is_new) else { continue };
                collection.put_in(Row { key: Arc::clone(key), entity: Arc::clone(entity) }, *place);
            }
        }
        collection
    }

    /// The same rows, indexed for another default workspace.
    pub(super) fn in_workspace(&self, workspace: &str) -> Arc<Self> {
        let rows = self.rows.iter().map(|row| (Arc::clone(&row.key), Arc::clone(&row.entity))).collect();
        Collection::build(&self.model, rows, workspace, None)
    }

    /// What makes these rows of those that it has.
    fn changes_to(&self, rows: &Rows) -> Changes {
        let is_known = |(key, row): &(&Arc<str>, &Arc<Entity>)| {
            let own = self.by_key.get(&**key).and_then(|at| self.rows.get(*at));
            own.is_some_and(|own| Arc::ptr_eq(&own.entity, row))
        };
        let new = rows.iter().filter(|pair| !is_known(pair));
        let mut changes: Changes =
            new.map(|(key, entity)| (Arc::clone(key), Some(Arc::clone(entity)))).collect();
        if self.len() + changes.len() > rows.len() {
            let gone = self.rows.iter().filter(|row| !rows.contains_key(&row.key));
            changes.extend(gone.map(|row| (Arc::clone(&row.key), None)));
        }
        changes
    }

    /// Keys and relations of the kind.
    pub fn model(&self) -> &EntityModel {
        &self.model
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All entities, in the order of their primary keys, those that have expired left out.
    pub fn each(&self) -> impl Iterator<Item = Arc<Entity>> + '_ {
        self.order.iter().filter_map(|(_, at)| self.row(*at))
    }

    /// All entities with their places, in the order of the places; expired ones are among them.
    pub fn places(&self) -> impl Iterator<Item = (usize, &Arc<Entity>)> {
        self.rows.places().map(|(at, row)| (at, &row.entity))
    }

    /// The entity at a place.
    pub fn at(&self, place: usize) -> Option<&Arc<Entity>> {
        self.rows.get(place).map(|row| &row.entity)
    }

    /// Where the entity with this primary key has its place.
    pub fn place(&self, key: &str) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// The places of the entities whose foreign field points to `foreign_key`, in the order of their primary keys.
    pub fn places_for(&self, field: &str, foreign_key: &str) -> &[usize] {
        let rows = self.foreign.get(field).and_then(|keys| keys.get(foreign_key));
        rows.map(|rows| rows.as_slice()).unwrap_or_default()
    }

    /// The places at which this collection and another have not the very same entity.
    ///
    /// *Cost*: that of the changes between the two, where one was made of the other.
    pub fn differences(&self, other: &Collection) -> Vec<usize> {
        self.rows.differences(&other.rows, |one, other| Arc::ptr_eq(&one.entity, &other.entity))
    }

    /// The entity with this primary key, as text.
    pub fn select(&self, key: &str) -> Option<Arc<Entity>> {
        self.row(*self.by_key.get(key)?)
    }

    /// The entity with this value in a unique field; a foreign key is given by its text.
    pub fn select_by(&self, field: &str, value: &str) -> Option<Arc<Entity>> {
        let across = self.model.unique_field(field)?.across_workspaces;
        let workspace = if across { "" } else { self.workspace_text() };
        self.row(*self.unique.get(field)?.get(unique_text(workspace, value).as_str())?)
    }

    /// The entity with this cache key, as [`EntityModel::cache_key_text`] writes it.
    pub fn select_by_cache_key(&self, cache_key: &str) -> Option<Arc<Entity>> {
        self.row(*self.by_cache_key.get(cache_key)?)
    }

    /// A page of all entities.
    ///
    /// # Errors
    /// An offset that is not one.
    pub fn page(&self, request: &PageRequest) -> Result<Page, DbError> {
        let prefix = format!("{}|{}|*|", self.model.name, self.workspace_text());
        self.page_of(self.order.iter().map(|(_, at)| *at), &prefix, request)
    }

    /// A page of the entities whose foreign field points to `foreign_key`.
    ///
    /// # Errors
    /// An offset that is not one.
    pub fn page_for(&self, field: &str, foreign_key: &str, request: &PageRequest) -> Result<Page, DbError> {
        let prefix = format!("{}|{}|{field}|{foreign_key}|", self.model.name, self.workspace_text());
        self.page_of(self.places_for(field, foreign_key).iter().copied(), &prefix, request)
    }

    fn page_of(
        &self,
        rows: impl Iterator<Item = usize>,
        prefix: &str,
        request: &PageRequest,
    ) -> Result<Page, DbError> {
        let after = request.after()?;
        let begins = |index: &usize| {
            let Some(after) = &after else { return true };
            let key = self.rows.get(*index).map(|row| &*row.key).unwrap_or_default();
            let full = prefix.bytes().chain(key.bytes());
            full.cmp(after.iter().copied()).is_ge()
        };
        let mut rows = rows.filter(|index| self.is_visible(*index)).filter(begins).peekable();
        let mut page = Page::default();
        let mut last = None;
        for index in rows.by_ref().take(request.size) {
            last = Some(index);
            let row =
                self.row(index).filter(|row| request.tags.as_ref().is_none_or(|tags| tags.matches(row)));
            page.rows.extend(row);
        }
        if rows.peek().is_some() {
            let row = last.and_then(|index| self.rows.get(index));
            page.offset = row.map(|row| offset_after(prefix, &row.key));
        }
        Ok(page)
    }

    /// Puts a row in a place, or in the first gap.
    fn put_in(&mut self, row: Row, place: Option<usize>) {
        let at = match place {
            Some(place) => {
                self.rows.set(place, Some(row.clone()));
                place
            }
            None => self.rows.add(row.clone()),
        };
        self.order.insert(Arc::clone(&row.key), at);
        self.index(at, &row);
    }

    /// Lists a row that is in its place under all its keys.
    fn index(&mut self, at: usize, row: &Row) {
        let keys = Keys::of(self, &row.entity);
        for (field, text) in keys.unique {
            self.unique.entry(field).or_default().insert(text.into(), at);
        }
        for (field, target) in keys.foreign {
            let targets = self.foreign.entry(field).or_default();
            let is_below = |other: &usize| self.rows.get(*other).is_some_and(|other| other.key < row.key);
            match targets.get_mut(target.as_str()).map(Arc::make_mut) {
                Some(rows) => rows.insert(rows.partition_point(is_below), at),
                None => drop(targets.insert(target.into(), Arc::new(vec![at]))),
            }
        }
        if let Some(text) = keys.cache_key {
            self.by_cache_key.insert(text.into(), at);
        }
        self.by_key.insert(Arc::clone(&row.key), at);
    }

    /// Takes a row out; returns the place that it had.
    fn take_out(&mut self, key: &str) -> Option<usize> {
        let at = self.by_key.remove(key)?;
        self.order.remove(key);
        let entity = Arc::clone(self.at(at)?);
        let keys = Keys::of(self, &entity);
        let remove = |places: &mut Places, text: &str| {
            if places.get(text) == Some(&at) {
                places.remove(text);
            }
        };
        for (field, text) in keys.unique {
            self.unique.entry(field).and_modify(|places| remove(places, &text));
        }
        for (field, target) in keys.foreign {
            let Some(targets) = self.foreign.get_mut(&field) else { continue };
            let rows = targets.get(target.as_str()).into_iter().flat_map(|rows| rows.iter());
            let left: Vec<usize> = rows.copied().filter(|other| *other != at).collect();
            match left.is_empty() {
                true => drop(targets.remove(target.as_str())),
                false => drop(targets.insert(target.into(), Arc::new(left))),
            }
        }
        if let Some(text) = keys.cache_key {
            remove(&mut self.by_cache_key, &text);
        }
        self.rows.set(at, None);
        Some(at)
    }

    fn row(&self, index: usize) -> Option<Arc<Entity>> {
        self.alive(self.at(index)?)
    }

    /// The entity with the seconds it still has in place of the time it ends; none if that has passed.
    fn alive(&self, row: &Arc<Entity>) -> Option<Arc<Entity>> {
        if !self.model.has_ttl {
            return Some(Arc::clone(row));
        }
        let Some(end) = row.get("ttl").and_then(Value::as_f64) else {
            return Some(Arc::clone(row));
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs() as f64);
        if end <= now {
            return None;
        }
        let mut entity = Entity::clone(row);
        entity.insert("ttl".to_owned(), Value::from((end - now) as i64));
        Some(Arc::new(entity))
    }

    fn is_visible(&self, index: usize) -> bool {
        let Some(row) = self.at(index) else { return false };
        !self.model.workspaceable || self.workspace_of(row) == self.workspace_text()
    }

    fn workspace_of<'a>(&'a self, entity: &'a Entity) -> &'a str {
        entity.get("ws_id").and_then(Value::as_str).unwrap_or(&self.default_workspace)
    }

    fn workspace_text(&self) -> &str {
        &self.default_workspace
    }
}

/// Under what a row is listed beside its primary key.
struct Keys {
    /// Fields, and the workspace and value.
    unique: Vec<(String, String)>,
    /// Fields, and the key of the entity pointed to.
    foreign: Vec<(String, String)>,
    cache_key: Option<String>,
}

impl Keys {
    fn of(collection: &Collection, entity: &Entity) -> Keys {
        let model = &collection.model;
        let workspace = collection.workspace_of(entity);
        let text = |name: &str| Some(part_text(entity.get(name))).filter(|text| !text.is_empty());
        let unique = model.unique.iter().filter_map(|field| {
            let workspace = if field.across_workspaces { "" } else { workspace };
            Some((field.name.clone(), unique_text(workspace, &text(&field.name)?)))
        });
        let foreign = model.foreign.iter();
        let cache_key = || model.cache_key_text(entity, &collection.default_workspace);
        Keys {
            unique: unique.collect(),
            foreign: foreign.filter_map(|field| Some((field.name.clone(), text(&field.name)?))).collect(),
            cache_key: (!model.cache_key.is_empty()).then(cache_key),
        }
    }
}

fn unique_text(workspace: &str, value: &str) -> String {
    format!("{workspace}|{value}")
}
