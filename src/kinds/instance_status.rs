//! Status checks and scheduled events of EC2 instances.

use std::time::Duration;

use aws_sdk_ec2::types;

use super::describe::describe;
use super::facet_reading::FacetReading;
use super::fields::{Fields, mapped};
use super::health;
use super::spec::{DocumentFilter, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::InstanceStatus",
    slug: "instance-status",
    title: "EC2 instance status",
    plural: "instance statuses",
    description: "The status checks (system, instance, attached EBS, application, performance) and scheduled events of an \
                  instance, and under Notices what AWS announced in events (spot interruption, rebalance, Health), each \
                  until it expires. Its id is that of the instance.",
    id_field: "InstanceId",
    list: &["instanceStatusSet", "item"],
    owner_field: None,
    exclusive: true,
    state_path: Some("InstanceState.Name"),
    interval: Duration::from_mins(1),
    moves: true,
    gone_states: &["terminated"],
    status_of: Some("instance"),
    filters: FILTERS,
    in_documents: IN_DOCUMENTS,
    columns: &[
        ("instance-state-name", "state"),
        ("health", "health"),
        ("system-status.status", "system_status"),
        ("instance-status.status", "instance_status"),
        ("attached-ebs-status.status", "ebs_status"),
        ("impaired-since", "impaired_since"),
        ("next-event", "next_event"),
        ("next-event-at", "next_event_at"),
        ("availability-zone", "availability_zone"),
        ("instance-id", "instance_id"),
    ],
    actions: &["ec2:DescribeInstanceStatus"],
    optional: &["IncludeManagedResources"],
    describe: describe!(
        |client, _, left_out| {
            client
                .describe_instance_status()
                .include_all_instances(true)
                .set_include_managed_resources(left_out.unless("IncludeManagedResources"))
        },
        set_instance_ids,
        instance_statuses,
        instance_id
    ),
    ..KindSpec::DEFAULT
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
    )
    .many(),
    Filter::new(5, "system-status.status", &["SystemStatus.Status"], Form::Word(types::SummaryStatus::values())),
    Filter::new(
        6,
        "system-status.reachability",
        &["SystemStatus.Details.Status"],
        Form::Word(types::StatusType::values()),
    )
    .many(),
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
    Filter::new(10, "event.code", &["Events.Code"], Form::Word(types::EventCode::values())).many(),
    Filter::new(11, "event.description", &["Events.Description"], Form::Prose).many(),
    Filter::new(12, "event.instance-event-id", &["Events.InstanceEventId"], Form::Prefixed("instance-event-")).many(),
    Filter::new(13, "event.not-before", &["Events.NotBefore"], Form::Time).many(),
    Filter::new(14, "event.not-after", &["Events.NotAfter"], Form::Time).many(),
    Filter::new(15, "event.not-before-deadline", &["Events.NotBeforeDeadline"], Form::Time).many(),
    Filter::new(16, "operator.managed", &["Operator.Managed"], Form::Flag),
    Filter::new(17, "operator.principal", &["Operator.Principal"], Form::Text),
    // AWS has none of these: what the three checks come to, since when the failed ones fail, and which event is due next.
    Filter::new(
        18,
        "health",
        &["SystemStatus.Status", "InstanceStatus.Status", "AttachedEbsStatus.Status"],
        Form::Word(&health::VERDICTS),
    )
    .read_as(FacetReading::WorstCheck),
    Filter::new(
        19,
        "impaired-since",
        &[
            "SystemStatus.Details.ImpairedSince",
            "InstanceStatus.Details.ImpairedSince",
            "AttachedEbsStatus.Details.ImpairedSince",
        ],
        Form::Time,
    )
    .many(),
    Filter::new(20, "next-event", &["Events.Code"], Form::Word(types::EventCode::values()))
        .read_as(FacetReading::NextEvent),
    Filter::new(21, "next-event-at", &["Events.NotBefore"], Form::Time).read_as(FacetReading::NextEventAt),
];

static IN_DOCUMENTS: &[DocumentFilter] = &[
    DocumentFilter::new("availability-zone-id", "AvailabilityZoneId", Form::ZoneId),
    DocumentFilter::new("instance-state-code", "InstanceState.Code", Form::Number),
];

mapped!(|status: InstanceStatus| {
    Fields::new()
        .text("AvailabilityZone", status.availability_zone)
        .text("AvailabilityZoneId", status.availability_zone_id)
        .text("OutpostArn", status.outpost_arn)
        .map("Operator", status.operator)
        .list("Events", status.events)
        .text("InstanceId", status.instance_id)
        .map("InstanceState", status.instance_state)
        .map("InstanceStatus", status.instance_status)
        .map("SystemStatus", status.system_status)
        .map("AttachedEbsStatus", status.attached_ebs_status)
        .map("ApplicationStatus", status.application_status)
        .map("PerformanceStatus", status.performance_status)
});

mapped!(|event: InstanceStatusEvent| {
    Fields::new()
        .text("InstanceEventId", event.instance_event_id)
        .code("Code", event.code)
        .text("Description", event.description)
        .time("NotAfter", event.not_after)
        .time("NotBefore", event.not_before)
        .time("NotBeforeDeadline", event.not_before_deadline)
});

mapped!(|summary: InstanceStatusSummary, EbsStatusSummary| {
    Fields::new().list("Details", summary.details).code("Status", summary.status)
});

mapped!(|details: InstanceStatusDetails, EbsStatusDetails| {
    Fields::new()
        .time("ImpairedSince", details.impaired_since)
        .code("Name", details.name)
        .code("Status", details.status)
});

mapped!(|summary: ApplicationStatusSummary| {
    Fields::new().code("Status", summary.status).time("ImpairedSince", summary.impaired_since)
});

mapped!(|summary: PerformanceStatusSummary| {
    Fields::new()
        .code("Status", summary.status)
        .time("ImpairedSince", summary.impaired_since)
        .text("Remediation", summary.remediation)
});
