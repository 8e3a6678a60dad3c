//! What can go wrong when Lua runs.

/// An error that ended a piece of Lua code.
#[derive(Debug, thiserror::Error)]
pub enum LuaError {
    /// The code does not compile.
    #[error("{0}")]
    Syntax(String),
    /// The code raised an error that nothing caught.
    #[error("{message}")]
    Runtime {
        /// The error value as text, position first as Lua gives it.
        message: String,
        /// The stack at the point of the error, in the words of `debug.traceback`.
        traceback: String,
    },
    /// The code ran longer than `lua_time_limit` without waiting.
    #[error("{message}")]
    Stopped {
        /// Where it was stopped, and that it was.
        message: String,
        /// The stack at that point.
        traceback: String,
    },
    /// The VM could not be set up, or an embedded module is missing.
    #[error("{0}")]
    Setup(String),
}

impl LuaError {
    /// The text alone.
    pub fn message(&self) -> &str {
        match self {
            Self::Runtime { message, .. }
            | Self::Stopped { message, .. }
            | Self::Syntax(message)
            | Self::Setup(message) => message,
        }
    }

    /// Message and stack, as they go to the error log.
    pub fn report(&self) -> String {
        match self {
            Self::Runtime { message, traceback } | Self::Stopped { message, traceback } => {
                format!("{message}\n{traceback}")
            }
            Self::Syntax(message) | Self::Setup(message) => message.clone(),
        }
    }
}

impl From<mlua::Error> for LuaError {
    fn from(error: mlua::Error) -> Self {
        match error {
            mlua::Error::SyntaxError { message, .. } => Self::Syntax(message),
            mlua::Error::RuntimeError(message) => Self::Runtime { message, traceback: String::new() },
            mlua::Error::CallbackError { traceback, cause } => {
                Self::Runtime { message: cause.to_string(), traceback }
            }
            other => Self::Setup(other.to_string()),
        }
    }
}
