//! Reading, writing and making keys.

use super::{Key, at, is_private};
use crate::lua::frame::{Answer, Frame};
use crate::lua::library::openssl::number;
use crate::lua::library::openssl::raw::{
    Handle, c_text, decoded, encoded, failed, filled, sink, source, written,
};
use crate::lua::object;
use aws_lc_rs::encoding::AsBigEndian;
use aws_lc_rs::signature::Ed25519KeyPair;
use aws_lc_sys as sys;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

type Evp = Handle<sys::EVP_PKEY>;

/// What a passphrase callback reads.
struct Passphrase<'a>(&'a [u8]);

unsafe extern "C" fn passphrase(buffer: *mut c_char, size: c_int, _: c_int, given: *mut c_void) -> c_int {
    // SAFETY: `given` is the `Passphrase` handed in with this callback; the buffer holds `size` bytes.
    unsafe {
        let Some(Passphrase(text)) = given.cast::<Passphrase<'_>>().as_ref() else { return 0 };
        let length = text.len().min(usize::try_from(size).unwrap_or(0));
        ptr::copy_nonoverlapping(text.as_ptr(), buffer.cast::<u8>(), length);
        c_int::try_from(length).unwrap_or(0)
    }
}

/// `key(text, format, type, passphrase)`: format "PEM", "DER" or "*"; type "pr", "pu" or "*".
pub(super) fn read(frame: &Frame) -> Answer {
    let text = frame.bytes(1)?;
    let format = frame.optional_bytes(2)?.unwrap_or(b"*");
    let kind = frame.optional_bytes(3)?.unwrap_or(b"*");
    let phrase = Passphrase(frame.optional_bytes(4)?.unwrap_or_default());
    let (private, public) = (kind != b"pu", kind != b"pr");
    let mut found = None;
    if matches!(format, b"*" | b"PEM") {
        found = if private { private_pem(text, &phrase) } else { None };
        if found.is_none() && public {
            found = public_pem(text);
        }
    }
    if found.is_none() && matches!(format, b"*" | b"DER") {
        found = if private { decoded(text, sys::d2i_AutoPrivateKey) } else { None };
        if found.is_none() && public {
            found = decoded(text, sys::d2i_PUBKEY);
        }
    }
    if found.is_none() && private {
        found = ed25519(text);
    }
    match found {
        Some(key) => object::push(frame, Key(key)),
        None => return frame.fail(failed("pkey.new:load_key")),
    }
    // SAFETY: forgets what the forms that did not fit have told.
    unsafe { sys::ERR_clear_error() };
    Ok(1)
}

/// An Ed25519 key with its public half beside it (RFC 8410 §7), which aws-lc's C functions do not read.
fn ed25519(text: &[u8]) -> Option<Evp> {
    let der = PrivateKeyDer::from_pem_slice(text).ok()?;
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_der()).ok()?;
    let seed = pair.seed().ok()?.as_be_bytes().ok()?;
    let seed = seed.as_ref();
    // SAFETY: reads the seed and makes a new key.
    unsafe {
        let none = ptr::null_mut();
        Handle::take(sys::EVP_PKEY_new_raw_private_key(
            sys::EVP_PKEY_ED25519,
            none,
            seed.as_ptr(),
            seed.len(),
        ))
    }
}

fn private_pem(text: &[u8], phrase: &Passphrase<'_>) -> Option<Evp> {
    let bio = source(text)?;
    let given = ptr::from_ref(phrase).cast_mut().cast();
    // SAFETY: text and passphrase outlive the call, which makes a new key.
    unsafe { Handle::take(sys::PEM_read_bio_PrivateKey(bio.get(), ptr::null_mut(), Some(passphrase), given)) }
}

fn public_pem(text: &[u8]) -> Option<Evp> {
    // SAFETY: the text outlives the calls; an RSA key is handed to the new key.
    unsafe {
        let bio = source(text)?;
        if let Some(key) =
            Handle::take(sys::PEM_read_bio_PUBKEY(bio.get(), ptr::null_mut(), None, ptr::null_mut()))
        {
            return Some(key);
        }
        let bio = source(text)?;
        let rsa =
            Handle::take(sys::PEM_read_bio_RSAPublicKey(bio.get(), ptr::null_mut(), None, ptr::null_mut()))?;
        of_rsa(rsa)
    }
}

/// A key that holds an RSA key.
pub(super) fn of_rsa(rsa: Handle<sys::RSA>) -> Option<Evp> {
    // SAFETY: the new key takes the RSA key over where the call succeeds.
    unsafe {
        let key = Handle::take(sys::EVP_PKEY_new())?;
        if sys::EVP_PKEY_assign_RSA(key.get(), rsa.get()) != 1 {
            return None;
        }
        let _ = rsa.give();
        Some(key)
    }
}

/// A key that holds a key on a curve.
pub(super) fn of_ec(ec: Handle<sys::EC_KEY>) -> Option<Evp> {
    // SAFETY: as in `of_rsa`.
    unsafe {
        let key = Handle::take(sys::EVP_PKEY_new())?;
        if sys::EVP_PKEY_assign_EC_KEY(key.get(), ec.get()) != 1 {
            return None;
        }
        let _ = ec.give();
        Some(key)
    }
}

