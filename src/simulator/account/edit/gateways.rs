//! Changes to route tables, gateways, network ACLs and machine images, made by calls, tests and churn.

use crate::simulator::account::edit::Edit;
use crate::simulator::account::share::SubnetPlace;
use crate::simulator::address::Elastic;
use crate::simulator::ami::Ami;
use crate::simulator::instance::Instance;
use crate::simulator::nat_gateway::{NATS, NatAddress, NatGateway};
use crate::simulator::plan::{ZONES, address, base};
use crate::simulator::snapshot::Owner;
use crate::simulator::tables::Versioned;
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Creates a resource with its tags. `form` makes it from its number.
    pub(crate) fn make<T: Versioned>(&mut self, tags: Tags, form: impl FnOnce(u64) -> T) -> T {
        let now = self.now();
        let number = T::changes(self.tables()).next();
        let mut made = form(number);
        T::changes_mut(self.tables()).make(now, made.clone());
        self.tag_new(T::KIND, number, tags.clone());
        *made.tags_mut() = tags;
        made
    }

    /// Replaces a resource by `next` from now on.
    pub(crate) fn put<T: Versioned>(&mut self, mut next: T) {
        let (number, now) = (next.number(), self.now());
        let mut formula = T::formula(self.scene().plan, number).unwrap_or_else(|| next.clone());
        // Later tags are kept elsewhere; here only the first tags stand.
        next.tags_mut().clone_from(formula.tags_mut());
        T::changes_mut(self.tables()).change(number, now, || formula, next);
    }

    /// Creates a NAT gateway in one of the account's own subnets: pending now, available after the NAT delay. A public
    /// gateway uses the address `elastic`. `None` when the subnet has no room.
    pub(crate) fn create_nat_gateway(
        &mut self,
        subnet: u64,
        elastic: Option<Elastic>,
        tags: Tags,
    ) -> Option<NatGateway> {
        let (now, ready) = (self.now(), self.now().plus(self.pace().nat));
        let interface = NATS + self.tables().nat_gateways.next();
        let host = self.take_hosts(&SubnetPlace::own(subnet), &[interface]).first().copied()?;
        let private_ip = address(base(subnet / ZONES), subnet % ZONES, host);
        let taken = elastic.as_ref().map(|elastic| (elastic.number, elastic.ip));
        // The address is associated with the interface before the gateway exists; both happen at the same moment.
        let association = elastic.map(|elastic| self.associate(elastic, interface));
        let address = taken.zip(association);
        let address = address.map(|((allocation, ip), association)| NatAddress { allocation, association, ip });
        Some(self.make(tags, |number| NatGateway {
            number,
            subnet,
            private_ip,
            address,
            created: now,
            ready,
            ended: None,
            tags: Tags::default(),
        }))
    }

    /// Deletes a NAT gateway: deleting now, deleted after the NAT delay, and no longer listed after the retention.
    pub(crate) fn delete_nat_gateway(&mut self, mut gateway: NatGateway) -> NatGateway {
        gateway.ended = Some((self.now(), self.now().plus(self.pace().nat)));
        self.put(gateway.clone());
        gateway
    }

    /// Creates an image of an instance, with a snapshot of its root volume: pending now, available after the snapshot
    /// delay.
    pub(crate) fn create_image(
        &mut self,
        instance: &Instance,
        name: &str,
        description: &str,
        tags: Tags,
    ) -> Option<Ami> {
        let (now, ready) = (self.now(), self.now().plus(self.pace().snapshot));
        let disk = self.scene().disks_of(instance, now).next()?;
        let snapshot = self.take(&disk, &format!("Created by CreateImage for {name}"), Tags::default(), |_| false);
        Some(self.make(tags, |number| Ami {
            number,
            owner: Owner::Own,
            name: name.to_owned(),
            description: description.to_owned(),
            family: instance.image,
            arm: instance.machine.arm,
            snapshot: snapshot.number,
            gib: snapshot.gib,
            encrypted: snapshot.encrypted,
            source: Some(instance.number),
            created: now,
            ready,
            deprecated: None,
            deregistered: false,
            tags: Tags::default(),
        }))
    }
}
