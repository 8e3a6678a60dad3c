//! Digests of `ngx`: MD5, SHA-1, HMAC-SHA-1, CRC-32.

use super::encode::loose;
use crate::lua::frame::Frame;
use aws_lc_rs::{digest, hmac};
use md5::{Digest, Md5};
use std::ffi::c_int;
use std::fmt::Write;

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "md5", |frame| {
        frame.push_text(&hexadecimal(&Md5::digest(loose(frame, 1)?)));
        Ok(1)
    });
    frame.set_function(ngx, "md5_bin", |frame| {
        frame.push_bytes(&Md5::digest(loose(frame, 1)?));
        Ok(1)
    });
    frame.set_function(ngx, "sha1_bin", |frame| {
        let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, loose(frame, 1)?);
        frame.push_bytes(digest.as_ref());
        Ok(1)
    });
    frame.set_function(ngx, "hmac_sha1", |frame| {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, frame.bytes(1)?);
        frame.push_bytes(hmac::sign(&key, frame.bytes(2)?).as_ref());
        Ok(1)
    });
    for name in ["crc32_short", "crc32_long"] {
        frame.set_function(ngx, name, |frame| {
            let mut sum = flate2::Crc::new();
            sum.update(loose(frame, 1)?);
            frame.push_number(f64::from(sum.sum()));
            Ok(1)
        });
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(in crate::lua) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn digests_have_their_known_values() {
        check(
            r#"
            assert(ngx.md5("hello") == "5d41402abc4b2a76b9719d911017c592")
            assert(#ngx.md5_bin("") == 16 and #ngx.sha1_bin("") == 20)
            assert(ngx.encode_base64(ngx.hmac_sha1("thisisverysecretstuff", "some string we want to sign")) == "R/pvxzHC4NLtj7S+kXFg/NePTmk=")
            assert(ngx.crc32_short("hello, world") == 4289425978)
            "#,
        );
    }
}
