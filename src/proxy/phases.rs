//! The pipeline's view of the plugins.

use crate::exchange::{Exchange, Phase};
use crate::lua::plugin::{PhaseOutcome, Runner};

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
