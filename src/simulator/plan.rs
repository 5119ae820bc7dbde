//! The formula: every unchanged instance of an account and region is a pure function of the seed and the instance's
//! number.
//!
//! Nothing is stored, so a million instances need no memory, and the same seed gives the same account after a restart.
//! Only the ages of instances that begin terminated depend on the simulator's start, because EC2 stops listing them
//! after an hour. They stay listed for at least half of that hour, so that short tests can rely on them.
//!
//! Instances come in blocks of eight, each in one subnet. A block is divided into one to eight reservations; the
//! instances of a reservation share what one `RunInstances` call gives them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::simulator::catalog::{
    AMAZON_LINUX, ENVIRONMENTS, GROUP_DEFAULT, KEY_NAMES, ROLE_WEIGHTS, ROLES, Role, T3_MICRO, TEAMS, zone_id_prefix,
};
use crate::simulator::clock::Moment;
use crate::simulator::dice::Dice;
use crate::simulator::ident::{Idents, Kind, scope_seed};
use crate::simulator::instance::{Instance, Life, Phase};
use crate::simulator::tags::Tags;

/// How many instances a block holds.
const BLOCK: u64 = 8;
/// One in this many instances has an Elastic IP address, if its role is public: the one at position `ELASTIC_AT`.
pub(crate) const ELASTIC_STEP: u64 = 64;
pub(crate) const ELASTIC_AT: u64 = 7;
/// How many Availability Zones a region has.
pub(crate) const ZONES: u64 = 3;
/// Unchanged instances were launched in the two years before this moment, 2026-06-01.
const LAUNCHES_END: Moment = Moment(1_780_272_000_000);
const DAY_MS: i64 = 86_400_000;

/// An Availability Zone of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    pub(crate) name: String,
    pub(crate) id: String,
}

/// The constants of the formula for one account and region.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) seed: u64,
    pub(crate) idents: Idents,
    /// How many instances the formula has. Instances that are launched later have higher numbers.
    pub(crate) count: u64,
    /// How many VPCs there are, including the default one.
    pub(crate) vpcs: u64,
    pub(crate) zones: [Zone; 3],
    pub(crate) stopped_percent: u64,
    pub(crate) terminated_percent: u64,
    pub(crate) retention: Duration,
    pub(crate) born: Moment,
    /// The regions that the account opted in to, besides those that every account has.
    pub(crate) opted_in: Vec<String>,
    /// `ec2.internal`, or `REGION.compute.internal`.
    pub(crate) private_domain: String,
    /// `compute-1.amazonaws.com`, or `REGION.compute.amazonaws.com`.
    pub(crate) public_domain: String,
}

/// What the caller of [`Plan::new`] chooses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) count: u64,
    pub(crate) stopped_percent: u64,
    pub(crate) terminated_percent: u64,
    pub(crate) retention: Duration,
}

