//! What plugins share: queues, trace propagation, Lua code.

use super::names;
use crate::schema::field::Field;
use crate::schema::record::Record;

/// The trace headers that can be read, in the order messages list them.
const EXTRACTORS: [&str; 7] = ["gcp", "ot", "w3c", "datadog", "b3", "aws", "jaeger"];

/// The trace headers that can be written, in the order messages list them.
const INJECTORS: [&str; 8] = ["gcp", "ot", "w3c", "datadog", "b3", "aws", "b3-single", "jaeger"];

/// How a plugin sends entries in batches.
pub fn queue() -> Field {
    let at_least_one = |field: Field| field.between(1.0, 1_000_000.0);
    let delay = |field: Field| field.between(0.001, 1_000_000.0);
    Field::record(Record::new([
        (
            "max_batch_size",
            at_least_one(Field::integer().default(1)).describe("The most entries handled at a time."),
        ),
        (
            "max_coalescing_delay",
            Field::number()
                .default(1)
                .between(0.0, 3600.0)
                .describe("Seconds that the first entry of a batch may wait for others."),
        ),
        (
            "max_entries",
            at_least_one(Field::integer().default(10_000)).describe("The most entries that may wait."),
        ),
        ("max_bytes", Field::integer().describe("The most bytes that may wait; entries are texts then.")),
        (
            "max_retry_time",
            Field::number().default(60).describe("Seconds after which a failing batch is given up."),
        ),
        (
            "initial_retry_delay",
            delay(Field::number().default(0.01)).describe("Seconds before a batch is tried again."),
        ),
        (
            "max_retry_delay",
            delay(Field::number().default(60)).describe("The most seconds between two tries."),
        ),
        (
            "concurrency_limit",
            Field::integer()
                .default(1)
                .one_of([-1, 1])
                .describe("How many timers deliver entries; -1 for no limit."),
        ),
    ]))
}

/// Which trace headers are read, dropped and written.
pub fn propagation() -> Field {
    let injectors = ["preserve"].into_iter().chain(INJECTORS);
    Field::record(Record::new([
        (
            "extract",
            Field::array(Field::string().one_of(EXTRACTORS))
                .describe("Forms of trace headers to read; the first one found counts."),
        ),
        (
            "clear",
            Field::array(Field::string().custom(names::header_name))
                .describe("Headers to drop once the trace was read."),
        ),
        (
            "inject",
            Field::array(Field::string().one_of(injectors))
                .describe("Forms of trace headers to write; preserve stands for the form that was read."),
        ),
        (
            "default_format",
            Field::string()
                .one_of(INJECTORS)
                .required()
                .describe("The form to write when no trace was read and preserve is asked for."),
        ),
    ]))
}

/// Lua code by name.
///
/// Whether the code compiles is found out by the Lua side, which replaces the validator of the values.
pub fn lua_code() -> Field {
    Field::map(Field::string().len_min(1), Field::string().len_min(1)).describe("Lua code, by name.")
}
