//! What the statements in a text do, as far as their answers differ.
//!
//! The server says how many rows a statement was about, and sends rows; none of either can mean an empty table as well
//! as a statement without rows. Its first word tells them apart.

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// It answers rows.
    Read,
    /// It answers how many rows it wrote.
    Write,
    /// It answers that it is done.
    Other,
}

/// The verbs of the statements in a text; empty ones have none.
pub(super) fn verbs(sql: &str) -> Vec<Verb> {
    let mut verbs = Vec::new();
    let mut rest = sql;
    let mut is_start = true;
    while let Some(first) = rest.chars().next() {
        let length = match token(rest) {
            (Token::Blank, length) => length,
            (Token::End, length) => {
                is_start = true;
                length
            }
            (Token::Other, length) => {
                if std::mem::take(&mut is_start) {
                    verbs.push(verb(rest));
                }
                length
            }
        };
        rest = rest.get(length.max(first.len_utf8())..).unwrap_or_default();
    }
    verbs
}

fn verb(statement: &str) -> Verb {
    let statement = statement.trim_start_matches('(').trim_start();
    let word = statement.split(|char: char| !char.is_ascii_alphabetic()).next().unwrap_or_default();
    match word.to_ascii_uppercase().as_str() {
        "SELECT" | "WITH" | "SHOW" | "VALUES" | "TABLE" | "FETCH" | "EXPLAIN" => Verb::Read,
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "COPY" | "MOVE" => Verb::Write,
        _ => Verb::Other,
    }
}

enum Token {
    /// White space and comments.
    Blank,
    /// The semicolon that ends a statement.
    End,
    Other,
}

/// What a text begins with, and how long that is in bytes.
fn token(text: &str) -> (Token, usize) {
    let to = |end: &str, from: usize| -> usize {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("--") {
        (Token::Blank, to("\n", 2))
    } else if text.starts_with("/*") {
        (Token::Blank, comment(text))
    } else if text.starts_with(';') {
        (Token::End, 1)
    } else if text.starts_with('\'') {
        (Token::Other, to("'", 1))
    } else if text.starts_with('"') {
        (Token::Other, to("\"", 1))
    } else if let Some(quote) = dollar_quote(text) {
        (Token::Other, to(quote, quote.len()))
    } else if text.starts_with(char::is_whitespace) {
        (Token::Blank, text.len() - text.trim_start().len())
    } else if text.starts_with(is_word) {
        // A whole word: the dollar within one begins no quote, and E'…' has backslashes.
        let length = text.find(|char| !is_word(char)).unwrap_or(text.len());
        match text.split_at(length) {
            ("E" | "e", rest) if rest.starts_with('\'') => (Token::Other, length + escaped(rest)),
            _ => (Token::Other, length),
        }
    } else {
        (Token::Other, 1)
    }
}

fn is_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_' || char == '$'
}

/// The length of a comment, which may have others within.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// `$$` or `$name$`.
fn dollar_quote(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let end = name.find('$')?;
    let named = name.get(..end)?;
    let is_name = named.chars().all(|char| char.is_alphanumeric() || char == '_')
        && !named.starts_with(|char: char| char.is_ascii_digit());
    if is_name { text.get(..end + 2) } else { None }
}

/// The length of a quoted text with backslashes.
fn escaped(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => drop(chars.next()),
            '\'' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_statement_has_the_verb_it_begins_with() {
        assert_eq!(verbs("SELECT 1"), [Verb::Read]);
        assert_eq!(
            verbs(" -- first; this\n insert into a values (1); /* a /* ; */ b */ drop table b;;"),
            [Verb::Write, Verb::Other]
        );
        assert_eq!(verbs("(select 1) union (select 2)"), [Verb::Read]);
        assert_eq!(verbs(" ; ;\n"), []);
    }

    #[test]
    fn semicolons_in_quotes_end_nothing() {
        assert_eq!(verbs("SELECT ';', 'it''s;' ; UPDATE a SET \"b;\" = 1"), [Verb::Read, Verb::Write]);
        assert_eq!(verbs("DO $$ BEGIN; END $$; SELECT $x$ ; $$ ; $x$"), [Verb::Other, Verb::Read]);
        assert_eq!(verbs(r"SELECT E'\';', a$b FROM c; SHOW x"), [Verb::Read, Verb::Read]);
        assert_eq!(verbs("SELECT 'open; "), [Verb::Read]);
    }
}
