//! YAML text → [`Value`], as Kong's own reader would have it.
//!
//! saphyr-parser gives the events (structure, quoting, anchors); which value a scalar stands for is
//! decided in [`super::scalar`], and what `<<`, aliases and repeated keys do is decided here.
//!
//! *Kong parity* (lyaml 6.2.8): only the first document counts, though all must parse; the last of
//! several equal keys wins; `<<` fills in only what is not there yet and may be quoted; an empty
//! stream is no value at all. A message is `line:column: problem`, where the position is that of the
//! last good event before the problem.
//!
//! *Bounds*: nesting of [`MAX_DEPTH`], and aliases may multiply the document by [`MAX_EXPANSION`]
//! only, so that a small file cannot fill the memory. The size of the file itself is not bounded.

use std::borrow::Cow;
use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput, Tag};
use serde_json::{Map, Value};
use thiserror::Error;

use super::scalar::{self, NotFinite, Tagged};

/// Deepest nesting of sequences and mappings: more than any entity has, less than any stack holds.
pub const MAX_DEPTH: usize = 128;

/// How many nodes aliases may add for each node that is written out.
pub const MAX_EXPANSION: usize = 32;

/// Nodes that aliases may add to any document, however small.
const FREE_EXPANSION: usize = 100_000;

/// How many values a tab may separate from their keys where YAML 1.2 wants a space.
///
/// libyaml takes the tab, the parser does not; each one costs another pass.
const MAX_TABS: usize = 100;

/// Why a text is not YAML that can be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{line}:{column}: {problem}")]
pub struct YamlError {
    /// Line of the last good event, from 1; 0 when there was none.
    pub line: usize,
    /// Its column, from 1; 0 when there was none.
    pub column: usize,
    /// What is wrong, in libyaml's words where it has any.
    pub problem: String,
}

/// Reads the first document of `text`; `None` if there is none.
///
/// # Errors
/// Text that is not YAML, wherever in the stream it is, an alias without its anchor, a wrong `<<`,
/// a tag that does not fit its scalar, or a bound that is exceeded.
///
/// *Cost*: one pass; about 25 ns a byte, most of it in the parser.
pub fn load(text: &str) -> Result<Option<Value>, YamlError> {
    if let Some(problem) = forbidden_character(text) {
        return Err(YamlError { line: 0, column: 0, problem: problem.to_owned() });
    }
    let mut text = Cow::Borrowed(text);
    for _ in 0..MAX_TABS {
        let mut reader = Reader::new(&text);
        let result = reader.stream();
        let Some(tab) = reader.refused_tab else { return result };
        let Some((offset, '\t')) = text.char_indices().nth(tab) else { return result };
        text.to_mut().replace_range(offset..=offset, " ");
    }
    Reader::new(&text).stream()
}

/// Walks the events and keeps what the next node may refer to.
struct Reader<'input> {
    parser: Parser<'input, StrInput<'input>>,
    text: &'input str,
    /// Length of the text in characters if its last line has no line break.
    cut_off_at: Option<usize>,
    anchors: HashMap<usize, Anchored>,
    /// Line and column of the current event, from 1.
    mark: (usize, usize),
    written: usize,
    copied: usize,
    depth: usize,
    /// Index of a tab after `:` that ended the reading.
    refused_tab: Option<usize>,
}

/// A node that an alias can name, with its size in nodes.
struct Anchored {
    value: Value,
    nodes: usize,
}

/// A node, or the end of the collection or document it was looked for in.
enum Node {
    Is(Value),
    /// A scalar that is tagged `!!merge`: as a key it merges, whatever its text.
    MergeTagged(Value),
    End,
}

impl<'input> Reader<'input> {
    fn new(text: &'input str) -> Self {
        Reader {
            parser: Parser::new_from_str(text),
            text,
            cut_off_at: (!text.ends_with(['\n', '\r'])).then(|| text.chars().count()),
            anchors: HashMap::new(),
            mark: (0, 0),
            written: 0,
            copied: 0,
            depth: 0,
            refused_tab: None,
        }
    }

