//! Finds out which optional parameters an endpoint does not support.
//!
//! An emulator or an old endpoint may refuse a whole listing because of a parameter it does not know. A kind lists the parameters
//! that may be left out ([`KindSpec::optional`](crate::kinds::KindSpec)): without them, a listing still has only the account's own
//! resources, and lacks only those that AWS hides by default. Parameters that bound or complete a listing are never among them.
//! Nothing is left out for AWS's own endpoints, nor where the parameter was once accepted: there a refusal is a fault to report.

use std::collections::{BTreeMap, BTreeSet};

use super::AwsError;
use crate::model::{LeftOut, Partition, Region};

/// The optional parameters that endpoints support and do not support, by host.
#[derive(Debug, Default)]
pub(super) struct Unknown {
    /// The host that last answered in each region; the next call probably goes there.
    hosts: BTreeMap<Region, String>,
    actions: BTreeMap<(String, &'static str), Parameters>,
}

/// What is known about one action of one endpoint.
#[derive(Debug, Default)]
struct Parameters {
    /// The parameters that it does not know.
    left_out: BTreeSet<&'static str>,
    /// The parameters that it has accepted.
    taken: BTreeSet<&'static str>,
}

impl Unknown {
    /// The parameters to leave out of a call.
    pub(super) fn left_out(&self, region: &Region, action: &'static str) -> LeftOut {
        let known = self.hosts.get(region).and_then(|host| self.actions.get(&(host.clone(), action)));
        LeftOut::of(known.into_iter().flat_map(|known| known.left_out.iter().copied()))
    }

    /// Records that `host` answered a call that left out `left_out` of the `optional` parameters.
    pub(super) fn answered(
        &mut self,
        region: &Region,
        action: &'static str,
        optional: &'static [&'static str],
        left_out: &LeftOut,
        host: Option<&str>,
    ) {
        let Some(host) = host.filter(|_| !optional.is_empty()) else { return };
        let before = self.hosts.insert(region.clone(), host.to_owned());
        // A parameter that another host does not know was not sent to this one.
        let is_asked = before.is_none_or(|before| before == host);
        let known = self.actions.entry((host.to_owned(), action)).or_default();
        for name in optional {
            if !left_out.has(name) {
                known.taken.insert(name);
            } else if is_asked {
                known.left_out.insert(name);
            }
        }
    }

    /// The further optional parameter to leave out after a call to `host` failed, if the host does not know it.
    pub(super) fn refused(
        &self,
        action: &'static str,
        optional: &'static [&'static str],
        left_out: &LeftOut,
        host: Option<&str>,
        error: &AwsError,
    ) -> Option<&'static str> {
        let host = host.filter(|host| !is_aws(host))?;
        let known = self.actions.get(&(host.to_owned(), action));
        let may_go = |name: &&'static str| !left_out.has(name) && known.is_none_or(|known| !known.taken.contains(name));
        let mut may_go = optional.iter().copied().filter(may_go);
        let named = may_go.clone().find(|name| error.is_about_parameter(name));
        named.or_else(|| may_go.next().filter(|_| error.is_about_some_parameter()))
    }
}

/// Whether a host is one of AWS's own.
fn is_aws(host: &str) -> bool {
    Partition::ALL.iter().flat_map(|partition| partition.hosts()).any(|end| host.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_is_judged_by_itself_and_an_accepted_parameter_is_never_forgotten() {
        const OPTIONAL: &[&str] = &["IncludeManagedResources"];
        let (region, action) = (Region::new("us-east-1"), "ec2:DescribeVolumes");
        let (without, with) = (LeftOut::of(OPTIONAL.iter().copied()), LeftOut::default());
        let error = AwsError::made_up("UnknownParameter", "IncludeManagedResources");
        let mut unknown = Unknown::default();
        let refused = |unknown: &Unknown, host| unknown.refused(action, OPTIONAL, &with, Some(host), &error);
        assert_eq!(refused(&unknown, "old.example"), Some("IncludeManagedResources"));
        assert_eq!(refused(&unknown, "ec2.us-east-1.amazonaws.com"), None);
        unknown.answered(&region, action, OPTIONAL, &without, Some("old.example"));
        assert_eq!(unknown.left_out(&region, action), without);
        // The configuration now names another endpoint: the next call still leaves it out, the one after does not.
        unknown.answered(&region, action, OPTIONAL, &without, Some("new.example"));
        assert_eq!(unknown.left_out(&region, action), with);
        unknown.answered(&region, action, OPTIONAL, &with, Some("new.example"));
        assert_eq!(refused(&unknown, "new.example"), None);
        assert_eq!(refused(&unknown, "old.example"), Some("IncludeManagedResources"));
    }

    #[test]
    fn hosts_of_all_partitions_are_awss_own_and_lookalikes_are_not() {
        for host in [
            "ec2.us-east-1.amazonaws.com",
            "vpce-1.ec2.eu-west-1.vpce.amazonaws.com",
            "ec2.cn-north-1.amazonaws.com.cn",
            "ec2.us-gov-west-1.amazonaws.com",
            "ec2.us-iso-east-1.c2s.ic.gov",
            "ec2.eusc-de-east-1.amazonaws.eu",
        ] {
            assert!(is_aws(host), "{host}");
        }
        for host in ["localhost", "127.0.0.1", "amazonaws.com.evil.example", "notamazonaws.com", "ec2.example"] {
            assert!(!is_aws(host), "{host}");
        }
    }
}
