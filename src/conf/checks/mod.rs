//! What must hold between values: one file per subject. Every finding is collected.

mod listeners;

use super::directives;
use super::values::Values;

/// Looks at `values`, adds what is wrong to `errors` and what is doubtful to `warnings`. Values that are
/// given as content instead of a path, or as `system`, are replaced by what they stand for.
pub fn run(values: &mut Values, errors: &mut Vec<String>, warnings: &mut Vec<String>) {
    listeners::check(values, errors, warnings);
    directives::check(values, errors, warnings);
}
