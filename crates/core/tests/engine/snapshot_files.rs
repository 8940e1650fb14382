//! Snapshots as files: out of one object, into another, broken on the way.

use std::sync::Arc;

use arrow_array::{ArrayRef, BinaryArray};
use serde_json::{Value as Json, json};
use tidelog_core::snapshot_file::{FileReader, Frame, FrameKind};
use tidelog_core::{
    Import, RestoreStatus, RestoreTarget, SnapshotCommand, SnapshotFile, SnapshotKind,
    SnapshotReply, SnapshotStatus,
};
use tidelog_log::{
    ChangeRef, Error, RecordHeader, RecordWriter, Result, Row, Sequence, put_varint,
};
use tidelog_vortex::{ColumnSpec, EncodeOptions, VortexEncoder};

use crate::lab::{Lab, delete, folding, insert, notes, schema, upsert};
use crate::model::{Chance, stored};
use crate::snapshots::small_steps;

/// An object with a full snapshot and two incrementals, of rows, blobs, masks and a large document.
/// Returns it with the last one's id and its documents.
fn source() -> (Lab, String, Vec<(String, Json)>) {
    let mut lab = Lab::with_policy(folding(notes(), 4), small_steps());
    let note = |n: u64| json!({"id": format!("k{n:03}"), "n": n, "x": {"free": [n]}});
    lab.write((0..30).map(|n| insert("notes", note(n))).collect())
        .unwrap();
    lab.write(vec![delete("notes", "k003"), upsert("notes", note(100))])
        .unwrap();
    let mut chance = Chance(1);
    let mut large = String::new();
    while large.len() < 1_300_000 {
        large.push_str(&chance.below(u64::MAX).to_string());
    }
    lab.write(vec![insert("notes", json!({"id": "large", "t": large}))])
        .unwrap();
    lab.take(SnapshotKind::Full).unwrap();
    lab.write(vec![delete("notes", "k004"), upsert("notes", note(101))])
        .unwrap();
    lab.take(SnapshotKind::Incremental).unwrap();
    lab.write(vec![upsert("notes", json!({"id": "k005", "t": large}))])
        .unwrap();
    let last = lab.take(SnapshotKind::Incremental).unwrap();
    let documents = rows(&lab);
    lab.write(vec![delete("notes", "k006")]).unwrap();
    (lab, last.id, documents)
}

fn rows(lab: &Lab) -> Vec<(String, Json)> {
    let documents = stored(lab, "notes").into_iter();
    documents
        .map(|(key, (_, document))| (key, Json::Object(document)))
        .collect()
}

pub(crate) fn bytes_of(lab: &Lab, id: &str, step: usize) -> Vec<u8> {
    let file = SnapshotFile::open(lab.engine.view(), &lab.sql, id).unwrap();
    let mut bytes = Vec::new();
    loop {
        let more = file.read(&lab.sql, bytes.len() as u64, step).unwrap();
        if more.is_empty() {
            break;
        }
        bytes.extend(more);
    }
    assert_eq!(bytes.len() as u64, file.bytes());
    bytes
}

pub(crate) fn frames(bytes: &[u8]) -> Result<Vec<Frame>> {
    let mut reader = FileReader::default();
    let frames = reader.push(bytes)?;
    reader.finish()?;
    Ok(frames)
}

pub(crate) fn import(lab: &mut Lab, frames: Vec<Frame>) -> Result<Import> {
    let schema = Arc::clone(&lab.schema);
    match lab.snapshots(SnapshotCommand::Import { schema, frames })? {
        SnapshotReply::Import(import) => Ok(*import),
        other => panic!("{other:?}"),
    }
}

fn target() -> Lab {
    Lab::with_policy(folding(notes(), 4), small_steps())
}

#[test]
fn a_file_restores_into_another_object() {
    let (lab, id, documents) = source();
    let file = bytes_of(&lab, &id, 1);
    assert!(
        file == bytes_of(&lab, &id, 100_000),
        "the same bytes each time"
    );
    let mut other = target();
    let done = import(&mut other, frames(&file).unwrap()).unwrap();
    assert_eq!(done.source, id);
    let imported = done.snapshot.unwrap();
    let said = other.engine.view().snapshot(&other.sql, &imported).unwrap();
    assert!(said.imported && said.status == SnapshotStatus::Complete);
    // It is of another history: no incremental builds on it unasked.
    let none = other.take(SnapshotKind::Incremental).unwrap_err();
    assert_eq!(none.code(), "snapshot_parent_missing");
    let restore = other.restore(RestoreTarget::Snapshot(imported.clone()), false);
    assert_eq!(
        restore.unwrap().differences["notes"].added,
        documents.len() as u64
    );
    assert!(rows(&other) == documents);
    assert_eq!(
        other.check_log(),
        documents.len() as u64,
        "an event for each"
    );
    // What was imported can be handed on.
    let mut third = target();
    let again = bytes_of(&other, &imported, 5_000);
    let done = import(&mut third, frames(&again).unwrap()).unwrap();
    let restored = RestoreTarget::Snapshot(done.snapshot.unwrap());
    third.restore(restored, false).unwrap();
    assert!(rows(&third) == documents);
}

