//! Certificates.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::extension::{self, Extension};
use super::name::{self, Name};
use super::text::Forms;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::library::openssl::key;
use crate::lua::library::openssl::number::Number;
use crate::lua::library::openssl::raw::{Handle, digest_named, encoded, failed};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::ptr;

/// A certificate in Lua's hands.
pub(super) struct Certificate(pub(super) Handle<sys::X509>);

impl Object for Certificate {
    const NAME: &'static CStr = c"x509";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "cert", read);
    frame.set_function(table, "cert_der", |frame| {
        // SAFETY: the certificate is live.
        match unsafe { encoded(at(frame, 1)?, sys::i2d_X509) } {
            Some(der) => frame.push_bytes(&der),
            None => return frame.fail(failed("x509:tostring")),
        }
        Ok(1)
    });
    frame.set_function(table, "cert_get", get);
    frame.set_function(table, "cert_set", set);
    frame.set_function(table, "cert_sign", sign);
    frame.set_function(table, "cert_verify", |frame| {
        // SAFETY: both are live.
        let verified = unsafe { sys::X509_verify(at(frame, 1)?, key::at(frame, 2)?) };
        // SAFETY: forgets why it does not verify.
        unsafe { sys::ERR_clear_error() };
        frame.push_boolean(verified == 1);
        Ok(1)
    });
    frame.set_function(table, "cert_matches_key", |frame| {
        // SAFETY: both are live.
        let matches = unsafe { sys::X509_check_private_key(at(frame, 1)?, key::at(frame, 2)?) };
        if matches != 1 {
            frame.push_boolean(false);
            frame.push_text(&failed("x509:check_private_key"));
            return Ok(2);
        }
        frame.push_boolean(true);
        Ok(1)
    });
    frame.set_function(table, "cert_digest", digest);
    frame.set_function(table, "cert_ext", |frame| {
        let (certificate, index) = (at(frame, 1)?, frame.integer(2)?);
        // SAFETY: copies what the certificate holds, null beyond the last.
        unsafe {
            extension::push_copy(frame, sys::X509_get_ext(certificate, c_int::try_from(index).unwrap_or(-1)));
        }
        Ok(1)
    });
    frame.set_function(table, "cert_add_ext", |frame| {
        let (certificate, added) = (at(frame, 1)?, object::at::<Extension>(frame, 2)?);
        let place = frame.optional_number(3)?.map_or(-1, |place| place as c_int);
        // SAFETY: the extension is copied.
        let done = unsafe { sys::X509_add_ext(certificate, added.0.get(), place) };
        frame.push_boolean(done == 1);
        Ok(1)
    });
    frame.set_function(table, "cert_remove_ext", |frame| {
        let (certificate, index) = (at(frame, 1)?, frame.integer(2)?);
        // SAFETY: what is removed is freed.
        let gone: Option<Handle<sys::X509_EXTENSION>> =
            unsafe { Handle::take(sys::X509_delete_ext(certificate, c_int::try_from(index).unwrap_or(-1))) };
        frame.push_boolean(gone.is_some());
        Ok(1)
    });
}

/// The certificate in an argument.
///
/// # Errors
/// A type error.
pub(super) fn at(frame: &Frame, at: c_int) -> Result<*mut sys::X509, Flow> {
    object::at::<Certificate>(frame, at).map(|certificate| certificate.0.get())
}

/// `cert(text?, format?)`: without a text an empty one.
fn read(frame: &Frame) -> Answer {
    let forms = Forms { empty, pem: sys::PEM_read_bio_X509, der: sys::d2i_X509 };
    forms.read(frame, Certificate, "x509.new")
}

/// A new certificate that ends where it begins, in 1970: one without times cannot be encoded.
unsafe extern "C" fn empty() -> *mut sys::X509 {
    // SAFETY: the times are the certificate's own, which is new.
    unsafe {
        let made = sys::X509_new();
        if !made.is_null() {
            sys::ASN1_TIME_set_posix(sys::X509_getm_notBefore(made), 0);
            sys::ASN1_TIME_set_posix(sys::X509_getm_notAfter(made), 0);
        }
        made
    }
}

/// `cert_get(certificate, what)`.
fn get(frame: &Frame) -> Answer {
    let certificate = at(frame, 1)?;
    // SAFETY: what is got stays the certificate's and is copied.
    unsafe {
        match frame.bytes(2)? {
            b"version" => frame.push_integer(sys::X509_get_version(certificate)),
            b"serial" => {
                let number =
                    sys::ASN1_INTEGER_to_BN(sys::X509_get0_serialNumber(certificate), ptr::null_mut());
                match Handle::take(number) {
                    Some(number) => object::push(frame, Number(number)),
                    None => frame.push_nil(),
                }
            }
            b"subject" => name::push_copy(frame, sys::X509_get_subject_name(certificate)),
            b"issuer" => name::push_copy(frame, sys::X509_get_issuer_name(certificate)),
            b"not_before" => push_time(frame, sys::X509_get0_notBefore(certificate)),
            b"not_after" => push_time(frame, sys::X509_get0_notAfter(certificate)),
            b"signature_nid" => frame.push_integer(i64::from(sys::X509_get_signature_nid(certificate))),
            b"extensions" => frame.push_integer(i64::from(sys::X509_get_ext_count(certificate))),
            _ => match Handle::take(sys::X509_get_pubkey(certificate)) {
                Some(found) => key::push(frame, found),
                None => return frame.fail(failed("x509:get_pubkey")),
            },
        }
    }
    Ok(1)
}

