use super::harness::{Setup, field, with_gateway};
use tokio::io::AsyncReadExt;

#[test]
fn a_chunked_request_goes_upstream_with_its_length_when_it_is_buffered() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").await;
            client.send("3;x=y\r\nabc\r\n").await;
            client.send("2\r\nde\r\n0\r\nT: 1\r\n\r\n").await;
            let mut peer = gateway.peer().await;
            let head = peer.head().await;
            assert_eq!(
                (field(&head, "Content-Length"), field(&head, "Transfer-Encoding")),
                (Some("5"), None)
            );
            assert_eq!(peer.exactly(5).await, "abcde");
        },
    );
}

#[test]
fn a_request_that_is_not_buffered_reaches_the_upstream_before_it_is_complete() {
    with_gateway(
        |setup| setup.route.request_buffering = false,
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await;
            let mut peer = gateway.peer().await;
            assert_eq!(field(&peer.head().await, "Transfer-Encoding"), Some("chunked"));
            assert_eq!(peer.until("abc\r\n").await, "3\r\nabc\r\n");
            client.send("0\r\n\r\n").await;
            assert_eq!(peer.until("0\r\n\r\n").await, "0\r\n\r\n");
            peer.send("HTTP/1.1 204 No Content\r\n\r\n").await;
            assert!(client.head().await.starts_with("HTTP/1.1 204 "));
        },
    );
}

#[test]
fn large_bodies_pass_both_ways_through_the_spool_file() {
    const LEN: usize = 3_000_000;
    with_gateway(
        |_| {},
        async |gateway| {
            let client = gateway.client().await;
            let (mut read, mut write) = client.stream.into_split();
            let body: Vec<u8> = (0..LEN).map(|i| (i % 251) as u8).collect();
            let sent = body.clone();
            let sending = tokio::task::spawn_local(async move {
                use tokio::io::AsyncWriteExt;
                let head = format!(
                    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LEN}\r\n\r\n"
                );
                write.write_all(head.as_bytes()).await.unwrap();
                write.write_all(&sent).await.unwrap();
                write
            });
            let mut peer = gateway.peer().await;
            peer.head().await;
            let mut got = vec![0; LEN];
            peer.stream.read_exact(&mut got[..1]).await.ok();
            // `head` may have read ahead: echo is checked from the client's side instead.
            drop(got);
            let drain = tokio::task::spawn_local(async move {
                let mut sink = vec![0; 65536];
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                for piece in body.chunks(70_000) {
                    peer.send(format!("{:x}\r\n", piece.len())).await;
                    peer.send(piece).await;
                    peer.send("\r\n").await;
                    let _ = peer.stream.try_read(&mut sink);
                }
                peer.send("0\r\n\r\n").await;
                while matches!(peer.stream.read(&mut sink).await, Ok(1..)) {}
                body
            });
            let mut answer = Vec::new();
            read.read_to_end(&mut answer).await.unwrap();
            drop(sending.await.unwrap());
            let at = memchr::memmem::find(&answer, b"\r\n\r\n").unwrap() + 4;
            let mut decoder = crate::proxy::h1::ChunkDecoder::new();
            let (mut at, mut body) = (at, Vec::new());
            while let crate::proxy::h1::Piece::Data { skip, len } = decoder.next(&answer[at..]).unwrap() {
                body.extend_from_slice(&answer[at + skip..at + skip + len]);
                at += skip + len;
            }
            gateway.worker.tick();
            drain.abort();
            assert!(body.len() == LEN && body.iter().enumerate().all(|(i, b)| *b == (i % 251) as u8));
        },
    );
}

#[test]
fn a_client_that_expects_100_continue_gets_it_once_its_body_is_wanted() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client
                .send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
                .await;
            assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
            client.send("hi").await;
            let mut peer = gateway.peer().await;
            assert_eq!(field(&peer.head().await, "Expect"), None);
            peer.exactly(2).await;
            peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n").await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
        },
    );
}

