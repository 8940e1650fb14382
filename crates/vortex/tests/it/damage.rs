//! Blobs that are cut, altered, foreign, newer or malicious give a typed error; never a panic, never other rows.

use tidelog_vortex::{Error, Kind, VortexDecoder, VortexEncoder};
use twox_hash::XxHash3_64;

use crate::arbitrary::{Case, Chance, flips, seeds};
use crate::golden;
use crate::handmade::{BOOLEAN, Handmade, INT64, UTF8, put_varint, seal};

fn read(blob: Vec<u8>) -> Result<(), Error> {
    VortexDecoder::open(blob)?.verify()
}

/// Reads columns and single rows, each of which may fail for itself.
fn read_everything(blob: Vec<u8>) {
    let Ok(decoder) = VortexDecoder::open(blob) else {
        return;
    };
    drop(decoder.read_all());
    drop(decoder.verify());
    for column in 0..decoder.columns().len() {
        for row in [0, decoder.rows() / 2, decoder.rows().saturating_sub(1)] {
            drop(decoder.take(column, &[row]));
        }
    }
}

fn kind_of(blob: Vec<u8>) -> Kind {
    read(blob).expect_err("a blob that is wrong").kind
}

#[test]
fn every_cut_is_found() {
    for (name, blob) in golden::files() {
        read(blob.clone()).unwrap();
        for length in 0..blob.len() {
            assert_eq!(
                kind_of(blob[..length].to_vec()),
                Kind::Corrupt,
                "{name} cut to {length}"
            );
        }
        let longer = [blob.clone(), vec![0]].concat();
        assert_eq!(kind_of(longer), Kind::Corrupt, "{name} with a byte more");
    }
}

