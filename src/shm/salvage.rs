//! Rebuilding a dictionary whose writer was killed in the middle of a write.
//!
//! The chains lead to every entry that was complete (see `table`); queue, slab and lists may be half-changed.
//! So all entries are copied out along the chains, the memory is formatted afresh, and they are stored again.
//! What the killed writer was just writing is lost, and the order of use; counters are not.

use super::Value;
use super::dict::format;
use super::entry::{Entry, Tag};
use super::layout::PAGE;
use super::list::End;
use super::table::{Table, hash};

/// What a rebuild kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Salvage {
    /// Entries that are still there.
    pub kept: usize,
    /// Entries that had to be dropped.
    pub dropped: usize,
}

/// An entry outside of shared memory.
struct Copy {
    key: Vec<u8>,
    flags: u32,
    expires: u64,
    content: Content,
}

enum Content {
    Boolean(bool),
    Number(f64),
    Bytes(Vec<u8>),
    List(Vec<Element>),
}

enum Element {
    Number(f64),
    Bytes(Vec<u8>),
}

/// Rebuilds the dictionary under the lock.
pub(super) fn rebuild(table: &Table<'_>) -> Salvage {
    let mut salvage = Salvage { kept: 0, dropped: 0 };
    let copies = copy_out(table, &mut salvage.dropped);
    format(table.region, table.layout);
    for copy in copies {
        match restore(table, &copy) {
            Some(()) => salvage.kept += 1,
            None => salvage.dropped += 1,
        }
    }
    salvage
}

fn copy_out(table: &Table<'_>, dropped: &mut usize) -> Vec<Copy> {
    let mut copies = Vec::new();
    // No sound dictionary has more entries than this: a chain that is a ring ends here.
    let mut left = table.layout.pages * PAGE / 48;
    for bucket in 0..=table.layout.bucket_mask {
        let mut next = table.region.read_link(table.layout.bucket_at(bucket));
        while let Some(entry) = table.entry(next).filter(|entry| left > 0 && is_sound(table, *entry, bucket))
        {
            left -= 1;
            match copy_entry(table, entry) {
                Some(copy) => copies.push(copy),
                None => *dropped += 1,
            }
            next = table.region.read_link(entry.chain_at());
        }
    }
    copies
}

/// Whether an entry lies in the pages and its key belongs to the chain it was found in.
fn is_sound(table: &Table<'_>, entry: Entry<'_>, bucket: u32) -> bool {
    let mut key = Vec::new();
    entry.copy_key(&mut key);
    let inside = entry.at >= table.layout.pages_at && entry.value_at() <= table.layout.len;
    inside && !key.is_empty() && {
        let hash = hash(table.region, &key);
        hash == entry.hash() && hash & table.layout.bucket_mask == bucket
    }
}

fn copy_entry(table: &Table<'_>, entry: Entry<'_>) -> Option<Copy> {
    let mut key = Vec::new();
    entry.copy_key(&mut key);
    let content = match entry.tag() {
        Tag::Unfinished => return None,
        Tag::Boolean => Content::Boolean(matches!(entry.value(&mut Vec::new())?, super::Kind::Boolean(true))),
        Tag::Number => Content::Number(entry.number()),
        Tag::String => {
            let mut bytes = Vec::new();
            entry.value(&mut bytes)?;
            Content::Bytes(bytes)
        }
        Tag::List => Content::List(copy_list(table, entry)?),
    };
    Some(Copy { key, flags: entry.flags(), expires: entry.expires(), content })
}

/// Copies a list, unless its elements are not as many as it says.
fn copy_list(table: &Table<'_>, entry: Entry<'_>) -> Option<Vec<Element>> {
    let (length, mut elements, mut sound) = (entry.length(), Vec::new(), true);
    table.each_element(
        Entry { region: table.region, at: entry.at },
        length + 1,
        |value, bytes| match value {
            Some(super::Popped::Number(number)) => elements.push(Element::Number(number)),
            Some(super::Popped::String) => elements.push(Element::Bytes(bytes.to_vec())),
            None => sound = false,
        },
    );
    (sound && elements.len() == length && length > 0).then_some(elements)
}

fn restore(table: &Table<'_>, copy: &Copy) -> Option<()> {
    let bytes = match &copy.content {
        Content::Boolean(_) => 1,
        Content::Bytes(bytes) => bytes.len(),
        Content::Number(_) | Content::List(_) => 8,
    };
    let entry = table.create(&copy.key, bytes, false, &mut false)?;
    entry.set_flags(copy.flags);
    entry.set_expires(copy.expires);
    match &copy.content {
        Content::Boolean(flag) => entry.set_value(Value::Boolean(*flag)),
        Content::Number(number) => entry.set_value(Value::Number(*number)),
        Content::Bytes(bytes) => entry.set_value(Value::String(bytes)),
        Content::List(_) => entry.set_empty_list(),
    }
    table.publish(entry);
    let Content::List(elements) = &copy.content else { return Some(()) };
    let complete = elements.iter().all(|element| match element {
        Element::Number(number) => table.push(entry, End::Last, Value::Number(*number)),
        Element::Bytes(bytes) => table.push(entry, End::Last, Value::String(bytes)),
    });
    if !complete {
        table.remove(entry);
    }
    complete.then_some(())
}
