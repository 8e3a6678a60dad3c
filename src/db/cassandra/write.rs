//! Changing rows.

use std::sync::Arc;

use serde_json::Value;

use super::aside;
use super::claims::Claims;
use super::delivery::{Delivery, Stage};
use super::draft::{CACHE_KEY, Draft, Look, Slot, alive, stored};
use super::read;
use super::session::{Session, Statement, text};
use super::table::{Stored, Table};
use super::tables::Tables;
use crate::db::{Change, DbError, Entity, Expiry, Place, Removed, View, Write, Written, notes};

/// So many rows of a kind are removed one by one: to empty a table takes all nodes, and long.
const FEW: usize = 500;

/// Makes changes; all or none unless they are more than a batch takes.
pub(super) async fn write(
    session: &Session,
    tables: &Tables,
    author: &str,
    changes: Vec<Change>,
) -> Result<Vec<Written>, DbError> {
    let mut work = Work { tables, draft: Draft::new(session, tables) };
    work.ask_ahead(&changes).await?;
    let mut all = Vec::with_capacity(changes.len());
    for change in changes {
        all.push(work.apply(change).await?);
    }
    let note = notes::event(author, &all, &tables.model);
    let delivery = Delivery::new(work.stages()?, note);
    let claims = Claims::of(&work.draft, tables)?;
    claims.take(session, tables).await?;
    if let Err(failed) = delivery.send(session).await {
        // What timed out may have been made: its claims stay, and are abandoned if it was not.
        if !failed.is_begun && !failed.error.is_away() {
            claims.undo(session).await;
        }
        return Err(failed.error);
    }
    claims.give_up(session).await;
    Ok(all)
}

/// A batch of changes that is being worked out.
struct Work<'a> {
    tables: &'a Tables,
    draft: Draft<'a>,
}

impl<'a> Work<'a> {
    /// Asks at once what the changes will need to know.
    async fn ask_ahead(&mut self, changes: &[Change]) -> Result<(), DbError> {
        let mut looks = Vec::new();
        for change in changes {
            let table = self.tables.of(&change.kind)?;
            let workspace = change.workspace.as_deref();
            let at = |place: &Place| match place {
                Place::Key(key) => Look::at_key(table, key),
                Place::Field(field, value) => Look::at_field(table, field, value, workspace),
            };
            match &change.write {
                Write::Insert(entity, _) => {
                    looks.push(Look::at_key(table, entity));
                    looks.extend(self.needs(table, entity));
                }
                Write::Upsert(place, entity, _) => {
                    looks.push(at(place));
                    let mut entity = entity.clone();
                    if let Place::Key(key) = place {
                        entity.extend(key.clone());
                    }
                    looks.extend(self.needs(table, &entity));
                }
                Write::Update(place, ..) | Write::Delete(place) => looks.push(at(place)),
            }
        }
        self.draft.ask(looks).await
    }

    /// What is asked before a new row may be written.
    fn needs(&self, table: &Table, entity: &Entity) -> Vec<Look> {
        let model = &table.model;
        let workspace = entity.get("ws_id").and_then(Value::as_str);
        let mut looks = Vec::new();
        if model.has_composite_cache_key() {
            let cache_key = Value::from(model.cache_key_text(entity, ""));
            looks.push(Look::at_field(table, CACHE_KEY, &cache_key, None));
        }
        for field in &model.unique {
            if let Some(value) = entity.get(&field.name).filter(|value| !value.is_null()) {
                looks.push(Look::at_field(table, &field.name, value, workspace));
            }
        }
        for field in &model.foreign {
            let parent = self.tables.present(&field.reference);
            if let (Some(Value::Object(key)), Some(parent)) = (entity.get(&field.name), parent) {
                looks.push(Look::at_key(parent, key));
            }
        }
        if let (Some(id), Some(workspaces)) = (workspace, self.tables.present("workspaces")) {
            looks.push(Look::at_key(workspaces, &workspace_key(id)));
        }
        looks
    }

