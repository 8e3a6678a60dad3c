//! Online certificate status: what `ngx.ocsp` is built on. Certificates come as a DER chain, leaf first.

use super::raw::{Handle, decoded, encoded};
use crate::lua::frame::{Answer, Frame};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_char, c_int};
use std::ptr;

/// Seconds by which clocks may differ.
const DRIFT: i64 = 300;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "ocsp_responder", |frame| {
        let url = responder(frame.bytes(1)?);
        answer(frame, url, |url| url.map_or_else(|| frame.push_nil(), |url| frame.push_bytes(&url)))
    });
    frame.set_function(table, "ocsp_request", |frame| {
        let request = request(frame.bytes(1)?);
        answer(frame, request, |request| frame.push_bytes(&request))
    });
    frame.set_function(table, "ocsp_validate", |frame| {
        let until = validate(frame.bytes(1)?, frame.bytes(2)?);
        answer(frame, until, |until| frame.push_integer(until.unwrap_or(0)))
    });
}

/// Pushes what went well, or answers what failed, in the words of OpenResty.
fn answer<T>(frame: &Frame, result: Result<T, String>, push: impl FnOnce(T)) -> Answer {
    match result {
        Ok(value) => {
            push(value);
            Ok(1)
        }
        Err(why) => {
            // SAFETY: forgets what aws-lc keeps of errors.
            unsafe { sys::ERR_clear_error() };
            frame.fail(why)
        }
    }
}

/// The next certificate of a DER chain.
fn next(chain: &mut &[u8]) -> Result<Handle<sys::X509>, String> {
    let mut at = chain.as_ptr();
    // SAFETY: reads within the slice and makes a new object.
    let found = unsafe { Handle::take(sys::d2i_X509(ptr::null_mut(), &mut at, chain.len() as _)) };
    let read = at as usize - chain.as_ptr() as usize;
    *chain = chain.get(read..).unwrap_or_default();
    found.ok_or_else(|| "d2i_X509_bio() failed".into())
}

/// A leaf and its issuer.
fn pair(mut chain: &[u8]) -> Result<(Handle<sys::X509>, Handle<sys::X509>), String> {
    let leaf = next(&mut chain)?;
    Ok((leaf, issuer(chain)?))
}

fn issuer(mut rest: &[u8]) -> Result<Handle<sys::X509>, String> {
    if rest.is_empty() {
        return Err("no issuer certificate in chain".into());
    }
    next(&mut rest)
}

/// The address that a leaf names for questions about it; none where it names none.
fn responder(mut chain: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let leaf = next(&mut chain)?;
    // SAFETY: the list is the caller's; its texts are copied before it is freed.
    let url = unsafe {
        let list = sys::X509_get1_ocsp(leaf.get());
        if list.is_null() {
            return Ok(None);
        }
        let first = sys::OPENSSL_sk_value(list.cast(), 0).cast::<c_char>();
        let url = (!first.is_null()).then(|| CStr::from_ptr(first).to_bytes().to_vec());
        sys::X509_email_free(list);
        url
    };
    if url.is_some() {
        let issuer = issuer(chain)?;
        // SAFETY: both are live.
        if unsafe { sys::X509_check_issued(issuer.get(), leaf.get()) } != sys::X509_V_OK {
            return Err("issuer certificate not next to leaf".into());
        }
    }
    Ok(url)
}

fn id_of(leaf: &Handle<sys::X509>, issuer: &Handle<sys::X509>) -> Result<Handle<sys::OCSP_CERTID>, String> {
    // SAFETY: both are live; makes a new object.
    let id = unsafe { Handle::take(sys::OCSP_cert_to_id(ptr::null(), leaf.get(), issuer.get())) };
    id.ok_or_else(|| "OCSP_cert_to_id() failed".into())
}

/// The question about the leaf of a chain.
fn request(chain: &[u8]) -> Result<Vec<u8>, String> {
    let (leaf, issuer) = pair(chain)?;
    // SAFETY: makes a new object.
    let request = unsafe { Handle::take(sys::OCSP_REQUEST_new()) };
    let request = request.ok_or("OCSP_REQUEST_new() failed")?;
    let id = id_of(&leaf, &issuer)?;
    // SAFETY: the request takes the id over.
    if unsafe { sys::OCSP_request_add0_id(request.get(), id.give()) }.is_null() {
        return Err("OCSP_request_add0_id() failed".into());
    }
    // SAFETY: the function is the one for requests.
    let text = unsafe { encoded(request.get(), sys::i2d_OCSP_REQUEST) };
    text.ok_or_else(|| "i2d_OCSP_REQUEST() failed".into())
}

