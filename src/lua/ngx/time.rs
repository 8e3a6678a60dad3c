//! Clocks and dates of `ngx`.
//!
//! nginx keeps a cached time that `ngx.update_time` refreshes; reading the clock costs about as
//! much as reading that cache here, so that every call answers the time it is called at.

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use chrono::{DateTime, Datelike, Local, NaiveDateTime, TimeZone, Utc};
use std::ffi::c_int;
use std::time::{SystemTime, UNIX_EPOCH};

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "now", |frame| {
        frame.push_number(now());
        Ok(1)
    });
    frame.set_function(ngx, "time", |frame| {
        frame.push_number(now().floor());
        Ok(1)
    });
    frame.set_function(ngx, "update_time", |_| Ok(0));
    frame.set_function(ngx, "today", |frame| text(frame, &Local::now().format("%Y-%m-%d").to_string()));
    frame.set_function(ngx, "localtime", |frame| {
        text(frame, &Local::now().format("%Y-%m-%d %H:%M:%S").to_string())
    });
    frame.set_function(ngx, "utctime", |frame| {
        text(frame, &Utc::now().format("%Y-%m-%d %H:%M:%S").to_string())
    });
    frame.set_function(ngx, "http_time", |frame| {
        let date = date_of(seconds(frame)?);
        text(frame, &date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    });
    frame.set_function(ngx, "cookie_time", |frame| {
        let date = date_of(seconds(frame)?);
        // Two digits of the year where a client reads them as this century's or the last's.
        let form = if date.year() > 2037 { "%a, %d-%b-%Y %H:%M:%S GMT" } else { "%a, %d-%b-%y %H:%M:%S GMT" };
        text(frame, &date.format(form).to_string())
    });
    frame.set_function(ngx, "parse_http_time", parse_http_time);
}

/// Seconds since 1970, in steps of a millisecond as nginx counts.
pub(crate) fn now() -> f64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    elapsed.as_millis() as f64 / 1000.0
}

fn text(frame: &Frame, text: &str) -> Answer {
    frame.push_text(text);
    Ok(1)
}

fn seconds(frame: &Frame) -> Result<f64, Flow> {
    if frame.kind(1) == Kind::Number { frame.number(1) } else { Err(Flow::raise("number argument only")) }
}

/// The last second of the year 9999.
const LAST: i64 = 253_402_300_799;

/// The date of a second since 1970; what is before or after what nginx tells is the first or last.
fn date_of(seconds: f64) -> DateTime<Utc> {
    Utc.timestamp_opt((seconds as i64).clamp(0, LAST), 0).single().unwrap_or_default()
}

/// Seconds of an HTTP date in one of the three forms of RFC 9110 §5.6.7, or `nil`.
fn parse_http_time(frame: &Frame) -> Answer {
    if frame.kind(1) != Kind::String {
        return Err(Flow::raise("string argument only"));
    }
    let date = frame.text(1)?;
    // What follows the seconds is not read.
    let forms =
        ["%a, %d %b %Y %H:%M:%S", "%A, %d-%b-%y %H:%M:%S", "%a, %d-%b-%y %H:%M:%S", "%a %b %e %H:%M:%S %Y"];
    let read = |form: &&str| NaiveDateTime::parse_and_remainder(date.trim(), form).ok();
    match forms.iter().find_map(read).map(|(date, _)| date) {
        Some(date) => frame.push_integer(date.and_utc().timestamp()),
        None => frame.push_nil(),
    }
    Ok(1)
}
