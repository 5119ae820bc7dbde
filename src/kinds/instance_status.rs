//! Status checks and scheduled events of EC2 instances.

use std::time::Duration;

use aws_sdk_ec2::{Client, types};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::fields::Fields;
use super::instance::state;
use super::operator::operator;
use super::{Failure, Filter, KindSpec, LeftOut, Listing, Page, item, reduce};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::InstanceStatus",
    slug: "instance-status",
    title: "EC2 instance status",
    plural: "instance statuses",
    description: "The status checks (system, instance, attached EBS, application, performance) and scheduled events of \
                  an instance, and under Notices what AWS announced in events (spot interruption, rebalance, Health) with \
                  when each expires. It has the instance's id.",
    mapping: 1,
    id_field: "InstanceId",
    other_id: None,
    list: &["instanceStatusSet", "item"],
    name_field: None,
    owner_field: None,
    exclusive: true,
    own_only: false,
    state_path: Some("InstanceState.Name"),
    interval: Duration::from_mins(1),
    told_by: &[],
    relaxed: None,
    moves: true,
    gone_states: &["terminated"],
    masked: &[],
    status_of: Some("instance"),
    filters: FILTERS,
    actions: &["ec2:DescribeInstanceStatus"],
    optional: &["IncludeManagedResources"],
    describe,
};

static FILTERS: &[Filter] = &[
    // AWS takes ids as a parameter of its own here, not as a filter; under this name every kind is asked alike.
    Filter::new(0, "instance-id", &["InstanceId"], Form::Id(&["i-"])),
    Filter::new(2, "instance-state-name", &["InstanceState.Name"], Form::Word(types::InstanceStateName::values())),
    Filter::new(3, "instance-status.status", &["InstanceStatus.Status"], Form::Word(types::SummaryStatus::values())),
    Filter::new(
        4,
        "instance-status.reachability",
        &["InstanceStatus.Details.Status"],
        Form::Word(types::StatusType::values()),
    ),
    Filter::new(5, "system-status.status", &["SystemStatus.Status"], Form::Word(types::SummaryStatus::values())),
    Filter::new(
        6,
        "system-status.reachability",
        &["SystemStatus.Details.Status"],
        Form::Word(types::StatusType::values()),
    ),
    Filter::new(
        7,
        "attached-ebs-status.status",
        &["AttachedEbsStatus.Status"],
        Form::Word(types::SummaryStatus::values()),
    ),
    Filter::new(
        8,
        "application-status.status",
        &["ApplicationStatus.Status"],
        Form::Word(types::SummaryStatus::values()),
    ),
    Filter::new(9, "availability-zone", &["AvailabilityZone"], Form::Zone),
    Filter::new(10, "event.code", &["Events.Code"], Form::Word(types::EventCode::values())),
    Filter::new(11, "event.description", &["Events.Description"], Form::Prose),
    Filter::new(12, "event.instance-event-id", &["Events.InstanceEventId"], Form::Prefixed("instance-event-")),
    Filter::new(13, "event.not-before", &["Events.NotBefore"], Form::Time),
    Filter::new(14, "event.not-after", &["Events.NotAfter"], Form::Time),
    Filter::new(15, "event.not-before-deadline", &["Events.NotBeforeDeadline"], Form::Time),
    Filter::new(16, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(17, "operator.principal", &["Operator.Principal"], Form::Text),
];

/// Without `IncludeAllInstances` AWS would leave out every instance that is not running.
fn describe(client: Client, listing: Listing, left_out: LeftOut) -> BoxFuture<'static, Result<Page, Failure>> {
    async move {
        let call = client
            .describe_instance_status()
            .include_all_instances(true)
            .set_include_managed_resources(left_out.unless("IncludeManagedResources"));
        let call = match listing {
            Listing::Page { token, max_results } => call.max_results(max_results).set_next_token(token),
            Listing::Ids(ids) => call.set_instance_ids(Some(ids)),
        };
        let answer = call.send().await.map_err(reduce)?;
        let statuses = answer.instance_statuses.unwrap_or_default();
        let items = statuses.into_iter().map(|described| item(described.instance_id.clone(), status(described)));
        Ok(Page { items: items.collect(), next: answer.next_token, ..Page::default() })
    }
    .boxed()
}

fn status(status: types::InstanceStatus) -> Fields {
    Fields::new()
        .text("AvailabilityZone", status.availability_zone)
        .text("AvailabilityZoneId", status.availability_zone_id)
        .text("OutpostArn", status.outpost_arn)
        .map("Operator", status.operator, operator)
        .list("Events", status.events, scheduled_event)
        .text("InstanceId", status.instance_id)
        .map("InstanceState", status.instance_state, state)
        .map("InstanceStatus", status.instance_status, check_summary)
        .map("SystemStatus", status.system_status, check_summary)
        .map("AttachedEbsStatus", status.attached_ebs_status, ebs_summary)
        .map("ApplicationStatus", status.application_status, application_summary)
        .map("PerformanceStatus", status.performance_status, performance_summary)
}

fn scheduled_event(event: types::InstanceStatusEvent) -> Fields {
    Fields::new()
        .text("InstanceEventId", event.instance_event_id)
        .code("Code", event.code)
        .text("Description", event.description)
        .time("NotAfter", event.not_after)
        .time("NotBefore", event.not_before)
        .time("NotBeforeDeadline", event.not_before_deadline)
}

fn check_summary(summary: types::InstanceStatusSummary) -> Fields {
    Fields::new().list("Details", summary.details, check_details).code("Status", summary.status)
}

fn check_details(details: types::InstanceStatusDetails) -> Fields {
    Fields::new()
        .time("ImpairedSince", details.impaired_since)
        .code("Name", details.name)
        .code("Status", details.status)
}

fn ebs_summary(summary: types::EbsStatusSummary) -> Fields {
    Fields::new().list("Details", summary.details, ebs_details).code("Status", summary.status)
}

fn ebs_details(details: types::EbsStatusDetails) -> Fields {
    Fields::new()
        .time("ImpairedSince", details.impaired_since)
        .code("Name", details.name)
        .code("Status", details.status)
}

fn application_summary(summary: types::ApplicationStatusSummary) -> Fields {
    Fields::new().code("Status", summary.status).time("ImpairedSince", summary.impaired_since)
}

fn performance_summary(summary: types::PerformanceStatusSummary) -> Fields {
    Fields::new()
        .code("Status", summary.status)
        .time("ImpairedSince", summary.impaired_since)
        .text("Remediation", summary.remediation)
}
