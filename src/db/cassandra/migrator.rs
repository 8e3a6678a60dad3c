//! What migrations do on Cassandra.

use std::time::Duration;

use scylla::client::session::Session as Driver;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::{Consistency, Statement};
use scylla::value::{CqlValue, Row};
use serde_json::Value;

use super::connection::{open, prepare, serial, told};
use super::table::quoted;
use super::{Settings, upgrade, value};
use crate::db::migrations::{MigrationError, Progress, SchemaMeta, Step};
use crate::db::{DbError, Entity, FieldKind};

/// A session that migrates.
#[derive(Debug)]
pub struct Migrator {
    pub(super) settings: Settings,
    driver: Driver,
    version: String,
}

/// How long a change of the tables may take: the nodes do more than for a request.
const PATIENCE: Duration = Duration::from_secs(60);

impl Migrator {
    /// Connects.
    ///
    /// *Errors*: no node can be reached, or none lets us in.
    pub async fn connect(settings: &Settings) -> Result<Migrator, MigrationError> {
        let driver = open(settings, false).await.map_err(failed)?;
        let version = release(&driver).await.map_err(failed)?;
        let mut migrator = Migrator { settings: settings.clone(), driver, version };
        if migrator.has_keyspace().await? {
            migrator.use_keyspace().await?;
        }
        Ok(migrator)
    }

    /// The keyspace.
    pub fn database(&self) -> &str {
        &self.settings.keyspace
    }

    /// The release of the nodes, major and minor.
    pub fn version(&self) -> String {
        self.version.clone()
    }

    /// What was run; none without the keyspace or its table `schema_meta`.
    pub async fn schema_meta(&mut self) -> Result<Option<Vec<SchemaMeta>>, MigrationError> {
        const ROWS: &str =
            "SELECT subsystem, last_executed, executed, pending FROM schema_meta WHERE key = 'schema_meta'";
        if !self.has_table("schema_meta").await? {
            return Ok(None);
        }
        let text = |value: &Option<CqlValue>| value.as_ref().and_then(CqlValue::as_text).cloned();
        let names = |value: &Option<CqlValue>| -> Vec<String> {
            let names = value.as_ref().and_then(CqlValue::as_set).into_iter().flatten();
            names.filter_map(|name| name.as_text().cloned()).collect()
        };
        let meta = |row: Row| match row.columns.as_slice() {
            [subsystem, last_executed, executed, pending] => Some(SchemaMeta {
                subsystem: text(subsystem)?,
                last_executed: text(last_executed),
                executed: names(executed),
                pending: names(pending),
            }),
            _ => None,
        };
        let rows = self.rows(ROWS, &()).await?;
        Ok(Some(rows.into_iter().filter_map(meta).collect()))
    }

