//! Lua values → JSON.
#![allow(unsafe_code)] // `%.14g` is the C library's.

use super::{ARRAY_MT, EMPTY_ARRAY, EMPTY_ARRAY_MT, InvalidNumbers, Settings};
use crate::lua::frame::{Answer, Frame, Kind};
use mlua::ffi;
use std::cell::RefCell;
use std::ffi::c_int;
use std::ptr;

/// Buffers larger than this are not kept between calls.
const KEPT: usize = 1 << 20;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// `cjson.encode(value)`.
pub(super) fn call(frame: &Frame) -> Answer {
    super::one_argument(frame)?;
    let settings = super::settings(frame);
    let mut out = BUFFER.take();
    out.clear();
    let result = Encoder { frame, settings: &settings, out: &mut out }.value(0);
    if result.is_ok() {
        frame.push_bytes(&out);
    }
    if out.capacity() <= KEPT {
        BUFFER.set(out);
    }
    match result {
        Ok(_) => Ok(1),
        Err(message) => super::refuse(frame, &settings, message),
    }
}

struct Encoder<'a> {
    frame: &'a Frame,
    settings: &'a Settings,
    out: &'a mut Vec<u8>,
}

/// Whether something was written; an unsupported value may be skipped.
type Written = Result<bool, String>;

