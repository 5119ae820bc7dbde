//! Random changes to an account: instances stop, start, terminate and launch; tags and rules change; volumes are
//! attached and detached; gateways, routes and images are added and removed.

use std::time::Duration;

use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval};

use crate::simulator::account::Edit;
use crate::simulator::ami::Ami;
use crate::simulator::changes::CREATED;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, State};
use crate::simulator::nat_gateway::NatGateway;
use crate::simulator::network::{GROUPS, Permission};
use crate::simulator::network_acl::{ACLS, AclEntry};
use crate::simulator::options::is_rate;
use crate::simulator::plan::ZONES;
use crate::simulator::route_table::{Destination, Route, RouteTarget, TABLES};
use crate::simulator::tags::Tags;
use crate::simulator::world::World;

const TICK: Duration = Duration::from_millis(10);
/// The most changes that one tick makes, twice what the highest rate requires. After a stall, the rest is dropped.
const MAX_OWED: f64 = 2_000.0;
/// How many changes are made before other tasks may run.
const TURN: u32 = 64;
/// How many sources churn adds to a security group before it removes them.
const MAX_RULES: usize = 12;
/// The number of the rule that churn adds to network ACLs and removes.
const CHURNED_RULE: u32 = 90;
/// How many images churn makes before it begins to deregister them.
const MAX_IMAGES: usize = 8;

/// Makes [`World::churn`] random changes a second to the accounts that begin with instances, for ever. The same seed
/// gives the same sequence of changes.
pub(crate) async fn run(world: World) {
    let mut rng = fastrand::Rng::with_seed(world.options().seed);
    let mut pace = world.pace().subscribe();
    // Never ends: the world that is held here keeps the sender alive.
    while pace.wait_for(|per_second| *per_second > 0.0).await.is_ok() {
        let mut ticks = interval(TICK);
        // Late ticks do not pile up; the elapsed time decides how many changes are due.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut owed = 0.0;
        let mut before = ticks.tick().await;
        while world.churn() > 0.0 {
            let now = ticks.tick().await;
            owed = (owed + world.churn() * now.duration_since(before).as_secs_f64()).min(MAX_OWED);
            before = now;
            let mut made = 0_u32;
            while owed >= 1.0 {
                owed -= 1.0;
                change(&world, &mut rng);
                made += 1;
                if made.is_multiple_of(TURN) {
                    yield_now().await;
                }
            }
        }
    }
}

impl World {
    /// How many random changes a second the simulator makes.
    #[must_use]
    pub fn churn(&self) -> f64 {
        *self.pace().borrow()
    }

    /// Sets the number of random changes a second. If it is not possible, the result is false and nothing changes.
    #[must_use]
    pub fn set_churn(&self, per_second: f64) -> bool {
        let possible = is_rate(per_second);
        if possible {
            self.pace().send_replace(per_second);
        }
        possible
    }
}

/// Makes one random change. An account and region is drawn in proportion to the instances it began with.
pub(crate) fn change(world: &World, rng: &mut fastrand::Rng) {
    let (options, fleet) = (world.options(), world.fleet());
    let total: usize = options.populated().map(|(_, count)| count).sum();
    let further = usize::try_from(fleet.instances).unwrap_or(0);
    let mut drawn = rng.usize(0..(total + further).max(1));
    let region = options.populated().find(|(_, count)| {
        let here = drawn < *count;
        // What is left after all regions lies in the further accounts.
        drawn = if here { drawn } else { drawn - *count };
        here
    });
    let account = match region {
        Some((region, _)) => world.account(&options.account, region),
        None => match u64::try_from(drawn).ok().and_then(|drawn| fleet.holder(drawn)) {
            Some((account, region)) => world.account(&account, region),
            None => return,
        },
    };
    let mut edit = account.edit();
    match rng.u8(0..50) {
        0 => change_rules(&mut edit, rng.u64(0..account.plan().vpcs * GROUPS), rng),
        1 => change_volume(&mut edit, rng),
        2 => change_network(&mut edit, rng),
        _ => change_instance(&mut edit, rng),
    }
}

/// Changes an instance. About nine in ten instances stay running, and each termination is matched by a launch.
fn change_instance(edit: &mut Edit, rng: &mut fastrand::Rng) {
    let end = edit.end();
    if end == 0 {
        return;
    }
    // Skips instances that are terminated or changing state; tries a few others.
    for _ in 0..16 {
        let number = rng.u64(0..end);
        let Some(instance) = edit.instance(number) else { continue };
        let state = instance.state(edit.now());
        if !matches!(state, State::Running | State::Stopped) || instance.managed {
            continue;
        }
        match (state, rng.u8(0..100)) {
            (State::Stopped, _) => edit.start(number),
            (_, 0..10) => edit.stop(number),
            (_, 10..13) => {
                edit.terminate(number);
                edit.launch();
            }
            _ => {
                let release = format!("r{}", rng.u32(1_000..10_000));
                edit.retag(Kind::Instance, number, |tags| tags.put("release", release));
            }
        }
        return;
    }
}

