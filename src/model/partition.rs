//! The partitions of AWS: groups of regions with accounts, ARNs and endpoints of their own.
//!
//! Source: the SDK's list of partitions, `partitions.json` of smithy-rs. The names of service principals, such as
//! `events.amazonaws.com`, are the same in all of them (EventBridge user guide of the Amazon Web Services China site, "Sending events
//! to an Amazon service in another account").

use std::fmt;
use std::str::FromStr;

use super::id::Region;

/// A partition of AWS. Nothing in one is visible in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// The commercial regions.
    #[default]
    Aws,
    /// China.
    China,
    /// The government of the United States.
    UsGov,
    /// Isolated regions of the United States.
    Iso,
    /// More of them.
    IsoB,
    /// Isolated regions in Europe.
    IsoE,
    /// Isolated regions of the United States, again others.
    IsoF,
    /// The European Sovereign Cloud.
    Eusc,
}

/// The text names no partition.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a partition of AWS: give one of {}", Partition::ALL.map(Partition::name).join(", "))]
pub struct PartitionError {
    given: String,
}

impl Partition {
    /// All of them.
    pub const ALL: [Partition; 8] = [
        Partition::Aws,
        Partition::China,
        Partition::UsGov,
        Partition::Iso,
        Partition::IsoB,
        Partition::IsoE,
        Partition::IsoF,
        Partition::Eusc,
    ];

    /// Its name, as ARNs have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Partition::Aws => "aws",
            Partition::China => "aws-cn",
            Partition::UsGov => "aws-us-gov",
            Partition::Iso => "aws-iso",
            Partition::IsoB => "aws-iso-b",
            Partition::IsoE => "aws-iso-e",
            Partition::IsoF => "aws-iso-f",
            Partition::Eusc => "aws-eusc",
        }
    }

    /// What the names of its regions begin with, and no others'; `None` for the commercial regions.
    const fn begin(self) -> Option<&'static str> {
        match self {
            Partition::Aws => None,
            Partition::China => Some("cn-"),
            Partition::UsGov => Some("us-gov-"),
            Partition::Iso => Some("us-iso-"),
            Partition::IsoB => Some("us-isob-"),
            Partition::IsoE => Some("eu-isoe-"),
            Partition::IsoF => Some("us-isof-"),
            Partition::Eusc => Some("eusc-"),
        }
    }

    /// A region that every account of the partition has, to ask for what belongs to no region.
    #[must_use]
    pub const fn home(self) -> &'static str {
        match self {
            Partition::Aws => "us-east-1",
            Partition::China => "cn-north-1",
            Partition::UsGov => "us-gov-west-1",
            Partition::Iso => "us-iso-east-1",
            Partition::IsoB => "us-isob-east-1",
            Partition::IsoE => "eu-isoe-west-1",
            Partition::IsoF => "us-isof-south-1",
            Partition::Eusc => "eusc-de-east-1",
        }
    }

    /// What the names of its hosts end with, with the dot before it.
    #[must_use]
    pub const fn hosts(self) -> &'static [&'static str] {
        match self {
            Partition::Aws | Partition::UsGov => &[".amazonaws.com", ".api.aws"],
            Partition::China => &[".amazonaws.com.cn", ".api.amazonwebservices.com.cn"],
            Partition::Iso => &[".c2s.ic.gov"],
            Partition::IsoB => &[".sc2s.sgov.gov"],
            Partition::IsoE => &[".cloud.adc-e.uk"],
            Partition::IsoF => &[".csp.hci.ic.gov"],
            Partition::Eusc => &[".amazonaws.eu"],
        }
    }

    /// The partition of a region, whose name nobody checked.
    #[must_use]
    pub fn of(region: &Region) -> Partition {
        let begins = |partition: &Partition| partition.begin().is_some_and(|begin| region.as_str().starts_with(begin));
        Partition::ALL.into_iter().find(begins).unwrap_or_default()
    }

    /// The partition of the region with this name; `None` for a name that no region of AWS can have: a place in words and a number.
    #[must_use]
    pub fn of_name(region: &str) -> Option<Partition> {
        let words: Vec<&str> = region.split('-').collect();
        let [places @ .., number] = words.as_slice() else { return None };
        let is_place = |word: &&str| word.len() > 1 && word.bytes().all(|letter| letter.is_ascii_lowercase());
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let is_region = places.len() >= 2 && places.iter().all(is_place) && is_number;
        is_region.then(|| Partition::of(&Region::new(region)))
    }

    /// The partition that an ARN names.
    #[must_use]
    pub fn of_arn(arn: &str) -> Option<Partition> {
        arn.strip_prefix("arn:")?.split(':').next()?.parse().ok()
    }
}

impl FromStr for Partition {
    type Err = PartitionError;

    fn from_str(text: &str) -> Result<Self, PartitionError> {
        let named = Partition::ALL.into_iter().find(|partition| partition.name() == text);
        named.ok_or_else(|| PartitionError { given: text.to_owned() })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition_and_a_name_that_no_region_has_tells_none() {
        for (region, partition) in [
            ("eu-central-1", Some("aws")),
            ("us-gov-west-1", Some("aws-us-gov")),
            ("cn-north-1", Some("aws-cn")),
            ("us-iso-west-1", Some("aws-iso")),
            ("us-isob-east-1", Some("aws-iso-b")),
            ("eusc-de-east-1", Some("aws-eusc")),
            ("mars", None),
            ("mars-1", None),
            ("eu-central", None),
            ("EU-CENTRAL-1", None),
            ("eu--central-1", None),
            ("eu-central-1a", None),
        ] {
            assert_eq!(Partition::of_name(region).map(Partition::name), partition, "{region}");
        }
    }

    #[test]
    fn each_partition_is_that_of_its_name_its_home_and_its_arns() {
        for partition in Partition::ALL {
            assert_eq!(partition.name().parse(), Ok(partition));
            assert_eq!(Partition::of_name(partition.home()), Some(partition));
            assert_eq!(Partition::of_arn(&format!("arn:{partition}:iam::111122223333:role/x")), Some(partition));
            assert!(partition.hosts().iter().all(|host| host.starts_with('.')));
        }
        assert_eq!(Partition::of_arn("arn:amazon:iam::111122223333:role/x"), None);
        assert_eq!(Partition::of_arn("role/x"), None);
        let refused = "aws-mars".parse::<Partition>().unwrap_err().to_string();
        assert!(refused.contains("`aws-mars`") && refused.contains("aws, aws-cn, aws-us-gov"), "{refused}");
    }
}
