//! Between documents and databases: `kong config db_import` and `db_export`.

use std::sync::Arc;

use serde_json::Value;

use super::export;
use super::reader::{Configuration, Reader};
use super::yaml_writer;
use crate::db::{
    Change, Dao, DaoOptions, DbError, Entities, Entity, Expiry, PageRequest, Place, Workspace, Write,
};

/// Puts the entities of a configuration into a database, all or none of them. What is there and is not in the
/// configuration stays.
///
/// *Kong parity*: everything goes to the default workspace, whatever the document says, and counts as updated now.
///
/// # Errors
/// What the database refuses: a name that an entity with another id has, a foreign key that leads nowhere.
pub async fn import(dao: &Dao, reader: &Reader, configuration: Configuration) -> Result<(), DbError> {
    let rows = reader.rows(configuration)?;
    let mut changes = Vec::new();
    for kind in dao.model().kinds().filter(|kind| kind.name != "workspaces") {
        for row in rows.get(&kind.name).into_iter().flat_map(|rows| rows.values()) {
            if kind.name == "targets" {
                changes.extend(removal_of_same_address(dao, row).await?);
            }
            let mut entity = Entity::clone(row);
            let ends = entity.get("ttl").and_then(Value::as_f64).filter(|_| kind.has_ttl);
            entity.insert("ws_id".to_owned(), Value::from(dao.default_workspace()));
            let place = Place::Key(kind.primary_key_of(&entity));
            let write = Write::Upsert(place, kind.row(entity), ends.map_or(Expiry::Keep, Expiry::At));
            changes.push(Change::new(kind, Some(dao.default_workspace()), write));
        }
    }
    dao.commit(changes).await.map(drop)
}

/// The removal of another target with the address of this one, which takes its place.
async fn removal_of_same_address(dao: &Dao, target: &Arc<Entity>) -> Result<Option<Change>, DbError> {
    let (Some(Value::Object(upstream)), Some(kind)) = (target.get("upstream"), dao.model().kind("targets"))
    else {
        return Ok(None);
    };
    let known = dao.each_for("targets", "upstream", upstream, &DaoOptions::default()).await?;
    let has_address = |known: &&Arc<Entity>| {
        known.get("target") == target.get("target") && known.get("id") != target.get("id")
    };
    Ok(known.iter().find(has_address).map(|known| {
        let write = Write::Delete(Place::Key(kind.primary_key_of(known)));
        Change::new(kind, Some(dao.default_workspace()), write)
    }))
}

/// The text of a document with all entities of a database.
///
/// # Errors
/// What the database says.
pub async fn export(dao: &Dao) -> Result<String, DbError> {
    let options = DaoOptions { workspace: Workspace::Any, export: true, ..DaoOptions::nulls() };
    let mut entities = Entities::new();
    for kind in export::exported(dao.model()) {
        let rows = entities.entry(kind.name.clone()).or_default();
        let mut request = PageRequest { size: PageRequest::MAX_SIZE, ..PageRequest::first() };
        loop {
            let page = dao.page(&kind.name, &request, &options).await?;
            rows.extend(page.rows.into_iter().map(|row| (kind.key_text(&row).into(), row)));
            request.offset = page.offset;
            if request.offset.is_none() {
                break;
            }
        }
    }
    Ok(yaml_writer::write(&export::document(dao.model(), &entities)))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use serde_json::json;

    use super::*;
    use crate::db::Store;
    use crate::db::dao::Unobserved;
    use crate::db::memory::Memory;
    use crate::entities::{Registry, RouterFlavor};

    const WORKSPACE: &str = "9f1d4d2e-1f3c-4a55-8a64-6b4f6f3b9a01";
    const DOCUMENT: &str = "_format_version: '3.0'
services:
- {name: a, host: x, tags: [one], routes: [{name: ra, paths: [/a]}]}
consumers:
- {username: bob, custom_id: '17'}
upstreams:
- {name: up, targets: [{target: 10.0.0.1}, {target: '10.0.0.2:90', weight: 7}]}
";

    /// Runs a test over an empty store with a default workspace.
    fn run<F: Future<Output = ()>>(test: impl FnOnce(Dao, Reader) -> F) {
        let registry = Registry::core(RouterFlavor::TraditionalCompatible).unwrap();
        let reader = Reader::new(&registry);
        let model = Arc::clone(reader.model());
        let store = Arc::new(Memory::new(Arc::clone(&model)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let workspace = json!({"id": WORKSPACE, "name": "default"}).as_object().unwrap().clone();
            let write = Write::Insert(workspace, Expiry::Never);
            let change = Change::new(model.kind("workspaces").unwrap(), None, write);
            store.write(vec![change]).await.unwrap();
            test(Dao::new(registry, model, store, WORKSPACE, Rc::new(Unobserved)), reader).await;
        });
    }

    fn without_updates(document: &str) -> String {
        document.lines().filter(|line| !line.contains("updated_at")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn what_is_imported_is_exported_and_imported_again_as_it_was() {
        run(|dao, reader| async move {
            import(&dao, &reader, reader.read(DOCUMENT, None).unwrap()).await.unwrap();
            let first = export(&dao).await.unwrap();
            assert!(first.starts_with("_format_version: '3.0'\n_transform: false\n"), "{first}");
            assert!(first.contains("target: 10.0.0.1:8000") && !first.contains("ws_id"), "{first}");
            import(&dao, &reader, reader.read(&first, None).unwrap()).await.unwrap();
            assert_eq!(without_updates(&export(&dao).await.unwrap()), without_updates(&first));
            import(&dao, &reader, reader.read(DOCUMENT, None).unwrap()).await.unwrap();
            let services = dao.page("services", &PageRequest::first(), &DaoOptions::nulls()).await.unwrap();
            assert_eq!(services.rows.len(), 1);
        });
    }

    #[test]
    fn an_import_that_is_refused_leaves_nothing_behind() {
        run(|dao, reader| async move {
            let taken = json!({"username": "bob"}).as_object().unwrap().clone();
            dao.insert("consumers", taken, &DaoOptions::nulls()).await.unwrap();
            let refused = import(&dao, &reader, reader.read(DOCUMENT, None).unwrap()).await.unwrap_err();
            assert_eq!(refused.message, "UNIQUE violation detected on '{username=\"bob\"}'");
            let services = dao.page("services", &PageRequest::first(), &DaoOptions::nulls()).await.unwrap();
            assert_eq!(services.rows.len(), 0);
        });
    }
}
