//! EC2's own read API over HTTP: what arrives, what it is answered from, and the headers that say how fresh an answer is.

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::LengthLimitError;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::{Instant, timeout};

use super::answer_stream::AnswerStream;
use super::answer_turns::AnswerTurns;
use super::ec2_keys::{Ec2KeyDesk, Ec2Keys, StaticKey};
use super::ec2_pass::{ArrivedCall, Ec2Pass};
use super::listener::ClientListener;
use super::live_look;
use super::metrics_route::is_own_host;
use super::named_place::NamedPlace;
use super::turn_body::TurnBody;
use super::unready::unready;
use crate::aws::own_call::{ASKERS, Askers};
use crate::aws::signature::{SentRequest, SignatureFault, verify};
use crate::aws::{AwsClock, PassTurn, PassedAnswer};
use crate::config::{Ec2ApiMiss, Ec2ApiSettings};
use crate::ec2_api::action::Ec2Action;
use crate::ec2_api::call_tally::{Ec2CallTally, NotedCall};
use crate::ec2_api::copy_fault::{CopyFault, RETRY_AFTER};
use crate::ec2_api::desk::{CopyAnswer, Ec2Desk};
use crate::ec2_api::fault::Ec2Fault;
use crate::ec2_api::form::{FormFault, LONGEST};
use crate::ec2_api::geography::Geographies;
use crate::ec2_api::geography_desk::GeographyDesk;
use crate::ec2_api::key_owners::{KeyOwner, KeyOwners};
use crate::ec2_api::missed_ids::MissStance;
use crate::ec2_api::place::account_of_path;
use crate::ec2_api::request::{self, Ec2Request};
use crate::ec2_api::reservation_book::ReservationBooks;
use crate::ec2_api::sent_text::shown;
use crate::ec2_api::signing_scope::{SigningScope, region_of_host};
use crate::mcp::core::View;
use crate::mcp::{Core, Readiness};
use crate::model::Clock;

/// How long the body of a request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(30);

/// How long a client may have to wait for an answer, whatever it waits for. Clients wait for a minute, and ask again then.
const PATIENCE: Duration = Duration::from_secs(50);

/// The service that requests are signed for.
const SERVICE: &str = "ec2";

/// How much of a caveat a header holds.
const CAVEAT: usize = 500;

static AS_OF: HeaderName = HeaderName::from_static("x-muster-as-of");
static SEQ: HeaderName = HeaderName::from_static("x-muster-seq");
static STALE: HeaderName = HeaderName::from_static("x-muster-stale");
static SOURCE: HeaderName = HeaderName::from_static("x-muster-source");
static WALK: HeaderName = HeaderName::from_static("x-muster-walk");
static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// What a request is answered with.
enum Ec2Answer {
    /// What the copy has, and the turn or the place that it takes until it is sent.
    Copy(CopyAnswer, OwnedSemaphorePermit),
    /// What AWS said, which was asked in its place, and the turn that it takes until it is sent.
    Passed(PassedAnswer, PassTurn),
}

/// A request that is waited for.
#[derive(Clone, Copy)]
struct WaitingRequest<'r> {
    request_id: &'r str,
    /// When its client may wait no more.
    until: Instant,
}

/// What serves EC2's API.
#[derive(Clone)]
struct Ec2Face {
    readiness: watch::Receiver<Readiness>,
    settings: Ec2ApiSettings,
    keys: Option<Ec2KeyDesk>,
    books: ReservationBooks,
    owners: KeyOwners,
    geographies: Geographies,
    pass: Ec2Pass,
    hosts: Vec<String>,
    turns: AnswerTurns,
    calls: Arc<Ec2CallTally>,
}