    fn stream(&mut self) -> Result<Option<Value>, YamlError> {
        let mut first = None;
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(first),
                Event::DocumentStart(_) => {
                    let document = self.document()?;
                    first.get_or_insert(document);
                }
                _ => {}
            }
        }
    }

    fn next(&mut self) -> Result<Event<'input>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.mark = (span.start.line(), span.start.col() + 1);
                Ok(event)
            }
            Some(Err(error)) => Err(self.refusal(&error)),
            None => Ok(Event::StreamEnd),
        }
    }

    fn refusal(&mut self, error: &ScanError) -> YamlError {
        if error.info().starts_with("':' must be followed by") {
            self.refused_tab = error.marker().index().checked_sub(1);
        }
        if error.info().ends_with("unknown anchor") {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let named = self.text.lines().nth(line - 1).unwrap_or_default().chars().skip(column);
            let name: String = named
                .take_while(|character| character.is_alphanumeric() || matches!(character, '_' | '-'))
                .collect();
            return YamlError { line, column, problem: format!("invalid reference: {name}") };
        }
        self.error(libyaml_words(error.info()))
    }

    fn document(&mut self) -> Result<Value, YamlError> {
        self.anchors.clear();
        match self.node()? {
            Node::Is(value) | Node::MergeTagged(value) => Ok(value),
            Node::End => Ok(Value::Null),
        }
    }

    fn node(&mut self) -> Result<Node, YamlError> {
        let event = self.next()?;
        let before = self.written + self.copied;
        self.written += 1;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let text = if block { self.block(&text) } else { &text };
                (anchor, self.scalar(text, style, tag.as_deref())?)
            }
            Event::SequenceStart(anchor, _) => (anchor, Node::Is(self.nested(Self::sequence)?)),
            Event::MappingStart(anchor, _) => (anchor, Node::Is(self.nested(Self::mapping)?)),
            Event::Alias(anchor) => return self.alias(anchor).map(Node::Is),
            _ => return Ok(Node::End),
        };
        if anchor > 0
            && let Node::Is(value) | Node::MergeTagged(value) = &node
        {
            let nodes = self.written + self.copied - before;
            self.anchors.insert(anchor, Anchored { value: value.clone(), nodes });
        }
        Ok(node)
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, YamlError>) -> Result<Value, YamlError> {
        if self.depth == MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn sequence(&mut self) -> Result<Value, YamlError> {
        let mut items = Vec::new();
        while let Node::Is(item) | Node::MergeTagged(item) = self.node()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn mapping(&mut self) -> Result<Value, YamlError> {
        let mut map = Map::new();
        loop {
            let (key, merges) = match self.node()? {
                Node::End => return Ok(Value::Object(map)),
                Node::MergeTagged(key) => (key, true),
                Node::Is(key) => {
                    let merges = key == "<<";
                    (key, merges)
                }
            };
            let (Node::Is(value) | Node::MergeTagged(value)) = self.node()? else {
                return Err(self.error("a mapping key has no value"));
            };
            if merges {
                self.merge(&mut map, value)?;
            } else {
                let key = self.key(key)?;
                map.insert(key, value);
            }
        }
    }

    /// JSON's keys are strings: a number or a boolean stands under its text.
    fn key(&self, key: Value) -> Result<String, YamlError> {
        match key {
            Value::String(text) => Ok(text),
            Value::Bool(flag) => Ok(flag.to_string()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                Err(self.error("a mapping key must be a string, a number or a boolean"))
            }
        }
    }

    fn merge(&self, map: &mut Map<String, Value>, source: Value) -> Result<(), YamlError> {
        match source {
            Value::Object(source) => fill_in(map, source),
            Value::Array(sources) => {
                for (index, source) in sources.into_iter().enumerate() {
                    match source {
                        Value::Object(source) => fill_in(map, source),
                        Value::Null => {}
                        other => {
                            let (index, text) = (index + 1, plain_text(&other));
                            return Err(self.error(format!("invalid '<<' sequence element {index}: {text}")));
                        }
                    }
                }
            }
            other => return Err(self.error(format!("invalid '<<' merge event: {}", plain_text(&other)))),
        }
        Ok(())
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Result<Node, YamlError> {
        let not_finite = |NotFinite| self.error(format!("'{text}' is not a number that can be used here"));
        let full_tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
        if let Some(full_tag) = &full_tag {
            match scalar::tagged(full_tag, text).map_err(not_finite)? {
                Tagged::Value(value) => return Ok(Node::Is(value)),
                Tagged::Invalid => return Err(self.error(format!("invalid '{full_tag}' value: '{text}'"))),
                Tagged::Unconverted => {}
            }
        }
        let value = match style {
            ScalarStyle::Plain => scalar::implicit(text).map_err(not_finite)?,
            _ => Value::String(text.to_owned()),
        };
        match full_tag.as_deref() {
            Some("tag:yaml.org,2002:merge") => Ok(Node::MergeTagged(value)),
            _ => Ok(Node::Is(value)),
        }
    }

    /// The parser adds a line break to a block scalar that the end of the text cuts off; libyaml does not.
    fn block<'text>(&mut self, text: &'text str) -> &'text str {
        let last_line = self.text.lines().next_back().unwrap_or_default().trim_start();
        let at_end = self.cut_off_at.is_some_and(
            |length| matches!(self.parser.peek(), Some(Ok((_, span))) if span.start.index() >= length),
        ) && text.strip_suffix('\n').is_some_and(|text| match last_line {
            "" => text.ends_with(['\n', ' ']),
            line => text.ends_with(line),
        });
        if at_end { text.strip_suffix('\n').unwrap_or(text) } else { text }
    }

    fn alias(&mut self, anchor: usize) -> Result<Value, YamlError> {
        let Some(anchored) = self.anchors.get(&anchor) else {
            return Err(self.error("invalid reference: an alias inside its own anchor"));
        };
        self.copied += anchored.nodes;
        if self.copied > FREE_EXPANSION + MAX_EXPANSION * self.written {
            return Err(self.error("aliases repeat too much of the document"));
        }
        Ok(anchored.value.clone())
    }

    fn error(&self, problem: impl Into<String>) -> YamlError {
        let (line, column) = self.mark;
        YamlError { line, column, problem: problem.into() }
    }
}

