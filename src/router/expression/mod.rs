//! The expression language of routes: `http.path ^= "/a" && (http.method == "GET" || …)`.
//!
//! [`parse`] turns text into an [`Expr`] and checks it against the fields of a subsystem. The
//! language, its errors and their layout are those of Kong's ATC router, because the Admin API shows
//! them to users; a differential test holds both together. Traditional routes are translated into
//! the same [`Expr`] without going through text.
//!
//! - [`field`]: what can stand on the left side
//! - [`grammar`]: recognises text, remembering where it failed
//! - [`literal`]: what can stand on the right side
//! - [`failure`]: lays an error out under the line it is about
//! - [`eval`]: answers whether a request matches, and what it captured
//! - [`hints`]: what the index may rely on

mod eval;
mod failure;
mod field;
mod grammar;
mod hints;
mod literal;

pub use eval::PathPart;
pub(super) use eval::Trace;
pub use field::{Field, Segments};
pub(super) use hints::{FieldKey, Hint, Hints, address_bytes};
pub use literal::Literal;
pub(super) use literal::parse_cidr;

use super::spec::Subsystem;

/// A boolean expression over the fields of a request.
///
/// Chains of one operator are one node, so that the depth of a tree is that of its parentheses.
#[derive(Debug, Clone)]
pub enum Expr {
    /// All hold; evaluated left to right.
    And(Vec<Expr>),
    /// One holds; evaluated left to right. Binds tighter than [`Expr::And`].
    Or(Vec<Expr>),
    /// The expression does not hold.
    Not(Box<Expr>),
    /// A comparison.
    Predicate(Predicate),
}

/// A comparison of a field with a literal.
#[derive(Debug, Clone)]
pub struct Predicate {
    /// The left side.
    pub field: Field,
    /// `lower()` around the field.
    pub lower: bool,
    /// `any()` around the field: one of several values suffices. Otherwise all must match.
    pub any: bool,
    /// How they are compared.
    pub op: Op,
    /// The right side.
    pub literal: Literal,
}

/// An operator between field and literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// `==`
    Equals,
    /// `!=`
    NotEquals,
    /// `~`
    Regex,
    /// `^=`
    Prefix,
    /// `=^`
    Postfix,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `in`
    In,
    /// `not in`
    NotIn,
    /// `contains`
    Contains,
}

/// Parses and checks an expression for routes of `subsystem`.
///
/// *Errors*: the text that users see after `Router Expression failed validation: `.
pub fn parse(text: &str, subsystem: Subsystem) -> Result<Expr, String> {
    let expr = grammar::parse(text, subsystem)?;
    check(&expr)?;
    Ok(expr)
}

/// Parses without the check that follows, as the oracle of the tests does.
#[cfg(test)]
pub(super) fn parse_only(text: &str) -> Result<(), String> {
    grammar::parse(text, Subsystem::Http).map(drop)
}

/// Parses and checks an expression that somebody wants to store, which is stricter than running it.
///
/// *Errors*: as [`parse`], and path segments that could never match.
pub fn validate(text: &str, subsystem: Subsystem) -> Result<(), String> {
    let expr = parse(&amend(text), subsystem)?;
    if reads_impossible_segments(&expr) {
        return Err("illformed http.path.segments.* field".to_owned());
    }
    Ok(())
}

fn reads_impossible_segments(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(reads_impossible_segments),
        Expr::Not(inner) => reads_impossible_segments(inner),
        Expr::Predicate(predicate) => predicate.field == Field::Segments(None),
    }
}

/// Replaces the deprecated field `net.port` by `net.dst.port` where it is compared.
pub fn amend(text: &str) -> std::borrow::Cow<'_, str> {
    const OLD: &str = "net.port";
    let mut amended = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(OLD) {
        let (before, tail) = rest.split_at(at + OLD.len());
        let compared = tail.trim_start().starts_with(['=', '>', '<', '!']);
        amended.push_str(before.strip_suffix(OLD).unwrap_or(before));
        amended.push_str(if compared { "net.dst.port" } else { OLD });
        rest = tail;
    }
    if amended.is_empty() {
        return text.into();
    }
    amended.push_str(rest);
    amended.into()
}