/// The routes of EC2's API, answered from what `listener` serves. `hosts` are names of the server; with `keys`, only requests that are
/// signed with one of them are answered.
pub(super) fn routes(
    listener: &ClientListener,
    settings: Ec2ApiSettings,
    hosts: Vec<String>,
    keys: Option<Ec2KeyDesk>,
) -> Router {
    let face = Ec2Face {
        readiness: listener.readiness(),
        pass: Ec2Pass::new(&settings),
        settings,
        keys,
        books: ReservationBooks::default(),
        owners: KeyOwners::default(),
        geographies: Geographies::default(),
        hosts,
        turns: AnswerTurns::new(),
        calls: Arc::clone(listener.ec2_calls()),
    };
    Router::new().fallback(move |request: Request<Body>| {
        let face = face.clone();
        async move {
            let (request_id, begun, mut call) = (request_id(), Instant::now(), NotedCall::default());
            let askers = askers(request.headers());
            let answer = if askers.has_this() {
                Err(CopyFault::OwnCall)
            } else {
                askers.during(face.answer(request, &mut call, &request_id)).await
            };
            let (took, now) = (begun.elapsed(), AwsClock::default().now());
            match (&answer, call.action) {
                (Ok(Ec2Answer::Passed(answer, _)), Some(action)) => {
                    face.calls.note_passed(action, answer.status, took, now);
                }
                (Ok(Ec2Answer::Copy(CopyAnswer { rest: Some(_), .. }, _)), _) => {
                    face.calls.note_begun(call, took, now);
                }
                _ => face.calls.note(call, answer.as_ref().err(), took, now),
            }
            match answer {
                Ok(Ec2Answer::Copy(answer, turn)) => {
                    answered(counted(answer, &face.calls, call, begun), turn, &face.turns, &request_id)
                }
                Ok(Ec2Answer::Passed(answer, turn)) => passed(answer, turn, &request_id),
                Err(fault) => refused(&fault, &request_id),
            }
        }
    })
}

impl Ec2Face {
    /// Answers a request, and says by `call` what it is for and whether AWS is asked, as soon as that is known.
    async fn answer(
        &self,
        request: Request<Body>,
        call: &mut NotedCall,
        request_id: &str,
    ) -> Result<Ec2Answer, CopyFault> {
        let until = Instant::now() + PATIENCE;
        let (parts, body) = request.into_parts();
        let host = text(&parts.headers, &header::HOST).unwrap_or_default().to_owned();
        // A page of the web that another address was given for its name sends that name, and has no key.
        if self.keys.is_none() && !is_own_host(&parts.headers, &self.hosts) && !is_below_localhost(&host) {
            return Err(CopyFault::Host(shown(&host)));
        }
        if self.keys.is_none() && is_of_web_page(&parts.headers) {
            return Err(CopyFault::WebPage);
        }
        let path = parts.uri.path();
        let account = account_of_path(path).ok_or_else(|| CopyFault::Path(shown(path)))?.map(str::to_owned);
        if let Some(keys) = &self.keys {
            check_head(&keys.keys(), &parts)?;
        }
        let body = match timeout(ARRIVAL, to_bytes(body, LONGEST)).await {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => return Err(Ec2Fault::Form(unread(&error)).into()),
            Err(_) => return Err(CopyFault::Slow),
        };
        // As they are now: one may have been revoked.
        let keys = self.keys.as_ref().map(Ec2KeyDesk::keys);
        let known = match &keys {
            Some(keys) => Some(verified(keys, &parts, &body)?),
            None => None,
        };
        let signed = signed(&parts);
        let region = signed.as_ref().map(|scope| scope.region.clone());
        let region = region.or_else(|| region_of_host(&host).map(str::to_owned));
        let query = parts.uri.query().unwrap_or_default();
        let asked = request::parse(parts.method.as_str(), query, &body)?;
        call.action = Some(asked.action);
        // Nobody is asked about a key, or waited for, because of what is refused in any case.
        let arrived = ArrivedCall { action: asked.action, query, body: &body };
        self.pass.check(arrived, known.is_none_or(|key| key.visibility.is_everything()))?;
        let view = known.map_or_else(View::whole, |key| View::of(&key.visibility));
        let core = Readiness::ready(&self.readiness, &view).await.map_err(unready)?;
        let owner = match (known, &signed) {
            (Some(key), _) => key.account.clone().map_or(KeyOwner::NoKey, KeyOwner::Told),
            (None, Some(SigningScope { key, .. })) => {
                self.owners.of(&core.aws, core.ingest.freshness(), key, account.is_some()).await
            }
            (None, None) => KeyOwner::NoKey,
        };
        let named = NamedPlace::new(account, owner, region, &core);
        let begun = core.aws.clock().now();
        let waiting = WaitingRequest { request_id, until };
        let held = match asked.action {
            Ec2Action::Other(name) => Err(Ec2Fault::NotHeld(name).into()),
            Ec2Action::Describe(_) | Ec2Action::Change(_) => self.held(&core, &asked, &named, call, waiting).await,
        };
        match held {
            Ok((answer, turn)) => {
                // What AWS listed since then, or was asked for and did not list, is no call saved.
                let is_new = answer.standing.as_of >= begun || answer.standing.stale.is_some();
                call.is_asked |= is_new && GeographyDesk::answers(asked.action);
                Ok(Ec2Answer::Copy(answer, turn))
            }
            Err(fault) => {
                let passed = self.pass.answer(fault, arrived, &core, &named, until).await;
                let (answer, turn) = passed.inspect_err(|fault| call.is_asked |= fault.is_of_aws())?;
                Ok(Ec2Answer::Passed(answer, turn))
            }
        }
    }

