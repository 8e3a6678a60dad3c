//! `receive`, `receiveany` and `receiveuntil`.

use super::connection::{Connection, read_ahead};
use super::tcp::{Socket, this};
use super::within;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::rc::Rc;

/// What is to be received.
#[derive(Clone)]
enum Wanted {
    /// So many bytes.
    Bytes(usize),
    /// Some bytes, at most so many.
    Any(usize),
    /// What comes before a line feed.
    Line,
    /// All up to the end of the stream.
    All,
    /// What comes before a pattern.
    Until(Rc<Until>, Option<usize>),
}

/// A pattern that ends what is received.
struct Until {
    pattern: Vec<u8>,
    /// Whether the pattern itself is part of the answer.
    inclusive: bool,
    /// Whether the pattern was seen, so that the next call answers nothing.
    seen: Cell<bool>,
}

/// What came.
enum Received {
    Data(Vec<u8>),
    /// The pattern was found before, and its end is told now.
    Nothing,
    /// An error, and what had come before it.
    Failed(String, Vec<u8>),
}

/// `receive(size or "*l" or "*a")`.
pub(super) fn receive(frame: &Frame) -> Answer {
    let wanted = match frame.kind(2) {
        Kind::None | Kind::Nil => Wanted::Line,
        Kind::Number => {
            let size = frame.number(2)?;
            if size < 0.0 {
                return Err(Flow::Argument(2, "bad number argument".into()));
            }
            Wanted::Bytes(size as usize)
        }
        _ => match frame.bytes(2)? {
            b"*l" => Wanted::Line,
            b"*a" => Wanted::All,
            [b'*', ..] => return Err(Flow::Argument(2, "bad pattern argument".into())),
            other => match std::str::from_utf8(other).ok().and_then(|text| text.parse().ok()) {
                Some(size) => Wanted::Bytes(size),
                None => {
                    let other = String::from_utf8_lossy(other);
                    return Err(Flow::Argument(2, format!("bad pattern argument: {other}")));
                }
            },
        },
    };
    start(frame, this(frame)?, wanted)
}

/// `receiveany(most)`.
pub(super) fn receive_any(frame: &Frame) -> Answer {
    let most = frame.number(2)?;
    if most < 1.0 {
        return Err(Flow::Argument(2, "bad max argument".into()));
    }
    start(frame, this(frame)?, Wanted::Any(most as usize))
}

/// `receiveuntil(pattern, options?)`: a function that answers what comes before the pattern.
pub(super) fn receive_until(frame: &Frame) -> Answer {
    let pattern = frame.bytes(2)?.to_vec();
    if pattern.is_empty() {
        return frame.fail("pattern is empty");
    }
    let mut inclusive = false;
    if frame.kind(3) == Kind::Table {
        frame.push_field(3, "inclusive");
        inclusive = match frame.kind(-1) {
            Kind::Nil => false,
            Kind::Boolean => frame.truth(-1),
            _ => {
                let kind = frame.kind_name(-1);
                let text = format!("bad \"inclusive\" option value type: {kind}");
                return Err(Flow::Argument(3, text));
            }
        };
        frame.pop(1);
    }
    let until = Until { pattern, inclusive, seen: Cell::new(false) };
    object::push(frame, Iteration(this(frame)?, Rc::new(until)));
    frame.push_closure(next_until, 1);
    Ok(1)
}

struct Iteration(Socket, Rc<Until>);

impl Object for Iteration {
    const NAME: &'static CStr = c"receiveuntil iteration";

    fn methods(_: &Frame, _: c_int) {}
}

fn next_until(frame: &Frame) -> Answer {
    let size = frame.optional_number(1)?.filter(|size| *size > 0.0).map(|size| size as usize);
    let Iteration(socket, until) = object::at::<Iteration>(frame, Frame::upvalue(1))?;
    start(frame, socket.clone(), Wanted::Until(Rc::clone(until), size))
}

fn start(frame: &Frame, socket: Socket, wanted: Wanted) -> Answer {
    if !socket.is_connected() {
        return frame.fail("closed");
    }
    let busy = match socket.begin_reading() {
        Ok(busy) => busy,
        Err(message) => return frame.fail(message),
    };
    let received = socket.0.slot.borrow_mut().as_mut().and_then(|connection| match wanted.from(connection) {
        None if connection.read_closed => Some(Received::Failed("closed".into(), wanted.partial(connection))),
        received => received,
    });
    if let Some(received) = received {
        return answer(frame, received);
    }
    frame.wait(async move {
        let received = wait(&socket, &wanted).await;
        drop(busy);
        Box::new(move |frame: &Frame| answer(frame, received)) as Resume
    })
}

