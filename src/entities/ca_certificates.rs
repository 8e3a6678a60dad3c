//! CA certificates: whom the gateway trusts when it verifies others.

use std::fmt::Write as _;
use std::rc::Rc;

use serde_json::{Map, Value};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::schema::typedefs::{auto_timestamp_s, certificate, tags, tls, uuid};
use crate::schema::{Check, Field, Schema, Transform, Transformation, Verdict};

const CERTIFICATE_TAG: &str = "-----BEGIN CERTIFICATE-----";

/// The schema of CA certificates.
pub fn schema() -> Schema {
    Schema::new("ca_certificates", &["id"])
        .dao("kong.db.dao.ca_certificates")
        .fields([
            ("id", uuid()),
            ("created_at", auto_timestamp_s()),
            ("updated_at", auto_timestamp_s()),
            ("cert", certificate().required()),
            ("cert_digest", Field::string().unique()),
            ("tags", tags()),
        ])
        .transformation(Transformation {
            input: Some(vec!["cert".to_owned()]),
            on_write: Some(Transform::new(Rc::new(digest))),
            ..Transformation::default()
        })
        .entity_check(Check::custom(["cert"], check_certificate))
}

/// The SHA-256 digest of the certificate, by which it is unique.
fn digest(arguments: &[Value]) -> Result<Map<String, Value>, String> {
    let der = arguments.first().and_then(Value::as_str).and_then(tls::certificate_der);
    let der = der.ok_or("cannot create digest value of certificate")?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
    let hex = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    Ok(Map::from_iter([("cert_digest".to_owned(), Value::String(hex))]))
}

fn check_certificate(entity: &Map<String, Value>) -> Verdict {
    let refuse = |message: &str| Err(Some(Value::from(message)));
    let cert = entity.get("cert").and_then(Value::as_str).unwrap_or_default();
    if cert.matches(CERTIFICATE_TAG).count() > 1 {
        return refuse("please submit only one certificate at a time");
    }
    let Some(der) = tls::certificate_der(cert) else {
        return Ok(());
    };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else {
        return Ok(());
    };
    if certificate.validity().not_after.timestamp() < chrono::Utc::now().timestamp() {
        return refuse("certificate expired, \"Not After\" time is in the past");
    }
    if !certificate.is_ca() {
        return refuse(
            "certificate does not appear to be a CA because it is missing the \"CA\" basic constraint",
        );
    }
    Ok(())
}
