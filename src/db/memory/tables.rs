//! Rows, and the rules for changing them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value;

use crate::db::model::part_text;
use crate::db::page::{key_offset, offset_key};
use crate::db::records::{offset_of_tags, tag_offset};
use crate::db::store::{now, unknown_kind};
use crate::db::{
    Change, DbError, Entities, Entity, EntityModel, Expiry, Model, Page, Place, Query, Removed, Rows,
    TagPage, Tagged, View, Write, Written,
};

/// The rows of all kinds.
#[derive(Debug, Clone)]
pub(super) struct Tables {
    model: Arc<Model>,
    /// Kind → primary key's text → row.
    rows: HashMap<String, BTreeMap<String, Row>>,
}

#[derive(Debug, Clone)]
struct Row {
    entity: Arc<Entity>,
    ends: Option<f64>,
}

impl Row {
    fn is_seen(&self, model: &EntityModel, view: &View) -> bool {
        let is_here = !model.workspaceable
            || view.workspace.as_deref().is_none_or(|id| text(&self.entity, "ws_id") == Some(id));
        is_here && (view.skip_ttl || self.ends.is_none_or(|end| end > now()))
    }

    fn shown(&self, model: &EntityModel, view: &View) -> Arc<Entity> {
        if !model.has_ttl {
            return Arc::clone(&self.entity);
        }
        let mut entity = Entity::clone(&self.entity);
        let ttl = self.ends.map(|end| if view.export { end } else { (end - now()).floor() } as i64);
        entity.insert("ttl".to_owned(), ttl.map_or(Value::Null, Value::from));
        Arc::new(entity)
    }
}

impl Tables {
    pub(super) fn new(model: Arc<Model>) -> Tables {
        Tables { model, rows: HashMap::new() }
    }

    fn kind(&self, kind: &str) -> Result<&EntityModel, DbError> {
        self.model.kind(kind).ok_or_else(|| unknown_kind(kind))
    }

    fn rows_of(&self, kind: &str) -> impl DoubleEndedIterator<Item = (&String, &Row)> {
        self.rows.get(kind).into_iter().flatten()
    }

    fn find(
        &self,
        kind: &str,
        view: &View,
        is_it: impl Fn(&Entity) -> bool,
    ) -> Result<Option<Arc<Entity>>, DbError> {
        let model = self.kind(kind)?;
        let mut seen = self.rows_of(kind).map(|(_, row)| row).filter(|row| row.is_seen(model, view));
        Ok(seen.find(|row| is_it(&row.entity)).map(|row| row.shown(model, view)))
    }

    pub(super) fn select(
        &self,
        kind: &str,
        key: &Entity,
        view: &View,
    ) -> Result<Option<Arc<Entity>>, DbError> {
        let model = self.kind(kind)?;
        let wanted = model.key_text(key);
        self.find(kind, view, |entity| model.key_text(entity) == wanted)
    }

    pub(super) fn select_by(
        &self,
        kind: &str,
        field: &str,
        value: &Value,
        view: &View,
    ) -> Result<Option<Arc<Entity>>, DbError> {
        let across = self.kind(kind)?.unique_field(field).is_some_and(|field| field.across_workspaces);
        let view = View { workspace: view.workspace.clone().filter(|_| !across), ..view.clone() };
        let wanted = part_text(Some(value));
        self.find(kind, &view, |entity| part_text(entity.get(field)) == wanted)
    }

    pub(super) fn select_by_cache_key(
        &self,
        kind: &str,
        cache_key: &str,
        view: &View,
    ) -> Result<Option<Arc<Entity>>, DbError> {
        let model = self.kind(kind)?;
        self.find(kind, view, |entity| model.cache_key_text(entity, "") == cache_key)
    }

    pub(super) fn page(&self, kind: &str, query: &Query, view: &View) -> Result<Page, DbError> {
        let model = self.kind(kind)?;
        let after = query.page.offset.as_deref().map(|offset| offset_key(offset, model)).transpose()?;
        let after = after.map(|key| {
            let parts: Vec<String> = key.iter().map(|part| part_text(Some(part))).collect();
            parts.join(":")
        });
        let is_wanted = |(key, row): &(&String, &Row)| {
            let is_below = query.below.as_ref().is_none_or(|(field, above)| {
                part_text(row.entity.get(field)) == part_text(above.values().next())
            });
            after.as_ref().is_none_or(|after| *key > after)
                && row.is_seen(model, view)
                && is_below
                && query.page.tags.as_ref().is_none_or(|tags| tags.matches(&row.entity))
        };
        let mut rows = self.rows_of(kind).filter(is_wanted).map(|(_, row)| row.shown(model, view)).peekable();
        let page: Vec<Arc<Entity>> = rows.by_ref().take(query.page.size).collect();
        let last = page.last().filter(|_| rows.peek().is_some());
        let offset = last.map(|row| {
            let key = model.primary_key.iter().map(|name| row.get(name).cloned().unwrap_or_default());
            key_offset(&key.collect::<Vec<_>>())
        });
        Ok(Page { rows: page, offset })
    }

