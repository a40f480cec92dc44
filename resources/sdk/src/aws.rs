//! AWS credentials, and requests that are signed with them.
//!
//! Neither the AWS CLI nor its configuration files are needed: keys come from the pipeline or from the worker's environment, the
//! Security Token Service assumes roles, and this module signs requests (Signature Version 4).
//!
//! ```no_run
//! # async fn example(context: &jetway::Context) -> jetway::Result<()> {
//! use jetway::aws::{Aws, Login};
//! use jetway::http::HttpSettings;
//!
//! let aws = Aws::new(context, context.http(HttpSettings::default())?, "eu-west-1")?;
//! let credentials = aws.log_in(&Login::default()).await?;
//! let url = format!("{}/clusters/production", aws.endpoint("eks"));
//! let request = aws.sign(aws.http().get(url), "eks", &credentials)?;
//! let cluster: serde_json::Value = request.send().await?.json().await?;
//! # Ok(())
//! # }
//! ```
//!
//! The variables of the AWS CLI are supported: `AWS_ACCESS_KEY_ID` and the related ones, `AWS_ROLE_ARN` with
//! `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_CONTAINER_CREDENTIALS_*`, `AWS_EC2_METADATA_*`, and `AWS_ENDPOINT_URL`, also for one
//! service, such as `AWS_ENDPOINT_URL_STS`.

mod chain;
mod client;
mod credentials;
mod login;
mod registry;
mod signature;
mod token_service;

pub use client::Aws;
pub use credentials::{Credentials, Login, Role};
pub use registry::RegistryLogin;
