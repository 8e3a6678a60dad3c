//! The dictionary by example: each operation, under pressure, among processes.
#![allow(unsafe_code)] // fork

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

thread_local! { pub(super) static NOW: Cell<u64> = const { Cell::new(1000) }; }

pub(super) fn dict(bytes: usize) -> Dict {
    NOW.set(1000);
    Dict::create("test", bytes).unwrap().with_clock(|| NOW.get())
}

fn ignore<T>(_: T) {}

pub(super) fn advance(ms: u64) {
    NOW.set(NOW.get() + ms);
}

fn number(dict: &Dict, key: &[u8]) -> Option<f64> {
    match dict.get(key, &mut Vec::new()).unwrap()?.value {
        Kind::Number(number) => Some(number),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_type_comes_back_as_it_was_stored() {
    let dict = dict(64 << 10);
    let mut buffer = Vec::new();
    for (value, kind) in [
        (Value::Boolean(true), Kind::Boolean(true)),
        (Value::Boolean(false), Kind::Boolean(false)),
        (Value::Number(-0.5), Kind::Number(-0.5)),
        (Value::String(b""), Kind::String),
        (Value::String(b"a\0b"), Kind::String),
    ] {
        assert_eq!(dict.set(b"key", value, 0, 9).result, Ok(()));
        let found = dict.get(b"key", &mut buffer).unwrap().unwrap();
        assert_eq!(found, Found { value: kind, flags: 9, stale: false });
        if let Value::String(bytes) = value {
            assert_eq!(buffer, bytes);
        }
    }
    dict.delete(b"key").unwrap();
    assert_eq!(dict.get(b"key", &mut buffer), Ok(None));
}

#[test]
fn refusals_have_the_words_lua_sees() {
    let dict = dict(64 << 10);
    let refused = |stored: Stored| stored.result.unwrap_err().to_string();
    assert_eq!(refused(dict.set(b"", Value::Number(1.0), 0, 0)), "empty key");
    assert_eq!(refused(dict.set(&[b'k'; 65_536], Value::Number(1.0), 0, 0)), "key too long");
    assert_eq!(refused(dict.replace(b"key", Value::Number(1.0), 0, 0)), "not found");
    assert_eq!(refused(dict.add(b"key", Value::Nil, 0, 0)), "attempt to add or replace nil values");
    assert_eq!(dict.incr(b"key", 1.0, None).result.unwrap_err().to_string(), "not found");
    dict.set(b"key", Value::String(b"text"), 0, 0);
    assert_eq!(refused(dict.add(b"key", Value::Number(1.0), 0, 0)), "exists");
    assert_eq!(dict.incr(b"key", 1.0, Some((0.0, 0))).result.unwrap_err().to_string(), "not a number");
    assert_eq!(dict.lpush(b"key", Value::Number(1.0)).unwrap_err().to_string(), "value not a list");
    assert_eq!(dict.rpop(b"key", &mut Vec::new()).unwrap_err().to_string(), "value not a list");
    dict.lpush(b"list", Value::Number(1.0)).unwrap();
    assert_eq!(dict.get(b"list", &mut Vec::new()).unwrap_err().to_string(), "value is a list");
    assert_eq!(refused(dict.store(Store::SafeSet, b"big", Value::String(&[0; 65_536]), 0, 0)), "no memory");
}

#[test]
fn expired_entries_are_gone_for_get_and_stale_for_get_stale() {
    let dict = dict(64 << 10);
    dict.set(b"newer", Value::Number(1.0), 0, 0);
    dict.set(b"key", Value::Number(2.0), 50, 3);
    assert_eq!(dict.ttl(b"key"), Ok(50));
    advance(50);
    assert_eq!(number(&dict, b"key"), Some(2.0));
    advance(1);
    assert_eq!(dict.get(b"key", &mut Vec::new()), Ok(None));
    assert_eq!(dict.ttl(b"key"), Ok(-1));
    let stale = dict.get_stale(b"key", &mut Vec::new()).unwrap().unwrap();
    assert_eq!(stale, Found { value: Kind::Number(2.0), flags: 3, stale: true });
    dict.expire(b"key", 10).unwrap();
    assert_eq!(number(&dict, b"key"), Some(2.0));
    assert_eq!(dict.ttl(b"none"), Err(Refusal::NotFound));
}

#[test]
fn lists_work_from_both_ends_and_vanish_when_empty() {
    let dict = dict(64 << 10);
    let mut buffer = Vec::new();
    assert_eq!(dict.rpush(b"list", Value::Number(2.0)), Ok(1));
    assert_eq!(dict.lpush(b"list", Value::String(b"one")), Ok(2));
    assert_eq!(dict.rpush(b"list", Value::Number(3.0)), Ok(3));
    assert_eq!(dict.llen(b"list"), Ok(3));
    assert_eq!(dict.lpop(b"list", &mut buffer), Ok(Some(Popped::String)));
    assert_eq!(buffer, b"one");
    assert_eq!(dict.rpop(b"list", &mut buffer), Ok(Some(Popped::Number(3.0))));
    assert_eq!(dict.lpop(b"list", &mut buffer), Ok(Some(Popped::Number(2.0))));
    assert_eq!(dict.lpop(b"list", &mut buffer), Ok(None));
    assert_eq!((dict.llen(b"list"), dict.keys(0).len()), (Ok(0), 0));
}

#[test]
fn a_full_dictionary_evicts_expired_entries_before_live_ones() {
    let dict = dict(64 << 10);
    for n in 0..10 {
        dict.set(format!("live{n}").as_bytes(), Value::String(&[b'x'; 1000]), 0, 0);
    }
    let mut short = 0;
    while !dict.set(format!("short{short}").as_bytes(), Value::String(&[b'x'; 1000]), 10, 0).forcible {
        short += 1;
    }
    assert!(short > 20);
    advance(11);
    (0..10).for_each(|n| ignore(dict.get(format!("live{n}").as_bytes(), &mut Vec::new())));
    for n in 0..20 {
        let stored = dict.set(format!("more{n}").as_bytes(), Value::String(&[b'x'; 1000]), 0, 0);
        assert_eq!(stored, Stored { result: Ok(()), forcible: false }, "{n}");
    }
}

#[test]
fn a_full_dictionary_evicts_the_least_recently_used() {
    let dict = dict(64 << 10);
    dict.set(b"used", Value::Number(1.0), 0, 0);
    let mut evicted = 0;
    for n in 0..500 {
        let stored = dict.set(format!("key{n}").as_bytes(), Value::String(&[b'x'; 500]), 0, 0);
        assert_eq!(stored.result, Ok(()));
        evicted += usize::from(stored.forcible);
        assert_eq!(number(&dict, b"used"), Some(1.0));
    }
    assert!(evicted > 300);
    assert_eq!(dict.get(b"key0", &mut Vec::new()), Ok(None));
    assert!(dict.get(b"key499", &mut Vec::new()).unwrap().is_some());
    let safe = dict.store(Store::SafeSet, b"safe", Value::String(&[b'x'; 500]), 0, 0);
    assert_eq!(safe, Stored { result: Err(Refusal::NoMemory), forcible: false });
}

#[test]
fn flushing_empties_and_gives_memory_back() {
    let dict = dict(64 << 10);
    let empty = dict.free_space();
    (0..50).for_each(|n| ignore(dict.set(format!("key{n}").as_bytes(), Value::String(&[0; 300]), 0, 0)));
    assert!(dict.free_space() < empty);
    dict.flush_all();
    assert_eq!(dict.keys(0).len(), 0);
    assert!(dict.get_stale(b"key49", &mut Vec::new()).unwrap().unwrap().stale);
    assert_eq!(dict.flush_expired(5), 5);
    assert!(dict.flush_expired(0) > 30);
    assert_eq!(dict.free_space(), empty);
}

#[test]
fn keys_are_listed_from_the_least_recently_used_up_to_the_limit() {
    let dict = dict(64 << 10);
    for key in [b"a", b"b", b"c"] {
        dict.set(key, Value::Boolean(true), 0, 0);
    }
    dict.get(b"a", &mut Vec::new()).unwrap();
    assert_eq!(dict.keys(2), [b"b", b"c"]);
    assert_eq!(dict.keys(0), [b"b", b"c", b"a"]);
}

#[test]
fn a_rebuild_keeps_every_complete_entry() {
    let dict = dict(1 << 20);
    let key = |n: u32| format!("key{n}").into_bytes();
    for n in 0..1000 {
        match n % 3 {
            0 => ignore(dict.set(&key(n), Value::Number(f64::from(n)), 500, n)),
            1 => ignore(dict.set(&key(n), Value::String(&key(n)), 0, 0)),
            _ => (0..3).for_each(|_| ignore(dict.rpush(&key(n), Value::Number(f64::from(n))))),
        }
    }
    let free = dict.free_space();
    assert_eq!(dict.rebuilt(), dict::Salvage { kept: 1000, dropped: 0 });
    assert_eq!(dict.free_space(), free);
    let mut buffer = Vec::new();
    for n in 0..1000 {
        match n % 3 {
            0 => {
                let found = dict.get(&key(n), &mut buffer).unwrap().unwrap();
                assert_eq!(found, Found { value: Kind::Number(f64::from(n)), flags: n, stale: false });
                assert_eq!(dict.ttl(&key(n)), Ok(500));
            }
            1 => assert!(dict.get(&key(n), &mut buffer).unwrap().is_some() && buffer == key(n)),
            _ => assert_eq!(dict.llen(&key(n)), Ok(3)),
        }
    }
}

/// Runs `work` in a forked process, returns its pid.
fn in_child(work: impl FnOnce()) -> nix::unistd::Pid {
    // SAFETY: the child only touches the dictionary and ends with `_exit`.
    match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => child,
        ForkResult::Child => {
            work();
            // SAFETY: ends the child without running the test harness's exit handlers.
            unsafe { libc::_exit(0) }
        }
    }
}

#[test]
fn two_processes_count_without_losing_one() {
    let dict = Dict::create("counters", 1 << 20).unwrap();
    let count = || (0..20_000).for_each(|_| ignore(dict.incr(b"hits", 1.0, Some((0.0, 0)))));
    let children = [in_child(count), in_child(count)];
    for child in children {
        assert_eq!(waitpid(child, None).unwrap(), WaitStatus::Exited(child, 0));
    }
    assert_eq!(number(&dict, b"hits"), Some(40_000.0));
}

#[test]
fn killing_a_writer_at_any_moment_loses_no_counter() {
    static REBUILT: AtomicUsize = AtomicUsize::new(0);
    dict::on_salvage(|_, _| ignore(REBUILT.fetch_add(1, Ordering::Relaxed)));
    let dict = Dict::create("counters", 256 << 10).unwrap();
    for key in 0..50 {
        dict.set(format!("counter{key}").as_bytes(), Value::Number(7.0), 0, 0);
    }
    for round in 0..40 {
        let child = in_child(|| {
            for n in 0u64.. {
                let key = [b'k', (n % 60) as u8];
                match n % 4 {
                    0 => ignore(dict.set(&key, Value::String(&[b'v'; 600]), n % 7, 0)),
                    1 => ignore(dict.rpush(&[b'l', (n % 5) as u8], Value::Number(1.0))),
                    2 => ignore(dict.incr(b"counter0", 1.0, None)),
                    _ => ignore(dict.delete(&key)),
                }
                // keep the counters recent: what is evicted says nothing about what was lost
                let counter = [b"counter".as_slice(), &[b'0' + (n % 10) as u8]].concat();
                let _ = dict.get(&counter, &mut Vec::new());
            }
        });
        std::thread::sleep(std::time::Duration::from_micros(2000 + round * 137));
        nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
        waitpid(child, None).unwrap();
        for key in 1..10 {
            assert_eq!(number(&dict, format!("counter{key}").as_bytes()), Some(7.0), "round {round}");
        }
        assert!(number(&dict, b"counter0").unwrap() >= 7.0);
    }
    assert!(REBUILT.load(Ordering::Relaxed) > 0, "no kill came inside a write: the test tested nothing");
}