/// `key_write(key, "private" or "public", "PEM" or "DER", "traditional"?)`.
pub(super) fn write(frame: &Frame) -> Answer {
    let key = at(frame, 1)?;
    let private = frame.bytes(2)? == b"private";
    let pem = frame.bytes(3)? == b"PEM";
    if private && !is_private(key) {
        return frame.fail("pkey:tostring: key is not private");
    }
    // SAFETY: the key is live.
    let text = unsafe {
        match (private, pem) {
            (false, false) => encoded(key, public_der),
            (true, false) => encoded(key, private_der),
            (_, true) => pem_of(key, private, frame.truth(4)),
        }
    };
    match text {
        Some(text) => frame.push_bytes(&text),
        None => return frame.fail(failed("pkey:tostring")),
    }
    Ok(1)
}

unsafe extern "C" fn public_der(key: *mut sys::EVP_PKEY, out: *mut *mut u8) -> c_int {
    // SAFETY: handed on.
    unsafe { sys::i2d_PUBKEY(key, out) }
}

unsafe extern "C" fn private_der(key: *mut sys::EVP_PKEY, out: *mut *mut u8) -> c_int {
    // SAFETY: handed on.
    unsafe { sys::i2d_PrivateKey(key, out) }
}

/// # Safety
/// `key` must be live.
unsafe fn pem_of(key: *mut sys::EVP_PKEY, private: bool, traditional: bool) -> Option<Vec<u8>> {
    let bio = sink()?;
    let (out, none) = (bio.get(), ptr::null_mut());
    // SAFETY: neither cipher nor passphrase is used.
    let done = unsafe {
        if !private {
            sys::PEM_write_bio_PUBKEY(out, key)
        } else if traditional {
            sys::PEM_write_bio_PrivateKey(out, key, ptr::null(), ptr::null(), 0, None, none)
        } else {
            sys::PEM_write_bio_PKCS8PrivateKey(out, key, ptr::null(), ptr::null(), 0, None, none)
        }
    };
    (done == 1).then(|| written(&bio))
}

/// `key_generate(type, bits, exponent, curve)`.
pub(super) fn generate(frame: &Frame) -> Answer {
    let kind = frame.text(1)?;
    let made = match &*kind {
        "RSA" => {
            let bits = frame.optional_number(2)?.unwrap_or(2048.0) as c_int;
            rsa(bits, frame.optional_number(3)?.unwrap_or(65_537.0) as u64)
        }
        "EC" => {
            let curve = frame.text(4)?;
            match curve_named(&curve) {
                Some(nid) => ec(nid),
                None => return frame.fail(format!("unknown curve {curve}")),
            }
        }
        "Ed25519" => by_id(sys::EVP_PKEY_ED25519),
        "X25519" => by_id(sys::EVP_PKEY_X25519),
        other => return frame.fail(format!("unsupported type {other}")),
    };
    match made {
        Some(key) => object::push(frame, Key(key)),
        None => return frame.fail(failed("pkey.new:generate_key")),
    }
    Ok(1)
}

/// The number of a curve by OpenSSL's or NIST's name.
pub(super) fn curve_named(name: &str) -> Option<c_int> {
    let name = match name {
        "P-256" => "prime256v1",
        "P-384" => "secp384r1",
        "P-521" => "secp521r1",
        other => other,
    };
    let name = c_text(name.as_bytes())?;
    // SAFETY: the name is ended by a zero.
    let nid = unsafe { sys::OBJ_sn2nid(name.as_ptr()) };
    (nid > 0).then_some(nid)
}

fn rsa(bits: c_int, exponent: u64) -> Option<Evp> {
    let exponent = number::from_bytes(&exponent.to_be_bytes())?;
    // SAFETY: all objects are live; `BN` is copied by the generator, or taken by it where it succeeds.
    unsafe {
        let context = Handle::take(sys::EVP_PKEY_CTX_new_id(sys::EVP_PKEY_RSA, ptr::null_mut()))?;
        let ctx = context.get();
        let ready = sys::EVP_PKEY_keygen_init(ctx) == 1
            && sys::EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1
            && sys::EVP_PKEY_CTX_set_rsa_keygen_pubexp(ctx, exponent.get()) == 1;
        if !ready {
            return None;
        }
        let _ = exponent.give();
        keygen(ctx)
    }
}

fn ec(nid: c_int) -> Option<Evp> {
    // SAFETY: makes new objects.
    unsafe {
        let key = Handle::take(sys::EC_KEY_new_by_curve_name(nid))?;
        if sys::EC_KEY_generate_key(key.get()) != 1 {
            return None;
        }
        of_ec(key)
    }
}

fn by_id(id: c_int) -> Option<Evp> {
    // SAFETY: makes new objects.
    unsafe {
        let context = Handle::take(sys::EVP_PKEY_CTX_new_id(id, ptr::null_mut()))?;
        if sys::EVP_PKEY_keygen_init(context.get()) != 1 {
            return None;
        }
        keygen(context.get())
    }
}

/// # Safety
/// `ctx` must be live and ready to generate.
unsafe fn keygen(ctx: *mut sys::EVP_PKEY_CTX) -> Option<Evp> {
    let mut key = ptr::null_mut();
    // SAFETY: makes a new key.
    unsafe {
        let done = sys::EVP_PKEY_keygen(ctx, &mut key);
        Handle::take(key).filter(|_| done == 1)
    }
}

/// Raw bytes of a key of Edwards or Montgomery form.
pub(super) fn raw_bytes(key: *const sys::EVP_PKEY, private: bool) -> Option<Vec<u8>> {
    // SAFETY: the key is live; the length is asked for first.
    filled(|out, length| unsafe {
        if private {
            sys::EVP_PKEY_get_raw_private_key(key, out, length)
        } else {
            sys::EVP_PKEY_get_raw_public_key(key, out, length)
        }
    })
}
