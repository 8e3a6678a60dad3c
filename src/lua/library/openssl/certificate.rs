//! Certificates, read for what plugins ask of them.

use crate::lua::frame::{Answer, Frame};
use crate::lua::ngx::digest::hexadecimal;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use std::ffi::c_int;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "certificate", |frame| {
        let text = frame.bytes(1)?;
        let der = match CertificateDer::from_pem_slice(text) {
            Ok(der) => der.as_ref().to_vec(),
            Err(_) => text.to_vec(),
        };
        match X509Certificate::from_der(&der) {
            Ok((_, certificate)) => push(frame, &certificate, &der),
            Err(_) => frame.fail("x509.new: failed to load certificate"),
        }
    });
}

/// The public key of a certificate in DER.
pub(super) fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some(certificate.public_key().raw.to_vec())
}

fn push(frame: &Frame, certificate: &X509Certificate<'_>, der: &[u8]) -> Answer {
    frame.push_table(0, 10);
    frame.push_bytes(der);
    frame.set_field(-2, "der");
    frame.push_bytes(certificate.public_key().raw);
    frame.set_field(-2, "public_key");
    frame.push_text(&hexadecimal(certificate.raw_serial()).to_ascii_uppercase());
    frame.set_field(-2, "serial");
    frame.push_integer(certificate.validity().not_before.timestamp());
    frame.set_field(-2, "not_before");
    frame.push_integer(certificate.validity().not_after.timestamp());
    frame.set_field(-2, "not_after");
    push_name(frame, certificate.subject());
    frame.set_field(-2, "subject");
    push_name(frame, certificate.issuer());
    frame.set_field(-2, "issuer");
    push_alternative_names(frame, certificate);
    frame.set_field(-2, "alternative_names");
    frame.push_boolean(certificate.is_ca());
    frame.set_field(-2, "is_ca");
    Ok(1)
}

/// A name as a list of `{ identifier, short name, value }`.
fn push_name(frame: &Frame, name: &X509Name<'_>) {
    frame.push_table(4, 0);
    for (index, attribute) in name.iter_attributes().enumerate() {
        frame.push_table(3, 0);
        let identifier = attribute.attr_type().to_id_string();
        frame.push_text(&identifier);
        frame.set_index(-2, 1);
        frame.push_text(short_name(&identifier));
        frame.set_index(-2, 2);
        frame.push_bytes(attribute.attr_value().data);
        frame.set_index(-2, 3);
        frame.set_index(-2, index + 1);
    }
}

/// OpenSSL's short name of an attribute; the identifier where it has none here.
pub(in crate::lua) fn short_name(identifier: &str) -> &str {
    match identifier {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "serialNumber",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "street",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "title",
        "2.5.4.42" => "GN",
        "1.2.840.113549.1.9.1" => "emailAddress",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        other => other,
    }
}

/// Alternative names as a list of `{ kind, value }`.
fn push_alternative_names(frame: &Frame, certificate: &X509Certificate<'_>) {
    frame.push_table(2, 0);
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return };
    let known = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(("DNS", name.as_bytes().to_vec())),
        GeneralName::RFC822Name(name) => Some(("email", name.as_bytes().to_vec())),
        GeneralName::URI(name) => Some(("URI", name.as_bytes().to_vec())),
        GeneralName::IPAddress(address) => Some(("IP", address.to_vec())),
        _ => None,
    });
    for (index, (kind, value)) in known.enumerate() {
        frame.push_table(2, 0);
        frame.push_text(kind);
        frame.set_index(-2, 1);
        frame.push_bytes(&value);
        frame.set_index(-2, 2);
        frame.set_index(-2, index + 1);
    }
}
