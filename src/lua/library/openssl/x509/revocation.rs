//! Lists of revoked certificates.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::certificate::{digest_at, integer, push_time};
use super::name::{self, Name};
use super::text::Forms;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::library::openssl::key;
use crate::lua::library::openssl::number::Number;
use crate::lua::library::openssl::raw::{Handle, encoded, failed};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::ptr;

/// A list in Lua's hands.
pub(super) struct Revocations(pub(super) Handle<sys::X509_CRL>);

impl Object for Revocations {
    const NAME: &'static CStr = c"x509.crl";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "crl", read);
    frame.set_function(table, "crl_der", |frame| {
        // SAFETY: the list is live.
        match unsafe { encoded(at(frame, 1)?, sys::i2d_X509_CRL) } {
            Some(der) => frame.push_bytes(&der),
            None => return frame.fail(failed("x509.crl:tostring")),
        }
        Ok(1)
    });
    frame.set_function(table, "crl_get", get);
    frame.set_function(table, "crl_set", set);
    frame.set_function(table, "crl_revoked", revoked);
    frame.set_function(table, "crl_by_serial", by_serial);
    frame.set_function(table, "crl_add", add);
    frame.set_function(table, "crl_sign", |frame| {
        let (list, key) = (at(frame, 1)?, key::at(frame, 2)?);
        let digest = match digest_at(frame, 3)? {
            Ok(digest) => digest,
            Err(message) => return frame.fail(format!("x509.crl:sign: {message}")),
        };
        // SAFETY: both are live.
        let done = unsafe {
            sys::X509_CRL_sort(list);
            sys::X509_CRL_sign(list, key, digest)
        };
        if done == 0 {
            return frame.fail(failed("x509.crl:sign"));
        }
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "crl_verify", |frame| {
        // SAFETY: both are live.
        let verified = unsafe { sys::X509_CRL_verify(at(frame, 1)?, key::at(frame, 2)?) };
        // SAFETY: forgets why it does not verify.
        unsafe { sys::ERR_clear_error() };
        frame.push_boolean(verified == 1);
        Ok(1)
    });
}

fn at(frame: &Frame, at: c_int) -> Result<*mut sys::X509_CRL, Flow> {
    object::at::<Revocations>(frame, at).map(|list| list.0.get())
}

/// `crl(text?, format?)`.
fn read(frame: &Frame) -> Answer {
    let forms = Forms { empty: sys::X509_CRL_new, pem: sys::PEM_read_bio_X509_CRL, der: sys::d2i_X509_CRL };
    forms.read(frame, Revocations, "x509.crl.new")
}

fn get(frame: &Frame) -> Answer {
    let list = at(frame, 1)?;
    // SAFETY: what is got stays the list's and is copied.
    unsafe {
        match frame.bytes(2)? {
            b"version" => frame.push_integer(sys::X509_CRL_get_version(list)),
            b"issuer" => name::push_copy(frame, sys::X509_CRL_get_issuer(list)),
            b"last_update" => push_time(frame, sys::X509_CRL_get0_lastUpdate(list)),
            _ => push_time(frame, sys::X509_CRL_get0_nextUpdate(list)),
        }
    }
    Ok(1)
}

/// A time of ASN.1.
fn time(seconds: i64) -> Option<Handle<sys::asn1_string_st>> {
    // SAFETY: makes a new object.
    unsafe { Handle::take(sys::ASN1_TIME_set_posix(ptr::null_mut(), seconds)) }
}

fn set(frame: &Frame) -> Answer {
    let list = at(frame, 1)?;
    let what = frame.text(2)?;
    // SAFETY: values are copied into the list.
    let done = unsafe {
        match &*what {
            "version" => sys::X509_CRL_set_version(list, frame.integer(3)?),
            "issuer" => sys::X509_CRL_set_issuer_name(list, object::at::<Name>(frame, 3)?.0.get()),
            other => {
                let Some(time) = time(frame.integer(3)?) else { return frame.fail(failed("x509.crl")) };
                if other == "last_update" {
                    sys::X509_CRL_set1_lastUpdate(list, time.get())
                } else {
                    sys::X509_CRL_set1_nextUpdate(list, time.get())
                }
            }
        }
    };
    if done != 1 {
        return frame.fail(failed(&format!("x509.crl:set_{what}")));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// Pushes `{ serial, date }`.
///
/// # Safety
/// `entry` must be live.
unsafe fn push_entry(frame: &Frame, entry: *const sys::X509_REVOKED) {
    frame.push_table(0, 2);
    // SAFETY: the number is new; the rest is read.
    unsafe {
        let number = sys::ASN1_INTEGER_to_BN(sys::X509_REVOKED_get0_serialNumber(entry), ptr::null_mut());
        if let Some(number) = Handle::take(number) {
            object::push(frame, Number(number));
            frame.set_field(-2, "serial");
        }
        push_time(frame, sys::X509_REVOKED_get0_revocationDate(entry));
        frame.set_field(-2, "date");
    }
}

/// `crl_revoked(list)`: all entries.
fn revoked(frame: &Frame) -> Answer {
    let list = at(frame, 1)?;
    frame.push_table(8, 0);
    // SAFETY: entries stay the list's.
    unsafe {
        let stack = sys::X509_CRL_get_REVOKED(list).cast::<sys::OPENSSL_STACK>();
        if stack.is_null() {
            return Ok(1);
        }
        for index in 0..sys::OPENSSL_sk_num(stack) {
            push_entry(frame, sys::OPENSSL_sk_value(stack, index).cast::<sys::X509_REVOKED>());
            frame.set_index(-2, index + 1);
        }
    }
    Ok(1)
}

/// `crl_by_serial(list, serial)`: the entry, or `nil`.
fn by_serial(frame: &Frame) -> Answer {
    let list = at(frame, 1)?;
    let Some(serial) = integer(frame, 2)? else { return frame.fail(failed("x509.crl:get_by_serial")) };
    let mut entry = ptr::null_mut();
    // SAFETY: the entry stays the list's.
    unsafe {
        if sys::X509_CRL_get0_by_serial(list, &mut entry, serial.get()) == 0 || entry.is_null() {
            frame.push_nil();
        } else {
            push_entry(frame, entry);
        }
    }
    Ok(1)
}

/// `crl_add(list, serial, seconds)`.
fn add(frame: &Frame) -> Answer {
    let list = at(frame, 1)?;
    let (serial, date) = (integer(frame, 2)?, time(frame.integer(3)?));
    // SAFETY: number and time are copied into the entry, which the list takes over.
    let done = unsafe {
        let (Some(serial), Some(date), Some(entry)) = (serial, date, Handle::take(sys::X509_REVOKED_new()))
        else {
            return frame.fail(failed("x509.crl:add_revoked"));
        };
        let ready = sys::X509_REVOKED_set_serialNumber(entry.get(), serial.get()) == 1
            && sys::X509_REVOKED_set_revocationDate(entry.get(), date.get()) == 1;
        ready && sys::X509_CRL_add0_revoked(list, entry.give()) == 1
    };
    if !done {
        return frame.fail(failed("x509.crl:add_revoked"));
    }
    frame.push_boolean(true);
    Ok(1)
}
