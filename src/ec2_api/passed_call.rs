//! A request as it is passed on to AWS: made anew of its action and parameters, without anything else that the client sent.

use std::collections::BTreeMap;

use thiserror::Error;

use super::fault::Ec2Fault;
use super::form::pairs;
use super::passable_read::PassableRead;
use super::request::{API_VERSION, SIGNATURE};
use super::sent_text::shown;
use crate::model::SecretTags;
use crate::query::Cursor;

/// A request to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedCall {
    /// What it asks.
    pub read: &'static PassableRead,
    /// The form that is sent.
    pub form: String,
}

/// Why a request is not passed on to AWS, though the copy cannot answer it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PassRefusal {
    /// Nothing is passed on.
    #[error("Or have Muster ask AWS for what its copy cannot answer (--ec2-api-pass reads)")]
    Off,
    /// Its answer would show secrets.
    #[error("Muster passes no call on to AWS whose answer may show secrets, as that of {0} does")]
    Secret(String),
    /// Who asks sees only a part.
    #[error(
        "Muster asks AWS for such things, but not for a key that sees only what its grants allow, because nobody can leave out of \
         AWS's answer what the key may not see: use a key without grants"
    )]
    Partial,
    /// It goes by the values of tags that are redacted.
    #[error(
        "Muster asks AWS for such things, but not by the values of {0}, which it redacts (--redact-tag-keys): whoever tries values \
         would find them out"
    )]
    Redacted(String),
    /// It goes on where a page of the copy ended.
    #[error("The walk began in Muster's copy, and AWS cannot go on with it: begin it again, without a token")]
    Begun,
}

