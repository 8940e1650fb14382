//! One JSON object a line, documents as they are and not as text; null members are left out.

mod line;

use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, Result};
use arrow::array::ArrayRef;
use bytes::Bytes;

use self::line::LineColumns;
use super::{Decoded, Format, Reader};
use crate::cells::{Cell, cell, cells};
use crate::scan::{Sum, in_range};
use crate::sets::{DataSet, Filter};

/// Lines, plain or as one zstd frame of level 3.
#[derive(Debug)]
pub struct Lines {
    is_packed: bool,
}

impl Lines {
    pub fn raw() -> Self {
        Self { is_packed: false }
    }

    pub fn zstd() -> Self {
        Self { is_packed: true }
    }
}

impl Format for Lines {
    fn name(&self) -> &'static str {
        if self.is_packed {
            "jsonl-zstd3"
        } else {
            "jsonl"
        }
    }

    fn encode(&self, set: &DataSet) -> Result<Vec<Bytes>> {
        let lines = write(set, Vec::new())?;
        let bytes = if self.is_packed {
            zstd::bulk::compress(&lines, 3)?
        } else {
            lines
        };
        Ok(vec![bytes.into()])
    }

    fn decode(&self, set: &DataSet, parts: &[Bytes]) -> Result<Decoded> {
        let columns = columns(self.is_packed, &parts[0], set, &all(set))?;
        Ok(Decoded::whole(columns))
    }

    fn open<'a>(&'a self, set: &'a DataSet, parts: &'a [Bytes]) -> Result<Box<dyn Reader + 'a>> {
        Ok(Box::new(Opened {
            is_packed: self.is_packed,
            set,
            bytes: &parts[0],
        }))
    }

    fn has_warm_rows(&self) -> bool {
        false
    }
}

fn write(set: &DataSet, mut out: Vec<u8>) -> Result<Vec<u8>> {
    let names = set.batch.schema();
    let names = names
        .fields()
        .iter()
        .map(|field| format!("\"{}\":", field.name()));
    let names: Vec<String> = names.collect();
    for row in 0..set.batch.num_rows() {
        let mut before = b'{';
        for (at, column) in set.batch.columns().iter().enumerate() {
            let value = cell(column, row)?;
            if value == Cell::Null {
                continue;
            }
            out.push(before);
            before = b',';
            out.extend_from_slice(names[at].as_bytes());
            match value {
                Cell::Null => {}
                Cell::Int(value) => write!(out, "{value}")?,
                Cell::Float(value) => serde_json::to_writer(&mut out, &value)?,
                Cell::Text(json) if set.json.contains(&at) => {
                    out.extend_from_slice(json.as_bytes())
                }
                Cell::Text(text) => serde_json::to_writer(&mut out, &text)?,
            }
        }
        if before == b'{' {
            out.push(b'{');
        }
        out.extend_from_slice(b"}\n");
    }
    Ok(out)
}

/// Calls with each line and its number until it answers false.
fn for_each_line(
    is_packed: bool,
    bytes: &[u8],
    mut with: impl FnMut(usize, &str) -> Result<bool>,
) -> Result<()> {
    let mut source: Box<dyn BufRead + '_> = match is_packed {
        true => Box::new(BufReader::new(zstd::Decoder::new(bytes)?)),
        false => Box::new(bytes),
    };
    let (mut line, mut number) = (String::new(), 0);
    while source.read_line(&mut line)? > 0 {
        if !with(number, &line)? {
            return Ok(());
        }
        line.clear();
        number += 1;
    }
    Ok(())
}

struct Opened<'a> {
    is_packed: bool,
    set: &'a DataSet,
    bytes: &'a Bytes,
}

impl Reader for Opened<'_> {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        let columns = columns(self.is_packed, self.bytes, self.set, &[column])?;
        Ok(Decoded::whole(columns))
    }

    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let asked = [filter.column, filter.sum];
        let columns = columns(self.is_packed, self.bytes, self.set, &asked)?;
        let mut sum = Sum::default();
        sum.add(&in_range(&columns[0], filter)?, &columns[1])?;
        Ok(sum)
    }

    fn row(&mut self, row: usize) -> Result<Vec<Cell>> {
        let mut found = None;
        for_each_line(self.is_packed, self.bytes, |number, line| {
            if number == row {
                found = Some(line.to_owned());
            }
            Ok(number < row)
        })?;
        let line = found.context("no such line")?;
        let mut columns = LineColumns::new(self.set, &all(self.set))?;
        columns.append(&line)?;
        cells(&columns.finish(&all(self.set)), 0)
    }
}

fn all(set: &DataSet) -> Vec<usize> {
    (0..set.batch.num_columns()).collect()
}

/// Some columns of every line, in the order asked for.
fn columns(is_packed: bool, bytes: &[u8], set: &DataSet, asked: &[usize]) -> Result<Vec<ArrayRef>> {
    let mut columns = LineColumns::new(set, asked)?;
    for_each_line(is_packed, bytes, |_, line| {
        columns.append(line)?;
        Ok(true)
    })?;
    Ok(columns.finish(asked))
}
