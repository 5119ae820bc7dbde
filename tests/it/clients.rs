//! The harness itself: the foreign programs install, start and answer.

use crate::harness::moto::{ACCOUNT, Moto};
use serde_json::json;

#[test]
fn the_emulator_answers_boto3_and_keeps_regions_apart() {
    let (here, there) = (Moto::start(), Moto::start());
    let launched = here.launch(2);
    assert_eq!(here.state_of(&launched[0]), "running");
    assert_eq!(here.call("sts.get_caller_identity", json!({}))["Account"], ACCOUNT);
    assert!(there.every("ec2.describe_instances", "Reservations", json!({})).is_empty());
    assert_eq!(here.every("ec2.describe_instances", "Reservations", json!({})).len(), 1);
}
