//! Numbers as Lua reads and prints them, because Kong's configuration passes through Lua.

/// Reads a number: decimal with optional fraction and exponent, or hexadecimal after `0x`.
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim();
    let (negative, digits) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let magnitude = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hexadecimal) => parse_hexadecimal(hexadecimal)?,
        None => parse_decimal(digits)?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Prints a number with at most 14 significant digits, whole numbers without a fraction (`%.14g`).
pub fn format(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf".to_owned() } else { "-inf".to_owned() };
    }
    let scientific = format!("{number:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-5..14).contains(&exponent) {
        let decimals = usize::try_from(13 - exponent).unwrap_or_default();
        return trim_fraction(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_fraction(mantissa), exponent.abs())
}

fn parse_decimal(digits: &str) -> Option<f64> {
    let starts_like_a_number = digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let has_only_number_signs =
        digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    (starts_like_a_number && has_only_number_signs).then(|| digits.parse().ok()).flatten()
}

fn parse_hexadecimal(digits: &str) -> Option<f64> {
    if digits.is_empty() {
        return None;
    }
    digits
        .chars()
        .try_fold(0.0, |value, digit| digit.to_digit(16).map(|digit| value * 16.0 + f64::from(digit)))
}

fn trim_fraction(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lua_takes_for_a_number_is_one() {
        for (text, expected) in
            [("10", 10.0), ("0644", 644.0), ("+5", 5.0), ("-.5", -0.5), ("1e3", 1000.0), ("0x1F", 31.0)]
        {
            assert_eq!(parse(text), Some(expected), "{text}");
        }
        for text in ["", "10m", "1_000", "0x", "inf", "1 2", "e3", "--1"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_print_as_lua_prints_them() {
        for (number, expected) in [
            (10.0, "10"),
            (0.01, "0.01"),
            (16_777_216.0, "16777216"),
            (1e15, "1e+15"),
            (-0.5, "-0.5"),
            (1e-7, "1e-07"),
            (1.0 / 3.0, "0.33333333333333"),
        ] {
            assert_eq!(format(number), expected);
        }
    }
}
