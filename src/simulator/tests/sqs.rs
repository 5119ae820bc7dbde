//! SQS over its socket, called as an SDK calls it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::simulator::Simulator;
use crate::simulator::tests::options;

/// An answer of the JSON protocols.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Value,
}

impl Reply {
    /// The body of the answer, which must not be an error.
    pub(super) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The type and message of the error, which the answer must be.
    pub(super) fn refused(self) -> (String, String) {
        assert_ne!(self.status, 200, "{}", self.body);
        let text = |name: &str| self.body[name].as_str().unwrap().to_owned();
        (text("__type").split('#').next_back().unwrap().to_owned(), text("message"))
    }
}

/// One complete HTTP exchange in a credential scope (`AKIAX/20261122/us-east-1/sqs`). Each of `headers` ends in a line
/// end.
pub(super) async fn post(simulator: &Simulator, scope: &str, headers: &str, body: &str) -> String {
    let host = simulator.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential={scope}/aws4_request, X=0\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Calls `target`, such as `AmazonSQS.SendMessage`.
pub(super) async fn call(simulator: &Simulator, scope: &str, target: &str, body: &Value) -> Reply {
    let headers = format!("x-amz-target: {target}\r\ncontent-type: application/x-amz-json-1.0\r\n");
    let answer = post(simulator, scope, &headers, &body.to_string()).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body).unwrap() };
    Reply { status, head: head.to_owned(), body }
}

const HOME: &str = "AKIAX/20261122/us-east-1/sqs";

async fn sqs(simulator: &Simulator, action: &str, body: Value) -> Reply {
    call(simulator, HOME, &format!("AmazonSQS.{action}"), &body).await
}

async fn queue(simulator: &Simulator, name: &str, attributes: Value) -> String {
    let answer = sqs(simulator, "CreateQueue", json!({ "QueueName": name, "Attributes": attributes })).await.ok();
    answer["QueueUrl"].as_str().unwrap().to_owned()
}

async fn send(simulator: &Simulator, url: &str, body: &str) -> Value {
    sqs(simulator, "SendMessage", json!({ "QueueUrl": url, "MessageBody": body })).await.ok()
}

/// Receives without waiting.
async fn receive(simulator: &Simulator, url: &str, most: u8) -> Vec<Value> {
    let asked = json!({ "QueueUrl": url, "MaxNumberOfMessages": most, "MessageSystemAttributeNames": ["All"] });
    let answer = sqs(simulator, "ReceiveMessage", asked).await.ok();
    answer["Messages"].as_array().cloned().unwrap_or_default()
}

async fn counts(simulator: &Simulator, url: &str) -> [u64; 3] {
    let asked = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let answer = sqs(simulator, "GetQueueAttributes", asked).await.ok();
    let names = ["", "NotVisible", "Delayed"].map(|name| format!("ApproximateNumberOfMessages{name}"));
    names.map(|name| answer["Attributes"][name].as_str().unwrap().parse().unwrap())
}

async fn start() -> Simulator {
    Simulator::start(options(0)).await.unwrap()
}

#[tokio::test]
async fn a_queue_is_made_once_found_listed_and_deleted() {
    let simulator = start().await;
    let settings = json!({ "VisibilityTimeout": "60", "ReceiveMessageWaitTimeSeconds": "20" });
    let url = queue(&simulator, "muster", settings.clone()).await;
    assert_eq!(url, format!("{}/123456789012/muster", simulator.endpoint()));
    assert_eq!(queue(&simulator, "muster", settings).await, url);
    assert_eq!(queue(&simulator, "muster", json!({})).await, url);
    let other = json!({ "QueueName": "muster", "Attributes": { "VisibilityTimeout": "61" } });
    let refused = sqs(&simulator, "CreateQueue", other).await;
    assert!(refused.head.contains("x-amzn-query-error: QueueAlreadyExists;Sender"), "{}", refused.head);
    assert_eq!(refused.refused().0, "QueueNameExists");
    assert_eq!(sqs(&simulator, "GetQueueUrl", json!({ "QueueName": "muster" })).await.ok()["QueueUrl"], json!(url));
    let nowhere = sqs(&simulator, "GetQueueUrl", json!({ "QueueName": "nobody" })).await;
    assert!(nowhere.head.contains("x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender"));
    assert_eq!(nowhere.status, 400);
    for name in ["a1", "a2", "a3"] {
        queue(&simulator, name, json!({})).await;
    }
    let page = json!({ "QueueNamePrefix": "a", "MaxResults": 2 });
    let first = sqs(&simulator, "ListQueues", page).await.ok();
    assert_eq!(first["QueueUrls"].as_array().unwrap().len(), 2);
    let rest = json!({ "QueueNamePrefix": "a", "MaxResults": 2, "NextToken": first["NextToken"] });
    let rest = sqs(&simulator, "ListQueues", rest).await.ok();
    assert!(rest["QueueUrls"][0].as_str().unwrap().ends_with("/a3") && rest.get("NextToken").is_none(), "{rest}");
    assert_eq!(sqs(&simulator, "DeleteQueue", json!({ "QueueUrl": url })).await.ok(), Value::Null);
    let gone = sqs(&simulator, "SendMessage", json!({ "QueueUrl": url, "MessageBody": "x" })).await;
    assert_eq!(gone.refused().0, "QueueDoesNotExist");
    let again = sqs(&simulator, "CreateQueue", json!({ "QueueName": "muster" })).await;
    assert_eq!(again.refused().0, "QueueDeletedRecently");
    simulator.world().clock().advance(Duration::from_mins(1));
    queue(&simulator, "muster", json!({})).await;
    simulator.stop().await;
}

