//! `kong lua`: a script, or a dialogue, in the runtime that plugins run in.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use super::{Command, Invocation, Opt, script};
use crate::conf::{Conf, Purpose, Sources};
use crate::lua::{Context, Frame, LuaError, Phase, Reference, Vm};

/// The command.
pub const COMMAND: Command = Command {
    name: "lua",
    usage: "\
Usage: kong lua [FILE [ARGUMENTS]]

Run a Lua script in the runtime that plugins run in: with ngx, kong, timers, sockets, light threads and
shared dictionaries. Without a file, read lines and print what they give.

Options:
",
    subcommands: &[],
    options: &[Opt::rest()],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let arguments = invocation.positional.clone();
    if matches!(arguments.first().map(String::as_str), Some("-h" | "--help")) {
        return Ok(super::command::refuse(None, COMMAND.usage));
    }
    let conf = Conf::load(&Sources::new(None).purpose(Purpose::Inspect))?;
    script::run(&conf, script::Kind::Program, |vm| async move {
        match arguments.split_first() {
            Some((file, rest)) => run_file(&vm, file, rest).await,
            None => converse(&vm).await,
        }
    })
}

/// *Kong parity*: an error of the script goes to standard error with its traceback and ends with code 1.
async fn run_file(vm: &Vm, file: &str, arguments: &[String]) -> anyhow::Result<ExitCode> {
    match vm.run_file(file, arguments).await {
        Ok(_) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("kong lua: {}", error.report());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Reads lines until the end of input. Timers and threads run while a line is awaited.
async fn converse(vm: &Vm) -> anyhow::Result<ExitCode> {
    let print = vm.load("=print", b"if select('#', ...) > 0 then print(...) end").map_err(script::failed)?;
    let mut chunk = String::new();
    loop {
        prompt(if chunk.is_empty() { "> " } else { ">> " });
        let Some(line) = tokio::task::spawn_blocking(next_line).await?? else {
            return Ok(ExitCode::SUCCESS);
        };
        chunk.push_str(&line);
        match compile(vm, &chunk) {
            Err(LuaError::Syntax(message)) if message.ends_with("'<eof>'") => {}
            Err(error) => {
                eprintln!("{error}");
                chunk.clear();
            }
            Ok(function) => {
                if let Err(error) = evaluate(vm, &function, &print).await {
                    eprintln!("{}", error.report());
                }
                chunk.clear();
            }
        }
    }
}

fn prompt(text: &str) {
    if std::io::stdin().is_terminal() {
        print!("{text}");
        // A terminal that is gone shows itself at the next read.
        let _ = std::io::stdout().flush();
    }
}

fn next_line() -> std::io::Result<Option<String>> {
    let mut line = String::new();
    Ok((std::io::stdin().lock().read_line(&mut line)? > 0).then_some(line))
}

/// An expression is asked for its value; anything else is run.
fn compile(vm: &Vm, chunk: &str) -> Result<Reference, LuaError> {
    let expression = chunk.strip_prefix('=').unwrap_or(chunk);
    vm.load("=stdin", format!("return {expression}").as_bytes())
        .or_else(|_| vm.load("=stdin", chunk.as_bytes()))
}

async fn evaluate(vm: &Vm, function: &Reference, print: &Reference) -> Result<(), LuaError> {
    let context = Context::bare(Phase::Timer);
    let show = |frame: &Frame| {
        let count = frame.top();
        print.push(frame);
        frame.insert(1);
        frame.call(count, 0)
    };
    vm.evaluate(function, context, |_| 0, show).await.map(drop)
}
