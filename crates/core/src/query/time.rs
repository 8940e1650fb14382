//! `timeRange` and `partitions`: conditions on time fields, and on what the lake partitions by.

use chrono::{Months, NaiveDate};
use serde_json::Value as Json;
use tidelog_log::limits::INT_MAX;
use tidelog_log::{Error, FieldType, Result, Value};

use super::expect::{member, object, only, shorten, text, wrong};
use super::filter::{Comparison, Filter};
use super::operand::Operand;
use super::where_clause::operand_value;
use crate::{Collection, PartitionSpec, Transform};

/// Microseconds of one day.
pub(super) const DAY_MICROS: i64 = 86_400_000_000;
/// Microseconds of one hour.
pub(super) const HOUR_MICROS: i64 = 3_600_000_000;

/// Reads `{field?, from?, to?}`: from inclusive, to exclusive.
///
/// # Errors
/// `ambiguous_time_field` without a field when the collection does not say which; `unknown_field`,
/// `unknown_parameter` or `wrong_type`.
pub(super) fn time_range(collection: &Collection, json: &Json) -> Result<Filter> {
    let range = object(json, "timeRange")?;
    only(range, &["field", "from", "to"], "timeRange")?;
    let operand = match member(range, "field") {
        Some(name) => {
            let name = text(name, "timeRange.field")?;
            Operand::resolve(collection, name, "timeRange.field")?
        }
        None => time_field(collection)?,
    };
    if !is_time(operand.field_type) {
        return Err(wrong("timeRange.field", "a timestamp or date field"));
    }
    let mut filters = Vec::new();
    for (name, comparison) in [("from", Comparison::Gte), ("to", Comparison::Lt)] {
        if let Some(json) = member(range, name) {
            let value = operand_value(&operand, json, &format!("timeRange.{name}"))?;
            filters.push(Filter::compare(&operand, comparison, value));
        }
    }
    Ok(Filter::all(filters))
}

fn is_time(field_type: FieldType) -> bool {
    matches!(field_type, FieldType::Timestamp | FieldType::Date)
}

/// The source of the first time partition, else the only timestamp field.
fn time_field(collection: &Collection) -> Result<Operand> {
    if let Some(partition) = time_partition(collection) {
        return Operand::resolve(collection, &partition.field, "timeRange.field");
    }
    let mut stamps = collection
        .fields
        .iter()
        .filter(|field| field.field_type == FieldType::Timestamp);
    match (stamps.next(), stamps.next()) {
        (Some(only), None) => Operand::resolve(collection, &only.name, "timeRange.field"),
        _ => Err(Error::invalid(
            "ambiguous_time_field",
            "the collection has no time partition and not exactly one timestamp field: name one",
        )
        .at("timeRange.field")),
    }
}

fn time_partition(collection: &Collection) -> Option<&PartitionSpec> {
    collection.cold.partition_by.iter().find(|partition| {
        matches!(
            partition.transform,
            Transform::Year | Transform::Month | Transform::Day | Transform::Hour
        )
    })
}

/// Reads `{year, month, day, hour, <identity field>: value}`.
///
/// # Errors
/// `unknown_partition` for what the schema does not partition by, `incomplete_partition` for a
/// month without its year, `wrong_type` or `value_out_of_range`.
pub(super) fn partitions(collection: &Collection, json: &Json) -> Result<Filter> {
    let wanted = object(json, "partitions")?;
    let mut filters = Vec::new();
    let mut parts = [None; 4];
    for (name, json) in wanted.iter().filter(|(_, json)| !json.is_null()) {
        let path = format!("partitions.{}", shorten(name));
        let identity = collection.cold.partition_by.iter().any(|partition| {
            partition.field == *name && partition.transform == Transform::Identity
        });
        if identity && name != "_object" {
            let operand = Operand::resolve(collection, name, &path)?;
            let value = operand_value(&operand, json, &path)?;
            filters.push(Filter::compare(&operand, Comparison::Eq, value));
            continue;
        }
        let level = PARTS.iter().position(|part| part == name);
        let level = level.filter(|level| *level < levels(collection));
        let level = level.ok_or_else(|| unknown(name, &path))?;
        parts[level] = Some(number(json, level, &path)?);
    }
    filters.extend(calendar(collection, parts)?);
    Ok(Filter::all(filters))
}

