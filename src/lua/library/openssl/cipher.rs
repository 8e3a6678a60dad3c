//! Ciphers: what `resty.openssl.cipher` and `resty.aes` are built on.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::raw::{Handle, c_text, failed};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::cell::Cell;
use std::ffi::{CStr, c_int};
use std::ptr;

const SET_IV_LENGTH: c_int = 0x9;
const READ_TAG: c_int = 0x10;
const WRITE_TAG: c_int = 0x11;

/// A cipher in Lua's hands.
struct Cipher {
    context: Handle<sys::EVP_CIPHER_CTX>,
    kind: *const sys::EVP_CIPHER,
    aead: bool,
    begun: Cell<bool>,
}

impl Object for Cipher {
    const NAME: &'static CStr = c"cipher";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "cipher", new);
    frame.set_function(table, "cipher_init", init);
    frame.set_function(table, "cipher_update", update);
    frame.set_function(table, "cipher_aad", aad);
    frame.set_function(table, "cipher_final", finish);
    frame.set_function(table, "cipher_tag", tag);
    frame.set_function(table, "cipher_set_tag", set_tag);
    frame.set_function(table, "cipher_key", bytes_to_key);
}

fn named(name: &[u8]) -> Option<*const sys::EVP_CIPHER> {
    let lower = name.to_ascii_lowercase();
    let name = c_text(&lower)?;
    // SAFETY: the name is ended by a zero; ciphers are static.
    let kind = unsafe {
        match lower.as_slice() {
            b"chacha20-poly1305" => ptr::null(),
            _ => sys::EVP_get_cipherbyname(name.as_ptr()),
        }
    };
    (!kind.is_null()).then_some(kind)
}

/// `cipher(name)`: the cipher, its key, iv and block lengths, and whether it authenticates.
fn new(frame: &Frame) -> Answer {
    let Some(kind) = named(frame.bytes(1)?) else {
        let name = frame.text(1)?;
        return frame.fail(format!("cipher.new: invalid cipher type \"{name}\""));
    };
    // SAFETY: makes a new object; ciphers are static.
    unsafe {
        let Some(context) = Handle::take(sys::EVP_CIPHER_CTX_new()) else {
            return frame.fail(failed("cipher.new"));
        };
        let mode = sys::EVP_CIPHER_mode(kind);
        let aead = mode == 0x6 || mode == 0x7;
        object::push(frame, Cipher { context, kind, aead, begun: Cell::new(false) });
        frame.push_integer(i64::from(sys::EVP_CIPHER_key_length(kind)));
        frame.push_integer(i64::from(sys::EVP_CIPHER_iv_length(kind)));
        frame.push_integer(i64::from(sys::EVP_CIPHER_block_size(kind)));
        frame.push_boolean(aead);
    }
    Ok(5)
}

/// `cipher_init(cipher, encrypts, key, iv, no_padding)`.
fn init(frame: &Frame) -> Answer {
    let cipher = object::at::<Cipher>(frame, 1)?;
    let encrypts = c_int::from(frame.truth(2));
    let (key, iv) = (frame.bytes(3)?, frame.bytes(4)?);
    let context = cipher.context.get();
    // SAFETY: key and iv have the lengths the cipher asks for, which is looked at first.
    unsafe {
        if key.len() != sys::EVP_CIPHER_key_length(cipher.kind) as usize {
            return frame.fail("cipher:init: incorrect key size");
        }
        let begun =
            sys::EVP_CipherInit_ex(context, cipher.kind, ptr::null_mut(), ptr::null(), ptr::null(), encrypts);
        let length = c_int::try_from(iv.len()).unwrap_or(0);
        if cipher.aead {
            if sys::EVP_CIPHER_CTX_ctrl(context, SET_IV_LENGTH, length, ptr::null_mut()) != 1 {
                return frame.fail("cipher:init: incorrect iv size");
            }
        } else if iv.len() != sys::EVP_CIPHER_iv_length(cipher.kind) as usize {
            return frame.fail("cipher:init: incorrect iv size");
        }
        let done = sys::EVP_CipherInit_ex(
            context,
            ptr::null(),
            ptr::null_mut(),
            key.as_ptr(),
            iv.as_ptr(),
            encrypts,
        );
        if begun != 1 || done != 1 {
            return frame.fail(failed("cipher:init"));
        }
        if frame.truth(5) {
            sys::EVP_CIPHER_CTX_set_padding(context, 0);
        }
    }
    cipher.begun.set(true);
    frame.push_boolean(true);
    Ok(1)
}

fn begun(frame: &Frame) -> Result<&Cipher, Flow> {
    object::at::<Cipher>(frame, 1)
}

