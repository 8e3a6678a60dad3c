//! The host's part of `kong.cache`: invalidations and single flight.

use crate::cache::{self, Flight, Landing, Missed};
use crate::exchange::current;
use crate::lua::frame::{Answer, Frame};
use crate::lua::object::{self, Object};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};
use std::time::Duration;

/// The longest wait for another's load.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "cache_invalidate", |frame| {
        cache::invalidate(&frame.text(1)?);
        Ok(0)
    });
    frame.set_function(table, "cache_invalidate_all", |_| {
        cache::invalidate_all();
        Ok(0)
    });
    frame.set_function(table, "cache_missed", missed);
    frame.set_function(table, "cache_board", board);
    frame.set_function(table, "configuration_tag", |frame| {
        let dataset = super::entities::dataset().filter(|_| !has_database());
        let tag = dataset.map_or(String::new(), |dataset| dataset.hash().to_owned());
        frame.push_text(tag.get(..8).unwrap_or_default());
        Ok(1)
    });
    frame.set_function(table, "is_current", |frame| {
        let served = current::with(|exchange| exchange.snapshot.generation);
        let newest = super::settings().map(|settings| settings.published.generation());
        frame.push_boolean(served.is_none() || served == newest || has_database());
        Ok(1)
    });
}

/// Whether what is loaded comes from a database, which is as new as can be.
fn has_database() -> bool {
    super::settings().is_some_and(|settings| settings.connector.is_some())
}

/// The keys invalidated after a number, or false for all of them, and the number to remember.
fn missed(frame: &Frame) -> Answer {
    let (what, now) = cache::missed(frame.integer(1)?.max(0) as u64);
    match what {
        Missed::Everything => frame.push_boolean(false),
        Missed::Keys(keys) => {
            frame.push_table(keys.len(), 0);
            for (at, key) in keys.iter().enumerate() {
                frame.push_text(key);
                frame.set_index(-2, at + 1);
            }
        }
    }
    frame.push_number(now as f64);
    Ok(2)
}

/// The right to load a key, as an object to `land` with; or, after waiting for another who loads it,
/// nil: look again.
fn board(frame: &Frame) -> Answer {
    match cache::board(&frame.text(1)?) {
        Flight::Mine(landing) => {
            object::push(frame, Boarded(RefCell::new(Some(landing))));
            Ok(1)
        }
        // Code that may not wait loads for itself.
        Flight::Other(_) if crate::lua::context::require_waiting().is_err() => {
            object::push(frame, Boarded(RefCell::new(None)));
            Ok(1)
        }
        Flight::Other(mut landed) => frame.wait(async move {
            let waited = tokio::time::timeout(LONGEST_WAIT, landed.changed()).await.is_ok();
            Box::new(move |frame: &Frame| {
                frame.push_nil();
                if waited {
                    return Ok(1);
                }
                frame.push_text("timeout");
                Ok(2)
            }) as crate::lua::task::Resume
        }),
    }
}

struct Boarded(RefCell<Option<Landing>>);

impl Object for Boarded {
    const NAME: &'static CStr = c"kong.cache.flight";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "land", |frame| {
            object::at::<Boarded>(frame, 1)?.0.take();
            Ok(0)
        });
    }
}
