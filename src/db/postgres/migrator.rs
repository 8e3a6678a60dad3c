//! What migrations do on PostgreSQL.

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Either, Row};

use super::connection::{dotted, identifier, is_away, literal, words};
use super::text::text_row;
use super::{Settings, open};
use crate::db::Entity;
use crate::db::migrations::{MigrationError, Progress, SchemaMeta, Step, migrate_path};

/// A connection that migrates.
#[derive(Debug)]
pub struct Migrator {
    connection: PgConnection,
    database: String,
    schema: String,
    version: u32,
}

/// The advisory lock that a node holds while it migrates, beside its row in `locks`: a row's time may run out.
const ADVISORY_LOCK: i64 = 0x6b6f_6e67_6d69_6772;
/// The one for making `schema_meta` and `locks`. Another one: who makes them does not keep the others from leading, or
/// of several nodes that begin at once none might.
const FIRST_TABLES_LOCK: i64 = 0x6b6f_6e67_6669_7273;

impl Migrator {
    /// Connects.
    ///
    /// *Errors*: as [`open`].
    pub async fn connect(settings: &Settings) -> Result<Migrator, MigrationError> {
        let opened = open(settings).await?;
        let database = settings.database.clone();
        Ok(Migrator {
            connection: opened.connection,
            database,
            schema: opened.schema,
            version: opened.version,
        })
    }

    /// The name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The server's version, major and minor.
    pub fn version(&self) -> String {
        dotted(self.version)
    }

    /// What was run; none for a database without `schema_meta`.
    pub async fn schema_meta(&mut self) -> Result<Option<Vec<SchemaMeta>>, MigrationError> {
        const EXISTS: &str = "SELECT 1 FROM information_schema.tables \
            WHERE table_schema = CURRENT_SCHEMA AND table_name = 'schema_meta'";
        const ROWS: &str = "SELECT subsystem, last_executed, COALESCE(executed, '{}') AS executed, \
            COALESCE(pending, '{}') AS pending FROM schema_meta WHERE key = 'schema_meta'";
        let exists = sqlx::query(EXISTS).fetch_optional(&mut self.connection).await.map_err(failed)?;
        if exists.is_none() {
            return Ok(None);
        }
        let rows = sqlx::query(ROWS).fetch_all(&mut self.connection).await.map_err(failed)?;
        let read = |row: &PgRow| -> Result<SchemaMeta, sqlx::Error> {
            Ok(SchemaMeta {
                subsystem: row.try_get("subsystem")?,
                last_executed: row.try_get("last_executed")?,
                executed: row.try_get("executed")?,
                pending: row.try_get("pending")?,
            })
        };
        rows.iter().map(read).collect::<Result<_, _>>().map(Some).map_err(failed)
    }

    /// Makes the schema, `schema_meta` and `locks`, where they are missing.
    pub async fn bootstrap(&mut self) -> Result<(), MigrationError> {
        let schema = identifier(&self.schema);
        let set = literal(&self.schema);
        self.execute(format!(
            "BEGIN;
            SELECT pg_advisory_xact_lock({FIRST_TABLES_LOCK});
            DO $body$ BEGIN
              CREATE SCHEMA IF NOT EXISTS {schema} AUTHORIZATION CURRENT_USER;
              GRANT ALL ON SCHEMA {schema} TO CURRENT_USER;
            EXCEPTION WHEN insufficient_privilege THEN NULL;
            END $body$;
            SET SCHEMA {set};
            CREATE TABLE IF NOT EXISTS schema_meta (
              key TEXT, subsystem TEXT, last_executed TEXT, executed TEXT[], pending TEXT[],
              PRIMARY KEY (key, subsystem));
            CREATE TABLE IF NOT EXISTS locks (key TEXT PRIMARY KEY, owner TEXT, ttl TIMESTAMPTZ);
            CREATE INDEX IF NOT EXISTS locks_ttl_idx ON locks (ttl);
            COMMIT;"
        ))
        .await
    }

