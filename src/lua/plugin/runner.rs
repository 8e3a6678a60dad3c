//! Runs the plugins of a request, phase by phase.

use super::configs::Configs;
use super::functions::{Functions, PlannedPhase};
use super::outcome::PhaseOutcome;
use super::plans::{Content, Instance, PlanNumbers, StepContent};
use super::settings::RunnerSettings;
use crate::exchange::{Exchange, LogContext, Phase, Running, Source};
use crate::lua::ngx::ctx;
use crate::lua::{Context, Frame, LuaError, Outcome, Reference, Vm, memory, pdk};
use crate::observability::log;
use crate::snapshot::{Plan, Plugin, PluginKind, Snapshot, Step, unknown_secrets};
use crate::vaults::Vaults;
use serde_json::Value;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// The plugins of a worker.
///
/// Clones are the same runner.
#[derive(Clone)]
pub struct Runner {
    inner: Rc<Inner>,
}

struct Inner {
    vm: Vm,
    kinds: Vec<PluginKind>,
    /// Which of them are told configurations.
    configurable: Vec<bool>,
    functions: Functions,
    numbers: PlanNumbers,
    configs: Configs,
    /// The vaults, where some are written in Lua.
    scripted: Option<Arc<Vaults>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Runner>> = const { RefCell::new(None) };
}

/// The plugins that are installed, in the order they run: what a snapshot is built with. Loads each
/// handler in this VM.
///
/// # Errors
/// One text with every plugin that cannot be used and why.
pub fn load_kinds(vm: &Vm, settings: &RunnerSettings) -> Result<Vec<PluginKind>, LuaError> {
    pdk::install(vm, settings)?;
    let runner: mlua::Table = vm.lua().load("return require 'kong.runloop.runner'").eval()?;
    let load: mlua::Function = runner.get("load")?;
    let (kinds, problem): (Option<Vec<mlua::Table>>, Option<String>) = load.call(settings.plugins.clone())?;
    let kinds = kinds.ok_or_else(|| LuaError::Setup(problem.unwrap_or_default()))?;
    kinds.iter().map(kind).collect()
}

fn kind(row: &mlua::Table) -> Result<PluginKind, LuaError> {
    let text = |at: i64| -> Result<Arc<str>, LuaError> { Ok(row.get::<String>(at)?.into()) };
    Ok(PluginKind { name: text(1)?, priority: row.get(2)?, version: text(3)?, phases: row.get(4)? })
}

impl Runner {
    /// Loads the plugins of a worker.
    ///
    /// # Errors
    /// One text with every plugin that cannot be used and why.
    pub fn new(vm: &Vm, settings: &RunnerSettings) -> Result<Runner, LuaError> {
        let kinds = load_kinds(vm, settings)?;
        let functions = Functions::of(vm)?;
        let configurable = vm.lua().load("return require 'kong.runloop.runner'.configurable()").eval()?;
        let (numbers, configs) = (PlanNumbers::default(), Configs::default());
        let scripted = settings.vaults.clone().filter(|vaults| vaults.has_scripted());
        let inner = Inner { vm: vm.clone(), kinds, configurable, functions, numbers, configs, scripted };
        let runner = Runner { inner: Rc::new(inner) };
        CURRENT.set(Some(runner.clone()));
        Ok(runner)
    }

    /// The installed plugins, in the order they run.
    pub fn kinds(&self) -> &[PluginKind] {
        &self.inner.kinds
    }

    /// Whether a request of this plan needs Lua in a phase.
    ///
    /// *Cost*: one bit test.
    pub fn wants(plan: &Plan, phase: Phase) -> bool {
        plan.phases & phase.bit() != 0
    }

    /// Runs `init_worker` of all plugins. What one throws is logged.
    pub async fn init_worker(&self) {
        let function = &self.inner.functions.init_worker;
        self.each_plugin("init_worker", function, |_| 0).await;
    }

