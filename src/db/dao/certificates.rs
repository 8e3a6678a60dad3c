//! Certificates: they are written together with the SNIs they answer to.

use serde_json::Value;

use super::{Dao, DaoOptions, Kind};
use crate::db::{Change, DbError, Entity, Expiry, Place, Write};
use crate::schema::Context;

/// The names that a certificate was given with.
pub(super) struct Names {
    /// Whether the kind has names at all.
    of_certificate: bool,
    /// Those given, sorted; `None` leaves the certificate those it has.
    given: Option<Vec<String>>,
}

impl Names {
    /// Takes the names out of what was given.
    pub(super) fn taken_from(kind: &Kind<'_>, entity: &mut Entity) -> Result<Names, DbError> {
        let of_certificate = kind.model.name == "certificates";
        let given = match entity.get("snis").filter(|_| of_certificate) {
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                let mut names: Vec<String> =
                    names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                if let Some(twice) = twice(&names) {
                    return Err(violation(format!("{twice} is duplicated")));
                }
                names.sort();
                Some(names)
            }
            Some(Value::Null) => Some(Vec::new()),
            // Anything else is for the schema to refuse.
            _ => None,
        };
        Ok(Names { of_certificate, given })
    }
}

fn twice(names: &[String]) -> Option<&String> {
    names
        .iter()
        .enumerate()
        .find(|(at, name)| names.iter().take(*at).any(|other| other == *name))
        .map(|x| x.1)
}

fn violation(message: String) -> DbError {
    DbError::schema_violation(Entity::from_iter([("snis".to_owned(), Value::from(message))]))
}

impl Dao {
    /// The names that a certificate answers to, sorted.
    ///
    /// # Errors
    /// What the store says.
    pub async fn names_of_certificate(&self, key: &Entity) -> Result<Vec<String>, DbError> {
        let snis = self.each_for("snis", "certificate", key, &DaoOptions::default()).await?;
        let mut names: Vec<String> =
            snis.iter().filter_map(|sni| sni.get("name")?.as_str().map(str::to_owned)).collect();
        names.sort();
        Ok(names)
    }

    /// Whether no name belongs to a certificate other than this one.
    pub(super) async fn check_names(&self, names: &Names, own: Option<&Entity>) -> Result<(), DbError> {
        let own = own.and_then(|key| key.get("id"));
        for name in names.given.iter().flatten() {
            let options = DaoOptions::default();
            let known = self.select_by("snis", "name", &Value::from(name.as_str()), &options).await?;
            let certificate = known.as_ref().and_then(|sni| sni.get("certificate")?.get("id"));
            if let Some(certificate) = certificate.filter(|id| Some(*id) != own) {
                let id = certificate.as_str().unwrap_or_default();
                return Err(violation(format!("{name} already associated with existing certificate '{id}'")));
            }
        }
        Ok(())
    }

    /// Adds the changes that give a certificate its names; answers what it has then, `None` for other kinds.
    pub(super) async fn change_names(
        &self,
        names: &Names,
        key: &Entity,
        changes: &mut Vec<Change>,
        options: &DaoOptions,
    ) -> Result<Option<Vec<String>>, DbError> {
        if !names.of_certificate {
            return Ok(None);
        }
        let known = self.names_of_certificate(key).await?;
        let Some(given) = &names.given else { return Ok(Some(known)) };
        let snis = self.kind("snis")?;
        for name in given.iter().filter(|name| !known.contains(name)) {
            let sni = Entity::from_iter([
                ("name".to_owned(), Value::from(name.as_str())),
                ("certificate".to_owned(), Value::Object(key.clone())),
            ]);
            let sni = self.prepare_new(&snis, &sni, &DaoOptions::default(), Context::Insert, None).await?;
            let write = Write::Insert(self.placed(&snis, sni, options), Expiry::Keep);
            changes.push(Change::new(snis.model, self.workspace_of(options), write));
        }
        for name in known.iter().filter(|name| !given.contains(name)) {
            let place = Place::Field("name".to_owned(), Value::from(name.as_str()));
            changes.push(Change::new(snis.model, self.workspace_of(options), Write::Delete(place)));
        }
        Ok(Some(given.clone()))
    }

    /// The changes that remove the names of a certificate, which goes after them; none for other kinds.
    pub(super) async fn removal_of_names(
        &self,
        kind: &Kind<'_>,
        key: &Entity,
        options: &DaoOptions,
    ) -> Result<Vec<Change>, DbError> {
        if kind.model.name != "certificates" {
            return Ok(Vec::new());
        }
        let snis = self.kind("snis")?;
        let names = self.names_of_certificate(key).await?;
        let remove = |name: String| {
            let write = Write::Delete(Place::Field("name".to_owned(), Value::from(name)));
            Change::new(snis.model, self.workspace_of(options), write)
        };
        Ok(names.into_iter().map(remove).collect())
    }
}
