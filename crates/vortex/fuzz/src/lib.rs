//! Columns made of a fuzzer's bytes, for the targets that encode.

use std::sync::Arc;

use arbitrary::{Result, Unstructured};
use arrow_array::types::Float32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, FixedSizeBinaryArray, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray, UInt8Array, UInt16Array, UInt32Array, UInt64Array,
};
use tidelog_vortex::{ColumnSpec, EncodeOptions, Profile, VortexEncoder};

/// What a target encodes.
#[derive(Debug)]
pub struct Input {
    pub specs: Vec<ColumnSpec>,
    pub arrays: Vec<ArrayRef>,
    pub encoder: VortexEncoder,
}

/// Up to four columns of up to 600 rows in pages of any size, by any profile.
///
/// # Errors
/// When the bytes are used up.
pub fn input(bytes: &mut Unstructured<'_>) -> Result<Input> {
    let profile = *bytes.choose(&[Profile::Fast, Profile::Balanced, Profile::Small])?;
    let page_rows = bytes.int_in_range(1..=700)?;
    let rows = bytes.int_in_range(0..=600)?;
    let (mut specs, mut arrays) = (Vec::new(), Vec::new());
    for id in 1..=bytes.int_in_range(1..=4)? {
        let (is_json, array) = column(bytes, rows)?;
        let name = format!("c{id}");
        specs.push(if is_json {
            ColumnSpec::json(id, name)
        } else {
            ColumnSpec::plain(id, name)
        });
        arrays.push(array);
    }
    let options = EncodeOptions {
        profile,
        page_rows,
        ..EncodeOptions::default()
    };
    let encoder = VortexEncoder::new(options).with_metadata(b"fuzz".to_vec());
    Ok(Input {
        specs,
        arrays,
        encoder,
    })
}

/// One column, and whether its texts are called JSON.
fn column(bytes: &mut Unstructured<'_>, rows: usize) -> Result<(bool, ArrayRef)> {
    let kind = bytes.int_in_range(0..=18)?;
    let words = Words::new(bytes, rows)?;
    let array: ArrayRef = match kind {
        0 => Arc::new(BooleanArray::from(words.map(|word| word & 1 == 1))),
        1 => Arc::new(Int8Array::from(words.map(|word| word as i8))),
        2 => Arc::new(Int16Array::from(words.map(|word| word as i16))),
        3 => Arc::new(Int32Array::from(words.map(|word| word as i32))),
        4 => Arc::new(Int64Array::from(words.map(u64::cast_signed))),
        5 => Arc::new(UInt8Array::from(words.map(|word| word as u8))),
        6 => Arc::new(UInt16Array::from(words.map(|word| word as u16))),
        7 => Arc::new(UInt32Array::from(words.map(|word| word as u32))),
        8 => Arc::new(UInt64Array::from(words.map(|word| word))),
        9 => Arc::new(Float32Array::from(
            words.map(|word| f32::from_bits(word as u32)),
        )),
        10 => Arc::new(Float64Array::from(words.map(f64::from_bits))),
        // Decimals, as sensors send them.
        11 => Arc::new(Float64Array::from(
            words.map(|word| (word as i32) as f64 / 100.0),
        )),
        12 => Arc::new(Date32Array::from(words.map(|word| word as i32))),
        13 => {
            let times = TimestampMicrosecondArray::from(words.map(u64::cast_signed));
            Arc::new(times.with_timezone("UTC"))
        }
        14 => Arc::new(BinaryArray::from_iter(words.map(|word| word.to_le_bytes()))),
        15 => {
            let values = words.map(|word| word.to_be_bytes());
            let values =
                FixedSizeBinaryArray::try_from_sparse_iter_with_size(values.into_iter(), 8);
            Arc::new(values.map_err(|_| arbitrary::Error::IncorrectFormat)?)
        }
        16 => {
            let list = |word: u64| {
                let floats = (0..word % 5).map(|n| Some(f32::from_bits((word >> n) as u32)));
                floats.collect::<Vec<_>>()
            };
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(
                words.map(list),
            ))
        }
        17 => Arc::new(StringArray::from(texts(bytes, &words)?)),
        _ => return Ok((true, Arc::new(StringArray::from(documents(bytes, &words)?)))),
    };
    Ok((false, array))
}

/// Texts of a few given by the fuzzer, alone and with numbers.
fn texts(bytes: &mut Unstructured<'_>, words: &Words) -> Result<Vec<Option<String>>> {
    let given: Vec<&str> = (0..3).map(|_| bytes.arbitrary()).collect::<Result<_>>()?;
    Ok(words.map(|word| match word % 4 {
        3 => format!("{}{}", given[0], word >> 8),
        place => given[place as usize].to_owned(),
    }))
}

/// Documents with members that come and go, and texts that are none.
fn documents(bytes: &mut Unstructured<'_>, words: &Words) -> Result<Vec<Option<String>>> {
    let given: [&str; 2] = [bytes.arbitrary()?, bytes.arbitrary()?];
    Ok(words.map(|word| match word % 6 {
        0 => given[0].to_owned(),
        1 => format!(r#"{{"a":{},"b":"{}"}}"#, word >> 8, given[1]),
        2 => format!(r#"{{"b":null,"a":{}.5,"c":[1,{{"d":true}}]}}"#, word as i32),
        3 => format!(r#"{{"a":{:?}}}"#, f64::from_bits(word)),
        4 => format!(r#"["{word}",-0.0,1e400]"#),
        _ => "{}".to_owned(),
    }))
}

/// Words of some shape: random, near each other, few, in runs; some null.
struct Words(Vec<Option<u64>>);

impl Words {
    fn new(bytes: &mut Unstructured<'_>, rows: usize) -> Result<Self> {
        let (shape, base, step): (u8, u64, u64) = bytes.arbitrary()?;
        let nulls: u8 = bytes.arbitrary()?;
        let given: Vec<u64> = (0..4).map(|_| bytes.arbitrary()).collect::<Result<_>>()?;
        let mut state = base;
        let mut word = |row: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(step | 1);
            let random = state >> 33;
            let row_64 = row as u64;
            match shape % 7 {
                0 => base,
                1 => base.wrapping_add(step.wrapping_mul(row_64)),
                2 => base.wrapping_add(random % (step % 1_000 + 1)),
                3 => given[(random % 4) as usize],
                4 => given[(row_64 / (step % 90 + 1) % 4) as usize],
                5 => state,
                _ if row < given.len() => given[row],
                _ => base
                    .wrapping_add(step.wrapping_mul(row_64))
                    .wrapping_add(random % 3),
            }
        };
        let words = (0..rows).map(|row| (word(row), row)).collect::<Vec<_>>();
        let is_null = |row: usize| match nulls {
            0..128 => false,
            255 => true,
            _ => row.is_multiple_of(usize::from(nulls - 126)),
        };
        Ok(Self(
            words
                .into_iter()
                .map(|(word, row)| (!is_null(row)).then_some(word))
                .collect(),
        ))
    }

    fn map<T>(&self, to: impl Fn(u64) -> T) -> Vec<Option<T>> {
        self.0.iter().map(|word| word.map(&to)).collect()
    }
}
