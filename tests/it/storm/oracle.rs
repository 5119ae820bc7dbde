//! What AWS held, and when: the simulator's journal and its past, read through the real SDK and Muster's own mapping, so
//! that what is compared differs by its content only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, ConfigBag, Intercept, Region, RuntimeComponents};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_types::retry::RetryConfig;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Uri};
use muster::aws::clock::AwsClock;
use muster::kinds::{self, DescribeInput, KindSpec};
use muster::model::{Clock as _, Group, LeftOut};
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use crate::harness::muster::Endpoint;
use crate::harness::rpc;

/// A moment in milliseconds since the epoch.
pub(super) type Ms = i64;

/// Now by the clock that the simulator goes by too.
pub(super) fn now() -> Ms {
    AwsClock::default().now().as_millis()
}

/// What a resource was from a moment on: its document, or `None` while AWS does not list it.
type Versions = BTreeMap<Ms, Option<Arc<Value>>>;

/// Asks a simulator for its past.
pub(crate) struct Oracle {
    endpoint: Endpoint,
    runtime: Runtime,
    client: Client,
    /// The moment that the client's calls are about.
    moment: Arc<AtomicI64>,
    /// What is known of the past, which does not change: the versions of each resource, oldest first.
    past: HashMap<(&'static str, String), Versions>,
}

impl Oracle {
    pub(crate) fn new(endpoint: &Endpoint) -> Oracle {
        let moment = Arc::new(AtomicI64::new(0));
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .credentials_provider(Credentials::new("testing", "testing", None, None, "oracle"))
            .region(Region::new(endpoint.region.clone()))
            .endpoint_url(&endpoint.url)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .retry_config(RetryConfig::disabled())
            .interceptor(Past { base: endpoint.url.clone(), moment: Arc::clone(&moment) })
            .build();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = Client::from_conf(config);
        Oracle { endpoint: endpoint.clone(), runtime, client, moment, past: HashMap::new() }
    }

    /// Everything of a kind that AWS listed at a moment, by id.
    pub(super) fn all(&self, kind: &'static KindSpec, at: Ms) -> BTreeMap<String, Value> {
        self.moment.store(at, Ordering::SeqCst);
        let mut found = BTreeMap::new();
        let mut token = None;
        loop {
            let listing = DescribeInput::Page { token, max_results: kind.max_results };
            let page =
                self.runtime.block_on((kind.describe)(self.client.clone(), listing, LeftOut::default())).unwrap();
            found.extend(page.items.into_iter().map(|item| (item.id.to_string(), json(&item.document))));
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        for (slug, field) in kind.also_by_id {
            let referring = self.all(kinds::by_slug(slug).unwrap(), at);
            let ids: BTreeSet<&str> = referring.values().filter_map(|document| document[*field].as_str()).collect();
            let others = ids.into_iter().filter_map(|id| Some((id.to_owned(), self.at(kind, id, at)?)));
            found.extend(others.collect::<Vec<_>>());
        }
        found
    }

    /// A resource as AWS would have described it at a moment; `None` when it did not list it.
    pub(super) fn at(&self, kind: &'static KindSpec, id: &str, at: Ms) -> Option<Value> {
        self.moment.store(at, Ordering::SeqCst);
        let listing = DescribeInput::Ids(vec![id.to_owned()]);
        match self.runtime.block_on((kind.describe)(self.client.clone(), listing, LeftOut::default())) {
            Ok(page) => page.items.into_iter().next().map(|item| json(&item.document)),
            Err(error) => {
                let code = error.as_service_error().and_then(|error| error.code()).unwrap_or_default().to_owned();
                let is_gone = code.ends_with("NotFound") || code == "InvalidAMIID.Unavailable";
                assert!(is_gone, "{} {id} at {at}: {error:?}", kind.slug);
                None
            }
        }
    }

    /// All versions of a resource up to a moment, oldest first; the first one holds from the beginning of time.
    pub(super) fn versions(&mut self, kind: &'static KindSpec, id: &str, until: Ms) -> Vec<(Ms, Option<Arc<Value>>)> {
        let journal = self.control(&format!("/journal?id={id}"));
        let moments = journal["moments"].as_array().unwrap().iter().map(|moment| moment.as_i64().unwrap());
        let moments: Vec<Ms> = moments.filter(|moment| *moment <= until).collect();
        let mut versions = self.past.remove(&(kind.slug, id.to_owned())).unwrap_or_default();
        let first = moments.first().map_or(until, |first| first - 1);
        versions.entry(Ms::MIN).or_insert_with(|| self.at(kind, id, first).map(Arc::new));
        for moment in moments {
            versions.entry(moment).or_insert_with(|| self.at(kind, id, moment).map(Arc::new));
        }
        let known = versions.range(..=until).map(|(from, document)| (*from, document.clone())).collect();
        self.past.insert((kind.slug, id.to_owned()), versions);
        known
    }

    /// The ids of everything that was ever changed or made.
    pub(super) fn touched(&self) -> Vec<String> {
        serde_json::from_value(self.control("/journal")["ids"].take()).unwrap()
    }

    fn control(&self, path: &str) -> Value {
        let url: Uri = format!("{}/_simulator{path}", self.endpoint.url).parse().unwrap();
        let request = Request::get(url.path_and_query().unwrap().as_str()).header("host", url.host().unwrap());
        let request = request.body(Full::default()).unwrap();
        let body = self
            .runtime
            .block_on(async { rpc::send(&url, request).await.into_body().collect().await.unwrap().to_bytes() });
        serde_json::from_slice(&body).unwrap()
    }
}

/// The kind of a slug.
pub(super) fn kind(slug: &str) -> &'static KindSpec {
    kinds::by_slug(slug).unwrap()
}

/// The part of a document that is dated on its own.
pub(super) fn part(document: &Value, group: Group) -> Map<String, Value> {
    let fields = document.as_object().unwrap().iter().filter(|(name, _)| Group::of(name) == group);
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn json(document: &muster::model::Document) -> Value {
    serde_json::to_value(document).unwrap()
}

/// Sends every call to the past.
#[derive(Debug)]
struct Past {
    base: String,
    moment: Arc<AtomicI64>,
}

impl Intercept for Past {
    fn name(&self) -> &'static str {
        "Past"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let moment = self.moment.load(Ordering::SeqCst);
        context.request_mut().set_uri(format!("{}/_simulator/at/{moment}/", self.base))?;
        Ok(())
    }
}
