//! The `kong` executable: a command, or one of the processes that a command started.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    kong::runtime::enter(kong::node::Node).unwrap_or_else(|| kong::cli::run(std::env::args_os()))
}
