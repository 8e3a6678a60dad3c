//! `ngx.re`: Perl-compatible regular expressions.
//!
//! Compiled patterns are cached for each worker, whether or not the option `o` asks for it; when there are more than
//! the limit allows, all go and the cache fills again.

mod dfa;
mod find;
mod replace;

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::limits::limits;
use dfa::Dfa;
use pcre2::bytes::{CaptureLocations, Regex, RegexBuilder};
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::ffi::c_int;
use std::rc::Rc;

thread_local! {
    /// Most bytes of stack that compiled patterns may use; zero for the library's own limit.
    static JIT_STACK: Cell<usize> = const { Cell::new(0) };
    static CACHE: RefCell<HashMap<Vec<u8>, Rc<Pattern>>> = RefCell::new(HashMap::new());
}

pub(super) fn install(frame: &Frame, ngx: c_int) {
    super::noun(frame, ngx, "re", |frame, table| {
        frame.set_function(table, "match", find::match_);
        frame.set_function(table, "find", find::find);
        frame.set_function(table, "gmatch", find::gmatch);
        frame.set_function(table, "sub", |frame| replace::replace(frame, false));
        frame.set_function(table, "gsub", |frame| replace::replace(frame, true));
        frame.set_function(table, "_jit_stack_size", |frame| {
            // Patterns get their stack when they are compiled.
            if CACHE.with_borrow(|cache| !cache.is_empty()) {
                return Err(Flow::raise(COMPILED_ALREADY));
            }
            let size = usize::try_from(frame.integer(1)?).unwrap_or(0);
            JIT_STACK.set(size.min(MOST_JIT_STACK));
            Ok(0)
        });
    });
}

const COMPILED_ALREADY: &str =
    "changing jit stack size is not allowed when some regexs have already been compiled and cached";
/// A larger stack cannot be had, and no pattern could be compiled then.
const MOST_JIT_STACK: usize = 64 << 20;
/// What PCRE2 answers where matching is to begin behind the subject's end.
const BAD_OFFSET: i32 = -33;
/// What PCRE2 answers where the stack of machine code does not do for a subject.
const JIT_STACK_LIMIT: i32 = -46;

/// A compiled pattern and the options that are not the compiler's.
struct Pattern {
    regex: Regex,
    /// The same without machine code, for subjects that take more stack than that has; made when it is needed.
    interpreted: OnceCell<Option<Regex>>,
    /// What matches with the option `d`.
    dfa: Option<Dfa>,
    source: Vec<u8>,
    options: Options,
    /// Duplicate names: the captures of one name form a list.
    duplicate_names: bool,
    utf: bool,
}

/// What the option letters ask for.
#[derive(Default)]
struct Options {
    anchored: bool,
    caseless: bool,
    duplicate_names: bool,
    multi_line: bool,
    dotall: bool,
    extended: bool,
    /// `\uHHHH` is a character.
    javascript: bool,
    utf: bool,
    check_utf: bool,
    /// The longest match, without captures.
    dfa: bool,
}

/// Where a match and its captures are.
enum Found {
    /// A match and its captures.
    Captures(CaptureLocations),
    /// A match that captures nothing.
    Whole(Option<(usize, usize)>),
}

impl Found {
    /// Begin and end of a capture; 0 is the whole match.
    fn get(&self, index: usize) -> Option<(usize, usize)> {
        match self {
            Found::Captures(locations) => locations.get(index),
            Found::Whole(range) => range.filter(|_| index == 0),
        }
    }

    /// How many captures there may be, the whole match included.
    fn len(&self) -> usize {
        match self {
            Found::Captures(locations) => locations.len(),
            Found::Whole(_) => 1,
        }
    }
}

impl Options {
    /// # Errors
    /// A letter that is no option.
    fn read(letters: &[u8]) -> Result<Self, Flow> {
        let mut options = Self { check_utf: true, ..Self::default() };
        for letter in letters {
            match letter {
                b'a' => options.anchored = true,
                b'i' => options.caseless = true,
                b'D' => options.duplicate_names = true,
                b'm' => options.multi_line = true,
                b's' => options.dotall = true,
                b'x' => options.extended = true,
                b'u' => options.utf = true,
                b'U' => {
                    options.utf = true;
                    options.check_utf = false;
                }
                b'J' => options.javascript = true,
                b'd' => options.dfa = true,
                // Compile once, compile to machine code.
                b'o' | b'j' => {}
                other => {
                    return Err(Flow::raise(
                        [b"unknown flag \"", [*other].as_slice(), b"\" (flags \"", letters, b"\")"].concat(),
                    ));
                }
            }
        }
        Ok(options)
    }