    async fn apply(&mut self, change: Change) -> Result<Written, DbError> {
        let table = self.tables.of(&change.kind)?;
        let view = View { workspace: change.workspace, skip_ttl: change.skip_ttl, ..View::default() };
        match change.write {
            Write::Insert(entity, expiry) => self.insert(table, entity, expiry).await,
            Write::Update(place, fields, expiry) => {
                let before = self.at(table, &place, &view).await?.ok_or_else(|| place.not_found())?;
                self.replace(table, before, fields, expiry).await
            }
            Write::Upsert(place, entity, expiry) => self.upsert(table, place, entity, expiry, &view).await,
            Write::Delete(place) => self.delete(table, &place, &view).await,
        }
    }

    async fn at(&mut self, table: &Table, place: &Place, view: &View) -> Result<Option<Stored>, DbError> {
        match place {
            Place::Key(key) => {
                let found = self.draft.at_key(table, key).await?;
                Ok(found.filter(|row| table.is_seen(row, view)))
            }
            Place::Field(field, value) => {
                let is_across = table.model.unique_field(field).is_some_and(|field| field.across_workspaces);
                let workspace = view.workspace.clone().filter(|_| !is_across);
                let view = View { workspace, ..view.clone() };
                let found = self.draft.at_field(table, field, value, view.workspace.as_deref()).await?;
                Ok(found.into_iter().find(|row| table.is_seen(row, &view)))
            }
        }
    }

    async fn insert(&mut self, table: &Table, entity: Entity, expiry: Expiry) -> Result<Written, DbError> {
        let entity = table.kept(entity)?;
        if self.draft.at_key(table, &entity).await?.is_some() {
            return Err(DbError::primary_key_violation(table.model.primary_key_of(&entity)));
        }
        self.check(table, &entity, None).await?;
        let ends = if let Expiry::At(end) = expiry { Some(end) } else { None };
        let row = stored(entity, ends);
        let after = Some(table.shown(&row, &View::default()));
        let key = Arc::clone(&row.entity);
        self.draft.put(table, &key, alive(row));
        Ok(Written { kind: table.model.name.clone(), after, ..Written::default() })
    }

    async fn upsert(
        &mut self,
        table: &Table,
        place: Place,
        mut entity: Entity,
        expiry: Expiry,
        view: &View,
    ) -> Result<Written, DbError> {
        let before = self.at(table, &place, view).await?;
        match (&before, place) {
            (_, Place::Key(key)) => entity.extend(key),
            (Some(before), Place::Field(..)) => entity.extend(table.model.primary_key_of(&before.entity)),
            (None, Place::Field(field, value)) => drop(entity.insert(field, value)),
        }
        let expiry = if expiry == Expiry::Keep { Expiry::Never } else { expiry };
        match before {
            Some(before) => self.replace(table, before, entity, expiry).await,
            None => self.insert(table, entity, expiry).await,
        }
    }

    async fn replace(
        &mut self,
        table: &Table,
        before: Stored,
        fields: Entity,
        expiry: Expiry,
    ) -> Result<Written, DbError> {
        let mut entity = Entity::clone(&before.entity);
        entity.extend(fields);
        entity.extend(table.model.primary_key_of(&before.entity));
        let entity = table.kept(entity)?;
        self.check(table, &entity, Some(&before.entity)).await?;
        let ends = match expiry {
            Expiry::Keep => before.ends,
            Expiry::Never => None,
            Expiry::At(end) => Some(end),
        };
        let row = stored(entity, ends);
        let mut written = Written { kind: table.model.name.clone(), ..Written::default() };
        written.before = Some(table.shown(&before, &View::default()));
        written.after = Some(table.shown(&row, &View::default()));
        self.draft.put(table, &before.entity, alive(row));
        Ok(written)
    }

