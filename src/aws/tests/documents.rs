//! What AWS sends becomes documents that read as the AWS CLI prints them.

use serde_json::{Value, json};

use super::{Reply, Scripted, scope};
use crate::aws::Priority;
use crate::kinds;

/// The document that `slug` makes of the only resource in `xml`.
async fn document(slug: &str, xml: &str) -> Value {
    let server = Scripted::new([Reply::ok(xml)]).await;
    let spec = kinds::by_slug(slug).unwrap();
    let listed = server.aws().describe(&scope(), spec, &["x".to_owned()], Priority::Tool).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].document.text(spec.id_field), Some(listed.items[0].id.as_str()));
    serde_json::to_value(&listed.items[0].document).unwrap()
}

#[tokio::test]
async fn an_instance_reads_as_the_aws_cli_prints_it_with_its_reservations_fields() {
    let xml = "<reservationSet><item><reservationId>r-1</reservationId><ownerId>123456789012</ownerId><groupSet/>\
        <requesterId>940372691376</requesterId><instancesSet><item>\
        <instanceId>i-0123456789abcdef0</instanceId><imageId>ami-1</imageId>\
        <instanceState><code>80</code><name>stopped</name></instanceState>\
        <privateDnsName>ip-10-0-0-7.ec2.internal</privateDnsName><dnsName/>\
        <reason>User initiated (2026-11-22 12:55:10 GMT)</reason><amiLaunchIndex>0</amiLaunchIndex><productCodes/>\
        <instanceType>m9z.new-type</instanceType><launchTime>2026-11-22T12:55:10.000Z</launchTime>\
        <placement><availabilityZone>us-east-1a</availabilityZone><groupName/><tenancy>default</tenancy>\
        <partitionNumber>3</partitionNumber></placement>\
        <monitoring><state>disabled</state></monitoring><architecture>arm64</architecture>\
        <rootDeviceType>ebs</rootDeviceType><blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs>\
        <volumeId>vol-1</volumeId><status>attached</status><attachTime>2026-11-22T12:55:11.250Z</attachTime>\
        <deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>\
        <stateReason><code>Client.UserInitiatedShutdown</code><message>Client.UserInitiatedShutdown: x</message></stateReason>\
        <tagSet><item><key>b</key><value/></item><item><key>Name</key><value>a &amp; &#x202E;b</value></item></tagSet>\
        <networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><description/>\
        <attachment><attachmentId>eni-attach-1</attachmentId><deviceIndex>0</deviceIndex><status>attached</status>\
        <attachTime>2026-11-22T12:55:10.000Z</attachTime><deleteOnTermination>true</deleteOnTermination>\
        <networkCardIndex>0</networkCardIndex><enaSrdSpecification><enaSrdEnabled>true</enaSrdEnabled>\
        <enaSrdUdpSpecification><enaSrdUdpEnabled>false</enaSrdUdpEnabled></enaSrdUdpSpecification></enaSrdSpecification>\
        </attachment><ipv6AddressesSet/><privateIpAddressesSet><item><privateIpAddress>10.0.0.7</privateIpAddress>\
        <primary>true</primary><association><publicIp>203.0.113.7</publicIp><ipOwnerId>amazon</ipOwnerId></association>\
        </item></privateIpAddressesSet><groupSet><item><groupId>sg-1</groupId><groupName>web</groupName></item></groupSet>\
        </item></networkInterfaceSet>\
        <privateDnsNameOptions><hostnameType>ip-name</hostnameType>\
        <enableResourceNameDnsARecord>false</enableResourceNameDnsARecord>\
        <enableResourceNameDnsAAAARecord>true</enableResourceNameDnsAAAARecord></privateDnsNameOptions>\
        <cpuOptions><coreCount>2</coreCount><threadsPerCore>1</threadsPerCore></cpuOptions>\
        <metadataOptions><state>applied</state><httpTokens>required</httpTokens>\
        <httpPutResponseHopLimit>2</httpPutResponseHopLimit></metadataOptions>\
        <operator><managed>true</managed><principal>eks.amazonaws.com</principal></operator>\
        <userData>c2VjcmV0</userData>\
        </item></instancesSet></item></reservationSet>";
    let expected = json!({
        "ReservationId": "r-1",
        "OwnerId": "123456789012",
        "RequesterId": "940372691376",
        "InstanceId": "i-0123456789abcdef0",
        "ImageId": "ami-1",
        "State": {"Code": 80, "Name": "stopped"},
        "PrivateDnsName": "ip-10-0-0-7.ec2.internal",
        "PublicDnsName": "",
        "StateTransitionReason": "User initiated (2026-11-22 12:55:10 GMT)",
        "AmiLaunchIndex": 0,
        "ProductCodes": [],
        "InstanceType": "m9z.new-type",
        "LaunchTime": "2026-11-22T12:55:10+00:00",
        "Placement": {"AvailabilityZone": "us-east-1a", "GroupName": "", "Tenancy": "default", "PartitionNumber": 3},
        "Monitoring": {"State": "disabled"},
        "Architecture": "arm64",
        "RootDeviceType": "ebs",
        "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {
            "VolumeId": "vol-1",
            "Status": "attached",
            "AttachTime": "2026-11-22T12:55:11.250000+00:00",
            "DeleteOnTermination": true,
        }}],
        "StateReason": {"Code": "Client.UserInitiatedShutdown", "Message": "Client.UserInitiatedShutdown: x"},
        "Tags": [{"Key": "Name", "Value": "a & \u{202E}b"}, {"Key": "b", "Value": ""}],
        "NetworkInterfaces": [{
            "NetworkInterfaceId": "eni-1",
            "Description": "",
            "Attachment": {
                "AttachmentId": "eni-attach-1",
                "DeviceIndex": 0,
                "Status": "attached",
                "AttachTime": "2026-11-22T12:55:10+00:00",
                "DeleteOnTermination": true,
                "NetworkCardIndex": 0,
                "EnaSrdSpecification": {
                    "EnaSrdEnabled": true,
                    "EnaSrdUdpSpecification": {"EnaSrdUdpEnabled": false},
                },
            },
            "Ipv6Addresses": [],
            "PrivateIpAddresses": [{
                "PrivateIpAddress": "10.0.0.7",
                "Primary": true,
                "Association": {"PublicIp": "203.0.113.7", "IpOwnerId": "amazon"},
            }],
            "Groups": [{"GroupId": "sg-1", "GroupName": "web"}],
        }],
        "PrivateDnsNameOptions": {
            "HostnameType": "ip-name",
            "EnableResourceNameDnsARecord": false,
            "EnableResourceNameDnsAAAARecord": true,
        },
        "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 1},
        "MetadataOptions": {"State": "applied", "HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        "Operator": {"Managed": true, "Principal": "eks.amazonaws.com"},
    });
    assert_eq!(document("instance", xml).await, expected);
}

