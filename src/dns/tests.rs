//! The resolver against a name server on the loopback interface.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record as WireRecord, RecordType};
use tokio::net::UdpSocket;

use super::*;

/// A name server that answers from a table and counts questions.
#[derive(Default)]
struct Server {
    zones: RefCell<HashMap<(String, RecordType), Vec<WireRecord>>>,
    codes: RefCell<HashMap<String, ResponseCode>>,
    asked: RefCell<Vec<String>>,
    silent: Cell<bool>,
    delay: Cell<Duration>,
}

fn name(text: &str) -> Name {
    Name::from_ascii(format!("{text}.")).unwrap()
}

impl Server {
    fn add(&self, owner: &str, kind: RecordType, ttl: u32, data: RData) {
        let record = WireRecord::from_rdata(name(owner), ttl, data);
        self.zones.borrow_mut().entry((owner.to_owned(), kind)).or_default().push(record);
    }

    fn add_a(&self, owner: &str, ttl: u32, last: u8) {
        self.add(owner, RecordType::A, ttl, RData::A(A(Ipv4Addr::new(10, 0, 0, last))));
    }

    fn add_srv(&self, owner: &str, priority: u16, weight: u16, port: u16, target: &str) {
        self.add(owner, RecordType::SRV, 60, RData::SRV(SRV::new(priority, weight, port, name(target))));
    }

    fn reply(&self, packet: &[u8]) -> Vec<u8> {
        let question = Message::from_vec(packet).unwrap();
        let query = question.queries[0].clone();
        let owner = query.name.to_ascii().trim_end_matches('.').to_owned();
        self.asked.borrow_mut().push(format!("{owner}:{}", query.query_type));
        let mut reply = Message::new(question.metadata.id, MessageType::Response, question.metadata.op_code);
        if let Some(code) = self.codes.borrow().get(&owner) {
            reply.metadata.response_code = *code;
        }
        if let Some(records) = self.zones.borrow().get(&(owner, query.query_type)) {
            reply.add_answers(records.clone());
        }
        reply.add_query(query);
        reply.to_vec().unwrap()
    }

    fn questions(&self) -> Vec<String> {
        self.asked.take()
    }
}

/// Runs `test` with a server and the options to reach it.
fn with_server<F: Future<Output = ()>>(test: impl FnOnce(Rc<Server>, DnsOptions) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = socket.local_addr().unwrap();
        let server = Rc::new(Server::default());
        let serving = server.clone();
        tokio::task::spawn_local(async move {
            let mut buffer = [0; 2048];
            loop {
                let (length, peer) = socket.recv_from(&mut buffer).await.unwrap();
                let reply = serving.reply(&buffer[..length]);
                tokio::time::sleep(serving.delay.get()).await;
                if !serving.silent.get() {
                    socket.send_to(&reply, peer).await.unwrap();
                }
            }
        });
        let options = DnsOptions {
            name_servers: vec![address],
            timeout: Duration::from_millis(50),
            attempts: 2,
            ..Default::default()
        };
        test(server, options).await;
    });
}

fn ip(last: u8) -> std::net::IpAddr {
    Ipv4Addr::new(10, 0, 0, last).into()
}

#[test]
fn types_are_asked_in_order_and_the_last_success_first() {
    with_server(|server, options| async move {
        server.add_a("a.com", 0, 1);
        server.add_a("a.com", 0, 2);
        let resolver = Resolver::new(DnsOptions { stale_ttl: Duration::ZERO, ..options });
        let address = resolver.to_ip("A.com", 80, false).await.unwrap();
        assert_eq!(address, Address { ip: ip(1), port: 80 });
        assert_eq!(server.questions(), ["a.com:SRV", "a.com:A"]);
        tokio::time::sleep(Duration::from_millis(2)).await;
        resolver.to_ip("a.com", 80, false).await.unwrap();
        assert_eq!(server.questions(), ["a.com:A"]);
    });
}

#[test]
fn addresses_take_turns_and_come_from_the_cache() {
    with_server(|server, options| async move {
        for last in 1..4 {
            server.add_a("a.com", 60, last);
        }
        let resolver = Resolver::new(options);
        assert_eq!(resolver.cached("a.com", 1), None);
        assert_eq!(resolver.to_ip("a.com", 1, false).await.unwrap().ip, ip(1));
        server.questions();
        for last in [2, 3, 1, 2] {
            assert_eq!(resolver.cached("a.com", 1).unwrap().ip, ip(last));
        }
        assert!(server.questions().is_empty());
    });
}

