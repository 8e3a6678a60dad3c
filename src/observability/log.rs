//! The error log: nginx's line format, one write per line.
//!
//! ```text
//! 2026/11/23 16:22:48 [warn] 4711#4712: *9 message, client: 10.0.0.1, server: kong, request: "GET / HTTP/1.1"
//! ```
//!
//! Call it by the level's macro: `log::warn!("no file at: {path}")`, or with the request that the line is
//! about, which adds its connection number and its suffix: `log::warn!(request => "timed out")`.
//!
//! *Cost*: a level that is off costs one relaxed load; a line costs one write and, once warm, no
//! allocation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwapOption;

use super::{Level, Target, capture, target::Standard, timestamp};

static LEVEL: AtomicU8 = AtomicU8::new(Level::Notice as u8);
static TARGET: ArcSwapOption<Target> = ArcSwapOption::const_empty();

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(512));
    static THREAD: Cell<i32> = const { Cell::new(0) };
}

/// What a line is about: a request or a connection.
pub trait Context {
    /// The number of the client connection, printed as `*9`.
    fn connection(&self) -> Option<u64>;

    /// Where lines of this context go, if not to the default log: a listener may have its own.
    fn target(&self) -> Option<&Target>;

    /// Appends what follows the message, beginning with a comma: `, client: 10.0.0.1, server: kong`.
    fn describe(&self, line: &mut Vec<u8>);
}

/// Sends lines without a context, and those whose context names no target, to `target`.
/// Until it is called they go to standard error.
pub fn install(target: Target) {
    TARGET.store(Some(Arc::new(target)));
}

/// Changes the level at run time, for every log of the process.
pub fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// The level in force.
pub fn level() -> Level {
    Level::from_number(LEVEL.load(Ordering::Relaxed)).unwrap_or(Level::Notice)
}

/// Whether a line of `level` is written.
#[inline]
pub fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Writes a line without context, if `level` is enabled.
pub fn write(level: Level, message: fmt::Arguments<'_>) {
    if enabled(level) {
        with_line(level, None, |line| drop(line.write_fmt(message)));
    }
}

/// Writes a line about `context`, if `level` is enabled.
pub fn write_in(level: Level, context: &dyn Context, message: fmt::Arguments<'_>) {
    if enabled(level) {
        with_line(level, Some(context), |line| drop(line.write_fmt(message)));
    }
}

/// Writes a line whose message is bytes, which need not be UTF-8: what Lua code logs.
pub fn write_bytes(level: Level, context: Option<&dyn Context>, message: &[u8]) {
    if enabled(level) {
        with_line(level, context, |line| line.extend_from_slice(message));
    }
}

fn with_line(level: Level, context: Option<&dyn Context>, message: impl FnOnce(&mut Vec<u8>)) {
    LINE.with(|buffer| {
        // A Display or a context that itself logs finds the buffer taken; its line gets a buffer of its own.
        match buffer.try_borrow_mut() {
            Ok(mut line) => write_line(&mut line, level, context, message),
            Err(_) => write_line(&mut Vec::new(), level, context, message),
        }
    });
}

fn write_line(
    line: &mut Vec<u8>,
    level: Level,
    context: Option<&dyn Context>,
    message: impl FnOnce(&mut Vec<u8>),
) {
    line.clear();
    timestamp::append_error_time(line);
    drop(write!(line, " [{level}] {}#{}: ", std::process::id(), thread_id()));
    if let Some(connection) = context.and_then(Context::connection) {
        drop(write!(line, "*{connection} "));
    }
    message(line);
    if let Some(context) = context {
        context.describe(line);
    }
    line.push(b'\n');
    capture::note(level, line);
    match context.and_then(Context::target) {
        Some(target) => target.append(level, line),
        None => default_target(|target| target.append(level, line)),
    }
}

fn default_target(append: impl FnOnce(&Target)) {
    match &*TARGET.load() {
        Some(target) => append(target),
        None => append(&Target::Standard(Standard::Error)),
    }
}

fn thread_id() -> i32 {
    THREAD.with(|cached| {
        if cached.get() == 0 {
            cached.set(nix::unistd::gettid().as_raw());
        }
        cached.get()
    })
}

/// Forgets the thread's number after `fork`, when the thread has become another one.
pub fn forget_thread() {
    THREAD.with(|cached| cached.set(0));
}

macro_rules! level_macro {
    ($d:tt $name:ident $internal:ident $level:ident) => {
        #[doc = concat!("Writes a line of level [`", stringify!($level), "`](super::Level::", stringify!($level), ").")]
        #[allow(unused_macros)] // not every level is in use yet
        macro_rules! $internal {
            ($d context:expr => $d($d message:tt)+) => {
                if $crate::observability::log::enabled($crate::observability::Level::$level) {
                    $crate::observability::log::write_in(
                        $crate::observability::Level::$level,
                        $d context,
                        format_args!($d($d message)+),
                    );
                }
            };
            ($d($d message:tt)+) => {
                if $crate::observability::log::enabled($crate::observability::Level::$level) {
                    $crate::observability::log::write(
                        $crate::observability::Level::$level,
                        format_args!($d($d message)+),
                    );
                }
            };
        }
        #[allow(unused_imports)]
        pub(crate) use $internal as $name;
    };
}

level_macro!($ emerg log_emerg Emerg);
level_macro!($ alert log_alert Alert);
level_macro!($ crit log_crit Crit);
level_macro!($ error log_error Error);
level_macro!($ warn log_warn Warn);
level_macro!($ notice log_notice Notice);
level_macro!($ info log_info Info);
level_macro!($ debug log_debug Debug);

#[cfg(test)]
mod tests {
    use super::*;

    struct Request {
        target: Target,
    }

    impl Context for Request {
        fn connection(&self) -> Option<u64> {
            Some(9)
        }

        fn target(&self) -> Option<&Target> {
            Some(&self.target)
        }

        fn describe(&self, line: &mut Vec<u8>) {
            line.extend_from_slice(b", client: 127.0.0.1, server: kong");
        }
    }

    #[test]
    fn a_line_about_a_request_has_nginx_form() {
        let prefix = tempfile::tempdir().unwrap();
        let request = Request { target: Target::open("error.log", prefix.path()).unwrap() };
        crate::observability::log::warn!(&request => "took {} ms", 12);
        write_bytes(Level::Error, Some(&request), b"[lua] \xff");

        let written = std::fs::read(prefix.path().join("error.log")).unwrap();
        let text = String::from_utf8_lossy(&written);
        let mut lines = text.lines();
        let first = lines.next().unwrap();
        let (head, message) = first.split_once(": ").unwrap();
        assert_eq!(message, "*9 took 12 ms, client: 127.0.0.1, server: kong");
        let ids = format!(" [warn] {}#{}", std::process::id(), thread_id());
        assert!(head.ends_with(&ids), "{head}");
        assert_eq!(head.len(), "2026/11/23 16:22:48".len() + ids.len());
        assert!(lines.next().unwrap().ends_with("*9 [lua] \u{fffd}, client: 127.0.0.1, server: kong"));
    }

    #[test]
    fn a_level_that_is_off_writes_nothing() {
        let prefix = tempfile::tempdir().unwrap();
        let request = Request { target: Target::open("error.log", prefix.path()).unwrap() };
        crate::observability::log::debug!(&request => "not at the default level");
        assert_eq!(std::fs::read(prefix.path().join("error.log")).unwrap(), b"");
    }
}
