//! Random columns of every type, with the shapes of data that encodings are made for.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, FixedSizeBinaryArray, FixedSizeListArray,
    ListArray, StringArray, make_array,
};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::ArrayData;
use arrow_schema::{DataType, TimeUnit};
use tidelog_vortex::{ColumnKind, ColumnSpec, EncodeOptions, Profile};

/// The seeds to try: `TIDELOG_SEED` and those after it, `TIDELOG_SEEDS` of them.
pub(crate) fn seeds(usual: u64) -> Range<u64> {
    let first = number("TIDELOG_SEED").unwrap_or(1);
    first..first + number("TIDELOG_SEEDS").unwrap_or(usual)
}

/// How many bits of each random blob are flipped: `TIDELOG_FLIPS`.
pub(crate) fn flips(usual: u64) -> u64 {
    number("TIDELOG_FLIPS").unwrap_or(usual)
}

#[expect(clippy::disallowed_methods, reason = "the test runner's own variables")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

/// SplitMix64: the same numbers on every machine.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % (most as u64)).unwrap()
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }
}

pub(crate) struct Case {
    pub(crate) options: EncodeOptions,
    pub(crate) columns: Vec<ColumnSpec>,
    pub(crate) arrays: Vec<ArrayRef>,
}

impl Case {
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance(seed);
        let most = chance.pick(&[1, 2, 9, 100, 1_000, 3_000]);
        let rows = chance.below(most + 1);
        let options = EncodeOptions {
            page_rows: chance
                .pick(&[1, 3, 64, 100, 1_024, 8_192, 65_536])
                .max(rows / 50)
                .max(1),
            profile: chance.pick(&[Profile::Fast, Profile::Balanced, Profile::Small]),
            bytes_max: 64 << 20,
            ..EncodeOptions::default()
        };
        let (mut columns, mut arrays) = (Vec::new(), Vec::new());
        if chance.below(4) == 0 {
            let [before, after] = images(&mut chance, rows);
            let pair = [(900, "before", before), (901, "after", after)];
            for (id, name, array) in pair {
                columns.push(ColumnSpec::plain(id, name));
                arrays.push(array);
            }
            if chance.below(3) == 0 {
                arrays.reverse();
            }
        }
        for id in 0..u32::try_from(chance.below(6)).unwrap() {
            let kind = chance.pick(&[ColumnKind::Plain, ColumnKind::Plain, ColumnKind::Json]);
            let array = match kind {
                ColumnKind::Json => json(&mut chance, rows),
                ColumnKind::Plain => column(&mut chance, rows),
            };
            columns.push(ColumnSpec {
                id: id * 7,
                name: format!("column {id}"),
                kind,
            });
            arrays.push(array);
        }
        Self {
            options,
            columns,
            arrays,
        }
    }
}

pub(crate) fn types() -> Vec<DataType> {
    use DataType::{
        Binary, Boolean, Date32, FixedSizeBinary, Float32, Float64, Int8, Int16, Int32, Int64,
        Timestamp, UInt8, UInt16, UInt32, UInt64, Utf8,
    };
    let vectors = ListArray::from_iter_primitive::<Float32Type, Vec<_>, _>([]);
    let vectors_of_3 = FixedSizeListArray::from_iter_primitive::<Float32Type, Vec<_>, _>([], 3);
    let mut types = vec![
        Boolean, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float32, Float64, Utf8,
        Binary, Date32,
    ];
    types.extend([FixedSizeBinary(1), FixedSizeBinary(16), FixedSizeBinary(70)]);
    types.extend([
        vectors.data_type().clone(),
        vectors_of_3.data_type().clone(),
    ]);
    for unit in [
        TimeUnit::Second,
        TimeUnit::Millisecond,
        TimeUnit::Microsecond,
        TimeUnit::Nanosecond,
    ] {
        types.extend([Timestamp(unit, None), Timestamp(unit, Some("UTC".into()))]);
    }
    types
}

fn column(chance: &mut Chance, rows: usize) -> ArrayRef {
    let data_type = chance.pick(&types());
    // A slice of more rows: offsets into buffers must not leak through.
    let before = chance.below(4);
    column_of(chance, &data_type, rows + before).slice(before, rows)
}

