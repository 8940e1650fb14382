//! The endpoint on a loopback port, read by the S3 client of `object_store`.

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutOptions, RetryConfig,
};
use tempfile::TempDir;
use tidelog_lake::{BlobStore, PutMode};
use tokio::net::TcpListener;

use super::*;
use crate::S3Settings;

const BIG_BYTES: usize = 9_000_001;

struct Endpoint {
    url: String,
    _folder: TempDir,
}

fn big() -> Bytes {
    (0..BIG_BYTES)
        .map(|at| (at % 251).to_le_bytes()[0])
        .collect()
}

async fn endpoint_by(router: impl FnOnce(S3Service) -> Router) -> Endpoint {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Blobs::folder(folder.path()).unwrap();
    for key in ["t/a b%=é", "t/data/1", "t/data/2", "t/meta/3", "u"] {
        let body = Bytes::copy_from_slice(key.as_bytes());
        blobs.put(key, body, PutMode::Absent).await.unwrap();
    }
    blobs.put("big", big(), PutMode::Absent).await.unwrap();
    let credentials = S3Credentials {
        access_key_id: "reader".to_owned(),
        secret_access_key: "secret".to_owned(),
    };
    let service = s3_service(blobs, "tidelog".to_owned(), credentials);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = router(service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Endpoint {
        url,
        _folder: folder,
    }
}

async fn endpoint() -> Endpoint {
    let router = |service: S3Service| {
        Router::new().fallback(move |request| async move { service.call(request).await })
    };
    endpoint_by(router).await
}

impl Endpoint {
    fn builder(&self) -> AmazonS3Builder {
        AmazonS3Builder::new()
            .with_endpoint(&self.url)
            .with_allow_http(true)
            .with_bucket_name("tidelog")
            .with_region("eu-central-1")
            .with_access_key_id("reader")
            .with_secret_access_key("secret")
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            })
    }

    fn client(&self) -> AmazonS3 {
        self.builder().build().unwrap()
    }

    fn blobs(&self) -> Blobs {
        Blobs::s3(S3Settings {
            endpoint: Some(self.url.clone()),
            bucket: "tidelog".to_owned(),
            region: "us-east-1".to_owned(),
            access_key_id: "reader".to_owned(),
            secret_access_key: "secret".to_owned(),
            allow_http: true,
            path_style: true,
        })
        .unwrap()
    }
}

async fn body(client: &AmazonS3, key: &str) -> Bytes {
    let found = client.get(&Path::parse(key).unwrap()).await.unwrap();
    found.bytes().await.unwrap()
}

fn path(key: &str) -> Path {
    Path::parse(key).unwrap()
}

fn is_refused(error: &Error) -> bool {
    matches!(
        error,
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
    )
}

