//! `cjson` against the C library it stands for, and OpenResty's additions by themselves.

use crate::lua::testing::check;
use std::path::Path;

/// Lua code that has ours as `ours`, Debian's as `theirs`, and `same(f, ...)`.
const BOTH: &str = r#"
    local theirs = assert(package.loadlib("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so", "luaopen_cjson"))()
    local ours = require "cjson"
    -- OpenResty's words differ from those of the library's last release.
    local function clean(e) return type(e) == "string" and e:gsub("^[^:]*:%d+: ", ""):gsub("or Inf$", "or Infinity"):gsub("excessive nesting", "excessive depth") or e end
    local function outcome(f, ...)
      local ok, value = pcall(f, ...)
      return ok, ok and value or clean(value)
    end
"#;

/// Runs a comparison where Debian's library is there, as it is on test machines.
fn compare(source: &str) {
    if Path::new("/usr/lib/x86_64-linux-gnu/lua/5.1/cjson.so").exists() {
        check(&format!("{BOTH}{source}"));
    } else {
        eprintln!("skipped: no lua-cjson to compare with");
    }
}

#[test]
fn texts_decode_as_the_c_library_decodes_them() {
    compare(
        r#"
        local function equal(a, b)
          if type(a) ~= type(b) then return false end
          if type(a) ~= "table" then return a == b or (a ~= a and b ~= b) end
          for k, v in pairs(a) do if not equal(v, b[k]) then return false end end
          for k in pairs(b) do if a[k] == nil then return false end end
          return true
        end
        local texts = {
          '1', '-1', '0', '-0', '1.5', '1e3', '1E-3', '1e+2', '123456789012345678901234567890', '0.1', '1.', '.5', '-.5', '-', '1e', '1e+',
          '0x10', '0xfg', '012', 'inf', '-inf', 'nan', 'Infinity', '+1', '1.7976931348623157e309',
          'true', 'false', 'null', 'nul', 'truex', 'TRUE', '', ' ', '\0', 'x',
          '""', '"a"', '"\\n\\t\\r\\b\\f\\/\\\\\\""', '"\\u00e9\\u4e2d"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ud83dx"', '"\\udc00"', '"\\u12g4"', '"\\x"', '"abc', '"a\nb"', '"\\',
          '[]', '[1]', '[1,2,[3]]', '[1,]', '[,1]', '[1 2]', '[1', '[', ']', '{}', '{"a":1}', '{"a":1,}', '{"a" 1}', '{"a":}', '{a:1}', '{1:2}', '{"a":1 "b":2}', '{"a":1', '{', '}',
          '{"a":{"b":[1,{"c":null}]},"d":"e"}', ' [ 1 , 2 ] ', '1 2', '[1] x', '{"a":1,"a":2}', 'tru', '"\\u0000"', '[nan]', '{"a":"b"c}', "'a'", '//', '[1]//',
          string.rep('[', 1000) .. string.rep(']', 1000), string.rep('[', 1001) .. string.rep(']', 1001), string.rep('{"a":', 1001) .. '1' .. string.rep('}', 1001),
        }
        for _, text in ipairs(texts) do
          local ok1, v1 = outcome(ours.decode, text)
          local ok2, v2 = outcome(theirs.decode, text)
          assert(ok1 == ok2 and equal(v1, v2), text:sub(1, 60) .. ": " .. tostring(ok1) .. " " .. tostring(v1) .. " / " .. tostring(ok2) .. " " .. tostring(v2))
        end
        ours.decode_invalid_numbers(false) theirs.decode_invalid_numbers(false)
        for _, text in ipairs { '0x10', '012', 'inf', 'nan', '-01', '0', '-0.5', '1e5', '-nan' } do
          local ok1, v1 = outcome(ours.decode, text)
          local ok2, v2 = outcome(theirs.decode, text)
          assert(ok1 == ok2 and v1 == v2, text .. ": " .. tostring(v1) .. " / " .. tostring(v2))
        end
        "#,
    );
}