    /// Tells plugins with a `configure` phase their configurations, at start and after each change.
    ///
    /// *Cost*: nothing without such plugins, however many configurations others have.
    pub async fn configure(&self, snapshot: &Arc<Snapshot>) {
        if !self.inner.configurable.contains(&true) {
            return;
        }
        self.resolve(snapshot, snapshot.plugins.iter().map(|plugin| &*plugin.config)).await;
        let push = |frame: &Frame| {
            self.push_all_configs(frame, snapshot);
            1
        };
        self.each_plugin("configure", &self.inner.functions.configure, push).await;
    }

    /// Calls a function that goes through all plugins: with what `push` pushes, and, where the watchdog stopped it
    /// under a plugin, once more with the error on top for those behind that plugin.
    async fn each_plugin(&self, what: &str, function: &Reference, push: impl Fn(&Frame) -> i32) {
        let mut stopped = None::<String>;
        for _ in 0..=self.inner.kinds.len() {
            let push = |frame: &Frame| {
                let count = push(frame);
                stopped.as_ref().map_or(count, |error| {
                    frame.push_text(error);
                    count + 1
                })
            };
            match self.inner.vm.call(function, Context::bare(Phase::InitWorker), push).await {
                Err(error @ LuaError::Stopped { .. }) => stopped = Some(error.report()),
                done => return report(done.err().as_ref(), what),
            }
        }
    }

    /// Global plugins, while a TLS handshake chooses its certificate.
    pub async fn certificate(&self, exchange: &mut Exchange) -> PhaseOutcome {
        self.early(exchange, Phase::Certificate).await
    }

    /// Global plugins, before routing.
    pub async fn rewrite(&self, exchange: &mut Exchange) -> PhaseOutcome {
        self.early(exchange, Phase::Rewrite).await
    }

    /// The plugins of the matched route; from here on its plan holds, also when none of them has this
    /// phase.
    ///
    /// *Cancel safety*: dropping the future ends the plugin where it waits.
    pub async fn access(&self, exchange: &mut Exchange) -> PhaseOutcome {
        exchange.phase = Phase::Access;
        let plan = plan_of(exchange);
        if plan.steps.is_empty() {
            return PhaseOutcome::Continue;
        }
        self.resolve_secrets(&exchange.snapshot, plan).await;
        let Some(number) = self.number(&exchange.snapshot, plan) else {
            return self.fail(exchange, &LuaError::Setup("a plan could not be made".into()));
        };
        let wanted = Self::wants(plan, Phase::Access);
        exchange.lua.plan = number;
        if !wanted {
            return PhaseOutcome::Continue;
        }
        let planned = self.planned(exchange, number, Phase::Access);
        match self.inner.vm.call(&planned, Context::of(exchange), |_| 0).await {
            Ok(Outcome::Done) => PhaseOutcome::Continue,
            // `ngx.exit(ngx.OK)` ends the phase, not the request; plugins behind this one are out of it.
            Ok(Outcome::Exit) if !exchange.lua.exited => {
                self.cut(exchange, number);
                PhaseOutcome::Continue
            }
            Ok(Outcome::Exit) => {
                note_exit(exchange);
                if exchange.response.source == Source::Script {
                    self.cut(exchange, number);
                } else {
                    self.collect_rest(exchange, number);
                }
                PhaseOutcome::Exited
            }
            Err(error) => {
                let outcome = self.fail(exchange, &error);
                self.collect_rest(exchange, number);
                exchange.response.head.status = 500;
                exchange.lua.buffered = false;
                outcome
            }
        }
    }

    /// The `response` phase: the upstream's whole response stands in the exchange.
    pub async fn response(&self, exchange: &mut Exchange) -> PhaseOutcome {
        self.early(exchange, Phase::Response).await
    }

    /// Plugins that change the response head.
    pub fn header_filter(&self, exchange: &mut Exchange) -> PhaseOutcome {
        self.late(exchange, Phase::HeaderFilter)
    }

    /// Plugins that change a piece of the response body: `response.chunk`.
    pub fn body_filter(&self, exchange: &mut Exchange) -> PhaseOutcome {
        self.late(exchange, Phase::BodyFilter)
    }

