//! The simulator over its socket: services, accounts and regions on one port, failures, and churn.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::simulator::tests::{Aws, options};
use crate::simulator::{Options, Simulator};

/// One HTTP exchange, with the complete response.
async fn http(simulator: &Simulator, credential: Option<&str>, body: &str) -> String {
    let mut stream = TcpStream::connect(simulator.endpoint().trim_start_matches("http://")).await.unwrap();
    let authorization = credential.map_or_else(String::new, |scope| {
        format!("authorization: AWS4-HMAC-SHA256 Credential={scope}/aws4_request, SignedHeaders=host, Signature=0\r\n")
    });
    let length = body.len();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{authorization}content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn one_port_serves_both_services_and_keeps_accounts_and_regions_apart() {
    let simulator = Simulator::start(options(20)).await.unwrap();
    assert_eq!(simulator.banner(), format!(r#"{{"endpoint":"{}","region":"us-east-1"}}"#, simulator.endpoint()));
    let identity = "Action=GetCallerIdentity&Version=2011-06-15";
    let answer = http(&simulator, Some("AKIAX/20261122/us-east-1/sts"), identity).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"), "{answer}");
    assert!(answer.contains("<Account>123456789012</Account>"));
    let answer = http(&simulator, Some("111122223333/20261122/us-east-1/sts"), identity).await;
    assert!(answer.contains("<Account>111122223333</Account>"));

    let describe = "Action=DescribeInstances&Version=2016-11-15";
    let count = |answer: &str| answer.matches("<instanceId>").count();
    let home = http(&simulator, Some("AKIAX/20261122/us-east-1/ec2"), describe).await;
    assert_eq!(count(&home), 20);
    for scope in ["AKIAX/20261122/eu-west-1/ec2", "111122223333/20261122/us-east-1/ec2"] {
        let other = http(&simulator, Some(scope), describe).await;
        assert!(other.starts_with("HTTP/1.1 200") && count(&other) == 0, "{other}");
    }
    assert_eq!(simulator.world().requests("DescribeInstances"), 3);
    assert!(http(&simulator, Some("AKIAX/20261122/mars-1/ec2"), describe).await.contains("SignatureDoesNotMatch"));
    let closed = http(&simulator, Some("AKIAX/20261122/af-south-1/ec2"), describe).await;
    assert!(closed.starts_with("HTTP/1.1 401") && closed.contains("<Code>AuthFailure</Code>"), "{closed}");
    let anonymous = http(&simulator, None, describe).await;
    assert!(
        anonymous.starts_with("HTTP/1.1 403") && anonymous.contains("<Errors><Error><Code>MissingAuthenticationToken")
    );
    let wrong = http(&simulator, Some("AKIAX/20261122/us-east-1/sts"), "Action=Nothing&Version=2011-06-15").await;
    assert!(wrong.contains("<Type>Sender</Type><Code>InvalidAction</Code>"), "{wrong}");
    simulator.stop().await;
}

#[tokio::test]
async fn an_action_told_to_fail_fails_until_it_is_healed() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    let world = simulator.world();
    let scope = Some("AKIAX/20261122/us-east-1/ec2");
    let describe = "Action=DescribeVpcs&Version=2016-11-15";
    world.fail("DescribeVpcs", 403, "UnauthorizedOperation", "You are not authorized to perform this operation.");
    let denied = http(&simulator, scope, describe).await;
    assert!(denied.starts_with("HTTP/1.1 403") && denied.contains("<Code>UnauthorizedOperation</Code>"), "{denied}");
    world.heal("DescribeVpcs");
    assert!(http(&simulator, scope, describe).await.starts_with("HTTP/1.1 200"));
    assert_eq!(world.requests("DescribeVpcs"), 2);
    simulator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn churn_changes_instances_at_its_rate() {
    let simulator = Simulator::start(Options { churn_per_second: 100.0, ..options(1_000) }).await.unwrap();
    let home = simulator.world().home();
    let before = Aws(simulator.world()).get("DescribeInstances", &[]);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let after = Aws(simulator.world()).get("DescribeInstances", &[]);
    let bodies = |xml: &str| xml.split("<instanceId>").skip(1).map(str::to_owned).collect::<BTreeSet<_>>();
    let changed = bodies(&after).difference(&bodies(&before)).count();
    // 500 changes, but some instances are drawn twice.
    assert!((300..=500).contains(&changed), "{changed}");
    assert!(home.instance_ids_in("stopping").len() + home.instance_ids_in("pending").len() > 0);
    simulator.stop().await;
}
