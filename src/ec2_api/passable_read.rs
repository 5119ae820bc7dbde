//! The reads of EC2 that may be passed on to AWS, each with the parameters that it takes.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The reads that show no secrets, one a line, with their parameters.
const LIST: &str = include_str!("wire/reads.txt");

static READS: LazyLock<BTreeMap<&'static str, PassableRead>> =
    LazyLock::new(|| LIST.lines().filter(|line| !line.starts_with('#')).filter_map(read).collect());

/// A read that may be passed on: it changes nothing, and its answers show no secrets such as user data or passwords. AWS's table of
/// permissions says the one, and its model of EC2 the other.
#[derive(Debug, PartialEq, Eq)]
pub struct PassableRead {
    action: &'static str,
    permission: String,
    /// What each parameter may have as its value, if that matters: one of several attributes.
    parameters: BTreeMap<&'static str, Option<Vec<&'static str>>>,
}

/// The read that AWS calls `action`; `None` for any other name, however alike.
#[must_use]
pub fn passable_read(action: &str) -> Option<&'static PassableRead> {
    READS.get(action)
}

/// All of them, by name.
pub fn passable_reads() -> impl Iterator<Item = &'static PassableRead> {
    READS.values()
}

impl PassableRead {
    /// The name of the action.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.action
    }

    /// The permission that it needs, such as `ec2:DescribeKeyPairs`.
    #[must_use]
    pub fn permission(&self) -> &str {
        &self.permission
    }

    /// Whether it takes a parameter of this name on the wire: what stands before the first point.
    #[must_use]
    pub fn takes(&self, parameter: &str) -> bool {
        self.parameters.contains_key(parameter)
    }

    /// Whether what a parameter with this value asks for is no secret.
    #[must_use]
    pub fn may_show(&self, parameter: &str, value: &str) -> bool {
        let values = self.parameters.get(parameter).and_then(Option::as_ref);
        values.is_none_or(|values| values.contains(&value))
    }

    /// The parameters without which nobody knows whether the answer is a secret.
    pub fn needed(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.iter().filter(|(_, values)| values.is_some()).map(|(name, _)| *name)
    }

    /// The names of its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &'static str> {
        self.parameters.keys().copied()
    }
}

fn read(line: &'static str) -> Option<(&'static str, PassableRead)> {
    let mut words = line.split(' ');
    let action = words.next().filter(|name| !name.is_empty())?;
    let parameter = |word: &'static str| match word.split_once('=') {
        Some((name, values)) => (name, Some(values.split('|').collect())),
        None => (word, None),
    };
    let permission = format!("ec2:{action}");
    Some((action, PassableRead { action, permission, parameters: words.map(parameter).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::action::Ec2Action;

    #[test]
    fn only_what_reads_and_shows_no_secrets_may_be_passed_on() {
        assert!(passable_reads().count() > 250);
        for (name, may) in [
            ("DescribeVolumes", true),
            ("DescribeVpcPeeringConnections", true),
            ("DescribeInstanceAttribute", true),
            ("GetConsoleOutput", false),
            ("GetPasswordData", false),
            ("GetFlowLogsIntegrationTemplate", false),
            ("DescribeLaunchTemplateVersions", false),
            ("DescribeVpnConnections", false),
            ("TerminateInstances", false),
            ("describeVolumes", false),
            ("DescribeVolumes ", false),
            ("", false),
        ] {
            assert_eq!(passable_read(name).is_some(), may, "{name}");
        }
        for read in passable_reads() {
            let known = Ec2Action::named(read.action());
            assert!(matches!(known, Some(Ec2Action::Describe(_) | Ec2Action::Other(_))), "{}", read.action());
            assert_eq!(read.permission(), format!("ec2:{}", read.action()));
        }
    }

    #[test]
    fn no_parameter_says_what_is_done_or_who_asks() {
        let reserved = ["action", "version", "awsaccesskeyid", "signature", "timestamp", "expires", "securitytoken"];
        for read in passable_reads() {
            for name in read.parameters() {
                let plain = name.to_ascii_lowercase();
                assert!(
                    !reserved.contains(&plain.as_str()) && !plain.starts_with("x-amz"),
                    "{}: {name}",
                    read.action()
                );
                assert!(name.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{}: {name}", read.action());
            }
        }
    }

    #[test]
    fn an_attribute_that_is_a_secret_may_not_be_shown() {
        let instance = passable_read("DescribeInstanceAttribute").unwrap();
        assert!(instance.takes("Attribute") && instance.takes("InstanceId") && !instance.takes("attribute"));
        assert!(instance.may_show("Attribute", "disableApiTermination"));
        for secret in ["userData", "UserData", "userdata", "userData ", "", "user\u{0}Data"] {
            assert!(!instance.may_show("Attribute", secret), "{secret}");
        }
        assert!(!passable_read("DescribeImageAttribute").unwrap().may_show("Attribute", "uefiData"));
        assert!(instance.may_show("InstanceId", "userData"), "it is no attribute");
        assert_eq!(instance.needed().collect::<Vec<_>>(), ["Attribute"]);
        assert_eq!(passable_read("DescribeKeyPairs").unwrap().needed().count(), 0);
    }
}
