use super::harness::{Setup, field, with_gateway};
use bytes::Bytes;
use http::Request;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: yes\r\nConnection: close\r\n\r\nhi";

fn http2(setup: &mut Setup) {
    setup.http2 = true;
}

async fn connect(gateway: &super::harness::Gateway) -> h2::client::SendRequest<Bytes> {
    let stream = gateway.client().await.stream;
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::task::spawn_local(async move { drop(connection.await) });
    sender.ready().await.unwrap()
}

async fn body_of(response: http::Response<h2::RecvStream>) -> Vec<u8> {
    let mut body = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = body.data().await {
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all
}

#[test]
fn an_http2_client_is_served_like_any_other() {
    with_gateway(http2, async |gateway| {
        let mut sender = connect(&gateway).await;
        let request = Request::get("http://Example.com/a?b").header("cookie", "x=1").header("cookie", "y=2");
        let (response, _) = sender.send_request(request.body(()).unwrap(), true).unwrap();
        let mut peer = gateway.peer().await;
        let head = peer.head().await;
        assert!(head.starts_with("GET /a?b HTTP/1.1\r\n"), "{head}");
        assert_eq!(field(&head, "Via"), Some("2 kong/3.9.3"));
        assert_eq!(field(&head, "X-Forwarded-Host"), Some("example.com"));
        assert_eq!(field(&head, "Cookie"), Some("x=1; y=2"));
        peer.send(OK).await;
        let response = response.await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-up"], "yes");
        assert_eq!(response.headers()["via"], "1.1 kong/3.9.3");
        assert!(!response.headers().contains_key("connection"));
        assert_eq!(body_of(response).await, b"hi");
    });
}

#[test]
fn streams_of_one_connection_do_not_wait_for_each_other() {
    with_gateway(http2, async |gateway| {
        let mut sender = connect(&gateway).await;
        let get = |path: &str| Request::get(format!("http://a{path}")).body(()).unwrap();
        let (first, _) = sender.send_request(get("/1"), true).unwrap();
        let mut slow = gateway.peer().await;
        slow.head().await;
        let (second, _) = sender.send_request(get("/2"), true).unwrap();
        let mut fast = gateway.peer().await;
        fast.head().await;
        fast.send(OK).await;
        assert_eq!(body_of(second.await.unwrap()).await, b"hi");
        slow.send(OK).await;
        assert_eq!(body_of(first.await.unwrap()).await, b"hi");
    });
}

#[test]
fn bodies_larger_than_every_window_pass_both_ways() {
    const LEN: usize = 500_000;
    with_gateway(http2, async |gateway| {
        let mut sender = connect(&gateway).await;
        let request = Request::post("http://a/").body(()).unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        let sending = tokio::task::spawn_local(async move {
            let mut left = LEN;
            while left > 0 {
                body.reserve_capacity(left);
                let granted = std::future::poll_fn(|cx| body.poll_capacity(cx)).await.unwrap().unwrap();
                body.send_data(Bytes::from(vec![b'x'; granted.min(left)]), granted >= left).unwrap();
                left -= granted.min(left);
            }
        });
        let mut peer = gateway.peer().await;
        assert_eq!(field(&peer.head().await, "Content-Length"), Some(&*LEN.to_string()));
        assert_eq!(peer.exactly(LEN).await.len(), LEN);
        sending.await.unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LEN}\r\nConnection: close\r\n\r\n");
        peer.send(head + &"y".repeat(LEN)).await;
        assert_eq!(body_of(response.await.unwrap()).await.len(), LEN);
    });
}

#[test]
fn a_stream_that_its_client_resets_takes_its_request_with_it() {
    with_gateway(http2, async |gateway| {
        let mut sender = connect(&gateway).await;
        let request = Request::get("http://a/").body(()).unwrap();
        let (response, mut stream) = sender.send_request(request, true).unwrap();
        let mut peer = gateway.peer().await;
        peer.head().await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        assert_eq!(peer.rest().await, "");
    });
}

#[test]
fn a_drain_says_goaway_and_serves_what_is_open() {
    with_gateway(http2, async |gateway| {
        let mut sender = connect(&gateway).await;
        let request = Request::get("http://a/").body(()).unwrap();
        let (response, _) = sender.send_request(request, true).unwrap();
        let mut peer = gateway.peer().await;
        peer.head().await;
        gateway.drain.send(true).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        peer.send(OK).await;
        assert_eq!(body_of(response.await.unwrap()).await, b"hi");
        gateway.worker.all_closed().await;
    });
}

#[test]
fn an_http1_client_is_welcome_on_the_same_listener() {
    with_gateway(http2, async |gateway| {
        let answer = gateway.ask("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    });
}