#[tokio::test]
async fn blobs_are_read_whole_and_in_ranges() {
    let endpoint = endpoint().await;
    let client = endpoint.client();
    assert_eq!(body(&client, "u").await, "u");
    assert_eq!(body(&client, "t/a b%=é").await, "t/a b%=é");
    assert!(body(&client, "big").await == big());
    for (range, expected) in [
        (GetRange::Bounded(1..4), 1..4),
        (GetRange::Bounded(300_000..900_001), 300_000..900_001),
        (
            GetRange::Bounded(9_000_000..9_999_999),
            9_000_000..BIG_BYTES,
        ),
        (GetRange::Offset(8_999_000), 8_999_000..BIG_BYTES),
        (GetRange::Suffix(10), BIG_BYTES - 10..BIG_BYTES),
    ] {
        let options = GetOptions::new().with_range(Some(range));
        let found = client.get_opts(&path("big"), options).await.unwrap();
        assert_eq!(found.meta.size, BIG_BYTES as u64);
        assert!(found.bytes().await.unwrap() == big().slice(expected));
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    let endpoint = endpoint().await;
    let client = endpoint.client();
    for key in ["none", "t", "t/data", "u/x"] {
        let got = client.get(&path(key)).await;
        assert!(matches!(got, Err(Error::NotFound { .. })), "{key}");
        let got = client.head(&path(key)).await;
        assert!(matches!(got, Err(Error::NotFound { .. })), "{key}");
    }
    let options = GetOptions::new().with_range(Some(GetRange::Offset(10_000_000)));
    let past = client.get_opts(&path("big"), options).await.unwrap_err();
    assert!(past.to_string().contains("InvalidRange"), "{past}");
    let other = endpoint.builder().with_bucket_name("another");
    let got = other.build().unwrap().get(&path("u")).await;
    assert!(got.unwrap_err().to_string().contains("NoSuchBucket"));
}

#[tokio::test]
async fn conditions_are_kept() {
    let endpoint = endpoint().await;
    let client = endpoint.client();
    let meta = client.head(&path("u")).await.unwrap();
    assert_eq!(meta.size, 1);
    let get = async |options: GetOptions| client.get_opts(&path("u"), options).await;
    let found = get(GetOptions::new().with_if_match(meta.e_tag.clone())).await;
    assert_eq!(found.unwrap().meta.e_tag, meta.e_tag);
    let found = get(GetOptions::new().with_if_match(Some("\"other\""))).await;
    assert!(matches!(found, Err(Error::Precondition { .. })));
    let found = get(GetOptions::new().with_if_none_match(meta.e_tag.clone())).await;
    assert!(matches!(found, Err(Error::NotModified { .. })));
    let found = get(GetOptions::new().with_if_unmodified_since(Some(meta.last_modified))).await;
    assert_eq!(found.unwrap().meta.last_modified, meta.last_modified);
    let found = get(GetOptions::new().with_if_modified_since(Some(meta.last_modified))).await;
    assert!(matches!(found, Err(Error::NotModified { .. })));
}

#[tokio::test]
async fn listings_are_paged_and_rolled_up() {
    let endpoint = endpoint().await;
    let client = endpoint.client();
    let all = ["big", "t/a b%=é", "t/data/1", "t/data/2", "t/meta/3", "u"];
    let listed: Vec<_> = client.list(None).try_collect().await.unwrap();
    let keys: Vec<_> = listed.iter().map(|meta| meta.location.as_ref()).collect();
    assert_eq!(keys, all);
    let head = client.head(&path("u")).await.unwrap();
    assert_eq!((&listed[5].e_tag, listed[5].size), (&head.e_tag, 1));

    let rolled = client.list_with_delimiter(Some(&path("t"))).await.unwrap();
    assert_eq!(rolled.common_prefixes, [path("t/data"), path("t/meta")]);
    assert_eq!(rolled.objects[0].location, path("t/a b%=é"));
    assert_eq!(rolled.objects.len(), 1);

    let mut pages = Vec::new();
    let mut token = None;
    loop {
        let options = PaginatedListOptions {
            max_keys: Some(1),
            delimiter: Some("/".into()),
            page_token: token,
            ..PaginatedListOptions::default()
        };
        let page = client.list_paginated(None, options).await.unwrap();
        let blobs = page.result.objects.into_iter().map(|meta| meta.location);
        pages.extend(blobs.chain(page.result.common_prefixes));
        token = page.page_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(pages, [path("big"), path("t"), path("u")]);
}

#[tokio::test]
async fn the_port_reads_over_it_as_from_the_folder() {
    let endpoint = endpoint().await;
    let blobs = endpoint.blobs();
    assert_eq!(blobs.get("t/data/1", None).await.unwrap(), "t/data/1");
    assert_eq!(blobs.get("t/data/1", Some(2..6)).await.unwrap(), "data");
    assert!(blobs.get("u", Some(1..1)).await.unwrap().is_empty());
    for (range, code) in [(0..2, "blob_range"), (5..9, "blob_range")] {
        let error = blobs.get("u", Some(range)).await.unwrap_err();
        assert_eq!(error.code(), code);
    }
    let error = blobs.get("none", None).await.unwrap_err();
    assert_eq!(error.code(), "blob_not_found");
    let page = blobs.list("t/d", Some("t/data/1"), 5).await.unwrap();
    assert_eq!((page[0].key.as_str(), page[0].bytes), ("t/data/2", 8));
    assert_eq!(page.len(), 1);
    let two = blobs.list("", None, 2).await.unwrap();
    assert_eq!(two.len(), 2);
}

#[tokio::test]
async fn only_the_key_is_let_in() {
    let endpoint = endpoint().await;
    for builder in [
        endpoint.builder().with_secret_access_key("wrong"),
        endpoint.builder().with_access_key_id("someone"),
        endpoint.builder().with_skip_signature(true),
    ] {
        let client = builder.build().unwrap();
        let got = client.get(&path("u")).await.unwrap_err();
        assert!(is_refused(&got), "{got}");
        let listed = client.list_with_delimiter(None).await.unwrap_err();
        assert!(listed.to_string().contains("403 Forbidden"), "{listed}");
        assert!(client.head(&path("u")).await.is_err());
    }
}

#[tokio::test]
async fn every_write_is_refused() {
    let endpoint = endpoint().await;
    let client = endpoint.client();
    let written = client.put(&path("u"), "new".into()).await.unwrap_err();
    assert!(
        written.to_string().contains("MethodNotAllowed"),
        "{written}"
    );
    let create = PutOptions::from(object_store::PutMode::Create);
    let create = client.put_opts(&path("new"), "new".into(), create).await;
    assert!(create.is_err());
    assert!(client.delete(&path("u")).await.is_err());
    assert!(client.copy(&path("u"), &path("v")).await.is_err());
    assert!(client.put_multipart(&path("v")).await.is_err());
    let large = vec![0_u8; 5_000_000];
    assert!(client.put(&path("v"), large.into()).await.is_err());
    let blobs = endpoint.blobs();
    assert_eq!(blobs.get("u", None).await.unwrap(), "u");
    assert_eq!(blobs.list("", None, 9).await.unwrap().len(), 6);
}

#[tokio::test]
async fn the_routes_share_a_listener() {
    let router = |service: S3Service| {
        let other = Router::new().route("/v1/config", any(|| async { "other" }));
        other.merge(service.routes())
    };
    let endpoint = endpoint_by(router).await;
    let client = endpoint.client();
    assert_eq!(body(&client, "t/a b%=é").await, "t/a b%=é");
    let listed: Vec<_> = client.list(None).try_collect().await.unwrap();
    assert_eq!(listed.len(), 6);
}

#[test]
fn answers_can_be_spawned() {
    fn assert_send(_: impl Send) {}
    let folder = tempfile::tempdir().unwrap();
    let credentials = S3Credentials {
        access_key_id: "reader".to_owned(),
        secret_access_key: "hidden-secret".to_owned(),
    };
    assert!(!format!("{credentials:?}").contains("hidden-secret"));
    let blobs = Blobs::folder(folder.path()).unwrap();
    let service = s3_service(blobs, "tidelog".to_owned(), credentials);
    assert_send(service.call(Request::new(Body::empty())));
}
