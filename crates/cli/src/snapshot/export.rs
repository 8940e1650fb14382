//! `tidelog snapshot export`: a snapshot as a file.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;
use tidelog_core::snapshot_file::FileReader;

use crate::admin::AdminArgs;
use crate::client::{Ask, Client};
use crate::configuration::Configuration;
use crate::failure::{Failure, Result};
use crate::object_name::ObjectName;
use crate::{print, progress};

pub(super) const EXAMPLES: &str = "\
Examples:
  tidelog snapshot export airport/JFK 01939f5a-… backup.tls
  tidelog snapshot export airport/JFK 01939f5a-… backup.tls --json

While it is downloaded the file is called backup.tls.part; the same command goes on where that ends.
Every checksum is checked before the file gets its name. What is in object storage is recalled first.";

/// How often a download that broke off goes on by itself.
const RETRIES: usize = 5;

/// Flags of `snapshot export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The object
    #[arg(value_name = "TYPE/ID")]
    object: ObjectName,
    /// The snapshot
    #[arg(value_name = "ID")]
    snapshot: String,
    /// Where to write; must not be there yet
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(super) fn run(args: &ExportArgs, configuration: &Configuration) -> Result<()> {
    if args.file.exists() {
        return Err(Failure::usage(format!(
            "{} is there already",
            args.file.display()
        )));
    }
    let mut part = args.file.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let path = args.object.path(&["snapshots", &args.snapshot, "file"]);
    args.admin.target.with(configuration, |target| {
        super::cold::at_hand(target, &args.admin, &args.object, &args.snapshot)?;
        let mut left = RETRIES;
        loop {
            match download(&target.admin, args, &path, &part) {
                Err(failure) if failure.may_pass() && left > 0 => left -= 1,
                done => break done?,
            }
        }
        check(&part)?;
        std::fs::rename(&part, &args.file).map_err(|e| failed(&args.file, &e))?;
        let bytes = std::fs::metadata(&args.file).map_or(0, |file| file.len());
        match args.admin.json {
            true => print::line(json!({"file": args.file, "bytes": bytes})),
            false => print::line(format_args!(
                "{}: {}",
                args.file.display(),
                print::bytes(bytes)
            )),
        }
    })
}

fn failed(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{}: {error}", path.display()))
}

/// Downloads what is missing in `part`.
fn download(client: &Client, args: &ExportArgs, path: &str, part: &Path) -> Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(part)
        .map_err(|e| failed(part, &e))?;
    let have = file
        .seek(std::io::SeekFrom::End(0))
        .map_err(|e| failed(part, &e))?;
    let ask = args.admin.asks(Ask::get(path));
    // The last byte is asked for again, so that a file that is whole is no range beyond it.
    let from = have.saturating_sub(1);
    let answer = client.send(&ask.header("range", format!("bytes={from}-")))?;
    let total: Option<u64> = answer.header("tidelog-file-bytes").parse().ok();
    file.set_len(from).map_err(|e| failed(part, &e))?;
    let bar = progress::bytes(total, "export");
    let mut reader = answer.reader();
    let mut at = from;
    loop {
        let piece = reader.fill_buf();
        let piece = piece.map_err(|e| Failure::unreachable(format!("the file broke off: {e}")))?;
        if piece.is_empty() {
            break;
        }
        file.write_all(piece).map_err(|e| failed(part, &e))?;
        at += piece.len() as u64;
        bar.set_position(at);
        let read = piece.len();
        reader.consume(read);
    }
    bar.finish_and_clear();
    file.sync_all().map_err(|e| failed(part, &e))?;
    match total {
        Some(total) if total != at => {
            let message = format!("the file broke off after {at} of {total} bytes");
            Err(Failure::unreachable(message))
        }
        _ => Ok(()),
    }
}

/// Checks every checksum.
fn check(part: &Path) -> Result<()> {
    let mut file = File::open(part).map_err(|e| failed(part, &e))?;
    let (mut reader, mut piece) = (FileReader::default(), vec![0; 1_000_000]);
    let wrong = |e: tidelog_log::Error| {
        Failure::failed(format!(
            "{}: {e}; delete it and export again",
            part.display()
        ))
    };
    loop {
        let read = file.read(&mut piece).map_err(|e| failed(part, &e))?;
        if read == 0 {
            return reader.finish().map_err(wrong);
        }
        reader.push(&piece[..read]).map_err(wrong)?;
    }
}
