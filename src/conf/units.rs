//! Sizes and times as nginx writes them: `8k`, `10m`, `1d12h`, `500ms`.

use std::time::Duration;

/// The text is not a size, or not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid value")]
pub struct InvalidUnit;

/// Reads a size in bytes: a whole number with an optional `k`, `m` or `g`.
pub fn size(text: &str) -> Result<u64, InvalidUnit> {
    let (digits, factor) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (text.get(..text.len() - 1), 1 << 10),
        Some(b'm' | b'M') => (text.get(..text.len() - 1), 1 << 20),
        Some(b'g' | b'G') => (text.get(..text.len() - 1), 1 << 30),
        _ => (Some(text), 1),
    };
    whole(digits.unwrap_or_default())?.checked_mul(factor).ok_or(InvalidUnit)
}

/// Reads a time: numbers with units `y M w d h m s ms`, from the longest to the shortest and each at most
/// once; a number without a unit is seconds and comes last.
pub fn time(text: &str) -> Result<Duration, InvalidUnit> {
    const UNITS: [(&str, u64); 8] = [
        ("y", 31_536_000_000),
        ("M", 2_592_000_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    let (mut rest, mut next_unit, mut total) = (text.trim(), 0, 0_u64);
    if rest.is_empty() {
        return Err(InvalidUnit);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|character: char| character.is_ascii_digit()).len();
        let (number, after) = rest.split_at(digits);
        let letters =
            after.len() - after.trim_start_matches(|character: char| character.is_ascii_alphabetic()).len();
        let (unit, after) = after.split_at(letters);
        let unit = if unit.is_empty() && after.is_empty() { "s" } else { unit };
        let position = UNITS.iter().position(|(name, _)| *name == unit).ok_or(InvalidUnit)?;
        let (_, factor) = UNITS.get(position).filter(|_| position >= next_unit).ok_or(InvalidUnit)?;
        next_unit = position + 1;
        total = whole(number)?
            .checked_mul(*factor)
            .and_then(|part| total.checked_add(part))
            .ok_or(InvalidUnit)?;
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

fn whole(digits: &str) -> Result<u64, InvalidUnit> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten().ok_or(InvalidUnit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        for (text, bytes) in [("0", 0), ("8k", 8192), ("10m", 10 << 20), ("2G", 2 << 30), ("1024", 1024)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "1kb", "-1", "1.5m", "99999999999999999999", "99999999999999999g"] {
            assert_eq!(size(text), Err(InvalidUnit), "{text}");
        }
    }

    #[test]
    fn times_add_their_units() {
        for (text, milliseconds) in [
            ("60", 60_000),
            ("60s", 60_000),
            ("500ms", 500),
            ("1d", 86_400_000),
            ("1h30m", 5_400_000),
            ("1m 30", 90_000),
            ("1M", 2_592_000_000),
        ] {
            assert_eq!(time(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "1x", "30m1h", "1s1s", "60 1m", "-1", "1.5s"] {
            assert_eq!(time(text), Err(InvalidUnit), "{text}");
        }
    }
}
