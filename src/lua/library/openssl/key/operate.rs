//! What keys are for.

use super::at;
use super::parts::padded;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::library::openssl::number::from_bytes;
use crate::lua::library::openssl::raw::{Handle, digest_named, failed, filled};
use aws_lc_sys as sys;
use std::ffi::c_int;
use std::ptr;

/// What a call says beyond key and data, in a table.
struct Options {
    digest: *const sys::EVP_MD,
    padding: Option<c_int>,
    salt_length: Option<c_int>,
    mgf1: *const sys::EVP_MD,
    oaep: *const sys::EVP_MD,
}

/// Reads `{ digest, padding, pss_saltlen, mgf1_md, oaep_md }`.
fn options(frame: &Frame, at: c_int) -> Result<Result<Options, String>, Flow> {
    let mut options = Options {
        digest: ptr::null(),
        padding: None,
        salt_length: None,
        mgf1: ptr::null(),
        oaep: ptr::null(),
    };
    if frame.kind(at) != Kind::Table {
        return Ok(Ok(options));
    }
    for (name, place) in
        [("digest", &mut options.digest), ("mgf1_md", &mut options.mgf1), ("oaep_md", &mut options.oaep)]
    {
        frame.push_field(at, name);
        if let Some(wanted) = frame.text_at(-1) {
            match digest_named(wanted) {
                Some(digest) => *place = digest,
                None => {
                    let wanted = String::from_utf8_lossy(wanted);
                    return Ok(Err(format!("invalid digest type \"{wanted}\"")));
                }
            }
        }
        frame.pop(1);
    }
    for (name, place) in [("padding", &mut options.padding), ("pss_saltlen", &mut options.salt_length)] {
        frame.push_field(at, name);
        *place = frame.optional_number(-1)?.map(|number| number as c_int);
        frame.pop(1);
    }
    Ok(Ok(options))
}

impl Options {
    /// Tells a context; true if it took everything.
    ///
    /// # Safety
    /// `ctx` must be live and initialised.
    unsafe fn apply(&self, ctx: *mut sys::EVP_PKEY_CTX) -> bool {
        // SAFETY: digests are static.
        unsafe {
            if let Some(padding) = self.padding
                && sys::EVP_PKEY_CTX_set_rsa_padding(ctx, padding) != 1
            {
                return false;
            }
            if let Some(length) = self.salt_length
                && sys::EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, length) != 1
            {
                return false;
            }
            if !self.oaep.is_null() && sys::EVP_PKEY_CTX_set_rsa_oaep_md(ctx, self.oaep) != 1 {
                return false;
            }
            self.mgf1.is_null() || sys::EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, self.mgf1) == 1
        }
    }
}

/// `key_sign(key, data, options, prehashed)`: with `prehashed` the data is signed as it is.
pub(super) fn sign(frame: &Frame) -> Answer {
    let (key, data) = (at(frame, 1)?, frame.bytes(2)?);
    let options = match options(frame, 3)? {
        Ok(options) => options,
        Err(message) => return frame.fail(format!("pkey:sign: {message}")),
    };
    // SAFETY: key and data are live.
    let made = unsafe {
        if frame.truth(4) { sign_digest(key, data, &options) } else { sign_data(key, data, &options) }
    };
    match made {
        Some(signature) => frame.push_bytes(&signature),
        None => return frame.fail(failed("pkey:sign")),
    }
    Ok(1)
}

/// `EVP_DigestSignInit` or `EVP_DigestVerifyInit`.
type BeginData = unsafe extern "C" fn(
    *mut sys::EVP_MD_CTX,
    *mut *mut sys::EVP_PKEY_CTX,
    *const sys::EVP_MD,
    *mut sys::ENGINE,
    *mut sys::EVP_PKEY,
) -> c_int;

/// `EVP_PKEY_sign_init` or `EVP_PKEY_verify_init`.
type BeginDigest = unsafe extern "C" fn(*mut sys::EVP_PKEY_CTX) -> c_int;

impl Options {
    /// A context to sign or verify data in.
    ///
    /// # Safety
    /// `key` must be live.
    unsafe fn begin_data(
        &self,
        key: *mut sys::EVP_PKEY,
        begin: BeginData,
    ) -> Option<Handle<sys::EVP_MD_CTX>> {
        // SAFETY: the inner context is the digest context's own.
        unsafe {
            let context = Handle::take(sys::EVP_MD_CTX_new())?;
            let mut inner = ptr::null_mut();
            let begun = begin(context.get(), &mut inner, self.digest, ptr::null_mut(), key);
            (begun == 1 && self.apply(inner)).then_some(context)
        }
    }

