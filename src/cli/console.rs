//! What a command tells its user.

use crate::observability::timestamp;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Nothing.
    Quiet,
    /// Results and warnings.
    Info,
    /// Steps too.
    Verbose,
    /// Everything, with values.
    Debug,
}

/// The output of a command: results to standard output, warnings and errors to standard error.
///
/// *Kong parity*: warnings and errors, and with `--v` every line, begin with time and level.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    verbosity: Verbosity,
}

impl Console {
    /// A console that tells as much as `verbosity` says.
    pub const fn new(verbosity: Verbosity) -> Console {
        Console { verbosity }
    }

    /// A console that tells nothing.
    pub const fn quiet() -> Console {
        Console::new(Verbosity::Quiet)
    }

    /// Whether `--v` or `--vv` was given.
    pub fn is_verbose(&self) -> bool {
        self.verbosity >= Verbosity::Verbose
    }

    /// A result, on standard output.
    pub fn info(&self, message: impl AsRef<str>) {
        self.out(Verbosity::Info, "info", message.as_ref());
    }

    /// A step, for `--v`.
    pub fn verbose(&self, message: impl AsRef<str>) {
        self.out(Verbosity::Verbose, "verbose", message.as_ref());
    }

    /// A detail, for `--vv`.
    pub fn debug(&self, message: impl AsRef<str>) {
        self.out(Verbosity::Debug, "debug", message.as_ref());
    }

    /// A warning, on standard error.
    pub fn warn(&self, message: impl AsRef<str>) {
        self.err("warn", message.as_ref());
    }

    /// An error that does not end the command by itself, on standard error.
    pub fn error(&self, message: impl AsRef<str>) {
        self.err("error", message.as_ref());
    }

    fn out(&self, needed: Verbosity, level: &str, message: &str) {
        if self.verbosity < needed {
            return;
        }
        if self.is_verbose() {
            println!("{}", stamped(level, message));
        } else {
            println!("{message}");
        }
    }

    fn err(&self, level: &str, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            eprintln!("{}", stamped(level, message));
        }
    }
}

fn stamped(level: &str, message: &str) -> String {
    let mut time = Vec::new();
    timestamp::append_error_time(&mut time);
    format!("{} [{level}] {message}", String::from_utf8_lossy(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamped_lines_begin_with_time_and_level() {
        let line = stamped("warn", "careful");
        assert_eq!(line.len(), "2026/11/23 16:22:48 [warn] careful".len());
        assert!(line.ends_with(" [warn] careful"));
    }

    #[test]
    fn verbosity_is_ordered() {
        assert!(Console::new(Verbosity::Debug).is_verbose());
        assert!(!Console::quiet().is_verbose());
    }
}