#[test]
fn every_flipped_bit_is_found() {
    for (name, blob) in golden::files() {
        let mut blob = blob.clone();
        for bit in 0..blob.len() * 8 {
            blob[bit / 8] ^= 1 << (bit % 8);
            assert!(read(blob.clone()).is_err(), "{name}, bit {bit}");
            blob[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn flipped_bits_of_any_blob_are_found() {
    for seed in seeds(40) {
        let case = Case::of(seed);
        let mut blob = VortexEncoder::new(case.options)
            .encode(&case.columns, &case.arrays)
            .unwrap();
        let mut chance = Chance(seed);
        for _ in 0..flips(40) {
            let bit = chance.below(blob.len() * 8);
            blob[bit / 8] ^= 1 << (bit % 8);
            assert!(read(blob.clone()).is_err(), "seed {seed}, bit {bit}");
            blob[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

/// Altered on purpose, with right checksums: readers may find values in it, but must not panic.
#[test]
fn altered_and_sealed_blobs_never_panic() {
    for seed in seeds(300) {
        let case = Case::of(seed);
        let blob = VortexEncoder::new(case.options)
            .encode(&case.columns, &case.arrays)
            .unwrap();
        let decoder = VortexDecoder::open(blob.clone()).unwrap();
        let pages: Vec<_> = decoder
            .columns()
            .iter()
            .flat_map(|column| &column.pages)
            .cloned()
            .collect();
        let mut chance = Chance(seed);
        for _ in 0..30 {
            let mut altered = blob.clone();
            if pages.is_empty() || chance.below(3) == 0 {
                let from = decoder
                    .columns()
                    .iter()
                    .map(|column| column.bytes())
                    .sum::<usize>()
                    + 24;
                let at = from + chance.below(blob.len() - from);
                altered[at] = chance.next().to_le_bytes()[0];
            } else {
                let page = &pages[chance.below(pages.len())];
                let range = page.offset..page.offset + page.bytes;
                let old = XxHash3_64::oneshot(&blob[range.clone()]).to_le_bytes();
                altered[page.offset + chance.below(page.bytes.min(40))] =
                    chance.next().to_le_bytes()[0];
                let new = XxHash3_64::oneshot(&altered[range]).to_le_bytes();
                let at = blob.windows(8).rposition(|bytes| bytes == old).unwrap();
                altered[at..at + 8].copy_from_slice(&new);
            }
            seal(&mut altered);
            read_everything(altered);
        }
    }
}

#[test]
fn a_handmade_blob_reads() {
    let blob = Handmade::new(INT64, 3, &[3, 10]).blob();
    let decoder = VortexDecoder::open(blob).unwrap();
    assert_eq!(decoder.page_encoding(0, 0).unwrap().to_string(), "constant");
    decoder.verify().unwrap();
}

/// How many feature bits are given out.
const FEATURES_KNOWN: u32 = 0b111 | 0x7f << 8;

#[test]
fn foreign_and_newer_blobs_are_told_apart() {
    let good = Handmade::new(INT64, 3, &[3, 10]);
    let with = |change: fn(&mut Handmade)| {
        let mut changed = good.clone();
        change(&mut changed);
        changed.blob()
    };
    assert_eq!(kind_of(with(|blob| blob.magic = *b"PAR1")), Kind::Corrupt);
    let error = read(with(|blob| blob.magic = *b"VTXF")).unwrap_err();
    assert_eq!(
        (error.kind, error.code),
        (Kind::Unsupported, "vortex_unsupported")
    );
    assert!(error.message.contains("LF AI"), "{error}");
    assert_eq!(kind_of(with(|blob| blob.version = 2)), Kind::Unsupported);
    assert_eq!(kind_of(with(|blob| blob.version = 0)), Kind::Unsupported);
    assert_eq!(kind_of(with(|blob| blob.key_id = 1)), Kind::Unsupported);
    assert_eq!(
        kind_of(with(|blob| blob.data_type = vec![99])),
        Kind::Unsupported
    );
    assert_eq!(
        kind_of(with(|blob| blob.page = vec![99, 0])),
        Kind::Unsupported
    );
    for bit in (0..32).filter(|bit| FEATURES_KNOWN >> bit & 1 == 0) {
        let mut newer = good.clone();
        newer.features = 1 << bit;
        assert_eq!(kind_of(newer.blob()), Kind::Unsupported, "feature {bit}");
        let mut hinted = good.clone();
        hinted.optional_features = 1 << bit;
        read(hinted.blob()).unwrap();
    }
    let unannounced = Handmade::new(INT64, 3, &[13, 0, 2, 2, 3, 10]);
    assert_eq!(kind_of(unannounced.blob()), Kind::Corrupt);
    let short = [&b"TLVB"[..], b"", b"VTXF", b"SQLite format 3\0"];
    for bytes in short {
        assert!(read(bytes.to_vec()).is_err());
    }
}

#[test]
fn sizes_beyond_the_bytes_are_corrupt() {
    let far = u64::MAX / 2;
    let declared = |page: &mut Vec<u8>| put_varint(page, far);
    let mut plain_text = vec![2];
    declared(&mut plain_text);
    plain_text.extend_from_slice(&[3, 0]);
    let mut compressed = vec![9, 1];
    declared(&mut compressed);
    let mut dictionary = vec![8];
    declared(&mut dictionary);
    let cases = [
        (UTF8, plain_text),
        (INT64, compressed),
        (UTF8, dictionary),
        (INT64, vec![2, 1, 2, 3]),
        (INT64, vec![4, 0, 65, 0]),
        (INT64, vec![4, 0, 33, 0]),
        (INT64, vec![]),
        (INT64, vec![3, 10, 0]),
        (BOOLEAN, vec![3, 8]),
        (BOOLEAN, vec![4, 0, 1, 0]),
        (INT64, vec![11, 3, 0, 3, 0]),
        (INT64, vec![0]),
    ];
    for (tag, page) in cases {
        let error = read(Handmade::new(tag, 3, &page).blob()).unwrap_err();
        assert!(
            matches!(error.kind, Kind::Corrupt | Kind::TooLarge),
            "{page:?}: {error}"
        );
    }
    // Runs that do not sum up, a code without an entry, deltas of no values, nulls that are not counted.
    for page in [
        &[7, 1, 3, 10, 3, 4][..],
        &[8, 1, 3, 10, 3, 2],
        &[1, 3, 2, 0b011, 3, 10],
        &[1, 2, 3, 2, 3, 10],
    ] {
        assert_eq!(
            kind_of(Handmade::new(INT64, 3, page).blob()),
            Kind::Corrupt,
            "{page:?}"
        );
    }
    let mut rows = Handmade::new(INT64, u32::MAX, &[3, 10]);
    assert_eq!(
        kind_of(rows.blob()),
        Kind::Corrupt,
        "more rows than the index has pages"
    );
    rows.page_rows = 1;
    assert_eq!(kind_of(rows.blob()), Kind::TooLarge);
    for page_rows in [0, 65_537, u64::MAX] {
        rows.page_rows = page_rows;
        assert!(read(rows.blob()).is_err());
    }
}

#[test]
fn bombs_are_refused_before_memory_is_taken() {
    // A megabyte of text, 8,192 times.
    let mut constant = vec![3];
    put_varint(&mut constant, 1 << 20);
    constant.extend_from_slice(&[b'x'; 1 << 20]);
    assert_eq!(
        kind_of(Handmade::new(UTF8, 8_192, &constant).blob()),
        Kind::TooLarge
    );
    // The same, out of a dictionary of one entry.
    let mut dictionary = vec![8, 1];
    dictionary.extend_from_slice(&constant);
    dictionary.extend_from_slice(&[3, 0]);
    assert_eq!(
        kind_of(Handmade::new(UTF8, 8_192, &dictionary).blob()),
        Kind::TooLarge
    );
    // Zstandard that declares more than a page may have.
    let mut compressed = vec![9];
    put_varint(&mut compressed, 1 << 40);
    compressed.push(0);
    assert_eq!(
        kind_of(Handmade::new(UTF8, 1, &compressed).blob()),
        Kind::TooLarge
    );
    // Zstandard that holds more, or less, than it declares.
    let frame = zstd::bulk::compress(&[0; 100_000], 3).unwrap();
    for declared in [1, 99_999, 100_001] {
        let mut page = vec![9];
        put_varint(&mut page, declared);
        put_varint(&mut page, frame.len() as u64);
        page.extend_from_slice(&frame);
        assert_eq!(kind_of(Handmade::new(UTF8, 1, &page).blob()), Kind::Corrupt);
    }
    // Lists of a billion elements, and a fixed-size value of 1 MiB in every row.
    let mut lists = Handmade::new(INT64, 1, &[12]);
    lists.data_type = vec![17, 10, 1, 0];
    put_varint(&mut lists.page, 1 << 30);
    lists.page.extend_from_slice(&[3, 0, 3, 0]);
    assert_eq!(kind_of(lists.blob()), Kind::TooLarge);
    let mut fixed = Handmade::new(INT64, 8_192, &[0]);
    fixed.data_type = vec![14];
    put_varint(&mut fixed.data_type, 1 << 20);
    fixed.nulls = 8_192;
    assert_eq!(kind_of(fixed.blob()), Kind::TooLarge);
    // A tree without end.
    let deep: Vec<u8> = [5, 0].repeat(1_000);
    assert_eq!(
        kind_of(Handmade::new(INT64, 8_192, &deep).blob()),
        Kind::TooLarge
    );
}
