//! TPC-H's line items at scale factor 0.1, as `tpchgen` makes them. Decimals are doubles: every
//! format here holds those.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, Date32Array, Date32Builder, Float64Builder, Int32Builder, Int64Builder, StringBuilder,
};
use tpchgen::generators::LineItemGenerator;

use super::{Asked, DataSet, batch};

/// Days from 1970 to 1992-01-01, where TPC-H's dates begin.
const DAYS_TO_1992: i32 = 8_035;

#[derive(Default)]
struct Rows {
    longs: [Int64Builder; 3],
    line: Int32Builder,
    doubles: [Float64Builder; 4],
    dates: [Date32Builder; 3],
    texts: [StringBuilder; 5],
}

pub fn load(divisor: usize) -> Result<DataSet> {
    let mut rows = Rows::default();
    let most = 600_572 / divisor;
    for item in LineItemGenerator::new(0.1, 1, 1).iter().take(most) {
        let longs = [item.l_orderkey, item.l_partkey, item.l_suppkey];
        rows.longs
            .iter_mut()
            .zip(longs)
            .for_each(|(to, from)| to.append_value(from));
        rows.line.append_value(item.l_linenumber);
        let hundredths = [
            item.l_quantity * 100,
            item.l_extendedprice.into_inner(),
            item.l_discount.into_inner(),
            item.l_tax.into_inner(),
        ];
        for (to, from) in rows.doubles.iter_mut().zip(hundredths) {
            to.append_value(from as f64 / 100.0);
        }
        let dates = [item.l_shipdate, item.l_commitdate, item.l_receiptdate];
        for (to, from) in rows.dates.iter_mut().zip(dates) {
            to.append_value(from.to_unix_epoch());
        }
        let texts = [
            item.l_returnflag,
            item.l_linestatus,
            item.l_shipinstruct,
            item.l_shipmode,
            item.l_comment,
        ];
        rows.texts
            .iter_mut()
            .zip(texts)
            .for_each(|(to, from)| to.append_value(from));
    }
    let day = |days: i32| -> ArrayRef { Arc::new(Date32Array::from(vec![DAYS_TO_1992 + days])) };
    let asked = Asked {
        json: &[],
        numeric: "l_extendedprice",
        text: "l_comment",
        filter: "l_shipdate",
        // April 1995, of seven years, in no order.
        low: day(1_186),
        high: day(1_216),
        sum: "l_extendedprice",
    };
    let about = "TPC-H lineitem, scale factor 0.1 (tpchgen 4), decimals as doubles; generated";
    DataSet::new("lineitem", about, batch(rows.columns())?, asked)
}

impl Rows {
    fn columns(mut self) -> Vec<(&'static str, ArrayRef)> {
        let mut longs = self
            .longs
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef);
        let mut doubles = self
            .doubles
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef);
        let mut dates = self
            .dates
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef);
        let mut texts = self
            .texts
            .iter_mut()
            .map(|b| Arc::new(b.finish()) as ArrayRef);
        let line: ArrayRef = Arc::new(self.line.finish());
        let order = [
            ("l_orderkey", longs.next()),
            ("l_partkey", longs.next()),
            ("l_suppkey", longs.next()),
            ("l_linenumber", Some(line)),
            ("l_quantity", doubles.next()),
            ("l_extendedprice", doubles.next()),
            ("l_discount", doubles.next()),
            ("l_tax", doubles.next()),
            ("l_returnflag", texts.next()),
            ("l_linestatus", texts.next()),
            ("l_shipdate", dates.next()),
            ("l_commitdate", dates.next()),
            ("l_receiptdate", dates.next()),
            ("l_shipinstruct", texts.next()),
            ("l_shipmode", texts.next()),
            ("l_comment", texts.next()),
        ];
        order
            .into_iter()
            .filter_map(|(name, array)| Some((name, array?)))
            .collect()
    }
}
