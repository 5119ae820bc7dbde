//! `get_resource`: resources in short or in full, for the many clients whose models cannot read MCP resources themselves.

mod age;
mod amount;
mod details;
mod pruned;
mod resource_view;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use self::age::{Age, last, then};
use self::amount::Amount;
use self::resource_view::{ResourceText, ResourceView};
use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::past::{self, PastArgument};
use super::arguments::resource::ResourceArguments;
use super::arguments::scope::ScopeArguments;
use super::as_of;
use super::budget::RowBudget;
use super::schema::{self, ToolSchema};
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::AnswerText;
use super::tokens::tokens;
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::part_of;
use crate::mcp::looks::Sight;
use crate::mcp::uri::Address;
use crate::model::text::shown;
use crate::model::{FailureCode, ScopeFilter};
use crate::query::Point;

/// Resources in one call at most.
const MAX_IDS: usize = 100;
/// Who looks at a resource takes what another look showed that began so shortly before.
const SHARED: Duration = Duration::from_secs(1);
/// Where the rest of a resource is found that is shown in short.
const REST: &str = "full: true shows the whole document";
/// Tokens left for what an answer says around the resources, such as the IDs that are not shown.
const FRAME: usize = 2_000;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_resource",
    title: "Read resources",
    description: "Reads one resource by URI or id, or up to 100 by ids: its columns, tags, and of an instance its status \
                  checks and the ports that the internet can reach. full gives documents with the field names of the AWS \
                  CLI, paths some fields. A removed resource is shown as it was last known. live asks AWS first; otherwise \
                  no AWS call is made.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"uri": "ec2://instance/i-0123456789abcdef0"}"#,
    call: |call, given| call.with(given, serve),
};

/// Which resources, when, and how much of them.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    resource: ResourceArguments,
    /// Several IDs, instead of uri.
    #[serde(default)]
    #[schemars(length(max = MAX_IDS))]
    ids: Vec<String>,
    #[serde(flatten)]
    scope: ScopeArguments,
    as_of: Option<PastArgument>,
    /// Only these fields, such as State.Name.
    #[serde(default)]
    paths: Vec<String>,
    /// Whole documents.
    #[serde(default)]
    full: bool,
    /// Describe them in AWS now.
    #[serde(default)]
    live: bool,
}

fn output() -> Value {
    let one = one();
    let mut properties = one.clone();
    let several = json!({
        "resources": schema::list(schema::object(&["uri", "kind", "id"], one), "With `ids`: those that are known, each as one alone."),
        "not_known": schema::list(
            schema::object(
                &["ids", "why"],
                json!({
                    "ids": schema::list(json!({"type": "string"}), "The IDs, as given."),
                    "why": schema::text("Why nothing is known of them."),
                }),
            ),
            "With `ids`: those of which nothing is known.",
        ),
        "hint": schema::text("How to see the rest."),
        "not_shown": schema::list(json!({"type": "string"}), "IDs left out because of the answer's size: call again with these."),
    });
    if let (Value::Object(properties), Value::Object(several)) = (&mut properties, several) {
        properties.extend(several);
    }
    as_of::object(&["seq"], properties)
}

/// The properties of one resource.
fn one() -> Value {
    json!({
        "uri": schema::text("The resource's URI."),
        "kind": schema::text("Its kind."),
        "id": schema::text("AWS's ID."),
        "name": schema::text("Its name."),
        "account": schema::text("The AWS account that sees it."),
        "region": schema::text("The region."),
        "as_of": schema::text("When everything shown of it was last confirmed; with the argument as_of, the requested time."),
        "seq": schema::count("The newest record of the log at this read; with the argument as_of, the last record up to \
            that time."),
        "live": schema::object(
            &["result"],
            json!({
                "result": {"type": "string", "enum": ["shown", "not_found", "failed"], "description": "Whether AWS showed it when \
                    it was asked for this answer."},
                "why": schema::text("Why AWS did not, so that the stored copy is shown."),
            }),
        ),
        "removed_at": schema::text("When its removal was recorded; it is then shown as it was last known."),
        "removed_seq": schema::count("The record of its removal."),
        "stale": {"type": "object", "description": "Why it may be out of date; absent while fresh."},
        "missing": schema::object(
            &["since", "sweeps"],
            json!({
                "since": schema::text("When the first sweep that did not list it started."),
                "sweeps": schema::count("How many complete sweeps in a row did not list it."),
            }),
        ),
        "provisional": schema::list(
            json!({"type": "string"}),
            "Groups of fields that AWS reported as changed, not yet confirmed by a describe.",
        ),
        "columns": {"type": "object", "description": "What searches show of its kind, such as state and type; not with full or \
            paths."},
        "details": {"type": "object", "description": "What belongs to it: of an instance its volumes, security groups, image, \
            subnet, key and launch; of other kinds their rules, entries, routes, associations or attachments. A rule for all \
            protocols has no ports; a peer is where traffic comes from or goes to. Not with full or paths."},
        "details_left_out": {"type": "object", "description": "How many items more each of these lists has."},
        "tags": {"type": "object", "description": "Its tags, by key; not with full or paths."},
        "document": {"type": "object", "description": "The resource, as `aws ec2 describe-*` prints it; with full or paths."},
        "status": {"type": "object", "description": "The results of an instance's status checks; with full as \
            describe-instance-status prints them."},
        "status_as_of": schema::text("When the status checks were last confirmed."),
        "status_stale": {"type": "object", "description": "Why the status checks may be out of date; absent while fresh."},
        "exposure": {"type": "object", "description": "What of an instance the internet can reach directly: open ports, each \
            with what opens it, or with full the path; unknown where it cannot be told."},
        "not_found": schema::list(json!({"type": "string"}), "Requested paths that it does not have."),
        "omitted": schema::list(json!({"type": "string"}), "Fields that were left out or shortened because of their size."),
    })
}

