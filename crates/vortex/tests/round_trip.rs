//! What goes in comes out.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Float64Array, Int8Array, Int64Array, ListArray,
    StringArray, types::Float32Type,
};
use tidelog_vortex::{ColumnSpec, EncodeOptions, VortexDecoder, VortexEncoder};

#[test]
fn columns_of_several_types_come_back() {
    let arrays: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        Arc::new(Int8Array::from(vec![Some(-1), None, Some(5)])),
        Arc::new(Float64Array::from(vec![-0.0, 1.5, f64::INFINITY])),
        Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])),
        Arc::new(StringArray::from(vec![Some("a"), None, Some("")])),
        Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(vec![
            Some(vec![Some(1.0), None]),
            None,
            Some(vec![]),
        ])),
        Arc::new(
            FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(
                vec![
                    Some(vec![Some(1.0), None]),
                    None,
                    Some(vec![Some(2.0), Some(3.0)]),
                ],
                2,
            ),
        ),
        Arc::new(Int64Array::from(vec![None, None, None])),
    ];
    let columns: Vec<_> = (0_u32..)
        .zip(&arrays)
        .map(|(id, _)| ColumnSpec::plain(id, format!("c{id}")))
        .collect();
    for page_rows in [1, 2, 3] {
        let options = EncodeOptions {
            page_rows,
            ..EncodeOptions::default()
        };
        let blob = VortexEncoder::new(options)
            .encode(&columns, &arrays)
            .unwrap();
        let decoder = VortexDecoder::open(blob).unwrap();
        decoder.verify().unwrap();
        let batch = decoder.read_all().unwrap();
        for (back, array) in batch.columns().iter().zip(&arrays) {
            assert_eq!(back, array);
        }
    }
}
