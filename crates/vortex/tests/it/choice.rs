//! Data of a certain shape gets the encoding that is made for it.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray,
};
use tidelog_vortex::{ColumnSpec, EncodeOptions, Kind, Profile, VortexDecoder, VortexEncoder};

use crate::arbitrary::Chance;

const ROWS: usize = 8_192;

/// The tree of the only page of a column, and its bytes.
fn encoding(column: &ColumnSpec, array: ArrayRef, profile: Profile) -> (String, usize) {
    let options = EncodeOptions {
        profile,
        ..EncodeOptions::default()
    };
    let encoder = VortexEncoder::new(options);
    let blob = encoder
        .encode(std::slice::from_ref(column), std::slice::from_ref(&array))
        .unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    assert_eq!(&decoder.read_column(0).unwrap(), &array);
    let encoding = decoder.page_encoding(0, 0).unwrap();
    (encoding.to_string(), encoding.bytes)
}

fn plain(array: impl arrow_array::Array + 'static) -> (String, usize) {
    encoding(
        &ColumnSpec::plain(1, "x"),
        Arc::new(array),
        Profile::Balanced,
    )
}

#[test]
fn one_value_is_a_constant() {
    assert_eq!(
        plain(Int64Array::from(vec![-5; ROWS])),
        ("constant".to_owned(), 2)
    );
    assert_eq!(plain(BooleanArray::from(vec![true; ROWS])).0, "constant");
    assert_eq!(
        plain(StringArray::from(vec!["same"; ROWS])),
        ("constant".to_owned(), 6)
    );
    assert_eq!(plain(Int64Array::new_null(ROWS)), ("null".to_owned(), 1));
}

#[test]
fn small_numbers_are_packed() {
    let mut chance = Chance(1);
    let numbers = (0..ROWS).map(|_| i64::try_from(chance.below(1_000)).unwrap() + 1_000_000);
    let (tree, bytes) = plain(Int64Array::from_iter_values(numbers));
    assert_eq!(tree, "packed(10 bits)");
    assert!(bytes <= ROWS * 10 / 8 + 8, "{bytes}");
}

#[test]
fn counters_and_regular_times_take_a_few_bytes() {
    let counter = Int64Array::from_iter_values(0..8_192);
    assert!(plain(counter).1 < 16);
    let times = (0..8_192).map(|n| 1_700_000_000_000_000 + n * 60_000_000);
    let (tree, bytes) = plain(TimestampMicrosecondArray::from_iter_values(times));
    assert!(tree.contains("delta[constant]") && bytes < 32, "{tree}");
}

#[test]
fn dates_that_grow_are_deltas() {
    let mut chance = Chance(2);
    let mut day = 10_000;
    let days = (0..ROWS).map(|_| {
        day += i32::try_from(chance.below(4)).unwrap();
        day
    });
    let (tree, bytes) = plain(Date32Array::from_iter_values(days));
    assert_eq!(tree, "delta[packed(2 bits)]");
    assert!(bytes < ROWS / 4 + 16);
}

#[test]
fn whole_seconds_lose_their_factor() {
    let mut chance = Chance(3);
    let times = (0..ROWS).map(|_| i64::try_from(chance.below(86_400)).unwrap() * 1_000_000);
    let (tree, _) = plain(TimestampMicrosecondArray::from_iter_values(times));
    assert_eq!(tree, "multiple(of 1000000)[packed(17 bits)]");
}

#[test]
fn few_texts_are_a_dictionary_and_sorted_ones_runs() {
    let carriers = ["UA", "B6", "AA", "DL"];
    let mut chance = Chance(4);
    let mixed: Vec<_> = (0..ROWS).map(|_| carriers[chance.below(4)]).collect();
    let (tree, bytes) = plain(StringArray::from(mixed.clone()));
    assert!(
        tree.starts_with("dictionary(4 entries)") && tree.contains("packed(2 bits)"),
        "{tree}"
    );
    assert!(bytes < ROWS / 4 + 64);
    let mut sorted = mixed;
    sorted.sort_unstable();
    let (tree, bytes) = plain(StringArray::from(sorted));
    assert!(tree.contains("runs(4)") && bytes < 64, "{tree}");
}

#[test]
fn far_apart_numbers_that_repeat_are_a_dictionary() {
    let mut chance = Chance(5);
    let few: Vec<_> = (0..50).map(|_| chance.next().cast_signed()).collect();
    let numbers = (0..ROWS).map(|_| few[chance.below(50)]);
    let (tree, _) = plain(Int64Array::from_iter_values(numbers));
    assert!(tree.starts_with("dictionary(50 entries)"), "{tree}");
}

