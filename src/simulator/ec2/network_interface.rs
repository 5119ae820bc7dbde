//! `CreateNetworkInterface` and `DeleteNetworkInterface`. A call cannot choose the address of a new interface here.

use crate::simulator::catalog::GROUP_DEFAULT;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::client_token::ClientToken;
use crate::simulator::ec2::describe_network_interfaces::write;
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::network::{GROUPS, SecurityGroup};
use crate::simulator::plan::ZONES;
use crate::simulator::refusal::Refusal;

pub(super) const PARAMETERS: &[&str] =
    &["ClientToken", "Description", "SecurityGroupId", "SubnetId", "TagSpecification"];

/// Answers a `CreateNetworkInterface` call for one of the account's own subnets.
pub(super) fn create(call: &Call) -> Answer {
    let (params, plan) = (call.params, call.account.plan());
    let id = params.get("SubnetId").ok_or_else(|| Refusal::missing("subnetId"))?;
    let subnet = listing::number(call, Kind::Subnet, id, |number| number < plan.vpcs * ZONES)?;
    let vpc = subnet / ZONES;
    let mut groups = Vec::new();
    for id in params.set("SecurityGroupId") {
        groups.push(listing::number(call, Kind::SecurityGroup, id, |number| number / GROUPS == vpc)?);
    }
    if groups.is_empty() {
        groups.push(SecurityGroup::number(vpc, GROUP_DEFAULT));
    }
    let tags = tagging::one(params, "network-interface")?;
    let token = ClientToken::of(params, "CreateNetworkInterface");
    call.dry_run()?;

    let mut edit = call.account.edit();
    let made = token.again(edit.scene().tables())?.and_then(|number| edit.scene().interface(number, edit.now()));
    let interface = if let Some(made) = made {
        made
    } else {
        let description = params.get("Description").unwrap_or_default();
        let made = edit.create_interface(subnet, groups, description, tags).ok_or_else(|| {
            let message = "There aren't sufficient free Ipv4 addresses or prefixes";
            Refusal::new(400, "InsufficientFreeAddressesInSubnet", message)
        })?;
        token.keep(edit.tables(), made.number);
        made
    };
    drop(edit);
    Ok(call.envelope("CreateNetworkInterface", 2_048, |xml| {
        xml.within("networkInterface", |xml| write(xml, call, &interface, "pending"));
        if let Some(token) = params.get("ClientToken") {
            xml.text("clientToken", token);
        }
    }))
}

/// Answers a `DeleteNetworkInterface` call.
pub(super) fn delete(call: &Call) -> Answer {
    let parameter = "NetworkInterfaceId";
    let id = call.params.get(parameter).ok_or_else(|| Refusal::missing(parameter))?;
    let reading = call.account.reading();
    let now = reading.now();
    let number = listing::number(call, Kind::Interface, id, |number| reading.scene().interface(number, now).is_some())?;
    drop(reading);
    call.dry_run()?;

    let mut edit = call.account.edit();
    let interface = edit.scene().interface(number, edit.now());
    let interface = interface.ok_or_else(|| Refusal::unknown_resource(Kind::Interface, id))?;
    if interface.status() == "in-use" {
        return Err(Refusal::new(400, "InvalidNetworkInterface.InUse", format!("Interface: [{id}] in use.")));
    }
    edit.delete_interface(interface);
    drop(edit);
    Ok(call.envelope("DeleteNetworkInterface", 64, |xml| xml.flag("return", true)))
}
