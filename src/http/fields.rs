//! An ordered list of field lines.

use super::Known;
use super::known::glance;
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// Field lines (RFC 9110, section 5) in the order they came, names in their original case.
///
/// Names and values are ranges of one byte buffer. `clear` keeps the buffer, so a connection that
/// reuses its `Fields` allocates only while its heads still grow.
///
/// *Invariant*: every range of `lines` lies within `bytes`, and `present` holds the bit of every
/// line's [`Known`] name (it may hold bits of lines that are gone).
#[derive(Default)]
pub struct Fields {
    bytes: Vec<u8>,
    lines: Vec<Line>,
    present: u64,
    /// Where the line of `Server` goes once it is set, when not to the end.
    server_place: Option<u32>,
}

/// Plain numbers, so that a list of them is copied as it lies.
#[derive(Clone, Copy)]
struct Line {
    name: Part,
    value: Part,
    /// What [`glance`] makes of the name: names that differ in it are different.
    glance: u32,
    known: Known,
}

/// A piece of [`Fields::bytes`].
#[derive(Clone, Copy)]
struct Part {
    start: u32,
    end: u32,
}

impl Clone for Fields {
    fn clone(&self) -> Fields {
        Fields {
            bytes: self.bytes.clone(),
            lines: self.lines.clone(),
            present: self.present,
            server_place: self.server_place,
        }
    }

    /// Keeps the memory that is there.
    fn clone_from(&mut self, other: &Fields) {
        self.bytes.clone_from(&other.bytes);
        self.lines.clone_from(&other.lines);
        self.present = other.present;
        self.server_place = other.server_place;
    }
}

impl Fields {
    /// No lines, no memory.
    pub const fn new() -> Fields {
        Fields { bytes: Vec::new(), lines: Vec::new(), present: 0, server_place: None }
    }

    /// Forgets all lines and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lines.clear();
        self.present = 0;
        self.server_place = None;
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Adds a line at the end.
    ///
    /// Bytes that could end the line are percent-encoded, so that no name or value can smuggle a line.
    /// *Kong parity*: as OpenResty encodes what Lua sets.
    pub fn append(&mut self, name: &[u8], value: &[u8]) {
        self.append_valid(&encoded(name, BREAKS_NAME), &encoded(value, BREAKS_VALUE));
    }

    /// Adds a line that a parser has found to be one, without looking at its bytes again.
    pub fn append_valid(&mut self, name: &[u8], value: &[u8]) {
        self.push(Known::of(name), glance(name), name, value);
    }

    /// As [`Fields::append_valid`], for a name that is [`Known::of`] already.
    pub fn append_known(&mut self, known: Known, name: &[u8], value: &[u8]) {
        self.push(known, glance(name), name, value);
    }

    /// Keeps the place at the end for `Server`, whenever that is set, unless it is there.
    ///
    /// *Kong parity*: the name of the gateway stands where nginx would have let the upstream's stand.
    pub fn reserve_server(&mut self) {
        if !self.has(Known::Server) {
            self.server_place = Some(self.lines.len() as u32);
        }
    }

    fn push(&mut self, known: Known, glance: u32, name: &[u8], value: &[u8]) {
        let name = self.store(name);
        let value = self.store(value);
        self.present |= known.bit();
        let line = Line { name, value, glance, known };
        match self.server_place {
            Some(place) if known == Known::Server => {
                self.server_place = None;
                self.lines.insert((place as usize).min(self.lines.len()), line);
            }
            _ => self.lines.push(line),
        }
    }

    /// Keeps the lines for which `keep` says so.
    fn retain_lines(&mut self, mut keep: impl FnMut(&Line, &[u8]) -> bool) {
        let bytes = &self.bytes;
        let Some(place) = &mut self.server_place else { return self.lines.retain(|line| keep(line, bytes)) };
        let (mut index, mut before) = (0, *place);
        self.lines.retain(|line| {
            let kept = keep(line, bytes);
            before -= u32::from(!kept && index < *place);
            index += 1;
            kept
        });
        *place = before;
    }

