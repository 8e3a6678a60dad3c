//! The named cipher suites of `ssl_cipher_suite`, after Mozilla's server-side TLS recommendations 5.7.

/// A set of TLS parameters with a name.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    /// The value of `ssl_cipher_suite`.
    pub name: &'static str,
    /// Versions, as nginx names them.
    pub protocols: &'static str,
    /// Ciphers up to TLS 1.2, as OpenSSL names them; `None` where there is no choice.
    pub ciphers: Option<&'static str>,
    /// The Diffie-Hellman group.
    pub dhparam: Option<&'static str>,
    /// Whether the server's order counts.
    pub server_order: bool,
}

const INTERMEDIATE: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:\
     ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
     ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:\
     DHE-RSA-CHACHA20-POLY1305";

const OLD: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:\
     ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
     ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:\
     DHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:\
     ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:\
     ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:\
     DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256:AES128-GCM-SHA256:AES256-GCM-SHA384:\
     AES128-SHA256:AES256-SHA256:AES128-SHA:AES256-SHA:DES-CBC3-SHA";

/// Every suite but `custom`.
pub const SUITES: [Suite; 4] = [
    Suite { name: "modern", protocols: "TLSv1.3", ciphers: None, dhparam: None, server_order: false },
    Suite {
        name: "intermediate",
        protocols: "TLSv1.2 TLSv1.3",
        ciphers: Some(INTERMEDIATE),
        dhparam: Some("ffdhe2048"),
        server_order: false,
    },
    Suite {
        name: "old",
        protocols: "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3",
        ciphers: Some(OLD),
        dhparam: None,
        server_order: true,
    },
    Suite {
        name: "fips",
        protocols: "TLSv1.2",
        ciphers: Some("TLSv1.2+FIPS:kRSA+FIPS:!eNULL:!aNULL"),
        dhparam: None,
        server_order: true,
    },
];

/// Diffie-Hellman groups that have a name in OpenSSL.
const DH_GROUPS: [&str; 14] = [
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
    "ffdhe6144",
    "ffdhe8192",
    "modp_1536",
    "modp_2048",
    "modp_3072",
    "modp_4096",
    "modp_6144",
    "modp_8192",
    "dh_1024_160",
    "dh_2048_224",
    "dh_2048_256",
];

/// Whether `name` is a named group rather than a file.
pub fn is_dh_group(name: &str) -> bool {
    DH_GROUPS.contains(&name)
}
