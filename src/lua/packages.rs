//! Where modules are found that published plugins use and that do not come with the gateway.

/// Debian's packages, by the first part of a module's name.
const PACKAGES: &[(&str, &str)] = &[
    ("MessagePack", "lua-messagepack"),
    ("ansicolors", "lua-ansicolors"),
    ("basexx", "lua-basexx"),
    ("binaryheap", "lua-binaryheap"),
    ("busted", "lua-busted"),
    ("lfs", "lua-filesystem"),
    ("lpeg", "lua-lpeg"),
    ("ltn12", "lua-socket"),
    ("luassert", "lua-luassert"),
    ("lyaml", "lua-yaml"),
    ("mime", "lua-socket"),
    ("openssl", "lua-luaossl"),
    ("pl", "lua-penlight"),
    ("re", "lua-lpeg"),
    ("say", "lua-say"),
    ("socket", "lua-socket"),
    ("ssl", "lua-sec"),
    ("system", "lua-system"),
    ("term", "lua-term"),
    ("yaml", "lua-yaml"),
    ("zlib", "lua-zlib"),
];

/// Rocks that Debian does not have, by the name of a module or what its parts' names begin with.
const ROCKS: &[(&str, &str)] = &[
    ("argon2", "argon2"),
    ("bcrypt", "bcrypt"),
    ("date", "date"),
    ("etlua", "etlua"),
    ("lapis", "kong-lapis"),
    ("luatz", "luatz"),
    ("luaxxhash", "luaxxhash"),
    ("pb", "lua-protobuf"),
    ("pgmoon", "kong-pgmoon"),
    ("protoc", "lua-protobuf"),
    ("resty.acme", "lua-resty-acme"),
    ("resty.aws", "lua-resty-aws"),
    ("resty.gcp", "lua-resty-gcp"),
    ("resty.jwt", "lua-resty-jwt"),
    ("resty.ljsonschema", "lua-resty-ljsonschema"),
    ("resty.openidc", "lua-resty-openidc"),
    ("resty.snappy", "lua-resty-snappy"),
];

/// Who has a module, in words; none where that is not known.
pub(super) fn holder(module: &str) -> Option<String> {
    named(PACKAGES, module)
        .map(|name| format!("Debian has it in the package {name}"))
        .or_else(|| named(ROCKS, module).map(|name| format!("LuaRocks has it in the rock {name}")))
}

fn named(table: &[(&'static str, &'static str)], module: &str) -> Option<&'static str> {
    let is_part =
        |root: &str| module.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    table.iter().find(|(root, _)| is_part(root)).map(|(_, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lua::testing::check;

    #[test]
    fn a_missing_module_names_the_package_that_has_it() {
        check(
            r#"
            local ok, err = pcall(require, "pgmoon.nothing")
            assert(not ok and err:find("LuaRocks has it in the rock kong-pgmoon", 1, true), err)
            ok, err = pcall(require, "pl.nothing")
            assert(not ok and err:find("Debian has it in the package lua-penlight", 1, true), err)
            ok, err = pcall(require, "plain.nothing")
            assert(not ok and not err:find(" has it in ", 1, true), err)
            "#,
        );
    }

    #[test]
    fn a_name_that_only_begins_alike_is_another_module() {
        assert_eq!(holder("plx"), None);
        assert_eq!(holder("resty.jwt-validators"), None);
    }
}
