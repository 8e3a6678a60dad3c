//! `trusted_ips`: the peers whose forwarding headers are believed.

use std::net::IpAddr;

use ipnet::IpNet;

use super::field::Field;
use super::value::ConfValue;

/// A set of addresses and blocks, and possibly all Unix domain sockets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedIps {
    blocks: Vec<IpNet>,
    unix: bool,
}

impl TrustedIps {
    /// Whether `peer` is trusted. An IPv4 address in IPv6 form is the IPv4 address.
    ///
    /// *Cost*: linear in the number of blocks, which is a handful.
    pub fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.blocks.iter().any(|block| block.contains(&peer))
    }

    /// Whether peers on Unix domain sockets are trusted.
    pub fn contains_unix(&self) -> bool {
        self.unix
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && !self.unix
    }

    /// Reads an address or a block; `None` if it is neither.
    pub fn parse_block(text: &str) -> Option<IpNet> {
        text.parse::<IpAddr>().map(IpNet::from).or_else(|_| text.parse::<IpNet>()).ok()
    }
}

impl Field for TrustedIps {
    fn read(value: Option<&ConfValue>) -> TrustedIps {
        let items: Vec<&str> = value.map(|list| list.texts().collect()).unwrap_or_default();
        TrustedIps {
            unix: items.contains(&"unix:"),
            blocks: items.into_iter().filter_map(TrustedIps::parse_block).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_blocks_and_unix_sockets_are_members() {
        let list = ConfValue::list(["10.0.0.0/8", "192.168.1.1", "2001:db8::/32", "unix:"]);
        let trusted = TrustedIps::read(Some(&list));
        for (peer, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("2001:db8::1", true),
            ("::1", false),
        ] {
            assert_eq!(trusted.contains(peer.parse().unwrap()), expected, "{peer}");
        }
        assert!(trusted.contains_unix());
        assert!(TrustedIps::default().is_empty());
    }
}
