//! Live reading: long-poll and SSE end when something happened, and only then.

use std::io::{BufRead, BufReader};

use crate::support::Shop;

#[test]
fn a_long_poll_returns_what_is_written_while_it_waits() {
    let shop = Shop::open();
    shop.insert("one", "a");
    let page = shop.get("/v1/objects/shop/one/changes?offset=-1");
    let offset = page.header("stream-next-offset").to_owned();
    let path = format!("/v1/objects/shop/one/changes?offset={offset}&live=long-poll");
    let answer = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| shop.get(&path));
        shop.insert("one", "b");
        waiting.join().unwrap()
    });
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()[0]["documentId"], "b");
}

#[test]
fn server_sent_events_carry_data_and_then_the_offset() {
    let shop = Shop::open();
    shop.insert("one", "a");
    let url = format!(
        "{}/v1/objects/shop/one/changes?offset=-1&live=sse",
        shop.url()
    );
    let response = ureq::get(&url).call().unwrap();
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let mut until = |wanted: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(wanted))
            .unwrap()
    };
    assert!(until("documentId").contains("\"a\""));
    until("streamNextOffset");
    shop.insert("one", "b");
    assert!(until("documentId").contains("\"b\""));
}
