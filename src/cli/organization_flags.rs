//! The flags of `muster setup --organization`: which template is printed, and for whom.

use std::any::TypeId;

use clap::Args;
use serde_json::Value;

use crate::config::EventsName;
use crate::model::{Partition, Region};
use crate::setup::{CentralPlace, CentralSetup, EventWiring, MemberSetup, TrustedPrincipal};

/// The longest name of a role, in IAM.
const LONGEST_ROLE: usize = 64;

/// The types of the values without which a template would let more in: a blank one must not vanish.
pub(super) const NARROWS_SETUP: [TypeId; 2] = [TypeId::of::<GivenExternalId>(), TypeId::of::<OrganizationId>()];

/// Which template is printed.
#[derive(Clone, Debug, Args)]
pub(super) struct OrganizationFlags {
    /// Print a CloudFormation template for a stack set over all accounts, and make no call to AWS
    ///
    /// It makes in each account the role that Muster assumes, and in each region what `muster setup` makes, or rules that send to
    /// --central-bus or --central-queue. You deploy it with tools of your own: `muster help organization` says how.
    #[arg(long, conflicts_with_all = ["adopt", "dry_run"])]
    organization: bool,
    /// Print the template of the central account instead, which makes the bus or queue and lets the organization in
    #[arg(long, requires = "organization", requires = "organization_id")]
    central: bool,
    /// Who may assume the role: the account that Muster runs in, or the ARN of its role or user
    #[arg(long, value_name = "ACCOUNT | ARN", requires = "organization")]
    trust: Option<TrustedPrincipal>,
    /// The name of the role that Muster assumes [default: muster]
    #[arg(long, value_name = "NAME", requires = "organization", value_parser = role_name)]
    role_name: Option<RoleName>,
    /// The external id that has to be given to assume the role
    #[arg(long, value_name = "ID", requires = "organization", value_parser = external_id)]
    external_id: Option<GivenExternalId>,
    /// The region whose stack makes the role [default: that of the central bus or queue, else us-east-1 or its like]
    ///
    /// Roles belong to no region, so that one stack in each account makes it. It has to be a region of the stack set, whose
    /// parameter `RoleRegion` can name another.
    #[arg(long, value_name = "REGION", requires = "organization", value_parser = region)]
    role_region: Option<Region>,
    /// Send events to this event bus in one account and region, such as arn:aws:events:eu-west-1:111122223333:event-bus/muster
    #[arg(long, value_name = "ARN", requires = "organization", value_parser = EventWiring::bus, conflicts_with = "central_queue")]
    central_bus: Option<CentralPlace>,
    /// Send events to this queue in one account, such as arn:aws:sqs:eu-west-1:111122223333:muster-central-events
    ///
    /// AWS delivers to a queue of another account in the same region only: other regions send nothing to it.
    #[arg(long, value_name = "ARN", requires = "organization", value_parser = EventWiring::queue)]
    central_queue: Option<CentralPlace>,
    /// The organization whose accounts may send to the central bus or queue, such as o-a1b2c3d4e5
    #[arg(long, value_name = "ID", requires = "central", value_parser = organization_id)]
    organization_id: Option<OrganizationId>,
    /// The partition of the accounts, such as aws-cn or aws-us-gov [default: that of the ARNs and regions given, else aws]
    #[arg(long, value_name = "PARTITION", requires = "organization")]
    partition: Option<Partition>,
}

/// The name of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RoleName(String);

/// An external id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GivenExternalId(String);

/// The id of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrganizationId(String);

/// Why no template can be printed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum OrganizationFlagsError {
    #[error("`{0}` is not the name of a role: give 1 to {LONGEST_ROLE} letters, digits and _+=,.@-")]
    Role(String),
    #[error("`{0}` is not an external id: give 2 to 1224 letters, digits and _+=,.@:/-")]
    ExternalId(String),
    #[error("`{0}` is not the id of an organization: give one such as o-a1b2c3d4e5")]
    Organization(String),
    #[error("`{0}` is not the name of a region of AWS: give for example eu-central-1")]
    Region(String),
    #[error("--central needs the bus or queue that it makes: add --central-bus or --central-queue")]
    NoCenter,
    #[error("--trust is missing: name the account that Muster runs in, or the ARN of its role")]
    NoTrust,
    #[error(
        "the central queue {queue} has the name of a queue that `muster setup` makes in each region: name it {name}-central-events, \
         for example"
    )]
    Confused { queue: String, name: EventsName },
    #[error(
        "{first} and {second} are in different partitions of AWS, which see nothing of each other: print a template for each"
    )]
    Partitions { first: String, second: String },
}

fn role_name(text: &str) -> Result<RoleName, OrganizationFlagsError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let is_name = (1..=LONGEST_ROLE).contains(&text.len()) && text.bytes().all(is_plain);
    if is_name { Ok(RoleName(text.to_owned())) } else { Err(OrganizationFlagsError::Role(text.to_owned())) }
}

fn external_id(text: &str) -> Result<GivenExternalId, OrganizationFlagsError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    let is_id = (2..=1224).contains(&text.len()) && text.bytes().all(is_plain);
    if is_id { Ok(GivenExternalId(text.to_owned())) } else { Err(OrganizationFlagsError::ExternalId(text.to_owned())) }
}

fn organization_id(text: &str) -> Result<OrganizationId, OrganizationFlagsError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_id =
        text.strip_prefix("o-").is_some_and(|rest| (10..=32).contains(&rest.len()) && rest.bytes().all(is_plain));
    if is_id { Ok(OrganizationId(text.to_owned())) } else { Err(OrganizationFlagsError::Organization(text.to_owned())) }
}

