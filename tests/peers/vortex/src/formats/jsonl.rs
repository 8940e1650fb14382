//! One JSON object a line, documents as they are and not as text; null members are left out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};

use anyhow::{Context, Result, bail};
use arrow::array::ArrayRef;
use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Decoded, Format, Reader};
use crate::cells::{Builder, Builders, Cell, cell, cells};
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

type Members<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

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
        let mut builders = Builders::new(set.batch.schema())?;
        let fields = set.batch.schema();
        for_each_line(self.is_packed, &parts[0], |_, line| {
            let members: Members<'_> = serde_json::from_str(line)?;
            for (at, builder) in builders.columns().iter_mut().enumerate() {
                let member = members.get(fields.field(at).name().as_str());
                append(member, set.json.contains(&at), builder)?;
            }
            Ok(true)
        })?;
        Ok(Decoded::whole(builders.finish()?.columns().to_vec()))
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

fn append(member: Option<&&RawValue>, is_json: bool, builder: &mut Builder) -> Result<()> {
    let Some(member) = member else {
        builder.null();
        return Ok(());
    };
    match () {
        () if is_json => builder.text(member.get()),
        () if builder.is_text() => {
            let text: Cow<'_, str> = serde_json::from_str(member.get())?;
            builder.text(&text)
        }
        () if builder.is_float() => builder.float(serde_json::from_str(member.get())?),
        () => builder.int(serde_json::from_str(member.get())?),
    }
}

struct Opened<'a> {
    is_packed: bool,
    set: &'a DataSet,
    bytes: &'a Bytes,
}

impl Opened<'_> {
    /// The columns of every line, in the order asked for.
    fn columns(&self, places: &[usize]) -> Result<Vec<ArrayRef>> {
        let schema = self.set.batch.schema();
        let builder = |place: &usize| Builder::new(schema.field(*place).data_type());
        let mut builders: Vec<Builder> = places.iter().map(builder).collect::<Result<_>>()?;
        for_each_line(self.is_packed, self.bytes, |_, line| {
            let members: Members<'_> = serde_json::from_str(line)?;
            for (place, builder) in places.iter().zip(&mut builders) {
                let member = members.get(schema.field(*place).name().as_str());
                append(member, self.set.json.contains(place), builder)?;
            }
            Ok(true)
        })?;
        Ok(builders.iter_mut().map(Builder::finish).collect())
    }
}

impl Reader for Opened<'_> {
    fn column(&mut self, column: usize) -> Result<Decoded> {
        Ok(Decoded::whole(self.columns(&[column])?))
    }

    fn scan(&mut self, filter: &Filter) -> Result<Sum> {
        let columns = self.columns(&[filter.column, filter.sum])?;
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
        let mut builders = Builders::new(self.set.batch.schema())?;
        let members: Members<'_> = serde_json::from_str(&line)?;
        for (at, builder) in builders.columns().iter_mut().enumerate() {
            let name = self.set.column_name(at);
            append(
                members.get(name.as_str()),
                self.set.json.contains(&at),
                builder,
            )?;
        }
        let batch = builders.finish()?;
        if batch.num_rows() != 1 {
            bail!("not one row");
        }
        cells(batch.columns(), 0)
    }
}