/// Why a request cannot be passed on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PassError {
    /// It is none that AWS takes.
    #[error(transparent)]
    Request(#[from] Ec2Fault),
    /// It is not passed on.
    #[error(transparent)]
    Refused(#[from] PassRefusal),
}

impl PassedCall {
    /// The request that asks `read` with the parameters of a client's request: the query of its URL and its body.
    ///
    /// # Errors
    /// [`PassError`]: it has a parameter that the action does not have, or asks for what nobody is shown.
    pub fn of(read: &'static PassableRead, query: &str, body: &[u8], secrets: &SecretTags) -> Result<Self, PassError> {
        let mut given: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in pairs(query, body).map_err(Ec2Fault::from)? {
            if name == "Action" || name == "Version" || SIGNATURE.contains(&name.as_str()) {
                continue;
            }
            let unknown = || Ec2Fault::UnknownParameter { action: read.action(), name: shown(&name) };
            let mut steps = name.split('.');
            let parameter = steps.next().filter(|parameter| read.takes(parameter)).ok_or_else(unknown)?;
            let is_plain = |step: &str| !step.is_empty() && step.bytes().all(|letter| letter.is_ascii_alphanumeric());
            if !steps.all(is_plain) {
                return Err(unknown().into());
            }
            if !read.may_show(parameter, &value) {
                return Err(PassRefusal::Secret(format!("{} about {}", read.action(), shown(&value))).into());
            }
            if parameter == "NextToken" {
                // As for the copy, an empty token is none.
                if value.is_empty() {
                    continue;
                }
                if Cursor::read(&value).is_ok() {
                    return Err(PassRefusal::Begun.into());
                }
            }
            if let Some(redacted) = redacted(read.action(), &name, &value, secrets) {
                return Err(PassRefusal::Redacted(redacted).into());
            }
            if given.insert(name.clone(), value).is_some() {
                return Err(Ec2Fault::Twice(shown(&name)).into());
            }
        }
        if let Some(lacking) = read.needed().find(|needed| !given.contains_key(*needed)) {
            return Err(Ec2Fault::Lacks(lacking.to_owned()).into());
        }
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", read.action()).append_pair("Version", API_VERSION).extend_pairs(&given);
        Ok(PassedCall { read, form: form.finish() })
    }
}

/// The filters by tags that go by no value of them. One by `tag:` and a key goes by the values of that key, and every other by those
/// of all tags, as far as AWS documents them.
const BY_KEY: [&str; 4] =
    ["tag-key", "instance-tag-key", "network-interface.tag-key", "metadata-options.instance-metadata-tags"];

/// The action whose filter `value` is about values of options, which are no tags.
const OF_OPTIONS: &str = "DescribeDhcpOptions";

/// The tags by whose values a parameter asks, where these are redacted. AWS may take another spelling for the one that it documents.
fn redacted(action: &str, name: &str, value: &str, secrets: &SecretTags) -> Option<String> {
    if !secrets.redacts_any() {
        return None;
    }
    let value = value.trim();
    let all = || "all tags".to_owned();
    // No key has such letters.
    let is_pattern = |key: &str| key.contains(['*', '?', '\\']);
    let of_key = |key: &str| {
        if is_pattern(key) { Some(all()) } else { secrets.is_secret(key).then(|| format!("the tag {}", shown(key))) }
    };
    let has_step = |step: &str| name.split('.').skip(1).any(|one| one.eq_ignore_ascii_case(step));
    // Capacity Manager goes by dimensions, of which tags may be some, as others do by filters.
    let is_dimension = |step: &str| {
        let step = step.to_ascii_lowercase();
        step.ends_with("dimension") || step == "groupby"
    };
    if has_step("Name") || name.split('.').any(is_dimension) {
        return match value.strip_prefix("tag:") {
            Some(key) => of_key(key.trim()),
            None if BY_KEY.contains(&value) => None,
            None => {
                let spelled = value.to_ascii_lowercase();
                (spelled.contains("tag") || (spelled == "value" && action != OF_OPTIONS)).then(all)
            }
        };
    }
    if has_step("Key") { of_key(value) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ec2_api::passable_read::{passable_read, passable_reads};
    use crate::model::secret_tags::SECRET_KEYS;
    use crate::model::{LogId, ResourceId, fixtures};

    fn secrets() -> SecretTags {
        SecretTags::new(&SECRET_KEYS, &[0; 32])
    }

    fn passed(action: &str, query: &str) -> Result<String, PassError> {
        PassedCall::of(passable_read(action).unwrap(), query, b"", &secrets()).map(|call| call.form)
    }

    /// The parameters that name dimensions, as clients write them and as AWS may take them as well.
    const BY_DIMENSION: [&str; 6] = [
        "FilterBy.1.DimensionCondition.Dimension",
        "FilterBy.Member.1.DimensionCondition.dimension",
        "FilterBy.1.TagDimension",
        "FilterBy.1.GroupBy",
        "GroupBy",
        "GroupBy.1",
    ];

    #[test]
    fn a_request_is_made_anew_of_its_parameters() {
        let query =
            "Version=2016-11-15&KeyName.1=a+b%26c&Action=DescribeKeyPairs&X-Amz-Signature=0&X-Amz-Security-Token=t";
        assert_eq!(
            passed("DescribeKeyPairs", query).unwrap(),
            "Action=DescribeKeyPairs&Version=2016-11-15&KeyName.1=a+b%26c"
        );
        let body =
            PassedCall::of(passable_read("DescribeKeyPairs").unwrap(), "DryRun=true", b"KeyName.1=a", &secrets());
        assert_eq!(body.unwrap().form, "Action=DescribeKeyPairs&Version=2016-11-15&DryRun=true&KeyName.1=a");
    }

    #[test]
    fn what_the_action_does_not_take_is_refused() {
        for query in [
            "Colour=red",
            "action=TerminateInstances",
            "ACTION=x",
            "Action.1=x",
            "KeyName.=a",
            "KeyName.1%00=a",
            "%20Action=x",
        ] {
            let error = passed("DescribeKeyPairs", query).unwrap_err();
            assert!(matches!(error, PassError::Request(Ec2Fault::UnknownParameter { .. })), "{query}: {error}");
        }
        let twice = passed("DescribeKeyPairs", "KeyName.1=a&KeyName.1=b").unwrap_err();
        assert_eq!(twice, PassError::Request(Ec2Fault::Twice("KeyName.1".to_owned())));
    }

    #[test]
    fn what_nobody_is_shown_is_not_asked_for() {
        let of = |query: &str| passed("DescribeInstanceAttribute", query);
        assert!(of("Attribute=disableApiStop&InstanceId=i-1").is_ok());
        assert_eq!(of("InstanceId=i-1"), Err(PassError::Request(Ec2Fault::Lacks("Attribute".to_owned()))));
        for query in ["Attribute=userData&InstanceId=i-1", "Attribute=UserData"] {
            assert!(matches!(of(query), Err(PassError::Refused(PassRefusal::Secret(_)))), "{query}");
        }
        for query in [
            "Filter.1.Name=tag:DB-Password&Filter.1.Value.1=a*",
            "Filter.1.Name=tag-value&Filter.1.Value.1=a*",
            "Filter.1.Name=value&Filter.1.Value.1=a*",
            "Filter.1.Name=network-interface.tag-value&Filter.1.Value.1=a*",
            "Filter.1.Name=instance-tag-value&Filter.1.Value.1=a*",
            "Filter.1.Name=instance-tag&Filter.1.Value.1=password=a*",
            "Filter.1.Name=tags&Filter.1.Value.1=a*",
            "Filter.1.name=tag:password&Filter.1.Value.1=a*",
            "Filter.1.Name=%20tag:password&Filter.1.Value.1=a*",
            "Filter.1.Name=Tag:password&Filter.1.Value.1=a*",
            "Filter.1.Name=tag:pass*&Filter.1.Value.1=a*",
        ] {
            let error = passed("DescribeKeyPairs", query).unwrap_err();
            assert!(matches!(error, PassError::Refused(PassRefusal::Redacted(_))), "{query}: {error}");
            let none = SecretTags::new::<&str>(&[], &[0; 32]);
            assert!(PassedCall::of(passable_read("DescribeKeyPairs").unwrap(), query, b"", &none).is_ok());
        }
        assert!(passed("DescribeTags", "Filter.1.Name=value&Filter.1.Value.1=a*").is_err());
        for name in ["key", "value", "tag:team", "tag-key"] {
            let by_option = format!("Filter.1.Name={name}&Filter.1.Value.1=a*");
            assert!(passed("DescribeDhcpOptions", &by_option).is_ok(), "{name}");
        }
        assert!(passed("DescribeDhcpOptions", "Filter.1.Name=tag-value&Filter.1.Value.1=a*").is_err());
        let by_key = "ResourceTag.Key=token&ResourceTag.Value=a*&IpamScopeId=x";
        assert!(matches!(passed("GetIpamResourceCidrs", by_key), Err(PassError::Refused(PassRefusal::Redacted(_)))));
        for name in BY_DIMENSION {
            for tags in ["tag", "Tag:password", "resource-tag", "tag-value", "tag:DB-Password", "tags.value"] {
                let error = passed("GetCapacityManagerMetricData", &format!("{name}={tags}")).unwrap_err();
                assert!(matches!(error, PassError::Refused(PassRefusal::Redacted(_))), "{name} {tags}: {error}");
            }
            for others in ["instance-type", "reservation-arn", "tag:team"] {
                assert!(passed("GetCapacityManagerMetricDimensions", &format!("{name}={others}")).is_ok(), "{others}");
            }
        }
        for values in ["FilterBy.1.DimensionCondition.Value.1", "FilterBy.1.DimensionCondition.Comparison"] {
            assert!(passed("GetCapacityManagerMetricData", &format!("{values}=vintage")).is_ok(), "{values}");
        }
        for name in BY_KEY.into_iter().chain(["tag:team", "key-name"]) {
            assert!(passed("DescribeKeyPairs", &format!("Filter.1.Name={name}&Filter.1.Value.1=a*")).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_token_of_muster_is_not_sent_to_aws() {
        let kind = crate::kinds::VOLUME.kind();
        let after = ResourceId::new(&fixtures::scope(), &kind, "vol-1");
        let cursor = Cursor { log: LogId(1), question: 2, point: None, after, sorted: None };
        let own = format!("NextToken={}", cursor.encode());
        assert_eq!(passed("DescribeImages", &own), Err(PassError::Refused(PassRefusal::Begun)));
        assert!(passed("DescribeImages", "NextToken=AAMA-EFRSURBSGhtU0VI").is_ok());
        assert_eq!(passed("DescribeImages", "NextToken="), passed("DescribeImages", ""), "an empty token is none");
    }

    proptest! {
        /// Whatever is sent, the form that goes to AWS has one action, which is the one that was judged.
        #[test]
        fn a_form_has_the_action_that_was_judged_and_no_other(
            at in any::<prop::sample::Index>(),
            given in prop::collection::vec(("[A-Za-z.1 &=%]{0,14}|Action|action|Action.1|Version|Filter.1.Name|DryRun", ".{0,12}"), 0..6),
        ) {
            let reads: Vec<_> = passable_reads().collect();
            let read = reads[at.index(reads.len())];
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&given).finish();
            if let Ok(call) = PassedCall::of(read, &query, b"", &secrets()) {
                let sent: Vec<(String, String)> = form_urlencoded::parse(call.form.as_bytes()).into_owned().collect();
                let actions: Vec<&str> = sent
                    .iter()
                    .filter(|(name, _)| name.trim().eq_ignore_ascii_case("action") || name.contains("Action."))
                    .map(|(_, value)| value.as_str())
                    .collect();
                prop_assert_eq!(actions, vec![read.action()]);
            }
        }
    }
}