/// Checks that operators fit the types they stand between, left to right.
fn check(expr: &Expr) -> Result<(), String> {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().try_for_each(check),
        Expr::Not(inner) => check(inner),
        Expr::Predicate(predicate) => check_predicate(predicate).map_err(str::to_owned),
    }
}

fn check_predicate(predicate: &Predicate) -> Result<(), &'static str> {
    use field::FieldType;
    let field_type = predicate.field.field_type().ok_or("Unknown LHS field")?;
    let fits = match (&predicate.literal, field_type) {
        (Literal::Text(_), FieldType::Text)
        | (Literal::Int(_), FieldType::Int)
        | (Literal::Ip(_), FieldType::Ip) => true,
        _ => matches!(predicate.op, Op::Regex | Op::In | Op::NotIn),
    };
    if !fits {
        return Err("Type mismatch between the LHS and RHS values of predicate");
    }
    if predicate.lower && field_type != FieldType::Text {
        return Err("lower-case transformation function only supported with String type fields");
    }
    let (holds, complaint) = match predicate.op {
        Op::Equals | Op::NotEquals => (true, ""),
        Op::Regex => (field_type == FieldType::Text, "Regex operators only supports string operands"),
        Op::Prefix | Op::Postfix => (
            matches!(predicate.literal, Literal::Text(_)),
            "Regex/Prefix/Postfix operators only supports string operands",
        ),
        Op::Greater | Op::GreaterOrEqual | Op::Less | Op::LessOrEqual => (
            matches!(predicate.literal, Literal::Int(_)),
            "Greater/GreaterOrEqual/Lesser/LesserOrEqual operators only supports integer operands",
        ),
        Op::In | Op::NotIn => (
            field_type == FieldType::Ip && matches!(predicate.literal, Literal::Cidr(_)),
            "In/NotIn operators only supports IP in CIDR",
        ),
        Op::Contains => {
            (matches!(predicate.literal, Literal::Text(_)), "Contains operator only supports string operands")
        }
    };
    if holds { Ok(()) } else { Err(complaint) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deprecated_port_field_is_replaced_where_it_is_compared() {
        assert_eq!(amend("net.port == 1 && net.port  >= 2"), "net.dst.port == 1 && net.dst.port  >= 2");
        assert_eq!(amend("http.path == \"net.port\""), "http.path == \"net.port\"");
        assert_eq!(amend("http.path == \"a\""), "http.path == \"a\"");
    }

    #[test]
    fn types_are_checked_left_to_right() {
        for (text, error) in [
            ("http.foo == \"a\"", "Unknown LHS field"),
            ("http.headers.a.b == \"a\"", "Unknown LHS field"),
            ("http.path == 1", "Type mismatch between the LHS and RHS values of predicate"),
            ("net.src.ip == 10.0.0.0/8", "Type mismatch between the LHS and RHS values of predicate"),
            (
                "lower(net.src.port) == 1",
                "lower-case transformation function only supported with String type fields",
            ),
            ("net.src.port ~ \"a\"", "Regex operators only supports string operands"),
            ("http.path in \"a\"", "In/NotIn operators only supports IP in CIDR"),
            ("net.src.port contains 1", "Contains operator only supports string operands"),
            (
                "http.path > \"a\"",
                "Greater/GreaterOrEqual/Lesser/LesserOrEqual operators only supports integer operands",
            ),
        ] {
            assert_eq!(parse(text, Subsystem::Http).unwrap_err(), error, "of {text}");
        }
    }

    #[test]
    fn stream_expressions_have_no_http_fields() {
        assert!(parse("http.path == \"a\"", Subsystem::Stream).is_err());
        assert!(parse("tls.sni == \"a\" && net.dst.port == 1", Subsystem::Stream).is_ok());
    }
}
