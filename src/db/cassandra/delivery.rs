//! Sending what was worked out.
//!
//! What fits one logged batch is sent as one: all of it will be done, or nothing. More than that goes stage by stage,
//! the rows of a stage at once: batches over many partitions cost the cluster more than their rows one by one.

use std::time::{Duration, Instant};

use futures_util::{FutureExt, StreamExt, stream};

use super::aside;
use super::read::AT_ONCE;
use super::session::{Session, Statement};
use crate::db::{ClusterEvent, DbError};

/// The most bytes of a batch, by our count: servers refuse those of more than 50 KiB by theirs.
const BATCH_BYTES: usize = 32 * 1024;
/// A note that took longer to be written is written again: others look back in time, but not for ever.
const LATE: Duration = Duration::from_secs(2);
/// How often that is done at most.
const AGAIN: usize = 5;

/// Statements that are sent together.
pub(super) type Group = Vec<Statement>;
/// Groups of which none needs another.
pub(super) type Stage = Vec<Group>;

/// What is to be sent.
pub(super) struct Delivery {
    stages: Vec<Stage>,
    /// What tells other nodes.
    note: Option<ClusterEvent>,
}

/// Why not all was sent.
pub(super) struct Failed {
    /// What went wrong.
    pub(super) error: DbError,
    /// Whether a part of it was done.
    pub(super) is_begun: bool,
}

impl Delivery {
    pub(super) fn new(stages: Vec<Stage>, note: Option<ClusterEvent>) -> Delivery {
        Delivery { stages, note }
    }

    /// Sends it. The note comes with the last of it, or after it, and has the time at which it was sent.
    pub(super) async fn send(self, session: &Session) -> Result<(), Failed> {
        let Delivery { stages, note } = self;
        let bytes: usize = stages.iter().flatten().flatten().map(Statement::bytes).sum();
        let note_bytes = note.as_ref().map_or(0, |note| aside::event_statement(note).bytes());
        if bytes.saturating_add(note_bytes) > BATCH_BYTES {
            return send_apart(session, stages, note).await;
        }
        let begun = Instant::now();
        let own = stages.into_iter().flatten().flatten();
        let all: Vec<Statement> = own.chain(note.as_ref().map(aside::event_statement)).collect();
        if !all.is_empty() {
            let failed = |error| Failed { error, is_begun: false };
            session.batch(all).await.map_err(failed)?;
            tell_again(session, note.as_ref(), begun).await;
        }
        Ok(())
    }
}

async fn send_apart(session: &Session, stages: Vec<Stage>, note: Option<ClusterEvent>) -> Result<(), Failed> {
    let mut is_begun = false;
    let mut outcome = Ok(());
    for stage in stages {
        let mut sent = Vec::with_capacity(stage.len());
        for group in stage {
            sent.push(send_group(session, group).boxed());
        }
        let mut sent = stream::iter(sent).buffer_unordered(AT_ONCE);
        while let Some(one) = sent.next().await {
            is_begun |= one.is_ok();
            if one.is_err() {
                outcome = one;
                break;
            }
        }
        if outcome.is_err() {
            break;
        }
    }
    // What was done is told also where the rest was not.
    if let Some(note) = note.filter(|_| is_begun) {
        let begun = Instant::now();
        let told = aside::add_event(session, &note).await;
        tell_again(session, Some(&note), begun).await;
        outcome = outcome.and(told);
    }
    outcome.map_err(|error| Failed { error, is_begun })
}

async fn send_group(session: &Session, group: Group) -> Result<(), DbError> {
    if group.iter().map(Statement::bytes).sum::<usize>() <= BATCH_BYTES {
        return session.batch(group).await;
    }
    // A statement that is too large for any batch is taken where it is the only one.
    for statement in group {
        session.batch(vec![statement]).await?;
    }
    Ok(())
}

/// Tells others anew where the first note may have come too late to be seen by who looks for newer ones.
async fn tell_again(session: &Session, note: Option<&ClusterEvent>, mut begun: Instant) {
    let Some(note) = note else { return };
    for _ in 0..AGAIN {
        if begun.elapsed() < LATE {
            return;
        }
        begun = Instant::now();
        // The first one was written; this is for the sake of time alone.
        let _ = aside::add_event(session, note).await;
    }
}
