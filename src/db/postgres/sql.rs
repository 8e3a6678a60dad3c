//! Connections for statements that plugins write themselves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Either};
use tokio::sync::Mutex;

use super::Settings;
use super::connection::{dotted, open, words};
use super::statements::{Verb, verbs};
use super::text::text_row;
use crate::db::{Answer, DbError, Entity, executor};

/// A connection of its own, for any statements.
///
/// What they leave behind on it (a schema that is set, a transaction, a lock) is the next statement's to find.
///
/// *Cancel safety*: a statement whose answer is dropped goes on; the next one waits for it.
#[derive(Debug)]
pub struct SqlConnection {
    connection: Mutex<Option<PgConnection>>,
    schema: String,
    version: u32,
    timeout: Duration,
}

/// What one statement answers.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlAnswer {
    /// Rows by the names of their columns, and how many were written where it is a writing statement.
    Rows(Vec<Entity>, Option<u64>),
    /// How many rows were written.
    Affected(u64),
    /// It is done.
    Done,
}

impl SqlConnection {
    /// Connects, and chooses schema and time zone as Kong does.
    ///
    /// *Errors*: the server cannot be reached, does not let us in or is too old.
    pub fn open(settings: Settings) -> Answer<SqlConnection> {
        executor::run(async move {
            let timeout = settings.timeout;
            let opened = open(&settings).await?;
            let connection = Mutex::new(Some(opened.connection));
            Ok(SqlConnection { connection, schema: opened.schema, version: opened.version, timeout })
        })
    }

    /// The schema that was chosen.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The server's version as people write it: `15.4`, `9.6.24`.
    pub fn version(&self) -> String {
        dotted(self.version)
    }

    /// Runs statements, one after the other; answers what each of them does. In seconds that the server does not
    /// answer in, and after an error, the connection is closed.
    ///
    /// *Errors*: the first one of a statement, in the words that PostgreSQL's clients use.
    pub fn query(self: &Arc<Self>, sql: String) -> Answer<Vec<SqlAnswer>> {
        let this = Arc::clone(self);
        executor::run(async move {
            let mut place = this.connection.lock().await;
            let Some(mut connection) = place.take() else { return Err(DbError::database("closed")) };
            let asking = tokio::time::timeout(this.timeout, run(&mut connection, &sql));
            let answers = match asking.await {
                Ok(Ok(answers)) => answers,
                Ok(Err(error)) => return Err(DbError::database(words(&error))),
                Err(_) => return Err(DbError::database("timeout")),
            };
            *place = Some(connection);
            Ok(answers)
        })
    }

    /// Closes the connection, once the statement that runs is done.
    pub fn close(self: &Arc<Self>) {
        let this = Arc::clone(self);
        // It goes on when the answer is dropped.
        drop(executor::run(async move {
            if let Some(connection) = this.connection.lock().await.take() {
                // What goes wrong now ends it just as well.
                drop(connection.close().await);
            }
            Ok(())
        }));
    }
}

async fn run(connection: &mut PgConnection, sql: &str) -> Result<Vec<SqlAnswer>, sqlx::Error> {
    let mut verbs = verbs(sql).into_iter();
    let mut answers = Vec::new();
    let mut rows = Vec::new();
    let mut answered = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(connection);
    while let Some(part) = answered.try_next().await? {
        match part {
            Either::Right(row) => rows.push(text_row(&row)?),
            Either::Left(done) => {
                let verb = verbs.next().unwrap_or(Verb::Other);
                answers.push(answer(verb, std::mem::take(&mut rows), done.rows_affected()));
            }
        }
    }
    Ok(answers)
}

fn answer(verb: Verb, rows: Vec<Entity>, affected: u64) -> SqlAnswer {
    match (verb, rows.is_empty()) {
        (Verb::Read, _) => SqlAnswer::Rows(rows, None),
        (Verb::Write, true) => SqlAnswer::Affected(affected),
        (Verb::Write, false) => SqlAnswer::Rows(rows, Some(affected)),
        (Verb::Other, true) => SqlAnswer::Done,
        (Verb::Other, false) => SqlAnswer::Rows(rows, None),
    }
}
