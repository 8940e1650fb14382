//! The images of one collection's events as columns, a column per field, and back.
//!
//! A field's column has the id *field × 32 + type*, the column of its old values 16 more; the type is
//! the tag of its values in the log. Two columns hold what has none: undeclared fields, and old values
//! that were absent.

use std::collections::BTreeMap;

use arrow_array::builder::BinaryBuilder;
use arrow_array::{Array, ArrayRef};
use tidelog_log::{
    Error, FieldId, FieldType, Operation, RawImage, Reader, Result, ValueRef, put_bytes, put_varint,
};
use tidelog_vortex::{ColumnKind, ColumnSpec, VortexDecoder};

use super::records::column;
use crate::folded::{Column, bytes_at, foreign, type_byte, type_of_byte, value_at, wrong_column};

/// The column of undeclared fields: as they stand in the row, their count first; no JSON where `id` is
/// the document's key.
const EXTRA: u32 = 1;
/// The column of what else was before: `varint` count of declared fields that were absent, their
/// ids as `varint`s, `varint` count of undeclared ones, their old values as they stand in the record.
const OLD_REST: u32 = 2;

const FIELD_COLUMNS: u32 = 32;
const OLD: u32 = 16;

/// Images of one collection as they come.
#[derive(Default)]
pub(super) struct Images {
    rows: usize,
    fields: BTreeMap<u32, Filling>,
    extra: Vec<Option<Vec<u8>>>,
    old_rest: Vec<Option<Vec<u8>>>,
}

/// A column, and how many rows it has by now.
struct Filling {
    column: Column,
    rows: usize,
}

impl Images {
    /// Adds the image of the next event, of the document `key`.
    pub(super) fn push(&mut self, operation: Operation, key: &str, image: &[u8]) -> Result<()> {
        let image = RawImage::read(operation, image)?;
        for (id, value) in &image.fields {
            self.put(*id, 0, *value)?;
        }
        let (mut absent, mut absent_count) = (Vec::new(), 0_u64);
        for (id, value) in &image.old {
            match value {
                Some(value) => self.put(*id, OLD, *value)?,
                None => {
                    absent_count += 1;
                    put_varint(&mut absent, u64::from(*id));
                }
            }
        }
        let extra = (image.extra.0 > 0).then(|| extra_without_key(image.extra, key));
        self.extra.push(extra.transpose()?);
        let any = absent_count > 0 || image.old_extra.0 > 0;
        self.old_rest.push(any.then(|| {
            let mut rest = Vec::new();
            put_varint(&mut rest, absent_count);
            rest.append(&mut absent);
            put_varint(&mut rest, image.old_extra.0 as u64);
            rest.extend_from_slice(image.old_extra.1);
            rest
        }));
        self.rows += 1;
        Ok(())
    }

    fn put(&mut self, field: FieldId, kind: u32, value: ValueRef<'_>) -> Result<()> {
        let value = value.to_value();
        let field_type = value.field_type();
        let id = field.checked_mul(FIELD_COLUMNS).filter(|id| *id > 0);
        let id = id.ok_or_else(|| Error::corrupt("a field id is out of range"))?;
        let id = id + kind + u32::from(type_byte(field_type));
        let filling = self.fields.entry(id).or_insert_with(|| Filling {
            column: Column::new(field_type, 0),
            rows: 0,
        });
        filling.fill(self.rows)?;
        filling.rows += 1;
        filling.column.push(Some(&value))
    }

