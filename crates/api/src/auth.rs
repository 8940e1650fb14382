//! Who may ask: one bearer token, or anyone when the operator set none.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tidelog_log::{Error, Kind, Result};

/// Checks the bearer token of a request.
///
/// # Errors
/// `unauthorized` when a token is asked for and the request has none or another.
pub(crate) fn check(token: Option<&str>, headers: &HeaderMap) -> Result<()> {
    let Some(token) = token else {
        return Ok(());
    };
    let given = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(given)
    });
    if given.is_some_and(|given| same(given.trim_ascii(), token.as_bytes())) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Unauthorized,
        "unauthorized",
        "this host asks for Authorization: Bearer <token>",
    ))
}

/// Compares in a time that depends on the lengths only, so that no prefix can be guessed.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(token)
        .fold(0, |bits, (a, b)| bits | (a ^ b));
    std::hint::black_box(differing) == 0 && given.len() == token.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn only_the_whole_token_opens() {
        let with = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
            check(Some("secret"), &headers).is_ok()
        };
        assert!(with("Bearer secret") && with("bearer  secret"));
        for value in [
            "Bearer secre",
            "Bearer secrets",
            "Bearer ",
            "Basic secret",
            "secret",
            "",
        ] {
            assert!(!with(value), "{value:?}");
        }
        assert!(check(Some("secret"), &HeaderMap::new()).is_err());
        assert!(check(None, &HeaderMap::new()).is_ok());
    }
}