const PARTS: [&str; 4] = ["year", "month", "day", "hour"];

/// How many of [`PARTS`] the time partition answers: a finer one answers the coarser too.
fn levels(collection: &Collection) -> usize {
    match time_partition(collection).map(|partition| partition.transform) {
        Some(Transform::Year) => 1,
        Some(Transform::Month) => 2,
        Some(Transform::Day) => 3,
        Some(Transform::Hour) => 4,
        _ => 0,
    }
}

fn unknown(name: &str, path: &str) -> Error {
    let message = format!(
        "hot rows are not partitioned by {:?}: see cold.partition_by of the collection",
        shorten(name)
    );
    Error::invalid("unknown_partition", message).at(path)
}

fn number(json: &Json, level: usize, path: &str) -> Result<u32> {
    let range = [1..=9_999, 1..=12, 1..=31, 0..=23];
    let number = json.as_u64().ok_or_else(|| wrong(path, "a whole number"))?;
    u32::try_from(number)
        .ok()
        .filter(|n| range[level].contains(n))
        .ok_or_else(|| out_of_range(path, &format!("{:?}", range[level])))
}

fn out_of_range(path: &str, range: &str) -> Error {
    Error::invalid("value_out_of_range", format!("must be within {range}")).at(path)
}

/// The range of the source field that the calendar parts name.
fn calendar(collection: &Collection, parts: [Option<u32>; 4]) -> Result<Option<Filter>> {
    let given = parts.iter().take_while(|part| part.is_some()).count();
    if let Some(at) = (given..4).find(|at| parts[*at].is_some()) {
        let message = format!("{} needs {}", PARTS[at], PARTS[at - 1]);
        let path = format!("partitions.{}", PARTS[at]);
        return Err(Error::invalid("incomplete_partition", message).at(path));
    }
    let (Some(partition), true) = (time_partition(collection), given > 0) else {
        return Ok(None);
    };
    let [year, month, day, hour] = parts;
    let year = i32::try_from(year.unwrap_or(1)).unwrap_or(1);
    let start = NaiveDate::from_ymd_opt(year, month.unwrap_or(1), day.unwrap_or(1))
        .ok_or_else(|| out_of_range("partitions.day", "the month"))?;
    let days = match given {
        1 => days_until(start, 12),
        2 => days_until(start, 1),
        _ => 1,
    };
    let first = i64::from(start.to_epoch_days()) * DAY_MICROS;
    let range = match hour {
        Some(hour) => {
            let first = first + i64::from(hour) * HOUR_MICROS;
            (first, first + HOUR_MICROS)
        }
        None => (first, first + days * DAY_MICROS),
    };
    let operand = Operand::resolve(collection, &partition.field, "partitions")?;
    Ok(Some(within(&operand, range)))
}

fn days_until(start: NaiveDate, months: u32) -> i64 {
    let end = start.checked_add_months(Months::new(months));
    end.map_or(0, |end| (end - start).num_days())
}

/// `from <= field < to`, in microseconds. Bounds beyond what a timestamp holds bound nothing.
fn within(operand: &Operand, (from, to): (i64, i64)) -> Filter {
    let compare = |comparison, micros: i64| {
        let value = match operand.field_type {
            FieldType::Date => Value::Date(i32::try_from(micros / DAY_MICROS).unwrap_or(i32::MAX)),
            _ => Value::Timestamp(micros),
        };
        Filter::compare(operand, comparison, value)
    };
    let narrow = operand.field_type == FieldType::Timestamp;
    if narrow && (from > INT_MAX || to < -INT_MAX) {
        return Filter::Any(Vec::new());
    }
    let low = (!narrow || from >= -INT_MAX).then(|| compare(Comparison::Gte, from));
    let high = (!narrow || to <= INT_MAX).then(|| compare(Comparison::Lt, to));
    Filter::all(low.into_iter().chain(high))
}
