//! The SDK's clients, configured for Muster.
//!
//! Region, profile, credentials and endpoint (`AWS_ENDPOINT_URL`) come from AWS's own chain of environment, files and instance
//! metadata; Muster's own settings take precedence over it.

mod assumed_role;
mod clients;
mod held_identity;
mod loaded_keys;
mod role_sources;
mod write_sessions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_ec2::config::{IdentityCache, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::tls::{self, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use futures::FutureExt;
use parking_lot::Mutex;

use super::account_plan::RolePlan;
use super::clock::{AwsClock, DateReader};
use super::origin::{LastOrigin, Origin, OriginRecorder, half_a_key};
use super::profiles::{FileFault, Profiles, ROLE, ROLE_SESSION, Weight};
use super::session_name::SessionName;
use super::settings::{AwsSettings, Purpose};
use super::trust::Bundle;
use super::watched_regions::Regions;
use crate::model::{Principal, Region};
use assumed_role::{AssumedRole, LastRole, RoleRefusal};
use held_identity::HeldIdentity;
use loaded_keys::{KeyRecorder, LoadedKeys};
use role_sources::RoleSources;
use write_sessions::{AssumableRole, WriteSessions};

pub(super) use assumed_role::RoleRefused;
pub(super) use clients::Clients;

/// The variables that name a region.
const OF_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// The SDK's own default for connecting.
const CONNECT: Duration = Duration::from_millis(3100);
/// The time limit of one attempt. AWS needs 1 to 3 seconds for a page of 1000 instances.
const ATTEMPT: Duration = Duration::from_secs(30);
/// The time limit of a call, including loading credentials.
const OPERATION: Duration = Duration::from_secs(40);

/// What all configurations share.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedParts {
    pub(super) clock: Arc<AwsClock>,
    sources: RoleSources<Sdk>,
    /// How often AWS's configuration files were found changed.
    files: Arc<AtomicU64>,
}

impl SharedParts {
    /// With this clock.
    #[cfg(test)]
    pub(super) fn of(clock: Arc<AwsClock>) -> Self {
        SharedParts { clock, ..SharedParts::default() }
    }

    /// Which state of AWS's configuration files is the newest that is known.
    pub(super) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Notes that the files have changed: every configuration that depends on them is read again before its next call.
    pub(super) async fn files_changed(&self) {
        self.sources.forget().await;
        self.files.fetch_add(1, Ordering::Relaxed);
    }
}

/// A configuration, and the clients made from it.
#[derive(Debug)]
pub(super) struct Sdk {
    /// The regions that the configuration names; the first one is asked for the others.
    pub(super) regions: Vec<Region>,
    /// Where the credentials come from.
    pub(super) seen: LastOrigin,
    /// The keys that were loaded last.
    pub(super) loaded: LoadedKeys,
    /// The faults of the configuration files.
    pub(super) faults: Vec<FileFault>,
    /// The fault of the keys in the environment.
    half_key: Option<String>,
    /// Whether the credentials or the region have to come from the files.
    pub(super) needs_files: bool,
    /// The certificate bundle that is trusted instead of the system's, if one is set.
    pub(super) bundle: Option<Arc<str>>,
    config: SdkConfig,
    clock: Arc<AwsClock>,
    clients: Mutex<BTreeMap<Region, Clients>>,
    /// Whether clients are kept once they are made.
    keeps_clients: bool,
    /// The role that Muster assumes itself, if it does.
    role: Option<AssumableRole>,
    /// How the profile names the session of its role.
    own_session: Option<String>,
    sessions: WriteSessions,
}

impl Sdk {
    /// Reads the configuration. Credentials are loaded by the first call, so it reports if they are missing.
    ///
    /// Looking for a region may ask the instance metadata service, which takes a few seconds where there is none.
    pub(super) async fn load(settings: &AwsSettings, shared: &SharedParts) -> Self {
        if settings.roles.is_empty() {
            Sdk::of_chain(settings, shared).await
        } else {
            Sdk::of_roles(settings, None, shared).await
        }
    }

