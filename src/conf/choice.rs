//! Properties that are one of a few words, as types.

use super::field::Field;
use super::value::ConfValue;

/// Defines an enumeration whose variants are the words of a property; the first one is the default.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident {
        $(#[$default_doc:meta])* $default:ident = $default_word:literal,
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[$default_doc])* $default,
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word in kong.conf.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $name::$default => $default_word,
                    $($name::$variant => $word,)+
                }
            }
        }

        impl Field for $name {
            fn read(value: Option<&ConfValue>) -> $name {
                match value.and_then(ConfValue::as_str) {
                    $(Some($word) => $name::$variant,)+
                    _ => $name::$default,
                }
            }
        }
    };
}

choice! {
    /// Which part of a hybrid deployment the node is.
    Role {
        /// Proxy and Admin API in one node.
        Traditional = "traditional",
        /// Admin API and configuration for data planes, no proxy.
        ControlPlane = "control_plane",
        /// Proxy only, configured by a control plane.
        DataPlane = "data_plane",
    }
}

choice! {
    /// Where entities are stored.
    Database {
        /// A PostgreSQL server.
        Postgres = "postgres",
        /// A Cassandra cluster.
        Cassandra = "cassandra",
        /// A file under the prefix.
        Sqlite = "sqlite",
        /// Nowhere: a declarative file is the configuration.
        Off = "off",
    }
}

choice! {
    /// How many replicas of Cassandra must answer.
    Consistency {
        /// Any one.
        One = "ONE",
        /// All of them.
        All = "ALL",
        /// A majority in each data center.
        EachQuorum = "EACH_QUORUM",
        /// A majority.
        Quorum = "QUORUM",
        /// A majority of those in the local data center.
        LocalQuorum = "LOCAL_QUORUM",
        /// Two.
        Two = "TWO",
        /// Three.
        Three = "THREE",
        /// One in the local data center.
        LocalOne = "LOCAL_ONE",
    }
}

choice! {
    /// Which node of Cassandra is asked.
    LoadBalancing {
        /// All in turn.
        RequestRoundRobin = "RequestRoundRobin",
        /// All in turn.
        RoundRobin = "RoundRobin",
        /// Those of the local data center in turn, others while none of them answers.
        DcAwareRoundRobin = "DCAwareRoundRobin",
        /// The same.
        RequestDcAwareRoundRobin = "RequestDCAwareRoundRobin",
    }
}

choice! {
    /// How a keyspace of Cassandra is replicated.
    Replication {
        /// So many times, wherever.
        Simple = "SimpleStrategy",
        /// So many times in each data center.
        NetworkTopology = "NetworkTopologyStrategy",
    }
}

choice! {
    /// How routes are matched.
    RouterFlavor {
        /// Route fields, with the priorities of the expressions router.
        TraditionalCompatible = "traditional_compatible",
        /// Route fields, with the priorities of the old router.
        Traditional = "traditional",
        /// Expressions written by the user.
        Expressions = "expressions",
    }
}

choice! {
    /// When a changed entity takes effect.
    WorkerConsistency {
        /// In the background, soon.
        Eventual = "eventual",
        /// Before the next request.
        Strict = "strict",
    }
}

choice! {
    /// How nodes of a hybrid deployment authenticate.
    ClusterMtls {
        /// With one certificate that all share.
        Shared = "shared",
        /// With certificates of a common authority.
        Pki = "pki",
    }
}

choice! {
    /// Whether revocation of data-plane certificates is checked.
    ClusterOcsp {
        /// No.
        Off = "off",
        /// Yes, and a certificate without an answer is refused.
        On = "on",
        /// Yes, and a certificate without an answer is accepted.
        Optional = "optional",
    }
}

choice! {
    /// What Lua code that comes with the configuration may do.
    UntrustedLua {
        /// Run in a sandbox.
        Sandbox = "sandbox",
        /// Run with full access.
        On = "on",
        /// Not run.
        Off = "off",
    }
}
