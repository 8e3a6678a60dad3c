//! The grammar of `proxy_listen` and its siblings.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::units;
use super::value::ConfValue;
use super::values::Values;

/// One address to listen on, with its flags.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Listen {
    /// Where.
    pub address: Address,
    /// TLS from the first byte.
    pub ssl: bool,
    /// HTTP/2, with TLS by ALPN, without by prior knowledge.
    pub http2: bool,
    /// Datagrams instead of a stream.
    pub udp: bool,
    /// A PROXY protocol header precedes the data.
    pub proxy_protocol: bool,
    /// `TCP_DEFER_ACCEPT`.
    pub deferred: bool,
    /// A socket of its own even where a wildcard would cover it.
    pub bind: bool,
    /// `SO_REUSEPORT`.
    pub reuseport: bool,
    /// Length of the queue of connections not yet accepted.
    pub backlog: Option<u32>,
    /// `IPV6_V6ONLY`.
    pub ipv6only: Option<bool>,
    /// TCP keep-alive probes.
    pub so_keepalive: Option<KeepAlive>,
    /// Address and flags as Kong prints them, in Kong's order and without `http2`.
    pub listener: String,
}

/// The address of a [`Listen`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4(Ipv4Addr, u16),
    /// An IPv6 address.
    V6(Ipv6Addr, u16),
    /// A name, to be resolved when the socket is opened; `*` is every address.
    Name(String, u16),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// The value of `so_keepalive=`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepAlive {
    /// Probes with the system's timing.
    On,
    /// No probes.
    Off,
    /// Probes with the given timing; what is omitted is the system's.
    Timing {
        /// Idle time before the first probe.
        idle: Option<Duration>,
        /// Time between probes.
        interval: Option<Duration>,
        /// Probes before the connection counts as dead.
        probes: Option<u32>,
    },
}

/// Which flags are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subsystem {
    /// HTTP listeners.
    Http,
    /// TCP, TLS and UDP listeners.
    Stream,
}

impl Subsystem {
    /// The flags as Kong writes them in its error message.
    const fn flags(self) -> &'static [&'static str] {
        match self {
            Subsystem::Http => &[
                "ssl",
                "http2",
                "proxy_protocol",
                "deferred",
                "bind",
                "reuseport",
                "backlog=%d+",
                "ipv6only=on",
                "ipv6only=off",
                "so_keepalive=on",
                "so_keepalive=off",
                "so_keepalive=%w*:%w*:%d*",
            ],
            Subsystem::Stream => &[
                "udp",
                "ssl",
                "proxy_protocol",
                "bind",
                "reuseport",
                "backlog=%d+",
                "ipv6only=on",
                "ipv6only=off",
                "so_keepalive=on",
                "so_keepalive=off",
                "so_keepalive=%w*:%w*:%d*",
            ],
        }
    }

    /// What a wrong value is answered with.
    fn usage(self) -> String {
        format!("must be of form: [off] | <ip>:<port> [{}], [... next entry ...]", self.flags().join("] ["))
    }

    /// Where in Kong's order the flag `word` stands; `None` if it is no flag of this subsystem.
    fn position(self, word: &str) -> Option<usize> {
        self.flags().iter().position(|flag| match flag.split_once('%') {
            None => *flag == word,
            Some(("backlog=", _)) => word.strip_prefix("backlog=").is_some_and(is_digits),
            Some((prefix, _)) => word.strip_prefix(prefix).is_some_and(is_timing),
        })
    }
}

/// Reads the items of a `*_listen` property. A first item `off` means none.
///
/// *Errors*: Kong's usage line, without the property's name before it.
pub fn parse<T: AsRef<str>>(items: &[T], subsystem: Subsystem) -> Result<Vec<Listen>, String> {
    match items.first() {
        None => Err(subsystem.usage()),
        Some(first) if first.as_ref().trim() == "off" => Ok(Vec::new()),
        Some(_) => items.iter().map(|item| parse_one(item.as_ref(), subsystem)).collect(),
    }
}

fn parse_one(entry: &str, subsystem: Subsystem) -> Result<Listen, String> {
    let mut flags = Vec::new();
    let mut address = None;
    for word in entry.split_whitespace() {
        match subsystem.position(word) {
            Some(position) => flags.push((position, word)),
            None if address.is_none() => address = Some(word),
            None => return Err(subsystem.usage()),
        }
    }
    flags.sort_unstable_by_key(|(position, _)| *position);
    flags.dedup();
    let address = address.and_then(Address::parse).ok_or_else(|| subsystem.usage())?;
    Ok(Listen::new(address, flags.into_iter().map(|(_, flag)| flag)))
}

