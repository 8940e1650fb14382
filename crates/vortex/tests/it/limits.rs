//! Over a limit is an error that says so, before memory is taken.

use std::slice::from_ref;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Int64Array, LargeStringArray, StringArray};
use tidelog_vortex::{ColumnSpec, EncodeOptions, Kind, VortexDecoder, VortexEncoder, limits};

use crate::arbitrary::{Chance, column_of, types};

fn kind_of(encoder: &VortexEncoder, columns: &[ColumnSpec], arrays: &[ArrayRef]) -> Kind {
    encoder.encode(columns, arrays).unwrap_err().kind
}

fn noise(rows: usize) -> ArrayRef {
    let mut chance = Chance(1);
    Arc::new(Int64Array::from_iter_values(
        (0..rows).map(|_| chance.next().cast_signed()),
    ))
}

#[test]
fn a_blob_fills_its_bytes_and_no_more() {
    let encoder = VortexEncoder::default();
    let four = |rows| -> Vec<ArrayRef> { vec![noise(rows), noise(rows), noise(rows), noise(rows)] };
    let columns: Vec<_> = (0..4).map(|id| ColumnSpec::plain(id, "x")).collect();
    assert_eq!(kind_of(&encoder, &columns, &four(65_536)), Kind::TooLarge);
    // 59,300 rows of 32 bytes are just below 1.9 MB.
    let blob = encoder.encode(&columns, &four(59_300)).unwrap();
    assert!(blob.len() <= limits::BLOB_BYTES_MAX && blob.len() > limits::BLOB_BYTES_MAX - 5_000);
    let decoder = VortexDecoder::open(blob).unwrap();
    assert_eq!(&decoder.read_column(3).unwrap(), &noise(59_300));
}

#[test]
fn rows_and_pages_are_limited() {
    let column = [ColumnSpec::plain(1, "x")];
    let rows: ArrayRef = Arc::new(Int64Array::from(vec![1; 65_537]));
    assert_eq!(
        kind_of(&VortexEncoder::default(), &column, from_ref(&rows)),
        Kind::TooLarge
    );
    for page_rows in [0, limits::PAGE_ROWS_MAX + 1] {
        let options = EncodeOptions {
            page_rows,
            ..EncodeOptions::default()
        };
        assert_eq!(
            kind_of(&VortexEncoder::new(options), &column, &[noise(1)]),
            Kind::Invalid
        );
    }
    let options = EncodeOptions {
        rows_max: 1 << 20,
        ..EncodeOptions::default()
    };
    let blob = VortexEncoder::new(options)
        .encode(&column, from_ref(&rows))
        .unwrap();
    assert_eq!(
        &VortexDecoder::open(blob).unwrap().read_column(0).unwrap(),
        &rows
    );
}

#[test]
fn wrong_calls_are_invalid() {
    let encoder = VortexEncoder::default();
    let (x, y) = (ColumnSpec::plain(1, "x"), ColumnSpec::plain(2, "y"));
    let both = [x.clone(), y];
    assert_eq!(kind_of(&encoder, &both, &[noise(1)]), Kind::Invalid);
    assert_eq!(
        kind_of(&encoder, &both, &[noise(1), noise(2)]),
        Kind::Invalid
    );
    assert_eq!(
        kind_of(&encoder, &[x.clone(), x.clone()], &[noise(1), noise(1)]),
        Kind::Invalid
    );
    let long: ArrayRef = Arc::new(LargeStringArray::from(vec!["x"]));
    assert_eq!(kind_of(&encoder, from_ref(&x), &[long]), Kind::Invalid);
    assert_eq!(
        kind_of(&encoder, &[ColumnSpec::json(1, "x")], &[noise(1)]),
        Kind::Invalid
    );
    assert_eq!(
        kind_of(
            &encoder,
            &[ColumnSpec::plain(1, "x".repeat(2_000))],
            &[noise(1)]
        ),
        Kind::Invalid
    );
    let twice = VortexEncoder::default()
        .with_section(1, vec![])
        .with_section(1, vec![]);
    assert_eq!(kind_of(&twice, &[x], &[noise(1)]), Kind::Invalid);
    let decoder = VortexDecoder::open(encoder.encode(&[], &[]).unwrap()).unwrap();
    assert_eq!(decoder.read_page(0, 0).unwrap_err().kind, Kind::Invalid);
}

/// Whatever fits a page's limit when encoded fits the reader's budget, for every type and shape of data.
#[test]
fn what_is_written_can_be_read() {
    let column = [ColumnSpec::plain(1, "x")];
    let options = EncodeOptions {
        page_rows: 65_536,
        bytes_max: 64 << 20,
        ..EncodeOptions::default()
    };
    let mut chance = Chance(3);
    for data_type in types() {
        for _ in 0..3 {
            let array = column_of(&mut chance, &data_type, 30_000);
            let blob = VortexEncoder::new(options.clone())
                .encode(&column, from_ref(&array))
                .unwrap();
            let back = VortexDecoder::open(blob).unwrap().read_column(0).unwrap();
            assert_eq!(back.to_data(), array.to_data(), "{data_type}");
        }
    }
}

#[test]
fn pages_that_decode_to_too_much_are_not_written() {
    let column = [ColumnSpec::plain(1, "x")];
    let text = "x".repeat(100_000);
    let texts = |rows| -> ArrayRef { Arc::new(StringArray::from(vec![text.as_str(); rows])) };
    assert_eq!(
        kind_of(&VortexEncoder::default(), &column, &[texts(84)]),
        Kind::TooLarge
    );
    let blob = VortexEncoder::default()
        .encode(&column, &[texts(83)])
        .unwrap();
    assert!(blob.len() < 101_000);
    assert_eq!(
        &VortexDecoder::open(blob).unwrap().read_column(0).unwrap(),
        &texts(83)
    );
    // JSON takes the most steps: compressed CBOR, CBOR, text.
    let member = format!(
        r#"{{"a":["{}",{}1]}}"#,
        "long ".repeat(500),
        "0.5,".repeat(1_000)
    );
    let json: ArrayRef = Arc::new(
        (0..1_200)
            .map(|n| Some(format!("[{n},{member}]")))
            .collect::<StringArray>(),
    );
    let blob = VortexEncoder::default()
        .encode(&[ColumnSpec::json(1, "x")], from_ref(&json))
        .unwrap();
    assert_eq!(
        &VortexDecoder::open(blob).unwrap().read_column(0).unwrap(),
        &json
    );
}

/// What is kept of images that others come from has a limit too: larger pages do without.
#[test]
fn images_of_large_pages_are_within_the_budget() {
    let members = |row: u32| (0..50).map(move |n| format!(r#""m{n}":{}"#, row % 3 + n));
    let image = |row: u32| format!("{{{}}}", members(row).collect::<Vec<_>>().join(","));
    let column = |shift: u32| -> ArrayRef {
        let images = (0..14_000).map(|row| Some(image(row + shift)));
        Arc::new(images.collect::<StringArray>())
    };
    let arrays = [column(0), column(1)];
    let columns = [ColumnSpec::json(1, "before"), ColumnSpec::json(2, "after")];
    let options = EncodeOptions {
        page_rows: 65_536,
        ..EncodeOptions::default()
    };
    let blob = VortexEncoder::new(options)
        .encode(&columns, &arrays)
        .unwrap();
    let batch = VortexDecoder::open(blob).unwrap().read_all().unwrap();
    assert_eq!(batch.columns(), arrays);
}
