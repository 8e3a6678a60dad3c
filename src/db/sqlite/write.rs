//! Changing rows.

use std::sync::Arc;

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use super::aside;
use super::bulk;
use super::read;
use super::sql::{self, Bound, execute, failed, quoted, row};
use super::store::Tables;
use super::table::{ENDS, KEY, Table, WORKSPACE};
use super::violation;
use crate::db::{Change, DbError, Entity, Expiry, Place, Removed, View, Write, Written, notes};

/// Makes changes, all or none.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    tables: &Tables,
    changes: Vec<Change>,
    author: &str,
) -> Result<Vec<Written>, DbError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let mut all = Vec::with_capacity(changes.len());
    let mut changes = changes.into_iter().peekable();
    while changes.peek().is_some() {
        let run = bulk::next(&mut changes);
        let mut work = Work { tables, connection: &mut transaction };
        let Some(first) = run.first() else { break };
        match work.insert_all(tables.of(&first.kind)?, &run).await? {
            Some(written) => all.extend(written),
            None => {
                for change in run {
                    all.push(work.apply(change).await?);
                }
            }
        }
    }
    if let Some(note) = notes::event(author, &all, &tables.model) {
        aside::add_event(&mut transaction, note).await?;
    }
    transaction.commit().await.map_err(failed)?;
    Ok(all)
}

/// Removes all rows of a kind, and all that point to any.
pub(super) async fn truncate(
    connection: &mut SqliteConnection,
    tables: &Tables,
    kind: &str,
) -> Result<(), DbError> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
    let kinds = tables.model.emptied_with(kind);
    // Children come after those they point to.
    for kind in tables.model.kinds().rev().filter(|kind| kinds.contains(&kind.name)) {
        let Some(table) = tables.known(&kind.name) else { continue };
        let delete = format!("DELETE FROM {}", table.name);
        execute(&mut transaction, &delete, Vec::new()).await.map_err(failed)?;
        let untag = "DELETE FROM _tags WHERE entity_name = ?";
        execute(&mut transaction, untag, vec![Bound::from(kind.name.as_str())]).await.map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// One change within a transaction.
pub(super) struct Work<'a> {
    tables: &'a Tables,
    pub(super) connection: &'a mut SqliteConnection,
}