impl Listen {
    fn new<'a>(address: Address, flags: impl Iterator<Item = &'a str>) -> Listen {
        let mut listen = Listen {
            listener: address.to_string(),
            address,
            ssl: false,
            http2: false,
            udp: false,
            proxy_protocol: false,
            deferred: false,
            bind: false,
            reuseport: false,
            backlog: None,
            ipv6only: None,
            so_keepalive: None,
        };
        for flag in flags {
            listen.apply(flag);
            if flag != "http2" {
                listen.listener.push(' ');
                listen.listener.push_str(flag);
            }
        }
        listen
    }

    fn apply(&mut self, flag: &str) {
        match flag.split_once('=') {
            None if flag == "ssl" => self.ssl = true,
            None if flag == "http2" => self.http2 = true,
            None if flag == "udp" => self.udp = true,
            None if flag == "proxy_protocol" => self.proxy_protocol = true,
            None if flag == "deferred" => self.deferred = true,
            None if flag == "bind" => self.bind = true,
            None if flag == "reuseport" => self.reuseport = true,
            Some(("backlog", length)) => self.backlog = Some(length.parse().unwrap_or(u32::MAX)),
            Some(("ipv6only", word)) => self.ipv6only = Some(word == "on"),
            Some(("so_keepalive", word)) => self.so_keepalive = Some(KeepAlive::parse(word)),
            _ => {}
        }
    }

    /// The listener as Kong's `*_listeners` tables hold it: address, port and every flag.
    pub fn to_value(&self, subsystem: Subsystem) -> ConfValue {
        let (ip, port) = match &self.address {
            Address::Unix(path) => (format!("unix:{}", path.display()), None),
            Address::V4(_, port) | Address::V6(_, port) | Address::Name(_, port) => {
                let text = self.address.to_string();
                let host = text.strip_suffix(&format!(":{port}")).unwrap_or(&text).to_owned();
                (host, Some(ConfValue::Number(f64::from(*port))))
            }
        };
        let mut fields = vec![("ip".to_owned(), ConfValue::String(ip))];
        fields.extend(port.map(|port| ("port".to_owned(), port)));
        fields.push(("listener".to_owned(), ConfValue::from(self.listener.as_str())));
        let set: Vec<_> = self.listener.split(' ').skip(1).chain(self.http2.then_some("http2")).collect();
        for flag in subsystem.flags() {
            match set.iter().find(|word| subsystem.position(word) == subsystem.position_of(flag)) {
                Some(word) => fields.push(((*word).to_owned(), ConfValue::Boolean(true))),
                None => fields.push(((*flag).to_owned(), ConfValue::Boolean(false))),
            }
        }
        ConfValue::Map(fields)
    }
}

impl Subsystem {
    fn position_of(self, flag: &str) -> Option<usize> {
        self.flags().iter().position(|known| *known == flag)
    }
}

impl Address {
    /// Reads `ip:port`, `[ipv6]:port`, `name:port` or `unix:path`.
    fn parse(text: &str) -> Option<Address> {
        if let Some(path) = text.strip_prefix("unix:") {
            return (!path.is_empty()).then(|| Address::Unix(PathBuf::from(path)));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = is_digits(port).then(|| port.parse().ok()).flatten()?;
        if let Some(bracketed) = host.strip_prefix('[') {
            return bracketed.strip_suffix(']')?.parse().ok().map(|ip| Address::V6(ip, port));
        }
        if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return parse_ipv4(host).map(|ip| Address::V4(ip, port));
        }
        (!host.is_empty() && !host.contains(':')).then(|| Address::Name(host.to_owned(), port))
    }

    /// The port; `None` for a Unix domain socket.
    pub fn port(&self) -> Option<u16> {
        match self {
            Address::V4(_, port) | Address::V6(_, port) | Address::Name(_, port) => Some(*port),
            Address::Unix(_) => None,
        }
    }
}

/// *Kong parity*: IPv6 addresses are written out in full.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::V4(ip, port) => write!(f, "{ip}:{port}"),
            Address::V6(ip, port) => {
                let groups: Vec<_> = ip.segments().iter().map(|group| format!("{group:04x}")).collect();
                write!(f, "[{}]:{port}", groups.join(":"))
            }
            Address::Name(name, port) => write!(f, "{name}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl KeepAlive {
    fn parse(word: &str) -> KeepAlive {
        match word {
            "on" => KeepAlive::On,
            "off" => KeepAlive::Off,
            timing => {
                let mut parts = timing.split(':');
                let mut time = || parts.next().and_then(|part| units::time(part).ok());
                let (idle, interval) = (time(), time());
                let probes = parts.next().and_then(|count| count.parse().ok());
                KeepAlive::Timing { idle, interval, probes }
            }
        }
    }
}

/// Reads an HTTP `*_listen` property that was already checked.
pub fn http(values: &Values, name: &str) -> Vec<Listen> {
    parse(&values.texts(name), Subsystem::Http).unwrap_or_default()
}

/// Reads a stream `*_listen` property that was already checked.
pub fn stream(values: &Values, name: &str) -> Vec<Listen> {
    parse(&values.texts(name), Subsystem::Stream).unwrap_or_default()
}

/// Reads four decimal groups; leading zeros are dropped, not octal.
fn parse_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut groups = text.split('.').map(|group| {
        ((1..=3).contains(&group.len()))
            .then(|| group.parse::<u16>().ok())
            .flatten()
            .and_then(|it| u8::try_from(it).ok())
    });
    let mut next = || groups.next().flatten();
    let address = Ipv4Addr::new(next()?, next()?, next()?, next()?);
    groups.next().is_none().then_some(address)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `idle:interval:probes`, each possibly empty.
