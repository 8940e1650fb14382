//! A snapshot's file, verified without a server.

use std::path::Path;

use serde_json::json;
use tidelog_embedded::{FileReport, verify_snapshot_file};

use crate::failure::{Failure, Result};
use crate::{print, progress};

pub(super) fn verify(path: &Path, as_json: bool) -> Result<()> {
    let bytes = std::fs::metadata(path).map(|file| file.len()).ok();
    let bar = progress::bytes(bytes, "verify");
    let scratch = std::env::temp_dir().join(format!("tidelog-verify-{}", std::process::id()));
    let made = std::fs::create_dir_all(&scratch);
    made.map_err(|e| Failure::failed(format!("{}: {e}", scratch.display())))?;
    let done = verify_snapshot_file(path, &scratch, |read| bar.set_position(read));
    bar.finish_and_clear();
    // What it leaves is of no use; a folder that stays is no reason to fail.
    drop(std::fs::remove_dir_all(&scratch));
    let report = done.map_err(|e| Failure::failed(format!("{}: {e}", path.display())))?;
    match as_json {
        true => print::line(shown(&report)),
        false => print::line(words(path, &report)),
    }
}

fn shown(report: &FileReport) -> serde_json::Value {
    json!({
        "type": report.head.type_name, "id": report.head.id, "snapshot": report.head.snapshot,
        "bytes": report.bytes, "frames": report.frames, "links": report.links.len(),
        "documents": report.links.last().map(|last| &last.documents),
        "restored": report.restore.differences,
    })
}

fn words(path: &Path, report: &FileReport) -> String {
    let head = &report.head;
    let restored: u64 = report.restore.differences.values().map(|d| d.added).sum();
    let last = report.links.last();
    let sequence = last.map_or(0, |last| last.sequence.0);
    format!(
        "{}: whole; {}/{} at {sequence}, {} of {} bytes in {} frames, {restored} documents came back",
        path.display(),
        head.type_name,
        head.id,
        match report.links.len() {
            1 => "one snapshot".to_owned(),
            links => format!("{links} snapshots"),
        },
        report.bytes,
        report.frames,
    )
}
