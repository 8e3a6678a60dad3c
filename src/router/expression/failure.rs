//! The layout of errors: the line they are about, a mark under the place, and what is wrong.

/// Where an error is: a position, or a span of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    At(usize),
    Span(usize, usize),
}

/// Lays out `message` under the line of `source` that it is about.
///
/// *Kong parity*: layout of pest 2, which the ATC router prints as it is.
pub(super) fn lay_out(source: &str, place: Place, message: &str) -> String {
    let (start, end) = match place {
        Place::At(at) => (at, None),
        Place::Span(start, end) => (start, Some(end)),
    };
    let (line, column) = line_column(source, start);
    let shown = shown_line(source, start, place);
    let mut mark: String =
        shown.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let last = end.map(|end| line_column(source, end));
    let mut continued = String::new();
    match last {
        None => mark.push_str("^---"),
        Some((last_line, last_column)) => {
            mark = underline(&shown, column, last_column);
            if last_line > line {
                let text = source.lines().nth(last_line - 1).unwrap_or("");
                if last_line - line > 1 {
                    continued.push_str(" | ...\n");
                }
                continued = format!("{continued}{last_line} | {text}\n");
            }
        }
    }
    let pad = " ".repeat(last.map_or(line, |(last, _)| last.max(line)).to_string().len());
    let continued = continued.replace(" | ...", &format!("{pad} | ..."));
    let width = pad.len();
    format!(
        "{pad}--> {line}:{column}\n{pad} |\n{line:width$} | {shown}\n{continued}{pad} | {mark}\n{pad} |\n{pad} = {message}"
    )
}

/// A mark from `column` to before `end`, however they are ordered.
fn underline(shown: &str, column: usize, end: usize) -> String {
    let (start, end) = if column > end { (end - 1, column + 1) } else { (column, end) };
    let mut mark: String =
        shown.chars().take(start.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    mark.push('^');
    if end - start > 1 {
        mark.push_str(&"-".repeat(end - start - 2));
        mark.push('^');
    }
    mark
}

/// The line at byte `at`; line ends are made visible when the error is about one.
fn shown_line(source: &str, at: usize, place: Place) -> String {
    let (before, after) = source.split_at_checked(at).unwrap_or((source, ""));
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let length = after.find('\n').map_or(after.len(), |newline| newline + 1);
    let line = source.get(start..at + length).unwrap_or("");
    let about_line_end = match place {
        Place::At(_) => after.starts_with(['\n', '\r']),
        Place::Span(..) => false,
    };
    if about_line_end {
        line.replace('\r', "␍").replace('\n', "␊")
    } else {
        line.replace(['\r', '\n'], "")
    }
}

/// Line and column of byte `at`, both from one, the column in characters.
fn line_column(source: &str, at: usize) -> (usize, usize) {
    let before = source.get(..at).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
