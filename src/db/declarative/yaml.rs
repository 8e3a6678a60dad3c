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

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};
use thiserror::Error;

use super::scalar::{self, NotFinite, Tagged};

/// Deepest nesting of sequences and mappings; also cjson's limit for JSON.
pub const MAX_DEPTH: usize = 1000;

/// How many nodes aliases may add for each node that is written out.
pub const MAX_EXPANSION: usize = 32;

/// Nodes that aliases may add to any document, however small.
const FREE_EXPANSION: usize = 100_000;

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
    let mut reader = Reader::new(text);
    let mut first = None;
    loop {
        match reader.next()? {
            Event::StreamEnd => return Ok(first),
            Event::DocumentStart(_) => {
                let document = reader.document()?;
                first.get_or_insert(document);
            }
            _ => {}
        }
    }
}

/// Walks the events and keeps what the next node may refer to.
struct Reader<'input> {
    parser: Parser<'input, StrInput<'input>>,
    anchors: HashMap<usize, Anchored>,
    /// Line and column of the current event, from 1.
    mark: (usize, usize),
    written: usize,
    copied: usize,
    depth: usize,
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
            anchors: HashMap::new(),
            mark: (0, 0),
            written: 0,
            copied: 0,
            depth: 0,
        }
    }

    fn next(&mut self) -> Result<Event<'input>, YamlError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => {
                self.mark = position(span);
                Ok(event)
            }
            Some(Err(error)) => Err(self.error(libyaml_words(&error))),
            None => Ok(Event::StreamEnd),
        }
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
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(&text, style, tag.as_deref())?),
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
                    let Value::Object(source) = source else {
                        let problem =
                            format!("invalid '<<' sequence element {}: {}", index + 1, plain_text(&source));
                        return Err(self.error(problem));
                    };
                    fill_in(map, source);
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

fn position(span: Span) -> (usize, usize) {
    (span.start.line(), span.start.col() + 1)
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
fn libyaml_words(error: &ScanError) -> String {
    let info = error.info();
    if let Some((_, anchor)) = info.split_once("unknown anchor") {
        return format!("invalid reference{anchor}");
    }
    for prefix in ["while ", "in a "] {
        if info.starts_with(prefix)
            && let Some((_, problem)) = info.split_once(", ")
        {
            return problem.to_owned();
        }
    }
    info.to_owned()
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
    fn deep_nesting_is_refused_without_a_stack_overflow() {
        let deep = "- ".repeat(50_000);
        assert!(load(&deep).is_err());
        assert!(load(&"[".repeat(50_000)).is_err());
    }
}
