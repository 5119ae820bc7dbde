//! The HTTP side: one port for every service, told apart by the credential scope as AWS's own endpoints are by name.

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, SERVER};
use axum::http::{HeaderName, Response, StatusCode};
use axum::{Router, http};

use crate::simulator::clock::Moment;
use crate::simulator::faults::{Case, Fate, Judgement, Mangling};
use crate::simulator::lens::Lens;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Caller, Params, Service};
use crate::simulator::wire::Cutter;
use crate::simulator::world::World;
use crate::simulator::{control, ec2, sts};

/// Far above any call: a thousand ids are 30 KB.
const MAX_BODY: usize = 4 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// The whole of AWS as one handler. Paths do not matter to the Query protocol.
pub(crate) fn router(world: World) -> Router {
    Router::new().fallback(serve).with_state(world)
}

async fn serve(
    State(world): State<World>,
    ConnectInfo(cutter): ConnectInfo<Cutter>,
    request: Request,
) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await;
    let path = parts.uri.path();
    if path.starts_with(control::PREFIX) {
        return control::answer(&world, &parts.method, path, &body.unwrap_or_default());
    }
    let now = world.clock().moment();
    let id = request_id();
    let authorization = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let caller = authorization.and_then(Caller::parse);
    let query = parts.uri.query().unwrap_or_default();
    let Ok(body) = body else {
        let refusal = Refusal::new(413, "RequestEntityTooLarge", "The request is too large.");
        return response(text(Service::Ec2, Err(refusal), &id), now, &id);
    };
    let params = Params::parse(query, &body);
    let service = service(caller.as_ref(), &params);
    let call = match entrance(service, caller.as_ref(), &params) {
        Ok((caller, action)) => Case {
            service,
            action,
            account: caller.account(&world.options().account),
            region: &caller.region,
            params: &params,
        },
        Err(refusal) => return response(text(service, Err(refusal), &id), now, &id),
    };
    faulty(&world, &call, &cutter, now, &id).await
}

/// Answers a call as the faults will have it.
async fn faulty(world: &World, call: &Case<'_>, cutter: &Cutter, now: Moment, id: &str) -> http::Response<Body> {
    let Case { account, region, action, .. } = *call;
    world.book().begin(account, region, action, now);
    let done = |outcome: &str| world.book().end(account, region, action, outcome);
    let Judgement { latency, fate, lens } = world.faults().judge(call, now);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (answer, mangling) = match fate {
        Fate::Hang => {
            done("Hung");
            return std::future::pending().await;
        }
        Fate::Cut => {
            done("Cut");
            cutter.cut();
            return Response::new(Body::empty());
        }
        Fate::Refuse(refusal) => (Err(refusal), None),
        Fate::Answer(mangling) => (respond(world, call, lens, id), mangling),
    };
    match (mangling, &answer) {
        (None, Ok(_)) => done("OK"),
        (None, Err(refusal)) => done(&refusal.code),
        (Some(Mangling::Truncate(_)), _) => done("Truncated"),
        (Some(Mangling::Garble(_)), _) => done("Garbled"),
    }
    let (status, text) = text(call.service, answer, id);
    match mangling {
        None => response((status, text), now, id),
        Some(mangling) => mangling.apply(response((status, String::new()), now, id), &text),
    }
}

fn service(caller: Option<&Caller>, params: &Params) -> Service {
    match caller.map(|caller| caller.service.as_str()) {
        Some("sts") => Service::Sts,
        Some("ec2") => Service::Ec2,
        _ if params.get("Version") == Some("2011-06-15") => Service::Sts,
        _ => Service::Ec2,
    }
}

/// Who asks for which action, if there is one.
fn entrance<'a>(
    service: Service,
    caller: Option<&'a Caller>,
    params: &'a Params,
) -> Result<(&'a Caller, &'a str), Refusal> {
    let caller = caller.ok_or_else(Refusal::no_credentials)?;
    let action = params.get("Action").ok_or_else(|| Refusal::missing("Action"))?;
    let known = match service {
        Service::Ec2 => ec2::knows(action),
        Service::Sts => sts::knows(action),
    };
    if known { Ok((caller, action)) } else { Err(Refusal::invalid_action(action)) }
}

fn respond(world: &World, case: &Case, lens: Lens, id: &str) -> Result<String, Refusal> {
    let params = case.params;
    match case.service {
        Service::Sts => sts::answer(params, case.account, id),
        Service::Ec2 if !world.knows_region(case.region) => Err(Refusal::wrong_region(case.region)),
        Service::Ec2 => {
            let estate = world.estate(case.account, case.region);
            ec2::answer(&ec2::Call { params, estate: &estate, now: lens.now(), lens, request: id }, case.action)
        }
    }
}

/// An answer's status and body.
fn text(service: Service, answer: Result<String, Refusal>, id: &str) -> (StatusCode, String) {
    match answer {
        Ok(text) => (StatusCode::OK, text),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            match service {
                Service::Ec2 => (status, refusal.ec2_xml(id)),
                Service::Sts => (status, refusal.sts_xml(id)),
            }
        }
    }
}

fn response((status, text): (StatusCode, String), now: Moment, id: &str) -> http::Response<Body> {
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
