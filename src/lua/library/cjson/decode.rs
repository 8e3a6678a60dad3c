//! JSON → Lua values.

use super::{ARRAY_MT, Settings};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use mlua::ffi;
use std::borrow::Cow;
use std::ptr;

/// `cjson.decode(text)`.
pub(super) fn call(frame: &Frame) -> Answer {
    super::one_argument(frame)?;
    let settings = super::settings(frame);
    if !matches!(frame.kind(1), Kind::String | Kind::Number) {
        if settings.safe {
            let kind = frame.kind_name(1);
            return frame.fail(format!("bad argument #1 to '?' (string expected, got {kind})"));
        }
        return Err(Flow::Type(1, c"string"));
    }
    let text = frame.bytes(1)?;
    if matches!(text, [0, _, ..] | [_, 0, ..]) {
        return super::refuse(frame, &settings, "JSON parser does not support UTF-16 or UTF-32".into());
    }
    let mut decoder = Decoder { frame, settings: &settings, text, at: 0, depth: 0 };
    match decoder.document() {
        Ok(()) => Ok(1),
        Err(message) => super::refuse(frame, &settings, message),
    }
}

struct Decoder<'a> {
    frame: &'a Frame,
    settings: &'a Settings,
    text: &'a [u8],
    at: usize,
    depth: u32,
}

/// A token and the position of its first byte.
struct Token<'a> {
    kind: TokenKind<'a>,
    at: usize,
}

enum TokenKind<'a> {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String(Cow<'a, [u8]>),
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    /// What is wrong with the text here.
    Wrong(&'static str),
}

impl TokenKind<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::ObjectBegin => "T_OBJ_BEGIN",
            Self::ObjectEnd => "T_OBJ_END",
            Self::ArrayBegin => "T_ARR_BEGIN",
            Self::ArrayEnd => "T_ARR_END",
            Self::String(_) => "T_STRING",
            Self::Number(_) => "T_NUMBER",
            Self::Boolean(_) => "T_BOOLEAN",
            Self::Null => "T_NULL",
            Self::Colon => "T_COLON",
            Self::Comma => "T_COMMA",
            Self::End => "T_END",
            Self::Wrong(what) => what,
        }
    }
}

fn expected(what: &str, token: &Token<'_>) -> String {
    format!("Expected {what} but found {} at character {}", token.kind.name(), token.at + 1)
}

impl<'a> Decoder<'a> {
    fn document(&mut self) -> Result<(), String> {
        let token = self.token();
        self.value(token)?;
        let token = self.token();
        if matches!(token.kind, TokenKind::End) { Ok(()) } else { Err(expected("the end", &token)) }
    }

