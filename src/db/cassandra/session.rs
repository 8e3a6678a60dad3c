//! One session of the driver: prepared statements, and what is asked with which consistency.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use scylla::client::session::Session as Driver;
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::Consistency;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::value::{CqlValue, MaybeUnset, Row};

use super::Settings;
use super::connection::{self, consistency, open, serial, told};
use crate::db::DbError;

/// A session with a keyspace.
pub(super) struct Session {
    driver: Driver,
    settings: Settings,
    prepared: Mutex<HashMap<String, PreparedStatement>>,
}

/// A value for a place in a statement: unset leaves a column as it is, none empties it.
pub(super) type Bound = MaybeUnset<Option<CqlValue>>;

/// A statement and what stands in its places.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    /// The statement.
    pub(super) cql: Arc<str>,
    /// A value for each of its places.
    pub(super) values: Vec<Bound>,
}

/// Rows of a page that is read whole.
const ROWS: i32 = 2000;

/// A value that is there.
pub(super) fn bound(value: CqlValue) -> Bound {
    MaybeUnset::Set(Some(value))
}

/// A text that is there.
pub(super) fn text(value: impl Into<String>) -> Bound {
    bound(CqlValue::Text(value.into()))
}

impl std::fmt::Debug for Session {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Session").field("settings", &self.settings.address()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session with the keyspace.
    ///
    /// *Errors*: no node can be reached, or there is no such keyspace.
    pub(super) async fn open(settings: &Settings) -> Result<Session, DbError> {
        let driver = open(settings, true).await?;
        Ok(Session { driver, settings: settings.clone(), prepared: Mutex::default() })
    }

    /// The driver's own.
    pub(super) fn driver(&self) -> &Driver {
        &self.driver
    }

    /// All rows that a query finds.
    pub(super) async fn rows(&self, cql: &str, values: &[Bound]) -> Result<Vec<Row>, DbError> {
        let consistency = consistency(self.settings.read_consistency);
        self.all_pages(cql, values, consistency).await
    }

    /// All rows that a query finds, with what lightweight transactions have agreed upon.
    pub(super) async fn agreed_rows(&self, cql: &str, values: &[Bound]) -> Result<Vec<Row>, DbError> {
        let consistency = match self.settings.local_datacenter {
            Some(_) => Consistency::LocalSerial,
            None => Consistency::Serial,
        };
        self.all_pages(cql, values, consistency).await
    }

    async fn all_pages(
        &self,
        cql: &str,
        values: &[Bound],
        consistency: Consistency,
    ) -> Result<Vec<Row>, DbError> {
        let mut all = Vec::new();
        let mut state = PagingState::start();
        loop {
            let (rows, next) = self.one_page(cql, values, ROWS, state, consistency).await?;
            all.extend(rows);
            match next {
                Some(next) => state = next,
                None => return Ok(all),
            }
        }
    }

    /// A page of the rows that a query finds, and the state of the next one.
    pub(super) async fn page(
        &self,
        cql: &str,
        values: &[Bound],
        size: usize,
        state: PagingState,
    ) -> Result<(Vec<Row>, Option<PagingState>), DbError> {
        let size = i32::try_from(size).unwrap_or(i32::MAX);
        let consistency = consistency(self.settings.read_consistency);
        self.one_page(cql, values, size, state, consistency).await
    }

    async fn one_page(
        &self,
        cql: &str,
        values: &[Bound],
        size: i32,
        state: PagingState,
        consistency: Consistency,
    ) -> Result<(Vec<Row>, Option<PagingState>), DbError> {
        let mut prepared = self.prepare(cql).await?;
        prepared.set_page_size(size);
        prepared.set_consistency(consistency);
        prepared.set_is_idempotent(true);
        let (result, next) =
            self.driver.execute_single_page(&prepared, values, state).await.map_err(|error| told(&error))?;
        let next = match next {
            PagingStateResponse::HasMorePages { state } => Some(state),
            PagingStateResponse::NoMorePages => None,
        };
        Ok((rows_of(result)?, next))
    }

