//! Properties of the section "Cassandra".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Cassandra",
    introduction: "The cluster of `database = cassandra`: Apache Cassandra 3.11 or newer. The names, the defaults \
         and the tables are those of Kong 3.3, the last release of Kong that had it.",
    properties: PROPERTIES,
};

const CONSISTENCIES: &[&str] =
    &["ALL", "EACH_QUORUM", "QUORUM", "LOCAL_QUORUM", "ONE", "TWO", "THREE", "LOCAL_ONE"];

const PROPERTIES: &[Property] = &[
    Property::list(
        "cassandra_contact_points",
        "127.0.0.1",
        "Names or addresses of nodes that are asked first; the others are learned from them. Nodes of the local \
         data center should stand first. A port is not written here, it is cassandra_port for all nodes.",
    ),
    Property::number("cassandra_port", "9042", "The port on which all nodes take clients."),
    Property::text(
        "cassandra_keyspace",
        "kong",
        "The keyspace of all tables. `kong migrations` makes it when it is not there.",
    ),
    Property::one_of(
        "cassandra_write_consistency",
        CONSISTENCIES,
        "ONE",
        "How many replicas must have a write before it is acknowledged. With several replicas QUORUM (or \
         LOCAL_QUORUM), here and for reading, is what loses nothing when a node is lost.",
    ),
    Property::one_of(
        "cassandra_read_consistency",
        CONSISTENCIES,
        "ONE",
        "How many replicas must answer a read.",
    ),
    Property::number(
        "cassandra_timeout",
        "5000",
        "Milliseconds that connecting, and each request with its retries, may take.",
    ),
    Property::boolean("cassandra_ssl", "off", "Whether connections are encrypted with TLS."),
    Property::boolean(
        "cassandra_ssl_verify",
        "off",
        "Whether the nodes' certificates are verified, against lua_ssl_trusted_certificate. They must then be \
         for the addresses by which the nodes are reached.",
    ),
    Property::text(
        "cassandra_username",
        "kong",
        "The user to log in as, where the nodes ask for one (PasswordAuthenticator).",
    ),
    Property::text("cassandra_password", "", "The password of cassandra_username. Unset, nobody logs in.")
        .sensitive(),
    Property::one_of(
        "cassandra_lb_policy",
        &["RoundRobin", "RequestRoundRobin", "DCAwareRoundRobin", "RequestDCAwareRoundRobin"],
        "RequestRoundRobin",
        "Which node is asked: of the replicas of a row, and where that is not known of all nodes, one after the \
         other. With a DCAware policy those of the local data center, and others only while none of them answers. \
         The policies named Request are the same as those without: connections are shared by all requests.",
    ),
    Property::text(
        "cassandra_local_datacenter",
        "",
        "The data center of this node, for the DCAware policies.",
    ),
    Property::number(
        "cassandra_refresh_frequency",
        "60",
        "Seconds between two looks at which nodes there are, besides what the nodes tell by themselves. 0 leaves \
         it at that.",
    ),
    Property::one_of(
        "cassandra_repl_strategy",
        &["SimpleStrategy", "NetworkTopologyStrategy"],
        "SimpleStrategy",
        "How the keyspace is replicated that `kong migrations` makes. One that is there is left as it is.",
    ),
    Property::number("cassandra_repl_factor", "1", "The number of replicas with SimpleStrategy."),
    Property::list(
        "cassandra_data_centers",
        "dc1:2,dc2:3",
        "The data centers with NetworkTopologyStrategy, each with its number of replicas.",
    ),
    Property::number(
        "cassandra_schema_consensus_timeout",
        "10000",
        "Milliseconds that the nodes may take to agree on the tables after a migration has changed them.",
    ),
];
