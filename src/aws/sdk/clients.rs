//! The SDK's clients of one region, each made when it is first needed.

use std::fmt;
use std::sync::{Arc, OnceLock};

use aws_config::SdkConfig;
use aws_sdk_ec2::config::SharedHttpClient;

use crate::aws::clock::{AwsClock, DateReader};
use crate::aws::news::NewsClient;
use crate::aws::own_call::CallMark;
use crate::aws::rescue::Rescue;
use crate::aws::whole::WholeAnswers;
use crate::model::Region;

/// The clients of one region. None of them repeats a call: each attempt has to pass the limiter, and throttled ones have to be
/// reported to it. Clones share them.
#[derive(Clone)]
pub(in crate::aws) struct Clients(Arc<LazyClients>);

struct LazyClients {
    config: SdkConfig,
    region: aws_config::Region,
    clock: Arc<AwsClock>,
    ec2: OnceLock<aws_sdk_ec2::Client>,
    passing: OnceLock<aws_sdk_ec2::Client>,
    identity: OnceLock<aws_sdk_sts::Client>,
    events: OnceLock<aws_sdk_sqs::Client>,
    bus: OnceLock<aws_sdk_eventbridge::Client>,
    quotas: OnceLock<aws_sdk_servicequotas::Client>,
    trail: OnceLock<aws_sdk_cloudtrail::Client>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").field("region", &self.0.region).finish_non_exhaustive()
    }
}

impl Clients {
    /// The clients of `region` with this configuration.
    pub(super) fn new(config: SdkConfig, region: &Region, clock: &Arc<AwsClock>) -> Self {
        Clients(Arc::new(LazyClients {
            config,
            region: aws_config::Region::new(region.as_str().to_owned()),
            clock: Arc::clone(clock),
            ec2: OnceLock::new(),
            passing: OnceLock::new(),
            identity: OnceLock::new(),
            events: OnceLock::new(),
            bus: OnceLock::new(),
            quotas: OnceLock::new(),
            trail: OnceLock::new(),
        }))
    }

    fn date_reader(&self) -> DateReader {
        DateReader(Arc::clone(&self.0.clock))
    }

    pub(in crate::aws) fn ec2(&self) -> aws_sdk_ec2::Client {
        let LazyClients { config, region, ec2, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_ec2::config::Builder::from(config).region(region.clone());
            let builder = builder.interceptor(WholeAnswers).interceptor(Rescue);
            let mut builder = builder.interceptor(CallMark).interceptor(self.date_reader());
            builder.set_http_client(config.http_client().map(|client| SharedHttpClient::new(NewsClient(client))));
            aws_sdk_ec2::Client::from_conf(builder.build())
        };
        ec2.get_or_init(make).clone()
    }

    /// A client for answers that nobody decodes.
    pub(in crate::aws) fn passing(&self) -> aws_sdk_ec2::Client {
        let LazyClients { config, region, passing, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_ec2::config::Builder::from(config).region(region.clone());
            aws_sdk_ec2::Client::from_conf(builder.interceptor(CallMark).interceptor(self.date_reader()).build())
        };
        passing.get_or_init(make).clone()
    }

    pub(in crate::aws) fn identity(&self) -> aws_sdk_sts::Client {
        let LazyClients { config, region, identity, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_sts::config::Builder::from(config).region(region.clone());
            let builder = builder.interceptor(WholeAnswers).interceptor(self.date_reader());
            aws_sdk_sts::Client::from_conf(builder.build())
        };
        identity.get_or_init(make).clone()
    }

    /// This client does not set the clock: a long poll's answer is dated long after its request.
    pub(in crate::aws) fn events(&self) -> aws_sdk_sqs::Client {
        let LazyClients { config, region, events, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_sqs::config::Builder::from(config).region(region.clone());
            aws_sdk_sqs::Client::from_conf(builder.build())
        };
        events.get_or_init(make).clone()
    }

    pub(in crate::aws) fn bus(&self) -> aws_sdk_eventbridge::Client {
        let LazyClients { config, region, bus, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_eventbridge::config::Builder::from(config).region(region.clone());
            aws_sdk_eventbridge::Client::from_conf(builder.interceptor(self.date_reader()).build())
        };
        bus.get_or_init(make).clone()
    }

    pub(in crate::aws) fn quotas(&self) -> aws_sdk_servicequotas::Client {
        let LazyClients { config, region, quotas, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_servicequotas::config::Builder::from(config).region(region.clone());
            aws_sdk_servicequotas::Client::from_conf(builder.build())
        };
        quotas.get_or_init(make).clone()
    }

    pub(in crate::aws) fn trail(&self) -> aws_sdk_cloudtrail::Client {
        let LazyClients { config, region, trail, .. } = &*self.0;
        let make = || {
            let builder = aws_sdk_cloudtrail::config::Builder::from(config).region(region.clone());
            aws_sdk_cloudtrail::Client::from_conf(builder.interceptor(self.date_reader()).build())
        };
        trail.get_or_init(make).clone()
    }
}
