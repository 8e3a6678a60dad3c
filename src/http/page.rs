//! The page that stands for the body of an error nobody gave one to.

use super::status::reason;

/// The media type of the page.
pub const MEDIA_TYPE: &str = "text/html; charset=UTF-8";

/// The page for a status code, with what is particular about it, if anything is.
///
/// *Kong parity*: nginx's page, without the line that names the server.
pub fn plain(status: u16, note: Option<&str>) -> String {
    // the one page whose phrase differs from that of the status line
    let phrase = if status == 302 { "Found" } else { reason(status) };
    let heading = format!("{status} {phrase}");
    let title = note.map_or_else(|| heading.clone(), |note| format!("{status} {note}"));
    let note = note.map(|note| format!("<center>{note}</center>\r\n")).unwrap_or_default();
    format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{heading}</h1></center>\r\n{note}\
         </body>\r\n</html>\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_its_status_twice_and_what_is_particular_about_it() {
        let page = plain(405, None);
        assert_eq!(page.len(), 122);
        assert!(
            page.starts_with("<html>\r\n<head><title>405 Not Allowed</title></head>\r\n<body>\r\n"),
            "{page}"
        );
        assert!(plain(302, None).contains("<h1>302 Found</h1>"));
        let page = plain(400, Some("Request Header Or Cookie Too Large"));
        assert_eq!(page.len(), 198);
        assert!(page.contains("<title>400 Request Header Or Cookie Too Large</title>"), "{page}");
        assert!(page.contains("<h1>400 Bad Request</h1></center>\r\n<center>Request Header"), "{page}");
    }
}
