//! The traditional flavor: routes ordered by the kinds of attributes they match.
//!
//! A *category* is a set of attribute kinds (host, header, path, method, server name, both ends of
//! the connection). Categories with more kinds come first; within one, routes are sorted. A request
//! is tried against categories downwards.
//!
//! *Kong parity*: within a category Kong first tries the routes in one of its look-up tables and only
//! then the others, which lets some routes overtake better sorted ones; [`precedence`] repeats that.
//!
//! - [`route`]: one route with one path, and whether it matches; [`host`] and [`path`] are its parts
//! - [`request`]: the request as these routes see it
//! - [`precedence`]: the order between several matching routes

mod host;
mod path;
mod precedence;
mod request;
mod route;

pub(super) use precedence::Precedence;
pub(super) use request::TraditionalRequest;
pub(super) use route::TraditionalRoute;

/// Kinds of attributes, as bits; the greater ones order categories of the same size.
pub(super) mod kind {
    pub(crate) const HOST: u8 = 0x40;
    pub(crate) const HEADER: u8 = 0x20;
    pub(crate) const URI: u8 = 0x10;
    pub(crate) const METHOD: u8 = 0x08;
    pub(crate) const SNI: u8 = 0x04;
    pub(crate) const SRC: u8 = 0x02;
    pub(crate) const DST: u8 = 0x01;
}
