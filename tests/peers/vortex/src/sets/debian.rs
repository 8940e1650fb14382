//! The package index of the machine, where it is a Debian: real texts.

use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, Int64Array, StringBuilder};

use super::{Asked, DataSet, Source, batch};

/// Fields of the index, and the columns they become; the first two of them are numbers.
const NUMBERS: [(&str, &str); 2] = [("Installed-Size", "installed_size"), ("Size", "size")];
const TEXTS: [(&str, &str); 12] = [
    ("Package", "package"),
    ("Version", "version"),
    ("Source", "source"),
    ("Section", "section"),
    ("Priority", "priority"),
    ("Architecture", "architecture"),
    ("Maintainer", "maintainer"),
    ("Homepage", "homepage"),
    ("Description", "description"),
    ("Depends", "depends"),
    ("Tag", "tag"),
    ("Filename", "filename"),
];

/// `None` where there is no index.
pub fn load(source: &Source) -> Result<Option<DataSet>> {
    let run = Command::new("apt-cache")
        .arg("dumpavail")
        .stderr(Stdio::null())
        .output();
    let Ok(output) = run else { return Ok(None) };
    let text = String::from_utf8_lossy(&output.stdout);
    let packages: Vec<&str> = text
        .split("\n\n")
        .filter(|one| !one.trim().is_empty())
        .collect();
    let packages = &packages[..packages.len() / source.divisor];
    if packages.is_empty() {
        return Ok(None);
    }
    let mut numbers: [Vec<Option<i64>>; 2] = Default::default();
    let mut texts: [StringBuilder; 12] = Default::default();
    for package in packages {
        for ((field, _), column) in NUMBERS.iter().zip(&mut numbers) {
            column.push(value(package, field).and_then(|value| value.parse().ok()));
        }
        for ((field, _), column) in TEXTS.iter().zip(&mut texts) {
            column.append_option(value(package, field).or_else(|| localized(package, field)));
        }
    }
    let texts = TEXTS.iter().zip(&mut texts);
    let texts = texts.map(|((_, name), column)| (*name, Arc::new(column.finish()) as ArrayRef));
    let numbers = NUMBERS.iter().zip(numbers);
    let numbers =
        numbers.map(|((_, name), all)| (*name, Arc::new(Int64Array::from(all)) as ArrayRef));
    let one = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let asked = Asked {
        json: &[],
        numeric: "size",
        text: "description",
        filter: "size",
        low: one(10_000_000),
        high: one(11_000_000),
        sum: "installed_size",
    };
    let columns = batch(texts.chain(numbers).collect())?;
    let about = "this machine's Debian package index (`apt-cache dumpavail`); real";
    DataSet::new("debian", about, columns, asked).map(Some)
}

/// A field with the lines that continue it.
fn value<'a>(package: &'a str, field: &str) -> Option<&'a str> {
    let mut at = 0;
    for line in package.split_inclusive('\n') {
        let value = line
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(": "));
        if let Some(value) = value {
            let rest = &package[at + line.len() - value.len()..];
            let end = rest
                .match_indices('\n')
                .find(|(n, _)| !rest[n + 1..].starts_with(' '));
            return Some(rest[..end.map_or(rest.len(), |(n, _)| n)].trim_end());
        }
        at += line.len();
    }
    None
}

/// Descriptions are `Description-en` on some systems.
fn localized<'a>(package: &'a str, field: &str) -> Option<&'a str> {
    (field == "Description")
        .then(|| value(package, "Description-en"))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_has_its_continued_lines_and_no_others() {
        let package = "Package: a\nTag: one,\n two\nSize: 7";
        assert_eq!(value(package, "Tag"), Some("one,\n two"));
        assert_eq!(value(package, "Size"), Some("7"));
        assert_eq!(value(package, "Depends"), None);
    }
}
