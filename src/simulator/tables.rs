//! The changes to volumes, snapshots, network interfaces, addresses and the other resources around instances.
//!
//! In the formula, many of them belong to an instance: its volumes, its interface, a backup, an Elastic IP address.
//! They follow the instance without being updated, because the effect of its end on them is computed when they are
//! read. What calls create has numbers from [`CREATED`] on, so that listings have room before it for more instances.

use std::collections::{BTreeSet, HashMap};

use crate::simulator::address::Elastic;
use crate::simulator::ami::Ami;
use crate::simulator::changes::{CREATED, Changes, Timed};
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::ident::Kind;
use crate::simulator::interface::Interface;
use crate::simulator::internet_gateway::InternetGateway;
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network_acl::NetworkAcl;
use crate::simulator::plan::Plan;
use crate::simulator::route_table::RouteTable;
use crate::simulator::snapshot::Snapshot;
use crate::simulator::tags::Tags;

/// The changes to each kind of resource.
#[derive(Debug, Default)]
#[expect(clippy::struct_field_names, reason = "route tables are what AWS calls them")]
pub(crate) struct Tables {
    pub(crate) disks: Changes<EbsVolume>,
    pub(crate) snapshots: Changes<Snapshot>,
    pub(crate) interfaces: Changes<Interface>,
    pub(crate) elastics: Changes<Elastic>,
    pub(crate) route_tables: Changes<RouteTable>,
    pub(crate) internet_gateways: Changes<InternetGateway>,
    pub(crate) nat_gateways: Changes<NatGateway>,
    pub(crate) network_acls: Changes<NetworkAcl>,
    pub(crate) amis: Changes<Ami>,
    /// The changed volumes that each instance has or had, including its own from the formula.
    pub(crate) guests: HashMap<u64, BTreeSet<u64>>,
    /// The changed addresses that each interface has or had, including its own from the formula.
    pub(crate) bound: HashMap<u64, BTreeSet<u64>>,
    /// How many associations of addresses were made.
    associations: u64,
    /// Client tokens by action, each with a hash of what the call asked for and the number of what it made.
    tokens: HashMap<(&'static str, String), (u64, u64)>,
}

/// The client token was used for another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TokenTaken;

impl Tables {
    /// The number of a new association.
    pub(crate) fn associate(&mut self) -> u64 {
        self.associations += 1;
        CREATED + self.associations
    }

    /// What an earlier call of the action with the same token made. A token belongs to one request; another request
    /// with it is refused as [`TokenTaken`].
    pub(crate) fn again(&self, action: &'static str, token: &str, asked: u64) -> Result<Option<u64>, TokenTaken> {
        match self.tokens.get(&(action, token.to_owned())) {
            Some((known, number)) if *known == asked => Ok(Some(*number)),
            Some(_) => Err(TokenTaken),
            None => Ok(None),
        }
    }

    /// Remembers what an action made.
    pub(crate) fn keep(&mut self, action: &'static str, token: &str, asked: u64, number: u64) {
        self.tokens.insert((action, token.to_owned()), (asked, number));
    }

    /// Rewinds all tables after the clock was set back from `from` to `to`.
    pub(crate) fn rewind(&mut self, to: Moment, from: Moment) {
        self.disks.rewind(to, from);
        self.snapshots.rewind(to, from);
        self.interfaces.rewind(to, from);
        self.elastics.rewind(to, from);
        self.route_tables.rewind(to, from);
        self.internet_gateways.rewind(to, from);
        self.nat_gateways.rewind(to, from);
        self.network_acls.rewind(to, from);
        self.amis.rewind(to, from);
    }
}

/// A kind whose resources are either a formula of their number or what calls made of them.
pub(crate) trait Versioned: Clone {
    const KIND: Kind;
    fn number(&self) -> u64;
    fn formula(plan: &Plan, number: u64) -> Option<Self>;
    fn changes(tables: &Tables) -> &Changes<Self>;
    fn changes_mut(tables: &mut Tables) -> &mut Changes<Self>;
    fn tags_mut(&mut self) -> &mut Tags;
}

/// Implements [`Versioned`] for the type of a table.
macro_rules! kept {
    ($type:ty, $kind:ident, $table:ident) => {
        impl Versioned for $type {
            const KIND: Kind = Kind::$kind;

            fn number(&self) -> u64 {
                self.number
            }

            fn formula(plan: &Plan, number: u64) -> Option<Self> {
                Self::of(plan, number)
            }

            fn changes(tables: &Tables) -> &Changes<Self> {
                &tables.$table
            }

            fn changes_mut(tables: &mut Tables) -> &mut Changes<Self> {
                &mut tables.$table
            }

            fn tags_mut(&mut self) -> &mut Tags {
                &mut self.tags
            }
        }
    };
}

kept!(RouteTable, RouteTable, route_tables);
kept!(InternetGateway, InternetGateway, internet_gateways);
kept!(NatGateway, NatGateway, nat_gateways);
kept!(NetworkAcl, NetworkAcl, network_acls);
kept!(Ami, Image, amis);

impl Timed for RouteTable {}
impl Timed for InternetGateway {}
impl Timed for NetworkAcl {}

impl Timed for NatGateway {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        self.created = shift(self.created);
        self.ready = shift(self.ready);
        self.ended = self.ended.map(|(asked, ended)| (shift(asked), shift(ended)));
    }
}

impl Timed for Ami {
    fn shift(&mut self, shift: impl Fn(Moment) -> Moment) {
        self.created = shift(self.created);
        self.ready = shift(self.ready);
    }
}
