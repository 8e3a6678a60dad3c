//! Escaping, query arguments and base64 of `ngx`, and `ngx.base64`.

use crate::http::query::{self, Args, DEFAULT_MAX_ARGS};
use crate::http::uri;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::log;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::ffi::c_int;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const PADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const UNPADDED: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT.with_encode_padding(false));
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_encode_padding(false));

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "escape_uri", escape_uri);
    frame.set_function(ngx, "unescape_uri", |frame| {
        frame.push_bytes(&query::unescape(loose(frame, 1)?));
        Ok(1)
    });
    frame.set_function(ngx, "encode_args", |frame| {
        if frame.kind(1) == Kind::None {
            return Err(Flow::raise("expecting 1 argument but seen 0"));
        }
        frame.expect(1, Kind::Table, c"table")?;
        frame.push_bytes(&encoded_args(frame, 1)?);
        Ok(1)
    });
    frame.set_function(ngx, "decode_args", |frame| {
        let max = frame.optional_number(2)?.map_or(DEFAULT_MAX_ARGS, |max| max as usize);
        push_args(frame, frame.bytes(1)?, max)
    });
    frame.set_function(ngx, "encode_base64", |frame| {
        let engine = match frame.kind(2) {
            Kind::None | Kind::Nil => &PADDED,
            Kind::Boolean => {
                if frame.truth(2) {
                    &UNPADDED
                } else {
                    &PADDED
                }
            }
            _ => {
                let kind = frame.kind_name(2);
                return Err(Flow::raise(format!("bad no_padding: boolean expected, got {kind}")));
            }
        };
        frame.push_text(&engine.encode(loose(frame, 1)?));
        Ok(1)
    });
    frame.set_function(ngx, "decode_base64", decode_base64);
    frame.set_function(ngx, "decode_base64mime", decode_base64mime);
    frame.set_function(ngx, "quote_sql_str", quote_sql_str);
}

/// Pushes the functions of `ngx.base64`.
pub(in crate::lua) fn push_base64(frame: &Frame) {
    frame.push_table(0, 4);
    let table = frame.top();
    frame.set_function(table, "decode_base64mime", |frame| {
        if frame.kind(1) != Kind::String {
            return frame.fail("must provide a string");
        }
        decode_base64mime(frame)
    });
    frame.set_function(table, "encode_base64mime", encode_base64mime);
    frame.set_function(table, "encode_base64url", |frame| {
        if frame.kind(1) != Kind::String {
            return frame.fail("must provide a string");
        }
        frame.push_text(&URL.encode(frame.bytes(1)?));
        Ok(1)
    });
    frame.set_function(table, "decode_base64url", |frame| {
        if frame.kind(1) != Kind::String {
            return frame.fail("must provide a string");
        }
        match URL.decode(frame.bytes(1)?) {
            Ok(plain) => frame.push_bytes(&plain),
            Err(_) => return frame.fail("invalid input"),
        }
        Ok(1)
    });
}

/// The string at `at`; nothing reads as empty, a boolean as its name.
pub(super) fn loose(frame: &Frame, at: c_int) -> Result<&[u8], Flow> {
    match frame.kind(at) {
        Kind::None | Kind::Nil => Ok(b""),
        Kind::Boolean if !frame.truth(at) => Ok(b""),
        Kind::String | Kind::Number => frame.bytes(at),
        _ => {
            frame.push_field(mlua::ffi::LUA_GLOBALSINDEX, "tostring");
            frame.push_value(at);
            frame.call(1, 1)?;
            frame.replace(at);
            frame.bytes(at)
        }
    }
}

/// Pushes the arguments of a query as a table: a string, `true`, or a list of these for each name.
pub(in crate::lua) fn push_args(frame: &Frame, text: &[u8], max: usize) -> Answer {
    frame.push_table(0, 8);
    fill_args(frame, text, max)
}

