//! The records of a segment as columns: what stands before their events.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, BinaryArray, Int64Array, StringArray};
use tidelog_log::{Epoch, Error, RecordHeader, Result};
use tidelog_vortex::{ColumnSpec, VortexDecoder};

use crate::folded::{bytes_at, foreign, wrong_column};

/// Whole numbers of a record, by column. A column in which all are 0 is left out.
const NUMBERS: [(u32, &str); 5] = [
    (COUNT, "count"),
    (EPOCH, "epoch"),
    (PARENT_EPOCH, "parent_epoch"),
    (TIMESTAMP, "timestamp"),
    (SCHEMA_VERSION, "schema_version"),
];
const COUNT: u32 = 0;
const EPOCH: u32 = 1;
const PARENT_EPOCH: u32 = 2;
const TIMESTAMP: u32 = 3;
const SCHEMA_VERSION: u32 = 4;

/// Labels of a record, by column. A column in which all are empty is left out.
const LABELS: [(u32, &str); 5] = [
    (5, "source"),
    (6, "correlation_id"),
    (7, "trace_parent"),
    (8, "idempotency_key"),
    (9, "cause"),
];
/// Records that are stored as they are: blob references.
const VERBATIM: u32 = 10;

/// One record without its events.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// What it says of itself; its sequence and previous hash follow from the records before it.
    pub(super) header: RecordHeader,
    /// How many events it has.
    pub(super) count: u32,
    /// The record itself, where it is stored as it is.
    pub(super) verbatim: Option<Vec<u8>>,
}

/// The columns of records.
pub(super) fn columns_of(heads: &[Head]) -> Result<(Vec<ColumnSpec>, Vec<ArrayRef>)> {
    let (mut specs, mut arrays) = (Vec::new(), Vec::<ArrayRef>::new());
    for (id, name) in NUMBERS {
        let numbers = heads.iter().map(|head| number(head, id));
        let numbers = numbers.collect::<Result<Vec<i64>>>()?;
        if numbers.iter().any(|number| *number != 0) {
            specs.push(ColumnSpec::plain(id, name));
            arrays.push(Arc::new(Int64Array::from(numbers)));
        }
    }
    for (id, name) in LABELS {
        if heads.iter().any(|head| !label(&head.header, id).is_empty()) {
            let labels = heads.iter().map(|head| Some(label(&head.header, id)));
            specs.push(ColumnSpec::plain(id, name));
            arrays.push(Arc::new(labels.collect::<StringArray>()));
        }
    }
    if heads.iter().any(|head| head.verbatim.is_some()) {
        let verbatim = heads.iter().map(|head| head.verbatim.as_deref());
        specs.push(ColumnSpec::plain(VERBATIM, "verbatim"));
        arrays.push(Arc::new(verbatim.collect::<BinaryArray>()));
    }
    Ok((specs, arrays))
}

fn number(head: &Head, id: u32) -> Result<i64> {
    let header = &head.header;
    let whole = |n: u64| {
        i64::try_from(n).map_err(|_| Error::corrupt("a number of a record is out of range"))
    };
    match id {
        COUNT => Ok(i64::from(head.count)),
        EPOCH => whole(header.epoch.0),
        PARENT_EPOCH => whole(header.parent_epoch.0),
        TIMESTAMP => Ok(header.timestamp),
        _ => Ok(i64::from(header.schema_version)),
    }
}

fn label(header: &RecordHeader, id: u32) -> &str {
    match id {
        5 => &header.source,
        6 => &header.correlation_id,
        7 => &header.trace_parent,
        8 => &header.idempotency_key,
        _ => &header.cause,
    }
}

fn label_mut(header: &mut RecordHeader, id: u32) -> &mut String {
    match id {
        5 => &mut header.source,
        6 => &mut header.correlation_id,
        7 => &mut header.trace_parent,
        8 => &mut header.idempotency_key,
        _ => &mut header.cause,
    }
}

/// Reads what [`columns_of`] made.
pub(super) fn heads_of(blob: &VortexDecoder) -> Result<Vec<Head>> {
    let mut heads = vec![Head::default(); blob.rows()];
    for (id, _) in NUMBERS {
        let Some(array) = column(blob, id)? else {
            continue;
        };
        let numbers = array.as_primitive_opt::<Int64Type>();
        let numbers = numbers.filter(|numbers| numbers.null_count() == 0);
        let numbers = numbers.ok_or_else(|| wrong_column("numbers"))?;
        for (head, number) in heads.iter_mut().zip(numbers.values()) {
            set_number(head, id, *number)?;
        }
    }
    for (id, _) in LABELS {
        let Some(array) = column(blob, id)? else {
            continue;
        };
        let labels = array.as_string_opt::<i32>();
        let labels = labels.ok_or_else(|| wrong_column("labels"))?;
        for (head, label) in heads.iter_mut().zip(labels) {
            let label = label.ok_or_else(|| wrong_column("labels"))?;
            label.clone_into(label_mut(&mut head.header, id));
        }
    }
    if let Some(array) = column(blob, VERBATIM)? {
        for (at, head) in heads.iter_mut().enumerate() {
            if !array.is_null(at) {
                let bytes = bytes_at(&array, at).ok_or_else(|| wrong_column("records"))?;
                head.verbatim = Some(bytes.to_vec());
            }
        }
    }
    Ok(heads)
}

fn set_number(head: &mut Head, id: u32, number: i64) -> Result<()> {
    let odd = |_| Error::corrupt("a number of a record is out of range");
    let header = &mut head.header;
    match id {
        COUNT => head.count = u32::try_from(number).map_err(odd)?,
        EPOCH => header.epoch = Epoch(u64::try_from(number).map_err(odd)?),
        PARENT_EPOCH => header.parent_epoch = Epoch(u64::try_from(number).map_err(odd)?),
        TIMESTAMP => header.timestamp = number,
        _ => header.schema_version = u32::try_from(number).map_err(odd)?,
    }
    Ok(())
}

/// A column of a blob, whole; none where the blob has none of this number.
pub(super) fn column(blob: &VortexDecoder, id: u32) -> Result<Option<ArrayRef>> {
    let at = blob.column_index(id);
    at.map(|at| blob.read_column(at).map_err(foreign))
        .transpose()
}
