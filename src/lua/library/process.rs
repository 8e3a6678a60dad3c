//! `kong.process`: running commands while everything else goes on.

use crate::lua::frame::{Answer, Frame};
use crate::lua::task::Resume;
use std::ffi::c_int;
use std::process::{Output, Stdio};
use tokio::process::Command;

/// What a shell answers for a program that it does not find.
const NOT_FOUND: i64 = 127;

/// Loader of `kong.process`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 1);
    let table: c_int = frame.top();
    frame.set_function(table, "run", run);
    Ok(1)
}

/// `run(command)`: the exit code, 128 and the signal for a killed one, standard output, standard error.
fn run(frame: &Frame) -> Answer {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(&*frame.text(1)?).stdin(Stdio::null());
    frame.wait(async move {
        let ended = command.output().await;
        Box::new(move |frame: &Frame| Ok(push(frame, ended))) as Resume
    })
}

fn push(frame: &Frame, ended: std::io::Result<Output>) -> c_int {
    use std::os::unix::process::ExitStatusExt;
    match ended {
        Ok(output) => {
            let signal = || output.status.signal().map_or(NOT_FOUND, |signal| 128 + i64::from(signal));
            frame.push_integer(output.status.code().map_or_else(signal, i64::from));
            frame.push_bytes(&output.stdout);
            frame.push_bytes(&output.stderr);
        }
        Err(error) => {
            frame.push_integer(NOT_FOUND);
            frame.push_bytes(b"");
            frame.push_text(&error.to_string());
        }
    }
    3
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn a_command_runs_while_light_threads_do() {
        check(
            r#"
            local run = require("kong.process").run
            local ticks = 0
            local ticker = ngx.thread.spawn(function()
              while true do ngx.sleep(0.005) ticks = ticks + 1 end
            end)
            local code, stdout, stderr = run("echo out; echo err >&2; sleep 0.1; exit 3")
            assert(code == 3 and stdout == "out\n" and stderr == "err\n")
            assert(ticks > 3, ticks)
            ngx.thread.kill(ticker)
            assert(run("kill -9 $$") == 128 + 9)
            "#,
        );
    }
}
