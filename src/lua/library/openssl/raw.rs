//! Memory of aws-lc in Rust's hands, and its errors.
#![allow(unsafe_code)] // aws-lc is a C library.

use aws_lc_sys as sys;
use std::ffi::{CStr, CString, c_int, c_long, c_void};
use std::ptr::{self, NonNull};

/// A structure of aws-lc and the function that frees it.
pub(super) trait Free {
    /// # Safety
    /// `this` must be a live object, which nobody uses afterwards.
    unsafe fn free(this: *mut Self);
}

macro_rules! freed_by {
    ($($kind:ty => $function:path),* $(,)?) => {
        $(impl Free for $kind {
            unsafe fn free(this: *mut Self) {
                // SAFETY: handed on to the caller.
                unsafe { $function(this) };
            }
        })*
    };
}

freed_by! {
    sys::BIGNUM => sys::BN_free,
    sys::BN_CTX => sys::BN_CTX_free,
    sys::BIO => free_bio,
    sys::EVP_PKEY => sys::EVP_PKEY_free,
    sys::EVP_PKEY_CTX => sys::EVP_PKEY_CTX_free,
    sys::EVP_MD_CTX => sys::EVP_MD_CTX_free,
    sys::EVP_CIPHER_CTX => sys::EVP_CIPHER_CTX_free,
    sys::EC_KEY => sys::EC_KEY_free,
    sys::EC_POINT => sys::EC_POINT_free,
    sys::RSA => sys::RSA_free,
    sys::ECDSA_SIG => sys::ECDSA_SIG_free,
    sys::X509 => sys::X509_free,
    sys::X509_NAME => sys::X509_NAME_free,
    sys::X509_EXTENSION => sys::X509_EXTENSION_free,
    sys::X509_REQ => sys::X509_REQ_free,
    sys::X509_CRL => sys::X509_CRL_free,
    sys::X509_REVOKED => sys::X509_REVOKED_free,
    sys::X509_STORE => sys::X509_STORE_free,
    sys::X509_STORE_CTX => sys::X509_STORE_CTX_free,
    sys::OPENSSL_STACK => sys::OPENSSL_sk_free,
    sys::asn1_string_st => sys::ASN1_STRING_free,
    sys::PKCS12 => sys::PKCS12_free,
    sys::OCSP_BASICRESP => sys::OCSP_BASICRESP_free,
    sys::OCSP_CERTID => sys::OCSP_CERTID_free,
    sys::OCSP_REQUEST => sys::OCSP_REQUEST_free,
    sys::OCSP_RESPONSE => sys::OCSP_RESPONSE_free,
}

unsafe fn free_bio(bio: *mut sys::BIO) {
    // SAFETY: handed on to the caller.
    unsafe { sys::BIO_free(bio) };
}

/// An object of aws-lc, freed when dropped.
pub(super) struct Handle<T: Free>(NonNull<T>);

impl<T: Free> Handle<T> {
    /// Takes an object over; none where a function answered null.
    ///
    /// # Safety
    /// `object` must be null, or live and owned by nobody else.
    pub(super) unsafe fn take(object: *mut T) -> Option<Self> {
        NonNull::new(object).map(Self)
    }

    /// The object, to be passed to aws-lc.
    pub(super) fn get(&self) -> *mut T {
        self.0.as_ptr()
    }

    /// Gives the object away to a structure that frees it.
    pub(super) fn give(self) -> *mut T {
        let object = self.0.as_ptr();
        std::mem::forget(self);
        object
    }
}

impl<T: Free> Drop for Handle<T> {
    fn drop(&mut self) {
        // SAFETY: the handle owns the object.
        unsafe { T::free(self.0.as_ptr()) };
    }
}

/// The oldest error aws-lc has told of, in its words; the others are forgotten.
pub(super) fn error_text() -> String {
    let mut text = [0; 256];
    // SAFETY: the buffer has the length it is said to have, and is ended by a zero.
    unsafe {
        let code = sys::ERR_get_error();
        if code == 0 {
            return "unknown error".into();
        }
        sys::ERR_error_string_n(code, text.as_mut_ptr(), text.len());
        sys::ERR_clear_error();
        in_openssl_words(&CStr::from_ptr(text.as_ptr()).to_string_lossy())
    }
}