    /// Gives `name` this one value: at the place of its first line, or at the end. Encodes as
    /// [`Fields::append`] does.
    pub fn set(&mut self, name: &[u8], value: &[u8]) {
        self.set_valid(&encoded(name, BREAKS_NAME), &encoded(value, BREAKS_VALUE));
    }

    /// As [`Fields::set`], for a name and a value that are known to be valid.
    pub fn set_valid(&mut self, name: &[u8], value: &[u8]) {
        let (known, glance) = (Known::of(name), glance(name));
        let Some(first) = self.position_of(known, glance, name) else {
            return self.push(known, glance, name, value);
        };
        let stored = self.store(name);
        let value = self.store(value);
        if let Some(line) = self.lines.get_mut(first) {
            (line.name, line.value) = (stored, value);
        }
        let mut index = 0;
        self.retain_lines(|line, bytes| {
            index += 1;
            index - 1 <= first || !line.is(bytes, glance, name)
        });
    }

    /// Removes every line of `name`; tells how many there were.
    pub fn remove(&mut self, name: &[u8]) -> usize {
        if self.position(name).is_none() {
            return 0;
        }
        let before = self.lines.len();
        let glance = glance(name);
        self.retain_lines(|line, bytes| !line.is(bytes, glance, name));
        before - self.lines.len()
    }

    /// Removes every line of a known name; costs one bit test when there is none.
    pub fn remove_known(&mut self, known: Known) {
        if self.has(known) {
            self.retain_lines(|line, _| line.known != known);
            self.present &= !known.bit();
        }
    }

    /// Removes the lines for which `keep` says false.
    pub fn retain(&mut self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) {
        self.retain_lines(|line, bytes| keep(line.name.of(bytes), line.value.of(bytes)));
    }

    /// The value of the first line of `name`.
    pub fn value(&self, name: &[u8]) -> Option<&[u8]> {
        self.position(name).and_then(|at| self.lines.get(at)).map(|line| line.value.of(&self.bytes))
    }

    /// The value of the first line of `name`, and how many lines it has. Where no line has this very name, lines
    /// count in which dashes stand for underscores or the other way round.
    pub fn value_or_dashed(&self, name: &[u8]) -> Option<(&[u8], usize)> {
        let glance = glance(name);
        let (mut exact, mut dashed) = (None, None);
        for line in self.lines.iter().filter(|line| line.glance == glance) {
            let own = line.name.of(&self.bytes);
            let found = if own.eq_ignore_ascii_case(name) {
                &mut exact
            } else if same_but_dashes(own, name) {
                &mut dashed
            } else {
                continue;
            };
            let (_, lines) = found.get_or_insert((line.value.of(&self.bytes), 0));
            *lines += 1;
        }
        exact.or(dashed)
    }

    /// The value of the first line of a known name.
    pub fn known(&self, known: Known) -> Option<&[u8]> {
        self.known_values(known).next()
    }

    /// Whether a line of this known name is there.
    pub fn has(&self, known: Known) -> bool {
        self.present & known.bit() != 0 && self.lines.iter().any(|line| line.known == known)
    }