    /// What only the store can know of a row; `before` is what it takes the place of, of which nothing is asked again.
    async fn check(
        &mut self,
        table: &Table,
        entity: &Entity,
        before: Option<&Arc<Entity>>,
    ) -> Result<(), DbError> {
        let model = &table.model;
        let key = model.key_text(entity);
        let is_new = |field: &str| before.is_none_or(|before| before.get(field) != entity.get(field));
        let workspace = entity.get("ws_id").and_then(Value::as_str);
        if model.has_composite_cache_key() {
            let text = model.cache_key_text(entity, "");
            if before.is_none_or(|before| model.cache_key_text(before, "") != text) {
                let found = self.draft.at_field(table, CACHE_KEY, &Value::from(text), None).await?;
                if found.iter().any(|row| model.key_text(&row.entity) != key) {
                    return Err(model.cache_key_violation(entity));
                }
            }
        }
        for field in &model.unique {
            let Some(value) = entity.get(&field.name).filter(|value| !value.is_null()) else { continue };
            if !is_new(&field.name) && !is_new("ws_id") {
                continue;
            }
            let found = self.draft.at_field(table, &field.name, value, workspace).await?;
            let is_same = |row: &Stored| {
                model.key_text(&row.entity) != key
                    && (field.across_workspaces || row.entity.get("ws_id") == entity.get("ws_id"))
            };
            if found.iter().any(is_same) {
                return Err(model.unique_violation(&field.name, entity));
            }
        }
        for field in &model.foreign {
            let Some(Value::Object(key)) = entity.get(&field.name) else { continue };
            let Some(parent) = self.tables.present(&field.reference) else { continue };
            if is_new(&field.name) && self.draft.at_key(parent, key).await?.is_none() {
                return Err(DbError::foreign_key_dangling(key.clone(), &field.name, &field.reference));
            }
        }
        let (Some(id), Some(workspaces)) =
            (workspace.filter(|_| model.workspaceable), self.tables.present("workspaces"))
        else {
            return Ok(());
        };
        if is_new("ws_id") && self.draft.at_key(workspaces, &workspace_key(id)).await?.is_none() {
            return Err(DbError::invalid_workspace(id));
        }
        Ok(())
    }

    async fn delete(&mut self, table: &Table, place: &Place, view: &View) -> Result<Written, DbError> {
        let mut written = Written { kind: table.model.name.clone(), ..Written::default() };
        if let Some(before) = self.at(table, place, view).await? {
            self.remove(table, &before.entity, &mut written.cascaded).await?;
            written.before = Some(table.shown(&before, &View::default()));
        }
        Ok(written)
    }

    /// Removes a row and, before it, those that go with it.
    async fn remove(
        &mut self,
        table: &Table,
        entity: &Entity,
        removed: &mut Vec<Removed>,
    ) -> Result<(), DbError> {
        let tables = self.tables;
        let key = Value::Object(table.model.primary_key_of(entity));
        for (child, field) in tables.model.children(&table.model.name) {
            let Some(below) = tables.present(&child.name) else { continue };
            for row in self.draft.at_field(below, &field.name, &key, None).await? {
                if !field.cascades {
                    return Err(DbError::foreign_key_restricted(&table.model.name, &child.name));
                }
                Box::pin(self.remove(below, &row.entity, removed)).await?;
                let entity = below.shown(&row, &View::default());
                removed.push(Removed { kind: child.name.clone(), entity });
            }
        }
        if table.model.name == "workspaces" {
            self.check_is_empty(entity).await?;
        }
        self.draft.put(table, entity, None);
        Ok(())
    }

    /// Whether no entity belongs to a workspace.
    async fn check_is_empty(&mut self, workspace: &Entity) -> Result<(), DbError> {
        let id = workspace.get("id").cloned().unwrap_or_default();
        let tables = self.tables;
        for kind in tables.model.kinds().filter(|kind| kind.workspaceable) {
            let Some(table) = tables.present(&kind.name) else { continue };
            if !self.draft.at_field(table, "ws_id", &id, None).await?.is_empty() {
                return Err(DbError::foreign_key_restricted("workspaces", &kind.name));
            }
        }
        Ok(())
    }

    // ---- statements ---------------------------------------------------------------------------------

