//! Certificates: what the gateway shows to clients and to upstreams.

use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::schema::typedefs::{auto_timestamp_s, certificate, key, tags, tls, uuid, wildcard_host};
use crate::schema::{Check, Field, Schema, Verdict};

/// The schema of certificates.
pub fn schema() -> Schema {
    Schema::new("certificates", &["id"])
        .dao("kong.db.dao.certificates")
        .workspaceable()
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("cert", certificate().required().referenceable()),
            ("key", key().required().referenceable().encrypted()),
            ("cert_alt", certificate().optional().referenceable()),
            ("key_alt", key().optional().referenceable().encrypted()),
            ("tags", tags()),
            ("snis", Field::array(wildcard_host()).optional().transient()),
        ])
        .entity_check(Check::mutually_required(["cert_alt", "key_alt"]))
        .entity_check(Check::custom(["cert", "key"], |entity| {
            key_matches(entity, "cert", "key", "certificate does not match key")
        }))
        .entity_check(Check::custom(["cert_alt", "key_alt"], |entity| {
            key_matches(entity, "cert_alt", "key_alt", "alternative certificate does not match key")
        }))
        .entity_check(Check::custom(["cert", "cert_alt"], types_differ))
}

fn key_matches(entity: &Map<String, Value>, cert: &str, key: &str, message: &str) -> Verdict {
    let text = |name: &str| entity.get(name).and_then(Value::as_str);
    let (Some(cert), Some(key)) = (text(cert), text(key)) else {
        return Ok(());
    };
    let of_cert = public_key(cert);
    let of_key = tls::private_key_spki(key).or_else(|| tls::public_key_spki(key));
    match (of_cert, of_key) {
        (Some(of_cert), Some(of_key)) if tls::same_key(&of_cert, &of_key) => Ok(()),
        _ => Err(Some(message.into())),
    }
}

fn types_differ(entity: &Map<String, Value>) -> Verdict {
    let kind = |name: &str| {
        let der = tls::certificate_der(entity.get(name)?.as_str()?)?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        Some(certificate.public_key().algorithm.algorithm.to_id_string())
    };
    match (kind("cert"), kind("cert_alt")) {
        (Some(first), Some(second)) if first == second => Err(Some(
            "certificate and alternative certificate need to have different type (e.g. RSA and ECDSA), the \
             provided certificates were both of the same type"
                .into(),
        )),
        _ => Ok(()),
    }
}

/// The public key of a certificate in PEM, as DER.
fn public_key(pem: &str) -> Option<Vec<u8>> {
    let der = tls::certificate_der(pem)?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(certificate.public_key().raw.to_vec())
}
