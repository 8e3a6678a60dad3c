//! What the index may rely on: conditions that every matching request meets.
//!
//! A hint says: whenever the expression matches, one value of this field has one of these shapes.
//! Hints are allowed to be too wide, never too narrow; the expression itself is evaluated anyway.

use super::{Expr, Field, Literal, Op, Predicate};
use crate::router::input::Scheme;

/// A field as the index looks it up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldKey {
    /// The field.
    pub field: Field,
    /// Whether its values are taken in lower case.
    pub lower: bool,
}

/// A shape of a value, in bytes: text as it is, numbers and addresses big-endian.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hint {
    /// The value is this.
    Exact(Box<[u8]>),
    /// The value starts with this.
    Prefix(Box<[u8]>),
    /// The value ends with this.
    Suffix(Box<[u8]>),
}

/// All hints of a route for one scheme.
#[derive(Debug, Clone, PartialEq)]
pub enum Hints {
    /// No request of that scheme can match.
    Never,
    /// Each element holds for every match; none when nothing is known.
    Known(Vec<(FieldKey, Vec<Hint>)>),
}

impl Hints {
    /// Nothing is known.
    pub const NONE: Self = Self::Known(Vec::new());

    /// Both conditions hold.
    fn and(self, other: Self) -> Self {
        let (Self::Known(mut known), Self::Known(others)) = (self, other) else {
            return Self::Never;
        };
        for (key, hints) in others {
            match known.iter_mut().find(|(other, _)| *other == key) {
                Some((_, kept)) if width(&hints) < width(kept) => *kept = hints,
                Some(_) => {}
                None => known.push((key, hints)),
            }
        }
        Self::Known(known)
    }

    /// One of the conditions holds.
    fn or(self, other: Self) -> Self {
        let (mut known, mut others) = match (self, other) {
            (Self::Never, other) | (other, Self::Never) => return other,
            (Self::Known(known), Self::Known(others)) => (known, others),
        };
        known.retain_mut(|(key, hints)| {
            let Some((_, more)) = others.iter_mut().find(|(other, _)| other == key) else {
                return false;
            };
            hints.append(more);
            true
        });
        Self::Known(known)
    }
}

/// How little a list of hints says: more alternatives and shorter texts say less.
fn width(hints: &[Hint]) -> (usize, usize) {
    let inexact = hints.iter().filter(|hint| !matches!(hint, Hint::Exact(_))).count();
    let longest = hints
        .iter()
        .map(|hint| match hint {
            Hint::Exact(text) | Hint::Prefix(text) | Hint::Suffix(text) => text.len(),
        })
        .max();
    (hints.len() + inexact, usize::MAX - longest.unwrap_or(0))
}

impl Expr {
    /// Hints for requests of `scheme`; comparisons of `net.protocol` are decided here.
    pub(in crate::router) fn hints(&self, scheme: Scheme) -> Hints {
        match self {
            Self::And(parts) => parts.iter().fold(Hints::NONE, |hints, part| hints.and(part.hints(scheme))),
            Self::Or(parts) => parts.iter().fold(Hints::Never, |hints, part| hints.or(part.hints(scheme))),
            Self::Not(_) => Hints::NONE,
            Self::Predicate(predicate) => predicate.hints(scheme),
        }
    }
}

impl Predicate {
    fn hints(&self, scheme: Scheme) -> Hints {
        if let (Field::Protocol, Literal::Text(name)) = (&self.field, &self.literal) {
            let same = scheme.name() == &**name;
            return match self.op {
                Op::Equals if !same => Hints::Never,
                Op::NotEquals if same => Hints::Never,
                _ => Hints::NONE,
            };
        }
        let Some(hint) = self.hint() else {
            return Hints::NONE;
        };
        let key = FieldKey { field: self.field.clone(), lower: self.lower };
        Hints::Known(vec![(key, vec![hint])])
    }

    fn hint(&self) -> Option<Hint> {
        Some(match (&self.literal, self.op) {
            (Literal::Text(text), Op::Equals) => Hint::Exact(text.as_bytes().into()),
            (Literal::Text(text), Op::Prefix) => Hint::Prefix(text.as_bytes().into()),
            (Literal::Text(text), Op::Postfix) => Hint::Suffix(text.as_bytes().into()),
            (Literal::Regex(pattern), _) => {
                let prefix = pattern.required_prefix();
                if prefix.is_empty() {
                    return None;
                }
                Hint::Prefix(prefix.into_bytes().into())
            }
            (Literal::Int(number), Op::Equals) => Hint::Exact(number.to_be_bytes().into()),
            (Literal::Ip(address), Op::Equals) => Hint::Exact(address_bytes(*address).into_vec().into()),
            (Literal::Cidr(block), Op::In) => {
                let mut bytes = address_bytes(block.network);
                bytes.truncate(1 + usize::from(block.length / 8));
                Hint::Prefix(bytes.into_vec().into())
            }
            _ => return None,
        })
    }
}

/// An address as the index stores it: its family, then its bytes.
pub(in crate::router) fn address_bytes(address: std::net::IpAddr) -> smallvec::SmallVec<[u8; 17]> {
    let mut bytes = smallvec::SmallVec::new();
    match address {
        std::net::IpAddr::V4(v4) => {
            bytes.push(4);
            bytes.extend_from_slice(&v4.octets());
        }
        std::net::IpAddr::V6(v6) => {
            bytes.push(6);
            bytes.extend_from_slice(&v6.octets());
        }
    }
    bytes
}
