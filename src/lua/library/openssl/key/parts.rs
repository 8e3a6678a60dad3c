//! The numbers a key consists of, and keys made of numbers.

use super::load::{curve_named, of_ec, of_rsa, raw_bytes};
use super::{Key, at};
use crate::lua::frame::{Answer, Frame, Kind};
use crate::lua::library::openssl::number::{Number, bytes_of, from_bytes};
use crate::lua::library::openssl::raw::{Handle, failed};
use crate::lua::object;
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::ptr;

type Big = Handle<sys::BIGNUM>;
type Evp = Handle<sys::EVP_PKEY>;

/// `key_parts(key)`: a table of big numbers, and of raw bytes for keys without numbers.
pub(super) fn read(frame: &Frame) -> Answer {
    let key = at(frame, 1)?;
    frame.push_table(0, 8);
    // SAFETY: the key is live, and so is what it holds.
    unsafe {
        match sys::EVP_PKEY_id(key) {
            sys::EVP_PKEY_RSA | sys::EVP_PKEY_RSA_PSS => rsa_parts(frame, key),
            sys::EVP_PKEY_EC => ec_parts(frame, key),
            _ => {
                for (name, private) in [("public", false), ("private", true)] {
                    if let Some(bytes) = raw(key, private) {
                        frame.push_bytes(&bytes);
                        frame.set_field(-2, name);
                    }
                }
            }
        }
    }
    Ok(1)
}

/// Raw bytes of a key; none where it has none of the kind.
pub(super) fn raw(key: *const sys::EVP_PKEY, private: bool) -> Option<Vec<u8>> {
    let bytes = raw_bytes(key, private);
    // SAFETY: forgets the error of a key that has no such part.
    unsafe { sys::ERR_clear_error() };
    bytes
}

/// # Safety
/// `number` must be null or live.
unsafe fn push_number(frame: &Frame, name: &str, number: *const sys::BIGNUM) {
    if number.is_null() {
        return;
    }
    // SAFETY: copies the number.
    if let Some(copy) = unsafe { Handle::take(sys::BN_dup(number)) } {
        object::push(frame, Number(copy));
        frame.set_field(-2, name);
    }
}

/// # Safety
/// `key` must be a live RSA key.
unsafe fn rsa_parts(frame: &Frame, key: *const sys::EVP_PKEY) {
    let mut numbers = [ptr::null(); 8];
    let [n, e, d, p, q, dmp1, dmq1, iqmp] = &mut numbers;
    // SAFETY: the numbers stay the key's and are copied.
    unsafe {
        let rsa = sys::EVP_PKEY_get0_RSA(key);
        sys::RSA_get0_key(rsa, n, e, d);
        sys::RSA_get0_factors(rsa, p, q);
        sys::RSA_get0_crt_params(rsa, dmp1, dmq1, iqmp);
        for (name, number) in ["n", "e", "d", "p", "q", "dmp1", "dmq1", "iqmp"].into_iter().zip(numbers) {
            push_number(frame, name, number);
        }
    }
}

/// # Safety
/// `key` must be a live key on a curve.
unsafe fn ec_parts(frame: &Frame, key: *const sys::EVP_PKEY) {
    // SAFETY: what is got stays the key's; the coordinates are new numbers.
    unsafe {
        let ec = sys::EVP_PKEY_get0_EC_KEY(key);
        let group = sys::EC_KEY_get0_group(ec);
        frame.push_integer(i64::from(sys::EC_GROUP_get_curve_name(group)));
        frame.set_field(-2, "group");
        frame.push_integer(i64::from(sys::EC_GROUP_get_degree(group)));
        frame.set_field(-2, "degree");
        push_number(frame, "private", sys::EC_KEY_get0_private_key(ec));
        let point = sys::EC_KEY_get0_public_key(ec);
        let (Some(x), Some(y)) = (Handle::take(sys::BN_new()), Handle::take(sys::BN_new())) else { return };
        let none = ptr::null_mut();
        if !point.is_null() && sys::EC_POINT_get_affine_coordinates(group, point, x.get(), y.get(), none) == 1
        {
            push_number(frame, "x", x.get());
            push_number(frame, "y", y.get());
        }
    }
}

/// The number under a name of the table in the second argument: an object, or its bytes.
fn part(frame: &Frame, name: &str) -> Option<Big> {
    frame.push_field(2, name);
    let found = match frame.kind(-1) {
        Kind::String => frame.text_at(-1).and_then(from_bytes),
        Kind::Userdata => object::at::<Number>(frame, frame.top())
            .ok()
            // SAFETY: copies a live number.
            .and_then(|number| unsafe { Handle::take(sys::BN_dup(number.0.get())) }),
        _ => None,
    };
    frame.pop(1);
    found
}

