//! Recognises expressions and says what was expected where recognition ended.
//!
//! A recursive descent over a parsing expression grammar. Failed rules are remembered at the
//! furthest position reached, the outermost ones only; they become `expected …`. Errors about
//! values (numbers too large, bad regexes) come second: they are reported only for text that is an
//! expression otherwise, the leftmost first.

use super::failure::{Place, lay_out};
use super::literal::{Literal, parse_cidr, parse_ip};
use super::{Expr, Field, Op, Predicate};
use crate::router::pattern::Pattern;
use crate::router::spec::Subsystem;

/// How deep parentheses may nest: every level takes stack.
const MAX_DEPTH: usize = 250;

/// Parses `source`; see the parent module for the checks that follow.
pub(super) fn parse(source: &str, subsystem: Subsystem) -> Result<Expr, String> {
    let mut parser =
        Parser { source, subsystem, at: 0, depth: 0, furthest: 0, expected: Vec::new(), complaint: None };
    let parsed = parser.matcher();
    if parser.depth > MAX_DEPTH {
        return Err("expression is nested too deeply".to_owned());
    }
    let Some(expr) = parsed else {
        return Err(lay_out(source, Place::At(parser.furthest), &parser.expectation()));
    };
    match parser.complaint {
        Some((place, message)) => Err(lay_out(source, place, &message)),
        None => Ok(expr),
    }
}

/// Names of rules as error messages show them, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
enum Rule {
    EOI,
    ident,
    rhs,
    transform_func,
    lhs,
    int_literal,
    hex_digits,
    oct_digits,
    dec_digits,
    str_literal,
    str_char,
    str_esc,
    rawstr_literal,
    rawstr_char,
    ipv4_literal,
    ipv6_literal,
    ipv4_cidr_literal,
    ipv6_cidr_literal,
    binary_operator,
    and_op,
    or_op,
    not_op,
    predicate,
    parenthesised_expression,
    term,
    expression,
    matcher,
}

struct Parser<'s> {
    source: &'s str,
    subsystem: Subsystem,
    at: usize,
    depth: usize,
    furthest: usize,
    expected: Vec<Rule>,
    complaint: Option<(Place, String)>,
}

/// A field with the functions around it.
struct Lhs<'s> {
    name: &'s str,
    lower: bool,
    any: bool,
    complaint: Option<(Place, String)>,
}

impl<'s> Parser<'s> {
    fn matcher(&mut self) -> Option<Expr> {
        self.rule(Rule::matcher, |p| {
            p.blanks();
            let expr = p.expression()?;
            p.blanks();
            p.rule(Rule::EOI, |p| p.rest().is_empty().then_some(()))?;
            Some(expr)
        })
    }

    /// Terms joined by `&&` and `||`, the latter binding tighter.
    fn expression(&mut self) -> Option<Expr> {
        self.rule(Rule::expression, |p| {
            let mut conjuncts = Vec::new();
            let mut disjuncts = vec![p.term()?];
            loop {
                p.blanks();
                let start = p.at;
                let is_and = match p.rule(Rule::and_op, |p| p.eat("&&")) {
                    Some(()) => true,
                    None => match p.rule(Rule::or_op, |p| p.eat("||")) {
                        Some(()) => false,
                        None => break,
                    },
                };
                p.blanks();
                let Some(term) = p.term() else {
                    p.at = start;
                    break;
                };
                if is_and {
                    conjuncts.push(one_or(std::mem::take(&mut disjuncts), Expr::Or));
                }
                disjuncts.push(term);
            }
            conjuncts.push(one_or(disjuncts, Expr::Or));
            Some(one_or(conjuncts, Expr::And))
        })
    }

    fn term(&mut self) -> Option<Expr> {
        self.rule(Rule::term, |p| {
            if let Some(predicate) = p.predicate() {
                return Some(Expr::Predicate(predicate));
            }
            p.parenthesised()
        })
    }

    fn parenthesised(&mut self) -> Option<Expr> {
        self.rule(Rule::parenthesised_expression, |p| {
            let negated = p.rule(Rule::not_op, |p| p.eat("!")).is_some();
            p.blanks();
            p.eat("(")?;
            p.blanks();
            p.depth += 1;
            if p.depth > MAX_DEPTH {
                return None;
            }
            let inner = p.expression()?;
            p.depth -= 1;
            p.blanks();
            p.eat(")")?;
            Some(if negated { Expr::Not(Box::new(inner)) } else { inner })
        })
    }

    fn predicate(&mut self) -> Option<Predicate> {
        self.rule(Rule::predicate, |p| {
            let lhs = p.lhs()?;
            p.blanks();
            let op = p.operator()?;
            p.blanks();
            let start = p.at;
            let literal = p.rhs()?;
            if let Some((place, message)) = lhs.complaint {
                p.complain(place, message);
            }
            let literal = p.literal_for(op, literal, Place::Span(start, p.at));
            Some(Predicate {
                field: Field::from_name(lhs.name, p.subsystem),
                lower: lhs.lower,
                any: lhs.any,
                op,
                literal,
            })
        })
    }

