//! `tidelog vortex inspect`: what is in a blob, byte by byte where it matters.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value as Json, json};
use tidelog_core::{Address, View};
use tidelog_embedded::{Sqlite, actor_file};
use tidelog_vortex::{Alternative, Column, Page, Scalar, VortexDecoder};

use super::encode::ratio;
use super::table::arrow_bytes;
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;
use crate::print;

pub(super) const EXAMPLES: &str = "\
Examples:
  tidelog vortex inspect flights.tvx
  tidelog vortex inspect flights.tvx --why                     # what other encodings would have taken
  tidelog vortex inspect airport/JFK --data data               # the live blobs of every collection
  tidelog vortex inspect airport/JFK --data data --collection flights --pages --json
  tidelog vortex inspect airport/JFK --data data --blob 7 --save flights.tvx";

/// Flags of `vortex inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArgs {
    /// A blob's file; with --data, an object
    #[arg(value_name = "FILE|TYPE/ID")]
    subject: String,
    /// The data folder of the object; a server may be running
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only this collection of the object
    #[arg(long, requires = "data")]
    collection: Option<String>,
    /// Only this blob of the object
    #[arg(long, requires = "data", value_name = "ID")]
    blob: Option<u64>,
    /// Write that blob to a file
    #[arg(long, requires = "blob", value_name = "FILE")]
    save: Option<PathBuf>,
    /// Every page of every column
    #[arg(long)]
    pages: bool,
    /// What the middle page of every column would take in other encodings
    #[arg(long)]
    why: bool,
    /// Print one JSON object per blob
    #[arg(long)]
    json: bool,
}

/// A blob and where it came from.
struct Found {
    title: String,
    body: Vec<u8>,
    masked: u64,
}

pub(super) fn run(args: &InspectArgs) -> Result<()> {
    let found = match &args.data {
        Some(data) => of_object(args, data)?,
        None => vec![of_file(Path::new(&args.subject))?],
    };
    for blob in found {
        if let Some(path) = &args.save {
            let failed = |e| Failure::usage(format!("{}: {e}", path.display()));
            std::fs::write(path, &blob.body).map_err(failed)?;
        }
        show(args, &blob)?;
    }
    Ok(())
}

fn of_file(path: &Path) -> Result<Found> {
    let failed = |e| Failure::usage(format!("{}: {e}", path.display()));
    Ok(Found {
        title: path.display().to_string(),
        body: std::fs::read(path).map_err(failed)?,
        masked: 0,
    })
}

fn of_object(args: &InspectArgs, data: &Path) -> Result<Vec<Found>> {
    let object: ObjectName = args.subject.parse()?;
    let address = Address::object(&object.type_name, &object.id)?;
    let file = actor_file(data, &address);
    if !file.is_file() {
        let message = format!("{object} is not in {}", data.display());
        return Err(Failure::usage(message));
    }
    let sql = Sqlite::reader(&file)?;
    sql.begin_read()?;
    let view = View::open(&sql, &address)?;
    let mut found = Vec::new();
    for (collection, _) in view.state(&sql)?.documents {
        if args
            .collection
            .as_ref()
            .is_some_and(|only| *only != collection)
        {
            continue;
        }
        for blob in view.blobs(&sql, &collection)? {
            if args.blob.is_none_or(|only| only == blob.id) {
                found.push(Found {
                    title: format!("{object} {collection}, blob {}", blob.id),
                    body: view.blob(&sql, blob.id)?,
                    masked: blob.masked,
                });
            }
        }
    }
    match found.is_empty() {
        true => Err(Failure::usage(format!("{object} has no such blob"))),
        false => Ok(found),
    }
}

fn show(args: &InspectArgs, found: &Found) -> Result<()> {
    let failed = |e: tidelog_vortex::Error| {
        Failure::failed(format!("{}: {}: {}", found.title, e.code, e.message))
    };
    let blob = VortexDecoder::open(found.body.clone()).map_err(failed)?;
    let sizes = Sizes::decoded(&blob).map_err(failed)?;
    let why = match args.why {
        true => alternatives(&blob).map_err(failed)?,
        false => Vec::new(),
    };
    if args.json {
        return print::line(described(found, &blob, &sizes, args.pages, &why));
    }
    lines(found, &blob, &sizes, args.pages, &why)
        .into_iter()
        .try_for_each(print::line)
}

/// Bytes of every page of every column, as Arrow holds them.
struct Sizes(Vec<Vec<u64>>);

impl Sizes {
    /// Decodes every page once, and checks the sections too.
    fn decoded(blob: &VortexDecoder) -> Result<Self, tidelog_vortex::Error> {
        let page = |column, page| Ok(arrow_bytes(&blob.read_page(column, page)?) as u64);
        let column = |at| {
            (0..blob.page_count())
                .map(|number| page(at, number))
                .collect()
        };
        let sizes = (0..blob.columns().len())
            .map(column)
            .collect::<Result<_, _>>()?;
        for (id, _) in blob.sections() {
            blob.section(id)?;
        }
        Ok(Self(sizes))
    }

    fn of_column(&self, column: usize) -> u64 {
        self.0[column].iter().sum()
    }

    fn of_page(&self, column: usize, page: usize) -> u64 {
        self.0[column][page]
    }

    fn of_all(&self) -> u64 {
        self.0.iter().flatten().sum()
    }
}

