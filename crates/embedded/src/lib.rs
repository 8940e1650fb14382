//! tidelog-embedded

mod blobs;
pub use blobs::{Blobs, S3Settings};

mod s3;
pub use s3::{S3Credentials, S3Service, s3_service};
