//! Values that nobody gives: identifiers, random names, the time.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// A random UUID.
pub fn uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// 32 letters and digits out of 24 random bytes, as Kong makes keys and secrets.
pub fn random_string() -> String {
    let mut bytes = [0; 24];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        bytes.fill_with(|| fastrand::u8(..));
    }
    STANDARD_NO_PAD
        .encode(bytes)
        .chars()
        .map(|character| match character {
            '/' => fastrand::uppercase(),
            '+' => fastrand::lowercase(),
            character => character,
        })
        .collect()
}

/// Seconds since 1970.
pub fn seconds() -> u64 {
    now().as_secs()
}

/// Seconds since 1970, with three decimals.
pub fn seconds_with_milliseconds() -> f64 {
    now().as_millis() as f64 / 1000.0
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
