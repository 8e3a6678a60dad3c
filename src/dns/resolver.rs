//! The resolver that others see: the cached way and the asking way to an address.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::rc::Rc;

use tokio::time::Instant;

use super::lookup::Lookup;
use super::names::{literal, lower_case};
use super::options::DnsOptions;
use super::record::{Answer, Data, Kind};
use super::tries::Tries;
use super::{DnsError, Unresolved};

/// So many aliases are followed without asking anybody.
const MAX_CACHED_HOPS: usize = 16;

/// Where to connect to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The port asked for, or that of an SRV record.
    pub port: u16,
}

/// The resolver of one worker; clones share the cache.
///
/// Stale answers are refreshed by tasks on the worker's [`tokio::task::LocalSet`], so resolving
/// happens inside one.
#[derive(Debug, Clone)]
pub struct Resolver {
    lookup: Rc<Lookup>,
}

impl Resolver {
    /// A resolver that knows the hosts file and nothing else yet.
    pub fn new(options: DnsOptions) -> Self {
        Self { lookup: Rc::new(Lookup::new(options)) }
    }

    /// The address for `name`, if the cache has a fresh one.
    ///
    /// Literal addresses are always known. *Cost*: no allocation, no system call.
    pub fn cached(&self, name: &str, port: u16) -> Option<Address> {
        if let Some(ip) = literal(name) {
            return Some(Address { ip, port });
        }
        let now = Instant::now();
        let cache = self.lookup.cache.borrow();
        let mut port = port;
        let mut answer = cache.short(&lower_case(name), now)?;
        for _ in 0..MAX_CACHED_HOPS {
            if answer.is_stale(now) {
                return None;
            }
            let next = match &answer.next_record()?.data {
                Data::Address(ip) => return Some(Address { ip: *ip, port }),
                Data::Cname(name) => name,
                Data::Srv { target, port: srv_port, .. } => {
                    if *srv_port != 0 {
                        port = *srv_port;
                    }
                    target
                }
            };
            if let Some(ip) = literal(next) {
                return Some(Address { ip, port });
            }
            answer = cache.short(next, now)?;
        }
        None
    }

    /// The address for `name`; aliases and SRV records are followed, records of an answer take turns.
    ///
    /// With `cache_only` nobody is asked: for retries, which may not wait.
    /// *Cancel safety*: dropping the future leaves the question to others who wait for it.
    pub async fn to_ip(&self, name: &str, port: u16, cache_only: bool) -> Result<Address, Unresolved> {
        if let Some(address) = self.cached(name, port) {
            return Ok(address);
        }
        let mut tries = Tries::default();
        let mut name = Cow::Borrowed(name);
        let mut port = port;
        loop {
            let answer = self.lookup.clone().resolve(&name, None, cache_only, &mut tries).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => return Err(Unresolved { error, tries }),
            };
            match answer.next_record().map(|record| record.data.clone()) {
                Some(Data::Address(ip)) => return Ok(Address { ip, port }),
                Some(Data::Srv { target, port: srv_port, .. }) => {
                    tries.note("dereferencing SRV");
                    name = Cow::Owned(target);
                    if srv_port != 0 {
                        port = srv_port;
                    }
                }
                Some(Data::Cname(_)) | None => {
                    return Err(Unresolved { error: DnsError::Empty, tries });
                }
            }
        }
    }

    /// All records for `name`: of the first type in order that has any, or of `kind`.
    ///
    /// Aliases are followed, SRV records are not.
    pub async fn resolve(
        &self,
        name: &str,
        kind: Option<Kind>,
        cache_only: bool,
    ) -> Result<Rc<Answer>, Unresolved> {
        let mut tries = Tries::default();
        let answer = self.lookup.clone().resolve(name, kind, cache_only, &mut tries).await;
        answer.map_err(|error| Unresolved { error, tries })
    }

    /// How often each name was asked for, by `name|TYPE`, and what came of it.
    pub fn stats(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        self.lookup.stats.all()
    }

    #[cfg(test)]
    pub(super) fn cached_names(&self) -> usize {
        self.lookup.cache.borrow().len()
    }
}
