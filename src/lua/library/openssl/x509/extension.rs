//! Extensions of certificates, requests and revocation lists.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::certificate::Certificate;
use super::name::{push_identifier, string_bytes};
use super::request::Request;
use super::revocation::Revocations;
use crate::lua::frame::{Answer, Frame, Kind};
use crate::lua::library::openssl::raw::{Handle, c_text, failed, sink, source, written};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::mem::MaybeUninit;
use std::ptr;

/// An extension in Lua's hands.
pub(super) struct Extension(pub(super) Handle<sys::X509_EXTENSION>);

impl Object for Extension {
    const NAME: &'static CStr = c"x509.extension";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "ext", new);
    frame.set_function(table, "ext_of_der", of_der);
    frame.set_function(table, "ext_facts", facts);
    frame.set_function(table, "ext_text", text);
    frame.set_function(table, "ext_set_critical", |frame| {
        let extension = object::at::<Extension>(frame, 1)?;
        // SAFETY: the extension is live.
        unsafe { sys::X509_EXTENSION_set_critical(extension.0.get(), c_int::from(frame.truth(2))) };
        frame.push_boolean(true);
        Ok(1)
    });
}

/// Pushes a copy of an extension that something else holds; `nil` for none.
///
/// # Safety
/// `extension` must be null or live.
pub(super) unsafe fn push_copy(frame: &Frame, extension: *const sys::X509_EXTENSION) {
    if extension.is_null() {
        return frame.push_nil();
    }
    // SAFETY: copies a live extension.
    let copy = unsafe { Handle::take(sys::X509_EXTENSION_dup(extension)) };
    match copy {
        Some(copy) => object::push(frame, Extension(copy)),
        None => frame.push_nil(),
    }
}

/// A certificate, request or list under a name of the table in the fourth argument.
fn context<T: Object>(frame: &Frame, name: &str) -> Option<*const T> {
    if frame.kind(4) != Kind::Table {
        return None;
    }
    frame.push_field(4, name);
    let found = object::at::<T>(frame, frame.top()).ok().map(ptr::from_ref);
    frame.pop(1);
    found
}

/// `ext(name, value, configuration, { issuer, subject, request, crl }, critical)`.
fn new(frame: &Frame) -> Answer {
    let (Some(name), Some(value)) = (c_text(frame.bytes(1)?), c_text(frame.bytes(2)?)) else {
        return frame.fail("x509.extension.new: a text holds a zero byte");
    };
    let issuer = context::<Certificate>(frame, "issuer");
    let subject = context::<Certificate>(frame, "subject");
    let request = context::<Request>(frame, "request");
    let list = context::<Revocations>(frame, "crl");
    let mut ctx = MaybeUninit::<sys::X509V3_CTX>::zeroed();
    // SAFETY: the objects are kept by the table in the argument; the configuration lives as long as
    // the call.
    let made = unsafe {
        let conf = sys::NCONF_new(ptr::null_mut());
        if let Some(text) = frame.optional_bytes(3)?
            && let Some(bio) = source(text)
        {
            let mut line = 0;
            if sys::NCONF_load_bio(conf, bio.get(), &mut line) != 1 {
                sys::NCONF_free(conf);
                return frame.fail(failed("x509.extension.new"));
            }
        }
        sys::X509V3_set_ctx(
            ctx.as_mut_ptr(),
            issuer.map_or(ptr::null(), |held| (*held).0.get().cast_const()),
            subject.map_or(ptr::null(), |held| (*held).0.get().cast_const()),
            request.map_or(ptr::null(), |held| (*held).0.get().cast_const()),
            list.map_or(ptr::null(), |held| (*held).0.get().cast_const()),
            0,
        );
        (*ctx.as_mut_ptr()).db = conf;
        let nid = sys::OBJ_txt2nid(name.as_ptr());
        let made = if nid == 0 {
            None
        } else {
            Handle::take(sys::X509V3_EXT_nconf_nid(conf, ctx.as_ptr(), nid, value.as_ptr()))
        };
        sys::NCONF_free(conf);
        if nid == 0 {
            return frame.fail(format!("x509.extension.new: invalid NID text {}", name.to_string_lossy()));
        }
        made
    };
    match made {
        Some(extension) => {
            if frame.truth(5) {
                // SAFETY: the extension is live.
                unsafe { sys::X509_EXTENSION_set_critical(extension.get(), 1) };
            }
            object::push(frame, Extension(extension));
            Ok(1)
        }
        None => frame.fail(failed("x509.extension.new")),
    }
}

/// `ext_of_der(value, name, critical)`.
fn of_der(frame: &Frame) -> Answer {
    let value = frame.bytes(1)?;
    let Some(name) = c_text(frame.bytes(2)?) else { return frame.fail("invalid NID text") };
    // SAFETY: the value is copied into the extension.
    let made = unsafe {
        let nid = sys::OBJ_txt2nid(name.as_ptr());
        if nid == 0 {
            return frame.fail("x509.extension.from_der: invalid NID text");
        }
        let octets: Option<Handle<sys::asn1_string_st>> = Handle::take(sys::ASN1_OCTET_STRING_new());
        let Some(octets) = octets else { return frame.fail(failed("x509.extension.from_der")) };
        let length = c_int::try_from(value.len()).unwrap_or(0);
        sys::ASN1_OCTET_STRING_set(octets.get(), value.as_ptr(), length);
        let critical = c_int::from(frame.truth(3));
        Handle::take(sys::X509_EXTENSION_create_by_NID(ptr::null_mut(), nid, critical, octets.get()))
    };
    match made {
        Some(extension) => object::push(frame, Extension(extension)),
        None => return frame.fail(failed("x509.extension.from_der")),
    }
    Ok(1)
}

/// `ext_facts(extension)`: `{ nid, id, sn, ln, critical, data }`.
fn facts(frame: &Frame) -> Answer {
    let extension = object::at::<Extension>(frame, 1)?.0.get();
    frame.push_table(0, 6);
    // SAFETY: what is got stays the extension's and is copied.
    unsafe {
        push_identifier(frame, sys::X509_EXTENSION_get_object(extension));
        frame.push_boolean(sys::X509_EXTENSION_get_critical(extension) != 0);
        frame.set_field(-2, "critical");
        frame.push_bytes(&string_bytes(sys::X509_EXTENSION_get_data(extension)));
        frame.set_field(-2, "data");
    }
    Ok(1)
}

/// `ext_text(extension)`: as OpenSSL prints it.
fn text(frame: &Frame) -> Answer {
    let extension = object::at::<Extension>(frame, 1)?;
    let Some(out) = sink() else { return frame.fail(failed("x509.extension:text")) };
    // SAFETY: the extension is live.
    let done = unsafe { sys::X509V3_EXT_print(out.get(), extension.0.get(), 0, 0) };
    if done != 1 {
        return frame.fail(failed("x509.extension:text"));
    }
    frame.push_bytes(&written(&out));
    Ok(1)
}
