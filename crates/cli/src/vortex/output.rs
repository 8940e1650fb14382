//! A file that is there whole or not at all.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tidelog_embedded::entropy;

use crate::failure::{Failure, Result};

/// Where a command writes to.
#[derive(Debug)]
pub(super) struct Output<'a> {
    path: &'a Path,
    is_replacing: bool,
}

impl<'a> Output<'a> {
    /// Checks before any work that nothing is in the way.
    ///
    /// # Errors
    /// `file_exists` when there is a file and it is not to be replaced.
    pub(super) fn new(path: &'a Path, is_replacing: bool) -> Result<Self> {
        match path.exists() && !is_replacing {
            true => Err(exists(path)),
            false => Ok(Self { path, is_replacing }),
        }
    }

    /// Writes through a file beside it, which takes its place once it is on the disk; answers its bytes.
    pub(super) fn write(
        &self,
        content: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<u64> {
        let beside = self.beside();
        let written = self.write_beside(&beside, content);
        let placed = written.and_then(|bytes| {
            self.place(&beside)?;
            Ok(bytes)
        });
        if placed.is_err() {
            drop(std::fs::remove_file(&beside));
        }
        placed
    }

    fn write_beside(
        &self,
        beside: &Path,
        content: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
    ) -> Result<u64> {
        let file = OpenOptions::new().write(true).create_new(true).open(beside);
        let file = file.map_err(|e| self.failed(&e))?;
        let mut writer = BufWriter::with_capacity(1 << 16, file);
        content(&mut writer)?;
        writer.flush().map_err(|e| self.failed(&e))?;
        let file = writer.get_ref();
        file.sync_all().map_err(|e| self.failed(&e))?;
        Ok(file.metadata().map_err(|e| self.failed(&e))?.len())
    }

    fn place(&self, beside: &Path) -> Result<()> {
        if !self.is_replacing {
            // A link, unlike a rename, does not replace what came there meanwhile.
            match std::fs::hard_link(beside, self.path) {
                Ok(()) => {
                    drop(std::fs::remove_file(beside));
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    return Err(exists(self.path));
                }
                // A file system without links.
                Err(_) => {}
            }
        }
        std::fs::rename(beside, self.path).map_err(|e| self.failed(&e))
    }

    fn beside(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let id = u64::from_le_bytes(std::array::from_fn(|at| entropy()[at]));
        self.path.with_file_name(format!(".{name}.{id:016x}.part"))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::failed(format!("file_unwritable: {}: {error}", self.path.display()))
    }
}

fn exists(path: &Path) -> Failure {
    let message = format!(
        "file_exists: {} is there; --force replaces it",
        path.display()
    );
    Failure::usage(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;
    use std::ffi::OsString;

    fn folder(name: &str) -> PathBuf {
        let id = u64::from_le_bytes(std::array::from_fn(|at| entropy()[at]));
        let folder = std::env::temp_dir().join(format!("tidelog-output-{name}-{id:016x}"));
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn names(folder: &Path) -> Vec<OsString> {
        let all = std::fs::read_dir(folder).unwrap();
        all.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_is_not_replaced_unless_asked() {
        let folder = folder("replace");
        let path = folder.join("a");
        let put = |text: &'static str| {
            move |out: &mut BufWriter<File>| Ok(out.write_all(text.as_bytes())?)
        };
        assert_eq!(
            Output::new(&path, false)
                .unwrap()
                .write(put("one"))
                .unwrap(),
            3
        );
        let failure = Output::new(&path, false).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.message.starts_with("file_exists"), "{failure}");

        Output::new(&path, true).unwrap().write(put("two")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_file_that_came_meanwhile_stays() {
        let folder = folder("race");
        let path = folder.join("a");
        let output = Output::new(&path, false).unwrap();
        let failure = output.write(|_| Ok(std::fs::write(folder.join("a"), "theirs")?));
        assert!(failure.unwrap_err().message.starts_with("file_exists"));
        assert_eq!(std::fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names(&folder), ["a"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let folder = folder("failure");
        let path = folder.join("a");
        let output = Output::new(&path, false).unwrap();
        assert!(output.write(|_| Err(Failure::failed("no"))).is_err());
        assert!(names(&folder).is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
