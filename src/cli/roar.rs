//! `kong roar`.

use std::process::ExitCode;

use super::{Command, Invocation};

/// The command.
pub const COMMAND: Command = Command {
    name: "roar",
    usage: "Usage: kong roar\n\nOptions:\n",
    subcommands: &[],
    options: &[],
    execute,
};

const ROAR: &str = r#"
Kong, Monolith destroyer.

          .--"""--.
        .'  _   _  '.
       /   (o) (o)   \          ___
      |  .-"  ___ "-. |   _.--'"   |
      |  \  ( ___ )  / |-"  _.--"""
   ___|   '-._____.-'  |__-"
  /    \    RAAAH     /    \
 /  /\  '-._______.-'   /\  \
|  |  \                /  |  |
|  |   |   .-----.    |   |  |
 \_/   |   |     |    |   \_/
       |   |     |    |
      _|___|     |____|_
     (_____)     (______)

"#;

fn execute(_: &Invocation) -> anyhow::Result<ExitCode> {
    print!("{}", ROAR.trim_start_matches('\n'));
    Ok(ExitCode::SUCCESS)
}
