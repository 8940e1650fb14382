//! Why a command ends without success: an exit code and one line for people.

use std::fmt;

use serde_json::Value as Json;
use tidelog_log::Error;

/// A result of this program.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// The exit codes, as `docs/cli.md` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or the reader of our output went away.
    Done = 0,
    /// Refused, failed, or a divergence was found.
    Failed = 1,
    /// The call, a file or a setting is wrong.
    Usage = 2,
    /// The server could not be reached.
    Unreachable = 3,
}

/// The end of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// Empty: everything was said already.
    pub(crate) message: String,
    /// The problem document, when a server answered one.
    pub(crate) problem: Json,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            problem: Json::Null,
        }
    }

    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message)
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Exit::Unreachable, message)
    }

    /// Nothing more to say.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// A problem document (RFC 9457), or the error form of an Iceberg catalog.
    pub(crate) fn problem(status: u16, problem: Json) -> Self {
        Self {
            exit: Exit::Failed,
            message: one_line(status, &problem),
            problem,
        }
    }

    /// The stable code of the problem, if there is one.
    pub(crate) fn code(&self) -> &str {
        self.problem["code"].as_str().unwrap_or_default()
    }

    /// True when the same request may succeed later.
    pub(crate) fn may_pass(&self) -> bool {
        self.exit == Exit::Unreachable || self.problem["status"].as_u64() == Some(503)
    }

    /// Says where it happened, before the message.
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        if !self.message.is_empty() {
            self.message = format!("{place}: {}", self.message);
        }
        self
    }
}

fn one_line(status: u16, problem: &Json) -> String {
    let iceberg = &problem["error"];
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let code = text(&problem["code"]).or_else(|| text(&iceberg["type"]));
    let detail = text(&problem["detail"]).or_else(|| text(&iceberg["message"]));
    let mut line = code.unwrap_or_else(|| format!("HTTP {status}"));
    if let Some(detail) = detail {
        line = format!("{line}: {}", detail.replace('\n', " "));
    }
    if let Some(field) = problem["field"].as_str() {
        line = format!("{line} (at {field})");
    }
    line
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message.fmt(f)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let exit = match error.code() {
            "invalid_settings" | "token_required" => Exit::Usage,
            _ => Exit::Failed,
        };
        Self {
            exit,
            message: error.to_string(),
            problem: tidelog_api::problem(&error),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Self::silent(Exit::Done),
            _ => Self::failed(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_problem_is_one_line_with_code_and_field() {
        let problem = json!({"status": 400, "code": "wrong_type", "detail": "expected int,\ngot a string", "field": "flight"});
        let failure = Failure::problem(400, problem);
        assert_eq!(
            failure.message,
            "wrong_type: expected int, got a string (at flight)"
        );
        assert_eq!(
            (failure.exit, failure.code(), failure.may_pass()),
            (Exit::Failed, "wrong_type", false)
        );
    }

    #[test]
    fn an_iceberg_error_and_a_bare_status_are_lines_too() {
        let iceberg =
            json!({"error": {"message": "no table", "type": "NoSuchTableException", "code": 404}});
        assert_eq!(
            Failure::problem(404, iceberg).message,
            "NoSuchTableException: no table"
        );
        assert_eq!(Failure::problem(502, Json::Null).message, "HTTP 502");
    }

    #[test]
    fn busy_may_pass() {
        assert!(Failure::problem(503, json!({"status": 503, "code": "busy"})).may_pass());
        assert!(Failure::unreachable("no").may_pass());
    }
}
