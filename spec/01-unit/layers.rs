//! Holds the order of folders that `src/lib.rs` draws: a folder uses only those before it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The folders, lowest first.
const ORDER: [&str; 23] = [
    "persistent",
    "observability",
    "http",
    "schema",
    "conf",
    "vaults",
    "tls",
    "shm",
    "entities",
    "router",
    "db",
    "dns",
    "balancer",
    "snapshot",
    "exchange",
    "cache",
    "lua",
    "proxy",
    "admin",
    "status",
    "runtime",
    "node",
    "cli",
];

#[test]
fn folders_use_only_those_below_them() {
    let mut wrong = BTreeSet::new();
    for (place, folder) in ORDER.iter().enumerate() {
        for file in sources(&Path::new("src").join(folder)).expect("the folder of sources") {
            let text = fs::read_to_string(&file).expect("a source file");
            for used in used_folders(product_code(&text)) {
                let above = ORDER.iter().skip(place + 1).any(|other| *other == used);
                if above {
                    wrong.insert(format!("{} uses {used}, which stands above {folder}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn every_folder_has_its_place() {
    let folders = fs::read_dir("src").expect("src").flatten().filter(|entry| entry.path().is_dir());
    let unplaced: Vec<_> = folders
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !ORDER.contains(&name.as_str()))
        .collect();
    assert_eq!(unplaced, Vec::<String>::new());
}

/// A file without its tests, which may use anything.
fn product_code(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_test = name == "tests" || name == "tests.rs" || name == "testing.rs" || name == "spec.rs";
        if path.is_dir() && !is_test {
            found.extend(sources(&path)?);
        } else if name.ends_with(".rs") && !is_test {
            found.push(path);
        }
    }
    Ok(found)
}

/// The folders named after `crate::` outside comments.
fn used_folders(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut used = BTreeSet::new();
    for line in code {
        for (at, _) in line.match_indices("crate::") {
            let rest = &line[at + "crate::".len()..];
            let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            used.insert(name);
        }
    }
    used
}
