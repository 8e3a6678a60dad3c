//! The line of a request in the access log.

use super::Worker;
use crate::exchange::Exchange;
use crate::http::Fields;
use crate::observability::{FLUSH_AFTER, timestamp};
use std::rc::Rc;

/// Adds the line of a finished exchange.
pub fn write(worker: &Worker, exchange: &Exchange) {
    let mut log = worker.access_log.borrow_mut();
    if log.is_off() {
        return;
    }
    let begins = log.add(|line| {
        worker.access_format.render(line, |name, out| variable(exchange, name, out));
    });
    if begins {
        worker.access_log_waits.notify_one();
    }
}

/// Writes each batch of lines when it has waited long enough.
pub async fn write_batches(worker: Rc<Worker>) {
    loop {
        worker.access_log_waits.notified().await;
        tokio::time::sleep(FLUSH_AFTER).await;
        worker.access_log.borrow_mut().flush();
    }
}

/// Appends the value of an nginx variable; false when it has none.
///
/// *Kong parity*: the variables that log formats commonly name.
pub fn variable(exchange: &Exchange, name: &str, out: &mut Vec<u8>) -> bool {
    let request = &exchange.request;
    match name {
        "remote_addr" => out.extend_from_slice(exchange.remote().text.as_bytes()),
        "remote_port" => number(out, u64::from(exchange.remote().port())),
        "realip_remote_addr" => out.extend_from_slice(exchange.client.peer.text.as_bytes()),
        "remote_user" => return basic_user(&request.head.fields, out),
        "time_local" => timestamp::append_time_local(out),
        "time_iso8601" => timestamp::append_time_iso8601(out),
        "msec" => seconds(out, crate::exchange::now()),
        "request" => return request_line(exchange, out),
        "request_method" => out.extend_from_slice(request.head.method.as_bytes()),
        "request_uri" => out.extend_from_slice(&request.head.target),
        "server_protocol" => out.extend_from_slice(request.head.version.as_str().as_bytes()),
        "scheme" => out.extend_from_slice(exchange.client.scheme.as_str().as_bytes()),
        "host" => out.extend_from_slice(&request.host),
        "status" => number(out, u64::from(exchange.response.head.status)),
        "body_bytes_sent" => number(out, exchange.response.body_sent),
        "bytes_sent" => number(out, exchange.response.sent),
        "request_length" => number(out, request.length),
        "request_time" => {
            seconds(out, exchange.times.response_end.saturating_sub(exchange.times.start));
        }
        "connection" => number(out, exchange.client.serial),
        "connection_requests" => number(out, exchange.client.requests.get()),
        "kong_request_id" | "request_id" => out.extend_from_slice(exchange.id.as_bytes()),
        "upstream_status" => return exchange.upstream.append_statuses(out),
        "upstream_addr" => return upstream_addr(exchange, out),
        "ssl_protocol" => return tls_text(exchange, out, |tls| tls.version),
        "ssl_cipher" => return tls_text(exchange, out, |tls| tls.cipher),
        _ => {
            return match (name.strip_prefix("http_"), name.strip_prefix("sent_http_")) {
                (_, Some(field)) => field_named(&exchange.response.head.fields, field, out),
                (Some(field), None) => field_named(&request.head.fields, field, out),
                (None, None) => false,
            };
        }
    }
    true
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends microseconds as seconds with three decimals.
fn seconds(out: &mut Vec<u8>, micros: u64) {
    number(out, micros / 1_000_000);
    let millis = micros / 1000 % 1000;
    out.push(b'.');
    for digit in [millis / 100, millis / 10 % 10, millis % 10] {
        out.push(b'0' + digit as u8);
    }
}

/// Appends the request line as it was received.
fn request_line(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    let head = &exchange.request.head;
    if head.target.is_empty() {
        return false;
    }
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(&head.target);
    out.push(b' ');
    out.extend_from_slice(head.version.as_str().as_bytes());
    true
}

fn basic_user(fields: &Fields, out: &mut Vec<u8>) -> bool {
    use base64::Engine;
    let Some(value) = fields.known(crate::http::Known::Authorization) else { return false };
    let Some((scheme, credentials)) = value.split_at_checked(6) else { return false };
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return false;
    }
    let Ok(pair) = base64::engine::general_purpose::STANDARD.decode(credentials.trim_ascii()) else {
        return false;
    };
    let user = pair.split(|b| *b == b':').next().unwrap_or_default();
    out.extend_from_slice(user);
    !user.is_empty()
}

fn upstream_addr(exchange: &Exchange, out: &mut Vec<u8>) -> bool {
    for (index, tried) in exchange.upstream.tries.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(tried.peer.to_string().as_bytes());
    }
    exchange.is_proxied()
}

fn tls_text(
    exchange: &Exchange,
    out: &mut Vec<u8>,
    part: impl Fn(&crate::exchange::Tls) -> &'static str,
) -> bool {
    let Some(tls) = &exchange.client.tls else { return false };
    out.extend_from_slice(part(tls).as_bytes());
    true
}

/// Appends the field that a variable's name tail names, with `_` for `-`.
fn field_named(fields: &Fields, tail: &str, out: &mut Vec<u8>) -> bool {
    let same = |name: &[u8]| {
        name.len() == tail.len()
            && name.iter().zip(tail.bytes()).all(|(a, b)| {
                let a = if *a == b'-' { b'_' } else { a.to_ascii_lowercase() };
                a == b
            })
    };
    let mut any = false;
    for (_, value) in fields.iter().filter(|(name, _)| same(name)) {
        if any {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
        any = true;
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_the_names_variables_have() {
        let mut fields = Fields::new();
        fields.append(b"User-Agent", b"curl");
        fields.append(b"X-A", b"1");
        fields.append(b"x-a", b"2");
        let find = |name| {
            let mut out = Vec::new();
            field_named(&fields, name, &mut out).then(|| String::from_utf8(out).unwrap())
        };
        assert_eq!(find("user_agent").as_deref(), Some("curl"));
        assert_eq!(find("x_a").as_deref(), Some("1, 2"));
        assert_eq!(find("x_b"), None);
    }

    #[test]
    fn the_user_of_basic_credentials_is_told() {
        let mut fields = Fields::new();
        fields.append(b"Authorization", b"Basic YWxpY2U6c2VjcmV0");
        let mut out = Vec::new();
        assert!(basic_user(&fields, &mut out));
        assert_eq!(out, b"alice");
    }

    #[test]
    fn times_have_three_decimals() {
        let mut out = Vec::new();
        seconds(&mut out, 1_007_999);
        assert_eq!(out, b"1.007");
    }
}
