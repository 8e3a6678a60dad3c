//! The right side of comparisons: strings, numbers, addresses and blocks.

use super::scanner::Rule;
use super::{Parser, Place};
use crate::router::expression::Op;
use crate::router::expression::literal::{Literal, parse_cidr, parse_ip};
use crate::router::pattern::Pattern;

impl<'s> Parser<'s> {
    pub(super) fn rhs(&mut self) -> Option<Literal> {
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
    pub(super) fn literal_for(&mut self, op: Op, literal: Literal, place: Place) -> Literal {
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

    pub(super) fn complain(&mut self, place: Place, message: String) {
        self.complaint.get_or_insert((place, message));
    }
}