/// Whether an answer says that the leaf of a chain is good: until when, if it tells.
fn validate(answer: &[u8], chain: &[u8]) -> Result<Option<i64>, String> {
    let basic = successful(answer)?;
    let (leaf, issuer) = pair(chain)?;
    verify(&basic, &issuer)?;
    let id = id_of(&leaf, &issuer)?;
    let (mut status, mut since, mut until) = (0, ptr::null_mut(), ptr::null_mut());
    let none = ptr::null_mut();
    // SAFETY: what it finds stays the answer's, which lives on.
    let found = unsafe {
        let none_at = ptr::null_mut();
        sys::OCSP_resp_find_status(basic.get(), id.get(), &mut status, none, none_at, &mut since, &mut until)
    };
    if found != 1 {
        return Err("certificate status not found in the OCSP response".into());
    }
    if status != sys::V_OCSP_CERTSTATUS_GOOD {
        // SAFETY: a static text.
        let text = unsafe { words(sys::OCSP_cert_status_str(status.into())) };
        return Err(format!("certificate status \"{text}\" in the OCSP response"));
    }
    // SAFETY: both times are the answer's, or null where it has none.
    if unsafe { sys::OCSP_check_validity(since, until, DRIFT, -1) } != 1 {
        return Err("OCSP_check_validity() failed".into());
    }
    if until.is_null() {
        return Ok(None);
    }
    let mut seconds = 0;
    // SAFETY: the time is the answer's.
    match unsafe { sys::ASN1_TIME_to_posix(until, &mut seconds) } {
        1 => Ok(Some(seconds)),
        _ => Err("invalid nextUpdate time in certificate status".into()),
    }
}

/// What an answer holds, where the responder answered at all.
fn successful(answer: &[u8]) -> Result<Handle<sys::OCSP_BASICRESP>, String> {
    let response = decoded(answer, sys::d2i_OCSP_RESPONSE).ok_or("d2i_OCSP_RESPONSE() failed")?;
    // SAFETY: the response is live.
    let status = unsafe { sys::OCSP_response_status(response.get()) };
    if status != sys::OCSP_RESPONSE_STATUS_SUCCESSFUL {
        // SAFETY: a static text.
        let text = unsafe { words(sys::OCSP_response_status_str(status.into())) };
        return Err(format!("OCSP response not successful ({status}: {text})"));
    }
    // SAFETY: makes an object of its own.
    let basic = unsafe { Handle::take(sys::OCSP_response_get1_basic(response.get())) };
    basic.ok_or_else(|| "OCSP_response_get1_basic() failed".into())
}

/// Whether the issuer, or a responder it trusts, signed an answer.
fn verify(basic: &Handle<sys::OCSP_BASICRESP>, issuer: &Handle<sys::X509>) -> Result<(), String> {
    // SAFETY: the list borrows the issuer, which outlives it.
    unsafe {
        let list = Handle::take(sys::OPENSSL_sk_new_null()).ok_or("sk_X509_new_null() failed")?;
        sys::OPENSSL_sk_push(list.get(), issuer.get().cast());
        // Nothing is looked up in it, but it must be there.
        let store = Handle::take(sys::X509_STORE_new()).ok_or("X509_STORE_new() failed")?;
        let flags = sys::OCSP_NOVERIFY as _;
        match sys::OCSP_basic_verify(basic.get(), list.get().cast(), store.get(), flags) {
            1 => Ok(()),
            _ => Err("OCSP_basic_verify() failed".into()),
        }
    }
}

/// # Safety
/// `text` must be null or a static text.
unsafe fn words(text: *const c_char) -> String {
    if text.is_null() {
        return "(UNKNOWN)".into();
    }
    // SAFETY: as said above.
    unsafe { CStr::from_ptr(text).to_string_lossy().into_owned() }
}
