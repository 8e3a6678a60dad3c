use super::harness::{field, plugins, with_gateway};
use crate::exchange::{Phase, Source};
use crate::lua::plugin::PhaseOutcome;
use std::cell::RefCell;
use std::rc::Rc;

const GET: &str = "GET /a?b=c HTTP/1.1\r\nHost: Example.com\r\nX-One: 1\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Up: yes\r\n\r\nhi";

#[test]
fn a_request_reaches_the_upstream_with_kongs_fields_and_the_answer_comes_back() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send(GET).await;
            let mut peer = gateway.peer().await;
            let head = peer.head().await;
            assert!(head.starts_with("GET /a?b=c HTTP/1.1\r\n"), "{head}");
            let port = gateway.upstream.local_addr().unwrap().port();
            let local = gateway.address.port().to_string();
            for (name, value) in [
                ("Via", "1.1 kong/3.9.3"),
                ("Host", &format!("127.0.0.1:{port}")),
                ("Connection", "keep-alive"),
                ("X-Forwarded-For", "127.0.0.1"),
                ("X-Forwarded-Proto", "http"),
                ("X-Forwarded-Host", "example.com"),
                ("X-Forwarded-Port", &local),
                ("X-Forwarded-Path", "/a"),
                ("X-Real-IP", "127.0.0.1"),
                ("X-One", "1"),
            ] {
                assert_eq!(field(&head, name), Some(value), "{name} in {head}");
            }
            let id = field(&head, "X-Kong-Request-Id").unwrap().to_owned();
            assert_eq!(id.len(), 32);
            assert_eq!(field(&head, "Content-Length"), None);

            peer.send(OK).await;
            let head = client.head().await;
            // The upstream has no date: none is made up for it.
            assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: "), "{head}");
            assert!(
                head.contains("\r\nX-Up: yes\r\nServer: kong/3.9.3\r\nX-Kong-Upstream-Latency: "),
                "{head}"
            );
            assert_eq!(field(&head, "X-Up"), Some("yes"));
            assert_eq!(field(&head, "Connection"), Some("keep-alive"));
            assert_eq!(field(&head, "Via"), Some("1.1 kong/3.9.3"));
            assert_eq!(field(&head, "Server"), Some("kong/3.9.3"));
            assert_eq!(field(&head, "X-Kong-Request-Id"), Some(&*id));
            assert!(field(&head, "X-Kong-Upstream-Latency").is_some());
            assert!(field(&head, "X-Kong-Proxy-Latency").is_some());
            assert_eq!(client.exactly(2).await, "hi");
        },
    );
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client
            .send(
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
                 Proxy: x\r\nProxy-Connection: y\r\nTE: gzip, trailers\r\nUpgrade: h2c\r\nX-End: 2\r\n\r\n",
            )
            .await;
            let mut peer = gateway.peer().await;
            let head = peer.head().await;
            for gone in ["X-Hop", "Keep-Alive", "Proxy", "Proxy-Connection", "Upgrade"] {
                assert_eq!(field(&head, gone), None, "{gone} in {head}");
            }
            assert_eq!(field(&head, "TE"), Some("trailers"));
            assert_eq!(field(&head, "X-End"), Some("2"));
            peer.send(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n\
             Upgrade: h2c\r\nX-Accel-Redirect: /secret\r\nServer: theirs\r\n\r\n",
        )
        .await;
            let head = client.head().await;
            for gone in ["X-Hop", "Keep-Alive", "Upgrade", "X-Accel-Redirect"] {
                assert_eq!(field(&head, gone), None, "{gone} in {head}");
            }
            assert_eq!(field(&head, "Server"), Some("theirs"));
            assert_eq!(field(&head, "Connection"), Some("keep-alive"));
        },
    );
}

#[test]
fn forwarding_fields_of_a_trusted_peer_are_passed_on_and_those_of_others_replaced() {
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 9.9.9.9\r\nX-Forwarded-Proto: https\r\n\
                   X-Forwarded-Host: h\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 8.8.8.8\r\n\r\n";
    with_gateway(
        |_| {},
        async |gateway| {
            let mut client = gateway.client().await;
            client.send(request).await;
            let head = gateway.peer().await.head().await;
            assert_eq!(field(&head, "X-Forwarded-For"), Some("9.9.9.9, 127.0.0.1"));
            assert_eq!(field(&head, "X-Forwarded-Proto"), Some("http"));
            assert_eq!(field(&head, "X-Forwarded-Host"), Some("a"));
            assert_eq!(field(&head, "X-Real-IP"), Some("127.0.0.1"));
        },
    );
    let trusting = |setup: &mut super::harness::Setup| {
        setup.settings.set_real_ip_from = vec!["127.0.0.0/8".parse().unwrap()];
        setup.settings.trusted_ips = super::harness::conf_with(&[("trusted_ips", "127.0.0.0/8")]).trusted_ips;
    };
    with_gateway(trusting, async |gateway| {
        let mut client = gateway.client().await;
        client.send(request).await;
        let head = gateway.peer().await.head().await;
        assert_eq!(field(&head, "X-Forwarded-For"), Some("9.9.9.9, 127.0.0.1"));
        assert_eq!(field(&head, "X-Forwarded-Proto"), Some("https"));
        assert_eq!(field(&head, "X-Forwarded-Host"), Some("h"));
        assert_eq!(field(&head, "X-Forwarded-Port"), Some("1"));
        assert_eq!(field(&head, "X-Real-IP"), Some("8.8.8.8"));
    });
}