/// As [`push_args`], into the table on top of the stack.
pub(super) fn fill_args(frame: &Frame, text: &[u8], max: usize) -> Answer {
    let mut args = Args::new(text, max);
    let table = frame.top();
    for arg in &mut args {
        push_multi(frame, table, &arg.name, |frame| match &arg.value {
            Some(value) => frame.push_bytes(value),
            None => frame.push_boolean(true),
        });
    }
    if args.truncated() {
        log::debug!("lua hit query args limit {max}");
        frame.push_text("truncated");
        return Ok(2);
    }
    Ok(1)
}

/// Adds a value under a name; from the second on the values form a list.
pub(super) fn push_multi(frame: &Frame, table: c_int, name: &[u8], push: impl FnOnce(&Frame)) {
    frame.push_bytes(name);
    frame.push_value(-1);
    frame.raw_get(table);
    match frame.kind(-1) {
        Kind::Nil => {
            frame.pop(1);
            push(frame);
            frame.raw_set(table);
        }
        Kind::Table => {
            push(frame);
            frame.set_index(-2, frame.length(-2) + 1);
            frame.pop(2);
        }
        _ => {
            frame.push_table(2, 0);
            frame.insert(-2);
            frame.set_index(-2, 1);
            push(frame);
            frame.set_index(-2, 2);
            frame.raw_set(table);
        }
    }
}

/// A table as a query string.
///
/// # Errors
/// A value or key of a type that no query can hold.
pub(in crate::lua) fn encoded_args(frame: &Frame, table: c_int) -> Result<Vec<u8>, Flow> {
    let table = frame.absolute(table);
    let mut out = Vec::new();
    frame.push_nil();
    while frame.next(table) {
        // A copy: reading a number as text in place would end the walk.
        frame.push_value(-2);
        let name = match frame.kind(-1) {
            Kind::String => frame.bytes(-1)?.to_vec(),
            _ => return Err(Flow::raise("attempt to use a non-string key in the \"args\" option table")),
        };
        frame.pop(1);
        if frame.kind(-1) == Kind::Table {
            frame.push_nil();
            while frame.next(-2) {
                encode_value(frame, &name, &mut out)?;
                frame.pop(1);
            }
        } else {
            encode_value(frame, &name, &mut out)?;
        }
        frame.pop(1);
    }
    Ok(out)
}

fn encode_value(frame: &Frame, name: &[u8], out: &mut Vec<u8>) -> Result<(), Flow> {
    match frame.kind(-1) {
        Kind::Boolean if frame.truth(-1) => query::push_arg(out, name, None),
        Kind::Boolean => {}
        Kind::String | Kind::Number => {
            frame.push_value(-1);
            query::push_arg(out, name, frame.text_at(-1));
            frame.pop(1);
        }
        _ => {
            let kind = frame.kind_name(-1);
            return Err(Flow::raise(format!("attempt to use {kind} as query arg value")));
        }
    }
    Ok(())
}

