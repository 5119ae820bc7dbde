//! `RunInstances`: launches instances in one reservation, in a subnet that the call names or in the default VPC.
//!
//! A call can choose the images that the account sees, the instance types, key pairs and instance profiles of the
//! formula's instances, and the security groups of the subnet's VPC. As on EC2, a `ClientToken` makes the call safe to
//! repeat: the same call gets the same instances as they are now, and a different call with that token is refused.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::simulator::account::{Again, Launch, SubnetPlace};
use crate::simulator::catalog::{
    GROUP_DEFAULT, GROUP_SETS, Image, KEY_NAMES, LAUNCHED, Machine, machine_named, profile_named,
};
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::describe_instances::reservation;
use crate::simulator::ec2::instance_item::item;
use crate::simulator::ec2::tagging;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, Phase};
use crate::simulator::network::{GROUPS, SecurityGroup};
use crate::simulator::plan::ZONES;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;

pub(super) const PARAMETERS: &[&str] = &[
    "ClientToken",
    "DisableApiTermination",
    "EbsOptimized",
    "IamInstanceProfile",
    "ImageId",
    "InstanceInitiatedShutdownBehavior",
    "InstanceType",
    "KeyName",
    "MaxCount",
    "MinCount",
    "Monitoring",
    "Placement",
    "SecurityGroup",
    "SecurityGroupId",
    "SubnetId",
    "TagSpecification",
    "UserData",
];

/// The resource types that a launch can tag.
const TAGGED: &[&str] = &["instance", "network-interface", "spot-instances-request", "volume"];
/// The most instances that one call launches, like an account's quota.
const QUOTA: u64 = 1_000;
/// The instance type when the call names none. EC2's own default belongs to a generation that the simulator does not
/// have.
const DEFAULT_TYPE: &str = "t3.micro";
const MAX_TOKEN: usize = 64;

/// Answers a `RunInstances` call.
pub(super) fn answer(call: &Call) -> Answer {
    let (least, most) = counts(call)?;
    let specified = tagging::specified(call.params, TAGGED)?;
    let launch = launch(call, &specified)?;
    call.dry_run()?;

    let mut edit = call.account.edit();
    let again = launch.token.as_ref().and_then(|(token, asked)| edit.again(token, *asked));
    let numbers = match again {
        Some(Again::Same(numbers)) => numbers,
        Some(Again::Different) => return Err(mismatch()),
        None => {
            let numbers = edit.run(&launch, least, most).ok_or_else(|| no_room(call, &launch.place))?;
            for (kind, tags) in &specified {
                for &number in &numbers {
                    match kind.as_str() {
                        "network-interface" => edit.tag_new(Kind::Interface, number, tags.clone()),
                        "volume" => edit.tag_new(Kind::Volume, number * 4, tags.clone()),
                        _ => {}
                    }
                }
            }
            numbers
        }
    };
    let (plan, now) = (call.account.plan(), edit.now());
    let instances: Vec<Instance> = numbers.into_iter().filter_map(|number| edit.instance(number)).collect();
    drop(edit);
    Ok(call.envelope("RunInstances", 5_600 * instances.len(), |xml| {
        if let Some(first) = instances.first() {
            reservation(xml, first, plan);
        }
        xml.within("instancesSet", |xml| {
            for instance in &instances {
                // EC2 answers `pending` even when the start takes no time.
                let shown = if instance.launched() == now { Moment(now.0 - 1) } else { now };
                item(xml, instance, plan, shown);
            }
        });
    }))
}

fn counts(call: &Call) -> Result<(u64, u64), Refusal> {
    let count = |name: &str| {
        let text = call.params.get(name).ok_or_else(|| Refusal::missing(name))?;
        match text.parse::<u64>() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(Refusal::invalid_value(format!(
                "Invalid value '{text}' for {name}. Expecting a value of 1 or more."
            ))),
        }
    };
    let (least, most) = (count("MinCount")?, count("MaxCount")?);
    if least > most {
        return Err(Refusal::invalid_value(format!(
            "Value ({least}) for parameter minCount is invalid. It may not exceed maxCount ({most})."
        )));
    }
    if least > QUOTA {
        let message = format!(
            "You have requested more instances ({least}) than your current instance limit of {QUOTA} allows for the \
             specified instance type."
        );
        return Err(Refusal::new(400, "InstanceLimitExceeded", message));
    }
    Ok((least, most.min(QUOTA)))
}

