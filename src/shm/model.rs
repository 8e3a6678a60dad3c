//! The dictionary against a naive oracle: a vector from the least to the most recently used, searched from the
//! front.

use std::collections::HashMap;

use proptest::prelude::*;

use super::tests::{NOW, advance, dict};
use super::*;

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Boolean(bool),
    Number(f64),
    Bytes(Vec<u8>),
    List(Vec<f64>),
}

#[derive(Debug, Clone)]
struct Item {
    key: u8,
    content: Content,
    expires: u64,
    flags: u32,
}

#[derive(Default)]
struct Oracle {
    items: Vec<Item>,
}

impl Oracle {
    fn expire_some(&mut self) {
        for _ in 0..2 {
            if self.items.first().is_some_and(|item| item.expires != 0 && item.expires <= NOW.get()) {
                self.items.remove(0);
            }
        }
    }

    fn touch(&mut self, key: u8) -> Option<(&mut Item, bool)> {
        let at = self.items.iter().position(|item| item.key == key)?;
        let item = self.items.remove(at);
        self.items.push(item);
        let item = self.items.last_mut().unwrap();
        let expired = item.expires != 0 && item.expires < NOW.get();
        Some((item, expired))
    }

    fn deadline(ttl: u64) -> u64 {
        if ttl == 0 { 0 } else { NOW.get() + ttl }
    }

    fn store(
        &mut self,
        how: Store,
        key: u8,
        content: Option<Content>,
        ttl: u64,
        flags: u32,
    ) -> Result<(), Refusal> {
        if content.is_none() && how != Store::Set && how != Store::SafeSet {
            return Err(Refusal::NilValue);
        }
        self.expire_some();
        let alive = self.touch(key).is_some_and(|(_, expired)| !expired);
        match how {
            Store::Replace if !alive => return Err(Refusal::NotFound),
            Store::Add | Store::SafeAdd if alive => return Err(Refusal::Exists),
            _ => {}
        }
        self.items.retain(|item| item.key != key);
        if let Some(content) = content {
            self.items.push(Item { key, content, expires: Self::deadline(ttl), flags });
        }
        Ok(())
    }

    fn get(&mut self, key: u8, stale: bool) -> Result<Option<(Content, u32, bool)>, Refusal> {
        if !stale {
            self.expire_some();
        }
        match self.touch(key) {
            Some((_, true)) if !stale => Ok(None),
            Some((Item { content: Content::List(_), .. }, _)) => Err(Refusal::ValueIsList),
            Some((item, expired)) => Ok(Some((item.content.clone(), item.flags, expired))),
            None => Ok(None),
        }
    }

    fn incr(&mut self, key: u8, by: f64, init: Option<(f64, u64)>) -> Result<f64, Refusal> {
        self.expire_some();
        match self.touch(key) {
            Some((item, false)) => match &mut item.content {
                Content::Number(number) => {
                    *number += by;
                    Ok(*number)
                }
                _ => Err(Refusal::NotANumber),
            },
            _ => {
                let (start, ttl) = init.ok_or(Refusal::NotFound)?;
                self.items.retain(|item| item.key != key);
                let content = Content::Number(start + by);
                self.items.push(Item { key, content, expires: Self::deadline(ttl), flags: 0 });
                Ok(start + by)
            }
        }
    }

    fn push(&mut self, key: u8, first: bool, value: f64) -> Result<usize, Refusal> {
        self.expire_some();
        if !matches!(self.touch(key), Some((_, false))) {
            self.items.retain(|item| item.key != key);
            self.items.push(Item { key, content: Content::List(Vec::new()), expires: 0, flags: 0 });
        }
        let Content::List(list) = &mut self.items.last_mut().unwrap().content else {
            return Err(Refusal::ValueNotList);
        };
        list.insert(if first { 0 } else { list.len() }, value);
        Ok(list.len())
    }

    fn pop(&mut self, key: u8, first: bool) -> Result<Option<f64>, Refusal> {
        self.expire_some();
        let Some((item, false)) = self.touch(key) else { return Ok(None) };
        let Content::List(list) = &mut item.content else { return Err(Refusal::ValueNotList) };
        let value = if first { Some(list.remove(0)) } else { list.pop() };
        if list.is_empty() {
            self.items.pop();
        }
        Ok(value)
    }

