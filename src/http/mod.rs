//! HTTP without sockets: heads, field lines, URIs, dates, status texts.
//!
//! Whatever the protocol on the wire (HTTP/1.1 through our codec, HTTP/2 through `h2`), the rest of
//! the gateway sees these types. They keep what nginx keeps: the order of field lines, the case of
//! their names, and duplicates. A head lives in one buffer that its connection reuses, so that a
//! steady connection allocates nothing per request.
//!
//! - [`Fields`]: an ordered list of field lines with a quick look-up for well-known names
//! - [`RequestHead`], [`ResponseHead`]: start line and fields
//! - [`Method`], [`Version`], [`Scheme`]
//! - [`date`]: dates as HTTP writes them
//! - [`status`]: reason phrases as nginx writes them; [`page`]: its pages for errors
//! - [`uri`], [`nginx_uri`], [`query`]: normal form and escaping of paths, `$uri`, query arguments

pub mod date;
mod fields;
mod head;
mod known;
pub mod nginx_uri;
pub mod page;
pub mod query;
pub mod status;
pub mod uri;

pub use fields::{Fields, same_but_dashes};
pub use head::{Method, NO_REASON, RequestHead, ResponseHead, Scheme, Version};
pub use known::Known;