/// `key_of_parts(type, parts)`: a key of the parts that [`read`] names.
pub(super) fn assemble(frame: &Frame) -> Answer {
    let made = match frame.bytes(1)? {
        b"RSA" => rsa_of(frame),
        b"EC" => {
            frame.push_field(2, "group");
            let group = match frame.kind(-1) {
                Kind::Number => frame.integer(-1)? as c_int,
                _ => frame
                    .text_at(-1)
                    .and_then(|name| curve_named(&String::from_utf8_lossy(name)))
                    .unwrap_or(0),
            };
            frame.pop(1);
            ec_of(frame, group)
        }
        b"Ed25519" => raw_of(frame, sys::EVP_PKEY_ED25519),
        b"X25519" => raw_of(frame, sys::EVP_PKEY_X25519),
        _ => return frame.fail("unsupported JWK key type or curve"),
    };
    match made {
        Some(key) => object::push(frame, Key(key)),
        None => return frame.fail(failed("pkey.new:load_key")),
    }
    Ok(1)
}

fn rsa_of(frame: &Frame) -> Option<Evp> {
    let (n, e, d) = (part(frame, "n")?, part(frame, "e")?, part(frame, "d"));
    let give = |number: Option<Big>| number.map_or(ptr::null_mut(), Handle::give);
    // SAFETY: the key takes the numbers over.
    unsafe {
        let rsa = Handle::take(sys::RSA_new())?;
        if sys::RSA_set0_key(rsa.get(), n.give(), e.give(), give(d)) != 1 {
            return None;
        }
        if let (Some(p), Some(q)) = (part(frame, "p"), part(frame, "q")) {
            sys::RSA_set0_factors(rsa.get(), p.give(), q.give());
        }
        if let (Some(p), Some(q), Some(i)) = (part(frame, "dmp1"), part(frame, "dmq1"), part(frame, "iqmp")) {
            sys::RSA_set0_crt_params(rsa.get(), p.give(), q.give(), i.give());
        }
        of_rsa(rsa)
    }
}

fn ec_of(frame: &Frame, group: c_int) -> Option<Evp> {
    // SAFETY: the numbers are copied into the new key.
    unsafe {
        let key = Handle::take(sys::EC_KEY_new_by_curve_name(group))?;
        let private = part(frame, "private");
        if let Some(private) = &private
            && sys::EC_KEY_set_private_key(key.get(), private.get()) != 1
        {
            return None;
        }
        match (part(frame, "x"), part(frame, "y"), &private) {
            (Some(x), Some(y), _) => {
                if sys::EC_KEY_set_public_key_affine_coordinates(key.get(), x.get(), y.get()) != 1 {
                    return None;
                }
            }
            (.., Some(private)) => {
                let curve = sys::EC_KEY_get0_group(key.get());
                let point = Handle::take(sys::EC_POINT_new(curve))?;
                let (none, done) = (ptr::null(), ptr::null_mut());
                if sys::EC_POINT_mul(curve, point.get(), private.get(), none, none.cast(), done) != 1
                    || sys::EC_KEY_set_public_key(key.get(), point.get()) != 1
                {
                    return None;
                }
            }
            _ => return None,
        }
        of_ec(key)
    }
}

fn raw_of(frame: &Frame, id: c_int) -> Option<Evp> {
    let bytes = |name| {
        frame.push_field(2, name);
        let bytes = frame.text_at(-1).map(<[u8]>::to_vec);
        frame.pop(1);
        bytes
    };
    let none = ptr::null_mut();
    // SAFETY: reads the bytes and makes a new key.
    unsafe {
        if let Some(private) = bytes("private") {
            return Handle::take(sys::EVP_PKEY_new_raw_private_key(
                id,
                none,
                private.as_ptr(),
                private.len(),
            ));
        }
        let public = bytes("public")?;
        Handle::take(sys::EVP_PKEY_new_raw_public_key(id, none, public.as_ptr(), public.len()))
    }
}

/// OpenSSL's short and long name of a number.
pub(in crate::lua::library::openssl) fn names(nid: c_int) -> Option<(String, String)> {
    // SAFETY: names are static; the error of a number nobody knows is forgotten.
    unsafe {
        sys::ERR_clear_error();
        let (short, long) = (sys::OBJ_nid2sn(nid), sys::OBJ_nid2ln(nid));
        if short.is_null() || long.is_null() {
            return None;
        }
        let text = |name| CStr::from_ptr(name).to_string_lossy().into_owned();
        Some((text(short), text(long)))
    }
}

/// The bytes of a number that a key holds.
///
/// # Safety
/// `number` must be live.
pub(super) unsafe fn padded(number: *const sys::BIGNUM, length: usize) -> Vec<u8> {
    // SAFETY: as said above.
    let bytes = unsafe { bytes_of(number) };
    let mut out = vec![0; length.saturating_sub(bytes.len())];
    out.extend_from_slice(&bytes);
    out
}
