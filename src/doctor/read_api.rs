//! Checks whether EC2's read API is answered where it is configured, by one request from this machine.

use std::net::SocketAddr;

use futures::future::LocalBoxFuture;
use tokio::time::timeout;

use super::finding::{Check, Finding, LOCAL};
use crate::aws::signature::SignatureFault;
use crate::config::OwnEndpoint;
use crate::model::text::shown;
use crate::model::{AccountId, Region};

pub(crate) static CHECK: Check = Check {
    name: "read-api",
    title: "EC2's read API answers a request from this machine at --ec2-api, if that is given",
};

/// The longest message of the API that is shown.
const LONGEST: usize = 600;

/// EC2's read API as it is configured.
pub struct ReadApi {
    /// Its URL.
    pub url: String,
    /// The port of its address.
    pub port: u16,
    /// Where the running server of the data directory answers it.
    pub served: ServedReadApi,
    /// How many keys its file has, or why that cannot be used; `None` where there is no file.
    pub keys: Option<Result<usize, String>>,
    /// The variable of this environment that has Muster itself read EC2 there.
    pub own: Option<OwnEndpoint>,
    /// Whether clients with this environment leave the variables of endpoints aside.
    pub is_ignored: bool,
    /// What asks it.
    pub door: Box<dyn ReadApiDoor>,
}

/// Where the running server of a data directory answers EC2's read API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServedReadApi {
    /// None runs, or it does not say so.
    Unknown,
    /// It does not answer it.
    Nowhere,
    /// At this address.
    At(SocketAddr),
}

/// What asks EC2's read API.
pub trait ReadApiDoor {
    /// Asks for what is watched of a region, and of an account where one is named. The error says why there is no answer.
    fn ask<'a>(
        &'a self,
        region: Option<&'a Region>,
        account: Option<&'a AccountId>,
    ) -> LocalBoxFuture<'a, Result<ReadApiAnswer, String>>;
}

/// What EC2's read API answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadApiAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// As of when the copy is that it answered from.
    pub as_of: Option<String>,
    /// Why the copy may be out of date.
    pub stale: Option<String>,
    /// The code of the error.
    pub code: Option<String>,
    /// Whether the error is that the request does not say which of several accounts it is about.
    pub asks_for_account: bool,
    /// The message of the error.
    pub message: Option<String>,
    /// Whether it showed the certificate of the configuration, where it has one.
    pub is_same_certificate: Option<bool>,
}

/// Asks it, and judges the answer. `has_server` says whether a server runs on the data directory, and `is_one_of_several` that a
/// request without an account may be about any of several.
pub(crate) async fn look(
    api: &ReadApi,
    region: Option<&Region>,
    account: Option<&AccountId>,
    has_server: bool,
    is_one_of_several: bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(OwnEndpoint { variable, url }) = &api.own {
        let fact =
            format!("it is {url}: with it Muster itself, and this check, read EC2 from the copy in place of AWS");
        findings.push(CHECK.failed(
            *variable,
            fact,
            format!("Unset {variable} for Muster, and set it for clients only."),
        ));
    }
    if api.is_ignored {
        let fact = "it is set: clients with this environment leave AWS_ENDPOINT_URL_EC2 aside, and ask AWS";
        let fix = "Unset it for the clients that are to read the copy.";
        findings.push(CHECK.warning("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", fact, fix));
    }
    if let Some(Err(why)) = &api.keys {
        findings.push(CHECK.failed("keys", why.as_str(), "Mend the file, and run `muster reload`."));
    }
    if let Some(finding) = elsewhere(&api.url, api.port, api.served) {
        findings.push(finding);
        return findings;
    }
    let answer = match timeout(LOCAL, api.door.ask(region, account)).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {} s", LOCAL.as_secs())),
    };
    let is_unnamed = is_one_of_several && account.is_none();
    findings.push(judge(&api.url, &answer, api.keys.is_some(), has_server, is_unnamed));
    findings
}

/// Says that the running server answers it at another address, or not at all; `None` where neither is known.
fn elsewhere(url: &str, port: u16, served: ServedReadApi) -> Option<Finding> {
    let fact = match served {
        ServedReadApi::Unknown => return None,
        ServedReadApi::At(address) if address.port() == port => return None,
        ServedReadApi::At(address) => format!("the server of this data directory answers it at {address}"),
        ServedReadApi::Nowhere => "the server of this data directory does not answer it".to_owned(),
    };
    Some(CHECK.failed(url, fact, "Restart the server with this --ec2-api, or give the one that it has."))
}

