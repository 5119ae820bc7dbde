//! STS, as far as Muster uses it: the caller's identity, and roles in other accounts.
//!
//! Any role in any account can be assumed unless a fault says otherwise, because the simulator has no trust policies. A
//! temporary access key contains its account (see [`Caller::account`]), so it is valid even after the simulator restarts;
//! its role and its expiry are kept here.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::simulator::clock::Moment;
use crate::simulator::denial::decoded;
use crate::simulator::dice::mix;
use crate::simulator::faults::Board;
use crate::simulator::happening::{RecordedCaller, RoleSession};
use crate::simulator::ident::hex;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Caller, Params};
use crate::simulator::roster::Roster;
use crate::simulator::xml::Xml;

const VERSION: &str = "2011-06-15";
/// The default duration of a session, and the least and the greatest one, in seconds.
const DURATION: i64 = 3_600;
const DURATIONS: std::ops::RangeInclusive<i64> = 900..=43_200;
/// The greatest duration of a session that another session begins, in seconds.
const CHAINED: i64 = 3_600;

/// One call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) params: &'a Params,
    pub(crate) sessions: &'a Sessions,
    /// The faults, which know what roles trust.
    pub(crate) board: &'a Board,
    /// The organization, which knows the accounts that are closed.
    pub(crate) roster: &'a Roster,
    pub(crate) caller: &'a Caller,
    /// The account that the caller's key belongs to.
    pub(crate) account: &'a str,
    pub(crate) now: Moment,
    pub(crate) request: &'a str,
}

/// The sessions of assumed roles, by temporary access key.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<HashMap<String, Session>>);

/// A session of an assumed role.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    account: String,
    /// The role's name without its path, which STS omits from the ARNs of sessions.
    role: String,
    name: String,
    /// The source identity that it was assumed with.
    source: Option<String>,
    ends: Moment,
}

impl Session {
    fn arn(&self) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{}", self.account, self.role, self.name)
    }

    /// The user id, `AROA...:session`. Its first part is the same for all sessions of a role.
    fn user(&self) -> String {
        let number = self.account.bytes().chain(self.role.bytes()).fold(0, |n, b| mix(n ^ u64::from(b)));
        format!("AROA{:017X}:{}", number, self.name)
    }
}

impl Sessions {
    /// Refuses a caller whose temporary key has expired.
    pub(crate) fn admit(&self, caller: &Caller, now: Moment) -> Result<(), Refusal> {
        let ended = self.0.lock().get(&caller.access_key).is_some_and(|session| session.ends <= now);
        if !ended {
            return Ok(());
        }
        Err(match caller.service.as_str() {
            "ec2" => Refusal::new(400, "RequestExpired", "Request has expired."),
            _ => Refusal::new(403, "ExpiredToken", "The security token included in the request is expired"),
        })
    }

    /// Ends all sessions of an account, or of all accounts, and says how many there were.
    pub(crate) fn end(&self, account: Option<&str>, now: Moment) -> usize {
        let mut sessions = self.0.lock();
        let is_open = |session: &&mut Session| session.ends > now && account.is_none_or(|one| session.account == one);
        sessions.values_mut().filter(is_open).map(|session| session.ends = now).count()
    }

    /// The ARN of a caller: the session, or the user that all other keys of the account belong to.
    pub(crate) fn principal(&self, caller: &Caller, account: &str) -> String {
        let session = self.get(&caller.access_key);
        session.map_or_else(|| format!("arn:aws:iam::{account}:user/muster"), |session| session.arn())
    }

    /// A caller as `CloudTrail` records it.
    pub(crate) fn recorded(&self, caller: Option<&Caller>, agent: &str) -> RecordedCaller {
        let session = caller.and_then(|caller| self.get(&caller.access_key));
        let session = session.map(|session| RoleSession {
            arn: session.arn(),
            user: session.user(),
            role: session.role,
            source: session.source,
        });
        RecordedCaller { session, agent: agent.to_owned() }
    }