    /// The values of all lines of `name`, in order.
    pub fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let glance = glance(name);
        let lines = self.lines.iter().filter(move |line| line.is(&self.bytes, glance, name));
        lines.map(|line| line.value.of(&self.bytes))
    }

    /// The values of all lines of a known name, in order.
    pub fn known_values(&self, known: Known) -> impl Iterator<Item = &[u8]> {
        let lines = if self.present & known.bit() == 0 { &[] } else { self.lines.as_slice() };
        lines.iter().filter(move |line| line.known == known).map(|line| line.value.of(&self.bytes))
    }

    /// All lines, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines.iter().map(|line| (line.name.of(&self.bytes), line.value.of(&self.bytes)))
    }

    /// All lines with what is known of their names, in order.
    pub fn iter_known(&self) -> impl Iterator<Item = (Known, &[u8], &[u8])> {
        self.lines.iter().map(|line| (line.known, line.name.of(&self.bytes), line.value.of(&self.bytes)))
    }

    /// The lines as they stand on the wire in HTTP/1: `Name: value\r\n` each.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.bytes.len() + 4 * self.lines.len());
        for (name, value) in self.iter() {
            write_line(out, name, value);
        }
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.position_of(Known::of(name), glance(name), name)
    }

    /// As `position`, with what is known of the name and a glance at it.
    fn position_of(&self, known: Known, glance: u32, name: &[u8]) -> Option<usize> {
        if known != Known::Other {
            if self.present & known.bit() == 0 {
                return None;
            }
            return self.lines.iter().position(|line| line.known == known);
        }
        self.lines.iter().position(|line| line.is(&self.bytes, glance, name))
    }

    fn store(&mut self, part: &[u8]) -> Part {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(part);
        Part { start, end: self.bytes.len() as u32 }
    }
}

impl Line {
    /// Whether this is a line of `name`, of which `glance` has been made.
    fn is(&self, bytes: &[u8], glance: u32, name: &[u8]) -> bool {
        self.glance == glance && self.name.of(bytes).eq_ignore_ascii_case(name)
    }
}