    fn llen(&mut self, key: u8) -> Result<usize, Refusal> {
        self.expire_some();
        match self.touch(key) {
            Some((Item { content: Content::List(list), .. }, false)) => Ok(list.len()),
            Some((_, false)) => Err(Refusal::ValueNotList),
            _ => Ok(0),
        }
    }

    fn find(&mut self, key: u8) -> Result<&mut Item, Refusal> {
        self.items.iter_mut().find(|item| item.key == key).ok_or(Refusal::NotFound)
    }

    fn is_due(item: &Item) -> bool {
        item.expires != 0 && item.expires <= NOW.get()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Store(Store, u8, Option<Content>, u64, u32),
    Get(u8, bool),
    Incr(u8, f64, Option<(f64, u64)>),
    Push(u8, bool, f64),
    Pop(u8, bool),
    Llen(u8),
    Ttl(u8),
    Expire(u8, u64),
    FlushAll,
    FlushExpired(usize),
    Keys(usize),
    Rebuild,
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0u8..8;
    let ttl = prop_oneof![Just(0u64), 1u64..40];
    let number = (-8i32..8).prop_map(f64::from);
    let how = prop_oneof![
        4 => Just(Store::Set), 1 => Just(Store::Add), 1 => Just(Store::Replace),
        1 => Just(Store::SafeSet), 1 => Just(Store::SafeAdd)
    ];
    let content = prop_oneof![
        1 => Just(None),
        2 => any::<bool>().prop_map(|flag| Some(Content::Boolean(flag))),
        3 => number.clone().prop_map(|number| Some(Content::Number(number))),
        4 => prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Some(Content::Bytes(bytes))),
    ];
    prop_oneof![
        8 => (how, key.clone(), content, ttl.clone(), 0u32..3).prop_map(|(h, k, c, t, f)| Step::Store(h, k, c, t, f)),
        6 => (key.clone(), any::<bool>()).prop_map(|(k, s)| Step::Get(k, s)),
        4 => (key.clone(), number.clone(), prop::option::of((number.clone(), ttl.clone())))
            .prop_map(|(k, n, i)| Step::Incr(k, n, i)),
        4 => (key.clone(), any::<bool>(), number).prop_map(|(k, f, n)| Step::Push(k, f, n)),
        3 => (key.clone(), any::<bool>()).prop_map(|(k, f)| Step::Pop(k, f)),
        1 => key.clone().prop_map(Step::Llen),
        2 => key.clone().prop_map(Step::Ttl),
        2 => (key, ttl).prop_map(|(k, t)| Step::Expire(k, t)),
        1 => Just(Step::FlushAll),
        1 => (0usize..3).prop_map(Step::FlushExpired),
        2 => (0usize..4).prop_map(Step::Keys),
        1 => Just(Step::Rebuild),
        6 => (1u64..15).prop_map(Step::Wait),
    ]
}

fn borrowed(content: &Option<Content>) -> Value<'_> {
    match content {
        Some(Content::Boolean(flag)) => Value::Boolean(*flag),
        Some(Content::Number(number)) => Value::Number(*number),
        Some(Content::Bytes(bytes)) => Value::String(bytes),
        Some(Content::List(_)) | None => Value::Nil,
    }
}

fn owned(found: Found, buffer: &[u8]) -> (Content, u32, bool) {
    let content = match found.value {
        Kind::Boolean(flag) => Content::Boolean(flag),
        Kind::Number(number) => Content::Number(number),
        Kind::String => Content::Bytes(buffer.to_vec()),
    };
    (content, found.flags, found.stale)
}

