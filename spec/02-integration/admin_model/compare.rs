//! One call to two nodes and to the model.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::calls::Call;
use super::kinds::{self, Kind, is_given};
use super::model::{Expected, Model, contains};
use super::node::{Answer, Node, as_set, comparable, sorted};

/// How long a sequence may take to be made shorter.
const PATIENCE: Duration = Duration::from_secs(60);

/// How it begins that entities of the sequence before cannot be removed.
const STUCK: &str = "clearing ";

/// Two nodes that have to answer alike.
pub struct Comparison {
    one: Node,
    two: Node,
    names: [&'static str; 2],
    /// Whether rows come in the order of their keys at both.
    is_in_order: bool,
    model: Model,
    /// The kinds that both nodes know.
    pub kinds: Vec<&'static Kind>,
}

impl Comparison {
    /// Over the Admin API's ports of two nodes; with each the name of its database.
    pub fn new(one: (&'static str, u16), two: (&'static str, u16)) -> Comparison {
        let names = [one.0, two.0];
        let (mut one, two) = (Node::new(one.1), Node::new(two.1));
        let kinds = kinds::known(&mut one);
        let is_in_order = !names.contains(&"Cassandra");
        Comparison { one, two, names, is_in_order, model: Model::new(kinds.clone()), kinds }
    }

    /// What both answered, as words.
    fn both(&self, one: impl std::fmt::Display, two: impl std::fmt::Display) -> String {
        let [first, second] = self.names;
        format!("\n  {:11} {one}\n  {:11} {two}", format!("{first}:"), format!("{second}:"))
    }

