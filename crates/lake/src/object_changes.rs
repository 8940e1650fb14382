//! Reading an object's changes back by sequence, a bounded page at a time.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use parquet::arrow::arrow_reader::RowSelection;
use tidelog_core::{LakeChanges, LakeEvent, LakeImage};
use tidelog_log::{Error, FieldId, FieldType, Operation, Result, Row, Sequence, Value};

use crate::columns::{EXTRA, KEY, OBJECT, OPERATION, SEQUENCE, TIMESTAMP};
use crate::limits::{
    CHANGES_BYTES_MAX, CHANGES_EVENTS_MAX, COLD_READ_FILES_MAX, SYSTEM_COLUMN_ID_MIN,
};
use crate::page_values::Raw;
use crate::parquet_parts::{ParquetParts, Probe, Wanted, group_may_hold};
use crate::{BlobStore, ChangesScan, foreign};

impl ChangesScan {
    /// Reads the changes of an object after `after`, up to `to` at most. How far it came is in
    /// [`LakeChanges::upto`]: a page has no more than [`CHANGES_EVENTS_MAX`] sequences, and about
    /// [`CHANGES_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// Those of the blob store; `corrupt` when a file is, or has a column that the table has not;
    /// `cold_read_too_large` when more than [`COLD_READ_FILES_MAX`] files may hold one sequence.
    pub(crate) async fn changes<B: BlobStore>(
        &self,
        blobs: &B,
        object: &str,
        (after, to): (Sequence, Sequence),
    ) -> Result<LakeChanges> {
        let mut wanted = (to.0.saturating_sub(after.0)).min(CHANGES_EVENTS_MAX);
        loop {
            let upto = Sequence(after.0 + wanted);
            let files = self.files_with(object, after.next()..=upto);
            if files.len() > COLD_READ_FILES_MAX {
                if wanted <= 1 {
                    return Err(crate::newest::too_large("data files", COLD_READ_FILES_MAX));
                }
                wanted /= 2;
                continue;
            }
            let mut page = Page::new(&self.types, object, after.next()..=upto);
            for at in files {
                let parts = ParquetParts::open(blobs, &self.files()[at]).await?;
                page.find(blobs, &parts, at).await?;
            }
            if page.bytes > CHANGES_BYTES_MAX && wanted > 1 {
                wanted = (wanted / 2)
                    .min(wanted * CHANGES_BYTES_MAX / page.bytes)
                    .max(1);
                continue;
            }
            for (at, places) in std::mem::take(&mut page.found) {
                let parts = ParquetParts::open(blobs, &self.files()[at]).await?;
                page.read(blobs, &parts, places).await?;
            }
            page.events.sort_by_key(|event| event.sequence);
            return Ok(LakeChanges {
                image: LakeImage::default(),
                upto,
                events: page.events,
            });
        }
    }

    /// The files that may hold a sequence of this range of the object.
    fn files_with(&self, object: &str, range: RangeInclusive<Sequence>) -> Vec<usize> {
        let files = self.files().iter().enumerate();
        let (least, most) = bounds(&range);
        let files = files.filter(|(_, file)| {
            file.may_hold(object) && file.may_hold_range(SEQUENCE, least, most)
        });
        files.map(|(at, _)| at).collect()
    }
}

fn bounds(range: &RangeInclusive<Sequence>) -> (i64, i64) {
    let whole = |sequence: &Sequence| i64::try_from(sequence.0).unwrap_or(i64::MAX);
    (whole(range.start()), whole(range.end()))
}

/// What is looked for, and what was found.
struct Page<'p> {
    types: &'p BTreeMap<FieldId, FieldType>,
    object: &'p str,
    range: RangeInclusive<Sequence>,
    /// Rows by file and group.
    found: BTreeMap<usize, Vec<(usize, Vec<usize>)>>,
    /// About so many bytes they are, unpacked.
    bytes: u64,
    events: Vec<LakeEvent>,
}

