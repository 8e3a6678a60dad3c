//! CA certificates: services and plugins name them in lists, which no foreign key guards.

use serde_json::Value;

use super::{Dao, DaoOptions};
use crate::db::{DbError, Entity, PageRequest};

impl Dao {
    /// Whether no service and no plugin names a CA certificate.
    pub(super) async fn check_ca_certificate_is_unused(&self, key: &Entity) -> Result<(), DbError> {
        let Some(id) = key.get("id").and_then(Value::as_str) else { return Ok(()) };
        let names = |list: Option<&Value>| {
            list.and_then(Value::as_array).is_some_and(|list| list.iter().any(|other| other == id))
        };
        let user = self.find_user("services", |service| names(service.get("ca_certificates"))).await?;
        let user = match user {
            Some(user) => Some(user),
            None => {
                let of_config = |config: &Value| names(config.get("ca_certificates"));
                self.find_user("plugins", |plugin| plugin.get("config").is_some_and(of_config)).await?
            }
        };
        match user {
            None => Ok(()),
            Some((kind, user)) => Err(DbError::referenced_by_others(format!(
                "ca certificate {id} is still referenced by {kind} (id = {user})"
            ))),
        }
    }

    async fn find_user(
        &self,
        kind: &'static str,
        is_user: impl Fn(&Entity) -> bool,
    ) -> Result<Option<(&'static str, String)>, DbError> {
        let mut request = PageRequest { size: PageRequest::MAX_SIZE, ..PageRequest::first() };
        loop {
            let page = self.page(kind, &request, &DaoOptions::default()).await?;
            if let Some(user) = page.rows.iter().find(|row| is_user(row)) {
                let id = user.get("id").and_then(Value::as_str).unwrap_or_default();
                return Ok(Some((kind, id.to_owned())));
            }
            if page.offset.is_none() {
                return Ok(None);
            }
            request.offset = page.offset;
        }
    }
}
