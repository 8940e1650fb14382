//! The error of this crate: what the caller does next, and a code that never changes.

use std::fmt;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The bytes do not check out: read another copy.
    Corrupt,
    /// The bytes may be right, but this version does not understand them: use a newer one.
    Unsupported,
    /// Over a limit that the message names: encode fewer rows, or read page by page.
    TooLarge,
    /// The caller's columns or options are wrong: never retry as it is.
    Invalid,
}

impl Kind {
    /// The stable code of every error of this kind.
    pub fn code(self) -> &'static str {
        match self {
            Self::Corrupt => "vortex_corrupt",
            Self::Unsupported => "vortex_unsupported",
            Self::TooLarge => "vortex_too_large",
            Self::Invalid => "vortex_invalid",
        }
    }
}

/// An error with a kind, the kind's stable code, and a message for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What the caller does next.
    pub kind: Kind,
    /// `vortex_corrupt`, `vortex_unsupported`, `vortex_too_large` or `vortex_invalid`.
    pub code: &'static str,
    /// The sentence for people.
    pub message: String,
}

impl Error {
    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            code: kind.code(),
            message: message.into(),
        }
    }

    /// Bytes that do not check out.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }

    /// Bytes or types this version does not know.
    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// Something over a limit.
    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(Kind::TooLarge, message)
    }

    /// A caller's mistake.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// Says where it happened, before the message.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
