//! Routes: which requests go to which service.
//!
//! What a route can match on depends on the router flavor and, by subschemas, on its protocols.

use std::rc::Rc;

use serde_json::{Map, Value};

use super::{ExpressionValidator, RouterFlavor};
use crate::schema::messages;
use crate::schema::typedefs::{
    auto_timestamp_s, destinations, header_name, headers, hosts, methods, none_of, paths, protocol, sni,
    sources, tags, utf8_name, uuid, wildcard_host,
};
use crate::schema::value::is_given;
use crate::schema::{
    AtLeastOneOfIf, Check, Conditional, Custom, EntityCheck, Field, Kind, Record, Schema, SchemaError,
    Validator, Verdict,
};

/// Protocols that exclude each other on one route.
const PROTOCOL_GROUPS: [&[&str]; 4] =
    [&["http", "https"], &["tcp", "tls", "udp"], &["tls_passthrough"], &["grpc", "grpcs"]];

/// The largest priority of an expression: 46 bits.
const MAX_PRIORITY: f64 = 70_368_744_177_663.0;

/// The fields that an expression takes the place of.
const MATCH_FIELDS: [&str; 7] = ["snis", "sources", "destinations", "methods", "hosts", "paths", "headers"];

/// The start of messages about routes that cannot become an expression.
const EXPRESSION_FAILED: &str = "Router Expression failed validation: ";

/// The schema of routes, without its subschemas.
pub fn schema(flavor: RouterFlavor, expression: Option<ExpressionValidator>) -> Schema {
    let mut schema = Schema::new("routes", &["id"])
        .endpoint_key("name")
        .workspaceable()
        .subschema_key("protocols", messages::SUBSCHEMA_UNKNOWN)
        .fields(common_fields())
        .field("snis", snis(flavor))
        .field("sources", sources())
        .field("destinations", destinations())
        .field("methods", methods())
        .field("hosts", hosts())
        .field("paths", paths())
        .field("headers", route_headers())
        .field(
            "regex_priority",
            Field::integer().default(0).describe("Decides between routes whose regexes match alike."),
        )
        .field(
            "path_handling",
            Field::string()
                .default("v0")
                .one_of(["v0", "v1"])
                .describe("How the paths of service, route and request are joined."),
        )
        .entity_check(snis_need_tls());
    if flavor == RouterFlavor::Expressions {
        schema = schema.field("expression", Field::string().describe("The expression to match.")).field(
            "priority",
            Field::integer()
                .between(0.0, MAX_PRIORITY)
                .required()
                .default(0)
                .describe("Routes with a higher number are tried first; only with an expression."),
        );
    }
    if flavor != RouterFlavor::Traditional {
        schema = schema.entity_check(expression_check(expression));
    }
    schema
}

/// Adds what depends on the protocols.
///
/// # Errors
/// When a subschema does not fit the schema, which a test excludes.
pub fn add_subschemas(routes: &Schema, flavor: RouterFlavor) -> Result<(), SchemaError> {
    let (http, stream, grpc) = (Rc::new(http(flavor)), Rc::new(stream(flavor)), Rc::new(grpc(flavor)));
    let by_protocol = [
        (&http, &["http", "https"][..]),
        (&stream, &["tcp", "tls", "udp", "tls_passthrough"]),
        (&grpc, &["grpc", "grpcs"]),
    ];
    for (subschema, protocols) in by_protocol {
        for protocol in protocols {
            routes.add_subschema(protocol, Rc::clone(subschema))?;
        }
    }
    Ok(())
}

