//! Exports the Lua C API from the executables, so that C modules of the system find it, and embeds
//! every file under `lua/` and the test kit for plugins under `spec/`.
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=lua");
    println!("cargo:rustc-link-arg-bins=-rdynamic");
    // Unit tests of the library too: `-tests` would cover integration tests only.
    println!("cargo:rustc-link-arg=-rdynamic");
    embed_lua()
}

/// The Lua parts of `spec/` that plugin authors get with the executable.
const TEST_KIT: [&str; 4] = ["spec/helpers.lua", "spec/helpers", "spec/internal", "spec/fixtures"];

/// Writes `lua_sources.rs`: a table of path and content, sorted by path for binary search.
fn embed_lua() -> io::Result<()> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap_or_default()).join("lua_sources.rs");
    let mut files = Vec::new();
    collect(&root.join("lua"), &mut files)?;
    for part in TEST_KIT {
        collect(&root.join(part), &mut files)?;
    }
    let mut rows: Vec<(String, &PathBuf)> = files
        .iter()
        .filter_map(|file| Some((embedded_path(file.strip_prefix(&root).ok()?)?, file)))
        .collect();
    rows.sort();
    let mut table = fs::File::create(out)?;
    writeln!(table, "static FILES: &[(&str, &[u8])] = &[")?;
    for (name, file) in rows {
        writeln!(table, "    ({name:?}, include_bytes!({file:?})),")?;
    }
    writeln!(table, "];")
}

/// Modules of `lua/` are found without that folder's name, `spec.helpers` with it.
fn embedded_path(path: &Path) -> Option<String> {
    path.strip_prefix("lua").unwrap_or(path).to_str().map(str::to_owned)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if folder.is_file() {
        println!("cargo:rerun-if-changed={}", folder.display());
        files.push(folder.to_owned());
    }
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
