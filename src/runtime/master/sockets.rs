//! The listening sockets, which the master holds for as long as their listeners exist.
//!
//! A set of wanted listeners goes through three steps, so that a failed reload leaves no trace: [`Sockets::bind`]
//! makes what is missing, [`Sockets::listen`] opens it to clients, [`Sockets::close_others`] closes what is not wanted
//! any more. [`Sockets::forget_bound`] takes a bind back.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};

use socket2::Socket;

use super::super::message::Use;
use super::super::{Address, Listen, Needs, RuntimeError};
use super::socket::bound;
use crate::observability::log;

/// All sockets, by listener.
#[derive(Default)]
pub(super) struct Sockets {
    groups: Vec<Group>,
}

/// The sockets of one address.
struct Group {
    address: Address,
    sockets: Vec<Socket>,
    /// How many of them, from the first, have served; the others are a candidate's.
    committed: usize,
}

/// A listener and the number of sockets it should have.
struct Wanted<'a> {
    listen: &'a Listen,
    sockets: usize,
    control: bool,
}

impl Sockets {
    /// Binds the sockets that `needs` lacks; returns all that it needs.
    ///
    /// # Errors
    /// The first listener that cannot be bound; nothing is left bound then.
    pub(super) fn bind(
        &mut self,
        needs: &Needs,
    ) -> Result<Vec<(Address, Use, BorrowedFd<'_>)>, RuntimeError> {
        for wanted in wanted(needs) {
            if let Err(error) = self.bind_one(&wanted) {
                self.forget_bound();
                return Err(error);
            }
        }
        Ok(wanted(needs).flat_map(|wanted| self.granted(&wanted)).collect())
    }

    /// Opens what was bound to clients, and sets changed queue lengths.
    ///
    /// # Errors
    /// The first listener that cannot be opened.
    pub(super) fn listen(&mut self, needs: &Needs) -> Result<(), RuntimeError> {
        for Wanted { listen, .. } in wanted(needs) {
            let Some(group) = self.groups.iter_mut().find(|group| group.address == listen.address) else {
                continue;
            };
            for socket in &group.sockets {
                socket
                    .listen(listen.backlog)
                    .map_err(|e| RuntimeError::listen("listen() to", &listen.address, &e))?;
            }
            group.committed = group.sockets.len();
        }
        Ok(())
    }

    /// Takes back what a candidate needed and nobody else.
    pub(super) fn forget_bound(&mut self) {
        for group in &mut self.groups {
            group.sockets.truncate(group.committed);
            if group.committed == 0 {
                remove_socket_file(&group.address);
            }
        }
        self.groups.retain(|group| group.committed > 0);
    }

    /// Closes the master's side of listeners that `needs` does not have.
    ///
    /// Connections that wait in them are the old worker process's to take, which holds them open until it has.
    pub(super) fn close_others(&mut self, needs: &Needs) {
        self.groups.retain(|group| {
            let kept = wanted(needs).any(|wanted| wanted.listen.address == group.address);
            if !kept {
                log::notice!("no longer listening on {}", group.address);
                remove_socket_file(&group.address);
            }
            kept
        });
    }

    fn bind_one(&mut self, wanted: &Wanted<'_>) -> Result<(), RuntimeError> {
        let address = &wanted.listen.address;
        let group = match self.groups.iter_mut().position(|group| group.address == *address) {
            Some(at) => self.groups.get_mut(at),
            None => {
                self.groups.push(Group { address: address.clone(), sockets: Vec::new(), committed: 0 });
                self.groups.last_mut()
            }
        };
        let Some(group) = group else { return Ok(()) };
        if wanted.sockets > 1 {
            // sockets of a time without the flag must carry it before others can join them
            for socket in &group.sockets {
                socket
                    .set_reuse_port(true)
                    .map_err(|e| RuntimeError::listen("setsockopt() for", address, &e))?;
            }
        }
        while group.sockets.len() < wanted.sockets {
            let socket = bound(wanted.listen)?;
            if wanted.control {
                // it joins no group, so it takes no connection from anybody; and a socket that does not listen
                // must not be registered with epoll, which would report it as closed for ever
                socket
                    .listen(wanted.listen.backlog)
                    .map_err(|e| RuntimeError::listen("listen() to", address, &e))?;
            }
            group.sockets.push(socket);
        }
        Ok(())
    }

    /// A listener's sockets with their uses: all that exist, also those of a time with more workers.
    fn granted(&self, wanted: &Wanted<'_>) -> Vec<(Address, Use, BorrowedFd<'_>)> {
        let group = self.groups.iter().find(|group| group.address == wanted.listen.address);
        let sockets = group.map(|group| group.sockets.as_slice()).unwrap_or_default();
        let own = sockets.len() > 1;
        let uses = sockets.iter().enumerate().map(|(n, socket)| {
            let purpose = match (wanted.control, own) {
                (true, _) => Use::Control,
                (false, true) => Use::Own(n),
                (false, false) => Use::Shared,
            };
            (wanted.listen.address.clone(), purpose, socket.as_fd())
        });
        uses.collect()
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        self.groups.iter().for_each(|group| remove_socket_file(&group.address));
    }
}