    /// The configuration of AWS's own chain, or of the profile.
    async fn of_chain(settings: &AwsSettings, shared: &SharedParts) -> Self {
        let clock = &shared.clock;
        let (regions, profile) = (&settings.regions, settings.profile.as_deref());
        if let Some(url) = &settings.emulator {
            return Sdk::new(&emulated(url), regions, clock);
        }
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
        let origin = Origin::expected(profile, &variable);
        let selected = profile.map(str::to_owned).or_else(|| variable("AWS_PROFILE")).unwrap_or("default".to_owned());
        let files = Profiles::read(&selected);
        let names_region = regions.home().is_some() || OF_REGION.iter().any(|name| variable(name).is_some());
        let mut faults = files.faults(!names_region);
        let bundle = match Bundle::find(&files).transpose() {
            Ok(bundle) => bundle,
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        for fault in &faults {
            tracing::warn!(%fault, "AWS's configuration");
        }
        let trust = || Bundle::context(bundle.as_ref());
        let connection = || http_client(ProxyConfig::from_env(), trust());
        let http_client = shared.sources.connection(bundle.as_ref().map(Bundle::pem), connection);
        // Without a name of its own, a session has a random one.
        let own_session = files.setting(ROLE_SESSION).map(str::to_owned);
        let sweeps = own_session.as_deref().unwrap_or(SessionName::SWEEPS);
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(http_client.clone())
            .profile_name(&selected)
            .profile_files(files.for_sdk_as(Some(sweeps)));
        if let Some(region) = regions.home() {
            loader = loader.region(aws_config::Region::new(region.as_str().to_owned()));
        }
        let mut config = loader.load().await;
        let context =
            ProviderConfig::without_region().with_region(config.region().cloned()).with_http_client(http_client);
        if let Some(profile) = profile {
            // In the SDK's chain, keys in the environment take precedence over a profile, even one requested by name: `--profile`
            // would then watch another account. In the AWS CLI a named profile wins, and so it does here.
            let provider = ProfileFileCredentialsProvider::builder()
                .configure(&context)
                .profile_files(files.for_sdk_as(Some(sweeps)))
                .profile_name(profile)
                .build();
            config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build();
        }
        if let Some(keys) = settings.held.get().filter(|_| origin == Origin::Keys) {
            config = config.into_builder().credentials_provider(SharedCredentialsProvider::new(keys)).build();
        }
        let role = match (&origin, files.setting(ROLE)) {
            (Origin::Keys, _) => None,
            (_, Some(role_arn)) => {
                let sourced = settings.source_identity.then(|| last_role(&files, role_arn, &selected)).flatten();
                Some(AssumableRole::Profile { files: files.clone(), profile: selected.clone(), context, sourced })
            }
            (_, None) => variable("AWS_ROLE_ARN")
                .zip(variable("AWS_WEB_IDENTITY_TOKEN_FILE"))
                .map(|(role_arn, token_file)| AssumableRole::WebIdentity { role_arn, token_file, context }),
        };
        let own_session = own_session.or_else(|| variable("AWS_ROLE_SESSION_NAME"));
        let (needs_files, seen) = (origin != Origin::Keys || config.region().is_none(), LastOrigin::new(origin));
        if let Some(provider) = config.credentials_provider() {
            let profile = selected.as_str().into();
            let watched = SharedCredentialsProvider::new(OriginRecorder { provider, profile, seen: seen.clone() });
            config = config.into_builder().credentials_provider(watched).build();
        }
        let bundle = bundle.map(|bundle| bundle.source);
        let half_key = half_a_key(&variable).filter(|_| profile.is_none());
        Sdk { seen, faults, half_key, needs_files, bundle, role, own_session, ..Sdk::new(&config, regions, clock) }
    }

    /// The configuration with the credentials of the last of the roles; with an `age`, what it rests on was read no longer than that
    /// ago.
    pub(super) async fn of_roles(settings: &AwsSettings, age: Option<Duration>, shared: &SharedParts) -> Self {
        let Some((last, before)) = settings.roles.split_last() else {
            return Box::pin(Sdk::of_chain(settings, shared)).await;
        };
        let load = |before: Option<(Arc<Sdk>, RolePlan)>| {
            async move {
                if let Some((before, role)) = before {
                    return before.assuming(&role, &settings.regions, false);
                }
                let regions = Regions::Named(settings.regions.home().cloned().into_iter().collect());
                let own = AwsSettings { purpose: Purpose::Source, roles: Vec::new(), regions, ..settings.clone() };
                Sdk::of_chain(&own, shared).await
            }
            .boxed()
        };
        let source = shared.sources.of(&source_key(settings), before, age, load).await;
        let acting = source.assuming(last, &settings.regions, settings.source_identity);
        Sdk { keeps_clients: settings.purpose != Purpose::Member, ..acting }
    }

    /// The same configuration with the credentials of a role that these may assume, for other regions.
    fn assuming(&self, role: &RolePlan, regions: &Regions, is_sourced: bool) -> Self {
        let known = regions.known(self.config.region().map(|region| Region::new(region.as_ref())));
        let region = known.first().cloned().unwrap_or_else(|| Region::new(""));
        let client = self.clients(&region).identity();
        let loaded = LoadedKeys::default();
        let assumed = AssumedRole {
            client: client.clone(),
            arn: role.arn.clone(),
            external_id: role.external_id.clone(),
            session: role.session_name.clone().unwrap_or_else(|| SessionName::SWEEPS.to_owned()),
            has_source_identity: false,
            loaded: Some(loaded.clone()),
            refusal: RoleRefusal::default(),
        };
        // A cache of its own: a shared one forgets the keys of accounts beyond its 64th, and would assume the role for each call.
        let keys = SharedCredentialsProvider::new(assumed);
        let config =
            self.config.to_builder().credentials_provider(keys).identity_cache(IdentityCache::lazy().build()).build();
        Sdk {
            seen: LastOrigin::new(Origin::Role { arn: role.arn.as_str().into(), source: Box::new(self.seen.get()) }),
            loaded,
            faults: self.faults.clone(),
            half_key: self.half_key.clone(),
            needs_files: self.needs_files,
            bundle: self.bundle.clone(),
            role: Some(AssumableRole::Planned { client, role: role.clone(), is_sourced }),
            own_session: role.session_name.clone(),
            ..Sdk::new(&config, regions, &self.clock)
        }
    }

    /// Whether another content of the files may lead to other credentials or regions.
    pub(super) fn depends_on_files(&self) -> bool {
        self.needs_files || !self.faults.is_empty()
    }

    /// The fault of a file without which no call can be made.
    pub(super) fn broken(&self) -> Option<String> {
        let matters = |fault: &&FileFault| match fault.weight {
            Weight::Always => true,
            Weight::Broken => self.needs_files,
            Weight::Missing => false,
        };
        told(self.faults.iter().filter(matters))
    }

    /// The faults of files that count as empty because of them, and of keys in the environment.
    pub(super) fn hints(&self) -> String {
        let files = told(self.faults.iter().filter(|fault| fault.weight == Weight::Missing));
        self.half_key.iter().cloned().chain(files).collect::<Vec<_>>().join("; ")
    }

    /// Clients of `regions`, or of the configured region if they name none.
    pub(super) fn new(config: &SdkConfig, regions: &Regions, clock: &Arc<AwsClock>) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION)
            .build();
        let mut config = config.to_builder().timeout_config(timeouts).retry_config(RetryConfig::disabled()).build();
        let loaded = LoadedKeys::default();
        if let Some(provider) = config.credentials_provider() {
            let noted = SharedCredentialsProvider::new(KeyRecorder { provider, loaded: loaded.clone() });
            config = config.into_builder().credentials_provider(noted).build();
        }
        let regions = regions.known(config.region().map(|region| Region::new(region.as_ref())));
        Sdk {
            regions,
            seen: LastOrigin::new(Origin::Emulator),
            loaded,
            faults: Vec::new(),
            half_key: None,
            needs_files: false,
            bundle: None,
            config,
            clock: Arc::clone(clock),
            clients: Mutex::default(),
            keeps_clients: true,
            role: None,
            own_session: None,
            sessions: WriteSessions::default(),
        }
    }

