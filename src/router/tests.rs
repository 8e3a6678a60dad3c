//! Which route wins, flavor by flavor, and what finding it costs.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::*;

const FLAVORS: [Flavor; 3] = [Flavor::Traditional, Flavor::TraditionalCompatible, Flavor::Expressions];

struct Headers<'h>(&'h [(&'h str, &'h str)]);

impl RequestFields for Headers<'_> {
    fn each_header(&self, name: &str, visit: &mut dyn FnMut(&[u8]) -> bool) {
        for (known, value) in self.0 {
            if known.eq_ignore_ascii_case(name) && !visit(value.as_bytes()) {
                return;
            }
        }
    }

    fn each_query_arg(&self, _: &str, _: &mut dyn FnMut(Option<&[u8]>) -> bool) {}
}

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn route() -> RouteSpec {
    RouteSpec { protocols: vec![Protocol::Http, Protocol::Https], strip_path: true, ..Default::default() }
}

fn on_hosts(hosts: &[&str]) -> RouteSpec {
    RouteSpec { hosts: Some(strings(hosts)), ..route() }
}

fn on_paths(paths: &[&str]) -> RouteSpec {
    RouteSpec { paths: strings(paths), ..route() }
}

fn on_header(name: &str, values: &[&str]) -> RouteSpec {
    RouteSpec { headers: vec![(name.into(), strings(values))], ..route() }
}

fn on_expression(text: &str, priority: u64) -> RouteSpec {
    RouteSpec { expression: Some(text.into()), priority, ..route() }
}

/// Builds a router; indexes and ids count from one in the order given.
fn build(flavor: Flavor, specs: &[RouteSpec]) -> Router {
    let mut specs = specs.to_vec();
    for (number, spec) in specs.iter_mut().enumerate() {
        spec.index = number + 1;
        spec.id = Uuid::from_u128(number as u128 + 1);
        spec.created_at = Some(number as i64);
    }
    let (router, errors) = Router::build(flavor, Subsystem::Http, &specs);
    assert_eq!(errors, []);
    router
}

fn get<'a>(host: &'a str, path: &'a str) -> MatchInput<'a> {
    MatchInput {
        method: "GET",
        host: Some(host),
        path: path.as_bytes(),
        dst_port: Some(80),
        ..Default::default()
    }
}

fn find(router: &Router, input: MatchInput<'_>) -> Option<usize> {
    router.find(&input).map(|found| found.route)
}

#[test]
fn hosts_match_plainly_with_wildcards_and_with_ports() {
    for flavor in FLAVORS {
        let router = build(
            flavor,
            &[on_hosts(&["a.com"]), on_hosts(&["*.a.com"]), on_hosts(&["b.*"]), on_hosts(&["c.com:8080"])],
        );
        let host = |host| find(&router, get(host, "/"));
        assert_eq!(host("a.com"), Some(1));
        assert_eq!(host("a.com:123"), Some(1), "{flavor:?}");
        assert_eq!(host("x.a.com"), Some(2));
        assert_eq!(host("x.a.com:80"), Some(2));
        assert_eq!(host("b.org"), Some(3));
        assert_eq!(host("c.com:8080"), Some(4));
        assert_eq!(host("c.com:80"), None);
        assert_eq!(host("c.com"), None);
        assert_eq!(host("xa.com"), None);
    }
}

#[test]
fn a_host_with_port_wins_over_the_same_host_in_the_traditional_flavor() {
    for specs in
        [[on_hosts(&["a.com"]), on_hosts(&["a.com:80"])], [on_hosts(&["a.com:80"]), on_hosts(&["a.com"])]]
    {
        let with_port = 1 + usize::from(specs[1].hosts == Some(strings(&["a.com:80"])));
        let router = build(Flavor::Traditional, &specs);
        assert_eq!(find(&router, get("a.com:80", "/")), Some(with_port));
        assert_eq!(find(&router, get("a.com:90", "/")), Some(3 - with_port));
    }
}

#[test]
fn longer_paths_win_and_regexes_win_over_prefixes() {
    for flavor in FLAVORS {
        let router = build(
            flavor,
            &[on_paths(&["/a"]), on_paths(&["/a/b"]), on_paths(&["~/a/b/\\d+$"]), on_paths(&["/"])],
        );
        let path = |path| find(&router, get("x", path));
        assert_eq!(path("/a/x"), Some(1));
        assert_eq!(path("/a/bc"), Some(2));
        assert_eq!(path("/a/b/12"), Some(3));
        assert_eq!(path("/a/b/12x"), Some(2));
        assert_eq!(path("/x"), Some(4));
    }
}