    pub(super) fn load(&self, kinds: &[&str]) -> Result<Entities, DbError> {
        let view = View::default();
        let mut all = Entities::new();
        for name in kinds {
            let model = self.kind(name)?;
            let seen = self.rows_of(name).filter(|(_, row)| row.is_seen(model, &view));
            let rows: Rows =
                seen.map(|(key, row)| (Arc::from(key.as_str()), row.shown(model, &view))).collect();
            all.insert((*name).to_owned(), rows);
        }
        Ok(all)
    }

    pub(super) fn page_tags(
        &self,
        tag: Option<&str>,
        size: usize,
        offset: Option<&str>,
    ) -> Result<TagPage, DbError> {
        let skip = tag_offset(offset)?;
        let mut rows = Vec::new();
        for model in self.model.kinds().filter(|model| model.has_tags) {
            for (key, row) in self.rows_of(&model.name) {
                let tags = row.entity.get("tags").and_then(Value::as_array).into_iter().flatten();
                let tags = tags.filter_map(Value::as_str).filter(|own| tag.is_none_or(|tag| tag == *own));
                rows.extend(tags.map(|tag| Tagged {
                    kind: model.name.clone(),
                    id: key.clone(),
                    tag: tag.to_owned(),
                }));
            }
        }
        let end = skip.saturating_add(size);
        let offset = (end < rows.len()).then(|| offset_of_tags(end));
        Ok(TagPage { rows: rows.into_iter().skip(skip).take(size).collect(), offset })
    }

    pub(super) fn truncate(&mut self, kind: &str) -> Result<(), DbError> {
        self.kind(kind)?;
        let model = Arc::clone(&self.model);
        if self.rows.remove(kind).is_some() {
            for (child, _) in model.children(kind) {
                self.truncate(&child.name)?;
            }
            for child in model.kinds().filter(|child| kind == "workspaces" && child.workspaceable) {
                self.truncate(&child.name)?;
            }
        }
        Ok(())
    }

    pub(super) fn sweep(&mut self) -> u64 {
        let mut count = 0;
        for rows in self.rows.values_mut() {
            let before = rows.len();
            rows.retain(|_, row| row.ends.is_none_or(|end| end > now()));
            count += (before - rows.len()) as u64;
        }
        count
    }

    // ---- changes ----------------------------------------------------------------------------

    pub(super) fn apply(&mut self, change: Change) -> Result<Written, DbError> {
        let model = Arc::clone(&self.model);
        let kind = model.kind(&change.kind).ok_or_else(|| unknown_kind(&change.kind))?;
        let view = View { workspace: change.workspace, skip_ttl: change.skip_ttl, ..View::default() };
        match change.write {
            Write::Insert(entity, expiry) => self.insert(kind, entity, expiry),
            Write::Update(place, fields, expiry) => {
                let before = self.at(kind, &place, &view)?.ok_or_else(|| place.not_found())?;
                self.replace(kind, &before, fields, expiry)
            }
            Write::Upsert(place, mut entity, expiry) => {
                let before = self.at(kind, &place, &view)?;
                match (&before, place) {
                    (_, Place::Key(key)) => entity.extend(key),
                    (Some(before), Place::Field(..)) => entity.extend(kind.primary_key_of(before)),
                    (None, Place::Field(field, value)) => drop(entity.insert(field, value)),
                }
                let expiry = if expiry == Expiry::Keep { Expiry::Never } else { expiry };
                match before {
                    Some(before) => self.replace(kind, &before, entity, expiry),
                    None => self.insert(kind, entity, expiry),
                }
            }
            Write::Delete(place) => self.delete(kind, &place, &view),
        }
    }

    fn at(&self, kind: &EntityModel, place: &Place, view: &View) -> Result<Option<Arc<Entity>>, DbError> {
        match place {
            Place::Key(key) => self.select(&kind.name, key, view),
            Place::Field(field, value) => self.select_by(&kind.name, field, value, view),
        }
    }

    fn insert(&mut self, kind: &EntityModel, entity: Entity, expiry: Expiry) -> Result<Written, DbError> {
        let key = kind.key_text(&entity);
        if self.rows.get(&kind.name).is_some_and(|rows| rows.contains_key(&key)) {
            return Err(DbError::primary_key_violation(kind.primary_key_of(&entity)));
        }
        self.check(kind, &entity, None)?;
        let ends = if let Expiry::At(end) = expiry { Some(end) } else { None };
        let after = self.put(kind, key, Row { entity: Arc::new(kind.row(entity)), ends });
        Ok(Written { kind: kind.name.clone(), after: Some(after), ..Written::default() })
    }

