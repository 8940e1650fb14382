//! Files as they are copied and packed beside ours; durable when they are timed.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tidelog_log::{Error, Result};

use crate::bench::figures::failed;

/// The level that the size is compared with, and how far back it looks: 2^27 bytes.
const ZSTD_LEVEL: i32 = 19;
const ZSTD_WINDOW: u32 = 27;

/// Bytes of a file.
pub(super) fn bytes_of(path: &Path) -> Result<u64> {
    let found = std::fs::metadata(path).map_err(|e| shown(path, &e))?;
    Ok(found.len())
}

/// Copies a file as the system does it fastest, durable with its name.
pub(super) fn copied(from: &Path, to: &Path) -> Result<()> {
    std::fs::copy(from, to).map_err(|e| shown(from, &e))?;
    durable(to)
}

/// What was written to a file survives, and so does its name.
pub(super) fn durable(path: &Path) -> Result<()> {
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    sync(path).map_err(|e| shown(path, &e))?;
    path.parent()
        .map_or(Ok(()), |folder| sync(folder).map_err(|e| shown(folder, &e)))
}

/// Bytes of a file after zstd at its highest ordinary level, with a long window.
pub(super) fn packed(path: &Path) -> Result<u64> {
    let mut file = File::open(path).map_err(|e| shown(path, &e))?;
    let mut packing = || -> io::Result<u64> {
        let mut encoder = zstd::Encoder::new(Counted(0), ZSTD_LEVEL)?;
        encoder.long_distance_matching(true)?;
        encoder.window_log(ZSTD_WINDOW)?;
        io::copy(&mut file, &mut encoder)?;
        Ok(encoder.finish()?.0)
    };
    packing().map_err(|e| failed(e.to_string()))
}

/// Bytes that are counted and forgotten.
struct Counted(u64);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|e| shown(path, &e))
}

/// Removes a database that is closed, with what SQLite may have left beside it.
pub(super) fn remove_database(path: &Path) -> Result<()> {
    remove(path)?;
    for beside in ["-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(beside);
        let beside = Path::new(&name);
        if beside.exists() {
            remove(beside)?;
        }
    }
    Ok(())
}

fn shown(path: &Path, error: &io::Error) -> Error {
    failed(format!("{}: {error}", path.display()))
}
