//! What OpenSSL says about a text that is no certificate or key.
//!
//! *Kong parity*: PEM is tried first and DER last, and the last attempt's error is told. Which one it is follows from
//! how the first bytes read as the head of an ASN.1 value.

const TOO_LONG: &str =
    "error:680007B:asn1 encoding routines:ASN1_get_object:header too long:asn1/asn1_lib.c:105:";
const NOT_ENOUGH: &str =
    "error:680008E:asn1 encoding routines:asn1_d2i_read_bio:not enough data:asn1/a_d2i_fp.c:216:";
const NESTED: &str =
    "error:688010A:asn1 encoding routines:asn1_item_embed_d2i:nested asn1 error:asn1/tasn_dec.c:349:";
const NESTED_IN_FIELD: &str =
    "error:688010A:asn1 encoding routines:asn1_template_noexp_d2i:nested asn1 error:asn1/tasn_dec.c:685:";

/// How many bytes are looked at before the value itself is read.
const HEAD: usize = 8;
const SEQUENCE: u8 = 0x30;

/// The error for a text that is neither PEM nor DER.
pub(super) fn reason(text: &str) -> &'static str {
    let bytes = text.as_bytes();
    let Some((tag, rest)) = bytes.get(..HEAD.min(bytes.len())).and_then(<[u8]>::split_first) else {
        return NOT_ENOUGH;
    };
    let Some((length, rest)) = after_tag(*tag, rest).and_then(|rest| length(*tag, rest)) else {
        return TOO_LONG;
    };
    let begin = bytes.len().min(HEAD) - rest.len();
    match length {
        Some(length) if length <= bytes.len() - begin => match *tag {
            SEQUENCE => NESTED_IN_FIELD,
            _ => NESTED,
        },
        _ => NOT_ENOUGH,
    }
}

/// What comes after the tag, which goes on over several bytes where all its low bits are set.
fn after_tag(tag: u8, rest: &[u8]) -> Option<&[u8]> {
    if tag & 0x1f != 0x1f {
        return Some(rest);
    }
    let end = rest.iter().position(|byte| byte & 0x80 == 0)?;
    rest.get(end + 1..)
}

/// The length, none for one that is told at the end only, and what comes after it.
fn length(tag: u8, rest: &[u8]) -> Option<(Option<usize>, &[u8])> {
    let (first, rest) = rest.split_first()?;
    let count = usize::from(first & 0x7f);
    match (first & 0x80 != 0, count) {
        (false, length) => Some((Some(length), rest)),
        (true, 0) => (tag & 0x20 != 0).then_some((None, rest)),
        (true, count) => {
            let (digits, rest) = rest.split_at_checked(count)?;
            let length = digits.iter().fold(0usize, |length, digit| length << 8 | usize::from(*digit));
            Some((Some(length), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_the_one_that_openssl_gives() {
        let long = "y".repeat(40);
        for (text, expected) in [
            ("x", TOO_LONG),
            ("a b", NOT_ENOUGH),
            ("80", NOT_ENOUGH),
            ("-----BEGIN FOO-----\nAAAA\n-----END FOO-----", NOT_ENOUGH),
            ("\u{e9}.com", TOO_LONG),
            ("_a", TOO_LONG),
            ("~", TOO_LONG),
            (&format!("a\n{long}"), NESTED),
            (&format!("0\n{long}"), NESTED_IN_FIELD),
            (&format!("0\u{80}{long}"), TOO_LONG),
            ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", NESTED),
        ] {
            assert_eq!(reason(text), expected, "{text:?}");
        }
    }
}
