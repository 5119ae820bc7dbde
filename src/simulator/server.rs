//! The HTTP side: one port for every service, told apart by the credential scope as AWS's own endpoints are by name.
//!
//! EC2 and STS speak the Query protocol, SQS and EventBridge AWS JSON with the action in a header; each gets its errors
//! in its own shape. Paths do not matter to either, but for the control paths, which come before AWS.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, DATE, SERVER};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use axum::{Router, http};

use crate::simulator::clock::Moment;
use crate::simulator::json::Fault;
use crate::simulator::lens::Lens;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Ask, Service};
use crate::simulator::world::World;
use crate::simulator::{control, ec2, events, ident, sqs, sts};

/// Far above any call: a batch of messages is 1 MiB.
const MAX_BODY: usize = 4 << 20;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The whole of AWS as one handler.
pub(crate) fn router(world: World) -> Router {
    Router::new().fallback(serve).with_state(world)
}

async fn serve(State(world): State<World>, request: Request) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await;
    let path = parts.uri.path();
    if path.starts_with(control::PREFIX) {
        return control::answer(&world, &parts.method, path, &body.unwrap_or_default()).await;
    }
    let now = world.clock().moment();
    let id = ident::uuid();
    let (service, answer) = match body {
        Ok(body) => {
            let ask = Ask::read(&parts, body);
            (ask.service, respond(&world, &ask, now, &id).await)
        }
        Err(_) => (Service::Ec2, Err(Refusal::new(413, "RequestEntityTooLarge", "The request is too large."))),
    };
    response(service, answer, now, &id)
}

/// The answer's document.
async fn respond(world: &World, ask: &Ask, now: Moment, id: &str) -> Result<String, Refusal> {
    let caller = ask.caller.as_ref().ok_or_else(Refusal::no_credentials)?;
    let action = ask.action()?;
    let known = match ask.service {
        Service::Ec2 => ec2::knows(action),
        Service::Sts => sts::knows(action),
        Service::Sqs => sqs::knows(action),
        Service::Events => events::knows(action),
    };
    if !known {
        return Err(Refusal::invalid_action(action));
    }
    world.admit(action)?;
    world.sessions().admit(caller, now)?;
    let (account, region) = (caller.account(&world.options().account), caller.region.as_str());
    if ask.service != Service::Sts && !world.knows_region(region) {
        return Err(Refusal::wrong_region(region));
    }
    let answer = match ask.service {
        Service::Sts => {
            let (params, sessions) = (&ask.params, world.sessions());
            return sts::answer(&sts::Call { params, sessions, caller, account, now, request: id }, action);
        }
        Service::Ec2 => {
            let estate = world.estate(account, region);
            let (params, lens) = (&ask.params, Lens::clear(now));
            return ec2::answer(&ec2::Call { params, estate: &estate, now, lens, request: id }, action);
        }
        Service::Sqs => {
            let (body, sender, base) = (ask.body.as_ref(), caller.access_key.as_str(), ask.base.as_str());
            sqs::answer(&sqs::Call { world, account, region, body, sender, base, now }, action).await?
        }
        Service::Events => {
            events::answer(&events::Call { world, account, region, body: ask.body.as_ref(), now }, action)?
        }
    };
    // A null says that the action answers nothing at all.
    Ok(if answer.is_null() { String::new() } else { answer.to_string() })
}

fn response(service: Service, answer: Result<String, Refusal>, now: Moment, id: &str) -> http::Response<Body> {
    let (content_type, server) = match service {
        Service::Ec2 | Service::Sts => ("text/xml;charset=UTF-8", "AmazonEC2"),
        Service::Sqs => ("application/x-amz-json-1.0", "AmazonSQS"),
        Service::Events => ("application/x-amz-json-1.1", "AmazonEventBridge"),
    };
    let mut built = Response::builder()
        .header(CONTENT_TYPE, content_type)
        .header(SERVER, server)
        // Clients estimate their clock's offset from this, so it is the simulated time.
        .header(DATE, now.http_date())
        .header(REQUEST_ID, id);
    let (status, text) = match answer {
        Ok(text) => (StatusCode::OK, text),
        Err(refusal) => {
            let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
            let text = match service {
                Service::Ec2 => refusal.ec2_xml(id),
                Service::Sts => refusal.sts_xml(id),
                Service::Sqs | Service::Events => {
                    let fault = Fault::of(&refusal, service);
                    let query = fault.query.as_deref();
                    for (name, text) in [(ERROR_TYPE, Some(fault.shape.as_str())), (QUERY_ERROR, query)] {
                        if let Some(value) = text.and_then(|text| HeaderValue::from_str(text).ok()) {
                            built = built.header(name, value);
                        }
                    }
                    fault.body
                }
            };
            (status, text)
        }
    };
    built.status(status).body(Body::from(text)).unwrap_or_else(|_| Response::new(Body::empty()))
}
