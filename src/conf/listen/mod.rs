//! The grammar of `proxy_listen` and its siblings.

mod address;
mod flags;

pub use address::Address;
pub use flags::{KeepAlive, Subsystem};

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

/// Reads an HTTP `*_listen` property that was already checked.
pub fn http(values: &Values, name: &str) -> Vec<Listen> {
    parse(&values.texts(name), Subsystem::Http).unwrap_or_default()
}

/// Reads a stream `*_listen` property that was already checked.
pub fn stream(values: &Values, name: &str) -> Vec<Listen> {
    parse(&values.texts(name), Subsystem::Stream).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

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
