//! `CreateNatGateway` and `DeleteNatGateway`.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::client_token::ClientToken;
use crate::simulator::ec2::listing::{Described, id, named};
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::plan::ZONES;
use crate::simulator::refusal::Refusal;

pub(super) const PARAMETERS: &[&str] =
    &["AllocationId", "ClientToken", "ConnectivityType", "SubnetId", "TagSpecification"];

/// Answers a `CreateNatGateway` call for one of the account's own subnets. A public gateway needs an address that is
/// not associated.
pub(super) fn create(call: &Call) -> Answer {
    let (params, own) = (call.params, call.account.plan().vpcs * ZONES);
    let subnet_id = params.get("SubnetId").ok_or_else(|| Refusal::missing("subnetId"))?;
    let subnet = listing::number(call, Kind::Subnet, subnet_id, |number| number < own)?;
    let public = match params.get("ConnectivityType").unwrap_or("public") {
        "public" => true,
        "private" => false,
        other => return Err(Refusal::invalid_value(format!("Invalid value '{other}' for connectivityType."))),
    };
    let allocation = match params.get("AllocationId") {
        Some(_) if !public => {
            let message = "The parameter AllocationId cannot be used with a private NAT gateway";
            return Err(Refusal::invalid_combination(message));
        }
        None if public => return Err(Refusal::missing("AllocationId")),
        given => given,
    };
    let reading = call.account.reading();
    let exists = |number| reading.scene().elastic(number, reading.now()).is_some();
    let elastic = allocation.map(|id| listing::number(call, Kind::Allocation, id, exists)).transpose()?;
    drop(reading);
    let tags = tagging::one(params, "natgateway")?;
    let token = ClientToken::of(params, "CreateNatGateway");
    call.dry_run()?;

    let mut edit = call.account.edit();
    let now = edit.now();
    let made = token.again(edit.scene().tables())?.and_then(|number| edit.scene().nat_gateway(number, now));
    let gateway = if let Some(made) = made {
        made
    } else {
        let elastic = elastic.and_then(|number| edit.scene().elastic(number, now));
        if elastic.as_ref().is_some_and(|elastic| elastic.association.is_some()) {
            let message = format!("Elastic IP address [{}] is already associated", allocation.unwrap_or_default());
            return Err(Refusal::new(400, "Resource.AlreadyAssociated", message));
        }
        let made = edit.create_nat_gateway(subnet, elastic, tags).ok_or_else(|| {
            let message = format!("Insufficient free addresses in subnet {subnet_id}");
            Refusal::new(400, "InsufficientFreeAddressesInSubnet", message)
        })?;
        token.keep(edit.tables(), made.number);
        made
    };
    drop(edit);
    // EC2 answers `pending` even when this takes no time.
    let before = Moment(gateway.ready.0 - 1);
    Ok(call.envelope("CreateNatGateway", 1_024, |xml| {
        if let Some(token) = params.get("ClientToken") {
            xml.text("clientToken", token);
        }
        xml.within("natGateway", |xml| gateway.write(xml, call, before));
    }))
}

/// Answers a `DeleteNatGateway` call. Deleting a deleted gateway again is no error while EC2 lists it.
pub(super) fn delete(call: &Call) -> Answer {
    let gateway: NatGateway = named(call)?;
    call.dry_run()?;
    let number = gateway.number;
    if gateway.works() {
        call.account.edit().delete_nat_gateway(gateway);
    }
    Ok(call.envelope("DeleteNatGateway", 128, |xml| id(xml, call, "natGatewayId", Kind::NatGateway, number)))
}
