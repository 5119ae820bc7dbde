//! What `CloudTrail` records of a call: `requestParameters` from the Query parameters, `responseElements` from the
//! answer.
//!
//! `CloudTrail` uses the names of EC2's XML, with lists as `{"items": [..]}`. Both parts are converted mechanically, so
//! a new action needs no code here; the few parameters with other names are in a table.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;

/// Lists of plain values: the parameter, the name of the list in the record, and the name of each item's value.
static PLAIN_LISTS: [(&str, &str, &str); 5] = [
    ("InstanceId", "instancesSet", "instanceId"),
    ("ResourceId", "resourcesSet", "resourceId"),
    ("SecurityGroup", "groupSet", "groupName"),
    ("SecurityGroupId", "groupSet", "groupId"),
    ("SecurityGroupRuleId", "securityGroupRuleIdSet", "securityGroupRuleId"),
];
/// Parameters that have another name in the record.
static RENAMED: [(&str, &str); 3] =
    [("Tag", "tagSet"), ("TagSpecification", "tagSpecificationSet"), ("BlockDeviceMapping", "blockDeviceMapping")];
/// The parameters of `RunInstances` that the record puts into its one set of instances.
static OF_INSTANCES: [&str; 4] = ["ImageId", "KeyName", "MaxCount", "MinCount"];
/// Values that are numbers, while most are text.
static NUMBERS: [&str; 11] = [
    "amiLaunchIndex",
    "code",
    "coreCount",
    "deviceIndex",
    "fromPort",
    "httpPutResponseHopLimit",
    "maxCount",
    "minCount",
    "networkCardIndex",
    "threadsPerCore",
    "toPort",
];
/// Values that the record gives in milliseconds since the epoch, while EC2 prints a time.
static TIMES: [&str; 5] = ["attachTime", "createTime", "launchTime", "startTime", "usageOperationUpdateTime"];

/// The `requestParameters` of a call.
pub(super) fn request(action: &str, params: &Params) -> Value {
    let mut root = Node::default();
    for (name, value) in params.pairs().filter(|(name, _)| !matches!(*name, "Action" | "Version")) {
        let value = if name == "UserData" { "<sensitiveDataRemoved>" } else { value };
        root.put(name, value);
    }
    let mut out = Map::new();
    for (name, node) in root.inside {
        if action == "RunInstances" && OF_INSTANCES.contains(&name.as_str()) {
            let set = out.entry("instancesSet").or_insert_with(|| json!({ "items": [{}] }));
            if let Some(first) = set.pointer_mut("/items/0").and_then(Value::as_object_mut) {
                let key = lower(&name);
                first.insert(key.clone(), node.value(&key));
            }
            continue;
        }
        if let Some((_, set, item)) = PLAIN_LISTS.iter().find(|(known, ..)| *known == name).filter(|_| node.is_list()) {
            let items: Vec<Value> = node.items().map(|(_, one)| json!({ *item: one.text })).collect();
            out.insert((*set).to_owned(), json!({ "items": items }));
            continue;
        }
        let renamed = RENAMED.iter().find(|(known, _)| *known == name).map(|(_, other)| (*other).to_owned());
        let key = renamed.unwrap_or_else(|| lower(&name));
        let value = node.value(&key);
        out.insert(key, value);
    }
    Value::Object(out)
}

/// The `responseElements` of an answer, which is a document that this simulator wrote.
pub(super) fn response(xml: &str) -> Value {
    let mut reader = Reader { rest: xml };
    let inside = reader.root().map(|inside| children(&inside));
    inside.map_or(Value::Null, Value::Object)
}

/// The code and message of a refusal, with the code as `CloudTrail` spells it.
pub(super) fn error(refusal: &Refusal) -> (String, String) {
    let side = if refusal.status < 500 { "Client" } else { "Server" };
    (format!("{side}.{}", refusal.code), refusal.message.clone())
}

/// Dotted parameters, as a tree.
#[derive(Debug, Default)]
struct Node {
    text: String,
    inside: BTreeMap<String, Node>,
}

impl Node {
    fn put(&mut self, path: &str, value: &str) {
        match path.split_once('.') {
            Some((first, rest)) => self.inside.entry(first.to_owned()).or_default().put(rest, value),
            None => value.clone_into(&mut self.inside.entry(path.to_owned()).or_default().text),
        }
    }

    fn is_list(&self) -> bool {
        !self.inside.is_empty() && self.inside.keys().all(|key| key.bytes().all(|b| b.is_ascii_digit()))
    }

    /// The items of a list, in the order of their numbers.
    fn items(&self) -> impl Iterator<Item = (u32, &Self)> {
        let mut items: Vec<(u32, &Self)> =
            self.inside.iter().map(|(key, node)| (key.parse().unwrap_or(u32::MAX), node)).collect();
        items.sort_by_key(|(number, _)| *number);
        items.into_iter()
    }

    fn value(&self, name: &str) -> Value {
        if self.inside.is_empty() {
            return scalar(name, &self.text);
        }
        if self.is_list() {
            let items: Vec<Value> = self.items().map(|(_, node)| node.value("")).collect();
            return json!({ "items": items });
        }
        let mut out = Map::new();
        for (name, node) in &self.inside {
            // The tags inside specifications are the only list that is a plain array.
            if name == "Tag" && node.is_list() {
                out.insert("tags".to_owned(), node.items().map(|(_, tag)| tag.value("")).collect());
            } else {
                let key = lower(name);
                let value = node.value(&key);
                out.insert(key, value);
            }
        }
        Value::Object(out)
    }
}

