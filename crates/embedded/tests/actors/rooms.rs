//! Booking, holding, and a second actor, over HTTP.

use serde_json::{Value as Json, json};
use tempfile::TempDir;
use tidelog_core::Actors;
use tidelog_embedded::{Server, Settings};

use crate::client::{documents, get, message, register, send, until};

struct House {
    server: Server,
    folder: TempDir,
}

fn start(folder: &TempDir, actors: Actors) -> Server {
    let any = ([127, 0, 0, 1], 0).into();
    let settings = Settings {
        data: folder.path().join("data"),
        listen: any,
        ..Settings::default()
    };
    Server::start_with(settings, actors).unwrap()
}

impl House {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start(&folder, tidelog_rooms::actors());
        register(&server.url());
        Self { server, folder }
    }

    fn again_with(self, actors: Actors) -> Self {
        let Self { server, folder } = self;
        server.stop().unwrap();
        let server = start(&folder, actors);
        Self { server, folder }
    }

    fn room(&self, name: &str, body: &Json) -> (u16, Json) {
        message(&self.server.url(), "room/4a", name, body)
    }

    fn documents(&self, object: &str, collection: &str) -> Vec<Json> {
        documents(&self.server.url(), object, collection)
    }

    fn state(&self, object: &str) -> Json {
        get(&self.server.url(), &format!("/v1/objects/{object}/state"))
    }
}

fn hours(from: u8, to: u8, by: &str) -> Json {
    json!({"day": "2026-11-21", "from": from, "to": to, "by": by})
}

#[test]
fn a_booking_stands_refuses_others_and_reaches_the_calendar() {
    let house = House::open();
    let (status, booked) = house.room("book", &hours(9, 11, "ada"));
    assert_eq!(status, 200, "{booked}");
    let (status, refused) = house.room("book", &hours(10, 12, "bob"));
    assert_eq!(
        (status, refused["code"].as_str()),
        (409, Some("room.taken"))
    );
    assert_eq!((&refused["from"], &refused["to"]), (&json!(9), &json!(11)));
    assert_eq!(house.room("book", &hours(11, 12, "bob")).0, 200);
    let calendar = until("the invitation", || {
        let calendar = house.documents("person/ada", "calendar");
        (!calendar.is_empty()).then_some(calendar)
    });
    assert_eq!(calendar[0]["room"], "4a");
    assert_eq!(calendar[0]["_key"], booked["id"]);
    until("the count of hours", || {
        let usage = house.documents("room/4a", "usage");
        (usage.first()?["hours"] == 3).then_some(())
    });
    assert_eq!(house.room("cancel", &booked).0, 200);
    until("the release", || {
        house
            .documents("person/ada", "calendar")
            .is_empty()
            .then_some(())
    });
    until("the second count", || {
        let usage = house.documents("room/4a", "usage");
        (usage.first()?["hours"] == 1).then_some(())
    });
    assert_eq!(house.state("room/4a")["failedMessages"], json!([]));
}

#[test]
fn a_hold_is_confirmed_or_expires_also_through_a_restart() {
    let house = House::open();
    let mut hold = hours(1, 2, "ada");
    hold["seconds"] = json!(600);
    let (status, kept) = house.room("hold", &hold);
    assert_eq!(status, 200, "{kept}");
    assert_eq!(
        house.room("book", &hours(1, 3, "bob")).1["code"],
        "room.taken"
    );
    assert_eq!(house.room("confirm", &kept).0, 200);
    assert_eq!(house.room("confirm", &kept).1["code"], "room.no_hold");
    let mut short = hours(5, 6, "ada");
    short["seconds"] = json!(1);
    assert_eq!(house.room("hold", &short).0, 200);
    let house = house.again_with(tidelog_rooms::actors());
    until("the end of the hold", || {
        house.documents("room/4a", "holds").is_empty().then_some(())
    });
    assert_eq!(house.room("book", &hours(5, 6, "bob")).0, 200);
}

#[test]
fn what_the_actor_does_not_take_is_refused_and_makes_no_object() {
    let house = House::open();
    let url = house.server.url();
    for (object, name, body, status, code) in [
        ("room/4a", "bok", json!({}), 404, "unknown_message"),
        (
            "room/4a",
            "book",
            json!({"day": "x"}),
            400,
            "invalid_message",
        ),
        ("room/4a", "book", hours(9, 9, "ada"), 400, "room.no_hours"),
        (
            "room/4a",
            "cancel",
            json!({"id": "none"}),
            404,
            "room.no_booking",
        ),
        ("car/1", "book", json!({}), 404, "unknown_type"),
    ] {
        let (found, answer) = message(&url, object, name, &body);
        assert_eq!(
            (found, answer["code"].as_str()),
            (status, Some(code)),
            "{answer}"
        );
    }
    let state = house.state("room/4a");
    assert_eq!(state["code"], "unknown_object");
    assert_eq!(get(&url, "/v1/objects")["objects"], json!([]));
    let day = house.room(
        "book",
        &json!({"day": "never", "from": 1, "to": 2, "by": "ada"}),
    );
    // The actor asks its bookings of that day.
    assert_eq!((day.0, day.1["field"].as_str()), (400, Some("where.day")));
}

#[test]
fn a_message_nobody_takes_is_kept_with_the_reason() {
    let house = House::open();
    assert_eq!(house.room("book", &hours(9, 10, "no/body")).0, 400);
    let nobody = Actors::new().with("room", tidelog_rooms::Room);
    let house = house.again_with(nobody);
    assert_eq!(house.room("book", &hours(9, 10, "ada")).0, 200);
    let failed = until("the failure", || {
        let state = house.state("room/4a");
        let failed = state["failedMessages"].as_array()?.first()?.clone();
        Some(failed)
    });
    assert_eq!(
        (&failed["to"], &failed["message"]),
        (&json!("person/ada"), &json!("invited"))
    );
    assert_eq!(failed["code"], "unknown_message");
    assert_eq!(failed["body"]["room"], "4a");
    assert_eq!(house.state("person/ada")["code"], "unknown_object");
}

#[test]
fn a_key_makes_a_message_safe_to_repeat() {
    let house = House::open();
    let url = house.server.url();
    let path = ("POST", "/v1/objects/room/4a/messages/book");
    let body = hours(9, 10, "ada").to_string();
    let first = send(&url, path, Some("k"), Some(&body)).unwrap();
    let house = house.again_with(tidelog_rooms::actors());
    let url = house.server.url();
    assert_eq!(send(&url, path, Some("k"), Some(&body)).unwrap(), first);
    let other = hours(10, 11, "ada").to_string();
    let reused = send(&url, path, Some("k"), Some(&other)).unwrap();
    assert_eq!(reused.1["code"], "idempotency_key_reused");
    assert_eq!(house.documents("room/4a", "bookings").len(), 1);
}
