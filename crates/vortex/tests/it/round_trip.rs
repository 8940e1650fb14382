//! What goes in comes out, bit by bit.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use tidelog_vortex::{ColumnSpec, EncodeOptions, Profile, Scalar, VortexDecoder, VortexEncoder};

use crate::arbitrary::{Case, Chance, column_of, seeds, types};

#[test]
fn any_columns_come_back() {
    for seed in seeds(400) {
        let case = Case::of(seed);
        let blob = VortexEncoder::new(case.options.clone())
            .with_metadata(seed.to_le_bytes().to_vec())
            .with_section(3, vec![7; case.columns.len()])
            .encode(&case.columns, &case.arrays)
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        let decoder = VortexDecoder::open(blob).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        decoder
            .verify()
            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        assert_eq!(decoder.metadata(), seed.to_le_bytes());
        assert_eq!(
            decoder.section(3).unwrap().unwrap().len(),
            case.columns.len()
        );
        assert_eq!(decoder.section(4).unwrap(), None);
        let batch = decoder.read_all().unwrap();
        assert_eq!(
            batch.num_rows(),
            case.arrays.first().map_or(0, |array| array.len())
        );
        for (place, (column, array)) in decoder.columns().iter().zip(&case.arrays).enumerate() {
            let back = batch.column(place);
            assert_eq!(
                back.to_data(),
                array.to_data(),
                "seed {seed}, {}",
                column.name
            );
            assert_eq!(column.id, case.columns[place].id);
            check_pages(&decoder, place, array, seed);
        }
    }
}

/// Pages are what their place says, and their bounds enclose their values.
fn check_pages(decoder: &VortexDecoder, place: usize, array: &ArrayRef, seed: u64) {
    let column = &decoder.columns()[place];
    let mut first = 0;
    for (number, page) in column.pages.iter().enumerate() {
        let back = decoder.read_page(place, number).unwrap();
        let expected = array.slice(first, page.rows);
        assert_eq!(
            back.to_data(),
            expected.to_data(),
            "seed {seed}, page {number}"
        );
        assert_eq!(page.nulls, expected.null_count());
        assert_eq!(
            decoder.page_encoding(place, number).unwrap().bytes,
            page.bytes
        );
        for value in scalars(&expected) {
            let below = page.min.as_ref().is_some_and(|min| value < *min);
            let above = page.max.as_ref().is_some_and(|max| value > *max);
            assert!(
                !below && !above,
                "seed {seed}: {value:?} is not within {page:?}"
            );
        }
        first += page.rows;
    }
    assert_eq!(first, array.len());
}

fn scalars(array: &ArrayRef) -> Vec<Scalar> {
    if let Some(numbers) = array.as_any().downcast_ref::<Int64Array>() {
        return numbers.iter().flatten().map(Scalar::Int).collect();
    }
    if let Some(numbers) = array.as_any().downcast_ref::<Float64Array>() {
        return numbers.iter().flatten().map(Scalar::Float).collect();
    }
    if let Some(texts) = array.as_any().downcast_ref::<StringArray>() {
        return texts
            .iter()
            .flatten()
            .map(|text| Scalar::Bytes(text.as_bytes().to_vec()))
            .collect();
    }
    Vec::new()
}

#[test]
fn every_type_comes_back_at_every_small_count() {
    let mut chance = Chance(11);
    for data_type in types() {
        for rows in [0, 1, 2, 3, 7, 8, 9, 63, 64, 65] {
            let array = column_of(&mut chance, &data_type, rows);
            for profile in [Profile::Fast, Profile::Balanced, Profile::Small] {
                let options = EncodeOptions {
                    profile,
                    ..EncodeOptions::default()
                };
                let blob = VortexEncoder::new(options)
                    .encode(&[ColumnSpec::plain(1, "x")], std::slice::from_ref(&array))
                    .unwrap();
                let back = VortexDecoder::open(blob).unwrap().read_column(0).unwrap();
                assert_eq!(back.to_data(), array.to_data(), "{data_type}, {rows} rows");
            }
        }
    }
}

