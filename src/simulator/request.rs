//! One call as it arrives: the caller (from the signature's header) and the request (from the form's parameters, or
//! from the target header and a JSON body).
//!
//! Signatures are not checked, because the simulator has no secrets. The credential scope still decides the account and
//! region.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;

use crate::simulator::refusal::Refusal;

/// The services that share the port; the credential scope tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Ec2,
    Sts,
    Sqs,
    Events,
    Trail,
    Organizations,
}

/// One call before any decision about it.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) service: Service,
    pub(crate) caller: Option<Caller>,
    /// The part of `X-Amz-Target` after the dot; only the JSON services have it.
    target: Option<String>,
    /// The parameters of a Query call; empty for the JSON services.
    pub(crate) params: Params,
    pub(crate) body: Bytes,
    /// `http://host:port` as the client addressed it.
    pub(crate) base: String,
    /// The client's user agent.
    pub(crate) agent: String,
}

impl Ask {
    pub(crate) fn read(parts: &Parts, body: Bytes) -> Self {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let caller = header(AUTHORIZATION.as_str()).and_then(Caller::parse);
        let scope = caller.as_ref().map(|caller| caller.service.as_str());
        let target = header("x-amz-target");
        let json = match (scope, target.and_then(|target| target.rsplit_once('.'))) {
            (Some("sqs"), _) | (_, Some(("AmazonSQS", _))) => Some(Service::Sqs),
            (Some("events"), _) | (_, Some(("AWSEvents", _))) => Some(Service::Events),
            (Some("cloudtrail"), _) => Some(Service::Trail),
            (Some("organizations"), _) => Some(Service::Organizations),
            _ => None,
        };
        let params = if json.is_some() {
            Params::default()
        } else {
            Params::parse(parts.uri.query().unwrap_or_default(), &body)
        };
        let service = json.unwrap_or(match scope {
            Some("sts") => Service::Sts,
            Some("ec2") => Service::Ec2,
            _ if params.get("Version") == Some("2011-06-15") => Service::Sts,
            _ => Service::Ec2,
        });
        let target = target.and_then(|target| Some(target.rsplit_once('.')?.1.to_owned()));
        let base = format!("http://{}", header(HOST.as_str()).unwrap_or("127.0.0.1"));
        // SDKs of AWS put more into their own header.
        let agent = header("x-amz-user-agent").filter(|agent| !agent.is_empty()).or(header("user-agent"));
        let agent = agent.unwrap_or_default().to_owned();
        Self { service, caller, target, params, body, base, agent }
    }

    /// The action's name.
    ///
    /// # Errors
    /// When the call names no action.
    pub(crate) fn action(&self) -> Result<&str, Refusal> {
        match self.service {
            Service::Ec2 | Service::Sts => self.params.get("Action").ok_or_else(|| Refusal::missing("Action")),
            // SQS clients from before 2023 use the Query protocol, which this SQS does not support.
            Service::Sqs | Service::Events | Service::Trail | Service::Organizations => {
                self.target.as_deref().ok_or_else(|| Refusal::missing("X-Amz-Target"))
            }
        }
    }
}

/// Who signed a request, and for which region and service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) access_key: String,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Caller {
    /// Reads `AWS4-HMAC-SHA256 Credential=AKID/20261122/us-east-1/ec2/aws4_request, ...`.
    pub(crate) fn parse(authorization: &str) -> Option<Self> {
        let scope = authorization.split_once("Credential=")?.1.split([',', ' ']).next()?;
        // In theory an access key may contain slashes; the four parts after it may not.
        let mut parts = scope.rsplitn(5, '/');
        let (_terminal, service, region, _date) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        Some(Self { access_key: parts.next()?.to_owned(), region: region.to_owned(), service: service.to_owned() })
    }

    /// The account of the caller. An access key of twelve digits names it, and a temporary key from `AssumeRole`
    /// contains it (`ASIA`, the account, four more characters). All other keys belong to `default`.
    pub(crate) fn account<'a>(&'a self, default: &'a str) -> &'a str {
        let assumed = self.access_key.strip_prefix("ASIA").filter(|rest| rest.len() == 16);
        let named = assumed.and_then(|rest| rest.get(..12)).unwrap_or(&self.access_key);
        let digits = named.len() == 12 && named.bytes().all(|b| b.is_ascii_digit());
        if digits { named } else { default }
    }
}

/// The parameters of a Query call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(BTreeMap<String, String>);

impl Params {
    /// Reads the URL's query and the form body, which Query services treat alike.
    pub(crate) fn parse(query: &str, body: &[u8]) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All parameters by name.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The parameters except those for which `is_left_out` is true.
    pub(crate) fn but(&self, is_left_out: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !is_left_out(name));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// The values of `name.1`, `name.2`, ... up to the first gap.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        (1_u32..).map_while(|n| self.get(&format!("{name}.{n}"))).collect()
    }

    /// The values of a list without repetitions, in the order given.
    pub(crate) fn set(&self, name: &str) -> Vec<&str> {
        let mut seen = std::collections::BTreeSet::new();
        self.list(name).into_iter().filter(|value| seen.insert(*value)).collect()
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => {
                Err(Refusal::invalid_value(format!("Invalid value '{text}' for {name}. Expecting a boolean.")))
            }
        }
    }

    /// Refuses parameters that an action does not know, as EC2 does. `known` holds first segments: `Filter` for
    /// `Filter.1.Name`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        for name in self.0.keys() {
            let first = name.split('.').next().unwrap_or_default();
            if !known.contains(&first) && !matches!(first, "Action" | "Version" | "DryRun") {
                return Err(Refusal::unknown_parameter(first));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_credential_scope_names_service_region_and_account() {
        let header = "AWS4-HMAC-SHA256 Credential=111122223333/20261122/eu-west-1/ec2/aws4_request, \
                      SignedHeaders=host, Signature=00";
        let caller = Caller::parse(header).unwrap();
        assert_eq!((caller.service.as_str(), caller.region.as_str()), ("ec2", "eu-west-1"));
        assert_eq!(caller.account("123456789012"), "111122223333");
        let assumed = Caller { access_key: "ASIA444455556666WXYZ".to_owned(), ..caller.clone() };
        assert_eq!(assumed.account("123456789012"), "444455556666");
        let other = Caller { access_key: "AKIAEXAMPLE".to_owned(), ..caller };
        assert_eq!(other.account("123456789012"), "123456789012");
        assert_eq!(Caller::parse("Bearer x"), None);
    }

    #[test]
    fn lists_are_numbered_and_unknown_parameters_are_refused() {
        let params = Params::parse("", b"Action=X&InstanceId.1=a&InstanceId.2=b&InstanceId.3=a&Filter.1.Name=n");
        assert_eq!(params.list("InstanceId"), ["a", "b", "a"]);
        assert_eq!(params.set("InstanceId"), ["a", "b"]);
        assert_eq!(params.only(&["InstanceId", "Filter"]), Ok(()));
        assert_eq!(params.only(&["Filter"]), Err(Refusal::unknown_parameter("InstanceId")));
    }
}