#[tokio::test]
async fn accounts_and_regions_have_queues_of_their_own() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({})).await;
    for scope in ["AKIAX/20261122/eu-west-1/sqs", "111122223333/20261122/us-east-1/sqs"] {
        let named = call(&simulator, scope, "AmazonSQS.GetQueueUrl", &json!({ "QueueName": "muster" })).await;
        assert_eq!(named.refused().0, "QueueDoesNotExist");
        let sent = json!({ "QueueUrl": url, "MessageBody": "x" });
        assert_eq!(call(&simulator, scope, "AmazonSQS.SendMessage", &sent).await.refused().0, "QueueDoesNotExist");
        assert_eq!(call(&simulator, scope, "AmazonSQS.ListQueues", &json!({})).await.ok(), json!({}));
    }
    let nowhere = call(&simulator, "AKIAX/20261122/mars-1/sqs", "AmazonSQS.ListQueues", &json!({})).await;
    assert_eq!(nowhere.refused().0, "InvalidSignatureException");
    simulator.stop().await;
}

#[tokio::test]
async fn a_message_is_hidden_when_received_and_comes_back_until_it_is_deleted() {
    let simulator = start().await;
    let clock = simulator.world().clock().clone();
    let url = queue(&simulator, "muster", json!({})).await;
    let sent = send(&simulator, &url, "abc").await;
    assert_eq!(sent["MD5OfMessageBody"], "900150983cd24fb0d6963f7d28e17f72");
    let first = receive(&simulator, &url, 10).await;
    assert_eq!((first.len(), &first[0]["Body"], &first[0]["MessageId"]), (1, &json!("abc"), &sent["MessageId"]));
    assert_eq!(first[0]["MD5OfBody"], sent["MD5OfMessageBody"]);
    assert_eq!(first[0]["Attributes"]["SentTimestamp"], "1795348800000");
    assert_eq!((receive(&simulator, &url, 10).await, counts(&simulator, &url).await), (Vec::new(), [0, 1, 0]));
    clock.advance(Duration::from_secs(30));
    let second = receive(&simulator, &url, 10).await;
    assert_eq!(second[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert_eq!(second[0]["Attributes"]["ApproximateFirstReceiveTimestamp"], "1795348800000");
    // The handle of the first receive is outdated: it is no error, and deletes nothing.
    let delete = |handle: &Value| json!({ "QueueUrl": url, "ReceiptHandle": handle });
    sqs(&simulator, "DeleteMessage", delete(&first[0]["ReceiptHandle"])).await.ok();
    assert_eq!(counts(&simulator, &url).await, [0, 1, 0]);
    let hide =
        |handle: &Value, timeout| json!({ "QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": timeout });
    sqs(&simulator, "ChangeMessageVisibility", hide(&second[0]["ReceiptHandle"], 300)).await.ok();
    clock.advance(Duration::from_secs(299));
    assert_eq!(receive(&simulator, &url, 10).await, Vec::<Value>::new());
    sqs(&simulator, "ChangeMessageVisibility", hide(&second[0]["ReceiptHandle"], 0)).await.ok();
    let idle = sqs(&simulator, "ChangeMessageVisibility", hide(&second[0]["ReceiptHandle"], 1)).await;
    assert_eq!(idle.refused().0, "MessageNotInflight");
    let third = receive(&simulator, &url, 10).await;
    sqs(&simulator, "DeleteMessage", delete(&third[0]["ReceiptHandle"])).await.ok();
    assert_eq!(counts(&simulator, &url).await, [0, 0, 0]);
    assert_eq!(sqs(&simulator, "DeleteMessage", delete(&json!("AQEB"))).await.refused().0, "ReceiptHandleIsInvalid");
    simulator.stop().await;
}

#[tokio::test]
async fn delays_retention_and_purges_go_by_the_simulated_clock() {
    let simulator = start().await;
    let clock = simulator.world().clock().clone();
    let url = queue(&simulator, "muster", json!({ "MessageRetentionPeriod": "60" })).await;
    let late = json!({ "QueueUrl": url, "MessageBody": "late", "DelaySeconds": 10 });
    sqs(&simulator, "SendMessage", late).await.ok();
    assert_eq!(counts(&simulator, &url).await, [0, 0, 1]);
    clock.advance(Duration::from_secs(10));
    assert_eq!(counts(&simulator, &url).await, [1, 0, 0]);
    clock.advance(Duration::from_secs(50));
    assert_eq!(counts(&simulator, &url).await, [0, 0, 0]);
    send(&simulator, &url, "x").await;
    sqs(&simulator, "PurgeQueue", json!({ "QueueUrl": url })).await.ok();
    assert_eq!(counts(&simulator, &url).await, [0, 0, 0]);
    let soon = sqs(&simulator, "PurgeQueue", json!({ "QueueUrl": url })).await;
    assert_eq!(soon.refused().0, "PurgeQueueInProgress");
    simulator.stop().await;
}

#[tokio::test]
async fn a_message_received_too_often_goes_to_the_dead_letter_queue() {
    let simulator = start().await;
    let clock = simulator.world().clock().clone();
    let dead = queue(&simulator, "dead", json!({})).await;
    let arn = "arn:aws:sqs:us-east-1:123456789012:dead";
    let redrive = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": "2" }).to_string();
    let url = queue(&simulator, "muster", json!({ "RedrivePolicy": redrive, "VisibilityTimeout": "1" })).await;
    let sent = send(&simulator, &url, "poison").await;
    for _ in 0..2 {
        assert_eq!(receive(&simulator, &url, 1).await.len(), 1);
        clock.advance(Duration::from_secs(1));
    }
    assert_eq!(receive(&simulator, &url, 1).await.len(), 0);
    let buried = receive(&simulator, &dead, 1).await;
    assert_eq!(buried[0]["MessageId"], sent["MessageId"]);
    assert_eq!(buried[0]["Attributes"]["DeadLetterQueueSourceArn"], "arn:aws:sqs:us-east-1:123456789012:muster");
    assert_eq!(buried[0]["Attributes"]["ApproximateReceiveCount"], "3");
    let nowhere = json!({ "deadLetterTargetArn": format!("{arn}er"), "maxReceiveCount": 2 }).to_string();
    let wrong = json!({ "QueueUrl": url, "Attributes": { "RedrivePolicy": nowhere } });
    let (code, message) = sqs(&simulator, "SetQueueAttributes", wrong).await.refused();
    assert!(code == "InvalidParameterValue" && message.ends_with("Dead letter target does not exist."), "{message}");
    simulator.stop().await;
}

#[tokio::test]
async fn batches_do_what_they_can_and_name_what_failed() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({})).await;
    let entries = json!([
        { "Id": "good", "MessageBody": "one" },
        { "Id": "bad", "MessageBody": "bell\u{7}" },
        { "Id": "late", "MessageBody": "two", "DelaySeconds": 901 },
    ]);
    let sent = sqs(&simulator, "SendMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await.ok();
    assert_eq!(
        (sent["Successful"][0]["Id"].as_str(), sent["Failed"][0]["Code"].as_str()),
        (Some("good"), Some("InvalidMessageContents"))
    );
    assert_eq!((&sent["Failed"][1]["Id"], &sent["Failed"][1]["SenderFault"]), (&json!("late"), &json!(true)));
    let received = receive(&simulator, &url, 10).await;
    let entries =
        json!([{ "Id": "a", "ReceiptHandle": received[0]["ReceiptHandle"] }, { "Id": "b", "ReceiptHandle": "x" }]);
    let hidden: Vec<Value> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let mut entry = entry.clone();
            entry["VisibilityTimeout"] = json!(60);
            entry
        })
        .collect();
    let changed = json!({ "QueueUrl": url, "Entries": hidden });
    let changed = sqs(&simulator, "ChangeMessageVisibilityBatch", changed).await.ok();
    assert_eq!(changed["Successful"], json!([{ "Id": "a" }]));
    let deleted = sqs(&simulator, "DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await.ok();
    assert_eq!(deleted["Successful"], json!([{ "Id": "a" }]));
    assert_eq!(deleted["Failed"][0]["Code"], "ReceiptHandleIsInvalid");
    assert_eq!(counts(&simulator, &url).await, [0, 0, 0]);
    let many: Vec<Value> = (0..11).map(|n| json!({ "Id": n.to_string(), "ReceiptHandle": "x" })).collect();
    for (entries, code) in [
        (json!([]), "EmptyBatchRequest"),
        (json!(many), "TooManyEntriesInBatchRequest"),
        (json!([{ "Id": "a", "ReceiptHandle": "x" }, { "Id": "a", "ReceiptHandle": "y" }]), "BatchEntryIdsNotDistinct"),
        (json!([{ "Id": "a.b", "ReceiptHandle": "x" }]), "InvalidBatchEntryId"),
    ] {
        let answer = sqs(&simulator, "DeleteMessageBatch", json!({ "QueueUrl": url, "Entries": entries })).await;
        assert_eq!(answer.refused().0, code);
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_long_poll_wakes_when_a_message_arrives_or_its_time_is_up() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({ "ReceiveMessageWaitTimeSeconds": "20" })).await;
    let poll = async {
        // The queue's own wait applies when the call names none.
        sqs(&simulator, "ReceiveMessage", json!({ "QueueUrl": url })).await.ok()
    };
    let sending = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        send(&simulator, &url, "news").await
    };
    let (got, _) = tokio::join!(poll, sending);
    assert_eq!(got["Messages"][0]["Body"], "news");
    let short = json!({ "QueueUrl": url, "WaitTimeSeconds": 1 });
    assert_eq!(sqs(&simulator, "ReceiveMessage", short).await.ok(), json!({}));
    for (name, value) in [
        ("WaitTimeSeconds", 21),
        ("MaxNumberOfMessages", 11),
        ("MaxNumberOfMessages", 0),
        ("VisibilityTimeout", 43_201),
    ] {
        let (code, message) =
            sqs(&simulator, "ReceiveMessage", json!({ "QueueUrl": url, name: value })).await.refused();
        assert!(message.starts_with(&format!("Value {value} for parameter {name} is invalid.")), "{message}");
        assert_eq!(code, "InvalidParameterValue");
    }
    simulator.stop().await;
}