    /// Runs filters while a plugin of an earlier phase waits, and makes that plugin the running one again.
    pub fn during_wait<R>(&self, exchange: &mut Exchange, filter: impl FnOnce(&mut Exchange) -> R) -> R {
        let Running { plugin, plan, .. } = exchange.lua.running;
        let result = filter(exchange);
        let running = &mut exchange.lua.running;
        (running.plugin, running.plan) = (plugin, plan);
        result
    }

    /// Plugins that log the request. One that throws keeps no other from logging.
    pub fn log(&self, exchange: &mut Exchange) {
        exchange.phase = Phase::Log;
        let Some(number) = self.number_for(exchange, Phase::Log) else { return };
        let planned = self.planned(exchange, number, Phase::Log);
        let mut call = self.inner.vm.call_now(&planned, Context::of(exchange), |_| 0);
        // Each call gets at least one plugin further, so that there are no more than plugins.
        for _ in 0..=self.inner.kinds.len() {
            if self.outcome(exchange, call) != PhaseOutcome::Failed {
                return;
            }
            let log_rest = &self.inner.functions.log_rest;
            let number = key_of(exchange, number);
            call = self.inner.vm.call_now(log_rest, Context::of(exchange), push_number(number));
        }
    }

    /// Lets go of plans and configurations that no request uses any more, and of what Lua held for them. Call it
    /// after a change of the configuration, once the snapshot before has been freed.
    ///
    /// *Cost*: a look at each configuration in use; where some are let go of, a collection besides.
    pub async fn sweep(&self, current: &Snapshot) {
        let expired = self.inner.numbers.expired();
        let is_garbage = !expired.is_empty();
        for number in expired {
            let forgotten = self.inner.vm.call_now(
                &self.inner.functions.forget,
                Context::bare(Phase::Init),
                push_number(number.into()),
            );
            report(forgotten.err().as_ref(), "plan");
        }
        if self.inner.configs.retain(current).await || is_garbage {
            memory::collect_gently(&self.inner.vm).await;
        }
    }

    async fn early(&self, exchange: &mut Exchange, phase: Phase) -> PhaseOutcome {
        exchange.phase = phase;
        if exchange.lua.plan == 0 {
            self.resolve_secrets(&exchange.snapshot, exchange.snapshot.plans.global()).await;
        }
        let Some(number) = self.number_for(exchange, phase) else { return PhaseOutcome::Continue };
        let planned = self.planned(exchange, number, phase);
        let call = self.inner.vm.call(&planned, Context::of(exchange), |_| 0).await;
        self.outcome(exchange, call)
    }

    fn late(&self, exchange: &mut Exchange, phase: Phase) -> PhaseOutcome {
        exchange.phase = phase;
        let Some(number) = self.number_for(exchange, phase) else { return PhaseOutcome::Continue };
        let planned = self.planned(exchange, number, phase);
        let call = self.inner.vm.call_now(&planned, Context::of(exchange), |_| 0);
        self.outcome(exchange, call)
    }

