//! Keys of the `keys` entity.

use super::tls;
use crate::schema::check::Check;
use crate::schema::field::Field;
use crate::schema::record::Record;

/// The texts that a JSON Web Key may hold.
const JWK_TEXTS: [&str; 22] = [
    "issuer", "kty", "use", "alg", "x5u", "x5t", "x5t#S256", "k", "x", "y", "crv", "n", "e", "d", "p", "q",
    "dp", "dq", "qi", "oth", "r", "t",
];

/// The lists that a JSON Web Key may hold.
const JWK_LISTS: [&str; 2] = ["key_ops", "x5c"];

/// A pair of keys in PEM.
pub fn pem() -> Field {
    let private = Field::string().optional().referenceable().encrypted();
    let public = Field::string().optional().referenceable();
    Field::record(
        Record::new([("private_key", private), ("public_key", public)])
            .check(Check::at_least_one_of(["private_key", "public_key"])),
    )
    .optional()
    .custom(tls::pem_pair)
    .describe("A private and a public key in PEM, or vault references to them.")
}

/// A JSON Web Key.
pub fn jwk() -> Field {
    let texts = JWK_TEXTS.iter().map(|name| (*name, Field::string().optional()));
    let lists = JWK_LISTS.iter().map(|name| (*name, Field::array(Field::string().optional()).optional()));
    let fields = texts.chain(lists).chain([("kid", Field::string().required())]);
    Field::record(Record::new(fields)).optional().custom(tls::jwk).describe("A JSON Web Key (RFC 7517).")
}
