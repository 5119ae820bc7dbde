//! The paths below `/_simulator/`: they show and set how the simulator behaves while it runs, apart from the APIs of
//! AWS.
//!
//! Everything is JSON. A call that cannot be read is refused with status 400 and the reason, and changes nothing.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::simulator::faults::{Faults, Invalid};
use crate::simulator::request::Params;
use crate::simulator::roster::{MemberChange, RosterError};
use crate::simulator::world::{UnknownScope, World};
use crate::simulator::{announce, flip, journal, options, script, sqs, trail};

/// The beginning of every control path.
pub(crate) const PREFIX: &str = "/_simulator";

/// The beginning of the paths into the past. Milliseconds since the epoch follow; the result is an endpoint as of then.
pub(crate) const AT: &str = "/_simulator/at/";

const JOURNAL: &str = "/_simulator/journal";

/// The paths and the methods they take, as `GET /_simulator` lists them.
const PATHS: [(&str, &[Method]); 14] = [
    ("/_simulator/calls", &[Method::GET]),
    ("/_simulator/churn", &[Method::GET, Method::PATCH]),
    ("/_simulator/emit", &[Method::POST]),
    ("/_simulator/faults", &[Method::GET, Method::PUT, Method::PATCH]),
    ("/_simulator/faults/counts", &[Method::GET]),
    ("/_simulator/flip", &[Method::POST]),
    (JOURNAL, &[Method::GET]),
    ("/_simulator/listen", &[Method::POST]),
    ("/_simulator/organization", &[Method::GET, Method::PATCH]),
    ("/_simulator/requests", &[Method::GET]),
    ("/_simulator/requests/reset", &[Method::POST]),
    ("/_simulator/sessions/end", &[Method::POST]),
    ("/_simulator/share", &[Method::POST]),
    ("/_simulator/status", &[Method::POST]),
];

/// Why a call to a control path is refused.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error("the body is not JSON; send one object like the answer of GET /_simulator/faults: {0}")]
    Json(#[source] serde_json::Error),
    #[error("{path} takes one object, {takes}: {source}")]
    Shape {
        path: &'static str,
        takes: &'static str,
        #[source]
        source: serde_json::Error,
    },
    #[error("churn of {rate} changes a second is not possible; give a number from 0 to {}", options::MAX_CHURN)]
    Churn { rate: f64 },
    #[error(transparent)]
    Faults(#[from] Invalid),
    #[error(transparent)]
    Script(#[from] script::ScriptError),
    #[error(transparent)]
    Announce(#[from] announce::AnnounceError),
    #[error(transparent)]
    Flip(#[from] flip::FlipError),
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    #[error(transparent)]
    Roster(#[from] RosterError),
    #[error("{name:?} can be no queue's name; give 1 to 80 letters, digits, hyphens and underscores")]
    Queue { name: String },
    #[error(
        "{owner} cannot share {vpc} in {region} with {account}; name a VPC of the owner that is not the default one, and \
         another account"
    )]
    Share { owner: String, account: String, region: String, vpc: String },
    #[error("{path} takes no {key:?}; the journal takes id, account and region, the other paths take no query")]
    Query { path: String, key: String },
    #[error(
        "{account} never held {id} in {region}; GET /_simulator/journal lists what changed, Describe calls list the rest"
    )]
    Id { id: String, account: String, region: String },
    #[error("the body is longer than {most} bytes or incomplete; send one small JSON object")]
    Size { most: usize },
    #[error("the simulator has no path {path}; GET /_simulator lists all paths")]
    Path { path: String },
    #[error("{path} does not take {method}; GET /_simulator lists the methods of each path")]
    Method { path: String, method: Method },
}

/// What `PATCH /_simulator/churn` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChurnPatch {
    per_second: f64,
}

/// What `POST /_simulator/listen` takes: an account and region, the name of the queue and the rule, and the accounts and
/// regions whose events come to the queue.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listener {
    account: Option<String>,
    region: Option<String>,
    name: String,
    from: Option<Vec<String>>,
}

