//! The copy of a database under the prefix, from which a node starts while the database is away.
//!
//! One file: a line of JSON that says whose copy it is and how many rows there are, then a line for each row, the
//! name of its kind and the row. It is replaced by a rename, so that a crash leaves the old copy or the new one, and
//! only its owner may read it: certificates stand in it with their keys.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Entities, Entity, Model, Rows};
use crate::KONG_VERSION;

/// The first word of the file.
const FORMAT: &str = "kong-standby-1";

/// Why there is no copy to start from.
#[derive(Debug, Error)]
pub enum StandbyError {
    /// Nothing was kept yet.
    #[error("{path}: no copy of the database is kept there yet")]
    Missing {
        /// The file.
        path: String,
    },
    /// The copy is one of another database.
    #[error("{path} is a copy of {found}, not of {wanted}")]
    OtherDatabase {
        /// The file.
        path: String,
        /// The database it is a copy of.
        found: String,
        /// The configured one.
        wanted: String,
    },
    /// A copy that another version wrote, or only half of one.
    #[error("{path} is not a whole copy of a database by this version")]
    Format {
        /// The file.
        path: String,
    },
    /// The file system's word.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What happened.
        source: io::Error,
    },
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: String,
    version: String,
    database: String,
    rows: usize,
}

/// Writes the copy of a database, which `database` tells from others.
///
/// *Cost*: waits for the disk.
///
/// # Errors
/// What the file system refuses; the copy that was there before is untouched then.
pub fn store(file: &Path, database: &str, rows: &Entities) -> Result<(), StandbyError> {
    // Of its own for each process: one that ends may write while its successor does.
    let temporary = file.with_extension(format!("{}.new", std::process::id()));
    let written = write(&temporary, database, rows).and_then(|()| fs::rename(&temporary, file));
    written.map_err(|source| {
        // Half a file is of no use to anybody, and may well have been refused itself.
        let _ = fs::remove_file(&temporary);
        io_error(file, source)
    })
}

/// Tells whether there is a copy of this database, without reading all of it.
///
/// # Errors
/// There is none, or it is one of another database.
pub fn check(file: &Path, database: &str) -> Result<(), StandbyError> {
    open(file, database).map(drop)
}

/// Reads the copy of a database.
///
/// # Errors
/// There is none, it is one of another database, or it is not whole.
pub fn load(file: &Path, database: &str, model: &Model) -> Result<Entities, StandbyError> {
    let broken = || StandbyError::Format { path: file.display().to_string() };
    let (header, reader) = open(file, database)?;
    let mut entities = Entities::new();
    let mut count = 0;
    for line in reader.lines() {
        let line = line.map_err(|source| io_error(file, source))?;
        let (kind, row): (String, Entity) = serde_json::from_str(&line).map_err(|_| broken())?;
        let model = model.kind(&kind).ok_or_else(broken)?;
        let key: Arc<str> = model.key_text(&row).into();
        entities.entry(kind).or_default().insert(key, Arc::new(row));
        count += 1;
    }
    if count == header.rows { Ok(entities) } else { Err(broken()) }
}

fn open(file: &Path, database: &str) -> Result<(Header, BufReader<File>), StandbyError> {
    let path = || file.display().to_string();
    let opened = File::open(file).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StandbyError::Missing { path: path() },
        _ => io_error(file, source),
    })?;
    let mut reader = BufReader::new(opened);
    let mut line = String::new();
    reader.read_line(&mut line).map_err(|source| io_error(file, source))?;
    let header: Option<Header> = serde_json::from_str(&line).ok();
    let ours = header.filter(|header| header.format == FORMAT && header.version == KONG_VERSION);
    let header = ours.ok_or_else(|| StandbyError::Format { path: path() })?;
    if header.database != database {
        let wanted = database.to_owned();
        return Err(StandbyError::OtherDatabase { path: path(), found: header.database, wanted });
    }
    Ok((header, reader))
}

fn write(file: &Path, database: &str, entities: &Entities) -> io::Result<()> {
    // What a process with the same number left may be readable for others.
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    let mut writer = BufWriter::new(created);
    let header = Header {
        format: FORMAT.to_owned(),
        version: KONG_VERSION.to_owned(),
        database: database.to_owned(),
        rows: entities.values().map(Rows::len).sum(),
    };
    serde_json::to_writer(&mut writer, &header)?;
    for (kind, rows) in entities {
        for row in rows.values() {
            writer.write_all(b"\n")?;
            serde_json::to_writer(&mut writer, &(kind, row.as_ref()))?;
        }
    }
    writer.write_all(b"\n")?;
    writer.into_inner()?.sync_all()
}

fn io_error(file: &Path, source: io::Error) -> StandbyError {
    let path = file.display().to_string();
    match source.kind() {
        io::ErrorKind::InvalidData => StandbyError::Format { path },
        _ => StandbyError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use serde_json::json;

    use super::*;
    use crate::db::EntityModel;

    const DATABASE: &str = "postgres://one:5432/kong";

    fn model() -> Model {
        let kind = |name: &str| EntityModel {
            name: name.to_owned(),
            primary_key: vec!["id".to_owned()],
            ..EntityModel::default()
        };
        Model::new([kind("services"), kind("routes")])
    }

    fn entities() -> Entities {
        let rows = |ids: &[&str]| -> Rows {
            let row = |id: &&str| json!({"id": id, "name": "é\n", "tags": null, "n": 1.5});
            ids.iter().map(|id| ((*id).into(), Arc::new(row(id).as_object().unwrap().clone()))).collect()
        };
        Entities::from_iter([("services".to_owned(), rows(&["a", "b"])), ("routes".to_owned(), rows(&["a"]))])
    }

    #[test]
    fn what_is_kept_is_found_again_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database");
        assert!(matches!(check(&file, DATABASE), Err(StandbyError::Missing { .. })));
        for entities in [Entities::new(), entities()] {
            store(&file, DATABASE, &entities).unwrap();
            check(&file, DATABASE).unwrap();
            assert_eq!(load(&file, DATABASE, &model()).unwrap(), entities);
        }
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_copy_of_another_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database");
        store(&file, DATABASE, &entities()).unwrap();
        let refused = load(&file, "postgres://two:5432/kong", &model()).unwrap_err().to_string();
        assert!(refused.contains("postgres://one:5432/kong, not of postgres://two:5432/kong"), "{refused}");
    }

    #[test]
    fn half_a_copy_is_refused_wherever_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database");
        store(&file, DATABASE, &entities()).unwrap();
        let content = fs::read(&file).unwrap();
        // without the last line's end it is whole
        for length in 0..content.len() - 1 {
            fs::write(&file, &content[..length]).unwrap();
            let refused = load(&file, DATABASE, &model());
            assert!(matches!(refused, Err(StandbyError::Format { .. })), "{length}: {refused:?}");
        }
    }
}
