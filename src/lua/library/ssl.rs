//! `ngx.ssl`: certificates and keys as objects, and what the client's handshake said.

use crate::exchange::{Address, current};
use crate::lua::frame::{Answer, Frame};
use crate::lua::ngx::socket::tls::{Chain, Key};
use crate::lua::object;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::ffi::c_int;

/// Loader of `ngx.ssl.native`, on which `ngx.ssl` is built.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 16);
    let table = frame.top();
    install_parsers(frame, table);
    install_client(frame, table);
    super::handshake::install(frame, table);
    for (name, number) in [
        ("SSL3_VERSION", 0x300),
        ("TLS1_VERSION", 0x301),
        ("TLS1_1_VERSION", 0x302),
        ("TLS1_2_VERSION", 0x303),
        ("TLS1_3_VERSION", 0x304),
    ] {
        frame.push_integer(number);
        frame.set_field(table, name);
    }
    Ok(1)
}

fn install_parsers(frame: &Frame, table: c_int) {
    frame.set_function(table, "parse_pem_cert", |frame| {
        match certificates(frame.bytes(1)?) {
            Some(chain) => object::push(frame, Chain(chain)),
            None => return frame.fail("PEM_read_bio_X509_AUX() failed"),
        }
        Ok(1)
    });
    frame.set_function(table, "parse_der_cert", |frame| {
        let chain = vec![CertificateDer::from(frame.bytes(1)?.to_vec())];
        object::push(frame, Chain(chain));
        Ok(1)
    });
    frame.set_function(table, "parse_pem_priv_key", |frame| {
        match PrivateKeyDer::from_pem_slice(frame.bytes(1)?) {
            Ok(key) => object::push(frame, Key(key)),
            Err(_) => return frame.fail("PEM_read_bio_PrivateKey() failed"),
        }
        Ok(1)
    });
    frame.set_function(table, "parse_der_priv_key", |frame| {
        match PrivateKeyDer::try_from(frame.bytes(1)?.to_vec()) {
            Ok(key) => object::push(frame, Key(key)),
            Err(_) => return frame.fail("d2i_PrivateKey_bio() failed"),
        }
        Ok(1)
    });
    frame.set_function(table, "cert_pem_to_der", |frame| {
        match certificates(frame.bytes(1)?) {
            Some(chain) => {
                let der: Vec<u8> = chain.iter().flat_map(|one| one.as_ref().to_vec()).collect();
                frame.push_bytes(&der);
            }
            None => return frame.fail("PEM_read_bio_X509_AUX() failed"),
        }
        Ok(1)
    });
    frame.set_function(table, "priv_key_pem_to_der", |frame| {
        match PrivateKeyDer::from_pem_slice(frame.bytes(1)?) {
            Ok(key) => frame.push_bytes(key.secret_der()),
            Err(_) => return frame.fail("PEM_read_bio_PrivateKey() failed"),
        }
        Ok(1)
    });
}

/// All certificates of a PEM text; none where it has none or one is broken.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    if chain.is_empty() { None } else { Some(chain) }
}

fn install_client(frame: &Frame, table: c_int) {
    frame.set_function(table, "server_name", |frame| {
        let name = current::with(|exchange| exchange.client.tls.as_ref().and_then(|tls| tls.sni.clone()));
        match name.flatten() {
            Some(name) => frame.push_text(&name),
            None => frame.push_nil(),
        }
        Ok(1)
    });
    frame.set_function(table, "get_tls1_version_str", |frame| {
        match current::with(|exchange| exchange.client.tls.as_ref().map(|tls| tls.version)).flatten() {
            Some(version) => frame.push_text(version),
            None => return frame.fail("bad ssl conn"),
        }
        Ok(1)
    });
    frame.set_function(table, "get_tls1_version", |frame| {
        match current::with(|exchange| exchange.client.tls.as_ref().map(|tls| tls.version)).flatten() {
            Some("TLSv1.2") => frame.push_integer(0x303),
            Some("TLSv1.3") => frame.push_integer(0x304),
            _ => return frame.fail("bad ssl conn"),
        }
        Ok(1)
    });
    frame.set_function(table, "server_port", |frame| {
        match current::with(|exchange| exchange.client.local.port()) {
            Some(port) if port > 0 => frame.push_integer(port.into()),
            Some(_) => return frame.fail("unix domain has no port"),
            None => return frame.fail("no request found"),
        }
        Ok(1)
    });
    frame.set_function(table, "raw_client_addr", |frame| {
        push_address(frame, current::with(|exchange| exchange.client.peer.clone()))
    });
    frame.set_function(table, "raw_server_addr", |frame| {
        push_address(frame, current::with(|exchange| exchange.client.local.clone()))
    });
}

/// Answers the bytes of an address and their kind.
fn push_address(frame: &Frame, address: Option<Address>) -> Answer {
    let Some(address) = address else { return frame.fail("no request found") };
    let kind = match address.socket.map(|socket| socket.ip().to_canonical()) {
        Some(std::net::IpAddr::V4(ip)) => {
            frame.push_bytes(&ip.octets());
            "inet"
        }
        Some(std::net::IpAddr::V6(ip)) => {
            frame.push_bytes(&ip.octets());
            "inet6"
        }
        None => {
            frame.push_text(&address.text);
            "unix"
        }
    };
    frame.push_text(kind);
    Ok(2)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::{block_on, run_in, vm};

    #[test]
    fn certificates_and_keys_are_read_from_pem() {
        let issued = rcgen::generate_simple_self_signed(vec!["a.test".into()]).unwrap();
        let vm = vm();
        vm.lua().globals().set("cert", issued.cert.pem()).unwrap();
        vm.lua().globals().set("key", issued.signing_key.serialize_pem()).unwrap();
        let source = r#"
            local ssl = require "ngx.ssl"
            local chain, key = assert(ssl.parse_pem_cert(cert)), assert(ssl.parse_pem_priv_key(key))
            assert(ngx.socket.tcp():setclientcert(chain, key) == 1)
            assert(not pcall(ngx.socket.tcp().setclientcert, ngx.socket.tcp(), 1, 2))
            assert(#assert(ssl.cert_pem_to_der(cert)) > 100)
            local none, err = ssl.parse_pem_cert("x") assert(none == nil and err:find("PEM_read_bio", 1, true))
            assert(ssl.server_name() == nil)
        "#;
        block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
    }
}
