//! A socket pair between master and worker process that carries messages with file descriptors.
#![allow(unsafe_code)] // descriptors arrive as plain numbers, and are registered with epoll as such

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Most descriptors in one message; the kernel's limit is 253.
pub(super) const DESCRIPTORS: usize = 200;

/// Longest message in bytes; what is longer (a very long error text) does not arrive.
const LONGEST: usize = 150_000;

/// One end. Messages keep their bounds and their order.
pub(super) struct Channel {
    socket: AsyncFd<OwnedFd>,
}

impl Channel {
    /// Makes both ends, closed on exec and non-blocking.
    pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
    }

    /// Makes an end usable; must be called in a tokio runtime.
    pub(super) fn new(end: OwnedFd) -> io::Result<Channel> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        // SAFETY: the descriptor is open for as long as its owner, which the `AsyncFd` keeps, and never changes.
        let socket = unsafe { AsyncFd::register_with_interest(end, interest) }.map_err(io::Error::from)?;
        Ok(Channel { socket })
    }

    /// Sends a message with descriptors, which stay open here.
    pub(super) async fn send(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(message)?;
        let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&fds)];
        let control = if fds.is_empty() { &[] } else { rights.as_slice() };
        let send = |socket: &OwnedFd| {
            let slice = [IoSlice::new(&bytes)];
            sendmsg::<()>(socket.as_raw_fd(), &slice, control, MsgFlags::MSG_NOSIGNAL, None)
        };
        self.socket.async_io(Interest::WRITABLE, |socket| Ok(send(socket)?)).await.map(drop)
    }

    /// Receives a message; `None` when the other end is closed.
    pub(super) async fn receive<M: DeserializeOwned>(&self) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
        let (bytes, fds) = self.socket.async_io(Interest::READABLE, receive_raw).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        Ok(Some((serde_json::from_slice(&bytes)?, fds)))
    }
}

fn receive_raw(socket: &OwnedFd) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = vec![0; LONGEST];
    let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS]);
    let mut slice = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let received = recvmsg::<()>(socket.as_raw_fd(), &mut slice, Some(&mut space), flags)?;
    let mut fds = Vec::new();
    for message in received.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = message {
            // SAFETY: the kernel just made these descriptors for this process; nobody else knows them.
            fds.extend(numbers.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
        }
    }
    let length = received.bytes;
    bytes.truncate(length);
    Ok((bytes, fds))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_with_their_descriptors_and_then_the_end() {
        let (one, other) = Channel::pair().unwrap();
        let (one, other) = (Channel::new(one).unwrap(), Channel::new(other).unwrap());
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        one.send(&"first", &[writer.as_fd()]).await.unwrap();
        one.send(&"second", &[]).await.unwrap();
        drop(one);

        let (message, fds) = other.receive::<String>().await.unwrap().unwrap();
        assert_eq!(message, "first");
        writer.write_all(b"a").unwrap();
        drop(writer);
        std::fs::File::from(fds.into_iter().next().unwrap()).write_all(b"b").unwrap();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "ab");
        assert_eq!(other.receive::<String>().await.unwrap().unwrap().0, "second");
        assert!(other.receive::<String>().await.unwrap().is_none());
    }
}
