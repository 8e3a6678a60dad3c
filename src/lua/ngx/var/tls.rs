//! Variables that begin with `ssl_`: what the client's handshake agreed on, and its certificate.

use super::{Value, put};
use crate::exchange::{Exchange, Tls};
use crate::lua::ngx::digest::hexadecimal;
use aws_lc_rs::digest;
use base64::Engine;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};
use x509_parser::time::ASN1Time;

pub(super) fn read(exchange: &Exchange, name: &[u8], out: &mut Vec<u8>) -> Value {
    let name = name.strip_prefix(b"ssl_")?;
    let tls = exchange.client.tls.as_ref()?;
    match name {
        b"protocol" => put(out, tls.version),
        b"cipher" => put(out, tls.cipher),
        b"server_name" => put(out, tls.sni.as_deref()?.as_bytes()),
        b"client_verify" => put(out, tls.client_verify.as_bytes()),
        b"client_raw_cert" => client_certificate(tls, out),
        b"client_cert" => indented(tls, out),
        b"session_reused" => put(out, if tls.resumed { "r" } else { "." }),
        b"early_data" => put(out, ""),
        _ if name.starts_with(b"client_") => client_fact(tls, name, out),
        b"client_escaped_cert" => {
            let mut pem = Vec::new();
            client_certificate(tls, &mut pem)?;
            crate::http::query::escape_component(out, &pem);
            Some(())
        }
        _ => None,
    }
}

fn client_certificate(tls: &Tls, out: &mut Vec<u8>) -> Value {
    let text = base64::engine::general_purpose::STANDARD.encode(tls.client_certificates.first()?);
    put(out, b"-----BEGIN CERTIFICATE-----\n")?;
    for line in text.as_bytes().chunks(64) {
        put(out, line)?;
        put(out, b"\n")?;
    }
    put(out, b"-----END CERTIFICATE-----\n")
}

/// The certificate in PEM, every line but the first behind a tab.
fn indented(tls: &Tls, out: &mut Vec<u8>) -> Value {
    let mut pem = Vec::new();
    client_certificate(tls, &mut pem)?;
    let lines: Vec<&[u8]> = pem.trim_ascii_end().split(|byte| *byte == b'\n').collect();
    put(out, lines.join(&b"\n\t"[..]))
}

/// What the client's certificate says.
fn client_fact(tls: &Tls, name: &[u8], out: &mut Vec<u8>) -> Value {
    let der = tls.client_certificates.first()?;
    if name == b"client_fingerprint" {
        return put(out, hexadecimal(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()));
    }
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    match name {
        b"client_s_dn" => put(out, rfc2253(certificate.subject())),
        b"client_i_dn" => put(out, rfc2253(certificate.issuer())),
        b"client_serial" => {
            let serial = hexadecimal(certificate.raw_serial()).to_ascii_uppercase();
            put(out, serial.strip_prefix("00").unwrap_or(&serial))
        }
        b"client_v_start" => put(out, time(&certificate.validity().not_before)),
        b"client_v_end" => put(out, time(&certificate.validity().not_after)),
        b"client_v_remain" => {
            let left = certificate.validity().not_after.timestamp() - chrono::Utc::now().timestamp();
            put(out, (left.max(0) / 86_400).to_string())
        }
        _ => None,
    }
}

/// A time as OpenSSL prints it.
fn time(time: &ASN1Time) -> String {
    let date = chrono::DateTime::from_timestamp(time.timestamp(), 0).unwrap_or_default();
    date.format("%b %e %H:%M:%S %Y GMT").to_string()
}

/// A name as RFC 2253 writes it: the last part first.
fn rfc2253(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|attribute| {
            let identifier = attribute.attr_type().to_id_string();
            let value = attribute.as_str().unwrap_or_default().replace(',', "\\,").replace('+', "\\+");
            format!("{}={value}", crate::lua::library::openssl_short_name(&identifier))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}
