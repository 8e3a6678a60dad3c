//! Properties of the section "Data store".

use super::Section;
use crate::conf::property::Property;

/// The section.
pub const SECTION: Section = Section { title: "Data store", introduction: "", properties: PROPERTIES };

const PROPERTIES: &[Property] = &[
    Property::one_of("database", &["postgres", "cassandra", "off"], "postgres", "").also(&["sqlite"]),
    Property::text("pg_host", "127.0.0.1", ""),
    Property::number("pg_port", "5432", ""),
    Property::number("pg_timeout", "5000", ""),
    Property::text("pg_user", "kong", ""),
    Property::text("pg_password", "", "").sensitive(),
    Property::text("pg_database", "kong", ""),
    Property::text("pg_schema", "", ""),
    Property::boolean("pg_ssl", "off", ""),
    Property::boolean("pg_ssl_verify", "off", ""),
    Property::number("pg_max_concurrent_queries", "0", ""),
    Property::number("pg_semaphore_timeout", "60000", ""),
    Property::number("pg_keepalive_timeout", "", ""),
    Property::number("pg_pool_size", "", ""),
    Property::number("pg_backlog", "", ""),
    Property::text("pg_ro_host", "", ""),
    Property::number("pg_ro_port", "", "").shown_as("<pg_port>"),
    Property::number("pg_ro_timeout", "", "").shown_as("<pg_timeout>"),
    Property::text("pg_ro_user", "", "").shown_as("<pg_user>"),
    Property::text("pg_ro_password", "", "").sensitive().shown_as("<pg_password>"),
    Property::text("pg_ro_database", "", "").shown_as("<pg_database>"),
    Property::text("pg_ro_schema", "", "").shown_as("<pg_schema>"),
    Property::boolean("pg_ro_ssl", "", "").shown_as("<pg_ssl>"),
    Property::boolean("pg_ro_ssl_verify", "", "").shown_as("<pg_ssl_verify>"),
    Property::number("pg_ro_max_concurrent_queries", "", "").shown_as("<pg_max_concurrent_queries>"),
    Property::number("pg_ro_semaphore_timeout", "", "").shown_as("<pg_semaphore_timeout>"),
    Property::number("pg_ro_keepalive_timeout", "", "").shown_as("<pg_keepalive_timeout>"),
    Property::number("pg_ro_pool_size", "", "").shown_as("<pg_pool_size>"),
    Property::number("pg_ro_backlog", "", "").shown_as("<pg_backlog>"),
    Property::text("declarative_config", "", ""),
    Property::text("declarative_config_string", "", "").sensitive(),
    Property::text("lmdb_environment_path", "dbless.lmdb", ""),
    Property::text("lmdb_map_size", "2048m", ""),
];