    /// What is to be sent: parents before children, children gone before parents.
    fn stages(&self) -> Result<Vec<Stage>, DbError> {
        let place = |kind: &str| self.tables.model.kinds().position(|other| other.name == kind);
        let (mut put, mut gone) = (Vec::new(), Vec::new());
        for (kind, slot) in self.draft.touched() {
            let table = self.tables.of(kind)?;
            let mut group = match &slot.after {
                Some(after) if slot.before.as_ref() == Some(after) => continue,
                Some(after) => vec![table.put(slot.before.as_ref(), after)?],
                None if slot.before.is_none() => continue,
                None => vec![table.delete(&slot.key)?],
            };
            group.extend(tag_statements(table, slot));
            if slot.after.is_some() {
                put.push((place(kind), group))
            } else {
                gone.push((place(kind), group))
            }
        }
        put.sort_by_key(|(place, _)| *place);
        gone.sort_by_key(|(place, _)| std::cmp::Reverse(*place));
        let mut stages: Vec<(_, Stage)> = Vec::new();
        let (put, gone) = (put.into_iter().map(|row| (true, row)), gone.into_iter().map(|row| (false, row)));
        for (is_put, (place, group)) in put.chain(gone) {
            match stages.last_mut() {
                Some((last, stage)) if *last == (is_put, place) => stage.push(group),
                _ => stages.push(((is_put, place), vec![group])),
            }
        }
        Ok(stages.into_iter().map(|(_, stage)| stage).collect())
    }
}

/// What keeps the table of tags in step with a row.
fn tag_statements(table: &Table, slot: &Slot) -> Vec<Statement> {
    const PUT: &str =
        "INSERT INTO tags (tag, entity_name, entity_id, other_tags) VALUES (?, ?, ?, ?) USING TTL ?";
    const DELETE: &str = "DELETE FROM tags WHERE tag = ? AND entity_name = ? AND entity_id = ?";
    let tags = |row: &Option<Stored>| -> Vec<String> {
        let tags = row.as_ref().and_then(|row| row.entity.get("tags")).and_then(Value::as_array);
        tags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let (before, after) = (tags(&slot.before), tags(&slot.after));
    let ends = |row: &Option<Stored>| row.as_ref().and_then(|row| row.ends);
    if !table.model.has_tags || (before == after && ends(&slot.before) == ends(&slot.after)) {
        return Vec::new();
    }
    let id = table.model.key_text(&slot.key);
    let place = |tag: &String| vec![text(tag.as_str()), text(table.model.name.as_str()), text(id.as_str())];
    let gone = before.iter().filter(|tag| !after.contains(tag));
    let mut statements: Vec<Statement> =
        gone.map(|tag| Statement { cql: DELETE.into(), values: place(tag) }).collect();
    for tag in &after {
        let mut values = place(tag);
        values.extend(super::table::tag_values(&after, ends(&slot.after)));
        statements.push(Statement { cql: PUT.into(), values });
    }
    statements
}

fn workspace_key(id: &str) -> Entity {
    Entity::from_iter([("id".to_owned(), Value::from(id))])
}

// ---- everything of a kind ----------------------------------------------------------------------------

/// Removes all rows of a kind, and all that point to any.
pub(super) async fn truncate(
    session: &Session,
    tables: &Tables,
    author: &str,
    kind: &str,
) -> Result<(), DbError> {
    tables.of(kind)?;
    let kinds = tables.model.emptied_with(kind);
    let mut work = Work { tables, draft: Draft::new(session, tables) };
    let mut many = Vec::new();
    // Children come after those they point to.
    for kind in tables.model.kinds().rev().filter(|kind| kinds.contains(&kind.name)) {
        let Some(table) = tables.present(&kind.name) else { continue };
        match read::few(session, table, FEW).await? {
            Some(rows) => rows.into_iter().for_each(|row| work.draft.remove(table, row)),
            None => {
                session.run_once(&format!("TRUNCATE {}", table.name), &[]).await?;
                many.push(kind.name.clone());
            }
        }
    }
    Delivery::new(work.stages()?, None).send(session).await.map_err(|failed| failed.error)?;
    Claims::of(&work.draft, tables)?.give_up(session).await;
    aside::forget(session, &many).await?;
    aside::add_event(session, &notes::everything(author)).await
}
