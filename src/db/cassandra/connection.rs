//! Opening a session with a cluster, and the words of what went wrong with one.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{
    DbError as Said, ExecutionError, NewSessionError, PrepareError, RequestAttemptError, UseKeyspaceError,
};
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::policies::timestamp_generator::MonotonicTimestampGenerator;
use scylla::statement::{Consistency, SerialConsistency};

use super::Settings;
use crate::conf;
use crate::db::DbError;

/// What stands for never where the driver wants a time.
const NEVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Opens a session; with `keyspace` that is what it is about.
///
/// *Errors*: no node can be reached, none lets us in, or there is no such keyspace.
pub(super) async fn open(settings: &Settings, keyspace: bool) -> Result<Session, DbError> {
    let tls = settings.tls().map_err(DbError::database)?;
    let mut balancing = DefaultPolicy::builder().token_aware(true);
    if let Some(center) = &settings.local_datacenter {
        balancing = balancing.prefer_datacenter(center.clone()).permit_dc_failover(true);
    }
    let profile = ExecutionProfile::builder()
        .request_timeout(Some(settings.timeout))
        .consistency(consistency(settings.read_consistency))
        .serial_consistency(Some(serial(settings)))
        .load_balancing_policy(balancing.build())
        .build();
    let mut builder = SessionBuilder::new()
        .known_nodes(settings.nodes())
        .connection_timeout(settings.timeout)
        .default_execution_profile_handle(profile.into_handle())
        .timestamp_generator(Arc::new(MonotonicTimestampGenerator::new()))
        .keyspaces_to_fetch([settings.keyspace.as_str()])
        .schema_agreement_timeout(settings.agreement)
        .cluster_metadata_refresh_interval(settings.refresh.unwrap_or(NEVER))
        .tls_context(tls);
    if let Some((user, password)) = &settings.login {
        builder = builder.user(user, password);
    }
    if keyspace {
        builder = builder.use_keyspace(&settings.keyspace, true);
    }
    let failed = |error: NewSessionError| new_session(&error, settings);
    match tokio::time::timeout(settings.timeout.saturating_mul(2), builder.build()).await {
        Ok(opened) => opened.map_err(failed),
        Err(_) => Err(DbError::away(format!("timeout: no connection to {}", settings.nodes().join(", ")))),
    }
}

/// How many replicas a request asks, as the driver names it.
pub(super) fn consistency(asked: conf::Consistency) -> Consistency {
    match asked {
        conf::Consistency::One => Consistency::One,
        conf::Consistency::Two => Consistency::Two,
        conf::Consistency::Three => Consistency::Three,
        conf::Consistency::All => Consistency::All,
        conf::Consistency::Quorum => Consistency::Quorum,
        conf::Consistency::EachQuorum => Consistency::EachQuorum,
        conf::Consistency::LocalQuorum => Consistency::LocalQuorum,
        conf::Consistency::LocalOne => Consistency::LocalOne,
    }
}

/// Where lightweight transactions are agreed upon.
///
/// *Kong parity*: within the local data center with a policy that knows one.
pub(super) fn serial(settings: &Settings) -> SerialConsistency {
    match settings.local_datacenter {
        Some(_) => SerialConsistency::LocalSerial,
        None => SerialConsistency::Serial,
    }
}

// ---- words --------------------------------------------------------------------------------------------

/// A request that failed.
pub(super) fn told(error: &ExecutionError) -> DbError {
    match error {
        ExecutionError::LastAttemptError(error) => attempt(error),
        ExecutionError::PrepareError(error) => prepare(error),
        ExecutionError::RequestTimeout(limit) => {
            DbError::away(format!("timeout: no answer within {} ms", limit.as_millis()))
        }
        ExecutionError::EmptyPlan | ExecutionError::ConnectionPoolError(_) => {
            DbError::away(format!("no node can be reached: {}", chain(error)))
        }
        ExecutionError::SchemaAgreementError(_) | ExecutionError::MetadataError(_) => {
            DbError::away(chain(error))
        }
        error => DbError::database(chain(error)),
    }
}

/// A statement that could not be prepared.
pub(super) fn prepare(error: &PrepareError) -> DbError {
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => attempt(first_attempt),
        PrepareError::ConnectionPoolError(_) => {
            DbError::away(format!("no node can be reached: {}", chain(error)))
        }
        error => DbError::database(chain(error)),
    }
}

fn attempt(error: &RequestAttemptError) -> DbError {
    match error {
        RequestAttemptError::DbError(said, words) => answered(said, words),
        RequestAttemptError::BrokenConnectionError(_) | RequestAttemptError::UnableToAllocStreamId => {
            DbError::away(chain(error))
        }
        error => DbError::database(chain(error)),
    }
}

/// What a node answered: its own words, and which consistency could not be met.
fn answered(said: &Said, words: &str) -> DbError {
    match said {
        Said::Unavailable { consistency, required, alive } => DbError::away(format!(
            "{words}: consistency {} needs {required} replicas, {alive} are alive",
            name(*consistency)
        )),
        Said::WriteTimeout { consistency, received, required, .. } => DbError::away(format!(
            "the write was not acknowledged in time: consistency {} needs {required} replicas, {received} answered",
            name(*consistency)
        )),
        Said::ReadTimeout { consistency, received, required, .. } => DbError::away(format!(
            "the read was not answered in time: consistency {} needs {required} replicas, {received} answered",
            name(*consistency)
        )),
        Said::WriteFailure { .. }
        | Said::ReadFailure { .. }
        | Said::Overloaded
        | Said::IsBootstrapping
        | Said::TruncateError => DbError::away(words.to_owned()),
        _ => DbError::database(words.to_owned()),
    }
}

fn name(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Any => "ANY",
        Consistency::One => "ONE",
        Consistency::Two => "TWO",
        Consistency::Three => "THREE",
        Consistency::Quorum => "QUORUM",
        Consistency::All => "ALL",
        Consistency::LocalQuorum => "LOCAL_QUORUM",
        Consistency::EachQuorum => "EACH_QUORUM",
        Consistency::LocalOne => "LOCAL_ONE",
        Consistency::Serial => "SERIAL",
        Consistency::LocalSerial => "LOCAL_SERIAL",
    }
}

fn new_session(error: &NewSessionError, settings: &Settings) -> DbError {
    let nodes = settings.nodes().join(", ");
    match error {
        NewSessionError::UseKeyspaceError(UseKeyspaceError::RequestError(error)) => attempt(error),
        NewSessionError::FailedToResolveAnyHostname(names) => DbError::away(format!(
            "could not resolve any of the provided Cassandra contact points (cassandra_contact_points = '{}')",
            names.join(", ")
        )),
        error => {
            let words = chain(error);
            if settings.login.is_none() && words.contains("uthentication is required") {
                let remedy = "set cassandra_username and cassandra_password";
                return DbError::database(format!("{nodes}: the cluster asks who logs in: {remedy}"));
            }
            match is_refusal(&words) {
                true => DbError::database(format!("{nodes}: {words}")),
                false => DbError::away(format!("could not connect to {nodes}: {words}")),
            }
        }
    }
}

/// Whether nodes were reached, but let nobody in: waiting does not help.
fn is_refusal(words: &str) -> bool {
    ["uthenticat", "ertificate", "credentials"].iter().any(|sign| words.contains(sign))
}

/// An error's words with those of what caused it, without repetition.
fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words
}
