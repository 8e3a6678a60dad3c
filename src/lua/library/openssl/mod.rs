//! What `resty.openssl.*` is built on: digests, MACs, key derivation, keys and certificates.
//!
//! The Lua side, `lua/resty/openssl/`, gives these functions the objects plugins expect. The
//! cryptography is aws-lc's.
//!
//! | file | holds |
//! |---|---|
//! | `raw` | memory and errors of aws-lc |
//! | `number`, `cipher`, `key` | big numbers, ciphers, keys |
//! | `certificate` | what certificates say, for those who only read |
//! | `ocsp` | online certificate status |
//! | `x509` | certificates, requests, revocation lists and what they consist of |
#![allow(unsafe_code)] // aws-lc is a C library.

mod certificate;
mod cipher;
mod key;
mod number;
mod ocsp;
mod raw;
mod x509;

pub(in crate::lua) use certificate::short_name;

use crate::lua::frame::{Answer, Flow, Frame};
use aws_lc_sys as sys;
use raw::{c_text, digest_named, failed};
use std::ffi::c_int;

/// The longest key that is derived, in bytes.
const LONGEST_KEY: f64 = 65_536.0;

/// The longest digest, in bytes.
const LONGEST_DIGEST: usize = 64;

/// Loader of `resty.openssl.native`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 64);
    let table = frame.top();
    frame.set_function(table, "digest", digest);
    frame.set_function(table, "hmac", hmac);
    frame.set_function(table, "pbkdf2", derive_pbkdf2);
    frame.set_function(table, "hkdf", derive_hkdf);
    frame.set_function(table, "scrypt", derive_scrypt);
    frame.set_function(table, "names", names);
    frame.set_function(table, "nid", nid);
    certificate::install(frame, table);
    cipher::install(frame, table);
    key::install(frame, table);
    number::install(frame, table);
    ocsp::install(frame, table);
    x509::install(frame, table);
    Ok(1)
}

fn unknown(frame: &Frame) -> Answer {
    let name = frame.text(1)?;
    frame.fail(format!("invalid digest type \"{name}\""))
}

/// `digest(name, data)`.
fn digest(frame: &Frame) -> Answer {
    let Some(kind) = digest_named(frame.bytes(1)?) else { return unknown(frame) };
    let data = frame.bytes(2)?;
    let (mut out, mut length) = ([0; LONGEST_DIGEST], 0);
    // SAFETY: there is room for the longest digest.
    let done = unsafe {
        let none = std::ptr::null_mut();
        sys::EVP_Digest(data.as_ptr().cast(), data.len(), out.as_mut_ptr(), &mut length, kind, none)
    };
    if done != 1 {
        return frame.fail(failed("digest:final"));
    }
    frame.push_bytes(out.get(..length as usize).unwrap_or_default());
    Ok(1)
}

/// `hmac(digest, key, data)`.
fn hmac(frame: &Frame) -> Answer {
    let Some(kind) = digest_named(frame.bytes(1)?) else { return unknown(frame) };
    let (key, data) = (frame.bytes(2)?, frame.bytes(3)?);
    let (mut out, mut length) = ([0; LONGEST_DIGEST], 0);
    // SAFETY: there is room for the longest digest.
    let done = unsafe {
        let (key_at, data_at) = (key.as_ptr().cast(), data.as_ptr());
        sys::HMAC(kind, key_at, key.len(), data_at, data.len(), out.as_mut_ptr(), &mut length)
    };
    if done.is_null() {
        return frame.fail(failed("hmac:final"));
    }
    frame.push_bytes(out.get(..length as usize).unwrap_or_default());
    Ok(1)
}

/// `names(nid)`: the short and the long name of a number, and its identifier.
fn names(frame: &Frame) -> Answer {
    let nid = c_int::try_from(frame.integer(1)?).unwrap_or(0);
    match key::names(nid) {
        Some((short, long)) => {
            frame.push_text(&short);
            frame.push_text(&long);
            frame.push_text(&identifier(nid));
            Ok(3)
        }
        None => frame.fail("unknown nid"),
    }
}