fn is_timing(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let [idle, interval, probes] = parts.as_slice() else { return false };
    let is_word = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word(idle) && is_word(interval) && probes.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(value: &str) -> Result<Vec<Listen>, String> {
        parse(&value.split(',').map(str::trim).collect::<Vec<_>>(), Subsystem::Http)
    }

    #[test]
    fn flags_ports_and_addresses_are_read_from_the_defaults() {
        let listens =
            http("0.0.0.0:8000 reuseport backlog=16384, 0.0.0.0:8443 http2 ssl reuseport backlog=16384")
                .unwrap();
        assert_eq!(listens[0].address, Address::V4(Ipv4Addr::UNSPECIFIED, 8000));
        assert!(!listens[0].ssl && !listens[0].http2 && listens[0].reuseport);
        assert_eq!(listens[0].listener, "0.0.0.0:8000 reuseport backlog=16384");
        assert!(listens[1].ssl && listens[1].http2);
        assert_eq!(listens[1].backlog, Some(16384));
        assert_eq!(listens[1].listener, "0.0.0.0:8443 ssl reuseport backlog=16384");
    }

    #[test]
    fn ipv6_addresses_are_written_out() {
        let listens = http("[::]:8000, [::1]:8444 ssl ipv6only=off").unwrap();
        assert_eq!(listens[0].listener, "[0000:0000:0000:0000:0000:0000:0000:0000]:8000");
        assert_eq!(listens[1].listener, "[0000:0000:0000:0000:0000:0000:0000:0001]:8444 ssl ipv6only=off");
        assert_eq!(listens[1].ipv6only, Some(false));
    }

    #[test]
    fn names_that_contain_flags_are_names() {
        let listens = http("ssl.myname.test:8000, ssl_myname.test:8001 ssl, offshore.test:9000").unwrap();
        assert_eq!(listens[0].address, Address::Name("ssl.myname.test".into(), 8000));
        assert!(!listens[0].ssl && listens[1].ssl);
        assert_eq!(listens[2].listener, "offshore.test:9000");
    }

    #[test]
    fn off_first_means_none() {
        assert_eq!(http("off"), Ok(vec![]));
        assert_eq!(http("off, 0.0.0.0:9000"), Ok(vec![]));
    }

    #[test]
    fn unix_sockets_are_addresses() {
        let listens = http("unix:/tmp/kong.sock http2").unwrap();
        assert_eq!(listens[0].address, Address::Unix("/tmp/kong.sock".into()));
        assert_eq!(listens[0].listener, "unix:/tmp/kong.sock");
        assert!(listens[0].http2);
    }

    #[test]
    fn keep_alive_timing_uses_nginx_times() {
        let listens = http("127.0.0.1:80 so_keepalive=30m::10, 127.0.0.1:81 so_keepalive=off").unwrap();
        let idle = Some(Duration::from_secs(1800));
        assert_eq!(
            listens[0].so_keepalive,
            Some(KeepAlive::Timing { idle, interval: None, probes: Some(10) })
        );
        assert_eq!(listens[1].so_keepalive, Some(KeepAlive::Off));
    }

    #[test]
    fn wrong_entries_are_answered_with_the_usage() {
        let usage = "must be of form: [off] | <ip>:<port> [ssl] [http2] [proxy_protocol] [deferred] [bind] \
                     [reuseport] [backlog=%d+] [ipv6only=on] [ipv6only=off] [so_keepalive=on] \
                     [so_keepalive=off] [so_keepalive=%w*:%w*:%d*], [... next entry ...]";
        for wrong in [
            "127.0.0.1",
            "",
            "127.0.0.1:80 tls",
            "::1:80",
            "[::1]",
            "256.0.0.1:80",
            "host:70000",
            "a:b:80",
            ":80",
        ] {
            assert_eq!(http(wrong), Err(usage.to_owned()), "{wrong:?}");
        }
        assert_eq!(parse::<&str>(&[], Subsystem::Http), Err(usage.to_owned()));
        assert!(parse(&["127.0.0.1:80 http2"], Subsystem::Stream).unwrap_err().contains("[udp] [ssl]"));
        assert!(parse(&["127.0.0.1:53 udp"], Subsystem::Stream).unwrap()[0].udp);
    }

    #[test]
    fn the_table_form_holds_every_flag() {
        let listens = http("127.0.0.1:8444 http2 ssl backlog=5").unwrap();
        let ConfValue::Map(fields) = listens[0].to_value(Subsystem::Http) else { panic!("no map") };
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        assert_eq!(field("ip"), Some(ConfValue::from("127.0.0.1")));
        assert_eq!(field("port"), Some(ConfValue::Number(8444.0)));
        assert_eq!(field("ssl"), Some(ConfValue::Boolean(true)));
        assert_eq!(field("http2"), Some(ConfValue::Boolean(true)));
        assert_eq!(field("reuseport"), Some(ConfValue::Boolean(false)));
        assert_eq!(field("backlog=5"), Some(ConfValue::Boolean(true)));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_fail_otherwise(text in ".{0,60}") {
            drop(http(&text));
        }
    }
}
