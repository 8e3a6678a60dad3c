//! `*_access_log`: where lines go, and in which format.

use super::checks::Findings;
use super::values::Values;
use super::{Conf, Directives};
use crate::observability::{LogError, LogFormat};

/// A server with an access log of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// The proxy's HTTP listeners.
    Proxy,
    /// The stream listeners.
    Stream,
    /// The Admin API.
    Admin,
    /// The Status API.
    Status,
    /// Kong Manager.
    AdminGui,
}

impl Server {
    const ALL: [Server; 5] = [Server::Proxy, Server::Stream, Server::Admin, Server::Status, Server::AdminGui];

    /// The property that configures the log.
    pub const fn property(self) -> &'static str {
        match self {
            Server::Proxy => "proxy_access_log",
            Server::Stream => "proxy_stream_access_log",
            Server::Admin => "admin_access_log",
            Server::Status => "status_access_log",
            Server::AdminGui => "admin_gui_access_log",
        }
    }

    /// The format when the property names none.
    const fn default_format(self) -> &'static str {
        match self {
            Server::Proxy => "kong_log_format",
            Server::Stream => "basic",
            Server::Admin | Server::Status | Server::AdminGui => "combined",
        }
    }
}

/// An access log as configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLogTarget {
    /// What [`crate::observability::Target::open`] takes.
    pub target: String,
    /// The format of a line.
    pub format: LogFormat,
}

impl Conf {
    /// The access log of `server`. Formats of `log_format` directives come before those built in.
    pub fn access_log(&self, server: Server) -> AccessLogTarget {
        let default = || LogFormat::parse("");
        read(&self.values, &self.nginx, server)
            .unwrap_or_else(|_| AccessLogTarget { target: "off".to_owned(), format: default() })
    }
}

/// Names each access log whose format nobody defined.
pub fn check(values: &Values, findings: &mut Findings) {
    let directives = Directives::read(values);
    for server in Server::ALL {
        if let Err(error) = read(values, &directives, server) {
            findings.errors.push(format!("{}: {error}", server.property()));
        }
    }
}

fn read(values: &Values, directives: &Directives, server: Server) -> Result<AccessLogTarget, LogError> {
    let mut words = values.text(server.property()).unwrap_or("off").split_whitespace();
    let target = words.next().unwrap_or("off").to_owned();
    let name = words.next().filter(|word| !word.contains('=')).unwrap_or(server.default_format());
    let defined = directives.log_formats.iter().find(|(known, _)| known == name);
    let format = match defined {
        Some((_, definition)) => LogFormat::parse(definition),
        None => LogFormat::named(name).ok_or_else(|| LogError::Format(name.to_owned()))?,
    };
    Ok(AccessLogTarget { target, format })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conf::{ConfError, Sources};

    fn load(properties: &[(&str, &str)]) -> Result<Conf, ConfError> {
        let sources = Sources::new(None).without_default_files().environment([].into());
        Conf::load(&properties.iter().fold(sources, |sources, (name, value)| sources.flag(name, Some(value))))
    }

    #[test]
    fn each_server_has_its_default_format() {
        let conf = load(&[]).unwrap();
        for (server, target, format) in [
            (Server::Proxy, "logs/access.log", "kong_log_format"),
            (Server::Stream, "logs/access.log", "basic"),
            (Server::Admin, "logs/admin_access.log", "combined"),
            (Server::Status, "off", "combined"),
        ] {
            let log = conf.access_log(server);
            assert_eq!((log.target.as_str(), Some(log.format)), (target, LogFormat::named(format)));
        }
    }

    #[test]
    fn formats_are_defined_by_directives() {
        let conf = load(&[
            ("proxy_access_log", "logs/show.log show"),
            ("nginx_http_log_format", "show 'request $request_id'; log_format other '$status'"),
        ]);
        assert_eq!(conf.unwrap().access_log(Server::Proxy).format, LogFormat::parse("'request $request_id'"));
        let error = load(&[("proxy_access_log", "logs/a.log nope")]).unwrap_err();
        assert_eq!(error.to_string(), "proxy_access_log: unknown log format \"nope\"");
    }
}
