//! Multipart forms (RFC 7578).

/// The boundary that a content type names.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let mut boundaries = parameters.filter_map(|parameter| parameter.trim().strip_prefix("boundary="));
    boundaries.next().map(unquoted).filter(|boundary| !boundary.is_empty())
}

/// The parts of a form: name and content. A part without a name is left out.
pub(super) fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<(String, &'a [u8])> {
    let delimiter = format!("\r\n--{boundary}");
    let first = delimiter.trim_start().as_bytes();
    let finder = memchr::memmem::Finder::new(&delimiter);
    let mut rest = match body.strip_prefix(first) {
        Some(rest) => rest,
        None => match finder.find(body) {
            Some(at) => body.get(at + delimiter.len()..).unwrap_or_default(),
            None => return Vec::new(),
        },
    };
    let mut parts = Vec::new();
    // behind the last delimiter stand two dashes
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = finder.find(part).unwrap_or(part.len());
        parts.extend(named(part.get(..end).unwrap_or_default()));
        rest = part.get(end + delimiter.len()..).unwrap_or_default();
    }
    parts
}

fn named(part: &[u8]) -> Option<(String, &[u8])> {
    let at = memchr::memmem::find(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(part.get(..at)?);
    let name = name(&head)?.to_owned();
    Some((name, part.get(at + 4..).unwrap_or_default()))
}

fn name(head: &str) -> Option<&str> {
    let is_disposition = |line: &&str| line.to_ascii_lowercase().starts_with("content-disposition:");
    let disposition = head.lines().find(is_disposition)?;
    let parameter = disposition.split(';').find_map(|parameter| parameter.trim().strip_prefix("name="))?;
    Some(unquoted(parameter))
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_a_name_and_their_bytes() {
        let form = b"preamble\r\n--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--C\r\n\xff\r\n--B\r\n\
            content-disposition: form-data; name='b'; filename=\"f\"\r\nContent-Type: text/plain\r\n\r\n\r\n--B\r\n\
            Content-Disposition: form-data\r\n\r\nnobody's\r\n--B--\r\nepilogue";
        let found = parts(form, "B");
        assert_eq!(found, [("a".to_owned(), &b"x\r\n--C\r\n\xff"[..]), ("b".to_owned(), &b""[..])]);
    }

    #[test]
    fn half_a_form_is_read_as_far_as_it_goes() {
        let part = b"--B\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx";
        assert_eq!(parts(part, "B"), [("a".to_owned(), &b"x"[..])]);
        for end in 0..part.len() {
            parts(&part[..end], "B");
        }
    }

    #[test]
    fn the_boundary_may_be_quoted() {
        assert_eq!(boundary("multipart/form-data; charset=x; boundary=\"B B\""), Some("B B"));
        assert_eq!(boundary("multipart/form-data; boundary=B"), Some("B"));
        assert_eq!(boundary("multipart/form-data"), None);
        assert_eq!(boundary("multipart/form-data; boundary="), None);
    }
}
