//! What a client's first message says that the TLS library does not tell.

/// Most bytes of a first message that are looked at.
pub(super) const LONGEST: usize = 4096;

/// Extension `status_request` (RFC 6066, section 8).
const STATUS_REQUEST: u16 = 5;

/// Whether a client asks for the status of the certificate; none where not all of its message has arrived yet, or it
/// spans records.
pub(super) fn asks_for_status(bytes: &[u8]) -> Option<bool> {
    let mut rest = Reader(bytes);
    rest.take(3)?;
    let length = rest.number(2)?;
    let mut message = Reader(rest.take(length)?);
    message.take(4 + 2 + 32)?;
    for width in [1, 2, 1] {
        let length = message.number(width)?;
        message.take(length)?;
    }
    if message.0.is_empty() {
        return Some(false);
    }
    let length = message.number(2)?;
    let mut extensions = Reader(message.take(length)?);
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let length = extensions.number(2)?;
        extensions.take(length)?;
        if kind == usize::from(STATUS_REQUEST) {
            return Some(true);
        }
    }
    Some(false)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self, width: usize) -> Option<usize> {
        Some(self.take(width)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{ClientConfig, ClientConnection, RootCertStore};
    use std::sync::Arc;

    fn hello() -> Vec<u8> {
        let config =
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), "a.test".try_into().unwrap()).unwrap();
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_client_of_this_library_asks_for_the_status() {
        assert_eq!(asks_for_status(&hello()), Some(true));
    }

    #[test]
    fn a_message_is_not_judged_before_it_is_whole() {
        let bytes = hello();
        for length in 0..bytes.len() {
            assert_eq!(asks_for_status(&bytes[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_client_without_extensions_does_not_ask() {
        let mut message = vec![1, 0, 0, 41, 3, 3];
        message.extend([7; 32]);
        message.extend([0, 0, 2, 0x13, 1, 1, 0]);
        let mut bytes = vec![0x16, 3, 1, 0, message.len() as u8];
        bytes.extend(&message);
        assert_eq!(asks_for_status(&bytes), Some(false));
    }
}
