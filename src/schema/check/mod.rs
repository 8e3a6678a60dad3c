//! Rules between the fields of an entity (`entity_checks`).
//!
//! [`Check`] is a rule, [`run`] decides which rules apply to an input and puts what they say into the error tree.
//! *Kong parity*: whether a rule runs depends on which of its fields are absent, invalid or vault references.

mod conditional;
mod fields;
mod run;

use std::rc::Rc;

use serde_json::{Map, Value};

pub use conditional::{AtLeastOneOfIf, Condition, Conditional};
pub(super) use fields::all_or_none;
pub(super) use run::{insert_entity_error, missing_message, run_all};

use super::callback::{EntityCheck, Verdict};

/// A rule between fields.
#[derive(Debug, Clone)]
pub enum Check {
    /// One of the fields is given.
    AtLeastOneOf(Vec<String>),
    /// Exactly one of the fields is given.
    OnlyOneOf(Vec<String>),
    /// The fields that are given have different values.
    Distinct(Vec<String>),
    /// All fields are given, or none.
    MutuallyRequired(Vec<String>),
    /// At most one of the fields is given.
    MutuallyExclusive(Vec<String>),
    /// Fields are given from one of the two sets only.
    MutuallyExclusiveSets(Vec<String>, Vec<String>),
    /// When one field fulfils a condition, another must as well.
    Conditional(Box<Conditional>),
    /// When one field fulfils a condition, one of several others must be given.
    ConditionalAtLeastOneOf(Box<AtLeastOneOfIf>),
    /// Whatever a function accepts.
    Custom(Custom),
}

/// A rule that is a function.
#[derive(Debug, Clone)]
pub struct Custom {
    /// The fields the function sees.
    pub field_sources: Vec<String>,
    /// Runs also when some of them are absent.
    pub run_with_missing_fields: bool,
    /// Runs also when some of them are invalid.
    pub run_with_invalid_fields: bool,
    /// The function.
    pub function: EntityCheck,
}

impl Check {
    /// One of the fields is given.
    pub fn at_least_one_of<const N: usize>(fields: [&str; N]) -> Self {
        Self::AtLeastOneOf(names(fields))
    }

    /// All fields are given, or none.
    pub fn mutually_required<const N: usize>(fields: [&str; N]) -> Self {
        Self::MutuallyRequired(names(fields))
    }

    /// At most one of the fields is given.
    pub fn mutually_exclusive<const N: usize>(fields: [&str; N]) -> Self {
        Self::MutuallyExclusive(names(fields))
    }

    /// The fields that are given have different values.
    pub fn distinct<const N: usize>(fields: [&str; N]) -> Self {
        Self::Distinct(names(fields))
    }

    /// Whatever a function over these fields accepts.
    pub fn custom<const N: usize>(
        fields: [&str; N],
        function: impl Fn(&Map<String, Value>) -> Verdict + 'static,
    ) -> Self {
        Self::Custom(Custom {
            field_sources: names(fields),
            run_with_missing_fields: false,
            run_with_invalid_fields: false,
            function: EntityCheck::new(Rc::new(function)),
        })
    }

    /// The rule's name in schemas.
    pub fn name(&self) -> &'static str {
        match self {
            Self::AtLeastOneOf(_) => "at_least_one_of",
            Self::OnlyOneOf(_) => "only_one_of",
            Self::Distinct(_) => "distinct",
            Self::MutuallyRequired(_) => "mutually_required",
            Self::MutuallyExclusive(_) => "mutually_exclusive",
            Self::MutuallyExclusiveSets(..) => "mutually_exclusive_sets",
            Self::Conditional(_) => "conditional",
            Self::ConditionalAtLeastOneOf(_) => "conditional_at_least_one_of",
            Self::Custom(_) => "custom_entity_check",
        }
    }

    /// The fields the rule looks at.
    fn sources(&self) -> Vec<&str> {
        match self {
            Self::AtLeastOneOf(fields)
            | Self::OnlyOneOf(fields)
            | Self::Distinct(fields)
            | Self::MutuallyRequired(fields)
            | Self::MutuallyExclusive(fields) => strs(fields).collect(),
            Self::MutuallyExclusiveSets(first, second) => strs(first).chain(strs(second)).collect(),
            Self::Conditional(rule) => vec![&rule.condition.field, &rule.then_field],
            Self::ConditionalAtLeastOneOf(rule) => std::iter::once(rule.condition.field.as_str())
                .chain(strs(&rule.then_fields))
                .chain(strs(&rule.else_fields))
                .collect(),
            Self::Custom(custom) => strs(&custom.field_sources).collect(),
        }
    }

    /// Whether the rule cannot run without this one of its sources.
    fn demands(&self, source: &str) -> bool {
        match self {
            Self::MutuallyExclusiveSets(..) | Self::ConditionalAtLeastOneOf(_) => false,
            Self::Conditional(rule) => rule.condition.field == source,
            _ => true,
        }
    }

    /// Whether absent sources do not stop the rule, whoever made the schema.
    fn runs_with_missing_fields(&self) -> bool {
        matches!(
            self,
            Self::AtLeastOneOf(_)
                | Self::ConditionalAtLeastOneOf(_)
                | Self::MutuallyRequired(_)
                | Self::MutuallyExclusive(_)
                | Self::MutuallyExclusiveSets(..)
        )
    }

    /// Whether invalid sources do not stop the rule, whoever made the schema.
    fn runs_with_invalid_fields(&self) -> bool {
        matches!(
            self,
            Self::AtLeastOneOf(_)
                | Self::ConditionalAtLeastOneOf(_)
                | Self::OnlyOneOf(_)
                | Self::Distinct(_)
                | Self::Conditional(_)
        )
    }
}

fn names<const N: usize>(fields: [&str; N]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

fn strs(fields: &[String]) -> impl Iterator<Item = &str> {
    fields.iter().map(String::as_str)
}
