use proptest::prelude::*;

use super::effects::has_instance_store;
use super::*;
use crate::model::fixtures::tags;
use crate::model::{AccountId, Map, Region, Scope, Value};

fn id() -> ResourceId {
    let scope = Scope { account: AccountId::new("123456789012"), region: Region::new("us-east-1") };
    ResourceId::new(&scope, &crate::kinds::INSTANCE.kind(), "i-1")
}

fn map<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Map(Map::from(fields))
}

fn instance<const N: usize>(more: [(&'static str, Value); N]) -> Document {
    let mapping =
        |device: &str, volume: &str| map([("DeviceName", device.into()), ("Ebs", map([("VolumeId", volume.into())]))]);
    let mut fields = Map::from([
        ("InstanceId", "i-1".into()),
        ("InstanceType", "m5.large".into()),
        ("State", map([("Name", "running".into())])),
        ("RootDeviceName", "/dev/xvda".into()),
        ("BlockDeviceMappings", Value::List(vec![mapping("/dev/xvda", "vol-1"), mapping("/dev/sdf", "vol-2")])),
    ]);
    for (name, value) in more {
        fields.insert(name, value);
    }
    Document::new(fields)
}

fn planned(document: &Document, effect: &PlannedEffect) -> PlannedChange {
    let users = [("vol-2".to_owned(), vec!["i-9".to_owned()])].into();
    PlannedChange::of(&id(), document, effect, &users, &["Env".to_owned()].into())
}

fn said(document: &Document, effect: &PlannedEffect) -> String {
    planned(document, effect).effects.join(" ")
}

fn addressed(owner: &str) -> Document {
    let association = map([("PublicIp", "203.0.113.7".into()), ("IpOwnerId", owner.into())]);
    instance([
        ("PublicIpAddress", "203.0.113.7".into()),
        ("NetworkInterfaces", Value::List(vec![map([("Association", association)])])),
    ])
}

#[test]
fn a_stop_says_what_is_lost_what_stays_and_who_may_interfere() {
    let group = instance([("Tags", tags([("aws:autoscaling:groupName", "web"), ("Env", "dev")]))]);
    let plan = planned(&group, &PlannedEffect::Stop { force: false });
    assert_eq!(plan.auto_scaling_group.as_deref(), Some("web"));
    assert_eq!(plan.tags, [("Env".to_owned(), "dev".to_owned())].into());
    let all = plan.effects.join(" ");
    assert!(all.contains("Auto Scaling group `web`, which may terminate a stopped instance"), "{all}");
    assert!(all.contains("vol-2 by i-9"), "{all}");
    assert!(all.contains("if it has any, lose their data"), "{all}");
    assert!(said(&addressed("amazon"), &PlannedEffect::Stop { force: false }).contains("203.0.113.7 is given up"));
    assert!(
        said(&addressed("123456789012"), &PlannedEffect::Stop { force: false })
            .contains("Elastic IP address 203.0.113.7 stays")
    );
    let unknown = instance([("PublicIpAddress", "203.0.113.7".into())]);
    assert!(said(&unknown, &PlannedEffect::Stop { force: false }).contains("unless it is an Elastic IP"));
    let spot = instance([("InstanceLifecycle", "spot".into())]);
    assert!(said(&spot, &PlannedEffect::Stop { force: false }).contains("Spot Instance"));
    let old = instance([("RootDeviceType", "instance-store".into())]);
    assert!(said(&old, &PlannedEffect::Stop { force: false }).contains("cannot be stopped"));
    let disks = instance([("InstanceType", "m5d.large".into())]);
    assert!(said(&disks, &PlannedEffect::Stop { force: false }).contains("which the type m5d.large has"));
    assert!(!said(&addressed("amazon"), &PlannedEffect::Reboot).contains("given up"), "a reboot keeps it");
}

#[test]
fn a_snapshot_names_the_volumes_that_are_taken() {
    let all = said(&instance([]), &PlannedEffect::Snapshot { exclude_boot: false, exclude_data: Vec::new() });
    assert!(all.starts_with("Snapshots of vol-1, vol-2 are made"), "{all}");
    let data = said(&instance([]), &PlannedEffect::Snapshot { exclude_boot: true, exclude_data: Vec::new() });
    assert!(data.starts_with("Snapshots of vol-2 are made"), "{data}");
}

#[test]
fn what_aws_refuses_in_that_state_is_said_alone() {
    let in_state = |state: &'static str| instance([("State", map([("Name", state.into())]))]);
    for (state, effect, part) in [
        ("terminated", PlannedEffect::Start, "AWS refuses to start it"),
        ("shutting-down", PlannedEffect::Stop { force: false }, "AWS refuses to stop it"),
        ("stopped", PlannedEffect::Reboot, "It is stopped: AWS refuses to reboot"),
        ("stopping", PlannedEffect::Start, "before it is stopped"),
        ("pending", PlannedEffect::Stop { force: false }, "before it runs"),
    ] {
        let planned = planned(&in_state(state), &effect);
        assert!(planned.effects.len() == 1 && planned.effects[0].contains(part), "{state}: {:?}", planned.effects);
    }
    assert!(
        said(&in_state("stopping"), &PlannedEffect::Stop { force: true }).contains("by force"),
        "force is for that"
    );
}

#[test]
fn only_a_stop_speaks_of_stop_protection() {
    let shown = |effect: &PlannedEffect| {
        let instances = vec![planned(&instance([]), effect)];
        let plan = WritePlan { tool: "a tool", effect: effect.clone(), instances };
        assert!(plan.asked().contains("Not looked at: ") && plan.shown().text.contains("Not looked at: "));
        plan.asked().contains("stop protection")
    };
    assert!(shown(&PlannedEffect::Stop { force: true }));
    let snapshot = PlannedEffect::Snapshot { exclude_boot: false, exclude_data: Vec::new() };
    for effect in [PlannedEffect::Start, PlannedEffect::Reboot, snapshot] {
        assert!(!shown(&effect), "{effect:?}");
    }
}

#[test]
fn a_plan_of_many_says_each_sentence_once_and_leaves_none_out() {
    let effect = PlannedEffect::Stop { force: true };
    let with_disks = instance([("InstanceType", "m5d.large".into())]);
    let plan = |count: usize| {
        let change = |number: usize| {
            let document = if usize::is_multiple_of(number, 2) { instance([]) } else { with_disks.clone() };
            PlannedChange { instance_id: format!("i-{number:017}"), ..planned(&document, &effect) }
        };
        WritePlan { tool: "stop_instance", effect: effect.clone(), instances: (0..count).map(change).collect() }
    };
    let (few, many) = (plan(2).asked(), plan(50));
    assert!(!few.contains("Each of them: "), "{few}");
    let asked = many.asked();
    let lines: Vec<&str> = asked.lines().collect();
    for change in &many.instances {
        assert!(lines.contains(&change.head().as_str()), "{asked}");
        for effect in &change.effects {
            let line = lines.iter().find(|line| line.ends_with(effect.as_str())).unwrap();
            assert!(line.starts_with("Each of them: ") || line.contains(&change.instance_id), "{line}");
        }
    }
    assert_eq!(asked.matches("is stopped by force").count(), 1, "{asked}");
    let disks = lines.iter().find(|line| line.contains("which the type m5d.large has")).unwrap();
    assert!(
        disks.contains(&many.instances[1].instance_id) && !disks.contains(&many.instances[0].instance_id),
        "{disks}"
    );
    assert!(asked.len() < many.instances.iter().map(|change| change.line().len()).sum::<usize>());
}

#[test]
fn the_name_of_a_type_says_whether_it_has_instance_store_volumes() {
    for kind in [
        "m5d.large",
        "c7gd.medium",
        "i3.large",
        "i4i.xlarge",
        "im4gn.large",
        "is4gen.large",
        "d3en.xlarge",
        "x2idn.metal",
    ] {
        assert!(has_instance_store(kind), "{kind}");
    }
    for kind in [
        "m5.large",
        "t4g.nano",
        "inf2.xlarge",
        "hpc7g.4xlarge",
        "u-6tb1.metal",
        "c7i-flex.large",
        "mac2-m2.metal",
        "dl1",
        "",
    ] {
        assert!(!has_instance_store(kind), "{kind}");
    }
}

proptest! {
    #[test]
    fn equal_facts_make_one_digest_and_what_is_shown_moves_it(name in "[a-z]{1,5}", env in "[a-z]{1,5}", state in "[a-z]{1,5}") {
        let plan = |name: &str, env: &str, state: &str, other: &str| {
            let document = instance([
                ("Tags", tags([("Name", name), ("Env", env), ("other", other)])),
                ("State", map([("Name", state.into())])),
            ]);
            let effect = PlannedEffect::Stop { force: false };
            let instances = vec![planned(&document, &effect)];
            WritePlan { tool: "stop_instance", effect, instances }.digest()
        };
        let one = plan(&name, &env, &state, "a");
        prop_assert_eq!(&one, &plan(&name, &env, &state, "b"), "a tag that is not shown");
        prop_assert_eq!(one.len(), 64);
        prop_assert_ne!(&one, &plan(&name, &format!("{env}x"), &state, "a"));
        prop_assert_ne!(&one, &plan(&name, &env, &format!("{state}x"), "a"));
        prop_assert_ne!(&one, &plan(&format!("{name}x"), &env, &state, "a"));
    }
}
