//! Certificates and keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::PublicKeyData as _;
use serde_json::{Map, Value};
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer, SubjectPublicKeyInfo, X509Certificate};

use super::address::{refuse, text};
use super::not_der;
use crate::schema::callback::Verdict;
use crate::schema::reference::is_reference;

/// What OpenSSL says about a private key that none of its decoders reads.
const NO_DECODER: &str =
    "error:1E08010C:DECODER routines:OSSL_DECODER_from_bio:unsupported:encode_decode/decoder_lib.c:102:";

/// `typedefs.certificate`.
pub fn certificate(value: &Value) -> Verdict {
    match certificate_der(text(value)) {
        Some(_) => Ok(()),
        None => refuse(format!("invalid certificate: x509.new: {}", not_der::reason(text(value)))),
    }
}

/// `typedefs.key`: a private or a public key.
pub fn key(value: &Value) -> Verdict {
    let key = text(value);
    if private_key_spki(key).is_some() || public_key_spki(key).is_some() {
        return Ok(());
    }
    refuse(format!("invalid key: pkey.new:load_key: {}", not_der::reason(key)))
}

/// The DER of the first certificate of a PEM text.
pub fn certificate_der(pem: &str) -> Option<Vec<u8>> {
    let der = section(pem, |label| label == "CERTIFICATE" || label == "X509 CERTIFICATE")?.contents;
    X509Certificate::from_der(&der).is_ok().then_some(der)
}

/// The public key that a private key in PEM belongs to, as DER.
pub fn private_key_spki(pem: &str) -> Option<Vec<u8>> {
    let section = section(pem, |label| label.ends_with("PRIVATE KEY"))?;
    let der = rustls_pki_types::PrivateKeyDer::try_from(section.contents).ok()?;
    rcgen::KeyPair::try_from(&der).ok().map(|pair| pair.subject_public_key_info())
}

/// A public key in PEM, as DER.
pub fn public_key_spki(pem: &str) -> Option<Vec<u8>> {
    let der = section(pem, |label| label == "PUBLIC KEY")?.contents;
    SubjectPublicKeyInfo::from_der(&der).is_ok().then_some(der)
}

/// Whether two public keys, as DER, are the same key; how the algorithm is written does not count.
pub fn same_key(left: &[u8], right: &[u8]) -> bool {
    let bits = |der: &[u8]| {
        SubjectPublicKeyInfo::from_der(der).ok().map(|(_, key)| key.subject_public_key.data.to_vec())
    };
    bits(left).is_some_and(|left| bits(right) == Some(left))
}

fn section(pem: &str, wanted: impl Fn(&str) -> bool) -> Option<Pem> {
    Pem::iter_from_buffer(pem.as_bytes()).filter_map(Result::ok).find(|section| wanted(&section.label))
}

/// The JSON Web Key of `typedefs.jwk` and of `keys`, as a JSON text.
pub fn jwk(value: &Value) -> Verdict {
    if is_reference(value) {
        return Ok(());
    }
    let parsed = match value {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Object(_) => Some(value.clone()),
        _ => None,
    };
    let is_key = parsed.as_ref().and_then(Value::as_object).is_some_and(is_jwk);
    if is_key { Ok(()) } else { refuse("could not load JWK, likely not a valid key") }
}

fn is_jwk(key: &Map<String, Value>) -> bool {
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key.get(name)?.as_str()?.trim_end_matches('=')).ok();
    let size = |name: &str| bytes(name).map_or(0, |bytes| bytes.len());
    match key.get("kty").and_then(Value::as_str) {
        Some("RSA") => size("n") >= 64 && size("e") >= 1,
        Some("EC") => {
            let wanted = match key.get("crv").and_then(Value::as_str) {
                Some("P-256" | "secp256k1") => 32,
                Some("P-384") => 48,
                Some("P-521") => 66,
                _ => return false,
            };
            size("x") == wanted && size("y") == wanted
        }
        Some("OKP") => match key.get("crv").and_then(Value::as_str) {
            Some("Ed25519" | "X25519") => size("x") == 32,
            Some("Ed448") => size("x") == 57,
            Some("X448") => size("x") == 56,
            _ => false,
        },
        _ => false,
    }
}

/// The pair of keys of `typedefs.pem`.
pub fn pem_pair(value: &Value) -> Verdict {
    let given = |name: &str| value.get(name).filter(|key| !key.is_null());
    let (public, private) = (given("public_key"), given("private_key"));
    if public.is_some_and(is_reference) || private.is_some_and(is_reference) {
        return Ok(());
    }
    let public = match public {
        Some(pem) => match public_key_spki(text(pem)) {
            Some(der) => Some(der),
            None => return refuse("could not load public key"),
        },
        None => None,
    };
    let private = match private {
        Some(pem) => match private_key_spki(text(pem)) {
            Some(der) => Some(der),
            None => {
                return refuse(format!("could not load private keypkey.new:load_key: {NO_DECODER}"));
            }
        },
        None => None,
    };
    match (public, private) {
        (Some(public), Some(private)) if !same_key(&public, &private) => {
            refuse("public key does not match private key")
        }
        _ => Ok(()),
    }
}
