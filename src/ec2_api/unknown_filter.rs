//! A filter that neither AWS's documentation nor Muster knows. AWS takes some that it does not document, so nobody can say that it has
//! none of this name.

use thiserror::Error;

use super::sent_text::shown;

/// A filter that neither AWS's documentation nor Muster knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{name}' is none of the filters of {action} that AWS documents, and none that Muster knows besides: check its spelling. If AWS has \
     it, send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2"
)]
pub struct UnknownFilter {
    /// The action that it is asked of.
    pub action: &'static str,
    /// What the client calls it.
    pub name: String,
}

impl UnknownFilter {
    /// A filter that a client calls so.
    #[must_use]
    pub fn new(action: &'static str, name: &str) -> Self {
        UnknownFilter { action, name: shown(name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_of_whom_it_is_unknown_and_what_to_do() {
        let said = UnknownFilter::new("DescribeVpcs", "colour").to_string();
        assert!(said.starts_with("'colour' is none of the filters of DescribeVpcs that AWS documents"), "{said}");
        assert!(said.contains("check its spelling") && said.contains("send this call to AWS"), "{said}");
        assert!(!said.contains("invalid"), "AWS may take it: {said}");
    }
}