#[test]
fn services_give_ports_by_priority_and_weight() {
    with_server(|server, options| async move {
        server.add_srv("s.com", 1, 1, 8001, "a.com");
        server.add_srv("s.com", 1, 3, 8002, "b.com");
        server.add_srv("s.com", 2, 9, 8003, "c.com");
        server.add_srv("z.com", 1, 1, 0, "a.com");
        server.add_a("a.com", 60, 1);
        server.add_a("b.com", 60, 2);
        let resolver = Resolver::new(options);
        assert_eq!(resolver.to_ip("s.com", 80, false).await.unwrap(), Address { ip: ip(1), port: 8001 });
        let mut counts = HashMap::new();
        for _ in 0..40 {
            let address = resolver.to_ip("s.com", 80, false).await.unwrap();
            *counts.entry((address.ip, address.port)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 2);
        assert!((9..=11).contains(&counts[&(ip(1), 8001)]), "{counts:?}");
        assert_eq!(resolver.to_ip("z.com", 80, false).await.unwrap().port, 80);
    });
}

#[test]
fn aliases_are_followed_with_the_records_that_came_along() {
    with_server(|server, options| async move {
        server.add("w.com", RecordType::A, 60, RData::CNAME(CNAME(name("a.com"))));
        let along = WireRecord::from_rdata(name("a.com"), 60, RData::A(A(Ipv4Addr::new(10, 0, 0, 7))));
        server.zones.borrow_mut().get_mut(&("w.com".into(), RecordType::A)).unwrap().push(along);
        let resolver = Resolver::new(options);
        assert_eq!(resolver.to_ip("w.com", 1, false).await.unwrap().ip, ip(7));
        assert_eq!(server.questions(), ["w.com:SRV", "w.com:A"]);
        assert_eq!(resolver.cached("w.com", 1).unwrap().ip, ip(7));
    });
}

#[test]
fn aliases_in_a_circle_are_an_error() {
    with_server(|server, options| async move {
        server.add("a.com", RecordType::CNAME, 60, RData::CNAME(CNAME(name("b.com"))));
        server.add("b.com", RecordType::CNAME, 60, RData::CNAME(CNAME(name("a.com"))));
        let resolver = Resolver::new(options);
        let failed = resolver.to_ip("a.com", 1, false).await.unwrap_err();
        assert_eq!(failed.error, DnsError::Recursion);
        assert_eq!(resolver.cached("a.com", 1), None);
    });
}

#[test]
fn errors_read_as_users_know_them() {
    with_server(|server, options| async move {
        server.codes.borrow_mut().insert("no.com".into(), ResponseCode::NXDomain);
        server.codes.borrow_mut().insert("bad.com".into(), ResponseCode::ServFail);
        let resolver = Resolver::new(options);
        let error = async |name: &str| resolver.to_ip(name, 1, false).await.unwrap_err();
        let no_name = error("no.com").await;
        assert_eq!(no_name.error.to_string(), "dns server error: 3 name error");
        assert!(no_name.error.is_not_found());
        assert_eq!(
            no_name.tries.to_string(),
            "[\"(short)no.com:(na) - cache-miss\",\"no.com:33 - cache-miss/querying/dns server error: 3 name error\",\
             \"no.com:1 - cache-miss/querying/dns server error: 3 name error\",\
             \"no.com:5 - cache-miss/querying/dns server error: 3 name error\"]"
        );
        assert_eq!(error("bad.com").await.error.to_string(), "dns server error: 2 server failure");
        assert_eq!(error("empty.com").await.error.to_string(), "dns client error: 101 empty record received");
        assert_eq!(
            error("1.2.3.400").await.error.to_string(),
            "dns client error: 102 invalid name, bad IPv4"
        );
        assert_eq!(error("1::2::3").await.error.to_string(), "dns client error: 103 invalid name, bad IPv6");
    });
}

#[test]
fn errors_are_remembered_for_a_while() {
    with_server(|server, options| async move {
        server.codes.borrow_mut().insert("no.com".into(), ResponseCode::NXDomain);
        let resolver = Resolver::new(options);
        resolver.to_ip("no.com", 1, false).await.unwrap_err();
        assert_eq!(server.questions().len(), 3);
        resolver.to_ip("no.com", 1, false).await.unwrap_err();
        assert!(server.questions().is_empty());
    });
}

#[test]
fn a_stale_answer_is_used_while_it_is_refreshed() {
    with_server(|server, options| async move {
        server.add_a("a.com", 0, 1);
        let resolver = Resolver::new(options);
        resolver.to_ip("a.com", 1, false).await.unwrap();
        server.questions();
        server.zones.borrow_mut().clear();
        server.add_a("a.com", 60, 2);
        tokio::time::sleep(Duration::from_millis(2)).await;
        assert_eq!(resolver.cached("a.com", 1), None, "stale answers are left to the slow path");
        assert_eq!(resolver.to_ip("a.com", 1, false).await.unwrap().ip, ip(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(server.questions(), ["a.com:A"]);
        assert_eq!(resolver.to_ip("a.com", 1, false).await.unwrap().ip, ip(2));
    });
}

#[test]
fn one_question_serves_all_who_have_it() {
    with_server(|server, options| async move {
        server.add_a("a.com", 60, 1);
        server.delay.set(Duration::from_millis(5));
        let resolver = Resolver::new(options);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let resolver = resolver.clone();
                tokio::task::spawn_local(async move { resolver.to_ip("a.com", 1, false).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap().unwrap().ip, ip(1));
        }
        assert_eq!(server.questions(), ["a.com:SRV", "a.com:A"]);
    });
}

#[test]
fn a_waiter_takes_over_from_a_leader_that_gave_up() {
    with_server(|server, options| async move {
        server.add_a("a.com", 60, 1);
        server.delay.set(Duration::from_millis(10));
        let resolver = Resolver::new(options);
        let leading = resolver.clone();
        let leader = tokio::task::spawn_local(async move { leading.to_ip("a.com", 1, false).await });
        tokio::time::sleep(Duration::from_millis(2)).await;
        let waiting = resolver.clone();
        let waiter = tokio::task::spawn_local(async move { waiting.to_ip("a.com", 1, false).await });
        tokio::time::sleep(Duration::from_millis(2)).await;
        leader.abort();
        assert_eq!(waiter.await.unwrap().unwrap().ip, ip(1));
    });
}

#[test]
fn a_silent_server_is_asked_again_and_then_given_up() {
    with_server(|server, options| async move {
        server.silent.set(true);
        let resolver = Resolver::new(options);
        let failed = resolver.to_ip("a.com", 1, false).await.unwrap_err();
        assert!(failed.error.to_string().ends_with(": timeout"), "{}", failed.error);
        assert!(!failed.error.is_not_found());
        assert_eq!(server.questions().len(), 2);
    });
}

#[test]
fn search_domains_apply_to_names_with_few_dots() {
    with_server(|server, options| async move {
        server.add_a("web.my.com", 60, 1);
        let search = vec!["my.com".to_owned()];
        let order = vec![OrderItem::Kind(Kind::A)];
        let resolver = Resolver::new(DnsOptions { search, order, ..options });
        assert_eq!(resolver.to_ip("web", 1, false).await.unwrap().ip, ip(1));
        assert_eq!(server.questions(), ["web.my.com:A"]);
        resolver.to_ip("x.y", 1, false).await.unwrap_err();
        assert_eq!(server.questions(), ["x.y:A", "x.y.my.com:A"]);
        resolver.to_ip("web.", 1, false).await.unwrap_err();
        assert_eq!(server.questions(), ["web:A"]);
    });
}

#[test]
fn hosts_and_literal_addresses_are_known_without_asking() {
    with_server(|server, options| async move {
        let hosts = Hosts::parse("10.0.0.9 my-host\n");
        let resolver = Resolver::new(DnsOptions { hosts, ..options });
        assert_eq!(resolver.to_ip("my-host", 1, false).await.unwrap().ip, ip(9));
        assert_eq!(resolver.to_ip("localhost", 1, false).await.unwrap().ip.to_string(), "127.0.0.1");
        assert_eq!(resolver.cached("10.0.0.3", 7), Some(Address { ip: ip(3), port: 7 }));
        assert_eq!(resolver.cached("[::1]", 7).unwrap().ip.to_string(), "::1");
        assert!(server.questions().is_empty());
    });
}

#[test]
fn nobody_is_asked_when_only_the_cache_may_be() {
    with_server(|server, options| async move {
        let resolver = Resolver::new(options);
        let failed = resolver.to_ip("a.com", 1, true).await.unwrap_err();
        assert_eq!(failed.error.to_string(), "dns server error: 100 cache only lookup failed");
        assert!(server.questions().is_empty());
    });
}

#[test]
fn the_cache_keeps_its_size() {
    with_server(|server, options| async move {
        let resolver = Resolver::new(DnsOptions { cache_size: 20, ..options });
        for number in 0..50 {
            let owner = format!("h{number}.com");
            server.add_a(&owner, 60, 1);
            resolver.to_ip(&owner, 1, false).await.unwrap();
        }
        assert!(resolver.cached_names() <= 20);
    });
}

#[test]
fn the_new_client_asks_for_services_by_their_name_only() {
    with_server(|server, options| async move {
        server.add_srv("_s._tcp.a.com", 1, 1, 8001, "h.a.com");
        server.add_a("h.a.com", 60, 1);
        server.add("w.com", RecordType::A, 60, RData::CNAME(CNAME(name("a.com"))));
        let along = WireRecord::from_rdata(name("a.com"), 60, RData::A(A(Ipv4Addr::new(10, 0, 0, 7))));
        server.zones.borrow_mut().get_mut(&("w.com".into(), RecordType::A)).unwrap().push(along);
        let order = vec![OrderItem::Kind(Kind::A), OrderItem::Kind(Kind::Srv)];
        let resolver = Resolver::new(DnsOptions { new_client: true, order, ..options });
        let address = resolver.to_ip("_s._tcp.a.com", 80, false).await.unwrap();
        assert_eq!(address, Address { ip: ip(1), port: 8001 });
        assert_eq!(server.questions(), ["_s._tcp.a.com:SRV", "h.a.com:A"]);
        assert_eq!(resolver.to_ip("w.com", 80, false).await.unwrap().ip, ip(7));
        assert_eq!(server.questions(), ["w.com:A"]);
    });
}
