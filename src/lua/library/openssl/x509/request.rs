//! Requests to sign a certificate.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::certificate::digest_at;
use super::extension::{self, Extension};
use super::name::{self, Name};
use super::text::Forms;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::library::openssl::key;
use crate::lua::library::openssl::raw::{Handle, encoded, failed};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};

/// A request in Lua's hands.
pub(super) struct Request(pub(super) Handle<sys::X509_REQ>);

impl Object for Request {
    const NAME: &'static CStr = c"x509.csr";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "csr", read);
    frame.set_function(table, "csr_der", |frame| {
        // SAFETY: the request is live.
        match unsafe { encoded(at(frame, 1)?, sys::i2d_X509_REQ) } {
            Some(der) => frame.push_bytes(&der),
            None => return frame.fail(failed("x509.csr:tostring")),
        }
        Ok(1)
    });
    frame.set_function(table, "csr_get", get);
    frame.set_function(table, "csr_set", set);
    frame.set_function(table, "csr_sign", |frame| {
        let (request, key) = (at(frame, 1)?, key::at(frame, 2)?);
        let digest = match digest_at(frame, 3)? {
            Ok(digest) => digest,
            Err(message) => return frame.fail(format!("x509.csr:sign: {message}")),
        };
        // SAFETY: both are live.
        if unsafe { sys::X509_REQ_sign(request, key, digest) } == 0 {
            return frame.fail(failed("x509.csr:sign"));
        }
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "csr_verify", |frame| {
        // SAFETY: both are live.
        let verified = unsafe { sys::X509_REQ_verify(at(frame, 1)?, key::at(frame, 2)?) };
        // SAFETY: forgets why it does not verify.
        unsafe { sys::ERR_clear_error() };
        frame.push_boolean(verified == 1);
        Ok(1)
    });
    frame.set_function(table, "csr_exts", extensions);
    frame.set_function(table, "csr_add_exts", add_extensions);
}

fn at(frame: &Frame, at: c_int) -> Result<*mut sys::X509_REQ, Flow> {
    object::at::<Request>(frame, at).map(|request| request.0.get())
}

/// `csr(text?, format?)`.
fn read(frame: &Frame) -> Answer {
    let forms = Forms { empty: sys::X509_REQ_new, pem: sys::PEM_read_bio_X509_REQ, der: sys::d2i_X509_REQ };
    forms.read(frame, Request, "x509.csr.new")
}

fn get(frame: &Frame) -> Answer {
    let request = at(frame, 1)?;
    // SAFETY: what is got stays the request's and is copied; a key is counted once more.
    unsafe {
        match frame.bytes(2)? {
            b"version" => frame.push_integer(sys::X509_REQ_get_version(request)),
            b"subject" => name::push_copy(frame, sys::X509_REQ_get_subject_name(request)),
            _ => match Handle::take(sys::X509_REQ_get_pubkey(request)) {
                Some(found) => key::push(frame, found),
                None => return frame.fail(failed("x509.csr:get_pubkey")),
            },
        }
    }
    Ok(1)
}

fn set(frame: &Frame) -> Answer {
    let request = at(frame, 1)?;
    let what = frame.text(2)?;
    // SAFETY: values are copied into the request.
    let done = unsafe {
        match &*what {
            "version" => sys::X509_REQ_set_version(request, frame.integer(3)?),
            "subject" => sys::X509_REQ_set_subject_name(request, object::at::<Name>(frame, 3)?.0.get()),
            _ => sys::X509_REQ_set_pubkey(request, key::at(frame, 3)?),
        }
    };
    if done != 1 {
        return frame.fail(failed(&format!("x509.csr:set_{what}")));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// `csr_exts(request)`: a list of extensions.
fn extensions(frame: &Frame) -> Answer {
    let request = at(frame, 1)?;
    frame.push_table(4, 0);
    // SAFETY: the stack is new, its extensions are copied, and both are freed.
    unsafe {
        let stack = sys::X509_REQ_get_extensions(request).cast::<sys::OPENSSL_STACK>();
        if stack.is_null() {
            return Ok(1);
        }
        for index in 0..sys::OPENSSL_sk_num(stack) {
            let held = sys::OPENSSL_sk_value(stack, index).cast::<sys::X509_EXTENSION>();
            extension::push_copy(frame, held);
            frame.set_index(-2, index + 1);
            sys::X509_EXTENSION_free(held);
        }
        sys::OPENSSL_sk_free(stack);
    }
    Ok(1)
}

/// `csr_add_exts(request, list)`.
fn add_extensions(frame: &Frame) -> Answer {
    let request = at(frame, 1)?;
    frame.expect(2, Kind::Table, c"table")?;
    // SAFETY: the stack borrows the extensions, which the list keeps; only the stack is freed.
    let done = unsafe {
        let Some(stack) = Handle::take(sys::OPENSSL_sk_new_null()) else {
            return frame.fail(failed("x509.csr:add_extension"));
        };
        for index in 1..=frame.length(2) {
            frame.push_index(2, index);
            let held = object::at::<Extension>(frame, frame.top())?.0.get();
            frame.pop(1);
            sys::OPENSSL_sk_push(stack.get(), held.cast());
        }
        sys::X509_REQ_add_extensions(request, stack.get().cast())
    };
    if done != 1 {
        return frame.fail(failed("x509.csr:add_extension"));
    }
    frame.push_boolean(true);
    Ok(1)
}
