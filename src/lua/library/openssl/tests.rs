//! `resty.openssl.*` with keys made for the tests.

use crate::lua::testing::{block_on, check, run_in, vm};

#[test]
fn digests_codes_and_derived_keys_have_their_known_values() {
    check(
        r#"
        local hex = require("resty.string").to_hex
        local digest, hmac, mac, kdf = require "resty.openssl.digest", require "resty.openssl.hmac", require "resty.openssl.mac", require "resty.openssl.kdf"
        local d = assert(digest.new("sha256")) d:update("hel", "lo")
        assert(hex(d:final()) == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
        assert(digest.new("md5"):final("hello") == ngx.md5_bin("hello"))
        -- RFC 4231, case 2
        local expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        assert(hex(hmac.new("Jefe", "sha256"):final("what do ya want for nothing?")) == expected)
        assert(hex(mac.new("Jefe", "HMAC", nil, "SHA256"):final("what do ya want for nothing?")) == expected)
        -- RFC 6070, case 2
        assert(hex(kdf.derive { type = kdf.PBKDF2, md = "sha1", pass = "password", salt = "salt", pbkdf2_iter = 2, outlen = 20 }) == "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957")
        -- RFC 5869, case 3
        assert(hex(kdf.derive { type = kdf.HKDF, md = "sha256", hkdf_key = ("\11"):rep(22), outlen = 42 }) == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8")
        local none, err = digest.new("nosuch") assert(none == nil and err:find("invalid digest type", 1, true))
        assert(#require("resty.openssl.rand").bytes(12) == 12)
        "#,
    );
}

#[test]
fn signatures_verify_with_the_key_that_made_them() {
    let vm = vm();
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
        let globals = vm.lua().globals();
        globals.set("private", pair.serialize_pem()).unwrap();
        globals.set("public", pair.public_key_pem()).unwrap();
        let source = r#"
            local pkey, digest = require "resty.openssl.pkey", require "resty.openssl.digest"
            local signer, verifier = assert(pkey.new(private)), assert(pkey.new(public))
            assert(signer:is_private() and not verifier:is_private() and pkey.istype(signer))
            local name = signer:get_key_type().sn
            local signed = 0
            for _, md in ipairs { "sha256", "sha384", "sha512" } do
              local sig = signer:sign("data", md)
              if sig then
                signed = signed + 1
                assert(verifier:verify(sig, "data", md) == true and verifier:verify(sig, "other", md) == false)
                assert(signer:verify(sig, "data", md) == true)
                if name == "id-ecPublicKey" then
                  local raw = assert(signer:sign("data", md, nil, { ecdsa_use_raw = true }))
                  assert(#raw == 2 * math.ceil(signer.bits / 8) and verifier:verify(raw, "data", md, nil, { ecdsa_use_raw = true }))
                elseif name == "rsaEncryption" then
                  local pss = assert(signer:sign("data", md, pkey.PADDINGS.RSA_PKCS1_PSS_PADDING))
                  assert(verifier:verify(pss, "data", md, pkey.PADDINGS.RSA_PKCS1_PSS_PADDING) and not verifier:verify(pss, "data", md))
                  local d = digest.new(md) d:update("da") d:update("ta")
                  assert(verifier:verify(signer:sign(d), d) == true)
                end
              end
            end
            assert(signed >= 1)
            assert(verifier:to_PEM("public"):find("BEGIN PUBLIC KEY", 1, true) and verifier:to_PEM("private") == nil)
            assert(select(2, verifier:sign("x")):find("not a private key", 1, true))
            assert(pkey.new(verifier:to_PEM("public")))
            assert(pkey.new("nonsense") == nil)
        "#;
        block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
    }
}

#[test]
fn certificates_tell_names_times_and_keys() {
    let vm = vm();
    let mut params = rcgen::CertificateParams::new(vec!["a.test".into()]).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "a.test");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Org");
    let pair = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&pair).unwrap();
    vm.lua().globals().set("pem", certificate.pem()).unwrap();
    let source = r#"
        local x509 = require "resty.openssl.x509"
        local c = assert(x509.new(pem))
        assert(c:get_subject_name():find("CN").blob == "a.test" and c:get_issuer_name():all().O.blob == "Org")
        assert(tostring(c:get_subject_name()):find("CN=a.test", 1, true))
        assert(c:get_subject_alt_name()[1][2] == "a.test" and c:get_not_after() > c:get_not_before())
        assert(#c:digest("sha256") == 32 and c:get_pubkey():get_key_type().sn == "id-ecPublicKey")
        assert(x509.new(c:to_PEM()):digest() == c:digest() and #c:get_serial_number():to_hex() > 0)
        assert(x509.new("nonsense") == nil)
    "#;
    block_on(run_in(&vm, source)).unwrap_or_else(|error| panic!("{}", error.report()));
}

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
        assert(none == nil and err == "bad iv length")
        "#,
    );
}
