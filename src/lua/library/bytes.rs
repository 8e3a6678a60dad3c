//! `resty.string` and `resty.random`.

use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::ngx::digest::hexadecimal;

/// The most random bytes one call answers.
const MOST: f64 = 16_777_216.0;

/// Loader of `resty.string`.
pub(super) fn load_string(frame: &Frame) -> Answer {
    frame.push_table(0, 3);
    let table = frame.top();
    frame.set_function(table, "to_hex", |frame| {
        frame.push_text(&hexadecimal(frame.bytes(1)?));
        Ok(1)
    });
    frame.set_function(table, "atoi", |frame| {
        // Digits alone are a number, as nginx reads one.
        let text = frame.bytes(1)?;
        let digits = Some(text).filter(|text| text.iter().all(u8::is_ascii_digit));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse::<i64>().ok());
        frame.push_integer(number.unwrap_or(-1));
        Ok(1)
    });
    Ok(1)
}

/// Loader of `resty.random`.
pub(super) fn load_random(frame: &Frame) -> Answer {
    frame.push_table(0, 1);
    let table = frame.top();
    frame.set_function(table, "bytes", |frame| {
        let length = frame.number(1)?;
        if !(0.0..=MOST).contains(&length) {
            return Err(Flow::Argument(1, "length out of range".into()));
        }
        let mut bytes = vec![0; length as usize];
        match aws_lc_rs::rand::fill(&mut bytes) {
            Ok(()) => frame.push_bytes(&bytes),
            Err(_) => frame.push_nil(),
        }
        Ok(1)
    });
    Ok(1)
}
