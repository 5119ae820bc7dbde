//! `muster policy iam`.

use std::any::TypeId;
use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::aws::permissions::{PolicyLimits, PolicyPart, document};
use crate::cli::output::Output;
use crate::config::{EventsName, KindName};
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::Partition;
use crate::model::partition::PartitionError;
use crate::policy::write_rule::{self, RuleError};

/// The longest key and the longest value of a tag, in characters (EC2 user guide, "Tag restrictions").
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// The types of the values that narrow a policy: where one is blank, the policy would allow more.
pub(in crate::cli) const NARROWS_IAM: [TypeId; 4] = [
    TypeId::of::<NarrowedTag>(),
    TypeId::of::<NarrowedRegion>(),
    TypeId::of::<NarrowedPartition>(),
    TypeId::of::<NarrowedAccount>(),
];

/// Which parts of the policy, for which resources.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct PolicyIam {
    /// Add what the tools that change AWS need
    #[arg(long)]
    writes: bool,
    /// Allow changes only of instances with this tag (repeatable: all of them)
    ///
    /// The volumes of such an instance need no tag to be snapshotted. IAM compares values letter by letter, and keys without their
    /// case.
    #[arg(long, value_name = "KEY=VALUE", default_value = "mcp-managed=true", requires = "writes", value_parser = tag)]
    tag: Vec<NarrowedTag>,
    /// Allow changes of every instance, whatever its tags are
    #[arg(long, requires = "writes", conflicts_with = "tag")]
    any_instance: bool,
    /// Let instances start whose volumes are encrypted with this key, given by its ARN (repeatable)
    ///
    /// Without it AWS accepts the start of such an instance, and the instance stops again at once.
    #[arg(long, value_name = "ARN", requires = "writes", value_parser = key)]
    kms_key: Vec<VolumeKey>,
    /// Allow calls only in this region, such as eu-central-1 (repeatable: any of them)
    ///
    /// The ARNs are those of its partition.
    #[arg(long, value_name = "REGION", value_delimiter = ',', value_parser = region)]
    region: Vec<NarrowedRegion>,
    /// Write ARNs of this partition, such as aws-cn or aws-us-gov [default: that of --region, else of --kms-key, else aws]
    #[arg(long, value_name = "PARTITION", value_parser = partition)]
    partition: Option<NarrowedPartition>,
    /// Name this account in the ARNs, such as 123456789012
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Option<NarrowedAccount>,
    /// List these kinds only, such as instance,vpc, as --kinds of a server watches them [default: all]
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kinds: Vec<KindName>,
    /// Add what a server with --events needs, and what checks its events
    #[arg(long)]
    events: bool,
    /// Add what finding the accounts of an organization needs, in its management account or that of a delegated administrator
    #[arg(long)]
    organization: bool,
    /// Add what `muster setup` and `muster teardown` need
    #[arg(long)]
    setup: bool,
    /// What the names of queues and rules begin with
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAME)]
    name: EventsName,
}

/// A tag that instances need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NarrowedTag {
    key: String,
    value: String,
}

/// A region that calls are allowed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NarrowedRegion(String);

/// The partition that ARNs name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NarrowedPartition(Partition);

/// The account that ARNs name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct NarrowedAccount(String);

/// A key of encrypted volumes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct VolumeKey {
    arn: String,
    region: String,
}

/// Why no policy can be printed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(in crate::cli) enum PolicyIamError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(
        "`{0}` is longer than a tag can be, so that no instance has it: a key has at most {LONGEST_KEY} characters, a value at most \
         {LONGEST_VALUE}"
    )]
    Long(String),
    #[error("`{0}` is not the name of a region of AWS: give for example eu-central-1")]
    Region(String),
    #[error(
        "--tag {first} and --tag {second} cannot both be met: IAM compares keys without their case, and an instance has one value of \
         each; print a policy for each value"
    )]
    Tags { first: String, second: String },
    #[error(
        "{first} and {second} do not go together, since ARNs and accounts of AWS's partitions differ: print a policy for each"
    )]
    Partitions { first: String, second: String },
    #[error(
        "`{0}` is not the ARN of a KMS key, nor does IAM take that of an alias: give for example \
         arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    )]
    Key(String),
    #[error(
        "--kms-key {0} is in none of the regions of --region, so that no instance could use it: give a key of one of them"
    )]
    Elsewhere(String),
}

fn tag(text: &str) -> Result<NarrowedTag, PolicyIamError> {
    let (key, value) = write_rule::tag(text)?;
    if key.chars().count() > LONGEST_KEY || value.chars().count() > LONGEST_VALUE {
        return Err(PolicyIamError::Long(text.to_owned()));
    }
    Ok(NarrowedTag { key, value })
}

