//! The one error of Tidelog: what the caller should do next, and a code that never changes.

use std::borrow::Cow;
use std::fmt;

/// A result of this crate and of those built on it.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The thing named does not exist.
    NotFound,
    /// The state is not what the caller assumed: read again, then decide.
    Conflict,
    /// The position asked for is no longer there: start again from the one given.
    Gone,
    /// Another instance owns this now: stop.
    Fenced,
    /// The input is wrong: never retry as it is.
    Invalid,
    /// The input is over a limit that the message names.
    TooLarge,
    /// Busy or down: retry later.
    Unavailable,
    /// Not allowed.
    Unauthorized,
    /// Stored bytes do not check out.
    Corrupt,
    /// Understood, but not by this version.
    Unsupported,
    /// A bug or an operating-system failure.
    Internal,
}

/// An error with a stable code, a message for people, and the field or path it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(Box<Inner>);

#[derive(Clone, Debug, PartialEq)]
struct Inner {
    kind: Kind,
    code: Cow<'static, str>,
    message: String,
    field: Option<String>,
    details: serde_json::Map<String, serde_json::Value>,
}

impl Error {
    /// Makes an error of `kind` with the stable `code`.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self::with_code(kind, Cow::Borrowed(code), message.into())
    }

    /// Makes an error with a code that the engine does not know: an actor's own, `type.word`.
    pub fn own(kind: Kind, code: String, message: impl Into<String>) -> Self {
        Self::with_code(kind, Cow::Owned(code), message.into())
    }

    fn with_code(kind: Kind, code: Cow<'static, str>, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            code,
            message,
            field: None,
            details: serde_json::Map::new(),
        }))
    }

    /// Input that is wrong.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, code, message)
    }

    /// Input over a limit.
    pub fn too_large(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, code, message)
    }

    /// Something that is not there.
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, message)
    }

    /// A state other than the caller assumed.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Conflict, code, message)
    }

    /// Stored bytes that do not check out.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, "corrupt", message)
    }

    /// A bug or an operating-system failure.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, "internal", message)
    }

    /// Busy or down: the caller may retry later.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, message)
    }

    /// Names the field, parameter or path the error is about.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.0.field = Some(field.into());
        self
    }

    /// Puts `prefix` before the field, as an outer structure knows it (`rows[3]` + `.age`).
    #[must_use]
    pub fn within(mut self, prefix: impl fmt::Display) -> Self {
        self.0.field = Some(match self.0.field.take() {
            Some(field) => format!("{prefix}.{field}"),
            None => prefix.to_string(),
        });
        self
    }

    /// Adds a machine-readable member to the error document.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.details.insert(name.to_owned(), value.into());
        self
    }

    /// What the caller does next.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable code, such as `unknown_field`.
    pub fn code(&self) -> &str {
        &self.0.code
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The field, parameter or path the error is about.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Further machine-readable members.
    pub fn details(&self) -> &serde_json::Map<String, serde_json::Value> {
        &self.0.details
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)?;
        match &self.0.field {
            Some(field) => write!(f, " (at {field})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}
