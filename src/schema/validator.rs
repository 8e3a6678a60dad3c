//! The validators of a single field.
//!
//! *Kong parity*: they run in a fixed order, whatever order the schema names them in, and the first that fails
//! gives the message. A field's `err` replaces the message.

use std::rc::Rc;

use serde_json::Value;

use super::callback::{ValueCheck, Verdict};
use super::lua_pattern::LuaPattern;
use super::messages;
use super::value;

/// A pattern with the message to give when it decides against a value.
#[derive(Debug, Clone)]
pub struct PatternRule {
    /// What to look for.
    pub pattern: LuaPattern,
    /// The message; without one the field's value is called "failed validating".
    pub err: Option<String>,
}

/// A rule that a field's value must satisfy.
#[derive(Debug, Clone)]
pub enum Validator {
    /// Equal to this value.
    Eq(Value),
    /// Different from this value.
    Ne(Value),
    /// None of these values.
    NotOneOf(Vec<Value>),
    /// One of these values.
    OneOf(Vec<Value>),
    /// A number greater than this.
    Gt(f64),
    /// A number greater than zero.
    Timestamp,
    /// A UUID in lower or upper case.
    Uuid,
    /// A regular expression that compiles.
    IsRegex,
    /// A number within these bounds, both included.
    Between(f64, f64),
    /// Exactly this many bytes, elements or keys.
    LenEq(i64),
    /// At least this many bytes, elements or keys.
    LenMin(i64),
    /// Not `""`: what every string field demands unless it says otherwise.
    NonEmpty,
    /// At most this many bytes, elements or keys.
    LenMax(i64),
    /// A string that begins so.
    StartsWith(String),
    /// A string that the pattern does not match.
    NotMatch(LuaPattern),
    /// A string that no pattern matches.
    MatchNone(Vec<PatternRule>),
    /// A string that the pattern matches.
    Match(LuaPattern),
    /// A string that all patterns match.
    MatchAll(Vec<PatternRule>),
    /// A string that one of the patterns matches.
    MatchAny(Vec<LuaPattern>, Option<String>),
    /// An array with this element.
    Contains(Value),
    /// Whatever this function accepts.
    Custom(ValueCheck),
    /// An array with elements from one of these subsets only.
    MutuallyExclusiveSubsets(Rc<Vec<Vec<String>>>),
}

