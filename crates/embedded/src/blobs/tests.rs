//! One suite, run over every store of blobs.

use tidelog_lake::MemoryBlobs;

use super::*;

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn outcome<T: fmt::Debug>(result: Result<T>) -> (Kind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.code().to_owned())
}

async fn put(blobs: &impl BlobStore, key: &str, body: &str) {
    let put = blobs.put(key, bytes(body), PutMode::Absent);
    put.await.unwrap();
}

async fn keys(
    blobs: &impl BlobStore,
    prefix: &str,
    after: Option<&str>,
    limit: usize,
) -> Vec<String> {
    let listed = blobs.list(prefix, after, limit).await.unwrap();
    listed.into_iter().map(|blob| blob.key).collect()
}

async fn what_was_put_is_read_back(blobs: &impl BlobStore) {
    for key in ["one", "deep/er/two", "a b%20é=1.txt", "name#tag"] {
        put(blobs, key, key).await;
        assert_eq!(blobs.get(key, None).await.unwrap(), bytes(key));
    }
    put(blobs, "empty", "").await;
    assert_eq!(blobs.get("empty", None).await.unwrap(), Bytes::new());
}

async fn what_is_not_there_is_not_found(blobs: &impl BlobStore) {
    put(blobs, "dir/file", "x").await;
    for key in ["nothing", "dir", "dir/other", "dir/file/under"] {
        assert_eq!(
            outcome(blobs.get(key, None).await),
            (Kind::NotFound, "blob_not_found".to_owned())
        );
        assert_eq!(
            outcome(blobs.get(key, Some(0..1)).await),
            (Kind::NotFound, "blob_not_found".to_owned())
        );
    }
}

async fn a_taken_key_is_refused_or_replaced(blobs: &impl BlobStore) {
    put(blobs, "a/taken", "first").await;
    let second = blobs.put("a/taken", bytes("second"), PutMode::Absent);
    assert_eq!(
        outcome(second.await),
        (Kind::Conflict, "blob_exists".to_owned())
    );
    assert_eq!(blobs.get("a/taken", None).await.unwrap(), bytes("first"));
    let second = blobs.put("a/taken", bytes("second"), PutMode::Overwrite);
    second.await.unwrap();
    assert_eq!(blobs.get("a/taken", None).await.unwrap(), bytes("second"));
}

async fn ranges_are_exact(blobs: &impl BlobStore) {
    put(blobs, "digits", "0123456789").await;
    for (range, body) in [(0..10, "0123456789"), (3..5, "34"), (9..10, "9")] {
        assert_eq!(blobs.get("digits", Some(range)).await.unwrap(), bytes(body));
    }
    for at in [0, 4, 10] {
        assert!(blobs.get("digits", Some(at..at)).await.unwrap().is_empty());
    }
    for (start, end) in [(0, 11), (9, 11), (10, 11), (11, 11), (50, 60), (5, 4)] {
        let got = blobs.get("digits", Some(start..end)).await;
        assert_eq!(
            outcome(got),
            (Kind::Invalid, "blob_range".to_owned()),
            "{start}..{end}"
        );
    }
}

async fn listings_are_sorted_and_paged(blobs: &impl BlobStore) {
    let all = [
        "t/a!", "t/a/1", "t/a/2", "t/a/b/3", "t/a0", "t/ab", "t/b/1", "u",
    ];
    for key in all.iter().rev() {
        put(blobs, key, key).await;
    }
    assert_eq!(keys(blobs, "", None, 100).await, all);
    assert_eq!(keys(blobs, "t/", None, 100).await, all[..7]);
    assert_eq!(keys(blobs, "t/a", None, 100).await, all[..6]);
    assert_eq!(keys(blobs, "t/a/", None, 100).await, all[1..4]);
    assert_eq!(keys(blobs, "t/a/", Some("t/a/1"), 1).await, all[2..3]);
    assert_eq!(keys(blobs, "t/", Some("t/a/b/3"), 2).await, all[4..6]);
    assert_eq!(keys(blobs, "t/", Some("t/a/"), 2).await, all[1..3]);
    assert_eq!(keys(blobs, "t/b", Some("a"), 9).await, all[6..7]);
    assert_eq!(keys(blobs, "t/", Some("t/zz"), 9).await, [""; 0]);
    for nothing in ["v", "t/c/", "u/", "t/a/1/"] {
        assert_eq!(keys(blobs, nothing, None, 9).await, [""; 0]);
    }
    assert_eq!(keys(blobs, "", None, 0).await, [""; 0]);
    let sizes = blobs.list("u", None, 1).await.unwrap();
    assert_eq!(sizes[0].bytes, 1);
}

async fn pages_of_every_size_join_to_the_whole(blobs: &impl BlobStore) {
    for at in 0..23 {
        put(blobs, &format!("p/{}/{at}", at % 4), "x").await;
    }
    let whole = keys(blobs, "p/", None, 100).await;
    assert_eq!(whole.len(), 23);
    for size in 1..8 {
        let mut joined: Vec<String> = Vec::new();
        loop {
            let page = keys(blobs, "p/", joined.last().map(String::as_str), size).await;
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= size);
            joined.extend(page);
        }
        assert_eq!(joined, whole);
    }
}

async fn deleting_ignores_what_is_missing(blobs: &impl BlobStore) {
    put(blobs, "d/1", "x").await;
    put(blobs, "d/2", "x").await;
    let gone = ["d/1", "d/none", "none/none", "d/2/under", "d"].map(str::to_owned);
    blobs.delete(&gone).await.unwrap();
    blobs.delete(&gone).await.unwrap();
    blobs.delete(&[]).await.unwrap();
    assert_eq!(keys(blobs, "", None, 9).await, ["d/2"]);
}