impl Plan {
    pub(crate) fn new(seed: u64, account: &str, region: &str, shape: Shape, born: Moment) -> Self {
        let seed = scope_seed(seed, account, region);
        let prefix = zone_id_prefix(region);
        let zone = |letter: char, n: u8| Zone { name: format!("{region}{letter}"), id: format!("{prefix}-az{n}") };
        let virginia = region == "us-east-1";
        Self {
            account: account.to_owned(),
            region: region.to_owned(),
            seed,
            idents: Idents::new(seed),
            count: shape.count,
            vpcs: 1 + shape.count.div_ceil(500).min(20),
            zones: [zone('a', 1), zone('b', 2), zone('c', 3)],
            stopped_percent: shape.stopped_percent,
            terminated_percent: shape.terminated_percent,
            retention: shape.retention,
            born,
            opted_in: Vec::new(),
            private_domain: if virginia { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") },
            public_domain: if virginia {
                "compute-1.amazonaws.com".to_owned()
            } else {
                format!("{region}.compute.amazonaws.com")
            },
        }
    }

    pub(crate) fn zone(&self, zone: u64) -> &Zone {
        let [a, b, c] = &self.zones;
        match zone {
            0 => a,
            1 => b,
            _ => c,
        }
    }

    /// The number that the id of an instance's subnet encodes. Subnets are numbered by VPC, then by zone.
    pub(crate) const fn subnet(instance: &Instance) -> u64 {
        instance.subnet
    }

    /// The `number`th instance without changes. A pure function.
    pub(crate) fn instance(&self, number: u64) -> Instance {
        let lead = self.lead(number);
        // Properties that all instances of the reservation share.
        let mut shared = Dice::new(self.seed, lead * 2);
        let role = role(&mut shared);
        let machine = shared.pick(role.machines).unwrap_or(&T3_MICRO);
        let image = shared.pick(role.images).unwrap_or(&AMAZON_LINUX);
        let environment = shared.pick(&ENVIRONMENTS).unwrap_or("prod");
        let team = shared.pick(&TEAMS).unwrap_or("platform");
        let key_name = if shared.percent(70) { shared.pick(&KEY_NAMES) } else { None };
        let spot = shared.percent(role.spot_percent);
        let managed = role.name == "worker" && shared.percent(3);
        let launched = Moment(LAUNCHES_END.0 - days(shared.below(730)) - seconds(shared.below(86_400)));
        let restarted = shared.percent(15);
        let created = if restarted { Moment(launched.0 - days(1 + shared.below(365))) } else { launched };
        // Properties of this instance alone.
        let mut own = Dice::new(self.seed, number * 2 + 1);
        let fate = own.below(100);
        let stopped_after = seconds(1 + own.below(80 * 86_400));
        let gone_for = own.below((self.retention.as_secs() / 2).max(1));
        let life = if fate < self.terminated_percent {
            let terminated = Moment(self.born.0 - seconds(gone_for));
            Life::Gone { asked: Moment(terminated.0 - seconds(30)), terminated }
        } else if fate < self.terminated_percent + self.stopped_percent && !managed {
            let asked = Moment(launched.0 + stopped_after);
            Life::Down { asked, stopped: Moment(asked.0 + seconds(40)) }
        } else {
            Life::Up { running: Moment(launched.0 + seconds(15)) }
        };
        let (zone, vpc) = (number / BLOCK % ZONES, number / BLOCK / ZONES % self.vpcs);
        let host = self.host(number);
        Instance {
            number,
            lead,
            role,
            machine,
            image,
            ami: image.number,
            network: vpc,
            vpc,
            subnet: vpc * ZONES + zone,
            zone,
            groups: if role.groups.is_empty() { &[GROUP_DEFAULT] } else { role.groups },
            profile: role.profile,
            private_ip: address(base(vpc), zone, host),
            ipv6: ipv6(vpc, zone, host),
            public: role.public,
            elastic: self.elastic_ip(number, role.public),
            disks: None,
            key_name,
            spot,
            managed,
            monitored: own.percent(30),
            token: None,
            created,
            phase: Phase { launched, life, public_ip: role.public.then(|| public(3, number)) },
            tags: self.tags(&Naming { number, lead, role: role.name, environment, team, managed }, &mut own),
            health: None,
        }
    }

    /// The Elastic IP address of an instance, if it has one. The address has the instance's number.
    pub(crate) fn elastic_ip(&self, instance: u64, public_role: bool) -> Option<Ipv4Addr> {
        let has_one = public_role && instance % ELASTIC_STEP == ELASTIC_AT && instance < self.count;
        has_one.then(|| public(52, instance))
    }

    /// The position of an instance's address in its subnet. No two instances of a subnet have the same.
    pub(crate) const fn host(&self, number: u64) -> u64 {
        number / BLOCK / (ZONES * self.vpcs) * BLOCK + number % BLOCK + 4
    }

    /// The number of the first instance in the reservation of instance `number`.
    fn lead(&self, number: u64) -> u64 {
        let (block, at) = (number / BLOCK, number % BLOCK);
        let within = match Dice::new(!self.seed, block).below(4) {
            0 => 0,
            1 => at,
            2 => at / 2 * 2,
            _ if at < 5 => 0,
            _ => 5,
        };
        block * BLOCK + within
    }

    /// Whether an Auto Scaling group launched an instance. The reservation decides this; later changes of tags do not.
    pub(crate) fn is_scaled(&self, instance: &Instance) -> bool {
        instance.token.is_none() && scales(self.lead(instance.number), instance.role.name)
    }

    fn tags(&self, named: &Naming, own: &mut Dice) -> Tags {
        let mut tags = Tags::default();
        // Some instances have no tags, as in any account.
        if own.percent(3) {
            return tags;
        }
        let Naming { number, lead, role, environment, team, managed } = *named;
        if number % 997 == 13 {
            tags.put("Name", format!("R&D <\"lab\"> caf\u{e9} \u{2615} {number}"));
        } else {
            tags.put("Name", format!("{role}-{environment}-{number:06}"));
        }
        tags.put("env", environment);
        tags.put("team", team);
        tags.put("role", role);
        if own.percent(40) {
            tags.put("cost-center", format!("cc-{:04}", own.below(50) * 20 + 100));
        }
        if scales(lead, role) {
            tags.put("aws:autoscaling:groupName", format!("{role}-{environment}-{}", self.region));
        }
        if managed {
            tags.put("aws:eks:cluster-name", format!("{team}-{environment}"));
        }
        tags
    }

    /// How many data volumes an instance has at its launch. This computes nothing else of the instance.
    pub(crate) fn data_volumes(&self, number: u64) -> u64 {
        role(&mut Dice::new(self.seed, self.lead(number) * 2)).data_volumes
    }

    /// How many instances of the formula are in a subnet.
    pub(crate) fn held(&self, vpc: u64, zone: u64) -> i64 {
        let round = BLOCK * ZONES * self.vpcs;
        let before = (vpc * ZONES + zone) * BLOCK;
        let last = (self.count % round).saturating_sub(before).min(BLOCK);
        i64::try_from(self.count / round * BLOCK + last).unwrap_or(i64::MAX)
    }

    /// The public address for the `n`th start of any instance that gets one.
    pub(crate) fn fresh_address(n: u64) -> Ipv4Addr {
        public(18, n)
    }

    pub(crate) fn id(&self, instance: &Instance) -> String {
        self.idents.text(Kind::Instance, instance.number)
    }

    /// The volumes that an instance is launched with. The first is the root volume.
    pub(crate) fn volumes(instance: &Instance) -> impl Iterator<Item = Volume> {
        let first = instance.number * 4;
        let root = Volume { number: first, device: instance.image.root, gib: instance.image.root_gib, root: true };
        let devices = ["/dev/sdf", "/dev/sdg"].into_iter().zip(0..instance.role.data_volumes);
        let gib = instance.role.data_gib;
        std::iter::once(root).chain(devices.map(move |(device, n)| Volume {
            number: first + 1 + n,
            device,
            gib,
            root: false,
        }))
    }
}

fn scales(lead: u64, role: &str) -> bool {
    lead.is_multiple_of(3) && matches!(role, "web" | "api" | "worker")
}

/// An attached EBS volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Volume {
    pub(crate) number: u64,
    pub(crate) device: &'static str,
    pub(crate) gib: u32,
    pub(crate) root: bool,
}

