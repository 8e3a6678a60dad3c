use super::harness::{field, with_gateway};
use crate::snapshot::Protocols;

#[test]
fn no_route_is_told_as_kong_tells_it() {
    with_gateway(
        |_| {},
        async |gateway| {
            let answer = gateway.ask("DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("HTTP/1.1 404 Not Found\r\nDate: "), "{head}");
            assert_eq!(field(head, "Content-Type"), Some("application/json; charset=utf-8"));
            assert_eq!(field(head, "Server"), Some("kong/3.9.3"));
            assert_eq!(field(head, "Via"), None);
            assert!(field(head, "X-Kong-Response-Latency").is_some());
            let id = field(head, "X-Kong-Request-Id").unwrap();
            let message = "no Route matched with those values";
            assert_eq!(body, format!("{{\n  \"message\":\"{message}\",\n  \"request_id\":\"{id}\"\n}}"));
            assert_eq!(field(head, "Content-Length"), Some(&*body.len().to_string()));
        },
    );
}

#[test]
fn the_accept_field_chooses_the_format() {
    with_gateway(
        |_| {},
        async |gateway| {
            let request = "DELETE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: text/html;q=0.5, text/plain\r\n\r\n";
            let answer = gateway.ask(request).await;
            assert_eq!(field(&answer, "Content-Type"), Some("text/plain; charset=utf-8"));
            assert!(answer.contains("\r\n\r\nno Route matched with those values\nrequest_id: "));
        },
    );
}

#[test]
fn a_route_without_a_service_is_unavailable() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.route.service = None;
        setup.with_service = false;
    };
    with_gateway(setup, async |gateway| {
        let answer = gateway.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 503 Service Temporarily Unavailable\r\n"), "{answer}");
        assert!(answer.contains("no Service found with those values"));
    });
}

#[test]
fn a_route_for_https_asks_for_it_or_redirects() {
    let setup = |status| {
        move |setup: &mut super::harness::Setup| {
            setup.route.protocols = Protocols::HTTPS;
            setup.route.https_redirect_status = status;
        }
    };
    let request = "GET /a?b HTTP/1.1\r\nHost: Example.com:8000\r\nConnection: close\r\n\r\n";
    with_gateway(setup(426), async |gateway| {
        let answer = gateway.ask(request).await;
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
        assert_eq!(field(&answer, "Upgrade"), Some("TLS/1.2, HTTP/1.1"));
        assert!(
            answer.contains("\r\nConnection: close\r\n") && answer.contains("\r\nConnection: Upgrade\r\n")
        );
        assert!(answer.contains("Please use HTTPS protocol"));
    });
    with_gateway(setup(301), async |gateway| {
        let answer = gateway.ask(request).await;
        assert!(answer.starts_with("HTTP/1.1 301 Moved Permanently\r\n"), "{answer}");
        assert_eq!(field(&answer, "Location"), Some("https://example.com/a?b"));
        // Kong 3.9.3 answers with nginx's page, length first.
        assert!(
            answer.contains("\r\nContent-Type: text/html\r\nContent-Length: 134\r\nConnection: "),
            "{answer}"
        );
        let page = "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n\
                    <center><h1>301 Moved Permanently</h1></center>\r\n</body>\r\n</html>\r\n";
        assert!(answer.ends_with(page), "{answer}");
    });
    with_gateway(setup(302), async |gateway| {
        let answer = gateway.ask(request).await;
        assert!(answer.starts_with("HTTP/1.1 302 Moved Temporarily\r\n"), "{answer}");
        assert!(answer.contains("<title>302 Found</title>"), "{answer}");
    });
}

#[test]
fn kong_debug_names_route_and_service_when_that_is_allowed() {
    for allowed in [true, false] {
        with_gateway(
            move |setup| setup.settings.allow_debug_header = allowed,
            async |gateway| {
                let mut client = gateway.client().await;
                client.send("GET / HTTP/1.1\r\nHost: a\r\nKong-Debug: 1\r\n\r\n").await;
                let mut peer = gateway.peer().await;
                peer.head().await;
                peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                let head = client.head().await;
                assert_eq!(field(&head, "Kong-Route-Name"), allowed.then_some("r"));
                assert_eq!(field(&head, "Kong-Service-Name"), allowed.then_some("s"));
            },
        );
    }
}
