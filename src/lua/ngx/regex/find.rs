//! `ngx.re.match`, `find` and `gmatch`.

use super::{Pattern, as_string, follow, nothing, pattern, start, subject};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::object::{self, Object};
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::rc::Rc;

/// `match(subject, regex, options?, ctx?, table?)`.
pub(super) fn match_(frame: &Frame) -> Answer {
    let pattern = match pattern(frame, 3)? {
        Ok(pattern) => pattern,
        Err(message) => return frame.fail(message),
    };
    let subject = subject(frame)?;
    let from = start(frame, 4)?;
    let mut found = pattern.room();
    match pattern.exec(subject, from, &mut found) {
        Err(message) => return frame.fail(message),
        Ok(false) => return nothing(frame),
        Ok(true) => {}
    }
    follow(frame, 4, found.get(0).map_or(from, |(_, to)| to));
    match frame.kind(5) {
        Kind::Table => frame.push_value(5),
        Kind::None | Kind::Nil => frame.push_table(found.len(), 1),
        Kind::Boolean if !frame.truth(5) => frame.push_table(found.len(), 1),
        _ => {
            let kind = frame.kind_name(5);
            return Err(Flow::raise(format!("attempt to index local 'res' (a {kind} value)")));
        }
    }
    pattern.fill(frame, frame.top(), subject, &found);
    Ok(1)
}

/// `find(subject, regex, options?, ctx?, nth?)`.
pub(super) fn find(frame: &Frame) -> Answer {
    let fail = |message: &str| {
        frame.push_nil();
        frame.fail(message)?;
        Ok(3)
    };
    let pattern = match pattern(frame, 3)? {
        Ok(pattern) => pattern,
        Err(message) => return fail(&message),
    };
    let subject = subject(frame)?;
    let from = start(frame, 4)?;
    let nth = match frame.kind(5) {
        Kind::None | Kind::Nil => 0.0,
        Kind::Boolean if !frame.truth(5) => 0.0,
        Kind::Number => frame.number(5)?,
        _ => {
            let kind = frame.kind_name(5);
            return Err(Flow::raise(format!("attempt to compare {kind} with number")));
        }
    };
    if nth < 0.0 || nth > pattern.captures() as f64 - 1.0 {
        return fail("nth out of bound");
    }
    let nth = nth as usize;
    let mut found = pattern.room();
    match pattern.exec(subject, from, &mut found) {
        Err(message) => return fail(&message),
        Ok(false) => return nothing(frame),
        Ok(true) => {}
    }
    follow(frame, 4, found.get(0).map_or(from, |(_, to)| to));
    let Some((from, to)) = found.get(nth) else {
        frame.push_nil();
        frame.push_nil();
        return Ok(2);
    };
    frame.push_integer(from as i64 + 1);
    frame.push_integer(to as i64);
    Ok(2)
}

/// Where an iteration over matches stands.
struct Iteration {
    pattern: Rc<Pattern>,
    /// Where to look next; none after the last match.
    at: Cell<Option<usize>>,
}

impl Object for Iteration {
    const NAME: &'static CStr = c"ngx.re iteration";

    fn methods(_: &Frame, _: c_int) {}
}

/// `gmatch(subject, regex, options?)`: a function that answers the captures of one match a call.
pub(super) fn gmatch(frame: &Frame) -> Answer {
    let pattern = match pattern(frame, 3)? {
        Ok(pattern) => pattern,
        Err(message) => return frame.fail(message),
    };
    as_string(frame, 1)?;
    frame.push_value(1);
    object::push(frame, Iteration { pattern, at: Cell::new(Some(0)) });
    frame.push_closure(next_match, 2);
    Ok(1)
}

fn next_match(frame: &Frame) -> Answer {
    let missing = || Flow::raise("attempt to use an ended iteration");
    let subject = frame.text_at(Frame::upvalue(1)).ok_or_else(missing)?;
    let iteration = object::at::<Iteration>(frame, Frame::upvalue(2))?;
    let Some(from) = iteration.at.take() else { return nothing(frame) };
    let pattern = &iteration.pattern;
    let mut found = pattern.room();
    match pattern.exec(subject, from, &mut found) {
        Err(message) => return frame.fail(message),
        Ok(false) => return nothing(frame),
        Ok(true) => {}
    }
    let (begin, end) = found.get(0).unwrap_or((from, from));
    let next = if begin == end { pattern.step(subject, end) } else { end };
    iteration.at.set((next <= subject.len()).then_some(next));
    frame.push_table(found.len(), 1);
    pattern.fill(frame, frame.top(), subject, &found);
    Ok(1)
}
