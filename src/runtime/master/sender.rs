//! Which process a signal came from: whoever reads the log wants to know who stopped the gateway.
#![allow(unsafe_code)] // a signal handler

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::Signal;

/// The last sender of each signal, by its number; 0 is the kernel.
static SENDERS: [AtomicI32; 32] = [const { AtomicI32::new(0) }; 32];

/// Remembers the senders of a signal from now on.
///
/// *Invariant*: called before anybody else registers for the signal, so that the sender is known when they act.
pub(super) fn remember(signal: Signal) -> io::Result<()> {
    let Some(sender) = SENDERS.get(signal as usize) else { return Ok(()) };
    // SAFETY: the handler reads a field that is set for every signal, and stores an atomic, which is
    // async-signal-safe.
    unsafe {
        signal_hook_registry::register_sigaction(signal as i32, move |info| {
            sender.store(info.si_pid(), Ordering::Relaxed);
        })?;
    }
    Ok(())
}

/// `signal N (NAME) received`, and from whom where a process sent it.
pub(super) fn describe(signal: Signal) -> String {
    let number = signal as i32;
    match SENDERS.get(signal as usize).map_or(0, |sender| sender.load(Ordering::Relaxed)) {
        0 => format!("signal {number} ({signal}) received"),
        sender => format!("signal {number} ({signal}) received from {sender}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_with_its_sender() {
        assert_eq!(describe(Signal::SIGUSR2), "signal 12 (SIGUSR2) received");
        remember(Signal::SIGUSR2).unwrap();
        nix::sys::signal::raise(Signal::SIGUSR2).unwrap();
        let expected = format!("signal 12 (SIGUSR2) received from {}", std::process::id());
        assert_eq!(describe(Signal::SIGUSR2), expected);
    }
}
