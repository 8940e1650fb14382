//! Strict JSON: a repeated member is an error, nesting is bounded, errors say where.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value as Json};
use tidelog_log::{Error, Result};

/// Reads one JSON text of at most `depth_max` levels.
///
/// # Errors
/// `invalid_json` with line and column, also for a member that stands twice; `json_too_deep`.
pub(crate) fn parse(bytes: &[u8], depth_max: usize) -> Result<Json> {
    let too_deep = Cell::new(false);
    let strict = Strict {
        depth: depth_max,
        too_deep: &too_deep,
    };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let parsed = strict
        .deserialize(&mut reader)
        .and_then(|json| reader.end().map(|()| json));
    parsed.map_err(|error| {
        let code = if too_deep.get() {
            "json_too_deep"
        } else {
            "invalid_json"
        };
        Error::invalid(code, error.to_string())
            .with("line", error.line())
            .with("column", error.column())
    })
}

/// The text of the JSON object, or of each object of the JSON array, that `bytes` hold: what
/// [`parse`] would take, without a map of anything.
///
/// `None` for all else: what is wrong with it is for [`parse`] to say.
pub(crate) fn objects(bytes: &[u8], depth_max: usize) -> Option<Vec<&str>> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace())?;
    let (texts, depth): (Vec<&RawValue>, usize) = match first {
        b'[' => (
            serde_json::from_slice(bytes).ok()?,
            depth_max.checked_sub(1)?,
        ),
        _ => (vec![serde_json::from_slice(bytes).ok()?], depth_max),
    };
    let sound = |text: &&RawValue| {
        let mut reader = serde_json::Deserializer::from_str(text.get());
        text.get().starts_with('{') && Sound(depth).deserialize(&mut reader).is_ok()
    };
    let texts = texts
        .into_iter()
        .map(|text| sound(&text).then(|| text.get()));
    texts.collect()
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    too_deep: &'a Cell<bool>,
}

impl Strict<'_> {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        let Some(depth) = self.depth.checked_sub(1) else {
            self.too_deep.set(true);
            return Err(E::custom("the JSON nests too deep"));
        };
        Ok(Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Json;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Json, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, b: bool) -> Result<Json, E> {
        Ok(Json::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Json, E> {
        Ok(Json::from(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Json, E> {
        Ok(Json::from(n))
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<Json, E> {
        let number = Number::from_f64(n).map(Json::Number);
        number.ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::from(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut out = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            out.push(item);
        }
        Ok(Json::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut out = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if out.contains_key(&name) {
                let shown: String = name.chars().take(80).collect();
                return Err(de::Error::custom(format!("member {shown:?} stands twice")));
            }
            out.insert(name, members.next_value_seed(inner)?);
        }
        Ok(Json::Object(out))
    }
}

/// Looks at a value of at most so many levels and keeps nothing of it.
#[derive(Clone, Copy)]
struct Sound(usize);

/// Members of one object that [`Sound`] compares with each other.
const MEMBERS_MAX: usize = 64;

impl Sound {
    fn inner<E: de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(unsound)
    }
}

/// Any error will do: it is dropped.
fn unsound<E: de::Error>() -> E {
    E::custom("")
}

impl<'de> DeserializeSeed<'de> for Sound {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, n: f64) -> Result<(), E> {
        n.is_finite().then_some(()).ok_or_else(unsound)
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let inner = self.inner()?;
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(name) = members.next_key_seed(Name)? {
            if names.len() == MEMBERS_MAX || names.contains(&name) {
                return Err(unsound());
            }
            names.push(name);
            members.next_value_seed(inner)?;
        }
        Ok(())
    }
}

/// Reads a member's name, from the text itself where nothing in it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: de::Deserializer<'de>>(self, reader: D) -> Result<Cow<'de, str>, D::Error> {
        reader.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_objects_are_those_that_parse_takes() {
        let many = |count: usize| {
            let members: Vec<String> = (0..count).map(|n| format!("\"m{n}\":{n}")).collect();
            format!("{{{}}}", members.join(","))
        };
        let quick = [
            "{}",
            " [ ] ",
            "[{},{\"a\":[1,-2.5,\"x\",null,true,{\"b\":{}}]}]",
            "\n{\"\\u0061\":1,\"b\":2}\t",
            &many(MEMBERS_MAX),
        ];
        for text in quick {
            let texts = objects(text.as_bytes(), 5).unwrap();
            let read: Vec<Json> = texts
                .iter()
                .map(|t| serde_json::from_str(t).unwrap())
                .collect();
            match parse(text.as_bytes(), 5).unwrap() {
                Json::Array(items) => assert_eq!(read, items),
                one => assert_eq!(read, [one]),
            }
        }
        let long = [
            "",
            "1",
            "[1]",
            "[{},[]]",
            "{",
            "{}x",
            "[{}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "[{\"x\":{\"a\":1,\"a\":2}}]",
            "{\"a\":1e999}",
            "{\"a\":[[[[[]]]]]}",
            "[{\"a\":[[[[]]]]}]",
            "{\"a\":\"\\ud800\"}",
            &many(MEMBERS_MAX + 1),
        ];
        for text in long {
            assert_eq!(objects(text.as_bytes(), 5), None, "{text}");
        }
        assert_eq!(objects(b"{\"a\":\"\xff\"}", 5), None);
    }

    #[test]
    fn a_repeated_member_is_refused_with_its_place() {
        let error = parse(b"{\"a\":1,\n\"a\":2}", 9).unwrap_err();
        assert_eq!(error.code(), "invalid_json");
        assert_eq!(error.details()["line"], 2);
        assert!(error.message().contains("\"a\" stands twice"), "{error}");
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(parse(b"[[1]]", 2).is_ok());
        assert_eq!(parse(b"[[1]]", 1).unwrap_err().code(), "json_too_deep");
        assert_eq!(
            parse(&[b'['; 100_000], 64).unwrap_err().code(),
            "json_too_deep"
        );
    }

    #[test]
    fn anything_but_one_json_text_is_refused() {
        for text in [
            "",
            "{",
            "{}{}",
            "nul",
            "[1,]",
            "\u{feff}{}",
            "1e999",
            "{\"a\" 1}",
            "'a'",
        ] {
            assert_eq!(
                parse(text.as_bytes(), 9).unwrap_err().code(),
                "invalid_json",
                "{text}"
            );
        }
        assert_eq!(parse(b"\"\xff\"", 9).unwrap_err().code(), "invalid_json");
    }
}
