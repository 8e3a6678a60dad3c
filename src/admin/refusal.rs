//! Requests that never reach an API: nginx refuses them by itself, with a page, and closes the connection.

use http::{HeaderMap, Method, Request, Version, header};

use super::reply::{Body, Reply};

/// The longest request line and the longest field line, in bytes: one of nginx's `large_client_header_buffers`.
const LINE: usize = 8 << 10;
/// The most bytes of all field lines: all of these buffers.
const HEAD: usize = 4 * LINE;

/// The answer to a request that is refused before an API sees it.
pub(super) fn of<B>(request: &Request<B>) -> Option<Reply> {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    let line = request.method().as_str().len() + target.len() + " HTTP/1.1 ".len();
    if line > LINE {
        return Some(page(414, None));
    }
    if is_head_too_large(request.headers()) {
        return Some(page(400, Some("Request Header Or Cookie Too Large")));
    }
    if request.method() == Method::TRACE {
        return Some(page(405, None));
    }
    let is_wrong = request.method() == Method::CONNECT
        || !request.method().as_str().bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'_' | b'-'))
        || !target.starts_with('/')
        || request.uri().path().contains("%00")
        || !is_host_right(request);
    is_wrong.then(|| page(400, None))
}

fn page(status: u16, note: Option<&'static str>) -> Reply {
    Reply { body: Body::Page(note), ..Reply::empty(status) }
}

fn is_head_too_large(headers: &HeaderMap) -> bool {
    let lines = || headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    lines().any(|line| line > LINE) || lines().sum::<usize>() > HEAD
}

/// *Kong parity*: HTTP/1.1 needs one host, and what is in it can stand in a URI.
fn is_host_right<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let can_stand = |host: &[u8]| {
        !host.is_empty() && host.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'\\'))
    };
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => can_stand(host.as_bytes()),
        (Some(_), Some(_)) => false,
        (None, _) => request.version() != Version::HTTP_11,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(request: http::request::Builder) -> Option<u16> {
        of(&request.body(()).unwrap()).map(|reply| reply.status)
    }

    #[test]
    fn what_nginx_refuses_never_reaches_the_api() {
        let host = |uri: &str| Request::get(uri).header("host", "localhost");
        assert_eq!(refused(host("/services")), None);
        assert_eq!(refused(host("/services/%00")), Some(400));
        assert_eq!(refused(host("*").method("OPTIONS")), Some(400));
        assert_eq!(refused(host("/").method("get")), Some(400));
        assert_eq!(refused(host("/").method("PURGE")), None);
        assert_eq!(refused(host("/").method("TRACE")), Some(405));
        assert_eq!(refused(host(&format!("/{}", "a".repeat(9000)))), Some(414));
        assert_eq!(refused(host("/").header("x", "a".repeat(9000))), Some(400));
        assert_eq!(refused(host("/").header("host", "other")), Some(400));
        assert_eq!(refused(Request::get("/").header("host", "")), Some(400));
        assert_eq!(refused(Request::get("/").header("host", "a b")), Some(400));
        assert_eq!(refused(Request::get("/")), Some(400));
        assert_eq!(refused(Request::get("/").version(Version::HTTP_10)), None);
    }
}
