//! What EC2's API answers in place of what was asked: AWS's codes and statuses, with sentences that say what to do.

use std::borrow::Cow;

use super::form::FormFault;
use super::id_codes::IdCodes;
use super::xml_text::escape;

/// Why a request is refused.
///
/// SDKs repeat a request that got a status of 500 or more, or a code of throttling, for minutes: nothing here has either but what
/// may be over in moments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ec2Fault {
    /// It is not written as a form is.
    #[error("{0}")]
    Form(#[from] FormFault),
    /// It came by another method than GET or POST.
    #[error("The method {0} is not one that this web service has. Use POST or GET.")]
    Method(String),
    /// It lacks what it must have.
    #[error("The request must contain the parameter {0}")]
    Lacks(String),
    /// EC2 has no such action.
    #[error("The action {0} is not valid for this web service.")]
    NoAction(String),
    /// The action reads what is not held.
    #[error(
        "{0} is not answered here: Muster answers Describe calls of the kinds that it holds, from its copy. Send this call to AWS, \
         by a client without AWS_ENDPOINT_URL_EC2."
    )]
    NotHeld(&'static str),
    /// The action changes something.
    #[error(
        "{0} changes something, and nothing that is sent here changes anything: Muster answers reads, from its copy. Nothing was \
         done. Send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2."
    )]
    Changes(&'static str),
    /// It is of another version of the API.
    #[error(
        "Muster answers version 2016-11-15 of EC2's API only, and this request is of version {0}. Send it to AWS, by a client without \
         AWS_ENDPOINT_URL_EC2."
    )]
    Version(String),
    /// The action has no such parameter.
    #[error("The parameter {name} is not recognized: {action} has no parameter of this name.")]
    UnknownParameter {
        /// The action.
        action: &'static str,
        /// The parameter.
        name: String,
    },
    /// A parameter is given twice.
    #[error("The parameter {0} is given more than once.")]
    Twice(String),
    /// A value is not what the parameter takes.
    #[error("Value ( {value} ) for parameter {name} is invalid. Expecting {expected}.")]
    Value {
        /// The parameter.
        name: String,
        /// The value.
        value: String,
        /// What the parameter takes.
        expected: Cow<'static, str>,
    },
    /// More ids or names are listed than one request can have.
    #[error("{count} values of {name} are more than the {most} that one request can have.")]
    TooMany {
        /// The parameter.
        name: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// More instances are named than one question for their status can have.
    #[error(
        "{count} exceeds the maximum number of instance IDs that can be specified ({most}). Please specify fewer than {most} instance \
         IDs."
    )]
    TooManyInstances {
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// A filter has no values.
    #[error("The filter '{0}' has no values")]
    NoValues(String),
    /// There are too many filters.
    #[error("The maximum number of filters specified on a single call is {0}")]
    Filters(usize),
    /// Filters have too many values.
    #[error("The maximum number of filter values specified on a single call is {0}")]
    FilterValues(usize),
    /// A value of a filter is too long.
    #[error("The maximum length for a filter value is {0} characters")]
    FilterLength(usize),
    /// Two parameters exclude each other.
    #[error("The parameter {one} cannot be used with the parameter {other}")]
    Combination {
        /// The one.
        one: String,
        /// The other.
        other: &'static str,
    },
    /// It is signed as was usual before 2012.
    #[error("The request is signed with Signature Version {0}, which names no region. Sign it with version 4.")]
    OldSignature(String),
    /// An id is not one of its kind.
    #[error("{}", codes.malformed_message(id))]
    MalformedId {
        /// What AWS calls such errors of the kind.
        codes: &'static IdCodes,
        /// The id.
        id: String,
    },
    /// Nothing has these ids.
    #[error("{}", codes.unknown_message(ids))]
    UnknownIds {
        /// What AWS calls such errors of the kind.
        codes: &'static IdCodes,
        /// The ids.
        ids: Vec<String>,
    },
    /// No security groups of the default VPC have these names.
    #[error(
        "The security group{} '{}' do{} not exist in default VPC '{vpc}'",
        if names.len() == 1 { "" } else { "s" },
        names.join(", "),
        if names.len() == 1 { "es" } else { "" }
    )]
    UnknownGroups {
        /// The names.
        names: Vec<String>,
        /// The default VPC.
        vpc: String,
    },
    /// There is no default VPC, of which names of security groups would be.
    #[error("No default VPC for this user")]
    NoDefaultVpc,
    /// There is no such region or zone.
    #[error("Invalid {0}")]
    UnknownPlace(String),
    /// All was right, and only a test.
    #[error("Request would have succeeded, but DryRun flag is set.")]
    DryRun,
}

impl Ec2Fault {
    /// AWS's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Ec2Fault::Form(_) | Ec2Fault::Twice(_) => "MalformedQueryString",
            Ec2Fault::Method(_) => "UnsupportedMethod",
            Ec2Fault::Lacks(_) => "MissingParameter",
            Ec2Fault::OldSignature(_) => "AuthFailure",
            Ec2Fault::NoAction(_) | Ec2Fault::NotHeld(_) => "InvalidAction",
            Ec2Fault::Changes(_) => "UnauthorizedOperation",
            Ec2Fault::Version(_) => "NoSuchVersion",
            Ec2Fault::UnknownParameter { .. } => "UnknownParameter",
            Ec2Fault::Value { .. } | Ec2Fault::TooMany { .. } | Ec2Fault::NoValues(_) | Ec2Fault::UnknownPlace(_) => {
                "InvalidParameterValue"
            }
            Ec2Fault::TooManyInstances { .. } => "InvalidRequest",
            Ec2Fault::Filters(_) | Ec2Fault::FilterValues(_) | Ec2Fault::FilterLength(_) => "FilterLimitExceeded",
            Ec2Fault::Combination { .. } => "InvalidParameterCombination",
            Ec2Fault::MalformedId { codes, id } => codes.malformed(id),
            Ec2Fault::UnknownIds { codes, .. } => codes.unknown,
            Ec2Fault::UnknownGroups { .. } => "InvalidGroup.NotFound",
            Ec2Fault::NoDefaultVpc => "VPCIdNotSpecified",
            Ec2Fault::DryRun => "DryRunOperation",
        }
    }

    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Ec2Fault::OldSignature(_) => 401,
            Ec2Fault::Changes(_) => 403,
            Ec2Fault::Method(_) => 405,
            Ec2Fault::DryRun => 412,
            Ec2Fault::Form(FormFault::TooLong) => 413,
            _ => 400,
        }
    }

    /// The document of the error.
    #[must_use]
    pub fn xml(&self, request_id: &str) -> Vec<u8> {
        document(self.code(), &self.to_string(), request_id)
    }
}

/// The document of an error.
#[must_use]
pub fn document(code: &str, message: &str, request_id: &str) -> Vec<u8> {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>");
    out.push_str(code);
    out.push_str("</Code><Message>");
    escape(message, &mut out);
    out.push_str("</Message></Error></Errors><RequestID>");
    escape(request_id, &mut out);
    out.push_str("</RequestID></Response>");
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_document_as_ec2_has_it() {
        let fault = Ec2Fault::NoAction("<b>&".to_owned());
        assert_eq!(
            String::from_utf8(fault.xml("r-1")).unwrap(),
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>InvalidAction</Code>\
             <Message>The action &lt;b&gt;&amp; is not valid for this web service.</Message></Error></Errors>\
             <RequestID>r-1</RequestID></Response>"
        );
        assert_eq!((fault.status(), Ec2Fault::DryRun.status()), (400, 412));
        assert_eq!(Ec2Fault::Changes("RunInstances").status(), 403);
    }
}
