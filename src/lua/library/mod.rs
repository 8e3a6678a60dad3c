//! Native forms of the C modules and Lua libraries that plugins `require`.
//!
//! `require` finds them after `package.path`, before C modules of the system.

mod base64;
mod bytes;
mod cjson;
mod digest;
mod errlog;
mod handshake;
mod openssl;
mod process;
mod self_signed;
mod semaphore;
mod ssl;
pub(super) mod table;
mod threads;
mod url;

#[cfg(test)]
mod tests;

pub(in crate::lua) use cjson::push_array_mt;
pub(in crate::lua) use handshake::certificates;
pub(in crate::lua) use openssl::short_name as openssl_short_name;

use super::frame::Frame;

/// What pushes the loader function of a native module.
pub(super) type Open = fn(&Frame);

const MODULES: &[(&str, Open)] = &[
    ("cjson", |frame| frame.push_function(cjson::load)),
    ("cjson.safe", |frame| frame.push_function(cjson::load_safe)),
    ("kong.process", |frame| frame.push_function(process::load)),
    ("kong.self_signed", |frame| frame.push_function(self_signed::load)),
    ("kong.threads", |frame| frame.push_function(threads::load)),
    ("ngx.base64", |frame| frame.push_function(base64::load)),
    ("host.process", |frame| frame.push_function(super::ngx::socket::process::load)),
    ("ngx.errlog", |frame| frame.push_function(errlog::load)),
    ("ngx.process", |frame| frame.push_function(errlog::load_process)),
    ("ngx.semaphore", |frame| frame.push_function(semaphore::load)),
    ("ngx.ssl.native", |frame| frame.push_function(ssl::load)),
    ("resty.ada.native", |frame| frame.push_function(url::load)),
    ("resty.md5", |frame| frame.push_function(digest::load)),
    ("resty.openssl.native", |frame| frame.push_function(openssl::load)),
    ("resty.random", |frame| frame.push_function(bytes::load_random)),
    ("resty.sha1", |frame| frame.push_function(digest::load)),
    ("resty.sha224", |frame| frame.push_function(digest::load)),
    ("resty.sha256", |frame| frame.push_function(digest::load)),
    ("resty.sha384", |frame| frame.push_function(digest::load)),
    ("resty.sha512", |frame| frame.push_function(digest::load)),
    ("resty.string", |frame| frame.push_function(bytes::load_string)),
    ("table.clone", |frame| frame.push_function(table::load)),
    ("table.isarray", |frame| frame.push_function(table::load)),
    ("table.isempty", |frame| frame.push_function(table::load)),
    ("table.nkeys", |frame| frame.push_function(table::load)),
];

/// The loader of a native module, if there is one of that name.
pub(super) fn open(name: &str) -> Option<Open> {
    MODULES.iter().find(|(module, _)| *module == name).map(|(_, open)| *open)
}
