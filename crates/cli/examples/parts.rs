use std::io::Read;
use tidelog_core::*;
use tidelog_log::*;
fn main() {
    let text = std::fs::read_to_string("schemas/airport.toml").unwrap();
    let schema = TypeSchema::register(None, &TypeSpec::from_toml(&text).unwrap()).unwrap();
    let p = Prepared::new(schema.collection("flights").unwrap().clone()).unwrap();
    let mut bytes = Vec::new();
    zstd::Decoder::new(std::fs::File::open("fixtures/nycflights13/flights.csv.zst").unwrap()).unwrap().read_to_end(&mut bytes).unwrap();
    let mut r = csv::Reader::from_reader(&bytes[..]);
    let h = r.headers().unwrap().clone();
    let docs: Vec<JsonObject> = r.records().take(20000).map(|l| {
        let l = l.unwrap();
        let mut d = JsonObject::new();
        for (n, c) in h.iter().zip(&l).filter(|x| !x.1.is_empty()) {
            let whole = p.collection.field(n).is_some_and(|f| f.field_type == FieldType::Int);
            d.insert(n.to_owned(), if whole { serde_json::json!(c.parse::<i64>().unwrap()) } else { serde_json::json!(c) });
        }
        d
    }).collect();
    let n = docs.len() as f64;
    for _ in 0..3 {
        if std::env::args().count() > 1 { for _ in 0..10 { for d in docs.clone() { let r = p.row(d).unwrap(); std::hint::black_box(p.key_of(&r)); } } }
        let time = |what: &str, t: std::time::Instant| println!("{what}: {:.3} us", t.elapsed().as_secs_f64() * 1e6 / n);
        let c = docs.clone();
        let t = std::time::Instant::now();
        drop(c);
        time("drop docs", t);
        let c = docs.clone();
        let t = std::time::Instant::now();
        let rows: Vec<Row> = c.into_iter().map(|d| p.row(d).unwrap()).collect();
        time("row", t);
        let t = std::time::Instant::now();
        let keys: Vec<String> = rows.iter().map(|r| p.key_of(r).unwrap()).collect();
        time("key_of", t);
        let t = std::time::Instant::now();
        let mut s = 0;
        for (k, r) in keys.iter().zip(&rows) { p.table.bind(k, Sequence(1), r, |a| { s += a.len(); Ok(()) }).unwrap(); }
        time("bind", t);
        let t = std::time::Instant::now();
        for (k, r) in keys.chunks(1000).zip(rows.chunks(1000)) {
            let mut w = RecordWriter::new(&RecordHeader::default());
            for (k, r) in k.iter().zip(r) { w.push((1, "flights"), k, ChangeRef::Insert { after: r }); }
            let (b, h) = w.finish().unwrap();
            s += b.len() + h.0[0] as usize;
        }
        time("record", t);
        let t = std::time::Instant::now();
        drop(rows);
        time("drop rows", t);
        let re = regex_lite::Regex::new("^(?:[A-Z0-9]{5,6})$").unwrap();
        let t = std::time::Instant::now();
        for _ in 0..20000 { s += usize::from(re.is_match("N14228")); }
        time("regex", t);
        println!("{s}");
    }
}