fn launch(call: &Call, specified: &[(String, Tags)]) -> Result<Launch, Refusal> {
    let (ami, image) = image(call)?;
    let machine = machine(call, image)?;
    let place = place(call)?;
    let groups = groups(call, &place)?;
    for flag in ["DisableApiTermination", "EbsOptimized", "Monitoring.Enabled"] {
        call.params.flag(flag)?;
    }
    let tags = specified.iter().find(|(kind, _)| kind == "instance").map(|(_, tags)| tags.clone());
    let token = token(call)?;
    let model = Instance {
        number: 0,
        lead: 0,
        role: &LAUNCHED,
        machine,
        image,
        ami,
        network: place.network,
        vpc: place.vpc,
        subnet: place.subnet,
        zone: place.zone,
        groups,
        profile: profile(call)?,
        private_ip: place.base,
        ipv6: None,
        // Only the subnets of the default VPC assign public addresses.
        public: place.network == 0,
        elastic: None,
        disks: None,
        key_name: key_name(call)?,
        spot: false,
        managed: false,
        monitored: call.params.flag("Monitoring.Enabled")?,
        token: Some(token.as_ref().map_or_else(|| Arc::from(call.request), |(token, _)| Arc::clone(token))),
        created: call.now,
        phase: Phase::started(call.now, Duration::ZERO, None),
        tags: tags.unwrap_or_default(),
        health: None,
    };
    Ok(Launch { model, place, token })
}

/// The number and the family of the image that the call names.
fn image(call: &Call) -> Result<(u64, &'static Image), Refusal> {
    let id = call.params.get("ImageId").ok_or_else(|| Refusal::missing("ImageId"))?;
    let number = call.account.plan().idents.number(Kind::Image, id);
    let number = number.map_err(|_| Refusal::malformed_resource(Kind::Image, id))?;
    let unknown = || Refusal::new(400, "InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist"));
    let reading = call.account.reading();
    let number = number.ok_or_else(unknown)?;
    let ami = reading.scene().ami(number, reading.now()).ok_or_else(unknown)?;
    Ok((number, ami.family))
}

fn machine(call: &Call, image: &Image) -> Result<&'static Machine, Refusal> {
    let name = call.params.get("InstanceType").unwrap_or(DEFAULT_TYPE);
    let unknown = || Refusal::invalid_value(format!("Invalid value '{name}' for InstanceType."));
    let machine = machine_named(name).ok_or_else(unknown)?;
    if machine.arm != image.arm() {
        let architecture = |arm| if arm { "arm64" } else { "x86_64" };
        return Err(Refusal::invalid_value(format!(
            "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified \
             AMI. Specify an instance type and an AMI that have matching architectures, and try again.",
            architecture(machine.arm),
            architecture(image.arm()),
        )));
    }
    Ok(machine)
}

/// The subnet of the launch: the named one, or else the default VPC's in the named zone or in the first zone.
fn place(call: &Call) -> Result<SubnetPlace, Refusal> {
    let plan = call.account.plan();
    let zone = call.params.get("Placement.AvailabilityZone");
    let zones = |name: &str| (0..ZONES).find(|zone| plan.zone(*zone).name == name);
    let wanted = zone
        .map(|name| zones(name).ok_or_else(|| Refusal::invalid_value(format!("Invalid availability zone: [{name}]"))));
    let wanted = wanted.transpose()?;
    let Some(id) = call.params.get("SubnetId") else { return Ok(SubnetPlace::own(wanted.unwrap_or(0))) };
    let found = call.account.reading().place(id).map_err(|_| Refusal::malformed_resource(Kind::Subnet, id))?;
    let found = found.ok_or_else(|| Refusal::unknown_resource(Kind::Subnet, id))?;
    if wanted.is_some_and(|zone| zone != found.zone) {
        return Err(Refusal::invalid_value(format!(
            "The availability zone '{}' does not match the zone of subnet '{id}'",
            zone.unwrap_or_default()
        )));
    }
    Ok(found)
}