#[test]
fn regexes_are_anchored_at_the_start_and_ordered_by_regex_priority() {
    for flavor in FLAVORS {
        let first = RouteSpec { regex_priority: 1, ..on_paths(&["~/a/.*"]) };
        let router = build(flavor, &[on_paths(&["~/a/b"]), first, on_paths(&["~/z"])]);
        assert_eq!(find(&router, get("x", "/a/b")), Some(2), "{flavor:?}");
        assert_eq!(find(&router, get("x", "/x/z")), None);
    }
}

#[test]
fn methods_and_more_headers_weigh() {
    for flavor in FLAVORS {
        let one = on_header("X-Version", &["V1", "v2"]);
        let two = RouteSpec {
            headers: vec![("x-version".into(), strings(&["v1"])), ("x-b".into(), strings(&["~*^b\\d"]))],
            ..route()
        };
        let router = build(flavor, &[one, two, RouteSpec { methods: strings(&["POST"]), ..route() }]);
        let with = |headers: &[(&str, &str)]| {
            let headers = Headers(headers);
            find(&router, MatchInput { fields: &headers, ..get("x", "/") })
        };
        assert_eq!(with(&[("x-VERSION", "V1")]), Some(1));
        assert_eq!(with(&[("x-version", "v9"), ("X-Version", "v2")]), Some(1));
        assert_eq!(with(&[("x-version", "v1"), ("x-b", "B7")]), Some(2), "{flavor:?}");
        assert_eq!(with(&[("x-version", "v3")]), None);
        assert_eq!(find(&router, MatchInput { method: "POST", ..get("x", "/") }), Some(3));
    }
}

#[test]
fn underscores_in_field_names_stand_for_dashes() {
    let router = build(Flavor::TraditionalCompatible, &[on_header("x-a", &["1"])]);
    for name in ["X-A", "x_a"] {
        let headers = Headers(&[(name, "1")]);
        assert_eq!(find(&router, MatchInput { fields: &headers, ..get("x", "/") }), Some(1), "{name}");
    }
}

#[test]
fn equal_priorities_go_to_the_greater_id_or_the_older_route() {
    let specs = [on_paths(&["/a"]), on_paths(&["/a"])];
    let winner = |flavor| find(&build(flavor, &specs), get("x", "/a"));
    assert_eq!(winner(Flavor::TraditionalCompatible), Some(2));
    assert_eq!(winner(Flavor::Expressions), Some(2));
    assert_eq!(winner(Flavor::Traditional), Some(1));
}

#[test]
fn server_names_only_count_on_tls() {
    for flavor in FLAVORS {
        let spec =
            RouteSpec { protocols: vec![Protocol::Https], snis: strings(&["a.com."]), ..on_paths(&["/"]) };
        let router = build(flavor, &[spec]);
        let with = |scheme, sni| find(&router, MatchInput { scheme, sni, ..get("x", "/") });
        assert_eq!(with(Scheme::Https, Some("a.com")), Some(1));
        assert_eq!(with(Scheme::Https, Some("b.com")), None);
        assert_eq!(with(Scheme::Https, None), None);
        assert_eq!(with(Scheme::Http, None), Some(1), "{flavor:?}");
    }
}

#[test]
fn mixed_paths_are_split_but_one_route() {
    for flavor in FLAVORS {
        let router = build(flavor, &[on_paths(&["/a", "/long", "~/r(?<n>\\d)"]), on_paths(&["/lo"])]);
        for path in ["/a", "/long", "/r1"] {
            assert_eq!(find(&router, get("x", path)), Some(1), "{flavor:?} {path}");
        }
        assert_eq!(find(&router, get("x", "/lo")), Some(2));
    }
}

#[test]
fn matched_paths_are_stripped_and_captures_kept() {
    for flavor in FLAVORS {
        let spec = RouteSpec { service_path: Some("/s".into()), ..on_paths(&["~/u/(?<id>\\d+)/(x)?"]) };
        let router = build(flavor, &[spec]);
        let input = get("h", "/u/42/rest");
        let found = router.find(&input).unwrap();
        let path = router.upstream_path(&found).unwrap();
        let mut upstream = Vec::new();
        path.write(input.path, found.path, &mut upstream);
        assert_eq!(upstream, b"/s/rest", "{flavor:?}");
        assert_eq!(path.forwarded_prefix(input.path, found.path).as_deref(), Some(&b"/u/42/"[..]));
        let captures = router.captures(&found, &input).unwrap();
        assert_eq!(captures.numbered[1].as_deref(), Some(&b"42"[..]));
        assert_eq!(captures.named, [("id".into(), b"42".as_slice().into())]);
        assert_eq!(captures.numbered.get(2).cloned().flatten(), None);
    }
    let router = build(Flavor::TraditionalCompatible, &[on_paths(&["~/a"])]);
    let found = router.find(&get("h", "/a")).unwrap();
    assert_eq!(router.captures(&found, &get("h", "/a")), None);
}

