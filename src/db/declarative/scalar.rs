//! Plain and tagged YAML scalars → values, by the rules of YAML 1.1 as Kong's reader applies them.
//!
//! *Kong parity*: Kong reads kong.yml with lyaml 6.2.8 on LuaJIT. The order of the attempts in
//! [`implicit`] is lyaml's and matters: `010` is octal before it can be decimal, `0x1E` is a float
//! before it can be hexadecimal (with the same value), `12:30` is the number 750. A lone `y` or `n`
//! stays a string unless tagged `!!bool`. Every number is a double, as in Lua.

use serde_json::{Number, Value};

/// A number that Lua can hold and JSON cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotFinite;

/// What an explicit `!!tag` makes of a scalar.
pub(super) enum Tagged {
    /// The tag's own conversion succeeded.
    Value(Value),
    /// The tag is one that converts, and the text does not fit it.
    Invalid,
    /// The tag converts nothing: the scalar is resolved as if it had none.
    Unconverted,
}

/// Resolves an untagged plain scalar.
///
/// # Errors
/// Infinities and NaN, which no field of the configuration accepts.
pub(super) fn implicit(text: &str) -> Result<Value, NotFinite> {
    if is_null(text) {
        return Ok(Value::Null);
    }
    if let Some(flag) = boolean(text) {
        return Ok(Value::Bool(flag));
    }
    match implicit_number(text) {
        Some(number) => value_of(number),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// Resolves a scalar that carries `tag`, given in full (`tag:yaml.org,2002:int`).
///
/// # Errors
/// Infinities and NaN, as for [`implicit`].
pub(super) fn tagged(tag: &str, text: &str) -> Result<Tagged, NotFinite> {
    let number = match tag.strip_prefix("tag:yaml.org,2002:") {
        Some("str") => return Ok(Tagged::Value(Value::String(text.to_owned()))),
        Some("null") => return Ok(Tagged::Value(Value::Null)),
        Some("bool") => {
            let flag = boolean(text).or(match text {
                "y" | "Y" => Some(true),
                "n" | "N" => Some(false),
                _ => None,
            });
            return Ok(flag.map_or(Tagged::Invalid, |flag| Tagged::Value(Value::Bool(flag))));
        }
        Some("int") => integer(text).or_else(|| sexagesimal(text)),
        Some("float") => float(text)
            .or_else(|| not_finite(text))
            .or_else(|| integer(text))
            .or_else(|| sexagesimal_float(text)),
        _ => return Ok(Tagged::Unconverted),
    };
    number.map_or(Ok(Tagged::Invalid), |number| value_of(number).map(Tagged::Value))
}

/// The JSON form of a Lua number: an integer where the double holds one.
pub(super) fn value_of(number: f64) -> Result<Value, NotFinite> {
    const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;
    if number.fract() == 0.0 && number.abs() < TWO_TO_63 {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number).ok_or(NotFinite)
}

/// Whether `text`, written plain, would be read back as something other than that string.
pub(super) fn is_ambiguous(text: &str) -> bool {
    is_null(text) || boolean(text).is_some() || implicit_number(text).is_some()
}

/// LuaJIT's `tonumber` for decimal, hexadecimal and binary text, with neither blanks nor suffixes.
pub(super) fn to_number(text: &str) -> Option<f64> {
    let (negative, digits) = split_sign(text);
    let magnitude = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => hexadecimal_float(digits.get(2..)?)?,
        [b'0', b'b' | b'B', ..] => radix(digits.get(2..)?, 2)?,
        _ => decimal_float(digits)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// Every numeric form of a plain scalar; the cheap test first, since most scalars are words.
fn implicit_number(text: &str) -> Option<f64> {
    if !matches!(text.as_bytes().first(), Some(b'0'..=b'9' | b'+' | b'-' | b'.' | b'_')) {
        return None;
    }
    octal(text)
        .or_else(|| decimal(text))
        .or_else(|| float(text))
        .or_else(|| not_finite(text))
        .or_else(|| hexadecimal(text))
        .or_else(|| binary(text))
        .or_else(|| sexagesimal(text))
        .or_else(|| sexagesimal_float(text))
}

fn integer(text: &str) -> Option<f64> {
    octal(text).or_else(|| decimal(text)).or_else(|| hexadecimal(text)).or_else(|| binary(text))
}

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    }
}

fn signed(negative: bool, magnitude: f64) -> f64 {
    if negative { -magnitude } else { magnitude }
}

/// Digits of `base` with single or repeated `_` between them; a trailing `_` is no number.
fn grouped(digits: &str, base: u32) -> Option<f64> {
    if digits.ends_with('_') {
        return None;
    }
    let mut number = 0.0;
    for digit in digits.chars().filter(|&character| character != '_') {
        number = number * f64::from(base) + f64::from(digit.to_digit(base)?);
    }
    Some(number)
}

fn octal(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    let digits = rest.strip_prefix('0')?.trim_start_matches('_');
    if digits.is_empty() {
        return None;
    }
    grouped(digits, 8).map(|number| signed(negative, number))
}

fn decimal(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    let digits = rest.trim_start_matches('_');
    let mut bytes = digits.bytes();
    if !bytes.next()?.is_ascii_digit() || !bytes.all(|byte| byte.is_ascii_digit() || byte == b'_') {
        return None;
    }
    let plain: String = digits.chars().filter(|&character| character != '_').collect();
    plain.parse::<f64>().ok().map(|number| signed(negative, number))
}

fn float(text: &str) -> Option<f64> {
    if !text.contains(['.', 'e', 'E']) {
        return None;
    }
    if text.contains('_') { to_number(&text.replace('_', "")) } else { to_number(text) }
}

fn not_finite(text: &str) -> Option<f64> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn hexadecimal(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    let digits: String = rest.strip_prefix("0x")?.chars().filter(|&character| character != '_').collect();
    radix(&digits, 16).map(|number| signed(negative, number))
}

fn binary(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    let digits = rest.strip_prefix("0b")?.trim_start_matches('_');
    if digits.len() < 2 {
        return None;
    }
    grouped(digits, 2).map(|number| signed(negative, number))
}

/// `190:20:30` in base 60. After the second group anything of digits and colons is taken.
fn sexagesimal(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    base_sixty(rest).map(|number| signed(negative, number))
}

fn sexagesimal_float(text: &str) -> Option<f64> {
    let (negative, rest) = split_sign(text);
    let (whole, fraction) = rest.split_once('.')?;
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction = format!("0.{fraction}").parse::<f64>().ok()?;
    base_sixty(whole).map(|number| signed(negative, number + fraction))
}

fn base_sixty(text: &str) -> Option<f64> {
    let (first, rest) = text.split_once(':')?;
    let bounded = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let starts = bounded(rest.as_bytes().first());
    let only_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    if first.is_empty() || !first.bytes().all(|byte| byte.is_ascii_digit()) || !starts || !only_digits(rest) {
        return None;
    }
    text.split(':')
        .filter(|group| !group.is_empty())
        .try_fold(0.0, |number, group| group.parse::<f64>().ok().map(|digits| number * 60.0 + digits))
}

fn radix(digits: &str, base: u32) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits.chars().try_fold(0.0, |number, digit| {
        digit.to_digit(base).map(|digit| number * f64::from(base) + f64::from(digit))
    })
}

