//! Recognises expressions and says what was expected where recognition ended.
//!
//! A recursive descent over a parsing expression grammar. Failed rules are remembered at the
//! furthest position reached, the outermost ones only; they become `expected …`. Errors about
//! values (numbers too large, bad regexes) come second: they are reported only for text that is an
//! expression otherwise, the leftmost first.
//!
//! - [`scanner`]: rules, failures, and the text that is left
//! - [`values`]: the right side of comparisons

mod scanner;
mod values;

use scanner::Rule;

use super::failure::{Place, lay_out};
use super::{Expr, Field, Op, Predicate};
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
