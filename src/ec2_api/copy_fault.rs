//! Why a request is not answered from the copy, as EC2's API says such things.
//!
//! SDKs repeat a request that got a status of 500 or more for minutes, so only what is over in moments has one.

use std::time::Duration;

use thiserror::Error;

use super::fault::{self, Ec2Fault};
use super::missed_ids::MissedIds;
use super::passed_call::PassRefusal;
use super::place::PlaceError;
use super::sent_text::shown;
use super::standing::StandingError;
use super::tag_question::TagQuestionError;
use super::unknown_filter::UnknownFilter;
use crate::aws::signature::SignatureFault;
use crate::model::Timestamp;
use crate::query::PastError;
use crate::store::ReadError;

/// How many seconds a client waits before it asks again.
pub const RETRY_AFTER: u32 = 2;

/// Why a request is not answered from the copy.
#[derive(Debug, Error)]
pub enum CopyFault {
    /// It is not a request that EC2 takes, or is none that is answered here.
    #[error(transparent)]
    Request(#[from] Ec2Fault),
    /// It is not signed as it must be.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// Its account and region are not known.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// The copy cannot be answered from.
    #[error(transparent)]
    Standing(#[from] StandingError),
    /// Its account cannot be reached, or none can.
    #[error("Muster cannot reach {whom}: {what}. {fix}")]
    Unreached {
        /// The account, or that there is none.
        whom: String,
        /// What happened.
        what: String,
        /// What to do about it.
        fix: String,
    },
    /// AWS did not list regions or zones.
    #[error("Muster could not list {what} of {whose}: {why}. {fix}")]
    Unlisted {
        /// What was to be listed.
        what: &'static str,
        /// Of what account or scope.
        whose: String,
        /// What happened.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// The copy cannot answer it, and AWS is not asked in its place.
    #[error("{}. {why}", fault.to_string().trim_end_matches('.'))]
    Unpassed {
        /// What the copy lacks.
        fault: Box<CopyFault>,
        /// Why AWS is not asked.
        why: PassRefusal,
    },
    /// AWS does not let Muster ask.
    #[error("Muster's copy does not have this, and AWS does not let Muster's own credentials ask for it: {why}. {fix}")]
    Forbidden {
        /// What AWS answered.
        why: String,
        /// What to do about it.
        fix: String,
    },
    /// There is no answer of AWS, or it is none.
    #[error("Muster's copy does not have this, and Muster has no answer of AWS to it: {why}. {fix}")]
    Unanswered {
        /// What happened.
        why: String,
        /// What to do about it.
        fix: String,
        /// Whether AWS was asked.
        is_sent: bool,
    },
    /// It waited too long for Muster's share of AWS's limits.
    #[error(
        "Muster's copy does not have this, and AWS was not asked for it in time: Muster makes only so many calls of {permission} a second \
         (--aws-share), and others wait as well. Ask again later"
    )]
    Crowded {
        /// The permission that the call needs.
        permission: &'static str,
    },
    /// It waited too long for one of the turns to be asked of AWS.
    #[error(
        "Muster's copy does not have this, and AWS was not asked for it in time: Muster asks AWS for only {most} such answers at once, and \
         for {of_scope} of one account and region, and others had all of these turns. Ask again later"
    )]
    Queued {
        /// How many turns there are.
        most: usize,
        /// How many of them one account and region may have.
        of_scope: usize,
    },
    /// AWS's answer is longer than what is handed on.
    #[error(
        "Muster's copy does not have this, and AWS's answer is longer than the {} MiB that Muster hands on: ask for pages of it (MaxResults, \
         which is --page-size of the AWS CLI), or send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2",
        most >> 20
    )]
    Overlong {
        /// How many bytes are handed on at most.
        most: usize,
    },
    /// Others have all turns to be answered.
    #[error(
        "Muster answers only so many requests at once, and others were answered for all of the {} seconds that this one waited: ask again \
         later",
        waited.as_secs()
    )]
    Busy {
        /// How long it waited.
        waited: Duration,
    },
    /// Its path is none that is served.
    #[error("{}", misled(.0))]
    Path(String),
    /// Its host is none of this machine.
    #[error(
        "The Host {0} is not one of this machine: use 127.0.0.1, [::1], localhost, a name that ends with .localhost, or name it with --allowed-host"
    )]
    Host(String),
    /// A page of the web sent it.
    #[error(
        "The request comes from a page of the web (its header Origin or Sec-Fetch-Site says so), which is not answered here: send it by \
         a client of AWS"
    )]
    WebPage,
    /// Muster itself sent it.
    #[error(
        "Muster asks itself: a call of its own came to its read API (--ec2-api) in place of AWS. Unset AWS_ENDPOINT_URL_EC2 and \
         AWS_ENDPOINT_URL for Muster, and endpoint_url in its file of AWS's configuration (AWS_CONFIG_FILE), and have no proxy lead \
         there: they are for the clients that are to read the copy"
    )]
    OwnCall,
    /// It did not arrive in time.
    #[error("The request did not arrive in time")]
    Slow,
    /// The store is not open.
    #[error("Muster is still opening its store: ask again in a few seconds")]
    Opening,
    /// The server ends.
    #[error("Muster is stopping")]
    Stopping,
    /// What answers it failed.
    #[error(
        "Muster failed over this request, which is a defect of Muster, and asking again does not mend it: its log has the cause. Send \
         this call to AWS, by a client without AWS_ENDPOINT_URL_EC2"
    )]
    Defect,
    /// The store cannot be used.
    #[error("{0}")]
    Store(String),
    /// It asks for more than is held.
    #[error(
        "Muster's copy cannot answer {action} about {what}: {why}. Send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2"
    )]
    Beyond {
        /// The action.
        action: &'static str,
        /// What it asks about.
        what: String,
        /// What is not held, or how to ask so that it can be answered.
        why: &'static str,
    },
    /// A filter that nobody here knows.
    #[error(transparent)]
    NoFilter(#[from] UnknownFilter),
    /// A filter of AWS that no description tells anything of.
    #[error(
        "The filter '{0}' is one of AWS's that Muster cannot answer by, because no description shows what it compares. Send this call \
         to AWS, or leave out the filter"
    )]
    LackedFilter(String),
    /// A filter by the value of a tag that is redacted.
    #[error(
        "The values of the tag {0} are redacted in Muster's copy (--redact-tag-keys), so that it cannot answer by them. Send this call \
         to AWS"
    )]
    Redacted(String),
    /// A filter by the values of all tags, of which some are redacted.
    #[error(
        "Muster's copy cannot answer by the values of all tags, because it has marks in place of some (--redact-tag-keys): ask by tag:KEY, \
         or send this call to AWS"
    )]
    RedactedSome,
    /// A filter that cannot be used.
    #[error("{0}")]
    Filter(String),
    /// What is named is no owner.
    #[error("Invalid user id: \"{0}\"")]
    Owner(String),
    /// What it asks of tags cannot be answered.
    #[error(transparent)]
    Tags(#[from] TagQuestionError),
    /// The token is not of this question.
    #[error("The token is invalid.")]
    Token,
    /// Some of what is named is not in the copy.
    #[error("{said}{}", as_of_copy(said, *as_of))]
    Absent {
        /// What AWS can be asked for.
        missed: Vec<MissedIds>,
        /// The start of the last complete sweep of the copy.
        as_of: Timestamp,
        /// What is said of it by the copy alone.
        said: Box<CopyFault>,
    },
    /// Some of what is named is not in the copy, which is not known to be complete.
    #[error(
        "Muster's copy does not have {}, and may be out of date: {why}. Ask again later, have Muster ask AWS (--ec2-api-miss live), or \
         send this call to AWS",
        listed(names)
    )]
    Unsure {
        /// What is named.
        names: Vec<String>,
        /// Why the copy may be out of date.
        why: String,
    },
    /// Some ids or names are not in the copy, and AWS did not say whether they exist.
    #[error(
        "Muster's copy does not have {}, and AWS did not say whether there are such: {why} Ask again later, or send this call to AWS",
        listed(ids)
    )]
    Untold {
        /// The ids or names.
        ids: Vec<String>,
        /// Why AWS did not say: whole sentences.
        why: String,
    },
    /// An answer without pages is not sent in time.
    #[error(
        "The answer could not be sent in {} minutes: ask for pages of it (MaxResults, which is --page-size of the AWS CLI, and PageSize of \
         boto3's paginators)",
        most.as_secs() / 60
    )]
    TooLong {
        /// How long an answer may take.
        most: Duration,
    },
    /// Records of the copy are damaged.
    #[error(
        "Damaged records in Muster's store ({count} found so far) may be of {plural}, which its copy then lacks: stop the Muster server \
         and run `muster log verify --repair`"
    )]
    Damaged {
        /// What they may be of.
        plural: &'static str,
        /// How many.
        count: usize,
    },
    /// The store could not be read.
    #[error("Muster's copy could not be read: {0}")]
    Past(#[from] PastError),
}