fn wanted(needs: &Needs) -> impl Iterator<Item = Wanted<'_>> {
    let workers = needs.workers.max(1);
    let proxy = needs.proxy.iter().map(move |listen| {
        let divided = listen.reuseport && matches!(listen.address, Address::Tcp(_));
        Wanted { listen, sockets: if divided { workers } else { 1 }, control: false }
    });
    proxy.chain(needs.control.iter().map(|listen| Wanted { listen, sockets: 1, control: true }))
}

fn remove_socket_file(address: &Address) {
    if let Address::Unix(path) = address {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    fn free_port() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    fn listen(address: SocketAddr, reuseport: bool) -> Listen {
        Listen { reuseport, ..Listen::new(Address::Tcp(address)) }
    }

    fn needs(workers: usize, proxy: Vec<Listen>) -> Needs {
        Needs { workers, proxy, ..Needs::default() }
    }

    #[test]
    fn a_bound_socket_refuses_clients_until_it_listens_and_leaves_no_trace_when_forgotten() {
        let address = free_port();
        let mut sockets = Sockets::default();
        let needs = needs(2, vec![listen(address, true)]);
        assert_eq!(sockets.bind(&needs).unwrap().len(), 2);
        assert!(TcpStream::connect(address).is_err());
        sockets.forget_bound();
        TcpListener::bind(address).unwrap();
    }

    #[test]
    fn a_control_socket_listens_at_once_and_is_closed_again_when_forgotten() {
        let address = free_port();
        let mut sockets = Sockets::default();
        let needs = Needs { control: vec![listen(address, false)], ..Needs::default() };
        sockets.bind(&needs).unwrap();
        TcpStream::connect(address).unwrap();
        sockets.forget_bound();
        assert!(TcpStream::connect(address).is_err());
    }

    #[test]
    fn more_workers_add_sockets_and_fewer_close_none() {
        let address = free_port();
        let mut sockets = Sockets::default();
        for (workers, expected) in [(1, 1), (3, 3), (2, 3)] {
            let needs = needs(workers, vec![listen(address, true)]);
            assert_eq!(sockets.bind(&needs).unwrap().len(), expected);
            sockets.listen(&needs).unwrap();
            TcpStream::connect(address).unwrap();
        }
    }

    #[test]
    fn a_listener_may_gain_and_lose_reuseport_while_it_is_open() {
        let address = free_port();
        let mut sockets = Sockets::default();
        for (reuseport, expected) in [(false, 1), (true, 2), (false, 2)] {
            let needs = needs(2, vec![listen(address, reuseport)]);
            assert_eq!(sockets.bind(&needs).unwrap().len(), expected);
            sockets.listen(&needs).unwrap();
        }
    }

    #[test]
    fn a_failed_bind_keeps_what_listens_and_names_the_address() {
        let (address, taken) = (free_port(), TcpListener::bind("127.0.0.1:0").unwrap());
        let mut sockets = Sockets::default();
        let before = needs(1, vec![listen(address, false)]);
        sockets.bind(&before).unwrap();
        sockets.listen(&before).unwrap();
        let taken = taken.local_addr().unwrap();
        let after = needs(1, vec![listen(address, false), listen(free_port(), false), listen(taken, false)]);
        let error = sockets.bind(&after).unwrap_err().to_string();
        assert_eq!(error, format!("bind() to {taken} failed (98: Address already in use)"));
        assert_eq!(sockets.groups.len(), 1);
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn a_vanished_listener_is_closed_and_its_socket_file_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kong.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let mut sockets = Sockets::default();
        let before = needs(1, vec![Listen::new(Address::Unix(path.clone()))]);
        sockets.bind(&before).unwrap();
        sockets.listen(&before).unwrap();
        UnixStream::connect(&path).unwrap();
        sockets.close_others(&needs(1, Vec::new()));
        assert!(!path.exists() && sockets.groups.is_empty());
    }

    #[test]
    fn ipv6_and_ipv4_wildcards_share_a_port() {
        let port = free_port().port();
        let mut sockets = Sockets::default();
        let both = needs(
            1,
            vec![
                listen(SocketAddr::from(([0, 0, 0, 0], port)), false),
                listen(SocketAddr::from(([0u16; 8], port)), false),
            ],
        );
        sockets.bind(&both).unwrap();
        sockets.listen(&both).unwrap();
    }
}