    /// Drops everything in the schema, and the schema where that is allowed.
    pub async fn reset(&mut self) -> Result<(), MigrationError> {
        let schema = identifier(&self.schema);
        let set = literal(&self.schema);
        self.execute(format!(
            "BEGIN;
            DO $body$
            DECLARE
              tables TEXT := (SELECT string_agg(format('%I.%I', schemaname, tablename), ', ')
                FROM pg_tables WHERE schemaname = {set});
            BEGIN
              DROP SCHEMA IF EXISTS {schema} CASCADE;
              CREATE SCHEMA {schema} AUTHORIZATION CURRENT_USER;
              GRANT ALL ON SCHEMA {schema} TO CURRENT_USER;
            EXCEPTION WHEN insufficient_privilege THEN
              IF tables IS NOT NULL THEN EXECUTE 'DROP TABLE ' || tables || ' CASCADE'; END IF;
            END $body$;
            SET SCHEMA {set};
            COMMIT;"
        ))
        .await
    }

    /// Runs statements in a transaction.
    pub async fn run_sql(&mut self, sql: &str) -> Result<(), MigrationError> {
        let sql = sql.trim().trim_end_matches(';');
        self.execute(format!("BEGIN;\n{sql};\nCOMMIT;")).await
    }

    /// Runs a step that needs no Lua.
    pub async fn run(&mut self, step: &Step) -> Result<(), MigrationError> {
        match step {
            Step::Sql(sql) => self.run_sql(sql).await,
            Step::RoutePaths => self.migrate_paths().await.map_err(failed),
            Step::Refuse => Err(MigrationError::Unfinished),
            Step::Lua { module, .. } => {
                Err(MigrationError::Database(format!("no Lua is at hand to run '{module}'")))
            }
            Step::CopyRows { .. } | Step::TargetsOnce | Step::GivenLists | Step::Config(_) => {
                Err(MigrationError::Database("PostgreSQL does this step by SQL".to_owned()))
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
        const EXECUTED: &str = "INSERT INTO schema_meta AS meta (key, subsystem, last_executed, executed) \
            VALUES ('schema_meta', $1, $2, ARRAY[$2]) ON CONFLICT (key, subsystem) DO UPDATE \
            SET last_executed = EXCLUDED.last_executed, executed = array_append(array_remove(meta.executed, $2), $2)";
        const PENDING: &str = "INSERT INTO schema_meta AS meta (key, subsystem, pending) \
            VALUES ('schema_meta', $1, ARRAY[$2]) ON CONFLICT (key, subsystem) DO UPDATE \
            SET pending = array_append(meta.pending, $2)";
        const FINISHED: &str = "INSERT INTO schema_meta AS meta (key, subsystem, last_executed, executed) \
            VALUES ('schema_meta', $1, $2, ARRAY[$2]) ON CONFLICT (key, subsystem) DO UPDATE \
            SET last_executed = EXCLUDED.last_executed, executed = array_append(array_remove(meta.executed, $2), $2), \
            pending = array_remove(COALESCE(meta.pending, '{}'), $2)";
        let sql = match progress {
            Progress::Executed => EXECUTED,
            Progress::Pending => PENDING,
            Progress::Finished => FINISHED,
        };
        let query = sqlx::query(sql).bind(subsystem).bind(name);
        query.execute(&mut self.connection).await.map(drop).map_err(failed)
    }

    /// Takes the lock `key` for `owner`, for so many seconds; tells whether it was free.
    pub async fn take_lock(&mut self, key: &str, owner: &str, seconds: f64) -> Result<bool, MigrationError> {
        const TAKE: &str = "INSERT INTO locks (key, owner, ttl) \
            VALUES ($1, $2, CURRENT_TIMESTAMP + $3 * INTERVAL '1 second') \
            ON CONFLICT (key) DO UPDATE SET owner = EXCLUDED.owner, ttl = EXCLUDED.ttl \
            WHERE locks.ttl < CURRENT_TIMESTAMP";
        let query = sqlx::query(TAKE).bind(key).bind(owner).bind(seconds);
        let taken = query.execute(&mut self.connection).await.map_err(failed)?.rows_affected() == 1;
        if !taken {
            return Ok(false);
        }
        let advisory = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(ADVISORY_LOCK);
        let taken: bool = advisory.fetch_one(&mut self.connection).await.map_err(failed)?;
        if !taken {
            self.release_lock(key, owner).await?;
        }
        Ok(taken)
    }

    /// Whether somebody holds the lock `key`.
    pub async fn is_locked(&mut self, key: &str) -> Result<bool, MigrationError> {
        const HELD: &str = "SELECT 1 FROM locks WHERE key = $1 AND ttl >= CURRENT_TIMESTAMP";
        let held = sqlx::query(HELD).bind(key).fetch_optional(&mut self.connection).await;
        held.map(|row| row.is_some()).map_err(failed)
    }

    /// Gives the lock `key` back.
    pub async fn release_lock(&mut self, key: &str, owner: &str) -> Result<(), MigrationError> {
        const RELEASE: &str = "DELETE FROM locks WHERE key = $1 AND owner = $2";
        sqlx::raw_sql("SELECT pg_advisory_unlock_all()")
            .execute(&mut self.connection)
            .await
            .map_err(failed)?;
        let query = sqlx::query(RELEASE).bind(key).bind(owner);
        query.execute(&mut self.connection).await.map(drop).map_err(failed)
    }

    /// Runs any statements; gives the rows of all of them, and how many rows were affected.
    pub async fn query(&mut self, sql: &str) -> Result<(Vec<Entity>, u64), MigrationError> {
        let answered = self.query_all(sql).await;
        if answered.is_err() {
            self.roll_back().await;
        }
        answered.map_err(failed)
    }

    async fn query_all(&mut self, sql: &str) -> Result<(Vec<Entity>, u64), sqlx::Error> {
        let (mut rows, mut affected) = (Vec::new(), 0);
        let mut stream = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch_many(&mut self.connection);
        while let Some(answer) = stream.try_next().await? {
            match answer {
                Either::Left(result) => affected += result.rows_affected(),
                Either::Right(row) => rows.push(text_row(&row)?),
            }
        }
        Ok((rows, affected))
    }

    /// Ends the connection, telling the server.
    pub async fn close(self) {
        // A server that is gone needs not be told.
        let _ = self.connection.close().await;
    }

    async fn execute(&mut self, sql: String) -> Result<(), MigrationError> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.connection).await;
        if done.is_err() {
            self.roll_back().await;
        }
        done.map(drop).map_err(failed)
    }

    /// Leaves a transaction that failed.
    async fn roll_back(&mut self) {
        // What failed is told already; a connection that is gone has rolled back.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut self.connection).await;
    }

    async fn migrate_paths(&mut self) -> Result<(), sqlx::Error> {
        const READ: &str = "SELECT id::text AS id, paths FROM routes WHERE paths IS NOT NULL FOR UPDATE";
        const WRITE: &str = "UPDATE routes SET paths = $2 WHERE id = $1::uuid";
        let mut transaction = self.connection.begin().await?;
        for row in sqlx::query(READ).fetch_all(&mut *transaction).await? {
            let (id, paths): (String, Vec<String>) = (row.try_get("id")?, row.try_get("paths")?);
            let migrated: Vec<_> = paths.iter().map(|path| migrate_path(path).into_owned()).collect();
            if migrated != paths {
                sqlx::query(WRITE).bind(id).bind(migrated).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await
    }
}

fn failed(error: sqlx::Error) -> MigrationError {
    match is_away(&error) {
        true => MigrationError::Away(words(&error)),
        false => MigrationError::Database(words(&error)),
    }
}
