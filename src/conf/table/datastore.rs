//! Properties of the section "Data store".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section {
    title: "Data store",
    introduction: "Where services, routes, plugins, consumers and so on are kept. With `database = off` they \
         come from one declarative file and nothing is stored.",
    properties: PROPERTIES,
};

const PROPERTIES: &[Property] = &[
    Property::one_of(
        "database",
        &["postgres", "cassandra", "off"],
        "postgres",
        "Where entities are kept: `postgres`, `cassandra`, `sqlite` (a file below the prefix) or \
         `off` (a declarative file, nothing stored).",
    )
    .also(&["sqlite"]),
    Property::text(
        "pg_host",
        "127.0.0.1",
        "The host of the PostgreSQL server, or the directory of its Unix domain socket.",
    ),
    Property::number("pg_port", "5432", "The port of the PostgreSQL server."),
    Property::number(
        "pg_timeout",
        "5000",
        "Milliseconds that connecting, sending and reading may take, each.",
    ),
    Property::text("pg_user", "kong", "The user to log in as."),
    Property::text("pg_password", "", "The password of pg_user.").sensitive(),
    Property::text("pg_database", "kong", "The name of the database."),
    Property::text(
        "pg_schema",
        "",
        "The schema in the database. Unset, it is the one that the server's search path names.",
    ),
    Property::boolean("pg_ssl", "off", "Whether the connection is encrypted with TLS."),
    Property::boolean(
        "pg_ssl_verify",
        "off",
        "Whether the server's certificate is verified, against lua_ssl_trusted_certificate.",
    ),
    Property::number(
        "pg_max_concurrent_queries",
        "0",
        "How many queries a worker sends at the same time; others wait. 0 is any number.",
    ),
    Property::number(
        "pg_semaphore_timeout",
        "60000",
        "Milliseconds that a query waits for its turn when pg_max_concurrent_queries are on their \
         way.",
    ),
    Property::number(
        "pg_keepalive_timeout",
        "",
        "Milliseconds after which an idle connection is closed. Unset, it is kept.",
    ),
    Property::number(
        "pg_pool_size",
        "",
        "How many connections a worker keeps open. Unset, lua_socket_pool_size holds.",
    ),
    Property::number(
        "pg_backlog",
        "",
        "How many queries may wait for a connection when the pool is used up; further ones fail. \
         Unset, the pool is no limit.",
    ),
    Property::text(
        "pg_ro_host",
        "",
        "A second server, for reading only, such as a replica. Setting it switches read-only \
         connections on; all others of these properties default to their counterpart without `ro`.",
    ),
    Property::number("pg_ro_port", "", "The port of the read-only server.").shown_as("<pg_port>"),
    Property::number("pg_ro_timeout", "", "Time-out of operations on the read-only server, in milliseconds.")
        .shown_as("<pg_timeout>"),
    Property::text("pg_ro_user", "", "The user for the read-only server.").shown_as("<pg_user>"),
    Property::text("pg_ro_password", "", "The password of pg_ro_user.").sensitive().shown_as("<pg_password>"),
    Property::text("pg_ro_database", "", "The database on the read-only server.").shown_as("<pg_database>"),
    Property::text("pg_ro_schema", "", "The schema on the read-only server.").shown_as("<pg_schema>"),
    Property::boolean("pg_ro_ssl", "", "Whether TLS is used with the read-only server.").shown_as("<pg_ssl>"),
    Property::boolean("pg_ro_ssl_verify", "", "Whether the certificate of the read-only server is verified.")
        .shown_as("<pg_ssl_verify>"),
    Property::number(
        "pg_ro_max_concurrent_queries",
        "",
        "Queries of a worker on the read-only server at the same time.",
    )
    .shown_as("<pg_max_concurrent_queries>"),
    Property::number(
        "pg_ro_semaphore_timeout",
        "",
        "Milliseconds that a query to the read-only server waits for its turn.",
    )
    .shown_as("<pg_semaphore_timeout>"),
    Property::number(
        "pg_ro_keepalive_timeout",
        "",
        "Milliseconds after which an idle connection to the read-only server is closed.",
    )
    .shown_as("<pg_keepalive_timeout>"),
    Property::number("pg_ro_pool_size", "", "Connections of a worker to the read-only server.")
        .shown_as("<pg_pool_size>"),
    Property::number("pg_ro_backlog", "", "Queries that may wait for a connection to the read-only server.")
        .shown_as("<pg_backlog>"),
    Property::text(
        "sqlite_path",
        "sqlite/kong.db",
        "The file of database = sqlite, relative to the prefix. It and its folder are made when they are not \
         there. Not a property of Kong.",
    ),
    Property::boolean(
        "db_resilience",
        "on",
        "Whether a copy of what the node is run by (routes, services, plugins, certificates with their keys \
         and so on, but no consumers and credentials) is kept under the prefix, in standby/database. A node \
         that starts or reloads while the PostgreSQL server or the Cassandra cluster cannot be reached serves from it until it \
         is back. Not a property of Kong.",
    ),
    Property::text(
        "declarative_config",
        "",
        "The YAML or JSON file with all entities, for database = off. It is read at start and on \
         reload, and with config_watch whenever it changes.",
    ),
    Property::text(
        "declarative_config_string",
        "",
        "The same as text instead of a file, for example through the environment.",
    )
    .sensitive(),
    Property::text(
        "lmdb_environment_path",
        "dbless.lmdb",
        "Where the entities of a node without a database are kept over restarts, relative to the \
         prefix.",
    ),
    Property::text(
        "lmdb_map_size",
        "2048m",
        "The most that may be kept there. Accepted for compatibility: nothing is reserved in advance.",
    ),
];
