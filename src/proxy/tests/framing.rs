use super::harness::{field, with_gateway};

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused_and_the_connection_closed() {
    with_gateway(
        |_| {},
        async |gateway| {
            for (request, status) in [
                (
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                    400,
                ),
                ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", 400),
                ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
                ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
                ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
                ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                ("GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
                ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
                ("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
                ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
                ("TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n", 400),
            ] {
                let answer =
                    gateway.ask(&format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")).await;
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {answer}");
                assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request:?}: {answer}");
                assert_eq!(field(&answer, "Connection"), Some("close"), "{request:?}: {answer}");
            }
        },
    );
}

#[test]
fn long_heads_get_the_answers_of_nginx_in_the_words_of_kong() {
    with_gateway(
        |_| {},
        async |gateway| {
            let long = "x".repeat(9000);
            let answer = gateway.ask(&format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 414 Request-URI Too Large\r\n"), "{answer}");
            assert!(answer.contains("URI too long\nrequest_id: "), "{answer}");
            let answer = gateway.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
            assert!(answer.contains("Request header or cookie too large\nrequest_id: "), "{answer}");
        },
    );
}

#[test]
fn an_upstream_that_breaks_the_protocol_is_a_bad_gateway() {
    with_gateway(
        |_| {},
        async |gateway| {
            for response in [
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                "HTTP/1.1 200 OK\r\nContent-Length: one\r\n\r\nx",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
                &format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(4096)),
                "SSH-2.0-OpenSSH\r\n",
            ] {
                let mut client = gateway.client().await;
                client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send(response).await;
                let answer = client.rest().await;
                assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{response:?}: {answer}");
                assert!(answer.contains("An invalid response was received from the upstream server"));
                assert!(field(&answer, "X-Kong-Proxy-Latency").is_some() && field(&answer, "Via").is_some());
            }
        },
    );
}
