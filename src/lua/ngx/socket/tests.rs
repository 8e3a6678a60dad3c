//! Sockets against a server in the same process.

use crate::lua::Vm;
use crate::lua::testing::{block_on, run_in, vm};
use crate::lua::vm::Settings;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket, UnixListener};

/// Runs a snippet with `port` as its argument.
async fn run_with(vm: &Vm, port: u16, source: &str) {
    let source = format!("local port = {port}\n{source}");
    if let Err(error) = run_in(vm, &source).await {
        panic!("{}", error.report());
    }
}

/// A server that answers "echo" lines, closes on "quit", and keeps silent on "wait".
async fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::task::spawn_local(echo(stream));
        }
    });
    port
}

async fn echo(mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut piece = [0; 1024];
    while let Ok(length @ 1..) = stream.read(&mut piece).await {
        let data = &piece[..length];
        if data.starts_with(b"quit") {
            return;
        }
        if !data.starts_with(b"wait") && stream.write_all(data).await.is_err() {
            return;
        }
    }
}

#[test]
fn lines_sizes_and_rests_are_received() {
    let vm = vm();
    block_on(async {
        let port = echo_server().await;
        run_with(
            &vm,
            port,
            r#"
            local sock = ngx.socket.tcp()
            assert(type(sock) == "table" and sock:receive() == nil)
            assert(sock:connect("127.0.0.1", port) == 1 and sock:getreusedtimes() == 0)
            assert(sock:send({ "one\r\n", { "two", 2, "\n" } }) == 10)
            assert(sock:receive() == "one" and sock:receive("*l") == "two2")
            assert(sock:send("abcdef") == 6 and sock:receive(2) == "ab" and sock:receiveany(10) == "cdef" and sock:receive(0) == "")
            sock:send("x--y--")
            local until_dashes = sock:receiveuntil("--")
            assert(until_dashes() == "x" and until_dashes() == "y")
            sock:send("hello world--rest")
            local sized = sock:receiveuntil("--")
            assert(sized(5) == "hello" and sized(50) == " world" and sized(5) == nil)
            assert(select(2, pcall(sock.settimeout, sock, -1)):find("bad timeout value", 1, true))
            sock:settimeout({}) sock:settimeouts("no number", nil, 100)
            assert(sock:receive(4) == "rest")
            sock:send("in--") assert(sock:receiveuntil("--", { inclusive = true })() == "in--")
            sock:settimeout(20)
            sock:send("wait")
            local data, err, partial = sock:receive()
            assert(data == nil and err == "timeout" and partial == "")
            sock:send("par") ngx.sleep(0.02) sock:send("quit")
            local data, err, partial = sock:receive(10)
            assert(data == nil and err == "closed" and partial == "par", partial)
            local data, err = sock:receive(1) assert(data == nil and err == "closed")
            local ok, err = sock:setkeepalive() assert(ok == nil and err == "closed")
            assert(sock:send("x") == 1) -- who has ended may still read
            assert(sock:close() == 1)
            local ok, err = sock:close() assert(ok == nil and err == "closed")
            assert(not pcall(sock.receive, sock, "*x"))
            local sock = ngx.socket.tcp()
            sock:connect("127.0.0.1", port) sock:send("all") ngx.sleep(0.02) sock:send("quit")
            assert(sock:receive("*a") == "all" and sock:close() == 1)
            "#,
        )
        .await;
    });
}

#[test]
fn connecting_fails_in_openrestys_words() {
    let vm = vm();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        run_with(
            &vm,
            port,
            r#"
            local sock = ngx.socket.tcp()
            local ok, err = sock:connect("127.0.0.1", port)
            assert(ok == nil and err == "connection refused", err)
            local ok, err = sock:connect("unix:/no/such/socket")
            assert(ok == nil and err == "no such file or directory", err)
            local ok, err = sock:connect("no-such-host.invalid", 80)
            assert(ok == nil and err == "no-such-host.invalid could not be resolved (3: Host not found)", err)
            local ok, err = sock:connect("127.0.0.1", 70000)
            assert(ok == nil and err == "bad port number: 70000", err)
            local ok, err = ngx.socket.connect("127.0.0.1", port)
            assert(ok == nil and err == "connection refused", err)
            "#,
        )
        .await;
    });
}

