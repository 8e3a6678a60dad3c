//! Whether a request matches an expression, and what the match leaves behind.

use super::{Expr, Field, Literal, Op, Predicate};
use crate::router::captures::UriCaptures;
use crate::router::input::{Request, Value};

/// A part of the request path, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PathPart {
    /// Where it starts. Prefix matches start at 0; a regex may match later.
    pub start: usize,
    /// How long it is.
    pub len: usize,
    /// Whether it is a part of the path in lower case rather than of the path as it came.
    pub lowered: bool,
}

/// What a match leaves behind.
///
/// Not kept while candidates are tried: the winner is evaluated a second time with a trace.
#[derive(Debug, Default)]
pub struct Trace {
    /// The last part of the path that a predicate matched.
    pub path: Option<PathPart>,
    /// Captures of all regexes that matched, when asked for; later ones overwrite earlier ones.
    pub captures: Option<UriCaptures>,
}

impl Expr {
    /// Whether `request` matches.
    ///
    /// *Kong parity*: what failed alternatives left in `trace` stays there.
    pub(in crate::router) fn matches(&self, request: &Request<'_>, trace: Option<&mut Trace>) -> bool {
        match (self, trace) {
            (Self::Predicate(predicate), trace) => predicate.matches(request, trace),
            (Self::Not(inner), trace) => !inner.matches(request, trace),
            (Self::And(parts), None) => parts.iter().all(|part| part.matches(request, None)),
            (Self::Or(parts), None) => parts.iter().any(|part| part.matches(request, None)),
            (Self::And(parts), Some(trace)) => parts.iter().all(|part| part.matches(request, Some(trace))),
            (Self::Or(parts), Some(trace)) => parts.iter().any(|part| part.matches(request, Some(trace))),
        }
    }
}

impl Predicate {
    /// Without `any()` all values of the field must match, and there must be one.
    fn matches(&self, request: &Request<'_>, mut trace: Option<&mut Trace>) -> bool {
        let mut matched = false;
        request.each_value(&self.field, self.lower, &mut |value| {
            matched = self.holds_for(value);
            if matched && let Some(trace) = trace.as_deref_mut() {
                self.record(value, trace);
            }
            matched != self.any
        });
        matched
    }

    fn holds_for(&self, value: Value<'_>) -> bool {
        match (value, &self.literal) {
            (Value::Text(text), Literal::Text(literal)) => match self.op {
                Op::Equals => *text == **literal,
                Op::NotEquals => *text != **literal,
                Op::Prefix => text.starts_with(&**literal),
                Op::Postfix => text.ends_with(&**literal),
                Op::Contains => text.contains(&**literal),
                _ => false,
            },
            (Value::Text(text), Literal::Regex(pattern)) => {
                pattern.regex().is_some_and(|regex| regex.is_match(text))
            }
            (Value::Int(number), Literal::Int(literal)) => match self.op {
                Op::Equals => number == *literal,
                Op::NotEquals => number != *literal,
                Op::Greater => number > *literal,
                Op::GreaterOrEqual => number >= *literal,
                Op::Less => number < *literal,
                Op::LessOrEqual => number <= *literal,
                _ => false,
            },
            (Value::Ip(address), Literal::Ip(literal)) => match self.op {
                Op::Equals => address == *literal,
                Op::NotEquals => address != *literal,
                _ => false,
            },
            (Value::Ip(address), Literal::Cidr(block)) => match self.op {
                Op::In => block.contains(address),
                Op::NotIn => !block.contains(address),
                _ => false,
            },
            _ => false,
        }
    }

    fn record(&self, value: Value<'_>, trace: &mut Trace) {
        let Value::Text(text) = value else {
            return;
        };
        let part = match (&self.literal, self.op) {
            (Literal::Text(literal), Op::Equals | Op::Prefix) => (0, literal.len()),
            (Literal::Text(literal), Op::Postfix) => (text.len() - literal.len(), literal.len()),
            (Literal::Regex(pattern), _) => {
                let Some(regex) = pattern.regex() else {
                    return;
                };
                if let Some(captures) = &mut trace.captures {
                    captures.add(regex, text);
                }
                let Some(found) = regex.find(text) else {
                    return;
                };
                (found.start(), found.len())
            }
            _ => return,
        };
        if self.field == Field::Path {
            let (start, len) = part;
            trace.path = Some(PathPart { start, len, lowered: self.lower });
        }
    }
}