    fn planned(&self, exchange: &mut Exchange, number: u32, phase: Phase) -> PlannedPhase<'_> {
        ctx::prepare(exchange, &self.inner.vm);
        let mut planned = key_of(exchange, number);
        if exchange.timing.is_some() {
            let made = self.inner.vm.call_now(
                &self.inner.functions.measure,
                Context::of(exchange),
                push_number(planned),
            );
            report(made.err().as_ref(), "plan");
            planned = -planned;
        }
        let running = &mut exchange.lua.running;
        (running.plugin, running.plan) = (0, planned as f64);
        PlannedPhase { functions: &self.inner.functions, number: planned, phase }
    }

    /// The plan to run after routing is the one that access ran, and that of global plugins for a
    /// request that did not come so far; none where it has nothing for the phase.
    fn number_for(&self, exchange: &Exchange, phase: Phase) -> Option<u32> {
        let ran = exchange.lua.plan != 0;
        let plan = if ran { plan_of(exchange) } else { exchange.snapshot.plans.global() };
        if !Self::wants(plan, phase) {
            return None;
        }
        if ran { Some(exchange.lua.plan) } else { self.number(&exchange.snapshot, plan) }
    }

    fn outcome(&self, exchange: &mut Exchange, call: Result<Outcome, LuaError>) -> PhaseOutcome {
        match call {
            Ok(Outcome::Done) => PhaseOutcome::Continue,
            Ok(Outcome::Exit) => {
                if exchange.phase != Phase::Log {
                    note_exit(exchange);
                }
                PhaseOutcome::Exited
            }
            Err(error) => self.fail(exchange, &error),
        }
    }

    fn fail(&self, exchange: &mut Exchange, error: &LuaError) -> PhaseOutcome {
        let read = |frame: &Frame| frame.text_at(-1).map(|name| String::from_utf8_lossy(name).into_owned());
        let push = |frame: &Frame| {
            frame.push_text(&error.to_string());
            1
        };
        let running =
            self.inner.vm.evaluate_now(&self.inner.functions.running, Context::of(exchange), push, read);
        let name = running.ok().and_then(|(_, name)| name).unwrap_or_default();
        let context = LogContext(exchange);
        let (phase, report) = (exchange.phase, error.report());
        let is_stopped = matches!(error, LuaError::Stopped { .. });
        // Of an error that a client sees, the request tells the route.
        let route = exchange.route_name().filter(|_| is_stopped || phase == Phase::Log);
        let route = route.map_or_else(String::new, |route| format!("route \"{route}\": "));
        match hook_of(phase).filter(|_| !is_stopped) {
            Some(hook) if phase == Phase::Log => {
                log::error!(&context => "failed to run {hook}: [{name}] {route}{report}");
            }
            Some(hook) => log::error!(&context => "failed to run {hook}: {report}"),
            None => log::error!(&context => "[kong] runner.rs:{} [{name}] {route}{report}", line!()),
        }
        PhaseOutcome::Failed
    }

    /// Where consumers choose: finds what runs of the plugins behind the one that ended access.
    fn collect_rest(&self, exchange: &mut Exchange, number: u32) {
        if !plan_of(exchange).steps.iter().any(|step| step.by_consumer) {
            return;
        }
        let function = &self.inner.functions.collect_rest;
        let rest = self.inner.vm.call_now(function, Context::of(exchange), push_number(number.into()));
        report(rest.err().as_ref(), "access");
    }

    /// Before a plan is made, waits for the secrets of vaults written in Lua that its configurations refer to.
    ///
    /// *Cost*: one test of a flag while no such vault is enabled.
    async fn resolve_secrets(&self, snapshot: &Arc<Snapshot>, plan: &Arc<Plan>) {
        if self.inner.scripted.is_none() || self.inner.numbers.find(snapshot, plan).is_some() {
            return;
        }
        let own = plan.steps.iter().filter_map(|step| snapshot.plugins.get(step.plugin?));
        let of_consumers = plan
            .steps
            .iter()
            .filter(|step| step.by_consumer)
            .flat_map(|step| snapshot.plugins.iter().filter(|plugin| plugin.kind == step.kind));
        self.resolve(snapshot, own.chain(of_consumers).map(|plugin| &*plugin.config)).await;
    }

    /// Waits for the secrets of a certificate entity that vaults written in Lua have.
    pub async fn resolve_certificate(&self, snapshot: &Snapshot, id: &str) {
        let certificates = snapshot.dataset.as_ref().and_then(|dataset| dataset.collection("certificates"));
        if self.inner.scripted.is_some()
            && let Some(entity) = certificates.and_then(|certificates| certificates.select(id))
        {
            self.resolve(snapshot, entity.values()).await;
        }
    }

    /// Waits for the secrets of vaults written in Lua that these values refer to, where they are not known yet.
    async fn resolve<'a>(&self, snapshot: &Snapshot, values: impl Iterator<Item = &'a Value>) {
        let Some(vaults) = &self.inner.scripted else { return };
        let mut unknown = Vec::new();
        values.for_each(|value| unknown_secrets(vaults, snapshot.dataset.as_deref(), value, &mut unknown));
        if unknown.is_empty() {
            return;
        }
        let push = |frame: &Frame| {
            frame.push_table(unknown.len(), 0);
            for (at, reference) in unknown.iter().enumerate() {
                frame.push_text(reference);
                frame.set_index(-2, at + 1);
            }
            1
        };
        let done = self.inner.vm.call(&self.inner.functions.resolve, Context::bare(Phase::Timer), push).await;
        report(done.err().as_ref(), "vault");
    }

    /// Ends the plan of this exchange with the plugin that ended access.
    ///
    /// *Kong parity*: `ngx.exit` there leaves the loop over the plugins, and only those that it came to get to filter
    /// and log the response; after `kong.response.exit` all do.
    fn cut(&self, exchange: &mut Exchange, number: u32) {
        let push = push_number(number.into());
        let read = |frame: &Frame| frame.number(-1).map_or(0, |steps| steps as u32);
        let cut = self.inner.vm.evaluate_now(&self.inner.functions.cut, Context::of(exchange), push, read);
        match cut {
            Ok((_, reached)) => exchange.lua.reached = reached,
            Err(error) => report(Some(&error), "access"),
        }
    }

    /// The number of a plan, made at its first use.
    fn number(&self, snapshot: &Arc<Snapshot>, plan: &Arc<Plan>) -> Option<u32> {
        if let Some(number) = self.inner.numbers.find(snapshot, plan) {
            return Some(number);
        }
        let (number, is_new) = self.inner.numbers.assign(snapshot, plan, self.content(snapshot, plan));
        if !is_new {
            return Some(number);
        }
        let mut problem = None;
        let push = |frame: &Frame| match self.push_plan(frame, snapshot, plan, number) {
            Ok(count) => count,
            Err(error) => {
                problem = Some(error);
                0
            }
        };
        let defined = self.inner.vm.call_now(&self.inner.functions.define, Context::bare(Phase::Init), push);
        report(defined.err().as_ref().or(problem.as_ref()), "plan");
        Some(number)
    }

    /// What a plan says, whatever its generation.
    fn content(&self, snapshot: &Arc<Snapshot>, plan: &Plan) -> Content {
        let instance = |plugin: &Plugin| Instance {
            entity: plugin.entity.clone(),
            secrets: if self.inner.configs.has_secrets(&plugin.id) { snapshot.generation } else { 0 },
        };
        let step = |step: &Step| StepContent {
            kind: self.kind_number(snapshot, step.kind),
            instance: step
                .plugin
                .and_then(|index| snapshot.plugins.get(index))
                .map(|plugin| instance(plugin)),
            by_consumer: step.by_consumer,
        };
        plan.steps.iter().map(step).collect()
    }

    /// Pushes the arguments of `define` and counts them.
    fn push_plan(
        &self,
        frame: &Frame,
        snapshot: &Arc<Snapshot>,
        plan: &Plan,
        number: u32,
    ) -> Result<i32, LuaError> {
        let room = plan.steps.len().saturating_mul(3) + 8;
        frame.reserve(room).map_err(|_| LuaError::Setup("a plan is too long".into()))?;
        frame.push_integer(number.into());
        for step in &plan.steps {
            self.push_step(frame, snapshot, step)?;
        }
        Ok(i32::try_from(1 + plan.steps.len() * 3).unwrap_or(1))
    }

    fn push_step(&self, frame: &Frame, snapshot: &Arc<Snapshot>, step: &Step) -> Result<(), LuaError> {
        frame.push_integer(self.kind_number(snapshot, step.kind));
        match step.plugin.and_then(|index| snapshot.plugins.get(index)) {
            Some(plugin) => self.inner.configs.push(&self.inner.vm, frame, snapshot, plugin)?,
            None => frame.push_boolean(false),
        }
        frame.push_boolean(step.by_consumer);
        Ok(())
    }

    /// The number of a kind in this VM, from 1: kinds of a snapshot stand in the same order, unless a
    /// plugin was added or removed between the two, which a reload does.
    fn kind_number(&self, snapshot: &Snapshot, kind: usize) -> i64 {
        let name = snapshot.kinds.get(kind).map(|kind| &kind.name);
        let at = self.inner.kinds.iter().position(|mine| Some(&mine.name) == name);
        at.map_or(0, |at| at as i64 + 1)
    }

    /// Pushes a table with the list of configurations of each plugin in use, by its number.
    fn push_all_configs(&self, frame: &Frame, snapshot: &Arc<Snapshot>) {
        frame.push_table(self.inner.kinds.len(), 0);
        let all = frame.top();
        for kind in 0..snapshot.kinds.len() {
            let number = self.kind_number(snapshot, kind);
            let is_told = usize::try_from(number - 1).ok().and_then(|at| self.inner.configurable.get(at));
            if is_told != Some(&true) {
                continue;
            }
            let instances: Vec<_> = snapshot.plugins.iter().filter(|p| p.kind == kind).collect();
            if instances.is_empty() {
                continue;
            }
            frame.push_table(instances.len(), 0);
            for (at, plugin) in instances.into_iter().enumerate() {
                if self.inner.configs.push(&self.inner.vm, frame, snapshot, plugin).is_ok() {
                    frame.set_index(-2, at + 1);
                }
            }
            frame.set_index(all, usize::try_from(number).unwrap_or(0));
        }
    }

    /// Pushes the configuration that holds for a plugin when this consumer asks; `nil` for none.
    pub(in crate::lua) fn push_consumer_config(
        frame: &Frame,
        exchange: &Exchange,
        number: usize,
        consumer: &str,
    ) {
        let pushed = CURRENT.with_borrow(|current| {
            let runner = current.as_ref()?;
            let name = &runner.inner.kinds.get(number.checked_sub(1)?)?.name;
            let snapshot = &exchange.snapshot;
            let kind = snapshot.kinds.iter().position(|kind| kind.name == *name)?;
            let route = exchange.matched.as_ref().map(|found| found.route);
            let service = route.and_then(|index| snapshot.routes.get(index)?.service);
            let index = snapshot.plans.instance(kind, route, service, Some(consumer))?;
            let plugin = snapshot.plugins.get(index)?;
            runner.inner.configs.push(&runner.inner.vm, frame, snapshot, plugin).ok()
        });
        if pushed.is_none() {
            frame.push_nil();
        }
    }
}