    /// A pattern as it is compiled, and how long what stands before it is.
    fn written(&self, pattern: &[u8]) -> (String, usize) {
        let text = as_text(pattern);
        let prefix = match (self.duplicate_names, self.anchored) {
            (true, true) => "(?J)\\G(?:",
            (true, false) => "(?J)",
            (false, true) => "\\G(?:",
            (false, false) => "",
        };
        let prefix = match limits().match_steps {
            0 => prefix.to_owned(),
            most => format!("(*LIMIT_MATCH={most}){prefix}"),
        };
        let text = if self.javascript { javascript(&text).into() } else { text };
        // A comment of an extended pattern may run to its end.
        let suffix = if self.anchored { "\n)" } else { "" };
        let suffix = if self.extended { suffix } else { suffix.trim_start() };
        (format!("{prefix}{text}{suffix}"), prefix.len())
    }

    fn compile(&self, pattern: &[u8], jit: bool) -> Result<Regex, String> {
        let (text, prefix) = self.written(pattern);
        let mut builder = RegexBuilder::new();
        if jit {
            builder.jit_if_available(true);
        }
        builder
            .caseless(self.caseless)
            .multi_line(self.multi_line)
            .dotall(self.dotall)
            .extended(self.extended)
            .utf(self.utf)
            .max_jit_stack_size(Some(JIT_STACK.get()).filter(|size| *size > 0))
            .build(&text)
            .map_err(|error| compile_error(&error, pattern, prefix))
    }

    /// The same for the option `d`; none without it.
    fn compile_dfa(&self, pattern: &[u8]) -> Option<Dfa> {
        let bits = [
            (self.caseless, pcre2_sys::PCRE2_CASELESS),
            (self.multi_line, pcre2_sys::PCRE2_MULTILINE),
            (self.dotall, pcre2_sys::PCRE2_DOTALL),
            (self.extended, pcre2_sys::PCRE2_EXTENDED),
            (self.utf, pcre2_sys::PCRE2_UTF),
        ];
        let bits = bits.iter().filter(|(wanted, _)| *wanted).fold(0, |bits, (_, bit)| bits | bit);
        self.dfa.then(|| Dfa::compile(&self.written(pattern).0, bits)).flatten()
    }
}

/// A pattern with JavaScript's `\uHHHH` in Perl's form.
fn javascript(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let digits = tail.strip_prefix("\\u").and_then(|digits| digits.get(..4));
        match digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            Some(digits) => {
                out.push_str(&format!("\\x{{{digits}}}"));
                rest = tail.get(6..).unwrap_or_default();
            }
            None => {
                let end = tail.char_indices().nth(2).map_or(tail.len(), |(at, _)| at);
                out.push_str(tail.get(..end).unwrap_or_default());
                rest = tail.get(end..).unwrap_or_default();
            }
        }
    }
    out + rest
}

/// A pattern as text: bytes that are no UTF-8 become escapes.
fn as_text(pattern: &[u8]) -> std::borrow::Cow<'_, str> {
    match std::str::from_utf8(pattern) {
        Ok(text) => text.into(),
        Err(_) => {
            let escaped = pattern.iter().map(|byte| {
                if byte.is_ascii() { char::from(*byte).to_string() } else { format!("\\x{byte:02x}") }
            });
            escaped.collect::<String>().into()
        }
    }
}

/// The words nginx has for a pattern that does not compile.
fn compile_error(error: &pcre2::Error, pattern: &[u8], prefix: usize) -> String {
    let text = error.to_string();
    let reason = text.rsplit(": ").next().unwrap_or_default();
    let whole = String::from_utf8_lossy(pattern);
    let at = error.offset().unwrap_or(0).saturating_sub(prefix);
    match pattern.get(at..) {
        Some(rest) if !rest.is_empty() => {
            let rest = String::from_utf8_lossy(rest);
            format!("pcre2_compile() failed: {reason} in \"{whole}\" at \"{rest}\"")
        }
        _ => format!("pcre2_compile() failed: {reason} in \"{whole}\""),
    }
}

/// The subject of argument 1 as text, whatever its type.
fn subject(frame: &Frame) -> Result<&[u8], Flow> {
    as_string(frame, 1)?;
    frame.bytes(1)
}