/// `cipher_update(cipher, data)`.
fn update(frame: &Frame) -> Answer {
    let cipher = begun(frame)?;
    if !cipher.begun.get() {
        return frame.fail("cipher:update: cipher not initalized, call cipher:init first");
    }
    let data = frame.bytes(2)?;
    let mut out = vec![0; data.len() + 64];
    let mut length = 0;
    // SAFETY: there is room for the data and one block more.
    let done = unsafe {
        sys::EVP_CipherUpdate(
            cipher.context.get(),
            out.as_mut_ptr(),
            &mut length,
            data.as_ptr(),
            c_int::try_from(data.len()).unwrap_or(0),
        )
    };
    if done != 1 {
        return frame.fail(failed("cipher:update"));
    }
    frame.push_bytes(out.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default());
    Ok(1)
}

/// `cipher_aad(cipher, data)`: data that is authenticated only.
fn aad(frame: &Frame) -> Answer {
    let cipher = begun(frame)?;
    if !cipher.begun.get() {
        return frame.fail("cipher:update_aead_aad: cipher not initalized, call cipher:init first");
    }
    let data = frame.bytes(2)?;
    let mut length = 0;
    // SAFETY: a null output says that the data is not encrypted.
    let done = unsafe {
        sys::EVP_CipherUpdate(
            cipher.context.get(),
            ptr::null_mut(),
            &mut length,
            data.as_ptr(),
            c_int::try_from(data.len()).unwrap_or(0),
        )
    };
    if done != 1 {
        return frame.fail(failed("cipher:update_aead_aad"));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// `cipher_final(cipher)`: the last block.
fn finish(frame: &Frame) -> Answer {
    let cipher = begun(frame)?;
    if !cipher.begun.get() {
        return frame.fail("cipher:update: cipher not initalized, call cipher:init first");
    }
    let mut out = vec![0; 64];
    let mut length = 0;
    // SAFETY: there is room for a block.
    let done = unsafe { sys::EVP_CipherFinal_ex(cipher.context.get(), out.as_mut_ptr(), &mut length) };
    cipher.begun.set(false);
    if done != 1 {
        return frame.fail(failed("cipher:final"));
    }
    frame.push_bytes(out.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default());
    Ok(1)
}

/// `cipher_tag(cipher, length)`: what authenticates the text.
fn tag(frame: &Frame) -> Answer {
    let cipher = begun(frame)?;
    let length = frame.optional_number(2)?.unwrap_or(16.0) as usize;
    let mut out = vec![0_u8; length.min(16)];
    // SAFETY: there is room for a tag of that length.
    let done = unsafe {
        sys::EVP_CIPHER_CTX_ctrl(cipher.context.get(), READ_TAG, out.len() as c_int, out.as_mut_ptr().cast())
    };
    if done != 1 {
        return frame.fail(failed("cipher:get_aead_tag"));
    }
    frame.push_bytes(&out);
    Ok(1)
}

/// `cipher_set_tag(cipher, tag)`.
fn set_tag(frame: &Frame) -> Answer {
    let cipher = begun(frame)?;
    let mut tag = frame.bytes(2)?.to_vec();
    // SAFETY: the tag is copied.
    let done = unsafe {
        sys::EVP_CIPHER_CTX_ctrl(cipher.context.get(), WRITE_TAG, tag.len() as c_int, tag.as_mut_ptr().cast())
    };
    if done != 1 {
        return frame.fail(failed("cipher:set_aead_tag"));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// `cipher_key(cipher, password, count, salt, digest)`: key and iv from a password, as OpenSSL derives
/// them.
fn bytes_to_key(frame: &Frame) -> Answer {
    let cipher = object::at::<Cipher>(frame, 1)?;
    let (password, count) = (frame.bytes(2)?, frame.number(3)? as u32);
    let salt = frame.optional_bytes(4)?;
    let Some(digest) = super::raw::digest_named(frame.bytes(5)?) else {
        return frame.fail("cipher:derive: invalid digest type");
    };
    if salt.is_some_and(|salt| salt.len() < 8) {
        return frame.fail("cipher:derive: salt must be 8 bytes long");
    }
    let (mut key, mut iv) = ([0_u8; 64], [0_u8; 16]);
    // SAFETY: the buffers hold the longest key and iv.
    unsafe {
        let length = sys::EVP_BytesToKey(
            cipher.kind,
            digest,
            salt.map_or(ptr::null(), <[u8]>::as_ptr),
            password.as_ptr(),
            password.len(),
            count,
            key.as_mut_ptr(),
            iv.as_mut_ptr(),
        );
        let iv_length = sys::EVP_CIPHER_iv_length(cipher.kind) as usize;
        frame.push_bytes(key.get(..usize::try_from(length).unwrap_or(0)).unwrap_or_default());
        frame.push_bytes(iv.get(..iv_length).unwrap_or_default());
    }
    Ok(2)
}
