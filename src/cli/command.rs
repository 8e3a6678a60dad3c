//! What a command is, and how its arguments are read.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches};

use super::Console;
use super::console::Verbosity;
use super::version::{LUA_VERSION, NGINX_VERSION, NGX_LUA_VERSION};
use crate::KONG_VERSION;

/// The end of every usage text.
pub const UNIVERSAL_OPTIONS: &str = " --v              verbose\n --vv             debug\n";

const HINT: &str = "\n  Run with --v (verbose) or --vv (debug) for more details\n";

/// A command of `kong`.
#[derive(Debug)]
pub struct Command {
    /// Its name on the command line.
    pub name: &'static str,
    /// What `--help` prints before the universal options, which complete its last section.
    pub usage: &'static str,
    /// Its subcommands; empty if it has none. With subcommands, one must be given.
    pub subcommands: &'static [&'static str],
    /// Its options beside `--v` and `--vv`.
    pub options: &'static [Opt],
    /// What it does.
    pub execute: fn(&Invocation) -> anyhow::Result<ExitCode>,
}

/// An option of a command.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// The letter after one dash, if it has one.
    pub short: Option<char>,
    /// The word after two dashes.
    pub long: &'static str,
    /// What follows it.
    pub value: OptValue,
}

/// What follows an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OptValue {
    /// Nothing.
    None,
    /// A text.
    Text,
    /// A number.
    Number,
    /// Not an option: the command reads all of its arguments itself, those that look like options too.
    Rest,
}

impl Opt {
    /// An option without a value.
    pub const fn flag(short: Option<char>, long: &'static str) -> Opt {
        Opt { short, long, value: OptValue::None }
    }

    /// An option with a text.
    pub const fn text(short: Option<char>, long: &'static str) -> Opt {
        Opt { short, long, value: OptValue::Text }
    }

    /// An option with a number.
    pub const fn number(short: Option<char>, long: &'static str) -> Opt {
        Opt { short, long, value: OptValue::Number }
    }

    /// What a command has, instead of options, that hands its arguments on to a script.
    pub const fn rest() -> Opt {
        Opt { short: None, long: "arguments", value: OptValue::Rest }
    }

    fn to_arg(self) -> Arg {
        let arg = Arg::new(self.long).long(self.long).allow_hyphen_values(true);
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        match self.value {
            OptValue::None | OptValue::Rest => arg.action(ArgAction::SetTrue).allow_hyphen_values(false),
            OptValue::Text | OptValue::Number => arg.action(ArgAction::Set).overrides_with(self.long),
        }
    }
}

/// A command line that was read: what a command's `execute` gets.
#[derive(Debug)]
pub struct Invocation {
    /// The subcommand, for commands that have some.
    pub subcommand: Option<String>,
    /// The arguments that are not options.
    pub positional: Vec<String>,
    /// Where the command writes.
    pub console: Console,
    matches: ArgMatches,
}

impl Invocation {
    fn unread(arguments: impl Iterator<Item = OsString>) -> Invocation {
        Invocation {
            subcommand: None,
            positional: arguments.map(|argument| argument.to_string_lossy().into_owned()).collect(),
            console: Console::new(Verbosity::Info),
            matches: ArgMatches::default(),
        }
    }

    /// The value of the option `long`, if it was given.
    pub fn text(&self, long: &str) -> Option<&str> {
        self.matches.try_get_one::<String>(long).ok().flatten().map(String::as_str)
    }

    /// The number of the option `long`, if it was given.
    pub fn number(&self, long: &str) -> Option<f64> {
        self.text(long).and_then(|text| text.parse().ok())
    }

    /// Whether the option `long`, which has no value, was given.
    pub fn flag(&self, long: &str) -> bool {
        self.matches.try_get_one::<bool>(long).ok().flatten().copied().unwrap_or(false)
    }
}

impl Command {
    /// Reads the arguments after the command's name, runs it and prints its error.
    pub fn run(&self, arguments: impl Iterator<Item = OsString>) -> ExitCode {
        let invocation = match self.read(arguments) {
            Ok(invocation) => invocation,
            Err(refusal) => return refuse(refusal.as_deref(), &self.full_usage()),
        };
        announce(&invocation.console);
        (self.execute)(&invocation).unwrap_or_else(|error| report(&error, &invocation.console))
    }

    fn full_usage(&self) -> String {
        format!("{}{UNIVERSAL_OPTIONS}", self.usage)
    }

    /// *Errors*: what to say before the usage; `None` to print only the usage.
    fn read(&self, arguments: impl Iterator<Item = OsString>) -> Result<Invocation, Option<String>> {
        if self.options.iter().any(|option| option.value == OptValue::Rest) {
            return Ok(Invocation::unread(arguments));
        }
        let matches = self.parser().try_get_matches_from(arguments).map_err(|error| refusal(&error))?;
        let mut positional: Vec<String> =
            matches.get_many::<String>("arguments").into_iter().flatten().cloned().collect();
        for option in self.options.iter().filter(|option| option.value == OptValue::Number) {
            if let Some(text) = matches.get_one::<String>(option.long)
                && text.parse::<f64>().is_err()
            {
                return Err(Some(format!("kong: unable to convert to number: {text}")));
            }
        }
        let subcommand =
            if self.subcommands.is_empty() { None } else { Some(self.subcommand(&mut positional)?) };
        let verbosity = match (matches.get_flag("v"), matches.get_flag("vv")) {
            (true, _) => Verbosity::Verbose,
            (false, true) => Verbosity::Debug,
            (false, false) => Verbosity::Info,
        };
        Ok(Invocation { subcommand, positional, console: Console::new(verbosity), matches })
    }