impl Part {
    fn of(self, bytes: &[u8]) -> &[u8] {
        bytes.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Whether two names are the same but for case and the choice of dashes or underscores.
pub fn same_but_dashes(one: &[u8], other: &[u8]) -> bool {
    let plain = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.iter().zip(other).all(|(a, b)| plain(*a) == plain(*b))
}

/// Writes one field line as HTTP/1 has it.
pub(crate) fn write_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Which bytes cannot stand in a field name.
static BREAKS_NAME: &Bytes = &bytes(b"\"(),/:;<=>?@[\\]{}", 0x21..0x7f);
/// Which bytes cannot stand in a field value.
#[allow(clippy::indexing_slicing)] // computed by the compiler, which checks it
static BREAKS_VALUE: &Bytes = &{
    let mut breaks = bytes(b"\x7f", 0x20..0x100);
    breaks[b'\t' as usize] = false;
    breaks
};

/// A set of bytes.
type Bytes = [bool; 256];

/// The bytes listed, and all outside a range.
#[allow(clippy::indexing_slicing)] // called for constants only: the compiler checks it
const fn bytes(listed: &[u8], range: Range<usize>) -> Bytes {
    let mut set = [false; 256];
    let mut at = 0;
    while at < set.len() {
        set[at] = at < range.start || at >= range.end;
        at += 1;
    }
    at = 0;
    while at < listed.len() {
        set[listed[at] as usize] = true;
        at += 1;
    }
    set
}

/// The text with every byte of `breaks` percent-encoded.
fn encoded<'a>(text: &'a [u8], breaks: &Bytes) -> Cow<'a, [u8]> {
    let breaks = |byte: &u8| breaks.get(usize::from(*byte)).copied().unwrap_or(true);
    if !text.iter().any(breaks) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 8);
    for byte in text {
        if breaks(byte) {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
    Cow::Owned(out)
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        f.debug_list().entries(self.iter().map(|(n, v)| (text(n), text(v)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Fields {
        let mut fields = Fields::new();
        fields.append(b"Host", b"a");
        fields.append(b"X-Many", b"1");
        fields.append(b"x-many", b"2");
        fields
    }

    #[test]
    fn order_case_and_duplicates_are_kept() {
        let mut out = Vec::new();
        sample().write_to(&mut out);
        assert_eq!(out, b"Host: a\r\nX-Many: 1\r\nx-many: 2\r\n");
    }

    #[test]
    fn set_replaces_the_first_line_in_place_and_drops_the_others() {
        let mut fields = sample();
        fields.set(b"X-MANY", b"3");
        fields.set(b"host", b"b");
        let lines: Vec<_> = fields.iter().collect();
        assert_eq!(lines, [(&b"host"[..], &b"b"[..]), (b"X-MANY", b"3")]);
    }

    #[test]
    fn a_server_set_late_stands_where_its_place_was_kept() {
        let mut fields = sample();
        fields.reserve_server();
        fields.append(b"X-Late", b"1");
        fields.remove(b"host");
        fields.set(b"Server", b"s");
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(names, [&b"X-Many"[..], b"x-many", b"Server", b"X-Late"]);
    }

    #[test]
    fn removing_tells_how_many_lines_went() {
        let mut fields = sample();
        assert_eq!(fields.remove(b"x-Many"), 2);
        assert_eq!(fields.remove(b"x-Many"), 0);
        fields.remove_known(Known::Host);
        assert!(fields.is_empty() && !fields.has(Known::Host));
    }

    #[test]
    fn no_name_or_value_can_smuggle_a_line() {
        let mut fields = Fields::new();
        fields.append(b"X-A\r\nX-B", b"1\r\nX-C: 2\0");
        fields.set(b"X-D", b"tab\tand\x7f \xc3\xa9");
        let mut out = Vec::new();
        fields.write_to(&mut out);
        assert_eq!(out, b"X-A%0D%0AX-B: 1%0D%0AX-C: 2%00\r\nX-D: tab\tand%7F \xc3\xa9\r\n");
    }

    #[test]
    fn a_name_is_found_with_other_dashes_where_no_line_has_it_as_it_stands() {
        let mut fields = Fields::new();
        fields.append(b"X_Tenant-Id", b"1");
        fields.append(b"x-tenant_id", b"2");
        fields.append(b"X-Tenant-It", b"3");
        assert_eq!(fields.value_or_dashed(b"x-tenant-id"), Some((&b"1"[..], 2)));
        assert_eq!(fields.value_or_dashed(b"X-TENANT_ID"), Some((&b"2"[..], 1)));
        fields.append(b"X-Tenant-Id", b"4");
        assert_eq!(fields.value_or_dashed(b"x-tenant-id"), Some((&b"4"[..], 1)));
        assert_eq!(fields.value_or_dashed(b"x-tenant"), None);
        fields.append(b"Content-Type", b"a/b");
        assert_eq!(fields.value_or_dashed(b"content_type"), Some((&b"a/b"[..], 1)));
    }

    proptest::proptest! {
        #[test]
        fn a_line_is_found_by_its_name_in_any_case_and_by_no_other(
            names in proptest::collection::vec("[A-Ca-c_-]{0,5}", 0..8), asked in "[A-Ca-c_-]{0,5}"
        ) {
            let mut fields = Fields::new();
            names.iter().for_each(|name| fields.append(name.as_bytes(), name.as_bytes()));
            let same: Vec<_> = names.iter().filter(|name| name.eq_ignore_ascii_case(&asked)).collect();
            let found: Vec<_> = fields.values(asked.as_bytes()).collect();
            proptest::prop_assert_eq!(&found, &same.iter().map(|name| name.as_bytes()).collect::<Vec<_>>());
            proptest::prop_assert_eq!(fields.value(asked.as_bytes()), found.first().copied());
            let dashed = names.iter().filter(|name| same_but_dashes(name.as_bytes(), asked.as_bytes())).count();
            let lines = if same.is_empty() { dashed } else { same.len() };
            proptest::prop_assert_eq!(fields.value_or_dashed(asked.as_bytes()).map_or(0, |found| found.1), lines);
            proptest::prop_assert_eq!(fields.remove(asked.as_bytes()), same.len());
        }
    }

    #[test]
    fn values_come_in_order() {
        let fields = sample();
        assert_eq!(fields.values(b"X-many").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(fields.value(b"x-MANY"), Some(&b"1"[..]));
        assert_eq!(fields.known(Known::Host), Some(&b"a"[..]));
        assert_eq!(fields.known(Known::Expect), None);
    }
}
