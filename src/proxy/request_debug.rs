//! `X-Kong-Request-Debug`: who may ask where the time of a request goes, and how it is told.

use super::{LogContext, Settings};
use crate::exchange::{Exchange, Times, Timing};
use crate::http::Known;
use crate::observability::log;
use aws_lc_rs::constant_time::verify_slices_are_equal;

/// The fields that ask, and that go no further.
const FIELDS: [Known; 3] =
    [Known::XKongRequestDebug, Known::XKongRequestDebugToken, Known::XKongRequestDebugLog];

/// From this length on a report is not put into a header field for clients elsewhere.
const LONGEST_FIELD: usize = 2048;
/// The longest part of a report in one line of the log.
const LONGEST_LINE: usize = 3072;

/// Takes the fields that ask out of a request, and begins to measure if it may ask: with `*`, from this machine or
/// with the token.
///
/// *Cost*: three bit tests for a request without them.
pub fn begin(exchange: &mut Exchange, settings: &Settings) {
    let fields = &exchange.request.head.fields;
    if !settings.request_debug || !FIELDS.iter().any(|field| fields.has(*field)) {
        return;
    }
    let is = |field, value: &[u8]| fields.known(field) == Some(value);
    let (asks, logs) = (is(Known::XKongRequestDebug, b"*"), is(Known::XKongRequestDebugLog, b"true"));
    let token = settings.request_debug_token.as_bytes();
    let given = fields.known(Known::XKongRequestDebugToken).unwrap_or_default();
    let authorized = !token.is_empty() && verify_slices_are_equal(given, token).is_ok();
    let remote = exchange.remote();
    let loopback = remote.socket.is_some() && remote.ip().is_loopback();
    for field in FIELDS {
        exchange.request.head.fields.remove_known(field);
    }
    if asks && (loopback || authorized) {
        let timing = Timing::new(exchange.id.as_str(), logs, loopback);
        exchange.timing = Some(Box::new(timing));
    }
}

/// Begins a span of a request that is measured.
pub fn enter(exchange: &mut Exchange, name: &str) {
    if let Some(timing) = &mut exchange.timing {
        timing.enter(name);
    }
}

/// Ends it.
pub fn leave(exchange: &mut Exchange) {
    if let Some(timing) = &mut exchange.timing {
        timing.leave();
    }
}

/// Puts the report so far into the response's head.
pub fn tell_client(exchange: &mut Exchange) {
    let waited = Times::between(exchange.times.balancer_end, exchange.times.header_filter_start);
    let Some(timing) = &mut exchange.timing else { return };
    if let Some(waited) = waited {
        timing.measured("upstream", waited, &[("time_to_first_byte", waited)]);
    }
    let mut report = timing.report();
    if report.len() >= LONGEST_FIELD && !timing.loopback {
        timing.logs = true;
        let message = "Output is truncated, please check the error_log for full output by filtering with the request_id.";
        report = serde_json::json!({
            "truncated": true, "request_id": exchange.id.as_str(), "message": message
        })
        .to_string();
    }
    exchange.response.head.fields.set(b"X-Kong-Request-Debug-Output", report.as_bytes());
}

/// Writes the report into the log, if it is to be there.
pub fn tell_log(exchange: &mut Exchange) {
    let times = exchange.times;
    let Some(timing) = exchange.timing.as_mut().filter(|timing| timing.logs) else { return };
    let waited = Times::between(times.balancer_end, times.header_filter_start);
    if let (Some(waited), Some(total)) = (waited, Times::between(times.balancer_end, times.response_end)) {
        let parts = [("time_to_first_byte", waited), ("streaming", total.saturating_sub(waited))];
        timing.measured("upstream", total, &parts);
    }
    let report = timing.report();
    let context = LogContext(exchange);
    if report.len() < LONGEST_LINE {
        log::notice!(&context => "[kong] [request-debug] output: {report}");
        return;
    }
    let parts: Vec<_> = report.as_bytes().chunks(LONGEST_LINE).map(String::from_utf8_lossy).collect();
    for (number, part) in parts.iter().enumerate() {
        let all = parts.len();
        log::notice!(&context => "[kong] [request-debug] parts: {}/{all} output: {part}", number + 1);
    }
}
