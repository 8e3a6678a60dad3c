//! `kong hybrid`: the certificate that the nodes of a hybrid deployment share.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};

use super::{Command, Invocation, Opt};
use crate::conf::prefix::{cluster_certificate, write_private};

const CERTIFICATE: &str = "./cluster.crt";
const KEY: &str = "./cluster.key";
const DEFAULT_DAYS: u64 = 3 * 365;

/// The command.
pub const COMMAND: Command = Command {
    name: "hybrid",
    usage: "\
Usage: kong hybrid COMMAND [OPTIONS]

Utilities for hybrid mode.

The available commands are:
  gen_cert [<cert> <key>]           Make a certificate and a key that all nodes of a hybrid deployment
                                    can share. They are written to './cluster.crt' and
                                    './cluster.key' in the current directory unless both file
                                    names are given.

Options:
 -d,--days        (optional number) days for which the certificate is valid.
                                    Default: 1095 days (3 years)
",
    subcommands: &["gen_cert"],
    options: &[Opt::number(Some('d'), "days")],
    execute,
};

fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let days = invocation.number("days").map_or(DEFAULT_DAYS, |days| days as u64);
    let (certificate, key) = match invocation.positional.as_slice() {
        [] => (CERTIFICATE, KEY),
        [certificate, key] => (certificate.as_str(), key.as_str()),
        _ => bail!("both cert and key path needs to be provided"),
    };
    let (certificate, key) = (absolute(certificate)?, absolute(key)?);
    for path in [&certificate, &key] {
        ensure!(!Path::new(path).exists(), "{path} already exists.\nWill not overwrite it.");
    }
    let pair = cluster_certificate(days)?;
    write_private(Path::new(&certificate), pair.certificate.as_bytes(), 0o644)?;
    write_private(Path::new(&key), pair.key.as_bytes(), 0o600)?;
    invocation.console.info(format!(
        "Successfully generated certificate/key pairs, they have been written to: '{certificate}' and '{key}'."
    ));
    Ok(ExitCode::SUCCESS)
}

fn absolute(path: &str) -> anyhow::Result<String> {
    let path = crate::conf::absolute(Path::new(path));
    path.to_str().map(str::to_owned).context("the path is not UTF-8")
}