pub(crate) fn column_of(chance: &mut Chance, data_type: &DataType, rows: usize) -> ArrayRef {
    let valid = validity(chance, rows);
    let is_null = |row: usize| valid.as_ref().is_some_and(|valid| valid.is_null(row));
    match data_type {
        DataType::Boolean => {
            let bits = numbers(chance, rows, 0)
                .iter()
                .map(|n| n % 2 == 1)
                .collect();
            Arc::new(BooleanArray::new(bits, valid))
        }
        DataType::Utf8 => {
            let texts = strings(chance, rows, false);
            let text = |row: usize| {
                (!is_null(row)).then(|| String::from_utf8(texts[row].clone()).unwrap())
            };
            Arc::new((0..rows).map(text).collect::<StringArray>())
        }
        DataType::Binary => {
            let texts = strings(chance, rows, true);
            Arc::new(
                (0..rows)
                    .map(|row| (!is_null(row)).then_some(&texts[row]))
                    .collect::<BinaryArray>(),
            )
        }
        DataType::FixedSizeBinary(width) => {
            let width = usize::try_from(*width).unwrap();
            let value = |n: &u64| {
                n.to_le_bytes()
                    .into_iter()
                    .cycle()
                    .take(width)
                    .collect::<Vec<u8>>()
            };
            let data: Vec<u8> = numbers(chance, rows, 0).iter().flat_map(value).collect();
            Arc::new(
                FixedSizeBinaryArray::try_new(i32::try_from(width).unwrap(), data.into(), valid)
                    .unwrap(),
            )
        }
        DataType::List(_) => {
            let lists: Vec<_> = (0..rows)
                .map(|row| (!is_null(row)).then(|| vector(chance, None)))
                .collect();
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists))
        }
        DataType::FixedSizeList(_, width) => {
            let size = usize::try_from(*width).unwrap();
            let lists: Vec<_> = (0..rows)
                .map(|row| (!is_null(row)).then(|| vector(chance, Some(size))))
                .collect();
            Arc::new(FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(lists, *width))
        }
        _ => primitive(chance, data_type, rows, valid),
    }
}

fn primitive(
    chance: &mut Chance,
    data_type: &DataType,
    rows: usize,
    valid: Option<NullBuffer>,
) -> ArrayRef {
    let width = data_type.primitive_width().unwrap();
    let words = match data_type {
        DataType::Float64 => floats(chance, rows).iter().map(|f| f.to_bits()).collect(),
        #[expect(clippy::cast_possible_truncation, reason = "the nearest short float")]
        DataType::Float32 => floats(chance, rows)
            .iter()
            .map(|f| u64::from((*f as f32).to_bits()))
            .collect(),
        _ => numbers(chance, rows, width),
    };
    let bytes: Vec<u8> = words
        .iter()
        .flat_map(|word| word.to_le_bytes()[..width].to_vec())
        .collect();
    let data = ArrayData::builder(data_type.clone())
        .len(rows)
        .nulls(valid)
        .align_buffers(true);
    make_array(data.add_buffer(Buffer::from(bytes)).build().unwrap())
}

fn validity(chance: &mut Chance, rows: usize) -> Option<NullBuffer> {
    match chance.below(6) {
        0 => Some(NullBuffer::new_null(rows)),
        1 => Some(
            (0..rows)
                .map(|_| chance.below(20) > 0)
                .collect::<Vec<_>>()
                .into(),
        ),
        2 => Some(
            (0..rows)
                .map(|_| chance.below(10) == 0)
                .collect::<Vec<_>>()
                .into(),
        ),
        3 => Some(
            (0..rows)
                .map(|row| row < rows / 3)
                .collect::<Vec<_>>()
                .into(),
        ),
        _ => None,
    }
}

/// Numbers that are constant, ordered, in runs, few, small, multiples, or anything.
fn numbers(chance: &mut Chance, rows: usize, width: usize) -> Vec<u64> {
    let (base, step) = (chance.next(), chance.next() % 1_000_000);
    let few: Vec<u64> = (0..5).map(|_| chance.next()).collect();
    let way = chance.below(9);
    let mut last = base;
    let number = |row: usize, chance: &mut Chance| match way {
        0 => base,
        1 => (row as u64).wrapping_mul(step).wrapping_add(base),
        2 => {
            last = last.wrapping_add(chance.next() % 1_000);
            last
        }
        3 => few[row / 10 % few.len()],
        4 => chance.pick(&few),
        5 => chance.next() % 100,
        6 => (chance.next() % 5_000).wrapping_mul(86_400_000),
        7 => chance.pick(&[0, 1, u64::MAX, 1 << 63, (1 << 63) - 1, 1 << 31, 1 << 7]),
        _ => chance.next() >> (width * 3),
    };
    let mut number = number;
    (0..rows).map(|row| number(row, chance)).collect()
}

fn floats(chance: &mut Chance, rows: usize) -> Vec<f64> {
    let odd = [
        0.0,
        -0.0,
        f64::NAN,
        f64::from_bits(0x7ff0_0000_0000_0001),
        f64::NEG_INFINITY,
        f64::MAX,
        5e-324,
    ];
    let way = chance.below(5);
    let base = f64::from(u32::try_from(chance.next() >> 40).unwrap());
    let float = |row: usize, chance: &mut Chance| match way {
        0 => base,
        1 => f64::from(u16::try_from(chance.below(10_000)).unwrap()) / 100.0,
        2 => (base + f64::from(u32::try_from(row).unwrap())) / 10.0,
        3 => chance.pick(&odd),
        _ => f64::from_bits(chance.next()),
    };
    (0..rows).map(|row| float(row, chance)).collect()
}