#[test]
fn values_encode_as_the_c_library_encodes_them() {
    compare(
        r#"
        local all = {} for i = 0, 255 do all[#all + 1] = string.char(i) end
        local deep = {} for _ = 1, 1000 do deep = { deep } end
        local values = {
          1, -1, 0, -0.0, 1.5, 0.1, 1/3, 1e15, 1e14, 1e13, 123456789012345, 12345678901234567890, 1e300, -1e-300, 2^53, 1e100, 99999999999999, 100000000000000,
          1/0, -1/0, 0/0, true, false, ours.null, "", "a/b", table.concat(all), "é",
          {}, { 1, 2, 3 }, { 1, nil, 3 }, { [1] = 1, [5] = 5 }, { [1] = 1, [100] = 2 }, { [11] = 1 }, { [10] = 1 }, { a = 1 }, { [1.5] = "x" }, { [-1] = 1 }, { [0] = 1 },
          { 1, 2, n = 2 }, { { {} } }, { f = print }, { print }, print, { [true] = 1 }, { [print] = 1 }, coroutine.create(function() end), io.stdout, deep,
        }
        for _, value in pairs(values) do
          local ok1, v1 = outcome(ours.encode, value)
          local ok2, v2 = outcome(theirs.encode, value)
          assert(ok1 == ok2 and v1 == v2, tostring(value) .. ": " .. tostring(v1) .. " / " .. tostring(v2))
        end
        assert(select(2, outcome(ours.encode)) == select(2, outcome(theirs.encode)))
        for _, f in ipairs { "encode_number_precision", "encode_max_depth", "decode_max_depth", "encode_sparse_array", "encode_invalid_numbers", "decode_invalid_numbers", "encode_keep_buffer" } do
          local a, b, c = ours.new()[f]() local x, y, z = theirs.new()[f]()
          assert(a == x and b == y and c == z, f .. tostring(a) .. tostring(x))
        end
        ours.encode_number_precision(3) theirs.encode_number_precision(3)
        ours.encode_sparse_array(true) theirs.encode_sparse_array(true)
        ours.encode_invalid_numbers("null") theirs.encode_invalid_numbers("null")
        for _, value in ipairs { 1234.5, { [1] = 1, [100] = 2 }, { 0/0 } } do
          assert(ours.encode(value) == theirs.encode(value), ours.encode(value))
        end
        "#,
    );
}

#[test]
fn random_tables_survive_both_libraries() {
    compare(
        r#"
        local function random(depth)
          local kind = math.random(depth > 4 and 5 or 7)
          if kind == 1 then return math.random(-1e6, 1e6) end
          if kind == 2 then return math.random() * 10 ^ math.random(-20, 20) end
          if kind == 3 then return math.random(2) == 1 end
          if kind == 4 then local s = {} for i = 1, math.random(0, 8) do s[i] = string.char(math.random(1, 127)) end return table.concat(s) end
          if kind == 5 then return ours.null end
          local t = {}
          for i = 1, math.random(0, 5) do t[kind == 6 and i or ("k" .. i)] = random(depth + 1) end
          return t
        end
        for _ = 1, 2000 do
          local value = random(1)
          local text = ours.encode(value)
          assert(text == theirs.encode(value), text)
          assert(theirs.encode(ours.decode(text)) == ours.encode(theirs.decode(text)), text)
        end
        "#,
    );
}

#[test]
fn openrestys_additions_are_there() {
    check(
        r#"
        local cjson = require "cjson"
        assert(cjson.null == ngx.null and cjson.encode(cjson.empty_array) == "[]")
        assert(cjson.encode(setmetatable({}, cjson.array_mt)) == "[]" and cjson.encode(setmetatable({}, cjson.empty_array_mt)) == "[]")
        assert(cjson.encode(setmetatable({ 1, 2, x = 5 }, cjson.array_mt)) == "[1,2]")
        assert(cjson.encode({ setmetatable({ a = 1 }, cjson.empty_array_mt) }) == '[{"a":1}]')
        assert(cjson.decode_array_with_array_mt(true) == true)
        assert(getmetatable(cjson.decode("[]")) == cjson.array_mt and cjson.encode(cjson.decode('{"a":[]}')) == '{"a":[]}')
        cjson.encode_empty_table_as_object(false) assert(cjson.encode({}) == "[]")
        cjson.encode_escape_forward_slash(false) assert(cjson.encode("a/b") == '"a/b"')
        cjson.encode_number_precision(16) assert(cjson.encode(2 ^ 53) == "9007199254740992")
        assert(not pcall(cjson.encode_number_precision, 17))
        cjson.encode_skip_unsupported_value_types(true) assert(cjson.encode({ 1, print, 2 }) == "[1,2]" and cjson.encode({ f = print }) == "{}")
        local other = cjson.new() assert(other.encode({}) == "{}")
        assert(cjson.array_mt == require("cjson.safe").array_mt)
        "#,
    );
}

#[test]
fn the_safe_module_answers_errors() {
    check(
        r#"
        local safe = require "cjson.safe"
        local function fails(message, value, err) assert(value == nil and err == message, err) end
        fails("Expected value but found invalid token at character 1", safe.decode("x"))
        fails("Cannot serialise function: type not supported", safe.encode(print))
        fails("bad argument #1 to '?' (string expected, got nil)", safe.decode(nil))
        assert(safe.decode("[1]")[1] == 1 and safe.encode({}) == "{}")
        assert(not pcall(safe.decode))
        "#,
    );
}