    /// The same configuration for calls of `by`, with credentials that are resolved once and then kept.
    pub(super) fn pinned(&self, by: Option<&Principal>) -> Self {
        let config = by.map(|by| {
            let name = SessionName::of(by, self.own_session.as_deref());
            self.sessions.of(&name, &self.config, self.role.as_ref(), &self.seen.get())
        });
        let config = config.as_ref().unwrap_or(&self.config);
        let held = HeldIdentity::new(config.identity_cache());
        let config = config.to_builder().identity_cache(held).build();
        Sdk {
            regions: self.regions.clone(),
            seen: self.seen.clone(),
            loaded: LoadedKeys::default(),
            faults: self.faults.clone(),
            half_key: self.half_key.clone(),
            needs_files: self.needs_files,
            bundle: self.bundle.clone(),
            config,
            clock: Arc::clone(&self.clock),
            clients: Mutex::default(),
            keeps_clients: true,
            role: None,
            own_session: None,
            sessions: WriteSessions::default(),
        }
    }

    /// Whether roles are assumed with a source identity.
    pub(super) fn has_source_identity(&self) -> bool {
        self.role.as_ref().is_some_and(AssumableRole::has_source_identity)
    }

    /// The clients of a region, each made on first use. Those of one of several accounts are not kept: thousands of regions that are
    /// asked once in a while would each hold some hundred kilobytes.
    pub(super) fn clients(&self, region: &Region) -> Clients {
        let make = || Clients::new(self.config.clone(), region, &self.clock);
        if !self.keeps_clients {
            return make();
        }
        self.clients.lock().entry(region.clone()).or_insert_with(make).clone()
    }

