//! Changes to network interfaces, made by calls.

use crate::simulator::account::{Edit, SubnetPlace};
use crate::simulator::ident::Kind;
use crate::simulator::interface::Interface;
use crate::simulator::plan::ipv6;
use crate::simulator::plan::{ZONES, address, base};
use crate::simulator::tags::Tags;

impl Edit<'_> {
    /// Creates an unattached interface in one of the account's own subnets; `None` when the subnet has no room.
    pub(crate) fn create_interface(
        &mut self,
        subnet: u64,
        groups: Vec<u64>,
        description: &str,
        tags: Tags,
    ) -> Option<Interface> {
        let now = self.now();
        let (vpc, zone) = (subnet / ZONES, subnet % ZONES);
        let number = self.tables().interfaces.next();
        let host = self.take_hosts(&SubnetPlace::own(subnet), &[number]).first().copied()?;
        let mut interface = Interface {
            number,
            vpc,
            subnet,
            zone,
            private_ip: address(base(vpc), zone, host),
            ipv6: ipv6(vpc, zone, host),
            groups,
            description: description.to_owned(),
            host: None,
            nat: None,
            public: None,
            managed: false,
            deleted: false,
            tags: Tags::default(),
        };
        self.tables().interfaces.make(now, interface.clone());
        self.tag_new(Kind::Interface, number, tags.clone());
        interface.tags = tags;
        Some(interface)
    }

    /// Deletes an interface that a call created, and disassociates its address.
    pub(crate) fn delete_interface(&mut self, mut interface: Interface) {
        let now = self.now();
        interface.deleted = true;
        interface.public = None;
        interface.tags = Tags::default();
        self.tables().interfaces.change(interface.number, now, || interface.clone(), interface.clone());
    }
}
