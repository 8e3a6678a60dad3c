//! What certificates say, for those who only read.

use crate::lua::frame::{Answer, Frame};
use std::ffi::c_int;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::extensions::SubjectAlternativeName;
use x509_parser::prelude::{FromDer, GeneralName};

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "alternative_names", alternative_names);
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

/// `alternative_names(der)`: a list of `{ kind, value }`.
fn alternative_names(frame: &Frame) -> Answer {
    let Ok((_, names)) = SubjectAlternativeName::from_der(frame.bytes(1)?) else {
        return frame.fail("x509.altname: failed to read");
    };
    let known = names.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(("DNS", (*name).to_owned())),
        GeneralName::RFC822Name(name) => Some(("email", (*name).to_owned())),
        GeneralName::URI(name) => Some(("URI", (*name).to_owned())),
        GeneralName::IPAddress(address) => Some(("IP", address_text(address)?)),
        GeneralName::DirectoryName(name) => Some(("DirName", name.to_string())),
        _ => None,
    });
    frame.push_table(2, 0);
    for (index, (kind, value)) in known.enumerate() {
        frame.push_table(2, 0);
        frame.push_text(kind);
        frame.set_index(-2, 1);
        frame.push_text(&value);
        frame.set_index(-2, 2);
        frame.set_index(-2, index + 1);
    }
    Ok(1)
}

fn address_text(address: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(address) {
        return Some(Ipv4Addr::from(octets).to_string());
    }
    <[u8; 16]>::try_from(address).ok().map(|octets| Ipv6Addr::from(octets).to_string())
}