    fn get(&self, access_key: &str) -> Option<Session> {
        self.0.lock().get(access_key).cloned()
    }

    /// Stores a session and returns its access key: 20 characters, as on AWS, that include the account.
    fn keep(&self, session: Session) -> String {
        let mut sessions = self.0.lock();
        let count = u64::try_from(sessions.len()).unwrap_or(u64::MAX);
        // Four letters distinguish the first half million sessions; after that, the oldest keys are used again.
        let letter = |shift: u32| char::from(b'A' + u8::try_from(count / 26_u64.pow(shift) % 26).unwrap_or(0));
        let letters: String = (0..4).rev().map(letter).collect();
        let key = format!("ASIA{}{letters}", session.account);
        sessions.insert(key.clone(), session);
        key
    }
}

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

/// Whether an action of this name changes things.
pub(crate) fn mutates(action: &str) -> bool {
    action == "AssumeRole"
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ["AssumeRole", "DecodeAuthorizationMessage", "GetAccessKeyInfo", "GetCallerIdentity"].into_iter()
}

/// Answers one STS call.
pub(crate) fn answer(call: &Call, action: &str) -> Result<String, Refusal> {
    let version = call.params.get("Version").unwrap_or_default();
    if version != VERSION {
        return Err(Refusal::no_such_version(version, "AWSSecurityTokenService"));
    }
    match action {
        "AssumeRole" => assume_role(call),
        "DecodeAuthorizationMessage" => decode(call),
        "GetAccessKeyInfo" => key_info(call),
        "GetCallerIdentity" => Ok(caller_identity(call)),
        _ => Err(Refusal::invalid_action(action)),
    }
}

fn decode(call: &Call) -> Result<String, Refusal> {
    let required = "Member must not be null";
    let encoded = call.params.get("EncodedMessage").ok_or_else(|| invalid("Value null", "encodedMessage", required))?;
    let decoded = decoded(encoded).ok_or_else(|| {
        Refusal::new(400, "InvalidAuthorizationMessageException", "Message is not valid for decoding")
    })?;
    Ok(envelope(call, "DecodeAuthorizationMessage", |xml| xml.text("DecodedMessage", &decoded)))
}

fn key_info(call: &Call) -> Result<String, Refusal> {
    let required = "Member must not be null";
    let key = call.params.get("AccessKeyId").ok_or_else(|| invalid("Value null", "accessKeyId", required))?;
    if key.len() < 16 {
        let rule = "Member must have length greater than or equal to 16";
        return Err(invalid(&format!("Value '{key}'"), "accessKeyId", rule));
    }
    let of = Caller { access_key: key.to_owned(), ..call.caller.clone() };
    let account = of.account(call.account);
    Ok(envelope(call, "GetAccessKeyInfo", |xml| xml.text("Account", account)))
}

fn caller_identity(call: &Call) -> String {
    let session = call.sessions.get(&call.caller.access_key);
    let arn = call.sessions.principal(call.caller, call.account);
    let id = session.map_or_else(|| "AIDASIMULATEDMUSTER00".to_owned(), |session| session.user());
    envelope(call, "GetCallerIdentity", |xml| {
        xml.text("Arn", &arn);
        xml.text("UserId", &id);
        xml.text("Account", call.account);
    })
}

