//! Where in a text the places of its document are.
//!
//! Looked up only when there is an error to report: the reader itself keeps no positions, so that a good
//! configuration costs nothing for them.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, StrInput};

/// One step of a path into a document.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Segment {
    /// The value under a key.
    Key(String),
    /// An item of a list, counted from 1.
    Entry(usize),
}

/// For each path the line of its value, or of the innermost value around it that is in the text.
///
/// JSON is read by the same rules. A path through an alias has the line of the alias.
pub fn find(text: &str, paths: &[Vec<Segment>]) -> Vec<Option<usize>> {
    let mut wanted = HashMap::new();
    for path in paths {
        for length in 1..=path.len() {
            wanted.insert(path.get(..length).unwrap_or_default().to_vec(), None);
        }
    }
    let mut walk = Walk { parser: Parser::new_from_str(text), wanted, path: Vec::new() };
    walk.document();
    paths.iter().map(|path| walk.innermost(path)).collect()
}

/// A path as text: `services[1].port`.
pub fn display(path: &[Segment]) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Key(key) if text.is_empty() => text.push_str(key),
            Segment::Key(key) => text.push_str(&format!(".{key}")),
            Segment::Entry(number) => text.push_str(&format!("[{number}]")),
        }
    }
    text
}

struct Walk<'input> {
    parser: Parser<'input, StrInput<'input>>,
    wanted: HashMap<Vec<Segment>, Option<usize>>,
    path: Vec<Segment>,
}

impl<'input> Walk<'input> {
    fn document(&mut self) {
        while let Some((event, _)) = self.next() {
            if matches!(event, Event::DocumentStart(_)) {
                if let Some((event, _)) = self.next() {
                    self.value(event);
                }
                return;
            }
        }
    }

    fn next(&mut self) -> Option<(Event<'input>, usize)> {
        let (event, span) = self.parser.next_event()?.ok()?;
        Some((event, span.start.line()))
    }

    /// Reads the rest of the value that begins with `event`; `None` at the end of the text.
    fn value(&mut self, event: Event<'input>) -> Option<()> {
        match event {
            Event::SequenceStart(..) => self.sequence(),
            Event::MappingStart(..) => self.mapping(),
            _ => Some(()),
        }
    }

    fn sequence(&mut self) -> Option<()> {
        for number in 1.. {
            let (event, line) = self.next()?;
            if event == Event::SequenceEnd {
                break;
            }
            self.step(Segment::Entry(number), line, event)?;
        }
        Some(())
    }

    fn mapping(&mut self) -> Option<()> {
        loop {
            let (key, line) = self.next()?;
            let name = match key {
                Event::MappingEnd => return Some(()),
                Event::Scalar(text, ..) => text.into_owned(),
                other => {
                    self.path.push(Segment::Key(String::new()));
                    self.value(other)?;
                    self.path.pop();
                    String::new()
                }
            };
            let (event, _) = self.next()?;
            self.step(Segment::Key(name), line, event)?;
        }
    }

    fn step(&mut self, segment: Segment, line: usize, event: Event<'input>) -> Option<()> {
        const DEEPEST: usize = 256;
        if self.path.len() > DEEPEST {
            return None;
        }
        self.path.push(segment);
        if let Some(found) = self.wanted.get_mut(&self.path) {
            *found = Some(line);
        }
        let end = self.value(event);
        self.path.pop();
        end
    }

    fn innermost(&self, path: &[Segment]) -> Option<usize> {
        (1..=path.len()).rev().find_map(|length| *self.wanted.get(path.get(..length)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(keys: &str) -> Vec<Segment> {
        let segment =
            |part: &str| part.parse().map_or_else(|_| Segment::Key(part.to_owned()), Segment::Entry);
        keys.split('.').map(segment).collect()
    }

    #[test]
    fn keys_and_entries_are_found_in_yaml_and_json() {
        let yaml = "a:\n- b: 1\n- b: 2\n  c:\n    d: 3\n";
        let json = "{\n\"a\": [\n{\"b\": 1},\n{\"b\": 2,\n\"c\": {\"d\": 3}}]}";
        let paths = [path("a.2.c.d"), path("a.1"), path("a.2.x"), path("z")];
        assert_eq!(find(yaml, &paths), [Some(5), Some(2), Some(3), None]);
        assert_eq!(find(json, &paths), [Some(5), Some(3), Some(4), None]);
    }

    #[test]
    fn text_that_breaks_off_is_searched_as_far_as_it_goes() {
        assert_eq!(find("a: 1\nb: [", &[path("a"), path("b")]), [Some(1), Some(2)]);
    }
}
