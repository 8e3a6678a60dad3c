//! The PROXY protocol, versions 1 and 2: who connected to the load balancer in front of us.

use super::Plain;
use crate::exchange::Address;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::io::AsyncReadExt;

/// Longest version 1 header.
const LINE_MAX: usize = 107;
/// Longest version 2 header that we take, extensions included.
const BINARY_MAX: usize = 4096;
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Source and destination; `None` when the balancer speaks for itself or does not know.
pub type Addresses = Option<(Address, Address)>;

/// Reads a header, and not one byte more.
///
/// *Errors*: what comes is not a PROXY protocol header.
pub async fn read(stream: &mut Plain) -> io::Result<Addresses> {
    let mut start = [0; 16];
    stream.read_exact(&mut start[..12]).await?;
    if start.starts_with(SIGNATURE) {
        stream.read_exact(&mut start[12..]).await?;
        return read_binary(stream, &start).await;
    }
    let mut line = start[..12].to_vec();
    // Byte by byte: what follows the line belongs to TLS or HTTP.
    while !line.ends_with(b"\r\n") {
        if line.len() >= LINE_MAX {
            return Err(invalid("line too long"));
        }
        line.push(stream.read_u8().await?);
    }
    parse_line(&line).ok_or_else(|| invalid("malformed line"))
}

async fn read_binary(stream: &mut Plain, start: &[u8; 16]) -> io::Result<Addresses> {
    let [.., command, family, high, low] = *start;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > BINARY_MAX {
        return Err(invalid("header too long"));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    match command {
        0x20 => Ok(None),
        0x21 => parse_binary(family, &rest).ok_or_else(|| invalid("malformed addresses")),
        _ => Err(invalid("unknown version or command")),
    }
}

/// `PROXY TCP4 source destination port port`.
fn parse_line(line: &[u8]) -> Option<Addresses> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.split(' ');
    if words.next()? != "PROXY" {
        return None;
    }
    match words.next()? {
        "UNKNOWN" => return Some(None),
        "TCP4" | "TCP6" => {}
        _ => return None,
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let destination: IpAddr = words.next()?.parse().ok()?;
    let source_port = words.next()?.parse().ok()?;
    let destination_port = words.next()?.parse().ok()?;
    if words.next().is_some() {
        return None;
    }
    Some(pair(SocketAddr::new(source, source_port), SocketAddr::new(destination, destination_port)))
}

fn parse_binary(family: u8, rest: &[u8]) -> Option<Addresses> {
    match family >> 4 {
        1 => {
            let (source, rest) = rest.split_first_chunk::<4>()?;
            let (destination, rest) = rest.split_first_chunk::<4>()?;
            with_ports(Ipv4Addr::from(*source).into(), Ipv4Addr::from(*destination).into(), rest)
        }
        2 => {
            let (source, rest) = rest.split_first_chunk::<16>()?;
            let (destination, rest) = rest.split_first_chunk::<16>()?;
            with_ports(Ipv6Addr::from(*source).into(), Ipv6Addr::from(*destination).into(), rest)
        }
        0 | 3 => Some(None),
        _ => None,
    }
}

fn with_ports(source: IpAddr, destination: IpAddr, rest: &[u8]) -> Option<Addresses> {
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    let source = SocketAddr::new(source, u16::from_be_bytes(*source_port));
    Some(pair(source, SocketAddr::new(destination, u16::from_be_bytes(*destination_port))))
}

fn pair(source: SocketAddr, destination: SocketAddr) -> Addresses {
    Some((Address::inet(source), Address::inet(destination)))
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixStream;

    async fn parsed(bytes: &[u8]) -> (Result<Option<String>, ()>, Vec<u8>) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut stream = Plain::Unix(near);
        let read = read(&mut stream).await;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        let sources = |found: Addresses| found.and_then(|(source, _)| source.socket.map(|s| s.to_string()));
        (read.map(sources).map_err(drop), rest)
    }

    #[tokio::test]
    async fn lines_are_read_and_nothing_behind_them() {
        let (source, rest) = parsed(b"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80\r\nGET /").await;
        assert_eq!((source, &*rest), (Ok(Some("10.0.0.1:1234".to_owned())), &b"GET /"[..]));
        let (source, _) = parsed(b"PROXY TCP6 ::1 ::2 1 2\r\n").await;
        assert_eq!(source, Ok(Some("[::1]:1".to_owned())));
        assert_eq!(parsed(b"PROXY UNKNOWN\r\n").await.0, Ok(None));
    }

    #[tokio::test]
    async fn binary_headers_are_read_with_their_extensions() {
        let mut header = SIGNATURE.to_vec();
        header.extend_from_slice(&[0x21, 0x11, 0, 15, 10, 0, 0, 1, 10, 0, 0, 2, 4, 210, 0, 80, 1, 2, 3]);
        header.extend_from_slice(b"rest");
        let (source, rest) = parsed(&header).await;
        assert_eq!((source, &*rest), (Ok(Some("10.0.0.1:1234".to_owned())), &b"rest"[..]));
        let mut local = SIGNATURE.to_vec();
        local.extend_from_slice(&[0x20, 0, 0, 0]);
        assert_eq!(parsed(&local).await.0, Ok(None));
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1234\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 1234 80 x\r\n",
            b"PROXY TCP4 10.0.0.1 10.0.0.2 123456 80\r\n",
            b"PROXY UDP4 10.0.0.1 10.0.0.2 1 80\r\n",
            &[b'x'; 200],
        ] {
            assert!(parsed(bytes).await.0.is_err(), "{:?}", String::from_utf8_lossy(bytes));
        }
    }
}
