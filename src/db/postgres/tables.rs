//! The tables of all kinds, with the types that the database's columns have.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use sqlx::Row;

use super::session::{Session, told};
use super::table::Table;
use crate::db::store::unknown_kind;
use crate::db::{DbError, EntityModel, Model};

/// The tables of all kinds.
#[derive(Debug)]
pub(super) struct Tables {
    /// The kinds.
    pub(super) model: Arc<Model>,
    tables: IndexMap<String, Table>,
    /// The kinds that have no table here.
    absent: Vec<String>,
}

/// The columns of the schema: table, column, type.
const COLUMNS: &str = "SELECT cls.relname::text, att.attname::text, format_type(att.atttypid, NULL) \
    FROM pg_attribute att JOIN pg_class cls ON cls.oid = att.attrelid \
    JOIN pg_namespace nsp ON nsp.oid = cls.relnamespace \
    WHERE nsp.nspname = CURRENT_SCHEMA AND cls.relkind IN ('r', 'p', 'v') AND att.attnum > 0 AND NOT att.attisdropped";

impl Tables {
    /// Reads what columns there are.
    pub(super) async fn read(session: &mut Session, model: &Arc<Model>) -> Result<Tables, DbError> {
        let mut types: HashMap<String, HashMap<String, String>> = HashMap::new();
        for row in session.rows(COLUMNS.to_owned(), Vec::new()).await.map_err(|error| told(&error))? {
            let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
            let (table, column, kind): (String, String, String) = read().map_err(|error| told(&error))?;
            types.entry(table).or_default().insert(column, kind);
        }
        // Tags are kept by triggers: no entity is one.
        let kinds = || model.kinds().filter(|kind| kind.name != "tags");
        let absent =
            kinds().filter(|kind| !types.contains_key(&kind.table)).map(|kind| kind.name.clone()).collect();
        let table = |kind: &EntityModel| {
            let columns = types.get(&kind.table);
            Table::new(kind, model, |column| columns.and_then(|columns| columns.get(column)).cloned())
        };
        let tables = kinds().map(|kind| (kind.name.clone(), table(kind))).collect();
        Ok(Tables { model: Arc::clone(model), tables, absent })
    }

    /// The table of a kind.
    pub(super) fn of(&self, kind: &str) -> Result<&Table, DbError> {
        self.tables.get(kind).ok_or_else(|| unknown_kind(kind))
    }

    /// The table of a kind, if the database has it.
    pub(super) fn present(&self, kind: &str) -> Option<&Table> {
        self.tables.get(kind).filter(|_| !self.absent.iter().any(|absent| absent == kind))
    }

    /// Those that the database has.
    pub(super) fn all(&self) -> impl DoubleEndedIterator<Item = &Table> {
        self.tables.keys().filter_map(|kind| self.present(kind))
    }

    /// The kind that a table is of; a table of none stands for itself.
    pub(super) fn kind_of<'a>(&'a self, table: &'a str) -> &'a str {
        let kind = self.tables.values().find(|known| known.model.table == table);
        kind.map_or(table, |known| &known.model.name)
    }
}
