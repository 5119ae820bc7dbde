//! EC2's Query API: the actions, the envelope around their answers, and what they have in common.

mod create_snapshots;
mod describe_addresses;
mod describe_instance_status;
mod describe_instances;
mod describe_network_interfaces;
mod describe_regions;
mod describe_security_groups;
mod describe_snapshots;
mod describe_subnets;
mod describe_volumes;
mod describe_vpcs;
mod instance_field;
mod lifecycle;
mod listing;
mod tag_specification;

use crate::simulator::clock::Moment;
use crate::simulator::estate::{Estate, View};
use crate::simulator::ident::{Idents, Kind};
use crate::simulator::instance::Instance;
use crate::simulator::lens::Lens;
use crate::simulator::page::Page;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::xml::Xml;

const VERSION: &str = "2016-11-15";

/// One call, with everything its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) params: &'a Params,
    pub(crate) estate: &'a Estate,
    /// The moment of the request.
    pub(crate) now: Moment,
    /// How describes see the estate.
    pub(crate) lens: Lens,
    pub(crate) request: &'a str,
}

type Answer = Result<String, Refusal>;

/// An action of the API.
struct Action {
    name: &'static str,
    /// First segments of the parameters it takes, besides `Action`, `Version` and `DryRun`.
    parameters: &'static [&'static str],
    answer: fn(&Call) -> Answer,
}

/// Adding an action is a file and a line here.
static ACTIONS: [Action; 15] = [
    Action {
        name: "CreateSnapshots",
        parameters: &[
            "CopyTagsFromSource",
            "Description",
            "InstanceSpecification",
            "Location",
            "OutpostArn",
            "TagSpecification",
        ],
        answer: create_snapshots::answer,
    },
    Action {
        name: "DescribeAddresses",
        parameters: &["AllocationId", "Filter", "PublicIp"],
        answer: describe_addresses::answer,
    },
    Action {
        name: "DescribeInstances",
        parameters: &["Filter", "IncludeManagedResources", "InstanceId", "MaxResults", "NextToken"],
        answer: describe_instances::answer,
    },
    Action {
        name: "DescribeInstanceStatus",
        parameters: &[
            "Filter",
            "IncludeAllInstances",
            "IncludeManagedResources",
            "InstanceId",
            "MaxResults",
            "NextToken",
        ],
        answer: describe_instance_status::answer,
    },
    Action {
        name: "DescribeNetworkInterfaces",
        parameters: &["Filter", "IncludeManagedResources", "MaxResults", "NetworkInterfaceId", "NextToken"],
        answer: describe_network_interfaces::answer,
    },
    Action {
        name: "DescribeRegions",
        parameters: &["AllRegions", "Filter", "RegionName"],
        answer: describe_regions::answer,
    },
    Action {
        name: "DescribeSecurityGroups",
        parameters: &["Filter", "GroupId", "GroupName", "MaxResults", "NextToken"],
        answer: describe_security_groups::answer,
    },
    Action {
        name: "DescribeSnapshots",
        parameters: &["Filter", "MaxResults", "NextToken", "Owner", "RestorableBy", "SnapshotId"],
        answer: describe_snapshots::answer,
    },
    Action {
        name: "DescribeSubnets",
        parameters: &["Filter", "MaxResults", "NextToken", "SubnetId"],
        answer: describe_subnets::answer,
    },
    Action {
        name: "DescribeVolumes",
        parameters: &["Filter", "IncludeManagedResources", "MaxResults", "NextToken", "VolumeId"],
        answer: describe_volumes::answer,
    },
    Action {
        name: "DescribeVpcs",
        parameters: &["Filter", "MaxResults", "NextToken", "VpcId"],
        answer: describe_vpcs::answer,
    },
    Action { name: "RebootInstances", parameters: &["InstanceId"], answer: lifecycle::reboot },
    Action { name: "StartInstances", parameters: &["AdditionalInfo", "InstanceId"], answer: lifecycle::start },
    Action {
        name: "StopInstances",
        parameters: &["Force", "Hibernate", "InstanceId", "SkipOsShutdown"],
        answer: lifecycle::stop,
    },
    Action {
        name: "TerminateInstances",
        parameters: &["Force", "InstanceId", "SkipOsShutdown"],
        answer: lifecycle::terminate,
    },
];

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    ACTIONS.iter().any(|known| known.name == action)
}

