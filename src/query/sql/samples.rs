//! A small account for the tests of statements.

use std::sync::Arc;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{Most, Outside, SqlError, SqlRows, SqlStatement, SqlValue, Visible};
use crate::kinds;
use crate::model::fixtures::{json_document, scope_in};
use crate::model::{Cause, Event, Evidence, Group, ResourceId, Source, Timestamp};
use crate::query::{AskedPoint, Point};
use crate::store::{CommitBatch, Store, StoreOptions, Writer};

/// Far more than any test answers.
pub(super) const ALL: Most = Most { rows: 100_000, bytes: 100 << 20 };

/// A store that holds what a test puts in.
pub(super) struct SampleAccount {
    _dir: TempDir,
    writer: Writer,
    pub(super) store: Store,
    minutes: u64,
}

/// When the account's clock stands at so many minutes.
pub(super) fn at(minutes: u64) -> Timestamp {
    Timestamp::parse("2026-11-20T00:00:00Z").unwrap() + std::time::Duration::from_secs(60 * minutes)
}

impl SampleAccount {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), kinds::project) };
        let (writer, store) = crate::store::open(options).unwrap();
        SampleAccount { _dir: dir, writer, store, minutes: 0 }
    }

    /// A minute later this has happened.
    pub(super) fn commit(&mut self, events: Vec<Event>) {
        self.minutes += 1;
        let entries = events.into_iter().map(|event| (Cause::Sweep, event)).collect();
        self.writer.commit(CommitBatch { recorded_at: at(self.minutes), entries, ..CommitBatch::default() }).unwrap();
    }

    /// A minute later this is known too: a kind's slug, a region, an id and a document.
    pub(super) fn put(&mut self, resources: &[(&str, &str, &str, Json)]) {
        self.minutes += 1;
        let snapshot = self.store.snapshot().unwrap();
        let mut entries = Vec::new();
        for (slug, region, id, body) in resources {
            let spec = kinds::by_slug(slug).unwrap();
            let id = ResourceId::new(&scope_in(region), &spec.kind(), *id);
            let document = json_document(body);
            let evidence = Evidence { source: Source::Sweep, at: at(self.minutes) };
            let event = match snapshot.current(&id).unwrap() {
                None => Event::Discovered { id, document, evidence, mapping: spec.mapping },
                Some(known) => Event::Changed {
                    id,
                    changes: known.document.changes_to(&document),
                    evidence: vec![(Group::State, evidence)],
                    overlay: crate::model::event::Overlay::Keep,
                },
            };
            entries.push((Cause::Sweep, event));
        }
        drop(snapshot);
        self.writer.commit(CommitBatch { recorded_at: at(self.minutes), entries, ..CommitBatch::default() }).unwrap();
    }

    /// A minute later this is gone.
    pub(super) fn remove(&mut self, slug: &str, region: &str, id: &str) {
        self.minutes += 1;
        let id = ResourceId::new(&scope_in(region), &kinds::by_slug(slug).unwrap().kind(), id);
        let entries = vec![(Cause::Sweep, Event::Removed { id, at: at(self.minutes) })];
        self.writer.commit(CommitBatch { recorded_at: at(self.minutes), entries, ..CommitBatch::default() }).unwrap();
    }

    pub(super) fn now(&self) -> Timestamp {
        at(self.minutes + 1)
    }

    pub(super) fn point(&self, minutes: u64) -> Point {
        AskedPoint::At(at(minutes)).point(&self.store.snapshot().unwrap(), self.now()).unwrap()
    }

    pub(super) fn prepare(&self, sql: &str) -> Result<SqlStatement, SqlError> {
        SqlStatement::prepare(sql, self.now(), Arc::new(|| false))
    }

    pub(super) fn ask(&self, sql: &str) -> Result<SqlRows, SqlError> {
        self.prepare(sql)?.ask(&self.store, None, &Visible::all(), &Outside::default(), ALL)
    }

    pub(super) fn then(&self, sql: &str, minutes: u64) -> Result<SqlRows, SqlError> {
        let point = Some(self.point(minutes));
        self.prepare(sql)?.ask(&self.store, point, &Visible::all(), &Outside::default(), ALL)
    }

    /// The rows as text: values joined by blanks, rows by semicolons.
    pub(super) fn rows(&self, sql: &str) -> String {
        text(&self.ask(sql).unwrap_or_else(|error| panic!("{sql}: {error}")))
    }

    /// Why there are none.
    pub(super) fn refusal(&self, sql: &str) -> String {
        self.ask(sql).map_or_else(|error| error.to_string(), |found| panic!("{sql}: {found:?}"))
    }

    /// A few of everything, in two regions.
    pub(super) fn sample() -> Self {
        let mut account = SampleAccount::new();
        let mut resources = Vec::new();
        for n in 0..12_u64 {
            let region = ["eu-west-1", "us-east-1"][usize::from(n % 3 == 0)];
            let state = ["running", "stopped"][usize::from(n % 4 == 1)];
            resources.push(("instance", region, format!("i-0000000000000000{n:x}"), instance(n, state)));
            resources.push(("volume", region, format!("vol-0000000000000000{n:x}"), volume(n)));
        }
        resources.push(("vpc", "eu-west-1", "vpc-00000000000000001".to_owned(), vpc("vpc-00000000000000001", true)));
        resources.push(("vpc", "us-east-1", "vpc-00000000000000002".to_owned(), vpc("vpc-00000000000000002", false)));
        resources.push(("security-group", "eu-west-1", "sg-00000000000000001".to_owned(), group()));
        resources.push(("route-table", "eu-west-1", "rtb-00000000000000001".to_owned(), routes()));
        resources.push(("network-interface", "eu-west-1", "eni-00000000000000001".to_owned(), interface(1)));
        resources.push(("network-interface", "eu-west-1", "eni-00000000000000002".to_owned(), interface(2)));
        resources.push(("instance-status", "eu-west-1", "i-00000000000000001".to_owned(), status("impaired")));
        resources.push(("instance-status", "eu-west-1", "i-00000000000000002".to_owned(), status("ok")));
        let resources: Vec<(&str, &str, &str, Json)> =
            resources.iter().map(|(slug, region, id, body)| (*slug, *region, id.as_str(), body.clone())).collect();
        account.put(&resources);
        account
    }
}

