//! Keys as paths, and the store's errors as ours.

use std::error::Error as StdError;
use std::io;

use object_store::path::Path;
use tidelog_log::{Error, Result};

/// Reads a key as the path it names.
///
/// A key that some store would rename or hide is refused by all: `object_store` trims slashes,
/// and a folder keeps unfinished files as `name#1`.
pub(crate) fn blob_path(key: &str) -> Result<Path> {
    let refused = || Error::invalid("blob_key", format!("{key:?} cannot name a blob"));
    let path = Path::parse(key).map_err(|_| refused())?;
    if key.is_empty() || path.as_ref() != key || is_unfinished(key) {
        return Err(refused());
    }
    Ok(path)
}

/// Whether a key is one that `object_store` gives to a file before it is complete.
pub(super) fn is_unfinished(key: &str) -> bool {
    let name = key.rsplit('/').next().unwrap_or(key);
    let number = name.split_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Maps a store's error to what the caller does next.
pub(super) fn blob_error(error: object_store::Error) -> Error {
    use object_store::Error as Store;
    match &error {
        Store::NotFound { path, .. } => {
            Error::not_found("blob_not_found", format!("no blob {path:?}"))
        }
        Store::AlreadyExists { path, .. } | Store::Precondition { path, .. } => {
            Error::conflict("blob_exists", format!("there is a blob {path:?} already"))
        }
        _ if is_no_blob(&error) => Error::not_found("blob_not_found", error.to_string()),
        _ => unavailable(&error),
    }
}

/// Whether a folder failed because the key has a blob above it, or blobs below.
pub(crate) fn is_no_blob(error: &(dyn StdError + 'static)) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory};
    matches!(io_kind(error), Some(IsADirectory | NotADirectory))
}

/// Maps an error of a put: in a folder, no blob can be under another.
pub(super) fn put_error(error: object_store::Error) -> Error {
    match is_no_blob(&error) {
        true => Error::invalid("blob_key", error.to_string()),
        false => blob_error(error),
    }
}

/// Maps an error of making the directory for a put.
pub(super) fn settle_error(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
            Error::invalid("blob_key", error.to_string())
        }
        _ => file_error(error),
    }
}

/// Maps an error of the file system.
pub(super) fn file_error(error: io::Error) -> Error {
    unavailable(&error)
}

fn unavailable(error: &(dyn StdError + 'static)) -> Error {
    match io_kind(error) {
        Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => {
            Error::unavailable("storage_full", error.to_string())
        }
        Some(io::ErrorKind::InvalidFilename) => Error::invalid("blob_key", error.to_string()),
        _ => Error::unavailable("blob_store", error.to_string()),
    }
}

/// The kind of the first operating-system error in the chain of causes.
fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidelog_log::Kind;

    #[test]
    fn a_full_disk_is_storage_full_however_deep_it_is_reported() {
        let io = io::Error::from(io::ErrorKind::StorageFull);
        let error = blob_error(object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(object_store::Error::NotSupported {
                source: Box::new(io),
            }),
        });
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unavailable, "storage_full")
        );
        let error = file_error(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(error.code(), "storage_full");
        let error = file_error(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(
            (error.kind(), error.code()),
            (Kind::Unavailable, "blob_store")
        );
    }

    #[test]
    fn keys_that_could_leave_the_folder_or_change_are_refused() {
        for key in [
            "", "/a", "a/", "a//b", "../a", "a/../b", "./a", "a/.", "/", "a#1",
        ] {
            let error = blob_path(key).unwrap_err();
            assert_eq!(
                (error.kind(), error.code()),
                (Kind::Invalid, "blob_key"),
                "{key}"
            );
        }
        for key in ["a", "a/b.c", "a b%20é=1.txt", "a#b"] {
            assert_eq!(blob_path(key).unwrap().as_ref(), key);
        }
    }
}
