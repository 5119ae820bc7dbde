//! Which requests that the copy cannot answer are passed on to AWS. What changes something never is: only what the list of reads names
//! can be.

use super::action::Ec2Action;
use super::copy_fault::CopyFault;
use super::fault::Ec2Fault;
use super::passable_read::passable_read;
use super::passed_call::{PassError, PassRefusal, PassedCall};
use super::standing::StandingError;
use crate::model::SecretTags;

/// What is passed on.
#[derive(Clone, Copy)]
pub struct PassTerms<'a> {
    /// Whether anything is.
    pub is_on: bool,
    /// Whether who asks sees everything: what AWS answers is not judged by grants.
    pub is_whole: bool,
    /// The tags whose values are redacted.
    pub secrets: &'a SecretTags,
}

/// The call that is made of AWS in place of a request that the copy does not answer because of `fault`: one for `action`, with the
/// parameters in the query of its URL and in its body.
///
/// # Errors
/// The fault, with why AWS is not asked where it could have answered.
pub fn passed_call(
    fault: CopyFault,
    action: Ec2Action,
    query: &str,
    body: &[u8],
    terms: PassTerms<'_>,
) -> Result<PassedCall, CopyFault> {
    if !is_beyond_copy(&fault) {
        return Err(fault);
    }
    let is_token = matches!(fault, CopyFault::Token);
    // Of a token nobody knows whether AWS made it.
    let refused =
        |why| Err(if is_token { CopyFault::Token } else { CopyFault::Unpassed { fault: Box::new(fault), why } });
    let Some(read) = passable_read(action.name()) else {
        return refused(PassRefusal::Secret(action.name().to_owned()));
    };
    match PassedCall::of(read, query, body, terms.secrets) {
        Err(PassError::Request(error)) if terms.is_on => Err(error.into()),
        Err(PassError::Refused(why @ PassRefusal::Secret(_))) => refused(why),
        _ if !terms.is_on => refused(PassRefusal::Off),
        _ if !terms.is_whole => refused(PassRefusal::Partial),
        Err(PassError::Refused(why)) => refused(why),
        Err(PassError::Request(error)) => Err(error.into()),
        Ok(call) => Ok(call),
    }
}

