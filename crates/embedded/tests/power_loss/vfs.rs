//! A SQLite VFS whose files are in memory and whose every step is recorded. One connection at a time.
//!
//! It behaves as SQLite's unix VFS does where durability is concerned: the same device characteristics
//! and sector size, and the first sync of a WAL or journal syncs the folder.

#![expect(
    unsafe_code,
    reason = "SQLite calls a VFS through C function pointers and hands it raw memory"
)]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::{Connection, OpenFlags, ffi};

use crate::recording::{Operation, Recording};

/// The recording of one run.
pub(crate) type Shared = Arc<Mutex<Recording>>;

/// Opens `object.db` of a recording. The VFS stays registered until the process ends.
pub(crate) fn connect(recording: &Shared) -> Connection {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("recording-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let vfs = ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: c_int::try_from(size_of::<File>()).unwrap(),
        mxPathname: 512,
        pNext: ptr::null_mut(),
        zName: CString::new(name.as_str()).unwrap().into_raw(),
        pAppData: Arc::into_raw(Arc::clone(recording)).cast_mut().cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: None,
        xGetLastError: None,
        xCurrentTimeInt64: Some(current_time),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    };
    // SAFETY: the structure and what it points to are leaked, so they outlive every connection.
    let registered = unsafe { ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 0) };
    assert_eq!(registered, ffi::SQLITE_OK);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags_and_vfs("object.db", flags, name.as_str()).unwrap()
}

/// What SQLite allocates per open file; `base` comes first, as the C structure demands.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    open: *mut Open,
}

struct Open {
    recording: Shared,
    inode: usize,
    /// Temporary files are not part of the recording.
    recorded: bool,
    folder_unsynced: bool,
    /// The WAL index, in regions.
    regions: Vec<Vec<u64>>,
}

impl Open {
    fn with<T>(&self, step: impl FnOnce(&mut Recording) -> T) -> T {
        step(&mut self.recording.lock().unwrap())
    }

