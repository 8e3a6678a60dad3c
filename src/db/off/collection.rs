//! All entities of one kind, indexed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use foldhash::fast::RandomState;
use serde_json::Value;

use crate::db::model::part_text;
use crate::db::page::{Page, PageRequest, offset_after};
use crate::db::{DbError, Entity, EntityModel, Rows};

/// Text → the place of a row.
type Places = HashMap<Arc<str>, usize, RandomState>;

/// The entities of one kind, in the order of their primary keys.
#[derive(Debug, Default)]
pub struct Collection {
    model: EntityModel,
    default_workspace: String,
    keys: Vec<Arc<str>>,
    rows: Vec<Arc<Entity>>,
    by_key: Places,
    by_cache_key: Places,
    /// Field → workspace and value → row.
    unique: HashMap<String, Places>,
    /// Field → key of the entity pointed to → rows.
    foreign: HashMap<String, HashMap<Box<str>, Vec<usize>, RandomState>>,
}

impl Collection {
    /// Indexes rows; `previous` itself when it has the very same ones.
    pub(super) fn build(
        model: &EntityModel,
        rows: Rows,
        workspace: &str,
        previous: Option<&Arc<Collection>>,
    ) -> Arc<Self> {
        if let Some(same) = previous.filter(|previous| previous.has(&rows, workspace)) {
            return Arc::clone(same);
        }
        let mut pairs: Vec<(Arc<str>, Arc<Entity>)> = rows.into_iter().collect();
        pairs.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut collection = Collection {
            model: model.clone(),
            default_workspace: workspace.to_owned(),
            by_key: Places::with_capacity_and_hasher(pairs.len(), RandomState::default()),
            ..Collection::default()
        };
        for (key, entity) in pairs {
            collection.add(key, entity);
        }
        Arc::new(collection)
    }

    /// Whether it has these very rows and no others.
    fn has(&self, rows: &Rows, workspace: &str) -> bool {
        let has = |(key, row): (&Arc<str>, &Arc<Entity>)| {
            self.by_key.get(key).and_then(|at| self.rows.get(*at)).is_some_and(|own| Arc::ptr_eq(own, row))
        };
        self.default_workspace == workspace && self.rows.len() == rows.len() && rows.iter().all(has)
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
        self.rows.iter().filter_map(|row| self.alive(row))
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
        self.page_of(0..self.rows.len(), &prefix, request)
    }

    /// A page of the entities whose foreign field points to `foreign_key`.
    ///
    /// # Errors
    /// An offset that is not one.
    pub fn page_for(&self, field: &str, foreign_key: &str, request: &PageRequest) -> Result<Page, DbError> {
        let prefix = format!("{}|{}|{field}|{foreign_key}|", self.model.name, self.workspace_text());
        let rows = self.foreign.get(field).and_then(|keys| keys.get(foreign_key));
        self.page_of(rows.into_iter().flatten().copied(), &prefix, request)
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
            let key = self.keys.get(*index).map(|key| &**key).unwrap_or_default();
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
            let key = last.and_then(|index| self.keys.get(index));
            page.offset = key.map(|key| offset_after(prefix, key));
        }
        Ok(page)
    }

    fn add(&mut self, key: Arc<str>, entity: Arc<Entity>) {
        let index = self.rows.len();
        let workspace = self.workspace_of(&entity).to_owned();
        for field in &self.model.unique {
            let value = part_text(entity.get(&field.name));
            if !value.is_empty() {
                let workspace = if field.across_workspaces { "" } else { &workspace };
                let values = self.unique.entry(field.name.clone()).or_default();
                values.insert(unique_text(workspace, &value).into(), index);
            }
        }
        for field in &self.model.foreign {
            let target = part_text(entity.get(&field.name));
            if !target.is_empty() {
                let targets = self.foreign.entry(field.name.clone()).or_default();
                match targets.get_mut(target.as_str()) {
                    Some(rows) => rows.push(index),
                    None => drop(targets.insert(target.into(), vec![index])),
                }
            }
        }
        if !self.model.cache_key.is_empty() {
            let text = self.model.cache_key_text(&entity, &self.default_workspace);
            self.by_cache_key.insert(text.into(), index);
        }
        self.by_key.insert(key.clone(), index);
        self.keys.push(key);
        self.rows.push(entity);
    }

    fn row(&self, index: usize) -> Option<Arc<Entity>> {
        self.alive(self.rows.get(index)?)
    }

    /// The entity with the seconds it still has in place of the time it ends; none if that has passed.
    fn alive(&self, row: &Arc<Entity>) -> Option<Arc<Entity>> {
        let Some(end) = row.get("ttl").and_then(Value::as_f64).filter(|_| self.model.has_ttl) else {
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
        let Some(row) = self.rows.get(index) else { return false };
        !self.model.workspaceable || self.workspace_of(row) == self.default_workspace
    }

    fn workspace_of<'a>(&'a self, entity: &'a Entity) -> &'a str {
        entity.get("ws_id").and_then(Value::as_str).unwrap_or(&self.default_workspace)
    }

    fn workspace_text(&self) -> &str {
        &self.default_workspace
    }
}

fn unique_text(workspace: &str, value: &str) -> String {
    format!("{workspace}|{value}")
}
