//! Trusted certificates, and chains verified by them.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::certificate::{self, Certificate};
use super::revocation::Revocations;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::library::openssl::raw::{Handle, c_text, encoded, failed};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int, c_ulong};
use std::ptr;

/// A store in Lua's hands.
struct Store(Handle<sys::X509_STORE>);

impl Object for Store {
    const NAME: &'static CStr = c"x509.store";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    // SAFETY: makes a new object.
    frame.set_function(table, "store", |frame| match unsafe { Handle::take(sys::X509_STORE_new()) } {
        Some(store) => {
            object::push(frame, Store(store));
            Ok(1)
        }
        None => frame.fail(failed("x509.store.new")),
    });
    frame.set_function(table, "store_add", |frame| {
        let store = at(frame, 1)?;
        // SAFETY: certificate and list are counted once more.
        let done = unsafe {
            match object::at::<Revocations>(frame, 2) {
                Ok(list) => sys::X509_STORE_add_crl(store, list.0.get()),
                Err(_) => sys::X509_STORE_add_cert(store, certificate::at(frame, 2)?),
            }
        };
        done_or(frame, done, "x509.store:add")
    });
    frame.set_function(table, "store_load", |frame| {
        let store = at(frame, 1)?;
        let (file, folder) = (path(frame, 2)?, path(frame, 3)?);
        let pointer =
            |text: &Option<std::ffi::CString>| text.as_ref().map_or(ptr::null(), |text| text.as_ptr());
        // SAFETY: the paths are ended by zeros and live as long as the call.
        let done = unsafe {
            if file.is_none() && folder.is_none() {
                sys::X509_STORE_set_default_paths(store)
            } else {
                sys::X509_STORE_load_locations(store, pointer(&file), pointer(&folder))
            }
        };
        done_or(frame, done, "x509.store:load")
    });
    frame.set_function(table, "store_set", |frame| {
        let (store, number) = (at(frame, 1)?, frame.integer(3)?);
        // SAFETY: the store is live.
        let done = unsafe {
            match frame.bytes(2)? {
                b"flags" => sys::X509_STORE_set_flags(store, number as c_ulong),
                b"depth" => sys::X509_STORE_set_depth(store, number as c_int),
                _ => sys::X509_STORE_set_purpose(store, number as c_int),
            }
        };
        done_or(frame, done, "x509.store:set")
    });
    frame.set_function(table, "store_verify", verify);
    frame.set_function(table, "store_ders", ders);
}

fn at(frame: &Frame, at: c_int) -> Result<*mut sys::X509_STORE, Flow> {
    object::at::<Store>(frame, at).map(|store| store.0.get())
}

fn path(frame: &Frame, at: c_int) -> Result<Option<std::ffi::CString>, Flow> {
    Ok(frame.optional_bytes(at)?.and_then(c_text))
}

fn done_or(frame: &Frame, done: c_int, context: &str) -> Answer {
    if done != 1 {
        return frame.fail(failed(context));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// The certificates of a store as a list of DER texts.
fn ders(frame: &Frame) -> Answer {
    let store = at(frame, 1)?;
    frame.push_table(4, 0);
    // SAFETY: the list stays the store's, and is not changed meanwhile.
    unsafe {
        let objects = sys::X509_STORE_get0_objects(store).cast::<sys::OPENSSL_STACK>();
        let mut count = 0;
        for index in 0..sys::OPENSSL_sk_num(objects) {
            let one = sys::X509_OBJECT_get0_X509(sys::OPENSSL_sk_value(objects, index).cast());
            if one.is_null() {
                continue;
            }
            if let Some(der) = encoded(one, sys::i2d_X509) {
                count += 1;
                frame.push_bytes(&der);
                frame.set_index(-2, count);
            }
        }
    }
    Ok(1)
}

/// `store_verify(store, certificate, chain?, purpose?)`: the verified chain as a list, or why not.
fn verify(frame: &Frame) -> Answer {
    let (store, leaf) = (at(frame, 1)?, certificate::at(frame, 2)?);
    // SAFETY: the stack borrows certificates that the list keeps; what is got is counted once more.
    unsafe {
        let (Some(ctx), Some(stack)) =
            (Handle::take(sys::X509_STORE_CTX_new()), Handle::take(sys::OPENSSL_sk_new_null()))
        else {
            return frame.fail(failed("x509.store:verify"));
        };
        if frame.kind(3) == Kind::Table {
            for index in 1..=frame.length(3) {
                frame.push_index(3, index);
                let held = certificate::at(frame, frame.top())?;
                frame.pop(1);
                sys::OPENSSL_sk_push(stack.get(), held.cast());
            }
        }
        if sys::X509_STORE_CTX_init(ctx.get(), store, leaf, stack.get().cast()) != 1 {
            return frame.fail(failed("x509.store:verify"));
        }
        if let Some(name) = frame.optional_bytes(4)?.and_then(c_text)
            && sys::X509_STORE_CTX_set_default(ctx.get(), name.as_ptr()) != 1
        {
            return frame.fail(failed("x509.store:verify"));
        }
        if sys::X509_verify_cert(ctx.get()) != 1 {
            let code = sys::X509_STORE_CTX_get_error(ctx.get());
            sys::ERR_clear_error();
            let reason = CStr::from_ptr(sys::X509_verify_cert_error_string(i64::from(code)));
            return frame.fail(reason.to_bytes());
        }
        let chain = sys::X509_STORE_CTX_get1_chain(ctx.get()).cast::<sys::OPENSSL_STACK>();
        frame.push_table(4, 0);
        if chain.is_null() {
            return Ok(1);
        }
        for index in 0..sys::OPENSSL_sk_num(chain) {
            if let Some(one) = Handle::take(sys::OPENSSL_sk_value(chain, index).cast::<sys::X509>()) {
                object::push(frame, Certificate(one));
                frame.set_index(-2, index + 1);
            }
        }
        sys::OPENSSL_sk_free(chain);
    }
    Ok(1)
}
