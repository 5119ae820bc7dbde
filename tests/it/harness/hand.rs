//! Somebody who works in the account, by AWS's own API.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::types::Tag;
use aws_sdk_eventbridge::Client as Bus;
use aws_sdk_eventbridge::types::Target;
use aws_sdk_sqs::Client as Sqs;
use aws_sdk_sqs::types::QueueAttributeName;
use muster::kinds::rules::{DEFAULT_NAME, RULES};
use serde_json::json;
use tokio::runtime::Runtime;

use super::muster::Endpoint;

/// A hand on one region.
pub(crate) struct Hand {
    pub(crate) bus: Bus,
    pub(crate) ec2: Ec2,
    pub(crate) sqs: Sqs,
    pub(crate) runtime: Runtime,
}

impl Hand {
    /// One that works where `endpoint` leads.
    pub(crate) fn on(endpoint: &Endpoint) -> Hand {
        let credentials = Credentials::new("testing", "testing", None, None, "hand");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .region(Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Hand { bus: Bus::new(&config), ec2: Ec2::new(&config), sqs: Sqs::new(&config), runtime }
    }

    /// Terminates instances.
    pub(crate) fn terminate(&self, ids: &[String]) {
        let call = self.ec2.terminate_instances().set_instance_ids(Some(ids.to_vec()));
        self.runtime.block_on(call.send()).unwrap();
    }

    /// Tags instances.
    pub(crate) fn tag(&self, ids: &[String], key: &str, value: &str) {
        let tag = Tag::builder().key(key).value(value).build();
        let call = self.ec2.create_tags().set_resources(Some(ids.to_vec())).tags(tag);
        self.runtime.block_on(call.send()).unwrap();
    }

    /// The queue, and all rules that write to it.
    pub(crate) fn set_up(&self) {
        self.runtime.block_on(async {
            let queue = self.sqs.create_queue().queue_name(format!("{DEFAULT_NAME}-events")).send().await.unwrap();
            let url = queue.queue_url.unwrap();
            let name = QueueAttributeName::QueueArn;
            let asked = self.sqs.get_queue_attributes().queue_url(&url).attribute_names(name.clone());
            let arn = asked.send().await.unwrap().attributes.unwrap().remove(&name).unwrap();
            let policy = json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": arn
            }]});
            let set = self.sqs.set_queue_attributes().queue_url(&url);
            set.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.unwrap();
            for rule in RULES {
                let name = rule.name(DEFAULT_NAME);
                let pattern = rule.pattern(DEFAULT_NAME).to_string();
                self.bus.put_rule().name(&name).event_pattern(pattern).send().await.unwrap();
                let target = Target::builder().id("muster").arn(&arn).build().unwrap();
                let put = self.bus.put_targets().rule(&name).targets(target).send().await.unwrap();
                assert_eq!(put.failed_entry_count, 0, "{put:?}");
            }
        });
    }

    /// Has a trail something to record: a call that changes things, and fails.
    pub(crate) fn call(&self) {
        let stopped = self.ec2.stop_instances().instance_ids("i-00000000000000bad");
        self.runtime.block_on(stopped.send()).unwrap_err();
    }

    /// Switches event rules on or off.
    pub(crate) fn turn(&self, slugs: &[&str], on: bool) {
        self.runtime.block_on(async {
            for slug in slugs {
                let name = format!("{DEFAULT_NAME}-{slug}");
                if on {
                    self.bus.enable_rule().name(name).send().await.unwrap();
                } else {
                    self.bus.disable_rule().name(name).send().await.unwrap();
                }
            }
        });
    }
}
