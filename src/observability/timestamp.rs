//! The local time as log lines print it, formatted once per second and thread.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Local, TimeZone};

thread_local! {
    static CACHED: RefCell<Stamps> = RefCell::new(Stamps::default());
}

/// Appends the error log's time, `2026/11/23 16:22:48`.
pub fn append_error_time(line: &mut Vec<u8>) {
    with_current(|stamps| line.extend_from_slice(stamps.error.as_bytes()));
}

/// Appends `$time_local`, `23/Nov/2026:16:22:48 +0000`.
pub fn append_time_local(line: &mut Vec<u8>) {
    with_current(|stamps| line.extend_from_slice(stamps.local.as_bytes()));
}

/// Appends `$time_iso8601`, `2026-11-23T16:22:48+00:00`.
pub fn append_time_iso8601(line: &mut Vec<u8>) {
    with_current(|stamps| line.extend_from_slice(stamps.iso8601.as_bytes()));
}

/// Appends the time of RFC 3164, `Nov 23 16:22:48`, which syslog servers read.
pub fn append_syslog_time(line: &mut Vec<u8>) {
    with_current(|stamps| line.extend_from_slice(stamps.syslog.as_bytes()));
}

#[derive(Default)]
struct Stamps {
    second: i64,
    error: String,
    local: String,
    iso8601: String,
    syslog: String,
}

impl Stamps {
    fn at(second: i64) -> Stamps {
        let time: DateTime<Local> =
            Local.timestamp_opt(second, 0).single().unwrap_or_else(|| DateTime::<Local>::from(UNIX_EPOCH));
        Stamps {
            second,
            error: time.format("%Y/%m/%d %H:%M:%S").to_string(),
            local: time.format("%d/%b/%Y:%H:%M:%S %z").to_string(),
            iso8601: time.format("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            syslog: time.format("%b %e %H:%M:%S").to_string(),
        }
    }
}

fn with_current(append: impl FnOnce(&Stamps)) {
    let second = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_secs()).ok())
        .unwrap_or_default();
    CACHED.with_borrow_mut(|stamps| {
        if stamps.second != second || stamps.error.is_empty() {
            *stamps = Stamps::at(second);
        }
        append(stamps);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_style_prints_the_same_second() {
        let stamps = Stamps::at(1_795_451_568);
        assert_eq!(stamps.error.len(), "2026/11/23 16:22:48".len());
        assert_eq!(stamps.local.get(2..3), Some("/"));
        assert_eq!(stamps.local.len(), "23/Nov/2026:16:22:48 +0000".len());
        assert_eq!(stamps.iso8601.len(), "2026-11-23T16:22:48+00:00".len());
        assert_eq!(stamps.syslog.len(), "Nov 23 16:22:48".len());
        let seconds = |stamp: &str, at: usize| stamp.get(at..at + 8).map(str::to_owned);
        assert_eq!(seconds(&stamps.error, 11), seconds(&stamps.local, 12));
        assert_eq!(seconds(&stamps.error, 11), seconds(&stamps.iso8601, 11));
        assert_eq!(seconds(&stamps.error, 11), seconds(&stamps.syslog, 7));
    }
}
