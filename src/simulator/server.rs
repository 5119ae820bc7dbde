//! The HTTP server: one port for all services. The credential scope tells them apart, as AWS's endpoints do by host
//! name.
//!
//! EC2 and STS use the Query protocol, the other services use AWS JSON with the action in a header; each gets errors
//! in its own form. The path of a request does not matter, except for the control paths, which are checked first.

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, DATE, SERVER};
use axum::http::{HeaderName, Response, StatusCode};
use axum::{Router, http};

use crate::simulator::clock::Moment;
use crate::simulator::faults::{Case, Fate, Judgement, Mangling};
use crate::simulator::json::ErrorBody;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Ask, Caller, Service};
use crate::simulator::view::View;
use crate::simulator::wire::Cutter;
use crate::simulator::world::World;
use crate::simulator::{control, ec2, events, ident, journal, organization, sqs, sts, trail};

/// Larger than any call needs: a batch of messages is at most 1 MiB.
const MAX_BODY: usize = 4 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// One handler for all services.
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
    let id = ident::uuid();
    if path.starts_with(control::PREFIX) && !path.starts_with(control::AT) {
        let query = parts.uri.query().unwrap_or_default();
        return control::answer(&world, &parts.method, path, query, body.ok().as_deref(), MAX_BODY);
    }
    let refuse = |service, refusal| response(text(service, Err(refusal), &id), world.clock().moment(), &id);
    let Ok(body) = body else {
        return refuse(Service::Ec2, Refusal::new(413, "RequestEntityTooLarge", "The request is too large."));
    };
    let ask = Ask::read(&parts, body);
    if let Some(past) = path.strip_prefix(control::AT) {
        let caller = ask.caller.as_ref().ok_or_else(Refusal::no_credentials);
        let answer = caller.and_then(|caller| journal::at(&world, past, caller, &ask.params, &id));
        return response(text(ask.service, answer, &id), world.clock().moment(), &id);
    }
    let who = who(&world, &ask);
    match entrance(&world, &ask, &who) {
        Ok(case) => suffer(&world, &ask, &case, &cutter, &id).await,
        Err(refusal) => refuse(ask.service, refusal),
    }
}

/// The ARN of the caller; empty when nobody signed.
fn who(world: &World, ask: &Ask) -> String {
    let principal = |caller: &Caller| world.sessions().principal(caller, caller.account(&world.options().account));
    ask.caller.as_ref().map(principal).unwrap_or_default()
}

/// The caller and the action of a call, or why it is refused.
fn entrance<'a>(world: &'a World, ask: &'a Ask, who: &'a str) -> Result<Case<'a>, Refusal> {
    let caller = ask.caller.as_ref().ok_or_else(Refusal::no_credentials)?;
    let action = ask.action()?;
    let known = match ask.service {
        Service::Ec2 => ec2::knows(action),
        Service::Sts => sts::knows(action),
        Service::Sqs => sqs::knows(action),
        Service::Events => events::knows(action),
        Service::Trail => trail::knows(action),
        Service::Organizations => organization::knows(action),
    };
    if !known {
        return Err(Refusal::invalid_action(action));
    }
    let account = caller.account(&world.options().account);
    Ok(Case { service: ask.service, action, account, region: &caller.region, who, params: &ask.params })
}

/// Answers a call with the effects of the faults. Half of the latency passes before the call is carried out, half
/// after.
async fn suffer(world: &World, ask: &Ask, case: &Case<'_>, cutter: &Cutter, id: &str) -> http::Response<Body> {
    let Case { account, region, action, .. } = *case;
    let now = world.clock().moment();
    world.book().begin(account, region, action, now);
    let done = |outcome: &str| world.book().end(account, region, action, outcome);
    let Judgement { latency, fate, mut view, heard } = world.faults().judge(case, now);
    if !latency.is_zero() {
        tokio::time::sleep(latency / 2).await;
        view = view.of_moment(world.clock().moment());
    }
    let (answer, mangling) = match fate {
        Fate::Hang => {
            world.closing().cancelled().await;
            done("Hung");
            cutter.cut();
            return Response::new(Body::empty());
        }
        Fate::Cut => {
            done("Cut");
            cutter.cut();
            return Response::new(Body::empty());
        }
        Fate::Refuse(refusal) => {
            let is_recorded = matches!(&*refusal.code, "UnauthorizedOperation" | "InsufficientInstanceCapacity");
            if is_recorded && world.knows_region(region) {
                let account = world.account(account, region);
                let by = &world.sessions().recorded(ask.caller.as_ref(), &ask.agent);
                let call = ec2::Call { params: case.params, account: &account, now: view.now(), view, request: id, by };
                ec2::refused(&call, action, &refusal);
            }
            (Err(refusal), None)
        }
        Fate::Answer(mangling) => {
            let case = Case { params: heard.as_ref().unwrap_or(case.params), ..*case };
            let answer = respond(world, ask, &case, view, id).await;
            (answer.map(|body| world.faults().written(action, body)), mangling)
        }
    };
    match (mangling, &answer) {
        (None, Ok(_)) => done("OK"),
        (None, Err(refusal)) => done(&refusal.code),
        (Some(Mangling::Truncate(_)), _) => done("Truncated"),
        (Some(Mangling::Garble(_)), _) => done("Garbled"),
        (Some(Mangling::Alter(_)), _) => done("Altered"),
    }
    let answer = text(ask.service, answer, id);
    let body = mangling.map(|mangling| (mangling, answer.body.clone()));
    // A long poll may take seconds. All other calls are answered as of the one moment that they use.
    let date = if ask.service == Service::Sqs { world.clock().moment() } else { view.now() };
    let response = response(answer, date, id);
    if !latency.is_zero() {
        tokio::time::sleep(latency / 2).await;
    }
    match body {
        None => response,
        Some((mangling, body)) => mangling.apply(response, &body),
    }
}