fn escape_uri(frame: &Frame) -> Answer {
    let text = loose(frame, 1)?;
    let kind = match frame.kind(2) {
        Kind::None | Kind::Nil => 2,
        Kind::Number => frame.number(2)? as i64,
        _ => return Err(Flow::raise("\"type\" is not a number")),
    };
    if !(0..=6).contains(&kind) {
        return Err(Flow::raise(format!("\"type\" {kind} out of range")));
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    if kind == 2 {
        query::escape_component(&mut out, text);
    } else {
        for &byte in text {
            if is_escaped(kind, byte) { uri::push_triplet(&mut out, byte) } else { out.push(byte) }
        }
    }
    frame.push_bytes(&out);
    Ok(1)
}

/// Whether nginx escapes a byte in a text of this kind: 0 a URI, 1 arguments, 3 HTML, 4 a `Refresh`
/// field, 5 and 6 a key of memcached.
fn is_escaped(kind: i64, byte: u8) -> bool {
    let special: &[u8] = match kind {
        0 => b"#%?",
        1 => b"#%+?",
        3 => b"\"#%'",
        4 => b"\"%'",
        _ => b"%",
    };
    byte <= b' ' || (kind < 5 && byte >= 0x7f) || special.contains(&byte)
}

fn decode_base64(frame: &Frame) -> Answer {
    if frame.kind(1) != Kind::String {
        return Err(Flow::raise("string argument only"));
    }
    let text = frame.bytes(1)?;
    let end = memchr::memchr(b'=', text).unwrap_or(text.len());
    match PADDED.decode(text.get(..end).unwrap_or_default()) {
        Ok(plain) => frame.push_bytes(&plain),
        Err(_) => frame.push_nil(),
    }
    Ok(1)
}

/// Base64 in lines of 76 characters.
fn encode_base64mime(frame: &Frame) -> Answer {
    if frame.kind(1) != Kind::String {
        return frame.fail("must provide a string");
    }
    let text = PADDED.encode(frame.bytes(1)?);
    let lines: Vec<&[u8]> = text.as_bytes().chunks(76).collect();
    frame.push_bytes(&lines.join(&b"\r\n"[..]));
    Ok(1)
}

/// Base64 as mail has it: bytes outside the alphabet are passed over.
fn decode_base64mime(frame: &Frame) -> Answer {
    if frame.kind(1) != Kind::String {
        return Err(Flow::raise("string argument only"));
    }
    let text: Vec<u8> = frame
        .bytes(1)?
        .iter()
        .copied()
        .take_while(|byte| *byte != b'=')
        .filter(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
        .collect();
    match PADDED.decode(text) {
        Ok(plain) => frame.push_bytes(&plain),
        Err(_) => frame.push_nil(),
    }
    Ok(1)
}

fn quote_sql_str(frame: &Frame) -> Answer {
    let mut out = vec![b'\''];
    for &byte in frame.bytes(1)? {
        let escaped = match byte {
            0 => b'0',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            0x1a => b'Z',
            b'\\' | b'\'' | b'"' => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend([b'\\', escaped]);
    }
    out.push(b'\'');
    frame.push_bytes(&out);
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn escaping_goes_both_ways() {
        check(
            r#"
            assert(ngx.escape_uri("a b/ü~-._") == "a%20b%2F%C3%BC~-._")
            assert(ngx.escape_uri("http://a/b c?d", 0) == "http://a/b%20c%3Fd")
            assert(ngx.unescape_uri("a%20b+c%2") == "a b c%2" and ngx.escape_uri(nil) == "")
            "#,
        );
    }

    #[test]
    fn arguments_with_one_name_form_a_list() {
        check(
            r#"
            local args = ngx.decode_args("a=1&b&a=2&c=&a=%20&=x")
            assert(#args.a == 3 and args.a[1] == "1" and args.a[3] == " ")
            assert(args.b == true and args.c == "")
            local _, err = ngx.decode_args("a=1&b=2&c=3", 2)
            assert(err == "truncated")
            assert(ngx.encode_args({ ["k y"] = { "1 2", true } }) == "k%20y=1%202&k%20y")
            assert(ngx.encode_args({ n = 1, f = false }) == "n=1")
            assert(not pcall(ngx.encode_args, { n = print }))
            "#,
        );
    }

    #[test]
    fn base64_is_read_as_nginx_reads_it() {
        check(
            r#"
            assert(ngx.encode_base64("hello!!") == "aGVsbG8hIQ==" and ngx.encode_base64("hello!!", true) == "aGVsbG8hIQ")
            assert(ngx.decode_base64("aGVsbG8hIQ") == "hello!!" and ngx.decode_base64("aGVsbG8hIQ==") == "hello!!")
            assert(ngx.decode_base64("*") == nil and ngx.decode_base64("") == "")
            local b64 = require "ngx.base64"
            assert(b64.encode_base64url("\255\254?") == "__4_" and b64.decode_base64url("__4_") == "\255\254?")
            local none, err = b64.decode_base64url("a+b/")
            assert(none == nil and err == "invalid input")
            "#,
        );
    }
}
