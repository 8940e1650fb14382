//! A server that is killed between send and handle: every booking that was acknowledged is in its
//! room and in one calendar, once.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use tidelog_embedded::{Server, Settings, instant};

use crate::client::{documents, get, pass, register, send, until};

const DATA: &str = "TIDELOG_ACTORS_DATA";
const PORT: &str = "TIDELOG_ACTORS_PORT";
const ROOMS: [&str; 3] = ["red", "green", "blue"];
const PEOPLE: [&str; 2] = ["ada", "bob"];

/// The server's process, when this binary was started as one; else nothing.
#[test]
fn child_serves_rooms_when_told_to() {
    let (Some(data), Ok(port)) = (std::env::var_os(DATA), std::env::var(PORT)) else {
        return;
    };
    let settings = Settings {
        data: PathBuf::from(data),
        listen: ([127, 0, 0, 1], port.parse().unwrap()).into(),
        ..Settings::default()
    };
    let server = Server::start_with(settings, tidelog_rooms::actors());
    server.unwrap().run_until_signal().unwrap();
}

struct Process(Child);

impl Process {
    fn start(data: &Path, port: u16) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed::child_serves_rooms_when_told_to",
                "--nocapture",
            ])
            .env(DATA, data)
            .env(PORT, port.to_string())
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn killed_between_send_and_handle_nothing_is_lost_or_doubled() {
    let rounds = number("TIDELOG_KILL_ROUNDS", 6);
    let mut chance = number("TIDELOG_SEED", 1);
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let url = format!("http://127.0.0.1:{port}");
    let ready =
        || send(&url, ("GET", "/readyz"), None, None).is_ok_and(|(status, _)| status == 200);
    let mut process = Process::start(folder.path(), port);
    until("the start", || ready().then_some(()));
    register(&url);

    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let (url, stop) = (url.clone(), Arc::clone(&stop));
        move || write(&url, &stop)
    });
    for _ in 0..rounds {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Waiting is the point here: the moment of the kill is what varies.
        pass(Duration::from_millis(100 + (chance >> 33) % 600));
        process.kill();
        process = Process::start(folder.path(), port);
        until("the next start", || ready().then_some(()));
    }
    stop.store(true, Ordering::SeqCst);
    let wanted = writer.join().unwrap();
    for room in ROOMS {
        until("delivery", || {
            let state = get(&url, &format!("/v1/objects/room/{room}/state"));
            assert_eq!(state["failedMessages"], json!([]), "{room}");
            (state["outbox"]["waiting"] == 0).then_some(())
        });
    }
    let rooms = ROOMS
        .iter()
        .flat_map(|room| keys(&url, &format!("room/{room}"), "bookings"));
    assert_eq!(rooms.collect::<BTreeSet<_>>(), wanted.ids(), "bookings");
    for (person, ids) in PEOPLE.iter().zip(&wanted.0) {
        assert_eq!(
            &keys(&url, &format!("person/{person}"), "calendar"),
            ids,
            "{person}"
        );
    }
    process.kill();
    println!("{rounds} kills, {} bookings stand", wanted.ids().len());
    assert!(wanted.ids().len() > 10, "something was booked");
}

/// The ids of bookings that must stand, by person.
#[derive(Default)]
struct Wanted([BTreeSet<String>; 2]);

impl Wanted {
    fn ids(&self) -> BTreeSet<String> {
        self.0.iter().flatten().cloned().collect()
    }
}

/// Books hour after hour, and cancels every fifth booking, until it is told to stop.
fn write(url: &str, stop: &AtomicBool) -> Wanted {
    let mut wanted = Wanted::default();
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let (room, by) = (ROOMS[n % ROOMS.len()], n % PEOPLE.len());
        let (day, from) = (1 + n / 24, n % 24);
        let day = format!(
            "20{:02}-{:02}-{:02}",
            26 + day / 336,
            1 + day / 28 % 12,
            1 + day % 28
        );
        let hours = json!({"day": day, "from": from, "to": from + 1, "by": PEOPLE[by]});
        let booked = insist(url, room, "book", &format!("book {n}"), &hours);
        let id = booked["id"].as_str().expect("an id").to_owned();
        if n % 5 == 4 {
            insist(url, room, "cancel", &format!("cancel {n}"), &booked);
        } else {
            wanted.0[by].insert(id);
        }
    }
    wanted
}

/// What a client does whose answer was lost: it asks again, under the same key.
fn insist(url: &str, room: &str, name: &str, key: &str, body: &Json) -> Json {
    let path = format!("/v1/objects/room/{room}/messages/{name}");
    let started = instant();
    loop {
        match send(url, ("POST", &path), Some(key), Some(&body.to_string())) {
            Ok((200, reply)) => return reply,
            Ok((status, problem)) => assert_eq!(status, 503, "{key}: {problem}"),
            Err(_) => {}
        }
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "{key} is not answered"
        );
        pass(Duration::from_millis(10));
    }
}

fn keys(url: &str, object: &str, collection: &str) -> BTreeSet<String> {
    let rows = documents(url, object, collection);
    rows.iter()
        .map(|row| row["_key"].as_str().unwrap().to_owned())
        .collect()
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}
