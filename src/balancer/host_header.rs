//! The `Host` that goes upstream.

/// Appends `hostname`, with the port unless it is the default one of `scheme`.
pub fn push_host_header(out: &mut Vec<u8>, hostname: &str, port: u16, scheme: &str) {
    out.extend_from_slice(hostname.as_bytes());
    let default = match port {
        80 => matches!(scheme, "http" | "grpc"),
        443 => matches!(scheme, "https" | "grpcs"),
        _ => false,
    };
    if !default {
        out.push(b':');
        out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::push_host_header;

    #[test]
    fn a_port_is_named_unless_it_is_the_default_one() {
        for (port, scheme, expected) in [
            (80, "http", "a.com"),
            (80, "https", "a.com:80"),
            (443, "https", "a.com"),
            (443, "grpcs", "a.com"),
            (443, "http", "a.com:443"),
            (8080, "http", "a.com:8080"),
        ] {
            let mut out = Vec::new();
            push_host_header(&mut out, "a.com", port, scheme);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
