//! The simulator's refusals: AWS's error codes, messages and statuses, and the error XML of EC2 and STS.

use std::borrow::Cow;
use std::fmt::Display;

use crate::simulator::catalog::OPT_IN_REGIONS;
use crate::simulator::ident::Kind;
use crate::simulator::xml::Xml;

/// An error as AWS answers it. Its text is part of the wire protocol, so it is data here and not the message of an
/// error type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn invalid_action(action: &str) -> Self {
        Self::bad("InvalidAction", format!("The action {action} is not valid for this web service."))
    }

    pub(crate) fn invalid_value(message: impl Into<String>) -> Self {
        Self::bad("InvalidParameterValue", message)
    }

    pub(crate) fn invalid_combination(message: impl Into<String>) -> Self {
        Self::bad("InvalidParameterCombination", message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        Self::bad("MissingParameter", format!("The request must contain the parameter {parameter}"))
    }

    pub(crate) fn unknown_parameter(parameter: &str) -> Self {
        Self::bad("UnknownParameter", format!("The parameter {parameter} is not recognized"))
    }

    pub(crate) fn no_such_version(version: &str, service: &str) -> Self {
        Self::bad("NoSuchVersion", format!("The requested version ({version}) of service {service} does not exist"))
    }

    pub(crate) fn invalid_filter(name: &str) -> Self {
        Self::invalid_value(format!("The filter '{name}' is invalid"))
    }

    pub(crate) fn invalid_token() -> Self {
        Self::bad("InvalidNextToken", "The token is invalid.")
    }

    pub(crate) fn filter_limit(limit: &str) -> Self {
        Self::bad("FilterLimitExceeded", format!("The maximum {limit}"))
    }

    pub(crate) fn dry_run() -> Self {
        Self::new(412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    }

    pub(crate) fn no_credentials() -> Self {
        Self::new(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    }

    pub(crate) fn wrong_region(region: &str) -> Self {
        if OPT_IN_REGIONS.iter().any(|(name, _)| *name == region) {
            // Credentials are not valid in regions that the account has not opted in to.
            let message = "AWS was not able to validate the provided access credentials";
            return Self::new(401, "AuthFailure", message);
        }
        Self::new(
            403,
            "SignatureDoesNotMatch",
            format!("Credential should be scoped to a valid region, not '{region}'."),
        )
    }

    pub(crate) fn malformed_instance(id: &str) -> Self {
        Self::no_id("InvalidInstanceID.Malformed", id, id.is_empty().then_some("i-"))
    }

    /// The refusal of a text that is no id, with the prefix that it should have.
    fn no_id(code: &'static str, id: &str, expected: Option<&str>) -> Self {
        let expected = expected.map(|prefix| format!(" (expecting \"{prefix}...\")")).unwrap_or_default();
        Self::bad(code, format!("Invalid id: \"{id}\"{expected}"))
    }

    pub(crate) fn malformed(code: &'static str, id: &str, prefix: &str) -> Self {
        Self::bad(
            code,
            format!(
                "Invalid Id: '{id}' (expecting '{prefix}...; the Id may only contain lowercase alphanumeric characters \
                 and a single dash')"
            ),
        )
    }

    /// The message that all kinds of resources share, for one and for several ids.
    pub(crate) fn not_found(code: &'static str, what: &str, ids: &[&str]) -> Self {
        let message = match ids {
            [id] => format!("The {what} '{id}' does not exist"),
            _ => format!("The {what}s '{}' do not exist", ids.join(", ")),
        };
        Self::bad(code, message)
    }

    /// The refusal of a text that is not an id of its kind.
    pub(crate) fn malformed_resource(kind: Kind, id: &str) -> Self {
        let (code, prefix) = (kind.codes().0, kind.prefix());
        let lacking = (!id.starts_with(prefix)).then_some(prefix);
        match kind {
            Kind::Instance => Self::malformed_instance(id),
            // As aws-parallelcluster and others have it of DescribeVolumes.
            Kind::Volume => {
                Self::invalid_value(format!("Value ({id}) for parameter volumes is invalid. Expected: 'vol-...'."))
            }
            Kind::Snapshot if lacking.is_some() => {
                Self::invalid_value(format!("Value ({id}) for parameter snapshotId is invalid. Expected: 'snap-...'."))
            }
            Kind::SecurityGroup | Kind::Image | Kind::Snapshot => Self::no_id(code, id, lacking),
            _ => Self::malformed(code, id, prefix),
        }
    }

    /// The refusal of a well-formed id that no resource of the account has.
    pub(crate) fn unknown_resource(kind: Kind, id: &str) -> Self {
        Self::unknown_resources(kind, &[id])
    }

    /// The refusal of well-formed ids that no resources of the account have.
    pub(crate) fn unknown_resources(kind: Kind, ids: &[&str]) -> Self {
        let (_, code, what) = kind.codes();
        let ids_text = ids.join(", ");
        match (kind, ids) {
            (Kind::NatGateway, [id]) => Self::bad(code, format!("The Nat Gateway {id} was not found")),
            (Kind::NatGateway, _) => Self::bad(code, format!("The Nat Gateways {ids_text} were not found")),
            (Kind::Image, [id]) => Self::bad(code, format!("The image id '[{id}]' does not exist")),
            (Kind::Image, _) => Self::bad(code, format!("The image ids '[{ids_text}]' do not exist")),
            _ => Self::not_found(code, what, ids),
        }
    }

    pub(crate) fn instance_not_found(ids: &[&str]) -> Self {
        Self::not_found("InvalidInstanceID.NotFound", "instance ID", ids)
    }

    pub(crate) fn wrong_state(id: &str, participle: &str) -> Self {
        Self::bad(
            "IncorrectInstanceState",
            format!("The instance '{id}' is not in a state from which it can be {participle}."),
        )
    }

    pub(crate) fn managed(id: &str, participle: &str, operator: &str) -> Self {
        Self::bad(
            "OperationNotPermitted",
            format!("The instance '{id}' may not be {participle}. It is managed by {operator}."),
        )
    }

    /// EC2's error document.
    pub(crate) fn ec2_xml(&self, request: impl Display) -> String {
        let mut xml = Xml::default();
        xml.raw(r#"<?xml version="1.0" encoding="UTF-8"?>"#);
        xml.within("Response", |xml| {
            xml.within("Errors", |xml| {
                xml.within("Error", |xml| {
                    xml.text("Code", &self.code);
                    xml.text("Message", &self.message);
                });
            });
            xml.number("RequestID", request);
        });
        xml.finish()
    }

    /// STS's error document.
    pub(crate) fn sts_xml(&self, request: impl Display) -> String {
        let mut xml = Xml::default();
        xml.raw(r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">"#);
        xml.within("Error", |xml| {
            xml.text("Type", if self.status < 500 { "Sender" } else { "Receiver" });
            xml.text("Code", &self.code);
            xml.text("Message", &self.message);
        });
        xml.number("RequestId", request);
        xml.close("ErrorResponse");
        xml.finish()
    }
}
