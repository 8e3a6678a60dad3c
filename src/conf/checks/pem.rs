//! Certificates and keys: a path, or the content itself, plain or in base64.

use std::path::Path;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::Findings;
use crate::conf::value::ConfValue;
use crate::conf::values::Values;

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// What a property holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A certificate.
    Certificate,
    /// A private key.
    Key,
}

impl Content {
    const fn name(self) -> &'static str {
        match self {
            Content::Certificate => "certificate",
            Content::Key => "key",
        }
    }

    fn is_in(self, text: &str) -> bool {
        match self {
            Content::Certificate => CertificateDer::from_pem_slice(text.as_bytes())
                .is_ok_and(|der| x509_parser::parse_x509_certificate(&der).is_ok()),
            Content::Key => PrivateKeyDer::from_pem_slice(text.as_bytes()).is_ok(),
        }
    }
}

/// Checks `text` of the property `name` and returns it, decoded if it is base64. The content of a file
/// is not looked at yet.
pub fn check(name: &str, text: &str, content: Content, findings: &mut Findings) -> String {
    if Path::new(text).exists() {
        return text.to_owned();
    }
    let decoded = decode(text);
    if !content.is_in(&decoded) {
        findings.error(format!("{name}: failed loading {} from {decoded}", content.name()));
    }
    decoded
}

/// Checks the text property `name`, if it is set, and replaces it by its content.
pub fn check_text(values: &mut Values, name: &str, content: Content, findings: &mut Findings) {
    if let Some(text) = values.text(name).map(str::to_owned) {
        let checked = check(name, &text, content, findings);
        values.set(name, ConfValue::String(checked));
    }
}

/// Checks each item of the list property `name` and replaces it by its content.
pub fn check_list(values: &mut Values, name: &str, content: Content, findings: &mut Findings) {
    let items = values.texts(name);
    let checked: Vec<_> = items.iter().map(|text| check(name, text, content, findings)).collect();
    values.set(name, ConfValue::list(checked));
}

/// The text behind base64, in either alphabet; the text itself if it is no base64 of a text.
pub fn decode(text: &str) -> String {
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).unwrap_or_default();
    match String::from_utf8(bytes) {
        Ok(decoded) if !decoded.is_empty() => decoded,
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_where_it_is_some() {
        assert_eq!(decode("aGVsbG8="), "hello");
        assert_eq!(decode("aGVsbG8"), "hello");
        assert_eq!(decode("Pz8_"), "???");
        assert_eq!(decode("/etc/ssl"), "/etc/ssl");
        assert_eq!(decode("not base64!"), "not base64!");
    }
}
