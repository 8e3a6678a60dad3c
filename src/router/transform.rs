//! Traditional routes as expressions.
//!
//! Fields are joined by "and", the values of one field by "or". A route whose paths differ in kind
//! or length becomes several units, since the priority of a unit has room for one length only.

use std::collections::HashMap;
use std::sync::Arc;

use uuid::Uuid;

use super::expression::{self, Expr, Field, Literal, Op, Predicate, parse_cidr};
use super::input::split_host_port;
use super::pattern::Pattern;
use super::priority::priority;
use super::spec::{Endpoint, Flavor, Protocol, RouteSpec, Subsystem};

/// A route, or a part of one, with its place in the order of evaluation.
pub(super) struct Unit {
    pub(super) expr: Expr,
    pub(super) priority: u64,
    pub(super) id: Uuid,
}

/// The namespace of the ids that parts of a route get.
const PART_IDS: Uuid = Uuid::from_u128(0x7f14_5bf9_0dce_4f91_98eb_debb_ce4b_9f6b);

/// Compiles regexes once, however many routes share them.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Arc<Pattern>>);

impl Patterns {
    fn pattern(&mut self, source: String) -> Result<Arc<Pattern>, String> {
        if let Some(known) = self.0.get(&source) {
            return Ok(known.clone());
        }
        let pattern = Arc::new(Pattern::new(&source)?);
        self.0.insert(source, pattern.clone());
        Ok(pattern)
    }
}

/// The units of a route, in no particular order.
///
/// *Errors*: why the route cannot be used.
pub(super) fn units(
    spec: &RouteSpec,
    flavor: Flavor,
    subsystem: Subsystem,
    patterns: &mut Patterns,
) -> Result<Vec<Unit>, String> {
    if let (Flavor::Expressions, Some(text)) = (flavor, &spec.expression) {
        let expr = expression::parse(&expression::amend(text), subsystem)?;
        let expr = and_protocols(expr, spec);
        return Ok(vec![Unit { expr, priority: priority(spec, &[]), id: spec.id }]);
    }
    let groups = match subsystem {
        Subsystem::Http => group_paths(&spec.paths),
        Subsystem::Stream => vec![spec.paths.iter().collect()],
    };
    let several = groups.len() > 1;
    groups
        .into_iter()
        .enumerate()
        .map(|(number, paths)| {
            let expr = translate(spec, &paths, patterns)?;
            let expr = match flavor {
                Flavor::Expressions => and_protocols(expr, spec),
                _ => expr,
            };
            let part_name = format!("{}#{}", spec.id, number + 1);
            let id = match several {
                true => Uuid::new_v5(&PART_IDS, part_name.as_bytes()),
                false => spec.id,
            };
            Ok(Unit { expr, priority: priority(spec, &paths), id })
        })
        .collect()
}

/// Paths by length, all regexes together, in order of first appearance.
fn group_paths(paths: &[String]) -> Vec<Vec<&String>> {
    let kind = |path: &String| if path.starts_with('~') { 0 } else { path.len() };
    let mut groups: Vec<Vec<&String>> = Vec::new();
    for path in paths {
        let known =
            groups.iter_mut().find(|group| group.first().is_some_and(|first| kind(first) == kind(path)));
        match known {
            Some(group) => group.push(path),
            None => groups.push(vec![path]),
        }
    }
    if groups.is_empty() {
        groups.push(Vec::new());
    }
    groups
}

fn translate(spec: &RouteSpec, paths: &[&String], patterns: &mut Patterns) -> Result<Expr, String> {
    let mut parts = Vec::new();
    if !spec.snis.is_empty() {
        let tls = if spec.is_stream() { "tls" } else { "https" };
        let mut alternatives = vec![compare(Field::Protocol, Op::NotEquals, text(tls))];
        alternatives.extend(spec.snis.iter().map(|sni| sni_predicate(sni)));
        parts.push(Expr::Or(alternatives));
    }
    parts.extend(endpoints(&spec.sources, &Field::SrcIp, &Field::SrcPort)?);
    parts.extend(endpoints(&spec.destinations, &Field::DstIp, &Field::DstPort)?);
    if spec.is_stream() {
        return all_of(parts);
    }
    let methods = spec.methods.iter().map(|method| compare(Field::Method, Op::Equals, text(method)));
    parts.extend(any_of(methods.collect()));
    let hosts = spec.hosts.iter().flatten().map(|host| host_expr(host));
    parts.extend(any_of(hosts.collect()));
    let paths = paths.iter().map(|path| path_predicate(path, patterns));
    parts.extend(any_of(paths.collect::<Result<_, _>>()?));
    for (name, values) in &spec.headers {
        let name = name.replace('-', "_").to_lowercase();
        let values = values.iter().map(|value| header_predicate(&name, value, patterns));
        parts.extend(any_of(values.collect::<Result<_, _>>()?));
    }
    all_of(parts)
}

/// *Kong parity*: a route that restricts nothing has no expression, which is an error.
fn all_of(mut parts: Vec<Expr>) -> Result<Expr, String> {
    match parts.len() {
        0 => Err("could not find expression".to_owned()),
        1 => Ok(parts.remove(0)),
        _ => Ok(Expr::And(parts)),
    }
}

