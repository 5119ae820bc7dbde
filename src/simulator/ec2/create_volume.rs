//! `CreateVolume`: an empty volume or one from a snapshot; it is creating for a while and then available.

use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::{Class, EbsVolume};
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::client_token::ClientToken;
use crate::simulator::ec2::listing::Described;
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::plan::{Plan, ZONES};
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::snapshot::Snapshot;

pub(super) const PARAMETERS: &[&str] = &[
    "AvailabilityZone",
    "AvailabilityZoneId",
    "ClientToken",
    "Encrypted",
    "Iops",
    "KmsKeyId",
    "MultiAttachEnabled",
    "Size",
    "SnapshotId",
    "TagSpecification",
    "Throughput",
    "VolumeType",
];

/// Answers a `CreateVolume` call.
pub(super) fn answer(call: &Call) -> Answer {
    let params = call.params;
    let zone = zone(params, call.account.plan())?;
    let source = params.get("SnapshotId").map(|id| source(call, id)).transpose()?;
    let shape = VolumeShape::parse(params, source.as_ref())?;
    // A volume from an encrypted snapshot keeps the snapshot's key, unless the call names another.
    let named = params.get("KmsKeyId").map(|name| EbsVolume::named_key(call.account.plan(), name).into());
    let key = named.or_else(|| source.as_ref().and_then(|snapshot| snapshot.key.clone()));
    let tags = tagging::one(params, "volume")?;
    let token = ClientToken::of(params, "CreateVolume");
    call.dry_run()?;

    let mut edit = call.account.edit();
    let made = token.again(edit.scene().tables())?.and_then(|number| edit.scene().disk(number, edit.now()));
    let disk = made.unwrap_or_else(|| {
        let disk = edit.create_disk(zone, shape.gib, tags, call.request, |disk| {
            disk.class = shape.class;
            disk.iops = shape.iops;
            disk.throughput = shape.throughput;
            disk.encrypted = shape.encrypted;
            disk.key = key;
            disk.multi_attach = shape.multi_attach;
            disk.snapshot = source.as_ref().map(|snapshot| snapshot.number);
        });
        token.keep(edit.tables(), disk.number);
        disk
    });
    drop(edit);
    // EC2 answers `creating` even when this takes no time.
    let before = Moment(disk.ready.0 - 1);
    Ok(call.envelope("CreateVolume", 1_024, |xml| disk.write(xml, call, before)))
}

/// The size, type and performance of a volume to create or modify.
pub(super) struct VolumeShape {
    pub(super) gib: u32,
    pub(super) class: Class,
    pub(super) iops: Option<u32>,
    pub(super) throughput: Option<u32>,
    encrypted: bool,
    multi_attach: bool,
}

impl VolumeShape {
    fn parse(params: &Params, source: Option<&Snapshot>) -> Result<Self, Refusal> {
        let gib = match (number(params, "Size")?, source) {
            (Some(size), Some(snapshot)) if size < snapshot.gib => {
                return Err(Refusal::invalid_value(format!(
                    "The volume size {size} GiB is smaller than the snapshot's {} GiB",
                    snapshot.gib
                )));
            }
            (Some(size), _) => size,
            (None, Some(snapshot)) => snapshot.gib,
            (None, None) => return Err(Refusal::missing("size/snapshot")),
        };
        let class = class(params)?.unwrap_or(Class::Gp2);
        let encrypted = params.flag("Encrypted")? || source.is_some_and(|snapshot| snapshot.encrypted);
        if params.get("KmsKeyId").is_some() && !encrypted {
            return Err(Refusal::invalid_combination(
                "The parameter KmsKeyId requires the parameter Encrypted to be true",
            ));
        }
        let multi_attach = params.flag("MultiAttachEnabled")?;
        if multi_attach && !matches!(class, Class::Io1 | Class::Io2) {
            return Err(unsupported("multiAttachEnabled", class));
        }
        let shape = Self {
            gib,
            class,
            iops: number(params, "Iops")?,
            throughput: number(params, "Throughput")?,
            encrypted,
            multi_attach,
        };
        shape.checked()
    }