/// An event that is put together column by column.
#[derive(Default)]
struct Parts {
    sequence: u64,
    timestamp: i64,
    operation: Option<Operation>,
    key: String,
    row: Row,
}

impl<'p> Page<'p> {
    fn new(
        types: &'p BTreeMap<FieldId, FieldType>,
        object: &'p str,
        range: RangeInclusive<Sequence>,
    ) -> Self {
        Self {
            types,
            object,
            range,
            found: BTreeMap::new(),
            bytes: 0,
            events: Vec::new(),
        }
    }

    /// Finds the rows of a file that are wanted.
    async fn find<B: BlobStore>(
        &mut self,
        blobs: &B,
        parts: &ParquetParts<'_>,
        file: usize,
    ) -> Result<()> {
        let (least, most) = bounds(&self.range);
        let probes = [
            (OBJECT, Probe::Text(self.object.to_owned())),
            (SEQUENCE, Probe::Within(least, most)),
        ];
        let columns = [OBJECT, SEQUENCE].map(|id| parts.column(id));
        let [Some(object), Some(sequence)] = columns else {
            return Err(Error::corrupt("a data file without objects or sequences"));
        };
        for (group, said) in parts.groups().iter().enumerate() {
            if !probes
                .iter()
                .all(|(id, probe)| group_may_hold(said, *id, probe))
            {
                continue;
            }
            let rows = parts.rows_with(group, OBJECT, &probes[0].1);
            let rows = rows.intersection(&parts.rows_with(group, SEQUENCE, &probes[1].1));
            if !rows.selects_any() {
                continue;
            }
            let columns = &[object, sequence];
            let wanted = Wanted {
                group,
                columns,
                rows,
            };
            let read = parts.read(blobs, wanted).await?;
            let mut places = Vec::new();
            read.visit(sequence, &mut |row, values| {
                if let Some([Raw::Bits(bits)]) = values
                    && self.range.contains(&Sequence(*bits))
                {
                    places.push(row);
                }
                Ok(())
            })?;
            let mut of_object = Vec::new();
            read.visit(object, &mut |row, values| {
                let is = values == Some(&[Raw::Bytes(self.object.as_bytes())][..]);
                if is && places.binary_search(&row).is_ok() {
                    of_object.push(row);
                }
                Ok(())
            })?;
            if of_object.is_empty() {
                continue;
            }
            let all = u64::try_from(said.num_rows()).unwrap_or(0).max(1);
            let bytes = u64::try_from(said.total_byte_size()).unwrap_or(0);
            self.bytes += bytes.saturating_mul(of_object.len() as u64) / all;
            self.found.entry(file).or_default().push((group, of_object));
        }
        Ok(())
    }

    /// Reads rows that were found.
    async fn read<B: BlobStore>(
        &mut self,
        blobs: &B,
        parts: &ParquetParts<'_>,
        groups: Vec<(usize, Vec<usize>)>,
    ) -> Result<()> {
        let columns = self.columns(parts)?;
        let places: Vec<usize> = columns.iter().map(|(_, place)| *place).collect();
        for (group, rows) in groups {
            let all = usize::try_from(parts.groups()[group].num_rows()).unwrap_or(0);
            let each = rows.iter().map(|row| *row..row + 1);
            let wanted = Wanted {
                group,
                columns: &places,
                rows: RowSelection::from_consecutive_ranges(each, all),
            };
            let read = parts.read(blobs, wanted).await?;
            let mut found: Vec<Parts> = rows.iter().map(|_| Parts::default()).collect();
            for (id, place) in &columns {
                let mut next = found.iter_mut();
                read.visit(*place, &mut |_, values| {
                    let event = next
                        .next()
                        .ok_or_else(|| Error::corrupt("a row too many"))?;
                    event.put(*id, self.types.get(id).copied(), values)
                })?;
            }
            for event in found {
                self.events.push(event.event()?);
            }
        }
        Ok(())
    }