    /// Answers from what Muster holds, with what AWS is asked for so that it does.
    async fn held(
        &self,
        core: &Core,
        asked: &Ec2Request,
        named: &NamedPlace,
        call: &mut NotedCall,
        waiting: WaitingRequest<'_>,
    ) -> Result<(CopyAnswer, OwnedSemaphorePermit), CopyFault> {
        if let Ec2Action::Describe(table) = asked.action
            && GeographyDesk::answers(asked.action)
        {
            let answer =
                self.geography(core).answer(asked, table, named.asked(), waiting.request_id, core.now()).await?;
            return Ok((answer, self.turns.few(waiting.until).await?));
        }
        let is_live = self.settings.miss == Some(Ec2ApiMiss::Live);
        let stance = if is_live { MissStance::Ask } else { MissStance::Copy };
        match self.read(core, asked, named, waiting, stance).await {
            Err(CopyFault::Absent { missed, said, .. }) if is_live && !missed.is_empty() => {
                call.is_asked = true;
                live_look::look(core, missed, *said, waiting.until).await?;
                self.read(core, asked, named, waiting, MissStance::Asked).await
            }
            answer => answer,
        }
    }

    /// Answers from the copy as it is.
    async fn read(
        &self,
        core: &Core,
        asked: &Ec2Request,
        named: &NamedPlace,
        WaitingRequest { request_id, until }: WaitingRequest<'_>,
        stance: MissStance,
    ) -> Result<(CopyAnswer, OwnedSemaphorePermit), CopyFault> {
        let is_few = asked.page_size().is_some() || !asked.ids().is_empty();
        // Everything has a place before its turn, which is over once it is read.
        let place = if is_few { None } else { Some(self.turns.place(until).await?) };
        let turn = if is_few { self.turns.few(until).await? } else { self.turns.whole(until).await? };
        let (desk, asked, named) = (self.desk(core, stance), asked.clone(), named.clone());
        let request_id = request_id.to_owned();
        // It goes on when its client leaves, and its turn with it.
        let answer = spawn_blocking(move || {
            let answer = desk.answer(&asked, named.asked(), &request_id);
            answer.map(|answer| (answer, place.unwrap_or(turn)))
        });
        answer.await.unwrap_or_else(|error| Err(failed(&error)))
    }

    fn geography(&self, core: &Core) -> GeographyDesk {
        GeographyDesk {
            aws: core.aws.clone(),
            freshness: core.ingest.freshness().clone(),
            known: self.geographies.clone(),
            max_stale: self.settings.max_stale,
            visibility: core.visibility(),
        }
    }

