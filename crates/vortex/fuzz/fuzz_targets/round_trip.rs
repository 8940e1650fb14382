//! Any columns come back as they were.
#![no_main]

use arbitrary::Unstructured;
use arrow_array::Array;
use libfuzzer_sys::fuzz_target;
use tidelog_vortex::{Kind, VortexDecoder};

fuzz_target!(|bytes: &[u8]| {
    let Ok(input) = tidelog_vortex_fuzz::input(&mut Unstructured::new(bytes)) else {
        return;
    };
    let blob = match input.encoder.encode(&input.specs, &input.arrays) {
        Ok(blob) => blob,
        Err(error) => {
            assert_eq!(error.kind, Kind::TooLarge, "{error}");
            return;
        }
    };
    let blob = VortexDecoder::open(blob).expect("what was written opens");
    blob.verify().expect("what was written holds");
    for (at, put) in input.arrays.iter().enumerate() {
        let got = blob.read_column(at).expect("what was written is read");
        assert_eq!(got.to_data(), put.to_data(), "column {at}");
        let pages = &blob.columns()[at].pages;
        let nulls: usize = pages.iter().map(|page| page.nulls).sum();
        assert_eq!(nulls, put.null_count(), "nulls of column {at}");
    }
});