impl From<ReadError> for CopyFault {
    fn from(error: ReadError) -> Self {
        CopyFault::Past(PastError::Read(error))
    }
}

/// What was named, as an error repeats it: the beginning of a long list.
fn listed(names: &[String]) -> String {
    const MOST: usize = 50;
    let first: Vec<String> = names.iter().take(MOST).map(|name| shown(name)).collect();
    let more = names.len().saturating_sub(MOST);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    first.join(", ") + &rest
}

/// As of when the copy says that something does not exist: AWS may have made it since. It has no quotes, because clients take what
/// stands between the first and the last quote of AWS's sentence for the ids.
fn as_of_copy(said: &CopyFault, as_of: Timestamp) -> String {
    match said {
        CopyFault::Request(_) => format!(" (as of {as_of}, in the copy of Muster)"),
        _ => String::new(),
    }
}

/// What is said of a path that is none of EC2's read API.
fn misled(path: &str) -> String {
    let name = path.trim_matches('/');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit());
    let next = match name.split('/').next().unwrap_or_default() {
        "mcp" | ".well-known" => "MCP is served at the address of --http",
        "metrics" | "healthz" | "readyz" => "Metrics and probes are served at the address of --metrics, or of --http",
        _ if is_number(&name.replace('-', "")) => {
            "Give all 12 digits of the account's number, and nothing between them"
        }
        _ => "Give the account's number, and not its name",
    };
    format!(
        "This is EC2's read API of Muster (--ec2-api). Its path is / or an account's, such as /123456789012/, and not {path}. {next}"
    )
}

