//! Many new rows of a kind at once: an import asks the server once for a thousand of them.

use std::sync::Arc;

use super::session::{Session, told};
use super::table::Table;
use super::tables::Tables;
use super::value;
use crate::db::{Change, DbError, Entity, Expiry, Place, Write, Written};

/// The rows of a statement.
const AT_ONCE: usize = 1000;
/// Below this each row is a statement of its own, which tells what is wrong with it.
const WORTHWHILE: usize = 8;

/// How many changes at the beginning of a batch may be new rows of one kind: inserts, and upserts of rows that may not
/// be there yet.
pub(super) fn run_of_inserts(changes: &[Change]) -> usize {
    let Some(first) = changes.first() else { return 0 };
    let is_alike = |change: &&Change| change.kind == first.kind && inserted(change).is_some();
    changes.iter().take(AT_ONCE).take_while(is_alike).count()
}

/// Inserts rows of one kind; none where they are few, or where one is refused, as it is where the row is there already:
/// then each is to be tried for itself.
pub(super) async fn insert(
    session: &mut Session,
    tables: &Tables,
    changes: &[Change],
) -> Result<Option<Vec<Written>>, DbError> {
    let Some(first) = changes.first().filter(|_| changes.len() >= WORTHWHILE) else { return Ok(None) };
    let table = tables.of(&first.kind)?;
    let rows: Vec<(&Entity, Expiry)> = changes.iter().filter_map(inserted).collect();
    session.run("SAVEPOINT bulk").await.map_err(|error| told(&error))?;
    let (sql, parameters) = statement(table, &rows);
    match session.entities(sql, parameters).await {
        Ok(found) => {
            let written = in_order(table, found, &rows);
            let end = if written.is_some() { "RELEASE SAVEPOINT bulk" } else { "ROLLBACK TO SAVEPOINT bulk" };
            session.run(end).await.map_err(|error| told(&error))?;
            Ok(written)
        }
        Err(error) if session.is_usable() && error.as_database_error().is_some() => {
            session.run("ROLLBACK TO SAVEPOINT bulk").await.map_err(|error| told(&error))?;
            Ok(None)
        }
        Err(error) => Err(told(&error)),
    }
}

fn inserted(change: &Change) -> Option<(&Entity, Expiry)> {
    match &change.write {
        Write::Insert(entity, expiry) => Some((entity, *expiry)),
        Write::Upsert(Place::Key(key), entity, expiry) => {
            let has_key = key.iter().all(|(name, value)| entity.get(name) == Some(value));
            has_key.then_some((entity, *expiry))
        }
        _ => None,
    }
}

/// A list for each column, of the values of all rows.
fn statement(table: &Table, rows: &[(&Entity, Expiry)]) -> (String, Vec<Option<String>>) {
    let (mut names, mut places, mut lists, mut fields, mut parameters) =
        (vec![], vec![], vec![], vec![], vec![]);
    for (number, column) in table.columns.iter().enumerate() {
        let values = rows.iter().map(|(entity, expiry)| table.value(column, entity, *expiry));
        parameters.push(Some(value::texts(values)));
        names.push(column.quoted.as_str());
        lists.push(format!("${}::text[]", number + 1));
        fields.push(format!("f{number}"));
        places.push(column.of_text(&format!("f{number}")));
    }
    let change = format!(
        "INSERT INTO {} ({}) SELECT {} FROM unnest({}) AS rows ({})",
        table.name,
        names.join(", "),
        places.join(", "),
        lists.join(", "),
        fields.join(", ")
    );
    (table.returning(&change), parameters)
}

/// What was written, in the order that it was asked for; none if the answer is not about the same rows.
fn in_order(table: &Table, found: Vec<Entity>, rows: &[(&Entity, Expiry)]) -> Option<Vec<Written>> {
    let by_key: std::collections::HashMap<String, Arc<Entity>> =
        found.into_iter().map(|row| (table.model.key_text(&row), Arc::new(row))).collect();
    let written = rows.iter().map(|(entity, _)| {
        let after = by_key.get(&table.model.key_text(entity))?;
        Some(Written { kind: table.model.name.clone(), after: Some(Arc::clone(after)), ..Written::default() })
    });
    written.collect()
}
