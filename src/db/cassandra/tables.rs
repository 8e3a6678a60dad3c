//! The tables of all kinds, with the columns that the keyspace has.

use std::sync::Arc;

use indexmap::IndexMap;

use super::session::Session;
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

impl Tables {
    /// Looks what columns there are.
    pub(super) fn read(session: &Session, keyspace: &str, model: &Arc<Model>) -> Tables {
        let state = session.driver().get_cluster_state();
        let known = state.get_keyspace(keyspace).map(|keyspace| &keyspace.tables);
        // What tags there are is kept in a table of another form.
        let kinds = || model.kinds().filter(|kind| kind.name != "tags");
        let find = |kind: &EntityModel| known.and_then(|tables| tables.get(&kind.table));
        let absent = kinds().filter(|kind| find(kind).is_none()).map(|kind| kind.name.clone()).collect();
        let table = |kind: &EntityModel| {
            let found = find(kind);
            let is_partitioned = found.is_some_and(|table| table.partition_key == ["partition"]);
            Table::new(kind, model, is_partitioned, |name| {
                found.and_then(|table| table.columns.get(name)).map(|column| column.typ.clone())
            })
        };
        let tables = kinds().map(|kind| (kind.name.clone(), table(kind))).collect();
        Tables { model: Arc::clone(model), tables, absent }
    }

    /// The table of a kind.
    ///
    /// *Errors*: a kind that there is no table of.
    pub(super) fn of(&self, kind: &str) -> Result<&Table, DbError> {
        if self.absent.iter().any(|absent| absent == kind) {
            let message = format!("the keyspace has no table for {kind}: run 'kong migrations up'");
            return Err(DbError::database(message));
        }
        self.tables.get(kind).ok_or_else(|| unknown_kind(kind))
    }

    /// The table of a kind, if the keyspace has it.
    pub(super) fn present(&self, kind: &str) -> Option<&Table> {
        self.tables.get(kind).filter(|_| !self.absent.iter().any(|absent| absent == kind))
    }

    /// The kind that a table is of; a table of none stands for itself.
    pub(super) fn kind_of<'a>(&'a self, table: &'a str) -> &'a str {
        let kind = self.tables.values().find(|known| known.model.table == table);
        kind.map_or(table, |known| &known.model.name)
    }
}
