//! The kinds of entities that the calls are about.

use super::node::Node;

/// A kind of entity, as the Admin API shows it.
#[derive(Debug)]
pub struct Kind {
    pub name: &'static str,
    /// Its path.
    pub path: &'static str,
    /// The field that may stand for the id in a path.
    pub key: Option<&'static str>,
    pub unique: &'static [&'static str],
    /// Fields that together are unique.
    pub together: &'static [&'static str],
    pub above: &'static [Relation],
    /// Whether it has a path of its own.
    pub has_collection: bool,
    pub has_tags: bool,
}

/// A foreign field.
#[derive(Debug)]
pub struct Relation {
    pub field: &'static str,
    /// The kind it points to.
    pub parent: &'static str,
    /// The last segment of the path to what points to one.
    pub nested: &'static str,
    /// Whether an entity goes with the one it points to.
    pub cascades: bool,
    pub is_required: bool,
}

const fn relation(field: &'static str, parent: &'static str, nested: &'static str) -> Relation {
    Relation { field, parent, nested, cascades: true, is_required: false }
}

const fn kind(name: &'static str, path: &'static str, key: Option<&'static str>) -> Kind {
    Kind { name, path, key, unique: &[], together: &[], above: &[], has_collection: true, has_tags: true }
}

const fn restricting(relation: Relation) -> Relation {
    Relation { cascades: false, ..relation }
}

const fn credential(nested: &'static str) -> [Relation; 1] {
    [Relation { is_required: true, ..relation("consumer", "consumers", nested) }]
}

/// All of them, those that others point to after these.
pub static KINDS: [Kind; 17] = [
    Kind {
        unique: &["instance_name"],
        together: &["name", "route", "service", "consumer"],
        above: &[
            relation("route", "routes", "plugins"),
            relation("service", "services", "plugins"),
            relation("consumer", "consumers", "plugins"),
        ],
        ..kind("plugins", "plugins", Some("instance_name"))
    },
    Kind {
        unique: &["key"],
        above: &credential("key-auth"),
        ..kind("keyauth_credentials", "key-auths", Some("key"))
    },
    Kind {
        unique: &["username"],
        above: &credential("basic-auth"),
        ..kind("basicauth_credentials", "basic-auths", Some("username"))
    },
    Kind { unique: &["key"], above: &credential("jwt"), ..kind("jwt_secrets", "jwts", Some("key")) },
    Kind { together: &["consumer", "group"], above: &credential("acls"), ..kind("acls", "acls", None) },
    Kind {
        unique: &["username"],
        above: &credential("hmac-auth"),
        ..kind("hmacauth_credentials", "hmac-auths", Some("username"))
    },
    Kind {
        unique: &["name"],
        above: &[restricting(relation("service", "services", "routes"))],
        ..kind("routes", "routes", Some("name"))
    },
    Kind {
        together: &["upstream", "target"],
        above: &[Relation { is_required: true, ..relation("upstream", "upstreams", "targets") }],
        has_collection: false,
        ..kind("targets", "targets", Some("target"))
    },
    Kind {
        unique: &["name"],
        above: &[Relation { is_required: true, ..relation("certificate", "certificates", "snis") }],
        ..kind("snis", "snis", Some("name"))
    },
    Kind {
        unique: &["name"],
        above: &[restricting(relation("client_certificate", "certificates", "services"))],
        ..kind("services", "services", Some("name"))
    },
    Kind {
        unique: &["name"],
        above: &[restricting(relation("client_certificate", "certificates", "upstreams"))],
        ..kind("upstreams", "upstreams", Some("name"))
    },
    kind("certificates", "certificates", None),
    Kind { unique: &["cert"], ..kind("ca_certificates", "ca_certificates", None) },
    Kind { unique: &["username", "custom_id"], ..kind("consumers", "consumers", Some("username")) },
    Kind {
        unique: &["name"],
        together: &["kid", "set"],
        above: &[relation("set", "key_sets", "keys")],
        ..kind("keys", "keys", Some("name"))
    },
    Kind { unique: &["name"], ..kind("key_sets", "key-sets", Some("name")) },
    Kind { unique: &["prefix"], ..kind("vaults", "vaults", Some("prefix")) },
];

/// Those that a node knows: some come with plugins.
pub fn known(node: &mut Node) -> Vec<&'static Kind> {
    let endpoints = node.get("/endpoints").expect("an answer").body;
    let paths = endpoints["data"].as_array().expect("a list");
    let is_known = |kind: &&Kind| paths.contains(&format!("/{}", kind.path).into());
    KINDS.iter().filter(is_known).collect()
}

impl Kind {
    /// The kind with a name.
    pub fn named(name: &str) -> &'static Kind {
        KINDS.iter().find(|kind| kind.name == name).expect("a kind of the table")
    }

    /// Its place in the table.
    pub fn index(&self) -> usize {
        KINDS.iter().position(|kind| kind.name == self.name).expect("a kind of the table")
    }

    /// The ids that entities of it are given: few, so that they meet.
    pub fn id(&self, number: usize) -> String {
        format!("{:08x}-0000-4000-8000-{number:012x}", 0xa000_0000_usize + self.index())
    }
}

/// Whether a text is one of the ids that [`Kind::id`] gives.
pub fn is_given(id: &str) -> bool {
    id.starts_with("a00000") && id.get(8..31) == Some("-0000-4000-8000-0000000")
}