    /// The columns that make an event, by id, and their places in the file.
    fn columns(&self, parts: &ParquetParts<'_>) -> Result<Vec<(u32, usize)>> {
        let mut columns = Vec::new();
        for (place, id) in parts.ids().into_iter().enumerate() {
            match id {
                SEQUENCE | TIMESTAMP | OPERATION | KEY | EXTRA => columns.push((id, place)),
                id if id >= SYSTEM_COLUMN_ID_MIN => {}
                id if self.types.contains_key(&id) => columns.push((id, place)),
                id => {
                    let message = format!("a data file has column {id}, which the table has not");
                    return Err(Error::corrupt(message));
                }
            }
        }
        columns.sort_unstable();
        Ok(columns)
    }
}

impl Parts {
    fn put(
        &mut self,
        id: u32,
        field_type: Option<FieldType>,
        values: Option<&[Raw<'_>]>,
    ) -> Result<()> {
        let Some(values) = values else {
            return Ok(());
        };
        match id {
            SEQUENCE => self.sequence = bits(values)?,
            TIMESTAMP => self.timestamp = bits(values)?.cast_signed() / 1_000,
            OPERATION => self.operation = Some(text(values)?.parse()?),
            KEY => text(values)?.clone_into(&mut self.key),
            EXTRA => {
                self.row.extra = serde_json::from_str(text(values)?).map_err(foreign::json)?;
            }
            id => {
                let field_type = field_type.ok_or_else(other_type)?;
                self.row.fields.push((id, value(field_type, values)?));
            }
        }
        Ok(())
    }

    fn event(self) -> Result<LakeEvent> {
        let operation = self.operation.ok_or_else(other_type)?;
        let mut row = Vec::new();
        if operation != Operation::Delete {
            self.row.encode(&mut row);
        }
        Ok(LakeEvent {
            sequence: Sequence(self.sequence),
            timestamp: self.timestamp,
            operation,
            key: self.key,
            row,
        })
    }
}

/// A field's value from those of its column in one row.
fn value(field_type: FieldType, values: &[Raw<'_>]) -> Result<Value> {
    let whole = || bits(values).map(u64::cast_signed);
    Ok(match field_type {
        FieldType::String => Value::Text(text(values)?.to_owned()),
        FieldType::Json => Value::Json(text(values)?.to_owned()),
        FieldType::Int => Value::Int(whole()?),
        FieldType::BigInt => Value::BigInt(whole()?),
        FieldType::Float => Value::Float(f64::from_bits(bits(values)?)),
        FieldType::Bool => Value::Bool(bits(values)? != 0),
        FieldType::Date => Value::Date(i32::try_from(whole()?).map_err(|_| other_type())?),
        FieldType::Timestamp => Value::Timestamp(whole()?),
        FieldType::Binary => Value::Binary(bytes(values)?.to_vec()),
        FieldType::Uuid => Value::Uuid(bytes(values)?.try_into().map_err(|_| other_type())?),
        FieldType::Vector => {
            let float = |raw: &Raw<'_>| match raw {
                Raw::Bits(bits) => u32::try_from(*bits).ok().map(f32::from_bits),
                Raw::Bytes(_) => None,
            };
            let floats: Option<Vec<f32>> = values.iter().map(float).collect();
            Value::Vector(floats.ok_or_else(other_type)?)
        }
    })
}

fn bits(values: &[Raw<'_>]) -> Result<u64> {
    match values {
        [Raw::Bits(bits)] => Ok(*bits),
        _ => Err(other_type()),
    }
}

fn bytes<'v>(values: &[Raw<'v>]) -> Result<&'v [u8]> {
    match values {
        [Raw::Bytes(bytes)] => Ok(bytes),
        _ => Err(other_type()),
    }
}

fn text<'v>(values: &[Raw<'v>]) -> Result<&'v str> {
    str::from_utf8(bytes(values)?).map_err(|_| Error::corrupt("a text that is not UTF-8"))
}

fn other_type() -> Error {
    Error::corrupt("a data file with a column of another type")
}