/// The security groups that the call names, which must belong to the subnet's VPC. Without any, the VPC's default
/// group.
fn groups(call: &Call, place: &SubnetPlace) -> Result<&'static [u64], Refusal> {
    let (ids, names) = (call.params.set("SecurityGroupId"), call.params.set("SecurityGroup"));
    if !names.is_empty() && call.params.get("SubnetId").is_some() {
        return Err(Refusal::invalid_combination("The parameter groupName cannot be used with the parameter subnet"));
    }
    let mut set = 0_usize;
    let mut include = |ordinal: u64| set |= 1 << ordinal;
    let reading = call.account.reading();
    for id in &ids {
        let number = call.account.plan().idents.number(Kind::SecurityGroup, id);
        let number = number.map_err(|_| Refusal::malformed_resource(Kind::SecurityGroup, id))?;
        let number = number.filter(|number| reading.holds(Kind::SecurityGroup, *number, reading.now()));
        let number = number.ok_or_else(|| Refusal::unknown_resource(Kind::SecurityGroup, id))?;
        if number / GROUPS != place.network {
            let subnet = call.account.plan().idents.text(Kind::Subnet, place.subnet);
            let message = format!("Security group {id} and subnet {subnet} belong to different networks.");
            return Err(Refusal::new(400, "InvalidParameter", message));
        }
        include(number % GROUPS);
    }
    for name in &names {
        let ordinal = (0..GROUPS).find(|ordinal| SecurityGroup::name(*ordinal) == *name);
        include(ordinal.ok_or_else(|| Refusal::unknown_resource(Kind::SecurityGroup, name))?);
    }
    if ids.is_empty() && names.is_empty() {
        include(GROUP_DEFAULT);
    }
    Ok(GROUP_SETS.get(set).copied().unwrap_or(&[GROUP_DEFAULT]))
}

fn key_name(call: &Call) -> Result<Option<&'static str>, Refusal> {
    let Some(name) = call.params.get("KeyName") else { return Ok(None) };
    let known = KEY_NAMES.into_iter().find(|known| *known == name);
    let unknown = || Refusal::new(400, "InvalidKeyPair.NotFound", format!("The key pair '{name}' does not exist"));
    known.ok_or_else(unknown).map(Some)
}

fn profile(call: &Call) -> Result<Option<&'static str>, Refusal> {
    let by_arn = call.params.get("IamInstanceProfile.Arn").and_then(|arn| arn.rsplit('/').next());
    let Some(name) = call.params.get("IamInstanceProfile.Name").or(by_arn) else { return Ok(None) };
    let unknown = || {
        let message = format!(
            "Value ({name}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        );
        Refusal::invalid_value(message)
    };
    profile_named(name).ok_or_else(unknown).map(Some)
}

/// The client token, and a hash of everything else that the call asks for.
fn token(call: &Call) -> Result<Option<(Arc<str>, u64)>, Refusal> {
    let Some(token) = call.params.get("ClientToken").filter(|token| !token.is_empty()) else { return Ok(None) };
    if token.len() > MAX_TOKEN || !token.is_ascii() {
        return Err(Refusal::invalid_value(format!(
            "Invalid value '{token}' for ClientToken. Expecting at most {MAX_TOKEN} ASCII characters."
        )));
    }
    let mut asked = String::new();
    for (name, value) in call.params.pairs().filter(|(name, _)| !matches!(*name, "ClientToken" | "DryRun")) {
        asked.push_str(name);
        asked.push('=');
        asked.push_str(value);
        asked.push('\n');
    }
    Ok(Some((Arc::from(token), xxh3_64(asked.as_bytes()))))
}

fn mismatch() -> Refusal {
    let message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).";
    Refusal::new(400, "IdempotentParameterMismatch", message)
}

fn no_room(call: &Call, place: &SubnetPlace) -> Refusal {
    let subnet = call.account.plan().idents.text(Kind::Subnet, place.subnet);
    let message = format!(
        "There are not enough free addresses in subnet '{subnet}' to satisfy the requested number of instances."
    );
    Refusal::new(400, "InsufficientFreeAddressesInSubnet", message)
}
