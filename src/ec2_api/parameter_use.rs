//! What the copy makes of each parameter of a request. None is ever ignored: what cannot be honoured is refused, or passed on.

/// What a parameter does to an answer from the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterUse {
    /// It names resources by id.
    Ids,
    /// It has the filters.
    Filters,
    /// It is the size of a page.
    PageSize,
    /// It names the page to continue with.
    Token,
    /// It makes the request a test.
    DryRun,
    /// It chooses among what is held.
    Chooses,
    /// It names owners, of whom only the account itself has all that it has in the copy.
    Owners,
    /// It asks for what documents do not tell, such as who else may use something.
    Beyond,
}

/// What the copy makes of the parameter `name` of `action`; `None` for a parameter that nobody has judged.
#[must_use]
pub fn of(action: &str, name: &str) -> Option<ParameterUse> {
    Some(match (action, name) {
        (_, "Filters") | ("DescribeNatGateways", "Filter") => ParameterUse::Filters,
        (_, "MaxResults") => ParameterUse::PageSize,
        (_, "NextToken") => ParameterUse::Token,
        (_, "DryRun") => ParameterUse::DryRun,
        ("DescribeInstances" | "DescribeInstanceStatus", "InstanceIds")
        | ("DescribeVpcs", "VpcIds")
        | ("DescribeSubnets", "SubnetIds")
        | ("DescribeRouteTables", "RouteTableIds")
        | ("DescribeInternetGateways", "InternetGatewayIds")
        | ("DescribeNatGateways", "NatGatewayIds")
        | ("DescribeNetworkAcls", "NetworkAclIds")
        | ("DescribeSecurityGroups", "GroupIds")
        | ("DescribeNetworkInterfaces", "NetworkInterfaceIds")
        | ("DescribeAddresses", "AllocationIds")
        | ("DescribeVolumes", "VolumeIds")
        | ("DescribeSnapshots", "SnapshotIds")
        | ("DescribeImages", "ImageIds") => ParameterUse::Ids,
        ("DescribeSnapshots", "OwnerIds") | ("DescribeImages", "Owners") => ParameterUse::Owners,
        // The names of security groups name those of the default VPC only, and public IPs the addresses that have them.
        ("DescribeSecurityGroups", "GroupNames")
        | ("DescribeAddresses", "PublicIps")
        | ("DescribeInstanceStatus", "IncludeAllInstances")
        // The copy has what others manage, hidden or not.
        | (_, "IncludeManagedResources")
        // It has deprecated and disabled images as well.
        | ("DescribeImages", "IncludeDeprecated" | "IncludeDisabled")
        | ("DescribeRegions", "RegionNames" | "AllRegions")
        | ("DescribeAvailabilityZones", "ZoneNames" | "ZoneIds" | "AllAvailabilityZones") => ParameterUse::Chooses,
        ("DescribeSnapshots", "RestorableByUserIds") | ("DescribeImages", "ExecutableUsers") => ParameterUse::Beyond,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::wire::{WireForm, tables};

    #[test]
    fn every_parameter_of_every_action_is_judged() {
        for table in tables() {
            let uses = table.parameters.iter().map(|parameter| {
                let found = of(table.action, parameter.name);
                let found = found.unwrap_or_else(|| panic!("{}.{} is not judged", table.action, parameter.name));
                match found {
                    ParameterUse::Ids | ParameterUse::Owners | ParameterUse::Beyond => {
                        assert!(parameter.is_list && parameter.form == WireForm::Text);
                    }
                    ParameterUse::Filters => assert!(parameter.is_list && parameter.form == WireForm::Filter),
                    ParameterUse::PageSize => assert_eq!(parameter.form, WireForm::Number),
                    ParameterUse::Token => assert_eq!(parameter.form, WireForm::Text),
                    ParameterUse::DryRun => assert_eq!(parameter.form, WireForm::Flag),
                    ParameterUse::Chooses => {}
                }
                found
            });
            let uses: Vec<ParameterUse> = uses.collect();
            let count = |of| uses.iter().filter(|one| **one == of).count();
            assert_eq!((count(ParameterUse::Filters), count(ParameterUse::DryRun)), (1, 1), "{}", table.action);
            assert!(count(ParameterUse::Ids) <= 1, "{}", table.action);
        }
        assert_eq!(of("DescribeVolumes", "Colour"), None);
    }
}