/// A resource that is asked for: its kind, its id, and the scope that it is sought in.
type Sought = (&'static KindSpec, String, ScopeFilter);

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { resource, ids, scope, as_of, paths, full, live } = arguments;
    let amount = Amount::of(full, paths);
    let point = past::as_of(&core, as_of.as_ref())?;
    if live && point.is_some() {
        return Err(
            ArgumentError::said("argument `live` asks AWS for the present: leave out `as_of`, or `live`").into()
        );
    }
    if ids.is_empty() {
        let sought = sought(&core, &resource, &scope).await?;
        let looked = if live { looked(&core, &[&sought]).await?.pop() } else { None };
        let view = view(Arc::clone(&core), sought, point, &amount, looked.clone()).await?;
        let ResourceText { mut text, mut data } = told(&core, view, &amount).await?;
        if amount == Amount::Short {
            text = format!("{text}\n{REST}");
            data.insert("hint".to_owned(), json!(REST));
        }
        let failure = looked.as_ref().and_then(Sight::unsaid).map(|_| FailureCode::Aws);
        return Ok(ToolResult { text, structured: Value::Object(data), failure, input: None });
    }
    if ids.len() > MAX_IDS {
        let expected = format!("at most {MAX_IDS} ids: use several calls");
        return Err(ArgumentError::form("ids", &expected, format!("{} ids", ids.len())).into());
    }
    let mut asked: Vec<(String, ResourceArguments)> = Vec::new();
    for one in resource.with(&ids) {
        if !asked.iter().any(|(known, _)| *known == one.0) {
            asked.push(one);
        }
    }
    if asked.is_empty() {
        return Err(ArgumentError::missing("ids").into());
    }
    let resolved = join_all(asked.iter().map(|(_, one)| sought(&core, one, &scope))).await;
    let found: Vec<&Sought> = resolved.iter().filter_map(|sought| sought.as_ref().ok()).collect();
    let mut sights = if live { looked(&core, &found).await? } else { Vec::new() }.into_iter();
    let views = resolved.into_iter().map(|sought| {
        let sight = sought.as_ref().ok().and_then(|_| sights.next());
        let (core, amount) = (Arc::clone(&core), &amount);
        async move {
            let view = view(Arc::clone(&core), sought?, point, amount, sight).await?;
            told(&core, view, amount).await
        }
    });
    let views = join_all(views).await;
    let rest = (amount == Amount::Short).then_some(REST);
    answer(&core, asked.into_iter().map(|(id, _)| id).zip(views).collect(), point, rest)
}

/// The resource that arguments name.
async fn sought(core: &Core, resource: &ResourceArguments, scope: &ScopeArguments) -> Result<Sought, RequestError> {
    if let Some(uri) = &resource.uri
        && matches!(Address::parse(uri), Ok(Address::History { .. }))
    {
        let expected = "the URI of one resource (call list_changes for its changes)";
        return Err(ArgumentError::form("uri", expected, uri.as_str()).into());
    }
    resource.within(scope, core).await
}

/// Looks at resources in AWS, with what is served as a part of them, and tells of each whether AWS shows it.
async fn looked(core: &Core, sought: &[&Sought]) -> Result<Vec<Sight>, RequestError> {
    let mut targets = Vec::new();
    for (kind, id, scope) in sought.iter().copied() {
        let (scopes, _) = core.scopes_to_look(kind, id, scope)?;
        let id: Arc<str> = Arc::from(id.as_str());
        let part = part_of(kind).map(|part| (part, Arc::clone(&id), scopes.clone()));
        targets.extend([(*kind, id, scopes)].into_iter().chain(part));
    }
    let since = core.now() - SHARED;
    let seen = core.look_at(targets.iter().map(|(kind, id, scopes)| (*kind, id, scopes.as_slice())), since).await?;
    let of = |(kind, id, _): &&Sought| {
        Sight::together(
            seen.iter().filter(|seen| seen.kind.slug == kind.slug && *seen.id == **id).map(|seen| &seen.sight),
        )
    };
    Ok(sought.iter().map(of).collect())
}

