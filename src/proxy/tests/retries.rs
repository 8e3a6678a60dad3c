use super::harness::{Setup, field, with_gateway};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn a_request_is_tried_again_when_the_peer_hangs_up_before_answering() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
            for _ in 0..3 {
                let mut peer = gateway.peer().await;
                peer.head().await;
                assert_eq!(peer.exactly(3).await, "abc");
            }
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.exactly(3).await;
            peer.send(OK).await;
            assert!(client.head().await.starts_with("HTTP/1.1 200 OK"));
        },
    );
}

#[test]
fn a_post_is_not_sent_twice() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.exactly(3).await;
            drop(peer);
            assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway"));
        },
    );
}

#[test]
fn tries_are_counted() {
    with_gateway(
        |setup| setup.service.retries = 1,
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            for _ in 0..2 {
                gateway.peer().await.head().await;
            }
            assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway"));
        },
    );
}

#[test]
fn a_pooled_connection_that_went_stale_costs_nothing() {
    with_gateway(
        |setup| setup.service.retries = 0,
        async |gateway| {
            let mut client = gateway.client().await;
            let mut open = Vec::new();
            for _ in 0..2 {
                client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send(OK).await;
                client.head().await;
                client.exactly(2).await;
                // Half closed only after the next request is on its way.
                open.push(tokio::task::spawn_local(async move {
                    peer.head().await;
                    drop(peer);
                }));
            }
            assert_eq!(open.len(), 2);
        },
    );
}

#[test]
fn a_peer_that_says_nothing_is_a_gateway_timeout() {
    let impatient = |setup: &mut Setup| {
        setup.service.timeouts.read = 50;
        setup.service.retries = 1;
    };
    with_gateway(impatient, async |gateway| {
        let mut client = gateway.client().await;
        client.send("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n").await;
        let _first = gateway.peer().await;
        let _second = gateway.peer().await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 504 Gateway Time-out"), "{head}");
        assert_eq!(field(&head, "Content-Type"), Some("application/json; charset=utf-8"));
        let body = client.until("\n}").await;
        assert!(
            body.starts_with("{\n  \"message\":\"The upstream server is timing out\",\n  \"request_id\":\"")
        );
    });
}

#[test]
fn an_upstream_that_refuses_connections_is_a_bad_gateway() {
    with_gateway(
        |setup| setup.service.port = 1,
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert!(client.head().await.starts_with("HTTP/1.1 502 Bad Gateway"));
        },
    );
}