#[test]
fn v1_path_handling_is_honoured_by_the_traditional_flavor_only() {
    for flavor in FLAVORS {
        let spec = RouteSpec {
            path_handling: PathHandling::V1,
            service_path: Some("/s".into()),
            ..on_paths(&["/a"])
        };
        let router = build(flavor, &[spec]);
        let found = router.find(&get("h", "/ab")).unwrap();
        let mut upstream = Vec::new();
        router.upstream_path(&found).unwrap().write(b"/ab", found.path, &mut upstream);
        let expected: &[u8] = if flavor == Flavor::Traditional { b"/sb" } else { b"/s/b" };
        assert_eq!(upstream, expected);
    }
}

#[test]
fn expressions_are_ordered_by_priority_and_outrank_other_routes() {
    let router = build(
        Flavor::Expressions,
        &[
            on_expression("http.path ^= \"/a\"", 1),
            on_expression("http.path ^= \"/\" && http.queries.x == \"\"", 5),
            on_paths(&["/a/b"]),
            on_expression("http.path.segments.0 == \"s\" && http.path.segments.len == 2", 0),
            on_expression("net.port == 8080", 9),
        ],
    );
    assert_eq!(find(&router, get("x", "/a/b")), Some(1));
    assert_eq!(find(&router, get("x", "/s/t")), Some(4));
    assert_eq!(find(&router, get("x", "/s/t/u")), None);
    assert_eq!(find(&router, get("x:8080", "/s/t")), Some(5));
}

#[test]
fn expressions_are_limited_to_the_protocols_of_their_route() {
    let only = |protocols: &[Protocol]| RouteSpec {
        protocols: protocols.to_vec(),
        ..on_expression("http.path ^= \"/\"", 1)
    };
    let router = build(Flavor::Expressions, &[only(&[Protocol::Http])]);
    assert_eq!(find(&router, MatchInput { scheme: Scheme::Https, ..get("x", "/") }), None);
    let router = build(Flavor::Expressions, &[only(&[Protocol::Https])]);
    assert_eq!(find(&router, get("x", "/")), Some(1));
}

#[test]
fn unusable_routes_are_reported_and_left_out() {
    let bad = RouteSpec { index: 7, ..on_paths(&["~/("]) };
    for flavor in FLAVORS {
        let (router, errors) =
            Router::build(flavor, Subsystem::Http, &[bad.clone(), on_paths(&["/a"]), route()]);
        assert_eq!(router.len(), 1);
        assert_eq!(errors.len(), 2);
        assert_eq!(errors[0].index, 7);
        assert!(errors[0].to_string().starts_with("could not add route: 00000000-"), "{}", errors[0]);
    }
}

#[test]
fn a_path_that_is_no_text_has_a_route_in_the_traditional_flavor_only() {
    for flavor in FLAVORS {
        let router = build(flavor, &[on_paths(&["/"])]);
        let found = router.find(&MatchInput { path: b"/\xff", ..get("x", "/") });
        assert_eq!(found.is_some(), flavor == Flavor::Traditional);
    }
}

fn stream(protocol: Protocol) -> RouteSpec {
    RouteSpec { protocols: vec![protocol], ..Default::default() }
}

fn build_stream(flavor: Flavor, specs: &[RouteSpec]) -> Router {
    let mut specs = specs.to_vec();
    for (number, spec) in specs.iter_mut().enumerate() {
        spec.index = number + 1;
        spec.id = Uuid::from_u128(number as u128 + 1);
        spec.created_at = Some(number as i64);
    }
    let (router, errors) = Router::build(flavor, Subsystem::Stream, &specs);
    assert_eq!(errors, []);
    router
}

fn endpoint(ip: Option<&str>, port: Option<u16>) -> Endpoint {
    Endpoint { ip: ip.map(str::to_owned), port }
}

fn connection(scheme: Scheme, ip: [u8; 4], port: u16, sni: Option<&str>) -> MatchInput<'_> {
    MatchInput {
        scheme,
        sni,
        src_ip: Some(ip.into()),
        src_port: Some(1),
        dst_ip: Some([127, 0, 0, 1].into()),
        dst_port: Some(port),
        ..Default::default()
    }
}

