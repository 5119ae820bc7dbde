//! Thirty questions that people and their agents ask of a fleet, each with the call that answers it.

/// A question, and how it is answered in three ways.
pub(super) struct Question {
    /// As a person asks it.
    pub(super) asks: &'static str,
    /// The tool that answers it in one call.
    pub(super) tool: &'static str,
    /// Its arguments as JSON. `{instance}` and the like stand for something that the account has.
    pub(super) arguments: &'static str,
    /// What an agent would have to describe in full, by boto3's names.
    pub(super) describes: &'static [&'static str],
    /// The same by the AWS CLI with `--query`, where it can be said so.
    pub(super) cli: Option<&'static str>,
}

const fn question(
    asks: &'static str,
    (tool, arguments): (&'static str, &'static str),
    describes: &'static [&'static str],
    cli: Option<&'static str>,
) -> Question {
    Question { asks, tool, arguments, describes, cli }
}

const INSTANCES: &[&str] = &["describe_instances"];
const STATUSES: &[&str] = &["describe_instance_status"];
const VOLUMES: &[&str] = &["describe_volumes"];
const GROUPS: &[&str] = &["describe_security_groups"];

/// The questions.
#[rustfmt::skip]
pub(super) const THIRTY: [Question; 30] = [
    question("How many instances do we run?",
        ("count_inventory", r#"{"filters": {"instance-state-name": "running"}}"#), INSTANCES,
        Some("aws ec2 describe-instances --filters Name=instance-state-name,Values=running --query length(Reservations[].Instances[])")),
    question("How many of each instance type?",
        ("count_inventory", r#"{"group_by": "instance-type"}"#), INSTANCES,
        Some("aws ec2 describe-instances --query Reservations[].Instances[].InstanceType")),
    question("How many instances of each team are in each state?",
        ("count_inventory", r#"{"group_by": ["tag:team", "instance-state-name"]}"#), INSTANCES,
        Some("aws ec2 describe-instances --query 'Reservations[].Instances[].[State.Name,Tags[?Key==`team`]|[0].Value]'")),
    question("How many instances are in each VPC, and which has the most?",
        ("count_inventory", r#"{"group_by": "vpc-id", "top": 5}"#), INSTANCES,
        Some("aws ec2 describe-instances --query Reservations[].Instances[].VpcId")),
    question("Which production web servers are stopped?",
        ("search_inventory", r#"{"filters": {"tag:role": "web", "tag:env": "prod", "instance-state-name": "stopped"}, "limit": 10}"#), INSTANCES,
        Some("aws ec2 describe-instances --filters Name=tag:role,Values=web Name=tag:env,Values=prod Name=instance-state-name,Values=stopped --query 'Reservations[].Instances[].[InstanceId,Tags[?Key==`Name`]|[0].Value]'")),
    question("Which instances started last?",
        ("search_inventory", r#"{"sort": "-launch-time", "limit": 5, "fields": ["tag:Name", "launch-time"]}"#), INSTANCES,
        Some("aws ec2 describe-instances --query 'reverse(sort_by(Reservations[].Instances[].{id:InstanceId,at:LaunchTime}, &at))[:5]'")),
    question("Who has this private address?",
        ("search_inventory", r#"{"kind": "network-interface", "filters": {"addresses.private-ip-address": "{address}"}}"#), &["describe_network_interfaces"],
        Some("aws ec2 describe-network-interfaces --filters Name=addresses.private-ip-address,Values={address} --query 'NetworkInterfaces[].[NetworkInterfaceId,Attachment.InstanceId]'")),
    question("Is this instance healthy?",
        ("get_instance_status", r#"{"instance_ids": ["{instance}"]}"#), STATUSES,
        Some("aws ec2 describe-instance-status --instance-ids {instance} --include-all-instances")),
    question("Which running instances are not healthy?",
        ("search_inventory", r#"{"kind": "instance-status", "filters": {"health": "not-ok", "instance-state-name": "running"}, "limit": 10}"#), STATUSES,
        Some("aws ec2 describe-instance-status --filters Name=instance-status.status,Values=impaired --query InstanceStatuses[].InstanceId")),
    question("Are all web servers well?",
        ("get_instance_status", r#"{"filters": {"tag:role": "web", "tag:env": "prod"}}"#), &["describe_instances", "describe_instance_status"], None),
    question("Which instances will AWS interrupt, and when?",
        ("query_inventory", r#"{"sql": "SELECT instance_id, next_event, next_event_at FROM instance_health WHERE next_event IS NOT NULL ORDER BY 3 LIMIT 5"}"#), STATUSES,
        Some("aws ec2 describe-instance-status --query 'InstanceStatuses[?Events].[InstanceId,Events[0].Code,Events[0].NotBefore]'")),
    question("What changed in the last hour?",
        ("list_changes", r#"{"since": "-1h", "summary": true}"#), &[], None),
    question("What happened to this instance this week?",
        ("list_changes", r#"{"id": "{instance}", "since": "-7d"}"#), &[], None),
    question("What is this instance?",
        ("get_resource", r#"{"id": "{instance}"}"#), INSTANCES,
        Some("aws ec2 describe-instances --instance-ids {instance}")),
    question("Where and on what do these three run?",
        ("search_inventory", r#"{"filters": {"instance-id": ["{instance}", "{second}", "{third}"]}}"#), INSTANCES,
        Some("aws ec2 describe-instances --instance-ids {instance} {second} {third} --query 'Reservations[].Instances[].[InstanceId,InstanceType,Placement.AvailabilityZone]'")),
    question("Which instances are stopped for longest, and what do they cost?",
        ("report_stopped_instances", r#"{"limit": 3}"#), &["describe_instances", "describe_volumes", "describe_addresses"], None),
    question("What could we save by removing what is stopped for over 90 days?",
        ("report_stopped_instances", r#"{"older_than": "90d", "limit": 1}"#), &["describe_instances", "describe_volumes", "describe_addresses"], None),
    question("Which security groups let the whole internet in, and at which ports?",
        ("query_inventory", r#"{"sql": "SELECT from_port, to_port, count(DISTINCT group_id) AS security_groups FROM security_group_rule WHERE is_egress = 0 AND cidr_ipv4 = '0.0.0.0/0' GROUP BY 1, 2"}"#), GROUPS,
        Some("aws ec2 describe-security-groups --filters Name=ip-permission.cidr,Values=0.0.0.0/0 --query 'SecurityGroups[].[GroupId,IpPermissions[].[FromPort,ToPort]]'")),
    question("Whose port 443 can the internet reach?",
        ("count_inventory", r#"{"filters": {"exposed": "443"}, "group_by": "tag:team"}"#), &["describe_instances", "describe_security_groups", "describe_network_acls", "describe_route_tables", "describe_subnets"], None),
    question("May I delete this security group?",
        ("find_relations", r#"{"kind": "security-group", "id": "{group}", "limit": 3}"#), &["describe_network_interfaces", "describe_instances", "describe_security_groups"], None),
    question("How much unattached EBS storage do we have?",
        ("count_inventory", r#"{"kind": "volume", "filters": {"status": "available"}, "sum": "size"}"#), VOLUMES,
        Some("aws ec2 describe-volumes --filters Name=status,Values=available --query sum(Volumes[].Size)")),
    question("How many GiB of each volume type?",
        ("count_inventory", r#"{"kind": "volume", "group_by": "volume-type", "sum": "size"}"#), VOLUMES,
        Some("aws ec2 describe-volumes --query Volumes[].[VolumeType,Size]")),
    question("How many snapshots are older than a year, and how large are their volumes?",
        ("count_inventory", r#"{"kind": "snapshot", "filters": {"start-time": "<-365d"}, "sum": "volume-size"}"#), &["describe_snapshots"],
        Some("aws ec2 describe-snapshots --owner-ids self --query 'Snapshots[?StartTime<`2025-11-29`].VolumeSize'")),
    question("How many instances have no cost-center tag, by team?",
        ("count_inventory", r#"{"filters": {"tag:cost-center": "@absent"}, "group_by": "tag:team"}"#), INSTANCES,
        Some("aws ec2 describe-instances --query 'Reservations[].Instances[?!not_null(Tags[?Key==`cost-center`].Value|[0])].InstanceId'")),
    question("Which Elastic IPs are idle?",
        ("search_inventory", r#"{"kind": "address", "filters": {"association-id": "@absent"}, "limit": 5}"#), &["describe_addresses"],
        Some("aws ec2 describe-addresses --query 'Addresses[?!AssociationId].PublicIp'")),
    question("Which AMIs do most instances use, and how old are they?",
        ("query_inventory", r#"{"sql": "SELECT i.image_id, count(*) AS instances, m.creation_date FROM instance i LEFT JOIN image m ON m.id = i.image_id GROUP BY 1 ORDER BY 2 DESC LIMIT 5"}"#), &["describe_instances", "describe_images"], None),
    question("Which subnets run out of addresses?",
        ("search_inventory", r#"{"kind": "subnet", "sort": "available-ip-address-count", "limit": 3, "fields": ["tag:Name", "vpc-id", "available-ip-address-count"]}"#), &["describe_subnets"],
        Some("aws ec2 describe-subnets --query 'sort_by(Subnets, &AvailableIpAddressCount)[:3].[SubnetId,AvailableIpAddressCount]'")),
    question("Which volumes are on this instance, and how large are they?",
        ("search_inventory", r#"{"kind": "volume", "filters": {"attachment.instance-id": "{instance}"}, "fields": ["size", "volume-type", "attachment.device"]}"#), VOLUMES,
        Some("aws ec2 describe-volumes --filters Name=attachment.instance-id,Values={instance} --query Volumes[].[VolumeId,Size,VolumeType]")),
    question("Which unencrypted volumes are attached to running instances?",
        ("query_inventory", r#"{"sql": "SELECT count(*) AS volumes, sum(v.size) AS gib FROM volume v JOIN instance_volume a ON a.volume_id = v.id JOIN instance i ON i.id = a.instance_id WHERE v.encrypted = 0 AND i.state = 'running'"}"#), &["describe_volumes", "describe_instances"], None),
    question("Is anything of this answer out of date or failing?",
        ("get_inventory_summary", "{}"), &[], None),
];