/// Does one step on both and compares.
fn compare(dict: &Dict, oracle: &mut Oracle, step: Step) {
    let mut buffer = Vec::new();
    match step {
        Step::Store(how, key, content, ttl, flags) => {
            let stored = dict.store(how, &[key + 1], borrowed(&content), ttl, flags);
            assert_eq!(stored.result, oracle.store(how, key, content, ttl, flags));
            assert!(!stored.forcible);
        }
        Step::Get(key, stale) => {
            let found = if stale {
                dict.get_stale(&[key + 1], &mut buffer)
            } else {
                dict.get(&[key + 1], &mut buffer)
            };
            assert_eq!(found.map(|found| found.map(|found| owned(found, &buffer))), oracle.get(key, stale));
        }
        Step::Incr(key, by, init) => {
            assert_eq!(dict.incr(&[key + 1], by, init).result, oracle.incr(key, by, init));
        }
        Step::Push(key, first, value) => {
            let pushed =
                if first { Dict::lpush } else { Dict::rpush }(dict, &[key + 1], Value::Number(value));
            assert_eq!(pushed, oracle.push(key, first, value));
        }
        Step::Pop(key, first) => {
            let popped = if first { Dict::lpop } else { Dict::rpop }(dict, &[key + 1], &mut buffer);
            assert_eq!(popped, oracle.pop(key, first).map(|value| value.map(Popped::Number)));
        }
        Step::Llen(key) => assert_eq!(dict.llen(&[key + 1]), oracle.llen(key)),
        Step::Ttl(key) => {
            let expected = oracle.find(key).map(|item| item.expires as i64);
            let left = |expires| if expires == 0 { 0 } else { expires - NOW.get() as i64 };
            assert_eq!(dict.ttl(&[key + 1]), expected.map(left));
        }
        Step::Expire(key, ttl) => {
            let expected = oracle.find(key).map(|item| item.expires = Oracle::deadline(ttl));
            assert_eq!(dict.expire(&[key + 1], ttl), expected);
        }
        Step::FlushAll => {
            dict.flush_all();
            oracle.items.iter_mut().for_each(|item| item.expires = 1);
            oracle.items.drain(..oracle.items.len().min(3));
        }
        Step::FlushExpired(limit) => {
            let before = oracle.items.len();
            let mut left = if limit == 0 { usize::MAX } else { limit };
            oracle.items.retain(|item| {
                let gone = left > 0 && Oracle::is_due(item);
                left -= usize::from(gone);
                !gone
            });
            assert_eq!(dict.flush_expired(limit), before - oracle.items.len());
        }
        Step::Keys(limit) => {
            let live =
                oracle.items.iter().filter(|item| !Oracle::is_due(item)).map(|item| vec![item.key + 1]);
            let expected: Vec<_> = live.take(if limit == 0 { usize::MAX } else { limit }).collect();
            assert_eq!(dict.keys(limit), expected);
        }
        Step::Rebuild => {
            // a rebuild loses the order of use: give both the same new one
            assert_eq!(dict.rebuilt().kept, oracle.items.len());
            let order: HashMap<u8, usize> =
                (0..oracle.items.len()).zip(oracle.items.iter()).map(|(n, item)| (item.key, n)).collect();
            assert_eq!(order.len(), oracle.items.len());
            oracle.items.sort_by_key(|item| item.key);
            for item in &oracle.items {
                let _ = dict.get_stale(&[item.key + 1], &mut buffer);
            }
        }
        Step::Wait(ms) => advance(ms),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_sequence_of_operations_answers_as_the_naive_oracle(steps in prop::collection::vec(step(), 1..120)) {
        let dict = dict(128 << 10);
        let mut oracle = Oracle::default();
        let empty = dict.free_space();
        steps.into_iter().for_each(|step| compare(&dict, &mut oracle, step));
        dict.flush_all();
        dict.flush_expired(0);
        assert_eq!(dict.free_space(), empty);
    }

    #[test]
    fn under_pressure_what_is_there_is_right(
        sizes in prop::collection::vec((0u8..60, 0usize..6000), 1..400)
    ) {
        let dict = dict(48 << 10);
        let mut stored = HashMap::new();
        for (key, size) in sizes {
            let bytes = vec![key; size];
            let outcome = dict.set(&[key + 1], Value::String(&bytes), 0, 0);
            match outcome.result {
                Ok(()) => stored.insert(key, bytes),
                Err(refusal) => { assert_eq!(refusal, Refusal::NoMemory); stored.remove(&key) }
            };
            let mut buffer = Vec::new();
            let mut present = 0;
            for (key, bytes) in &stored {
                if dict.get_stale(&[key + 1], &mut buffer).unwrap().is_some() {
                    assert_eq!(&buffer, bytes);
                    present += 1;
                }
            }
            assert_eq!(dict.keys(0).len(), present);
        }
    }
}
