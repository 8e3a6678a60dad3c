//! The order of things: what `bootstrap`, `up`, `finish` and `reset` do, and what they tell meanwhile.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use uuid::Uuid;

use super::connection::{Connection, prefixed};
use super::plugins::Plugins;
use crate::cli::Console;
use crate::conf::Conf;
use crate::db::migrations::{CORE, Migration, Progress, SchemaState, Step, Subsystem, SubsystemMigrations};
use crate::db::migrator::bundled_for;

/// The lock of which the holder migrates.
const LOCK: &str = "migrations";
/// What a node says that does not hold it.
const NOT_LEADER: &str = "aborted: another node is performing database changes";

/// What a database says that has no tables yet.
pub const NEEDS_BOOTSTRAP: &str = "\
Database needs bootstrapping or is older than Kong 1.0.

To start a new installation from scratch, run 'kong migrations bootstrap'.

To migrate from a version older than 1.0, migrated to Kong 1.5.0 first. 
If you still have 'apis' entities, you can convert them to Routes and Services
using the 'kong migrations migrate-apis' command in Kong 1.5.0.

";

/// A database, and the migrations for it.
pub struct Flow {
    connection: Rc<RefCell<Connection>>,
    plugins: Option<Plugins>,
    subsystems: Vec<Subsystem>,
    console: Console,
    /// How long another node is waited for, and a lock held, in seconds.
    lock_timeout: f64,
}

/// Which halves of migrations run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halves {
    Up,
    Finish,
    Both,
}

impl Flow {
    /// Connects to the database of a configuration.
    pub fn open(
        conf: &Conf,
        console: Console,
        lock_timeout: f64,
        timeout: Option<Duration>,
    ) -> anyhow::Result<Flow> {
        let plugins = Plugins::of(conf)?;
        let subsystems = subsystems(conf, plugins.as_ref())?;
        let connection = Rc::new(RefCell::new(Connection::open(conf, timeout)?));
        Ok(Flow { connection, plugins, subsystems, console, lock_timeout })
    }

    /// The name of the database.
    pub fn database(&self) -> String {
        self.connection.borrow().database().to_owned()
    }

