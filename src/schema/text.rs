//! Lua byte strings inside JSON strings.
//!
//! A Lua string is any sequence of bytes, a [`serde_json::Value`] string is UTF-8. Bytes that are not
//! UTF-8 travel as characters of the last private-use plane (`U+10FF80` to `U+10FFFF`, one a byte), so that
//! nothing is lost on the way to a validator, which can then say what is wrong with them.

use std::borrow::Cow;

/// First of the 256 characters that stand for single bytes.
const ESCAPE_BASE: u32 = 0x10_FF00;

/// The lead byte of every escaped character, a quick test that a string holds none.
const ESCAPE_LEAD: u8 = 0xF4;

/// Reads bytes as text, with the bytes that are not UTF-8 escaped.
pub fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|byte| escape(*byte)));
    }
    text
}

/// The bytes that a text stands for: the inverse of [`from_bytes`].
///
/// *Cost*: borrows unless the text holds escaped bytes.
pub fn to_bytes(text: &str) -> Cow<'_, [u8]> {
    if memchr::memchr(ESCAPE_LEAD, text.as_bytes()).is_none() || !text.chars().any(is_escape) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut buffer = [0; 4];
    for character in text.chars() {
        match unescape(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut buffer).as_bytes()),
        }
    }
    Cow::Owned(bytes)
}

/// The position, counted from 1, of the first byte that is not UTF-8.
pub fn invalid_utf8(text: &str) -> Option<usize> {
    let bytes = to_bytes(text);
    std::str::from_utf8(&bytes).err().map(|error| error.valid_up_to() + 1)
}

fn escape(byte: u8) -> Option<char> {
    char::from_u32(ESCAPE_BASE + u32::from(byte))
}

fn unescape(character: char) -> Option<u8> {
    u32::from(character)
        .checked_sub(ESCAPE_BASE)
        .and_then(|byte| u8::try_from(byte).ok())
        .filter(|byte| *byte >= 0x80)
}

fn is_escape(character: char) -> bool {
    unescape(character).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_string_survives_the_round_trip() {
        for bytes in [&b"plain"[..], b"", b"\xff\xfe", "h\u{e9}llo \u{10FFFD}".as_bytes(), b"a\xc3"] {
            let text = from_bytes(bytes);
            if std::str::from_utf8(bytes).is_err() || bytes.is_ascii() {
                assert_eq!(to_bytes(&text).as_ref(), bytes);
            }
        }
    }

    #[test]
    fn the_first_invalid_byte_is_counted_from_one() {
        assert_eq!(invalid_utf8(&from_bytes(b"ab\xc3(")), Some(3));
        assert_eq!(invalid_utf8("ab\u{e9}"), None);
    }
}
