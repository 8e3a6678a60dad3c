//! Lua patterns (`^%u+$`, `%b()`, …) without a Lua VM.
//!
//! A pattern is compiled once, when its schema is made, and then matched against bytes. The matcher
//! backtracks as Lua's does, with a bound on its steps instead of Lua's bound on the C stack, so that a
//! hostile value cannot hold a worker.

use thiserror::Error;

/// Steps that one match may take: some milliseconds.
const MAX_STEPS: u32 = 1_000_000;

/// Nested items that one match may enter.
const MAX_DEPTH: u32 = 4_000;

/// Captures that a pattern may have, as in Lua.
const MAX_CAPTURES: usize = 32;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PatternError {
    /// `%` is the last character.
    #[error("malformed pattern (ends with '%')")]
    EndsWithEscape,
    /// `[` has no `]`.
    #[error("malformed pattern (missing ']')")]
    MissingBracket,
    /// `%b` has no two characters after it.
    #[error("malformed pattern (missing arguments to '%b')")]
    MissingBalance,
    /// `%f` has no set after it.
    #[error("missing '[' after '%f' in pattern")]
    MissingFrontier,
    /// A parenthesis has no partner.
    #[error("unfinished capture")]
    UnfinishedCapture,
    /// A back-reference names no capture.
    #[error("invalid capture index")]
    InvalidCapture,
    /// More captures than Lua allows.
    #[error("too many captures")]
    TooManyCaptures,
}

/// A compiled Lua pattern.
#[derive(Debug, Clone)]
pub struct LuaPattern {
    source: String,
    anchored: bool,
    items: Vec<Item>,
}

#[derive(Debug, Clone)]
enum Item {
    Bytes(ByteSet, Repeat),
    Open(usize),
    Close(usize),
    Position(usize),
    Reference(usize),
    Balanced(u8, u8),
    Frontier(ByteSet),
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    Optional,
    Greedy { min: usize },
    Lazy,
}

/// A set of bytes, one bit each.
#[derive(Debug, Clone, Copy, Default)]
struct ByteSet([u64; 4]);

impl LuaPattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// What Lua raises when it first uses the pattern.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let bytes = super::text::to_bytes(source);
        let (anchored, rest) = match bytes.strip_prefix(b"^") {
            Some(rest) => (true, rest),
            None => (false, bytes.as_ref()),
        };
        let items = Compiler::new(rest).compile()?;
        Ok(Self { source: source.to_owned(), anchored, items })
    }

    /// The text the pattern was made from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the pattern matches somewhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.find(&super::text::to_bytes(text)).is_some()
    }

    /// Where the pattern first matches, as byte offsets. A match that needs more steps than the bound
    /// counts as none.
    pub fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        let mut matcher = Matcher { bytes, items: &self.items, captures: Vec::new(), steps: 0 };
        let last = if self.anchored { 0 } else { bytes.len() };
        (0..=last).find_map(|start| {
            matcher.captures.clear();
            matcher.run(0, start, 0).map(|end| (start, end))
        })
    }
}

impl ByteSet {
    fn of(test: impl Fn(u8) -> bool) -> Self {
        let mut set = Self::default();
        (0..=u8::MAX).filter(|byte| test(*byte)).for_each(|byte| set.insert(byte));
        set
    }

    fn insert(&mut self, byte: u8) {
        if let Some(word) = self.0.get_mut(usize::from(byte >> 6)) {
            *word |= 1 << (byte & 63);
        }
    }

    fn contains(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte >> 6)).is_some_and(|word| word >> (byte & 63) & 1 == 1)
    }

    fn union(self, other: Self) -> Self {
        Self::of(|byte| self.contains(byte) || other.contains(byte))
    }

    fn complement(self) -> Self {
        Self::of(|byte| !self.contains(byte))
    }

    /// The set of a class letter after `%`; any other byte stands for itself.
    fn class(letter: u8) -> Self {
        let set = match letter.to_ascii_lowercase() {
            b'a' => Self::of(|byte| byte.is_ascii_alphabetic()),
            b'c' => Self::of(|byte| byte.is_ascii_control()),
            b'd' => Self::of(|byte| byte.is_ascii_digit()),
            b'g' => Self::of(|byte| byte.is_ascii_graphic()),
            b'l' => Self::of(|byte| byte.is_ascii_lowercase()),
            b'p' => Self::of(|byte| byte.is_ascii_punctuation()),
            b's' => Self::of(|byte| byte.is_ascii_whitespace() || byte == 0x0B),
            b'u' => Self::of(|byte| byte.is_ascii_uppercase()),
            b'w' => Self::of(|byte| byte.is_ascii_alphanumeric()),
            b'x' => Self::of(|byte| byte.is_ascii_hexdigit()),
            b'z' => Self::of(|byte| byte == 0),
            _ => return Self::of(|byte| byte == letter),
        };
        if letter.is_ascii_uppercase() { set.complement() } else { set }
    }
}