/// The names of all actions.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name)
}

/// Answers one EC2 call.
pub(crate) fn answer(call: &Call, action: &str) -> Answer {
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    let version = call.params.get("Version").unwrap_or_default();
    if version != VERSION {
        return Err(Refusal::no_such_version(version, "AmazonEC2"));
    }
    call.params.only(known.parameters)?;
    (known.answer)(call)
}

impl Call<'_> {
    /// Ends a dry run. EC2 checks parameters and ids before it, and states after it.
    fn dry_run(&self) -> Result<(), Refusal> {
        if self.params.flag("DryRun")? { Err(Refusal::dry_run()) } else { Ok(()) }
    }

    /// The answer's document: `ActionResponse` around what `inside` writes, which is about `bytes` long.
    fn envelope(&self, action: &str, bytes: usize, inside: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml::with_capacity(bytes + 512);
        xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        xml.raw(action);
        xml.raw("Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">");
        xml.text("requestId", self.request);
        inside(&mut xml);
        xml.raw("</");
        xml.raw(action);
        xml.raw("Response>");
        xml.finish()
    }

    /// The numbers of the named instances in listing order, if EC2 lists all of them.
    fn instances(&self, ids: &[&str]) -> Result<Vec<u64>, Refusal> {
        let (view, retention) = (self.estate.view(), self.estate.plan().retention);
        let mut numbers = Vec::with_capacity(ids.len());
        let mut unknown = Vec::new();
        for id in ids {
            let number = view.number(id).map_err(|_| Refusal::malformed_instance(id))?;
            match number.filter(|number| view.instance(*number).visible(self.now, retention)) {
                Some(number) => numbers.push(number),
                None => unknown.push(*id),
            }
        }
        if !unknown.is_empty() {
            return Err(Refusal::instance_not_found(&unknown));
        }
        Ok(numbers)
    }
}

/// Hands the instances of a page that `keep` keeps to `emit`; returns the position the next page starts at.
///
/// The end is known only when a page finds nothing beyond it, so a token may lead to an empty page, as on AWS.
fn walk(
    view: &View,
    page: &Page,
    mut keep: impl FnMut(&Instance) -> bool,
    mut emit: impl FnMut(&Instance),
) -> Option<u64> {
    let mut taken = 0;
    for number in page.from..view.end() {
        if page.limit.is_some_and(|limit| taken == limit) {
            return Some(number);
        }
        let instance = view.instance(number);
        if keep(&instance) {
            taken += 1;
            emit(&instance);
        }
    }
    None
}

/// As [`walk`], for the few things that are listed by number alone.
fn walk_numbers<T>(
    end: u64,
    page: &Page,
    make: impl Fn(u64) -> T,
    keep: impl Fn(&T) -> bool,
    mut emit: impl FnMut(T),
) -> Option<u64> {
    let mut taken = 0;
    for number in page.from..end {
        if page.limit.is_some_and(|limit| taken == limit) {
            return Some(number);
        }
        let item = make(number);
        if keep(&item) {
            taken += 1;
            emit(item);
        }
    }
    None
}

/// The numbers of named resources below `end`, or the refusals EC2 has for texts and ids that are none.
fn named(
    idents: Idents,
    kind: Kind,
    ids: &[&str],
    end: u64,
    malformed: &'static str,
    not_found: impl FnOnce(&[&str]) -> Refusal,
) -> Result<Vec<u64>, Refusal> {
    let mut numbers = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        let number = idents.number(kind, id).map_err(|_| Refusal::malformed(malformed, id, kind.prefix()))?;
        match number.filter(|number| *number < end) {
            Some(number) => numbers.push(number),
            None => unknown.push(*id),
        }
    }
    if unknown.is_empty() { Ok(numbers) } else { Err(not_found(&unknown)) }
}

fn next_token(xml: &mut Xml, page: &Page, next: Option<u64>) {
    if let Some(position) = next {
        xml.text("nextToken", &page.token(position));
    }
}
