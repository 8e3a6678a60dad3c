//! What the router found.

/// The route a request matched, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// Index of the route in the snapshot.
    pub route: usize,
    /// Which of the route's paths matched; `None` for a route without paths.
    pub path: Option<usize>,
    /// How many bytes of the normalised request path it covers: what `strip_path` strips.
    pub prefix: usize,
}
