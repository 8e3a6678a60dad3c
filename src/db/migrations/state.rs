//! What was run on a database, and what was not.

use serde_json::{Value, json};

use super::{Migration, MigrationError, Subsystem};

/// A row of `schema_meta`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemaMeta {
    /// The subsystem.
    pub subsystem: String,
    /// The last migration that is done.
    pub last_executed: Option<String>,
    /// The migrations that are done.
    pub executed: Vec<String>,
    /// Those of which the second half is missing.
    pub pending: Vec<String>,
}

/// Some migrations of a subsystem.
#[derive(Debug, Clone, PartialEq)]
pub struct SubsystemMigrations {
    /// `core`, or the plugin's name.
    pub subsystem: String,
    /// Where Kong finds them.
    pub namespace: String,
    /// The migrations, in order.
    pub migrations: Vec<Migration>,
}

/// What a database has of all migrations.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SchemaState {
    /// Whether there is no `schema_meta` at all.
    pub needs_bootstrap: bool,
    /// Those that are done.
    pub executed: Vec<SubsystemMigrations>,
    /// Those of which the second half is missing.
    pub pending: Vec<SubsystemMigrations>,
    /// Those to run.
    pub new: Vec<SubsystemMigrations>,
}

impl SchemaState {
    /// Compares what there is with what was recorded; `None` is a database without `schema_meta`.
    pub fn of(subsystems: &[Subsystem], recorded: Option<&[SchemaMeta]>) -> SchemaState {
        let mut state = SchemaState { needs_bootstrap: recorded.is_none(), ..SchemaState::default() };
        for subsystem in subsystems {
            let row = recorded.unwrap_or_default().iter().find(|row| row.subsystem == subsystem.name);
            state.sort(subsystem, row);
        }
        state
    }

    /// A store that needs no migrations: everything is done.
    pub fn settled(subsystems: &[Subsystem]) -> SchemaState {
        let mut state = SchemaState::default();
        for subsystem in subsystems {
            let all = subsystem.migrations.iter().cloned();
            keep(&mut state.executed, subsystem, all.collect());
        }
        state
    }

    /// Whether the database can be served.
    pub fn is_up_to_date(&self) -> bool {
        !self.needs_bootstrap && self.new.is_empty()
    }

    /// Refuses a database of which the oldest migrations were run only in part.
    ///
    /// *Errors*: [`MigrationError::TooOld`].
    pub fn check_age(&self) -> Result<(), MigrationError> {
        for kept in &self.new {
            let known = self.executed.iter().chain(&self.pending);
            let begun = known.map(|other| &other.subsystem).any(|other| *other == kept.subsystem);
            if let Some(old) = kept.migrations.iter().find(|migration| migration.old && begun) {
                let (subsystem, migration) = (kept.subsystem.clone(), old.name.to_string());
                return Err(MigrationError::TooOld { subsystem, migration });
            }
        }
        Ok(())
    }

    /// What `kong migrations status` prints.
    pub fn to_json(&self) -> Value {
        let mut object = serde_json::Map::new();
        object.insert("needs_bootstrap".to_owned(), json!(self.needs_bootstrap));
        let lists = [
            ("executed_migrations", &self.executed),
            ("pending_migrations", &self.pending),
            ("new_migrations", &self.new),
        ];
        for (name, list) in lists {
            if !list.is_empty() {
                object.insert(name.to_owned(), list.iter().map(SubsystemMigrations::to_json).collect());
            }
        }
        Value::Object(object)
    }

    /// *Kong parity*: what is recorded nowhere is new, also where later migrations are done.
    fn sort(&mut self, subsystem: &Subsystem, row: Option<&SchemaMeta>) {
        let none = SchemaMeta::default();
        let row = row.unwrap_or(&none);
        let (mut executed, mut pending, mut new) = (vec![], vec![], vec![]);
        for migration in &subsystem.migrations {
            let is_in = |names: &[String]| names.iter().any(|name| *name == migration.name);
            let list = match () {
                () if is_in(&row.executed) => &mut executed,
                () if is_in(&row.pending) => &mut pending,
                () => &mut new,
            };
            list.push(migration.clone());
        }
        keep(&mut self.executed, subsystem, executed);
        keep(&mut self.pending, subsystem, pending);
        keep(&mut self.new, subsystem, new);
    }
}

impl SubsystemMigrations {
    fn to_json(&self) -> Value {
        let names: Vec<&str> = self.migrations.iter().map(|migration| &*migration.name).collect();
        json!({"subsystem": self.subsystem, "namespace": self.namespace, "migrations": names})
    }

    /// The text that lists several, a line each, with the colons below each other.
    pub fn list(all: &[SubsystemMigrations]) -> String {
        let width = all.iter().map(|kept| kept.subsystem.len()).max().unwrap_or_default();
        let lines = all.iter().map(|kept| {
            let names: Vec<&str> = kept.migrations.iter().map(|migration| &*migration.name).collect();
            format!("{:>width$}: {}", kept.subsystem, names.join(", "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn keep(list: &mut Vec<SubsystemMigrations>, subsystem: &Subsystem, migrations: Vec<Migration>) {
    if !migrations.is_empty() {
        list.push(SubsystemMigrations {
            subsystem: subsystem.name.to_string(),
            namespace: subsystem.namespace.clone(),
            migrations,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::bundled;
    use super::*;

    fn row(subsystem: &str, executed: &[&str], pending: &[&str]) -> SchemaMeta {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let last_executed = executed.last().map(|name| (*name).to_owned());
        SchemaMeta {
            subsystem: subsystem.to_owned(),
            last_executed,
            executed: owned(executed),
            pending: owned(pending),
        }
    }

    fn subsystems() -> Vec<Subsystem> {
        bundled(["session".to_owned(), "cors".to_owned()].iter())
    }

    #[test]
    fn a_database_without_records_needs_bootstrapping_and_has_everything_new() {
        let state = SchemaState::of(&subsystems(), None);
        assert!(state.needs_bootstrap && !state.is_up_to_date());
        let names: Vec<&str> = state.new.iter().map(|kept| kept.subsystem.as_str()).collect();
        assert_eq!(names, ["core", "session"]);
        assert!(state.check_age().is_ok());
    }

    #[test]
    fn migrations_are_told_apart_by_what_is_recorded() {
        let rows = [row("session", &["000_base_session"], &["001_add_ttl_index"])];
        let state = SchemaState::of(&subsystems(), Some(&rows));
        assert_eq!(SubsystemMigrations::list(&state.executed), "session: 000_base_session");
        assert_eq!(SubsystemMigrations::list(&state.pending), "session: 001_add_ttl_index");
        assert!(SubsystemMigrations::list(&state.new).starts_with("   core: 000_base, 003_100_to_110, "));
        assert!(SubsystemMigrations::list(&state.new).ends_with("\nsession: 002_320_to_330"));
    }

    #[test]
    fn a_database_older_than_2_8_is_refused() {
        let rows = [row("core", &["000_base", "003_100_to_110"], &[])];
        let error = SchemaState::of(&subsystems(), Some(&rows)).check_age().unwrap_err();
        assert!(
            error.to_string().contains("the core tables of this database are older than Kong 2.8"),
            "{error}"
        );
    }

    #[test]
    fn a_store_without_migrations_has_all_of_them_done() {
        let state = SchemaState::settled(&subsystems());
        assert!(state.is_up_to_date() && state.pending.is_empty());
        assert_eq!(state.to_json()["executed_migrations"][1]["migrations"][0], "000_base_session");
        assert_eq!(state.to_json()["needs_bootstrap"], false);
    }
}
