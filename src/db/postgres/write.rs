//! Changing rows.

use std::sync::Arc;

use super::read;
use super::session::{Failure, Parameter, Session, told};
use super::table::{Column, Conditions, Source, Table};
use super::tables::Tables;
use super::{aside, bulk, violation};
use crate::db::{Change, DbError, Entity, Expiry, Place, Removed, View, Write, Written, notes};

/// How often a batch is tried that met another one on its way.
const ATTEMPTS: usize = 5;
/// A lock on the row, for as long as the transaction lasts.
const LOCK: &str = " FOR UPDATE";

/// Makes changes, all or none; `author` is who will be told apart from the other nodes.
pub(super) async fn write(
    session: &mut Session,
    tables: &Tables,
    author: &str,
    changes: Vec<Change>,
) -> Result<Vec<Written>, DbError> {
    for attempt in 1.. {
        let mut work = Work { tables, session, met_another: false };
        let outcome = work.all(author, &changes).await;
        let met_another = work.met_another;
        match session.end(outcome).await {
            Err(_) if met_another && attempt < ATTEMPTS && session.is_usable() => {}
            outcome => return outcome,
        }
    }
    Err(DbError::database("the changes were not tried"))
}

/// Removes all rows of a kind, and all that point to any.
pub(super) async fn truncate(
    session: &mut Session,
    tables: &Tables,
    author: &str,
    kind: &str,
) -> Result<(), DbError> {
    let gone = tables.model.emptied_with(kind);
    for attempt in 1.. {
        let mut met_another = false;
        session.begin_long("").await.map_err(|error| told(&error))?;
        let outcome = empty(session, tables, author, (kind, &gone), &mut met_another).await;
        match session.end(outcome).await {
            Err(_) if met_another && attempt < ATTEMPTS && session.is_usable() => {}
            outcome => return outcome,
        }
    }
    Err(DbError::database("the table was not emptied"))
}

/// Empties a table, within a transaction; tells whether another one was in its way.
async fn empty(
    session: &mut Session,
    tables: &Tables,
    author: &str,
    (kind, gone): (&str, &[String]),
    met_another: &mut bool,
) -> Result<(), DbError> {
    let truncate = format!("TRUNCATE {} RESTART IDENTITY CASCADE", tables.of(kind)?.name);
    session.run_any(truncate).await.map_err(|error| {
        *met_another = is_in_the_way(&error);
        told(&error)
    })?;
    for kind in gone {
        let table = Some(tables.of(kind)?.model.table.clone());
        let untag = "DELETE FROM tags WHERE entity_name = $1".to_owned();
        session.rows(untag, vec![table]).await.map_err(|error| told(&error))?;
    }
    aside::add_event(session, author, notes::everything(author)).await
}

/// Whether an error is a deadlock, or a snapshot that another transaction made old.
fn is_in_the_way(error: &Failure) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| matches!(&*code, "40P01" | "40001"))
}

/// A batch within its transaction.
struct Work<'a> {
    tables: &'a Tables,
    session: &'a mut Session,
    /// Whether it failed because another transaction was in its way, so that a second attempt may succeed.
    met_another: bool,
}