fn assume_role(call: &Call) -> Result<String, Refusal> {
    let required = |name: &'static str, member: &str| {
        call.params.get(name).ok_or_else(|| invalid("Value null", member, "Member must not be null"))
    };
    let arn = required("RoleArn", "roleArn")?;
    let name = required("RoleSessionName", "roleSessionName")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(plain) {
        let rule = r"Member must satisfy regular expression pattern: [\w+=,.@-]*";
        return Err(invalid(&format!("Value '{name}'"), "roleSessionName", rule));
    }
    let (account, role) = role(arn).ok_or_else(|| Refusal::new(400, "ValidationError", format!("{arn} is invalid")))?;
    let seconds = seconds(call.params)?;
    if seconds > CHAINED && call.sessions.get(&call.caller.access_key).is_some() {
        let message =
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining";
        return Err(Refusal::new(400, "ValidationError", message));
    }
    if !call.roster.is_open(account) || !call.board.trusts(arn, account, call.params.get("ExternalId")) {
        let who = call.sessions.principal(call.caller, call.account);
        let message = format!("User: {who} is not authorized to perform: sts:AssumeRole on resource: {arn}");
        return Err(Refusal::new(403, "AccessDenied", message));
    }
    let seconds = call.board.session_seconds().map_or(seconds, |most| seconds.min(i64::from(most)));
    let session = Session {
        account: account.to_owned(),
        role: role.to_owned(),
        name: name.to_owned(),
        source: source_identity(call.params)?,
        ends: Moment(call.now.0.saturating_add(seconds.saturating_mul(1_000))),
    };
    let (arn, user, ends) = (session.arn(), session.user(), session.ends);
    let key = call.sessions.keep(session);
    Ok(envelope(call, "AssumeRole", |xml| {
        xml.within("AssumedRoleUser", |xml| {
            xml.text("Arn", &arn);
            xml.text("AssumedRoleId", &user);
        });
        xml.within("Credentials", |xml| {
            xml.text("AccessKeyId", &key);
            xml.plain("SecretAccessKey", |out| secret(&key, 40, out));
            xml.plain("SessionToken", |out| {
                out.push_str("IQoJb3JpZ2luX2Vj");
                secret(&key, 240, out);
            });
            xml.text("Expiration", &ends.iso_bare());
        });
    }))
}

fn source_identity(params: &Params) -> Result<Option<String>, Refusal> {
    let Some(text) = params.get("SourceIdentity") else { return Ok(None) };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&text.len()) || !text.chars().all(plain) {
        let rule = r"Member must satisfy regular expression pattern: [\w+=,.@-]*";
        return Err(invalid(&format!("Value '{text}'"), "sourceIdentity", rule));
    }
    Ok(Some(text.to_owned()))
}

/// The account and the name in `arn:aws:iam::123456789012:role/path/name`.
fn role(arn: &str) -> Option<(&str, &str)> {
    let (account, path) = arn.strip_prefix("arn:aws:iam::")?.split_once(":role/")?;
    let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
    let digits = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    digits.then_some((account, name))
}

fn seconds(params: &Params) -> Result<i64, Refusal> {
    let Some(text) = params.get("DurationSeconds") else { return Ok(DURATION) };
    let value = format!("Value '{text}'");
    match text.parse() {
        Ok(seconds) if DURATIONS.contains(&seconds) => Ok(seconds),
        Ok(seconds) if seconds < *DURATIONS.start() => {
            Err(invalid(&value, "durationSeconds", "Member must have value greater than or equal to 900"))
        }
        Ok(_) => Err(invalid(&value, "durationSeconds", "Member must have value less than or equal to 43200")),
        Err(_) => Err(Refusal::new(400, "MalformedInput", "Invalid value for DurationSeconds")),
    }
}

fn invalid(value: &str, member: &str, rule: &str) -> Refusal {
    let message = format!("1 validation error detected: {value} at '{member}' failed to satisfy constraint: {rule}");
    Refusal::new(400, "ValidationError", message)
}

/// Appends characters that look like a secret. They are a formula of the key, because the simulator checks no secrets.
fn secret(key: &str, length: usize, out: &mut String) {
    let mut seed = key.bytes().fold(length as u64, |n, b| mix(n ^ u64::from(b)));
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        seed = mix(seed.wrapping_add(1));
        hex(seed, &mut text);
    }
    out.extend(text.chars().take(length));
}

fn envelope(call: &Call, action: &str, inside: impl FnOnce(&mut Xml)) -> String {
    let mut xml = Xml::default();
    xml.raw(&format!(r#"<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">"#));
    xml.within(&format!("{action}Result"), inside);
    xml.within("ResponseMetadata", |xml| xml.text("RequestId", call.request));
    xml.close(&format!("{action}Response"));
    xml.finish()
}
