//! The level of the error log, changed for a while.
//!
//! *Kong parity*: what is changed over the Admin API holds for some time, also in the worker process that a reload
//! begins, and is in the shared dictionary `kong` under Kong's keys.

use super::control::{Control, DICT};
use crate::observability::{Level, log};
use crate::shm::{Found, Kind, Value};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The level in force, by its number.
const LEVEL: &[u8] = b"kong:dyn_log_level";
/// When that is over, in seconds since 1970.
const UNTIL: &[u8] = b"kong:dyn_log_level_timeout_at";

/// Changes the level for so many seconds.
pub(super) fn change(control: &Rc<Control>, level: Level, seconds: u64) {
    let until = now() + seconds as f64;
    if let Some(dict) = control.dicts.find(DICT) {
        let life = seconds.saturating_mul(1000).max(1);
        dict.set(LEVEL, Value::Number(f64::from(level as u8)), life, 0);
        dict.set(UNTIL, Value::Number(until), life, 0);
    }
    hold(control, level, until);
}

/// Takes over the level that an earlier worker process was told.
pub(super) fn take_over(control: &Rc<Control>) {
    let number = |key| match control.dicts.find(DICT)?.get(key, &mut Vec::new()) {
        Ok(Some(Found { value: Kind::Number(number), .. })) => Some(number),
        _ => None,
    };
    let level = number(LEVEL).and_then(|level| Level::from_number(level as u8));
    if let (Some(level), Some(until)) = (level, number(UNTIL))
        && until > now()
    {
        hold(control, level, until);
    }
}

/// Sets the level, and the configured one again when the time is over and nobody has changed it since.
fn hold(control: &Rc<Control>, level: Level, until: f64) {
    set(level);
    control.level_until.set(until);
    let control = Rc::clone(control);
    tokio::task::spawn_local(async move {
        let left = Duration::try_from_secs_f64(until - now()).unwrap_or_default();
        tokio::time::sleep(left).await;
        if control.level_until.get() == until {
            set(control.shared.conf.log_level);
        }
    });
}

fn set(level: Level) {
    log::set_level(level);
    log::notice!("log level changed to {}", level as u8);
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