    fn desk(&self, core: &Core, stance: MissStance) -> Ec2Desk {
        Ec2Desk {
            store: core.store.clone(),
            freshness: core.ingest.freshness().clone(),
            clock: Arc::clone(&core.clock),
            aws: core.aws.clone(),
            max_stale: self.settings.max_stale,
            books: self.books.clone(),
            stance,
        }
    }
}

/// Why a body could not be read.
fn unread(error: &axum::Error) -> FormFault {
    let is_longest = error.source().is_some_and(|source| source.downcast_ref::<LengthLimitError>().is_some());
    if is_longest { FormFault::TooLong } else { FormFault::Broken }
}

/// Why what answers a request came to no end.
fn failed(error: &JoinError) -> CopyFault {
    if error.is_panic() {
        tracing::error!(%error, "a request of EC2's read API met a defect");
        return CopyFault::Defect;
    }
    CopyFault::Stopping
}

/// The servers that a request is made by or for.
fn askers(headers: &HeaderMap) -> Askers {
    Askers::of(headers.get_all(ASKERS).iter().filter_map(|marks| marks.to_str().ok()))
}

/// Whether a page of the web sent a request, as browsers say of those for another origin.
fn is_of_web_page(headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    headers.contains_key(header::ORIGIN) || matches!(site, Some("cross-site" | "same-site"))
}

/// Refuses a request whose signature no body could be that of, before its body is waited for. The ids of keys are no secrets.
fn check_head(keys: &Ec2Keys, parts: &Parts) -> Result<(), SignatureFault> {
    match verified(keys, parts, &[]) {
        Err(SignatureFault::NotValid) if signed(parts).is_some_and(|scope| keys.of(&scope.key).is_some()) => Ok(()),
        Err(fault) => Err(fault),
        Ok(_) => Ok(()),
    }
}

/// The key that a request is signed with.
fn verified<'k>(keys: &'k Ec2Keys, parts: &Parts, body: &[u8]) -> Result<&'k StaticKey, SignatureFault> {
    let headers = parts.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
    let headers: Vec<(&str, &str)> = headers.collect();
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let sent = SentRequest { method: parts.method.as_str(), path, query, headers: &headers, body };
    let signer = verify(&sent, SERVICE, |id| keys.of(id).map(StaticKey::secret), AwsClock::default().now())?;
    keys.of(&signer.key).ok_or(SignatureFault::NotValid)
}

/// Who signed a request, by its header or its URL.
fn signed(parts: &Parts) -> Option<SigningScope> {
    let by_header = text(&parts.headers, &header::AUTHORIZATION).and_then(SigningScope::of_header);
    let by_url = || {
        let mut pairs = form_urlencoded::parse(parts.uri.query()?.as_bytes());
        let (_, credential) = pairs.find(|(name, _)| name == "X-Amz-Credential")?;
        SigningScope::of_credential(&credential)
    };
    by_header.or_else(by_url)
}

