//! `kong drain`: lets a node's readiness probe fail, so that load balancers turn away from it.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{Command, Invocation, Opt, node};
use crate::conf::Listen;

/// The command.
pub const COMMAND: Command = Command {
    name: "drain",
    usage: "\
Usage: kong drain [OPTIONS]

Let the node answer 503 Service Unavailable to /status/ready on its status listeners. It goes on serving.

Example usage:
 kong drain

Options:
 -c,--conf    (optional string)  configuration file
 -p,--prefix  (optional string)  override prefix directory
",
    subcommands: &[],
    options: &[Opt::text(Some('c'), "conf"), Opt::text(Some('p'), "prefix")],
    execute,
};

const TIMEOUT: Duration = Duration::from_secs(1);
const BODY: &str = "{\"status\":\"draining\"}";

/// *Kong parity*: whatever comes of it is printed, and the exit code is 0.
fn execute(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let conf = node::running_or_configured(invocation)?;
    let Some(listen) = conf.status_listen.first() else {
        println!("No status listeners found in configuration.");
        return Ok(ExitCode::SUCCESS);
    };
    let scheme = if listen.ssl { "https" } else { "http" };
    let url = format!("{scheme}://{}/status/ready", listen.address);
    match post(listen) {
        Ok(204) => println!("Kong's status successfully changed to 'draining'"),
        Ok(status) => println!("Unexpected response status from {url}: {status}"),
        Err(error) => println!("Failed to send request to {url}: {}", words(&error)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends the request; returns the status.
fn post(listen: &Listen) -> io::Result<u16> {
    let address = listen.address.to_string();
    let peer = address.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let stream = TcpStream::connect_timeout(&peer, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    if listen.ssl {
        let name = ServerName::IpAddress(peer.ip().into());
        let connection = ClientConnection::new(unverified()?, name).map_err(io::Error::other)?;
        exchange(StreamOwned::new(connection, stream), &address)
    } else {
        exchange(stream, &address)
    }
}

fn exchange(mut stream: impl Read + Write, host: &str) -> io::Result<u16> {
    let request = format!(
        "POST /status/ready HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') {
        let mut part = [0; 512];
        let read = stream.read(&mut part)?;
        if read == 0 || head.len() > 4096 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    let line = String::from_utf8_lossy(&head);
    let status = line.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// OpenResty's words for a failure of a socket.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "timeout".to_owned(),
        io::ErrorKind::UnexpectedEof => "closed".to_owned(),
        _ => error.to_string(),
    }
}

/// The node is asked by its own address: whom its certificate names does not matter.
fn unverified() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(Anyone(schemes)));
    Ok(Arc::new(builder.with_no_client_auth()))
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anyone(Vec<SignatureScheme>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_status_of_the_answer_is_read_and_the_request_says_draining() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut lines = io::BufReader::new(&stream).lines().map(Result::unwrap);
            let first = lines.next().unwrap();
            let _ = lines.find(String::is_empty);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            first
        });
        assert_eq!(exchange(TcpStream::connect(address).unwrap(), "status").unwrap(), 204);
        assert_eq!(server.join().unwrap(), "POST /status/ready HTTP/1.1");
    }

    #[test]
    fn a_refused_connection_is_called_so() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(words(&TcpStream::connect(address).unwrap_err()), "connection refused");
    }
}
