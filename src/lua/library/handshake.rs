//! The parts of `ngx.ssl` that change the handshake of the running `certificate` phase.

use crate::exchange::{ClientCertificateRequest, Handshake, OwnCertificate, Phase, current};
use crate::lua::context;
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::ngx::socket::tls::{Chain, Key};
use crate::lua::object;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "clear_certs", |frame| {
        change(frame, |handshake| {
            handshake.certificates = Some(Vec::new());
            Ok(())
        })
    });
    frame.set_function(table, "set_cert", |frame| {
        let chain = object::at::<Chain>(frame, 1)?.0.clone();
        change(frame, |handshake| set_chain(handshake, chain))
    });
    frame.set_function(table, "set_der_cert", |frame| match split(frame.bytes(1)?) {
        Some(chain) => change(frame, |handshake| set_chain(handshake, chain)),
        None => frame.fail("d2i_X509_bio() failed"),
    });
    frame.set_function(table, "set_priv_key", |frame| {
        let key = object::at::<Key>(frame, 1)?.0.clone_key();
        change(frame, |handshake| set_key(handshake, key))
    });
    frame.set_function(table, "set_der_priv_key", |frame| {
        match PrivateKeyDer::try_from(frame.bytes(1)?.to_vec()) {
            Ok(key) => change(frame, |handshake| set_key(handshake, key)),
            Err(_) => frame.fail("d2i_PrivateKey_bio() failed"),
        }
    });
    frame.set_function(table, "_verify_client", |frame| {
        let authorities = certificates(frame, 1)?;
        let depth = frame.optional_number(2)?.map_or(1, |depth| depth.max(0.0) as u32);
        change(frame, |handshake| {
            handshake.client_certificate = Some(ClientCertificateRequest { authorities, depth });
            Ok(())
        })
    });
    frame.set_function(table, "_set_ocsp_status", set_status);
    frame.set_function(table, "_refuse_resumption", |frame| {
        change(frame, |handshake| {
            handshake.refuses_resumption = true;
            Ok(())
        })
    });
}

/// The certificates of an argument: none, a chain as `parse_pem_cert` answers it, or a list of DER texts.
///
/// # Errors
/// A type error that names the argument.
pub(in crate::lua) fn certificates(frame: &Frame, at: c_int) -> Result<Vec<CertificateDer<'static>>, Flow> {
    match frame.kind(at) {
        Kind::None | Kind::Nil => Ok(Vec::new()),
        Kind::Table => {
            let mut all = Vec::new();
            for index in 1..=frame.length(at) {
                frame.push_index(at, index);
                all.push(CertificateDer::from(frame.bytes(-1)?.to_vec()));
                frame.pop(1);
            }
            Ok(all)
        }
        _ => object::at::<Chain>(frame, at).map(|chain| chain.0.clone()),
    }
}

/// Changes the handshake that waits for the running phase.
///
/// # Errors
/// Answered, not raised, as OpenResty does: there is no handshake.
fn change(frame: &Frame, act: impl FnOnce(&mut Handshake) -> Result<(), &'static str>) -> Answer {
    if context::phase() != Phase::Certificate {
        return frame.fail("bad ssl conn");
    }
    let done = current::with(|exchange| act(exchange.handshake.get_or_insert_default()));
    match done {
        Some(Ok(())) => {
            frame.push_boolean(true);
            Ok(1)
        }
        Some(Err(why)) => frame.fail(why),
        None => frame.fail("bad request"),
    }
}

/// `set_status(response)`: the status that goes with the certificate, for clients that ask for it.
fn set_status(frame: &Frame) -> Answer {
    let status = frame.bytes(1)?.to_vec();
    match current::with(|exchange| exchange.client.tls.as_ref().map(|tls| tls.asks_for_status)).flatten() {
        None => return frame.fail("bad request"),
        Some(false) => {
            frame.push_boolean(true);
            frame.push_text("no status req");
            return Ok(2);
        }
        Some(true) => {}
    }
    change(frame, |handshake| {
        handshake.ocsp = Some(status);
        Ok(())
    })
}

fn set_chain(handshake: &mut Handshake, chain: Vec<CertificateDer<'static>>) -> Result<(), &'static str> {
    let own = handshake.certificates.get_or_insert_default();
    match own.last_mut().filter(|last| last.key.is_none()) {
        Some(last) => last.chain = chain,
        None => own.push(OwnCertificate { chain, key: None }),
    }
    Ok(())
}

fn set_key(handshake: &mut Handshake, key: PrivateKeyDer<'static>) -> Result<(), &'static str> {
    let last = handshake.certificates.as_mut().and_then(|own| own.last_mut());
    last.ok_or("no certificate was set for this key")?.key = Some(key);
    Ok(())
}

/// The certificates of a DER text that has one after the other, as `cert_pem_to_der` makes it.
fn split(der: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (mut rest, mut chain) = (der, Vec::new());
    while !rest.is_empty() {
        let (after, _) = X509Certificate::from_der(rest).ok()?;
        let length = rest.len() - after.len();
        chain.push(CertificateDer::from(rest.get(..length)?.to_vec()));
        rest = after;
    }
    (!chain.is_empty()).then_some(chain)
}
