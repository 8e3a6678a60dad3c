//! The gateway at work between raw sockets: bytes in, bytes out.

mod bodies;
mod errors;
mod exchanges;
mod framing;
mod harness;
mod keep_alive;
mod retries;
