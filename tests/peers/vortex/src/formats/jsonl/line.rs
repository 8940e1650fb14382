//! Lines straight into columns: no value of JSON in between.

use std::fmt;

use anyhow::Result;
use arrow::array::ArrayRef;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cells::Builder;
use crate::sets::DataSet;

/// Columns that grow line by line.
pub struct LineColumns {
    columns: Vec<Column>,
}

/// A column of the set, in its place; members stand in this order.
struct Column {
    name: String,
    is_json: bool,
    /// `None` if it was not asked for.
    builder: Option<Builder>,
}

impl LineColumns {
    /// Columns of which only some are kept.
    pub fn new(set: &DataSet, asked: &[usize]) -> Result<Self> {
        let schema = set.batch.schema();
        let column = |at: usize| {
            let builder = asked
                .contains(&at)
                .then(|| Builder::new(schema.field(at).data_type()));
            Ok(Column {
                name: schema.field(at).name().clone(),
                is_json: set.json.contains(&at),
                builder: builder.transpose()?,
            })
        };
        let columns = (0..schema.fields().len())
            .map(column)
            .collect::<Result<_>>()?;
        Ok(Self { columns })
    }

    /// Appends one line.
    pub fn append(&mut self, line: &str) -> Result<()> {
        let mut reader = serde_json::Deserializer::from_str(line);
        Ok(Line(&mut self.columns).deserialize(&mut reader)?)
    }

    /// The columns asked for.
    pub fn finish(mut self, asked: &[usize]) -> Vec<ArrayRef> {
        let column = |at: &usize| self.columns[*at].builder.as_mut().map(Builder::finish);
        asked.iter().filter_map(column).collect()
    }
}

struct Line<'a>(&'a mut [Column]);

impl<'de> DeserializeSeed<'de> for Line<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Line<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut columns = self.0.iter_mut();
        while let Some(name) = map.next_key::<&str>()? {
            let column = loop {
                let column = columns
                    .next()
                    .ok_or_else(|| A::Error::custom("an unknown member"))?;
                if column.name == name {
                    break column;
                }
                column.null();
            };
            map.next_value_seed(column)?;
        }
        columns.for_each(Column::null);
        Ok(())
    }
}

impl Column {
    fn null(&mut self) {
        if let Some(builder) = &mut self.builder {
            builder.null();
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut Column {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Some(builder) = &mut self.builder else {
            return deserializer.deserialize_ignored_any(IgnoredAny).map(drop);
        };
        if self.is_json {
            let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
            return builder.text(raw.get()).map_err(D::Error::custom);
        }
        deserializer.deserialize_any(Value(builder))
    }
}

/// One value that is no document.
struct Value<'a>(&'a mut Builder);

impl Visitor<'_> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number or a text")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.0.int(value).map_err(E::custom)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        let value = i64::try_from(value).map_err(E::custom)?;
        self.0.int(value).map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.0.float(value).map_err(E::custom)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.0.text(value).map_err(E::custom)
    }
}
