//! Statements of plugins' own: the connections that `kong.db.connector` asks with.

use super::store::question;
use super::values;
use crate::db::postgres::{Settings, SqlAnswer, SqlConnection};
use crate::lua::frame::{Answer, Flow, Frame};
use crate::lua::object::{self, Object};
use crate::lua::task::Resume;
use serde::Deserialize;
use std::ffi::{CStr, c_int};
use std::sync::Arc;
use std::time::Duration;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "sql_connect", connect);
}

/// Where to connect to, as `pg_*` and `pg_ro_*` say.
#[derive(Deserialize)]
struct Server {
    host: String,
    port: u16,
    user: String,
    password: Option<String>,
    database: String,
    schema: Option<String>,
    #[serde(default)]
    ssl: bool,
    #[serde(default)]
    ssl_verify: bool,
    #[serde(default)]
    trusted: Vec<String>,
    /// Milliseconds that connecting, and each query, may take.
    timeout: f64,
}

impl Server {
    fn settings(self) -> Settings {
        let timeout = Duration::from_secs_f64((self.timeout / 1000.0).clamp(0.001, 86_400.0));
        Settings {
            host: self.host,
            port: self.port,
            user: self.user,
            password: self.password,
            database: self.database,
            schema: self.schema.filter(|schema| !schema.is_empty()),
            ssl: self.ssl,
            ssl_verify: self.ssl_verify,
            trusted: self.trusted,
            timeout,
            connections: 1,
            wait: timeout,
            idle: None,
        }
    }
}

/// A connection as Lua code holds it: a table.
struct Connection(Arc<SqlConnection>);

impl Object for Connection {
    const NAME: &'static CStr = c"database connection";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "query", query);
        frame.set_function(table, "disconnect", |frame| {
            object::at::<Connection>(frame, 1)?.0.close();
            frame.push_boolean(true);
            Ok(1)
        });
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Argument: the server. Answers the connection with `schema` and `version`; nil and an error.
fn connect(frame: &Frame) -> Answer {
    let opening = SqlConnection::open(question::<Server>(frame)?.settings());
    frame.wait(async move {
        let opened = opening.await;
        Box::new(move |frame: &Frame| match opened {
            Ok(connection) => {
                let (schema, version) = (connection.schema().to_owned(), connection.version());
                object::push_wrapped(frame, Connection(Arc::new(connection)));
                for (name, text) in [("schema", schema), ("version", version)] {
                    frame.push_text(&text);
                    frame.set_field(-2, name);
                }
                Ok(1)
            }
            Err(error) => frame.fail(error.message),
        }) as Resume
    })
}

/// Arguments: connection, statements. Answers what the statement does, or a list of what each of several does, and
/// their number; nil and an error.
fn query(frame: &Frame) -> Answer {
    let sql = frame.text(2)?.into_owned();
    let asking = object::at::<Connection>(frame, 1)?.0.query(sql);
    frame.wait(async move {
        let answers = asking.await;
        Box::new(move |frame: &Frame| match answers {
            Ok(answers) => {
                push(frame, &answers)?;
                frame.push_integer(answers.len() as i64);
                Ok(2)
            }
            Err(error) => frame.fail(error.message),
        }) as Resume
    })
}

fn push(frame: &Frame, answers: &[SqlAnswer]) -> Result<(), Flow> {
    match answers {
        [] => frame.push_boolean(true),
        [answer] => push_one(frame, answer)?,
        answers => {
            frame.push_table(answers.len(), 0);
            for (at, answer) in answers.iter().enumerate() {
                push_one(frame, answer)?;
                frame.set_index(-2, at + 1);
            }
        }
    }
    Ok(())
}

fn push_one(frame: &Frame, answer: &SqlAnswer) -> Result<(), Flow> {
    let affected = match answer {
        SqlAnswer::Done => {
            frame.push_boolean(true);
            return Ok(());
        }
        SqlAnswer::Affected(count) => {
            frame.push_table(0, 1);
            Some(*count)
        }
        SqlAnswer::Rows(rows, affected) => {
            frame.push_table(rows.len(), 1);
            for (at, row) in rows.iter().enumerate() {
                values::push_object_with_nulls(frame, row)?;
                frame.set_index(-2, at + 1);
            }
            *affected
        }
    };
    if let Some(count) = affected {
        frame.push_number(count as f64);
        frame.set_field(-2, "affected_rows");
    }
    Ok(())
}