/// Puts the text of the value at `at` in its place, as `tostring` has it.
fn as_string(frame: &Frame, at: c_int) -> Result<(), Flow> {
    if matches!(frame.kind(at), Kind::String | Kind::Number) {
        return Ok(());
    }
    let is_absent = frame.kind(at) == Kind::None;
    frame.push_field(mlua::ffi::LUA_GLOBALSINDEX, "tostring");
    if is_absent {
        frame.push_nil();
    } else {
        frame.push_value(at);
    }
    frame.call(1, 1)?;
    frame.replace(at);
    Ok(())
}

/// Checks the types of a pattern and of option letters.
///
/// *Kong parity*: the words are LuaJIT's for what OpenResty's Lua code does with them.
fn check_types(frame: &Frame, options: c_int) -> Result<(), Flow> {
    let raise = |local: &str, at: c_int| {
        let kind = if frame.kind(at) == Kind::None { "nil" } else { frame.kind_name(at) };
        Err(Flow::raise(format!("attempt to get length of local '{local}' (a {kind} value)")))
    };
    match frame.kind(options) {
        Kind::None | Kind::Nil | Kind::String => {}
        Kind::Boolean if !frame.truth(options) => {}
        Kind::Table if frame.length(options) == 0 => {}
        Kind::Table => return Err(Flow::raise("bad argument #1 to 'byte' (string expected, got table)")),
        _ => return raise("opts", options),
    }
    match frame.kind(2) {
        Kind::String => Ok(()),
        Kind::Table => Err(Flow::raise(
            "bad argument #1 to 'ngx_lua_ffi_compile_regex' (cannot convert 'table' to 'const unsigned char *')",
        )),
        _ => raise("regex", 2),
    }
}

/// PCRE2's number for what makes a text no UTF-8.
fn malformed(text: &[u8]) -> i32 {
    let at = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let rest = text.get(at..).unwrap_or_default();
    let Some((&lead, rest)) = rest.split_first() else { return 0 };
    let more = match lead {
        0x80..=0xbf => return -22,
        0xfe.. => return -23,
        0xc0..=0xdf => 1,
        0xe0..=0xef => 2,
        0xf0..=0xf7 => 3,
        0xf8..=0xfb => 4,
        _ => 5,
    };
    if rest.len() < more {
        return -2 - (more - rest.len()) as i32;
    }
    let wrong = rest.iter().take(more).position(|byte| byte & 0xc0 != 0x80);
    let second = rest.first().copied().unwrap_or(0);
    match (wrong, more) {
        (Some(wrong), _) => -8 - wrong as i32,
        (None, 1) => -17,
        (None, 2) if second >= 0xa0 => -16,
        (None, 2) => -18,
        (None, 3) if second < 0x90 && lead == 0xf0 => -19,
        (None, 3) => -15,
        (None, more) => -9 - more as i32,
    }
}

/// The compiled pattern of argument 2 with the option letters at `options`, or what an answer says is wrong with it.
fn pattern(frame: &Frame, options: c_int) -> Result<Result<Rc<Pattern>, String>, Flow> {
    check_types(frame, options)?;
    let source = frame.bytes(2)?;
    let letters = frame.text_at(options).unwrap_or_default();
    let mut key = Vec::with_capacity(source.len() + letters.len() + 1);
    key.extend_from_slice(letters);
    key.push(0);
    key.extend_from_slice(source);
    if let Some(known) = CACHE.with_borrow(|cache| cache.get(&key).map(Rc::clone)) {
        return Ok(Ok(known));
    }
    let options = Options::read(letters)?;
    let regex = match options.compile(source, true) {
        Ok(regex) => regex,
        Err(message) => return Ok(Err(message)),
    };
    let (duplicate_names, utf) = (options.duplicate_names, options.utf);
    let dfa = options.compile_dfa(source);
    let (interpreted, source) = (OnceCell::new(), source.to_vec());
    let compiled = Rc::new(Pattern { regex, interpreted, dfa, source, options, duplicate_names, utf });
    CACHE.with_borrow_mut(|cache| {
        if cache.len() >= limits().kept_expressions {
            cache.clear();
        }
        cache.insert(key, Rc::clone(&compiled));
    });
    Ok(Ok(compiled))
}

impl Pattern {
    /// Room for what a match finds.
    fn room(&self) -> Found {
        match self.dfa {
            Some(_) => Found::Whole(None),
            None => Found::Captures(self.regex.capture_locations()),
        }
    }

    /// How many captures a match may have, the whole included.
    fn captures(&self) -> usize {
        if self.dfa.is_some() { 1 } else { self.regex.captures_len() }
    }