impl Work<'_> {
    async fn all(&mut self, author: &str, changes: &[Change]) -> Result<Vec<Written>, DbError> {
        self.session.run("BEGIN").await.map_err(|error| told(&error))?;
        let mut all = Vec::with_capacity(changes.len());
        let mut rest = changes;
        while !rest.is_empty() {
            let (run, after) = rest.split_at(bulk::run_of_inserts(rest).clamp(1, rest.len()));
            match bulk::insert(self.session, self.tables, run).await? {
                Some(written) => all.extend(written),
                None => {
                    for change in run {
                        all.push(self.apply(change).await?);
                    }
                }
            }
            rest = after;
        }
        if let Some(note) = notes::event(author, &all, &self.tables.model) {
            aside::add_event(self.session, author, note).await?;
        }
        Ok(all)
    }

    async fn apply(&mut self, change: &Change) -> Result<Written, DbError> {
        let table = self.tables.of(&change.kind)?;
        let view = View { workspace: change.workspace.clone(), skip_ttl: change.skip_ttl, ..View::default() };
        match &change.write {
            Write::Insert(entity, expiry) => self.insert(table, entity, *expiry).await,
            Write::Update(place, fields, expiry) => {
                let before = read::at(self.session, table, place, &view, LOCK).await?;
                let Some(before) = before else { return Err(place.clone().not_found()) };
                self.replace(table, before, fields, *expiry).await
            }
            Write::Upsert(place, entity, expiry) => {
                self.upsert(table, place, entity.clone(), *expiry, &view).await
            }
            Write::Delete(place) => self.delete(table, place, &view).await,
        }
    }

    async fn insert(&mut self, table: &Table, entity: &Entity, expiry: Expiry) -> Result<Written, DbError> {
        let (mut names, mut places, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
        for column in &table.columns {
            parameters.push(table.value(column, entity, expiry));
            names.push(column.quoted.as_str());
            places.push(column.place(parameters.len()));
        }
        let (names, places, name) = (names.join(", "), places.join(", "), &table.name);
        let sql = table.returning(&format!("INSERT INTO {name} ({names}) VALUES ({places})"));
        let after = self.changed(table, entity, sql, parameters).await?;
        Ok(Written { kind: table.model.name.clone(), after, ..Written::default() })
    }

    async fn upsert(
        &mut self,
        table: &Table,
        place: &Place,
        mut entity: Entity,
        expiry: Expiry,
        view: &View,
    ) -> Result<Written, DbError> {
        let before = read::at(self.session, table, place, view, LOCK).await?;
        match (&before, place) {
            (_, Place::Key(key)) => entity.extend(key.clone()),
            (Some(before), Place::Field(..)) => entity.extend(table.model.primary_key_of(before)),
            (None, Place::Field(field, value)) => drop(entity.insert(field.clone(), value.clone())),
        }
        let expiry = if expiry == Expiry::Keep { Expiry::Never } else { expiry };
        match before {
            Some(before) => self.replace(table, before, &entity, expiry).await,
            None => {
                let inserted = self.insert(table, &entity, expiry).await;
                // somebody may have inserted it since it was looked for
                self.met_another |= inserted.is_err();
                inserted
            }
        }
    }

    async fn replace(
        &mut self,
        table: &Table,
        before: Arc<Entity>,
        fields: &Entity,
        expiry: Expiry,
    ) -> Result<Written, DbError> {
        let mut merged = Entity::clone(&before);
        merged.extend(fields.clone());
        let is_set = |column: &&Column| match &column.source {
            Source::Field(field) | Source::Foreign(field, _) => {
                fields.contains_key(field) && !table.model.primary_key.contains(field)
            }
            Source::Workspace => fields.contains_key("ws_id"),
            Source::CacheKey => true,
            Source::Ttl => expiry != Expiry::Keep,
        };
        let (mut sets, mut conditions) = (Vec::new(), Conditions::default());
        for column in table.columns.iter().filter(is_set) {
            let number = conditions.parameter(table.value(column, &merged, expiry));
            sets.push(format!("{} = {}", column.quoted, column.place(number)));
        }
        let mut written = Written { kind: table.model.name.clone(), ..Written::default() };
        if sets.is_empty() {
            (written.before, written.after) = (Some(Arc::clone(&before)), Some(before));
            return Ok(written);
        }
        table.at_key(&before, &mut conditions);
        let sql = table.returning(&format!("UPDATE {} SET {}{conditions}", table.name, sets.join(", ")));
        written.after = self.changed(table, &merged, sql, conditions.parameters).await?;
        written.before = Some(before);
        Ok(written)
    }

    async fn delete(&mut self, table: &Table, place: &Place, view: &View) -> Result<Written, DbError> {
        let mut written = Written { kind: table.model.name.clone(), ..Written::default() };
        if let Some(before) = read::at(self.session, table, place, view, LOCK).await? {
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
        let key = table.model.primary_key_of(entity);
        for (child, field) in self.tables.model.children(&table.model.name) {
            let Some(below) = self.tables.present(&child.name) else { continue };
            for entity in read::below(self.session, below, &field.name, &key).await? {
                if !field.cascades {
                    return Err(DbError::foreign_key_restricted(&table.model.name, &child.name));
                }
                Box::pin(self.remove(below, &entity, removed)).await?;
                removed.push(Removed { kind: child.name.clone(), entity });
            }
        }
        let mut conditions = Conditions::default();
        table.at_key(&key, &mut conditions);
        let sql = format!("DELETE FROM {}{conditions}", table.name);
        let deleted = self.session.rows(sql, conditions.parameters).await;
        deleted.map(drop).map_err(|error| self.refused(&error, table, entity))
    }

    /// Runs a change of one row, and gives the row as it is then.
    async fn changed(
        &mut self,
        table: &Table,
        entity: &Entity,
        sql: String,
        parameters: Vec<Parameter>,
    ) -> Result<Option<Arc<Entity>>, DbError> {
        let changed = self.session.entities(sql, parameters).await;
        let rows = changed.map_err(|error| self.refused(&error, table, entity))?;
        Ok(rows.into_iter().next().map(Arc::new))
    }

    fn refused(&mut self, error: &Failure, table: &Table, entity: &Entity) -> DbError {
        self.met_another |= is_in_the_way(error);
        violation::explain(error, self.tables, table, entity)
    }
}
