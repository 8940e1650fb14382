//! What a request's headers say: who asks, and under which condition.

use http::HeaderMap;
use tidelog_core::Caller;
use tidelog_log::limits::{LABEL_BYTES_MAX, SEQUENCE_MAX};
use tidelog_log::{Error, Result, Sequence};

use crate::parameters::Parameters;

/// Who asks: `X-Source` (or the parameter `source`), `X-Correlation-Id`, `traceparent` and
/// `Idempotency-Key`.
///
/// # Errors
/// `invalid_header` for what is not UTF-8, `label_too_long`; both name the header.
pub(crate) fn caller(headers: &HeaderMap, parameters: &Parameters) -> Result<Caller> {
    let mut source = label(headers, "X-Source")?;
    if let (true, Some(given)) = (source.is_empty(), parameters.get("source")) {
        source = fitting("source", given)?;
    }
    Ok(Caller {
        source,
        correlation_id: label(headers, "X-Correlation-Id")?,
        trace_parent: label(headers, "traceparent")?,
        idempotency_key: label(headers, "Idempotency-Key")?,
    })
}

/// A header's text; empty without one.
pub(crate) fn label(headers: &HeaderMap, name: &str) -> Result<String> {
    let Some(value) = headers.get(name) else {
        return Ok(String::new());
    };
    let text = std::str::from_utf8(value.as_bytes());
    fitting(name, text.map_err(|_| invalid(name, "the value is UTF-8"))?)
}

fn fitting(name: &str, text: &str) -> Result<String> {
    if text.len() <= LABEL_BYTES_MAX {
        return Ok(text.to_owned());
    }
    let message = format!("{name} is at most {LABEL_BYTES_MAX} bytes");
    Err(Error::too_large("label_too_long", message).at(name))
}

/// The version a write is bound to, from `If-Match`, `If-None-Match: *` (0: only if absent) and
/// the parameter `ifVersion`.
///
/// # Errors
/// `invalid_header`, `invalid_parameter`, or `conflicting_parameters` when two of them differ.
pub(crate) fn precondition(
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Option<Sequence>> {
    let absent = match headers
        .get("If-None-Match")
        .map(http::HeaderValue::as_bytes)
    {
        None => None,
        Some(b"*") => Some(Sequence(0)),
        Some(_) => {
            return Err(invalid(
                "If-None-Match",
                "a write takes If-None-Match: * only",
            ));
        }
    };
    let matching = headers.get("If-Match").map(|value| {
        let digits = value.to_str().ok().and_then(|text| {
            let digits = text.strip_prefix('"')?.strip_suffix('"')?;
            digits.bytes().all(|b| b.is_ascii_digit()).then_some(digits)
        });
        let version = digits.and_then(|digits| digits.parse().ok()).map(Sequence);
        version.ok_or_else(|| {
            invalid(
                "If-Match",
                "If-Match is one ETag of this document, \"<version>\"",
            )
        })
    });
    let named = parameters
        .number("ifVersion", 0, SEQUENCE_MAX)?
        .map(Sequence);
    let mut all = [absent, matching.transpose()?, named].into_iter().flatten();
    let first = all.next();
    if all.any(|other| Some(other) != first) {
        return Err(Error::invalid(
            "conflicting_parameters",
            "If-Match, If-None-Match and ifVersion name different versions",
        )
        .at("ifVersion"));
    }
    Ok(first)
}

fn invalid(name: &str, message: &str) -> Error {
    Error::invalid("invalid_header", message).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (
                http::HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_long_label_is_refused_by_name() {
        for name in [
            "x-source",
            "x-correlation-id",
            "traceparent",
            "idempotency-key",
        ] {
            let long = "x".repeat(257);
            let error = caller(&headers(&[(name, &long)]), &Parameters::default()).unwrap_err();
            assert_eq!(error.code(), "label_too_long");
            assert_eq!(error.field().unwrap().to_ascii_lowercase(), name);
            assert!(caller(&headers(&[(name, &long[1..])]), &Parameters::default()).is_ok());
        }
    }

    #[test]
    fn conditions_agree_or_are_refused() {
        let none = Parameters::default();
        let five = Parameters::parse("ifVersion=5", None).unwrap();
        let tag = headers(&[("if-match", "\"5\"")]);
        assert_eq!(precondition(&tag, &five).unwrap(), Some(Sequence(5)));
        assert_eq!(precondition(&tag, &none).unwrap(), Some(Sequence(5)));
        let absent = headers(&[("if-none-match", "*")]);
        assert_eq!(precondition(&absent, &none).unwrap(), Some(Sequence(0)));
        assert_eq!(
            precondition(&absent, &five).unwrap_err().code(),
            "conflicting_parameters"
        );
        for odd in ["5", "W/\"5\"", "*", "\"5\",\"6\"", "\"x\"", "\"\""] {
            let odd = headers(&[("if-match", odd)]);
            assert_eq!(
                precondition(&odd, &none).unwrap_err().code(),
                "invalid_header"
            );
        }
    }
}
