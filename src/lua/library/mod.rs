//! Native forms of the C modules and Lua libraries that plugins `require`.
//!
//! `require` finds them after `package.path`, before C modules of the system.

mod base64;
mod cjson;
pub(super) mod table;

use super::frame::Frame;

/// What pushes the loader function of a native module.
pub(super) type Open = fn(&Frame);

const MODULES: &[(&str, Open)] = &[
    ("cjson", |frame| frame.push_function(cjson::load)),
    ("cjson.safe", |frame| frame.push_function(cjson::load_safe)),
    ("ngx.base64", |frame| frame.push_function(base64::load)),
    ("table.clone", |frame| frame.push_function(table::load)),
    ("table.isarray", |frame| frame.push_function(table::load)),
    ("table.isempty", |frame| frame.push_function(table::load)),
    ("table.nkeys", |frame| frame.push_function(table::load)),
];

/// The loader of a native module, if there is one of that name.
pub(super) fn open(name: &str) -> Option<Open> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, open)| *open)
}