#[test]
fn what_was_looked_at_before_is_taken_as_it_is() {
    let (lab, id, documents) = source();
    let mut looked = frames(&bytes_of(&lab, &id, 100_000)).unwrap();
    looked.iter_mut().for_each(Frame::admit);
    let mut other = target();
    let done = import(&mut other, looked.clone()).unwrap();
    let imported = RestoreTarget::Snapshot(done.snapshot.unwrap());
    other.restore(imported, false).unwrap();
    assert!(rows(&other) == documents);
    // What became another body since is looked at again; the blob is the most of it.
    let at = looked.iter().position(|f| f.kind == FrameKind::Blob);
    let at = at.unwrap();
    let bytes = looked[at].body.len();
    for byte in (bytes / 2..bytes).step_by(7) {
        let mut changed = looked.clone();
        changed[at].body[byte] ^= 1;
        let error = import(&mut target(), changed).unwrap_err();
        assert!(
            ["corrupt", "unsupported_format"].contains(&error.code()),
            "{byte}: {error}"
        );
    }
}

#[test]
fn an_upload_goes_on_where_it_broke_off() {
    let (lab, id, documents) = source();
    let file = bytes_of(&lab, &id, 1_000_000);
    let mut other = target();
    let mut reader = FileReader::default();
    let mut left = file.as_slice();
    let mut done = None;
    while !left.is_empty() {
        let (piece, rest) = left.split_at(left.len().min(70_001));
        let whole = reader.push(piece).unwrap();
        left = rest;
        if whole.is_empty() {
            continue;
        }
        let import = import(&mut other, whole).unwrap();
        assert_eq!(import.offset, reader.offset());
        if import.snapshot.is_none() {
            // The connection breaks, the object sleeps: it knows where to go on.
            other.reopen();
            let at = other.engine.view().import_under_way(&other.sql).unwrap();
            assert_eq!(at, import);
            reader = FileReader::resume(at.frames, at.offset, &at.source);
            left = &file[usize::try_from(at.offset).unwrap()..];
        }
        done = import.snapshot;
    }
    other
        .restore(RestoreTarget::Snapshot(done.unwrap()), false)
        .unwrap();
    assert!(rows(&other) == documents);
    let none = other
        .engine
        .view()
        .import_under_way(&other.sql)
        .unwrap_err();
    assert_eq!(none.code(), "no_import");
}

#[test]
fn an_unfinished_import_holds_nothing_once_it_is_given_up() {
    let (lab, id, _) = source();
    let all = frames(&bytes_of(&lab, &id, 1_000_000)).unwrap();
    let mut other = target();
    import(&mut other, all[..all.len() - 1].to_vec()).unwrap();
    let listed = other.engine.view().snapshots(&other.sql, None, 10).unwrap();
    assert_eq!(listed.snapshots.len(), 3);
    let id = listed.snapshots[0].id.clone();
    let early = other.restore(RestoreTarget::Snapshot(id), false);
    assert_eq!(early.unwrap_err().code(), "snapshot_incomplete");
    // The same file from its beginning takes its place.
    import(&mut other, all[..4].to_vec()).unwrap();
    let wrong = import(&mut other, all[6..].to_vec()).unwrap_err();
    assert_eq!(wrong.code(), "import_out_of_order");
    let listed = other.engine.view().snapshots(&other.sql, None, 10).unwrap();
    let id = listed.snapshots[0].id.clone();
    other.snapshots(SnapshotCommand::Delete { id }).unwrap();
    let listed = other.engine.view().snapshots(&other.sql, None, 10).unwrap();
    assert_eq!((listed.snapshots.len(), other.state().blobs), (0, (0, 0)));
}

/// The error of a file in which `change` was made to one frame, its checksum made anew.
fn forged(all: &[Frame], change: impl Fn(&mut Vec<Frame>)) -> Error {
    let mut frames = all.to_vec();
    change(&mut frames);
    let mut other = target();
    let before = other.dump();
    let error = import(&mut other, frames).unwrap_err();
    assert_eq!(other.dump(), before, "{error}");
    error
}

