//! Errors as HTTP: one status for each, one problem document (RFC 9457).

use http::StatusCode;
use serde_json::{Map, Value as Json};
use tidelog_log::{Error, Kind};

use crate::Response;
use crate::codes::known_code;
use crate::limits::RETRY_AFTER_SECONDS;
use crate::reply::{document, with_header};

/// The HTTP status of an error: by its kind, but for the codes HTTP has a word for.
pub fn status_of(error: &Error) -> StatusCode {
    status(error.kind(), error.code())
}

fn status(kind: Kind, code: &str) -> StatusCode {
    match code {
        "admin_disabled" | "admin_required" => StatusCode::FORBIDDEN,
        "method_not_allowed" => StatusCode::METHOD_NOT_ALLOWED,
        "object_deleted" => StatusCode::NOT_FOUND,
        "object_full" | "storage_full" => StatusCode::INSUFFICIENT_STORAGE,
        "unsupported_media_type" => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "version_mismatch" => StatusCode::PRECONDITION_FAILED,
        _ => match kind {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict | Kind::Fenced => StatusCode::CONFLICT,
            Kind::Gone => StatusCode::GONE,
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Unauthorized => StatusCode::UNAUTHORIZED,
            Kind::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Kind::Corrupt | Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        },
    }
}

/// What the caller does next, as a title.
fn title(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "Not found",
        Kind::Conflict => "Conflict: read again, then decide",
        Kind::Gone => "Gone: start again from the position given",
        Kind::Fenced => "Fenced: another instance owns this",
        Kind::Invalid => "Invalid: do not repeat as it is",
        Kind::TooLarge => "Too large: over a limit",
        Kind::Unavailable => "Unavailable: retry later",
        Kind::Unauthorized => "Not allowed",
        Kind::Corrupt => "Stored data does not check out",
        Kind::Unsupported => "Not supported by this version",
        Kind::Internal => "Internal error",
    }
}

/// The problem document of an error: `type`, `title`, `status`, `code`, `detail`, `field` when
/// the error is about one, and the error's own members.
pub fn problem(error: &Error) -> Json {
    let mut problem: Map<String, Json> = error.details().clone();
    problem.insert(
        "type".into(),
        format!("urn:tidelog:problem:{}", error.code()).into(),
    );
    problem.insert("title".into(), title(error.kind()).into());
    problem.insert("status".into(), status_of(error).as_u16().into());
    problem.insert("code".into(), error.code().into());
    problem.insert("detail".into(), error.message().into());
    if let Some(field) = error.field() {
        problem.insert("field".into(), field.into());
    }
    Json::Object(problem)
}

/// The error that [`problem`] made a document of, on its way between two parts of a host.
pub fn read_problem(problem: &Json) -> Error {
    let text = |name: &str| problem.get(name).and_then(Json::as_str);
    let message = text("detail").unwrap_or("no problem document");
    let code = text("code").unwrap_or_default();
    let mut error = match known_code(code) {
        Some(known) => Error::new(known.kind, known.code, message),
        None if code.contains('.') => Error::own(kind_of(problem), code.to_owned(), message),
        None => return Error::internal(message),
    };
    if let Some(field) = text("field") {
        error = error.at(field);
    }
    let members = problem.as_object().into_iter().flatten();
    for (name, value) in members.filter(|(name, _)| !MEMBERS.contains(&name.as_str())) {
        error = error.with(name, value.clone());
    }
    error
}

/// The kind of an actor's own error, by its status.
fn kind_of(problem: &Json) -> Kind {
    match problem.get("status").and_then(Json::as_u64) {
        Some(400) => Kind::Invalid,
        Some(401) => Kind::Unauthorized,
        Some(404) => Kind::NotFound,
        Some(409) => Kind::Conflict,
        Some(410) => Kind::Gone,
        Some(413) => Kind::TooLarge,
        Some(501) => Kind::Unsupported,
        Some(503) => Kind::Unavailable,
        _ => Kind::Internal,
    }
}

/// The members of a problem document that are no details.
const MEMBERS: [&str; 6] = ["type", "title", "status", "code", "detail", "field"];

/// An error as an answer, for what a host refuses before the routes see it.
pub fn refusal<B>(error: &Error) -> Response<B> {
    refuse(error)
}