impl Encoder<'_> {
    /// Writes the value on top of the stack and leaves it there.
    fn value(&mut self, depth: u32) -> Written {
        let frame = self.frame;
        match frame.kind(-1) {
            Kind::String => self.string(frame.text_at(-1).unwrap_or_default()),
            Kind::Number => self.number(frame.number(-1).unwrap_or(0.0))?,
            Kind::Boolean if frame.truth(-1) => self.out.extend_from_slice(b"true"),
            Kind::Boolean => self.out.extend_from_slice(b"false"),
            Kind::Nil | Kind::None => self.out.extend_from_slice(b"null"),
            Kind::Light if frame.pointer(-1).is_null() => self.out.extend_from_slice(b"null"),
            Kind::Light if frame.pointer(-1) == ptr::from_ref(&EMPTY_ARRAY).cast() => {
                self.out.extend_from_slice(b"[]");
            }
            Kind::Table => self.table(depth + 1)?,
            _ if self.settings.skip_unsupported => return Ok(false),
            _ => return Err(self.refused("type not supported")),
        }
        Ok(true)
    }

    fn table(&mut self, depth: u32) -> Result<(), String> {
        if depth > self.settings.encode_depth || self.frame.reserve(8).is_err() {
            return Err(format!("Cannot serialise, excessive nesting ({depth})"));
        }
        if self.has_metatable(ARRAY_MT) {
            let length = self.frame.length(-1);
            return self.array(length, depth);
        }
        match self.array_length()? {
            Some(0) if self.has_metatable(EMPTY_ARRAY_MT) || !self.settings.empty_table_as_object => {
                self.out.extend_from_slice(b"[]");
                Ok(())
            }
            Some(length) if length > 0 => self.array(length, depth),
            _ => self.object(depth),
        }
    }

    fn has_metatable(&self, registered: &str) -> bool {
        let frame = self.frame;
        if !frame.push_metatable(-1) {
            return false;
        }
        frame.push_field(ffi::LUA_REGISTRYINDEX, registered);
        let same = frame.same(-1, -2);
        frame.pop(2);
        same
    }

    /// Length of a table whose keys are all positive whole numbers; none for others.
    fn array_length(&self) -> Result<Option<usize>, String> {
        let frame = self.frame;
        let (mut most, mut items) = (0_f64, 0_f64);
        frame.push_nil();
        while frame.next(-2) {
            frame.pop(1);
            let key = if frame.kind(-1) == Kind::Number { frame.number(-1).unwrap_or(0.0) } else { 0.0 };
            if key < 1.0 || key.floor() != key {
                frame.pop(1);
                return Ok(None);
            }
            most = most.max(key);
            items += 1.0;
        }
        let (ratio, safe) = (self.settings.sparse_ratio, self.settings.sparse_safe);
        if ratio > 0 && most > items * f64::from(ratio) && most > f64::from(safe) {
            if self.settings.sparse_convert {
                return Ok(None);
            }
            return Err(self.refused("excessively sparse array"));
        }
        Ok(Some(most as usize))
    }

    fn array(&mut self, length: usize, depth: u32) -> Result<(), String> {
        self.out.push(b'[');
        let mut first = true;
        for index in 1..=length {
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.frame.push_index(-1, index);
            if self.value(depth)? {
                first = false;
            } else {
                self.out.truncate(before);
            }
            self.frame.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result<(), String> {
        let frame = self.frame;
        self.out.push(b'{');
        let mut first = true;
        frame.push_nil();
        while frame.next(-2) {
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            self.key()?;
            if self.value(depth)? {
                first = false;
            } else {
                self.out.truncate(before);
            }
            frame.pop(1);
        }
        self.out.push(b'}');
        Ok(())
    }

    /// Writes the key below the top.
    fn key(&mut self) -> Result<(), String> {
        let frame = self.frame;
        match frame.kind(-2) {
            Kind::String => self.string(frame.text_at(-2).unwrap_or_default()),
            Kind::Number => {
                self.out.push(b'"');
                self.number(frame.number(-2).unwrap_or(0.0))?;
                self.out.push(b'"');
            }
            _ => {
                frame.pop(1);
                return Err(self.refused("table key must be a number or string"));
            }
        }
        self.out.push(b':');
        Ok(())
    }

    fn string(&mut self, text: &[u8]) {
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        let mut plain = 0;
        for (at, &byte) in text.iter().enumerate() {
            let Some(escape) = escape_of(byte, super::ESCAPE_SLASH.get()) else { continue };
            self.out.extend_from_slice(text.get(plain..at).unwrap_or_default());
            match escape {
                b'u' => self.out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                short => self.out.extend([b'\\', short]),
            }
            plain = at + 1;
        }
        self.out.extend_from_slice(text.get(plain..).unwrap_or_default());
        self.out.push(b'"');
    }

    fn number(&mut self, number: f64) -> Result<(), String> {
        if !number.is_finite() {
            let text: &[u8] = match self.settings.encode_invalid_numbers {
                InvalidNumbers::Refused => return Err(self.refused("must not be NaN or Infinity")),
                InvalidNumbers::Null => b"null",
                InvalidNumbers::Written if number.is_nan() => b"NaN",
                InvalidNumbers::Written if number > 0.0 => b"Infinity",
                InvalidNumbers::Written => b"-Infinity",
            };
            self.out.extend_from_slice(text);
            return Ok(());
        }
        push_number(self.out, number, self.settings.precision);
        Ok(())
    }

    fn refused(&self, reason: &str) -> String {
        format!("Cannot serialise {}: {reason}", self.frame.kind_name(-1))
    }
}

/// What follows the backslash for a byte: `u` for a number, none where the byte stands for itself.
fn escape_of(byte: u8, slash: bool) -> Option<u8> {
    match byte {
        b'"' | b'\\' => Some(byte),
        b'/' if slash => Some(b'/'),
        b' '..=b'~' | 0x80.. => None,
        0x08 => Some(b'b'),
        b'\t' => Some(b't'),
        b'\n' => Some(b'n'),
        0x0c => Some(b'f'),
        b'\r' => Some(b'r'),
        _ => Some(b'u'),
    }
}

/// Writes a number as `%.14g` does, or another precision.
fn push_number(out: &mut Vec<u8>, number: f64, precision: u32) {
    let most = 10_f64.powi(i32::try_from(precision).unwrap_or(14));
    if number.fract() == 0.0 && number.abs() < most && !(number == 0.0 && number.is_sign_negative()) {
        out.extend_from_slice(itoa::Buffer::new().format(number as i64).as_bytes());
        return;
    }
    let mut text = [0_u8; 48];
    let precision = c_int::try_from(precision).unwrap_or(14);
    // SAFETY: at most 16 digits, sign, point and exponent fit, and the length is given.
    let length =
        unsafe { libc::snprintf(text.as_mut_ptr().cast(), text.len(), c"%.*g".as_ptr(), precision, number) };
    out.extend_from_slice(text.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default());
}
