//! Keys of all kinds: what `resty.openssl.pkey` is built on.
//!
//! | file | holds |
//! |---|---|
//! | [`load`] | reading and writing PEM and DER, making new keys |
//! | [`parts`] | the numbers and bytes a key consists of, and keys made of them (JWK) |
//! | [`operate`] | signing, verifying, encrypting, agreeing |
#![allow(unsafe_code)] // aws-lc is a C library.

mod load;
mod operate;
mod parts;

pub(super) use parts::names;

use super::raw::Handle;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::ptr;

/// A public or private key in Lua's hands.
pub(super) struct Key(pub(super) Handle<sys::EVP_PKEY>);

impl Object for Key {
    const NAME: &'static CStr = c"pkey";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "key", load::read);
    frame.set_function(table, "key_generate", load::generate);
    frame.set_function(table, "key_write", load::write);
    frame.set_function(table, "key_parts", parts::read);
    frame.set_function(table, "key_of_parts", parts::assemble);
    frame.set_function(table, "key_sign", operate::sign);
    frame.set_function(table, "key_verify", operate::verify);
    frame.set_function(table, "key_crypt", operate::crypt);
    frame.set_function(table, "key_derive", operate::derive);
    frame.set_function(table, "ecdsa_to_raw", operate::ecdsa_to_raw);
    frame.set_function(table, "ecdsa_to_der", operate::ecdsa_to_der);
    frame.set_function(table, "key_facts", facts);
}

/// `key_facts(key)`: type number, bytes of a signature, bits, whether it is private.
fn facts(frame: &Frame) -> Answer {
    let key = at(frame, 1)?;
    // SAFETY: the key is live.
    unsafe {
        frame.push_integer(i64::from(sys::EVP_PKEY_id(key)));
        frame.push_integer(i64::from(sys::EVP_PKEY_size(key)));
        frame.push_integer(i64::from(sys::EVP_PKEY_bits(key)));
    }
    frame.push_boolean(is_private(key));
    Ok(4)
}

/// The key in an argument.
///
/// # Errors
/// A type error.
pub(super) fn at(frame: &Frame, at: c_int) -> Result<*mut sys::EVP_PKEY, Flow> {
    object::at::<Key>(frame, at).map(|key| key.0.get())
}

/// Pushes a key.
pub(super) fn push(frame: &Frame, key: Handle<sys::EVP_PKEY>) {
    object::push(frame, Key(key));
}

fn is_private(key: *const sys::EVP_PKEY) -> bool {
    // SAFETY: the key is live; what is read stays the key's.
    unsafe {
        match sys::EVP_PKEY_id(key) {
            sys::EVP_PKEY_RSA | sys::EVP_PKEY_RSA_PSS => {
                let (mut n, mut e, mut d) = (ptr::null(), ptr::null(), ptr::null());
                sys::RSA_get0_key(sys::EVP_PKEY_get0_RSA(key), &mut n, &mut e, &mut d);
                !d.is_null()
            }
            sys::EVP_PKEY_EC => !sys::EC_KEY_get0_private_key(sys::EVP_PKEY_get0_EC_KEY(key)).is_null(),
            _ => {
                let mut length = 0;
                sys::EVP_PKEY_get_raw_private_key(key, ptr::null_mut(), &mut length) == 1
                    && parts::raw(key, true).is_some()
            }
        }
    }
}
