//! TLS towards clients.

use super::{Plain, Stream, Worker};
use crate::exchange::Client;

/// TLS of one listener.
#[derive(Debug)]
pub struct ServerTls {}

impl ServerTls {
    /// Handshakes.
    pub async fn accept(&self, _: &Worker, _: Plain, _: &mut Client) -> Option<Stream> {
        None
    }
}
