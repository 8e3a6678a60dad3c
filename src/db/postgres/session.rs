//! A connection in use.

use std::time::Duration;

use serde_json::Value;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use super::connection::{is_away, words};
use crate::db::{DbError, Entity};

/// How much longer than the server a client waits before it gives the connection up.
const GRACE: Duration = Duration::from_secs(1);
/// How long work on whole tables may take.
const LONG: Duration = Duration::from_secs(600);

/// The value of a parameter, as text that the statement casts; none is NULL.
pub(super) type Parameter = Option<String>;

/// A connection, and whether it can be used again.
///
/// *Cancel safety*: a session that is dropped in the middle of a statement is not used again.
#[derive(Debug)]
pub(super) struct Session {
    connection: PgConnection,
    timeout: Duration,
    is_usable: bool,
}

/// An error of a statement.
pub(super) type Failure = sqlx::Error;

impl Session {
    pub(super) fn new(connection: PgConnection, timeout: Duration) -> Session {
        Session { connection, timeout, is_usable: true }
    }

    /// Whether the next user finds the connection in order.
    pub(super) fn is_usable(&self) -> bool {
        self.is_usable
    }

    /// Whether the server answers on it.
    pub(super) async fn answers(&mut self) -> bool {
        tokio::time::timeout(self.timeout, self.connection.ping()).await.is_ok_and(|ping| ping.is_ok())
    }

    /// Runs a statement, and gives the entities it answers: the first column of each row is one as JSON.
    pub(super) async fn entities(
        &mut self,
        sql: String,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<Entity>, Failure> {
        let rows = self.rows(sql, parameters).await?;
        rows.iter().map(entity).collect()
    }

    /// Runs a statement, and gives its rows.
    pub(super) async fn rows(
        &mut self,
        sql: String,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<PgRow>, Failure> {
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for parameter in parameters {
            query = query.bind(parameter);
        }
        let limit = self.timeout + GRACE;
        self.is_usable = false;
        let done = tokio::time::timeout(limit, query.fetch_all(&mut self.connection)).await;
        self.judge(done)
    }

    /// Runs statements without parameters: of transactions, and others that cannot be prepared.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.run_any(sql.to_owned()).await
    }

    /// The same, of a text that is made.
    pub(super) async fn run_any(&mut self, sql: String) -> Result<(), Failure> {
        let limit = self.timeout + GRACE;
        self.is_usable = false;
        let running = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection);
        let done = tokio::time::timeout(limit, running).await;
        self.judge(done.map(|done| done.map(drop)))
    }

    /// Begins a transaction of work that takes its time.
    pub(super) async fn begin_long(&mut self, mode: &str) -> Result<(), Failure> {
        self.timeout = LONG;
        self.run_any(format!("BEGIN {mode}; SET LOCAL statement_timeout = {}", LONG.as_millis())).await
    }

    /// Ends a transaction: as its outcome says.
    pub(super) async fn end<T>(&mut self, outcome: Result<T, DbError>) -> Result<T, DbError> {
        match outcome {
            Ok(answer) => match self.run("COMMIT").await {
                Ok(()) => Ok(answer),
                Err(error) => Err(told(&error)),
            },
            Err(error) => {
                if self.is_usable {
                    // A connection on which this fails is not used again.
                    let _ = self.run("ROLLBACK").await;
                }
                Err(error)
            }
        }
    }

    /// Sets how long statements may take from here on.
    pub(super) fn within(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    fn judge<T>(
        &mut self,
        done: Result<Result<T, Failure>, tokio::time::error::Elapsed>,
    ) -> Result<T, Failure> {
        let done = done.unwrap_or_else(|_| {
            let message = format!("timeout: no answer within {} ms", self.timeout.as_millis());
            Err(Failure::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, message)))
        });
        self.is_usable = match &done {
            Ok(_) => true,
            // what ends a session begins with these: shutdown, crash, termination
            Err(Failure::Database(error)) => !error.code().is_some_and(|code| code.starts_with("57P")),
            Err(_) => false,
        };
        done
    }
}

/// The error of a statement that has nothing to do with what was written.
pub(super) fn told(error: &Failure) -> DbError {
    match is_away(error) {
        true => DbError::away(words(error)),
        false => DbError::database(words(error)),
    }
}

/// Whether a value was refused as such: a NUL, a number that is too large, a text that is no UUID.
pub(super) fn is_data_exception(error: &Failure) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code.starts_with("22"))
}

fn entity(row: &PgRow) -> Result<Entity, Failure> {
    let text: &str = row.try_get(0)?;
    match serde_json::from_str(text).map_err(|error| Failure::Decode(error.into()))? {
        Value::Object(entity) => Ok(entity),
        _ => Err(Failure::Decode("a row is no object".into())),
    }
}
