//! The `kong` executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    kong::cli::run(std::env::args_os())
}
