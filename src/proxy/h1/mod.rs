//! The HTTP/1 codec (RFC 9112), for clients and upstreams both.
//!
//! A security boundary: one reading of a message, which is nginx's, and bounds on every part. Framing is
//! strict; what else nginx lets pass is written anew before it goes upstream. It works on byte slices and
//! buffers and knows no sockets, so that tests and fuzzers reach all of it.
//!
//! - [`request`], [`response`]: heads, parsed by httparse; `lenient`: requests that only nginx takes
//! - [`Framing`]: where a body ends; [`Incoming`]: reading one; [`ChunkDecoder`]: the chunked coding
//! - [`encode`]: heads onto the wire

mod chunked;
pub mod encode;
mod framing;
mod head_end;
mod incoming;
mod lenient;
pub mod request;
pub mod response;

pub use chunked::{ChunkDecoder, Malformed, Piece, write_chunk};
pub use framing::Framing;
pub use head_end::HeadEnd;
pub use incoming::Incoming;
