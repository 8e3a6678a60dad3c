//! IP addresses: what a text is, and sets of addresses and blocks.

use crate::conf::TrustedIps;
use crate::lua::frame::{Answer, Frame};
use crate::lua::object::{self, Object};
use ipnet::IpNet;
use std::ffi::{CStr, c_int};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "ip_family", ip_family);
    frame.set_function(table, "address_set", address_set);
}

/// 4 or 6 for the text of an address, an IPv6 one with or without brackets; nil for any other text.
fn ip_family(frame: &Frame) -> Answer {
    let text = frame.text(1)?;
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if text.parse::<Ipv4Addr>().is_ok() {
        frame.push_integer(4);
    } else if bare.unwrap_or(&text).parse::<Ipv6Addr>().is_ok() {
        frame.push_integer(6);
    } else {
        frame.push_nil();
    }
    Ok(1)
}

/// A set of the addresses and blocks in a list; other texts are left out.
struct AddressSet(Vec<IpNet>);

fn address_set(frame: &Frame) -> Answer {
    let mut blocks = Vec::new();
    super::each_value(frame, 1, |text| {
        blocks.extend(std::str::from_utf8(text).ok().and_then(TrustedIps::parse_block));
        Ok(())
    })?;
    object::push(frame, AddressSet(blocks));
    Ok(1)
}

impl Object for AddressSet {
    const NAME: &'static CStr = c"kong.address_set";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "has", |frame| {
            let set = object::at::<AddressSet>(frame, 1)?;
            let text = frame.text_at(2).and_then(|text| std::str::from_utf8(text).ok());
            let address = text.and_then(|text| text.parse::<IpAddr>().ok());
            frame.push_boolean(address.is_some_and(|address| {
                let address = address.to_canonical();
                set.0.iter().any(|block| block.contains(&address))
            }));
            Ok(1)
        });
    }
}