/// What `POST /_simulator/sessions/end` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndedSessions {
    account: Option<String>,
}

/// What `POST /_simulator/share` takes: a VPC and its owner, and the account that it is shared with.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sharing {
    owner: Option<String>,
    account: String,
    region: Option<String>,
    vpc: String,
}

/// Answers a call to a path that begins with [`PREFIX`]. `body` is `None` when it is longer than `most` bytes.
pub(crate) fn answer(
    world: &World,
    method: &Method,
    path: &str,
    query: &str,
    body: Option<&[u8]>,
    most: usize,
) -> Response<Body> {
    match body.ok_or(Wrong::Size { most }).and_then(|body| route(world, method, path, query, body)) {
        Ok(value) => json(StatusCode::OK, &value),
        Err(wrong) => {
            let status = match wrong {
                Wrong::Json(_)
                | Wrong::Shape { .. }
                | Wrong::Churn { .. }
                | Wrong::Faults(_)
                | Wrong::Flip(_)
                | Wrong::Script(_)
                | Wrong::Announce(_)
                | Wrong::Scope(_)
                | Wrong::Roster(_)
                | Wrong::Queue { .. }
                | Wrong::Share { .. }
                | Wrong::Query { .. } => StatusCode::BAD_REQUEST,
                Wrong::Path { .. } | Wrong::Id { .. } => StatusCode::NOT_FOUND,
                Wrong::Size { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                Wrong::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            };
            json(status, &json!({ "error": wrong.to_string() }))
        }
    }
}

fn route(world: &World, method: &Method, path: &str, query: &str, body: &[u8]) -> Result<Value, Wrong> {
    let read = || serde_json::from_slice::<Value>(body).map_err(Wrong::Json);
    let board = world.faults();
    let path = path.trim_end_matches('/');
    let exists = path == PREFIX || PATHS.iter().any(|(known, _)| *known == path);
    let query = Params::parse(query, &[]);
    let takes = |key: &str| path == JOURNAL && matches!(key, "id" | "account" | "region");
    if let Some((key, _)) = query.pairs().find(|(key, _)| exists && !takes(key)) {
        return Err(Wrong::Query { path: path.to_owned(), key: key.to_owned() });
    }
    match (path, method.as_str()) {
        (PREFIX, "GET") => Ok(index()),
        ("/_simulator/calls", "GET") => Ok(json!({ "calls": trail::calls(world) })),
        ("/_simulator/churn", "GET") => Ok(json!({ "per_second": world.churn() })),
        ("/_simulator/churn", "PATCH") => {
            let ChurnPatch { per_second: rate } = shaped("/_simulator/churn", "{\"per_second\": 50}", body)?;
            if !world.set_churn(rate) {
                return Err(Wrong::Churn { rate });
            }
            Ok(json!({ "per_second": rate }))
        }
        ("/_simulator/emit", "POST") => {
            announce::emit(world, body)?;
            Ok(json!({}))
        }
        ("/_simulator/faults", "GET") => Ok(board.faults().json()),
        ("/_simulator/faults", "PUT") => {
            board.set(Faults::read(&read()?)?);
            Ok(board.faults().json())
        }
        ("/_simulator/faults", "PATCH") => {
            board.patch(&read()?)?;
            Ok(board.faults().json())
        }
        ("/_simulator/faults/counts", "GET") => {
            let counts = board.counts().into_iter().map(|(name, count)| (name.to_owned(), json!(count)));
            Ok(Value::Object(counts.chain([("events".to_owned(), json!(world.event_counts()))]).collect()))
        }
        ("/_simulator/flip", "POST") => Ok(flip::flip(world, body)?),
        (JOURNAL, "GET") => {
            let (account, region) = world.scope(query.get("account"), query.get("region"))?;
            let holder = world.account(account, region);
            let id = query.get("id");
            if let Some(unknown) = id.filter(|id| holder.resource(id).is_err()) {
                let (id, account, region) = (unknown.to_owned(), account.to_owned(), region.to_owned());
                return Err(Wrong::Id { id, account, region });
            }
            Ok(journal::journal(&holder, id))
        }
        ("/_simulator/listen", "POST") => listen(world, body),
        ("/_simulator/organization", "PATCH") => change_member(world, body),
        ("/_simulator/organization", "GET") => Ok(world.roster().json()),
        ("/_simulator/requests", "GET") => Ok(json!({ "requests": world.ledger() })),
        ("/_simulator/requests/reset", "POST") => {
            world.forget_requests();
            Ok(json!({ "requests": [] }))
        }
        ("/_simulator/sessions/end", "POST") => end_sessions(world, body),
        ("/_simulator/share", "POST") => share(world, body),
        ("/_simulator/status", "POST") => {
            script::follow(world, body)?;
            Ok(json!({}))
        }
        _ if exists => Err(Wrong::Method { path: path.to_owned(), method: method.clone() }),
        _ => Err(Wrong::Path { path: path.to_owned() }),
    }
}

fn listen(world: &World, body: &[u8]) -> Result<Value, Wrong> {
    let takes = "{\"name\": \"events\"}, with an account and a region unless they are the simulator's own, and with from, such \
                 as [\"111122223333/eu-west-1\"], unless the events are those of the account and region";
    let Listener { account, region, name, from } = shaped("/_simulator/listen", takes, body)?;
    let (account, region) = world.scope(account.as_deref(), region.as_deref())?;
    if !sqs::is_name(&name) {
        return Err(Wrong::Queue { name });
    }
    let Some(from) = from else { return Ok(json!({ "queue_url": world.listen(account, region, &name) })) };
    let scope = |text: &String| {
        let (account, region) = text.split_once('/').unwrap_or((text, ""));
        world.scope(Some(account), Some(region)).map(|_| (account.to_owned(), region.to_owned()))
    };
    let scopes = from.iter().map(scope).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({ "queue_url": world.listen_from(account, region, &name, &scopes) }))
}

