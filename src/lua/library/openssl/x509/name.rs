//! Names of subjects and issuers.
#![allow(unsafe_code)] // aws-lc is a C library.

use crate::lua::frame::{Answer, Frame};
use crate::lua::library::openssl::key;
use crate::lua::library::openssl::raw::{Handle, c_text, failed, sink, written};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};

/// A name in Lua's hands.
pub(super) struct Name(pub(super) Handle<sys::X509_NAME>);

impl Object for Name {
    const NAME: &'static CStr = c"x509.name";

    fn methods(_: &Frame, _: c_int) {}
}

pub(super) fn install(frame: &Frame, table: c_int) {
    // SAFETY: makes a new object.
    frame.set_function(table, "name", |frame| match unsafe { Handle::take(sys::X509_NAME_new()) } {
        Some(name) => {
            object::push(frame, Name(name));
            Ok(1)
        }
        None => frame.fail(failed("x509.name.new")),
    });
    frame.set_function(table, "name_add", add);
    frame.set_function(table, "name_entries", entries);
    frame.set_function(table, "name_text", |frame| {
        let name = object::at::<Name>(frame, 1)?;
        let Some(out) = sink() else { return frame.fail(failed("x509.name:tostring")) };
        // SAFETY: the name is live.
        unsafe {
            let flags = sys::XN_FLAG_ONELINE as std::ffi::c_ulong & !(0xf << 16) | (2 << 16);
            sys::X509_NAME_print_ex(out.get(), name.0.get(), 0, flags);
        }
        frame.push_bytes(&written(&out));
        Ok(1)
    });
}

/// Pushes a copy of a name that something else holds; `nil` for none.
///
/// # Safety
/// `name` must be null or live.
pub(super) unsafe fn push_copy(frame: &Frame, name: *mut sys::X509_NAME) {
    // SAFETY: copies a live name.
    let copy = if name.is_null() { None } else { unsafe { Handle::take(sys::X509_NAME_dup(name)) } };
    match copy {
        Some(copy) => object::push(frame, Name(copy)),
        None => frame.push_nil(),
    }
}

/// `name_add(name, field, value)`.
fn add(frame: &Frame) -> Answer {
    let name = object::at::<Name>(frame, 1)?;
    let value = frame.bytes(3)?;
    let Some(field) = c_text(frame.bytes(2)?) else { return frame.fail("invalid NID text") };
    // SAFETY: field and value are copied.
    let done = unsafe {
        if sys::OBJ_txt2nid(field.as_ptr()) == 0 {
            return frame.fail(format!("x509.name:add: invalid NID text {}", field.to_string_lossy()));
        }
        let (at, length) = (value.as_ptr(), value.len() as isize);
        sys::X509_NAME_add_entry_by_txt(name.0.get(), field.as_ptr(), sys::MBSTRING_ASC, at, length, -1, 0)
    };
    if done != 1 {
        return frame.fail(failed("x509.name:add"));
    }
    frame.push_boolean(true);
    Ok(1)
}

/// `name_entries(name)`: a list of `{ nid, id, sn, ln, blob }`.
fn entries(frame: &Frame) -> Answer {
    let name = object::at::<Name>(frame, 1)?.0.get();
    frame.push_table(4, 0);
    // SAFETY: entries stay the name's and are copied.
    unsafe {
        for index in 0..sys::X509_NAME_entry_count(name) {
            let entry = sys::X509_NAME_get_entry(name, index);
            let identifier = sys::X509_NAME_ENTRY_get_object(entry);
            let value = sys::X509_NAME_ENTRY_get_data(entry);
            frame.push_table(0, 5);
            push_identifier(frame, identifier);
            frame.push_bytes(&string_bytes(value));
            frame.set_field(-2, "blob");
            frame.set_index(-2, index.unsigned_abs() as usize + 1);
        }
    }
    Ok(1)
}

/// Adds what an identifier is called to the table on top.
///
/// # Safety
/// `identifier` must be live.
pub(super) unsafe fn push_identifier(frame: &Frame, identifier: *const sys::ASN1_OBJECT) {
    let mut text = [0; 128];
    // SAFETY: the buffer has the length it is said to have.
    let (nid, id) = unsafe {
        sys::OBJ_obj2txt(text.as_mut_ptr(), text.len() as c_int, identifier, 1);
        (sys::OBJ_obj2nid(identifier), CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned())
    };
    frame.push_integer(i64::from(nid));
    frame.set_field(-2, "nid");
    frame.push_text(&id);
    frame.set_field(-2, "id");
    let (short, long) = key::names(nid).filter(|_| nid != 0).unwrap_or_else(|| (id.clone(), id));
    frame.push_text(&short);
    frame.set_field(-2, "sn");
    frame.push_text(&long);
    frame.set_field(-2, "ln");
}

/// The bytes of a string of ASN.1.
///
/// # Safety
/// `string` must be null or live.
pub(super) unsafe fn string_bytes(string: *const sys::ASN1_STRING) -> Vec<u8> {
    if string.is_null() {
        return Vec::new();
    }
    // SAFETY: the bytes are copied.
    unsafe {
        let length = usize::try_from(sys::ASN1_STRING_length(string)).unwrap_or(0);
        let data = sys::ASN1_STRING_get0_data(string);
        if data.is_null() { Vec::new() } else { std::slice::from_raw_parts(data, length).to_vec() }
    }
}
