//! OpenResty's additions to `table` and `thread`, which upstream LuaJIT lacks.

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use mlua::ffi;

/// Adds the functions to `table` and `thread`, and makes each a module of its own.
pub(in crate::lua) fn install(frame: &Frame) {
    frame.push_field(ffi::LUA_GLOBALSINDEX, "table");
    let table = frame.top();
    frame.set_function(table, "nkeys", nkeys);
    frame.set_function(table, "isempty", isempty);
    frame.set_function(table, "isarray", isarray);
    frame.set_function(table, "clone", clone);
    frame.pop(1);
    frame.push_table(0, 1);
    let thread = frame.top();
    frame.set_function(thread, "exdata", |frame| {
        frame.push_nil();
        Ok(1)
    });
    frame.set_function(thread, "exdata2", |frame| {
        frame.push_nil();
        Ok(1)
    });
    frame.set_field(ffi::LUA_GLOBALSINDEX, "thread");
}

/// Loader of `table.NAME`: answers the function itself.
pub(super) fn load(frame: &Frame) -> Answer {
    let name = frame.text(1)?;
    let field = name.strip_prefix("table.").unwrap_or(&name).to_owned();
    frame.push_field(ffi::LUA_GLOBALSINDEX, "table");
    frame.push_field(-1, &field);
    Ok(1)
}

fn require_table(frame: &Frame) -> Result<(), Flow> {
    frame.expect(1, Kind::Table, c"table")
}

fn nkeys(frame: &Frame) -> Answer {
    require_table(frame)?;
    let mut count = 0;
    frame.push_nil();
    while frame.next(1) {
        frame.pop(1);
        count += 1;
    }
    frame.push_integer(count);
    Ok(1)
}

fn isempty(frame: &Frame) -> Answer {
    require_table(frame)?;
    frame.push_nil();
    let some = frame.next(1);
    frame.push_boolean(!some);
    Ok(1)
}

/// Whether all keys are whole numbers; OpenResty takes negative ones as well.
fn isarray(frame: &Frame) -> Answer {
    require_table(frame)?;
    let mut array = true;
    frame.push_nil();
    while frame.next(1) {
        frame.pop(1);
        let key = if frame.kind(-1) == Kind::Number { frame.number(-1)? } else { 0.5 };
        if key.fract() != 0.0 {
            frame.pop(1);
            array = false;
            break;
        }
    }
    frame.push_boolean(array);
    Ok(1)
}

/// A shallow copy, without the metatable.
fn clone(frame: &Frame) -> Answer {
    require_table(frame)?;
    frame.push_table(frame.length(1), 0);
    let copy = frame.top();
    frame.push_nil();
    while frame.next(1) {
        frame.push_value(-2);
        frame.insert(-2);
        frame.raw_set(copy);
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn the_additions_are_fields_and_modules() {
        check(
            r#"
            local nkeys, isempty, isarray, clone = require "table.nkeys", require "table.isempty", require "table.isarray", require "table.clone"
            assert(nkeys({ 1, 2, x = 3 }) == 3 and nkeys({}) == 0)
            assert(isempty({}) and not isempty({ false }))
            assert(isarray({}) and isarray({ 1, nil, 3 }) and not isarray({ 1, x = 2 }) and not isarray({ [1.5] = 1 }))
            local t = setmetatable({ 1, 2, x = { } }, {})
            local c = clone(t)
            assert(c ~= t and c[2] == 2 and c.x == t.x and getmetatable(c) == nil and table.clone == clone)
            local new, clear = require "table.new", require "table.clear"
            local n = new(4, 4) n[1] = 1 clear(n) assert(n[1] == nil)
            assert(require("string.buffer").new)
            "#,
        );
    }
}