fn fill_in(map: &mut Map<String, Value>, source: Map<String, Value>) {
    for (key, value) in source {
        map.entry(key).or_insert(value);
    }
}

/// A value inside a message, as Lua's `tostring` has it; collections are only named.
fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => "a sequence".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        other => other.to_string(),
    }
}

/// libyaml refuses control characters before it looks at the structure.
fn forbidden_character(text: &str) -> Option<&'static str> {
    let forbidden = |character: char| !matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.contains(forbidden).then_some("control characters are not allowed")
}

/// The parser's finding in libyaml's words, which Kong's users know and search for.
fn libyaml_words(info: &str) -> &str {
    const CANNOT_START: &str = "found character that cannot start any token";
    match info {
        "simple key expect ':'" | "simple key expected" => "could not find expected ':'",
        "the handle wasn't declared" => "found undefined tag handle",
        "misplaced bracket" => "did not find expected node content",
        "a block scalar content cannot start with a tab" => {
            "found a tab character where an indentation space is expected"
        }
        _ if info.starts_with("invalid trailing content after") => "did not find expected key",
        _ if info.starts_with("unexpected character") || info.starts_with("tabs disallowed") => CANNOT_START,
        _ if info.starts_with("while ") || info.starts_with("in a ") => {
            info.split_once(", ").map_or(info, |(_, problem)| problem)
        }
        _ => info,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Value {
        load(text).unwrap().unwrap()
    }

    #[test]
    fn quoted_scalars_are_strings_and_plain_ones_are_resolved() {
        assert_eq!(
            read("a: yes\nb: 'yes'\nc: \"010\"\nd: 010\ne: ~\nf:\n"),
            json!({"a": true, "b": "yes", "c": "010", "d": 8, "e": null, "f": null})
        );
    }

    #[test]
    fn the_last_of_equal_keys_wins() {
        assert_eq!(read("a: 1\nb: 2\na: 3\n"), json!({"a": 3, "b": 2}));
    }

    #[test]
    fn a_merge_fills_in_only_what_is_not_there() {
        let text = "base: &b {x: 1, y: 2}\nmore: &m {y: 5, z: 6}\none:\n  x: 0\n  <<: *b\n\
                    two:\n  <<: [*b, *m]\n  x: 9\nthree: {'<<': *b}\n";
        let value = read(text);
        assert_eq!(value["one"], json!({"x": 0, "y": 2}));
        assert_eq!(value["two"], json!({"x": 9, "y": 2, "z": 6}));
        assert_eq!(value["three"], json!({"x": 1, "y": 2}));
    }

    #[test]
    fn only_the_first_document_counts_but_all_must_parse() {
        assert_eq!(read("--- {a: 1}\n--- {b: 2}\n"), json!({"a": 1}));
        assert!(load("--- {a: 1}\n--- {b: [\n").is_err());
        assert_eq!(load("# nothing\n").unwrap(), None);
        assert_eq!(load("").unwrap(), None);
    }

    #[test]
    fn errors_have_line_and_column() {
        assert_eq!(
            load("services:\n- name: x\n host: y\n").unwrap_err().to_string(),
            "3:2: did not find expected key"
        );
        assert_eq!(load("<<: 3\n").unwrap_err().to_string(), "1:5: invalid '<<' merge event: 3");
        assert_eq!(
            load("a: !!int x\n").unwrap_err().to_string(),
            "1:4: invalid 'tag:yaml.org,2002:int' value: 'x'"
        );
    }

    #[test]
    fn an_alias_bomb_is_refused_and_generous_reuse_is_not() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let previous = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!("a{level}: &a{level} [{previous}]\n"));
        }
        assert!(load(&bomb).unwrap_err().problem.contains("aliases repeat"));
        let mut reuse = String::from("base: &b {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6}\nlist:\n");
        reuse.push_str(&"- <<: *b\n  name: x\n".repeat(20_000));
        assert_eq!(read(&reuse)["list"].as_array().unwrap().len(), 20_000);
    }

    #[test]
    fn a_tab_may_separate_a_value_from_its_key_and_stays_where_it_is_text() {
        assert_eq!(read("a: b\t\nc:\td\ne: |\n  f:\tg\n"), json!({"a": "b", "c": "d", "e": "f:\tg\n"}));
    }

    #[test]
    fn a_block_scalar_that_the_end_cuts_off_gets_no_line_break() {
        assert_eq!(read("a: |\n  b\n  c"), json!({"a": "b\nc"}));
        assert_eq!(read("a: |\n  b\n  c\n"), json!({"a": "b\nc\n"}));
    }

    #[test]
    fn deep_nesting_is_refused_without_a_stack_overflow() {
        let deep = "- ".repeat(50_000);
        assert!(load(&deep).is_err());
        assert!(load(&"[".repeat(50_000)).is_err());
    }
}