#[test]
fn plugins_run_in_order_around_the_upstream() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let trace = seen.clone();
    let all = [Phase::Rewrite, Phase::Access, Phase::HeaderFilter, Phase::BodyFilter, Phase::Log];
    let setup = move |setup: &mut super::harness::Setup| {
        setup.phases = all.iter().map(|phase| phase.bit()).sum();
        setup.plugins = plugins(move |exchange, phase| {
            trace.borrow_mut().push(phase);
            match phase {
                Phase::HeaderFilter => {
                    exchange.response.head.fields.remove(b"Content-Length");
                    exchange.response.head.fields.set(b"X-Plugin", b"was here");
                }
                Phase::BodyFilter => exchange.response.chunk.data.make_ascii_uppercase(),
                _ => {}
            }
        });
    };
    with_gateway(setup, async |gateway| {
        let mut client = gateway.client().await;
        client.send(GET).await;
        let mut peer = gateway.peer().await;
        peer.head().await;
        peer.send(OK).await;
        let head = client.head().await;
        assert_eq!(field(&head, "X-Plugin"), Some("was here"));
        assert_eq!(field(&head, "Transfer-Encoding"), Some("chunked"));
        assert_eq!(client.until("0\r\n\r\n").await, "2\r\nHI\r\n0\r\n\r\n");
    });
    use Phase::*;
    assert_eq!(*seen.borrow(), [Rewrite, Access, HeaderFilter, BodyFilter, BodyFilter, Log]);
}

#[test]
fn a_plugin_can_answer_instead_of_the_upstream() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.phases = Phase::Access.bit();
        setup.plugins = plugins(|exchange, _| {
            exchange.response.source = Source::Exit;
            exchange.response.head.status = 418;
            exchange.response.body.extend_from_slice(b"short");
            exchange.response.head.fields.set(b"Content-Length", b"5");
        });
    };
    with_gateway(setup, async |gateway| {
        let mut client = gateway.client().await;
        client.send(GET).await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 418 "), "{head}");
        assert!(field(&head, "X-Kong-Response-Latency").is_some() && field(&head, "Via").is_none());
        assert_eq!(client.exactly(5).await, "short");
    });
}

#[test]
fn a_response_is_at_hand_whole_for_its_phase_or_for_a_plugin_that_asked() {
    const CHUNKED: &str =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n";
    const COUNTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
    for (asked, answer) in
        [Phase::Access, Phase::Response].into_iter().flat_map(|asked| [(asked, CHUNKED), (asked, COUNTED)])
    {
        let setup = move |setup: &mut super::harness::Setup| {
            setup.phases = asked.bit() | Phase::HeaderFilter.bit();
            setup.plugins = plugins(move |exchange, phase| match phase {
                Phase::Access => exchange.lua.buffered = true,
                Phase::Response => exchange.response.body.extend_from_slice(b" there"),
                _ => exchange.response.head.fields.set(b"X-Whole", &exchange.response.body.clone()),
            });
        };
        with_gateway(setup, async |gateway| {
            let mut client = gateway.client().await;
            client.send(GET).await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send(answer).await;
            let expected = if asked == Phase::Access { "hi" } else { "hi there" };
            let head = client.head().await;
            assert_eq!(field(&head, "X-Whole"), Some(expected));
            let (length, size) = (expected.len().to_string(), format!("{:x}", expected.len()));
            if answer == COUNTED {
                assert_eq!(field(&head, "Content-Length"), Some(&*length));
                assert_eq!(client.exactly(expected.len()).await, expected);
            } else {
                assert_eq!(field(&head, "Content-Length"), None);
                let framed = format!("{size}\r\n{expected}\r\n0\r\n\r\n");
                assert_eq!(client.exactly(framed.len()).await, framed);
            }
        });
    }
}

