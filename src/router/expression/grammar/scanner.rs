//! Reads text rule by rule, remembering what was expected where reading got furthest.

use super::Parser;

/// Names of rules as error messages show them, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(non_camel_case_types, clippy::upper_case_acronyms)]
pub(super) enum Rule {
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

impl<'s> Parser<'s> {
    /// Runs `body` as `rule`: on failure steps back, and remembers the rule if nothing it tried got
    /// further, in place of what was tried inside unless that was a single rule.
    pub(super) fn rule<T>(&mut self, rule: Rule, body: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
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

    pub(super) fn expectation(&mut self) -> String {
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

    pub(super) fn rest(&self) -> &'s str {
        self.source.get(self.at..).unwrap_or("")
    }

    pub(super) fn eat(&mut self, text: &str) -> Option<()> {
        self.rest().starts_with(text).then(|| self.at += text.len())
    }

    pub(super) fn blanks(&mut self) {
        self.take_while(|c| matches!(c, ' ' | '\t' | '\r' | '\n'));
    }

    pub(super) fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'s str {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len());
        self.at += length;
        rest.get(..length).unwrap_or("")
    }

    /// One to `max` ASCII characters that `accept` knows.
    pub(super) fn digits(&mut self, max: usize, accept: impl Fn(char) -> bool) -> Option<&'s str> {
        let rest = self.rest();
        let length = rest.find(|c| !accept(c)).unwrap_or(rest.len()).min(max);
        self.at += length;
        rest.get(..length).filter(|digits| !digits.is_empty())
    }
}
