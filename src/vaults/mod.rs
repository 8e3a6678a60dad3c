//! `{vault://…}` references.
