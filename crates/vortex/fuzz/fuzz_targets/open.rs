//! Any bytes: an answer or a typed error, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidelog_vortex::VortexDecoder;

fuzz_target!(|bytes: &[u8]| {
    let Ok(blob) = VortexDecoder::open(bytes.to_vec()) else {
        return;
    };
    drop(blob.read_all());
    drop(blob.verify());
    for column in 0..blob.columns().len() {
        for page in 0..blob.page_count() {
            drop(blob.page_encoding(column, page));
        }
    }
    for (id, _) in blob.sections().collect::<Vec<_>>() {
        drop(blob.section(id));
    }
});
