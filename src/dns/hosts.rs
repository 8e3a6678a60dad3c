//! The hosts file.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Names with their addresses, at most one of each family: the first one listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    names: HashMap<String, (Option<Ipv4Addr>, Option<Ipv6Addr>)>,
}

impl Hosts {
    /// Reads the text of a hosts file; lines that are none are skipped. Adds `localhost` if missing.
    pub fn parse(text: &str) -> Self {
        let mut hosts = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("").to_lowercase();
            let mut words = line.split_whitespace();
            let address = words.next().map(|word| word.trim_matches(['[', ']']));
            let Some(Ok(address)) = address.map(str::parse::<IpAddr>) else {
                continue;
            };
            for name in words {
                hosts.add(name, address);
            }
        }
        if !hosts.names.contains_key("localhost") {
            hosts.add("localhost", Ipv4Addr::LOCALHOST.into());
            hosts.add("localhost", Ipv6Addr::LOCALHOST.into());
        }
        hosts
    }

    /// Every name with its addresses.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<Ipv4Addr>, Option<Ipv6Addr>)> {
        self.names.iter().map(|(name, (v4, v6))| (name.as_str(), *v4, *v6))
    }

    fn add(&mut self, name: &str, address: IpAddr) {
        let entry = self.names.entry(name.to_owned()).or_default();
        match address {
            IpAddr::V4(address) => drop(entry.0.get_or_insert(address)),
            IpAddr::V6(address) => drop(entry.1.get_or_insert(address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_of_each_family_counts() {
        let hosts = Hosts::parse("1.2.3.4 A b # c\n::5 a\n1.1.1.1 a\n  \nbad x\n[::6] d\n");
        let find = |name: &str| hosts.iter().find(|(known, ..)| *known == name).map(|(_, v4, v6)| (v4, v6));
        assert_eq!(find("a"), Some((Some([1, 2, 3, 4].into()), Some("::5".parse().unwrap()))));
        assert_eq!(find("b"), Some((Some([1, 2, 3, 4].into()), None)));
        assert_eq!(find("d"), Some((None, Some("::6".parse().unwrap()))));
        assert_eq!(find("localhost"), Some((Some(Ipv4Addr::LOCALHOST), Some(Ipv6Addr::LOCALHOST))));
        assert_eq!(find("c"), None);
    }
}
