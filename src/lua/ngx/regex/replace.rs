//! `ngx.re.sub` and `gsub`.

use super::{Found, Pattern, as_string, pattern, subject};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::observability::log;
use mlua::ffi;

/// A piece of a replacement text.
enum Piece {
    Text(Vec<u8>),
    Capture(usize),
}

/// `sub(subject, regex, replacement, options?)`, or `gsub` for all matches.
pub(super) fn replace(frame: &Frame, all: bool) -> Answer {
    let fail = |message: &str| {
        frame.push_nil();
        frame.fail(message)?;
        Ok(3)
    };
    let pattern = match pattern(frame, 4)? {
        Ok(pattern) => pattern,
        Err(message) => return fail(&message),
    };
    let subject = subject(frame)?;
    let pieces = if frame.kind(3) == Kind::Function {
        None
    } else {
        as_string(frame, 3)?;
        match template(frame.bytes(3)?) {
            Ok(pieces) => Some(pieces),
            Err(message) => {
                log::error!("{message}");
                return fail("failed to compile the replacement template");
            }
        }
    };
    match run(frame, &pattern, subject, pieces.as_deref(), all)? {
        Err(message) => fail(&message),
        Ok((_, 0)) => {
            frame.push_value(1);
            frame.push_integer(0);
            Ok(2)
        }
        Ok((text, count)) => {
            frame.push_bytes(&text);
            frame.push_integer(count);
            Ok(2)
        }
    }
}

type Replaced = Result<(Vec<u8>, i64), String>;

fn run(
    frame: &Frame,
    pattern: &Pattern,
    subject: &[u8],
    pieces: Option<&[Piece]>,
    all: bool,
) -> Result<Replaced, Flow> {
    let mut found = pattern.room();
    let mut out = Vec::with_capacity(subject.len() + 32);
    let (mut at, mut copied, mut count) = (0, 0, 0);
    while at <= subject.len() {
        match pattern.exec(subject, at, &mut found) {
            Err(message) => return Ok(Err(message)),
            Ok(false) => break,
            Ok(true) => {}
        }
        let (begin, end) = found.get(0).unwrap_or((at, at));
        out.extend_from_slice(subject.get(copied..begin).unwrap_or_default());
        match pieces {
            Some(pieces) => write(pieces, subject, &found, &mut out),
            None => write_answer(frame, pattern, subject, &found, &mut out)?,
        }
        count += 1;
        copied = end;
        if !all {
            break;
        }
        at = if begin == end { pattern.step(subject, end) } else { end };
    }
    out.extend_from_slice(subject.get(copied..).unwrap_or_default());
    Ok(Ok((out, count)))
}

fn write(pieces: &[Piece], subject: &[u8], found: &Found, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text),
            Piece::Capture(index) => {
                let range = found.get(*index).and_then(|(from, to)| subject.get(from..to));
                out.extend_from_slice(range.unwrap_or_default());
            }
        }
    }
}

/// Calls the replacement function with the captures; its answer is turned into text.
fn write_answer(
    frame: &Frame,
    pattern: &Pattern,
    subject: &[u8],
    found: &Found,
    out: &mut Vec<u8>,
) -> Result<(), Flow> {
    frame.push_field(ffi::LUA_GLOBALSINDEX, "tostring");
    frame.push_value(3);
    frame.push_table(found.len(), 1);
    pattern.fill(frame, frame.top(), subject, found);
    frame.call(1, 1)?;
    frame.call(1, 1)?;
    out.extend_from_slice(frame.text_at(-1).unwrap_or_default());
    frame.pop(1);
    Ok(())
}

/// What the log says of a capture asked for by name; none where the text has no name.
fn named(text: &[u8]) -> Option<String> {
    let end = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let name = String::from_utf8_lossy(text.get(..end).filter(|name| !name.is_empty())?);
    Some(format!("attempt to use named capturing variable \"{name}\" (named captures not supported yet)"))
}

/// Reads `$1`, `${1}` and `$$` of a replacement text.
fn template(text: &[u8]) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'$', rest) {
        let (plain, tail) = rest.split_at(at);
        pieces.push(Piece::Text(plain.to_vec()));
        let refused = || {
            let text = String::from_utf8_lossy(text);
            format!("invalid capturing variable name found in \"{text}\"")
        };
        let tail = tail.get(1..).unwrap_or_default();
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = |digits: &[u8]| std::str::from_utf8(digits).ok()?.parse().ok();
        rest = match tail {
            [b'$', rest @ ..] => {
                pieces.push(Piece::Text(vec![b'$']));
                rest
            }
            [b'{', inner @ ..] => {
                let (name, rest) = inner.split_at(digits(inner));
                pieces
                    .push(Piece::Capture(number(name).ok_or_else(|| named(inner).unwrap_or_else(refused))?));
                rest.strip_prefix(b"}").ok_or_else(|| {
                    let name = String::from_utf8_lossy(name);
                    format!("the closing bracket in \"{name}\" variable is missing")
                })?
            }
            _ => {
                let (name, rest) = tail.split_at(digits(tail));
                pieces.push(Piece::Capture(number(name).ok_or_else(|| named(tail).unwrap_or_else(refused))?));
                rest
            }
        };
    }
    pieces.push(Piece::Text(rest.to_vec()));
    Ok(pieces)
}
