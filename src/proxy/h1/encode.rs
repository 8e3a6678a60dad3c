//! Heads onto the wire.

use crate::http::{Known, NO_REASON, ResponseHead, Version, date, status};

/// What a response to an HTTP/1 client says about its body and the connection.
#[derive(Debug, Clone, Copy)]
pub struct ResponseForm {
    /// Whether it is an upstream's, as it came: nginx gives dates to its own only.
    pub relayed: bool,
    /// Whether the length stands before `Connection`, as nginx writes that of an upstream's response and of
    /// its own pages, or where the fields have it.
    pub length_first: bool,
    /// The body's length, when it is told by `Content-Length`.
    pub length: Option<u64>,
    /// Whether the body is chunked.
    pub chunked: bool,
    /// Whether the connection stays open.
    pub keep_alive: bool,
}

/// Writes a response head for an HTTP/1 client, in the order of lines that nginx has: `Date` unless
/// the fields bring one or an upstream left it out, `Content-Type`, framing, `Connection`, then all other fields as they stand.
///
/// The fields' own framing lines are left out: framing is the connection's business.
///
/// *Kong parity*: a `Connection` that the gateway or a plugin sets is a second line of that name, as nginx writes both.
pub fn response(out: &mut Vec<u8>, head: &ResponseHead, form: ResponseForm) {
    status_line(out, head);
    let fields = &head.fields;
    if !form.relayed && !fields.has(Known::Date) {
        out.extend_from_slice(b"Date: ");
        date::append_now(out);
        out.extend_from_slice(b"\r\n");
    }
    if let Some(content_type) = fields.known(Known::ContentType) {
        line(out, b"Content-Type", content_type);
    }
    let in_place = !form.length_first && fields.has(Known::ContentLength);
    if let (Some(length), false) = (form.length, in_place) {
        number_line(out, b"Content-Length", length);
    }
    if form.chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    connection(out, head, form.keep_alive);
    for (known, name, value) in fields.iter_known() {
        match known {
            Known::ContentType | Known::TransferEncoding | Known::KeepAlive => {}
            Known::Connection if head.status == 101 => {}
            Known::ContentLength => {
                if let (Some(length), true) = (form.length, in_place) {
                    number_line(out, name, length);
                }
            }
            Known::Upgrade if head.status == 101 => {}
            _ => line(out, name, value),
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes `Connection`, and what belongs to it.
fn connection(out: &mut Vec<u8>, head: &ResponseHead, keep_alive: bool) {
    if head.status == 101 {
        out.extend_from_slice(b"Connection: upgrade\r\n");
        if let Some(protocol) = head.fields.known(Known::Upgrade) {
            line(out, b"Upgrade", protocol);
        }
    } else if keep_alive {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    } else {
        out.extend_from_slice(b"Connection: close\r\n");
    }
}

/// Writes a status line.
pub fn status_line(out: &mut Vec<u8>, head: &ResponseHead) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    let phrase = match head.reason.as_slice() {
        b"" => status::reason(head.status).as_bytes(),
        NO_REASON => b"",
        reason => reason,
    };
    out.push(b' ');
    out.extend_from_slice(phrase);
    out.extend_from_slice(b"\r\n");
}

/// Writes a request line for an upstream.
pub fn request_line(out: &mut Vec<u8>, method: &[u8], target: &[u8], query: Option<&[u8]>) {
    out.extend_from_slice(method);
    out.push(b' ');
    out.extend_from_slice(target);
    if let Some(query) = query {
        out.push(b'?');
        out.extend_from_slice(query);
    }
    out.push(b' ');
    out.extend_from_slice(Version::Http11.as_str().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes one field line.
pub fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes one field line with a number.
pub fn number_line(out: &mut Vec<u8>, name: &[u8], number: u64) {
    line(out, name, itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(relayed: bool, length: Option<u64>, lines: &[(&str, &str)]) -> String {
        let mut head = ResponseHead { status: 200, ..Default::default() };
        head.fields.append(b"Date", b"now");
        lines.iter().for_each(|(name, value)| head.fields.append(name.as_bytes(), value.as_bytes()));
        let mut out = Vec::new();
        let chunked = length.is_none();
        response(
            &mut out,
            &head,
            ResponseForm { relayed, length_first: relayed, length, chunked, keep_alive: true },
        );
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_stand_in_the_order_nginx_has() {
        let lines = [("X-A", "1"), ("Content-Length", "9"), ("Content-Type", "text/plain"), ("Server", "s")];
        assert_eq!(
            written(true, Some(5), &lines),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\
             Date: now\r\nX-A: 1\r\nServer: s\r\n\r\n"
        );
        assert_eq!(
            written(false, Some(5), &lines),
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive\r\n\
             Date: now\r\nX-A: 1\r\nContent-Length: 5\r\nServer: s\r\n\r\n"
        );
    }

    #[test]
    fn framing_lines_of_the_fields_never_reach_the_wire() {
        let lines = [("Transfer-Encoding", "gzip"), ("Content-Length", "7")];
        assert_eq!(
            written(true, None, &lines),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\nDate: now\r\n\r\n"
        );
    }

    #[test]
    fn a_connection_that_is_set_stands_beside_the_one_that_tells_what_happens() {
        assert_eq!(
            written(false, Some(0), &[("Connection", "Upgrade")]),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\nDate: now\r\n\
             Connection: Upgrade\r\n\r\n"
        );
    }
}
