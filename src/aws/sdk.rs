//! The SDK's clients, configured the way Muster needs them.
//!
//! Region, profile, credentials and endpoint (`AWS_ENDPOINT_URL`) come from AWS's own chain of environment, files and
//! instance metadata; settings of Muster's own only go before it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use parking_lot::Mutex;

use super::Settings;
use super::clock::{AwsClock, DateReader};
use super::regions::Regions;
use super::rescue::Rescue;
use super::whole::WholeAnswers;
use crate::model::Region;

/// The SDK's own default for connecting.
const CONNECT: Duration = Duration::from_millis(3100);
/// One attempt. A page of 1000 instances takes AWS 1 to 3 seconds.
const ATTEMPT: Duration = Duration::from_secs(30);
/// A call, with loading credentials for it.
const OPERATION: Duration = Duration::from_secs(40);

/// Clients of one region. None of them repeats a call: each attempt has to pass the limiter, and what AWS turned away has
/// to be seen by it.
#[derive(Clone, Debug)]
pub(super) struct Clients {
    pub(super) ec2: aws_sdk_ec2::Client,
    pub(super) identity: aws_sdk_sts::Client,
    pub(super) events: aws_sdk_sqs::Client,
    pub(super) bus: aws_sdk_eventbridge::Client,
    pub(super) quotas: aws_sdk_servicequotas::Client,
    pub(super) trail: aws_sdk_cloudtrail::Client,
}

/// A configuration, and the clients that were made of it.
#[derive(Debug)]
pub(super) struct Sdk {
    /// The regions that the configuration names; of those, the first is asked for the others.
    pub(super) regions: Vec<Region>,
    config: SdkConfig,
    clock: Arc<AwsClock>,
    clients: Mutex<BTreeMap<Region, Clients>>,
}

impl Sdk {
    /// Reads the configuration. Credentials are loaded by the first call, so their absence shows there.
    ///
    /// Looking for a region may ask the instance metadata service, which takes a few seconds where there is none.
    pub(super) async fn load(settings: &Settings, clock: &Arc<AwsClock>) -> Self {
        let (regions, profile) = (&settings.regions, settings.profile.as_deref());
        if let Some(url) = &settings.emulator {
            return Sdk::new(&emulated(url), regions, clock);
        }
        let http_client = http_client(ProxyConfig::from_env());
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client.clone());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = regions.home() {
            loader = loader.region(aws_config::Region::new(region.as_str().to_owned()));
        }
        let mut config = loader.load().await;
        if let Some(profile) = profile {
            // In the SDK's chain, keys in the environment go before a profile, even one that was asked for by name: whoever
            // says `--profile` would watch another account. The AWS CLI lets a named profile win, and so does this.
            let context =
                ProviderConfig::without_region().with_region(config.region().cloned()).with_http_client(http_client);
            let provider = ProfileFileCredentialsProvider::builder().configure(&context).profile_name(profile).build();
            config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        }
        Sdk::new(&config, regions, clock)
    }

    /// Clients of `regions`, or of the configured region where they name none.
    pub(super) fn new(config: &SdkConfig, regions: &Regions, clock: &Arc<AwsClock>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let config = config.to_builder().timeout_config(timeouts).retry_config(RetryConfig::disabled()).build();
        let regions = regions.known(config.region().map(|region| Region::new(region.as_ref())));
        Sdk { regions, config, clock: Arc::clone(clock), clients: Mutex::default() }
    }

    /// The clients of a region, made when they are first asked for.
    pub(super) fn clients(&self, region: &Region) -> Clients {
        let mut clients = self.clients.lock();
        clients.entry(region.clone()).or_insert_with(|| clients_of(&self.config, region, &self.clock)).clone()
    }
}

/// A configuration that reads neither environment nor files: nothing of it can lead to AWS.
pub(super) fn emulated(url: &str) -> SdkConfig {
    let credentials = Credentials::new("emulator", "emulator", None, None, "muster");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .http_client(http_client(ProxyConfig::disabled()))
        .build()
}

fn clients_of(config: &SdkConfig, region: &Region, clock: &Arc<AwsClock>) -> Clients {
    let name = aws_config::Region::new(region.as_str().to_owned());
    let ec2 =
        aws_sdk_ec2::config::Builder::from(config).region(name.clone()).interceptor(WholeAnswers).interceptor(Rescue);
    let identity = aws_sdk_sts::config::Builder::from(config).region(name.clone()).interceptor(WholeAnswers);
    let events = aws_sdk_sqs::config::Builder::from(config).region(name.clone());
    let bus = aws_sdk_eventbridge::config::Builder::from(config).region(name.clone());
    let quotas = aws_sdk_servicequotas::config::Builder::from(config).region(name);
    let trail =
        aws_sdk_cloudtrail::config::Builder::from(config).region(aws_config::Region::new(region.as_str().to_owned()));
    Clients {
        ec2: aws_sdk_ec2::Client::from_conf(ec2.interceptor(DateReader(Arc::clone(clock))).build()),
        identity: aws_sdk_sts::Client::from_conf(identity.interceptor(DateReader(Arc::clone(clock))).build()),
        trail: aws_sdk_cloudtrail::Client::from_conf(trail.interceptor(DateReader(Arc::clone(clock))).build()),
        // Not for the clock: a long poll's answer is dated long after it was asked for.
        events: aws_sdk_sqs::Client::from_conf(events.build()),
        bus: aws_sdk_eventbridge::Client::from_conf(bus.interceptor(DateReader(Arc::clone(clock))).build()),
        quotas: aws_sdk_servicequotas::Client::from_conf(quotas.build()),
    }
}

/// One connection pool for all clients, with `TCP_NODELAY` and through `proxy`, which the SDK's own default would ignore.
fn http_client(proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .enable_tcp_nodelay(true)
            .proxy_config(proxy.clone())
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}
