//! `TYPE/ID` on the command line, and paths of the HTTP contract.

use std::fmt;
use std::str::FromStr;

use tidelog_core::Address;
use tidelog_log::Error;

/// An object as named by `TYPE/ID`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ObjectName {
    pub(crate) type_name: String,
    pub(crate) id: String,
}

impl ObjectName {
    /// Checks both parts as the server does.
    ///
    /// # Errors
    /// `invalid_name`, `invalid_object_id`.
    pub(crate) fn new(type_name: &str, id: &str) -> Result<Self, Error> {
        let address = Address::object(type_name, id)?;
        Ok(Self {
            type_name: address.type_name,
            id: address.id,
        })
    }

    /// The path of something of the object: `/v1/objects/TYPE/ID/REST…`.
    pub(crate) fn path(&self, rest: &[&str]) -> String {
        let mut segments = vec!["v1", "objects", &self.type_name, &self.id];
        segments.extend_from_slice(rest);
        path(&segments)
    }
}

impl FromStr for ObjectName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('/');
        let (type_name, id) = parts
            .ok_or_else(|| Error::invalid("invalid_object_id", "an object is named TYPE/ID"))?;
        Self::new(type_name, id)
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.type_name, self.id)
    }
}

/// A path of these segments, each percent-encoded.
pub(crate) fn path(segments: &[&str]) -> String {
    let encoded = segments.iter().map(|segment| encoded(segment));
    encoded.fold(String::new(), |path, segment| path + "/" + &segment)
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_type_and_id() {
        let name: ObjectName = "airport/New York".parse().unwrap();
        assert_eq!(name.to_string(), "airport/New York");
        assert_eq!(
            name.path(&["flights", "a/b"]),
            "/v1/objects/airport/New%20York/flights/a%2Fb"
        );
        for wrong in ["airport", "Airport/JFK", "airport/", "airport/a/b"] {
            assert!(wrong.parse::<ObjectName>().is_err(), "{wrong}");
        }
    }
}
