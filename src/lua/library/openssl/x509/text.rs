//! Certificates, requests and revocation lists out of texts.
#![allow(unsafe_code)] // aws-lc is a C library.

use crate::lua::frame::{Answer, Frame};
use crate::lua::library::openssl::raw::{Free, Handle, decoded, failed, source};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{c_long, c_void};
use std::ptr;

/// The functions of aws-lc that make an object of one kind.
///
/// *Invariant*: they are aws-lc's own for `T`, and do what their places say.
pub(super) struct Forms<T> {
    pub(super) empty: unsafe extern "C" fn() -> *mut T,
    pub(super) pem:
        unsafe extern "C" fn(*mut sys::BIO, *mut *mut T, sys::pem_password_cb, *mut c_void) -> *mut T,
    pub(super) der: unsafe extern "C" fn(*mut *mut T, *mut *const u8, c_long) -> *mut T,
}

impl<T: Free> Forms<T> {
    /// Answers a call with the arguments `(text?, format?)`: an object read as "PEM", as "DER", or as either
    /// ("*"); an empty one without a text. `context` begins the message of a failure.
    pub(super) fn read<O: Object>(&self, frame: &Frame, wrap: fn(Handle<T>) -> O, context: &str) -> Answer {
        let made = match frame.optional_bytes(1)? {
            // SAFETY: makes a new object.
            None => unsafe { Handle::take((self.empty)()) },
            Some(text) => {
                let format = frame.optional_bytes(2)?.unwrap_or(b"*");
                let pem = if format == b"DER" { None } else { self.of_pem(text) };
                pem.or_else(|| if format == b"PEM" { None } else { decoded(text, self.der) })
            }
        };
        match made {
            Some(made) => object::push(frame, wrap(made)),
            None => return frame.fail(failed(context)),
        }
        // SAFETY: forgets what the form that did not fit has told.
        unsafe { sys::ERR_clear_error() };
        Ok(1)
    }

    fn of_pem(&self, text: &[u8]) -> Option<Handle<T>> {
        let bio = source(text)?;
        // SAFETY: the text outlives the call, which makes a new object.
        unsafe { Handle::take((self.pem)(bio.get(), ptr::null_mut(), None, ptr::null_mut())) }
    }
}