#[test]
fn connections_match_by_both_ends() {
    for flavor in FLAVORS {
        let router = build_stream(
            flavor,
            &[
                RouteSpec { sources: vec![endpoint(Some("10.0.0.0/8"), None)], ..stream(Protocol::Tcp) },
                RouteSpec { sources: vec![endpoint(Some("10.0.0.1"), Some(1))], ..stream(Protocol::Tcp) },
                RouteSpec { destinations: vec![endpoint(None, Some(9000))], ..stream(Protocol::Udp) },
                route(),
            ],
        );
        assert_eq!(router.len(), 3, "http routes are left out");
        assert_eq!(find(&router, connection(Scheme::Tcp, [10, 0, 0, 2], 5, None)), Some(1));
        assert_eq!(find(&router, connection(Scheme::Udp, [9, 0, 0, 1], 9000, None)), Some(3));
        assert_eq!(find(&router, connection(Scheme::Tcp, [9, 0, 0, 1], 5, None)), None);
    }
    let specs = [
        RouteSpec { sources: vec![endpoint(Some("10.0.0.0/8"), None)], ..stream(Protocol::Tcp) },
        RouteSpec { sources: vec![endpoint(Some("10.0.0.1"), None)], ..stream(Protocol::Tcp) },
    ];
    let router = build_stream(Flavor::TraditionalCompatible, &specs);
    assert_eq!(find(&router, connection(Scheme::Tcp, [10, 0, 0, 1], 5, None)), Some(2));
}

#[test]
fn tls_connections_match_by_server_name() {
    for flavor in FLAVORS {
        let named = |name| RouteSpec { snis: strings(&[name]), ..stream(Protocol::Tls) };
        let router = build_stream(flavor, &[named("a.com"), named("b.com")]);
        assert_eq!(find(&router, connection(Scheme::Tls, [9, 0, 0, 1], 5, Some("a.com"))), Some(1));
        assert_eq!(find(&router, connection(Scheme::Tls, [9, 0, 0, 1], 5, Some("b.com"))), Some(2));
        assert_eq!(find(&router, connection(Scheme::Tls, [9, 0, 0, 1], 5, Some("c.com"))), None);
    }
}

/// How long one look-up takes, from the best of several rounds.
fn look_up_time(router: &Router, inputs: &[MatchInput<'_>]) -> Duration {
    let round = || {
        let start = Instant::now();
        for input in inputs {
            assert!(router.find(input).is_some());
        }
        start.elapsed() / inputs.len() as u32
    };
    (0..20).map(|_| round()).min().unwrap()
}

#[test]
fn a_match_among_ten_thousand_routes_costs_about_what_it_costs_among_ten() {
    type Spec = fn(usize) -> RouteSpec;
    let kinds: [(&str, Spec); 5] = [
        ("paths on one host", |n| RouteSpec {
            hosts: Some(strings(&["a.com"])),
            ..on_paths(&[&format!("/service-{n}/v1")])
        }),
        ("hosts", |n| RouteSpec { paths: strings(&["/"]), ..on_hosts(&[&format!("h{n}.com")]) }),
        ("wildcard hosts", |n| on_hosts(&[&format!("*.h{n}.com")])),
        ("regex paths", |n| on_paths(&[&format!("~/service-{n}/\\d+")])),
        ("headers", |n| RouteSpec { paths: strings(&["/"]), ..on_header("x-tenant", &[&format!("t{n}")]) }),
    ];
    for (kind, spec) in kinds {
        for flavor in [Flavor::Traditional, Flavor::TraditionalCompatible] {
            let time = |count: usize| {
                let specs: Vec<RouteSpec> = (0..count).map(spec).collect();
                let start = Instant::now();
                let router = build(flavor, &specs);
                let building = start.elapsed();
                let last = count - 1;
                let (host, path) = match kind {
                    "hosts" => (format!("h{last}.com"), "/x".to_owned()),
                    "wildcard hosts" => (format!("w.h{last}.com"), "/x".to_owned()),
                    _ => ("a.com".to_owned(), format!("/service-{last}/v1/1")),
                };
                let path = if kind == "regex paths" { format!("/service-{last}/12") } else { path };
                let tenant = format!("t{last}");
                let headers = [("x-tenant", tenant.as_str())];
                let headers = Headers(&headers);
                let input = MatchInput { fields: &headers, ..get(&host, &path) };
                (look_up_time(&router, &[input; 500]), building)
            };
            let ((few, _), (many, building)) = (time(10), time(10_000));
            println!("{kind}, {flavor:?}: {few:?} among 10, {many:?} among 10,000; built in {building:?}");
            assert!(many < few * 8 + Duration::from_micros(20), "{kind}: {few:?} {many:?}");
        }
    }
}
