//! Ansible: the inventory `amazon.aws.aws_ec2`, and modules of the same collection, which run boto3.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::Recorded;
use super::asked::recorded;
use crate::harness::collection;
use crate::harness::moto::Moto;
use crate::harness::muster::RARELY;
use crate::harness::python::Environment;

/// A program of Ansible, which finds the collection.
fn program(account: &Recorded, name: &str, ec2: &str) -> Command {
    let mut program = account.somebodys(Environment::Readers.program(name), ec2);
    found(&mut program);
    program
}

fn found(program: &mut Command) {
    program.env("ANSIBLE_COLLECTIONS_PATH", collection::path()).env("ANSIBLE_LOCALHOST_WARNING", "False");
    program.env("ANSIBLE_PYTHON_INTERPRETER", Environment::Readers.program("python").get_program());
}

/// An inventory as Ansible lists it.
fn listed(account: &Recorded, ec2: &str, inventory: &str) -> Value {
    let file = account.write("inventory.aws_ec2.yml", inventory);
    let mut list = program(account, "ansible-inventory", ec2);
    serde_json::from_str(&super::printed(list.arg("-i").arg(file).arg("--list"))).unwrap()
}

#[test]
fn the_inventory_of_ansible_is_the_one_of_aws() {
    let account = Recorded::of(30, &[], &[]);
    let aws = account.aws.url.clone();
    let of_page = super::snippet("Ansible", 0);
    let longer = format!(
        "{of_page}include_filters: [{{instance-type: [t3.*, m5.*]}}]\n\
         exclude_filters: [{{instance-state-name: stopped}}]\n\
         include_extra_api_calls: true\nstrict: false\n"
    );
    for inventory in [&of_page, &longer] {
        let [ours, theirs] = [account.recorder.url(), &aws].map(|ec2| listed(&account, ec2, inventory));
        let hosts = |listed: &Value| listed["_meta"]["hostvars"].as_object().unwrap().len();
        assert!(hosts(&ours) > 10 && ours.as_object().unwrap().len() > 5, "{} hosts", hosts(&ours));
        super::same("the inventory", &theirs, &ours);
    }
    let line = account.snippet("Ansible", 1);
    let line = format!("export ANSIBLE_COLLECTIONS_PATH={}\n{line}", collection::path().display());
    account.write("inventory.aws_ec2.yml", &of_page);
    let shown = account.shell(&Environment::Readers.program("ansible-inventory"), &line);
    assert!(shown.contains("hostvars"), "{shown}");
    recorded("Ansible inventory", &account.recorder.take());
}

#[test]
fn the_inventory_of_ansible_without_regions_is_of_all_that_aws_lists() {
    let account = Recorded::of(12, &["--regions", "eu-west-1=8"], &["--regions", "all"]);
    let all = super::snippet("Ansible", 0).replace("regions: [eu-central-1]\n", "");
    assert!(!all.contains("regions"), "{all}");
    let [ours, theirs] = [account.recorder.url(), &account.aws.url].map(|ec2| listed(&account, ec2, &all));
    super::same("the inventory", &theirs, &ours);
    let hosts = ours["_meta"]["hostvars"].as_object().unwrap().values();
    let regions: BTreeSet<&str> =
        hosts.filter_map(|host| host["placement"]["region"]["__ansible_unsafe"].as_str()).collect();
    assert_eq!(regions, BTreeSet::from(["eu-central-1", "eu-west-1"]));
    recorded("Ansible inventory, all regions", &account.recorder.take());
}

/// Modules that look, and what of their answers lists what they found.
const MODULES: [(&str, &str); 6] = [
    ("ec2_instance_info", "instances"),
    ("ec2_vpc_subnet_info", "subnets"),
    ("ec2_security_group_info", "security_groups"),
    ("ec2_vol_info", "volumes"),
    ("ec2_vpc_nat_gateway_info", "result"),
    ("ec2_eip_info", "addresses"),
];

/// Those that need what the simulator leaves out, as AWS does not: a list of tags that is empty.
const WITH_EMPTY_TAGS: [(&str, &str); 3] = [
    ("ec2_eni_info", "network_interfaces"),
    ("ec2_vpc_route_table_info", "route_tables"),
    ("ec2_vpc_igw_info", "internet_gateways"),
];

/// A module that asks for attributes, which are not held.
const ASKS_ATTRIBUTES: (&str, &str) = ("ec2_vpc_net_info", "vpcs");

/// What modules find, by their names.
fn found_by(account: &Recorded, ec2: &str, modules: &[(&str, &str)]) -> Value {
    let of = |module: &str| json!({format!("amazon.aws.{module}"): {}, "register": module, "ignore_errors": true});
    let told = account.sandbox.path().join("home/told.json");
    let copy = json!({"content": "{{ hostvars.localhost | to_json }}", "dest": told.to_str().unwrap()});
    let looks = modules.iter().map(|(module, _)| of(module));
    let tasks: Vec<Value> = looks.chain([json!({"ansible.builtin.copy": copy})]).collect();
    let play = json!([{"hosts": "localhost", "connection": "local", "gather_facts": false, "tasks": tasks}]);
    let book = account.write("play.json", &play.to_string());
    super::printed(program(account, "ansible-playbook", ec2).arg(&book));
    serde_json::from_str(&fs::read_to_string(told).unwrap()).unwrap()
}

/// Compares what modules find.
fn same(modules: &[(&str, &str)], theirs: &Value, ours: &Value) {
    for (module, member) in modules {
        assert_eq!(ours[module]["failed"], json!(false), "{module}: {}", ours[module]["msg"]);
        let count = ours[module][member].as_array().unwrap_or_else(|| panic!("{module}: {}", ours[module])).len();
        assert!(count > 0, "{module} finds nothing");
        super::same(module, &theirs[module][member], &ours[module][member]);
    }
}

#[test]
fn modules_of_ansible_read_what_they_read_of_aws() {
    let both = |account: &Recorded, modules: &[(&str, &str)]| {
        [account.recorder.url(), &account.aws.url].map(|ec2| found_by(account, ec2, modules))
    };
    let simulated = Recorded::of(20, &[], &[]);
    let [ours, theirs] = both(&simulated, &MODULES);
    same(&MODULES, &theirs, &ours);
    let moto = Moto::start();
    moto.populate();
    let account = Recorded::at(&moto.endpoint(), &RARELY);
    let [ours, theirs] = both(&account, &[&WITH_EMPTY_TAGS[..], &[ASKS_ATTRIBUTES]].concat());
    same(&WITH_EMPTY_TAGS, &theirs, &ours);
    let refused = &ours[ASKS_ATTRIBUTES.0];
    assert!(refused["failed"] == json!(true) && refused["msg"].as_str().unwrap().contains("attribute"), "{refused}");
    recorded("Ansible modules", &[simulated.recorder.take(), account.recorder.take()].concat());
}

#[test]
fn a_module_of_ansible_that_asks_for_attributes_works_where_they_are_asked_of_aws() {
    let moto = Moto::start();
    moto.populate();
    let account = Recorded::at(&moto.endpoint(), &[&RARELY[..], &["--ec2-api-pass", "reads"]].concat());
    let modules = [ASKS_ATTRIBUTES];
    let [ours, theirs] = [account.recorder.url(), &account.aws.url].map(|ec2| found_by(&account, ec2, &modules));
    same(&modules, &theirs, &ours);
    recorded("Ansible modules, --ec2-api-pass reads", &account.recorder.take());
}