    /// Matches from a position on; what an answer says went wrong.
    fn exec(&self, subject: &[u8], from: usize, into: &mut Found) -> Result<bool, String> {
        if self.utf && !subject.is_ascii() && std::str::from_utf8(subject).is_err() {
            // It would panic in the crate's hands otherwise.
            return Err(format!("pcre_exec() failed: {}", malformed(subject)));
        }
        if from > subject.len() {
            return Err(format!("pcre_exec() failed: {BAD_OFFSET}"));
        }
        let into = match (into, &self.dfa) {
            (Found::Captures(into), _) => into,
            (Found::Whole(range), dfa) => {
                let found = dfa.as_ref().map_or(Ok(None), |dfa| dfa.find(subject, from));
                *range = found.map_err(|code| format!("pcre_exec() failed: {code}"))?;
                return Ok(range.is_some());
            }
        };
        let mut result = self.regex.captures_read_at(into, subject, from);
        if matches!(&result, Err(error) if error.code() == JIT_STACK_LIMIT)
            && let Some(regex) =
                self.interpreted.get_or_init(|| self.options.compile(&self.source, false).ok())
        {
            *into = regex.capture_locations();
            result = regex.captures_read_at(into, subject, from);
        }
        match result {
            Ok(found) => Ok(found.is_some()),
            Err(error) => Err(format!("pcre_exec() failed: {}", error.code())),
        }
    }

    /// The position after one character.
    fn step(&self, subject: &[u8], from: usize) -> usize {
        let mut next = from + 1;
        while self.utf && subject.get(next).is_some_and(|byte| byte & 0xc0 == 0x80) {
            next += 1;
        }
        next
    }

    /// Fills a table with the captures: by number from 0, and by name; `false` for those that took
    /// no part.
    fn fill(&self, frame: &Frame, table: c_int, subject: &[u8], found: &Found) {
        for index in 0..found.len() {
            push_capture(frame, subject, found, index);
            frame.set_index(table, index);
        }
        if self.dfa.is_some() {
            return;
        }
        for (index, name) in self.regex.capture_names().iter().enumerate() {
            let Some(name) = name else { continue };
            if self.duplicate_names {
                self.fill_duplicates(frame, table, subject, found, name);
            } else {
                push_capture(frame, subject, found, index);
                frame.set_field(table, name);
            }
        }
    }

    fn fill_duplicates(&self, frame: &Frame, table: c_int, subject: &[u8], found: &Found, name: &str) {
        frame.push_table(2, 0);
        let names = self.regex.capture_names().iter().enumerate();
        let same = names.filter(|(_, other)| other.as_deref() == Some(name));
        let there = same.filter(|(index, _)| found.get(*index).is_some());
        let mut count = 0;
        for (index, _) in there {
            count += 1;
            push_capture(frame, subject, found, index);
            frame.set_index(-2, count);
        }
        if count == 0 {
            return frame.pop(1);
        }
        frame.set_field(table, name);
    }
}

fn push_capture(frame: &Frame, subject: &[u8], found: &Found, index: usize) {
    match found.get(index).and_then(|(from, to)| subject.get(from..to)) {
        Some(text) => frame.push_bytes(text),
        None => frame.push_boolean(false),
    }
}

/// Position in the subject that `ctx.pos` asks for, from 0; it may be behind the end.
fn start(frame: &Frame, ctx: c_int) -> Result<usize, Flow> {
    match frame.kind(ctx) {
        Kind::Table => {}
        Kind::None | Kind::Nil => return Ok(0),
        Kind::Boolean if !frame.truth(ctx) => return Ok(0),
        _ => {
            let kind = frame.kind_name(ctx);
            return Err(Flow::raise(format!("attempt to index local 'ctx' (a {kind} value)")));
        }
    }
    frame.push_field(ctx, "pos");
    let position = match frame.kind(-1) {
        Kind::Number => frame.number(-1)?,
        Kind::Nil => 1.0,
        Kind::Boolean if !frame.truth(-1) => 1.0,
        _ => {
            let kind = frame.kind_name(-1);
            return Err(Flow::raise(format!("attempt to compare number with {kind}")));
        }
    };
    frame.pop(1);
    Ok(if position.is_nan() {
        usize::MAX
    } else if position < 1.0 {
        0
    } else {
        (position as usize).saturating_sub(1)
    })
}

/// Sets `ctx.pos` to what follows a match that ended at `end`.
fn follow(frame: &Frame, ctx: c_int, end: usize) {
    if frame.kind(ctx) == Kind::Table {
        frame.push_integer(end as i64 + 1);
        frame.set_field(ctx, "pos");
    }
}

/// Answers "nothing", as matching does.
fn nothing(frame: &Frame) -> Answer {
    frame.push_nil();
    Ok(1)
}

#[cfg(test)]
mod tests;
