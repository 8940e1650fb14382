//! `tidelog snapshot import`: a snapshot's file into an object.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value as Json;
use tidelog_core::snapshot_file::{FileReader, FrameKind, Head};
use ureq::http::Method;

use crate::admin::AdminArgs;
use crate::client::Ask;
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;
use crate::{print, progress};

pub(super) const EXAMPLES: &str = "\
Examples:
  tidelog snapshot import airport/copy backup.tls
  tidelog restore airport/copy --snapshot ID

The object may be new; its type must be registered. The file becomes snapshots of the object and changes
none of its documents: `tidelog restore` does. The same command goes on with an upload that broke off.";

/// Bytes sent at once: more than any one frame, less than the body a Worker takes.
const PIECE_BYTES: u64 = 8_000_000;

/// Flags of `snapshot import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The snapshot's file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &ImportArgs, configuration: &Configuration) -> Result<()> {
    let source = source(&args.file)?;
    let mut file = File::open(&args.file).map_err(|e| failed(&args.file, &e))?;
    let total = file.metadata().map_or(0, |found| found.len());
    let path = args.object.path(&["snapshots", "import"]);
    args.admin.target.with(configuration, |target| {
        let under_way: Result<Json> = target.admin.json(&args.admin.asks(Ask::get(&path)));
        let mut offset = match under_way {
            Ok(at) if at["source"] == source.as_str() => at["offset"].as_u64().unwrap_or(0),
            Ok(_) => 0,
            Err(failure) if ["no_import", "unknown_object"].contains(&failure.code()) => 0,
            Err(failure) => return Err(failure),
        };
        let bar = progress::bytes(Some(total), "import");
        loop {
            bar.set_position(offset);
            file.seek(SeekFrom::Start(offset))
                .map_err(|e| failed(&args.file, &e))?;
            let mut piece = Vec::new();
            let taken = std::io::Read::by_ref(&mut file)
                .take(PIECE_BYTES)
                .read_to_end(&mut piece);
            taken.map_err(|e| failed(&args.file, &e))?;
            let is_last = offset + piece.len() as u64 >= total;
            let more = if is_last { "" } else { "&partial=true" };
            let ask = Ask::new(
                Method::POST,
                format!("{path}?offset={offset}{more}"),
                "application/vnd.tidelog.snapshot",
                piece,
            );
            let at: Json = target.admin.json(&args.admin.asks(ask))?;
            if let Some(snapshot) = at["snapshot"].as_str() {
                bar.finish_and_clear();
                return match args.admin.json {
                    true => print::line(&at),
                    false => print::line(format_args!("imported as snapshot {snapshot}")),
                };
            }
            let next = at["offset"].as_u64().unwrap_or(0);
            if next <= offset {
                return Err(Failure::failed("the server does not take more of the file"));
            }
            offset = next;
        }
    })
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// What the file's head calls its snapshot.
fn source(path: &Path) -> Result<String> {
    let mut first = Vec::new();
    let file = File::open(path).map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    let read = file.take(64_000).read_to_end(&mut first);
    read.map_err(|e| failed(path, &e))?;
    let frames = FileReader::default().push(&first);
    let frames = frames.map_err(|e| Failure::usage(format!("{}: {e}", path.display())))?;
    let head = frames.iter().find(|frame| frame.kind == FrameKind::Head);
    let head = head.and_then(|head| serde_json::from_slice::<Head>(&head.body).ok());
    let head = head.map(|head| head.snapshot);
    head.ok_or_else(|| Failure::usage(format!("{} is no snapshot's file", path.display())))
}