/// Judges the answer to an unsigned request.
fn judge(
    url: &str,
    answer: &Result<ReadApiAnswer, String>,
    has_keys: bool,
    has_server: bool,
    is_unnamed: bool,
) -> Finding {
    let answer = match answer {
        Err(_) if !has_server => return CHECK.skipped(url, "no server runs on this data directory"),
        Err(why) => {
            let fix = "Start the server with --ec2-api (or MUSTER_EC2_API), and look at its log: `muster status` shows how it runs.";
            return CHECK.failed(url, format!("nothing answers there: {why}"), fix);
        }
        Ok(answer) => answer,
    };
    if !has_server {
        let fix = "Give --ec2-api of this server another port, or end what listens there.";
        return CHECK.warning(url, "something answers there, and no server runs on this data directory", fix);
    }
    if answer.is_same_certificate == Some(false) {
        let fix = "Run `muster reload`, which has the server read its certificate again.";
        return CHECK.failed(url, "it shows another certificate than the file of --tls-cert has", fix);
    }
    let message = shown(answer.message.as_deref().unwrap_or("an answer that is none of EC2's read API"), LONGEST);
    let of_signature = [SignatureFault::Missing, SignatureFault::NotValid].map(|fault| fault.code());
    let is_unsigned = answer.code.as_deref().is_some_and(|code| of_signature.contains(&code));
    match (answer.status, &answer.as_of, &answer.stale) {
        (200, Some(_), _) | (400, ..) if has_keys && (answer.status == 200 || answer.asks_for_account) => {
            let fact = "it answers without a signature, though --ec2-api-keys is given here";
            CHECK.failed(url, fact, "Restart the server with --ec2-api-keys.")
        }
        (200, Some(as_of), None) => CHECK.ok(url, format!("it answers from the copy as of {as_of}")),
        (200, Some(as_of), Some(why)) => {
            let fact =
                format!("it answers from the copy as of {as_of}, which may be out of date: {}", shown(why, LONGEST));
            CHECK.warning(url, fact, "See the check freshness for what to do.")
        }
        (401 | 403, ..) if has_keys && is_unsigned => {
            CHECK.ok(url, "it answers whoever signs with a key of its file of keys")
        }
        (400, ..) if is_unnamed && answer.asks_for_account => {
            CHECK.ok(url, "it answers, and asks which account is meant")
        }
        (503, ..) => CHECK.warning(url, message, "Ask again when the first sweep has ended."),
        _ => CHECK.failed(url, message, "Do as it says, or see `muster help ec2-api`."),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn the_server_of_the_data_directory_answers_at_the_address_that_is_configured() {
        let of = |served| elsewhere("http://127.0.0.1:5", 5, served).map(|finding| (finding.verdict, finding.fact));
        let at = |address: &str| ServedReadApi::At(address.parse().unwrap());
        assert_eq!((of(ServedReadApi::Unknown), of(at("0.0.0.0:5"))), (None, None));
        let (verdict, fact) = of(at("127.0.0.1:6")).unwrap();
        assert!(verdict == Verdict::Failed && fact.contains("127.0.0.1:6"), "{fact}");
        assert_eq!(of(ServedReadApi::Nowhere).unwrap().0, Verdict::Failed);
    }

    #[test]
    fn what_the_api_answers_is_judged_by_how_it_is_configured() {
        let answer = |status, message: Option<&str>| ReadApiAnswer {
            status,
            message: message.map(str::to_owned),
            ..ReadApiAnswer::default()
        };
        let said = |status, message| Ok(answer(status, message));
        let fresh = ReadApiAnswer { status: 200, as_of: Some("T".to_owned()), ..ReadApiAnswer::default() };
        let stale = ReadApiAnswer { stale: Some("9 s ago".to_owned()), ..fresh.clone() };
        let other = ReadApiAnswer { is_same_certificate: Some(false), ..fresh.clone() };
        let of = |answer: &Result<ReadApiAnswer, String>, has_keys, has_server, is_unnamed| {
            let found = judge("http://127.0.0.1:1", answer, has_keys, has_server, is_unnamed);
            (found.verdict, format!("{} {}", found.fact, found.fix.unwrap_or_default()))
        };
        assert_eq!(of(&Ok(fresh.clone()), false, true, false).0, Verdict::Ok);
        let (verdict, said_of_stale) = of(&Ok(stale), false, true, false);
        assert!(verdict == Verdict::Warning && said_of_stale.contains("9 s ago"), "{said_of_stale}");
        assert_eq!(of(&Ok(other), true, true, false).0, Verdict::Failed);
        let (verdict, open) = of(&Ok(fresh.clone()), true, true, false);
        assert!(verdict == Verdict::Failed && open.contains("without a signature"), "{open}");
        assert_eq!(of(&Ok(fresh), false, false, false).0, Verdict::Warning, "another server's");
        assert_eq!(of(&Err("refused".to_owned()), false, false, false).0, Verdict::Skipped);
        let (verdict, silent) = of(&Err("refused".to_owned()), false, true, false);
        assert!(verdict == Verdict::Failed && silent.contains("refused") && silent.contains("--ec2-api"), "{silent}");
        let code = Some("MissingAuthenticationToken".to_owned());
        let unsigned = Ok(ReadApiAnswer { code, ..answer(403, Some("not signed")) });
        assert_eq!(
            (of(&unsigned, true, true, false).0, of(&unsigned, false, true, false).0),
            (Verdict::Ok, Verdict::Failed)
        );
        for (status, code) in [(403, "InvalidRequest"), (401, "Unauthorized"), (400, "MissingAuthenticationToken")] {
            let other = Ok(ReadApiAnswer { code: Some(code.to_owned()), ..answer(status, Some("the cause")) });
            let (verdict, told) = of(&other, true, true, false);
            assert!(verdict == Verdict::Failed && told.contains("the cause"), "{code}: {told}");
        }
        let unnamed = Ok(ReadApiAnswer { asks_for_account: true, ..answer(400, Some("several accounts")) });
        assert_eq!(
            (of(&unnamed, false, true, true).0, of(&unnamed, false, true, false).0),
            (Verdict::Ok, Verdict::Failed)
        );
        assert!(of(&unnamed, true, true, true).1.contains("without a signature"));
        let (verdict, old) = of(&said(400, Some("99 s old")), false, true, true);
        assert!(verdict == Verdict::Failed && old.contains("99 s old"), "{old}");
        assert_eq!(of(&said(503, Some("first sweep")), false, true, false).0, Verdict::Warning);
        assert!(of(&said(200, None), false, true, false).1.contains("none of EC2's read API"));
    }
}
