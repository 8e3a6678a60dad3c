//! One listening socket with the options of its listener.
#![allow(unsafe_code)] // one socket option that no crate here has

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, TcpKeepalive, Type};

use super::super::{Address, Keepalive, Listen, RuntimeError};
use crate::observability::log;

/// Makes a bound socket with the listener's options.
pub(super) fn bound(listen: &Listen) -> Result<Socket, RuntimeError> {
    let failed = |call| move |error: io::Error| RuntimeError::listen(call, &listen.address, &error);
    let (address, domain) = match &listen.address {
        Address::Tcp(address) => (SockAddr::from(*address), Domain::for_address(*address)),
        Address::Unix(path) => (SockAddr::unix(path).map_err(failed("bind() to"))?, Domain::UNIX),
    };
    let protocol = (domain != Domain::UNIX).then_some(Protocol::TCP);
    let socket =
        Socket::new(domain, Type::STREAM.nonblocking().cloexec(), protocol).map_err(failed("socket()"))?;
    if let Address::Unix(path) = &listen.address {
        remove_dangling(path);
        socket.bind(&address).map_err(failed("bind() to"))?;
        // as nginx: whoever may enter the folder may connect
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(failed("chmod()"))?;
        return Ok(socket);
    }
    set_options(&socket, listen).map_err(failed("setsockopt() for"))?;
    socket.bind(&address).map_err(failed("bind() to"))?;
    Ok(socket)
}

fn set_options(socket: &Socket, listen: &Listen) -> io::Result<()> {
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(listen.reuseport)?;
    if let Address::Tcp(std::net::SocketAddr::V6(_)) = listen.address {
        socket.set_only_v6(listen.ipv6_only)?;
    }
    if listen.deferred {
        defer_accept(socket)?;
    }
    match listen.keepalive {
        None => Ok(()),
        Some(Keepalive::Off) => socket.set_keepalive(false),
        Some(Keepalive::On { idle, interval, count }) => {
            socket.set_keepalive(true)?;
            let mut times = TcpKeepalive::new();
            times = idle.map_or(times.clone(), |idle| times.with_time(idle));
            times = interval.map_or(times.clone(), |interval| times.with_interval(interval));
            times = count.map_or(times.clone(), |count| times.with_retries(count));
            socket.set_tcp_keepalive(&times)
        }
    }
}

/// Lets the kernel report a connection when its first bytes came, or after a second without.
fn defer_accept(socket: &Socket) -> io::Result<()> {
    let seconds: libc::c_int = 1;
    let (value, size) = ((&raw const seconds).cast(), size_of_val(&seconds) as libc::socklen_t);
    // SAFETY: the descriptor is open, and the value is a C int that lives during the call.
    match unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT, value, size)
    } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Removes a socket file that nobody listens on any more.
fn remove_dangling(path: &Path) {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(refused) {
        log::warn!("removing unix socket: {}", path.display());
        let _ = fs::remove_file(path);
    }
}
