use super::harness::{Gateway, Setup, conf_with, field, with_gateway};
use crate::proxy::tls::ServerTls;
use crate::snapshot::Published;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";

/// A certificate for `localhost`, as PEM texts.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn server(setup: &mut Setup, (cert, key): &(String, String)) {
    let mut conf = conf_with(&[]);
    (conf.ssl_cert, conf.ssl_cert_key) = (vec![cert.clone()], vec![key.clone()]);
    setup.tls = Some(ServerTls::new(&conf, Arc::new(Published::default()), true).unwrap());
}

async fn connect(gateway: &Gateway, cert: &str, alpn: &[&[u8]]) -> TlsStream<tokio::net::TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(crate::proxy::tls::chain(cert).unwrap().remove(0)).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, gateway.client().await.stream).await.unwrap()
}

#[test]
fn a_client_behind_tls_is_served_and_told_apart() {
    let pair = certificate();
    let cert = pair.0.clone();
    with_gateway(
        move |setup| server(setup, &pair),
        async |gateway| {
            let mut client = connect(&gateway, &cert, &[]).await;
            client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut peer = gateway.peer().await;
            assert_eq!(field(&peer.head().await, "X-Forwarded-Proto"), Some("https"));
            peer.send(OK).await;
            let mut answer = vec![0; 15];
            client.read_exact(&mut answer).await.unwrap();
            assert_eq!(answer, b"HTTP/1.1 200 OK");
        },
    );
}

#[test]
fn http2_is_spoken_when_alpn_says_so() {
    let pair = certificate();
    let cert = pair.0.clone();
    with_gateway(
        move |setup| server(setup, &pair),
        async |gateway| {
            let client = connect(&gateway, &cert, &[b"h2", b"http/1.1"]).await;
            assert_eq!(client.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
            let (mut sender, connection) = h2::client::handshake(client).await.unwrap();
            tokio::task::spawn_local(async move { drop(connection.await) });
            let request = http::Request::get("https://localhost/").body(()).unwrap();
            let (response, _) = sender.send_request(request, true).unwrap();
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send(OK).await;
            assert_eq!(response.await.unwrap().status(), 200);
        },
    );
}

#[test]
fn plain_http_on_a_tls_port_is_told_so() {
    let pair = certificate();
    with_gateway(
        move |setup| server(setup, &pair),
        async |gateway| {
            let answer = gateway.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
            assert!(answer.contains("<center>The plain HTTP request was sent to HTTPS port</center>"));
            assert_eq!(field(&answer, "Connection"), Some("close"));
        },
    );
}

#[test]
fn an_upstream_behind_tls_is_reached_and_its_connection_kept() {
    let (cert, key) = certificate();
    let setup = |setup: &mut Setup| setup.service.scheme = crate::http::Scheme::Https;
    with_gateway(setup, async |gateway| {
        let key = crate::proxy::tls::certified_key(&cert, &key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let mut client = gateway.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut peer = acceptor.accept(gateway.peer().await.stream).await.unwrap();
        for _ in 0..2 {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                assert!(peer.read_buf(&mut head).await.unwrap() > 0);
            }
            peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await.unwrap();
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
            assert_eq!(client.exactly(2).await, "hi");
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        }
    });
}

#[test]
fn an_upstream_whose_certificate_must_verify_and_does_not_is_a_bad_gateway() {
    let (cert, key) = certificate();
    let setup = |setup: &mut Setup| {
        setup.service.scheme = crate::http::Scheme::Https;
        setup.service.tls_verify = Some(true);
        setup.service.retries = 0;
        setup.trust_own_roots(&rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap().cert.pem());
    };
    with_gateway(setup, async |gateway| {
        let key = crate::proxy::tls::certified_key(&cert, &key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(key)));
        let mut client = gateway.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let peer = gateway.peer().await.stream;
        let _ = tokio_rustls::TlsAcceptor::from(Arc::new(config)).accept(peer).await;
        assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway\r\n"));
    });
}
