//! `CreateInternetGateway`, `DeleteInternetGateway`, `AttachInternetGateway` and `DetachInternetGateway`.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::listing::{Described, named};
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;

/// Answers a `CreateInternetGateway` call.
pub(super) fn create(call: &Call) -> Answer {
    let tags = tagging::one(call.params, "internet-gateway")?;
    call.dry_run()?;
    let form = |number| InternetGateway { number, vpc: None, deleted: false, tags: Tags::default() };
    let gateway = call.account.edit().make(tags, form);
    Ok(call.envelope("CreateInternetGateway", 512, |xml| {
        xml.within("internetGateway", |xml| gateway.write(xml, call, call.now));
    }))
}

/// Answers a `DeleteInternetGateway` call.
pub(super) fn delete(call: &Call) -> Answer {
    let gateway: InternetGateway = named(call)?;
    call.dry_run()?;
    if gateway.vpc.is_some() {
        return Err(dependencies(call, &gateway));
    }
    call.account.edit().put(InternetGateway { deleted: true, ..gateway });
    Ok(call.done("DeleteInternetGateway"))
}

fn dependencies(call: &Call, gateway: &InternetGateway) -> Refusal {
    let id = call.account.plan().idents.text(Kind::InternetGateway, gateway.number);
    let message = format!("The internetGateway '{id}' has dependencies and cannot be deleted.");
    Refusal::new(400, "DependencyViolation", message)
}

/// Answers an `AttachInternetGateway` call. A VPC has at most one gateway, and a gateway at most one VPC.
pub(super) fn attach(call: &Call) -> Answer {
    let gateway: InternetGateway = named(call)?;
    let vpc = listing::own_vpc(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    let (scene, now) = (edit.scene(), edit.now());
    let mut others = scene.internet_gateways(0).filter_map(|number| scene.internet_gateway(number, now));
    if gateway.vpc.is_some() || others.any(|other| other.vpc == Some(vpc)) {
        let id = scene.plan.idents.text(Kind::InternetGateway, gateway.number);
        let message =
            format!("resource {id} is already attached to network {}", scene.plan.idents.text(Kind::Vpc, vpc));
        return Err(Refusal::new(400, "Resource.AlreadyAssociated", message));
    }
    drop(others);
    edit.put(InternetGateway { vpc: Some(vpc), ..gateway });
    drop(edit);
    Ok(call.done("AttachInternetGateway"))
}

/// Answers a `DetachInternetGateway` call.
pub(super) fn detach(call: &Call) -> Answer {
    let gateway: InternetGateway = named(call)?;
    let vpc = listing::own_vpc(call)?;
    call.dry_run()?;
    if gateway.vpc != Some(vpc) {
        let idents = call.account.plan().idents;
        let (id, vpc) = (idents.text(Kind::InternetGateway, gateway.number), idents.text(Kind::Vpc, vpc));
        let message = format!("resource {id} is not attached to network {vpc}");
        return Err(Refusal::new(400, "Gateway.NotAttached", message));
    }
    call.account.edit().put(InternetGateway { vpc: None, ..gateway });
    Ok(call.done("DetachInternetGateway"))
}
