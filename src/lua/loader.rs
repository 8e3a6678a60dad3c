//! How `require` finds modules: preloaded, a file on `package.path`, embedded, a C module.
//!
//! A file on `package.path` wins over an embedded one, so that an operator can replace any part.
#![allow(unsafe_code)] // Chunks are compiled through the C API.

use super::frame::{Answer, Flow, Frame};
use super::{library, packages, sources};
use mlua::ffi;
use std::ffi::CString;

/// Where Debian's packages put Lua modules.
const SYSTEM_PATH: &str = "/usr/share/lua/5.1/?.lua;/usr/share/lua/5.1/?/init.lua";
/// Where Debian's packages put C modules.
const SYSTEM_CPATH: &str = "/usr/lib/x86_64-linux-gnu/lua/5.1/?.so;/usr/local/lib/lua/5.1/?.so";

/// Sets `package.path` and `package.cpath` and adds the searcher of embedded modules.
///
/// `path` and `cpath` come first, then what LuaJIT found in the environment, then the system's.
///
/// # Errors
/// When the `package` library is missing.
pub(super) fn install(lua: &mlua::Lua, path: &str, cpath: &str) -> mlua::Result<()> {
    let package: mlua::Table = lua.globals().get("package")?;
    for (name, configured, system) in [("path", path, SYSTEM_PATH), ("cpath", cpath, SYSTEM_CPATH)] {
        let default: String = package.get(name)?;
        package.set(name, joined(configured, &default, system))?;
    }
    let loaders: mlua::Table = package.get("loaders")?;
    // SAFETY: the searcher is a host function.
    let searcher = unsafe { lua.create_c_function(super::frame::c_function(search))? };
    loaders.raw_insert(3, searcher)
}

/// `;;` in a configured path stands for the default, as nginx has it.
fn joined(configured: &str, default: &str, system: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let configured = configured.trim_end_matches(';');
    parts.extend([configured, default, system].iter().filter(|part| !part.is_empty()));
    parts.join(";").replace(";;", ";")
}

/// Searcher of `package.loaders`: the loader of an embedded module, or why there is none.
fn search(frame: &Frame) -> Answer {
    let name = frame.text(1)?.into_owned();
    if let Some(open) = library::open(&name) {
        open(frame);
        return Ok(1);
    }
    match sources::module(&name) {
        None => {
            let hint = packages::holder(&name).map(|holder| format!("\n\t{holder}")).unwrap_or_default();
            frame.push_text(&format!("\n\tno embedded module '{name}'{hint}"));
            Ok(1)
        }
        Some((path, source)) => {
            compile(frame, &format!("@lua/{path}"), source)?;
            Ok(1)
        }
    }
}

/// Pushes the function that a source text compiles to.
///
/// # Errors
/// [`Flow::RaiseTop`] with the compiler's message on top.
pub fn compile(frame: &Frame, chunk: &str, source: &[u8]) -> Result<(), Flow> {
    let chunk = CString::new(chunk).map_err(|_| Flow::raise("a chunk name holds a zero byte"))?;
    // SAFETY: the source is read during the call.
    let status =
        unsafe { ffi::luaL_loadbuffer(frame.state(), source.as_ptr().cast(), source.len(), chunk.as_ptr()) };
    if status == ffi::LUA_OK { Ok(()) } else { Err(Flow::RaiseTop) }
}
