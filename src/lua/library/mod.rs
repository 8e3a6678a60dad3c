//! Native forms of the C modules and Lua libraries that plugins `require`.

use super::frame::Frame;

/// What pushes the loader function of a native module.
pub(super) type Open = fn(&Frame);

/// The loader of a native module, if there is one of that name.
pub(super) fn open(_name: &str) -> Option<Open> {
    None
}