    fn value(&mut self, token: Token<'a>) -> Result<(), String> {
        match token.kind {
            TokenKind::String(text) => self.frame.push_bytes(&text),
            TokenKind::Number(number) => self.frame.push_number(number),
            TokenKind::Boolean(truth) => self.frame.push_boolean(truth),
            TokenKind::Null => self.frame.push_light(ptr::null()),
            TokenKind::ObjectBegin => return self.object(),
            TokenKind::ArrayBegin => return self.array(),
            _ => return Err(expected("value", &token)),
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth <= self.settings.decode_depth && self.frame.reserve(8).is_ok() {
            return Ok(());
        }
        let (depth, at) = (self.depth, self.at);
        Err(format!("Found too many nested data structures ({depth}) at character {at}"))
    }

    fn object(&mut self) -> Result<(), String> {
        self.descend()?;
        // Not sized: the order of `pairs`, which encoding shows, follows how the table grew.
        self.frame.push_table(0, 0);
        let mut token = self.token();
        if matches!(token.kind, TokenKind::ObjectEnd) {
            self.depth -= 1;
            return Ok(());
        }
        loop {
            let TokenKind::String(name) = &token.kind else {
                return Err(expected("object key string", &token));
            };
            self.frame.push_bytes(name);
            token = self.token();
            if !matches!(token.kind, TokenKind::Colon) {
                return Err(expected("colon", &token));
            }
            token = self.token();
            self.value(token)?;
            self.frame.raw_set(-3);
            token = self.token();
            match token.kind {
                TokenKind::ObjectEnd => break,
                TokenKind::Comma => token = self.token(),
                _ => return Err(expected("comma or object end", &token)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), String> {
        self.descend()?;
        self.frame.push_table(0, 0);
        if self.settings.array_with_array_mt {
            self.frame.push_field(ffi::LUA_REGISTRYINDEX, ARRAY_MT);
            self.frame.set_metatable(-2);
        }
        let mut token = self.token();
        if matches!(token.kind, TokenKind::ArrayEnd) {
            self.depth -= 1;
            return Ok(());
        }
        for index in 1.. {
            self.value(token)?;
            self.frame.set_index(-2, index);
            token = self.token();
            match token.kind {
                TokenKind::ArrayEnd => break,
                TokenKind::Comma => token = self.token(),
                _ => return Err(expected("comma or array end", &token)),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn token(&mut self) -> Token<'a> {
        self.skip_blank();
        let at = self.at;
        let single = |kind| (kind, 1);
        let rest = self.text.get(at..).unwrap_or_default();
        let (kind, length) = match rest.first() {
            None => (TokenKind::End, 0),
            Some(b'{') => single(TokenKind::ObjectBegin),
            Some(b'}') => single(TokenKind::ObjectEnd),
            Some(b'[') => single(TokenKind::ArrayBegin),
            Some(b']') => single(TokenKind::ArrayEnd),
            Some(b':') => single(TokenKind::Colon),
            Some(b',') => single(TokenKind::Comma),
            Some(b'"') => return self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(rest),
            _ if rest.starts_with(b"true") => (TokenKind::Boolean(true), 4),
            _ if rest.starts_with(b"false") => (TokenKind::Boolean(false), 5),
            _ if rest.starts_with(b"null") => (TokenKind::Null, 4),
            Some(_) if self.settings.decode_invalid_numbers && is_invalid_number(rest) => self.number(rest),
            // The text ends at a zero byte, as it does for a C string.
            Some(0) => (TokenKind::End, 0),
            Some(_) => (TokenKind::Wrong("invalid token"), 0),
        };
        self.at += length;
        Token { kind, at }
    }

    fn skip_blank(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn number(&self, rest: &[u8]) -> (TokenKind<'a>, usize) {
        const WRONG: (TokenKind<'static>, usize) = (TokenKind::Wrong("invalid number"), 0);
        if !self.settings.decode_invalid_numbers && is_invalid_number(rest) {
            return WRONG;
        }
        match parse_number(rest) {
            Some((number, length)) => (TokenKind::Number(number), length),
            None => WRONG,
        }
    }

    fn string(&mut self) -> Token<'a> {
        let at = self.at;
        let start = at + 1;
        let rest = self.text.get(start..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0)) else {
            return Token { kind: TokenKind::Wrong("unexpected end of string"), at: self.text.len() };
        };
        if rest.get(end) == Some(&b'"') {
            self.at = start + end + 1;
            return Token { kind: TokenKind::String(rest.get(..end).unwrap_or_default().into()), at };
        }
        match unescape(rest) {
            Ok((text, length)) => {
                self.at = start + length;
                Token { kind: TokenKind::String(text.into()), at }
            }
            Err((what, offset)) => Token { kind: TokenKind::Wrong(what), at: start + offset },
        }
    }
}

/// A string with escapes, up to its quote; its length with the quote, or what is wrong where.
fn unescape(text: &[u8]) -> Result<(Vec<u8>, usize), (&'static str, usize)> {
    let mut out = Vec::with_capacity(text.len().min(256));
    let mut at = 0;
    loop {
        match text.get(at) {
            None | Some(0) => return Err(("unexpected end of string", at)),
            Some(b'"') => return Ok((out, at + 1)),
            Some(b'\\') => {}
            Some(&byte) => {
                out.push(byte);
                at += 1;
                continue;
            }
        }
        let plain = match text.get(at + 1) {
            Some(&byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 8,
            Some(b'f') => 12,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, length) =
                    unicode(text.get(at..).unwrap_or_default()).ok_or(("invalid unicode escape code", at))?;
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += length;
                continue;
            }
            _ => return Err(("invalid escape code", at)),
        };
        out.push(plain);
        at += 2;
    }
}

/// The character that `\uXXXX`, or a pair of them, stands for.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |text: &[u8]| -> Option<u32> {
        let digits = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
        if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    };
    let high = unit(text)?;
    if !(0xd800..0xdc00).contains(&high) {
        return Some((char::from_u32(high)?, 6));
    }
    let low = unit(text.get(6..)?).filter(|low| (0xdc00..0xe000).contains(low))?;
    Some((char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00))?, 12))
}

/// Plus signs, hexadecimal numbers, leading zeros, infinity and NaN are no JSON.
fn is_invalid_number(text: &[u8]) -> bool {
    match text.strip_prefix(b"-").unwrap_or(text) {
        [b'+', ..] => true,
        [b'0', second, ..] => second.is_ascii_digit() || matches!(second, b'x' | b'X'),
        digits => starts_with_word(digits, b"inf") || starts_with_word(digits, b"nan"),
    }
}

fn starts_with_word(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// Reads the longest number at the start of a text, as `strtod` does.
fn parse_number(text: &[u8]) -> Option<(f64, usize)> {
    let signed = matches!(text.first(), Some(b'-' | b'+'));
    let body = if signed { text.get(1..)? } else { text };
    let sign = if text.first() == Some(&b'-') { -1.0 } else { 1.0 };
    let (number, length) = match body {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => {
            let end = digits.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(digits.len());
            let digits = digits.get(..end)?;
            let value = digits
                .iter()
                .fold(0.0, |sum, byte| sum * 16.0 + f64::from((*byte as char).to_digit(16).unwrap_or(0)));
            (value, end + 2)
        }
        [b'0'..=b'9' | b'.', ..] => decimal(body)?,
        _ => {
            if starts_with_word(body, b"infinity") {
                (f64::INFINITY, 8)
            } else if starts_with_word(body, b"inf") {
                (f64::INFINITY, 3)
            } else if starts_with_word(body, b"nan") {
                (f64::NAN, 3)
            } else {
                return None;
            }
        }
    };
    Some((sign * number, length + usize::from(signed)))
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let digits = |from: usize| text.iter().skip(from).take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(0);
    let mut end = whole;
    if whole < 16 && !matches!(text.get(end), Some(b'.' | b'e' | b'E')) {
        let value = text.iter().take(whole).fold(0_u64, |sum, byte| sum * 10 + u64::from(byte - b'0'));
        return (whole > 0).then_some((value as f64, whole));
    }
    if text.get(end) == Some(&b'.') {
        let fraction = digits(end + 1);
        if whole + fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    let number = std::str::from_utf8(text.get(..end)?).ok()?.parse().ok()?;
    Some((number, end))
}