#[tokio::test]
async fn a_status_reads_as_the_aws_cli_prints_it() {
    let xml = "<instanceStatusSet><item><instanceId>i-1</instanceId><availabilityZone>us-east-1a</availabilityZone>\
        <instanceState><code>16</code><name>running</name></instanceState>\
        <systemStatus><status>impaired</status><details><item><name>reachability</name><status>failed</status>\
        <impairedSince>2026-11-22T12:55:10.000Z</impairedSince></item></details></systemStatus>\
        <instanceStatus><status>ok</status><details><item><name>reachability</name><status>passed</status></item></details>\
        </instanceStatus><attachedEbsStatus><status>ok</status><details><item><name>reachability</name>\
        <status>passed</status></item></details></attachedEbsStatus>\
        <eventsSet><item><instanceEventId>instance-event-1</instanceEventId><code>instance-reboot</code>\
        <description>[Completed] reboot</description><notBefore>2026-12-01T00:00:00.000Z</notBefore></item></eventsSet>\
        </item></instanceStatusSet>";
    let check = json!({"Status": "ok", "Details": [{"Name": "reachability", "Status": "passed"}]});
    let expected = json!({
        "InstanceId": "i-1",
        "AvailabilityZone": "us-east-1a",
        "InstanceState": {"Code": 16, "Name": "running"},
        "SystemStatus": {"Status": "impaired", "Details": [
            {"Name": "reachability", "Status": "failed", "ImpairedSince": "2026-11-22T12:55:10+00:00"},
        ]},
        "InstanceStatus": check,
        "AttachedEbsStatus": check,
        "Events": [{
            "InstanceEventId": "instance-event-1",
            "Code": "instance-reboot",
            "Description": "[Completed] reboot",
            "NotBefore": "2026-12-01T00:00:00+00:00",
        }],
    });
    assert_eq!(document("instance-status", xml).await, expected);
}

