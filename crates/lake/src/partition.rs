//! Partition specs, and rows by partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{DataType, TimeUnit};
use iceberg::spec::{Literal, PartitionSpec, Struct};
use iceberg::transform::create_transform_function;
use parquet::arrow::PARQUET_FIELD_ID_META_KEY;
use serde_json::{Value as Json, json};
use tidelog_core::Transform;
use tidelog_log::{Error, Result};

use crate::columns::TableSchema;
use crate::foreign;

/// The highest partition field id that stands for none.
pub(crate) const LAST_UNASSIGNED: usize = 999;

/// The partition fields of `partition_by` in Iceberg's JSON. `known` are the fields of earlier
/// specs: the same source and transform keep their id and name.
///
/// # Errors
/// `unknown_field` for a field the schema does not have.
pub(crate) fn fields(schema: &TableSchema, known: &[Json]) -> Result<Vec<Json>> {
    let mut all = known.to_vec();
    let mut fields = Vec::with_capacity(schema.partition_by.len());
    for part in &schema.partition_by {
        let source = schema.column_id(&part.field).ok_or_else(|| {
            let message = format!("partition_by names {:?}, which is no field", part.field);
            Error::invalid("unknown_field", message)
        })?;
        let transform = String::from(part.transform);
        let same = |f: &&Json| f["source-id"] == source && f["transform"] == transform.as_str();
        let field = match all.iter().find(same) {
            Some(field) => field.clone(),
            None => json!({
                "source-id": source, "field-id": next_id(&all), "transform": transform,
                "name": free_name(&all, &part.field, part.transform, source),
            }),
        };
        all.push(field.clone());
        fields.push(field);
    }
    Ok(fields)
}

fn next_id(known: &[Json]) -> u64 {
    let ids = known.iter().filter_map(|field| field["field-id"].as_u64());
    ids.max().unwrap_or(LAST_UNASSIGNED as u64) + 1
}

/// `_<field>_<transform>`, which no column has: declared names never begin with `_`.
fn free_name(known: &[Json], field: &str, transform: Transform, source: u32) -> String {
    let suffix = match transform {
        Transform::Identity => "value".to_owned(),
        Transform::Bucket(n) => format!("bucket_{n}"),
        Transform::Truncate(n) => format!("truncate_{n}"),
        Transform::Year => "year".to_owned(),
        Transform::Month => "month".to_owned(),
        Transform::Day => "day".to_owned(),
        Transform::Hour => "hour".to_owned(),
    };
    let name = format!("_{field}_{suffix}");
    match known.iter().any(|field| field["name"] == name.as_str()) {
        true => format!("{name}_{source}"),
        false => name,
    }
}

/// The rows of each partition, their order kept; partitions by their first row.
pub(crate) fn split(
    rows: &RecordBatch,
    spec: &PartitionSpec,
) -> Result<Vec<(Struct, RecordBatch)>> {
    if spec.fields().is_empty() {
        return Ok(vec![(Struct::empty(), rows.clone())]);
    }
    let (groups, tuples) = group(rows, spec)?;
    let mut indices = vec![Vec::new(); tuples.len()];
    for (row, group) in (0_u64..).zip(groups) {
        indices[group].push(row);
    }
    let parts = tuples.into_iter().zip(indices);
    parts
        .map(|(tuple, indices)| {
            let indices = UInt64Array::from(indices);
            let part = arrow_select::take::take_record_batch(rows, &indices);
            Ok((Struct::from_iter(tuple), part.map_err(foreign::arrow)?))
        })
        .collect()
}

type Tuple = Vec<Option<Literal>>;

/// For every row the number of its partition, and the partitions' values by number.
fn group(rows: &RecordBatch, spec: &PartitionSpec) -> Result<(Vec<usize>, Vec<Tuple>)> {
    let mut groups = vec![0; rows.num_rows()];
    let mut tuples: Vec<Tuple> = vec![Vec::new()];
    for field in spec.fields() {
        let source = column_with_id(rows, field.source_id)?;
        let transform = create_transform_function(&field.transform).map_err(foreign::iceberg)?;
        let array = transform.transform(source).map_err(foreign::iceberg)?;
        let (codes, distinct) = codes(&array)?;
        let mut known: BTreeMap<(usize, usize), usize> = BTreeMap::new();
        let mut longer: Vec<Tuple> = Vec::new();
        for (group, code) in groups.iter_mut().zip(codes) {
            *group = *known.entry((*group, code)).or_insert_with(|| {
                let mut tuple = tuples[*group].clone();
                tuple.push(distinct[code].clone());
                longer.push(tuple);
                longer.len() - 1
            });
        }
        tuples = longer;
    }
    Ok((groups, tuples))
}

fn column_with_id(rows: &RecordBatch, id: i32) -> Result<ArrayRef> {
    let wanted = id.to_string();
    let schema = rows.schema();
    let at = schema
        .fields()
        .iter()
        .position(|field| field.metadata().get(PARQUET_FIELD_ID_META_KEY) == Some(&wanted))
        .ok_or_else(|| Error::corrupt(format!("a partition of column {id}, which is not there")))?;
    Ok(Arc::clone(rows.column(at)))
}

/// For every row the number of its value, and the values by number.
fn codes(array: &ArrayRef) -> Result<(Vec<usize>, Tuple)> {
    match array.data_type() {
        DataType::Int32 => {
            let array = array.as_primitive::<Int32Type>();
            Ok(numbered(array.iter(), Literal::int))
        }
        DataType::Int64 => {
            let array = array.as_primitive::<Int64Type>();
            Ok(numbered(array.iter(), Literal::long))
        }
        DataType::Date32 => {
            let array = array.as_primitive::<Date32Type>();
            Ok(numbered(array.iter(), Literal::date))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let array = array.as_primitive::<TimestampMicrosecondType>();
            Ok(numbered(array.iter(), Literal::timestamptz))
        }
        DataType::Float64 => {
            let array = array.as_primitive::<Float64Type>();
            let bits = array.iter().map(|f| f.map(f64::to_bits));
            Ok(numbered(bits, |bits| Literal::double(f64::from_bits(bits))))
        }
        DataType::Boolean => Ok(numbered(array.as_boolean().iter(), Literal::bool)),
        DataType::Utf8 => Ok(numbered(array.as_string::<i32>().iter(), Literal::string)),
        DataType::LargeBinary => {
            let array = array.as_binary::<i64>().iter();
            Ok(numbered(array, |bytes| Literal::binary(bytes.to_vec())))
        }
        DataType::FixedSizeBinary(16) => {
            let array = array.as_fixed_size_binary().iter();
            Ok(numbered(array, |bytes| {
                Literal::uuid(uuid::Uuid::from_slice(bytes).unwrap_or_default())
            }))
        }
        other => Err(Error::new(
            tidelog_log::Kind::Unsupported,
            "unsupported_partition",
            format!("partitions of {other}"),
        )),
    }
}

fn numbered<T: Ord + Copy>(
    values: impl Iterator<Item = Option<T>>,
    literal: impl Fn(T) -> Literal,
) -> (Vec<usize>, Tuple) {
    let mut known: BTreeMap<Option<T>, usize> = BTreeMap::new();
    let mut distinct = Vec::new();
    let mut codes = Vec::with_capacity(values.size_hint().0);
    for value in values {
        let code = *known.entry(value).or_insert_with(|| {
            distinct.push(value.map(&literal));
            distinct.len() - 1
        });
        codes.push(code);
    }
    (codes, distinct)
}
