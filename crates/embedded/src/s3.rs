//! A read-only S3 endpoint over the blobs, for engines that read the tables.

use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Method, Request, Response, StatusCode};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s::{S3Error, S3ErrorCode};

use crate::Blobs;

mod listing;

mod reading;
use reading::Reading;

#[cfg(test)]
mod tests;

/// The one key the endpoint accepts.
#[derive(Clone)]
pub struct S3Credentials {
    /// The key's id.
    pub access_key_id: String,
    /// The key's secret.
    pub secret_access_key: String,
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Makes the read-only S3 endpoint that shows `blobs` as the one bucket `bucket`.
///
/// The bucket's name must be one S3 allows: 3 to 63 lower-case letters, digits, `-` and `.`.
pub fn s3_service(blobs: Blobs, bucket: String, credentials: S3Credentials) -> S3Service {
    let reading = Reading::new(blobs, bucket.clone());
    let mut builder = S3ServiceBuilder::new(reading);
    builder.set_auth(SimpleAuth::from_single(
        credentials.access_key_id,
        credentials.secret_access_key,
    ));
    S3Service {
        bucket,
        inner: builder.build(),
    }
}

/// A read-only S3 endpoint; clones share it.
///
/// It answers path-style requests signed with its key, for any region: GetObject, HeadObject,
/// ListObjectsV2, ListBuckets, HeadBucket and GetBucketLocation. Anything but GET and HEAD is
/// refused with `MethodNotAllowed` and its body is not read; requests without a signature are
/// refused with `AccessDenied`.
///
/// **It must see the path the client signed**, so it cannot be nested under a prefix such as `/s3`
/// that the router strips: clients sign the whole path, and its first segment is the bucket. Give
/// it a second listener (`Router::new().fallback(..)` with [`S3Service::call`]) and vend
/// `http://host:port` without a path as the endpoint; or merge [`S3Service::routes`] into a router
/// that has nothing else under `/<bucket>`.
#[derive(Clone)]
pub struct S3Service {
    bucket: String,
    inner: s3s::service::S3Service,
}

impl S3Service {
    /// Answers one request; the body streams.
    pub async fn call(&self, request: Request<Body>) -> Response<Body> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return refusal(S3ErrorCode::MethodNotAllowed, "this endpoint only reads");
        }
        let request = request.map(|_| s3s::Body::empty());
        match self.inner.call(request).await {
            Ok(response) => response.map(Body::new),
            Err(_) => refusal(S3ErrorCode::InternalError, "the answer cannot be written"),
        }
    }

    /// The routes of the bucket and the blobs in it, at the root: everything but ListBuckets.
    pub fn routes(&self) -> Router {
        let answer = |service: Self| {
            any(move |request: Request<Body>| async move { service.call(request).await })
        };
        let bucket = &self.bucket;
        Router::new()
            .route(&format!("/{bucket}"), answer(self.clone()))
            .route(&format!("/{bucket}/"), answer(self.clone()))
            .route(&format!("/{bucket}/{{*key}}"), answer(self.clone()))
    }
}

impl fmt::Debug for S3Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3Service({})", self.bucket)
    }
}

fn refusal(code: S3ErrorCode, message: &'static str) -> Response<Body> {
    match S3Error::with_message(code, message).to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    }
}
