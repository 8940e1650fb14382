//! The golden blobs of every version decode to what they were made of. `golden/write.py` wrote them from the format's page.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, FixedSizeBinaryArray,
    FixedSizeListArray, Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array,
    ListArray, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
    TimestampNanosecondArray, TimestampSecondArray, UInt8Array, UInt16Array, UInt32Array,
    UInt64Array,
};
use tidelog_vortex::{ColumnKind, Scalar, VortexDecoder};

const EVERY_TYPE: &[u8] = include_bytes!("../golden/every-type-v1.tvx");
const EVERY_ENCODING: &[u8] = include_bytes!("../golden/every-encoding-v1.tvx");
const EVERY_TEXT: &[u8] = include_bytes!("../golden/every-text-v1.tvx");
const EVERY_NUMBER: &[u8] = include_bytes!("../golden/every-number-v1.tvx");
const EMPTY: &[u8] = include_bytes!("../golden/empty-v1.tvx");

/// All golden blobs by name.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>)> {
    [
        ("every type", EVERY_TYPE),
        ("every encoding", EVERY_ENCODING),
        ("every text", EVERY_TEXT),
        ("every number", EVERY_NUMBER),
        ("empty", EMPTY),
    ]
    .map(|(name, bytes)| (name, bytes.to_vec()))
    .to_vec()
}

fn open(bytes: &'static [u8]) -> VortexDecoder {
    let decoder = VortexDecoder::open(bytes).unwrap();
    decoder.verify().unwrap();
    decoder
}

fn same(decoder: &VortexDecoder, expected: &[ArrayRef]) {
    let batch = decoder.read_all().unwrap();
    assert_eq!(batch.num_columns(), expected.len());
    for (place, (back, expected)) in batch.columns().iter().zip(expected).enumerate() {
        assert_eq!(
            back.to_data(),
            expected.to_data(),
            "{}",
            decoder.columns()[place].name
        );
    }
}

fn short_floats(bits: &[u32]) -> ArrayRef {
    Arc::new(
        bits.iter()
            .map(|bits| Some(f32::from_bits(*bits)))
            .collect::<Float32Array>(),
    )
}

#[test]
fn every_type_decodes() {
    let vectors = [Some(vec![Some(1.5)]), None, Some(vec![None, Some(2.5)])];
    let vectors_of_2 = [
        Some(vec![Some(1.0), Some(2.0)]),
        None,
        Some(vec![Some(3.0), Some(4.0)]),
    ];
    let long = "z".repeat(40);
    let fixed = FixedSizeBinaryArray::try_from_iter([*b"aa", *b"bb", *b"cc"].into_iter()).unwrap();
    let decoder = open(EVERY_TYPE);
    same(
        &decoder,
        &[
            Arc::new(BooleanArray::from(vec![true, false, true])),
            Arc::new(Int8Array::from(vec![Some(i8::MIN), None, Some(i8::MAX)])),
            Arc::new(Int16Array::from(vec![Some(i16::MIN), None, Some(i16::MAX)])),
            Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(i32::MAX)])),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
            Arc::new(UInt8Array::from(vec![0, 7, u8::MAX])),
            Arc::new(UInt16Array::from(vec![0, 7, u16::MAX])),
            Arc::new(UInt32Array::from(vec![0, 7, u32::MAX])),
            Arc::new(UInt64Array::from(vec![0, 7, u64::MAX])),
            short_floats(&[0x8000_0000, 0x3fc0_0000, 0x7fc0_0001]),
            Arc::new(Float64Array::from(vec![-0.0, 1.5, f64::INFINITY])),
            Arc::new(StringArray::from(vec![Some("é"), None, Some(&long)])),
            Arc::new(BinaryArray::from(vec![&b""[..], b"\x00\xff", &[0xff; 33]])),
            Arc::new(fixed),
            Arc::new(Date32Array::from(vec![-1, 0, 20_000])),
            Arc::new(TimestampSecondArray::from(vec![0, 1, 2])),
            Arc::new(TimestampMillisecondArray::from(vec![0, 1, 2])),
            Arc::new(TimestampMicrosecondArray::from(vec![0, 1, 2]).with_timezone("UTC")),
            Arc::new(TimestampNanosecondArray::from(vec![0, 1, 2]).with_timezone("+01:00")),
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(vectors)),
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(vectors_of_2, 2)),
        ],
    );
}

