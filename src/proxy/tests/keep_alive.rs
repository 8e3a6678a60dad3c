use super::harness::{field, with_gateway};
use std::time::Duration;

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn connections_on_both_sides_carry_many_requests() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send(GET).await;
            let mut peer = gateway.peer().await;
            for _ in 0..5 {
                peer.head().await;
                peer.send(OK).await;
                client.head().await;
                client.exactly(2).await;
                client.send(GET).await;
            }
        },
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut peer = gateway.peer().await;
            for n in ["1", "2"] {
                let head = peer.head().await;
                assert!(head.starts_with(&format!("GET /{n} ")), "{head}");
                peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{n}")).await;
                client.head().await;
                assert_eq!(client.exactly(1).await, n);
            }
        },
    );
}

#[test]
fn a_connection_ends_when_either_side_says_so() {
    with_gateway(
        |setup| setup.settings.keepalive_requests = 2,
        async |gateway| {
            for (request, answer, alive) in [
                ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK, false),
                ("GET / HTTP/1.0\r\nHost: a\r\n\r\n", OK, false),
                ("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", OK, true),
                (GET, OK, true),
            ] {
                let mut client = gateway.client().await;
                client.send(request).await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send(answer).await;
                let head = client.head().await;
                let expected = if alive { "keep-alive" } else { "close" };
                assert_eq!(field(&head, "Connection"), Some(expected), "{request:?}: {head}");
                client.exactly(2).await;
                assert_eq!(client.is_closed().await, !alive, "{request:?}");
                drop(peer);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let mut client = gateway.client().await;
            client.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\nDELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let both = client.rest().await;
            assert_eq!(both.matches("404 Not Found").count(), 2, "{both}");
            assert_eq!(both.matches("Connection: close").count(), 1, "{both}");
        },
    );
}

#[test]
fn an_upstream_that_closes_is_not_asked_again_on_that_connection() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            for _ in 0..2 {
                client.send(GET).await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
                client.head().await;
                client.exactly(2).await;
            }
        },
    );
}

#[test]
fn a_client_that_goes_away_takes_its_request_with_it() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send(GET).await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            drop(client);
            assert_eq!(peer.rest().await, "");
        },
    );
}

#[test]
fn a_silent_client_is_let_go_and_a_slow_head_too() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.settings.client_header_timeout = 50;
        setup.settings.keepalive_timeout = 50;
    };
    with_gateway(setup, async |gateway| {
        let mut silent = gateway.client().await;
        let mut slow = gateway.client().await;
        slow.send("GET / HTTP/1.1\r\nHo").await;
        assert_eq!((silent.rest().await, slow.rest().await), (String::new(), String::new()));
        let mut idle = gateway.client().await;
        idle.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(idle.rest().await.starts_with("HTTP/1.1 404 "));
    });
}

#[test]
fn a_drain_loses_no_request_and_ends_connections_after_their_next_answer() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut idle = gateway.client().await;
            idle.send(GET).await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send(OK).await;
            idle.head().await;
            idle.exactly(2).await;
            let mut busy = gateway.client().await;
            busy.send(GET).await;
            peer.head().await;
            gateway.drain.send(true).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            peer.send(OK).await;
            assert_eq!(field(&busy.head().await, "Connection"), Some("close"));
            assert_eq!(busy.rest().await, "hi");
            idle.send(GET).await;
            peer.head().await;
            peer.send(OK).await;
            assert_eq!(field(&idle.head().await, "Connection"), Some("close"));
            assert_eq!(idle.rest().await, "hi");
            drop((idle, busy));
            gateway.worker.all_closed().await;
            assert!(tokio::net::TcpStream::connect(gateway.address).await.is_err());
        },
    );
}

#[test]
fn bytes_that_cannot_become_a_request_are_refused_at_once() {
    with_gateway(
        |_| {},
        async |gateway| {
            let answer = gateway.ask("\x16\x03\x01\x02").await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
        },
    );
}
