//! JSON lines: columns out of them, and pages into them. A member that is null or not there is null.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead, Write};
use std::path::Path;

use arrow_array::ArrayRef;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use tidelog_api::limits::LINE_BYTES_MAX;
use tidelog_vortex::{Column, ColumnKind, ColumnSpec, limits};

use super::budget::Budget;
use super::cell_type::{CellBuilder, CellType, Guess};
use super::delimited::changed;
use super::file_format::open_text;
use super::invalid;
use super::table::Table;
use super::value_text::{ValueText, append_quoted};
use crate::failure::{Failure, Result};

/// The members of one line, in their order.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

/// Reads a file twice: first to infer the columns and their types, then its values.
pub(super) fn read(path: &Path, json: &[String], budget: &mut Budget) -> Result<Table> {
    let columns = infer(path)?;
    let settled = columns
        .iter()
        .map(|(name, guess)| match json.contains(name) {
            true => CellType::Json,
            false => guess.settle(),
        });
    let types: Vec<CellType> = settled.collect();
    let mut builders: Vec<CellBuilder> = types.iter().copied().map(CellBuilder::new).collect();
    let places: BTreeMap<&str, usize> = columns
        .iter()
        .map(|(name, _)| name.as_str())
        .zip(0..)
        .collect();
    for_each_line(path, |number, members| {
        let mut row: Vec<Option<&str>> = vec![None; builders.len()];
        for (name, value) in &members.0 {
            let place = places.get(&**name).copied();
            let place = place.ok_or_else(|| changed(format_args!("line {number}: {name}")))?;
            row[place] = Some(value.get()).filter(|json| *json != "null");
        }
        for (at, (builder, value)) in builders.iter_mut().zip(row).enumerate() {
            append(builder, types[at], value, budget)?
                .then_some(())
                .ok_or_else(|| changed(format_args!("line {number}: {}", columns[at].0)))?;
        }
        Ok(())
    })?;
    let named = (1..).zip(&columns).zip(types);
    let specs = named.map(|((id, (name, _)), cell_type)| match cell_type {
        CellType::Json => ColumnSpec::json(id, name),
        _ => ColumnSpec::plain(id, name),
    });
    Ok(Table {
        specs: specs.collect(),
        arrays: builders.iter_mut().map(CellBuilder::finish).collect(),
    })
}

/// Appends one member's JSON; false if it is not of the type.
fn append(
    builder: &mut CellBuilder,
    cell_type: CellType,
    json: Option<&str>,
    budget: &mut Budget,
) -> Result<bool> {
    budget.pay(builder.cost(json))?;
    if cell_type == CellType::Text
        && let Some(json) = json
    {
        return Ok(match serde_json::from_str::<String>(json) {
            Ok(text) => builder.append(Some(&text)),
            Err(_) => false,
        });
    }
    Ok(builder.append(json))
}

/// The columns in the order they first stand in, and what each may be.
fn infer(path: &Path) -> Result<Vec<(String, Guess)>> {
    let mut columns: Vec<(String, Guess)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for_each_line(path, |_, members| {
        for (name, value) in members.0 {
            let place = match places.get(&*name) {
                Some(place) => *place,
                None => {
                    let place = columns.len();
                    columns.push((name.to_string(), Guess::of_members()));
                    places.insert(name.into_owned(), place);
                    place
                }
            };
            if value.get() != "null" {
                columns[place].1.see(value.get());
            }
        }
        match columns.len() <= limits::COLUMNS_MAX {
            true => Ok(()),
            false => {
                let most = limits::COLUMNS_MAX;
                Err(Failure::failed(format!(
                    "input_too_large: more than {most} columns"
                )))
            }
        }
    })?;
    Ok(columns)
}

/// Calls with each line's number, from 1, and members; empty lines are left out.
fn for_each_line(
    path: &Path,
    mut with: impl FnMut(usize, Members<'_>) -> Result<()>,
) -> Result<()> {
    let mut reader = open_text(path)?;
    let (mut line, mut number) = (Vec::new(), 0_usize);
    loop {
        line.clear();
        number += 1;
        let wrong =
            |e: &dyn fmt::Display| invalid(format_args!("{}, line {number}: {e}", path.display()));
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = std::io::Read::take(&mut reader, most).read_until(b'\n', &mut line);
        if read.map_err(|e| wrong(&e))? == 0 {
            return Ok(());
        }
        if !line.ends_with(b"\n") && line.len() >= LINE_BYTES_MAX {
            return Err(wrong(&format_args!("longer than {LINE_BYTES_MAX} bytes")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let members: Members<'_> = serde_json::from_slice(&line).map_err(|e| wrong(&e))?;
        check_names(&members).map_err(|name| wrong(&format_args!("{name} stands twice")))?;
        with(number, members)?;
    }
}

/// The name that stands twice, if one does.
fn check_names(members: &Members<'_>) -> std::result::Result<(), String> {
    let mut names: Vec<&str> = members.0.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    match names.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(pair[0].to_owned()),
        None => Ok(()),
    }
}

/// Writes pages as lines.
pub(super) struct LinesWriter<W: Write> {
    out: W,
    /// `"name":` of each column, and whether its texts are JSON.
    columns: Vec<(String, bool)>,
    names: Vec<String>,
}

impl<W: Write> LinesWriter<W> {
    pub(super) fn new(out: W, columns: &[Column]) -> Self {
        let member = |column: &Column| {
            let mut name = String::new();
            append_quoted(&column.name, &mut name);
            name.push(':');
            (name, column.kind == ColumnKind::Json)
        };
        Self {
            out,
            columns: columns.iter().map(member).collect(),
            names: columns.iter().map(|column| column.name.clone()).collect(),
        }
    }

    /// Writes one page of every column.
    ///
    /// # Errors
    /// `not_json` for a NaN or an infinity.
    pub(super) fn write(&mut self, page: &[ArrayRef]) -> Result<()> {
        let values = page
            .iter()
            .map(ValueText::new)
            .collect::<Result<Vec<_>>>()?;
        let rows = page.first().map_or(0, |array| array.len());
        let (mut line, mut scratch) = (String::new(), String::new());
        for row in 0..rows {
            line.clear();
            line.push('{');
            for (at, value) in values
                .iter()
                .enumerate()
                .filter(|(_, one)| !one.is_null(row))
            {
                let (member, is_json) = &self.columns[at];
                line.push_str(if line.len() > 1 { "," } else { "" });
                line.push_str(member);
                let is_written = match is_json {
                    true => append_document(value, row, &mut scratch, &mut line),
                    false => value.append_json(row, &mut scratch, &mut line),
                };
                if !is_written {
                    let name = &self.names[at];
                    return Err(Failure::failed(format!(
                        "not_json: {name} has {scratch}, which JSON has not; write CSV or Parquet"
                    )));
                }
            }
            line.push_str("}\n");
            self.out.write_all(line.as_bytes())?;
        }
        Ok(())
    }
}

/// Appends a text that is JSON, on one line; false if it is not.
fn append_document(
    value: &ValueText<'_>,
    row: usize,
    scratch: &mut String,
    out: &mut String,
) -> bool {
    scratch.clear();
    value.append_plain(row, scratch);
    // Outside of strings these are spaces, and inside of them JSON has no such.
    let text = scratch.replace(['\n', '\r'], " ");
    out.push_str(&text);
    serde_json::from_str::<IgnoredAny>(&text).is_ok()
}