struct Compiler<'a> {
    rest: &'a [u8],
    items: Vec<Item>,
    captures: usize,
    open: Vec<usize>,
}

impl<'a> Compiler<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest, items: Vec::new(), captures: 0, open: Vec::new() }
    }

    fn compile(mut self) -> Result<Vec<Item>, PatternError> {
        while let Some(byte) = self.next() {
            let item = match byte {
                b'(' => self.open_capture()?,
                b')' => Item::Close(self.open.pop().ok_or(PatternError::UnfinishedCapture)?),
                b'$' if self.rest.is_empty() => Item::End,
                b'%' => match self.escaped()? {
                    Some(item) => item,
                    None => continue,
                },
                b'[' => self.repeated_set()?,
                b'.' => self.repeated(ByteSet::of(|_| true)),
                literal => self.repeated(ByteSet::of(|byte| byte == literal)),
            };
            self.items.push(item);
        }
        if self.open.is_empty() { Ok(self.items) } else { Err(PatternError::UnfinishedCapture) }
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.rest.first() == Some(&byte);
        if found {
            self.next();
        }
        found
    }

    fn open_capture(&mut self) -> Result<Item, PatternError> {
        let index = self.captures;
        self.captures += 1;
        if self.captures > MAX_CAPTURES {
            return Err(PatternError::TooManyCaptures);
        }
        if self.skip(b')') {
            return Ok(Item::Position(index));
        }
        self.open.push(index);
        Ok(Item::Open(index))
    }

    fn escaped(&mut self) -> Result<Option<Item>, PatternError> {
        match self.next().ok_or(PatternError::EndsWithEscape)? {
            b'b' => {
                let open = self.next().ok_or(PatternError::MissingBalance)?;
                let close = self.next().ok_or(PatternError::MissingBalance)?;
                Ok(Some(Item::Balanced(open, close)))
            }
            b'f' => {
                if !self.skip(b'[') {
                    return Err(PatternError::MissingFrontier);
                }
                Ok(Some(Item::Frontier(self.set()?)))
            }
            digit @ b'0'..=b'9' => {
                let index = usize::from(digit.wrapping_sub(b'1'));
                let known = index < self.captures && !self.open.contains(&index);
                if known { Ok(Some(Item::Reference(index))) } else { Err(PatternError::InvalidCapture) }
            }
            letter => Ok(Some(self.repeated(ByteSet::class(letter)))),
        }
    }

    fn repeated_set(&mut self) -> Result<Item, PatternError> {
        let set = self.set()?;
        Ok(self.repeated(set))
    }

    fn repeated(&mut self, set: ByteSet) -> Item {
        let repeat = match self.rest.first() {
            Some(b'?') => Repeat::Optional,
            Some(b'*') => Repeat::Greedy { min: 0 },
            Some(b'+') => Repeat::Greedy { min: 1 },
            Some(b'-') => Repeat::Lazy,
            _ => return Item::Bytes(set, Repeat::Once),
        };
        self.next();
        Item::Bytes(set, repeat)
    }

    /// Reads a set after its `[`; a `]` in first place stands for itself.
    fn set(&mut self) -> Result<ByteSet, PatternError> {
        let negated = self.skip(b'^');
        let mut set = ByteSet::default();
        let mut first = true;
        loop {
            let byte = self.next().ok_or(PatternError::MissingBracket)?;
            match byte {
                b']' if !first => break,
                b'%' => set = set.union(ByteSet::class(self.next().ok_or(PatternError::MissingBracket)?)),
                low => match self.rest {
                    [b'-', high, ..] if *high != b']' => {
                        (low..=*high).for_each(|byte| set.insert(byte));
                        self.next();
                        self.next();
                    }
                    _ => set.insert(low),
                },
            }
            first = false;
        }
        Ok(if negated { set.complement() } else { set })
    }
}

struct Matcher<'a> {
    bytes: &'a [u8],
    items: &'a [Item],
    captures: Vec<(usize, Option<usize>)>,
    steps: u32,
}

