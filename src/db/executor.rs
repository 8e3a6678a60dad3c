//! The thread on which databases are talked to.

use std::future::Future;
use std::sync::OnceLock;
use std::thread;

use tokio::runtime::{Builder, Handle};

use super::{Answer, DbError};

/// The runtime of that thread; `Err` says why there is none.
static RUNTIME: OnceLock<Result<Handle, String>> = OnceLock::new();

/// Has a future run on the thread of the databases: connections belong to the runtime they were made on, and outlive
/// the workers that use them.
///
/// *Cancel safety*: the future goes on when the answer is dropped.
pub(in crate::db) fn run<T, F>(work: F) -> Answer<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, DbError>> + Send + 'static,
{
    let task = handle().map(|handle| handle.spawn(work));
    Box::pin(async move {
        let task = task.map_err(DbError::database)?;
        task.await
            .unwrap_or_else(|error| Err(DbError::database(format!("the database's task failed: {error}"))))
    })
}

fn handle() -> Result<Handle, String> {
    RUNTIME.get_or_init(start).clone()
}

fn start() -> Result<Handle, String> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    let handle = runtime.handle().clone();
    let thread = thread::Builder::new().name("kong-database".to_owned());
    let run = move || runtime.block_on(std::future::pending::<()>());
    thread.spawn(run).map_err(|error| error.to_string())?;
    Ok(handle)
}
