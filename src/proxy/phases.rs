//! The pipeline's view of the plugins: who runs them, and which phases the plan in force has.

use super::{Downstream, Worker, early};
use crate::exchange::{Exchange, Phase, refresh};
use crate::lua::plugin::{PhaseOutcome, Runner};
use crate::snapshot::{Plan, Snapshot};

/// Who runs plugins.
///
/// It is called only for phases that the plan of the exchange has, and for `access` of any plan that
/// has a phase at all: that is where the plan of the route takes over from that of global plugins.
pub enum Plugins {
    /// Nobody: a worker without Lua.
    None,
    /// The Lua runtime.
    Lua(Runner),
    /// A test.
    #[cfg(test)]
    Script(Script),
}

/// Plugins of a test: what is done in each phase.
#[cfg(test)]
pub type Script = Box<dyn Fn(&mut Exchange, Phase) -> PhaseOutcome>;

impl Plugins {
    /// Runs the plugins of a phase that may wait: `rewrite`, `access`, `response`.
    ///
    /// *Cancel safety*: dropping the future ends the plugin where it waits.
    pub async fn run(&self, exchange: &mut Exchange, phase: Phase) -> PhaseOutcome {
        match self {
            Plugins::None => PhaseOutcome::Continue,
            Plugins::Lua(runner) => match phase {
                Phase::Certificate => runner.certificate(exchange).await,
                Phase::Rewrite => runner.rewrite(exchange).await,
                Phase::Access => runner.access(exchange).await,
                Phase::Response => runner.response(exchange).await,
                _ => PhaseOutcome::Continue,
            },
            #[cfg(test)]
            Plugins::Script(script) => script(exchange, phase),
        }
    }

    /// Runs filters while a plugin of an earlier phase waits.
    pub fn during_wait<R>(&self, exchange: &mut Exchange, filter: impl FnOnce(&mut Exchange) -> R) -> R {
        match self {
            Plugins::Lua(runner) => runner.during_wait(exchange, filter),
            _ => filter(exchange),
        }
    }

    /// Waits for the secrets of a certificate entity that vaults written in Lua have.
    pub async fn resolve_certificate(&self, snapshot: &Snapshot, id: &str) {
        if let Plugins::Lua(runner) = self {
            runner.resolve_certificate(snapshot, id).await;
        }
    }

    /// Runs the plugins of a phase that cannot wait: `header_filter`, `body_filter`, `log`.
    pub fn run_now(&self, exchange: &mut Exchange, phase: Phase) -> PhaseOutcome {
        match self {
            Plugins::None => PhaseOutcome::Continue,
            Plugins::Lua(runner) => match phase {
                Phase::HeaderFilter => runner.header_filter(exchange),
                Phase::BodyFilter => runner.body_filter(exchange),
                Phase::Log => {
                    runner.log(exchange);
                    PhaseOutcome::Continue
                }
                _ => PhaseOutcome::Continue,
            },
            #[cfg(test)]
            Plugins::Script(script) => script(exchange, phase),
        }
    }
}

/// Whether the plan in force has a phase.
pub(super) fn runs(exchange: &Exchange, phase: Phase) -> bool {
    plan(exchange, phase).phases & phase.bit() != 0
}

/// The plan in force: that of the route once there is one.
fn plan(exchange: &Exchange, phase: Phase) -> &Plan {
    let plans = &exchange.snapshot.plans;
    match exchange.matched {
        Some(matched) if phase != Phase::Rewrite => plans.of_route(matched.route),
        _ => plans.global(),
    }
}

/// Runs a phase that may wait, where the plan in force has it.
pub(super) async fn run<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    phase: Phase,
) -> PhaseOutcome {
    if !runs(exchange, phase) {
        return PhaseOutcome::Continue;
    }
    wait_for(worker, exchange, client, phase).await
}

/// Runs the plugins of the route. They take over here even when none of them has this very phase.
pub(super) async fn access<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
) -> PhaseOutcome {
    if plan(exchange, Phase::Access).phases == 0 {
        return PhaseOutcome::Continue;
    }
    wait_for(worker, exchange, client, Phase::Access).await
}

async fn wait_for<D: Downstream>(
    worker: &Worker,
    exchange: &mut Exchange,
    client: &mut D,
    phase: Phase,
) -> PhaseOutcome {
    exchange.phase = phase;
    let depth = enter_plugins(exchange, phase);
    let outcome = early::run(worker, exchange, client, phase).await;
    refresh();
    leave_plugins(exchange, depth);
    outcome
}

/// Runs a phase that cannot wait, where the plan in force has it.
pub(super) fn run_now(worker: &Worker, exchange: &mut Exchange, phase: Phase) -> PhaseOutcome {
    if !runs(exchange, phase) {
        return PhaseOutcome::Continue;
    }
    exchange.phase = phase;
    let depth = enter_plugins(exchange, phase);
    let outcome = worker.plugins.run_now(exchange, phase);
    // The log phase is the last one: what follows it is told by the time it began at, as nginx does.
    if phase != Phase::Log {
        refresh();
    }
    leave_plugins(exchange, depth);
    outcome
}

/// Begins the span of all plugins of a phase; returns how many spans were open before.
fn enter_plugins(exchange: &mut Exchange, phase: Phase) -> usize {
    if exchange.timing.is_none() || !runs(exchange, phase) {
        return usize::MAX;
    }
    let Some(timing) = &mut exchange.timing else { return usize::MAX };
    let depth = timing.depth();
    timing.enter("plugins");
    depth
}

fn leave_plugins(exchange: &mut Exchange, depth: usize) {
    if let Some(timing) = &mut exchange.timing {
        timing.leave_to(depth);
    }
}
