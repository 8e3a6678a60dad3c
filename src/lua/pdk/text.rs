//! Identifiers, digests, compression, paths.

use crate::http::uri;
use crate::lua::frame::{Answer, Flow, Frame};
use std::ffi::c_int;
use std::io::Read;

/// The most random bytes handed out at once.
const MOST_RANDOM: usize = 1 << 20;
/// The most bytes that a compressed text may expand to.
const MOST_INFLATED: u64 = 1 << 30;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "uuid", |frame| {
        frame.push_text(&uuid::Uuid::new_v4().to_string());
        Ok(1)
    });
    frame.set_function(table, "random_bytes", random_bytes);
    frame.set_function(table, "sha256", |frame| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, frame.bytes(1)?);
        frame.push_bytes(digest.as_ref());
        Ok(1)
    });
    frame.set_function(table, "deflate_gzip", |frame| {
        let mut packed = Vec::new();
        let mut encoder = flate2::read::GzEncoder::new(frame.bytes(1)?, flate2::Compression::default());
        match encoder.read_to_end(&mut packed) {
            Ok(_) => frame.push_bytes(&packed),
            Err(error) => return frame.fail(error.to_string()),
        }
        Ok(1)
    });
    frame.set_function(table, "inflate_gzip", inflate_gzip);
    frame.set_function(table, "normalize_path", |frame| {
        frame.push_bytes(&uri::normalize(frame.bytes(1)?, frame.truth(2)));
        Ok(1)
    });
    frame.set_function(table, "escape_path", |frame| {
        frame.push_bytes(&uri::escape(frame.bytes(1)?));
        Ok(1)
    });
}

fn random_bytes(frame: &Frame) -> Answer {
    let count = usize::try_from(frame.integer(1)?).unwrap_or(0);
    if count > MOST_RANDOM {
        return Err(Flow::Argument(1, "too many bytes".into()));
    }
    let mut bytes = vec![0; count];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return frame.fail("could not get random bytes");
    }
    frame.push_bytes(&bytes);
    Ok(1)
}

/// The text in a gzip stream, whose members follow each other; nil and why not.
fn inflate_gzip(frame: &Frame) -> Answer {
    let mut text = Vec::new();
    let decoder = flate2::read::MultiGzDecoder::new(frame.bytes(1)?);
    match decoder.take(MOST_INFLATED + 1).read_to_end(&mut text) {
        Ok(length) if length as u64 > MOST_INFLATED => frame.fail("inflated data is too large"),
        Ok(_) => {
            frame.push_bytes(&text);
            Ok(1)
        }
        Err(_) => frame.fail("INFLATE: data error"),
    }
}
