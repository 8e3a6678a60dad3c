//! The severity of a line of the error log.

use std::fmt;
use std::str::FromStr;

use super::LogError;

/// nginx's levels, with nginx's numbers: a smaller number is more severe.
///
/// *Kong parity*: these are the values of `ngx.STDERR` … `ngx.DEBUG`, which Lua plugins use as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Written whatever the configured level is.
    Stderr = 0,
    /// The system is unusable.
    Emerg = 1,
    /// Someone has to act at once.
    Alert = 2,
    /// A critical condition.
    Crit = 3,
    /// Something failed.
    Error = 4,
    /// Something looks wrong and was coped with.
    Warn = 5,
    /// Normal, but worth a line.
    Notice = 6,
    /// For information.
    Info = 7,
    /// For whoever debugs the gateway.
    Debug = 8,
}

impl Level {
    /// Every level that `log_level` accepts, in Kong's order of listing.
    pub const CONFIGURABLE: [Level; 8] = [
        Level::Debug,
        Level::Info,
        Level::Notice,
        Level::Warn,
        Level::Error,
        Level::Crit,
        Level::Alert,
        Level::Emerg,
    ];

    /// The name between the brackets of a line. [`Level::Stderr`] has none, as in nginx.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Stderr => "",
            Level::Emerg => "emerg",
            Level::Alert => "alert",
            Level::Crit => "crit",
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Notice => "notice",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }

    /// The level with nginx's number `number`, if it is one of the nine.
    pub const fn from_number(number: u8) -> Option<Level> {
        Some(match number {
            0 => Level::Stderr,
            1 => Level::Emerg,
            2 => Level::Alert,
            3 => Level::Crit,
            4 => Level::Error,
            5 => Level::Warn,
            6 => Level::Notice,
            7 => Level::Info,
            8 => Level::Debug,
            _ => return None,
        })
    }
}

impl FromStr for Level {
    type Err = LogError;

    fn from_str(name: &str) -> Result<Level, LogError> {
        Level::CONFIGURABLE
            .into_iter()
            .find(|level| level.name() == name)
            .ok_or_else(|| LogError::Level(name.to_owned()))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_found_by_its_name_and_its_number() {
        for level in Level::CONFIGURABLE {
            assert_eq!(level.name().parse::<Level>().unwrap(), level);
            assert_eq!(Level::from_number(level as u8), Some(level));
        }
        assert!("verbose".parse::<Level>().is_err());
        assert_eq!(Level::from_number(9), None);
    }
}
