//! The route of messages.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::fake::Fake;

const ROOM: &str = "POST /v1/objects/room/4a/messages";

#[test]
fn a_message_is_answered_with_the_actors_reply_and_the_turns_place() {
    let fake = Fake::default();
    let line = format!("{ROOM}/book?source=desk");
    let answer = fake.post(&line, r#"{"from": 1}"#);
    let wanted = json!({"name": "book", "body": {"from": 1}, "source": "desk"});
    assert_eq!((answer.status, answer.json()), (200, wanted));
    assert_eq!(
        answer.header("stream-next-offset"),
        super::fake::offset(7).to_string()
    );
    assert_eq!(answer.header("idempotency-replayed"), "");
    let again = fake.send(&line, &[("idempotency-key", "again")], []);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json()["body"], Json::Null, "no body is null");
}

#[test]
fn an_actors_own_code_has_the_status_of_its_kind() {
    let fake = Fake::default();
    let problem = fake.post(&format!("{ROOM}/refuse"), "{}").problem();
    assert_eq!(problem, (409, "room.taken".to_owned(), "from".to_owned()));
}

#[test]
fn what_is_no_message_is_refused() {
    let fake = Fake::default();
    for (line, body, code) in [
        (format!("{ROOM}/book"), "{", "invalid_json"),
        (format!("{ROOM}/book"), r#"{"a":1,"a":2}"#, "invalid_json"),
        (format!("{ROOM}/book?mode=x"), "{}", "unknown_parameter"),
        (format!("{ROOM}/"), "{}", "unknown_route"),
        (ROOM.to_owned(), "{}", "unknown_route"),
        (
            "POST /v1/objects/Room/4a/messages/book".to_owned(),
            "{}",
            "invalid_name",
        ),
    ] {
        assert_eq!(fake.post(&line, body).problem().1, code, "{line} {body}");
    }
    let form = [("content-type", "text/plain")];
    let form = fake.send(&format!("{ROOM}/book"), &form, [Ok(Bytes::from("x"))]);
    assert_eq!(form.problem().1, "unsupported_media_type");
    let get = fake.ask("GET /v1/objects/room/4a/messages/book");
    assert_eq!((get.problem().0, get.header("allow")), (405, "POST"));
}