#[test]
fn prices_are_decimals() {
    let mut chance = Chance(6);
    let prices =
        (0..ROWS).map(|_| f64::from(u32::try_from(chance.below(100_000)).unwrap()) / 100.0);
    let (tree, bytes) = plain(Float64Array::from_iter_values(prices));
    assert!(
        tree.starts_with("decimal(2 places)[packed(17 bits)]"),
        "{tree}"
    );
    assert!(bytes < ROWS * 17 / 8 + 16);
}

#[test]
fn rare_nulls_and_flags_are_runs() {
    let flags: BooleanArray = (0..ROWS).map(|row| Some(row < 5_000)).collect();
    assert!(plain(flags).0.starts_with("runs(2)"));
    let values: Int64Array = (0..8_192).map(|row| (row > 100).then_some(row)).collect();
    let (tree, _) = plain(values);
    assert!(tree.starts_with("nullable(8091 valid)[runs(2)"), "{tree}");
}

#[test]
fn long_texts_are_compressed_except_for_the_fast_profile() {
    let mut chance = Chance(7);
    let words = [
        "flight", "delayed", "by", "weather", "at", "the", "gate", "again",
    ];
    let text = |chance: &mut Chance| {
        (0..20)
            .map(|_| words[chance.below(8)])
            .collect::<Vec<_>>()
            .join(" ")
    };
    let texts: ArrayRef = Arc::new(
        (0..1_000)
            .map(|_| Some(text(&mut chance)))
            .collect::<StringArray>(),
    );
    let column = ColumnSpec::plain(1, "x");
    let [fast, balanced, small] = [Profile::Fast, Profile::Balanced, Profile::Small]
        .map(|profile| encoding(&column, texts.clone(), profile));
    assert!(
        fast.0.starts_with("fsst") && balanced.0.starts_with("blocks"),
        "{fast:?} {balanced:?}"
    );
    assert!(small.1 <= balanced.1 && balanced.1 < fast.1);
}

#[test]
fn json_is_shapes_and_odd_texts_are_kept() {
    let texts: ArrayRef = Arc::new(
        (0..100)
            .map(|n| match n % 10 {
                3 => Some(format!("{{ \"odd\": {n}}}")),
                _ => Some(format!(r#"{{"seat":{n},"window":true}}"#)),
            })
            .collect::<StringArray>(),
    );
    let column = ColumnSpec::json(1, "x");
    let (tree, _) = encoding(&column, texts, Profile::Fast);
    assert!(tree.starts_with("shapes(2, 3 columns)["), "{tree}");
}

#[test]
fn noise_does_not_grow() {
    let mut chance = Chance(8);
    let noise = Int64Array::from_iter_values((0..ROWS).map(|_| chance.next().cast_signed()));
    assert_eq!(plain(noise), ("plain".to_owned(), ROWS * 8 + 1));
}

#[test]
fn alternatives_say_why() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..1_000).map(|n| n * 60)));
    let texts = (0..1_000).map(|n| ["oak", "elm", "fir"][n % 3]);
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
    let specs = [ColumnSpec::plain(1, "n"), ColumnSpec::plain(2, "t")];
    let blob = VortexEncoder::default()
        .encode(&specs, &[numbers, texts])
        .unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    for (column, plain) in [(0, 8_001), (1, 7_000)] {
        let found = decoder.page_alternatives(column, 0).unwrap();
        assert!(found.is_sorted_by_key(|one| one.bytes), "{found:?}");
        let of = |name| found.iter().find(|one| one.name == name).unwrap().bytes;
        assert_eq!(of("plain"), plain);
        let taken = decoder.page_encoding(column, 0).unwrap();
        // Below the top they have the fewest bytes, the blob weighs time too.
        assert!(of(taken.name) <= taken.bytes, "{taken}");
        assert!(taken.bytes < plain / 10);
    }
    assert_eq!(
        decoder.page_alternatives(2, 0).unwrap_err().kind,
        Kind::Invalid
    );
}

#[test]
fn values_that_pages_repeat_are_shared() {
    let mut chance = Chance(3);
    let codes: Vec<usize> = (0..7 * ROWS).map(|_| chance.below(2_000)).collect();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values(
        codes.iter().map(|code| format!("{:09x}", code * 7_919_177)),
    ));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values(
        codes
            .iter()
            .map(|code| (f64::from(u32::try_from(*code).unwrap())).sqrt()),
    ));
    let specs = [ColumnSpec::plain(1, "id"), ColumnSpec::plain(2, "root")];
    let options = EncodeOptions {
        page_rows: ROWS,
        ..EncodeOptions::default()
    };
    let arrays = [ids, floats];
    let blob = VortexEncoder::new(options).encode(&specs, &arrays).unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    for (column, array) in arrays.iter().enumerate() {
        for page in 0..decoder.page_count() {
            assert_eq!(decoder.page_encoding(column, page).unwrap().name, "shared");
        }
        assert_eq!(&decoder.read_column(column).unwrap(), array);
    }
    assert_eq!(decoder.sections().count(), 2);
}
