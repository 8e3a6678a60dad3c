//! What verifying certificates gives, in nginx's and OpenSSL's words.
#![allow(unsafe_code)] // aws-lc is a C library.

use aws_lc_sys as sys;
use rustls::pki_types::CertificateDer;
use std::ffi::{CStr, c_int, c_long};
use std::ptr;

/// `SUCCESS`, `NONE` where there is no certificate, or `FAILED:` and why, for a chain with its leaf first.
///
/// `depth` is the most certificates between leaf and authority.
///
/// *Kong parity*: nothing is refused; verification goes on after a defect, so that the last one is told, as with
/// OpenSSL and a callback that takes everything.
pub fn client_verify(
    chain: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    depth: u32,
) -> Box<str> {
    let Some((leaf, rest)) = chain.split_first() else { return "NONE".into() };
    match verify(leaf, rest, authorities, depth, c"ssl_client") {
        Some(sys::X509_V_OK) => "SUCCESS".into(),
        Some(code) => format!("FAILED:{}", words(code)).into(),
        None => "FAILED:certificate verify failed".into(),
    }
}

/// Why a server's chain that leads to no authority, or is out of its time, is not taken: number and words.
///
/// *Kong parity*: as for [clients](client_verify), the last defect is told.
pub(super) fn server_defect(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    depth: usize,
) -> Option<(i32, String)> {
    let code = verify(leaf, rest, &[], u32::try_from(depth).unwrap_or(u32::MAX), c"ssl_server")?;
    (code != sys::X509_V_OK).then(|| (code, words(code)))
}

/// The code that verification leaves; none where a certificate cannot be read.
fn verify(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    authorities: &[CertificateDer<'_>],
    depth: u32,
    purpose: &CStr,
) -> Option<c_int> {
    let leaf = Certificate::read(leaf)?;
    let rest: Vec<Certificate> = rest.iter().filter_map(|der| Certificate::read(der)).collect();
    let authorities: Vec<Certificate> = authorities.iter().filter_map(|der| Certificate::read(der)).collect();
    // SAFETY: all objects are made here and freed below, after the last use; store and stack borrow or count
    // certificates that outlive them.
    unsafe {
        let (store, stack) = (sys::X509_STORE_new(), sys::OPENSSL_sk_new_null());
        let context = sys::X509_STORE_CTX_new();
        for authority in &authorities {
            sys::X509_STORE_add_cert(store, authority.0);
        }
        for certificate in &rest {
            sys::OPENSSL_sk_push(stack, certificate.0.cast());
        }
        let mut code = None;
        if sys::X509_STORE_CTX_init(context, store, leaf.0, stack.cast()) == 1
            && sys::X509_STORE_CTX_set_default(context, purpose.as_ptr()) == 1
        {
            sys::X509_STORE_CTX_set_depth(context, c_int::try_from(depth).unwrap_or(c_int::MAX));
            sys::X509_STORE_CTX_set_verify_cb(context, Some(take_everything));
            sys::X509_verify_cert(context);
            code = Some(sys::X509_STORE_CTX_get_error(context));
        }
        sys::X509_STORE_CTX_free(context);
        sys::OPENSSL_sk_free(stack);
        sys::X509_STORE_free(store);
        sys::ERR_clear_error();
        code
    }
}

unsafe extern "C" fn take_everything(_: c_int, _: *mut sys::X509_STORE_CTX) -> c_int {
    1
}

/// OpenSSL 3's words for a code; aws-lc's are those of older versions.
fn words(code: c_int) -> String {
    // SAFETY: answers a static text for every code.
    let text = unsafe { CStr::from_ptr(sys::X509_verify_cert_error_string(c_long::from(code))) };
    text.to_string_lossy().replace("self signed", "self-signed")
}

/// A certificate, freed when dropped.
struct Certificate(*mut sys::X509);

impl Certificate {
    fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
        let (mut at, length) = (der.as_ptr(), c_long::try_from(der.len()).ok()?);
        // SAFETY: reads within the slice and makes a new object, or answers null.
        let made = unsafe { sys::d2i_X509(ptr::null_mut(), &mut at, length) };
        (!made.is_null()).then_some(Certificate(made))
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // SAFETY: the object is this value's own.
        unsafe { sys::X509_free(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    fn authority(
        name: &str,
        issuer: Option<&CertifiedIssuer<'_, KeyPair>>,
    ) -> CertifiedIssuer<'static, KeyPair> {
        let params = named(name, true);
        let key = KeyPair::generate().unwrap();
        match issuer {
            None => CertifiedIssuer::self_signed(params, key).unwrap(),
            Some(issuer) => CertifiedIssuer::signed_by(params, key, issuer).unwrap(),
        }
    }

    fn named(name: &str, is_authority: bool) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    #[test]
    fn a_clients_chain_is_judged_in_the_words_of_openssl() {
        let root = authority("root", None);
        let middle = authority("middle", Some(&root));
        let key = KeyPair::generate().unwrap();
        let leaf = |issuer| named("leaf", false).signed_by(&key, issuer).unwrap().der().clone();
        let (direct, indirect) = (leaf(&root), leaf(&middle));
        let own = named("own", false).self_signed(&key).unwrap().der().clone();
        let (root, middle) = (root.der().clone(), middle.der().clone());
        let judged = |chain: &[&CertificateDer<'static>], roots: &[&CertificateDer<'static>], depth| {
            let all =
                |list: &[&CertificateDer<'static>]| list.iter().map(|one| (*one).clone()).collect::<Vec<_>>();
            client_verify(&all(chain), &all(roots), depth).into_string()
        };
        assert_eq!(judged(&[], &[&root], 0), "NONE");
        assert_eq!(judged(&[&direct], &[&root], 0), "SUCCESS");
        assert_eq!(judged(&[&indirect, &middle], &[&root], 1), "SUCCESS");
        assert_eq!(
            judged(&[&indirect, &middle], &[&root], 0),
            "FAILED:unable to get local issuer certificate"
        );
        assert_eq!(judged(&[&direct], &[], 0), "FAILED:unable to verify the first certificate");
        assert_eq!(judged(&[&own], &[&root], 0), "FAILED:self-signed certificate");
        assert_eq!(judged(&[&direct, &root], &[], 1), "FAILED:self-signed certificate in certificate chain");
    }
}
