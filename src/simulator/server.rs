//! The HTTP side: one port for every service, told apart by the credential scope as AWS's own endpoints are by name.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, SERVER};
use axum::http::{HeaderName, Response, StatusCode};
use axum::{Router, http};

use crate::simulator::clock::Moment;
use crate::simulator::lens::Lens;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Caller, Params, Service};
use crate::simulator::world::World;
use crate::simulator::{ec2, sts};

/// Far above any call: a thousand ids are 30 KB.
const MAX_BODY: usize = 4 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The whole of AWS as one handler. Paths do not matter to the Query protocol.
pub(crate) fn router(world: World) -> Router {
    Router::new().fallback(serve).with_state(world)
}

async fn serve(State(world): State<World>, request: Request) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let now = world.clock().moment();
    let id = request_id();
    let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = authorization.and_then(Caller::parse);
    let query = parts.uri.query().unwrap_or_default();
    let (service, answer) = match to_bytes(body, MAX_BODY).await {
        Ok(body) => {
            let params = Params::parse(query, &body);
            let service = service(caller.as_ref(), &params);
            (service, respond(&world, service, caller.as_ref(), &params, now, &id))
        }
        Err(_) => (Service::Ec2, Err(Refusal::new(413, "RequestEntityTooLarge", "The request is too large."))),
    };
    response(service, answer, now, &id)
}

fn service(caller: Option<&Caller>, params: &Params) -> Service {
    match caller.map(|caller| caller.service.as_str()) {
        Some("sts") => Service::Sts,
        Some("ec2") => Service::Ec2,
        _ if params.get("Version") == Some("2011-06-15") => Service::Sts,
        _ => Service::Ec2,
    }
}

fn respond(
    world: &World,
    service: Service,
    caller: Option<&Caller>,
    params: &Params,
    now: Moment,
    id: &str,
) -> Result<String, Refusal> {
    let caller = caller.ok_or_else(Refusal::no_credentials)?;
    let action = params.get("Action").ok_or_else(|| Refusal::missing("Action"))?;
    let known = match service {
        Service::Ec2 => ec2::knows(action),
        Service::Sts => sts::knows(action),
    };
    if !known {
        return Err(Refusal::invalid_action(action));
    }
    world.admit(action)?;
    let account = caller.account(&world.options().account);
    match service {
        Service::Sts => sts::answer(params, account, id),
        Service::Ec2 if !world.knows_region(&caller.region) => Err(Refusal::wrong_region(&caller.region)),
        Service::Ec2 => {
            let estate = world.estate(account, &caller.region);
            ec2::answer(&ec2::Call { params, estate: &estate, now, lens: Lens::clear(now), request: id }, action)
        }
    }
}

fn response(service: Service, answer: Result<String, Refusal>, now: Moment, id: &str) -> http::Response<Body> {
    let (status, text) = match answer {
        Ok(text) => (StatusCode::OK, text),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            match service {
                Service::Ec2 => (status, refusal.ec2_xml(id)),
                Service::Sts => (status, refusal.sts_xml(id)),
            }
        }
    };
    let built = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "text/xml;charset=UTF-8")
        .header(SERVER, "AmazonEC2")
        // Clients estimate their clock's offset from this, so it is the simulated time.
        .header(DATE, now.http_date())
        .header(REQUEST_ID, id)
        .body(Body::from(text));
    built.unwrap_or_else(|_| Response::new(Body::empty()))
}

/// A UUID, as AWS's request ids are.
fn request_id() -> String {
    let n = fastrand::u128(..);
    let hex = format!("{n:032x}");
    let mut out = String::with_capacity(36);
    for (at, c) in hex.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(c);
    }
    out
}