#[test]
fn what_describes_a_blob_decodes() {
    let decoder = open(EVERY_TYPE);
    assert_eq!(
        (
            decoder.version(),
            decoder.features(),
            decoder.optional_features()
        ),
        (1, 0, 1 << 31)
    );
    assert_eq!(
        (decoder.rows(), decoder.page_rows(), decoder.page_count()),
        (3, 8_192, 1)
    );
    assert_eq!(decoder.metadata(), b"metadata");
    assert_eq!(decoder.section(7).unwrap().as_deref(), Some(&b"beside"[..]));
    assert_eq!(
        decoder.sections().map(|(id, _)| id).collect::<Vec<_>>(),
        [7, 1 << 31]
    );
    assert_eq!(decoder.column_index(4), Some(4));
    let pages: Vec<_> = decoder
        .columns()
        .iter()
        .map(|column| &column.pages[0])
        .collect();
    assert_eq!(
        (pages[0].min.clone(), pages[0].max.clone()),
        (Some(Scalar::Bool(false)), Some(Scalar::Bool(true)))
    );
    assert_eq!(
        (pages[4].min.clone(), pages[4].nulls),
        (Some(Scalar::Int(i64::MIN)), 1)
    );
    assert_eq!(pages[8].max, Some(Scalar::UInt(u64::MAX)));
    assert_eq!(
        (pages[9].min.clone(), pages[10].max.clone()),
        (None, Some(Scalar::Float(f64::INFINITY)))
    );
    assert_eq!(pages[11].min, Some(Scalar::Bytes(vec![b'z'; 32])));
    assert!(!pages[11].min_is_exact && pages[11].max_is_exact);
    assert_eq!(
        (pages[12].max.clone(), pages[12].max_is_exact),
        (None, false)
    );
}

#[test]
fn every_encoding_decodes() {
    let numbers = |numbers: [i64; 6]| -> ArrayRef { Arc::new(Int64Array::from(numbers.to_vec())) };
    let texts = |texts: [&str; 6]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let fixed = [*b"xyz", *b"abc", *b"xyz", *b"xyz", *b"~~~", *b"~~~"];
    let decoder = open(EVERY_ENCODING);
    assert_eq!((decoder.page_rows(), decoder.page_count()), (4, 2));
    assert_eq!(decoder.columns()[12].kind, ColumnKind::Json);
    same(
        &decoder,
        &[
            Arc::new(Int64Array::from(vec![
                None,
                None,
                None,
                None,
                None,
                Some(-7),
            ])),
            numbers([-5, 2, -2, 0, 1 << 62, 1 << 62]),
            numbers([i64::MIN, i64::MAX, i64::MIN + 1, 0, 1, (1 << 59) - 1]),
            numbers([10, 9, 9, 10, i64::MAX, i64::MIN]),
            numbers([-3, 14_997, 997, 1_997, 172_800_001, 172_800_001]),
            numbers([8, 8, 8, -9, 4, 4]),
            numbers([-1, 1 << 40, 1 << 40, -1, 5, 5]),
            numbers([1, 2, 3, 4, 6, 6]),
            Arc::new(Float64Array::from(vec![-1.5, -1.0, 0.0, 8.5, -3.0, -3.0])),
            Arc::new(Float32Array::from(vec![0.1, -0.2, 0.3, 0.0, 0.1, -0.0])),
            texts(["three", "", "one", "one", "same", "same"]),
            texts(["a", "bc", "", "d", "x", "y"]),
            texts([
                r#"{"a":1}"#,
                "{ }",
                "[null,1.0,-1]",
                "1.1",
                "[ 1 ]",
                "[ 1 ]",
            ]),
            Arc::new(BooleanArray::from(vec![
                true, false, false, false, true, true,
            ])),
            Arc::new(FixedSizeBinaryArray::try_from_iter(fixed.into_iter()).unwrap()),
            Arc::new(Int8Array::from(vec![-128, 127, 0, -1, 127, -128])),
        ],
    );
}

