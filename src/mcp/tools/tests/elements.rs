//! Lists that changed are told by element, and nothing that changed goes unsaid.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::past::{answered, changes, later};
use crate::ingest::Lane;
use crate::mcp::tests::World;
use crate::mcp::tools::compare_resource;
use crate::model::{Cause, Document, Map, Observation, ResourceId, ScopeFilter, Seen, Source, Value};

/// The first resource of a kind.
fn first(world: &World, slug: &str) -> ResourceId {
    let kind = crate::kinds::by_slug(slug).unwrap().kind();
    world.core.snapshot().unwrap().heads(&kind, &ScopeFilter::Everywhere, None, 1).unwrap().remove(0).id
}

/// Shows the resource with another value of a field, as a sweep would.
async fn sweep(world: &World, id: &ResourceId, field: &'static str, value: Value) {
    let current = world.core.snapshot().unwrap().current(id).unwrap().unwrap();
    let mut fields = current.document.fields().clone();
    fields.insert(field, value);
    let seen = Seen::Described(Arc::new(Document::new(fields)));
    let observation = Observation { source: Source::Sweep, at: world.core.now(), id: id.clone(), seen };
    world.core.ingest.observe(Lane::Refresh, vec![observation], Cause::Sweep).await.unwrap();
}

fn map(fields: &[(&'static str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| (*name, value.clone())).collect::<Map>())
}

fn open(ports: &[i64]) -> Value {
    let everyone: Value = vec![map(&[("CidrIp", "0.0.0.0/0".into())])].into();
    let permission = |port: &i64| {
        let port = Value::Int(*port);
        map(&[
            ("FromPort", port.clone()),
            ("ToPort", port),
            ("IpProtocol", "tcp".into()),
            ("IpRanges", everyone.clone()),
        ])
    };
    Value::List(ports.iter().map(permission).collect())
}

fn tags(tags: impl IntoIterator<Item = (usize, &'static str)>) -> Value {
    let tag = |(n, value): (usize, &'static str)| map(&[("Key", format!("k{n}").into()), ("Value", value.into())]);
    Value::List(tags.into_iter().map(tag).collect())
}

#[tokio::test]
async fn every_port_that_was_opened_between_two_sweeps_is_in_every_answer() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = first(&world, "security-group");
    sweep(&world, &id, "IpPermissions", open(&[22])).await;
    let then = later(&world).await;
    sweep(&world, &id, "IpPermissions", open(&[21, 5432, 3389])).await;
    let uri = format!("ec2://security-group/{}", id.id);
    let (said, found) = changes(&client, json!({"uri": uri, "limit": 1})).await;
    let (text, compared) = answered(&client, &compare_resource::SPEC, json!({"uri": uri, "from": then})).await;
    let history = client.read(&format!("{uri}/history")).await.unwrap();
    for differences in [&found["changes"][0], &compared, &history["changes"][0]] {
        let differences = &differences["changes"];
        for port in [21, 3389, 5432] {
            let added = json!({"path": "IpPermissions", "added": format!("tcp {port} from 0.0.0.0/0")});
            assert!(differences.as_array().unwrap().contains(&added), "{port}: {differences}");
        }
        let removed = json!({"path": "IpPermissions", "removed": "tcp 22 from 0.0.0.0/0"});
        assert!(differences.as_array().unwrap().contains(&removed), "{differences}");
    }
    for said in [said, text] {
        for words in ["- tcp 22 from", "+ tcp 21 from", "+ tcp 3389 from 0.0.0.0/0", "+ tcp 5432 from"] {
            assert!(said.contains(&format!("IpPermissions: {words}")), "{words}: {said}");
        }
    }
}

#[tokio::test]
async fn three_tags_that_changed_are_three_tags_that_changed() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = first(&world, "volume");
    sweep(&world, &id, "Tags", tags((0..40).map(|n| (n, "a")))).await;
    let then = later(&world).await;
    let changed = |n| if [3, 17, 30].contains(&n) { "b" } else { "a" };
    sweep(&world, &id, "Tags", tags((0..40).map(|n| (n, changed(n))))).await;
    let uri = format!("ec2://volume/{}", id.id);
    let (said, compared) = answered(&client, &compare_resource::SPEC, json!({"uri": uri, "from": then})).await;
    assert!(said.contains("3 tags changed") && said.contains("Tags[k30]: a -> b"), "{said}");
    let tag = |n: usize| json!({"path": format!("Tags[k{n}]"), "before": "a", "after": "b"});
    assert_eq!(compared["changes"], json!([tag(17), tag(3), tag(30)]));
}

#[tokio::test]
async fn what_is_left_out_for_its_size_is_counted_with_how_to_read_it() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = first(&world, "security-group");
    sweep(&world, &id, "IpPermissions", open(&[22])).await;
    let then = later(&world).await;
    let ports: Vec<i64> = (1_000..1_900).collect();
    sweep(&world, &id, "IpPermissions", open(&ports)).await;
    let uri = format!("ec2://security-group/{}", id.id);
    let (said, found) = changes(&client, json!({"uri": uri, "limit": 1})).await;
    let change = &found["changes"][0];
    let counts = |of: &Json| {
        let shown = of["changes"].as_array().unwrap().len() as u64;
        (shown, of["changes_not_shown"].as_u64().unwrap())
    };
    let (shown, left) = counts(change);
    assert!(shown > 50 && shown + left == 901, "{shown} and {left}");
    assert!(
        said.contains(&format!("and {left} more differences, left out because of their size: compare_resource")),
        "{said}"
    );
    let (said, compared) = answered(&client, &compare_resource::SPEC, json!({"uri": uri, "from": then})).await;
    let (shown, left) = counts(&compared);
    assert!(shown > 100 && shown + left == 901, "{shown} and {left}");
    assert!(said.contains("901 rules changed"), "{said}");
    assert!(
        said.contains(&format!("{left} more differences are left out because of their size: get_resource")),
        "{said}"
    );
}
