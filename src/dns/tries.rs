//! What a resolution tried, for error messages.

use std::fmt;

use super::record::Kind;

/// The steps of a resolution, shown as a JSON-like list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tries(Vec<Try>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Try {
    name: String,
    kind: Option<Kind>,
    notes: Vec<String>,
}

impl Tries {
    /// Starts a step; false when the very same step was taken before.
    pub(super) fn start(&mut self, name: &str, kind: Option<Kind>, note: &str) -> bool {
        let known = self.knows(name, kind);
        self.0.push(Try { name: name.to_owned(), kind, notes: vec![note.to_owned()] });
        !known
    }

    /// Whether a step was taken.
    pub(super) fn knows(&self, name: &str, kind: Option<Kind>) -> bool {
        self.0.iter().any(|step| step.name == name && step.kind == kind)
    }

    /// Adds to the last step.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        if let Some(step) = self.0.last_mut() {
            step.notes.push(note.into());
        }
    }
}

impl fmt::Display for Tries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("[\"")?;
        for (number, step) in self.0.iter().enumerate() {
            if number > 0 {
                out.write_str("\",\"")?;
            }
            match step.kind {
                Some(kind) => write!(out, "{}:{}", step.name, kind.number())?,
                None => write!(out, "{}:(na)", step.name)?,
            }
            write!(out, " - {}", step.notes.join("/").replace('"', "'"))?;
        }
        out.write_str("\"]")
    }
}
