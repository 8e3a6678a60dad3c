//! Opening a connection, and the words of what went wrong with one.

use std::time::Duration;

use sqlx::postgres::{PgConnection, PgDatabaseError};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use super::Settings;

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

/// Opens a connection, and chooses schema and time zone as Kong does.
///
/// *Errors*: the server cannot be reached, does not let us in or is too old.
pub async fn open(settings: &Settings) -> Result<Opened, String> {
    let within = |timeout: Duration| format!("timeout: no connection within {} ms", timeout.as_millis());
    let connecting = async {
        let mut connection = settings.connect_options()?.connect().await?;
        let (schema, version) = prepare(&mut connection, settings.schema.as_deref()).await?;
        Ok(Opened { connection, schema, version })
    };
    let opened = tokio::time::timeout(settings.timeout, connecting).await;
    let opened =
        opened.map_err(|_| within(settings.timeout)).and_then(|result| result.map_err(|error| words(&error)));
    let opened =
        opened.map_err(|error| format!("failed to retrieve PostgreSQL server_version_num: {error}"))?;
    if opened.version < OLDEST_SERVER {
        let current = dotted(opened.version);
        return Err(format!("Kong requires postgres 9.6 or greater (currently using {current})"));
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
