//! Clocks and dates of `ngx`.
//!
//! nginx keeps a cached time that `ngx.update_time` refreshes; reading the clock costs about as
//! much as reading that cache here, so that every call answers the time it is called at.

use crate::lua::frame::{Answer, Frame};
use chrono::{DateTime, Local, NaiveDateTime, TimeZone, Utc};
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
        let date = date_of(frame.number(1)?);
        text(frame, &date.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
    });
    frame.set_function(ngx, "cookie_time", |frame| {
        let date = date_of(frame.number(1)?);
        text(frame, &date.format("%a, %d-%b-%y %H:%M:%S GMT").to_string())
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

fn date_of(seconds: f64) -> DateTime<Utc> {
    Utc.timestamp_opt(seconds as i64, 0).single().unwrap_or_default()
}

/// Seconds of an HTTP date in one of the three forms of RFC 9110 §5.6.7, or `nil`.
fn parse_http_time(frame: &Frame) -> Answer {
    let date = frame.text(1)?;
    let forms = [
        "%a, %d %b %Y %H:%M:%S GMT",
        "%A, %d-%b-%y %H:%M:%S GMT",
        "%a, %d-%b-%y %H:%M:%S GMT",
        "%a %b %e %H:%M:%S %Y",
    ];
    match forms.iter().find_map(|form| NaiveDateTime::parse_from_str(date.trim(), form).ok()) {
        Some(date) => frame.push_integer(date.and_utc().timestamp()),
        None => frame.push_nil(),
    }
    Ok(1)
}