    /// The shape of a volume after the changes that the call asks for.
    pub(super) fn changed(params: &Params, disk: &EbsVolume) -> Result<Self, Refusal> {
        let class = class(params)?.unwrap_or(disk.class);
        let same = class == disk.class;
        let shape = Self {
            gib: number(params, "Size")?.unwrap_or(disk.gib),
            class,
            iops: number(params, "Iops")?.or(disk.iops.filter(|_| same && class != Class::Gp2)),
            throughput: number(params, "Throughput")?.or(disk.throughput.filter(|_| same)),
            encrypted: disk.encrypted,
            multi_attach: disk.multi_attach,
        };
        shape.checked()
    }

    /// Checks size, IOPS and throughput against the limits of the type, and fills in defaults.
    fn checked(self) -> Result<Self, Refusal> {
        let Self { gib, class, iops, throughput, .. } = self;
        let (least, most) = class.sizes();
        if gib < least {
            return Err(Refusal::invalid_value(format!("Volume of {gib}GiB is too small; minimum is {least}GiB.")));
        }
        if gib > most {
            return Err(Refusal::invalid_value(format!("Volume of {gib}GiB is too large; maximum is {most}GiB.")));
        }
        let iops = match (class, iops) {
            (Class::Io1 | Class::Io2, None) => {
                let name = class.name();
                let message = format!("The parameter iops must be specified for {name} volumes.");
                return Err(Refusal::invalid_combination(message));
            }
            (Class::Io1 | Class::Io2 | Class::Gp3, Some(iops)) => Some(iops),
            (_, Some(_)) => return Err(unsupported("iops", class)),
            (_, None) => class.iops(gib),
        };
        if throughput.is_some() && class != Class::Gp3 {
            return Err(unsupported("throughput", class));
        }
        Ok(Self { iops, throughput: throughput.or(class.throughput()), ..self })
    }
}

fn unsupported(parameter: &str, class: Class) -> Refusal {
    let name = class.name();
    Refusal::invalid_combination(format!("The parameter {parameter} is not supported for {name} volumes."))
}

fn class(params: &Params) -> Result<Option<Class>, Refusal> {
    let known = |name| {
        Class::parse(name).ok_or_else(|| {
            let message = format!("Unsupported volume type '{name}' for volume creation.");
            Refusal::new(400, "UnknownVolumeType", message)
        })
    };
    params.get("VolumeType").map(known).transpose()
}

fn number(params: &Params, name: &str) -> Result<Option<u32>, Refusal> {
    let parse = |text: &str| {
        let refuse = |_| Refusal::invalid_value(format!("Invalid value '{text}' for {name}. Expecting an integer."));
        text.parse().map_err(refuse)
    };
    params.get(name).map(parse).transpose()
}

fn zone(params: &Params, plan: &Plan) -> Result<u64, Refusal> {
    let (name, id) = (params.get("AvailabilityZone"), params.get("AvailabilityZoneId"));
    let asked = name.or(id).ok_or_else(|| Refusal::missing("AvailabilityZone"))?;
    let fits = |zone: &u64| {
        let zone = plan.zone(*zone);
        name.map_or(zone.id == asked, |name| zone.name == name)
    };
    let unknown = || Refusal::new(400, "InvalidZone.NotFound", format!("The zone '{asked}' does not exist."));
    (0..ZONES).find(fits).ok_or_else(unknown)
}

/// The snapshot that a volume is to be created from. It must be complete.
fn source(call: &Call, id: &str) -> Result<Snapshot, Refusal> {
    let reading = call.account.reading();
    let now = reading.now();
    let number = listing::number(call, Kind::Snapshot, id, |number| reading.scene().snapshot(number, now).is_some())?;
    let snapshot = reading.scene().snapshot(number, now).filter(|snapshot| snapshot.completed(now));
    snapshot.ok_or_else(|| Refusal::new(400, "IncorrectState", format!("Snapshot '{id}' is not 'completed'.")))
}

/// The volume that a call names, as it is now.
pub(super) fn named(call: &Call, parameter: &str) -> Result<EbsVolume, Refusal> {
    let id = call.params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let reading = call.account.reading();
    let now = reading.now();
    let number = listing::number(call, Kind::Volume, id, |number| reading.scene().disk(number, now).is_some())?;
    reading.scene().disk(number, now).ok_or_else(|| Refusal::unknown_resource(Kind::Volume, id))
}
