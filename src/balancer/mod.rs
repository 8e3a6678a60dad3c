//! Upstreams and targets → the peer a request is sent to.
