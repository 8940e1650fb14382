//! Who may ask: one bearer token, or anyone when the operator set none; and one of administrators.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tidelog_log::{Error, Kind, Result};

use crate::ApiSettings;

/// Checks the bearer token of a request. That of administrators opens everything.
///
/// # Errors
/// `unauthorized` when a token is asked for and the request has none or another.
pub(crate) fn check(settings: &ApiSettings, headers: &HeaderMap) -> Result<()> {
    match settings.token {
        Some(_) if !shows(&settings.token, headers) && !shows(&settings.admin_token, headers) => {
            Err(unauthorized(
                "this host asks for Authorization: Bearer <token>",
            ))
        }
        _ => Ok(()),
    }
}

/// Checks that an administrator asks.
///
/// # Errors
/// `admin_disabled` when there are none, `admin_required` for the ordinary token, `unauthorized` for
/// another or none.
pub(crate) fn check_admin(settings: &ApiSettings, headers: &HeaderMap) -> Result<()> {
    if settings.admin_token.is_none() {
        let message = "snapshots and restores are off: they need an admin token \
                       (TIDELOG_ADMIN_TOKEN), and this host has none";
        return Err(Error::new(Kind::Unauthorized, "admin_disabled", message));
    }
    if shows(&settings.admin_token, headers) {
        return Ok(());
    }
    if shows(&settings.token, headers) {
        let message = "the ordinary token does not suffice here; this asks for the admin token";
        return Err(Error::new(Kind::Unauthorized, "admin_required", message));
    }
    Err(unauthorized(
        "this asks for Authorization: Bearer <admin token>",
    ))
}

fn unauthorized(message: &str) -> Error {
    Error::new(Kind::Unauthorized, "unauthorized", message)
}

/// True when the request shows this token.
fn shows(token: &Option<String>, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| {
        let (scheme, given) = value.as_bytes().split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(given)
    });
    let token = token.as_ref().map(String::as_bytes);
    given
        .zip(token)
        .is_some_and(|(given, token)| same(given.trim_ascii(), token))
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

    fn settings(token: Option<&str>, admin_token: Option<&str>) -> ApiSettings {
        ApiSettings {
            token: token.map(str::to_owned),
            admin_token: admin_token.map(str::to_owned),
            ..ApiSettings::default()
        }
    }

    fn with(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn only_the_whole_token_opens() {
        let opens = |value| check(&settings(Some("secret"), None), &with(value)).is_ok();
        assert!(opens("Bearer secret") && opens("bearer  secret"));
        for value in [
            "Bearer secre",
            "Bearer secrets",
            "Bearer ",
            "Basic secret",
            "secret",
            "",
        ] {
            assert!(!opens(value), "{value:?}");
        }
        assert!(check(&settings(None, None), &HeaderMap::new()).is_ok());
        assert!(check(&settings(Some("secret"), None), &HeaderMap::new()).is_err());
    }

    #[test]
    fn administrators_have_a_token_of_their_own_or_there_are_none() {
        let code = |settings: &ApiSettings, headers: &HeaderMap| {
            let refused = check_admin(settings, headers).err();
            refused.map(|error| error.code().to_owned())
        };
        let off = settings(Some("secret"), None);
        let disabled = code(&off, &with("Bearer secret"));
        assert_eq!(disabled.as_deref(), Some("admin_disabled"));
        let on = settings(Some("secret"), Some("root"));
        assert_eq!(code(&on, &with("Bearer root")), None);
        assert!(check(&on, &with("Bearer root")).is_ok());
        let ordinary = code(&on, &with("Bearer secret"));
        assert_eq!(ordinary.as_deref(), Some("admin_required"));
        for headers in [with("Bearer roots"), HeaderMap::new()] {
            assert_eq!(code(&on, &headers).as_deref(), Some("unauthorized"));
        }
        let open = settings(None, Some("root"));
        assert!(check(&open, &HeaderMap::new()).is_ok());
        assert_eq!(
            code(&open, &HeaderMap::new()).as_deref(),
            Some("unauthorized")
        );
    }
}