    /// The columns.
    pub(super) fn finish(self) -> Result<(Vec<ColumnSpec>, Vec<ArrayRef>)> {
        let (mut specs, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
        for (id, name, values) in [
            (EXTRA, "extra", self.extra),
            (OLD_REST, "old", self.old_rest),
        ] {
            // A blob needs a column to have rows.
            if id == EXTRA || values.iter().any(Option::is_some) {
                let mut builder = BinaryBuilder::new();
                values
                    .iter()
                    .for_each(|v| builder.append_option(v.as_ref()));
                specs.push(ColumnSpec::plain(id, name));
                arrays.push(std::sync::Arc::new(builder.finish()));
            }
        }
        for (id, mut filling) in self.fields {
            filling.fill(self.rows)?;
            let (field, is_old, field_type) = parts_of(id)?;
            if let Some(array) = filling.column.finish() {
                let name = format!("{}{field}", if is_old { "old " } else { "" });
                specs.push(match field_type {
                    FieldType::Json => ColumnSpec::json(id, name),
                    _ => ColumnSpec::plain(id, name),
                });
                arrays.push(array);
            }
        }
        Ok((specs, arrays))
    }
}

impl Filling {
    fn fill(&mut self, rows: usize) -> Result<()> {
        while self.rows < rows {
            self.column.push(None)?;
            self.rows += 1;
        }
        Ok(())
    }
}

fn parts_of(id: u32) -> Result<(FieldId, bool, FieldType)> {
    let (field, rest) = (id / FIELD_COLUMNS, id % FIELD_COLUMNS);
    let tag = u8::try_from(rest % OLD).unwrap_or(u8::MAX);
    Ok((field, rest >= OLD, type_of_byte(tag)?))
}

/// The undeclared field that repeats a document's key where the schema names no key.
const ID: &[u8] = b"id";

/// The undeclared fields of a row, count first, the key among them left out: random ids do not compress.
fn extra_without_key((count, bytes): (usize, &[u8]), key: &str) -> Result<Vec<u8>> {
    let (mut reader, mut out) = (Reader::new(bytes), Vec::with_capacity(bytes.len()));
    put_varint(&mut out, count as u64);
    for _ in 0..count {
        let (name, json) = (reader.bytes()?, reader.bytes()?);
        let is_key = name == ID && json == json_of(key)?.as_bytes();
        put_bytes(&mut out, name);
        put_bytes(&mut out, if is_key { &[] } else { json });
    }
    Ok(out)
}

/// Appends what [`extra_without_key`] took, as it was.
fn put_extra(extra: &[u8], key: &str, out: &mut Vec<u8>) -> Result<()> {
    let mut reader = Reader::new(extra);
    let count = reader.count(2)?;
    put_varint(out, count as u64);
    for _ in 0..count {
        let (name, json) = (reader.bytes()?, reader.bytes()?);
        put_bytes(out, name);
        match name == ID && json.is_empty() {
            true => put_bytes(out, json_of(key)?.as_bytes()),
            false => put_bytes(out, json),
        }
    }
    match reader.is_empty() {
        true => Ok(()),
        false => Err(Error::corrupt("bytes after the undeclared fields of a row")),
    }
}

fn json_of(key: &str) -> Result<String> {
    serde_json::to_string(key).map_err(|e| Error::internal(e.to_string()))
}

/// The decoded images of one collection.
pub(super) struct Decoded {
    rows: usize,
    /// Ascending by field.
    fields: Vec<Field>,
    old: Vec<Field>,
    extra: Option<ArrayRef>,
    old_rest: Option<ArrayRef>,
}

struct Field {
    id: FieldId,
    field_type: FieldType,
    values: ArrayRef,
}

impl Decoded {
    /// Decodes what [`Images::finish`] made.
    pub(super) fn read(blob: &VortexDecoder) -> Result<Self> {
        let mut decoded = Self {
            rows: blob.rows(),
            fields: Vec::new(),
            old: Vec::new(),
            extra: column(blob, EXTRA)?,
            old_rest: column(blob, OLD_REST)?,
        };
        let mut last = 0;
        for (at, said) in blob.columns().iter().enumerate() {
            if said.id < FIELD_COLUMNS {
                continue;
            }
            let (id, is_old, field_type) = parts_of(said.id)?;
            if said.id <= last || (said.kind == ColumnKind::Json) != (field_type == FieldType::Json)
            {
                return Err(wrong_column("where it should be"));
            }
            last = said.id;
            let side = if is_old {
                &mut decoded.old
            } else {
                &mut decoded.fields
            };
            side.push(Field {
                id,
                field_type,
                values: blob.read_column(at).map_err(foreign)?,
            });
        }
        Ok(decoded)
    }

    /// Appends the image in a row as it stands in a record.
    pub(super) fn put(
        &self,
        row: usize,
        (operation, key): (Operation, &str),
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if row >= self.rows {
            return Err(Error::corrupt("a segment has fewer images than events"));
        }
        let there = |fields: &[Field]| fields.iter().filter(|f| !f.values.is_null(row)).count();
        put_varint(out, there(&self.fields) as u64);
        for field in self.fields.iter().filter(|f| !f.values.is_null(row)) {
            put_varint(out, u64::from(field.id));
            field.put(row, out)?;
        }
        match binary(self.extra.as_ref(), row)? {
            Some(extra) => put_extra(extra, key, out)?,
            None => out.push(0),
        }
        if operation == Operation::Update {
            self.put_old(row, there(&self.old), out)?;
        }
        Ok(())
    }

    fn put_old(&self, row: usize, there: usize, out: &mut Vec<u8>) -> Result<()> {
        let mut rest = Reader::new(binary(self.old_rest.as_ref(), row)?.unwrap_or(&[0, 0]));
        let absent = (0..rest.count(1)?)
            .map(|_| rest.varint())
            .collect::<Result<Vec<u64>>>()?;
        let extra = rest.varint()?;
        let declared = (there + absent.len()) as u64;
        put_varint(out, declared.saturating_add(extra));
        let mut absent = absent.into_iter().peekable();
        for field in self.old.iter().filter(|f| !f.values.is_null(row)) {
            while let Some(id) = absent.next_if(|id| *id < u64::from(field.id)) {
                put_varint(out, id);
                out.push(0);
            }
            put_varint(out, u64::from(field.id));
            field.put(row, out)?;
        }
        for id in absent {
            put_varint(out, id);
            out.push(0);
        }
        out.extend_from_slice(rest.take(rest.remaining())?);
        Ok(())
    }
}

impl Field {
    fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<()> {
        let value = value_at(&self.values, row, self.field_type)?;
        value.ok_or_else(|| wrong_column("there"))?.encode(out);
        Ok(())
    }
}

fn binary(array: Option<&ArrayRef>, row: usize) -> Result<Option<&[u8]>> {
    match array {
        Some(array) if !array.is_null(row) => {
            let bytes = bytes_at(array, row);
            bytes.map(Some).ok_or_else(|| wrong_column("bytes"))
        }
        _ => Ok(None),
    }
}
