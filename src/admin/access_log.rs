//! The logs of an API: a line for each answered request, and errors with the request they belong to.

use std::cell::RefCell;
use std::path::Path;
use std::time::Instant;

use http::{HeaderMap, Method, Uri, Version};

use crate::conf::{Conf, Server};
use crate::observability::{AccessLog, LogError, LogFormat, Target, log, timestamp};

/// Where an API logs to.
pub struct Logs {
    access: RefCell<AccessLog>,
    format: LogFormat,
    errors: Option<Target>,
}

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(super) struct Client {
    /// The address in text, `unix:` for a Unix domain socket.
    pub(super) address: String,
    /// The port; 0 for a Unix domain socket.
    pub(super) port: u16,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
}

/// A request as the logs tell of it.
pub(super) struct Entry {
    pub(super) client: Client,
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: HeaderMap,
    pub(super) begin: Instant,
}

/// What was answered.
pub(super) struct Answered<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: usize,
}

impl Logs {
    /// The logs of `server` as configured; `error_log` is its property of that name.
    ///
    /// # Errors
    /// A file cannot be opened.
    pub fn open(conf: &Conf, server: Server, error_log: &str, prefix: &Path) -> Result<Logs, LogError> {
        let access = conf.access_log(server);
        let errors = Target::open(error_log, prefix)?;
        Ok(Logs {
            access: RefCell::new(AccessLog::new(Target::open(&access.target, prefix)?)),
            format: access.format,
            errors: Some(errors),
        })
    }

    /// No access log; errors go where those of the process go.
    pub fn none() -> Logs {
        Logs { access: RefCell::new(AccessLog::new(Target::Off)), format: LogFormat::parse(""), errors: None }
    }

    /// Writes the line of an answered request.
    ///
    /// At once: an API is asked seldom, and who watches its log wants to see the request.
    pub(super) fn write(&self, entry: &Entry, answered: &Answered<'_>) {
        let mut access = self.access.borrow_mut();
        access.add(|line| {
            self.format.render(line, |name, out| variable(entry, answered, name, out));
        });
        access.flush();
    }

    /// What error log lines about a connection of `client` end with, and where they go.
    pub(super) fn about<'a>(&'a self, client: &'a Client) -> About<'a> {
        About { logs: self, client }
    }
}

/// A connection, as the error log tells of it.
pub(super) struct About<'a> {
    logs: &'a Logs,
    client: &'a Client,
}

impl log::Context for About<'_> {
    fn connection(&self) -> Option<u64> {
        None
    }

    fn target(&self) -> Option<&Target> {
        self.logs.errors.as_ref()
    }

    fn describe(&self, line: &mut Vec<u8>) {
        line.extend_from_slice(b", client: ");
        line.extend_from_slice(self.client.address.as_bytes());
    }
}

/// Appends the value of an nginx variable; false when it has none.
fn variable(entry: &Entry, answered: &Answered<'_>, name: &str, out: &mut Vec<u8>) -> bool {
    let text = match name {
        "remote_addr" | "realip_remote_addr" => entry.client.address.clone(),
        "remote_port" => entry.client.port.to_string(),
        "time_local" => {
            timestamp::append_time_local(out);
            return true;
        }
        "time_iso8601" => {
            timestamp::append_time_iso8601(out);
            return true;
        }
        "request" => format!("{} {} {}", entry.method, target(&entry.uri), protocol(entry.version)),
        "request_method" => entry.method.to_string(),
        "request_uri" => target(&entry.uri).to_owned(),
        "uri" => entry.uri.path().to_owned(),
        "args" | "query_string" => entry.uri.query().unwrap_or_default().to_owned(),
        "server_protocol" => protocol(entry.version).to_owned(),
        "scheme" => entry.client.scheme.to_owned(),
        "status" => answered.status.to_string(),
        "body_bytes_sent" => answered.body.to_string(),
        "request_time" => format!("{:.3}", entry.begin.elapsed().as_secs_f64()),
        _ => {
            let (fields, field) = match (name.strip_prefix("sent_http_"), name.strip_prefix("http_")) {
                (Some(field), _) => (answered.headers, field),
                (None, Some(field)) => (&entry.headers, field),
                (None, None) => return false,
            };
            let Some(value) = fields.get(field.replace('_', "-")) else { return false };
            out.extend_from_slice(value.as_bytes());
            return true;
        }
    };
    out.extend_from_slice(text.as_bytes());
    true
}

fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |target| target.as_str())
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_of_nginx_combined() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", "curl/8".parse().unwrap());
        let entry = Entry {
            client: Client { address: "127.0.0.1".into(), port: 1, scheme: "http" },
            method: Method::GET,
            uri: "/services?size=1".parse().unwrap(),
            version: Version::HTTP_11,
            headers,
            begin: Instant::now(),
        };
        let answered = Answered { status: 200, headers: &HeaderMap::new(), body: 23 };
        let mut line = Vec::new();
        let format = LogFormat::named("combined").unwrap();
        format.render(&mut line, |name, out| variable(&entry, &answered, name, out));
        let line = String::from_utf8(line).unwrap();
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        assert!(line.ends_with("] \"GET /services?size=1 HTTP/1.1\" 200 23 \"-\" \"curl/8\""), "{line}");
    }
}
