//! The connections to one server.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::Settings;
use super::connection::{dotted, open};
use super::session::Session;
use crate::db::DbError;

/// After so long without use a connection is asked for a sign of life before it is used again.
const STALE: Duration = Duration::from_millis(500);

/// The connections to one server: as many as the settings allow, opened when they are needed.
///
/// No pool of a library: a server that is away is told at once instead of after a time, and what is left of a
/// connection after an error is known here.
#[derive(Debug)]
pub(super) struct Pool {
    settings: Settings,
    free: Arc<Semaphore>,
    idle: Mutex<VecDeque<(Session, Instant)>>,
    version: OnceLock<String>,
}

/// A connection of a pool. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Lease {
    /// The connection.
    pub(super) session: Session,
    pool: Arc<Pool>,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(settings: Settings) -> Pool {
        let free = Arc::new(Semaphore::new(settings.connections as usize));
        Pool { settings, free, idle: Mutex::default(), version: OnceLock::new() }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The server's version, if it was reached yet.
    pub(super) fn version(&self) -> Option<&String> {
        self.version.get()
    }

    /// A connection.
    ///
    /// *Errors*: all are in use for too long, or the server cannot be reached.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, DbError> {
        let waiting = tokio::time::timeout(self.settings.wait, Arc::clone(&self.free).acquire_owned());
        let Ok(Ok(permit)) = waiting.await else {
            return Err(DbError::database("error acquiring query semaphore: timeout"));
        };
        let mut session = match self.idle_session().await {
            Some(session) => session,
            None => self.fresh_session().await?,
        };
        session.within(self.settings.timeout);
        Ok(Lease { session, pool: Arc::clone(self), _permit: permit })
    }

    /// One that was used before and still works.
    async fn idle_session(&self) -> Option<Session> {
        loop {
            let (mut session, since) = self.idle.lock().pop_back()?;
            let age = since.elapsed();
            if self.settings.idle.is_some_and(|longest| age > longest) {
                continue;
            }
            if age < STALE || session.answers().await {
                return Some(session);
            }
        }
    }

    async fn fresh_session(&self) -> Result<Session, DbError> {
        let opened = open(&self.settings).await?;
        // The first connection tells it; a server does not change its version while it is connected to.
        let _ = self.version.set(dotted(opened.version));
        let mut session = Session::new(opened.connection, self.settings.timeout);
        let limit = format!("SET statement_timeout = {}", self.settings.timeout.as_millis());
        session.run_any(limit).await.map_err(|error| super::session::told(&error))?;
        Ok(session)
    }
}

impl Lease {
    /// Returns the connection to its pool, if it can be used again. If not, those that wait there are closed, too: what
    /// ended one has mostly ended all.
    pub(super) fn give_back(self) {
        let mut idle = self.pool.idle.lock();
        if self.session.is_usable() {
            idle.push_back((self.session, Instant::now()));
        } else {
            idle.clear();
        }
    }
}