#[test]
fn the_access_log_line_is_kongs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    with_gateway(
        move |setup| setup.log_to = Some(path),
        async |gateway| {
            let mut client = gateway.client().await;
            client.send("GET /x HTTP/1.1\r\nHost: a\r\nUser-Agent: curl\r\n\r\n").await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send(OK).await;
            let id = field(&client.head().await, "X-Kong-Request-Id").unwrap().to_owned();
            client.exactly(2).await;
            tokio::task::yield_now().await;
            gateway.worker.access_log.borrow_mut().flush();
            let line = std::fs::read_to_string(folder.path().join("access.log")).unwrap();
            assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
            let end = format!("] \"GET /x HTTP/1.1\" 200 2 \"-\" \"curl\" kong_request_id: \"{id}\"\n");
            assert!(line.ends_with(&end), "{line}");
        },
    );
}

#[test]
fn a_proxy_protocol_header_can_name_the_client() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.proxy_protocol = true;
        setup.settings.set_real_ip_from = vec!["127.0.0.1/32".parse().unwrap()];
        setup.settings.real_ip = crate::proxy::settings::RealIpSource::ProxyProtocol;
    };
    with_gateway(setup, async |gateway| {
        let mut client = gateway.client().await;
        client.send(format!("PROXY TCP4 10.1.1.1 10.1.1.2 4321 80\r\n{GET}")).await;
        let head = gateway.peer().await.head().await;
        assert_eq!(field(&head, "X-Real-IP"), Some("10.1.1.1"));
        assert_eq!(field(&head, "X-Forwarded-For"), Some("10.1.1.1"));
    });
}

#[test]
fn a_plugin_that_throws_gives_its_request_a_500_and_no_other() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.phases = Phase::HeaderFilter.bit();
        setup.plugins = crate::proxy::Plugins::Script(Box::new(|exchange, phase| {
            if phase == Phase::HeaderFilter && exchange.request.path == b"/bad" {
                PhaseOutcome::Failed
            } else {
                PhaseOutcome::Continue
            }
        }));
    };
    with_gateway(setup, async |gateway| {
        for (path, status) in [("/bad", "500 Internal Server Error"), ("/good", "200 OK")] {
            let mut client = gateway.client().await;
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
            let mut peer = gateway.peer().await;
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi").await;
            let head = client.head().await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
        }
    });
}

#[test]
fn a_plugin_can_have_the_connection_closed_without_a_response_and_set_its_fate() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.phases = Phase::Access.bit();
        setup.plugins = crate::proxy::Plugins::Script(Box::new(|exchange, phase| {
            if phase != Phase::Access {
                return PhaseOutcome::Continue;
            }
            let response = &mut exchange.response;
            response.source = Source::Script;
            response.head.status = if exchange.request.path == b"/silent" { 444 } else { 204 };
            response.head.fields.append(b"Connection", &exchange.request.path[1..]);
            PhaseOutcome::Exited
        }));
    };
    with_gateway(setup, async |gateway| {
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(gateway.ask(&request("/silent")).await, "");
        let closed = gateway.ask(&request("/Close")).await;
        assert!(closed.contains("\r\nConnection: close\r\n") && closed.contains("\r\nConnection: Close\r\n"));
        let mut client = gateway.client().await;
        client.send(request("/upgrade")).await;
        let head = client.head().await;
        assert!(
            head.contains("\r\nConnection: keep-alive\r\n") && head.contains("\r\nConnection: upgrade\r\n")
        );
    });
}

#[test]
fn what_a_plugin_kept_of_an_upstream_is_told_of_as_proxied() {
    let setup = |setup: &mut super::harness::Setup| {
        setup.phases = Phase::Access.bit();
        setup.plugins = crate::proxy::Plugins::Script(Box::new(|exchange, phase| {
            if phase != Phase::Access {
                return PhaseOutcome::Continue;
            }
            exchange.lua.proxied = exchange.request.path == b"/kept";
            exchange.response.source = Source::Exit;
            exchange.response.head.status = 200;
            exchange.response.head.fields.append(b"Via", b"1.1 other");
            PhaseOutcome::Exited
        }));
    };
    with_gateway(setup, async |gateway| {
        let ask = async |path| {
            gateway.ask(&format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
        };
        let kept = ask("/kept").await;
        assert!(
            field(&kept, "X-Kong-Upstream-Latency").is_some()
                && field(&kept, "X-Kong-Proxy-Latency").is_some()
        );
        assert_eq!(field(&kept, "X-Kong-Response-Latency"), None);
        assert!(field(&kept, "Via").unwrap().starts_with("1.1 kong/"));
        let own = ask("/own").await;
        assert!(field(&own, "X-Kong-Response-Latency").is_some());
        assert_eq!(field(&own, "X-Kong-Upstream-Latency"), None);
    });
}
