//! Opening a connection, and the words of what went wrong with one.

use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::Settings;
use crate::db::DbError;
use crate::db::migrations::MigrationError;

/// The oldest server that has what the migrations use.
const OLDEST_SERVER: u32 = 90600;

/// A connection with the schema chosen.
#[derive(Debug)]
pub struct Opened {
    /// The connection.
    pub connection: PgConnection,
    /// The schema of all tables.
    pub schema: String,
    /// The server's `server_version_num`.
    pub version: u32,
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The server cannot be reached: it may be back later.
    #[error("{0}")]
    Away(String),
    /// The server does not let us in, or is of no use.
    #[error("{0}")]
    Refused(String),
}

impl From<OpenError> for DbError {
    fn from(error: OpenError) -> DbError {
        match error {
            OpenError::Away(words) => DbError::away(words),
            OpenError::Refused(words) => DbError::database(words),
        }
    }
}

impl From<OpenError> for MigrationError {
    fn from(error: OpenError) -> MigrationError {
        match error {
            OpenError::Away(words) => MigrationError::Away(words),
            OpenError::Refused(words) => MigrationError::Database(words),
        }
    }
}

/// Opens a connection, and chooses schema and time zone as Kong does.
///
/// *Errors*: the server cannot be reached, does not let us in or is too old.
pub async fn open(settings: &Settings) -> Result<Opened, OpenError> {
    let told = |words: String| format!("failed to retrieve PostgreSQL server_version_num: {words}");
    let connecting = async {
        let mut connection = settings.connect_options()?.connect().await?;
        let (schema, version) = prepare(&mut connection, settings.schema.as_deref()).await?;
        Ok(Opened { connection, schema, version })
    };
    let opened = match tokio::time::timeout(settings.timeout, connecting).await {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) if is_away(&error) => return Err(OpenError::Away(told(words(&error)))),
        Ok(Err(error)) => return Err(OpenError::Refused(told(words(&error)))),
        Err(_) => {
            let limit = settings.timeout.as_millis();
            return Err(OpenError::Away(told(format!("timeout: no connection within {limit} ms"))));
        }
    };
    if opened.version < OLDEST_SERVER {
        let current = dotted(opened.version);
        let message = format!("Kong requires postgres 9.6 or greater (currently using {current})");
        return Err(OpenError::Refused(message));
    }
    Ok(opened)
}

/// Chooses schema and time zone of a fresh connection; gives the schema and the server's version.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    schema: Option<&str>,
) -> Result<(String, u32), sqlx::Error> {
    let row = sqlx::raw_sql(
        "SELECT COALESCE(current_schema(), 'public') AS schema, current_setting('server_version_num') AS version",
    )
    .fetch_one(&mut *connection)
    .await?;
    let version: String = row.try_get("version")?;
    let schema = match schema {
        Some(schema) => schema.to_owned(),
        None => row.try_get("schema")?,
    };
    let set = format!("SET SCHEMA {}; SET TIME ZONE 'UTC'", literal(&schema));
    sqlx::raw_sql(AssertSqlSafe(set)).execute(connection).await?;
    Ok((schema, version.parse().unwrap_or(0)))
}

/// A version as people write it: `15.4`, `9.6.24`.
pub(super) fn dotted(version: u32) -> String {
    match version / 10_000 {
        major if major < 10 => format!("{major}.{}.{}", version / 100 % 100, version % 100),
        major => format!("{major}.{}", version % 10_000),
    }
}

/// A text as SQL has it.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A name as SQL has it.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Whether an error says that the server cannot be reached, rather than what it thinks of us: there is none, it does
/// not answer, it is just starting or ending.
pub(super) fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() != std::io::ErrorKind::PermissionDenied,
        // what a server says that is starting or ending, and a pooler that cannot reach one
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| code.starts_with("57P0") || (code.starts_with("08") && code != "08P01")),
        sqlx::Error::PoolTimedOut => true,
        _ => false,
    }
}

/// What an error says, in the words that PostgreSQL's clients use.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref::<PgDatabaseError>() {
            Some(error) => reported(error),
            None => error.to_string(),
        },
        sqlx::Error::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
            std::io::ErrorKind::UnexpectedEof => "the server closed the connection".to_owned(),
            _ => error.to_string(),
        },
        sqlx::Error::Tls(error) => with_sources(error.as_ref()),
        sqlx::Error::Configuration(error) => error.to_string(),
        sqlx::Error::PoolTimedOut => "timeout: no connection was free in time".to_owned(),
        other => other.to_string(),
    }
}

fn reported(error: &PgDatabaseError) -> String {
    let mut words = format!("{:?}: {}", error.severity(), error.message()).to_owned();
    let severity = words.find(':').unwrap_or_default();
    if let Some(severity) = words.get_mut(..severity) {
        severity.make_ascii_uppercase();
    }
    for more in [error.detail(), error.hint()].into_iter().flatten() {
        words.push('\n');
        words.push_str(more);
    }
    words
}

fn with_sources(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_people_write_them() {
        assert_eq!(dotted(90_624), "9.6.24");
        assert_eq!(dotted(150_004), "15.4");
    }

    #[test]
    fn names_and_texts_are_quoted() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'"), "E'a\\\\'''");
    }
}
