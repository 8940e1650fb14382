//! Files of snapshots on their way to an object.

use std::sync::Mutex;

use bytes::Bytes;
use serde_json::json;
use tidelog_core::snapshot_file::{Frame, FrameKind, MAGIC, encode};
use tidelog_core::{Import, SnapshotCommand, SnapshotReply};
use tidelog_log::{Error, Result};

use super::fake::{Answer, Fake};
use crate::ApiSettings;

const LINE: &str = "POST /v1/objects/airport/JFK/snapshots/import";

fn fake() -> Fake {
    let import = Import {
        source: "s1".to_owned(),
        frames: 1,
        offset: 1,
        snapshot: Some("s2".to_owned()),
    };
    Fake {
        settings: ApiSettings {
            admin_token: Some("admin".to_owned()),
            ..ApiSettings::default()
        },
        answer: Mutex::new(Some(SnapshotReply::Import(Box::new(import)))),
        ..Fake::default()
    }
}

/// A head, and six frames of 1.5 MB, each as a chunk.
fn chunks() -> Vec<Result<Bytes>> {
    let head = json!({"type": "airport", "id": "JFK", "snapshot": "s1", "links": 1});
    let head = Frame::new(0, FrameKind::Head, head.to_string().into_bytes());
    let mut chunks = vec![Ok([&MAGIC[..], &encode(&head, b"s1")].concat().into())];
    let frames = (1..7).map(|index| Frame::new(index, FrameKind::Segment, vec![7; 1_500_000]));
    chunks.extend(frames.map(|frame| Ok(encode(&frame, b"s1").into())));
    chunks
}

fn send(fake: &Fake, chunks: Vec<Result<Bytes>>) -> Answer {
    fake.send(LINE, &[("authorization", "Bearer admin")], chunks)
}

/// The places of the frames that each turn was given.
fn taken(fake: &Fake) -> Vec<Vec<u64>> {
    let asked = fake.asked.lock().unwrap();
    let frames = asked.iter().map(|asked| match &asked.command {
        SnapshotCommand::Import { frames, .. } => frames.iter().map(|f| f.index).collect(),
        other => panic!("{other:?}"),
    });
    frames.collect()
}

#[test]
fn frames_reach_the_object_in_their_order_some_megabytes_at_a_time() {
    let fake = fake();
    let end = Frame::new(7, FrameKind::End, vec![8]);
    let mut all = chunks();
    all.push(Ok(encode(&end, b"s1").into()));
    assert_eq!(send(&fake, all).status, 201);
    assert_eq!(taken(&fake), [vec![0, 1, 2, 3], vec![4, 5, 6], vec![7]]);
}

#[test]
fn what_came_before_a_connection_broke_is_taken() {
    for broken in [1, 3, 4, 6] {
        let fake = fake();
        let mut some: Vec<_> = chunks().into_iter().take(broken).collect();
        some.push(Err(Error::invalid("invalid_body", "the connection broke")));
        assert_eq!(send(&fake, some).problem().1, "invalid_body");
        let taken: Vec<u64> = taken(&fake).concat();
        assert_eq!(taken, (0..broken as u64).collect::<Vec<_>>());
    }
}

#[test]
fn what_came_before_a_damaged_frame_is_taken_and_nothing_after_it() {
    let fake = fake();
    let mut all = chunks();
    let mut damaged = all[5].as_ref().unwrap().to_vec();
    damaged[70] ^= 1;
    all[5] = Ok(damaged.into());
    let problem = send(&fake, all).problem();
    assert_eq!((problem.0, problem.1.as_str()), (400, "snapshot_damaged"));
    assert_eq!(taken(&fake).concat(), [0, 1, 2, 3, 4]);
}

#[test]
fn a_refusal_of_the_object_ends_the_upload() {
    let fake = Fake {
        answer: Mutex::new(None),
        ..fake()
    };
    let problem = send(&fake, chunks()).problem();
    assert_eq!(problem.1, "unknown_snapshot");
    assert_eq!(taken(&fake).len(), 1);
}
