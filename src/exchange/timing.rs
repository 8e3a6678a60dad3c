//! `X-Kong-Request-Debug`: where the time of one request went.
//!
//! A request that may ask for it has a [`Timing`], a tree of named spans that the proxy and the plugin runner enter
//! and leave. Other requests have none, and pay one bit test.
//!
//! *Kong parity*: names and nesting of spans, rounding, and the form of the report.

use serde_json::{Map, Number, Value};
use std::time::Instant;

/// The spans of one request.
#[derive(Debug)]
pub struct Timing {
    /// All spans, the root first.
    spans: Vec<Span>,
    /// The span that is open and innermost.
    current: usize,
    /// Whether the report goes to the log at the end.
    pub logs: bool,
    /// Whether the client is on this machine, where long header fields do no harm.
    pub loopback: bool,
}

#[derive(Debug, Default)]
struct Span {
    name: String,
    parent: usize,
    children: Vec<usize>,
    /// Milliseconds in all; `None` for one that was never measured.
    total: Option<f64>,
    since: Option<Instant>,
    properties: Vec<(&'static str, Value)>,
}

impl Timing {
    /// With nothing but the request's id.
    pub fn new(id: &str, logs: bool, loopback: bool) -> Timing {
        let properties = vec![("request_id", Value::from(id))];
        Timing { spans: vec![Span { properties, ..Span::default() }], current: 0, logs, loopback }
    }

    /// Begins a span inside the current one, or goes on with the one of that name.
    pub fn enter(&mut self, name: &str) {
        self.current = self.child(self.current, name);
        if let Some(span) = self.spans.get_mut(self.current) {
            span.since = Some(Instant::now());
        }
    }

    /// Ends the current span; the root stays.
    pub fn leave(&mut self) {
        if self.current == 0 {
            return;
        }
        if let Some(span) = self.spans.get_mut(self.current) {
            if let Some(since) = span.since.take() {
                span.total = Some(span.total.unwrap_or(0.0) + since.elapsed().as_secs_f64() * 1e3);
            }
            self.current = span.parent;
        }
    }

    /// How many spans are open: what [`Timing::leave_to`] takes.
    pub fn depth(&self) -> usize {
        let mut depth = 0;
        let mut at = self.current;
        while at != 0 {
            depth += 1;
            at = self.spans.get(at).map_or(0, |span| span.parent);
        }
        depth
    }

    /// Ends spans until so many are open: those of a plugin that threw or ended the phase are left open.
    pub fn leave_to(&mut self, depth: usize) {
        while self.depth() > depth {
            self.leave();
        }
    }

    /// Notes something about the current span.
    pub fn note(&mut self, name: &'static str, value: impl Into<Value>) {
        let current = self.current;
        self.set(current, name, value.into());
    }

    /// Notes something about the request.
    pub fn note_request(&mut self, name: &'static str, value: impl Into<Value>) {
        self.set(0, name, value.into());
    }

    /// Adds a span below the root whose time was measured elsewhere, with its parts; in whole milliseconds.
    pub fn measured(&mut self, name: &str, total: u64, parts: &[(&str, u64)]) {
        let span = self.child(0, name);
        for (part, time) in parts {
            let part = self.child(span, part);
            if let Some(part) = self.spans.get_mut(part) {
                part.total = Some(*time as f64);
            }
        }
        if let Some(span) = self.spans.get_mut(span) {
            span.total = Some(total as f64);
        }
    }

    /// The report as JSON text, as Lua's cjson writes it.
    pub fn report(&self) -> String {
        let mut root = self.object(0);
        if let Some(Value::Object(children)) = root.get("child") {
            let own = children.iter().filter(|(name, _)| *name != "upstream");
            let times = own.filter_map(|(_, child)| child.get("total_time")?.as_f64());
            root.insert("total_time_without_upstream".to_owned(), number(times.sum()));
        }
        Value::Object(root).to_string().replace('/', "\\/")
    }

    fn child(&mut self, parent: usize, name: &str) -> usize {
        let known = self.spans.get(parent).and_then(|span| {
            span.children
                .iter()
                .copied()
                .find(|at| self.spans.get(*at).is_some_and(|child| child.name == name))
        });
        known.unwrap_or_else(|| {
            let at = self.spans.len();
            self.spans.push(Span { name: name.to_owned(), parent, ..Span::default() });
            if let Some(span) = self.spans.get_mut(parent) {
                span.children.push(at);
            }
            at
        })
    }

    fn set(&mut self, at: usize, name: &'static str, value: Value) {
        if let Some(span) = self.spans.get_mut(at) {
            span.properties.retain(|(known, _)| *known != name);
            span.properties.push((name, value));
        }
    }

    fn object(&self, at: usize) -> Map<String, Value> {
        let mut object = Map::new();
        let Some(span) = self.spans.get(at) else { return object };
        let running = span.since.map(|since| since.elapsed().as_secs_f64() * 1e3);
        if span.total.is_some() || running.is_some() {
            let total = span.total.unwrap_or(0.0) + running.unwrap_or(0.0);
            object.insert("total_time".to_owned(), number((total * 100.0).floor() / 100.0));
        }
        object.extend(span.properties.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if !span.children.is_empty() {
            let children = span
                .children
                .iter()
                .filter_map(|at| Some((self.spans.get(*at)?.name.clone(), Value::Object(self.object(*at)))));
            object.insert("child".to_owned(), Value::Object(children.collect()));
        }
        object
    }
}

/// A number as Lua prints it: whole ones without a point, sums without the noise of binary fractions.
fn number(number: f64) -> Value {
    let rounded = (number * 1e6).round() / 1e6;
    if rounded.fract() == 0.0 {
        return Value::from(rounded as i64);
    }
    Number::from_f64(rounded).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_one_name_are_added_up_and_open_ones_counted_so_far() {
        let mut timing = Timing::new("abc", false, true);
        for _ in 0..2 {
            timing.enter("access");
            timing.enter("plugins");
            std::thread::sleep(std::time::Duration::from_millis(3));
            timing.leave_to(1);
            timing.leave();
        }
        timing.measured("upstream", 7, &[("time_to_first_byte", 5)]);
        timing.enter("header_filter");
        timing.note("cache_hit", true);
        let report: Value = serde_json::from_str(&timing.report()).unwrap();
        let access = report["child"]["access"]["total_time"].as_f64().unwrap();
        assert!(
            access >= 6.0
                && report["child"]["access"]["child"]["plugins"]["total_time"].as_f64() <= Some(access)
        );
        assert_eq!(report["request_id"], "abc");
        assert_eq!(report["child"]["upstream"]["child"]["time_to_first_byte"]["total_time"], 5);
        assert_eq!(report["child"]["header_filter"]["cache_hit"], true);
        let own = report["total_time_without_upstream"].as_f64().unwrap();
        assert!(own >= access && own < access + 5.0, "{report}");
        timing.leave();
        timing.leave();
        assert_eq!(timing.depth(), 0);
    }
}