fn vector(chance: &mut Chance, size: Option<usize>) -> Vec<Option<f32>> {
    let size = size.unwrap_or_else(|| chance.below(5));
    let element = |_| {
        (chance.below(9) > 0).then(|| f32::from_bits(u32::try_from(chance.next() >> 32).unwrap()))
    };
    (0..size).map(element).collect()
}

/// Documents before and after changes: they come, change a member or get one, and go.
fn images(chance: &mut Chance, rows: usize) -> [ArrayRef; 2] {
    let mut documents: Vec<Option<String>> = vec![None; 1 + chance.below(20)];
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for row in 0..rows {
        let place = chance.below(documents.len());
        let old = documents[place].clone();
        let new = match chance.below(12) {
            0 => None,
            1 => old.clone(),
            2 => Some(format!(
                r#"{{"id":"d{place}","n":{row},"tag":"t","list":[1,{row}]}}"#
            )),
            3 => Some("{ }".to_owned()),
            4 => Some(String::new()),
            5 => Some(format!(r#"{{"n":{row},"id":"d{place}","n":{row}}}"#)),
            _ => Some(format!(
                r#"{{"id":"d{place}","name":"{}","n":{},"is":{}}}"#,
                "long ".repeat(place),
                chance.below(3),
                row % 2 == 0
            )),
        };
        before.push(old);
        after.push(new.clone());
        documents[place] = new;
    }
    [before, after].map(|texts| Arc::new(texts.into_iter().collect::<StringArray>()) as ArrayRef)
}

/// Texts with a structure: numbers, times, hexadecimal digits, numbers among others, JSON.
fn structured(chance: &mut Chance, row: usize, way: usize) -> String {
    let n = chance.below(100_000);
    match way {
        0 => format!("user_{n:06}"),
        1 => format!("{}.{:02}", n / 100, n % 100),
        2 => format!(
            "20{:02}-0{}-1{}T00:{:02}:00.{:03}Z",
            n % 100,
            n % 9 + 1,
            n % 10,
            n % 60,
            n % 1_000
        ),
        3 => format!("{:08x}-{:04X}", chance.next() >> 32, n & 0xffff),
        4 => format!("10.{}.{}.{}", n % 3, n % 256, row % 256),
        5 => format!("{}{}", ["user_", "order_", "x"][n % 3], n),
        _ => format!(r#"{{"a": {n}, "b": [{row}, null, "{n}"], "c": {{"d": -0}}}}"#),
    }
}

fn strings(chance: &mut Chance, rows: usize, is_binary: bool) -> Vec<Vec<u8>> {
    let few: Vec<Vec<u8>> = (0..4).map(|_| string(chance, is_binary)).collect();
    let way = chance.below(6);
    let kind = chance.below(7);
    let is_pure = chance.below(2) == 0;
    let one = |row: usize, chance: &mut Chance| match way {
        0 => few[0].clone(),
        1 => chance.pick(&few),
        2 => format!("prefix/{row}/suffix").into_bytes(),
        3 | 4 if is_pure || !row.is_multiple_of(50) => structured(chance, row, kind).into_bytes(),
        _ => string(chance, is_binary),
    };
    (0..rows).map(|row| one(row, chance)).collect()
}

fn string(chance: &mut Chance, is_binary: bool) -> Vec<u8> {
    let most = chance.pick(&[1, 4, 40, 100]);
    let length = chance.below(most);
    if is_binary {
        return (0..length)
            .map(|_| chance.next().to_le_bytes()[0])
            .collect();
    }
    let letters = ['a', 'b', 'ü', '€', '\u{0}', '𝄞', '"', '\u{10ffff}'];
    (0..length)
        .map(|_| chance.pick(&letters))
        .collect::<String>()
        .into_bytes()
}

fn json(chance: &mut Chance, rows: usize) -> ArrayRef {
    let texts = [
        r#"{"a":1,"b":[true,null,"x"],"c":{"d":-1.5}}"#,
        "{}",
        "[1e300,0.1,-0.0]",
        r#"{"kept":  "as it is"}"#,
        "not JSON",
        "18446744073709551616",
        r#""\u0001é\"""#,
    ];
    let text = |chance: &mut Chance, row: usize| match chance.below(4) {
        0 => None,
        1 => Some(format!(r#"{{"id":{row},"name":"n{row}"}}"#)),
        _ => Some(chance.pick(&texts).to_owned()),
    };
    Arc::new(
        (0..rows)
            .map(|row| text(chance, row))
            .collect::<StringArray>(),
    )
}
