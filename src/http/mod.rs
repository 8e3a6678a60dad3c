//! HTTP without sockets: heads, field lines, URIs.