impl Work<'_> {
    async fn apply(&mut self, change: Change) -> Result<Written, DbError> {
        let table = self.tables.of(&change.kind)?;
        let view = View { workspace: change.workspace, skip_ttl: change.skip_ttl, ..View::default() };
        match change.write {
            Write::Insert(entity, expiry) => self.insert(table, entity, expiry).await,
            Write::Update(place, fields, expiry) => {
                let before = read::at(self.connection, table, &place, &view).await?;
                let Some(before) = before else { return Err(place.not_found()) };
                self.replace(table, &before, fields, expiry).await
            }
            Write::Upsert(place, entity, expiry) => self.upsert(table, place, entity, expiry, &view).await,
            Write::Delete(place) => self.delete(table, &place, &view).await,
        }
    }

    async fn insert(&mut self, table: &Table, entity: Entity, expiry: Expiry) -> Result<Written, DbError> {
        let entity = table.model.row(entity);
        let ends = if let Expiry::At(end) = expiry { Some(end) } else { None };
        self.clear_expired(table, &entity).await?;
        let values = table.values(&entity, ends);
        if let Err(error) = execute(self.connection, &table.insert, values).await {
            return Err(violation::explain(self.connection, self.tables, table, &entity, true, error).await);
        }
        self.tag(table, None, &entity).await?;
        let after = Some(table.shown(entity, ends, &View::default()));
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
        let before = read::at(self.connection, table, &place, view).await?;
        match (&before, place) {
            (_, Place::Key(key)) => entity.extend(key),
            (Some(before), Place::Field(..)) => entity.extend(table.model.primary_key_of(before)),
            (None, Place::Field(field, value)) => drop(entity.insert(field, value)),
        }
        let expiry = if expiry == Expiry::Keep { Expiry::Never } else { expiry };
        match before {
            Some(before) => self.replace(table, &before, entity, expiry).await,
            None => self.insert(table, entity, expiry).await,
        }
    }

    async fn replace(
        &mut self,
        table: &Table,
        before: &Arc<Entity>,
        fields: Entity,
        expiry: Expiry,
    ) -> Result<Written, DbError> {
        let key = table.model.key_text(before);
        let mut entity = Entity::clone(before);
        entity.extend(fields);
        let entity = table.model.row(entity);
        let ends = match expiry {
            Expiry::Keep => self.end_of(table, &key).await?,
            Expiry::Never => None,
            Expiry::At(end) => Some(end),
        };
        let mut values = table.values(&entity, ends);
        values.remove(0);
        values.push(Bound::from(key));
        if let Err(error) = execute(self.connection, &table.update, values).await {
            return Err(violation::explain(self.connection, self.tables, table, &entity, false, error).await);
        }
        self.tag(table, Some(before), &entity).await?;
        let after = Some(table.shown(entity, ends, &View::default()));
        let before = Some(Arc::clone(before));
        Ok(Written { kind: table.model.name.clone(), before, after, ..Written::default() })
    }

    async fn end_of(&mut self, table: &Table, key: &str) -> Result<Option<f64>, DbError> {
        if !table.model.has_ttl {
            return Ok(None);
        }
        let sql = format!("SELECT {} FROM {} WHERE {} = ?", quoted(ENDS), table.name, quoted(KEY));
        let found = row(self.connection, &sql, vec![Bound::from(key)]).await?;
        found.map_or(Ok(None), |row| sql::real(&row, 0))
    }

    /// Makes room for a row that has the keys of one that has expired.
    async fn clear_expired(&mut self, table: &Table, entity: &Entity) -> Result<(), DbError> {
        if !table.model.has_ttl {
            return Ok(());
        }
        let mut either = vec![format!("{} = ?", quoted(KEY))];
        let mut values =
            vec![Bound::from(crate::db::store::now()), Bound::from(table.model.key_text(entity))];
        for field in &table.model.unique {
            either.push(format!("{} = ?", quoted(&field.name)));
            values.push(Bound::from(crate::db::model::part_text(entity.get(&field.name))));
        }
        let sql =
            format!("DELETE FROM {} WHERE {} <= ? AND ({})", table.name, quoted(ENDS), either.join(" OR "));
        execute(self.connection, &sql, values).await.map(drop).map_err(failed)
    }

    async fn delete(&mut self, table: &Table, place: &Place, view: &View) -> Result<Written, DbError> {
        let mut written = Written { kind: table.model.name.clone(), ..Written::default() };
        if let Some(before) = read::at(self.connection, table, place, view).await? {
            self.remove(table, &before, &mut written.cascaded).await?;
            written.before = Some(before);
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
        let key = table.model.key_text(entity);
        for (child, field) in self.tables.model.children(&table.model.name) {
            let Some(below) = self.tables.known(&child.name) else { continue };
            for entity in read::below(self.connection, below, &field.name, &key).await? {
                if !field.cascades {
                    return Err(DbError::foreign_key_restricted(&table.model.name, &child.name));
                }
                Box::pin(self.remove(below, &entity, removed)).await?;
                removed.push(Removed { kind: child.name.clone(), entity });
            }
        }
        if table.model.name == "workspaces" {
            self.check_is_empty(&key).await?;
        }
        let sql = format!("DELETE FROM {} WHERE {} = ?", table.name, quoted(KEY));
        execute(self.connection, &sql, vec![Bound::from(key.as_str())]).await.map_err(failed)?;
        self.untag(table, &key).await
    }

    /// Whether no entity belongs to a workspace.
    async fn check_is_empty(&mut self, workspace: &str) -> Result<(), DbError> {
        for kind in self.tables.model.kinds().filter(|kind| kind.workspaceable) {
            let Some(table) = self.tables.known(&kind.name) else { continue };
            let sql = format!("SELECT 1 FROM {} WHERE {WORKSPACE} = ? LIMIT 1", table.name);
            if row(self.connection, &sql, vec![Bound::from(workspace)]).await?.is_some() {
                return Err(DbError::foreign_key_restricted("workspaces", &kind.name));
            }
        }
        Ok(())
    }

    // ---- tags ---------------------------------------------------------------------------------

    pub(super) async fn tag(
        &mut self,
        table: &Table,
        before: Option<&Entity>,
        entity: &Entity,
    ) -> Result<(), DbError> {
        let before = before.and_then(|before| before.get("tags"));
        let tags = entity.get("tags");
        if !table.model.has_tags || before.unwrap_or(&Value::Null) == tags.unwrap_or(&Value::Null) {
            return Ok(());
        }
        let key = table.model.key_text(entity);
        if before.is_some_and(|before| !before.is_null()) {
            self.untag(table, &key).await?;
        }
        for tag in tags.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let insert = "INSERT OR IGNORE INTO _tags (entity_name, entity_id, tag) VALUES (?, ?, ?)";
            let values = vec![Bound::from(table.model.name.as_str()), key.as_str().into(), tag.into()];
            execute(self.connection, insert, values).await.map_err(failed)?;
        }
        Ok(())
    }

    async fn untag(&mut self, table: &Table, key: &str) -> Result<(), DbError> {
        if !table.model.has_tags {
            return Ok(());
        }
        let delete = "DELETE FROM _tags WHERE entity_name = ? AND entity_id = ?";
        let values = vec![Bound::from(table.model.name.as_str()), key.into()];
        execute(self.connection, delete, values).await.map(drop).map_err(failed)
    }
}