/// Of each column, what its middle page would take in other encodings, fewest bytes first.
fn alternatives(blob: &VortexDecoder) -> Result<Vec<Vec<Alternative>>, tidelog_vortex::Error> {
    match blob.page_count() {
        0 => Ok(Vec::new()),
        pages => (0..blob.columns().len())
            .map(|column| blob.page_alternatives(column, pages / 2))
            .collect(),
    }
}

fn described(
    found: &Found,
    blob: &VortexDecoder,
    sizes: &Sizes,
    pages: bool,
    why: &[Vec<Alternative>],
) -> Json {
    let columns: Vec<Json> = blob
        .columns()
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let mut json = json!({
                "id": column.id,
                "name": column.name,
                "type": column.data_type.to_string(),
                "bytes": column.bytes(),
                "arrowBytes": sizes.of_column(at),
                "ratio": ratio(sizes.of_column(at), column.bytes() as u64),
                "nulls": column.pages.iter().map(|page| page.nulls).sum::<usize>(),
                "encodings": encodings(blob, at),
            });
            if pages {
                let of = |(number, page): (usize, &Page)| {
                    json!({"rows": page.rows, "nulls": page.nulls, "bytes": page.bytes,
                           "arrowBytes": sizes.of_page(at, number),
                           "min": scalar(page.min.as_ref()), "max": scalar(page.max.as_ref()),
                           "encoding": encoding(blob, at, number)})
                };
                json["pages"] = column.pages.iter().enumerate().map(of).collect();
            }
            if let Some(why) = why.get(at) {
                let of = |one: &Alternative| json!({"encoding": one.name, "bytes": one.bytes});
                json["alternatives"] = why.iter().map(of).collect();
            }
            json
        })
        .collect();
    let sections = blob
        .sections()
        .map(|(id, bytes)| json!({"id": id, "bytes": bytes}));
    json!({
        "blob": found.title,
        "bytes": found.body.len(),
        "arrowBytes": sizes.of_all(),
        "ratio": ratio(sizes.of_all(), found.body.len() as u64),
        "rows": blob.rows(),
        "masked": found.masked,
        "version": blob.version(),
        "features": blob.features(),
        "pageRows": blob.page_rows(),
        "columns": columns,
        "sections": sections.collect::<Vec<_>>(),
    })
}

fn lines(
    found: &Found,
    blob: &VortexDecoder,
    sizes: &Sizes,
    pages: bool,
    why: &[Vec<Alternative>],
) -> Vec<String> {
    let bytes = |n: usize| print::bytes(n as u64);
    let mut lines = vec![format!(
        "{}  {}, ratio {:.2} to Arrow, {} rows ({} masked), {} pages of {} rows, version {}; every checksum holds",
        found.title,
        bytes(found.body.len()),
        ratio(sizes.of_all(), found.body.len() as u64),
        print::count(blob.rows() as u64),
        print::count(found.masked),
        blob.page_count(),
        print::count(blob.page_rows() as u64),
        blob.version(),
    )];
    for (at, column) in blob.columns().iter().enumerate() {
        lines.push(column_line(blob, sizes, at, column));
        if let Some(why) = why.get(at).filter(|why| !why.is_empty()) {
            let of = |one: &Alternative| format!("{} {}", one.name, bytes(one.bytes));
            let all: Vec<_> = why.iter().map(of).collect();
            let page = blob.page_count() / 2;
            let is = bytes(column.pages[page].bytes);
            lines.push(format!(
                "      page {page} is {is}; values alone: {}",
                all.join(", ")
            ));
        }
        for (number, page) in column.pages.iter().enumerate().filter(|_| pages) {
            lines.push(format!(
                "      page {number}: {} rows, {} nulls, {}, {} to {}: {}",
                print::count(page.rows as u64),
                print::count(page.nulls as u64),
                bytes(page.bytes),
                scalar(page.min.as_ref()),
                scalar(page.max.as_ref()),
                encoding(blob, at, number)
            ));
        }
    }
    for (id, size) in blob.sections() {
        lines.push(format!("  section {id:08x}  {}", bytes(size)));
    }
    lines
}

fn column_line(blob: &VortexDecoder, sizes: &Sizes, at: usize, column: &Column) -> String {
    format!(
        "  {:<24} {:<24} {:>10} {:>8.2}x  {}",
        column.name,
        column.data_type.to_string(),
        print::bytes(column.bytes() as u64),
        ratio(sizes.of_column(at), column.bytes() as u64),
        encodings(blob, at).join(" | ")
    )
}

/// The different encodings of a column's pages, in order.
fn encodings(blob: &VortexDecoder, column: usize) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for page in 0..blob.page_count() {
        let one = encoding(blob, column, page);
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

fn encoding(blob: &VortexDecoder, column: usize, page: usize) -> String {
    blob.page_encoding(column, page)
        .map_or_else(|e| e.message, |tree| tree.to_string())
}

fn scalar(scalar: Option<&Scalar>) -> Json {
    match scalar {
        None => Json::Null,
        Some(Scalar::Bool(b)) => json!(b),
        Some(Scalar::Int(i)) => json!(i),
        Some(Scalar::UInt(u)) => json!(u),
        Some(Scalar::Float(f)) => json!(f),
        Some(Scalar::Bytes(bytes)) => json!(String::from_utf8_lossy(bytes)),
    }
}
