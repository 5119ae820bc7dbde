//! A queue in each of several accounts and regions: its events land in its own account and region and in no other, and it is not
//! believed about another account. moto's bodies name no account, so that it comes from the queue.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;

const ACCOUNTS: [(&str, &str); 3] = [("one", "111122223333"), ("two", "222233334444"), ("three", "333344445555")];
const REGIONS: [&str; 3] = ["eu-west-1", "eu-west-2", "us-east-2"];

/// An account in a region, with a queue that a rule feeds with everything of EC2.
struct Place {
    account: &'static str,
    region: &'static str,
    boto3: Account,
    queue: String,
    instances: Vec<String>,
}

impl Place {
    fn make(moto: &Moto, account: &'static str, region: &'static str, queue: &str) -> Place {
        let endpoint = Endpoint { region: region.to_owned(), ..moto.endpoint() };
        let boto3 = Account::by_role(&endpoint, &role(account));
        let instances = boto3.launch(2);
        let made =
            boto3.call("sqs.create_queue", &json!({"QueueName": queue, "Attributes": {"VisibilityTimeout": "1"}}));
        let pattern = json!({"source": ["aws.ec2"]}).to_string();
        boto3.call("events.put_rule", &json!({"Name": "muster-all", "EventPattern": pattern}));
        let targets = json!([{"Id": "muster", "Arn": format!("arn:aws:sqs:{region}:{account}:{queue}")}]);
        let put = boto3.call("events.put_targets", &json!({"Rule": "muster-all", "Targets": targets}));
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
        Place { account, region, boto3, queue: made["QueueUrl"].as_str().unwrap().to_owned(), instances }
    }

    /// Stops the first instance, and puts on the bus what AWS would.
    fn stop(&self) {
        let instance = &self.instances[0];
        self.boto3.call("ec2.stop_instances", &json!({"InstanceIds": [instance]}));
        let detail = json!({"instance-id": instance, "state": "stopped"}).to_string();
        let kind = "EC2 Instance State-change Notification";
        let entries = json!([{"Source": "aws.ec2", "DetailType": kind, "Detail": detail}]);
        let put = self.boto3.call("events.put_events", &json!({"Entries": entries}));
        assert_eq!(put["FailedEntryCount"], 0, "{put}");
    }

    /// The state of each instance that a client is told of here.
    fn states(&self, client: &mut Client) -> BTreeMap<String, Value> {
        let asked = json!({"kind": "instance", "account": self.account, "region": self.region});
        let found = client.call("count_inventory", &asked).unwrap();
        assert_eq!(found.structured["total"], self.instances.len(), "{}", found.text);
        let read = |id: &String| {
            let uri = format!("ec2://inventory/{}/{}/instance/{id}", self.account, self.region);
            (id.clone(), client.read(&uri)["document"]["State"]["Name"].clone())
        };
        self.instances.iter().map(read).collect()
    }

    /// How many messages are in the queue, those that somebody holds included.
    fn depth(&self) -> u64 {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let told =
            self.boto3.call("sqs.get_queue_attributes", &json!({"QueueUrl": self.queue, "AttributeNames": names}));
        names.iter().map(|name| told["Attributes"][name].as_str().unwrap().parse::<u64>().unwrap()).sum()
    }
}

fn counts(client: &mut Client) -> Value {
    client.read("ec2://inventory/freshness")["event_counts"].take()
}

