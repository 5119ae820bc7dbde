//! An instance in XML, with every field that the real API shows.

use std::fmt::Write as _;

use crate::simulator::clock::Moment;
use crate::simulator::dice::mix;
use crate::simulator::ec2::instance_filters::{
    REASON_CODE, architecture, groups, http_tokens, private_dns, profile_arn, public_dns, reason,
};
use crate::simulator::ec2::lifecycle::{OPERATOR, state};
use crate::simulator::ident::{Kind, hex};
use crate::simulator::instance::{Instance, State};
use crate::simulator::interface::mac;
use crate::simulator::plan::Plan;
use crate::simulator::storage::Mount;
use crate::simulator::xml::Xml;

/// Writes an instance as it was at `at`.
pub(super) fn item(xml: &mut Xml, instance: &Instance, plan: &Plan, at: Moment) {
    xml.open("item");
    InstanceItem { instance, plan, now: at, state: instance.state(at) }.write(xml);
    xml.close("item");
}

struct InstanceItem<'a> {
    instance: &'a Instance,
    plan: &'a Plan,
    now: Moment,
    state: State,
}

impl InstanceItem<'_> {
    fn write(&self, xml: &mut Xml) {
        let (instance, plan) = (self.instance, self.plan);
        // A terminated instance keeps its identity and has no network, volumes or profile.
        let attached = self.state != State::Terminated;
        let launched = instance.launched().iso();
        let created = if instance.created == instance.launched() { launched.clone() } else { instance.created.iso() };
        self.id(xml, "instanceId", Kind::Instance, instance.number);
        self.id(xml, "imageId", Kind::Image, instance.ami);
        state(xml, "instanceState", self.state);
        if attached {
            xml.text("privateDnsName", &private_dns(instance, plan));
        } else {
            xml.empty("privateDnsName");
        }
        let public_dns = public_dns(instance, plan, self.now);
        xml.text("dnsName", public_dns.as_deref().unwrap_or_default());
        match instance.asked() {
            Some(asked) => xml.text("reason", &reason(asked)),
            None => xml.empty("reason"),
        }
        if let Some(key) = instance.key_name {
            xml.text("keyName", key);
        }
        xml.number("amiLaunchIndex", instance.number - instance.lead);
        xml.empty("productCodes");
        xml.text("instanceType", instance.machine.name);
        xml.text("launchTime", &launched);
        self.placement(xml);
        if let Some(platform) = instance.image.platform {
            xml.text("platform", platform);
        }
        xml.within("monitoring", |xml| {
            xml.text("state", if instance.monitored { "enabled" } else { "disabled" });
        });
        if attached {
            self.id(xml, "subnetId", Kind::Subnet, Plan::subnet(instance));
            self.id(xml, "vpcId", Kind::Vpc, instance.vpc);
            xml.number("privateIpAddress", instance.private_ip);
        }
        if let Some(address) = instance.address(self.now) {
            xml.number("ipAddress", address);
        }
        if attached {
            if let Some(address) = instance.ipv6 {
                xml.number("ipv6Address", address);
            }
            xml.flag("sourceDestCheck", true);
            self.groups(xml);
        } else {
            xml.empty("groupSet");
        }
        if instance.asked().is_some() {
            xml.within("stateReason", |xml| {
                xml.text("code", REASON_CODE);
                xml.text("message", "Client.UserInitiatedShutdown: User initiated shutdown");
            });
        }
        xml.text("architecture", architecture(instance));
        xml.text("rootDeviceType", "ebs");
        xml.text("rootDeviceName", instance.image.root);
        xml.within("blockDeviceMapping", |xml| {
            if attached {
                Mount::all(instance, self.now).for_each(|mount| self.volume(xml, &mount));
            }
        });
        xml.text("virtualizationType", "hvm");
        if instance.spot {
            xml.text("instanceLifecycle", "spot");
            xml.plain("spotInstanceRequestId", |out| {
                write!(out, "sir-{:08x}", mix(plan.seed ^ instance.number) >> 32).ok();
            });
        }
        match &instance.token {
            Some(token) => xml.text("clientToken", token),
            None => xml.plain("clientToken", |out| hex(mix(!plan.seed ^ instance.lead), out)),
        }
        instance.tags.write(xml);
        xml.text("hypervisor", "xen");
        xml.within("networkInterfaceSet", |xml| {
            if attached {
                xml.within("item", |xml| self.interface(xml, &created, public_dns.as_deref()));
            }
        });
        if let Some(profile) = instance.profile.filter(|_| attached) {
            xml.within("iamInstanceProfile", |xml| {
                xml.text("arn", &profile_arn(plan, profile));
                xml.plain("id", |out| {
                    // `AIPA` and 17 characters; the same for every use of a profile.
                    let number = profile.bytes().fold(plan.seed, |n, b| mix(n ^ u64::from(b)));
                    write!(out, "AIPA{number:017X}").ok();
                });
            });
        }
        self.options(xml, &created);
    }

    /// Options of `RunInstances` that are rarely changed.
    fn options(&self, xml: &mut Xml, created: &str) {
        let instance = self.instance;
        let (machine, image) = (instance.machine, instance.image);
        xml.flag("ebsOptimized", machine.ebs_optimized);
        xml.flag("enaSupport", true);
        xml.within("cpuOptions", |xml| {
            xml.number("coreCount", machine.cores);
            xml.number("threadsPerCore", machine.threads);
        });
        xml.raw(
            "<capacityReservationSpecification><capacityReservationPreference>open</capacityReservationPreference>\
             </capacityReservationSpecification><hibernationOptions><configured>false</configured></hibernationOptions>\
             <enclaveOptions><enabled>false</enabled></enclaveOptions><metadataOptions><state>applied</state>",
        );
        xml.text("httpTokens", http_tokens(instance));
        xml.raw(
            "<httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint>\
             <httpProtocolIpv6>disabled</httpProtocolIpv6><instanceMetadataTags>disabled</instanceMetadataTags>\
             </metadataOptions>",
        );
        if let Some(boot) = image.boot {
            xml.text("bootMode", boot);
        }
        xml.text("currentInstanceBootMode", image.current_boot(machine));
        if image.tpm {
            xml.text("tpmSupport", "v2.0");
        }
        xml.text("platformDetails", image.details);
        xml.text("usageOperation", image.operation);
        xml.text("usageOperationUpdateTime", created);
        if self.state != State::Terminated {
            xml.raw(
                "<privateDnsNameOptions><hostnameType>ip-name</hostnameType>\
                 <enableResourceNameDnsARecord>true</enableResourceNameDnsARecord>\
                 <enableResourceNameDnsAAAARecord>false</enableResourceNameDnsAAAARecord></privateDnsNameOptions>",
            );
        }
        xml.raw(
            "<maintenanceOptions><autoRecovery>default</autoRecovery><rebootMigration>default</rebootMigration>\
             </maintenanceOptions><networkPerformanceOptions><bandwidthWeighting>default</bandwidthWeighting>\
             </networkPerformanceOptions>",
        );
        operator(xml, instance.managed);
    }

    fn placement(&self, xml: &mut Xml) {
        let zone = self.plan.zone(self.instance.zone);
        xml.within("placement", |xml| {
            xml.text("availabilityZone", &zone.name);
            xml.text("availabilityZoneId", &zone.id);
            match self.instance.role.placement {
                Some(group) => {
                    xml.text("groupName", group);
                    self.id(xml, "groupId", Kind::PlacementGroup, 0);
                    xml.number("partitionNumber", 1 + self.instance.lead % 3);
                }
                None => xml.empty("groupName"),
            }
            xml.text("tenancy", "default");
        });
    }

    fn groups(&self, xml: &mut Xml) {
        xml.within("groupSet", |xml| {
            for (number, name) in groups(self.instance) {
                xml.within("item", |xml| {
                    self.id(xml, "groupId", Kind::SecurityGroup, number);
                    xml.text("groupName", name);
                });
            }
        });
    }

    fn volume(&self, xml: &mut Xml, mount: &Mount) {
        xml.within("item", |xml| {
            xml.text("deviceName", mount.device);
            xml.within("ebs", |xml| {
                self.id(xml, "volumeId", Kind::Volume, mount.disk);
                xml.text("status", mount.status);
                xml.text("attachTime", &mount.since.iso());
                xml.flag("deleteOnTermination", mount.delete_on_termination);
                operator(xml, self.instance.managed);
            });
        });
    }

    fn interface(&self, xml: &mut Xml, created: &str, public_dns: Option<&str>) {
        let (instance, plan) = (self.instance, self.plan);
        let private_dns = private_dns(instance, plan);
        let association = |xml: &mut Xml| {
            if let (Some(address), Some(name)) = (instance.address(self.now), public_dns) {
                xml.within("association", |xml| {
                    xml.number("publicIp", address);
                    xml.text("publicDnsName", name);
                    xml.text("ipOwnerId", if instance.elastic.is_some() { &plan.account } else { "amazon" });
                });
            }
        };
        self.id(xml, "networkInterfaceId", Kind::Interface, instance.number);
        self.id(xml, "subnetId", Kind::Subnet, Plan::subnet(instance));
        self.id(xml, "vpcId", Kind::Vpc, instance.vpc);
        xml.empty("description");
        xml.text("ownerId", &plan.account);
        xml.text("status", "in-use");
        xml.text("macAddress", &mac(plan, instance.number));
        xml.number("privateIpAddress", instance.private_ip);
        xml.text("privateDnsName", &private_dns);
        xml.flag("sourceDestCheck", true);
        self.groups(xml);
        xml.within("attachment", |xml| {
            self.id(xml, "attachmentId", Kind::Attachment, instance.number);
            xml.number("deviceIndex", 0);
            xml.text("status", "attached");
            xml.text("attachTime", created);
            xml.flag("deleteOnTermination", true);
            xml.number("networkCardIndex", 0);
        });
        association(xml);
        xml.within("privateIpAddressesSet", |xml| {
            xml.within("item", |xml| {
                xml.number("privateIpAddress", instance.private_ip);
                xml.text("privateDnsName", &private_dns);
                xml.flag("primary", true);
                association(xml);
            });
        });
        xml.within("ipv6AddressesSet", |xml| {
            if let Some(address) = instance.ipv6 {
                xml.within("item", |xml| {
                    xml.number("ipv6Address", address);
                    xml.flag("isPrimaryIpv6", false);
                });
            }
        });
        xml.text("interfaceType", "interface");
        operator(xml, instance.managed);
    }

    fn id(&self, xml: &mut Xml, tag: &str, kind: Kind, number: u64) {
        let idents = self.plan.idents;
        xml.plain(tag, |out| idents.write(kind, number, out));
    }
}

/// `<operator>`: the principal that manages the resource for the account, if there is one.
pub(super) fn operator(xml: &mut Xml, managed: bool) {
    xml.within("operator", |xml| {
        xml.flag("managed", managed);
        if managed {
            xml.text("principal", OPERATOR);
            xml.flag("hiddenByDefault", false);
        }
    });
}
