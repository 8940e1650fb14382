//! Rows taken and rows selected are those a reader of everything would choose.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray, UInt32Array};
use arrow_select::take::take;
use tidelog_vortex::{
    ColumnSpec, EncodeOptions, Kind, Range, Scalar, VortexDecoder, VortexEncoder,
};

use crate::arbitrary::{Case, Chance, seeds};

fn taken(array: &ArrayRef, rows: &[usize]) -> ArrayRef {
    let rows = rows.iter().map(|row| u32::try_from(*row).unwrap());
    take(array, &UInt32Array::from_iter_values(rows), None).unwrap()
}

#[test]
fn any_rows_are_taken() {
    for seed in seeds(300) {
        let case = Case::of(seed);
        let blob = VortexEncoder::new(case.options)
            .encode(&case.columns, &case.arrays)
            .unwrap();
        let decoder = VortexDecoder::open(blob).unwrap();
        let mut chance = Chance(seed);
        let count = decoder.rows().min([0, 1, 2, 5, 40][chance.below(5)]);
        let mut rows: Vec<usize> = (0..count).map(|_| chance.below(decoder.rows())).collect();
        rows.sort_unstable();
        for (place, array) in case.arrays.iter().enumerate() {
            let back = decoder.take(place, &rows).unwrap();
            assert_eq!(
                &back,
                &taken(array, &rows),
                "seed {seed}, column {place}, {rows:?}"
            );
        }
        assert_eq!(decoder.take_all(&rows).unwrap().num_rows(), rows.len());
    }
}

#[test]
fn rows_out_of_order_or_beyond_are_refused() {
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let blob = VortexEncoder::default()
        .encode(&[ColumnSpec::plain(1, "n")], &[column])
        .unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    for rows in [&[1, 0][..], &[3]] {
        assert_eq!(decoder.take(0, rows).unwrap_err().kind, Kind::Invalid);
    }
    assert_eq!(decoder.take(1, &[0]).unwrap_err().kind, Kind::Invalid);
    let range = Range {
        min: Some(Scalar::Bool(true)),
        max: None,
    };
    let every = decoder.every_row();
    assert_eq!(
        decoder.select(0, &range, &every).unwrap_err().kind,
        Kind::Invalid
    );
}

/// Ten pages of a hundred rows: sorted numbers, floats with a NaN and nulls, texts.
fn pages() -> (VortexDecoder, Vec<ArrayRef>) {
    let sorted: ArrayRef = Arc::new((0..1_000_i64).map(Some).collect::<Int64Array>());
    let float = |n: i64| match n % 7 {
        0 => None,
        1 => Some(f64::NAN),
        _ => Some(f64::from(i32::try_from(n * 37 % 1_000).unwrap()) / 8.0),
    };
    let floats: ArrayRef = Arc::new((0..1_000).map(float).collect::<Float64Array>());
    let texts = (0..1_000).map(|n| format!("text {}", n * 7_919 % 97));
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let arrays = vec![sorted, floats, texts];
    let specs: Vec<_> = (0..3).map(|id| ColumnSpec::plain(id, "c")).collect();
    let options = EncodeOptions {
        page_rows: 100,
        ..EncodeOptions::default()
    };
    let blob = VortexEncoder::new(options).encode(&specs, &arrays).unwrap();
    (VortexDecoder::open(blob).unwrap(), arrays)
}

#[test]
fn ranges_select_what_lies_in_them() {
    let (decoder, arrays) = pages();
    let numbers = Range {
        min: Some(Scalar::Int(195)),
        max: Some(Scalar::Int(620)),
    };
    let floats = Range {
        min: Some(Scalar::Float(30.5)),
        max: None,
    };
    let texts = Range {
        min: Some(Scalar::Bytes(b"text 2".to_vec())),
        max: Some(Scalar::Bytes(b"text 4".to_vec())),
    };
    let chosen = decoder.select(0, &numbers, &decoder.every_row()).unwrap();
    assert_eq!(chosen.rows(100), (195..=620).collect::<Vec<_>>());
    let chosen = decoder.select(1, &floats, &chosen).unwrap();
    let chosen = decoder.select(2, &texts, &chosen).unwrap();
    let column = arrays[1].as_any().downcast_ref::<Float64Array>().unwrap();
    let words = arrays[2].as_any().downcast_ref::<StringArray>().unwrap();
    let is_in = |row: &usize| {
        column.is_valid(*row)
            && column.value(*row) >= 30.5
            && ("text 2"..="text 4").contains(&words.value(*row))
    };
    let expected: Vec<usize> = (195..=620).filter(is_in).collect();
    assert!(expected.len() > 10, "the example selects something");
    assert_eq!(chosen.rows(100), expected);
    assert_eq!(chosen.count(), expected.len());
    for (place, array) in arrays.iter().enumerate() {
        let back = decoder.read_selection(place, &chosen).unwrap();
        assert_eq!(&back, &taken(array, &expected));
    }
}

#[test]
fn pages_that_cannot_match_are_not_decoded() {
    let column: ArrayRef = Arc::new((0..1_000_i64).map(Some).collect::<Int64Array>());
    let options = EncodeOptions {
        page_rows: 100,
        ..EncodeOptions::default()
    };
    let mut blob = VortexEncoder::new(options)
        .encode(&[ColumnSpec::plain(1, "n")], &[column])
        .unwrap();
    // The first page is spoilt: whoever reads it fails.
    blob[24] ^= 0xff;
    let decoder = VortexDecoder::open(blob).unwrap();
    let range = |min, max| Range {
        min: Some(Scalar::Int(min)),
        max: Some(Scalar::Int(max)),
    };
    let every = decoder.every_row();
    let chosen = decoder.select(0, &range(250, 349), &every).unwrap();
    assert_eq!(chosen.count(), 100);
    assert_eq!(decoder.read_selection(0, &chosen).unwrap().len(), 100);
    let whole = decoder.select(0, &range(0, 99), &every).unwrap();
    assert_eq!(whole.count(), 100, "the bounds alone say so");
    let error = decoder.select(0, &range(0, 50), &every).unwrap_err();
    assert_eq!(error.kind, Kind::Corrupt);
}