#[test]
fn each_queue_tells_of_its_own_account_and_region_and_is_not_believed_about_another() {
    let moto = Moto::alone();
    let each = ACCOUNTS.iter().flat_map(|(_, account)| REGIONS.iter().map(|region| (*account, *region)));
    let places: Vec<Place> =
        each.map(|(account, region)| Place::make(&moto, account, region, "muster-events")).collect();
    let sandbox = Sandbox::new(&moto.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS);
    let server = sandbox.serve(&[&RARELY[..], &["--config", file.path(), "--events"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);

    for place in &places {
        place.stop();
        eventually("the instance is stopped in its own account and region", || {
            (place.states(&mut client)[&place.instances[0]] == "stopped").then_some(())
        });
    }
    for place in &places {
        let states = place.states(&mut client);
        assert_eq!(states[&place.instances[1]], "running", "{} {}", place.account, place.region);
        eventually("what was recorded is deleted", || (place.depth() == 0).then_some(()));
    }
    let told = counts(&mut client);
    assert_eq!(
        (&told["elsewhere"], &told["let_go"], &told["undecodable"]),
        (&json!(0), &json!(0), &json!(0)),
        "{told}"
    );
    assert!(told["applied"].as_u64() >= Some(9), "{told}");

    // Somebody who can write to one account's queue claims that the instances of the others are terminated.
    let (own, others) = (&places[0], &places[1..]);
    let claimed = others.iter().filter(|place| place.account != own.account);
    let mut sent = 0;
    for place in claimed.clone() {
        let body = json!({
            "id": format!("claim-{sent}"), "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2",
            "account": place.account, "time": "2035-11-11T21:29:54Z", "region": place.region, "resources": [],
            "detail": {"instance-id": place.instances[1], "state": "terminated"},
        });
        own.boto3.call("sqs.send_message", &json!({"QueueUrl": own.queue, "MessageBody": body.to_string()}));
        sent += 1;
    }
    eventually("the claims are counted", || (counts(&mut client)["elsewhere"] == sent).then_some(()));
    eventually("they are deleted", || (own.depth() == 0).then_some(()));
    for place in claimed {
        assert_eq!(place.states(&mut client)[&place.instances[1]], "running");
    }
    let said = client.call("get_inventory_summary", &json!({})).unwrap();
    assert_eq!(said.structured["unwatched_events"]["count"], sent, "{}", said.text);
    assert!(said.text.contains("for which their queue does not speak"), "{}", said.text);
}

#[test]
fn an_entry_of_the_file_names_its_own_queues_or_none() {
    let moto = Moto::alone();
    let [(_, one), (_, two), (_, three)] = ACCOUNTS;
    let [first, second, _] = REGIONS;
    let by_arn = [(one, first, "team"), (one, second, "team")];
    let places: Vec<Place> =
        by_arn.iter().map(|(account, region, queue)| Place::make(&moto, account, region, queue)).collect();
    let by_name = Place::make(&moto, two, first, "other-events");
    let off = Place::make(&moto, three, first, "muster-events");
    let sandbox = Sandbox::new(&moto.endpoint());
    let arn = |region: &str| format!("arn:aws:sqs:{region}:{one}:team");
    let text = format!(
        "events = true\ninterval = {{ all = \"1h\" }}\naws_share = 1\n\n\
         [[accounts]]\nrole_arn = {:?}\nregions = [{first:?}, {second:?}]\nevents = {{ {first} = {:?}, {second} = {:?} }}\n\n\
         [[accounts]]\nrole_arn = {:?}\nregions = {first:?}\nevents = \"other\"\n\n\
         [[accounts]]\nrole_arn = {:?}\nregions = {first:?}\nevents = \"off\"\n",
        role(one),
        arn(first),
        arn(second),
        role(two),
        role(three),
    );
    let file = sandbox.path().join("muster.toml");
    std::fs::write(&file, text).unwrap();
    let server = sandbox.serve(&["--config", file.to_str().unwrap()]);
    server.swept();
    let mut client = Client::http(&server.http);
    for place in places.iter().chain([&by_name]) {
        place.stop();
        eventually("the instance is stopped", || {
            (place.states(&mut client)[&place.instances[0]] == "stopped").then_some(())
        });
        eventually("what was recorded is deleted", || (place.depth() == 0).then_some(()));
    }
    off.stop();
    let freshness = client.read("ec2://inventory/freshness");
    let listening: Vec<String> = freshness["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| format!("{}/{}", path["account"].as_str().unwrap(), path["region"].as_str().unwrap()))
        .collect();
    assert_eq!(listening, [format!("{one}/{first}"), format!("{one}/{second}"), format!("{two}/{first}")]);
    assert!(off.depth() > 0, "nobody receives from the queue of an account whose events are off");
    assert_eq!(off.states(&mut client)[&off.instances[0]], "running");
}
