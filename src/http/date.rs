//! Dates as HTTP writes them (RFC 9110, section 5.6.7).

use chrono::{DateTime, Utc};
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

thread_local! {
    static CACHED: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Appends the present time, `Mon, 23 Nov 2026 16:22:48 GMT`; formatted once per second and thread.
pub fn append_now(out: &mut Vec<u8>) {
    let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    CACHED.with_borrow_mut(|(cached, text)| {
        if *cached != second {
            *cached = second;
            *text = format(second);
        }
        out.extend_from_slice(text.as_bytes());
    });
}

/// A time in seconds since the epoch, in the fixed-length form.
pub fn format(second: u64) -> String {
    let time = DateTime::<Utc>::from_timestamp(second as i64, 0).unwrap_or(DateTime::UNIX_EPOCH);
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_the_fixed_form() {
        assert_eq!(format(1_795_451_568), "Mon, 23 Nov 2026 16:32:48 GMT");
        let mut now = Vec::new();
        append_now(&mut now);
        assert_eq!(now.len(), 29);
    }
}