impl CopyFault {
    /// The start of the last complete sweep of the copy by which it is said that something does not exist.
    #[must_use]
    pub fn as_of(&self) -> Option<Timestamp> {
        match self {
            CopyFault::Absent { as_of, .. } => Some(*as_of),
            _ => None,
        }
    }

    /// Whether AWS was asked, and did not answer what was asked for.
    #[must_use]
    pub fn is_of_aws(&self) -> bool {
        let is_unanswered = matches!(self, CopyFault::Unanswered { is_sent: true, .. });
        is_unanswered || matches!(self, CopyFault::Forbidden { .. } | CopyFault::Overlong { .. })
    }

    /// AWS's code, or one of Muster's own where AWS has none.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            CopyFault::Request(fault) => fault.code(),
            CopyFault::Absent { said, .. } => said.code(),
            CopyFault::Unpassed { fault, .. } => fault.code(),
            CopyFault::Forbidden { .. } => "UnauthorizedOperation",
            // SDKs repeat AWS's own code for this by themselves, and it has been waited for already.
            CopyFault::Crowded { .. } | CopyFault::Queued { .. } | CopyFault::Busy { .. } => "MusterBusy",
            CopyFault::Signature(fault) => fault.code(),
            CopyFault::Place(PlaceError::Nothing)
            | CopyFault::Standing(StandingError::Pending { .. })
            | CopyFault::Opening
            | CopyFault::Stopping => "Unavailable",
            CopyFault::Past(PastError::Read(error)) if error.is_retryable() => "Unavailable",
            CopyFault::Standing(StandingError::TooOld { .. }) | CopyFault::Unsure { .. } | CopyFault::Untold { .. } => {
                "MusterStale"
            }
            CopyFault::Beyond { .. }
            | CopyFault::TooLong { .. }
            | CopyFault::Overlong { .. }
            | CopyFault::Tags(TagQuestionError::Unconfined { .. }) => "UnsupportedOperation",
            CopyFault::Tags(TagQuestionError::NoFilter(_))
            | CopyFault::NoFilter(_)
            | CopyFault::LackedFilter(_)
            | CopyFault::Redacted(_)
            | CopyFault::RedactedSome
            | CopyFault::Filter(_) => "InvalidParameterValue",
            CopyFault::Owner(_) => "InvalidUserID.Malformed",
            CopyFault::Token => "InvalidNextToken",
            CopyFault::Path(_) | CopyFault::Host(_) | CopyFault::WebPage | CopyFault::OwnCall => "InvalidRequest",
            CopyFault::Slow => "RequestExpired",
            CopyFault::Defect => "MusterInternalFailure",
            CopyFault::Place(_)
            | CopyFault::Unreached { .. }
            | CopyFault::Unlisted { .. }
            | CopyFault::Unanswered { .. }
            | CopyFault::Standing(_)
            | CopyFault::Store(_)
            | CopyFault::Damaged { .. }
            | CopyFault::Past(_) => "MusterScopeUnavailable",
        }
    }

    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            CopyFault::Request(fault) => fault.status(),
            CopyFault::Absent { said, .. } => said.status(),
            CopyFault::Unpassed { fault, .. } => fault.status(),
            CopyFault::Signature(fault) => fault.status(),
            CopyFault::Host(_) | CopyFault::WebPage | CopyFault::Forbidden { .. } => 403,
            _ if self.is_passing() => 503,
            _ => 400,
        }
    }

    /// Whether it is over in moments.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.code() == "Unavailable"
    }

    /// The document of the error.
    #[must_use]
    pub fn xml(&self, request_id: &str) -> Vec<u8> {
        fault::document(self.code(), &self.to_string(), request_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::id_codes;

    #[test]
    fn what_the_copy_says_does_not_exist_did_not_at_its_moment() {
        let said = Box::new(CopyFault::Request(Ec2Fault::NoDefaultVpc));
        let absent = CopyFault::Absent { missed: Vec::new(), as_of: crate::model::fixtures::at_millis(0), said };
        assert_eq!((absent.code(), absent.status()), ("VPCIdNotSpecified", 400));
        let told = "No default VPC for this user (as of 1970-01-01T00:00:00.000Z, in the copy of Muster)";
        assert_eq!((absent.to_string().as_str(), absent.as_of().is_some()), (told, true));
    }

    /// The ids were wrong for Cloud Custodian, which takes them out of AWS's sentences so, when the words added had an apostrophe.
    #[test]
    fn clients_find_the_ids_between_the_quotes_of_every_sentence() {
        let between = |said: &str, from: &str, to: &str| {
            let (start, end) = (said.find(from)? + from.len(), said.rfind(to)?);
            said.get(start..end).map(str::to_owned)
        };
        let absent = |fault| {
            let as_of = crate::model::fixtures::at_millis(0);
            CopyFault::Absent { missed: Vec::new(), as_of, said: Box::new(CopyFault::Request(fault)) }.to_string()
        };
        let mut quoted = 0;
        for kind in crate::kinds::KINDS {
            let codes = id_codes::of(kind).unwrap();
            let ids = ["1", "2"].map(|last| format!("{}0123456789abcdef{last}", kind.prefix.unwrap_or("i-")));
            for ids in [&ids[..1], &ids[..]] {
                let said = absent(Ec2Fault::UnknownIds { codes, ids: ids.to_vec() });
                let plain = codes.unknown_message(ids);
                let added = said.strip_prefix(&plain).unwrap();
                assert!(added.starts_with(" (as of ") && !added.contains(['\'', '"', '`', '\u{2019}']), "{said}");
                let (from, to) = if kind.slug == "image" { ("'[", "]'") } else { ("'", "'") };
                match between(&said, from, to) {
                    Some(found) => assert_eq!(found, ids.join(", "), "{said}"),
                    None => assert_eq!(kind.slug, "nat-gateway", "{said}"),
                }
                quoted += usize::from(kind.slug != "nat-gateway");
            }
        }
        assert!(quoted >= 24, "{quoted}");
        let (names, vpc) = (vec!["web".to_owned()], "vpc-1".to_owned());
        for fault in [
            Ec2Fault::UnknownGroups { names, vpc },
            Ec2Fault::UnknownIds { codes: &id_codes::PUBLIC_IPS, ids: vec!["1.2.3.4".to_owned()] },
        ] {
            let plain = fault.to_string();
            let said = absent(fault);
            assert_eq!(between(&said, "'", "'"), between(&plain, "'", "'"), "{said}");
        }
    }

    #[test]
    fn a_path_of_something_else_is_answered_with_where_that_is() {
        for (path, next) in [
            ("/mcp", "--http"),
            ("/mcp/", "--http"),
            ("/.well-known/oauth-protected-resource", "--http"),
            ("/metrics", "--metrics"),
            ("/readyz", "--metrics"),
            ("/second/", "number, and not its name"),
            ("/1234-5678-9012/", "12 digits"),
            ("/12345/", "12 digits"),
        ] {
            let said = CopyFault::Path(path.to_owned()).to_string();
            assert!(said.starts_with("This is EC2's read API of Muster") && said.contains(path), "{said}");
            assert!(said.contains(next), "{said}");
        }
    }

    #[test]
    fn only_what_is_over_in_moments_is_repeated() {
        for (fault, code, status) in [
            (CopyFault::Opening, "Unavailable", 503),
            (CopyFault::Stopping, "Unavailable", 503),
            (CopyFault::Place(PlaceError::Nothing), "Unavailable", 503),
            (CopyFault::Place(PlaceError::Untold(String::new())), "MusterScopeUnavailable", 400),
            (CopyFault::Place(PlaceError::NoAccount(String::new())), "MusterScopeUnavailable", 400),
            (CopyFault::Defect, "MusterInternalFailure", 400),
            (CopyFault::Crowded { permission: "ec2:DescribeImages" }, "MusterBusy", 400),
            (CopyFault::Queued { most: 8, of_scope: 4 }, "MusterBusy", 400),
            (CopyFault::Overlong { most: 32 << 20 }, "UnsupportedOperation", 400),
            (
                CopyFault::Unanswered { why: String::new(), fix: String::new(), is_sent: true },
                "MusterScopeUnavailable",
                400,
            ),
            (CopyFault::WebPage, "InvalidRequest", 403),
            (CopyFault::OwnCall, "InvalidRequest", 400),
        ] {
            assert_eq!((fault.code(), fault.status(), fault.is_passing()), (code, status, status == 503), "{fault}");
            assert!(!fault.to_string().contains("  "), "{fault}");
        }
    }
}
