use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{
    CacheScope, CallToolRequestParams, ClientConfig, ErrorCode, PaginatedRequestParams, ReadResourceRequestParams,
    ResourceUpdatedNotificationParam, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{RoleClient, ServiceError};
use rmcp::{ClientHandler, ErrorData, ServerHandler};
use serde_json::{Value, json};

use super::*;
use crate::freshness::Signal;
use crate::kinds;
use crate::mcp::client::{ClientError, McpClient};
use crate::mcp::prompts;
use crate::mcp::resources::{list, templates};
use crate::mcp::tests::{World, data, fast, text};
use crate::mcp::{Failure, ListMode};
use crate::model::fixtures::scope;
use crate::model::{ErrorClass, Event, Page, Principal, Seq, SweepMessage, SweepStep};
use crate::policy::WritePolicy;
use crate::simulator;

const SOON: Duration = Duration::from_secs(5);

fn refused(error: ClientError) -> ErrorData {
    match error {
        ClientError::Request(error) => match *error {
            ServiceError::McpError(error) => error,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

/// The arguments of a method that takes parameters of this type.
type Asked<P> = (&'static Handler, P, RequestContext<RoleServer>);

/// How large the future is that a method returns.
fn size_of_future<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn no_method_makes_every_subscription_large() {
    let sizes = [
        (
            "tools/call",
            size_of_future(|(it, given, context): Asked<CallToolRequestParams>| it.call_tool(given, context)),
        ),
        ("resources/list", size_of_future(|(it, given, context): Asked<Option<_>>| it.list_resources(given, context))),
        ("resources/read", size_of_future(|(it, given, context): Asked<_>| it.read_resource(given, context))),
        ("completion/complete", size_of_future(|(it, given, context): Asked<_>| it.complete(given, context))),
        ("prompts/get", size_of_future(|(it, given, context): Asked<_>| it.get_prompt(given, context))),
        ("any other", size_of_future(|(it, given, context): Asked<_>| it.on_custom_request(given, context))),
        (
            "subscriptions/listen",
            size_of_future(|(it, context): (&'static Handler, rmcp::service::SubscriptionContext)| it.listen(context)),
        ),
    ];
    eprintln!("{sizes:?}");
    for (method, size) in sizes {
        assert!(size <= 8 * 1024, "the future of {method} has {size} bytes: keep what is large in it on the heap");
    }
}

/// Takes what the first sweep still has to tell.
async fn quiet(listening: &mut crate::mcp::client::ResourceSubscription) {
    while listening.next(Duration::from_millis(300)).await.is_ok() {}
}

/// A client of the older era that keeps what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl ClientHandler for Told {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _: rmcp::service::NotificationContext<RoleClient>,
    ) {
        self.0.lock().push(params.uri);
    }

    async fn on_resource_list_changed(&self, _: rmcp::service::NotificationContext<RoleClient>) {
        self.0.lock().push("list".to_owned());
    }

    fn get_info(&self) -> ClientConfig {
        crate::mcp::tests::hello()
    }
}

impl Told {
    async fn hears(&self, what: &str) -> bool {
        for _ in 0..200 {
            if self.0.lock().iter().any(|told| told == what) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

#[tokio::test]
async fn a_small_account_is_listed_in_full_and_every_entry_can_be_read() {
    let world = World::small().await;
    let client = world.client(false).await;
    let page = client.list(None).await.unwrap();
    assert_eq!(page.next, None);
    let uris: Vec<&str> = page.resources.iter().map(|resource| resource.uri.as_str()).collect();
    assert_eq!(uris.iter().filter(|uri| uri.starts_with("ec2://instance/")).count(), 12);
    assert!(uris.iter().any(|uri| uri.starts_with("ec2://vpc/")), "{uris:?}");
    assert!(uris.contains(&"ec2://inventory/summary"));
    for uri in uris {
        let body = client.read(uri).await.unwrap();
        assert_eq!(body["uri"], uri);
        assert!(body["seq"].as_u64().is_some(), "{uri}: {body}");
    }
}

#[tokio::test]
async fn a_large_account_pages_through_all_or_shows_its_collections() {
    let options = simulator::Options { instances: 2300, ..fast() };
    let world = World::swept(options, ListMode::All).await;
    let client = world.client(false).await;
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.list(cursor).await.unwrap();
        seen.extend(page.resources.into_iter().map(|resource| resource.uri));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let all = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), all, "each exactly once");
    assert_eq!(seen.iter().filter(|uri| uri.starts_with("ec2://instance/")).count(), 2300);

    let listed = list::list(&world.core, &AnswerCache::new(0), ListMode::Auto, None).await.unwrap();
    assert!(listed.resources.len() < 300, "{}", listed.resources.len());
    let collection = listed.resources.iter().find(|resource| resource.uri.ends_with("us-east-1/instance")).unwrap();
    assert!(collection.description.as_ref().unwrap().starts_with("2300 instances"), "{collection:?}");
    let body = client.read(&collection.uri).await.unwrap();
    assert_eq!(body["count"], 2300);
    assert_eq!(body["members"].as_array().unwrap().len(), 100);
    let more = &body["more"];
    let next = data(client.call(more["tool"].as_str().unwrap(), more["arguments"].clone()).await.unwrap());
    assert_eq!(next["total"], 2300);
    assert_ne!(next["rows"][0]["id"], body["members"][0]["id"]);
}

#[tokio::test]
async fn an_instance_comes_with_its_status_its_times_and_the_spelling_that_was_asked() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let uri = format!("EC2://Instance/{id}");
    let body = client.read(&uri).await.unwrap();
    assert_eq!(body["uri"], uri);
    assert_eq!(body["kind"], "instance");
    assert_eq!(body["document"]["InstanceId"], id.as_str());
    assert_eq!(body["document"]["State"]["Name"], "running");
    assert_eq!(body["status"]["document"]["InstanceId"], id.as_str());
    assert_eq!(body["stale"], Value::Null);
    assert_eq!(body["provisional"], json!([]));
    assert!(crate::model::Timestamp::parse(body["as_of"].as_str().unwrap()).is_some());
    let status = client.read(&format!("ec2://instance/{id}/status")).await.unwrap();
    assert_eq!(status["kind"], "instance-status");
    let qualified = client.read(&format!("ec2://inventory/{}/instance/{id}", scope())).await.unwrap();
    assert_eq!(qualified["document"], body["document"]);
}

#[tokio::test]
async fn what_moves_is_never_cached_and_what_does_not_for_seconds() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let read = |uri: String| client.peer().read_resource(ReadResourceRequestParams::new(uri));
    let instance = read(format!("ec2://instance/{id}")).await.unwrap();
    assert_eq!((instance.ttl_ms, instance.cache_scope), (Some(0), Some(CacheScope::Private)));
    assert!(instance.meta.unwrap().contains_key(SERVER_INFO));
    let vpc = client.read("ec2://inventory/123456789012/us-east-1/vpc").await.unwrap()["members"][0]["uri"].clone();
    let vpc = read(vpc.as_str().unwrap().to_owned()).await.unwrap();
    assert!(vpc.ttl_ms.is_some_and(|ttl| ttl > 0 && ttl <= 5000), "{:?}", vpc.ttl_ms);
}

#[tokio::test]
async fn what_is_read_often_is_as_new_as_what_is_read_once() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let uri = format!("ec2://instance/{id}");
    let first = client.read(&uri).await.unwrap();
    for _ in 0..3 {
        assert_eq!(client.read(&uri).await.unwrap(), first, "nothing changed");
    }
    let stopped = data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap());
    let body = client.read(&uri).await.unwrap();
    assert_eq!(body["document"]["State"]["Name"], "stopping");
    assert!(body["seq"].as_u64() >= stopped["seq"].as_u64());
    let (mut last, mut pages) = (body["as_of"].clone(), Vec::new());
    for _ in 0..3 {
        world.sweep().await;
        pages.push(client.list(None).await.unwrap().resources);
        let as_of = client.read(&uri).await.unwrap()["as_of"].clone();
        assert!(as_of.as_str() > last.as_str(), "a sweep that changed nothing confirms it: {as_of} after {last}");
        last = as_of;
    }
    assert!(pages.iter().all(|page| *page == pages[0]));
}

#[tokio::test]
async fn an_unknown_resource_is_not_found_and_a_bad_uri_shows_the_forms() {
    let world = World::small().await;
    let client = world.client(false).await;
    let error = refused(client.read("ec2://instance/i-0000000000000dead").await.unwrap_err());
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert_eq!(error.data, Some(json!({"uri": "ec2://instance/i-0000000000000dead"})));
    let error = refused(client.read("ec2://instances/i-1").await.unwrap_err());
    assert!(error.message.contains("did you mean `instance`?"), "{error}");
    let legacy = world.legacy(Told::default()).await;
    let params = ReadResourceRequestParams::new("ec2://instance/i-0000000000000dead");
    let Err(ServiceError::McpError(error)) = legacy.read_resource(params).await else { panic!("not found") };
    assert_eq!(error.code, ErrorCode::RESOURCE_NOT_FOUND);
}

/// Makes the copy of instances stale without anything in the way of its next sweep.
async fn outdate(world: &World) {
    world.core.ingest.signal(Signal::Expected {
        scope: scope(),
        kind: kinds::INSTANCE.kind(),
        interval: Duration::ZERO,
    });
    while world.core.stale(&scope(), kinds::INSTANCE).is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_stale_copy_that_lacks_a_resource_is_waited_for_and_then_says_that_it_is_stale() {
    let world = World::small().await;
    let client = world.client(false).await;
    outdate(&world).await;
    let (uri, since) =
        ("ec2://instance/i-0000000000000dead", world.core.stale(&scope(), kinds::INSTANCE).unwrap().since);
    let started = tokio::time::Instant::now();
    let error = refused(client.read(uri).await.unwrap_err());
    assert!(started.elapsed() >= Duration::from_millis(4900), "it waited");
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert!(error.message.contains("the copy is stale since"), "{error}");
    assert!(error.message.contains(&since.unwrap().to_string()), "{error}");
    assert!(error.message.contains("later than expected"), "{error}");
    assert_eq!(error.data, Some(json!({"uri": uri})), "clients know the error by this");

    let new = world.simulator.world().home().launch();
    let uri = format!("ec2://instance/{new}");
    let (body, ()) = tokio::join!(client.read(&uri), world.sweep());
    assert_eq!(body.unwrap()["id"], new.as_str());
}

#[tokio::test]
async fn a_stale_copy_whose_sweep_is_refused_says_so_at_once() {
    let world = World::small().await;
    let client = world.client(false).await;
    outdate(&world).await;
    let (what, fix, since) = ("no route to AWS".to_owned(), "mend the network".to_owned(), world.core.now());
    let trouble = crate::model::Trouble { class: ErrorClass::Transient.into(), what, fix, since, retry_at: None };
    world.core.ingest.signal(Signal::Aws(Some(trouble)));
    let started = tokio::time::Instant::now();
    let error = refused(client.read("ec2://instance/i-0000000000000dead").await.unwrap_err());
    assert!(started.elapsed() < Duration::from_secs(4), "nothing to wait for");
    assert!(error.message.contains("no route to AWS. mend the network"), "{error}");
}

#[tokio::test]
async fn a_scope_that_nobody_watches_is_not_found_and_never_empty() {
    let world = World::small().await;
    let client = world.client(false).await;
    for path in ["instance", "instance/i-0000000000000dead"] {
        let uri = format!("ec2://inventory/123456789012/eu-west-9/{path}");
        let error = refused(client.read(&uri).await.unwrap_err());
        assert!(
            error
                .message
                .contains("Scope 123456789012/eu-west-9 is not watched; this server watches 123456789012/us-east-1"),
            "{error}"
        );
    }
    let elsewhere = crate::model::Scope { region: crate::model::Region::new("eu-west-9"), ..scope() };
    assert!(!world.core.progress(&[kinds::INSTANCE], &(&elsewhere).into()).is_complete());
}

#[tokio::test]
async fn what_the_last_sweep_lacked_is_not_claimed_to_be_so_at_that_sweep() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let uri = "ec2://inventory/123456789012/us-east-1/instance";
    let before = client.read(uri).await.unwrap()["as_of"].clone();
    assert!(before.is_string());
    world.simulator.world().home().forget(&id).unwrap();
    world.sweep().await;
    let lacking = client.read(uri).await.unwrap();
    assert_eq!((&lacking["as_of"], &lacking["count"]), (&before, &json!(12)), "it was seen a moment ago");

    // A sweep later than what is known can outweigh.
    let Core { aws, ingest, .. } = &*world.core;
    let at = world.core.now() + Duration::from_secs(90);
    let page = aws.page(&scope(), kinds::INSTANCE, None).await.unwrap();
    for step in
        [SweepStep::Started { at }, SweepStep::Page(Page { sent_at: at, ..page }), SweepStep::Completed { ended: at }]
    {
        ingest.sweep(SweepMessage { scope: scope(), kind: kinds::INSTANCE.kind(), step }).await.unwrap();
    }
    while ingest.freshness().of(&scope(), &kinds::INSTANCE.kind()).unwrap().missing == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let lacking = client.read(uri).await.unwrap();
    assert_eq!((&lacking["as_of"], &lacking["missing_unproved"], &lacking["count"]), (&before, &json!(1), &json!(12)));
    let result = client.call("search_inventory", json!({})).await.unwrap();
    assert!(text(&result).contains("1 of the instances searched were missing"), "{}", text(&result));
    let found = data(result);
    assert_eq!((&found["as_of"], &found["missing_unproved"]), (&before, &json!(1)));
}

#[tokio::test]
async fn a_removed_resource_says_when_and_at_which_record() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let (source, at) = (crate::model::Source::Sweep, world.core.now());
    let resource = crate::model::ResourceId::new(&scope(), &kinds::INSTANCE.kind(), id.as_str());
    let gone = crate::model::Observation { source, at, id: resource, seen: crate::model::Seen::Absent };
    let lane = crate::ingest::Lane::Refresh;
    let seq = world.core.ingest.observe(lane, vec![gone], crate::model::Cause::Sweep).await.unwrap().seq;
    let error = refused(client.read(&format!("ec2://instance/{id}")).await.unwrap_err());
    assert_eq!(error.data, Some(json!({"uri": format!("ec2://instance/{id}")})));
    assert!(error.message.contains(&format!("(seq {seq})")), "{error}");
    let result = client.call("get_resource", json!({"id": id})).await.unwrap();
    assert!(text(&result).contains("is gone"), "{}", text(&result));
}

#[tokio::test]
async fn before_the_first_sweep_nothing_is_not_found_it_is_not_seen_yet() {
    let world = World::unswept(simulator::Options { instances: 1100, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let started = tokio::time::Instant::now();
    let narrowed = json!({"account": scope().account, "region": "us-east-1"});
    let (error, narrowed) =
        tokio::join!(client.read("ec2://instance/i-0000000000000dead"), client.call("search_inventory", narrowed),);
    let (error, narrowed) = (refused(error.unwrap_err()), narrowed.unwrap());
    assert!(text(&narrowed).contains("not seen yet"), "{}", text(&narrowed));
    assert!(started.elapsed() >= Duration::from_millis(4900), "it waited");
    assert!(error.message.contains("not seen yet"), "{error}");
    assert_eq!(error.data.unwrap()["retryable"], true);

    world.sweep_kind(kinds::INSTANCE, 1).await;
    let found = data(client.call("search_inventory", json!({})).await.unwrap());
    assert_eq!(found["at_least"], true);
    assert_eq!(found["incomplete"][0]["kind"], "instance");
    let summary = client.read("ec2://inventory/summary").await.unwrap();
    assert_eq!(summary["complete"], false);
}

#[tokio::test]
async fn a_read_that_waits_for_the_first_sweep_is_answered_when_it_gets_there() {
    let world = World::unswept(simulator::Options { instances: 3, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let (list, ()) = tokio::join!(client.list(None), world.sweep());
    assert!(list.unwrap().resources.iter().any(|resource| resource.uri.starts_with("ec2://instance/i-")));
}

#[tokio::test]
async fn an_account_without_instances_says_where_it_looked() {
    let world = World::swept(simulator::Options { instances: 0, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let result = client.call("search_inventory", json!({})).await.unwrap();
    assert!(text(&result).starts_with("0 instances match in 123456789012/us-east-1"), "{}", text(&result));
    assert_eq!(data(result)["total"], 0);
}

#[tokio::test]
async fn a_cursor_of_something_else_is_refused() {
    let world = World::swept(simulator::Options { instances: 2300, ..fast() }, ListMode::All).await;
    let client = world.client(false).await;
    let page = client.list(None).await.unwrap();
    for cursor in ["garbage", "AA=="] {
        let error = refused(client.list(Some(cursor.to_owned())).await.unwrap_err());
        assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
        assert!(error.message.contains("start again without a cursor"), "{error}");
    }
    let result = client.call("search_inventory", json!({"cursor": page.next})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(text(&result).contains("other arguments"), "{}", text(&result));
    let params = PaginatedRequestParams::default().with_cursor(Some("x".to_owned()));
    assert!(client.peer().list_tools(Some(params)).await.is_err());
}

#[tokio::test]
async fn tools_and_discovery_answer_while_the_store_is_not_there() {
    let world = World::unswept(simulator::Options { instances: 0, ..fast() }, ListMode::Auto).await;
    world.readiness.send_replace(Readiness::Opening);
    let client = world.client(false).await;
    assert!(client.tools().await.unwrap().iter().any(|tool| tool.name == "search_inventory"));
    let failure = Failure { what: "the store /x is damaged".into(), fix: "move it away".into() };
    world.readiness.send_replace(Readiness::Failed(Arc::new(failure)));
    let result = client.call("search_inventory", json!({})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    assert_eq!(text(&result), "the store /x is damaged. move it away");
    let error = refused(client.list(None).await.unwrap_err());
    assert!(error.message.contains("the store /x is damaged. move it away"), "{error}");
    world.readiness.send_replace(Readiness::Opening);
    let (result, ()) = tokio::join!(client.call("get_inventory_summary", json!({})), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.readiness.send_replace(Readiness::Ready(Arc::clone(&world.core)));
    });
    assert_ne!(result.unwrap().is_error, Some(true), "it waited for the store");
}

#[tokio::test]
async fn a_confirmation_counts_for_its_front_end_over_another_connection_and_for_no_other_front_end_or_user() {
    let world = World::small().await;
    let ids = world.simulator.world().home().instance_ids_in("running");
    let connect = |user: &'static str, front_end: Option<&str>| {
        let link = Link::socket(WritePolicy::of(true), Vec::new()).of(Principal::of_user(user));
        let (read, write) = tokio::io::split(world.connect_over(link.of_front_end(front_end.map(str::to_owned))));
        async move { McpClient::connect(read, write).await.unwrap() }
    };
    for ((user, front_end), id) in
        [("uid:1", Some("b")), ("uid:2", Some("a")), ("uid:1", None), ("uid:1", Some("a"))].into_iter().zip(ids)
    {
        let mut given = json!({"instance_id": id});
        let shown = connect("uid:1", Some("a")).await.call("stop_instance", given.clone()).await.unwrap();
        given["confirmation"] = shown.structured_content.unwrap()["confirmation"]["token"].clone();
        let told = connect(user, front_end).await.call("stop_instance", given).await.unwrap();
        let is_same = (user, front_end) == ("uid:1", Some("a"));
        let verdict = if is_same { "done" } else { "unconfirmed" };
        assert_eq!(told.structured_content.unwrap()["results"][0]["verdict"], verdict, "{user} {front_end:?}");
    }
}

#[tokio::test]
async fn a_refusal_while_the_store_opens_is_recorded_once_it_is_open() {
    let world = World::small().await;
    world.readiness.send_replace(Readiness::Opening);
    let client = world.client(false).await;
    let refused = client.call("stop_instance", json!({"instance_id": "i-0123456789abcdef0"})).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    world.readiness.send_replace(Readiness::Ready(Arc::clone(&world.core)));
    let is_recorded = || {
        let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
        records.iter().any(
            |record| matches!(&record.event, Event::ActionRefused { attempt, .. } if attempt.tool == "stop_instance"),
        )
    };
    for _ in 0..400 {
        if is_recorded() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the refusal is not in the log");
}

#[tokio::test]
async fn write_tools_are_hidden_and_explained_where_writes_are_off() {
    let world = World::small().await;
    let client = world.client(false).await;
    assert!(!client.tools().await.unwrap().iter().any(|tool| tool.name == "stop_instance"));
    let result = client.agree("stop_instance", json!({"instance_id": "i-1"})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(text(&result).contains("--allow-writes"), "{}", text(&result));
    let writer = world.client(true).await;
    assert!(writer.tools().await.unwrap().iter().any(|tool| tool.name == "stop_instance"));
}

#[tokio::test]
async fn who_asked_for_writes_of_a_server_that_permits_none_is_told_of_that_server() {
    let mut world = World::small().await;
    let policy = ServerPolicy::permitting(false);
    world.server = McpServer::new(world.readiness.subscribe(), policy, TaskTracker::new(), world.stop.clone());
    let client = world.client(true).await;
    let result = client.agree("stop_instance", json!({"instance_id": "i-1"})).await.unwrap();
    let pid = format!("the running Muster server (pid {}) permits no writes", std::process::id());
    assert!(text(&result).contains(&pid), "{}", text(&result));
    let asked = world.client(false).await.agree("stop_instance", json!({"instance_id": "i-1"})).await.unwrap();
    assert!(!text(&asked).contains("pid"), "{}", text(&asked));
}

#[tokio::test]
async fn while_aws_cannot_be_reached_nothing_looks_like_nothing_there() {
    let world = World::unswept(simulator::Options { instances: 3, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let (what, fix, since) = ("no credentials".to_owned(), "run aws sso login".to_owned(), world.core.now());
    let trouble = crate::model::Trouble { class: ErrorClass::Fatal.into(), what, fix, since, retry_at: None };
    world.core.ingest.signal(Signal::Aws(Some(trouble)));
    let result = client.call("search_inventory", json!({"region": "us-east-1"})).await.unwrap();
    assert!(text(&result).contains("no credentials. run aws sso login"), "{}", text(&result));
    let summary = data(client.call("get_inventory_summary", json!({})).await.unwrap());
    assert_eq!((&summary["totals"], &summary["trouble"]["what"]), (&json!({}), &json!("no credentials")));
    let error = refused(client.list(None).await.unwrap_err());
    assert_eq!(error.data, Some(json!({"retryable": true})), "a list has no URI");
}

#[tokio::test]
async fn a_summary_waits_for_what_is_watched() {
    let world = World::unswept(simulator::Options { instances: 3, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let begin = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.sweep_kind(kinds::by_slug("vpc").unwrap(), 1).await;
    };
    let (summary, ()) = tokio::join!(client.read("ec2://inventory/summary"), begin);
    let totals = summary.unwrap()["totals"].clone();
    assert!(totals["vpc"].is_u64() && totals.get("instance").is_none(), "{totals}");
}

#[tokio::test]
async fn an_unknown_tool_is_a_protocol_error_with_the_nearest_name() {
    let world = World::small().await;
    let client = world.client(false).await;
    let error = refused(client.call("search_inventroy", json!({})).await.unwrap_err());
    assert_eq!(error.code, ErrorCode::INVALID_PARAMS);
    assert!(error.message.contains("`search_inventroy` (did you mean `search_inventory`?)"), "{error}");
    let error = refused(client.call("stop_instances", json!({})).await.unwrap_err());
    assert!(error.message.contains("did you mean `stop_instance`?"), "{error}");
    assert!(error.message.contains("--allow-writes"), "it is off: {error}");
}

#[tokio::test]
async fn a_bad_argument_is_an_answer_that_says_how() {
    let world = World::small().await;
    let client = world.client(false).await;
    for (tool, arguments, says) in [
        ("search_inventory", json!({"filter": []}), "did you mean `filters`?"),
        ("search_inventory", json!({"filters": [{"Name": "stat", "Values": ["x"]}]}), "no filter `stat`"),
        ("search_inventory", json!({"filters": {"instance_state": ["x"]}}), "did you mean `instance-state-name`?"),
        ("search_inventory", json!({"filters": {"private_ip_adress": ["x"]}}), "did you mean `private-ip-address`?"),
        ("search_inventory", json!({"kind": "instanc"}), "did you mean `instance`?"),
        ("search_inventory", json!({"fields": (0..21).map(|n| format!("tag:{n}")).collect::<Vec<_>>()}), "at most 20"),
        ("search_inventory", json!({"kind": "bucket"}), "one of instance, instance-status, vpc, subnet, route-table"),
        ("search_inventory", json!({"region": "mars-1"}), "this server watches 123456789012/us-east-1"),
        (
            "search_inventory",
            json!({"account": scope().account, "region": "eu-west-9"}),
            "this server watches 123456789012/us-east-1",
        ),
        (
            "search_inventory",
            json!({"account": "1", "region": "us-east-1"}),
            "this server watches 123456789012/us-east-1",
        ),
        (
            "search_inventory",
            json!({"fields": ["colour"]}),
            "instance has no filter `colour`. Give tag:KEY or one of: ",
        ),
        (
            "search_inventory",
            json!({"fields": ["vpc-idd"]}),
            "instance has no filter `vpc-idd` (did you mean `vpc-id`?)",
        ),
        (
            "count_inventory",
            json!({"group_by": "instance-typ"}),
            "(did you mean `instance-type`?). Give tag:KEY or one of",
        ),
        ("get_instance_status", json!({"instance_ids": ["web-1"]}), "argument `instance_ids` must be instance ids"),
        (
            "get_instance_status",
            json!({"instance_id": "i-1", "filters": {"tag:a": ["b"]}}),
            "give `instance_ids` or `filters`, not both",
        ),
        ("get_resource", json!({"uri": "ec2://inventory/summary"}), "get_inventory_summary"),
        ("get_resource", json!({}), "needs the argument `uri`"),
        ("get_resource", json!({"uri": " "}), "needs the argument `uri`"),
        ("get_resource", json!({"id": "i-1", "region": "mars-1"}), "Region mars-1 is not watched"),
        (
            "get_resource",
            json!({"uri": "ec2://inventory/123456789012/mars-1/instance/i-1"}),
            "Scope 123456789012/mars-1 is not watched",
        ),
        (
            "get_resource",
            json!({"uri": "ec2://inventory/123456789012/mars-1/instance/i-1", "region": "us-east-1"}),
            "argument `region` must be the same as in `uri`",
        ),
        (
            "list_changes",
            json!({"uri": "ec2://inventory/123456789012/us-east-1/instance/i-1", "region": "mars-1"}),
            "argument `region` must be the same as in `uri`",
        ),
        (
            "get_resource",
            json!({"uri": "ec2://instance/i-1", "id": "i-2"}),
            "argument `id` must be the same as in `uri`",
        ),
        ("compare_resource", json!({"uri": "ec2://instance/i-1", "from": " "}), "needs the argument `from`"),
    ] {
        let result = client.agree(tool, arguments.clone()).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{tool} {arguments}");
        assert!(text(&result).contains(says), "{tool} {arguments}: {}", text(&result));
        let code = result.meta.as_ref().and_then(|meta| meta.get(crate::mcp::error::CODE));
        let invalid = json!(crate::model::FailureCode::InvalidArgument);
        assert_eq!(code, Some(&invalid), "{tool} {arguments}");
    }
}

/// What a server answers to a line of the older era, on a connection of its own.
async fn answer(world: &World, request: Value) -> Value {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let (read, mut write) = tokio::io::split(world.connect(true));
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": crate::mcp::tests::hello()});
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for line in [&hello, &ready, &request] {
        write.write_all(format!("{line}\n").as_bytes()).await.unwrap();
    }
    let mut lines = BufReader::new(read).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == request["id"] {
            return message;
        }
    }
    panic!("no answer to {request}");
}

#[tokio::test]
async fn arguments_that_are_the_json_text_of_an_object_are_read_and_other_values_are_invalid_parameters() {
    let world = World::small().await;
    let call = |arguments: Value| json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "count_inventory", "arguments": arguments}});
    let clean = answer(&world, call(json!({"kind": "instance"}))).await;
    let sloppy = answer(&world, call(json!("{\"kind\": \"instance\"}"))).await;
    assert_eq!(sloppy["result"]["structuredContent"]["total"], 12, "{sloppy}");
    let fields = |answer: &Value| -> std::collections::BTreeSet<String> {
        answer["result"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(fields(&sloppy), fields(&clean));
    for wrong in [json!([]), json!("kind=instance"), json!(7), json!(true), json!("[]")] {
        let refused = answer(&world, call(wrong.clone())).await;
        assert_eq!(refused["error"]["code"], -32602, "{wrong}: {refused}");
        assert!(
            refused["error"]["message"].as_str().unwrap().contains("`arguments` must be a JSON object"),
            "{refused}"
        );
    }
    let none = answer(&world, json!({"jsonrpc": "2.0", "id": 8, "method": "resources/read", "params": {"uri": 7}}));
    assert_eq!(none.await["error"]["code"], -32602);
    let unknown = answer(&world, json!({"jsonrpc": "2.0", "id": 9, "method": "resources/nonsense", "params": {}}));
    let unknown = unknown.await;
    assert_eq!(unknown["error"]["code"], -32601);
    assert!(unknown["error"]["message"].as_str().unwrap().contains("does not serve the method `resources/nonsense`"));
}

#[tokio::test]
async fn a_blank_cursor_is_no_cursor_in_every_list() {
    let world = World::small().await;
    for method in ["tools/list", "resources/list", "resources/templates/list", "prompts/list"] {
        let ask =
            |params: Value| answer(&world, json!({"jsonrpc": "2.0", "id": 3, "method": method, "params": params}));
        let clean = ask(json!({})).await;
        assert!(clean.get("result").is_some(), "{clean}");
        for blank in [json!(""), json!("  "), Value::Null] {
            assert_eq!(ask(json!({"cursor": blank})).await, clean, "{method} {blank}");
        }
        assert_eq!(ask(json!({"cursor": "x"})).await["error"]["code"], -32602, "{method}");
    }
}

#[tokio::test]
async fn what_is_left_blank_narrows_no_completion() {
    let world = World::small().await;
    let ask = |context: Value| {
        let params = json!({
            "ref": {"type": "ref/resource", "uri": crate::mcp::resources::templates::COLLECTION},
            "argument": {"name": "region", "value": ""},
            "context": {"arguments": context},
        });
        answer(&world, json!({"jsonrpc": "2.0", "id": 4, "method": "completion/complete", "params": params}))
    };
    let clean = ask(json!({})).await;
    assert_eq!(clean["result"]["completion"]["values"], json!(["us-east-1"]), "{clean}");
    assert_eq!(ask(json!({"account": ""})).await, clean);
    assert_eq!(ask(json!({"account": " "})).await, clean);
    assert_eq!(ask(json!({"account": "1"})).await["result"]["completion"]["values"], json!([]));
}

#[tokio::test]
async fn a_modern_subscriber_is_told_of_what_it_asked_and_of_nothing_else() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let (uri, status) = (format!("ec2://instance/{id}"), format!("ec2://instance/{id}/status"));
    let mut listening = client.listen(&[&uri, "ec2://bad", &status], true).await.unwrap();
    assert_eq!(listening.honoured(), [uri.clone(), status]);
    let mut other = client.listen(&["ec2://vpc/vpc-1"], true).await.unwrap();
    quiet(&mut listening).await;
    quiet(&mut other).await;
    let stopped = data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap());
    assert_eq!(stopped["results"][0]["verdict"], "done");
    assert_eq!(listening.next(SOON).await.unwrap(), Some(uri.clone()));
    let nothing = other.next(Duration::from_millis(300)).await;
    assert!(matches!(nothing, Err(ClientError::Silence(_))), "{nothing:?}");
    let body = client.read(&uri).await.unwrap();
    assert_eq!(body["document"]["State"]["Name"], "stopping");
    assert_eq!(body["provisional"][0]["group"], "state");
    assert!(body["seq"].as_u64() >= stopped["seq"].as_u64());
}

#[tokio::test]
async fn histories_are_read_and_told_of() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let (history, changes) = (format!("ec2://instance/{id}/history"), "ec2://inventory/changes".to_owned());
    let mut listening = client.listen(&[&history, &changes], false).await.unwrap();
    quiet(&mut listening).await;
    let before = client.read(&history).await.unwrap();
    assert_eq!((&before["uri"], &before["changes"]), (&json!(history), &json!([])), "only a baseline: {before}");
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let mut heard = vec![listening.next(SOON).await.unwrap()];
    while !(heard.contains(&Some(history.clone())) && heard.contains(&Some(changes.clone()))) {
        heard.push(listening.next(SOON).await.unwrap());
    }
    let after = client.read(&history).await.unwrap();
    assert_eq!(after["changes"][0]["what"], "changed");
    let everything = client.read(&changes).await.unwrap();
    assert!(everything["changes"].as_array().unwrap().contains(&after["changes"][0]), "{everything}");
    // What follows is a call of the tool that the body spells out.
    let newer = &before["newer"];
    assert_eq!(newer["tool"], "list_changes");
    let found = data(client.call("list_changes", newer["arguments"].clone()).await.unwrap());
    assert_eq!(found["changes"], after["changes"]);
    let limited = world.core.now();
    let body = client.peer().read_resource(ReadResourceRequestParams::new(&changes)).await.unwrap();
    assert_eq!(body.ttl_ms, Some(0), "{limited}");
    let status = client.read(&format!("ec2://instance/{id}/status/history")).await.unwrap();
    assert_eq!(status["kind"], "instance-status");
    let unknown = refused(client.read("ec2://vpc/vpc-0000000000000dead/history").await.unwrap_err());
    assert_eq!(unknown.code, ErrorCode::INVALID_PARAMS);
}

#[tokio::test]
async fn stopping_the_server_ends_a_modern_subscription_with_its_result() {
    let world = World::small().await;
    let client = world.client(true).await;
    let filter = SubscriptionFilter::builder().resource_subscription("ec2://inventory/freshness").build();
    let mut subscription = client.peer().listen(filter).await.unwrap();
    world.stop.cancel();
    while let Ok(Some(_)) = subscription.next().await {}
    assert!(
        matches!(subscription.end(), Some(rmcp::service::SubscriptionEnd::Graceful(_))),
        "{:?}",
        subscription.end()
    );
}

#[tokio::test]
async fn an_older_client_subscribes_is_told_and_unsubscribes() {
    let world = World::small().await;
    let (told, client) = (Told::default(), world.client(true).await);
    let legacy = world.legacy(told.clone()).await;
    let (first, second) = (world.instance(&client, "stopped").await, "ec2://vpc/none".to_owned());
    let uri = format!("ec2://instance/{first}");
    #[expect(deprecated, reason = "this is the older era's way")]
    {
        legacy.subscribe(SubscribeRequestParams::new(&uri)).await.unwrap();
        legacy.subscribe(SubscribeRequestParams::new(&second)).await.unwrap();
        legacy.unsubscribe(UnsubscribeRequestParams::new(&second)).await.unwrap();
        assert!(legacy.subscribe(SubscribeRequestParams::new("test://x")).await.is_err());
    }
    let params = CallToolRequestParams::new("start_instance");
    let arguments = json!({"instance_ids": [first]}).as_object().cloned().unwrap();
    let started = legacy.call_tool(params.with_arguments(arguments)).await.unwrap();
    assert_eq!(data(started)["results"][0]["current_state"], "pending");
    assert!(told.hears(&uri).await, "{:?}", told.0.lock());
    assert!(!told.0.lock().contains(&second));
    drop(legacy);
    for _ in 0..100 {
        if world.core.hub.subscribers() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the session's subscription outlived it");
}

#[tokio::test]
async fn the_list_changes_for_new_resources_in_both_eras() {
    let world = World::small().await;
    let told = Told::default();
    let _legacy = world.legacy(told.clone()).await;
    let client = world.client(true).await;
    let mut listening = client.listen(&["ec2://inventory/summary"], true).await.unwrap();
    quiet(&mut listening).await;
    told.0.lock().clear();
    let id = crate::model::ResourceId::new(&scope(), &kinds::INSTANCE.kind(), "i-0new");
    let document = crate::model::Document::new([("InstanceId".to_owned(), "i-0new".into())].into());
    let seen = crate::model::Seen::Described(Arc::new(document));
    let (source, at) = (crate::model::Source::Refresh, world.core.now());
    let observation = crate::model::Observation { source, at, id, seen };
    let lane = crate::ingest::Lane::Refresh;
    world.core.ingest.observe(lane, vec![observation], crate::model::Cause::Refresh).await.unwrap();
    let mut heard = vec![listening.next(SOON).await.unwrap(), listening.next(SOON).await.unwrap()];
    heard.sort();
    assert_eq!(heard, [None, Some("ec2://inventory/summary".to_owned())]);
    assert!(told.hears("list").await);
}

#[tokio::test]
async fn templates_complete_from_what_is_there() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let complete = |template: &'static str, argument: &'static str, typed: String| {
        let client = &client;
        async move { client.peer().complete_resource_simple(template, argument, typed).await.unwrap() }
    };
    assert_eq!(complete("ec2://instance/{id}", "id", id.clone()).await, std::slice::from_ref(&id));
    assert_eq!(complete("ec2://instance/{id}/status", "id", "i-".to_owned()).await.len(), 12);
    assert_eq!(complete("ec2://instance/{id}/history", "id", "i-".to_owned()).await.len(), 12);
    assert_eq!(complete(templates::COLLECTION, "region", "us".to_owned()).await, ["us-east-1"]);
    assert_eq!(complete(templates::COLLECTION, "kind", "v".to_owned()).await, ["volume", "vpc"]);
    let status = "ec2://instance/{id}/status";
    let name = client.read(&format!("ec2://instance/{id}")).await.unwrap();
    let tags = name["document"]["Tags"].as_array().unwrap();
    let name = tags.iter().find(|tag| tag["Key"] == "Name").unwrap()["Value"].as_str().unwrap().to_owned();
    for template in ["ec2://instance/{id}", status] {
        assert!(complete(template, "id", name.clone()).await.contains(&id), "a name leads to the id: {name}");
    }
    let groups = client.call("search_inventory", json!({"kind": "security-group", "limit": 1})).await.unwrap();
    let group = data(groups)["rows"][0].clone();
    let (id, name) = (group["id"].as_str().unwrap(), group["group_name"].as_str().unwrap());
    assert!(complete("ec2://security-group/{id}", "id", name.to_owned()).await.contains(&id.to_owned()), "{group}");
    assert!(complete("ec2://instance/{id}", "id", "*".to_owned()).await.is_empty(), "no wildcard");
}

#[tokio::test]
async fn every_variable_and_argument_is_completed_and_others_are_invalid() {
    let world = World::small().await;
    let ask = |reference: Value, argument: &str, context: Value| {
        let argument = json!({"name": argument, "value": ""});
        let params = json!({"ref": reference, "argument": argument, "context": {"arguments": context}});
        let asked = json!({"jsonrpc": "2.0", "id": 4, "method": "completion/complete", "params": params});
        let world = &world;
        async move { answer(world, asked).await }
    };
    let scope = json!({"account": scope().account, "region": scope().region, "kind": "vpc"});
    for template in templates::all() {
        let variables = template.uri_template.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        for (variable, _) in variables {
            let reference = json!({"type": "ref/resource", "uri": template.uri_template});
            let found = ask(reference, variable, scope.clone()).await;
            let values = found["result"]["completion"]["values"].as_array();
            let is_empty_kind =
                values.is_some_and(Vec::is_empty) && variable == "id" && !template.uri_template.contains("{kind}");
            assert!(values.is_some_and(|values| !values.is_empty()) || is_empty_kind, "{variable}: {found}");
        }
    }
    for prompt in prompts::all() {
        for argument in prompt.arguments.iter().flatten() {
            let found = ask(json!({"type": "ref/prompt", "name": prompt.name}), &argument.name, json!({})).await;
            let values = found["result"]["completion"]["values"].as_array();
            assert!(values.is_some_and(|values| !values.is_empty()), "{} {}: {found}", prompt.name, argument.name);
        }
    }
    for (reference, argument) in [
        (json!({"type": "ref/resource", "uri": "ec2://nothing/{id}"}), "id"),
        (json!({"type": "ref/resource", "uri": "ec2://instance/{id}"}), "colour"),
        (json!({"type": "ref/prompt", "name": "nothing"}), "tag"),
        (json!({"type": "ref/prompt", "name": "fleet_health_check"}), "colour"),
        (json!({"type": "ref/tool", "name": "search_inventory"}), "kind"),
    ] {
        let refused = ask(reference.clone(), argument, json!({})).await;
        assert_eq!(refused["error"]["code"], -32602, "{reference} {argument}: {refused}");
    }
}
