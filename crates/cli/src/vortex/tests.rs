//! Files through blobs and back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, Date32Array, Float32Array, Float64Array, LargeStringArray, RecordBatch,
    StringArray, TimestampNanosecondArray, UInt16Array,
};
use clap::Parser;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tidelog_embedded::entropy;
use tidelog_vortex::{ColumnKind, VortexDecoder};

use super::{VortexCommand, run};
use crate::failure::{Exit, Failure};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let id = u64::from_le_bytes(std::array::from_fn(|at| entropy()[at]));
        let path = std::env::temp_dir().join(format!("tidelog-vortex-{id:016x}"));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn put(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.join(name), text).unwrap();
        self.path(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn blob(&self, name: &str) -> VortexDecoder {
        VortexDecoder::open(std::fs::read(self.0.join(name)).unwrap()).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[derive(Parser)]
struct Only {
    #[command(subcommand)]
    command: VortexCommand,
}

fn call(words: &[&str]) -> Result<(), Failure> {
    let words = std::iter::once(&"vortex").chain(words);
    run(&Only::parse_from(words).command)
}

fn refused(words: &[&str], exit: Exit, code: &str) {
    let failure = call(words).unwrap_err();
    assert_eq!(failure.exit, exit, "{failure}");
    assert!(
        failure.message.starts_with(&format!("{code}: ")),
        "{failure}"
    );
}

const CSV: &str = "\
i,f,b,d,t,l,s,n
1,1.5,true,2013-12-31,2013-01-01T06:00:00Z,2013-01-01T06:00:00.500,\"a, \"\"b\"\"\",
-2,0.1,false,1969-01-01,1969-12-31T23:59:59.999999Z,2013-01-01T06:00:00,007,
,,,,,,,
";

#[test]
fn csv_comes_back_with_the_types_it_was_read_in() {
    let folder = Folder::new();
    let (csv, blob, back) = (
        folder.put("a.csv", CSV),
        folder.path("a.tvx"),
        folder.path("b.csv"),
    );
    for profile in ["fast", "balanced", "small"] {
        call(&["encode", &csv, &blob, "--profile", profile, "--force"]).unwrap();
        call(&["decode", &blob, &back, "--force"]).unwrap();
        assert_eq!(folder.text("b.csv"), CSV);
    }
    let types: Vec<String> = folder
        .blob("a.tvx")
        .columns()
        .iter()
        .map(|one| one.data_type.to_string())
        .collect();
    let instant = "Timestamp(µs, \"UTC\")";
    assert_eq!(
        types,
        [
            "Int64",
            "Float64",
            "Boolean",
            "Date32",
            instant,
            "Timestamp(µs)",
            "Utf8",
            "Utf8"
        ]
    );
    assert_eq!(folder.names(), ["a.csv", "a.tvx", "b.csv"]);
}

const LINES: &str = "\
{\"id\":1,\"name\":\"a\\n\\\"\",\"score\":1.5,\"ok\":true,\"any\":{\"k\":[1,2.50,null]}}
{\"id\":-9007199254740993,\"any\":\"text\",\"late\":[true]}
{\"name\":\"\",\"score\":2.0}
{}
";

#[test]
fn json_lines_come_back_and_documents_keep_their_spelling() {
    let folder = Folder::new();
    let (lines, blob) = (folder.put("a.ndjson", LINES), folder.path("a.tvx"));
    call(&["encode", &lines, &blob]).unwrap();
    call(&["decode", &blob, &folder.path("b.jsonl")]).unwrap();
    assert_eq!(folder.text("b.jsonl"), LINES);
    let opened = folder.blob("a.tvx");
    let json = opened
        .columns()
        .iter()
        .filter(|column| column.kind == ColumnKind::Json);
    assert_eq!(
        json.map(|column| column.name.as_str()).collect::<Vec<_>>(),
        ["any", "late"]
    );
}

fn parquet(path: &str) -> RecordBatch {
    let mut places = StringDictionaryBuilder::<Int32Type>::new();
    ["JFK", "LGA", "JFK"]
        .into_iter()
        .for_each(|place| places.append_value(place));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "u",
            Arc::new(UInt16Array::from(vec![Some(1), None, Some(u16::MAX)])),
        ),
        (
            "f",
            Arc::new(Float64Array::from(vec![f64::NAN, -0.0, f64::INFINITY])),
        ),
        ("g", Arc::new(Float32Array::from(vec![0.1, 0.2, 0.3]))),
        ("d", Arc::new(Date32Array::from(vec![0, -1, 40_000]))),
        (
            "t",
            Arc::new(TimestampNanosecondArray::from(vec![1, -1, i64::MAX])),
        ),
        (
            "b",
            Arc::new(BinaryArray::from(vec![&b"a"[..], b"", b"\xff"])),
        ),
        (
            "large",
            Arc::new(LargeStringArray::from(vec!["x", "y", "z"])),
        ),
        ("place", Arc::new(places.finish())),
        (
            "doc",
            Arc::new(StringArray::from(vec![r#"{"a": 1}"#, "[]", "7"])),
        ),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    );
    let batch = batch.unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    batch
}

fn read_parquet(path: &Path) -> RecordBatch {
    let file = std::fs::File::open(path).unwrap();
    let mut reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap();
    reader.next().unwrap().unwrap()
}

#[test]
fn parquet_keeps_its_types_and_texts_become_one_kind() {
    let folder = Folder::new();
    let put = parquet(&folder.path("a.parquet"));
    let (file, blob) = (folder.path("a.parquet"), folder.path("a.tvx"));
    call(&[
        "encode",
        &file,
        &blob,
        "--json-columns",
        "doc",
        "--page-rows",
        "2",
    ])
    .unwrap();
    assert_eq!(folder.blob("a.tvx").page_count(), 2);
    assert_eq!(folder.blob("a.tvx").columns()[8].kind, ColumnKind::Json);

    call(&["decode", &blob, &folder.path("b.parquet")]).unwrap();
    let got = read_parquet(&folder.0.join("b.parquet"));
    for name in ["u", "f", "g", "d", "t", "b", "doc"] {
        let (put, got) = (
            put.column_by_name(name).unwrap(),
            got.column_by_name(name).unwrap(),
        );
        assert_eq!(got.to_data(), put.to_data(), "{name}");
    }
    let text = |name: &str| {
        let column: &ArrayRef = got.column_by_name(name).unwrap();
        StringArray::from(column.to_data())
    };
    assert_eq!(text("large"), StringArray::from(vec!["x", "y", "z"]));
    assert_eq!(text("place"), StringArray::from(vec!["JFK", "LGA", "JFK"]));
    // JSON has no NaN, and says so; nothing of the attempt stays.
    let lines = folder.path("b.ndjson");
    refused(&["decode", &blob, &lines], Exit::Failed, "not_json");
    assert_eq!(folder.names(), ["a.parquet", "a.tvx", "b.parquet"]);
}

#[test]
fn a_blob_of_no_rows_and_one_of_no_columns_are_files_too() {
    let folder = Folder::new();
    let blob = folder.path("a.tvx");
    call(&["encode", &folder.put("a.csv", "a,b\n"), &blob]).unwrap();
    call(&["decode", &blob, &folder.path("b.csv")]).unwrap();
    assert_eq!(folder.text("b.csv"), "a,b\n");
    call(&["encode", &folder.put("a.ndjson", "\n"), &blob, "--force"]).unwrap();
    call(&["decode", &blob, &folder.path("b.ndjson")]).unwrap();
    assert_eq!(folder.text("b.ndjson"), "");
}

#[test]
fn what_is_wrong_is_said_with_a_code() {
    let folder = Folder::new();
    let csv = folder.put("a.csv", CSV);
    let blob = folder.path("a.tvx");
    refused(
        &["encode", &folder.path("no.csv"), &blob],
        Exit::Usage,
        "file_unreadable",
    );
    refused(
        &["encode", &folder.put("a.txt", ""), &blob],
        Exit::Usage,
        "format_unknown",
    );
    refused(
        &["encode", &csv, &blob, "--memory-max", "20"],
        Exit::Failed,
        "input_too_large",
    );
    let ragged = folder.put("ragged.csv", "a,b\n1\n");
    refused(&["encode", &ragged, &blob], Exit::Failed, "input_invalid");
    let twice = folder.put("twice.ndjson", "{\"a\":1,\"a\":2}\n");
    refused(&["encode", &twice, &blob], Exit::Failed, "input_invalid");
    let array = folder.put("array.ndjson", "[1]\n");
    refused(&["encode", &array, &blob], Exit::Failed, "input_invalid");
    let text = folder.put("text.parquet", "no Parquet");
    refused(&["encode", &text, &blob], Exit::Failed, "input_invalid");

    call(&["encode", &csv, &blob]).unwrap();
    refused(&["encode", &csv, &blob], Exit::Usage, "file_exists");
    refused(
        &["decode", &csv, &folder.path("b.csv")],
        Exit::Failed,
        "vortex_corrupt",
    );
    let back = folder.path("b.csv.zst");
    refused(&["decode", &blob, &back], Exit::Usage, "format_unknown");
    refused(
        &["decode", &blob, &folder.path("b.csv"), "--memory-max", "9"],
        Exit::Failed,
        "input_too_large",
    );
    call(&["inspect", &blob, "--pages", "--json"]).unwrap();
    call(&["inspect", &blob, "--why"]).unwrap();
    call(&["inspect", &blob, "--why", "--json"]).unwrap();
}

#[test]
fn a_page_that_would_be_too_large_has_fewer_rows() {
    let folder = Folder::new();
    // 4,000 rows of 4 kB: 16 MB in one page of the default.
    let row = format!("{}\n", "x".repeat(4_000));
    let csv = folder.put("a.csv", &format!("a\n{}", row.repeat(4_000)));
    let blob = folder.path("a.tvx");
    call(&["encode", &csv, &blob]).unwrap();
    assert!(folder.blob("a.tvx").page_rows() < 4_000);
    let rows = ["encode", &csv, &blob, "--force", "--page-rows", "4000"];
    refused(&rows, Exit::Failed, "vortex_too_large");
}