/// Makes a volume, or attaches, detaches or deletes one that was made earlier.
pub(crate) fn change_volume(edit: &mut Edit, rng: &mut fastrand::Rng) {
    let now = edit.now();
    let made = edit.tables().disks.next();
    let drawn = (made > CREATED && rng.u8(0..3) > 0).then(|| rng.u64(CREATED..made));
    let Some(disk) = drawn.and_then(|number| edit.scene().disk(number, now)) else {
        edit.create_disk(rng.u64(0..ZONES), rng.u32(8..100), Tags::default(), "", |_| {});
        return;
    };
    match (disk.state(now), &disk.attachment) {
        ("in-use", Some(attachment)) if attachment.status(now) == "attached" => edit.detach(disk),
        ("available", _) if rng.u8(0..4) == 0 => edit.delete_disk(disk, ""),
        ("available", _) => {
            let fits = |host: &Instance| host.zone == disk.zone && host.state(now) == State::Running && !host.managed;
            let end = edit.end().max(1);
            let host = (0..16).find_map(|_| edit.instance(rng.u64(0..end)).filter(fits));
            let free = |host: &Instance| {
                let taken = |device: &str| {
                    let mut disks = edit.scene().disks_of(host, now);
                    disks.any(|disk| disk.attachment.is_some_and(|attachment| attachment.device == device))
                };
                ('h'..='p').map(|letter| format!("/dev/sd{letter}")).find(|device| !taken(device))
            };
            if let Some((host, device)) = host.and_then(|host| free(&host).map(|device| (host.number, device))) {
                edit.attach(disk, host, &device, "");
            }
        }
        _ => {}
    }
}

/// Changes the network or the images: deletes or creates a private NAT gateway, detaches or attaches an internet
/// gateway, adds or removes a route or a network ACL entry, or creates or deregisters a machine image.
pub(crate) fn change_network(edit: &mut Edit, rng: &mut fastrand::Rng) {
    let (now, vpcs) = (edit.now(), edit.scene().plan.vpcs);
    let vpc = rng.u64(0..vpcs);
    match rng.u8(0..5) {
        0 => {
            let scene = edit.scene();
            let private = |nat: &NatGateway| nat.works() && nat.address.is_none();
            let working: Vec<NatGateway> =
                scene.nat_gateways(0).filter_map(|nat| scene.nat_gateway(nat, now)).filter(private).collect();
            match rng.choice(working) {
                Some(nat) if rng.bool() => drop(edit.delete_nat_gateway(nat)),
                _ => drop(edit.create_nat_gateway(vpc * ZONES + rng.u64(0..ZONES), None, Tags::default())),
            }
        }
        1 => {
            if let Some(mut gateway) = edit.scene().internet_gateway(vpc, now) {
                gateway.vpc = if gateway.vpc.is_some() { None } else { Some(vpc) };
                edit.put(gateway);
            }
        }
        2 => {
            let destination = Destination::Ipv4("192.168.0.0/16".to_owned());
            if let Some(mut table) = edit.scene().route_table(vpc * TABLES, now) {
                let before = table.routes.len();
                table.routes.retain(|route| route.destination != destination);
                if table.routes.len() == before {
                    table.routes.push(Route::new(destination, RouteTarget::Internet(vpc)));
                }
                edit.put(table);
            }
        }
        3 => {
            if let Some(mut acl) = edit.scene().network_acl(vpc * ACLS, now) {
                match acl.entries.iter().position(|entry| entry.rule == CHURNED_RULE) {
                    Some(at) => drop(acl.entries.remove(at)),
                    None => acl.entries.push(AclEntry::of(CHURNED_RULE, false, "-1", "192.0.2.0/24")),
                }
                acl.sort();
                edit.put(acl);
            }
        }
        _ => {
            let scene = edit.scene();
            let made = scene.amis(CREATED).filter_map(|ami| scene.ami(ami, now));
            let made: Vec<Ami> = made.filter(|ami| ami.state(now) == "available").collect();
            let end = edit.end();
            if made.len() > MAX_IMAGES
                && let Some(ami) = rng.choice(made)
            {
                edit.put(Ami { deregistered: true, ..ami });
            } else if let Some(host) = (end > 0).then(|| rng.u64(0..end)).and_then(|number| edit.instance(number))
                && host.state(now) == State::Running
            {
                let name = format!("churn-{}", rng.u64(..));
                drop(edit.create_image(&host, &name, "", Tags::default()));
            }
        }
    }
}

/// Adds a source address to a security group, or removes all that churn added.
fn change_rules(edit: &mut Edit, group: u64, rng: &mut fastrand::Rng) {
    const PORT: (i32, i32) = (8_443, 8_443);
    let mut rules = edit.ingress(group);
    let ours = rules.iter_mut().find(|rule| rule.ports == Some(PORT));
    let source = (format!("192.0.2.{}/32", rng.u8(..)), Some("churn".into()));
    match ours {
        None => rules.push(Permission {
            protocol: "tcp".into(),
            ports: Some(PORT),
            ranges: vec![source],
            ..Permission::default()
        }),
        Some(rule) if rule.ranges.len() < MAX_RULES => {
            if rule.ranges.iter().all(|(range, _)| *range != source.0) {
                rule.ranges.push(source);
            }
        }
        Some(_) => rules.retain(|rule| rule.ports != Some(PORT)),
    }
    edit.set_ingress(group, rules);
}