fn change_member(world: &World, body: &[u8]) -> Result<Value, Wrong> {
    let takes =
        "{\"account\": \"200000000001\", \"state\": \"CLOSED\"}, or with member, name, unit, administrator or tags";
    let change: MemberChange = shaped("/_simulator/organization", takes, body)?;
    world.scope(Some(&change.account), None)?;
    world.roster().change(change, world.clock().moment())?;
    Ok(world.roster().json())
}

fn end_sessions(world: &World, body: &[u8]) -> Result<Value, Wrong> {
    let takes = "{\"account\": \"111122223333\"}, or {} for all accounts";
    let EndedSessions { account } = shaped("/_simulator/sessions/end", takes, body)?;
    world.scope(account.as_deref(), None)?;
    Ok(json!({ "ended": world.end_sessions(account.as_deref()) }))
}

fn share(world: &World, body: &[u8]) -> Result<Value, Wrong> {
    let takes = "{\"account\": \"111122223333\", \"vpc\": \"vpc-..\"}, with an owner and a region unless they are the \
                 simulator's own";
    let Sharing { owner, account, region, vpc } = shaped("/_simulator/share", takes, body)?;
    let (owner, region) = world.scope(owner.as_deref(), region.as_deref())?;
    let (account, _) = world.scope(Some(&account), None)?;
    if world.share_vpc(owner, account, region, &vpc).is_err() {
        let (owner, account, region) = (owner.to_owned(), account.to_owned(), region.to_owned());
        return Err(Wrong::Share { owner, account, region, vpc });
    }
    Ok(json!({ "owner": owner, "account": account, "region": region, "vpc": vpc }))
}

fn shaped<T: DeserializeOwned>(path: &'static str, takes: &'static str, body: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(body).map_err(|source| Wrong::Shape { path, takes, source })
}

fn index() -> Value {
    let paths = PATHS.iter().map(|(path, methods)| {
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        ((*path).to_owned(), json!(methods))
    });
    Value::Object(paths.collect())
}

fn json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