struct Naming {
    number: u64,
    lead: u64,
    role: &'static str,
    environment: &'static str,
    team: &'static str,
    managed: bool,
}

fn role(dice: &mut Dice) -> &'static Role {
    let mut drawn = dice.below(100);
    let [first, ..] = &ROLES;
    for (role, weight) in ROLES.iter().zip(ROLE_WEIGHTS) {
        if drawn < weight {
            return role;
        }
        drawn -= weight;
    }
    first
}

fn seconds(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(0) * 1_000
}

fn days(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(0) * DAY_MS
}

/// An address in a zone, which is a /18 of the VPC's /16: 16,384 addresses, enough for a million instances in 21 VPCs.
pub(crate) fn address(base: Ipv4Addr, zone: u64, host: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(base) + low(zone << 14 | host, 16))
}

/// The first address of a VPC.
pub(crate) fn base(vpc: u64) -> Ipv4Addr {
    if vpc == 0 { Ipv4Addr::new(172, 31, 0, 0) } else { Ipv4Addr::new(10, octet(vpc), 0, 0) }
}

/// The IPv6 address of a host; one VPC in four has IPv6.
pub(crate) fn ipv6(vpc: u64, zone: u64, host: u64) -> Option<Ipv6Addr> {
    let part = |n: u64| u16::try_from(n & 0xffff).unwrap_or(0);
    let address = || Ipv6Addr::new(0x2600, 0x1f18, part(0x1000 + vpc), part(vpc << 8 | zone), 0, 0, 0, part(host));
    (vpc % 4 == 1).then(address)
}