    fn subcommand(&self, positional: &mut Vec<String>) -> Result<String, Option<String>> {
        if positional.is_empty() {
            return Err(None);
        }
        let name = positional.remove(0);
        if self.subcommands.contains(&name.as_str()) {
            Ok(name)
        } else {
            Err(Some(format!("No such command for {}: {name}", self.name)))
        }
    }

    fn parser(&self) -> clap::Command {
        let verbose = Arg::new("v").long("v").short('v').action(ArgAction::SetTrue).overrides_with("v");
        let debug = Arg::new("vv").long("vv").action(ArgAction::SetTrue).overrides_with("vv");
        clap::Command::new(self.name)
            .no_binary_name(true)
            .disable_version_flag(true)
            .args(self.options.iter().map(|option| option.to_arg()))
            .args([verbose, debug])
            .arg(Arg::new("arguments").num_args(0..))
    }
}

/// Prints `message`, if there is one, and the usage, and is the exit code for it.
pub fn refuse(message: Option<&str>, usage: &str) -> ExitCode {
    if let Some(message) = message {
        eprintln!("{message}\n");
    }
    eprint!("{usage}");
    ExitCode::FAILURE
}

/// Says, for `--v` and `--vv`, what is running.
fn announce(console: &Console) {
    console.verbose(format!("Kong: {KONG_VERSION}"));
    console.debug(format!("ngx_lua: {NGX_LUA_VERSION}"));
    console.debug(format!("nginx: {NGINX_VERSION}"));
    console.debug(format!("Lua: {LUA_VERSION}"));
}

/// Prints why a command failed.
///
/// *Kong parity*: with `--v` or `--vv` the hint is left out and the details begin on a line of their own.
fn report(error: &anyhow::Error, console: &Console) -> ExitCode {
    if console.is_verbose() {
        eprintln!("Error: \n{error:?}");
    } else {
        eprintln!("Error: {error}");
        eprint!("{HINT}");
    }
    ExitCode::FAILURE
}

/// Kong's words for what clap found.
fn refusal(error: &clap::Error) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => text.split(['=', ' ']).next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    let argument = context(ContextKind::InvalidArg).trim_start_matches('-').to_owned();
    match error.kind() {
        ErrorKind::DisplayHelp => None,
        ErrorKind::UnknownArgument => Some(format!("kong: unrecognized parameter: {argument}")),
        ErrorKind::InvalidValue => Some(format!("kong: {argument} was expecting a value")),
        _ => Some(format!("kong: {}", error.render().to_string().trim_start_matches("error: ").trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: Command = Command {
        name: "sample",
        usage: "Usage: kong sample\n",
        subcommands: &["get"],
        options: &[
            Opt::text(Some('c'), "conf"),
            Opt::number(Some('t'), "timeout"),
            Opt::flag(Some('a'), "all"),
        ],
        execute: |_| Ok(ExitCode::SUCCESS),
    };

    fn read(line: &str) -> Result<Invocation, Option<String>> {
        COMMAND.read(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn options_and_arguments_come_in_any_order() {
        for line in ["get a b -c x.conf --timeout=2.5 -a", "-a --conf x.conf get a -t 2.5 b --vv"] {
            let invocation = read(line).unwrap();
            assert_eq!(invocation.subcommand.as_deref(), Some("get"));
            assert_eq!(invocation.positional, ["a", "b"]);
            assert_eq!(invocation.text("conf"), Some("x.conf"));
            assert_eq!(invocation.number("timeout"), Some(2.5));
            assert!(invocation.flag("all") && !invocation.flag("unknown"));
        }
    }

    #[test]
    fn verbosity_is_asked_for_with_two_dashes() {
        assert!(!read("get").unwrap().console.is_verbose());
        assert!(read("get --v").unwrap().console.is_verbose());
        assert!(read("get --vv").unwrap().console.is_verbose());
    }

    #[test]
    fn wrong_lines_are_answered_in_kongs_words() {
        for (line, expected) in [
            ("get --nope", Some("kong: unrecognized parameter: nope")),
            ("get -x", Some("kong: unrecognized parameter: x")),
            ("get --conf", Some("kong: conf was expecting a value")),
            ("get -t many", Some("kong: unable to convert to number: many")),
            ("fetch", Some("No such command for sample: fetch")),
            ("", None),
            ("get --help", None),
            ("-h", None),
        ] {
            assert_eq!(read(line).unwrap_err().as_deref(), expected, "{line}");
        }
    }
}