macro_rules! suite {
    ($($case:ident),*) => {
        mod in_memory {
            $(#[tokio::test] async fn $case() { super::$case(&super::MemoryBlobs::new()).await; })*
        }
        mod in_a_folder {
            $(#[tokio::test] async fn $case() {
                let folder = tempfile::tempdir().unwrap();
                super::$case(&super::Blobs::folder(folder.path().join("new/blobs")).unwrap()).await;
            })*
        }
    };
}

suite!(
    what_was_put_is_read_back,
    what_is_not_there_is_not_found,
    a_taken_key_is_refused_or_replaced,
    ranges_are_exact,
    listings_are_sorted_and_paged,
    pages_of_every_size_join_to_the_whole,
    deleting_ignores_what_is_missing
);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_racing_puts_wins() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    for round in 0..20 {
        let key = format!("r{round}/one");
        let racers: Vec<_> = (0..8)
            .map(|racer| {
                let (blobs, key) = (blobs.clone(), key.clone());
                tokio::spawn(async move {
                    let put = blobs.put(&key, bytes(&format!("{racer}")), PutMode::Absent);
                    put.await.map(|()| racer)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for racer in racers {
            match racer.await.unwrap() {
                Ok(racer) => winners.push(racer),
                Err(error) => assert_eq!(error.code(), "blob_exists"),
            }
        }
        assert_eq!(winners.len(), 1);
        let body = blobs.get(&key, None).await.unwrap();
        assert_eq!(body, bytes(&winners[0].to_string()));
    }
}

#[tokio::test]
async fn unfinished_files_and_empty_directories_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    std::fs::create_dir_all(folder.path().join("empty/inner")).unwrap();
    std::fs::write(folder.path().join("half#12"), "x").unwrap();
    put(&blobs, "whole", "x").await;
    assert_eq!(keys(&blobs, "", None, 9).await, ["whole"]);
    assert_eq!(rolled_up(&blobs, "", None, 9).await, ["whole"]);
}

#[tokio::test]
async fn a_folder_refuses_a_blob_under_another() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    put(&blobs, "a/b", "x").await;
    for mode in [PutMode::Absent, PutMode::Overwrite] {
        for key in ["a/b/c", "a/b/c/d"] {
            let under = blobs.put(key, bytes("y"), mode).await;
            assert_eq!(
                outcome(under),
                (Kind::Invalid, "blob_key".to_owned()),
                "{key}"
            );
        }
    }
    let over = blobs.put("a", bytes("y"), PutMode::Overwrite).await;
    assert_eq!(outcome(over), (Kind::Invalid, "blob_key".to_owned()));
    assert_eq!(keys(&blobs, "", None, 9).await, ["a/b"]);
}

#[tokio::test]
async fn nothing_outside_the_folder_is_reachable() {
    let outer = tempfile::tempdir().unwrap();
    std::fs::write(outer.path().join("secret"), "x").unwrap();
    let blobs = Blobs::folder(outer.path().join("in/ner")).unwrap();
    for key in ["../../secret", "/etc/hostname"] {
        assert_eq!(outcome(blobs.get(key, None).await).1, "blob_key");
    }
    for prefix in ["../", "../../", "/", "//", "./", "..", "/etc/"] {
        assert_eq!(keys(&blobs, prefix, None, 9).await, [""; 0], "{prefix}");
    }
}

async fn rolled_up(blobs: &Blobs, prefix: &str, after: Option<&str>, limit: usize) -> Vec<String> {
    let ask = PageAsk {
        prefix: prefix.to_owned(),
        after: after.map(str::to_owned),
        rolled_up: true,
        limit,
    };
    let page = blobs.page(ask).await.unwrap();
    page.iter().map(|entry| entry.key().to_owned()).collect()
}

#[tokio::test]
async fn folders_are_rolled_up_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    for key in ["t/a!", "t/a/1", "t/a/b/2", "t/a0", "t/b/c/d"] {
        put(&blobs, key, "x").await;
    }
    let all = ["t/a!", "t/a/", "t/a0", "t/b/"];
    assert_eq!(rolled_up(&blobs, "t/", None, 9).await, all);
    assert_eq!(rolled_up(&blobs, "t/", None, 2).await, all[..2]);
    let after = end_of("t/a/");
    assert_eq!(rolled_up(&blobs, "t/", Some(&after), 9).await, all[2..]);
    assert_eq!(rolled_up(&blobs, "t/", Some("t/a/1"), 9).await, all[1..]);
    assert_eq!(rolled_up(&blobs, "t", None, 9).await, ["t/"]);
    assert_eq!(rolled_up(&blobs, "t/a", None, 9).await, all[..3]);
}

#[test]
fn futures_can_be_spawned() {
    fn assert_send(_: impl Send) {}
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    assert_send(blobs.get("a", None));
    assert_send(blobs.put("a", Bytes::new(), PutMode::Absent));
    assert_send(blobs.list("a", None, 1));
    assert_send(blobs.delete(&[]));
}

#[test]
fn secrets_are_not_printed() {
    let settings = S3Settings {
        endpoint: None,
        bucket: "bucket".to_owned(),
        region: "us-east-1".to_owned(),
        access_key_id: "id".to_owned(),
        secret_access_key: "hidden-secret".to_owned(),
        allow_http: false,
        path_style: true,
    };
    assert!(!format!("{settings:?}").contains("hidden-secret"));
    let blobs = Blobs::s3(settings).unwrap();
    assert!(!format!("{blobs:?}").contains("hidden-secret"));
}