/// Pushes a time as seconds since 1970.
///
/// # Safety
/// `time` must be null or live.
pub(super) unsafe fn push_time(frame: &Frame, time: *const sys::ASN1_TIME) {
    let mut seconds = 0;
    // SAFETY: the time is read.
    if !time.is_null() && unsafe { sys::ASN1_TIME_to_posix(time, &mut seconds) } == 1 {
        frame.push_integer(seconds);
    } else {
        frame.push_nil();
    }
}

/// A number of ASN.1.
pub(super) fn integer(frame: &Frame, at: c_int) -> Result<Option<Handle<sys::asn1_string_st>>, Flow> {
    let number = object::at::<Number>(frame, at)?;
    // SAFETY: makes a new object of a live number.
    Ok(unsafe { Handle::take(sys::BN_to_ASN1_INTEGER(number.0.get(), ptr::null_mut())) })
}

/// `cert_set(certificate, what, value)`.
fn set(frame: &Frame) -> Answer {
    let certificate = at(frame, 1)?;
    let what = frame.text(2)?;
    // SAFETY: values are copied into the certificate, a key is counted once more.
    let done = unsafe {
        match &*what {
            "version" => sys::X509_set_version(certificate, frame.integer(3)?),
            "serial" => {
                let number = integer(frame, 3)?;
                number.map_or(0, |number| sys::X509_set_serialNumber(certificate, number.get()))
            }
            "subject" => sys::X509_set_subject_name(certificate, object::at::<Name>(frame, 3)?.0.get()),
            "issuer" => sys::X509_set_issuer_name(certificate, object::at::<Name>(frame, 3)?.0.get()),
            "not_before" | "not_after" => {
                let time = if what == "not_before" {
                    sys::X509_getm_notBefore(certificate)
                } else {
                    sys::X509_getm_notAfter(certificate)
                };
                c_int::from(!sys::ASN1_TIME_set_posix(time, frame.integer(3)?).is_null())
            }
            _ => sys::X509_set_pubkey(certificate, key::at(frame, 3)?),
        }
    };
    if done != 1 {
        return frame.fail(failed(&format!("x509:set_{what}")));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// The digest that an argument names; none where the key has its own.
///
/// # Errors
/// The text of an answer that tells of a name nobody knows.
pub(super) fn digest_at(frame: &Frame, at: c_int) -> Result<Result<*const sys::EVP_MD, String>, Flow> {
    if frame.kind(at) != Kind::String {
        return Ok(Ok(ptr::null()));
    }
    let name = frame.bytes(at)?;
    Ok(digest_named(name).ok_or_else(|| format!("invalid digest type \"{}\"", String::from_utf8_lossy(name))))
}

/// `cert_sign(certificate, key, digest?)`.
fn sign(frame: &Frame) -> Answer {
    let (certificate, key) = (at(frame, 1)?, key::at(frame, 2)?);
    let digest = match digest_at(frame, 3)? {
        Ok(digest) => digest,
        Err(message) => return frame.fail(format!("x509:sign: {message}")),
    };
    // SAFETY: both are live.
    if unsafe { sys::X509_sign(certificate, key, digest) } == 0 {
        return frame.fail(failed("x509:sign"));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// `cert_digest(certificate, digest, of_key)`.
fn digest(frame: &Frame) -> Answer {
    let certificate = at(frame, 1)?;
    let kind = match digest_at(frame, 2)? {
        Ok(kind) if !kind.is_null() => kind,
        Ok(_) => return frame.fail("x509:digest: no digest"),
        Err(message) => return frame.fail(format!("x509:digest: {message}")),
    };
    let (mut out, mut length) = ([0; 64], 0);
    // SAFETY: there is room for the longest digest.
    let done = unsafe {
        if frame.truth(3) {
            sys::X509_pubkey_digest(certificate, kind, out.as_mut_ptr(), &mut length)
        } else {
            sys::X509_digest(certificate, kind, out.as_mut_ptr(), &mut length)
        }
    };
    if done != 1 {
        return frame.fail(failed("x509:digest"));
    }
    frame.push_bytes(out.get(..length as usize).unwrap_or_default());
    Ok(1)
}
