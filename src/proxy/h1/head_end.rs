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

    /// The offset behind the empty line, once `input` holds it.
    pub fn find(&mut self, input: &[u8]) -> Option<usize> {
        if input.ends_with(b"\r\n\r\n")
            && self.searched == 0
            && memmem::find(input, b"\r\n\r\n")? + 4 == input.len()
        {
            return Some(input.len());
        }
        let from = self.searched.saturating_sub(3);
        self.searched = input.len();
        let at = memmem::find(input.get(from..)?, b"\r\n\r\n")?;
        Some(from + at + 4)
    }

    /// Whether an unfinished head is to be checked now, so that garbage is refused without waiting
    /// for an end that never comes. True each time the input has doubled: the work stays linear.
    pub fn look_anyway(&mut self, input: &[u8]) -> bool {
        let due = input.len() >= 2 * self.parsed;
        if due {
            self.parsed = input.len();
        }
        due
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
    fn the_end_is_found_wherever_the_input_was_cut() {
        let text = b"GET / HTTP/1.1\r\nA: b\r\n\r\nnext\r\n\r\n";
        for cut in 1..text.len() {
            let mut end = HeadEnd::default();
            let first = end.find(&text[..cut]);
            assert_eq!(first.or_else(|| end.find(text)), Some(24), "cut at {cut}");
        }
    }

    #[test]
    fn unfinished_input_is_looked_at_each_time_it_has_doubled() {
        let mut end = HeadEnd::default();
        let looks = (1..=1024).filter(|len| end.look_anyway(&vec![b'x'; *len])).count();
        assert_eq!(looks, 11);
    }
}