#[test]
fn kept_connections_are_used_again_by_the_name_of_their_pool() {
    let vm = vm();
    block_on(async {
        let port = echo_server().await;
        run_with(
            &vm,
            port,
            r#"
            local function connect(opts)
              local sock = ngx.socket.tcp()
              assert(sock:connect("127.0.0.1", port, opts))
              return sock, sock:getreusedtimes()
            end
            local sock = connect()
            assert(sock:setkeepalive(1000, 2) == 1 and select(2, sock:send("x")) == "closed")
            local sock, reused = connect() assert(reused == 1)
            sock:setkeepalive()
            assert(select(2, connect({ pool = "other" })) == 0)
            local sock, reused = connect() assert(reused == 2)
            sock:send("abc\n") ngx.sleep(0.01)
            local ok, err = sock:setkeepalive() assert(ok == nil and err == "connection in dubious state")
            local sock, reused = connect() assert(reused == 0)
            sock:setkeepalive(5) ngx.sleep(0.02)
            assert(select(2, connect()) == 0)
            local sock = connect() sock:send("quit") sock:receive() 
            "#,
        )
        .await;
    });
}

#[test]
fn one_thread_reads_while_another_writes() {
    let vm = vm();
    block_on(async {
        let port = echo_server().await;
        run_with(
            &vm,
            port,
            r#"
            local sock = assert(ngx.socket.connect("127.0.0.1", port))
            local reader = ngx.thread.spawn(function() return sock:receive() end)
            local data, err = sock:receive() assert(data == nil and err == "socket busy reading")
            sock:send("ping\n")
            local ok, line = ngx.thread.wait(reader)
            assert(ok and line == "ping")
            "#,
        )
        .await;
    });
}

#[test]
fn unix_sockets_and_datagrams_work() {
    let vm = vm();
    block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        tokio::task::spawn_local(async move { echo(listener.accept().await.unwrap().0).await });
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            let mut data = [0; 64];
            let (length, from) = server.recv_from(&mut data).await.unwrap();
            server.send_to(&data[..length], from).await.unwrap();
        });
        let source = format!(
            r#"
            local sock = assert(ngx.socket.connect("unix:{}"))
            sock:send("u\n") assert(sock:receive() == "u")
            local udp = ngx.socket.udp()
            assert(udp:setpeername("127.0.0.1", port) and udp:send({{ "da", "ta" }}) == 1)
            assert(udp:receive() == "data")
            udp:settimeout(10)
            local data, err = udp:receive() assert(data == nil and err == "timeout")
            assert(udp:close() == 1)
            "#,
            path.display()
        );
        run_with(&vm, port, &source).await;
    });
}

#[test]
fn handshakes_verify_when_asked_to() {
    let issued = rcgen::generate_simple_self_signed(vec!["example.test".into()]).unwrap();
    let certificate = issued.cert.der().clone();
    let key = rustls_pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).unwrap();
    let vm = Vm::new(Settings { trusted: Some(Arc::new(roots)), ..Settings::default() }).unwrap();
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::task::spawn_local(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        echo(stream).await;
                    }
                });
            }
        });
        run_with(
            &vm,
            port,
            r#"
            local function handshake(...)
              local sock = assert(ngx.socket.connect("127.0.0.1", port))
              local session, err = sock:sslhandshake(...)
              return session, err, sock
            end
            local session, err, sock = handshake(nil, "example.test", true)
            assert(type(session) == "userdata", err)
            sock:send("tls\n") assert(sock:receive() == "tls")
            assert(sock:setkeepalive())
            local _, _, sock = handshake(false, "example.test", true)
            assert(sock:getreusedtimes() == 1)
            local session, err = handshake(nil, "other.test", true)
            assert(session == nil and err == "certificate host mismatch", err)
            assert(handshake(false, nil, false) == true)
            assert(handshake(false, "other.test") == true)
            "#,
        )
        .await;
    });
}
