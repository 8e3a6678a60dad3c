//! The cipher under `resty.aes`: AES in CBC, CTR and GCM.

use crate::lua::frame::{Answer, Flow, Frame};
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_256, Algorithm, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;

/// Bytes of a GCM tag.
const TAG: usize = 16;

/// Loader of `resty.aes.cipher`, which `resty.aes` builds on.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 2);
    let table = frame.top();
    frame.set_function(table, "encrypt", encrypt);
    frame.set_function(table, "decrypt", decrypt);
    Ok(1)
}

fn algorithm(key: &[u8]) -> Result<&'static Algorithm, Flow> {
    match key.len() {
        16 => Ok(&AES_128),
        32 => Ok(&AES_256),
        _ => Err(Flow::raise("bad key length")),
    }
}

/// `encrypt(mode, key, iv, text)`: the cipher text, and the tag in GCM.
fn encrypt(frame: &Frame) -> Answer {
    let (key, iv, text) = (frame.bytes(2)?, frame.bytes(3)?, frame.bytes(4)?);
    let mut data = text.to_vec();
    let done = match frame.bytes(1)? {
        b"gcm" => return seal(frame, key, iv, data),
        b"ctr" => encrypt_ctr(algorithm(key)?, key, iv, &mut data),
        _ => encrypt_cbc(algorithm(key)?, key, iv, &mut data),
    };
    match done {
        Ok(()) => frame.push_bytes(&data),
        Err(_) => frame.push_nil(),
    }
    Ok(1)
}

/// `decrypt(mode, key, iv, text, tag)`: the plain text, or `nil`.
fn decrypt(frame: &Frame) -> Answer {
    let (key, iv, text) = (frame.bytes(2)?, frame.bytes(3)?, frame.bytes(4)?);
    let mut data = text.to_vec();
    let length = match frame.bytes(1)? {
        b"gcm" => return open(frame, key, iv, data),
        b"ctr" => decrypt_ctr(algorithm(key)?, key, iv, &mut data),
        _ => decrypt_cbc(algorithm(key)?, key, iv, &mut data),
    };
    match length.ok().and_then(|length| data.get(..length)) {
        Some(plain) => frame.push_bytes(plain),
        None => frame.push_nil(),
    }
    Ok(1)
}

fn iv_of(iv: &[u8]) -> Result<FixedLength<16>, Unspecified> {
    <[u8; 16]>::try_from(iv).map(FixedLength::from).map_err(|_| Unspecified)
}

fn encrypt_cbc(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    data: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let key = UnboundCipherKey::new(algorithm, key)?;
    let context = EncryptionContext::Iv128(iv_of(iv)?);
    PaddedBlockEncryptingKey::cbc_pkcs7(key)?.less_safe_encrypt(data, context).map(drop)
}

fn decrypt_cbc(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<usize, Unspecified> {
    let key = UnboundCipherKey::new(algorithm, key)?;
    let context = DecryptionContext::Iv128(iv_of(iv)?);
    PaddedBlockDecryptingKey::cbc_pkcs7(key)?.decrypt(data, context).map(|plain| plain.len())
}

fn encrypt_ctr(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<(), Unspecified> {
    let key = UnboundCipherKey::new(algorithm, key)?;
    let context = EncryptionContext::Iv128(iv_of(iv)?);
    EncryptingKey::ctr(key)?.less_safe_encrypt(data, context).map(drop)
}

fn decrypt_ctr(
    algorithm: &'static Algorithm,
    key: &[u8],
    iv: &[u8],
    data: &mut [u8],
) -> Result<usize, Unspecified> {
    let key = UnboundCipherKey::new(algorithm, key)?;
    let context = DecryptionContext::Iv128(iv_of(iv)?);
    DecryptingKey::ctr(key)?.decrypt(data, context).map(|plain| plain.len())
}

fn gcm(key: &[u8], iv: &[u8]) -> Result<(LessSafeKey, Nonce), Flow> {
    let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
    let key = UnboundKey::new(algorithm, key).map_err(|_| Flow::raise("bad key length"))?;
    let nonce = Nonce::try_assume_unique_for_key(iv).map_err(|_| Flow::raise("bad iv length"))?;
    Ok((LessSafeKey::new(key), nonce))
}

fn seal(frame: &Frame, key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Answer {
    let (key, nonce) = gcm(key, iv)?;
    match key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut data) {
        Ok(tag) => {
            frame.push_bytes(&data);
            frame.push_bytes(tag.as_ref());
            Ok(2)
        }
        Err(_) => frame.fail("EVP_EncryptFinal_ex failed"),
    }
}

fn open(frame: &Frame, key: &[u8], iv: &[u8], mut data: Vec<u8>) -> Answer {
    let (key, nonce) = gcm(key, iv)?;
    let tag = frame.bytes(5)?;
    if tag.len() != TAG {
        return frame.fail("bad tag length");
    }
    data.extend_from_slice(tag);
    match key.open_in_place(nonce, Aad::empty(), &mut data) {
        Ok(plain) => frame.push_bytes(plain),
        Err(_) => frame.push_nil(),
    }
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn what_is_encrypted_is_decrypted() {
        check(
            r#"
            local aes = require "resty.aes"
            local to_hex = require("resty.string").to_hex
            local plain = aes:new("secret")
            assert(plain:decrypt(plain:encrypt("hello")) == "hello")
            local key = string.rep("k", 32)
            for _, cipher in ipairs { aes.cipher(256, "cbc"), aes.cipher(256, "ctr"), aes.cipher(256, "gcm") } do
              local iv = string.rep("i", cipher.method == "gcm" and 12 or 16)
              local a = assert(aes:new(key, nil, cipher, { iv = iv }))
              local secret = a:encrypt("attack at dawn")
              if cipher.method == "gcm" then
                assert(a:decrypt(secret[1], secret[2]) == "attack at dawn")
                assert(a:decrypt(secret[1], string.rep("x", 16)) == nil)
              else
                assert(a:decrypt(secret) == "attack at dawn")
              end
            end
            -- NIST SP 800-38A, F.2.1, first block
            local function bytes(hex) return (hex:gsub("..", function(h) return string.char(tonumber(h, 16)) end)) end
            local a = aes:new(bytes("2b7e151628aed2a6abf7158809cf4f3c"), nil, aes.cipher(128, "cbc"), { iv = bytes("000102030405060708090a0b0c0d0e0f") })
            assert(to_hex(a:encrypt(bytes("6bc1bee22e409f96e93d7e117393172a"))):sub(1, 32) == "7649abac8119b246cee98e9b12e9197d")
            local none, err = aes:new("short", nil, aes.cipher(256), { iv = "x" })
            assert(none == nil and err == "bad iv")
            "#,
        );
    }
}