    /// A client of AWS Organizations, whose only endpoint of a partition is in `region`. Few calls need it, so that none is kept.
    pub(super) fn organization(&self, region: &'static str) -> aws_sdk_organizations::Client {
        let config =
            aws_sdk_organizations::config::Builder::from(&self.config).region(aws_config::Region::from_static(region));
        aws_sdk_organizations::Client::from_conf(config.interceptor(DateReader(Arc::clone(&self.clock))).build())
    }
}

/// What tells sources apart: the profile, and the region whose STS is asked.
fn source_key(settings: &AwsSettings) -> String {
    let region = settings.regions.home().map_or("", Region::as_str);
    format!("{}\n{region}", settings.profile.as_deref().unwrap_or_default())
}

/// The role of the profile in use, which another profile's credentials assume.
fn last_role(files: &Profiles, role_arn: &str, selected: &str) -> Option<LastRole> {
    let source = files.setting("source_profile").filter(|source| *source != selected)?.to_owned();
    let external_id = files.setting("external_id").map(str::to_owned);
    Some(LastRole { role_arn: role_arn.to_owned(), external_id, source })
}

/// A configuration that reads neither environment nor files: it cannot lead to AWS.
pub(super) fn emulated(url: &str) -> SdkConfig {
    let credentials = Credentials::new("emulator", "emulator", None, None, "muster");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        // As the SDK's own loader sets it: the clients of all regions share what was loaded.
        .identity_cache(IdentityCache::lazy().build())
        .http_client(http_client(ProxyConfig::disabled(), TlsContext::default()))
        .build()
}

fn told<'a>(faults: impl Iterator<Item = &'a FileFault>) -> Option<String> {
    let told: Vec<String> = faults.map(ToString::to_string).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// One connection pool for all clients, with `TCP_NODELAY`, and through `proxy`, which the SDK's own default would ignore.
fn http_client(proxy: ProxyConfig, trust: TlsContext) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .enable_tcp_nodelay(true)
            .proxy_config(proxy.clone())
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .tls_context(trust.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}