#[test]
fn every_encoding_of_texts_decodes() {
    let texts = |texts: [&str; 6]| -> ArrayRef { Arc::new(StringArray::from(texts.to_vec())) };
    let some = |texts: [&str; 6]| -> ArrayRef {
        let text = |text: &str| (text != "-").then(|| text.to_owned());
        Arc::new(texts.map(text).into_iter().collect::<StringArray>())
    };
    let [a1, a2, b] = [
        r#"{"id":"a","n":1}"#,
        r#"{"id":"a","n":2.5}"#,
        r#"{"id":"b","n":-3.25}"#,
    ];
    let a3 = r#"{"id":"a","n":2.5,"tag":"x"}"#;
    let expected = [
        texts(["http://x", "", "!x", "xx", "x", "a"]),
        texts([
            "no_000.0 kg",
            "no_000.01 kg",
            "no_-000.01 kg",
            "no_012.5 kg",
            "no_999.99 kg",
            "no_1234.56 kg",
        ]),
        texts([
            "1970-01-01",
            "1969-12-31",
            "2000-02-29",
            "0000-01-01",
            "9999-12-31",
            "2026-01-01",
        ]),
        texts([
            "1970-01-01T00:00:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "1970-01-01T00:00:01.500Z",
            "2000-02-29T00:00:00.000Z",
            "1970-01-02T00:00:00.000Z",
            "1970-01-01T00:00:59.999Z",
        ]),
        texts(["x-00-0", "x-ab-C", "x-ff-F", "x-12-3", "x-9a-8", "x-00-1"]),
        texts([
            "fffffffffffffffff",
            "00000000000000000",
            "00000000000000011",
            "00000000000000022",
            "00000000000000033",
            "0000000000000004a",
        ]),
        texts(["one", "", "three", "four", "five", "six"]),
        texts(["[a,]", "(-b)", "[c,]", "[d,]", "(-e)", "[f,]"]),
        some(["-", a1, a2, "-", b, "[ ]"]),
        some([a1, a2, a3, b, "-", "{ }"]),
    ];
    let decoder = open(EVERY_TEXT);
    same(&decoder, &expected);
    assert_eq!(decoder.features(), 0x7f00);
    for (place, expected) in expected.iter().enumerate() {
        assert_eq!(&decoder.read_column(place).unwrap(), expected, "alone");
        assert_eq!(&decoder.take(place, &[5]).unwrap(), &expected.slice(5, 1));
    }
}

#[test]
fn the_empty_blob_is_only_its_frame() {
    let decoder = open(EMPTY);
    assert_eq!(
        (EMPTY.len(), decoder.rows(), decoder.columns().len()),
        (56, 0, 0)
    );
}

#[test]
fn encodings_are_described() {
    let decoder = open(EVERY_ENCODING);
    let tree = |column, page| decoder.page_encoding(column, page).unwrap().to_string();
    assert_eq!(tree(0, 0), "null");
    assert_eq!(tree(0, 1), "nullable(1 valid)[plain, constant]");
    assert_eq!(tree(3, 0), "delta[packed(2 bits)]");
    assert_eq!(tree(6, 0), "dictionary(2 entries)[plain, packed(1 bits)]");
    assert_eq!(tree(7, 0), "zstd(of 33 bytes)[plain]");
}

#[test]
fn every_number_decodes() {
    let decoder = open(EVERY_NUMBER);
    same(
        &decoder,
        &[
            Arc::new(Int64Array::from(vec![10, i64::MIN, 11, 7])),
            Arc::new(Float64Array::from(vec![
                0.5,
                -1.5,
                f64::from_bits(0x7ff8_0000_0000_0001),
                1.0,
            ])),
            Arc::new(Int64Array::from(vec![1 << 40, -1, 0, 1 << 40])),
            Arc::new(Int32Array::from(vec![9, -5, -5, 9])),
            Arc::new(StringArray::from(vec!["shared", "shared", "", "shared"])),
            Arc::new(Int64Array::from(vec![1, -2, 300, 1 << 40])),
            Arc::new(Float64Array::from(vec![1.5, -0.0, f64::NAN, 0.1])),
        ],
    );
    assert_eq!(decoder.features(), 0x7);
    assert_eq!(decoder.section(7).unwrap().unwrap()[..], *b"beside");
}
