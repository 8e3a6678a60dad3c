//! Refusal of writes.

use crate::db::DbError;

/// A write that this store does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// A new entity.
    Insert,
    /// A change of an entity.
    Update,
    /// Either.
    Upsert,
    /// The removal of an entity.
    Delete,
}

/// The error for a write to `kind`, addressed by the unique field `by` if not by its primary key.
pub fn refuse(write: Write, kind: &str, by: Option<&str>) -> DbError {
    let verb = match write {
        Write::Insert => "create",
        Write::Update => "update",
        Write::Upsert => "create or update",
        Write::Delete => "remove",
    };
    let by = by.map(|field| format!(" by '{field}'")).unwrap_or_default();
    DbError::unsupported(format!("cannot {verb} '{kind}' entities{by} when not using a database"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refusal_names_what_was_asked() {
        let error = refuse(Write::Insert, "services", None);
        assert_eq!(error.message, "cannot create 'services' entities when not using a database");
        let error = refuse(Write::Delete, "routes", Some("name"));
        assert_eq!(error.message, "cannot remove 'routes' entities by 'name' when not using a database");
        assert_eq!(error.code.http_status(), 405);
    }
}
