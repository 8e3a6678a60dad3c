//! Statements with their values.

use serde_json::Value;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use crate::db::DbError;

/// A value of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Bound {
    Text(Option<String>),
    Real(Option<f64>),
    Integer(i64),
}

impl From<&str> for Bound {
    fn from(text: &str) -> Bound {
        Bound::Text(Some(text.to_owned()))
    }
}

impl From<String> for Bound {
    fn from(text: String) -> Bound {
        Bound::Text(Some(text))
    }
}

impl From<f64> for Bound {
    fn from(number: f64) -> Bound {
        Bound::Real(Some(number))
    }
}

impl From<i64> for Bound {
    fn from(number: i64) -> Bound {
        Bound::Integer(number)
    }
}

/// A name as it stands in a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A statement; all that is not fixed in it are names that went through [`quoted`].
fn query(sql: &str, values: Vec<Bound>) -> Query<'_, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(AssertSqlSafe(sql.to_owned())), |query, value| match value {
        Bound::Text(text) => query.bind(text),
        Bound::Real(number) => query.bind(number),
        Bound::Integer(number) => query.bind(number),
    })
}

/// Runs a statement that has no rows; tells how many it changed.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &str,
    values: Vec<Bound>,
) -> Result<u64, sqlx::Error> {
    Ok(query(sql, values).execute(connection).await?.rows_affected())
}

/// Runs a statement and answers its rows.
pub(super) async fn rows(
    connection: &mut SqliteConnection,
    sql: &str,
    values: Vec<Bound>,
) -> Result<Vec<SqliteRow>, DbError> {
    query(sql, values).fetch_all(connection).await.map_err(failed)
}

/// Runs a statement and answers its first row.
pub(super) async fn row(
    connection: &mut SqliteConnection,
    sql: &str,
    values: Vec<Bound>,
) -> Result<Option<SqliteRow>, DbError> {
    query(sql, values).fetch_optional(connection).await.map_err(failed)
}

/// A text of a row.
pub(super) fn text(row: &SqliteRow, at: usize) -> Result<String, DbError> {
    row.try_get(at).map_err(failed)
}

/// A number of a row, or none.
pub(super) fn real(row: &SqliteRow, at: usize) -> Result<Option<f64>, DbError> {
    row.try_get(at).map_err(failed)
}

/// A whole number of a row.
pub(super) fn integer(row: &SqliteRow, at: usize) -> Result<i64, DbError> {
    row.try_get(at).map_err(failed)
}

/// The error of a database that fails.
pub(super) fn failed(error: sqlx::Error) -> DbError {
    DbError::database(format!("sqlite: {error}"))
}

/// A row's JSON.
pub(super) fn json(text: &str) -> Result<Value, DbError> {
    serde_json::from_str(text)
        .map_err(|error| DbError::database(format!("sqlite: a row is no JSON: {error}")))
}
