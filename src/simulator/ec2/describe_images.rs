//! `DescribeImages`: the account's own images and those of other accounts, unless the call names owners.

use crate::simulator::account::Scene;
use crate::simulator::ami::Ami;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, describe, id};
use crate::simulator::ec2::owners::Owners;
use crate::simulator::filter::{Filter, Filtered};
use crate::simulator::ident::Kind;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// Answers a `DescribeImages` call. It refuses the account's own deregistered images as no longer available, as EC2
/// does for images that it remembers.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let owners = Owners::parse(call.params, plan, "ExecutableBy")?;
    for flag in ["IncludeDeprecated", "IncludeDisabled"] {
        call.params.flag(flag)?;
    }
    unavailable(call, &call.params.set("ImageId"))?;
    describe::<Ami>(call, |ami| owners.hold(&ami.owner, plan))
}

/// Refuses the ids of the account's own images that were deregistered.
pub(super) fn unavailable(call: &Call, ids: &[&str]) -> Result<(), Refusal> {
    let reading = call.account.reading();
    for id in ids {
        let Ok(Some(number)) = call.account.plan().idents.number(Kind::Image, id) else { continue };
        let at = call.view.of(Kind::Image, number).at;
        let ami: Option<Ami> = reading.scene().kept(number, at);
        if ami.is_some_and(|ami| ami.deregistered && !ami.is_public()) {
            let message = format!("The image ID '{id}' is no longer available");
            return Err(Refusal::new(400, "InvalidAMIID.Unavailable", message));
        }
    }
    Ok(())
}

impl Described for Ami {
    const ACTION: &'static str = "DescribeImages";
    const KIND: Kind = Kind::Image;
    const IDS: &'static str = "ImageId";
    const SET: &'static str = "imagesSet";
    const BYTES: usize = 1_700;
    const PAGE: (i64, i64) = (1, 1_000);
    const CHOSEN: &'static [&'static str] =
        &["ExecutableBy.1", "ExecutableBy.2", "IncludeDeprecated", "IncludeDisabled", "Owner.1", "Owner.2", "Owner.3"];

    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64> {
        scene.amis(from)
    }

    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self> {
        scene.ami(number, at)
    }

    fn tags_mut(&mut self) -> &mut Tags {
        &mut self.tags
    }

    fn write(&self, xml: &mut Xml, call: &Call, at: Moment) {
        let plan = call.account.plan();
        id(xml, call, "imageId", Kind::Image, self.number);
        xml.text("imageLocation", &self.location(plan));
        xml.text("imageState", self.state(at));
        xml.text("imageOwnerId", self.owner.account(plan));
        if let Some(alias) = self.owner.alias() {
            xml.text("imageOwnerAlias", alias);
        }
        xml.text("creationDate", &self.created.iso());
        xml.flag("isPublic", self.is_public());
        xml.text("architecture", self.architecture());
        xml.text("imageType", "machine");
        if let Some(platform) = self.family.platform {
            xml.text("platform", platform);
        }
        xml.text("platformDetails", self.family.details);
        xml.text("usageOperation", self.family.operation);
        xml.text("name", &self.name);
        if !self.description.is_empty() {
            xml.text("description", &self.description);
        }
        xml.text("rootDeviceType", "ebs");
        xml.text("rootDeviceName", self.family.root);
        xml.within("blockDeviceMapping", |xml| {
            xml.within("item", |xml| {
                xml.text("deviceName", self.family.root);
                xml.within("ebs", |xml| {
                    xml.flag("deleteOnTermination", true);
                    id(xml, call, "snapshotId", Kind::Snapshot, self.snapshot);
                    xml.number("volumeSize", self.gib);
                    xml.text("volumeType", "gp3");
                    xml.number("iops", 3_000);
                    xml.number("throughput", 125);
                    xml.flag("encrypted", self.encrypted);
                });
            });
        });
        xml.text("virtualizationType", "hvm");
        xml.text("hypervisor", "xen");
        xml.flag("enaSupport", true);
        xml.text("sriovNetSupport", "simple");
        if let Some(boot) = self.family.boot {
            xml.text("bootMode", boot);
        }
        if self.family.tpm {
            xml.text("tpmSupport", "v2.0");
        }
        if self.family.boot.is_some() && self.is_public() {
            xml.text("imdsSupport", "v2.0");
        }
        if let Some(deprecated) = self.deprecated {
            xml.text("deprecationTime", &deprecated.iso());
        }
        if let Some(source) = self.source {
            id(xml, call, "sourceInstanceId", Kind::Instance, source);
            id(xml, call, "sourceImageId", Kind::Image, self.family.number);
            xml.text("sourceImageRegion", &plan.region);
        }
        xml.text("deregistrationProtection", "disabled");
        xml.flag("freeTierEligible", self.free());
        self.tags.write(xml);
    }
}