    /// What the database calls itself in messages.
    pub fn label(&self) -> &'static str {
        self.connection.borrow().label()
    }

    /// What the database has of the migrations.
    pub fn state(&self) -> anyhow::Result<SchemaState> {
        self.console.verbose("retrieving database schema state...");
        let recorded = self.connection.borrow_mut().schema_meta()?;
        self.console.verbose("schema state retrieved");
        Ok(SchemaState::of(&self.subsystems, recorded.as_deref()))
    }

    /// Whether a node can be run by the database; with `migrate` it is brought up to date first.
    ///
    /// *Errors*: it is not, with the command that prepares it.
    pub fn check(&self, migrate: bool) -> anyhow::Result<()> {
        let mut state = self.state()?;
        if migrate && !state.is_up_to_date() {
            self.up(false)?;
            state = self.state()?;
        }
        ensure!(!state.needs_bootstrap, "{NEEDS_BOOTSTRAP}");
        ensure!(state.new.is_empty(), "New migrations available; run 'kong migrations up' to proceed");
        if !state.pending.is_empty() {
            let pending = SubsystemMigrations::list(&state.pending);
            self.console.info(format!("Database has pending migrations:\n{pending}"));
        }
        Ok(())
    }

    /// Makes the tables of an empty database.
    pub fn bootstrap(&self, force: bool) -> anyhow::Result<()> {
        if force {
            self.reset()?;
        }
        if !self.state()?.needs_bootstrap {
            self.console.info("Database already bootstrapped");
            return Ok(());
        }
        self.console.info("Bootstrapping database...");
        self.connection.borrow_mut().bootstrap()?;
        let led = self.with_lock(false, || {
            // another node may have been faster
            self.run(&self.state()?.new, Halves::Both, &[])?;
            self.console.info("Database is up-to-date");
            Ok(())
        })?;
        self.tell_led(led);
        Ok(())
    }

    /// Runs the first halves of what is new; an empty database is bootstrapped.
    pub fn up(&self, force: bool) -> anyhow::Result<()> {
        if self.state()?.needs_bootstrap {
            return self.bootstrap(false);
        }
        let led = self.with_lock(true, || self.up_locked(force))?;
        self.tell_led(led);
        Ok(())
    }

    fn up_locked(&self, force: bool) -> anyhow::Result<()> {
        let mut state = self.state()?;
        if !force && !state.pending.is_empty() {
            bail!("Database has pending migrations; run 'kong migrations finish'");
        }
        state.check_age().map_err(|error| prefixed(self.label(), error))?;
        if force && !state.executed.is_empty() {
            self.console.debug(format!(
                "forcing re-execution of these migrations:\n{}",
                SubsystemMigrations::list(&state.executed)
            ));
            self.run(&state.executed, Halves::Both, &state.pending)?;
            state = self.state()?;
            if self.tell_pending(&state) {
                return Ok(());
            }
        }
        if state.new.is_empty() {
            if !force {
                self.console.info("Database is already up-to-date");
            }
            return Ok(());
        }
        self.console.debug(format!("migrations to run:\n{}", SubsystemMigrations::list(&state.new)));
        // where bootstrapping was cut short nothing of an old release is left to be finished
        let is_fresh = state.executed.iter().all(|kept| kept.subsystem != CORE);
        self.run(&state.new, if is_fresh { Halves::Both } else { Halves::Up }, &[])?;
        self.tell_pending(&self.state()?);
        Ok(())
    }

    /// Runs the second halves of what is pending.
    pub fn finish(&self, force: bool) -> anyhow::Result<()> {
        ensure!(!self.state()?.needs_bootstrap, "Cannot run migrations: {NEEDS_BOOTSTRAP}");
        let led = self.with_lock(false, || self.finish_locked(force))?;
        self.tell_led(led);
        Ok(())
    }

    fn finish_locked(&self, force: bool) -> anyhow::Result<()> {
        let mut state = self.state()?;
        if force && !state.executed.is_empty() {
            self.run(&state.executed, Halves::Both, &[])?;
            state = self.state()?;
        }
        let had_pending = !state.pending.is_empty();
        if had_pending {
            let pending = SubsystemMigrations::list(&state.pending);
            self.console.debug(format!("pending migrations to finish:\n{pending}"));
            self.run(&state.pending, Halves::Finish, &[])?;
            state = self.state()?;
        }
        if !state.new.is_empty() {
            self.console.info("\nNew migrations available; run 'kong migrations up' to proceed");
        } else if !force && state.pending.is_empty() {
            self.console.info("No pending migrations to finish");
        }
        Ok(())
    }

    /// Drops everything; tells whether there was anything.
    pub fn reset(&self) -> anyhow::Result<bool> {
        if self.state()?.needs_bootstrap {
            self.console.info("Database not bootstrapped, nothing to reset");
            return Ok(false);
        }
        let drop_all = || -> anyhow::Result<()> {
            self.console.info("Resetting database...");
            self.connection.borrow_mut().reset()?;
            self.console.info("Database successfully reset");
            Ok(())
        };
        match self.take_lock(false) {
            Ok(Some(_)) => drop_all()?,
            Ok(None) => {
                self.console.info(NOT_LEADER);
                return Ok(false);
            }
            // perhaps there is no table of locks any more
            Err(error) => {
                self.console.error(format!("{error} - retrying without cluster lock"));
                drop_all()?;
            }
        }
        Ok(true)
    }

    /// Acts while this node holds the lock. With `wait` another node's end is awaited first; then there is nothing
    /// left to do. Tells whether it acted.
    fn with_lock(&self, wait: bool, act: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<bool> {
        let Some(owner) = self.take_lock(wait)? else { return Ok(false) };
        let done = act();
        let released = self.connection.borrow_mut().release_lock(LOCK, &owner);
        done.and(released).map(|()| true)
    }

    fn take_lock(&self, wait: bool) -> anyhow::Result<Option<String>> {
        let owner = Uuid::new_v4().to_string();
        if self.connection.borrow_mut().take_lock(LOCK, &owner, self.lock_timeout)? {
            return Ok(Some(owner));
        }
        if wait {
            self.await_release()?;
        }
        Ok(None)
    }

    /// Waits until nobody holds the lock any more.
    fn await_release(&self) -> anyhow::Result<()> {
        const STEP: f64 = 0.1;
        const LONGEST_STEP: f64 = 2.0;
        let (mut step, mut waited) = (STEP, 0.0);
        loop {
            waited += step;
            ensure!(waited < self.lock_timeout, "[{} error] timeout", self.label());
            std::thread::sleep(Duration::from_secs_f64(step));
            if !self.connection.borrow_mut().is_locked(LOCK)? {
                return Ok(());
            }
            step = (step * 3.0).min(LONGEST_STEP);
        }
    }

    fn tell_led(&self, led: bool) {
        if !led {
            self.console.info(NOT_LEADER);
        }
    }

    fn tell_pending(&self, state: &SchemaState) -> bool {
        let has_pending = !state.pending.is_empty();
        if has_pending {
            self.console.info("\nDatabase has pending migrations; run 'kong migrations finish' when ready");
        }
        has_pending
    }

    /// Runs halves of migrations and records each; the second half of those that `pending` lists is left out.
    fn run(
        &self,
        migrations: &[SubsystemMigrations],
        halves: Halves,
        pending: &[SubsystemMigrations],
    ) -> anyhow::Result<()> {
        let (mut processed, mut left) = (0, 0);
        for kept in migrations {
            self.console.info(format!("migrating {} on database '{}'...", kept.subsystem, self.database()));
            for migration in &kept.migrations {
                let is_pending = pending.iter().any(|other| {
                    other.subsystem == kept.subsystem
                        && other.migrations.iter().any(|other| other.name == migration.name)
                });
                self.console.debug(format!("running migration: {}", migration.name));
                left += usize::from(self.run_one(&kept.subsystem, migration, halves, is_pending)?);
                let mark =
                    if migration.finish.is_some() && halves == Halves::Up { "pending" } else { "executed" };
                self.console.info(format!("{} migrated up to: {} ({mark})", kept.subsystem, migration.name));
                processed += 1;
            }
        }
        let plural = if processed > 1 { "s" } else { "" };
        self.console.info(format!("{processed} migration{plural} processed"));
        for (count, what) in [(processed - left, "executed"), (left, "pending")] {
            if count > 0 {
                self.console.info(format!("{count} {what}"));
            }
        }
        Ok(())
    }

    /// Tells whether the second half is left.
    fn run_one(
        &self,
        subsystem: &str,
        migration: &Migration,
        halves: Halves,
        is_pending: bool,
    ) -> anyhow::Result<bool> {
        let name = &migration.name;
        let record = |progress| self.connection.borrow_mut().record(subsystem, name, progress);
        let mut is_left = false;
        if halves != Halves::Finish {
            self.run_steps(name, "up", &migration.up)?;
            is_left = migration.finish.is_some();
            record(if is_left { Progress::Pending } else { Progress::Executed })?;
        }
        if halves != Halves::Up
            && !is_pending
            && let Some(finish) = &migration.finish
        {
            // of what ran right before nothing of an old release can be left
            let steps = finish.iter().filter(|step| halves == Halves::Finish || **step != Step::Refuse);
            self.run_steps(name, "teardown", steps)?;
            record(Progress::Finished)?;
            is_left = false;
        }
        Ok(is_left)
    }

    fn run_steps<'a>(
        &self,
        migration: &str,
        half: &str,
        steps: impl IntoIterator<Item = &'a Step>,
    ) -> anyhow::Result<()> {
        let label = self.label();
        for step in steps {
            let (what, done) = match (step, &self.plugins) {
                (Step::Lua { module, function }, Some(plugins)) => {
                    (*function, plugins.call(module, function, &self.connection))
                }
                (step, _) => (half, self.connection.borrow_mut().run(step).map_err(anyhow::Error::from)),
            };
            done.map_err(|error| {
                anyhow!("[{label} error] failed to run migration '{migration}' {what}: {error}")
            })?;
        }
        Ok(())
    }
}

/// The migrations of the core and of the enabled plugins, in the order of their names.
pub fn subsystems(conf: &Conf, plugins: Option<&Plugins>) -> anyhow::Result<Vec<Subsystem>> {
    let mut all = bundled_for(conf);
    if let Some(plugins) = plugins {
        let own = plugins.subsystems(conf)?;
        all.retain(|known| own.iter().all(|other| other.name != known.name));
        all.extend(own);
    }
    all.sort_by(|a, b| (a.name != CORE, &a.name).cmp(&(b.name != CORE, &b.name)));
    Ok(all)
}