/// Whether AWS may know what the copy does not, as `fault` says it: what is not held, not what is held and out of date.
fn is_beyond_copy(fault: &CopyFault) -> bool {
    if let CopyFault::Absent { said, missed, .. } = fault {
        // What AWS did not know at the last sweep may have been shared by its owner since, of which nothing tells.
        let is_others = missed.iter().any(|missed| missed.kind.own_only);
        let is_unknown = matches!(**said, CopyFault::Request(Ec2Fault::UnknownIds { .. }));
        return is_others && is_unknown || is_beyond_copy(said);
    }
    matches!(
        fault,
        CopyFault::Request(Ec2Fault::NotHeld(_))
            | CopyFault::Beyond { .. }
            | CopyFault::LackedFilter(_)
            // One that AWS may take without documenting it: AWS judges.
            | CopyFault::NoFilter(_)
            | CopyFault::Tags(_)
            | CopyFault::Standing(StandingError::Unwatched { .. } | StandingError::Unreadable { .. })
            // One of AWS's, of a walk that it began.
            | CopyFault::Token
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::id_codes;
    use crate::ec2_api::missed_ids::{AskedBy, MissedIds};
    use crate::ec2_api::passable_read::passable_reads;
    use crate::ec2_api::tag_question::TagQuestionError;
    use crate::ec2_api::unknown_filter::UnknownFilter;
    use crate::kinds::by_slug;
    use crate::model::fixtures::{at_millis, scope};
    use crate::model::secret_tags::SECRET_KEYS;

    fn passed(fault: CopyFault, action: &str, rest: &str, is_on: bool, is_whole: bool) -> Result<String, CopyFault> {
        let secrets = SecretTags::new(&SECRET_KEYS, &[0; 32]);
        let query = format!("Action={action}&Version=2016-11-15&{rest}");
        let action = Ec2Action::named(action).unwrap();
        let terms = PassTerms { is_on, is_whole, secrets: &secrets };
        passed_call(fault, action, &query, b"", terms).map(|call| call.form)
    }

    fn not_held(action: &'static str) -> CopyFault {
        Ec2Fault::NotHeld(action).into()
    }

    fn beyond() -> CopyFault {
        CopyFault::Beyond { action: "DescribeImages", what: "what amazon owns".to_owned(), why: "no" }
    }

    #[test]
    fn what_aws_alone_can_answer_is_passed_on() {
        let sent = passed(not_held("DescribeKeyPairs"), "DescribeKeyPairs", "", true, true).unwrap();
        assert_eq!(sent, "Action=DescribeKeyPairs&Version=2016-11-15");
        assert!(passed(beyond(), "DescribeImages", "Owner.1=amazon", true, true).is_ok());
        assert!(passed(CopyFault::Token, "DescribeImages", "NextToken=AAMA", true, true).is_ok());
        let absent = |slug: &str| {
            let (kind, by) = (by_slug(slug).unwrap(), AskedBy::Ids);
            let missed = MissedIds { kind, scope: Box::new(scope()), names: Vec::new(), by, are_needed: true };
            let codes = id_codes::of(kind).unwrap();
            let said = Box::new(Ec2Fault::UnknownIds { codes, ids: Vec::new() }.into());
            CopyFault::Absent { missed: vec![missed], as_of: at_millis(1), said }
        };
        assert!(passed(absent("image"), "DescribeImages", "", true, true).is_ok(), "it may be shared since");
        assert!(passed(absent("volume"), "DescribeVolumes", "", true, true).is_err());
        for fault in [CopyFault::Opening, CopyFault::Redacted("x".to_owned()), Ec2Fault::DryRun.into()] {
            let code = fault.code();
            assert_eq!(passed(fault, "DescribeImages", "", true, true).unwrap_err().code(), code);
        }
    }

    #[test]
    fn a_filter_that_nobody_here_knows_is_judged_by_aws_unless_redacted_values_decide() {
        let unknown = |name: &str| -> [(&'static str, CopyFault); 2] {
            let of_tags = TagQuestionError::from(UnknownFilter::new("DescribeTags", name));
            [
                ("DescribeInstances", UnknownFilter::new("DescribeInstances", name).into()),
                ("DescribeTags", of_tags.into()),
            ]
        };
        let asks = |name: &str| format!("Filter.1.Name={name}&Filter.1.Value.1=a*");
        for name in ["group-id", "placement.tenancy", "colour"] {
            for (action, fault) in unknown(name) {
                let sent = passed(fault, action, &asks(name), true, true).unwrap();
                assert!(sent.contains(&format!("Filter.1.Name={name}&")), "{action}: {sent}");
            }
            for (action, fault) in unknown(name) {
                let error = passed(fault, action, &asks(name), false, true).unwrap_err();
                let said = error.to_string();
                assert_eq!((error.code(), error.status()), ("InvalidParameterValue", 400), "{said}");
                assert!(said.contains(&format!("'{name}' is none of the filters of {action}")), "{said}");
                assert!(said.contains("check its spelling") && said.contains("--ec2-api-pass reads"), "{said}");
            }
        }
        for name in ["tag-value", "tag", "tagvalue", "tags.value"] {
            for (action, fault) in unknown(name) {
                let error = passed(fault, action, &asks(name), true, true).unwrap_err();
                assert_eq!(error.code(), "InvalidParameterValue", "{error}");
                assert!(error.to_string().contains("the values of all tags, which it redacts"), "{error}");
            }
        }
    }

    #[test]
    fn what_is_not_passed_on_says_why_with_the_code_of_what_the_copy_lacks() {
        for (action, rest, is_on, is_whole, said) in [
            ("DescribeKeyPairs", "", false, true, "--ec2-api-pass reads"),
            ("DescribeKeyPairs", "", true, false, "a key without grants"),
            ("GetPasswordData", "", true, true, "secrets, as that of GetPasswordData"),
            ("GetPasswordData", "", false, true, "secrets, as that of GetPasswordData"),
            (
                "DescribeInstanceAttribute",
                "Attribute=userData",
                false,
                true,
                "DescribeInstanceAttribute about userData",
            ),
            ("DescribeKeyPairs", "Filter.1.Name=tag:password", true, true, "the tag password, which it redacts"),
        ] {
            let fault = not_held(Ec2Action::named(action).unwrap().name());
            let error = passed(fault, action, rest, is_on, is_whole).unwrap_err();
            assert_eq!((error.code(), error.status()), ("InvalidAction", 400), "{error}");
            assert!(error.to_string().contains(said) && error.to_string().contains("is not answered here"), "{error}");
        }
        let error = passed(CopyFault::Token, "DescribeImages", "", false, true).unwrap_err();
        assert!(matches!(error, CopyFault::Token));
    }

    #[test]
    fn nothing_that_changes_something_is_ever_passed_on() {
        let secrets = SecretTags::new(&SECRET_KEYS, &[0; 32]);
        let terms = PassTerms { is_on: true, is_whole: true, secrets: &secrets };
        let (mut passed, mut kept) = (0, 0);
        for name in include_str!("wire/actions.txt").lines().filter(|line| !line.starts_with('#')) {
            let action = Ec2Action::named(name).unwrap();
            for fault in [not_held(action.name()), beyond(), CopyFault::Token] {
                let attribute = "Attribute=sriovNetSupport";
                let query = if name.contains("Attribute") { attribute } else { "" };
                match passed_call(fault, action, query, b"", terms) {
                    Ok(call) => {
                        assert!(passable_reads().any(|read| read.action() == name), "{name}");
                        assert!(call.form.starts_with(&format!("Action={name}&")), "{}", call.form);
                        assert!(!matches!(action, Ec2Action::Change(_)), "{name}");
                        passed += 1;
                    }
                    Err(_) => kept += 1,
                }
            }
        }
        assert!(passed > 600 && kept > 1_500, "{passed} and {kept}");
    }
}
