//! Certificates and what goes with them: what `resty.openssl.x509` and its parts are built on.
//!
//! | file | holds |
//! |---|---|
//! | [`certificate`] | certificates |
//! | [`name`] | names of subjects and issuers |
//! | [`extension`] | extensions |
//! | [`request`] | signing requests |
//! | [`revocation`] | revocation lists |
//! | [`store`] | trusted certificates, and chains verified by them |
//! | [`text`] | reading PEM and DER |

mod certificate;
mod extension;
mod name;
mod request;
mod revocation;
mod store;
mod text;

use crate::lua::frame::Frame;
use std::ffi::c_int;

pub(super) fn install(frame: &Frame, table: c_int) {
    certificate::install(frame, table);
    extension::install(frame, table);
    name::install(frame, table);
    request::install(frame, table);
    revocation::install(frame, table);
    store::install(frame, table);
}