    /// Sends all calls to nodes without entities.
    ///
    /// # Errors
    /// The first difference.
    pub fn run(&mut self, calls: &[Call]) -> Result<(), String> {
        self.clear()?;
        for (index, call) in calls.iter().enumerate() {
            self.step(call).map_err(|difference| {
                format!("call {index}, {} {}: {difference}", call.method, call.target)
            })?;
        }
        for kind in self.kinds.clone() {
            let (one, two) = (self.one.rows(kind)?, self.two.rows(kind)?);
            for (rows, name) in [one, two].into_iter().zip(self.names) {
                if let Some(difference) = self.model.difference(kind, &rows) {
                    return Err(format!("in the end, {name} differs from the model in {difference}"));
                }
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), String> {
        self.model = Model::new(self.kinds.clone());
        for kind in self.kinds.iter().filter(|kind| kind.has_collection) {
            for node in [&mut self.one, &mut self.two] {
                for row in node.rows(kind)? {
                    let id = row["id"].as_str().unwrap_or_default();
                    let target = format!("DELETE /{}/{id} HTTP/1.1\r\nHost: localhost\r\n\r\n", kind.path);
                    let answer = node.send("DELETE", target.as_bytes());
                    if answer.as_ref().is_none_or(|answer| answer.status != 204) {
                        return Err(format!("{STUCK}{} {id}: {answer:?}", kind.name));
                    }
                }
            }
        }
        Ok(())
    }

    fn step(&mut self, call: &Call) -> Result<(), String> {
        let expected = self.model.expected(&call.meaning);
        let [first, second] = self.names;
        let one = self.one.answer(call).ok_or_else(|| format!("{first}: no answer"))?;
        let two = self.two.answer(call).ok_or_else(|| format!("{second}: no answer"))?;
        if one.status >= 500 || two.status >= 500 {
            return Err(self.both(told(&one), told(&two)));
        }
        let is_list = one.status == 200 && one.body["data"].is_array() && one.body.get("next").is_some();
        match is_list && two.status == 200 {
            true => self.compare_lists(call, &one, &two, expected)?,
            false => {
                // why an offset is none is said by whose it is
                let is_offset = |answer: &Answer| answer.status == 400 && answer.body["code"] == 7;
                let are_offsets = !self.is_in_order && is_offset(&one) && is_offset(&two);
                if !are_offsets
                    && one.comparable() != two.comparable()
                    && !are_alike_refusals(call, &one, &two)
                {
                    let difference = fields_that_differ(&one.body, &two.body);
                    return Err(self.both(told(&one), told(&two)) + &difference);
                }
                check(&one, expected)?;
            }
        }
        self.model.learn(&call.meaning, &one, &mut self.one)
    }

    fn compare_lists(
        &mut self,
        call: &Call,
        one: &Answer,
        two: &Answer,
        expected: Option<Expected>,
    ) -> Result<(), String> {
        let (pages, others) = (self.one.pages(one.clone())?, self.two.pages(two.clone())?);
        let rows = |pages: &[Value]| -> Vec<Value> {
            pages.iter().flat_map(|page| page["data"].as_array().cloned().unwrap_or_default()).collect()
        };
        let (own, foreign) = (rows(&pages), rows(&others));
        let id = |row: &Value| row["id"].as_str().or(row["entity_id"].as_str()).is_some_and(is_given);
        // what a node made up itself has its place in the order by chance; targets stand in the order of their times
        let is_ordered = self.is_in_order
            && call.meaning.kind.name != "targets"
            && own.iter().all(id)
            && !call.target.starts_with("/tags");
        if is_ordered && comparable(&Value::from(pages.clone())) != comparable(&Value::from(others.clone())) {
            return Err(self.both(Value::from(pages), Value::from(others)));
        }
        if as_set(&own) != as_set(&foreign) || own.len() != foreign.len() {
            return Err(self.both(Value::from(own), Value::from(foreign)));
        }
        match expected {
            None => Ok(()),
            Some(Expected::Rows(expected))
                if as_set(&expected) == as_set(&own) && expected.len() == own.len() =>
            {
                Ok(())
            }
            Some(Expected::Rows(expected)) => {
                Err(format!("\n  expected: {}\n  there:    {}", Value::from(expected), Value::from(own)))
            }
            Some(other) => Err(format!("\n  expected: {other:?}\n  there:    {}", Value::from(own))),
        }
    }

    /// A shorter sequence that shows a difference, and that one.
    pub fn shorten(&mut self, calls: Vec<Call>, difference: String) -> (Vec<Call>, String) {
        let (mut shortest, mut difference) = (calls, difference);
        let begun = Instant::now();
        let mut size = shortest.len().div_ceil(2);
        loop {
            let mut at = 0;
            while at < shortest.len() {
                if begun.elapsed() > PATIENCE {
                    return (shortest, difference);
                }
                let end = (at + size).min(shortest.len());
                let fewer = [&shortest[..at], &shortest[end..]].concat();
                match self.run(&fewer) {
                    Err(other) if other.starts_with(STUCK) => return (shortest, difference),
                    Err(other) if !fewer.is_empty() => (shortest, difference) = (fewer, other),
                    _ => at = end,
                }
            }
            if size == 1 {
                return (shortest, difference);
            }
            size = size.div_ceil(2);
        }
    }
}

fn told(answer: &Answer) -> String {
    format!("{} {} {:?} {:?}", answer.status, sorted(&answer.body), answer.allow, answer.content_type)
}

/// The fields of two objects that differ.
fn fields_that_differ(one: &Value, two: &Value) -> String {
    let (Value::Object(one), Value::Object(two)) = (comparable(one), comparable(two)) else {
        return String::new();
    };
    let names = one.keys().chain(two.keys().filter(|name| !one.contains_key(*name)));
    let differing = names.filter(|name| one.get(*name).map(sorted) != two.get(*name).map(sorted));
    differing.map(|name| format!("\n  {name}: {:?} and {:?}", one.get(name), two.get(name))).collect()
}

/// Whether both refuse an entity of which several foreign keys lead nowhere, or several values are not unique, for one
/// of these: it is left to a database which it names.
fn are_alike_refusals(call: &Call, one: &Answer, two: &Answer) -> bool {
    let is_so = |answer: &Answer| answer.status == 400 && answer.body["code"] == 4;
    if one.status == 409 && two.status == 409 {
        let kind = call.meaning.kind;
        return kind.unique.len() + usize::from(!kind.together.is_empty()) > 1;
    }
    let above = call.meaning.kind.above.iter();
    let given = above
        .filter(|relation| call.meaning.entity.get(relation.field).is_some_and(Value::is_object))
        .count();
    is_so(one) && is_so(two) && given + usize::from(call.meaning.above.is_some()) > 1
}

fn check(answer: &Answer, expected: Option<Expected>) -> Result<(), String> {
    let is_so = match &expected {
        None => true,
        Some(Expected::Status(statuses)) => statuses.contains(&answer.status),
        Some(Expected::With(status, fields)) => {
            answer.status == *status && contains(&answer.body, &Value::Object(fields.clone()))
        }
        Some(Expected::Is(body)) => {
            answer.status == 200 && sorted(&comparable(&answer.body)) == sorted(&comparable(body))
        }
        Some(Expected::Rows(_)) => false,
    };
    match (is_so, expected) {
        (false, Some(Expected::Is(body))) if answer.status == 200 => {
            Err(format!("expected and there:{}", fields_that_differ(&body, &answer.body)))
        }
        (false, Some(expected)) => Err(format!("\n  expected: {expected:?}\n  there:    {}", told(answer))),
        _ => Ok(()),
    }
}