impl Ami {
    const fn architecture(&self) -> &'static str {
        if self.arm { "arm64" } else { "x86_64" }
    }

    /// Whether the image is eligible for the Free Tier.
    fn free(&self) -> bool {
        self.owner.alias().is_some() && !self.family.tpm
    }
}

impl Filtered for Ami {
    const FILTERS: &'static [Filter<Self>] = &[
        ("architecture", |ami, values| values.text(ami.architecture())),
        ("block-device-mapping.delete-on-termination", |_, values| values.flag(true)),
        ("block-device-mapping.device-name", |ami, values| values.text(ami.family.root)),
        ("block-device-mapping.encrypted", |ami, values| values.flag(ami.encrypted)),
        ("block-device-mapping.snapshot-id", |ami, values| values.ids(Kind::Snapshot, [ami.snapshot])),
        ("block-device-mapping.volume-size", |ami, values| values.show([ami.gib])),
        ("block-device-mapping.volume-type", |_, values| values.text("gp3")),
        ("boot-mode", |ami, values| values.texts(ami.family.boot)),
        ("creation-date", |ami, values| values.text(&ami.created.iso())),
        ("description", |ami, values| values.texts(Some(ami.description.as_str()).filter(|text| !text.is_empty()))),
        ("ena-support", |_, values| values.flag(true)),
        ("free-tier-eligible", |ami, values| values.flag(ami.free())),
        ("hypervisor", |_, values| values.text("xen")),
        ("image-allowed", |_, _| {}),
        ("image-id", |ami, values| values.ids(Kind::Image, [ami.number])),
        ("image-type", |_, values| values.text("machine")),
        ("is-public", |ami, values| values.flag(ami.is_public())),
        ("kernel-id", |_, _| {}),
        ("manifest-location", |ami, values| values.text(&ami.location(values.plan))),
        ("name", |ami, values| values.text(&ami.name)),
        ("owner-alias", |ami, values| values.texts(ami.owner.alias())),
        ("owner-id", |ami, values| values.text(ami.owner.account(values.plan))),
        ("platform", |ami, values| values.texts(ami.family.platform)),
        ("product-code", |_, _| {}),
        ("product-code.type", |_, _| {}),
        ("ramdisk-id", |_, _| {}),
        ("root-device-name", |ami, values| values.text(ami.family.root)),
        ("root-device-type", |_, values| values.text("ebs")),
        ("source-image-id", |ami, values| values.ids(Kind::Image, ami.source.map(|_| ami.family.number))),
        ("source-image-region", |ami, values| {
            let region = &values.plan.region;
            values.texts(ami.source.map(|_| region.as_str()));
        }),
        ("source-instance-id", |ami, values| values.ids(Kind::Instance, ami.source)),
        ("sriov-net-support", |_, values| values.text("simple")),
        ("state", |ami, values| values.text(ami.state(values.at))),
        ("state-reason-code", |_, _| {}),
        ("state-reason-message", |_, _| {}),
        ("virtualization-type", |_, values| values.text("hvm")),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|item| &item.tags);
}