fn region(text: &str) -> Result<NarrowedRegion, PolicyIamError> {
    let name = write_rule::region(text)?;
    Partition::of_name(&name).ok_or_else(|| PolicyIamError::Region(text.to_owned()))?;
    Ok(NarrowedRegion(name))
}

fn partition(text: &str) -> Result<NarrowedPartition, PartitionError> {
    text.trim().parse().map(NarrowedPartition)
}

fn account(text: &str) -> Result<NarrowedAccount, PolicyIamError> {
    Ok(NarrowedAccount(write_rule::account(text)?))
}

fn key(text: &str) -> Result<VolumeKey, PolicyIamError> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-');
    match parts[..] {
        ["arn", partition, "kms", region, account, name]
            if Partition::of_name(region).is_some_and(|of| of.name() == partition)
                && write_rule::account(account).is_ok()
                && name.strip_prefix("key/").is_some_and(is_id) =>
        {
            Ok(VolumeKey { arn: text.to_owned(), region: region.to_owned() })
        }
        _ => Err(PolicyIamError::Key(text.to_owned())),
    }
}

impl PolicyIam {
    /// Prints the policy on standard output.
    pub(in crate::cli) fn run(self) -> anyhow::Result<()> {
        let limits = self.limits()?;
        Ok(Output::stdout().line(&format!("{:#}", document(&limits)))?)
    }

    fn limits(self) -> Result<PolicyLimits, PolicyIamError> {
        let asked = [
            (true, PolicyPart::Read),
            (self.events, PolicyPart::Events),
            (self.organization, PolicyPart::Organization),
            (self.writes, PolicyPart::Write),
            (self.setup, PolicyPart::Setup),
        ];
        let regions = regions(self.region)?;
        let partition = self.partition.map(|NarrowedPartition(partition)| partition);
        let partition = one_partition(partition, &regions, &self.kms_key)?;
        Ok(PolicyLimits {
            kinds: KindName::selection(&self.kinds),
            parts: asked.into_iter().filter_map(|(is_asked, part)| is_asked.then_some(part)).collect(),
            tags: if self.any_instance { BTreeMap::new() } else { tags(self.tag)? },
            keys: keys(self.kms_key, &regions)?,
            partition,
            regions,
            account: self.account.map(|NarrowedAccount(account)| account),
            name: self.name.to_string(),
        })
    }
}