impl Matcher<'_> {
    /// Matches the items from `item` on at offset `at`; the end offset of the match.
    fn run(&mut self, mut item: usize, mut at: usize, depth: u32) -> Option<usize> {
        if depth > MAX_DEPTH {
            return None;
        }
        let items = self.items;
        while let Some(current) = items.get(item) {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                return None;
            }
            match current {
                Item::Bytes(set, Repeat::Once) => {
                    self.bytes.get(at).filter(|byte| set.contains(**byte))?;
                    at += 1;
                }
                Item::Bytes(set, repeat) => return self.repeat(set, *repeat, item + 1, at, depth),
                Item::Open(index) => self.capture(*index, at, None),
                Item::Close(index) => {
                    let start = self.captures.get(*index).map_or(at, |capture| capture.0);
                    self.capture(*index, start, Some(at));
                }
                Item::Position(index) => self.capture(*index, at, Some(at)),
                Item::Reference(index) => at = self.reference(*index, at)?,
                Item::Balanced(open, close) => at = self.balanced(*open, *close, at)?,
                Item::Frontier(set) => self.frontier(set, at).then_some(())?,
                Item::End => (at == self.bytes.len()).then_some(())?,
            }
            item += 1;
        }
        Some(at)
    }

    fn repeat(&mut self, set: &ByteSet, repeat: Repeat, next: usize, at: usize, depth: u32) -> Option<usize> {
        let rest = self.bytes.get(at..).unwrap_or_default();
        let longest = rest.iter().take_while(|byte| set.contains(**byte)).count();
        let saved = self.captures.clone();
        let attempt = |matcher: &mut Self, count: usize| {
            matcher.captures.clone_from(&saved);
            matcher.run(next, at + count, depth + 1)
        };
        match repeat {
            Repeat::Once => None,
            Repeat::Optional => (0..=longest.min(1)).rev().find_map(|count| attempt(self, count)),
            Repeat::Greedy { min } => (min..=longest).rev().find_map(|count| attempt(self, count)),
            Repeat::Lazy => (0..=longest).find_map(|count| attempt(self, count)),
        }
    }

    fn capture(&mut self, index: usize, start: usize, end: Option<usize>) {
        if self.captures.len() <= index {
            self.captures.resize(index + 1, (start, None));
        }
        if let Some(capture) = self.captures.get_mut(index) {
            *capture = (start, end);
        }
    }

    fn reference(&self, index: usize, at: usize) -> Option<usize> {
        let (start, end) = *self.captures.get(index)?;
        let wanted = self.bytes.get(start..end?)?;
        self.bytes.get(at..)?.starts_with(wanted).then_some(at + wanted.len())
    }

    fn balanced(&mut self, open: u8, close: u8, at: usize) -> Option<usize> {
        (*self.bytes.get(at)? == open).then_some(())?;
        let mut level = 1_usize;
        for (offset, byte) in self.bytes.iter().enumerate().skip(at + 1) {
            self.steps = self.steps.saturating_add(1);
            if *byte == close {
                level -= 1;
                if level == 0 {
                    return Some(offset + 1);
                }
            } else if *byte == open {
                level += 1;
            }
        }
        None
    }

    fn frontier(&self, set: &ByteSet, at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|before| self.bytes.get(before)).copied().unwrap_or(0);
        let here = self.bytes.get(at).copied().unwrap_or(0);
        !set.contains(before) && set.contains(here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_what_lua_matches() {
        let cases = [
            ("^%u+$", "GET", true),
            ("^%u+$", "Get", false),
            ("world$", "hello world", true),
            ("^[^*]*%*?[^*]*$", "*.a*", false),
            ("^[^*]*%*?[^*]*$", "*.a", true),
            ("%.%*$", "a.*", true),
            ("^[a-z][a-z%d-]-[a-z%d]+$", "my-vault", true),
            ("^[a-z][a-z%d-]-[a-z%d]+$", "my-vault-", false),
            ("^%d+[%.%d]*$", "1.2.3", true),
            ("%.%.", "1..2", true),
            ("^[%w%.%-%_~]+$", "a b", false),
            ("%bxy", "a xx y y b", true),
            ("%f[%w]%w+", "  word", true),
            ("(a+)b%1$", "aabaa", true),
            ("(a+)b%1$", "aabaaa", false),
            ("^()a", "a", true),
            ("[]]", "a]", true),
            ("[^]]", "]", false),
            ("[a-]", "-", true),
            ("a.-b", "axxb", true),
            ("^$", "", true),
            ("a$b", "a$b", true),
        ];
        for (pattern, text, expected) in cases {
            let compiled = LuaPattern::new(pattern).expect(pattern);
            assert_eq!(compiled.is_match(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_match_has_the_offsets_lua_reports() {
        let pattern = LuaPattern::new("%d+").expect("pattern");
        assert_eq!(pattern.find(b"ab123c"), Some((2, 5)));
        assert_eq!(LuaPattern::new("x*").expect("pattern").find(b"ab"), Some((0, 0)));
    }

    #[test]
    fn malformed_patterns_are_refused_with_luas_words() {
        let cases = [
            ("abc%", "malformed pattern (ends with '%')"),
            ("[abc", "malformed pattern (missing ']')"),
            ("%b", "malformed pattern (missing arguments to '%b')"),
            ("%fa", "missing '[' after '%f' in pattern"),
            ("(a", "unfinished capture"),
            ("%1", "invalid capture index"),
        ];
        for (pattern, message) in cases {
            let error = LuaPattern::new(pattern).expect_err(pattern);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn a_hostile_value_ends_the_match_within_the_bound() {
        let pattern = LuaPattern::new("a*a*a*a*a*a*a*a*b").expect("pattern");
        assert!(!pattern.is_match(&"a".repeat(2_000)));
    }
}