fn lower(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_lowercase().to_string() + chars.as_str())
}

fn scalar(name: &str, text: &str) -> Value {
    match text {
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        _ => {}
    }
    let number = NUMBERS.contains(&name).then(|| text.parse::<i64>().ok()).flatten();
    let time = TIMES.contains(&name).then(|| text.parse::<jiff::Timestamp>().ok()).flatten();
    let number = number.or_else(|| time.map(jiff::Timestamp::as_millisecond));
    number.map_or_else(|| Value::String(text.to_owned()), |number| Value::Number(Number::from(number)))
}

/// An XML element: its name and its content.
struct Element<'a> {
    name: &'a str,
    inside: Vec<Element<'a>>,
    text: &'a str,
}

/// Reads documents that [`Xml`](crate::simulator::xml::Xml) wrote: only the root has attributes, and there are no
/// comments and no mixed content.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn root(&mut self) -> Option<Vec<Element<'a>>> {
        if let Some(rest) = self.rest.strip_prefix("<?") {
            self.rest = rest.split_once('>')?.1.trim_start();
        }
        self.element().map(|root| root.inside)
    }

    fn element(&mut self) -> Option<Element<'a>> {
        let (head, rest) = self.rest.strip_prefix('<')?.split_once('>')?;
        self.rest = rest;
        if let Some(name) = head.strip_suffix('/') {
            return Some(Element { name, inside: Vec::new(), text: "" });
        }
        let name = head.split(' ').next()?;
        let mut element = Element { name, inside: Vec::new(), text: "" };
        loop {
            let (text, _) = self.rest.split_at(self.rest.find('<')?);
            self.rest = self.rest.get(text.len()..)?;
            if let Some(rest) = self.rest.strip_prefix("</") {
                self.rest = rest.split_once('>')?.1;
                if element.inside.is_empty() {
                    element.text = text;
                }
                return Some(element);
            }
            element.inside.push(self.element()?);
        }
    }
}

fn children(inside: &[Element]) -> Map<String, Value> {
    let mut out = Map::new();
    for element in inside {
        let name = if element.name == "return" { "_return" } else { element.name };
        let value = match element.inside.first() {
            Some(first) if first.name == "item" => {
                let items: Vec<Value> =
                    element.inside.iter().map(|item| Value::Object(children(&item.inside))).collect();
                json!({ "items": items })
            }
            Some(_) => Value::Object(children(&element.inside)),
            None if element.text.is_empty() && (name.ends_with("Set") || name.ends_with('s')) => json!({}),
            None if element.text.is_empty() => continue,
            None => scalar(name, &unescape(element.text)),
        };
        out.insert(name.to_owned(), value);
    }
    out
}

fn unescape(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#13;", "\r");
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(action: &str, body: &str) -> Value {
        request(action, &Params::parse("", body.as_bytes()))
    }

    #[test]
    fn parameters_are_recorded_as_cloudtrail_records_them() {
        let body = "Action=CreateTags&Version=2016-11-15&ResourceId.1=i-1&ResourceId.2=i-2&Tag.1.Key=a&Tag.1.Value=b";
        assert_eq!(
            asked("CreateTags", body),
            json!({
                "resourcesSet": {"items": [{"resourceId": "i-1"}, {"resourceId": "i-2"}]},
                "tagSet": {"items": [{"key": "a", "value": "b"}]},
            })
        );
        let body = "ImageId=ami-1&MinCount=1&MaxCount=2&InstanceType=t3.micro&UserData=c2VjcmV0\
                    &TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=a&TagSpecification.1.Tag.1.Value=b";
        assert_eq!(
            asked("RunInstances", body),
            json!({
                "instancesSet": {"items": [{"imageId": "ami-1", "minCount": 1, "maxCount": 2}]},
                "instanceType": "t3.micro",
                "userData": "<sensitiveDataRemoved>",
                "tagSpecificationSet": {"items": [{"resourceType": "instance", "tags": [{"key": "a", "value": "b"}]}]},
            })
        );
        let body = "GroupId=sg-1&IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=22&IpPermissions.1.ToPort=22\
                    &IpPermissions.1.IpRanges.1.CidrIp=10.0.0.0%2F8";
        assert_eq!(
            asked("AuthorizeSecurityGroupIngress", body),
            json!({
                "groupId": "sg-1",
                "ipPermissions": {"items": [{
                    "ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "10.0.0.0/8"}]},
                }]},
            })
        );
    }

    #[test]
    fn an_answer_is_recorded_with_its_lists_as_items() {
        let xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<XResponse xmlns=\"http://e/\"><requestId>r</requestId>\
                   <return>true</return><groupSet/><reason/><instancesSet><item><instanceId>i-1</instanceId><currentState>\
                   <code>0</code><name>a &amp; b</name></currentState><launchTime>1970-01-01T00:00:01.000Z</launchTime>\
                   </item></instancesSet></XResponse>";
        assert_eq!(
            response(xml),
            json!({
                "requestId": "r",
                "_return": true,
                "groupSet": {},
                "instancesSet": {"items": [{
                    "instanceId": "i-1", "currentState": {"code": 0, "name": "a & b"}, "launchTime": 1_000,
                }]},
            })
        );
    }
}
