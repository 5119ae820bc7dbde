//! Checks whether EC2's read API is answered where it is configured, by one request from this machine.

use std::net::SocketAddr;

use futures::future::LocalBoxFuture;
use serde_json::Value;
use tokio::time::timeout;

use super::finding::{Check, Finding, LOCAL};
use crate::aws::signature::SignatureFault;
use crate::aws::{AccountPlan, Regions};
use crate::config::OwnEndpoint;
use crate::model::text::shown;
use crate::model::{AccountId, Region, Scope};

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
    /// Its address.
    pub address: SocketAddr,
    /// Where the running server of the data directory answers it.
    pub served: ServedReadApi,
    /// How many keys its file has, or why that cannot be used; `None` where there is no file.
    pub keys: Option<Result<usize, String>>,
    /// The variable of this environment that has Muster itself read EC2 there.
    pub own: Option<OwnEndpoint>,
    /// Whether clients with this environment leave the variables of endpoints aside.
    pub is_ignored: bool,
    /// The proxy that clients with this environment ask for it, if there is one.
    pub proxy: Option<ProxiedReadApi>,
    /// What asks it.
    pub door: Box<dyn ReadApiDoor>,
}

/// What has clients ask a proxy for EC2's read API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxiedReadApi {
    /// The variable that names the proxy.
    pub variable: &'static str,
    /// What the variable of exceptions would have to name.
    pub host: String,
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
    if let Some(finding) = elsewhere(&api.url, api.address, api.served) {
        findings.push(finding);
        return findings;
    }
    if api.address.port() == 0 {
        findings.push(CHECK.skipped(&*api.url, "port 0 takes a free port, which only a running server can name"));
        return findings;
    }
    if let Some(ProxiedReadApi { variable, host }) = &api.proxy {
        let fact =
            format!("it is set: boto3, the AWS CLI and other clients with this environment ask that proxy for {host}");
        findings.push(CHECK.warning(
            *variable,
            fact,
            format!("Add {host} to no_proxy, or to NO_PROXY where that is not set, for these clients."),
        ));
    }
    if region.is_none() {
        findings.push(CHECK.skipped(&*api.url, "no region to ask for is known here: give --region, or set AWS_REGION"));
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

/// What is asked about: a region, and of several accounts one. The accounts and regions of `plans` that the running server watches, as
/// `freshness` lists them, go before those of `plans` that it does not list, and these before all others that it watches.
pub(crate) fn asked_place(plans: &[AccountPlan], freshness: Option<&Value>) -> (Option<Region>, Option<AccountId>) {
    let listed = freshness.and_then(|said| said.get("scopes")?.as_array()).into_iter().flatten();
    let listed = listed.filter(|scope| scope.get("no_longer_watched_since").is_none()).filter_map(|scope| {
        let text = |name: &str| scope.get(name).and_then(Value::as_str);
        let account = text("account").filter(|account| AccountId::is_valid(account))?;
        Some(Scope { account: AccountId::new(account), region: Region::new(text("region")?) })
    });
    let watched: Vec<Scope> = listed.collect();
    let is_of = |plan: &AccountPlan, scope: &Scope| match &plan.regions {
        _ if plan.account.as_ref() != Some(&scope.account) => false,
        Regions::Named(regions) => regions.contains(&scope.region),
        Regions::All { .. } => true,
    };
    let both = plans.iter().find_map(|plan| watched.iter().find(|scope| is_of(plan, scope)).cloned());
    let planned = || {
        let mut all = plans.iter().filter_map(|plan| Some((plan.account.clone()?, plan.regions.known_region()?)));
        all.next().map(|(account, region)| Scope { account, region })
    };
    match both.or_else(planned).or_else(|| watched.into_iter().next()) {
        Some(Scope { account, region }) => (Some(region), Some(account)),
        None => (plans.iter().find_map(|plan| plan.regions.known_region()), None),
    }
}

/// Says that the running server answers it at another address, or not at all; `None` where neither is known.
fn elsewhere(url: &str, given: SocketAddr, served: ServedReadApi) -> Option<Finding> {
    let is_there = |address: SocketAddr| {
        let covers = address.ip() == given.ip() || address.ip().is_unspecified() && !given.ip().is_loopback();
        address.port() == given.port() && covers
    };
    let fact = match served {
        ServedReadApi::Unknown => return None,
        ServedReadApi::At(address) if is_there(address) => return None,
        ServedReadApi::At(address) => format!("the server of this data directory answers it at {address}"),
        ServedReadApi::Nowhere => "the server of this data directory does not answer it".to_owned(),
    };
    Some(CHECK.failed(url, fact, "Restart the server with this --ec2-api, or give the one that it has."))
}

/// The codes of answers that only who has signed gets, where a signature is asked for.
const BEHIND_SIGNATURES: [&str; 4] = ["MusterBusy", "MusterScopeUnavailable", "MusterStale", "Unavailable"];

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
    // Signatures are judged before anything that these tell.
    let is_judged =
        answer.asks_for_account || answer.code.as_deref().is_some_and(|code| BEHIND_SIGNATURES.contains(&code));
    match (answer.status, &answer.as_of, &answer.stale) {
        (200, Some(_), _) | (400 | 503, ..) if has_keys && (answer.status == 200 || is_judged) => {
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
        (401 | 403, ..) if is_unsigned => {
            let fix = "Give --ec2-api-keys as the server has it, or restart the server without it.";
            CHECK.failed(
                url,
                "it answers only what is signed with a key of a file of keys, and none is given here",
                fix,
            )
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
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;
    use crate::aws::{CredentialPlan, EventPlan};

    #[test]
    fn the_server_of_the_data_directory_answers_at_the_address_that_is_configured() {
        let given = |given: &str, served| {
            let found = elsewhere(&format!("http://{given}"), given.parse().unwrap(), served);
            found.map(|finding| (finding.verdict, finding.fact))
        };
        let at = |address: &str| ServedReadApi::At(address.parse().unwrap());
        let of = |served| given("127.0.0.1:5", served);
        assert_eq!((of(ServedReadApi::Unknown), of(at("127.0.0.1:5"))), (None, None));
        assert_eq!((given("10.0.0.7:5", at("0.0.0.0:5")), given("10.0.0.7:5", at("[::]:5"))), (None, None));
        // What is served to other machines is served by TLS.
        for (address, server) in [
            ("127.0.0.1:5", "0.0.0.0:5"),
            ("0.0.0.0:5", "127.0.0.1:5"),
            ("10.0.0.7:5", "10.0.0.8:5"),
            ("127.0.0.1:5", "[::1]:5"),
        ] {
            let (verdict, fact) = given(address, at(server)).unwrap();
            assert!(verdict == Verdict::Failed && fact.contains(server), "{address}: {fact}");
        }
        let (verdict, fact) = of(at("127.0.0.1:6")).unwrap();
        assert!(verdict == Verdict::Failed && fact.contains("127.0.0.1:6"), "{fact}");
        assert_eq!(of(ServedReadApi::Nowhere).unwrap().0, Verdict::Failed);
    }

    #[test]
    fn of_several_accounts_one_that_is_watched_is_asked_about() {
        let plan = |account: Option<&str>, regions: &[&str]| AccountPlan {
            account: account.map(AccountId::new),
            name: None,
            ou: None,
            credentials: CredentialPlan::default(),
            regions: Regions::Named(regions.iter().map(|region| Region::new(*region)).collect()),
            share_percent: None,
            events: EventPlan::default(),
        };
        let (one, two) = ("111111111111", "222222222222");
        let place = |account: Option<&str>, region: &str| (Some(Region::new(region)), account.map(AccountId::new));
        let plans = [plan(None, &["r-0"]), plan(Some(one), &["r-1", "r-2"]), plan(Some(two), &["r-3"])];
        assert_eq!(asked_place(&plans, None), place(Some(one), "r-1"));
        let scope = |account: &str, region: &str| json!({"account": account, "region": region});
        let mut left = scope(one, "r-2");
        left["no_longer_watched_since"] = json!("2026-11-22T12:55:10Z");
        let watched = json!({"scopes": [left, scope(two, "r-3")]});
        assert_eq!(asked_place(&plans, Some(&watched)), place(Some(two), "r-3"));
        let none_of_them = json!({"scopes": [scope(two, "r-9")]});
        assert_eq!(asked_place(&plans, Some(&none_of_them)), place(Some(one), "r-1"));
        // Profiles, whose accounts only AWS tells, and an organization that is not listed yet.
        assert_eq!(asked_place(&plans[..1], Some(&watched)), place(Some(two), "r-3"));
        assert_eq!(asked_place(&[], Some(&watched)), place(Some(two), "r-3"));
        assert_eq!(asked_place(&plans[..1], None), place(None, "r-0"));
        let all = AccountPlan { regions: Regions::All { home: None }, ..plan(Some(one), &[]) };
        let elsewhere = json!({"scopes": [scope(two, "r-3"), scope(one, "r-4")]});
        assert_eq!(asked_place(std::slice::from_ref(&all), Some(&elsewhere)), place(Some(one), "r-4"));
        assert_eq!(asked_place(&[all], None), place(Some(one), "us-east-1"));
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
        for code in BEHIND_SIGNATURES {
            let status = if code == "Unavailable" { 503 } else { 400 };
            let unasked = ReadApiAnswer { code: Some(code.to_owned()), ..answer(status, Some("Ask again")) };
            let (verdict, open) = of(&Ok(unasked), true, true, false);
            assert!(verdict == Verdict::Failed && open.contains("without a signature"), "{code}: {open}");
        }
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
        assert!(of(&unsigned, false, true, false).1.contains("Give --ec2-api-keys as the server has it"));
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
