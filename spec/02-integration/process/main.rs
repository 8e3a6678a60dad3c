//! The processes of the gateway under load, with a gateway that only echoes.
//!
//! This executable is its own gateway: [`kong::runtime::launch`] executes it again as master, which executes it again
//! as worker process. So it has no test harness but a list of tests, of which an argument selects some by name.

// all of it is test code, which clippy cannot tell without a test harness
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod clients;
mod echo;
mod node;
mod tests;

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = kong::runtime::enter(echo::Echo) {
        return code;
    }
    let filter: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let selected =
        tests::ALL.iter().filter(|(name, _)| filter.iter().all(|part| name.contains(part.as_str())));
    let mut failed = 0;
    for (name, test) in selected {
        let started = std::time::Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        failed += usize::from(!passed);
        let verdict = if passed { "ok" } else { "FAILED" };
        println!("test {} ... {verdict} ({:.1} s)", name.replace('_', " "), started.elapsed().as_secs_f32());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