    /// A context to sign or verify a digest in.
    ///
    /// # Safety
    /// `key` must be live.
    unsafe fn begin_digest(
        &self,
        key: *mut sys::EVP_PKEY,
        begin: BeginDigest,
    ) -> Option<Handle<sys::EVP_PKEY_CTX>> {
        // SAFETY: the context is live.
        unsafe {
            let context = Handle::take(sys::EVP_PKEY_CTX_new(key, ptr::null_mut()))?;
            let ctx = context.get();
            if begin(ctx) != 1 || !self.apply(ctx) {
                return None;
            }
            if !self.digest.is_null() && sys::EVP_PKEY_CTX_set_signature_md(ctx, self.digest) != 1 {
                return None;
            }
            Some(context)
        }
    }
}

/// # Safety
/// `key` must be live.
unsafe fn sign_data(key: *mut sys::EVP_PKEY, data: &[u8], options: &Options) -> Option<Vec<u8>> {
    // SAFETY: key and context are live.
    unsafe {
        let context = options.begin_data(key, sys::EVP_DigestSignInit)?;
        filled(|out, length| sys::EVP_DigestSign(context.get(), out, length, data.as_ptr(), data.len()))
    }
}

/// # Safety
/// `key` must be live.
unsafe fn sign_digest(key: *mut sys::EVP_PKEY, data: &[u8], options: &Options) -> Option<Vec<u8>> {
    // SAFETY: key and context are live.
    unsafe {
        let context = options.begin_digest(key, sys::EVP_PKEY_sign_init)?;
        filled(|out, length| sys::EVP_PKEY_sign(context.get(), out, length, data.as_ptr(), data.len()))
    }
}

/// `key_verify(key, signature, data, options, prehashed)`.
pub(super) fn verify(frame: &Frame) -> Answer {
    let (key, signature, data) = (at(frame, 1)?, frame.bytes(2)?, frame.bytes(3)?);
    let options = match options(frame, 4)? {
        Ok(options) => options,
        Err(message) => return frame.fail(format!("pkey:verify: {message}")),
    };
    // SAFETY: key and data are live.
    let verified = unsafe {
        if frame.truth(5) {
            verify_digest(key, signature, data, &options)
        } else {
            verify_data(key, signature, data, &options)
        }
    };
    match verified {
        Some(verified) => frame.push_boolean(verified),
        None => return frame.fail(failed("pkey:verify")),
    }
    // SAFETY: forgets what a signature that does not verify has told.
    unsafe { sys::ERR_clear_error() };
    Ok(1)
}

/// # Safety
/// `key` must be live.
unsafe fn verify_data(
    key: *mut sys::EVP_PKEY,
    signature: &[u8],
    data: &[u8],
    options: &Options,
) -> Option<bool> {
    let (signature_at, data_at) = (signature.as_ptr(), data.as_ptr());
    // SAFETY: key and context are live.
    unsafe {
        let context = options.begin_data(key, sys::EVP_DigestVerifyInit)?;
        Some(sys::EVP_DigestVerify(context.get(), signature_at, signature.len(), data_at, data.len()) == 1)
    }
}

/// # Safety
/// `key` must be live.
unsafe fn verify_digest(
    key: *mut sys::EVP_PKEY,
    signature: &[u8],
    data: &[u8],
    options: &Options,
) -> Option<bool> {
    let (signature_at, data_at) = (signature.as_ptr(), data.as_ptr());
    // SAFETY: key and context are live.
    unsafe {
        let context = options.begin_digest(key, sys::EVP_PKEY_verify_init)?;
        Some(sys::EVP_PKEY_verify(context.get(), signature_at, signature.len(), data_at, data.len()) == 1)
    }
}