fn any_of(mut alternatives: Vec<Expr>) -> Option<Expr> {
    match alternatives.len() {
        0 => None,
        1 => alternatives.pop(),
        _ => Some(Expr::Or(alternatives)),
    }
}

/// Restricts an expression to the protocols of its route.
///
/// *Kong parity*: a route for TLS only also matches plain requests, so that they can be redirected.
fn and_protocols(expr: Expr, spec: &RouteSpec) -> Expr {
    use Protocol::{Grpc, Grpcs, Http, Https, Tcp, Tls, TlsPassthrough, Udp};
    if matches!(spec.protocols.as_slice(), [Https | Tls | TlsPassthrough]) {
        return expr;
    }
    let names = spec.protocols.iter().map(|protocol| match protocol {
        Http | Grpc => "http",
        Https | Grpcs => "https",
        Tcp | TlsPassthrough => "tcp",
        Tls => "tls",
        Udp => "udp",
    });
    let protocols = names.map(|name| compare(Field::Protocol, Op::Equals, text(name)));
    match any_of(protocols.collect()) {
        Some(protocols) => Expr::And(vec![expr, protocols]),
        None => expr,
    }
}

fn compare(field: Field, op: Op, literal: Literal) -> Expr {
    Expr::Predicate(Predicate { field, lower: false, any: false, op, literal })
}

fn text(text: &str) -> Literal {
    Literal::Text(text.into())
}

/// `*.x` and `x.*` match ends; a dot at the end of a full name is no part of it.
fn sni_predicate(sni: &str) -> Expr {
    let name = match sni.strip_suffix('.') {
        Some(name) if !name.is_empty() => name,
        _ => sni,
    };
    if let Some(suffix) = name.strip_prefix('*').filter(|_| sni.starts_with('*')) {
        return compare(Field::Sni, Op::Postfix, text(suffix));
    }
    match sni.strip_suffix('*') {
        Some(prefix) => compare(Field::Sni, Op::Prefix, text(prefix)),
        None => compare(Field::Sni, Op::Equals, text(name)),
    }
}

fn host_expr(host: &str) -> Expr {
    let (name, port) = split_host_port(host);
    let name = if let Some(suffix) = name.strip_prefix('*') {
        compare(Field::Host, Op::Postfix, text(suffix))
    } else if let Some(prefix) = name.strip_suffix('*') {
        compare(Field::Host, Op::Prefix, text(prefix))
    } else {
        compare(Field::Host, Op::Equals, text(name))
    };
    match port {
        Some(port) => {
            let port = compare(Field::DstPort, Op::Equals, Literal::Int(port.into()));
            Expr::And(vec![name, port])
        }
        None => name,
    }
}

fn path_predicate(path: &str, patterns: &mut Patterns) -> Result<Expr, String> {
    let Some(regex) = path.strip_prefix('~') else {
        return Ok(compare(Field::Path, Op::Prefix, text(path)));
    };
    let anchored = format!("^{}", regex.replace("?<", "?P<"));
    let pattern = patterns.pattern(anchored)?;
    Ok(compare(Field::Path, Op::Regex, Literal::Regex(pattern)))
}

/// Values are compared in lower case, regexes too.
fn header_predicate(name: &str, value: &str, patterns: &mut Patterns) -> Result<Expr, String> {
    let (op, literal) = match value.strip_prefix("~*") {
        Some(regex) => {
            let pattern = patterns.pattern(regex.to_ascii_lowercase())?;
            (Op::Regex, Literal::Regex(pattern))
        }
        None => (Op::Equals, text(&value.to_ascii_lowercase())),
    };
    let field = Field::Header(name.into());
    Ok(Expr::Predicate(Predicate { field, lower: true, any: true, op, literal }))
}

fn endpoints(list: &[Endpoint], ip: &Field, port: &Field) -> Result<Option<Expr>, String> {
    let mut alternatives = Vec::new();
    for endpoint in list {
        let address = endpoint.ip.as_deref().map(|text| address_predicate(ip, text)).transpose()?;
        let number =
            endpoint.port.map(|number| compare(port.clone(), Op::Equals, Literal::Int(number.into())));
        let both: Vec<Expr> = address.into_iter().chain(number).collect();
        alternatives.push(all_of(both)?);
    }
    Ok(any_of(alternatives))
}

/// IPv4 blocks may be written with any address of the block, IPv6 blocks may not.
fn address_predicate(field: &Field, address: &str) -> Result<Expr, String> {
    if !address.contains('/') {
        let ip = address.parse().map_err(|error: std::net::AddrParseError| error.to_string())?;
        return Ok(compare(field.clone(), Op::Equals, Literal::Ip(ip)));
    }
    let v6 = address.contains(':');
    let block = match address.parse::<ipnet::Ipv4Net>() {
        Ok(block) => parse_cidr(&block.trunc().to_string(), false),
        Err(_) => parse_cidr(address, v6),
    };
    Ok(compare(field.clone(), Op::In, Literal::Cidr(block?)))
}
