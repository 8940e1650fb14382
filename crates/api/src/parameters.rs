//! Percent-encoding, and the parameters of a query string.

use tidelog_log::{Error, Result};

use crate::limits::PARAMETERS_MAX;

/// Decodes percent-encoding, once.
///
/// # Errors
/// `invalid_path` for a broken escape or what is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Result<String> {
    let broken = || Error::invalid("invalid_path", "percent-encoding is %XX and makes UTF-8");
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16)?.try_into().ok();
        let (high, low): (Option<u8>, Option<u8>) = (digit(), digit());
        out.push(high.zip(low).map(|(h, l)| h << 4 | l).ok_or_else(broken)?);
    }
    String::from_utf8(out).map_err(|_| broken())
}

/// The parameters of a query string, each at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads a query string; `+` is a space. `taken` lists the names the route knows; `None`
    /// lets others pass, as protocols with extensions ask.
    ///
    /// # Errors
    /// `invalid_parameter` or `unknown_parameter` that names the parameter.
    pub(crate) fn parse(query: &str, taken: Option<&[&str]>) -> Result<Self> {
        let mut all: Vec<(String, String)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| {
                percent_decoded(&text.replace('+', " ")).map_err(|e| invalid(name, e.message()))
            };
            let (name, value) = (decoded(name)?, decoded(value)?);
            let shown: String = name.chars().take(80).collect();
            if all.iter().any(|(known, _)| *known == name) {
                return Err(invalid(&shown, "a parameter stands once"));
            }
            if taken.is_some_and(|taken| !taken.contains(&name.as_str())) {
                let message = format!("this route takes no parameter {shown:?}");
                return Err(Error::invalid("unknown_parameter", message).at(shown));
            }
            all.push((name, value));
            if all.len() > PARAMETERS_MAX {
                return Err(invalid(&shown, "too many parameters"));
            }
        }
        Ok(Self(all))
    }

    /// The value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// A whole number within a range.
    pub(crate) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = plain.then(|| text.parse().ok()).flatten();
        let number = number.filter(|n| (least..=most).contains(n));
        let wanted = || {
            invalid(
                name,
                &format!("{name} is a whole number from {least} to {most}"),
            )
        };
        number.map(Some).ok_or_else(wanted)
    }

    /// The most items of a page.
    pub(crate) fn limit(&self, default: usize, most: usize) -> Result<usize> {
        let limit = self
            .number("limit", 1, most as u64)
            .map_err(|e| Error::invalid("limit_out_of_range", e.message()).at("limit"))?;
        Ok(limit
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(default))
    }

    /// The items of a comma list; none when the parameter is absent.
    ///
    /// # Errors
    /// `invalid_parameter` for an empty item.
    pub(crate) fn list(&self, name: &str) -> Result<Vec<&str>> {
        let items: Vec<&str> = self
            .get(name)
            .map_or_else(Vec::new, |v| v.split(',').collect());
        if items.contains(&"") {
            return Err(invalid(
                name,
                &format!("{name} is a list of names with commas between"),
            ));
        }
        Ok(items)
    }
}

/// A parameter whose value is wrong.
pub(crate) fn invalid(name: &str, message: &str) -> Error {
    Error::invalid("invalid_parameter", message).at(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(percent_decoded("a%2Fb%252F+%C3%BC").unwrap(), "a/b%2F+ü");
        for text in ["%", "%2", "%zz", "%+1", "%ff", "a%C3"] {
            assert_eq!(
                percent_decoded(text).unwrap_err().code(),
                "invalid_path",
                "{text}"
            );
        }
    }

    #[test]
    fn parameters_stand_once_and_are_known() {
        let code = |query| Parameters::parse(query, Some(&["a", "b"])).unwrap_err();
        assert_eq!(code("a=1&a=1").field(), Some("a"));
        assert_eq!(code("c=1").code(), "unknown_parameter");
        assert_eq!(code("a=%").code(), "invalid_parameter");
        let parameters = Parameters::parse("a=x+y%2B&b", Some(&["a", "b"])).unwrap();
        assert_eq!(
            (parameters.get("a"), parameters.get("b")),
            (Some("x y+"), Some(""))
        );
    }

    #[test]
    fn limits_name_themselves() {
        for query in [
            "limit=0",
            "limit=-1",
            "limit=11",
            "limit=",
            "limit=1e1",
            "limit=%2B1",
        ] {
            let parameters = Parameters::parse(query, None).unwrap();
            assert_eq!(
                parameters.limit(5, 10).unwrap_err().field(),
                Some("limit"),
                "{query}"
            );
        }
    }
}