pub(crate) fn public(first: u8, n: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(first, 128, 0, 0)) + low(n, 23))
}

fn low(n: u64, bits: u32) -> u32 {
    u32::try_from(n & ((1 << bits) - 1)).unwrap_or(0)
}

fn octet(n: u64) -> u8 {
    u8::try_from(n & 0xff).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn plan(count: u64) -> Plan {
        let shape = Shape { count, stopped_percent: 10, terminated_percent: 2, retention: Duration::from_hours(1) };
        Plan::new(1, "123456789012", "us-east-1", shape, Moment::of("2026-11-22T00:00:00Z".parse().unwrap()))
    }

    #[test]
    fn the_formula_is_pure_and_another_seed_is_another_account() {
        let one = plan(100);
        assert_eq!(one.instance(42), plan(100).instance(42));
        let shape = Shape { count: 100, stopped_percent: 10, terminated_percent: 2, retention: Duration::from_secs(1) };
        let other = Plan::new(2, "123456789012", "us-east-1", shape, one.born);
        assert_ne!(one.id(&one.instance(42)), other.id(&other.instance(42)));
    }

    #[test]
    fn addresses_and_ids_never_repeat_up_to_a_million() {
        let plan = plan(1_000_000);
        let (mut private, mut ids) = (HashSet::new(), HashSet::new());
        for number in (0..1_000_000).step_by(7).chain(999_000..1_000_000) {
            let instance = plan.instance(number);
            private.insert(instance.private_ip);
            ids.insert(plan.id(&instance));
        }
        let expected = (0..1_000_000).step_by(7).chain(999_000..1_000_000).collect::<HashSet<u64>>().len();
        assert_eq!((private.len(), ids.len()), (expected, expected));
    }

    #[test]
    fn about_88_percent_run_10_are_stopped_and_2_terminated() {
        let plan = plan(20_000);
        let mut up = 0;
        let mut down = 0;
        for number in 0..plan.count {
            match plan.instance(number).phase.life {
                Life::Up { .. } => up += 1,
                Life::Down { .. } => down += 1,
                Life::Gone { .. } => {}
            }
        }
        assert!((17_400..17_900).contains(&up), "{up}");
        assert!((1_850..2_150).contains(&down), "{down}");
    }

    #[test]
    fn instances_of_a_reservation_share_what_one_launch_gives_them() {
        let plan = plan(1_000);
        for number in 0..1_000 {
            let instance = plan.instance(number);
            let lead = plan.instance(instance.lead);
            assert_eq!(lead.lead, lead.number);
            assert_eq!((instance.machine, instance.image, instance.vpc), (lead.machine, lead.image, lead.vpc));
            assert_eq!(instance.launched(), lead.launched());
        }
    }
}
