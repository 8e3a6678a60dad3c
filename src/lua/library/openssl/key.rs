//! Keys that sign and verify: RSA, ECDSA and Ed25519.

use super::plain;
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self as sig, EcdsaKeyPair, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::{PemObject, SectionKind};
use std::ffi::{CStr, c_int};

/// OpenSSL's number for PSS padding.
const PSS: i64 = 6;

/// A public or private key in Lua's hands.
struct Key {
    algorithm: Algorithm,
    /// `SubjectPublicKeyInfo`, or what aws-lc takes in its place.
    public: Vec<u8>,
    /// The private key in DER, where it is one.
    private: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Object for Key {
    const NAME: &'static CStr = c"pkey";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "key", |frame| match parse(frame.bytes(1)?) {
        Some(key) => {
            object::push(frame, key);
            Ok(1)
        }
        None => frame.fail("pkey.new:load_key: failed to load key"),
    });
    frame.set_function(table, "key_of_parts", of_parts);
    frame.set_function(table, "key_sign", sign);
    frame.set_function(table, "key_verify", verify);
    frame.set_function(table, "key_facts", |frame| {
        let key = object::at::<Key>(frame, 1)?;
        frame.push_text(match key.algorithm {
            Algorithm::Rsa => "rsaEncryption",
            Algorithm::Ed25519 => "ED25519",
            _ => "id-ecPublicKey",
        });
        frame.push_boolean(key.private.is_some());
        frame.push_bytes(&key.public);
        match &key.private {
            Some(private) => frame.push_bytes(private),
            None => frame.push_nil(),
        }
        Ok(4)
    });
}

/// Reads a key in PEM or DER, private or public.
fn parse(text: &[u8]) -> Option<Key> {
    if memchr::memmem::find(text, b"-----BEGIN").is_none() {
        return private_of(text).or_else(|| public_of(text));
    }
    if let Ok(private) = PrivateKeyDer::from_pem_slice(text) {
        return private_of(private.secret_der());
    }
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text);
    sections.filter_map(Result::ok).find_map(|(kind, der)| match kind {
        SectionKind::PublicKey => public_of(&der),
        SectionKind::RsaPrivateKey | SectionKind::PrivateKey | SectionKind::EcPrivateKey => private_of(&der),
        SectionKind::Certificate => super::certificate::public_key(&der).and_then(|der| public_of(&der)),
        _ => None,
    })
}

fn private_of(der: &[u8]) -> Option<Key> {
    let key = |algorithm, public: Vec<u8>| Key { algorithm, public, private: Some(der.to_vec()) };
    if let Ok(pair) = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der)) {
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
        return Some(key(Algorithm::Rsa, public.as_ref().to_vec()));
    }
    if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
        return Some(key(Algorithm::Ed25519, public.as_ref().to_vec()));
    }
    let curves = [
        (Algorithm::P256, &sig::ECDSA_P256_SHA256_ASN1_SIGNING),
        (Algorithm::P384, &sig::ECDSA_P384_SHA384_ASN1_SIGNING),
        (Algorithm::P521, &sig::ECDSA_P521_SHA512_ASN1_SIGNING),
    ];
    curves.into_iter().find_map(|(algorithm, signing)| {
        let pair = EcdsaKeyPair::from_private_key_der(signing, der).ok()?;
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).ok()?;
        Some(key(algorithm, public.as_ref().to_vec()))
    })
}

/// Tells a public key's algorithm by the object identifiers at its start.
fn public_of(der: &[u8]) -> Option<Key> {
    let head = der.get(..der.len().min(48))?;
    let has = |identifier: &[u8]| memchr::memmem::find(head, identifier).is_some();
    let algorithm = if has(b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01") {
        Algorithm::Rsa
    } else if has(b"\x2a\x86\x48\xce\x3d\x03\x01\x07") {
        Algorithm::P256
    } else if has(b"\x2b\x81\x04\x00\x22") {
        Algorithm::P384
    } else if has(b"\x2b\x81\x04\x00\x23") {
        Algorithm::P521
    } else if has(b"\x06\x03\x2b\x65\x70") {
        Algorithm::Ed25519
    } else {
        return None;
    };
    Some(Key { algorithm, public: der.to_vec(), private: None })
}

/// `key_of_parts(kind, first, second)`: a public key of a JWK: modulus and exponent, or coordinates.
fn of_parts(frame: &Frame) -> Answer {
    let (first, second) = (frame.bytes(2)?, frame.optional_bytes(3)?.unwrap_or_default());
    let point = || [&[4], first, second].concat();
    let (algorithm, public) = match frame.bytes(1)? {
        b"RSA" => (Algorithm::Rsa, rsa_public(first, second)),
        b"P-256" => (Algorithm::P256, point()),
        b"P-384" => (Algorithm::P384, point()),
        b"P-521" => (Algorithm::P521, point()),
        b"Ed25519" => (Algorithm::Ed25519, first.to_vec()),
        _ => return frame.fail("unsupported JWK key type or curve"),
    };
    object::push(frame, Key { algorithm, public, private: None });
    Ok(1)
}