/// An error as an answer.
pub(crate) fn refuse<B>(error: &Error) -> Response<B> {
    let response = document(
        status_of(error),
        "application/problem+json",
        &problem(error),
    );
    with_error_headers(response, error)
}

/// The headers that HTTP asks for with some statuses.
pub(crate) fn with_error_headers<B>(mut response: Response<B>, error: &Error) -> Response<B> {
    response = with_header(response, "cache-control", "no-store");
    if let Some(allow) = error.details().get("allow").and_then(Json::as_str) {
        response = with_header(response, "allow", allow);
    }
    match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            with_header(response, "retry-after", &RETRY_AFTER_SECONDS.to_string())
        }
        StatusCode::UNAUTHORIZED => {
            with_header(response, "www-authenticate", "Bearer realm=\"tidelog\"")
        }
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;
    use crate::CODES;

    /// The table as `docs/http.md` shows it.
    fn table() -> String {
        let rows = CODES.iter().map(|known| {
            let status = status(known.kind, known.code).as_u16();
            format!("| {status} | `{}` | {} |\n", known.code, known.meaning)
        });
        rows.collect()
    }

    #[test]
    fn the_documentation_lists_every_code_with_its_status() {
        let docs = include_str!("../../../docs/http.md");
        let from = docs
            .find("| status | code | meaning |")
            .expect("the table's head");
        let rows = docs[from..]
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'));
        let documented: String = rows.map(|row| format!("{row}\n")).collect();
        assert_eq!(documented, table(), "docs/http.md must hold:\n{}", table());
    }

    #[test]
    fn a_code_stands_once() {
        let mut codes: Vec<_> = CODES.iter().map(|known| known.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }

    /// Codes are made where they happen, so the sources themselves are asked.
    #[test]
    fn every_code_in_the_sources_is_listed_with_its_kind() {
        let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
        let names = ["log", "core", "lake", "embedded", "api", "worker"];
        let mut folders: Vec<PathBuf> = names
            .map(|name| PathBuf::from(format!("{crates}/{name}/src")))
            .into();
        let mut missing = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    missing.extend(unlisted(&std::fs::read_to_string(&path).unwrap()));
                }
            }
        }
        assert!(missing.is_empty(), "not in CODES: {missing:#?}");
    }

    /// The codes that a source makes and [`CODES`] lacks or lists with another kind.
    fn unlisted(source: &str) -> BTreeSet<String> {
        let makers = [
            ("Error::invalid(", Kind::Invalid),
            ("Error::too_large(", Kind::TooLarge),
            ("Error::not_found(", Kind::NotFound),
            ("Error::conflict(", Kind::Conflict),
            ("Error::unavailable(", Kind::Unavailable),
            ("Kind::Gone,", Kind::Gone),
            ("Kind::Fenced,", Kind::Fenced),
            ("Kind::Unauthorized,", Kind::Unauthorized),
            ("Kind::Unsupported,", Kind::Unsupported),
        ];
        let mut found = BTreeSet::new();
        for (maker, kind) in makers {
            for (at, _) in source.match_indices(maker) {
                let rest = source[at + maker.len()..].trim_start();
                let quoted = rest.strip_prefix('"').and_then(|rest| rest.split_once('"'));
                let Some((code, _)) = quoted else {
                    continue;
                };
                let word = code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                let listed = CODES.iter().any(|c| c.code == code && c.kind == kind);
                if word && !listed {
                    found.insert(format!("{code} ({kind:?})"));
                }
            }
        }
        found
    }

    #[test]
    fn an_actors_own_error_crosses_with_its_code_and_kind() {
        for kind in [
            Kind::Conflict,
            Kind::Invalid,
            Kind::NotFound,
            Kind::Unavailable,
        ] {
            let error = Error::own(kind, "room.taken".to_owned(), "it is").at("from");
            assert_eq!(read_problem(&problem(&error)), error);
        }
    }

    #[test]
    fn a_problem_names_its_field_and_details() {
        let error = Error::new(Kind::Gone, "offset_trimmed", "gone")
            .at("offset")
            .with("earliestOffset", "x");
        let problem = problem(&error);
        assert_eq!(problem["status"], 410);
        assert_eq!(problem["field"], "offset");
        assert_eq!(problem["earliestOffset"], "x");
    }
}
