//! The Lua files embedded in the executable: everything that lies under `lua/` in the source tree.

include!(concat!(env!("OUT_DIR"), "/lua_sources.rs"));

/// Content of an embedded file, by its path below `lua/` (`resty/http.lua`).
pub fn file(path: &str) -> Option<&'static [u8]> {
    let at = FILES.binary_search_by(|(name, _)| (*name).cmp(path)).ok()?;
    FILES.get(at).map(|(_, content)| *content)
}

/// Path and content of the embedded file that `require(name)` means, if there is one.
///
/// Looks for `name.lua` and then `name/init.lua`, dots being folder separators.
pub fn module(name: &str) -> Option<(String, &'static [u8])> {
    let stem = name.replace('.', "/");
    [format!("{stem}.lua"), format!("{stem}/init.lua")]
        .into_iter()
        .find_map(|path| file(&path).map(|content| (path, content)))
}

/// Paths of all embedded files below a folder (`kong/plugins/`), in order.
pub fn below(folder: &str) -> impl Iterator<Item = &'static str> {
    let start = FILES.partition_point(|(name, _)| *name < folder);
    FILES.iter().skip(start).map(|(name, _)| *name).take_while(move |name| name.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_found_by_its_dotted_name() {
        let (path, content) = module("host.prelude").unwrap();
        assert_eq!(path, "host/prelude.lua");
        assert!(!content.is_empty());
        assert!(module("host.nothing").is_none());
    }

    #[test]
    fn a_folder_lists_only_its_own_files() {
        assert!(below("host/").any(|path| path == "host/prelude.lua"));
        assert!(below("host/").all(|path| path.starts_with("host/")));
    }
}