/// What is known about a resource: now, at `point`, or when it was last seen.
async fn view(
    core: Arc<Core>,
    (kind, id, scope): Sought,
    point: Option<Point>,
    amount: &Amount,
    looked: Option<Sight>,
) -> Result<ResourceView, RequestError> {
    let at = (id.clone(), scope.clone());
    let (found, age) = match point {
        Some(point) => core.walk(move |core| then(core, kind, &at.0, &at.1, point)).await?,
        None => match core.find(kind, &id, &scope).await {
            Ok(found) => (found, Age::Now),
            Err(removed @ RequestError::Removed { .. }) => {
                core.walk(move |core| last(core, kind, &at.0, &at.1)).await?.ok_or(removed)?
            }
            Err(RequestError::NotFound { title, id, scopes, .. }) if looked.as_ref().is_some_and(Sight::is_absent) => {
                return Err(RequestError::NotInAws { title, id, scopes });
            }
            Err(fault) => {
                let Some(why) = looked.as_ref().and_then(Sight::unsaid) else { return Err(fault) };
                let what = format!("whether {} `{}` exists", kind.title, shown(&id, 80));
                return Err(RequestError::Unsure { what, why: format!("AWS could not be asked. {why}") });
            }
        },
    };
    let document = &found.current.document;
    if let Some(first) = amount.paths().first()
        && amount.paths().iter().all(|path| document.get(path).is_none())
    {
        let known: Vec<&str> = document.fields().keys().map(|name| &**name).collect();
        return Err(ArgumentError::no_field(first, &known).into());
    }
    let lacked = match age {
        Age::Now => core.ingest.freshness().lacked(&found.id),
        Age::Then(_) | Age::Gone { .. } => None,
    };
    Ok(ResourceView { kind, found, age, lacked, exposure: None, looked })
}

/// The resource as text and as data, with what of it the internet can reach.
async fn told(core: &Arc<Core>, mut view: ResourceView, amount: &Amount) -> Result<ResourceText, RequestError> {
    if matches!(view.age, Age::Now) && view.kind.slug == INSTANCE.slug && amount.paths().is_empty() {
        let (id, instance) = (view.found.id.clone(), view.found.current.document.clone());
        view.exposure = Some(core.walk(move |core| core.exposure(&id, &instance)).await?);
    }
    Ok(view.told(amount))
}

/// The answer about several resources.
fn answer(
    core: &Core,
    views: Vec<(String, Result<ResourceText, RequestError>)>,
    point: Option<Point>,
    rest: Option<&str>,
) -> Result<ToolResult, RequestError> {
    let all = views.len();
    let (mut known, mut whys, mut failure) = (Vec::new(), BTreeMap::<String, Vec<String>>::new(), None);
    for (id, view) in views {
        match view {
            Ok(view) => known.push((id, view)),
            Err(fault) => {
                failure = failure.or(Some(fault.code()));
                // Ids of which the same is said are named together.
                let why = fault.to_string().replace(&format!("`{id}`"), "of this id");
                whys.entry(shown(&why, 400)).or_default().push(shown(&id, 60));
            }
        }
    }
    let is_known = known.iter().any(|(_, view)| view.data.get("live").is_none_or(|live| live["result"] != "failed"));
    let mut lead = AnswerText::new(format!("{} of {all} resources are known", known.len()));
    if let Some(rest) = rest.filter(|_| is_known) {
        lead.add(format_args!("\n{rest}"));
    }
    for (why, ids) in &whys {
        lead.add(format_args!("\nNot known: {}: {why}", ids.join(", ")));
    }
    let not_known: Value = whys.into_iter().map(|(why, ids)| json!({"ids": ids, "why": why})).collect();
    let (mut text, mut rows, mut not_shown) = (AnswerText::default(), Vec::new(), Vec::new());
    let frame = FRAME + tokens(&String::from(lead.clone())).max(tokens(&not_known.to_string()));
    let mut budget = RowBudget::beside(frame);
    for (id, ResourceText { text: said, data }) in known {
        if !budget.takes(&said, &serde_json::to_string(&data)?) {
            not_shown.push(shown(&id, 60));
            continue;
        }
        text.add(format_args!("\n\n{said}"));
        rows.push(Value::Object(data));
    }
    if !not_shown.is_empty() {
        let ids = not_shown.join(", ");
        lead.add(format_args!("\nNot shown because of the answer's size; call again with ids: {ids}"));
    }
    lead.add(String::from(text));
    let seq = point.map_or(core.snapshot()?.seq(), |point| point.seq);
    let mut structured = Map::from_iter([("resources".to_owned(), json!(rows)), ("not_known".to_owned(), not_known)]);
    if let Some(rest) = rest.filter(|_| is_known) {
        structured.insert("hint".to_owned(), json!(rest));
    }
    if !not_shown.is_empty() {
        structured.insert("not_shown".to_owned(), json!(not_shown));
    }
    structured.insert("seq".to_owned(), json!(seq));
    // Where nothing is known, or AWS confirms nothing, the first reason decides.
    let failure = if is_known { None } else { failure.or(Some(FailureCode::Aws)) };
    Ok(ToolResult { text: lead.into(), structured: Value::Object(structured), failure, input: None })
}