#[tokio::test]
async fn stopping_the_simulator_sends_long_polls_home() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({})).await;
    let world = simulator.world();
    let poll =
        async { sqs(&simulator, "ReceiveMessage", json!({ "QueueUrl": url, "WaitTimeSeconds": 20 })).await.ok() };
    let closing = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        world.closing().cancel();
    };
    assert_eq!(tokio::join!(poll, closing).0, json!({}));
}

#[tokio::test]
async fn settings_and_tags_are_checked_and_shown() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({})).await;
    let all = json!({ "QueueUrl": url, "AttributeNames": ["All"] });
    let shown = sqs(&simulator, "GetQueueAttributes", all).await.ok();
    assert_eq!(
        shown["Attributes"],
        json!({
            "DelaySeconds": "0", "MaximumMessageSize": "1048576", "MessageRetentionPeriod": "345600",
            "ReceiveMessageWaitTimeSeconds": "0", "SqsManagedSseEnabled": "true", "VisibilityTimeout": "30",
            "ApproximateNumberOfMessages": "0", "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0", "CreatedTimestamp": "1795348800",
            "LastModifiedTimestamp": "1795348800", "QueueArn": "arn:aws:sqs:us-east-1:123456789012:muster",
        })
    );
    for (name, value, code) in [
        ("VisibilityTimeout", "43201", "InvalidAttributeValue"),
        ("MessageRetentionPeriod", "59", "InvalidAttributeValue"),
        ("Policy", "{}", "InvalidAttributeValue"),
        ("SqsManagedSseEnabled", "yes", "InvalidAttributeValue"),
        ("QueueArn", "x", "InvalidAttributeName"),
        ("FifoQueue", "false", "InvalidAttributeName"),
    ] {
        let set = json!({ "QueueUrl": url, "Attributes": { name: value } });
        assert_eq!(sqs(&simulator, "SetQueueAttributes", set).await.refused().0, code, "{name}");
    }
    let unknown = json!({ "QueueUrl": url, "AttributeNames": ["Colour"] });
    assert_eq!(sqs(&simulator, "GetQueueAttributes", unknown).await.refused().0, "InvalidAttributeName");
    let fifo = sqs(&simulator, "CreateQueue", json!({ "QueueName": "muster.fifo" })).await;
    assert_eq!(fifo.refused().0, "UnsupportedOperation");
    sqs(&simulator, "TagQueue", json!({ "QueueUrl": url, "Tags": { "team": "a", "stage": "b" } })).await.ok();
    sqs(&simulator, "UntagQueue", json!({ "QueueUrl": url, "TagKeys": ["stage"] })).await.ok();
    let tags = sqs(&simulator, "ListQueueTags", json!({ "QueueUrl": url })).await.ok();
    assert_eq!(tags, json!({ "Tags": { "team": "a" } }));
    let unknown = sqs(&simulator, "Teleport", json!({})).await;
    assert_eq!(unknown.refused().0, "UnknownOperationException");
    let garbage = sqs(&simulator, "CreateQueue", json!([1])).await;
    assert_eq!(garbage.refused().0, "SerializationException");
    simulator.stop().await;
}