/// `RSAPublicKey` of RFC 8017: a sequence of two integers.
fn rsa_public(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let mut value = bytes.get(start..).unwrap_or_default().to_vec();
        if value.first().is_none_or(|byte| *byte >= 0x80) {
            value.insert(0, 0);
        }
        tagged(2, &value)
    };
    tagged(0x30, &[integer(modulus), integer(exponent)].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match content.len() {
        length @ 0..=127 => out.push(length as u8),
        length @ 128..=255 => out.extend([0x81, length as u8]),
        length => out.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(content);
    out
}

/// `key_sign(key, data, digest, padding, raw)`.
fn sign(frame: &Frame) -> Answer {
    let key = object::at::<Key>(frame, 1)?;
    let data = frame.bytes(2)?;
    let digest = plain(frame.bytes(3)?);
    let pss = frame.optional_number(4)?.map(|padding| padding as i64) == Some(PSS);
    let raw = frame.truth(5);
    let Some(private) = &key.private else { return frame.fail("pkey:sign: not a private key") };
    let made = match key.algorithm {
        Algorithm::Rsa => sign_rsa(private, data, &digest, pss),
        Algorithm::Ed25519 => Ed25519KeyPair::from_pkcs8_maybe_unchecked(private)
            .ok()
            .map(|pair| pair.sign(data).as_ref().to_vec()),
        curve => sign_ecdsa(curve, private, data, &digest, raw),
    };
    match made {
        Some(signature) => frame.push_bytes(&signature),
        None => return frame.fail(format!("pkey:sign: this key does not sign with {digest}")),
    }
    Ok(1)
}

fn sign_rsa(private: &[u8], data: &[u8], digest: &str, pss: bool) -> Option<Vec<u8>> {
    let encoding: &'static dyn sig::RsaEncoding = match (digest, pss) {
        ("sha256", false) => &sig::RSA_PKCS1_SHA256,
        ("sha384", false) => &sig::RSA_PKCS1_SHA384,
        ("sha512", false) => &sig::RSA_PKCS1_SHA512,
        ("sha256", true) => &sig::RSA_PSS_SHA256,
        ("sha384", true) => &sig::RSA_PSS_SHA384,
        ("sha512", true) => &sig::RSA_PSS_SHA512,
        _ => return None,
    };
    let pair = rsa::KeyPair::from_pkcs8(private).or_else(|_| rsa::KeyPair::from_der(private)).ok()?;
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), data, &mut signature).ok()?;
    Some(signature)
}

fn sign_ecdsa(curve: Algorithm, private: &[u8], data: &[u8], digest: &str, raw: bool) -> Option<Vec<u8>> {
    let algorithm = match (curve, digest, raw) {
        (Algorithm::P256, "sha256", false) => &sig::ECDSA_P256_SHA256_ASN1_SIGNING,
        (Algorithm::P256, "sha256", true) => &sig::ECDSA_P256_SHA256_FIXED_SIGNING,
        (Algorithm::P384, "sha384", false) => &sig::ECDSA_P384_SHA384_ASN1_SIGNING,
        (Algorithm::P384, "sha384", true) => &sig::ECDSA_P384_SHA384_FIXED_SIGNING,
        (Algorithm::P521, "sha512", false) => &sig::ECDSA_P521_SHA512_ASN1_SIGNING,
        (Algorithm::P521, "sha512", true) => &sig::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => return None,
    };
    let pair = EcdsaKeyPair::from_private_key_der(algorithm, private).ok()?;
    Some(pair.sign(&SystemRandom::new(), data).ok()?.as_ref().to_vec())
}

/// `key_verify(key, signature, data, digest, padding, raw)`.
fn verify(frame: &Frame) -> Answer {
    let key = object::at::<Key>(frame, 1)?;
    let (signature, data) = (frame.bytes(2)?, frame.bytes(3)?);
    let digest = plain(frame.bytes(4)?);
    let pss = frame.optional_number(5)?.map(|padding| padding as i64) == Some(PSS);
    let algorithm = verification(key.algorithm, &digest, pss, frame.truth(6))
        .ok_or_else(|| Flow::raise(format!("pkey:verify: this key does not verify {digest}")));
    let algorithm = match algorithm {
        Ok(algorithm) => algorithm,
        Err(Flow::Raise(text)) => return frame.fail(text),
        Err(flow) => return Err(flow),
    };
    let verified = UnparsedPublicKey::new(algorithm, &key.public).verify(data, signature);
    frame.push_boolean(verified.is_ok());
    Ok(1)
}

fn verification(
    algorithm: Algorithm,
    digest: &str,
    pss: bool,
    raw: bool,
) -> Option<&'static dyn sig::VerificationAlgorithm> {
    Some(match (algorithm, digest, pss, raw) {
        (Algorithm::Ed25519, ..) => &sig::ED25519,
        (Algorithm::Rsa, "sha1", false, _) => &sig::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
        (Algorithm::Rsa, "sha256", false, _) => &sig::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
        (Algorithm::Rsa, "sha384", false, _) => &sig::RSA_PKCS1_2048_8192_SHA384,
        (Algorithm::Rsa, "sha512", false, _) => &sig::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        (Algorithm::Rsa, "sha256", true, _) => &sig::RSA_PSS_2048_8192_SHA256,
        (Algorithm::Rsa, "sha384", true, _) => &sig::RSA_PSS_2048_8192_SHA384,
        (Algorithm::Rsa, "sha512", true, _) => &sig::RSA_PSS_2048_8192_SHA512,
        (Algorithm::P256, "sha256", _, false) => &sig::ECDSA_P256_SHA256_ASN1,
        (Algorithm::P256, "sha256", _, true) => &sig::ECDSA_P256_SHA256_FIXED,
        (Algorithm::P384, "sha384", _, false) => &sig::ECDSA_P384_SHA384_ASN1,
        (Algorithm::P384, "sha384", _, true) => &sig::ECDSA_P384_SHA384_FIXED,
        (Algorithm::P521, "sha512", _, false) => &sig::ECDSA_P521_SHA512_ASN1,
        (Algorithm::P521, "sha512", _, true) => &sig::ECDSA_P521_SHA512_FIXED,
        _ => return None,
    })
}