fn common_fields() -> [(&'static str, Field); 12] {
    let switch =
        |default: bool, description| Field::boolean().required().default(default).describe(description);
    [
        ("id", uuid()),
        ("created_at", auto_timestamp_s()),
        ("updated_at", auto_timestamp_s()),
        ("name", utf8_name()),
        ("protocols", protocols()),
        (
            "https_redirect_status_code",
            Field::integer()
                .one_of([426, 301, 302, 307, 308])
                .default(426)
                .required()
                .describe("The status for a request that matches in all but the protocol."),
        ),
        ("strip_path", switch(true, "Whether the matching prefix is cut off the upstream path.")),
        ("preserve_host", switch(false, "Whether the upstream sees the request's Host.")),
        ("request_buffering", switch(true, "Whether request bodies are read before they are sent on.")),
        ("response_buffering", switch(true, "Whether response bodies are read before they are sent on.")),
        ("tags", tags()),
        ("service", Field::foreign("services").describe("The service that requests go to.")),
    ]
}

fn protocols() -> Field {
    let groups =
        PROTOCOL_GROUPS.iter().map(|group| group.iter().map(|name| (*name).to_owned()).collect()).collect();
    Field::set(protocol())
        .len_min(1)
        .required()
        .with(Validator::MutuallyExclusiveSubsets(Rc::new(groups)))
        .default(vec!["http", "https"])
        .describe("The protocols the route accepts.")
}

fn snis(flavor: RouterFlavor) -> Field {
    let element = if flavor == RouterFlavor::Traditional { sni() } else { wildcard_host() };
    Field::set(element).describe("The TLS server names to match.")
}

fn route_headers() -> Field {
    let name = header_name().match_none(&[(
        "^[Hh][Oo][Ss][Tt]$",
        "cannot contain 'host' header, which must be specified in the 'hosts' attribute",
    )]);
    let mut field = headers();
    if let Kind::Map(keys, _) = &mut field.kind {
        *keys = Rc::new(name);
    }
    field
}

fn snis_need_tls() -> Check {
    let without_tls = Field::string().not_one_of(["grpcs", "https", "tls", "tls_passthrough"]);
    Check::Conditional(Box::new(
        Conditional::new(
            "protocols",
            Field::refined_elements(without_tls),
            "snis",
            Field::refined().len_eq(0),
        )
        .err("'snis' can only be set when 'protocols' is 'grpcs', 'https', 'tls' or 'tls_passthrough'"),
    ))
}

fn forbidden(field: Field, name: &str, protocols: &str) -> (String, Field) {
    let message = format!("cannot set '{name}' when 'protocols' is {protocols}");
    (name.to_owned(), none_of(field).err(&message))
}

fn at_least_one(rule: AtLeastOneOfIf, flavor: RouterFlavor) -> Check {
    let rule = if flavor == RouterFlavor::Expressions { rule.or_field("expression") } else { rule };
    Check::ConditionalAtLeastOneOf(Box::new(rule))
}

fn http(flavor: RouterFlavor) -> Record {
    let fields = match flavor {
        RouterFlavor::Expressions => Vec::new(),
        _ => vec![
            forbidden(sources(), "sources", "'http' or 'https'"),
            forbidden(destinations(), "destinations", "'http' or 'https'"),
        ],
    };
    let rule = AtLeastOneOfIf::new(
        "protocols",
        Field::refined().contains("https"),
        ["methods", "hosts", "headers", "paths", "snis"],
    )
    .err("must set one of %s when 'protocols' is 'https'")
    .otherwise(
        Field::refined().contains("http"),
        ["methods", "hosts", "headers", "paths"],
        "must set one of %s when 'protocols' is 'http'",
    );
    Record::new(fields).check(at_least_one(rule, flavor))
}

fn stream(flavor: RouterFlavor) -> Record {
    let protocols = "'tcp', 'tls', 'tls_passthrough' or 'udp'";
    let only =
        |names: &'static [&'static str]| Field::refined_elements(Field::string().one_of(names.to_vec()));
    let plain =
        AtLeastOneOfIf::new("protocols", only(&["tcp", "tls", "udp"]), ["sources", "destinations", "snis"])
            .err("must set one of %s when 'protocols' is 'tcp', 'tls' or 'udp'");
    let passthrough = AtLeastOneOfIf::new("protocols", only(&["tls_passthrough"]), ["snis"])
        .err("must set snis when 'protocols' is 'tls_passthrough'");
    Record::new([
        forbidden(methods(), "methods", protocols),
        forbidden(hosts(), "hosts", protocols),
        forbidden(paths(), "paths", protocols),
        forbidden(headers(), "headers", protocols),
    ])
    .check(at_least_one(plain, flavor))
    .check(at_least_one(passthrough, flavor))
}

fn grpc(flavor: RouterFlavor) -> Record {
    let protocols = "'grpc' or 'grpcs'";
    let strip_path = Field::boolean()
        .required()
        .default(false)
        .ne(true)
        .err("cannot set 'strip_path' when 'protocols' is 'grpc' or 'grpcs'")
        .describe("Paths of gRPC are never cut.");
    let mut fields = vec![("strip_path".to_owned(), strip_path), forbidden(methods(), "methods", protocols)];
    if flavor != RouterFlavor::Expressions {
        fields.push(forbidden(sources(), "sources", protocols));
        fields.push(forbidden(sources(), "destinations", protocols));
    }
    let rule = AtLeastOneOfIf::new(
        "protocols",
        Field::refined().contains("grpcs"),
        ["hosts", "headers", "paths", "snis"],
    )
    .err("must set one of %s when 'protocols' is 'grpcs'")
    .otherwise(
        Field::refined().contains("grpc"),
        ["hosts", "headers", "paths"],
        "must set one of %s when 'protocols' is 'grpc'",
    );
    Record::new(fields).check(at_least_one(rule, flavor))
}

/// A route becomes an expression: what it matches on must allow that.
fn expression_check(validator: Option<ExpressionValidator>) -> Check {
    let sources = ["id", "protocols"]
        .iter()
        .chain(&MATCH_FIELDS)
        .chain(&["expression", "regex_priority", "priority"])
        .map(|name| (*name).to_owned())
        .collect();
    Check::Custom(Custom {
        field_sources: sources,
        run_with_missing_fields: true,
        run_with_invalid_fields: false,
        function: EntityCheck::new(Rc::new(move |route: &Map<String, Value>| {
            check_expression(route, validator.as_ref())
        })),
    })
}

fn check_expression(route: &Map<String, Value>, validator: Option<&ExpressionValidator>) -> Verdict {
    let has_expression = route.get("expression").is_some_and(|expression| !expression.is_null());
    let has_fields = MATCH_FIELDS.iter().any(|name| is_given(route.get(*name)));
    let has_number =
        |name: &str| route.get(name).is_some_and(|number| !number.is_null() && number.as_f64() != Some(0.0));
    let list = "'methods', 'hosts', 'paths', 'headers', 'snis', 'sources' or 'destinations'";
    let conflict = match (has_expression, has_fields) {
        (false, false) => return Ok(()),
        (true, true) => Some(format!("cannot set 'expression' with {list} simultaneously")),
        (true, false) if has_number("regex_priority") => {
            Some("cannot set 'regex_priority' with 'expression' simultaneously".to_owned())
        }
        (false, true) if has_number("priority") => {
            Some(format!("cannot set 'priority' with {list} simultaneously"))
        }
        _ => None,
    };
    let outcome = match conflict {
        Some(conflict) => Err(conflict),
        None => validator.map_or(Ok(()), |validator| validator(route)),
    };
    outcome.map_err(|reason| Some(Value::String(format!("{EXPRESSION_FAILED}{reason}"))))
}