#[test]
fn foreign_newer_and_forged_files_are_refused() {
    let (lab, id, _) = source();
    let all = frames(&bytes_of(&lab, &id, 1_000_000)).unwrap();
    let text = |frames: &mut Vec<Frame>, at: usize, from: &str, to: &str| {
        let body = String::from_utf8(frames[at].body.clone()).unwrap();
        assert!(body.contains(from), "{body}");
        frames[at].body = body.replacen(from, to, 1).into_bytes();
    };
    let error = forged(&all, |frames| text(frames, 0, "\"lab\"", "\"boat\""));
    assert_eq!(error.code(), "snapshot_of_another_type");
    let error = forged(&all, |frames| {
        text(frames, 1, "\"version\":1", "\"version\":2");
    });
    assert_eq!(error.code(), "snapshot_schema_newer");
    let error = forged(&all, |frames| text(frames, 1, "\"int\"", "\"float\""));
    assert_eq!(error.code(), "snapshot_schema_differs");
    let blob = all.iter().position(|f| f.kind as u8 == 4).unwrap();
    for at in [3, 60, 400] {
        let error = forged(&all, |frames| frames[blob].body[at] ^= 1);
        assert_eq!(error.code(), "corrupt", "byte {at}");
    }
    let segment = all.iter().position(|f| f.kind as u8 == 6).unwrap();
    let error = forged(&all, |frames| {
        let middle = frames[segment].body.len() / 2;
        frames[segment].body[middle] ^= 1;
    });
    assert_eq!(error.code(), "corrupt");
    let error = forged(&all, |frames| {
        frames.remove(blob);
        for (index, frame) in (0..).zip(frames) {
            frame.index = index;
        }
    });
    assert_eq!(error.code(), "corrupt", "a part is missing");
}

#[test]
fn a_unique_index_that_the_file_did_not_know_is_refused() {
    let (lab, id, _) = source();
    let all = frames(&bytes_of(&lab, &id, 1_000_000)).unwrap();
    let mut other = target();
    let mut newer = folding(notes(), 4);
    newer["notes"]["indexes"] = json!([{"fields": ["n"], "unique": true}]);
    other.schema = schema(Some(&other.schema), newer).unwrap();
    let error = import(&mut other, all).unwrap_err();
    assert_eq!(error.code(), "snapshot_schema_differs");
    assert!(error.message().contains("over n"), "{error}");
}

/// Frames of a file of one note whose record `change` wrote anew, as no object writes it.
fn with_hostile_key(key: &str) -> Vec<Frame> {
    let mut lab = Lab::with_policy(notes(), small_steps());
    lab.take(SnapshotKind::Full).unwrap();
    lab.write(vec![insert("notes", json!({"id": "good", "n": 1}))])
        .unwrap();
    let taken = lab.take(SnapshotKind::Incremental).unwrap();
    let mut all = frames(&bytes_of(&lab, &taken.id, 1_000_000)).unwrap();
    let at = all.iter().position(|f| f.kind as u8 == 6).unwrap();
    let mut writer = RecordWriter::new(&RecordHeader {
        first_sequence: Sequence(1),
        schema_version: 1,
        ..RecordHeader::default()
    });
    let after = Row::default();
    writer.push((1, "notes"), key, ChangeRef::Insert { after: &after });
    let (record, _) = writer.finish().unwrap();
    let slices = Arc::new(BinaryArray::from_iter_values([record])) as ArrayRef;
    let piece = VortexEncoder::new(EncodeOptions::default())
        .encode(&[ColumnSpec::plain(0, "bytes")], &[slices])
        .unwrap();
    let mut body = Vec::new();
    put_varint(&mut body, 256);
    body.extend(piece);
    (all[at].kind, all[at].body) = (FrameKind::Records, body);
    all
}

#[test]
fn hostile_keys_of_a_file_come_into_no_object() {
    let long = "x".repeat(10_000);
    for (key, is_good) in [("fine", true), ("", false), ("a\0b", false), (&long, false)] {
        let mut other = Lab::with_policy(notes(), small_steps());
        let done = import(&mut other, with_hostile_key(key)).unwrap();
        let before = stored(&other, "notes");
        let target = RestoreTarget::Snapshot(done.snapshot.unwrap());
        let said = other.restore(target, false).map(|done| done.status);
        match is_good {
            true => assert_eq!(said.unwrap(), RestoreStatus::Complete),
            false => {
                assert_eq!(said.unwrap_err().code(), "corrupt", "{key:?}");
                assert_eq!(stored(&other, "notes"), before);
                other
                    .write(vec![insert("notes", json!({"id": "after"}))])
                    .unwrap();
            }
        }
    }
}