    fn lhs(&mut self) -> Option<Lhs<'s>> {
        self.rule(Rule::lhs, |p| {
            if let Some(lhs) = p.transform() {
                return Some(lhs);
            }
            let name = p.ident()?;
            Some(Lhs { name, lower: false, any: false, complaint: None })
        })
    }

    fn transform(&mut self) -> Option<Lhs<'s>> {
        self.rule(Rule::transform_func, |p| {
            let start = p.at;
            let function = p.ident()?;
            p.blanks();
            p.eat("(")?;
            p.blanks();
            p.depth += 1;
            if p.depth > MAX_DEPTH {
                return None;
            }
            let mut lhs = p.lhs()?;
            p.depth -= 1;
            p.blanks();
            p.eat(")")?;
            match function {
                "lower" => lhs.lower = true,
                "any" => lhs.any = true,
                _ => {
                    let message = format!("unknown transformation function: {function}");
                    lhs.complaint.get_or_insert((Place::Span(start, p.at), message));
                }
            }
            Some(lhs)
        })
    }

    fn ident(&mut self) -> Option<&'s str> {
        self.rule(Rule::ident, |p| {
            p.rest().starts_with(|c: char| c.is_ascii_alphabetic()).then_some(())?;
            Some(p.take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))
        })
    }

    fn operator(&mut self) -> Option<Op> {
        const SPELLINGS: [(&str, Op); 10] = [
            ("==", Op::Equals),
            ("!=", Op::NotEquals),
            ("~", Op::Regex),
            ("^=", Op::Prefix),
            ("=^", Op::Postfix),
            (">=", Op::GreaterOrEqual),
            (">", Op::Greater),
            ("<=", Op::LessOrEqual),
            ("<", Op::Less),
            ("in", Op::In),
        ];
        self.rule(Rule::binary_operator, |p| {
            for (spelling, op) in SPELLINGS {
                if p.eat(spelling).is_some() {
                    return Some(op);
                }
            }
            let start = p.at;
            if p.eat("not").is_some() {
                p.blanks();
                if p.eat("in").is_some() {
                    return Some(Op::NotIn);
                }
                p.at = start;
            }
            p.eat("contains").map(|()| Op::Contains)
        })
    }

    fn rhs(&mut self) -> Option<Literal> {
        self.rule(Rule::rhs, |p| {
            p.string()
                .or_else(|| p.raw_string())
                .or_else(|| p.ip(Rule::ipv4_cidr_literal))
                .or_else(|| p.ip(Rule::ipv6_cidr_literal))
                .or_else(|| p.ip(Rule::ipv4_literal))
                .or_else(|| p.ip(Rule::ipv6_literal))
                .or_else(|| p.int())
        })
    }

    fn string(&mut self) -> Option<Literal> {
        self.rule(Rule::str_literal, |p| {
            p.eat("\"")?;
            let mut text = String::new();
            while let Some(c) = p.escaped_char().or_else(|| p.plain_char()) {
                text.push(c);
            }
            p.eat("\"")?;
            Some(Literal::Text(text.into()))
        })
    }

    fn escaped_char(&mut self) -> Option<char> {
        self.rule(Rule::str_esc, |p| {
            p.eat("\\")?;
            let c = p.rest().chars().next()?;
            p.at += c.len_utf8();
            match c {
                '"' | '\\' => Some(c),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                _ => None,
            }
        })
    }

    fn plain_char(&mut self) -> Option<char> {
        self.rule(Rule::str_char, |p| {
            let c = p.rest().chars().next().filter(|c| !matches!(c, '"' | '\\'))?;
            p.at += c.len_utf8();
            Some(c)
        })
    }

    fn raw_string(&mut self) -> Option<Literal> {
        self.rule(Rule::rawstr_literal, |p| {
            p.eat("r#\"")?;
            let length = p.rest().find("\"#");
            let text = p.rest().get(..length.unwrap_or(p.rest().len()))?;
            p.at += text.len();
            p.rule(Rule::rawstr_char, |_| None::<()>);
            p.eat("\"#")?;
            Some(Literal::Text(text.into()))
        })
    }

    fn ip(&mut self, rule: Rule) -> Option<Literal> {
        let start = self.at;
        let v6 = matches!(rule, Rule::ipv6_literal | Rule::ipv6_cidr_literal);
        let block = matches!(rule, Rule::ipv4_cidr_literal | Rule::ipv6_cidr_literal);
        let text = self.rule(rule, |p| {
            if v6 {
                p.ipv6_shape()?
            } else {
                p.ipv4_shape()?
            };
            if block {
                p.eat("/")?;
                p.digits(if v6 { 3 } else { 2 }, |c| c.is_ascii_digit())?;
            }
            p.source.get(start..p.at)
        })?;
        let literal =
            if block { parse_cidr(text, v6).map(Literal::Cidr) } else { parse_ip(text, v6).map(Literal::Ip) };
        Some(self.value_or_complaint(start, literal))
    }

    fn ipv4_shape(&mut self) -> Option<()> {
        self.digits(3, |c| c.is_ascii_digit())?;
        for _ in 0..3 {
            self.eat(".")?;
            self.digits(3, |c| c.is_ascii_digit())?;
        }
        Some(())
    }

    fn ipv6_shape(&mut self) -> Option<()> {
        if self.eat(":").is_none() {
            self.digits(4, |c| c.is_ascii_hexdigit())?;
        }
        self.eat(":")?;
        self.take_while(|c| c.is_ascii_hexdigit() || c == ':');
        Some(())
    }

    fn int(&mut self) -> Option<Literal> {
        let (start, negative, radix, digits) = self.rule(Rule::int_literal, |p| {
            let negative = p.eat("-").is_some();
            let start = p.at;
            let octal = p.rule(Rule::oct_digits, |p| {
                p.eat("0")?;
                p.digits(usize::MAX, |c| matches!(c, '0'..='7'))
            });
            if octal.is_some() {
                return Some((start, negative, 8, p.source.get(start..p.at)?));
            }
            if p.eat("0x").is_some() {
                let hex = p.rule(Rule::hex_digits, |p| p.digits(usize::MAX, |c| c.is_ascii_hexdigit()));
                if let Some(digits) = hex {
                    return Some((start + 2, negative, 16, digits));
                }
                p.at = start;
            }
            let digits = p.rule(Rule::dec_digits, |p| p.digits(usize::MAX, |c| c.is_ascii_digit()))?;
            Some((start, negative, 10, digits))
        })?;
        let value = i64::from_str_radix(digits, radix)
            .map(|value| Literal::Int(if negative { -value } else { value }))
            .map_err(|error| error.to_string());
        Some(self.value_or_complaint(start, value))
    }

    /// The literal, or a stand-in beside a complaint about the text from `start`.
    fn value_or_complaint(&mut self, start: usize, literal: Result<Literal, String>) -> Literal {
        literal.unwrap_or_else(|message| {
            self.complain(Place::Span(start, self.at), message);
            Literal::Int(0)
        })
    }

    /// Turns the string after `~` into a regex.
    fn literal_for(&mut self, op: Op, literal: Literal, place: Place) -> Literal {
        if op != Op::Regex {
            return literal;
        }
        let pattern = match &literal {
            Literal::Text(text) => Pattern::new(text),
            _ => Err("regex operator can only be used with String operands".to_owned()),
        };
        match pattern {
            Ok(pattern) => Literal::Regex(pattern.into()),
            Err(message) => {
                self.complain(place, message);
                literal
            }
        }
    }

    fn complain(&mut self, place: Place, message: String) {
        self.complaint.get_or_insert((place, message));
    }

    /// Runs `body` as `rule`: on failure steps back, and remembers the rule if nothing it tried got
    /// further, in place of what was tried inside unless that was a single rule.
    fn rule<T>(&mut self, rule: Rule, body: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let start = self.at;
        let known = if start == self.furthest { self.expected.len() } else { 0 };
        let parsed = body(self);
        if parsed.is_some() {
            return parsed;
        }
        self.at = start;
        let now = if start == self.furthest { self.expected.len() } else { 0 };
        if now == known + 1 {
            return None;
        }
        if start == self.furthest {
            self.expected.truncate(known);
        } else if start > self.furthest {
            self.expected.clear();
            self.furthest = start;
        }
        if start == self.furthest {
            self.expected.push(rule);
        }
        None
    }

    fn expectation(&mut self) -> String {
        self.expected.sort_unstable();
        self.expected.dedup();
        let names: Vec<String> = self.expected.iter().map(|rule| format!("{rule:?}")).collect();
        match names.as_slice() {
            [] => "unknown parsing error".to_owned(),
            [one] => format!("expected {one}"),
            [one, other] => format!("expected {one} or {other}"),
            [first @ .., last] => format!("expected {}, or {last}", first.join(", ")),
        }
    }

    fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    fn eat(&mut self, text: &str) -> Option<()> {
        self.rest().starts_with(text).then(|| self.at += text.len())
    }

    fn blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    /// One to `max` ASCII characters that `accept` knows.
    fn digits(&mut self, max: usize, accept: impl Fn(char) -> bool) -> Option<&'s str> {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len()).min(max);
        self.at += length;
        rest.get(..length).filter(|digits| !digits.is_empty())
    }
}

/// The only element, or a node over all of them.
fn one_or(mut parts: Vec<Expr>, node: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            node(parts)
        }
    }
}
