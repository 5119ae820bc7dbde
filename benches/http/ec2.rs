//! AWS's SDK, without Muster.

#[path = "sdk_config.rs"]
mod sdk_config;

use aws_sdk_ec2::Client;

/// A client of the EC2 at `endpoint`.
pub(crate) async fn client(endpoint: &str, region: &str) -> Client {
    Client::new(&sdk_config::sdk_config(endpoint, region).await)
}