/// Whether a host is a name below `localhost`, which means this machine.
fn is_below_localhost(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.to_ascii_lowercase().ends_with(".localhost")
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn answered(answer: CopyAnswer, turn: OwnedSemaphorePermit, turns: &AnswerTurns, request_id: &str) -> Response {
    let CopyAnswer { body, rest, standing, seq, is_moved } = answer;
    let caveat = standing.caveat();
    let body = match rest {
        Some(rest) => Body::new(AnswerStream::new(body, rest, turn, turns.clone())),
        None => Body::new(TurnBody::new(body, turn)),
    };
    let mut response = document(StatusCode::OK, body, request_id);
    let headers = response.headers_mut();
    let mut put = |name: &HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    put(&AS_OF, &standing.as_of.to_string());
    if let Some(seq) = seq {
        put(&SEQ, &seq.to_string());
    }
    if let Some(caveat) = caveat {
        put(&STALE, &plain(&caveat));
    }
    if is_moved {
        put(&WALK, "moved");
    }
    response
}

/// An answer that is counted at its end, where it is read while it is sent. Its request arrived at `begun`.
fn counted(answer: CopyAnswer, calls: &Arc<Ec2CallTally>, call: NotedCall, begun: Instant) -> CopyAnswer {
    let CopyAnswer { body, rest, standing, seq, is_moved } = answer;
    let calls = Arc::clone(calls);
    let end = move |fault: Option<&CopyFault>| {
        calls.note_end(call, fault, begun.elapsed(), AwsClock::default().now());
    };
    let rest = rest.map(|rest| rest.until(Arc::new(end)));
    CopyAnswer { body, rest, standing, seq, is_moved }
}

/// AWS's answer as it is, and that it is AWS's.
fn passed(answer: PassedAnswer, turn: PassTurn, request_id: &str) -> Response {
    let PassedAnswer { status, request_id: of_aws, body } = answer;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let id = of_aws.as_deref().unwrap_or(request_id);
    let mut response = document(status, Body::new(TurnBody::new(body, turn)), id);
    response.headers_mut().insert(&SOURCE, HeaderValue::from_static("aws"));
    response
}

fn refused(fault: &CopyFault, request_id: &str) -> Response {
    let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = document(status, Body::from(fault.xml(request_id)), request_id);
    if fault.is_passing() {
        response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER.into());
    }
    if let Some(as_of) = fault.as_of().and_then(|as_of| HeaderValue::from_str(&as_of.to_string()).ok()) {
        response.headers_mut().insert(&AS_OF, as_of);
    }
    response
}

fn document(status: StatusCode, body: Body, request_id: &str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/xml;charset=UTF-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let mut response = (status, headers, body).into_response();
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(&REQUEST_ID, id);
    }
    response
}

/// Text as a header can have it: what is not visible ASCII becomes `?`.
fn plain(text: &str) -> String {
    let letter = |letter: char| if letter == ' ' || letter.is_ascii_graphic() { letter } else { '?' };
    text.chars().take(CAVEAT).map(letter).collect()
}

/// An id like those of AWS's requests.
fn request_id() -> String {
    let (a, b, c) = (fastrand::u32(..), fastrand::u64(..), fastrand::u32(..));
    format!("{a:08x}-{:04x}-{:04x}-{:04x}-{:04x}{c:08x}", b >> 48, b >> 32 & 0xffff, b >> 16 & 0xffff, b & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_looks_like_one_of_aws() {
        let id = request_id();
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!((lengths, id.len()), (vec![8, 4, 4, 4, 12], 36));
        assert_ne!(id, request_id());
    }

    #[test]
    fn a_caveat_fits_into_a_header_whatever_it_says() {
        let said = plain("line\nbreak é \u{0}");
        assert_eq!(said, "line?break ? ?");
        assert!(HeaderValue::from_str(&plain(&"x\u{7f}".repeat(1_000))).is_ok());
    }

    #[test]
    fn a_browser_says_that_a_page_of_the_web_asks() {
        let said = |name: &'static str, value: &'static str| {
            is_of_web_page(&HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))]))
        };
        assert!(said("origin", "https://page.test") && said("origin", "null"));
        assert!(said("sec-fetch-site", "cross-site") && said("sec-fetch-site", "same-site"));
        assert!(!said("sec-fetch-site", "none") && !said("host", "127.0.0.1"));
    }

    #[tokio::test]
    async fn a_defect_is_none_of_what_is_over_in_moments() {
        let failure = spawn_blocking::<_, u8>(|| std::panic::resume_unwind(Box::new("made up"))).await;
        assert!(matches!(failure.map_err(|error| failed(&error)), Err(CopyFault::Defect)));
    }

    #[test]
    fn names_below_localhost_are_of_this_machine() {
        assert!(is_below_localhost("ec2.eu-west-1.localhost:80") && is_below_localhost("EC2.Localhost"));
        for other in ["localhost.evil.test", "evil.test", "", "xlocalhost", "evil.test:80"] {
            assert!(!is_below_localhost(other), "{other}");
        }
    }
}