#[test]
fn rows_of_texts_with_a_structure_are_taken() {
    let text = |row: u32| match row % 7 {
        0 => format!(
            r#"{{"id":"d_{row:05}","tags":["a","b"],"n":{}}}"#,
            row * 37 % 1_000
        ),
        1 => format!(
            r#"{{"id":"d_{row:05}","n":{}.5,"at":"2026-03-01T00:00:{:02}Z"}}"#,
            row,
            row % 60
        ),
        2 => format!("odd {row}"),
        _ => format!(r#"{{"id":"d_{row:05}","tags":["c"],"n":{row}}}"#),
    };
    let json: ArrayRef = Arc::new(
        (0..3_000)
            .map(|row| Some(text(row)))
            .collect::<StringArray>(),
    );
    let ids = |row: u32| Some(format!("{}_{row:08}", ["user", "order"][row as usize % 2]));
    let ids: ArrayRef = Arc::new((0..3_000).map(ids).collect::<StringArray>());
    for profile in [Profile::Fast, Profile::Balanced, Profile::Small] {
        let options = EncodeOptions {
            profile,
            page_rows: 1_024,
            ..EncodeOptions::default()
        };
        let columns = [ColumnSpec::json(1, "json"), ColumnSpec::plain(2, "ids")];
        let arrays = [json.clone(), ids.clone()];
        let blob = VortexEncoder::new(options)
            .encode(&columns, &arrays)
            .unwrap();
        let decoder = VortexDecoder::open(blob).unwrap();
        let tree = decoder.page_encoding(0, 0).unwrap().to_string();
        assert!(tree.starts_with("shapes("), "{tree}");
        for rows in [vec![0], vec![2_999], vec![5, 5, 700, 1_023, 1_024, 2_050]] {
            for (place, array) in arrays.iter().enumerate() {
                let taken = decoder.take(place, &rows).unwrap();
                for (at, row) in rows.iter().enumerate() {
                    assert_eq!(&taken.slice(at, 1), &array.slice(*row, 1), "row {row}");
                }
            }
        }
    }
}

#[test]
fn floats_keep_every_bit() {
    let bits = [
        0,
        1 << 63,
        0x7ff8_0000_0000_0000,
        0xfff0_0000_0000_0001,
        0x7fff_ffff_ffff_ffff,
        1,
    ];
    let floats: Vec<f64> = bits.iter().map(|bits| f64::from_bits(*bits)).collect();
    let array: ArrayRef = Arc::new(Float64Array::from(floats));
    let blob = VortexEncoder::default()
        .encode(&[ColumnSpec::plain(1, "x")], &[array])
        .unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    let back = decoder.read_column(0).unwrap();
    let back = back.as_any().downcast_ref::<Float64Array>().unwrap();
    assert_eq!(
        back.values()
            .iter()
            .map(|float| float.to_bits())
            .collect::<Vec<_>>(),
        bits
    );
    assert_eq!(
        decoder.columns()[0].pages[0].min,
        None,
        "NaN has no place between bounds"
    );
}

#[test]
fn equal_columns_give_equal_bytes() {
    let case = Case::of(5);
    let encode = || {
        VortexEncoder::new(case.options.clone())
            .encode(&case.columns, &case.arrays)
            .unwrap()
    };
    assert_eq!(encode(), encode());
}

#[test]
fn no_columns_and_no_rows_are_a_blob() {
    let decoder = VortexDecoder::open(VortexEncoder::default().encode(&[], &[]).unwrap()).unwrap();
    decoder.verify().unwrap();
    assert_eq!(
        (
            decoder.rows(),
            decoder.page_count(),
            decoder.columns().len()
        ),
        (0, 0, 0)
    );
    assert_eq!(decoder.read_all().unwrap().num_columns(), 0);
}

#[test]
fn rows_of_images_that_come_from_others_are_taken() {
    let image = |key: usize, version: usize| {
        let optional = match version % 5 {
            4 => String::new(),
            _ => format!(r#","note":"note {}","#, version / 3) + r#""labels":["x","y"]"#,
        };
        format!(
            r#"{{"id":"order_{key:06}","name":"the name of {key}","total":{}.50,"version":{version}{optional}}}"#,
            key * 31 + version
        )
    };
    let (mut before, mut after, mut versions) = (Vec::new(), Vec::new(), [0_usize; 40]);
    for row in 0..2_500_usize {
        let key = row * row % 40;
        let version = versions[key];
        versions[key] += 1;
        before.push((version > 0).then(|| image(key, version)));
        after.push((row % 17 > 0).then(|| image(key, version + 1)));
        if row % 17 == 0 {
            versions[key] = 0;
        }
    }
    let arrays: [ArrayRef; 2] = [
        Arc::new(before.into_iter().collect::<StringArray>()),
        Arc::new(after.into_iter().collect::<StringArray>()),
    ];
    let options = EncodeOptions {
        page_rows: 1_024,
        ..EncodeOptions::default()
    };
    let columns = [ColumnSpec::json(1, "before"), ColumnSpec::json(2, "after")];
    let blob = VortexEncoder::new(options)
        .encode(&columns, &arrays)
        .unwrap();
    let decoder = VortexDecoder::open(blob).unwrap();
    let tree = decoder.page_encoding(1, 0).unwrap().to_string();
    assert!(tree.contains("partner"), "{tree}");
    for (place, array) in arrays.iter().enumerate() {
        for row in 0..2_500 {
            let taken = decoder.take(place, &[row]).unwrap();
            assert_eq!(&taken, &array.slice(row, 1), "row {row}");
        }
        for rows in [vec![3, 3, 4, 900, 1_023, 1_024], (100..150).collect()] {
            let taken = decoder.take(place, &rows).unwrap();
            for (at, row) in rows.iter().enumerate() {
                assert_eq!(&taken.slice(at, 1), &array.slice(*row, 1), "row {row}");
            }
        }
    }
}