/// The plan of the matched route, or of global plugins.
///
/// *Cost*: none; a clone would be a counter that all workers write to.
fn plan_of(exchange: &Exchange) -> &Arc<Plan> {
    let plans = &exchange.snapshot.plans;
    match &exchange.matched {
        Some(found) => plans.of_route(found.route),
        None => plans.global(),
    }
}

/// Code that ended the phase without a response of its own has made an empty one.
fn note_exit(exchange: &mut Exchange) {
    if exchange.response.source == Source::None {
        exchange.response.source = Source::Script;
    }
}

/// Where the VM has the plan of an exchange, or what `ngx.exit` left of it: the counterpart of `cut` in
/// `kong.runloop.runner`.
fn key_of(exchange: &Exchange, number: u32) -> i64 {
    i64::from(number) | i64::from(exchange.lua.reached) << 32
}

fn push_number(number: i64) -> impl Fn(&Frame) -> i32 {
    move |frame| {
        frame.push_integer(number);
        1
    }
}

/// What nginx calls the phases whose errors Kong leaves to it to tell.
fn hook_of(phase: Phase) -> Option<&'static str> {
    match phase {
        Phase::Rewrite => Some("rewrite_by_lua*"),
        Phase::HeaderFilter => Some("header_filter_by_lua*"),
        Phase::BodyFilter => Some("body_filter_by_lua*"),
        Phase::Log => Some("log_by_lua*"),
        _ => None,
    }
}

/// Logs what the host did when Lua that is the gateway's own failed.
fn report(error: Option<&LuaError>, what: &str) {
    if let Some(error) = error {
        log::error!("[kong] runner.rs:{} {what}: {}", line!(), error.report());
    }
}