    /// Runs a change that may be made twice.
    pub(super) async fn run(&self, cql: &str, values: &[Bound]) -> Result<(), DbError> {
        self.change(cql, values, true).await.map(drop)
    }

    /// Runs a change that must be made once: it is not tried again where it may have been made.
    pub(super) async fn run_once(&self, cql: &str, values: &[Bound]) -> Result<(), DbError> {
        self.change(cql, values, false).await.map(drop)
    }

    /// Runs a lightweight transaction; tells whether it was made.
    pub(super) async fn decide(&self, cql: &str, values: &[Bound]) -> Result<bool, DbError> {
        let rows = rows_of(self.change(cql, values, false).await?)?;
        let applied = rows.first().and_then(|row| row.columns.first()).and_then(Option::as_ref);
        Ok(applied == Some(&CqlValue::Boolean(true)))
    }

    async fn change(&self, cql: &str, values: &[Bound], is_idempotent: bool) -> Result<QueryResult, DbError> {
        let mut prepared = self.prepare(cql).await?;
        prepared.set_consistency(consistency(self.settings.write_consistency));
        prepared.set_is_idempotent(is_idempotent);
        self.driver.execute_unpaged(&prepared, values).await.map_err(|error| told(&error))
    }

    /// Makes changes of several rows, once accepted all of them.
    pub(super) async fn batch(&self, statements: Vec<Statement>) -> Result<(), DbError> {
        if let [only] = statements.as_slice() {
            return self.run(&only.cql, &only.values).await;
        }
        let mut batch = Batch::new(BatchType::Logged);
        let mut values = Vec::with_capacity(statements.len());
        for statement in statements {
            batch.append_statement(self.prepare(&statement.cql).await?);
            values.push(statement.values);
        }
        batch.set_consistency(consistency(self.settings.write_consistency));
        batch.set_serial_consistency(Some(serial(&self.settings)));
        batch.set_is_idempotent(true);
        self.driver.batch(&batch, values).await.map(drop).map_err(|error| told(&error))
    }

    async fn prepare(&self, cql: &str) -> Result<PreparedStatement, DbError> {
        let known = self.prepared.lock().get(cql).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let prepared = self.driver.prepare(cql).await.map_err(|error| connection::prepare(&error))?;
        self.prepared.lock().insert(cql.to_owned(), prepared.clone());
        Ok(prepared)
    }
}

fn rows_of(result: QueryResult) -> Result<Vec<Row>, DbError> {
    if !result.is_rows() {
        return Ok(Vec::new());
    }
    let broken =
        |error: &dyn std::fmt::Display| DbError::database(format!("an answer cannot be read: {error}"));
    let result = result.into_rows_result().map_err(|error| broken(&error))?;
    let rows = result.rows::<Row>().map_err(|error| broken(&error))?;
    rows.collect::<Result<_, _>>().map_err(|error| broken(&error))
}

impl Statement {
    /// About how many bytes its values have.
    pub(super) fn bytes(&self) -> usize {
        const VALUE: usize = 16;
        let size = |bound: &Bound| match bound {
            MaybeUnset::Set(Some(value)) => VALUE + bytes_of(value),
            _ => VALUE,
        };
        self.values.iter().map(size).sum()
    }
}

fn bytes_of(value: &CqlValue) -> usize {
    match value {
        CqlValue::Text(text) | CqlValue::Ascii(text) => text.len(),
        CqlValue::Blob(bytes) => bytes.len(),
        // each element is a cell of its own
        CqlValue::List(items) | CqlValue::Set(items) => items.iter().map(|item| 24 + bytes_of(item)).sum(),
        CqlValue::Map(entries) => {
            entries.iter().map(|(key, value)| 24 + bytes_of(key) + bytes_of(value)).sum()
        }
        _ => 16,
    }
}