fn decimal_float(text: &str) -> Option<f64> {
    let mantissa_end = text.find(['e', 'E']).unwrap_or(text.len());
    let mantissa = text.get(..mantissa_end)?;
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
    let dots = mantissa.bytes().filter(|&byte| byte == b'.').count();
    if digits == 0 || dots > 1 || digits + dots != mantissa.len() {
        return None;
    }
    text.parse().ok()
}

/// `1.8p3` after its `0x`: a hexadecimal mantissa and an optional binary exponent.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let scale = i32::try_from(fraction.len()).ok()?.checked_mul(4)?;
    Some(radix(&digits, 16)? * 2f64.powi(exponent.checked_sub(scale)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        implicit(text).unwrap()
    }

    #[test]
    fn words_of_yaml_1_1_are_booleans_and_single_letters_are_not() {
        for word in ["yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"] {
            assert_eq!(read(word), json!(true), "{word}");
        }
        for word in ["no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"] {
            assert_eq!(read(word), json!(false), "{word}");
        }
        for word in ["y", "n", "Y", "N", "yEs", "oN", "nO"] {
            assert_eq!(read(word), json!(word), "{word}");
        }
    }

    #[test]
    fn numbers_take_every_form_of_yaml_1_1() {
        let cases = [
            ("010", json!(8)),
            ("-010", json!(-8)),
            ("08", json!(8)),
            ("0", json!(0)),
            ("1_000", json!(1000)),
            ("_1", json!(1)),
            ("0x1F", json!(31)),
            ("0xE", json!(14)),
            ("0x_1_0", json!(16)),
            ("0b1010", json!(10)),
            ("0b1", json!("0b1")),
            ("12:30", json!(750)),
            ("190:20:30", json!(685_230)),
            ("190:20:30.15", json!(685_230.15)),
            ("1e3", json!(1000)),
            ("1.5", json!(1.5)),
            ("1.", json!(1)),
            (".5", json!(0.5)),
            ("+.5", json!(0.5)),
            ("1_0.5", json!(10.5)),
            ("0x1.8", json!(1.5)),
            (".", json!(".")),
            ("1.2.3", json!("1.2.3")),
            ("2.1", json!(2.1)),
            ("1e", json!("1e")),
            ("12:", json!("12:")),
            ("2001-12-14", json!("2001-12-14")),
            ("2001-12-14t21:59:43.10-05:00", json!("2001-12-14t21:59:43.10-05:00")),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_json_cannot_hold_is_refused() {
        for text in [".nan", ".inf", "-.INF", "1e999"] {
            assert_eq!(implicit(text), Err(NotFinite), "{text}");
        }
    }

    #[test]
    fn tags_convert_or_say_that_they_cannot() {
        let int = |text| match tagged("tag:yaml.org,2002:int", text).unwrap() {
            Tagged::Value(value) => Some(value),
            _ => None,
        };
        assert_eq!(int("0x10"), Some(json!(16)));
        assert_eq!(int("ten"), None);
        let flag = tagged("tag:yaml.org,2002:bool", "y").unwrap();
        assert!(matches!(flag, Tagged::Value(Value::Bool(true))));
        assert!(matches!(tagged("!mine", "1").unwrap(), Tagged::Unconverted));
    }
}