/// The tags by their keys.
fn tags(given: Vec<NarrowedTag>) -> Result<BTreeMap<String, String>, PolicyIamError> {
    let mut tags: Vec<NarrowedTag> = Vec::new();
    for tag in given {
        let same = tags.iter().find(|known| known.key.to_lowercase() == tag.key.to_lowercase());
        match same {
            None => tags.push(tag),
            Some(known) if *known == tag => {}
            Some(known) => {
                let written = |tag: &NarrowedTag| format!("{}={}", tag.key, tag.value);
                return Err(PolicyIamError::Tags { first: written(known), second: written(&tag) });
            }
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// The regions, which are of one partition.
fn regions(given: Vec<NarrowedRegion>) -> Result<BTreeSet<String>, PolicyIamError> {
    let regions: BTreeSet<String> = given.into_iter().map(|NarrowedRegion(name)| name).collect();
    let first = regions.first().cloned().unwrap_or_default();
    match regions.iter().find(|region| Partition::of_name(region) != Partition::of_name(&first)) {
        Some(second) => Err(PolicyIamError::Partitions { first, second: second.clone() }),
        None => Ok(regions),
    }
}

/// The partition that is named, or else that of the regions or keys, which have to be in it.
fn one_partition(
    named: Option<Partition>,
    regions: &BTreeSet<String>,
    keys: &[VolumeKey],
) -> Result<Partition, PolicyIamError> {
    let mut places = regions.iter().chain(keys.iter().map(|key| &key.region));
    let first = places.clone().next().and_then(|place| Partition::of_name(place));
    let partition = named.or(first).unwrap_or_default();
    match places.find(|place| Partition::of_name(place) != Some(partition)) {
        Some(second) => Err(PolicyIamError::Partitions { first: partition.to_string(), second: second.clone() }),
        None => Ok(partition),
    }
}

/// The ARNs of the keys, which are in the regions.
fn keys(given: Vec<VolumeKey>, regions: &BTreeSet<String>) -> Result<BTreeSet<String>, PolicyIamError> {
    match given.iter().find(|key| !regions.is_empty() && !regions.contains(&key.region)) {
        Some(key) => Err(PolicyIamError::Elsewhere(key.arn.clone())),
        None => Ok(given.into_iter().map(|key| key.arn).collect()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[derive(Debug, Parser)]
    struct IamLine {
        #[command(flatten)]
        iam: PolicyIam,
    }

    fn limits(words: &[&str]) -> Result<PolicyLimits, String> {
        let line = IamLine::try_parse_from(["muster"].iter().chain(words)).map_err(|error| error.to_string())?;
        line.iam.limits().map_err(|error| error.to_string())
    }

    #[test]
    fn each_flag_adds_its_part_and_narrows_the_rest() {
        let plain = limits(&[]).unwrap();
        assert_eq!(plain, PolicyLimits { parts: [PolicyPart::Read].into(), ..PolicyLimits::default() });
        assert_eq!(limits(&["--writes"]).unwrap().tags, PolicyLimits::default().tags);
        assert_eq!(limits(&["--writes", "--any-instance"]).unwrap().tags, [].into());
        let all = [
            "--writes",
            "--tag",
            "a=b=c",
            "--tag",
            "d=",
            "--tag=a=b=c",
            "--events",
            "--organization",
            "--setup",
            "--name",
            "team",
            "--kinds",
            "vpc",
        ];
        let narrowed = ["--region", "eu-west-1,eu-west-2", "--region=us-east-1", "--account", "123456789012"];
        let narrowed = [&narrowed[..], &["--kms-key", KEY]].concat();
        let given = limits(&[&all[..], &narrowed[..]].concat()).unwrap();
        let expected = PolicyLimits {
            kinds: KindName::selection(&[KindName::One("vpc")]),
            parts: PolicyPart::ALL.into(),
            tags: [("a".to_owned(), "b=c".to_owned()), ("d".to_owned(), String::new())].into(),
            partition: Partition::Aws,
            regions: ["eu-west-1", "eu-west-2", "us-east-1"].map(str::to_owned).into(),
            account: Some("123456789012".to_owned()),
            name: "team".to_owned(),
            keys: [KEY.to_owned()].into(),
        };
        assert_eq!(given, expected);
    }

    #[test]
    fn the_partition_is_the_named_one_or_that_of_the_regions_or_keys() {
        let key = KEY.replace("arn:aws:", "arn:aws-cn:").replace("eu-west-1", "cn-north-1");
        for (words, partition) in [
            (&[][..], Partition::Aws),
            (&["--partition", "aws-us-gov"], Partition::UsGov),
            (&["--partition=aws-cn", "--region", "cn-northwest-1"], Partition::China),
            (&["--region", "us-iso-east-1"], Partition::Iso),
            (&["--writes", "--kms-key", &key], Partition::China),
        ] {
            assert_eq!(limits(words).unwrap().partition, partition, "{words:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_named() {
        let long = format!("{}=x", "k".repeat(LONGEST_KEY + 1));
        let many = format!("k={}", "ä".repeat(LONGEST_VALUE + 1));
        for (words, named) in [
            (&["--writes", "--tag", ""][..], "blank"),
            (&["--writes", "--tag", "Env"], "`Env`"),
            (&["--writes", "--tag", "=x"], "`=x`"),
            (&["--writes", "--tag", " Env=x"], "` Env=x`"),
            (&["--writes", "--tag", &long], &long),
            (&["--writes", "--tag", &many], &many),
            (&["--writes", "--tag", "Env=a", "--tag", "Env=b"], "Env=b"),
            (&["--writes", "--tag", "Env=a", "--tag", "env=a"], "env=a"),
            (&["--tag", "Env=a"], "--writes"),
            (&["--region", ""], "blank"),
            (&["--region", "eu-west-1,"], "blank"),
            (&["--region", "mars"], "`mars`"),
            (&["--region", "EU-WEST-1"], "`EU-WEST-1`"),
            (&["--region", "eu-west-1,cn-north-1"], "cn-north-1"),
            (&["--partition", "china"], "aws-cn"),
            (&["--partition", "aws-cn", "--region", "us-gov-west-1"], "us-gov-west-1"),
            (&["--partition", "aws-cn", "--writes", "--kms-key", KEY], "eu-west-1"),
            (&["--account", "123"], "`123`"),
            (&["--name", "1x"], "`1x`"),
            (&["--any-instance"], "--writes"),
            (&["--writes", "--any-instance", "--tag", "Env=a"], "--any-instance"),
            (&["--kms-key", KEY], "--writes"),
            (&["--writes", "--kms-key", "alias/disks"], "`alias/disks`"),
            (&["--writes", "--kms-key", &KEY.replace("key/", "alias/")], "alias/1234abcd"),
            (&["--writes", "--kms-key", &KEY.replace("key/1234", "key/*")], "key/*"),
            (&["--writes", "--kms-key", &KEY.replace("aws", "aws-cn")], "arn:aws-cn"),
            (&["--writes", "--kms-key", &KEY.replace("eu-west-1", "mars")], ":mars:"),
            (&["--writes", "--kms-key", KEY, "--region", "eu-central-1"], "none of the regions"),
        ] {
            let error = limits(words).unwrap_err();
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }
}
