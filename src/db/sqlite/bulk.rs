//! Many new rows of one kind at once: a statement for each hundred, rather than several for each.

use std::collections::HashSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::sql::{self, Bound, execute, failed, quoted, rows};
use super::table::{ENDS, KEY, Table};
use super::write::Work;
use crate::db::store::now;
use crate::db::{Change, DbError, Entity, Expiry, Place, View, Write, Written};

/// Rows of a statement.
const ROWS: usize = 100;

/// A row that is new, unless its key is taken.
struct New {
    entity: Entity,
    ends: Option<f64>,
}

/// Takes the next changes that may be made together: as many of one kind as a statement has rows.
pub(super) fn next(changes: &mut Peekable<IntoIter<Change>>) -> Vec<Change> {
    let Some(first) = changes.next() else { return Vec::new() };
    let mut run = vec![first];
    while run.len() < ROWS
        && let (Some(first), Some(next)) = (run.first(), changes.peek())
        && first.kind == next.kind
        && first.workspace == next.workspace
        && is_new(first)
        && is_new(next)
    {
        run.extend(changes.next());
    }
    run
}

/// Whether a change may be made together with others.
fn is_new(change: &Change) -> bool {
    matches!(change.write, Write::Insert(..) | Write::Upsert(Place::Key(_), ..))
}

impl Work<'_> {
    /// Makes a full run of changes with one statement. `None` where that cannot be done, and nothing was: a key is
    /// taken, or a rule is broken, which is for the single change to tell.
    pub(super) async fn insert_all(
        &mut self,
        table: &Table,
        run: &[Change],
    ) -> Result<Option<Vec<Written>>, DbError> {
        if run.len() < ROWS {
            return Ok(None);
        }
        let new: Vec<New> = run.iter().filter_map(|change| new_row(table, change)).collect();
        if new.len() < run.len() || self.any_is_taken(table, &new).await? {
            return Ok(None);
        }
        if table.model.has_ttl {
            let delete = format!("DELETE FROM {} WHERE {} <= ?", table.name, quoted(ENDS));
            execute(self.connection, &delete, vec![now().into()]).await.map_err(failed)?;
        }
        let values = new.iter().flat_map(|row| table.values(&row.entity, row.ends)).collect();
        match execute(self.connection, &table.insert_of(ROWS), values).await {
            Ok(_) => {}
            Err(error) if error.as_database_error().is_some() => return Ok(None),
            Err(error) => return Err(failed(error)),
        }
        let mut written = Vec::with_capacity(new.len());
        for New { entity, ends } in new {
            self.tag(table, None, &entity).await?;
            let after = Some(table.shown(entity, ends, &View::default()));
            written.push(Written { kind: table.model.name.clone(), after, ..Written::default() });
        }
        Ok(Some(written))
    }

    /// Whether a row has one of these keys, or two of them are the same.
    async fn any_is_taken(&mut self, table: &Table, new: &[New]) -> Result<bool, DbError> {
        let keys: Vec<String> = new.iter().map(|row| table.model.key_text(&row.entity)).collect();
        let different: HashSet<&String> = keys.iter().collect();
        if different.len() < keys.len() {
            return Ok(true);
        }
        let places = vec!["?"; keys.len()].join(", ");
        let select = format!("SELECT {0} FROM {1} WHERE {0} IN ({places}) LIMIT 1", quoted(KEY), table.name);
        let found = rows(self.connection, &select, keys.into_iter().map(Bound::from).collect()).await?;
        found.first().map(|row| sql::text(row, 0)).transpose().map(|key| key.is_some())
    }
}

fn new_row(table: &Table, change: &Change) -> Option<New> {
    let (entity, expiry) = match &change.write {
        Write::Insert(entity, expiry) => (entity.clone(), expiry),
        Write::Upsert(Place::Key(key), entity, expiry) => {
            let mut entity = entity.clone();
            entity.extend(key.clone());
            (entity, expiry)
        }
        _ => return None,
    };
    let ends = if let Expiry::At(end) = expiry { Some(*end) } else { None };
    Some(New { entity: table.model.row(entity), ends })
}
