//! CSV with a header: columns out of it, and pages into it. An empty cell is null, and null an empty cell.

use std::io::Write;
use std::path::Path;

use arrow_array::ArrayRef;
use csv::{Reader, StringRecord};
use tidelog_vortex::{Column, ColumnSpec};

use super::budget::Budget;
use super::cell_type::{CellBuilder, CellType, Guess};
use super::file_format::open_text;
use super::invalid;
use super::table::Table;
use super::value_text::ValueText;
use crate::failure::{Failure, Result};

/// Reads a file twice: first to infer the types, then its values.
pub(super) fn read(path: &Path, json: &[String], budget: &mut Budget) -> Result<Table> {
    let wrong = |e: csv::Error| invalid(format_args!("{}: {e}", path.display()));
    let (names, guesses) = infer(path)?;
    let types = names
        .iter()
        .zip(&guesses)
        .map(|(name, guess)| match json.contains(name) {
            true => CellType::Json,
            false => guess.settle(),
        });
    let types: Vec<CellType> = types.collect();
    let mut builders: Vec<CellBuilder> = types.iter().copied().map(CellBuilder::new).collect();
    let (mut reader, mut record) = (Reader::from_reader(open_text(path)?), StringRecord::new());
    while reader.read_record(&mut record).map_err(wrong)? {
        let line = record.position().map_or(0, csv::Position::line);
        for ((builder, cell), name) in builders.iter_mut().zip(&record).zip(&names) {
            let cell = Some(cell).filter(|cell| !cell.is_empty());
            budget.pay(builder.cost(cell))?;
            if !builder.append(cell) {
                let (cell, path) = (cell.unwrap_or_default(), path.display());
                return Err(changed(format_args!(
                    "{path}, line {line}: {name} is {cell:?}"
                )));
            }
        }
    }
    let specs = (1..)
        .zip(names)
        .zip(types)
        .map(|((id, name), cell_type)| match cell_type {
            CellType::Json => ColumnSpec::json(id, name),
            _ => ColumnSpec::plain(id, name),
        });
    Ok(Table {
        specs: specs.collect(),
        arrays: builders.iter_mut().map(CellBuilder::finish).collect(),
    })
}

/// The second reading met what the first one did not.
pub(super) fn changed(what: std::fmt::Arguments<'_>) -> Failure {
    invalid(format_args!("{what}: the file changed while it was read"))
}

/// The header, and what each column may be.
fn infer(path: &Path) -> Result<(Vec<String>, Vec<Guess>)> {
    let wrong = |e: csv::Error| invalid(format_args!("{}: {e}", path.display()));
    let mut reader = Reader::from_reader(open_text(path)?);
    let header = reader.headers().map_err(wrong)?;
    let names: Vec<String> = header.iter().map(str::to_owned).collect();
    let mut guesses = vec![Guess::of_cells(); names.len()];
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).map_err(wrong)? {
        for (guess, cell) in guesses.iter_mut().zip(&record) {
            if !cell.is_empty() {
                guess.see(cell);
            }
        }
    }
    Ok((names, guesses))
}

/// Writes pages as records.
pub(super) struct CsvWriter<W: Write> {
    writer: csv::Writer<W>,
}

impl<W: Write> CsvWriter<W> {
    /// Writes the header.
    pub(super) fn new(out: W, columns: &[Column]) -> Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        let names = columns.iter().map(|column| column.name.as_bytes());
        writer.write_record(names).map_err(failed)?;
        Ok(Self { writer })
    }

    /// Writes one page of every column.
    pub(super) fn write(&mut self, page: &[ArrayRef]) -> Result<()> {
        let columns = page
            .iter()
            .map(ValueText::new)
            .collect::<Result<Vec<_>>>()?;
        let rows = page.first().map_or(0, |array| array.len());
        let mut cell = String::new();
        for row in 0..rows {
            for column in &columns {
                cell.clear();
                column.append_plain(row, &mut cell);
                self.writer.write_field(&cell).map_err(failed)?;
            }
            let end: [&[u8]; 0] = [];
            self.writer.write_record(end).map_err(failed)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        Ok(self.writer.flush()?)
    }
}

fn failed(error: csv::Error) -> Failure {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Failure::failed(format!("{other:?}")),
    }
}