#[tokio::test]
async fn message_attributes_come_back_with_their_digest() {
    let simulator = start().await;
    let url = queue(&simulator, "muster", json!({})).await;
    let attributes = json!({
        "b.kind": { "DataType": "String", "StringValue": "canary" },
        "a": { "DataType": "Binary", "BinaryValue": "AAEC" },
    });
    let sent = json!({ "QueueUrl": url, "MessageBody": "x", "MessageAttributes": attributes });
    let sent = sqs(&simulator, "SendMessage", sent).await.ok();
    let asked = json!({ "QueueUrl": url, "MessageAttributeNames": ["All"] });
    let got = sqs(&simulator, "ReceiveMessage", asked).await.ok();
    assert_eq!(got["Messages"][0]["MessageAttributes"], attributes);
    assert_eq!(got["Messages"][0]["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"]);
    // moto 5.2.1, which follows the developer guide, computes this digest.
    assert_eq!(sent["MD5OfMessageAttributes"], "0ad98b2a0d41eebd0aa09399031b0ba9");
    simulator.stop().await;
}

#[tokio::test]
async fn the_rust_sdk_receives_deletes_and_tells_errors_apart() {
    use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_sqs::error::ProvideErrorMetadata as _;
    use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;

    let simulator = start().await;
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(simulator.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIAX", "secret", None, None, "test"))
        // The simulated date is not today's. The SDK takes this for clock skew and must still work.
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let client = aws_sdk_sqs::Client::from_conf(config);
    let url = simulator.world().listen("123456789012", "us-east-1", "muster");
    let id = simulator.world().home().launch();
    let got =
        client.receive_message().queue_url(&url).max_number_of_messages(10).wait_time_seconds(1).send().await.unwrap();
    let bodies: Vec<&str> = got.messages().iter().filter_map(|message| message.body()).collect();
    assert!(bodies.iter().any(|body| body.contains(&id) && body.contains("pending")), "{bodies:?}");
    let entry = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let handle = got.messages()[0].receipt_handle().unwrap();
    let batch = client.delete_message_batch().queue_url(&url).entries(entry("a", handle)).entries(entry("b", "x"));
    let deleted = batch.send().await.unwrap();
    assert_eq!((deleted.successful()[0].id(), deleted.failed()[0].code()), ("a", "ReceiptHandleIsInvalid"));
    let error = client.receive_message().queue_url(url.replace("muster", "nobody")).send().await.unwrap_err();
    let error = error.into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.NonExistentQueue"));
    let error = client.receive_message().queue_url(&url).wait_time_seconds(21).send().await.unwrap_err();
    assert_eq!(error.into_service_error().code(), Some("InvalidParameterValue"));
    simulator.stop().await;
}
