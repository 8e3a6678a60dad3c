//! What the runner calls in the VM: the functions of `kong.runloop.runner`, and the phases of its plans.

use crate::exchange::Phase;
use crate::lua::frame::Kind;
use crate::lua::ngx::ctx;
use crate::lua::{Callee, Frame, LuaError, Reference, Vm};

/// The functions of `kong.runloop.runner`.
#[derive(Debug)]
pub(super) struct Functions {
    pub(super) define: Reference,
    pub(super) forget: Reference,
    pub(super) init_worker: Reference,
    pub(super) configure: Reference,
    pub(super) measure: Reference,
    pub(super) collect_rest: Reference,
    pub(super) cut: Reference,
    pub(super) log_rest: Reference,
    pub(super) running: Reference,
    pub(super) resolve: Reference,
    /// The table of plans, by their number.
    plans: Reference,
    /// The parts of the plans that have a plain number: plan by plan, each in the order of its parts.
    parts: Reference,
}

/// A phase of a plan in the VM: a function that is called with the plan's configurations.
pub(super) struct PlannedPhase<'a> {
    pub(super) functions: &'a Functions,
    /// The plan's number; negative for the plan that measures.
    pub(super) number: i64,
    pub(super) phase: Phase,
}

/// Where a plan has its configurations, behind its phases: how many parts it has.
const CONFS: usize = 8;

impl PlannedPhase<'_> {
    /// Where a plan has the function of a phase: the order of `PARTS` in `kong.runloop.runner`.
    const fn part(&self) -> usize {
        match self.phase {
            Phase::Access => 1,
            Phase::Response => 2,
            Phase::HeaderFilter => 3,
            Phase::BodyFilter => 4,
            Phase::Log => 5,
            Phase::Rewrite => 6,
            _ => 7,
        }
    }

    /// Behind what the parts of the plan stand in the table of all; none for a plan that is cut or measures.
    fn first_part(&self) -> Option<usize> {
        const LAST: u32 = i32::MAX as u32 / CONFS as u32 - 1;
        let number = u32::try_from(self.number).ok().filter(|number| *number <= LAST)?;
        Some(number as usize * CONFS)
    }
}

impl Callee for PlannedPhase<'_> {
    fn push(&self, frame: &Frame) -> i32 {
        // The tables stay below the function until the coroutine is used again.
        if let Some(first) = self.first_part() {
            self.functions.parts.push(frame);
            frame.push_index(-1, first + self.part());
            frame.push_index(-2, first + CONFS);
            return 1;
        }
        self.functions.plans.push(frame);
        frame.push_integer(self.number);
        frame.raw_get(-2);
        if frame.kind(-1) != Kind::Table {
            // A plan that could not be made, which has been told: to call what is not there fails the request.
            return 0;
        }
        frame.push_index(-1, self.part());
        frame.push_index(-2, CONFS);
        1
    }
}

impl Functions {
    /// Those of a VM, which gets the metatable of contexts with them.
    ///
    /// # Errors
    /// When the module cannot be loaded.
    pub(super) fn of(vm: &Vm) -> Result<Functions, LuaError> {
        let table: mlua::Table = vm.lua().load("return require 'kong.runloop.runner'").eval()?;
        ctx::use_metatable(vm, table.get("context_mt")?)?;
        let function =
            |name: &str| -> Result<Reference, LuaError> { vm.reference(table.get::<mlua::Function>(name)?) };
        Ok(Functions {
            define: function("define")?,
            forget: function("forget")?,
            init_worker: function("init_worker")?,
            configure: function("configure")?,
            measure: function("measure")?,
            collect_rest: function("collect_rest")?,
            cut: function("cut")?,
            log_rest: function("log_rest")?,
            running: function("running")?,
            resolve: function("resolve")?,
            plans: vm.reference(table.get::<mlua::Table>("plans")?)?,
            parts: vm.reference(table.get::<mlua::Table>("parts")?)?,
        })
    }
}
