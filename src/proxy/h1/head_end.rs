//! Finding the end of a head without looking at any byte twice.

use memchr::memmem;

/// How far a growing input has been searched for the empty line that ends a head.
#[derive(Debug, Default)]
pub struct HeadEnd {
    searched: usize,
    parsed: usize,
}

impl HeadEnd {
    /// Forgets what was searched: the next head begins.
    pub fn reset(&mut self) {
        *self = HeadEnd::default();
    }

    /// Whether `input` is worth parsing: at the first look, since most heads come whole; when it holds
    /// an empty line it did not hold before; and each time it has doubled, so that garbage is refused
    /// without waiting for an end that never comes. However small its pieces, the work stays linear.
    pub fn is_due(&mut self, input: &[u8]) -> bool {
        let first = self.parsed == 0;
        let due = first || input.len() >= 2 * self.parsed || self.holds_end(input);
        if due {
            self.parsed = input.len();
        }
        self.searched = input.len();
        due
    }

    fn holds_end(&self, input: &[u8]) -> bool {
        let from = self.searched.saturating_sub(3);
        let ends = |end: &[u8]| input.get(from..).is_some_and(|fresh| memmem::find(fresh, end).is_some());
        ends(b"\n\r\n") || ends(b"\n\n")
    }
}

/// Whether a line ends in a line feed alone.
pub fn bare_line_feed(text: &[u8]) -> bool {
    memchr::memchr_iter(b'\n', text).any(|at| at == 0 || text.get(at - 1) != Some(&b'\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_noticed_wherever_the_input_was_cut() {
        for text in [&b"GET / HTTP/1.1\r\nA: b\r\n\r\n"[..], b"GET / HTTP/1.1\nA: b\n\n"] {
            for cut in 1..text.len() {
                let mut end = HeadEnd::default();
                assert!(end.is_due(&text[..cut]));
                assert!(end.is_due(text), "cut at {cut}");
            }
        }
    }

    #[test]
    fn unfinished_input_is_looked_at_each_time_it_has_doubled() {
        let mut end = HeadEnd::default();
        let looks = (1..=1024).filter(|len| end.is_due(&vec![b'x'; *len])).count();
        assert_eq!(looks, 11);
    }
}