/// The identifier of a number, with dots; empty where there is none.
fn identifier(nid: c_int) -> String {
    let mut text = [0; 128];
    // SAFETY: the buffer has the length it is said to have, and is ended by a zero.
    unsafe {
        sys::OBJ_obj2txt(text.as_mut_ptr(), text.len() as c_int, sys::OBJ_nid2obj(nid), 1);
        std::ffi::CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned()
    }
}

/// `nid(name)`: the number of a short or long name, or of an identifier with dots.
fn nid(frame: &Frame) -> Answer {
    let nid = match c_text(frame.bytes(1)?) {
        // SAFETY: the name is ended by a zero.
        Some(name) => unsafe { sys::OBJ_txt2nid(name.as_ptr()) },
        None => 0,
    };
    frame.push_integer(i64::from(nid));
    Ok(1)
}

fn length(frame: &Frame, at: c_int) -> Result<usize, Flow> {
    let length = frame.number(at)?;
    if (1.0..=LONGEST_KEY).contains(&length) {
        Ok(length as usize)
    } else {
        Err(Flow::Argument(at, "length out of range".into()))
    }
}

fn derived(frame: &Frame, done: c_int, key: &[u8]) -> Answer {
    if done != 1 {
        return frame.fail(failed("kdf.derive"));
    }
    frame.push_bytes(key);
    Ok(1)
}

/// `pbkdf2(digest, password, salt, iterations, length)`.
fn derive_pbkdf2(frame: &Frame) -> Answer {
    let Some(kind) = digest_named(frame.bytes(1)?) else { return unknown(frame) };
    let (password, salt) = (frame.bytes(2)?, frame.bytes(3)?);
    let Some(rounds) = u32::try_from(frame.integer(4)?).ok().filter(|rounds| *rounds > 0) else {
        return frame.fail("invalid iteration count");
    };
    let mut key = vec![0; length(frame, 5)?];
    // SAFETY: there is room for the key.
    let done = unsafe {
        sys::PKCS5_PBKDF2_HMAC(
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr(),
            salt.len(),
            rounds,
            kind,
            key.len(),
            key.as_mut_ptr(),
        )
    };
    derived(frame, done, &key)
}

/// `hkdf(digest, secret, salt, info, length)`.
fn derive_hkdf(frame: &Frame) -> Answer {
    let Some(kind) = digest_named(frame.bytes(1)?) else { return unknown(frame) };
    let (secret, salt, info) = (frame.bytes(2)?, frame.bytes(3)?, frame.bytes(4)?);
    let mut key = vec![0; length(frame, 5)?];
    // SAFETY: there is room for the key.
    let done = unsafe {
        sys::HKDF(
            key.as_mut_ptr(),
            key.len(),
            kind,
            secret.as_ptr(),
            secret.len(),
            salt.as_ptr(),
            salt.len(),
            info.as_ptr(),
            info.len(),
        )
    };
    derived(frame, done, &key)
}

/// `scrypt(password, salt, n, r, p, most, length)`.
fn derive_scrypt(frame: &Frame) -> Answer {
    let (password, salt) = (frame.bytes(1)?, frame.bytes(2)?);
    let number = |at| frame.number(at).map(|number| number.max(0.0) as u64);
    let (n, r, p, most) = (number(3)?, number(4)?, number(5)?, number(6)? as usize);
    let mut key = vec![0; length(frame, 7)?];
    // SAFETY: there is room for the key.
    let done = unsafe {
        sys::EVP_PBE_scrypt(
            password.as_ptr().cast(),
            password.len(),
            salt.as_ptr(),
            salt.len(),
            n,
            r,
            p,
            most,
            key.as_mut_ptr(),
            key.len(),
        )
    };
    derived(frame, done, &key)
}

#[cfg(test)]
mod tests;
