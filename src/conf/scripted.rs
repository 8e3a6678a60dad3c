//! Secrets of vaults that are written in Lua, for the configuration itself.
//!
//! A process of its own asks: where configurations are read there is no Lua, and in the master there shall be none.

use std::path::Path;
use std::process::{Command, Stdio};

use super::reference::ReferenceError;

/// This very program, also after its file was replaced.
const PROGRAM: &str = "/proc/self/exe";

/// The secret that a reference stands for, by `kong vault get`.
///
/// *Errors*: what that command says.
pub fn ask(reference: &str, file: Option<&Path>, prefix: Option<&str>) -> Result<String, ReferenceError> {
    let mut command = Command::new(PROGRAM);
    command.args(["vault", "get", reference, "--as-configured"]).stdin(Stdio::null());
    if let Some(file) = file {
        command.arg("-c").arg(file);
    }
    if let Some(prefix) = prefix {
        command.args(["-p", prefix]);
    }
    let output = command.output().map_err(|error| ReferenceError::Scripted(error.to_string()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end_matches('\n').to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let said = text(&output.stderr);
    let reason = said.lines().find_map(|line| line.strip_prefix("Error: ")).map(str::trim);
    Err(ReferenceError::Scripted(reason.filter(|reason| !reason.is_empty()).unwrap_or(&said).to_owned()))
}
