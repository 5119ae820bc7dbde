//! `AllocateAddress`, `AssociateAddress`, `DisassociateAddress` and `ReleaseAddress`.

use crate::simulator::address::Elastic;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::describe_addresses::{no_address, parse_ip};
use crate::simulator::ec2::listing::id;
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::instance::State;
use crate::simulator::refusal::Refusal;

/// Answers an `AllocateAddress` call.
pub(super) fn allocate(call: &Call) -> Answer {
    let domain = call.params.get("Domain").unwrap_or("vpc");
    if domain != "vpc" {
        return Err(Refusal::invalid_value(format!("Invalid value '{domain}' for domain.")));
    }
    let tags = tagging::one(call.params, "elastic-ip")?;
    call.dry_run()?;
    let elastic = call.account.edit().allocate(tags);
    Ok(call.envelope("AllocateAddress", 512, |xml| {
        xml.number("publicIp", elastic.ip);
        xml.text("domain", "vpc");
        id(xml, call, "allocationId", Kind::Allocation, elastic.number);
        xml.text("publicIpv4Pool", "amazon");
        xml.text("networkBorderGroup", &call.account.plan().region);
    }))
}

/// Answers an `AssociateAddress` call. An associated address moves, unless the call forbids it.
pub(super) fn associate(call: &Call) -> Answer {
    let stays = call.params.get("AllowReassociation").is_some() && !call.params.flag("AllowReassociation")?;
    let number = named(call)?;
    let interface = target(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    let idents = call.account.plan().idents;
    let allocation = idents.text(Kind::Allocation, number);
    let elastic = edit.scene().elastic(number, edit.now()).ok_or_else(|| unknown(&allocation))?;
    if let Some(known) = elastic.association.filter(|it| stays && it.interface != interface) {
        let association = idents.text(Kind::Association, known.number);
        let message = format!("resource {allocation} is already associated with associate-id {association}");
        return Err(Refusal::new(400, "Resource.AlreadyAssociated", message));
    }
    let association = edit.associate(elastic, interface);
    drop(edit);
    Ok(call.envelope("AssociateAddress", 256, |xml| {
        xml.flag("return", true);
        id(xml, call, "associationId", Kind::Association, association);
    }))
}

/// Answers a `DisassociateAddress` call.
pub(super) fn disassociate(call: &Call) -> Answer {
    let elastic = bound(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    // The address of a NAT gateway cannot be disassociated.
    let of_nat = elastic.association.and_then(|association| edit.scene().nat_of(association.interface));
    if of_nat.is_some() {
        return Err(Refusal::new(400, "AuthFailure", "You do not have permission to access the specified resource."));
    }
    if let Some(elastic) = edit.scene().elastic(elastic.number, edit.now()) {
        edit.disassociate(elastic);
    }
    drop(edit);
    Ok(call.envelope("DisassociateAddress", 64, |xml| xml.flag("return", true)))
}

/// Answers a `ReleaseAddress` call.
pub(super) fn release(call: &Call) -> Answer {
    let number = named(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    let allocation = call.account.plan().idents.text(Kind::Allocation, number);
    let elastic = edit.scene().elastic(number, edit.now()).ok_or_else(|| unknown(&allocation))?;
    // In the default VPC, releasing an address also disassociates it.
    let vpc = elastic.association.and_then(|it| edit.scene().interface(it.interface, edit.now())).map(|it| it.vpc);
    if vpc.is_some_and(|vpc| vpc > 0) {
        return Err(Refusal::new(400, "InvalidIPAddress.InUse", format!("Address {} is in use.", elastic.ip)));
    }
    edit.release(elastic);
    drop(edit);
    Ok(call.envelope("ReleaseAddress", 64, |xml| xml.flag("return", true)))
}

fn unknown(allocation: &str) -> Refusal {
    Refusal::unknown_resource(Kind::Allocation, allocation)
}

/// The address that a call names by its allocation id or by its IP address.
fn named(call: &Call) -> Result<u64, Refusal> {
    let reading = call.account.reading();
    let now = reading.now();
    let scene = reading.scene();
    match (call.params.get("AllocationId"), call.params.get("PublicIp")) {
        (Some(_), Some(_)) => Err(Refusal::invalid_combination(
            "You may specify public IP or allocation id, but not both in the same call",
        )),
        (Some(allocation), None) => {
            listing::number(call, Kind::Allocation, allocation, |number| scene.elastic(number, now).is_some())
        }
        (None, Some(ip)) => scene.elastic_at(parse_ip(ip)?, now).ok_or_else(|| no_address(ip)),
        (None, None) => Err(Refusal::missing("AllocationId")),
    }
}

/// The associated address that a call names by its association id or by its IP address.
fn bound(call: &Call) -> Result<Elastic, Refusal> {
    let reading = call.account.reading();
    let now = reading.now();
    let scene = reading.scene();
    let idents = call.account.plan().idents;
    if let Some(ip) = call.params.get("PublicIp") {
        let number = scene.elastic_at(parse_ip(ip)?, now).ok_or_else(|| no_address(ip))?;
        let elastic = scene.elastic(number, now).filter(|elastic| elastic.association.is_some());
        return elastic.ok_or_else(|| {
            Refusal::new(400, "InvalidAssociationID.NotFound", format!("Address '{ip}' is not associated."))
        });
    }
    let association = call.params.get("AssociationId").ok_or_else(|| Refusal::missing("AssociationId"))?;
    let unknown = || Refusal::not_found("InvalidAssociationID.NotFound", "association ID", &[association]);
    let number = idents.number(Kind::Association, association).ok().flatten().ok_or_else(unknown)?;
    let holds = |elastic: &Elastic| elastic.association.is_some_and(|it| it.number == number);
    // An association of the formula has the same number as its address, so that address is tried first.
    let likely = std::iter::once(number).chain(scene.elastics());
    likely.filter_map(|elastic| scene.elastic(elastic, now)).find(holds).ok_or_else(unknown)
}

/// The interface that an address is to be associated with.
fn target(call: &Call) -> Result<u64, Refusal> {
    let (instance, interface) = (call.params.get("InstanceId"), call.params.get("NetworkInterfaceId"));
    let number = match (instance, interface) {
        (Some(_), Some(_)) => {
            return Err(Refusal::invalid_combination(
                "You may specify instance id or network interface id, but not both in the same call",
            ));
        }
        (None, None) => return Err(Refusal::missing("InstanceId or NetworkInterfaceId")),
        (Some(id), None) => call.targets(&[id])?.first().copied(),
        (None, Some(id)) => {
            let reading = call.account.reading();
            let now = reading.now();
            let exists = |number| reading.scene().interface(number, now).is_some();
            return listing::number(call, Kind::Interface, id, exists);
        }
    };
    let id = instance.unwrap_or_default();
    let number = number.ok_or_else(|| Refusal::instance_not_found(&[id]))?;
    let reading = call.account.reading();
    let state = reading.scene().host(number, reading.now()).map(|host| host.state(reading.now()));
    match state {
        Some(State::Running | State::Stopping | State::Stopped) => Ok(number),
        state => {
            let state = state.map_or("terminated", State::name);
            let message = format!("The {state} instance '{id}' is not in a valid state for this operation.");
            Err(Refusal::new(400, "InvalidInstanceID", message))
        }
    }
}
