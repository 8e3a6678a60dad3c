//! `kong.self_signed`: new certificates for specs.

use crate::lua::frame::{Answer, Flow, Frame};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_RSA_SHA256, RsaKeySize,
};

/// Loader of `kong.self_signed`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 1);
    let table = frame.top();
    frame.set_function(table, "make", make);
    Ok(1)
}

/// `make(common name, "rsa" or "ecdsa", whether it signs others)`: certificate and key, both PEM.
fn make(frame: &Frame) -> Answer {
    let name = frame.text(1)?.into_owned();
    let is_rsa = frame.bytes(2)? == b"rsa";
    let (certificate, key) =
        generate(&name, is_rsa, frame.truth(3)).map_err(|error| Flow::raise(error.to_string()))?;
    frame.push_text(&certificate);
    frame.push_text(&key);
    Ok(2)
}

fn generate(name: &str, is_rsa: bool, is_ca: bool) -> Result<(String, String), rcgen::Error> {
    let key = if is_rsa {
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?
    } else {
        KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?
    };
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        check(
            r#"
            local make = require("kong.self_signed").make
            for _, kind in ipairs { "rsa", "ecdsa" } do
              local cert, key = make("example.test", kind)
              assert(cert:find("BEGIN CERTIFICATE", 1, true) and key:find("PRIVATE KEY", 1, true))
              local x509 = assert(require("resty.openssl.x509").new(cert))
              local public = assert(x509:get_pubkey()):to_PEM("public")
              assert(public == assert(require("resty.openssl.pkey").new(key)):to_PEM("public"))
            end
            "#,
        );
    }
}
