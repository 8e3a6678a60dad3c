//! Lua sources that are not ours and not here: checkouts that environment variables name.
//!
//! - `KONG_SOURCES`: a checkout of Kong at tag 3.9.3
//! - `PUBLISHED_PLUGINS`: a folder of checkouts of published plugins, each under its repository's name
//! - `KONG_ROCKS`: what LuaRocks would install for them: `share/` with Lua modules, `lib/` with C modules
//!
//! Specs that need one say so and pass when it is not set.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The folder that a variable names; none, told on the terminal, when it is not set or not there.
pub fn folder(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.filter(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: {variable} names no folder");
    }
    found
}

/// `lua_package_path` over folders, ours behind them.
pub fn package_path(folders: &[&Path]) -> String {
    let mut path = String::new();
    for folder in folders {
        let folder = folder.display();
        path.push_str(&format!("{folder}/?.lua;{folder}/?/init.lua;"));
    }
    path + &own_modules() + ";"
}

/// The Lua modules of this source tree, which then need no new build to be tried.
fn own_modules() -> String {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/lua");
    format!("{own}/?.lua;{own}/?/init.lua;")
}

/// The rocks at hand.
pub fn rocks() -> Option<PathBuf> {
    folder("KONG_ROCKS")
}

/// Puts parts of a checkout into a folder of their own, so that the rest of it hides nothing of ours.
pub fn link(from: &Path, parts: &[&str], into: &Path) {
    for part in parts {
        let place = into.join(part);
        std::fs::create_dir_all(place.parent().expect("a parent")).expect("folders");
        symlink(from.join(part), place).expect("a link");
    }
}

/// What came of the cases of a driver.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, Result<(), String>)>,
}

impl Table {
    /// Takes the outcome of a case.
    pub fn add(&mut self, case: impl Into<String>, outcome: Result<(), String>) {
        self.rows.push((case.into(), outcome));
    }

    /// Shows all cases; fails when one failed that is not `expected` to.
    pub fn finish(self, expected: &[(&str, &str)]) {
        let mut wrong = Vec::new();
        for (case, outcome) in &self.rows {
            let known = expected.iter().find(|(name, _)| name == case).map(|(_, why)| *why);
            match (outcome, known) {
                (Ok(()), None) => eprintln!("{case}: passes"),
                (Ok(()), Some(_)) => wrong.push(format!("{case}: passes, against what is written here")),
                (Err(error), Some(why)) => eprintln!("{case}: fails ({why}): {error}"),
                (Err(error), None) => wrong.push(format!("{case}: {error}")),
            }
        }
        assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), self.rows.len(), wrong.join("\n"));
    }
}

/// Fails a case unless a value is the one wanted.
pub fn expect<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted { Ok(()) } else { Err(format!("{what}: {found:?} instead of {wanted:?}")) }
}

/// Fails a case unless a condition holds.
pub fn demand(holds: bool, what: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}
