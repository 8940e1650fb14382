//! CSV as documents: each column by its field's type, an empty cell is no value.

use std::io::Read;

use csv::{Reader, StringRecord};
use serde_json::{Number, Value as Json};
use tidelog_core::Collection;
use tidelog_log::FieldType;

use super::source::ImportRow;
use crate::failure::{Failure, Result};

/// The rows of a CSV file with a header.
pub(crate) struct CsvRows<R> {
    reader: Reader<R>,
    columns: Vec<Column>,
    route: Option<usize>,
    record: StringRecord,
}

struct Column {
    name: String,
    /// `"name":`
    member: String,
    field_type: FieldType,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header. A column that is no declared field is text.
    pub(crate) fn new(reader: R, collection: &Collection, route: Option<&str>) -> Result<Self> {
        let mut reader = csv::ReaderBuilder::new()
            .buffer_capacity(1 << 16)
            .from_reader(reader);
        let header = reader.headers().map_err(|e| wrong(&e))?.clone();
        let columns = header.iter().map(|name| Column {
            name: name.to_owned(),
            member: format!("{}:", Json::from(name)),
            field_type: collection
                .field(name)
                .map_or(FieldType::String, |field| field.field_type),
        });
        let at = route.map(|name| {
            let at = header.iter().position(|column| column == name);
            at.ok_or_else(|| Failure::failed(format!("the header has no column {name}")))
        });
        Ok(Self {
            columns: columns.collect(),
            route: at.transpose()?,
            reader,
            record: StringRecord::new(),
        })
    }

    /// The next row; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<ImportRow>> {
        let more = self.reader.read_record(&mut self.record);
        if !more.map_err(|e| wrong(&e))? {
            return Ok(None);
        }
        let line = self.record.position().map_or(0, csv::Position::line);
        let mut json = String::with_capacity(self.record.as_slice().len() * 3);
        for (column, cell) in self.columns.iter().zip(&self.record) {
            if cell.is_empty() {
                continue;
            }
            json.push(if json.is_empty() { '{' } else { ',' });
            json.push_str(&column.member);
            if !put(&mut json, column.field_type, cell) {
                let (name, wanted) = (&column.name, column.field_type.name());
                let message = format!("line {line}, column {name}: {cell:?} is no {wanted}");
                return Err(Failure::failed(message));
            }
        }
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        let object = self.route.and_then(|at| self.record.get(at));
        let object = object.filter(|id| !id.is_empty()).map(str::to_owned);
        Ok(Some(ImportRow { line, json, object }))
    }
}

/// Appends a cell as JSON; false when it is not of the type.
fn put(out: &mut String, field_type: FieldType, cell: &str) -> bool {
    let json = match field_type {
        FieldType::Int | FieldType::Float => match number(cell) {
            Some(digits) => {
                out.push_str(&digits);
                return true;
            }
            None => return false,
        },
        FieldType::Bool => match cell {
            "true" | "TRUE" | "True" => Json::Bool(true),
            "false" | "FALSE" | "False" => Json::Bool(false),
            _ => return false,
        },
        FieldType::Json | FieldType::Vector => match serde_json::from_str(cell) {
            Ok(json) => json,
            Err(_) => return false,
        },
        FieldType::String
        | FieldType::BigInt
        | FieldType::Date
        | FieldType::Timestamp
        | FieldType::Binary
        | FieldType::Uuid => Json::from(cell),
    };
    out.push_str(&json.to_string());
    true
}

/// The digits of a number as JSON writes them: its own where they are that already.
fn number(cell: &str) -> Option<String> {
    if cell.trim() == cell && serde_json::from_str::<Number>(cell).is_ok() {
        return Some(cell.to_owned());
    }
    let float: f64 = cell.trim().parse().ok()?;
    Number::from_f64(float).map(|number| number.to_string())
}

fn wrong(error: &csv::Error) -> Failure {
    Failure::failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelog_core::{TypeSchema, TypeSpec};

    const TYPE: &str = "type = 't'\n[collections.c]\nkey = ['k']\n[collections.c.fields]\n\
        k = { type = 'string', required = true }\nn = { type = 'int' }\nf = { type = 'float' }\n\
        b = { type = 'bool' }\nbig = { type = 'bigint' }\nj = { type = 'json' }\n";

    fn rows(csv: &str, route: Option<&str>) -> Result<Vec<ImportRow>> {
        let spec = TypeSpec::from_toml(TYPE).unwrap();
        let schema = TypeSchema::register(None, &spec).unwrap();
        let mut rows = CsvRows::new(csv.as_bytes(), &schema.collections[0], route)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            all.push(row);
        }
        Ok(all)
    }

    #[test]
    fn cells_take_their_fields_types_and_empty_ones_are_absent() {
        let csv = "k,n,f,b,big,j,other\nA,5,10.357019999999999,TRUE,9007199254740993,\"[1,{}]\",7\n\"a\"\"b\",,.5,,,,\n,,,,,,\n";
        let rows = rows(csv, None).unwrap();
        let texts: Vec<&str> = rows.iter().map(|row| row.json.as_str()).collect();
        assert_eq!(
            texts,
            [
                r#"{"k":"A","n":5,"f":10.357019999999999,"b":true,"big":"9007199254740993","j":[1,{}],"other":"7"}"#,
                r#"{"k":"a\"b","f":0.5}"#,
                "{}"
            ]
        );
        assert_eq!(rows[1].line, 3);
    }

    #[test]
    fn a_wrong_cell_is_named_by_line_and_column() {
        let failure = rows("k,n\nA,1\nB,many\n", None).unwrap_err();
        assert_eq!(failure.message, "line 3, column n: \"many\" is no int");
    }

    #[test]
    fn rows_are_routed_by_a_column() {
        let routed = rows("k,n\nA,1\n,2\n", Some("k")).unwrap();
        assert_eq!(routed[0].object.as_deref(), Some("A"));
        assert_eq!(routed[1].object, None);
        assert!(rows("k\nA\n", Some("nope")).is_err());
    }
}
