//! Somebody who works in the account, by AWS's own API.

use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use tokio::runtime::Runtime;

use crate::harness::muster::Endpoint;

/// A hand on one region.
pub(super) struct Hand {
    client: Client,
    runtime: Runtime,
}

impl Hand {
    /// One that works where `endpoint` leads.
    pub(super) fn on(endpoint: &Endpoint) -> Hand {
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(Credentials::new("testing", "testing", None, None, "hand"))
            .region(Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Hand { client: Client::from_conf(config), runtime }
    }

    /// Terminates instances.
    pub(super) fn terminate(&self, ids: &[String]) {
        let call = self.client.terminate_instances().set_instance_ids(Some(ids.to_vec()));
        self.runtime.block_on(call.send()).unwrap();
    }
}