    fn record(&self, operation: Operation) {
        self.with(|recording| {
            recording.record(operation);
            if !self.recorded {
                recording.operations.pop();
            }
        });
    }
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(lock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// The recording behind a VFS.
unsafe fn recording_of(vfs: *mut ffi::sqlite3_vfs) -> Shared {
    // SAFETY: `pAppData` is the leaked `Arc` of `connect`; the count is raised before it is shared.
    unsafe {
        let shared: *const Mutex<Recording> = (*vfs).pAppData.cast_const().cast();
        Arc::increment_strong_count(shared);
        Arc::from_raw(shared)
    }
}

/// The open file behind SQLite's handle.
unsafe fn opened<'a>(file: *mut ffi::sqlite3_file) -> &'a mut Open {
    // SAFETY: `open` put a boxed `Open` there, `close` takes it away, and one connection calls at a time.
    unsafe { &mut *(*file.cast::<File>()).open }
}

unsafe fn text(name: *const c_char) -> String {
    // SAFETY: SQLite hands over a string that ends with a zero byte.
    unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned()
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite allocated `szOsFile` bytes at `file`; `name` is null or a string.
    unsafe {
        (*file).pMethods = ptr::null();
        let recording = recording_of(vfs);
        let recorded = !name.is_null();
        let found = recorded.then(|| text(name));
        let mut state = recording.lock().unwrap();
        let known = found
            .as_ref()
            .and_then(|name| state.names.get(name).copied());
        let inode = match known {
            Some(inode) => inode,
            None if recorded && flags & ffi::SQLITE_OPEN_CREATE == 0 => {
                return ffi::SQLITE_CANTOPEN;
            }
            None => {
                state.files.push(Vec::new());
                state.files.len() - 1
            }
        };
        if let (None, Some(name)) = (known, found) {
            state.record(Operation::Create { name, inode });
        }
        drop(state);
        let logs = ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL;
        let open = Open {
            recording,
            inode,
            recorded,
            folder_unsynced: known.is_none() && flags & logs != 0,
            regions: Vec::new(),
        };
        (*file.cast::<File>()).open = Box::into_raw(Box::new(open));
        (*file).pMethods = &raw const METHODS;
        if !out_flags.is_null() {
            *out_flags = flags;
        }
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: the box of `open`, taken once.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).open) });
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    into: *mut c_void,
    count: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let (count, at) = (
        usize::try_from(count).unwrap(),
        usize::try_from(at).unwrap(),
    );
    // SAFETY: SQLite's buffer holds `count` bytes.
    let (open, into) = unsafe {
        let into = std::slice::from_raw_parts_mut(into.cast::<u8>(), count);
        (opened(file), into)
    };
    let there = open.with(|recording| {
        let content = recording.files[open.inode].get(at..).unwrap_or_default();
        let there = content.len().min(count);
        into[..there].copy_from_slice(&content[..there]);
        there
    });
    into[there..].fill(0);
    if there == count {
        ffi::SQLITE_OK
    } else {
        ffi::SQLITE_IOERR_SHORT_READ
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    from: *const c_void,
    count: c_int,
    at: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap();
    // SAFETY: SQLite's buffer holds `count` bytes.
    let (open, bytes) = unsafe {
        let bytes = std::slice::from_raw_parts(from.cast::<u8>(), count);
        (opened(file), bytes.to_vec())
    };
    let (inode, at) = (open.inode, usize::try_from(at).unwrap());
    open.record(Operation::Write { inode, at, bytes });
    ffi::SQLITE_OK
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: ffi::sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { opened(file) };
    let (inode, bytes) = (open.inode, usize::try_from(size).unwrap());
    open.record(Operation::Truncate { inode, bytes });
    ffi::SQLITE_OK
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    let open = unsafe { opened(file) };
    let folder = std::mem::take(&mut open.folder_unsynced);
    let inode = open.inode;
    open.record(Operation::Sync { inode, folder });
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    size: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: an open file and a place for its size.
    unsafe {
        let open = opened(file);
        let bytes = open.with(|recording| recording.files[open.inode].len());
        *size = i64::try_from(bytes).unwrap();
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn lock(_file: *mut ffi::sqlite3_file, _level: c_int) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn check_reserved_lock(_file: *mut ffi::sqlite3_file, held: *mut c_int) -> c_int {
    // SAFETY: a place for the answer.
    unsafe { *held = 0 };
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _what: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    4096
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let (region, words) = (
        usize::try_from(region).unwrap(),
        usize::try_from(size).unwrap() / 8,
    );
    // SAFETY: an open file and a place for the address; regions are never moved while mapped.
    unsafe {
        let open = opened(file);
        while extend != 0 && open.regions.len() <= region {
            open.regions.push(vec![0; words]);
        }
        let found = open.regions.get_mut(region);
        *out = found.map_or(ptr::null_mut(), |words| words.as_mut_ptr().cast());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_lock(
    _file: *mut ffi::sqlite3_file,
    _offset: c_int,
    _count: c_int,
    _flags: c_int,
) -> c_int {
    ffi::SQLITE_OK
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file.
    unsafe { opened(file) }.regions.clear();
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_folder: c_int,
) -> c_int {
    // SAFETY: the VFS of `connect` and a string.
    let (recording, name) = unsafe { (recording_of(vfs), text(name)) };
    let mut recording = recording.lock().unwrap();
    if !recording.names.contains_key(&name) {
        return ffi::SQLITE_IOERR_DELETE_NOENT;
    }
    recording.record(Operation::Delete { name });
    if sync_folder != 0 {
        recording.record(Operation::SyncFolder);
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    found: *mut c_int,
) -> c_int {
    // SAFETY: the VFS of `connect`, a string and a place for the answer.
    unsafe {
        let (recording, name) = (recording_of(vfs), text(name));
        *found = c_int::from(recording.lock().unwrap().names.contains_key(&name));
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn full_pathname(
    _vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: a string, and `room` bytes at `out`.
    unsafe {
        let bytes = CStr::from_ptr(name).to_bytes_with_nul();
        if bytes.len() > usize::try_from(room).unwrap() {
            return ffi::SQLITE_CANTOPEN;
        }
        ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len());
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(
    _vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: `count` bytes at `out`.
    unsafe { ptr::write_bytes(out, 7, usize::try_from(count).unwrap()) };
    count
}

unsafe extern "C" fn sleep(_vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    microseconds
}

unsafe extern "C" fn current_time(
    _vfs: *mut ffi::sqlite3_vfs,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: a place for the answer: milliseconds of the Julian day number, here of 2026.
    unsafe { *out = 212_634_000_000_000 };
    ffi::SQLITE_OK
}
