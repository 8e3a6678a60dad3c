//! What the groups of a regex path captured: `kong.request.get_uri_captures`.

/// Captured groups, by number and by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UriCaptures {
    /// Groups by number; the first is the whole match. `None` for a group that took no part.
    pub numbered: Vec<Option<Box<[u8]>>>,
    /// Groups by name.
    pub named: Vec<(Box<str>, Box<[u8]>)>,
}

impl UriCaptures {
    /// Whether any group beyond the whole match captured something.
    pub(super) fn has_groups(&self) -> bool {
        let numbered = self.numbered.iter().flatten().count();
        numbered + self.named.len() > 1
    }

    /// Adds what `regex` captures in `text`, over what is there.
    pub(super) fn add(&mut self, regex: &regex::Regex, text: &str) {
        let Some(captures) = regex.captures(text) else {
            return;
        };
        for (number, (group, name)) in captures.iter().zip(regex.capture_names()).enumerate() {
            if let Some(group) = group {
                self.set(number, name, group.as_str().as_bytes());
            }
        }
    }

    /// Sets one group.
    pub(super) fn set(&mut self, number: usize, name: Option<&str>, text: &[u8]) {
        if self.numbered.len() <= number {
            self.numbered.resize(number + 1, None);
        }
        if let Some(slot) = self.numbered.get_mut(number) {
            *slot = Some(text.into());
        }
        let Some(name) = name else {
            return;
        };
        match self.named.iter_mut().find(|(other, _)| **other == *name) {
            Some((_, value)) => *value = text.into(),
            None => self.named.push((name.into(), text.into())),
        }
    }
}