impl Validator {
    /// The name the validator has in schemas.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Eq(_) => "eq",
            Self::Ne(_) => "ne",
            Self::NotOneOf(_) => "not_one_of",
            Self::OneOf(_) => "one_of",
            Self::Gt(_) => "gt",
            Self::Timestamp => "timestamp",
            Self::Uuid => "uuid",
            Self::IsRegex => "is_regex",
            Self::Between(..) => "between",
            Self::LenEq(_) => "len_eq",
            Self::LenMin(_) | Self::NonEmpty => "len_min",
            Self::LenMax(_) => "len_max",
            Self::StartsWith(_) => "starts_with",
            Self::NotMatch(_) => "not_match",
            Self::MatchNone(_) => "match_none",
            Self::Match(_) => "match",
            Self::MatchAll(_) => "match_all",
            Self::MatchAny(..) => "match_any",
            Self::Contains(_) => "contains",
            Self::Custom(_) => "custom_validator",
            Self::MutuallyExclusiveSubsets(_) => "mutually_exclusive_subsets",
        }
    }

    /// The place of the validator in the order they run in.
    pub fn rank(&self) -> usize {
        ORDER.iter().position(|name| *name == self.name()).unwrap_or(ORDER.len())
    }

    /// Checks a value that is known to be of the field's type and not null.
    ///
    /// # Errors
    /// The message; `None` when the validator leaves the words to [`messages::fallback`].
    pub fn check(&self, value: &Value, is_map: bool) -> Verdict {
        match self {
            Self::Eq(wanted) => accept(value::equal(value, wanted), || messages::eq(wanted)),
            Self::Ne(unwanted) => accept(!value::equal(value, unwanted), || messages::ne(value, unwanted)),
            Self::OneOf(options) => accept(contains(options, value), || messages::one_of(options)),
            Self::NotOneOf(options) => accept(!contains(options, value), || messages::not_one_of(options)),
            Self::Gt(limit) => accept(number(value) > *limit, || messages::gt(*limit)),
            Self::Timestamp => refuse_silently(number(value) > 0.0),
            Self::Uuid => refuse_silently(value.as_str().is_some_and(is_uuid)),
            Self::IsRegex => refuse_silently(value.as_str().is_some_and(is_regex)),
            Self::Between(low, high) => {
                let number = number(value);
                accept(number >= *low && number <= *high, || messages::between(*low, *high))
            }
            Self::LenEq(wanted) => accept(length(value, is_map) == *wanted, || messages::len_eq(*wanted)),
            Self::LenMin(least) => accept(length(value, is_map) >= *least, || messages::len_min(*least)),
            Self::NonEmpty => accept(value.as_str() != Some(""), || messages::len_min(1)),
            Self::LenMax(most) => accept(length(value, is_map) <= *most, || messages::len_max(*most)),
            Self::Contains(wanted) => {
                let items = value::sequence(value).unwrap_or_default();
                accept(contains(items, wanted), || messages::contains(wanted))
            }
            Self::Custom(check) => check.function()(value),
            Self::MutuallyExclusiveSubsets(subsets) => exclusive_subsets(value, subsets),
            _ => self.check_text(value.as_str().unwrap_or_default()),
        }
    }

    fn check_text(&self, text: &str) -> Verdict {
        match self {
            Self::StartsWith(prefix) => accept(text.starts_with(prefix), || messages::starts_with(prefix)),
            Self::NotMatch(pattern) => accept(!pattern.is_match(text), || messages::invalid(text)),
            Self::Match(pattern) => accept(pattern.is_match(text), || messages::invalid(text)),
            Self::MatchNone(rules) => apply(rules.iter().find(|rule| rule.pattern.is_match(text))),
            Self::MatchAll(rules) => apply(rules.iter().find(|rule| !rule.pattern.is_match(text))),
            Self::MatchAny(patterns, err) => {
                if patterns.iter().any(|pattern| pattern.is_match(text)) {
                    return Ok(());
                }
                Err(err.clone().map(Value::String))
            }
            _ => Ok(()),
        }
    }
}

/// The order in which the validators of a field run.
#[rustfmt::skip] // Rows by what they look at.
const ORDER: [&str; 21] = [
    "eq", "ne", "not_one_of", "one_of",
    "gt", "timestamp", "uuid", "is_regex", "between",
    "len_eq", "len_min", "len_max",
    "starts_with", "not_match", "match_none", "match", "match_all", "match_any",
    "contains", "custom_validator", "mutually_exclusive_subsets",
];

/// The names of all validators, in the order they run in.
pub fn validator_names() -> impl Iterator<Item = &'static str> {
    ORDER.into_iter()
}

/// Whether a text has the form of a UUID; version and variant bits are not looked at.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_regex(text: &str) -> bool {
    pcre2::bytes::Regex::new(text).is_ok()
}

fn accept(holds: bool, message: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Some(Value::String(message()))) }
}

fn refuse_silently(holds: bool) -> Verdict {
    if holds { Ok(()) } else { Err(None) }
}

fn apply(broken: Option<&PatternRule>) -> Verdict {
    broken.map_or(Ok(()), |rule| Err(rule.err.clone().map(Value::String)))
}

fn contains(options: &[Value], wanted: &Value) -> bool {
    options.iter().any(|option| value::equal(option, wanted))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn length(value: &Value, is_map: bool) -> i64 {
    let keys = match value {
        Value::Object(object) if is_map => object.len(),
        Value::Array(items) if is_map => items.len(),
        _ => 0,
    };
    i64::try_from(value::length(value) + keys).unwrap_or(i64::MAX)
}

fn exclusive_subsets(value: &Value, subsets: &[Vec<String>]) -> Verdict {
    let mut used: Vec<&Vec<String>> = Vec::new();
    for element in value::sequence(value).unwrap_or_default() {
        let Some(text) = element.as_str() else { continue };
        let home = subsets.iter().rev().find(|subset| subset.iter().any(|word| word == text));
        if let Some(home) = home
            && !used.iter().any(|subset| std::ptr::eq(*subset, home))
        {
            used.push(home);
        }
    }
    accept(used.len() <= 1, || messages::exclusive_subsets(&used))
}
