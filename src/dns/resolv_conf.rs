//! `resolv.conf`, and the environment variables that override it.

use std::net::{IpAddr, SocketAddr};

/// Name servers beyond this number are ignored.
const MAX_NAME_SERVERS: usize = 3;
/// Search domains beyond this number are ignored.
const MAX_SEARCH: usize = 6;

/// What the system says about resolving names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResolvConf {
    /// Name servers; those with a scope in their address are left out.
    pub name_servers: Vec<SocketAddr>,
    /// Domains that are appended to names with few dots.
    pub search: Vec<String>,
    /// Names with fewer dots get the search domains first.
    pub ndots: Option<usize>,
    /// Seconds to wait for a reply.
    pub timeout: Option<u64>,
    /// How often a question is asked.
    pub attempts: Option<usize>,
    /// Whether name servers take turns.
    pub rotate: bool,
}

impl ResolvConf {
    /// Reads the text of the file; lines that are not understood are skipped.
    pub fn parse(text: &str) -> Self {
        let mut conf = Self::default();
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or("");
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => conf.add_name_server(words.next().unwrap_or("")),
                Some("domain" | "search") => conf.set_search(words),
                Some("options") => words.for_each(|option| conf.set_option(option)),
                _ => {}
            }
        }
        conf
    }

    /// Applies the values of `LOCALDOMAIN` and `RES_OPTIONS`.
    pub fn apply_environment(&mut self, local_domain: &str, options: &str) {
        if !local_domain.is_empty() {
            self.set_search(local_domain.split_whitespace());
        }
        options.split_whitespace().for_each(|option| self.set_option(option));
    }

    fn add_name_server(&mut self, address: &str) {
        let address: Result<IpAddr, _> = address.trim_matches(['[', ']']).parse();
        if let (Ok(address), true) = (address, self.name_servers.len() < MAX_NAME_SERVERS) {
            self.name_servers.push(SocketAddr::new(address, 53));
        }
    }

    fn set_search<'w>(&mut self, words: impl Iterator<Item = &'w str>) {
        self.search = words.take(MAX_SEARCH).filter(|domain| *domain != ".").map(str::to_lowercase).collect();
    }

    fn set_option(&mut self, option: &str) {
        match option.split_once(':') {
            None if option == "rotate" => self.rotate = true,
            Some(("ndots", number)) => self.ndots = number.parse().ok().or(self.ndots),
            Some(("timeout", number)) => self.timeout = number.parse().ok().or(self.timeout),
            Some(("attempts", number)) => self.attempts = number.parse().ok().or(self.attempts),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_search_and_options_are_read() {
        let mut conf = ResolvConf::parse(
            "; c\nnameserver 1.1.1.1\nnameserver fe80::1%eth0\nnameserver ::1 # x\ndomain a.com\nsearch B.com . c.com\noptions ndots:2 timeout:3 attempts:4 rotate x:1\n",
        );
        assert_eq!(conf.name_servers, ["1.1.1.1:53".parse().unwrap(), "[::1]:53".parse().unwrap()]);
        assert_eq!(conf.search, ["b.com", "c.com"]);
        assert_eq!((conf.ndots, conf.timeout, conf.attempts, conf.rotate), (Some(2), Some(3), Some(4), true));
        conf.apply_environment("d.com", "ndots:5");
        assert_eq!((conf.search, conf.ndots), (vec!["d.com".to_owned()], Some(5)));
    }
}