/// An error as OpenSSL 3 writes it: `error:1E000065:Cipher functions::bad decrypt`.
fn in_openssl_words(text: &str) -> String {
    let parts: Vec<&str> = text.splitn(5, ':').collect();
    let [error, code, library, _, reason] = parts.as_slice() else { return text.to_owned() };
    let reason = reason.to_ascii_lowercase().replace('_', " ");
    format!("{error}:{}:{library}::{reason}", code.to_ascii_uppercase())
}

/// `context` and the error, as `resty.openssl.err` puts them together.
pub(super) fn failed(context: &str) -> String {
    format!("{context}: {}", error_text())
}

/// Text that C reads; none where it holds a zero byte.
pub(super) fn c_text(text: &[u8]) -> Option<CString> {
    CString::new(text).ok()
}

/// A stream to write to.
pub(super) fn sink() -> Option<Handle<sys::BIO>> {
    // SAFETY: makes a new object.
    unsafe { Handle::take(sys::BIO_new(sys::BIO_s_mem())) }
}

/// What was written to a stream.
pub(super) fn written(bio: &Handle<sys::BIO>) -> Vec<u8> {
    let (mut data, mut length) = (ptr::null(), 0);
    // SAFETY: the memory stays the stream's and is copied at once.
    unsafe {
        if sys::BIO_mem_contents(bio.get(), &mut data, &mut length) != 1 || data.is_null() {
            return Vec::new();
        }
        std::slice::from_raw_parts(data, length).to_vec()
    }
}

/// A stream that reads `text`, which must live as long.
pub(super) fn source(text: &[u8]) -> Option<Handle<sys::BIO>> {
    // SAFETY: the stream reads the text in place; callers drop it first.
    unsafe { Handle::take(sys::BIO_new_mem_buf(text.as_ptr().cast(), text.len() as isize)) }
}

/// Encodes with one of the `i2d_…` functions.
///
/// # Safety
/// `object` must be what `encode` takes.
pub(super) unsafe fn encoded<T>(
    object: *mut T,
    encode: unsafe extern "C" fn(*mut T, *mut *mut u8) -> c_int,
) -> Option<Vec<u8>> {
    // SAFETY: asked for the length first, then given room of that length.
    unsafe {
        let length = usize::try_from(encode(object, ptr::null_mut())).ok().filter(|length| *length > 0)?;
        let mut out = vec![0; length];
        let mut at = out.as_mut_ptr();
        let length = usize::try_from(encode(object, &mut at)).ok()?;
        out.truncate(length);
        Some(out)
    }
}

/// Decodes with one of the `d2i_…` functions.
pub(super) fn decoded<T: Free>(
    der: &[u8],
    decode: unsafe extern "C" fn(*mut *mut T, *mut *const u8, c_long) -> *mut T,
) -> Option<Handle<T>> {
    let mut at = der.as_ptr();
    // SAFETY: reads within the slice and makes a new object.
    unsafe { Handle::take(decode(ptr::null_mut(), &mut at, der.len() as c_long)) }
}

/// A digest by its OpenSSL name.
pub(super) fn digest_named(name: &[u8]) -> Option<*const sys::EVP_MD> {
    let name = c_text(&name.to_ascii_lowercase())?;
    let plain = String::from_utf8_lossy(name.to_bytes()).replace("sha2-", "sha").replace("sha-", "sha");
    let plain = c_text(plain.as_bytes())?;
    // SAFETY: the name is ended by a zero; digests are static.
    let found = unsafe { sys::EVP_get_digestbyname(plain.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// Calls a function twice, as many of aws-lc want it: for the length, then for the bytes.
pub(super) fn filled(mut fill: impl FnMut(*mut u8, *mut usize) -> c_int) -> Option<Vec<u8>> {
    let mut length = 0;
    if fill(ptr::null_mut(), &mut length) != 1 {
        return None;
    }
    let mut out = vec![0; length];
    if fill(out.as_mut_ptr(), &mut length) != 1 {
        return None;
    }
    out.truncate(length);
    Some(out)
}

/// Bytes of a text of C that aws-lc allocated, which is freed.
///
/// # Safety
/// `text` must be null or come from aws-lc's allocator.
pub(super) unsafe fn taken_text(text: *mut std::ffi::c_char) -> Option<Vec<u8>> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as said above.
    unsafe {
        let copy = CStr::from_ptr(text).to_bytes().to_vec();
        sys::OPENSSL_free(text.cast::<c_void>());
        Some(copy)
    }
}
