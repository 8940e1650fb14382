use std::sync::Mutex;

use serde_json::json;

use super::fake::{Answer, Fake, offset};

const CHANGES: &str = "GET /v1/objects/airport/JFK/changes";

fn read(fake: &Fake, query: &str) -> Answer {
    fake.ask(&format!("{CHANGES}?{query}"))
}

#[test]
fn catch_up_pages_to_the_tail() {
    let fake = Fake::with_log(&["a", "b", "a"]);
    let first = read(&fake, "limit=2");
    assert_eq!(first.json(), json!([{"sequence":1},{"sequence":2}]));
    assert_eq!(first.header("stream-next-offset"), offset(2).to_string());
    assert_eq!(first.header("stream-up-to-date"), "");
    assert!(first.header("cache-control").contains("max-age"));
    let rest = read(
        &fake,
        &format!("offset={}", first.header("stream-next-offset")),
    );
    assert_eq!(rest.json(), json!([{"sequence":3}]));
    assert_eq!(rest.header("stream-up-to-date"), "true");
    assert_eq!(rest.header("cache-control"), "private, no-cache");
    assert_eq!(rest.header("cross-origin-resource-policy"), "cross-origin");
    let filtered = read(
        &fake,
        "offset=-1&collections=b&operations=insert,DELETE&images=full",
    );
    assert_eq!(filtered.json(), json!([{"sequence":2}]));
    assert_eq!(filtered.header("stream-next-offset"), offset(3).to_string());
    let now = read(&fake, "offset=now");
    assert_eq!(
        (now.text(), now.header("cache-control")),
        ("[]", "no-store")
    );
    assert_eq!(now.header("stream-next-offset"), offset(3).to_string());
}

#[test]
fn entity_tags_name_the_range_the_filter_and_the_end() {
    let mut fake = Fake::with_log(&["a"]);
    let tag = read(&fake, "offset=-1").header("etag").to_owned();
    let again = |fake: &Fake, query: &str| {
        fake.send(
            &format!("{CHANGES}?{query}"),
            &[("if-none-match", &tag)],
            [],
        )
    };
    let same = again(&fake, "offset=-1");
    assert_eq!((same.status, same.text()), (304, ""));
    assert_eq!(same.header("stream-next-offset"), offset(1).to_string());
    assert_eq!(again(&fake, "offset=-1&collections=a").status, 200);
    fake.closed = true;
    let closed = again(&fake, "offset=-1");
    assert_eq!(
        (closed.status, closed.header("stream-closed")),
        (200, "true")
    );
    fake.closed = false;
    fake.log.lock().unwrap().push("a");
    assert_eq!(again(&fake, "offset=-1").status, 200);
}

#[test]
fn head_answers_the_tail() {
    let tail = Fake::with_log(&["a", "b"]).ask(&CHANGES.replace("GET", "HEAD"));
    assert_eq!((tail.status, tail.text()), (200, ""));
    assert_eq!(tail.header("content-type"), "application/json");
    assert_eq!(tail.header("stream-next-offset"), offset(2).to_string());
    assert_eq!(tail.header("cache-control"), "no-store");
}

#[test]
fn bad_parameters_are_named() {
    let fake = Fake::with_log(&["a"]);
    for (query, field) in [
        ("offset=", "offset"),
        ("offset=1,2", "offset"),
        ("offset=a&offset=b", "offset"),
        ("live=sse", "offset"),
        ("live=long-poll", "offset"),
        ("offset=-1&live=socket", "live"),
        ("collections=", "collections"),
        ("collections=a,,b", "collections"),
        ("collections=A", "collections"),
        ("operations=drop", "operations"),
        ("images=none", "images"),
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
    ] {
        let got = read(&fake, query).problem();
        assert_eq!((got.0, got.2.as_str()), (400, field), "{query}");
    }
    assert_eq!(read(&fake, "unknown=1").status, 200);
    let gone = read(&fake, "offset=0000000000000007_0000000000000001");
    assert_eq!(gone.problem().0, 410);
    assert_eq!(gone.json()["earliestOffset"], offset(0).to_string());
}

#[test]
fn long_poll_waits_past_what_the_filter_leaves_out() {
    let fake = Fake::with_log(&["b"]);
    *fake.arrivals.lock().unwrap() = ["b", "a"].into();
    let answer = read(&fake, "offset=-1&live=long-poll&collections=a");
    assert_eq!(
        (answer.status, answer.json()),
        (200, json!([{"sequence":3}]))
    );
    let quiet = read(&fake, "offset=now&live=long-poll");
    assert_eq!((quiet.status, quiet.text()), (204, ""));
    assert_eq!(quiet.header("stream-next-offset"), offset(3).to_string());
    assert_eq!(quiet.header("stream-up-to-date"), "true");
    assert_eq!(*fake.clock.lock().unwrap(), 20_000);
    let cursor: u64 = quiet.header("stream-cursor").parse().unwrap();
    let next = read(
        &fake,
        &format!("offset=now&live=long-poll&cursor={}", cursor + 5),
    );
    assert!(next.header("stream-cursor").parse::<u64>().unwrap() > cursor + 5);
}

#[test]
fn a_closed_stream_ends_every_mode_at_once() {
    let mut fake = Fake::with_log(&["a"]);
    fake.closed = true;
    let answer = read(&fake, "offset=now&live=long-poll");
    assert_eq!(
        (answer.status, answer.header("stream-closed")),
        (204, "true")
    );
    assert_eq!(answer.header("stream-cursor"), "");
    let catch_up = read(&fake, "offset=now");
    assert_eq!(
        (catch_up.status, catch_up.header("stream-closed")),
        (200, "true")
    );
    let sent = read(&fake, "offset=now&live=sse").stream(&fake);
    let control = format!(
        "event: control\ndata:{{\"streamClosed\":true,\"streamNextOffset\":\"{}\",\"upToDate\":true}}\n\n",
        offset(1)
    );
    assert_eq!(sent, control);
    assert_eq!(*fake.clock.lock().unwrap(), 0);
}

#[test]
fn server_sent_events_pair_data_with_control_and_end_in_time() {
    let fake = Fake::with_log(&["a", "a", "a"]);
    *fake.arrivals.lock().unwrap() = ["a"].into();
    let mut answer = read(&fake, "offset=-1&live=sse&limit=2");
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-cache");
    let sent = answer.stream(&fake);
    let frames: Vec<&str> = sent.split("\n\n").collect();
    assert_eq!(
        frames[0],
        "event: data\ndata:[\ndata:{\"sequence\":1},\ndata:{\"sequence\":2}\ndata:]"
    );
    assert!(
        frames[1].starts_with("event: control\ndata:{\"streamCursor\":\""),
        "{}",
        frames[1]
    );
    assert!(!frames[1].contains("upToDate") && frames[3].contains("\"upToDate\":true"));
    assert_eq!(
        frames[4],
        "event: data\ndata:[\ndata:{\"sequence\":4}\ndata:]"
    );
    // Then silence: a comment after each quarter of the minute, and the end.
    assert_eq!(frames[6..], [":", ":", ":", ":", ""]);
    assert_eq!(*fake.clock.lock().unwrap(), 60_000);
}

#[test]
fn errors_before_the_first_event_have_a_status() {
    let fake = Fake {
        log: Mutex::new(vec!["a"]),
        ..Fake::default()
    };
    let gone = read(&fake, "live=sse&offset=0000000000000007_0000000000000001");
    assert_eq!(gone.problem().1, "offset_outside_lineage");
}
