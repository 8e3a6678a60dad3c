//! What `resty.openssl.*` is built on: digests, MACs, key derivation, keys and certificates.
//!
//! The Lua side, `lua/resty/openssl/`, gives these functions the objects plugins expect. The
//! cryptography is aws-lc's.

mod certificate;
mod key;

pub(in crate::lua) use certificate::short_name;

use crate::lua::frame::{Answer, Flow, Frame};
use aws_lc_rs::{digest, hkdf, hmac, pbkdf2};
use md5::{Digest, Md5};
use std::ffi::c_int;
use std::num::NonZeroU32;

/// The longest key that is derived, in bytes.
const LONGEST_KEY: f64 = 8160.0;

/// Loader of `resty.openssl.native`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 16);
    let table = frame.top();
    frame.set_function(table, "digest", |frame| {
        if plain(frame.bytes(1)?) == "md5" {
            frame.push_bytes(&Md5::digest(frame.bytes(2)?));
            return Ok(1);
        }
        let Some(algorithm) = digest_named(frame.bytes(1)?) else { return unknown(frame) };
        frame.push_bytes(digest::digest(algorithm, frame.bytes(2)?).as_ref());
        Ok(1)
    });
    frame.set_function(table, "hmac", |frame| {
        let Some(algorithm) = hmac_named(frame.bytes(1)?) else { return unknown(frame) };
        let key = hmac::Key::new(algorithm, frame.bytes(2)?);
        frame.push_bytes(hmac::sign(&key, frame.bytes(3)?).as_ref());
        Ok(1)
    });
    frame.set_function(table, "pbkdf2", derive_pbkdf2);
    frame.set_function(table, "hkdf", derive_hkdf);
    key::install(frame, table);
    certificate::install(frame, table);
    Ok(1)
}

fn unknown(frame: &Frame) -> Answer {
    let name = frame.text(1)?;
    frame.fail(format!("invalid digest type \"{name}\""))
}

/// A digest by its OpenSSL name, `SHA-256` and `sha256` alike.
fn digest_named(name: &[u8]) -> Option<&'static digest::Algorithm> {
    Some(match plain(name).as_str() {
        "sha1" => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => &digest::SHA224,
        "sha256" => &digest::SHA256,
        "sha384" => &digest::SHA384,
        "sha512" => &digest::SHA512,
        "sha512/256" | "sha512256" => &digest::SHA512_256,
        "sha3256" => &digest::SHA3_256,
        "sha3384" => &digest::SHA3_384,
        "sha3512" => &digest::SHA3_512,
        _ => return None,
    })
}

fn hmac_named(name: &[u8]) -> Option<hmac::Algorithm> {
    Some(match plain(name).as_str() {
        "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        "sha224" => hmac::HMAC_SHA224,
        "sha256" => hmac::HMAC_SHA256,
        "sha384" => hmac::HMAC_SHA384,
        "sha512" => hmac::HMAC_SHA512,
        _ => return None,
    })
}

/// A name in lower case without dashes.
fn plain(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase().replace('-', "")
}

fn length(frame: &Frame, at: c_int) -> Result<usize, Flow> {
    let length = frame.number(at)?;
    if (1.0..=LONGEST_KEY).contains(&length) {
        Ok(length as usize)
    } else {
        Err(Flow::Argument(at, "length out of range".into()))
    }
}

/// `pbkdf2(digest, password, salt, iterations, length)`.
fn derive_pbkdf2(frame: &Frame) -> Answer {
    let algorithm = match plain(frame.bytes(1)?).as_str() {
        "sha1" => pbkdf2::PBKDF2_HMAC_SHA1,
        "sha256" => pbkdf2::PBKDF2_HMAC_SHA256,
        "sha384" => pbkdf2::PBKDF2_HMAC_SHA384,
        "sha512" => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return unknown(frame),
    };
    let iterations = u32::try_from(frame.integer(4)?).ok().and_then(NonZeroU32::new);
    let Some(iterations) = iterations else { return frame.fail("invalid iteration count") };
    let mut key = vec![0; length(frame, 5)?];
    pbkdf2::derive(algorithm, iterations, frame.bytes(3)?, frame.bytes(2)?, &mut key);
    frame.push_bytes(&key);
    Ok(1)
}

/// Bytes that HKDF shall expand to.
struct Wanted(usize);

impl hkdf::KeyType for Wanted {
    fn len(&self) -> usize {
        self.0
    }
}

/// `hkdf(digest, secret, salt, info, length)`.
fn derive_hkdf(frame: &Frame) -> Answer {
    let algorithm = match plain(frame.bytes(1)?).as_str() {
        "sha1" => hkdf::HKDF_SHA1_FOR_LEGACY_USE_ONLY,
        "sha256" => hkdf::HKDF_SHA256,
        "sha384" => hkdf::HKDF_SHA384,
        "sha512" => hkdf::HKDF_SHA512,
        _ => return unknown(frame),
    };
    let mut key = vec![0; length(frame, 5)?];
    let secret = hkdf::Salt::new(algorithm, frame.bytes(3)?).extract(frame.bytes(2)?);
    let info = [frame.bytes(4)?];
    let filled = secret.expand(&info, Wanted(key.len())).and_then(|okm| okm.fill(&mut key));
    match filled {
        Ok(()) => frame.push_bytes(&key),
        Err(_) => return frame.fail("key derivation failed"),
    }
    Ok(1)
}

#[cfg(test)]
mod tests;