/// `key_crypt(key, data, operation, options)`: "encrypt", "decrypt", "recover" what was signed, or
/// "sign" a text without saying what it is.
pub(super) fn crypt(frame: &Frame) -> Answer {
    let (key, data) = (at(frame, 1)?, frame.bytes(2)?);
    let operation = frame.text(3)?;
    let mut options = match options(frame, 4)? {
        Ok(options) => options,
        Err(message) => return frame.fail(format!("pkey:{operation}: {message}")),
    };
    let size = data.len();
    if options.padding.is_none() {
        options.padding = Some(sys::RSA_PKCS1_PADDING);
    }
    // SAFETY: key and data are live; the context is this function's.
    let made = unsafe {
        let Some(context) = Handle::take(sys::EVP_PKEY_CTX_new(key, ptr::null_mut())) else {
            return frame.fail(failed("pkey:asymmetric_routine"));
        };
        let (ctx, data) = (context.get(), data.as_ptr());
        let begun = match &*operation {
            "encrypt" => sys::EVP_PKEY_encrypt_init(ctx),
            "decrypt" => sys::EVP_PKEY_decrypt_init(ctx),
            "sign" => sys::EVP_PKEY_sign_init(ctx),
            _ => sys::EVP_PKEY_verify_recover_init(ctx),
        };
        if begun != 1 || !options.apply(ctx) {
            None
        } else {
            filled(|out, length| match &*operation {
                "encrypt" => sys::EVP_PKEY_encrypt(ctx, out, length, data, size),
                "decrypt" => sys::EVP_PKEY_decrypt(ctx, out, length, data, size),
                "sign" => sys::EVP_PKEY_sign(ctx, out, length, data, size),
                _ => sys::EVP_PKEY_verify_recover(ctx, out, length, data, size),
            })
        }
    };
    match made {
        Some(text) => frame.push_bytes(&text),
        None => return frame.fail(failed(&format!("pkey:{operation}"))),
    }
    Ok(1)
}

/// `key_derive(key, peer)`: the secret that both keys agree on.
pub(super) fn derive(frame: &Frame) -> Answer {
    let (key, peer) = (at(frame, 1)?, at(frame, 2)?);
    // SAFETY: both keys are live.
    let secret = unsafe {
        Handle::take(sys::EVP_PKEY_CTX_new(key, ptr::null_mut())).and_then(|context| {
            let ctx = context.get();
            if sys::EVP_PKEY_derive_init(ctx) != 1 || sys::EVP_PKEY_derive_set_peer(ctx, peer) != 1 {
                return None;
            }
            filled(|out, length| sys::EVP_PKEY_derive(ctx, out, length))
        })
    };
    match secret {
        Some(secret) => frame.push_bytes(&secret),
        None => return frame.fail(failed("pkey:derive")),
    }
    Ok(1)
}

/// `ecdsa_to_raw(signature, length)`: both numbers of a signature in `length` bytes each.
pub(super) fn ecdsa_to_raw(frame: &Frame) -> Answer {
    let (der, length) = (frame.bytes(1)?, frame.number(2)? as usize);
    let (mut r, mut s) = (ptr::null(), ptr::null());
    // SAFETY: the numbers stay the signature's and are copied.
    unsafe {
        let Some(signature) = Handle::take(sys::ECDSA_SIG_from_bytes(der.as_ptr(), der.len())) else {
            return frame.fail(failed("pkey:sign:ecdsa"));
        };
        sys::ECDSA_SIG_get0(signature.get(), &mut r, &mut s);
        let both = [padded(r, length), padded(s, length)].concat();
        frame.push_bytes(&both);
    }
    Ok(1)
}

/// `ecdsa_to_der(raw)`: the signature whose numbers are the halves of `raw`.
pub(super) fn ecdsa_to_der(frame: &Frame) -> Answer {
    let raw = frame.bytes(1)?;
    let (r, s) = raw.split_at(raw.len() / 2);
    let (Some(r), Some(s)) = (from_bytes(r), from_bytes(s)) else { return frame.fail(failed("pkey:verify")) };
    let (mut out, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the signature takes the numbers over; its encoding is copied and freed.
    unsafe {
        let Some(signature) = Handle::take(sys::ECDSA_SIG_new()) else {
            return frame.fail(failed("pkey:verify:ecdsa"));
        };
        sys::ECDSA_SIG_set0(signature.get(), r.give(), s.give());
        if sys::ECDSA_SIG_to_bytes(&mut out, &mut length, signature.get()) != 1 {
            return frame.fail(failed("pkey:verify:ecdsa"));
        }
        frame.push_bytes(std::slice::from_raw_parts(out, length));
        sys::OPENSSL_free(out.cast());
    }
    Ok(1)
}