/// The document that answers a call.
async fn respond(world: &World, ask: &Ask, case: &Case<'_>, view: View, id: &str) -> Result<String, Refusal> {
    let (Case { account, region, action, params, .. }, now) = (*case, view.now());
    let caller = ask.caller.as_ref().ok_or_else(Refusal::no_credentials)?;
    world.sessions().admit(caller, now)?;
    if !world.roster().is_open(account) {
        return Err(closed(ask.service));
    }
    if ask.service != Service::Sts && !world.knows_region(region) {
        return Err(Refusal::wrong_region(region));
    }
    let answer = match ask.service {
        Service::Sts => {
            let sessions = world.sessions();
            let (board, roster) = (world.faults(), world.roster());
            return sts::answer(
                &sts::Call { params, sessions, board, roster, caller, account, now, request: id },
                action,
            );
        }
        Service::Ec2 => {
            let account = world.account(account, region);
            let by = &world.sessions().recorded(ask.caller.as_ref(), &ask.agent);
            return ec2::answer(&ec2::Call { params, account: &account, now, view, request: id, by }, action);
        }
        Service::Sqs => {
            let (body, sender, base) = (ask.body.as_ref(), caller.access_key.as_str(), ask.base.as_str());
            sqs::answer(&sqs::Call { world, account, region, body, sender, base, now }, action).await?
        }
        Service::Events => {
            events::answer(&events::Call { world, account, region, body: ask.body.as_ref(), now }, action)?
        }
        Service::Trail => trail::answer(&trail::Call { world, account, region, body: ask.body.as_ref() }, action)?,
        Service::Organizations => {
            let call = organization::Call { roster: world.roster(), account, body: ask.body.as_ref() };
            organization::answer(&call, action)?
        }
    };
    // Null means that the answer has no body.
    Ok(if answer.is_null() { String::new() } else { answer.to_string() })
}

/// The refusal of a call by an account that is suspended or closed.
fn closed(service: Service) -> Refusal {
    let invalid = "The security token included in the request is invalid.";
    match service {
        Service::Ec2 => {
            Refusal::new(401, "AuthFailure", "AWS was not able to validate the provided access credentials")
        }
        Service::Sts => Refusal::new(403, "InvalidClientTokenId", invalid),
        Service::Sqs | Service::Events | Service::Trail | Service::Organizations => {
            Refusal::new(400, "UnrecognizedClientException", invalid)
        }
    }
}

/// The parts of an HTTP response that differ between answers.
struct AnswerText {
    service: Service,
    status: StatusCode,
    headers: Vec<(HeaderName, String)>,
    body: String,
}

fn text(service: Service, answer: Result<String, Refusal>, id: &str) -> AnswerText {
    let refusal = match answer {
        Ok(body) => return AnswerText { service, status: StatusCode::OK, headers: Vec::new(), body },
        Err(refusal) => refusal,
    };
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let (headers, body) = match service {
        Service::Ec2 => (Vec::new(), refusal.ec2_xml(id)),
        Service::Sts => (Vec::new(), refusal.sts_xml(id)),
        Service::Sqs | Service::Events | Service::Trail | Service::Organizations => {
            let fault = ErrorBody::of(&refusal, service);
            let headers = [(ERROR_TYPE, Some(fault.shape)), (QUERY_ERROR, fault.query)];
            (headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(), fault.body)
        }
    };
    AnswerText { service, status, headers, body }
}

fn response(text: AnswerText, now: Moment, id: &str) -> http::Response<Body> {
    let (content_type, server) = match text.service {
        Service::Ec2 | Service::Sts => ("text/xml;charset=UTF-8", "AmazonEC2"),
        Service::Sqs => ("application/x-amz-json-1.0", "AmazonSQS"),
        Service::Events => ("application/x-amz-json-1.1", "AmazonEventBridge"),
        Service::Trail => ("application/x-amz-json-1.1", "AWSCloudTrail"),
        Service::Organizations => ("application/x-amz-json-1.1", "AWSOrganizations"),
    };
    let mut built = Response::builder()
        .status(text.status)
        .header(CONTENT_TYPE, content_type)
        .header(SERVER, server)
        // Clients use this header to estimate their clock's offset, so it shows the simulated time.
        .header(DATE, now.http_date())
        .header(REQUEST_ID, id);
    for (name, value) in text.headers {
        built = built.header(name, value);
    }
    built.body(Body::from(text.body)).unwrap_or_else(|_| Response::new(Body::empty()))
}