/// The rows of an answer as text.
pub(super) fn text(found: &SqlRows) -> String {
    let cell = |value: &SqlValue| match value {
        SqlValue::Null => "-".to_owned(),
        SqlValue::Int(number) => number.to_string(),
        SqlValue::Real(number) => number.to_string(),
        SqlValue::Text(text) => text.clone(),
    };
    let row = |row: &Vec<SqlValue>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    found.rows.iter().map(row).collect::<Vec<_>>().join("; ")
}

pub(super) fn instance(n: u64, state: &str) -> Json {
    let groups: Vec<Json> = (0..=n % 2)
        .map(|group| json!({"GroupId": format!("sg-0000000000000000{}", group + 1), "GroupName": "web"}))
        .collect();
    let kind = ["t3.micro", "m5.large", "c5.xlarge"][usize::try_from(n % 3).unwrap()];
    let team = ["red", "blue"][usize::from(n > 5)];
    let mut document = json!({
        "InstanceId": format!("i-0000000000000000{n:x}"),
        "InstanceType": kind,
        "State": {"Code": 16, "Name": state},
        "VpcId": format!("vpc-0000000000000000{}", 1 + n % 2),
        "PrivateIpAddress": format!("10.0.0.{n}"),
        "LaunchTime": format!("2026-11-{:02}T10:00:00+00:00", 1 + n),
        "SecurityGroups": groups,
        "Tags": [{"Key": "Name", "Value": format!("web-{n}")}, {"Key": "team", "Value": team}],
    });
    if n == 11 {
        document["Tags"] = json!([]);
    }
    document
}

pub(super) fn volume(n: u64) -> Json {
    let attachment = |instance: u64| {
        json!({
            "InstanceId": format!("i-0000000000000000{instance:x}"), "Device": "/dev/xvda", "State": "attached",
            "DeleteOnTermination": n.is_multiple_of(2), "AttachTime": "2026-11-02T10:00:00+00:00",
        })
    };
    let attachments: Vec<Json> = match n {
        10 => vec![attachment(1), attachment(2)],
        11 => Vec::new(),
        _ => vec![attachment(n)],
    };
    json!({
        "VolumeId": format!("vol-0000000000000000{n:x}"),
        "State": if n == 11 { "available" } else { "in-use" },
        "Size": 8 + n, "VolumeType": "gp3", "Encrypted": n % 2 == 1,
        "CreateTime": "2026-11-01T09:00:00+00:00",
        "Attachments": attachments,
        "Tags": [{"Key": "team", "Value": "red"}],
    })
}

fn vpc(id: &str, is_default: bool) -> Json {
    json!({"VpcId": id, "CidrBlock": "10.0.0.0/16", "State": "available", "IsDefault": is_default})
}

fn group() -> Json {
    json!({
        "GroupId": "sg-00000000000000001", "GroupName": "web", "VpcId": "vpc-00000000000000001", "Description": "",
        "IpPermissions": [
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0", "Description": "all"}, {"CidrIp": "10.0.0.0/8"}]},
            {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": "sg-00000000000000002"}]},
        ],
        "IpPermissionsEgress": [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    })
}

fn routes() -> Json {
    json!({
        "RouteTableId": "rtb-00000000000000001", "VpcId": "vpc-00000000000000001",
        "Routes": [
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"},
            {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-00000000000000001", "State": "active", "Origin": "CreateRoute"},
        ],
    })
}

pub(super) fn interface(n: u64) -> Json {
    let address = |last: u64, primary: bool| json!({"PrivateIpAddress": format!("10.0.0.{last}"), "Primary": primary});
    let mut first = address(n, true);
    first["Association"] = json!({"PublicIp": format!("203.0.113.{n}")});
    let addresses = if n == 2 { vec![first, address(20, false)] } else { vec![first] };
    json!({
        "NetworkInterfaceId": format!("eni-0000000000000000{n}"), "VpcId": "vpc-00000000000000001",
        "SubnetId": "subnet-00000000000000001", "PrivateIpAddress": format!("10.0.0.{n}"), "PrivateIpAddresses": addresses,
        "Attachment": {"InstanceId": format!("i-0000000000000000{n}"), "DeviceIndex": 0},
    })
}

pub(super) fn status(system: &str) -> Json {
    json!({
        "InstanceState": {"Code": 16, "Name": "running"},
        "SystemStatus": {"Status": system, "Details": [{"Name": "reachability", "Status": "failed"}]},
        "InstanceStatus": {"Status": "ok"},
        "Events": [
            {"Code": "instance-reboot", "Description": "[Completed] done", "NotBefore": "2026-11-01T00:00:00+00:00"},
            {"Code": "instance-stop", "Description": "degraded", "NotBefore": "2026-12-01T00:00:00+00:00"},
        ],
    })
}