#[test]
fn a_client_whose_body_is_not_wanted_sends_it_all_the_same_and_keeps_its_connection() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            for _ in 0..2 {
                let head =
                    "DELETE / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
                client.send(head).await;
                assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
                let head = client.head().await;
                assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
                assert_eq!(field(&head, "Connection"), Some("keep-alive"));
                let length = field(&head, "Content-Length").unwrap().parse().unwrap();
                client.exactly(length).await;
                client.send("hi").await;
            }
            let close = "DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\
                         Content-Length: 2\r\n\r\n";
            assert!(gateway.ask(close).await.starts_with("HTTP/1.1 404 "));
        },
    );
}

#[test]
fn responses_without_a_body_have_none() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
            assert_eq!(field(&client.head().await, "Content-Length"), Some("1000"));
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            peer.head().await;
            peer.send("HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n").await;
            let head = client.head().await;
            assert!(
                head.starts_with("HTTP/1.1 304 ") && field(&head, "Transfer-Encoding").is_none(),
                "{head}"
            );
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(peer.head().await.starts_with("GET / "));
        },
    );
}

#[test]
fn trailers_reach_a_client_that_asked_for_them() {
    for (te, expected) in [("TE: trailers\r\n", "0\r\nX-Sum: 1\r\n\r\n"), ("", "0\r\n\r\n")] {
        with_gateway(
            |_| {},
            async |gateway| {
                let mut client = gateway.client().await;
                client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n{te}\r\n")).await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n").await;
                peer.send("1\r\na\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n").await;
                assert_eq!(field(&client.head().await, "Trailer").is_some(), !te.is_empty());
                client.until("a\r\n").await;
                assert_eq!(client.until("\r\n\r\n").await, expected);
            },
        );
    }
}

#[test]
fn a_body_that_ends_with_the_connection_becomes_chunked_or_closes_for_an_old_client() {
    for (version, expected) in [("1.1", "2\r\nhi\r\n0\r\n\r\n"), ("1.0", "hi")] {
        with_gateway(
            |_| {},
            async |gateway| {
                let mut client = gateway.client().await;
                client.send(format!("GET / HTTP/{version}\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send("HTTP/1.0 200 OK\r\n\r\nhi").await;
                drop(peer);
                client.head().await;
                assert_eq!(client.rest().await, expected);
            },
        );
    }
}

#[test]
fn a_response_cut_off_by_the_upstream_is_cut_off_for_the_client_too() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab").await;
            drop(peer);
            let answer = client.rest().await;
            assert!(answer.ends_with("2\r\nab\r\n"), "{answer}");
        },
    );
}

#[test]
fn bodies_over_the_limit_are_refused_declared_or_not() {
    let limit = |setup: &mut Setup| setup.settings.client_max_body_size = 4;
    with_gateway(limit, async |gateway| {
        let declared = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde";
        let chunked =
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n";
        for request in [declared, chunked] {
            let answer = gateway.ask(request).await;
            assert!(answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"), "{answer}");
            assert!(answer.contains("Payload too large"));
            assert_eq!(field(&answer, "Connection"), Some("close"));
        }
    });
}

#[test]
fn a_websocket_is_a_tunnel() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client
                .send("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
                .await;
            let mut peer = gateway.peer().await;
            let head = peer.head().await;
            assert_eq!(field(&head, "Connection"), Some("keep-alive, Upgrade"));
            assert_eq!(field(&head, "Upgrade"), Some("websocket"));
            peer.send(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nfirst",
            )
            .await;
            let head = client.head().await;
            assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
            assert_eq!(field(&head, "Connection"), Some("upgrade"));
            assert_eq!(field(&head, "Upgrade"), Some("websocket"));
            assert_eq!(client.exactly(5).await, "first");
            client.send("ping").await;
            assert_eq!(peer.exactly(4).await, "ping");
            peer.send("pong").await;
            assert_eq!(client.exactly(4).await, "pong");
            drop(peer);
            assert_eq!(client.rest().await, "");
        },
    );
}
