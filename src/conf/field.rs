//! From a checked value to a typed field of [`super::Conf`].

use std::path::PathBuf;
use std::time::Duration;

use super::value::ConfValue;
use super::values::Values;
use crate::observability::Level;

/// A type that a property can have in [`super::Conf`].
///
/// Values were checked before, so reading cannot fail: an unset property is the type's natural empty
/// value, a number out of range is the nearest one.
pub trait Field: Sized {
    /// Reads the property's value.
    fn read(value: Option<&ConfValue>) -> Self;
}

impl Field for bool {
    fn read(value: Option<&ConfValue>) -> bool {
        match value {
            Some(ConfValue::Boolean(value)) => *value,
            Some(ConfValue::String(word)) => word == "on",
            _ => false,
        }
    }
}

impl Field for String {
    fn read(value: Option<&ConfValue>) -> String {
        value.and_then(ConfValue::as_str).unwrap_or_default().to_owned()
    }
}

impl Field for PathBuf {
    fn read(value: Option<&ConfValue>) -> PathBuf {
        PathBuf::from(String::read(value))
    }
}

impl Field for Vec<String> {
    fn read(value: Option<&ConfValue>) -> Vec<String> {
        value.map(|list| list.texts().map(str::to_owned).collect()).unwrap_or_default()
    }
}

impl Field for Level {
    fn read(value: Option<&ConfValue>) -> Level {
        value.and_then(ConfValue::as_str).and_then(|name| name.parse().ok()).unwrap_or(Level::Notice)
    }
}

impl<T: Field> Field for Option<T> {
    fn read(value: Option<&ConfValue>) -> Option<T> {
        value.map(|value| T::read(Some(value)))
    }
}

impl Field for f64 {
    fn read(value: Option<&ConfValue>) -> f64 {
        match value {
            Some(ConfValue::Number(number)) => *number,
            _ => 0.0,
        }
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => {
        $(impl Field for $type {
            fn read(value: Option<&ConfValue>) -> $type {
                // `as` saturates: what is too big or negative becomes the nearest value.
                f64::read(value) as $type
            }
        })+
    };
}

whole_number!(u16, u32, u64, usize);

/// Reads a number of seconds.
pub fn seconds(values: &Values, name: &str) -> Duration {
    values
        .number(name)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)).ok())
        .unwrap_or_default()
}

/// Reads a number of seconds that may be unset.
pub fn optional_seconds(values: &Values, name: &str) -> Option<Duration> {
    values.number(name).map(|_| seconds(values, name))
}

/// Reads a number of milliseconds.
pub fn milliseconds(values: &Values, name: &str) -> Duration {
    values
        .number(name)
        .and_then(|milliseconds| Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).ok())
        .unwrap_or_default()
}

/// Reads a number of milliseconds that may be unset.
pub fn optional_milliseconds(values: &Values, name: &str) -> Option<Duration> {
    values.number(name).map(|_| milliseconds(values, name))
}