    fn replace(
        &mut self,
        kind: &EntityModel,
        before: &Arc<Entity>,
        fields: Entity,
        expiry: Expiry,
    ) -> Result<Written, DbError> {
        let key = kind.key_text(before);
        let known = self.rows.get(&kind.name).and_then(|rows| rows.get(&key));
        let mut entity = known.map(|row| Entity::clone(&row.entity)).unwrap_or_default();
        entity.extend(fields);
        self.check(kind, &entity, Some(&key))?;
        let ends = match expiry {
            Expiry::Keep => known.and_then(|row| row.ends),
            Expiry::Never => None,
            Expiry::At(end) => Some(end),
        };
        let after = self.put(kind, key, Row { entity: Arc::new(kind.row(entity)), ends });
        let before = Some(Arc::clone(before));
        Ok(Written { kind: kind.name.clone(), before, after: Some(after), ..Written::default() })
    }

    fn put(&mut self, kind: &EntityModel, key: String, row: Row) -> Arc<Entity> {
        let shown = row.shown(kind, &View::default());
        self.rows.entry(kind.name.clone()).or_default().insert(key, row);
        shown
    }

    /// What only the store can know of a row; `own` is the key of the one that it replaces.
    fn check(&self, kind: &EntityModel, entity: &Entity, own: Option<&str>) -> Result<(), DbError> {
        let others = || self.rows_of(&kind.name).filter(|(key, _)| Some(key.as_str()) != own);
        if kind.has_composite_cache_key() {
            let text = kind.cache_key_text(entity, "");
            if others().any(|(_, row)| kind.cache_key_text(&row.entity, "") == text) {
                return Err(kind.cache_key_violation(entity));
            }
        }
        for field in &kind.unique {
            let value = part_text(entity.get(&field.name));
            let is_same = |row: &Row| {
                part_text(row.entity.get(&field.name)) == value
                    && (field.across_workspaces
                        || !kind.workspaceable
                        || text(&row.entity, "ws_id") == text(entity, "ws_id"))
            };
            if !value.is_empty() && others().any(|(_, row)| is_same(row)) {
                return Err(kind.unique_violation(&field.name, entity));
            }
        }
        for field in &kind.foreign {
            let Some(Value::Object(key)) = entity.get(&field.name) else { continue };
            if self.select(&field.reference, key, &View { skip_ttl: true, ..View::default() })?.is_none() {
                return Err(DbError::foreign_key_dangling(key.clone(), &field.name, &field.reference));
            }
        }
        let workspace = text(entity, "ws_id").filter(|_| kind.workspaceable).unwrap_or_default();
        let is_known = || self.rows_of("workspaces").any(|(key, _)| key == workspace);
        if !workspace.is_empty() && self.model.kind("workspaces").is_some() && !is_known() {
            return Err(DbError::invalid_workspace(workspace));
        }
        Ok(())
    }

    fn delete(&mut self, kind: &EntityModel, place: &Place, view: &View) -> Result<Written, DbError> {
        let mut written = Written { kind: kind.name.clone(), ..Written::default() };
        if let Some(before) = self.at(kind, place, view)? {
            self.remove(kind, &before, &mut written.cascaded)?;
            written.before = Some(before);
        }
        Ok(written)
    }

    fn remove(
        &mut self,
        kind: &EntityModel,
        entity: &Entity,
        removed: &mut Vec<Removed>,
    ) -> Result<(), DbError> {
        let model = Arc::clone(&self.model);
        let key = kind.key_text(entity);
        let all = View { skip_ttl: true, ..View::default() };
        for (child, field) in model.children(&kind.name) {
            let is_below = |row: &&Row| part_text(row.entity.get(&field.name)) == key;
            let below: Vec<Arc<Entity>> = self
                .rows_of(&child.name)
                .map(|(_, row)| row)
                .filter(is_below)
                .map(|row| row.shown(child, &all))
                .collect();
            if !below.is_empty() && !field.cascades {
                return Err(DbError::foreign_key_restricted(&kind.name, &child.name));
            }
            for entity in below {
                self.remove(child, &entity, removed)?;
                removed.push(Removed { kind: child.name.clone(), entity });
            }
        }
        let lives_here = |child: &&EntityModel| {
            child.workspaceable
                && self.rows_of(&child.name).any(|(_, row)| text(&row.entity, "ws_id") == Some(&key))
        };
        if kind.name == "workspaces"
            && let Some(child) = model.kinds().find(lives_here)
        {
            return Err(DbError::foreign_key_restricted(&kind.name, &child.name));
        }
        if let Some(rows) = self.rows.get_mut(&kind.name) {
            rows.remove(&key);
        }
        Ok(())
    }
}

fn text<'a>(entity: &'a Entity, field: &str) -> Option<&'a str> {
    entity.get(field).and_then(Value::as_str)
}
