//! The gateway at work between raw sockets: bytes in, bytes out.

mod bodies;
mod differential;
mod errors;
mod exchanges;
mod framing;
mod harness;
mod http2;
mod keep_alive;
mod retries;
mod tls;
