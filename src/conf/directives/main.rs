//! Processes, limits and user.

use std::ffi::CString;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd;

use super::reader::Reader;
use crate::conf::units;
use crate::conf::values::Values;

/// The bounds of `auto` for file descriptors and connections.
const AUTO_LIMIT: std::ops::RangeInclusive<u64> = 1024..=16384;

/// Directives of nginx's main and events blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MainDirectives {
    /// Number of workers; `auto` is one per processor.
    pub worker_processes: usize,
    /// How long a worker process that was replaced may keep its last connections; `None` is for ever.
    pub worker_shutdown_timeout: Option<Duration>,
    /// `RLIMIT_NOFILE` of the worker process; `None` leaves it.
    pub worker_rlimit_nofile: Option<u64>,
    /// Connections that one worker holds at the same time, upstream ones included.
    pub worker_connections: u64,
    /// Whether a worker accepts everything that is waiting in one go.
    pub multi_accept: bool,
    /// Whether `kong start` returns once the node serves.
    pub daemon: bool,
    /// Whom the worker process runs as; `None` stays who it is.
    pub user: Option<User>,
}

/// A user and a group of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub user: String,
    /// The group's name.
    pub group: String,
}

impl MainDirectives {
    /// Reads the directives of `nginx_main_` and `nginx_events_`.
    pub(super) fn read(values: &Values, errors: &mut Vec<String>) -> MainDirectives {
        let mut main = Reader::new(values, &["nginx_main_"], errors);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let count = |text: &str| match text {
            "auto" => Some(processors),
            number => number.parse().ok().filter(|count| *count > 0),
        };
        let worker_processes = main.parsed("worker_processes", count).unwrap_or(1);
        let shutdown = main.parsed("worker_shutdown_timeout", |text| units::time(text).ok());
        let worker_rlimit_nofile = main.parsed("worker_rlimit_nofile", limit);
        let daemon = main.switch("daemon", true);
        let user = main.text("user").as_deref().and_then(User::parse);
        let mut events = Reader::new(values, &["nginx_events_"], errors);
        MainDirectives {
            worker_processes,
            worker_shutdown_timeout: shutdown.filter(|timeout| !timeout.is_zero()),
            worker_rlimit_nofile,
            worker_connections: events.parsed("worker_connections", limit).unwrap_or(512),
            multi_accept: events.switch("multi_accept", false),
            daemon,
            user,
        }
    }
}

impl User {
    /// Reads `user [group]`; without a group it has the user's name, as in nginx. `nobody` is nobody to
    /// change to, and so is Kong's default user where the system does not have it.
    fn parse(text: &str) -> Option<User> {
        let mut names = text.split_whitespace();
        let user = names.next()?;
        let group = names.next().unwrap_or(user);
        match (user, group) {
            ("nobody", "nobody") => None,
            ("kong", "kong") if !exists("kong") => None,
            _ => Some(User { user: user.to_owned(), group: group.to_owned() }),
        }
    }

    /// The text of the directive.
    pub fn to_text(&self) -> String {
        format!("{} {}", self.user, self.group)
    }
}

/// Whether the system has a user and a group called `name`.
pub(super) fn exists(name: &str) -> bool {
    let is_name = CString::new(name).is_ok();
    is_name
        && matches!(unistd::User::from_name(name), Ok(Some(_)))
        && matches!(unistd::Group::from_name(name), Ok(Some(_)))
}

/// Reads a number of descriptors or connections; `auto` is what the process may open, within bounds.
fn limit(text: &str) -> Option<u64> {
    match text {
        "auto" => {
            let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((*AUTO_LIMIT.start(), 0));
            Some(soft.clamp(*AUTO_LIMIT.start(), *AUTO_LIMIT.end()))
        }
        number => number.parse().ok().filter(|limit| *limit > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::value::ConfValue;

    fn read(properties: &[(&str, &str)]) -> (MainDirectives, Vec<String>) {
        let mut values = Values::default();
        for (name, value) in properties {
            values.set(name, ConfValue::from(*value));
        }
        let mut errors = Vec::new();
        (MainDirectives::read(&values, &mut errors), errors)
    }

    #[test]
    fn auto_follows_the_machine_within_bounds() {
        let (main, errors) = read(&[
            ("nginx_main_worker_processes", "auto"),
            ("nginx_main_worker_rlimit_nofile", "auto"),
            ("nginx_events_worker_connections", "auto"),
        ]);
        assert!(errors.is_empty());
        assert!(main.worker_processes >= 1);
        assert!(AUTO_LIMIT.contains(&main.worker_rlimit_nofile.unwrap()));
        assert!(AUTO_LIMIT.contains(&main.worker_connections));
    }

    #[test]
    fn values_are_read_with_nginx_units() {
        let (main, _) = read(&[
            ("nginx_main_worker_processes", "3"),
            ("nginx_main_worker_shutdown_timeout", "1m"),
            ("nginx_main_daemon", "off"),
        ]);
        assert_eq!(main.worker_processes, 3);
        assert_eq!(main.worker_shutdown_timeout, Some(Duration::from_secs(60)));
        assert!(!main.daemon);
    }

    #[test]
    fn nobody_is_nobody_to_change_to() {
        assert_eq!(User::parse("nobody"), None);
        assert_eq!(User::parse("nobody  nobody"), None);
        assert_eq!(User::parse("www_data www_data").unwrap().to_text(), "www_data www_data");
        assert_eq!(User::parse("kong kong").is_some(), exists("kong"));
    }

    #[test]
    fn a_count_of_zero_or_a_word_is_refused() {
        let (_, errors) =
            read(&[("nginx_main_worker_processes", "0"), ("nginx_events_worker_connections", "many")]);
        assert_eq!(
            errors,
            [
                "nginx_main_worker_processes has an invalid value: '0'",
                "nginx_events_worker_connections has an invalid value: 'many'"
            ]
        );
    }
}