fn answer(frame: &Frame, received: Received) -> Answer {
    match received {
        Received::Data(data) => {
            frame.push_bytes(&data);
            Ok(1)
        }
        Received::Nothing => {
            (0..3).for_each(|_| frame.push_nil());
            Ok(3)
        }
        Received::Failed(message, partial) => {
            frame.fail(message)?;
            frame.push_bytes(&partial);
            Ok(3)
        }
    }
}

/// Reads until what is wanted is there.
async fn wait(socket: &Socket, wanted: &Wanted) -> Received {
    let slot = &socket.0.slot;
    loop {
        let read = within(socket.0.timeouts.get().read, read_ahead(slot)).await;
        if let Ok(1..) = read {
            let there = slot.borrow_mut().as_mut().and_then(|connection| wanted.from(connection));
            match there {
                Some(received) => return received,
                None => continue,
            }
        }
        // The socket itself stays until it is closed, and after a silence the caller may try again.
        let is_over = !matches!(&read, Err(message) if message == "timeout");
        let partial = slot.borrow_mut().as_mut().map(|connection| {
            connection.read_closed = is_over;
            wanted.partial(connection)
        });
        let partial = partial.unwrap_or_default();
        return match (read, wanted) {
            (Ok(_), Wanted::All) => Received::Data(partial),
            (Ok(_), _) => Received::Failed("closed".into(), partial),
            (Err(message), _) => Received::Failed(message, partial),
        };
    }
}

impl Wanted {
    /// Takes what is wanted out of what was read ahead, if it is all there.
    fn from(&self, connection: &mut Connection) -> Option<Received> {
        let ahead = &mut connection.ahead;
        match self {
            Self::Bytes(size) => (ahead.len() >= *size).then(|| Received::Data(take(ahead, *size))),
            Self::Any(most) => {
                let size = ahead.len().min(*most);
                (size > 0).then(|| Received::Data(take(ahead, size)))
            }
            Self::Line => {
                let end = memchr::memchr(b'\n', ahead)?;
                let mut line = take(ahead, end + 1);
                line.retain(|byte| !matches!(byte, b'\r' | b'\n'));
                Some(Received::Data(line))
            }
            Self::All => None,
            Self::Until(until, size) => until.from(ahead, *size),
        }
    }

    /// What there is, when no more comes.
    fn partial(&self, connection: &mut Connection) -> Vec<u8> {
        let mut partial = std::mem::take(&mut connection.ahead);
        if matches!(self, Self::Line) {
            partial.retain(|byte| *byte != b'\r');
        }
        partial
    }
}

impl Until {
    fn from(&self, ahead: &mut Vec<u8>, size: Option<usize>) -> Option<Received> {
        if self.seen.replace(false) {
            return Some(Received::Nothing);
        }
        let found = memchr::memmem::find(ahead, &self.pattern);
        let end = found.map(|at| if self.inclusive { at + self.pattern.len() } else { at });
        match (end, size) {
            (Some(end), size) if size.is_none_or(|size| end <= size) => {
                let data = take(ahead, end);
                if !self.inclusive {
                    take(ahead, self.pattern.len());
                }
                self.seen.set(size.is_some());
                Some(Received::Data(data))
            }
            (_, Some(size)) if end.is_some() || ahead.len() - self.begun(ahead) >= size => {
                Some(Received::Data(take(ahead, size)))
            }
            _ => None,
        }
    }

    /// How many bytes at the end may be the beginning of the pattern.
    fn begun(&self, ahead: &[u8]) -> usize {
        let most = ahead.len().min(self.pattern.len().saturating_sub(1));
        let is_begun = |length: &usize| ahead.ends_with(self.pattern.get(..*length).unwrap_or_default());
        (1..=most).rev().find(is_begun).unwrap_or(0)
    }
}

/// The first `size` bytes of what was read ahead.
fn take(ahead: &mut Vec<u8>, size: usize) -> Vec<u8> {
    if size >= ahead.len() {
        return std::mem::take(ahead);
    }
    ahead.drain(..size).collect()
}
