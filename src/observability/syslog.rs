//! Log lines to a syslog server, as nginx's `syslog:` targets send them.

use std::net::{ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::{Level, LogError, timestamp};

const FACILITIES: [&str; 24] = [
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp",
    "ntp", "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];
const SEVERITIES: [&str; 8] = ["emerg", "alert", "crit", "error", "warn", "notice", "info", "debug"];
const HOSTNAME: &str = "/proc/sys/kernel/hostname";
const DEFAULT_PORT: &str = "514";

/// A syslog server reached by datagrams: `syslog:server=host[:port]|unix:path[,facility=local7][,tag=nginx]
/// [,severity=info][,nohostname]`.
///
/// *Kong parity*: the parameters, their defaults and the message are nginx's. `severity` is only used
/// for access logs; a line of the error log has its own.
#[derive(Debug)]
pub struct Syslog {
    peer: Peer,
    facility: usize,
    severity: Option<usize>,
    tag: String,
    hostname: Option<String>,
}

#[derive(Debug)]
enum Peer {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Syslog {
    /// Reads the parameters after `syslog:` and opens the socket.
    ///
    /// *Errors*: a parameter is unknown or malformed, or the server's name does not resolve.
    pub fn open(target: &str) -> Result<Syslog, LogError> {
        let invalid = |reason: String| LogError::Syslog { target: target.to_owned(), reason };
        let (mut server, mut facility, mut severity) = (None, 23, None);
        let (mut tag, mut with_hostname) = ("nginx".to_owned(), true);
        for parameter in target.trim_start_matches("syslog:").split(',') {
            match parameter.split_once('=') {
                Some(("server", address)) => server = Some(address),
                Some(("facility", name)) => {
                    facility = position(&FACILITIES, name)
                        .ok_or_else(|| invalid(format!("unknown syslog facility \"{name}\"")))?;
                }
                Some(("severity", name)) => {
                    severity = Some(
                        position(&SEVERITIES, name)
                            .ok_or_else(|| invalid(format!("unknown syslog severity \"{name}\"")))?,
                    );
                }
                Some(("tag", name)) if is_tag(name) => name.clone_into(&mut tag),
                None if parameter == "nohostname" => with_hostname = false,
                _ => return Err(invalid(format!("unknown syslog parameter \"{parameter}\""))),
            }
        }
        let server = server.ok_or_else(|| invalid("no syslog server specified".to_owned()))?;
        let peer = Peer::connect(server).map_err(|error| invalid(error.to_string()))?;
        let hostname = with_hostname.then(|| {
            std::fs::read_to_string(HOSTNAME).map(|name| name.trim().to_owned()).unwrap_or_default()
        });
        Ok(Syslog { peer, facility, severity, tag, hostname })
    }

    /// Sends each line as one datagram. Datagrams are not retried, as in nginx.
    pub fn send(&self, level: Level, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            drop(self.peer.send(&self.message(level, line)));
        }
    }

    fn message(&self, level: Level, line: &[u8]) -> Vec<u8> {
        let severity = self.severity.unwrap_or_else(|| usize::from(level as u8).saturating_sub(1));
        let mut message = format!("<{}>", self.facility * 8 + severity).into_bytes();
        timestamp::append_syslog_time(&mut message);
        if let Some(hostname) = &self.hostname {
            message.push(b' ');
            message.extend_from_slice(hostname.as_bytes());
        }
        message.push(b' ');
        message.extend_from_slice(self.tag.as_bytes());
        message.extend_from_slice(b": ");
        message.extend_from_slice(line);
        message
    }
}

impl Peer {
    fn connect(server: &str) -> std::io::Result<Peer> {
        if let Some(path) = server.strip_prefix("unix:") {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(Path::new(path))?;
            return Ok(Peer::Unix(socket));
        }
        let has_port =
            server.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let address = if has_port { server.to_owned() } else { format!("{server}:{DEFAULT_PORT}") };
        let address = address
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| std::io::Error::other("the server's name has no address"))?;
        let socket = UdpSocket::bind(if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Peer::Udp(socket))
    }

    fn send(&self, message: &[u8]) -> std::io::Result<usize> {
        match self {
            Peer::Udp(socket) => socket.send(message),
            Peer::Unix(socket) => socket.send(message),
        }
    }
}

fn position(names: &[&str], wanted: &str) -> Option<usize> {
    names.iter().position(|name| *name == wanted)
}

/// nginx allows 32 letters, digits and underscores.
fn is_tag(tag: &str) -> bool {
    tag.len() <= 32 && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_arrives_as_a_datagram_with_priority_and_tag() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let target =
            format!("syslog:server={},facility=local0,tag=kong,nohostname", server.local_addr().unwrap());
        Syslog::open(&target).unwrap().send(Level::Error, b"first\nsecond\n");

        let mut buffer = [0; 512];
        for expected in ["first", "second"] {
            let length = server.recv(&mut buffer).unwrap();
            let message = std::str::from_utf8(&buffer[..length]).unwrap();
            assert!(message.starts_with("<131>"), "{message}");
            assert!(message.ends_with(&format!(" kong: {expected}")), "{message}");
        }
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for target in
            ["syslog:tag=a", "syslog:server=127.0.0.1,facility=none", "syslog:server=127.0.0.1,tag=a-b"]
        {
            assert!(Syslog::open(target).is_err(), "{target}");
        }
    }
}