#[tokio::test]
async fn a_vpc_reads_as_the_aws_cli_prints_it() {
    let xml = "<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId><state>available</state>\
        <cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockAssociationSet><item><cidrBlock>10.0.0.0/16</cidrBlock>\
        <associationId>vpc-cidr-assoc-1</associationId><cidrBlockState><state>associated</state></cidrBlockState></item>\
        </cidrBlockAssociationSet><ipv6CidrBlockAssociationSet><item><ipv6CidrBlock>2001:db8::/56</ipv6CidrBlock>\
        <ipSource>amazon</ipSource><ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item>\
        </ipv6CidrBlockAssociationSet><dhcpOptionsId>dopt-1</dhcpOptionsId><instanceTenancy>default</instanceTenancy>\
        <isDefault>false</isDefault><encryptionControl><mode>monitor</mode><resourceExclusions><lambda><state>enabled</state>\
        </lambda></resourceExclusions></encryptionControl><blockPublicAccessStates>\
        <internetGatewayBlockMode>off</internetGatewayBlockMode></blockPublicAccessStates></item></vpcSet>";
    let expected = json!({
        "VpcId": "vpc-1",
        "OwnerId": "123456789012",
        "State": "available",
        "CidrBlock": "10.0.0.0/16",
        "CidrBlockAssociationSet": [{
            "CidrBlock": "10.0.0.0/16",
            "AssociationId": "vpc-cidr-assoc-1",
            "CidrBlockState": {"State": "associated"},
        }],
        "Ipv6CidrBlockAssociationSet": [{
            "Ipv6CidrBlock": "2001:db8::/56",
            "IpSource": "amazon",
            "Ipv6CidrBlockState": {"State": "associated"},
        }],
        "DhcpOptionsId": "dopt-1",
        "InstanceTenancy": "default",
        "IsDefault": false,
        "EncryptionControl": {"Mode": "monitor", "ResourceExclusions": {"Lambda": {"State": "enabled"}}},
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
    });
    assert_eq!(document("vpc", xml).await, expected);
}

#[tokio::test]
async fn a_security_group_reads_as_the_aws_cli_prints_it() {
    let xml = "<securityGroupInfo><item><groupId>sg-1</groupId><groupName>web</groupName><ownerId>123456789012</ownerId>\
        <groupDescription>front</groupDescription><vpcId>vpc-1</vpcId>\
        <securityGroupArn>arn:aws:ec2:us-east-1:123456789012:security-group/sg-1</securityGroupArn>\
        <ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort>\
        <groups><item><userId>123456789012</userId><groupId>sg-2</groupId></item></groups>\
        <ipRanges><item><cidrIp>10.0.0.0/8</cidrIp><description>inside</description></item></ipRanges>\
        <ipv6Ranges/><prefixListIds><item><prefixListId>pl-1</prefixListId></item></prefixListIds></item></ipPermissions>\
        <ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/><ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item>\
        </ipRanges><ipv6Ranges><item><cidrIpv6>::/0</cidrIpv6></item></ipv6Ranges><prefixListIds/></item>\
        </ipPermissionsEgress></item></securityGroupInfo>";
    let expected = json!({
        "GroupId": "sg-1",
        "GroupName": "web",
        "OwnerId": "123456789012",
        "Description": "front",
        "VpcId": "vpc-1",
        "SecurityGroupArn": "arn:aws:ec2:us-east-1:123456789012:security-group/sg-1",
        "IpPermissions": [{
            "IpProtocol": "tcp",
            "FromPort": 443,
            "ToPort": 443,
            "UserIdGroupPairs": [{"UserId": "123456789012", "GroupId": "sg-2"}],
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "inside"}],
            "Ipv6Ranges": [],
            "PrefixListIds": [{"PrefixListId": "pl-1"}],
        }],
        "IpPermissionsEgress": [{
            "IpProtocol": "-1",
            "UserIdGroupPairs": [],
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "Ipv6Ranges": [{"CidrIpv6": "::/0"}],
            "PrefixListIds": [],
        }],
    });
    assert_eq!(document("security-group", xml).await, expected);
}
