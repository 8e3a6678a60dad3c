//! What the Admin API tells about an upstream's targets.

/// What the Admin API tells about an upstream.
#[derive(Debug, Clone, PartialEq)]
pub struct UpstreamStatus {
    /// Whether enough of the weight is available.
    pub healthy: bool,
    /// Whether health checks of any kind are on.
    pub checked: bool,
    /// Its targets.
    pub targets: Vec<TargetStatus>,
}

/// What the Admin API tells about a target.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetStatus {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The record type that it resolved to, or the error.
    pub dns: String,
    /// Weight as configured.
    pub node_weight: u32,
    /// Weight of all its addresses.
    pub total_weight: u64,
    /// Weight of the unavailable ones.
    pub unavailable_weight: u64,
    /// Its addresses.
    pub addresses: Vec<AddressStatus>,
}

/// What the Admin API tells about an address.
#[derive(Debug, Clone, PartialEq)]
pub struct AddressStatus {
    /// Address or name.
    pub ip: String,
    /// Port.
    pub port: u16,
    /// Weight.
    pub weight: u32,
    /// Whether requests go there.
    pub healthy: bool,
}