fn region(text: &str) -> Result<Region, OrganizationFlagsError> {
    Partition::of_name(text).ok_or_else(|| OrganizationFlagsError::Region(text.to_owned()))?;
    Ok(Region::new(text))
}

impl OrganizationFlags {
    /// Makes the template that is asked for; `None` where none is.
    pub(super) fn template(self, name: &EventsName) -> Result<Option<Value>, OrganizationFlagsError> {
        if !self.organization {
            return Ok(None);
        }
        let partition = self.one_partition()?;
        let wiring = match (self.central_bus, self.central_queue) {
            (Some(bus), _) => EventWiring::CentralBus(bus),
            (None, Some(queue)) => EventWiring::CentralQueue(queue),
            (None, None) => EventWiring::QueueEach,
        };
        if wiring.is_confused(name) {
            let queue = wiring.center().map(|place| place.name.clone()).unwrap_or_default();
            return Err(OrganizationFlagsError::Confused { queue, name: name.clone() });
        }
        let name = name.clone();
        if let Some(OrganizationId(organization)) = self.organization_id.filter(|_| self.central) {
            let setup = CentralSetup { name, organization, wiring };
            return setup.template().map(Some).ok_or(OrganizationFlagsError::NoCenter);
        }
        let of_center = wiring.center().map(|place| place.region.clone());
        let role_region = self.role_region.or(of_center).unwrap_or_else(|| Region::new(partition.home()));
        let role = self.role_name.map_or_else(|| "muster".to_owned(), |RoleName(role)| role);
        let trusted = self.trust.ok_or(OrganizationFlagsError::NoTrust)?;
        let external_id = self.external_id.map(|GivenExternalId(id)| id);
        Ok(Some(MemberSetup { name, role, trusted, external_id, role_region, wiring }.template()))
    }

    /// The partition in which everything is.
    fn one_partition(&self) -> Result<Partition, OrganizationFlagsError> {
        let center = self.central_bus.as_ref().or(self.central_queue.as_ref());
        let trusted = match &self.trust {
            Some(TrustedPrincipal::Arn { partition, arn }) => Some((*partition, arn.clone())),
            _ => None,
        };
        let given = [
            self.partition.map(|partition| (partition, format!("--partition {partition}"))),
            center.map(|place| (place.partition, place.arn.clone())),
            trusted,
            self.role_region.as_ref().map(|region| (Partition::of(region), region.to_string())),
        ];
        let mut given = given.into_iter().flatten();
        let Some((partition, first)) = given.next() else { return Ok(Partition::default()) };
        match given.find(|(other, _)| *other != partition) {
            Some((_, second)) => Err(OrganizationFlagsError::Partitions { first, second }),
            None => Ok(partition),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const BUS: &str = "arn:aws:events:eu-west-1:111122223333:event-bus/muster";
    const ROLE: &str = "arn:aws-cn:iam::111122223333:role/muster-server";

    #[derive(Debug, Parser)]
    struct SetupLine {
        #[arg(long)]
        adopt: bool,
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        organization: OrganizationFlags,
    }

    fn template(words: &[&str]) -> Result<Option<Value>, String> {
        let line = SetupLine::try_parse_from(["muster"].iter().chain(words)).map_err(|error| error.to_string())?;
        assert!(!line.adopt && !line.dry_run);
        line.organization.template(&EventsName::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_role_is_made_in_the_central_region_or_in_one_of_the_partition() {
        let region = |words: &[&str]| {
            let made = template(&[&["--organization"], words].concat()).unwrap().unwrap();
            made["Parameters"]["RoleRegion"]["Default"].as_str().unwrap().to_owned()
        };
        assert_eq!(region(&["--trust", "111122223333"]), "us-east-1");
        assert_eq!(region(&["--trust", "111122223333", "--partition", "aws-us-gov"]), "us-gov-west-1");
        assert_eq!(region(&["--trust", ROLE]), "cn-north-1");
        assert_eq!(region(&["--trust", "111122223333", "--central-bus", BUS]), "eu-west-1");
        assert_eq!(region(&["--trust", "111122223333", "--central-bus", BUS, "--role-region=eu-west-2"]), "eu-west-2");
        assert_eq!(template(&[]), Ok(None));
    }

    #[test]
    fn what_cannot_be_is_named() {
        for (words, named) in [
            (&["--trust", "111122223333"][..], "--organization"),
            (&["--organization"], "--trust"),
            (&["--organization", "--trust", "me"], "`me`"),
            (&["--organization", "--adopt", "--trust", "111122223333"], "--adopt"),
            (&["--organization", "--trust", "111122223333", "--role-name", "a/b"], "`a/b`"),
            (&["--organization", "--trust", "111122223333", "--external-id", "x"], "`x`"),
            (&["--organization", "--trust", "111122223333", "--role-region", "mars"], "`mars`"),
            (&["--organization", "--trust", "111122223333", "--central-bus", "muster"], "`muster`"),
            (&["--organization", "--trust", ROLE, "--central-bus", BUS], "different partitions"),
            (&["--organization", "--trust", ROLE, "--partition", "aws"], "--partition aws and"),
            (&["--organization", "--central", "--central-bus", BUS], "--organization-id"),
            (&["--organization", "--central", "--organization-id", "o-a1b2c3d4e5"], "add --central-bus"),
            (&["--organization", "--central", "--central-bus", BUS, "--organization-id", "r-1"], "`r-1`"),
            (
                &[
                    "--organization",
                    "--trust=111122223333",
                    "--central-queue=arn:aws:sqs:eu-west-1:111122223333:muster-events",
                ],
                "muster-central-events",
            ),
        ] {
            let error = template(words).unwrap_err();
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }
}