    /// Makes the keyspace, `schema_meta` and `locks`, where they are missing.
    pub async fn bootstrap(&mut self) -> Result<(), MigrationError> {
        const META: &str = "CREATE TABLE IF NOT EXISTS schema_meta (key text, subsystem text, \
            last_executed text, executed set<text>, pending set<text>, PRIMARY KEY (key, subsystem))";
        const LOCKS: &str = "CREATE TABLE IF NOT EXISTS locks (key text PRIMARY KEY, owner text)";
        let (keyspace, replication) = (quoted(&self.settings.keyspace), &self.settings.replication);
        let create = format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication}");
        self.define(&create).await?;
        self.use_keyspace().await?;
        self.define(META).await?;
        self.define(LOCKS).await
    }

    /// Drops the keyspace.
    pub async fn reset(&mut self) -> Result<(), MigrationError> {
        self.define(&format!("DROP KEYSPACE IF EXISTS {}", quoted(&self.settings.keyspace))).await
    }

    /// Runs statements, one after the other. That a column is there already, or is gone, is no error.
    pub async fn run_cql(&mut self, cql: &str) -> Result<(), MigrationError> {
        for statement in statements(cql) {
            match self.define(statement).await {
                Err(MigrationError::Database(words)) if was_run_before(&words) => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Runs a step that needs no Lua.
    pub async fn run(&mut self, step: &Step) -> Result<(), MigrationError> {
        match step {
            Step::Sql(cql) => self.run_cql(cql).await,
            Step::RoutePaths => upgrade::route_paths(self).await,
            Step::CopyRows { from, to } => upgrade::copy_rows(self, from, to).await,
            Step::TargetsOnce => upgrade::targets_once(self).await,
            Step::GivenLists => upgrade::given_lists(self).await,
            Step::Config(change) => upgrade::configurations(self, *change).await,
            Step::Refuse => Err(MigrationError::Unfinished),
            Step::Lua { module, .. } => {
                Err(MigrationError::Database(format!("no Lua is at hand to run '{module}'")))
            }
        }
    }

    /// Writes down how far a migration has come, as Kong does.
    pub async fn record(
        &mut self,
        subsystem: &str,
        name: &str,
        progress: Progress,
    ) -> Result<(), MigrationError> {
        const EXECUTED: &str = "UPDATE schema_meta SET last_executed = ?, executed = executed + ? \
            WHERE key = 'schema_meta' AND subsystem = ?";
        const PENDING: &str =
            "UPDATE schema_meta SET pending = pending + ? WHERE key = 'schema_meta' AND subsystem = ?";
        const FINISHED: &str = "UPDATE schema_meta SET last_executed = ?, executed = executed + ?, \
            pending = pending - ? WHERE key = 'schema_meta' AND subsystem = ?";
        let names = vec![name.to_owned()];
        match progress {
            Progress::Executed => self.change(EXECUTED, &(name, &names, subsystem)).await,
            Progress::Pending => self.change(PENDING, &(&names, subsystem)).await,
            Progress::Finished => self.change(FINISHED, &(name, &names, &names, subsystem)).await,
        }
    }

    /// Takes the lock `key` for `owner`, for so many seconds; tells whether it was free.
    pub async fn take_lock(&mut self, key: &str, owner: &str, seconds: f64) -> Result<bool, MigrationError> {
        const TAKE: &str = "INSERT INTO locks (key, owner) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
        let rows = self.rows(TAKE, &(key, owner, seconds.clamp(1.0, f64::from(i32::MAX)) as i32)).await?;
        let applied = rows.first().and_then(|row| row.columns.first()).and_then(Option::as_ref);
        Ok(applied == Some(&CqlValue::Boolean(true)))
    }

    /// Whether somebody holds the lock `key`.
    pub async fn is_locked(&mut self, key: &str) -> Result<bool, MigrationError> {
        const HELD: &str = "SELECT owner FROM locks WHERE key = ?";
        let consistency = match self.settings.local_datacenter {
            Some(_) => Consistency::LocalSerial,
            None => Consistency::Serial,
        };
        let result = self.execute(HELD, &(key,), consistency).await?;
        Ok(!rows_of(result)?.is_empty())
    }

    /// Gives the lock `key` back.
    pub async fn release_lock(&mut self, key: &str, owner: &str) -> Result<(), MigrationError> {
        self.rows("DELETE FROM locks WHERE key = ? IF owner = ?", &(key, owner)).await.map(drop)
    }

    /// Runs any statements; gives the rows of the last that has any.
    pub async fn query(&mut self, cql: &str) -> Result<(Vec<Entity>, u64), MigrationError> {
        let mut found = Vec::new();
        for statement in statements(cql) {
            let result = self.execute(statement, &(), Consistency::LocalQuorum).await?;
            if result.is_rows() {
                let result = result.into_rows_result().map_err(|error| broken(&error))?;
                let names: Vec<String> =
                    result.column_specs().iter().map(|spec| spec.name().to_owned()).collect();
                let rows = result.rows::<Row>().map_err(|error| broken(&error))?;
                let entity = |row: Row| {
                    let value = |value: Option<CqlValue>| {
                        value.map_or(Value::Null, |value| value::read(&value, &FieldKind::Text))
                    };
                    names.iter().cloned().zip(row.columns.into_iter().map(value)).collect()
                };
                let rows: Result<Vec<Row>, _> = rows.collect();
                found = rows.map_err(|error| broken(&error))?.into_iter().map(entity).collect();
            }
        }
        Ok((found, 0))
    }

    /// Ends the session.
    pub async fn close(self) {
        drop(self);
    }

    // ---- for the steps ----------------------------------------------------------------------------------

    /// Runs a statement that changes tables; all nodes agree on them when it returns.
    pub(super) async fn define(&self, cql: &str) -> Result<(), MigrationError> {
        let mut statement = Statement::new(cql);
        statement.set_request_timeout(Some(PATIENCE));
        statement.set_consistency(Consistency::LocalQuorum);
        let done = self.driver.query_unpaged(statement, &[]).await;
        done.map(drop).map_err(|error| failed(told(&error)))
    }

    /// Runs a change of rows.
    pub(super) async fn change(&self, cql: &str, values: &impl SerializeRow) -> Result<(), MigrationError> {
        self.execute(cql, values, Consistency::LocalQuorum).await.map(drop)
    }

    /// All rows that a query finds.
    pub(super) async fn rows(
        &self,
        cql: &str,
        values: &impl SerializeRow,
    ) -> Result<Vec<Row>, MigrationError> {
        rows_of(self.execute(cql, values, Consistency::LocalQuorum).await?)
    }

    /// The columns of a table; none if it is not there.
    pub(super) async fn columns(&self, table: &str) -> Result<Vec<String>, MigrationError> {
        const COLUMNS: &str = "SELECT column_name FROM system_schema.columns \
            WHERE keyspace_name = ? AND table_name = ?";
        self.names(COLUMNS, &(self.settings.keyspace.as_str(), table)).await
    }

    /// The texts in the first column of what a query finds.
    pub(super) async fn names(
        &self,
        cql: &str,
        values: &impl SerializeRow,
    ) -> Result<Vec<String>, MigrationError> {
        let rows = self.rows(cql, values).await?;
        let name = |row: &Row| row.columns.first()?.as_ref()?.as_text().cloned();
        Ok(rows.iter().filter_map(name).collect())
    }

    async fn has_keyspace(&self) -> Result<bool, MigrationError> {
        const KEYSPACE: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
        Ok(!self.names(KEYSPACE, &(self.settings.keyspace.as_str(),)).await?.is_empty())
    }

    async fn has_table(&self, table: &str) -> Result<bool, MigrationError> {
        Ok(!self.columns(table).await?.is_empty())
    }

    async fn use_keyspace(&mut self) -> Result<(), MigrationError> {
        let used = self.driver.use_keyspace(self.settings.keyspace.as_str(), true).await;
        used.map_err(|error| MigrationError::Database(error.to_string()))
    }

    async fn execute(
        &self,
        cql: &str,
        values: &impl SerializeRow,
        consistency: Consistency,
    ) -> Result<QueryResult, MigrationError> {
        let mut prepared = self.driver.prepare(cql).await.map_err(|error| failed(prepare(&error)))?;
        prepared.set_consistency(consistency);
        prepared.set_serial_consistency(Some(serial(&self.settings)));
        prepared.set_request_timeout(Some(PATIENCE));
        self.driver.execute_unpaged(&prepared, values).await.map_err(|error| failed(told(&error)))
    }
}

/// The release of the node that answers, major and minor.
pub(super) async fn release(driver: &Driver) -> Result<String, DbError> {
    let mut statement = Statement::new("SELECT release_version FROM system.local");
    statement.set_consistency(Consistency::One);
    let result = driver.query_unpaged(statement, &[]).await.map_err(|error| told(&error))?;
    let rows = rows_of(result).map_err(|error| DbError::database(error.to_string()))?;
    let release = rows.first().and_then(|row| row.columns.first()?.as_ref()?.as_text().cloned());
    let mut parts = release.as_deref().unwrap_or_default().split('.');
    let part = |part: Option<&str>| part.unwrap_or("0").to_owned();
    Ok(format!("{}.{}", part(parts.next()), part(parts.next())))
}

fn rows_of(result: QueryResult) -> Result<Vec<Row>, MigrationError> {
    if !result.is_rows() {
        return Ok(Vec::new());
    }
    let result = result.into_rows_result().map_err(|error| broken(&error))?;
    let rows = result.rows::<Row>().map_err(|error| broken(&error))?;
    rows.collect::<Result<_, _>>().map_err(|error| broken(&error))
}

fn broken(error: &dyn std::fmt::Display) -> MigrationError {
    MigrationError::Database(format!("an answer cannot be read: {error}"))
}

fn failed(error: DbError) -> MigrationError {
    match error.is_away() {
        true => MigrationError::Away(error.message),
        false => MigrationError::Database(error.message),
    }
}

/// Whether a statement failed because it did its work when it was run before.
fn was_run_before(words: &str) -> bool {
    let signs = [
        "already exists",
        "conflicts with an existing column",
        "was not found in table",
        "Undefined column name",
        "No column definition found for column",
    ];
    signs.iter().any(|sign| words.contains(sign))
}

/// The statements of a text, which semicolons end.
fn statements(cql: &str) -> Vec<&str> {
    let bytes = cql.as_bytes();
    let (mut found, mut begin, mut at) = (Vec::new(), 0, 0);
    let mut has_words = false;
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let end =
            |sign: &str| cql.get(at..).and_then(|rest| rest.find(sign)).map_or(bytes.len(), |end| at + end);
        at = match byte {
            b'\'' | b'"' => {
                let close = rest.iter().skip(1).position(|other| other == byte);
                has_words = true;
                close.map_or(bytes.len(), |close| at + close + 2)
            }
            b'-' if rest.starts_with(b"--") => end("\n"),
            b'/' if rest.starts_with(b"//") => end("\n"),
            b'/' if rest.starts_with(b"/*") => (end("*/") + 2).min(bytes.len()),
            b';' => {
                found.extend(cql.get(begin..at).filter(|_| has_words));
                (begin, has_words) = (at + 1, false);
                at + 1
            }
            other => {
                has_words |= !other.is_ascii_whitespace();
                at + 1
            }
        };
    }
    found.extend(cql.get(begin..).filter(|_| has_words));
    found
}

#[cfg(test)]
mod unit {
    use super::statements;

    #[test]
    fn statements_end_where_a_semicolon_is_one() {
        let cql = "-- first; only\nA 'x;''y';\n\n/* ; */ B \"c;d\" // e;\n; -- nothing\n;C";
        let found: Vec<&str> = statements(cql).iter().map(|statement| statement.trim()).collect();
        assert_eq!(found, ["-- first; only\nA 'x;''y'", "/* ; */ B \"c;d\" // e;", "C"]);
        assert!(statements("  \n-- nothing\n").is_empty());
    }
}
