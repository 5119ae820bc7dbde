//! Inbound rules of security groups.

use crate::simulator::ident::Kind;
use crate::simulator::tests::{Aws, text, texts};

fn group(aws: &Aws) -> String {
    aws.0.home().plan().idents.text(Kind::SecurityGroup, 1)
}

fn inbound(aws: &Aws) -> String {
    let id = group(aws);
    text(&aws.get("DescribeSecurityGroups", &[("GroupId.1", &id)]), "ipPermissions")
}

#[test]
fn a_rule_joins_the_permission_of_its_ports_and_leaves_it_again() {
    let aws = Aws::with(10);
    let (id, before) = (group(&aws), inbound(&aws));
    let other = aws.0.home().plan().idents.text(Kind::SecurityGroup, 0);
    let rule = [
        ("GroupId", id.as_str()),
        ("IpPermissions.1.IpProtocol", "tcp"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.77/24"),
        ("IpPermissions.1.IpRanges.1.Description", "home"),
        ("IpPermissions.2.IpProtocol", "17"),
        ("IpPermissions.2.FromPort", "53"),
        ("IpPermissions.2.ToPort", "53"),
        ("IpPermissions.2.Ipv6Ranges.1.CidrIpv6", "2001:db8::1/32"),
        ("IpPermissions.2.Groups.1.GroupId", other.as_str()),
    ];
    let answer = aws.get("AuthorizeSecurityGroupIngress", &rule);
    assert_eq!(text(&answer, "return"), "true");
    let ids = texts(&answer, "securityGroupRuleId");
    assert_eq!(ids.len(), 3);
    let after = inbound(&aws);
    // EC2 keeps CIDR blocks with their host bits cleared, and one permission for each port range.
    assert!(after.contains("<cidrIp>192.0.2.0/24</cidrIp><description>home</description>"), "{after}");
    assert_eq!(after.matches("<fromPort>22<").count(), 1);
    assert!(after.contains("<ipProtocol>udp</ipProtocol><fromPort>53<") && after.contains("<cidrIpv6>2001:db8::/32<"));

    let (_, code, message) = aws.refused("AuthorizeSecurityGroupIngress", &rule);
    assert_eq!(code, "InvalidPermission.Duplicate");
    assert_eq!(
        message,
        "the specified rule \"peer: 192.0.2.0/24, TCP, from port: 22, to port: 22, ALLOW\" already exists"
    );
    let by_id = [("GroupId", id.as_str()), ("SecurityGroupRuleId.1", ids[1].as_str())];
    assert_eq!(texts(&aws.get("RevokeSecurityGroupIngress", &by_id), "securityGroupRuleId"), [ids[1].clone()]);
    assert_eq!(aws.refused("RevokeSecurityGroupIngress", &by_id).1, "InvalidSecurityGroupRuleId.NotFound");
    assert_eq!(aws.refused("RevokeSecurityGroupIngress", &rule).1, "InvalidPermission.NotFound");
    for rule_id in [&ids[0], &ids[2]] {
        aws.get("RevokeSecurityGroupIngress", &[("GroupId", &id), ("SecurityGroupRuleId.1", rule_id)]);
    }
    assert_eq!(inbound(&aws), before);
}

#[test]
fn wrong_rules_get_ec2s_errors_and_change_nothing() {
    let aws = Aws::with(10);
    let (id, before) = (group(&aws), inbound(&aws));
    let blocks: Vec<String> = (0..58).map(|n| format!("10.{n}.0.0/16")).collect();
    let rule = |protocol, from, to, cidr| {
        vec![("GroupId", id.as_str()), ("IpProtocol", protocol), ("FromPort", from), ("ToPort", to), ("CidrIp", cidr)]
    };
    for (parameters, expected) in [
        (rule("tcp", "80", "80", "0.0.0.0/0"), "InvalidPermission.Duplicate"),
        (rule("tcp", "90", "80", "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("tcp", "1", "65536", "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("carrier-pigeon", "1", "2", "0.0.0.0/0"), "InvalidParameterValue"),
        (rule("tcp", "1", "2", "10.0.0.0"), "InvalidParameterValue"),
        (rule("tcp", "1", "2", "10.0.0.0/33"), "InvalidParameterValue"),
        (rule("icmp", "300", "0", "10.0.0.0/8"), "InvalidParameterValue"),
        (vec![("GroupId", id.as_str())], "MissingParameter"),
        (vec![("GroupId", id.as_str()), ("IpProtocol", "-1")], "MissingParameter"),
        (vec![("IpProtocol", "-1"), ("CidrIp", "10.0.0.0/8")], "MissingParameter"),
        (vec![("GroupId", "sg-0123456789abcdef0")], "InvalidGroup.NotFound"),
        (vec![("GroupId", "sg")], "InvalidGroupId.Malformed"),
        (vec![("GroupName", "nobody")], "InvalidGroup.NotFound"),
    ] {
        let (_, code, message) = aws.refused("AuthorizeSecurityGroupIngress", &parameters);
        assert_eq!(code, expected, "{parameters:?}: {message}");
    }
    let dry: Vec<_> = rule("tcp", "1", "2", "10.0.0.0/8").into_iter().chain([("DryRun", "true")]).collect();
    assert_eq!(aws.refused("AuthorizeSecurityGroupIngress", &dry).0, 412);
    assert_eq!(inbound(&aws), before);
    for (n, cidr) in blocks.iter().enumerate() {
        let known = aws.ask("AuthorizeSecurityGroupIngress", &rule("udp", "7", "7", cidr));
        if let Err(refusal) = known {
            assert_eq!(refusal.code, "RulesPerSecurityGroupLimitExceeded");
            assert!(n > 50);
            return;
        }
    }
    panic!("no limit was met");
}
