//! Which request and which phase the running Lua code belongs to.

use super::frame::Flow;
use crate::exchange::{Exchange, Phase, current};
use std::cell::Cell;
use std::ptr;

/// What a call into Lua runs on behalf of.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// The request; null where the phase has none.
    ///
    /// *Invariant*: the exchange outlives the call and is not touched by others while Lua runs.
    pub exchange: *mut Exchange,
    /// The phase.
    pub phase: Phase,
    /// Tells calls without a request apart; zero for those with one.
    pub number: u64,
}

impl Context {
    /// A phase without a request.
    pub fn bare(phase: Phase) -> Self {
        let number = NUMBER.get() + 1;
        NUMBER.set(number);
        Self { exchange: ptr::null_mut(), phase, number }
    }

    /// The phase an exchange is in.
    pub fn of(exchange: &mut Exchange) -> Self {
        Self { phase: exchange.phase, exchange: ptr::from_mut(exchange), number: 0 }
    }
}

thread_local! {
    static PHASE: Cell<Phase> = const { Cell::new(Phase::Init) };
    static SHOWN: Cell<u32> = const { Cell::new(Phase::Init.bit()) };
    static CURRENT: Cell<u64> = const { Cell::new(0) };
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// The phase of the running code.
pub fn phase() -> Phase {
    PHASE.get()
}

/// The bit of the running code's phase, or what code of this phase wrote to `ngx.ctx.KONG_PHASE`.
pub(super) fn shown_phase() -> u32 {
    SHOWN.get()
}

/// Where [`shown_phase`] lies, for as long as this thread lives.
pub(super) extern "C" fn shown_phase_of_thread() -> *const u32 {
    SHOWN.with(|shown| shown.as_ptr().cast_const())
}

/// Shows another phase, zero for none, to code of this request until its phase is over.
///
/// # Errors
/// Where no request is served.
pub(super) fn claim_phase(shown: u32) -> Result<(), Flow> {
    with_exchange(|exchange| exchange.lua.claimed_phase = Some((phase(), shown)))?;
    SHOWN.set(shown);
    Ok(())
}

fn show(phase: Phase) {
    let claimed = current::with(|exchange| exchange.lua.claimed_phase).flatten();
    SHOWN.set(match claimed {
        Some((since, shown)) if since == phase => shown,
        _ => phase.bit(),
    });
}

/// The context of the running code, for code it starts.
pub(super) fn current() -> Context {
    Context { exchange: current::pointer(), phase: PHASE.get(), number: CURRENT.get() }
}

/// Sets the context and returns the one before, to be put back.
pub(super) fn replace(context: Context) -> Context {
    let before = current();
    current::set(context.exchange);
    PHASE.set(context.phase);
    show(context.phase);
    CURRENT.set(context.number);
    before
}

/// Runs `act` on the exchange of the running code.
///
/// # Errors
/// OpenResty's words where there is none: "no request found" before workers start, else that the
/// function is disabled.
pub fn with_exchange<R>(act: impl FnOnce(&mut Exchange) -> R) -> Result<R, Flow> {
    current::with(act).ok_or_else(|| match phase() {
        Phase::Init => Flow::raise("no request found"),
        _ => Flow::raise("API disabled in the current context"),
    })
}

/// Refuses where the running phase may not wait.
///
/// # Errors
/// "API disabled in the context of …".
pub fn require_waiting() -> Result<(), Flow> {
    let phase = phase();
    if phase.may_wait() { Ok(()) } else { Err(disabled(phase)) }
}

/// The error of a function that is not there in a phase.
pub fn disabled(phase: Phase) -> Flow {
    Flow::raise(format!("API disabled in the context of {}", phase.directive()))
}
