//! AWS's answers become documents that read as the AWS CLI prints them.

use serde_json::{Value, json};

use super::{Reply, Scripted, scope};
use crate::aws::Priority;
use crate::kinds;

/// The document of kind `slug` made from the only resource in `xml`.
async fn document(slug: &str, xml: &str) -> Value {
    let server = Scripted::new([Reply::ok(xml)]).await;
    let spec = kinds::by_slug(slug).unwrap();
    let listed = server.aws().describe_once(&scope(), spec, &["x".to_owned()], Priority::Tool).await.unwrap();
    assert_eq!(listed.items.len(), 1);
    assert_eq!(listed.items[0].document.text(spec.id_field), Some(&*listed.items[0].id));
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

#[tokio::test]
async fn a_subnet_reads_as_the_aws_cli_prints_it() {
    let xml = "<subnetSet><item><subnetId>subnet-1</subnetId><subnetArn>arn:s</subnetArn><state>available</state>\
        <ownerId>999999999999</ownerId><vpcId>vpc-1</vpcId><cidrBlock>10.0.1.0/24</cidrBlock>\
        <ipv6CidrBlockAssociationSet><item><ipv6CidrBlock>2001:db8::/64</ipv6CidrBlock><associationId>a-1</associationId>\
        <ipv6CidrBlockState><state>associated</state></ipv6CidrBlockState></item></ipv6CidrBlockAssociationSet>\
        <availableIpAddressCount>251</availableIpAddressCount><availabilityZone>us-east-1a</availabilityZone>\
        <availabilityZoneId>use1-az1</availabilityZoneId><defaultForAz>false</defaultForAz>\
        <mapPublicIpOnLaunch>true</mapPublicIpOnLaunch><enableLniAtDeviceIndex>1</enableLniAtDeviceIndex>\
        <privateDnsNameOptionsOnLaunch><hostnameType>ip-name</hostnameType>\
        <enableResourceNameDnsAAAARecord>true</enableResourceNameDnsAAAARecord></privateDnsNameOptionsOnLaunch>\
        <blockPublicAccessStates><internetGatewayBlockMode>off</internetGatewayBlockMode></blockPublicAccessStates>\
        <type>Standard</type></item></subnetSet>";
    let expected = json!({
        "SubnetId": "subnet-1",
        "SubnetArn": "arn:s",
        "State": "available",
        "OwnerId": "999999999999",
        "VpcId": "vpc-1",
        "CidrBlock": "10.0.1.0/24",
        "Ipv6CidrBlockAssociationSet": [{
            "Ipv6CidrBlock": "2001:db8::/64",
            "AssociationId": "a-1",
            "Ipv6CidrBlockState": {"State": "associated"},
        }],
        "AvailableIpAddressCount": 251,
        "AvailabilityZone": "us-east-1a",
        "AvailabilityZoneId": "use1-az1",
        "DefaultForAz": false,
        "MapPublicIpOnLaunch": true,
        "EnableLniAtDeviceIndex": 1,
        "PrivateDnsNameOptionsOnLaunch": {"HostnameType": "ip-name", "EnableResourceNameDnsAAAARecord": true},
        "BlockPublicAccessStates": {"InternetGatewayBlockMode": "off"},
        "Type": "Standard",
    });
    assert_eq!(document("subnet", xml).await, expected);
}

#[tokio::test]
async fn a_network_interface_reads_as_the_aws_cli_prints_it_except_for_the_name_of_its_tags() {
    let xml = "<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId><status>in-use</status>\
        <ownerId>123456789012</ownerId><requesterManaged>true</requesterManaged><requesterId>amazon-elb</requesterId>\
        <interfaceType>branch</interfaceType><tagSet><item><key>Name</key><value>front</value></item></tagSet>\
        <association><publicIp>203.0.113.7</publicIp><publicDnsName/><allocationId>eipalloc-1</allocationId></association>\
        <attachment><attachmentId>eni-attach-1</attachmentId><instanceOwnerId>amazon-elb</instanceOwnerId>\
        <deviceIndex>1</deviceIndex><enaSrdSpecification><enaSrdEnabled>true</enaSrdEnabled><enaSrdUdpSpecification>\
        <enaSrdUdpEnabled>false</enaSrdUdpEnabled></enaSrdUdpSpecification></enaSrdSpecification></attachment>\
        <connectionTrackingConfiguration><udpTimeout>30</udpTimeout></connectionTrackingConfiguration>\
        <groupSet><item><groupId>sg-1</groupId><groupName>web</groupName></item></groupSet>\
        <ipv6AddressesSet><item><ipv6Address>2001:db8::1</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item>\
        </ipv6AddressesSet><privateIpAddressesSet><item><privateIpAddress>10.0.1.4</privateIpAddress>\
        <primary>true</primary></item></privateIpAddressesSet>\
        <ipv4PrefixSet><item><ipv4Prefix>10.0.1.16/28</ipv4Prefix></item></ipv4PrefixSet>\
        <publicIpDnsNameOptions><dnsHostnameType>public-ipv4-dns-name</dnsHostnameType></publicIpDnsNameOptions>\
        <operator><managed>false</managed></operator>\
        <associatedSubnetSet><item>subnet-1</item><item>subnet-2</item></associatedSubnetSet></item></networkInterfaceSet>";
    let expected = json!({
        "NetworkInterfaceId": "eni-1",
        "Status": "in-use",
        "OwnerId": "123456789012",
        "RequesterManaged": true,
        "RequesterId": "amazon-elb",
        "InterfaceType": "branch",
        "Tags": [{"Key": "Name", "Value": "front"}],
        "Association": {"PublicIp": "203.0.113.7", "PublicDnsName": "", "AllocationId": "eipalloc-1"},
        "Attachment": {
            "AttachmentId": "eni-attach-1",
            "InstanceOwnerId": "amazon-elb",
            "DeviceIndex": 1,
            "EnaSrdSpecification": {"EnaSrdEnabled": true, "EnaSrdUdpSpecification": {"EnaSrdUdpEnabled": false}},
        },
        "ConnectionTrackingConfiguration": {"UdpTimeout": 30},
        "Groups": [{"GroupId": "sg-1", "GroupName": "web"}],
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::1", "IsPrimaryIpv6": true}],
        "PrivateIpAddresses": [{"PrivateIpAddress": "10.0.1.4", "Primary": true}],
        "Ipv4Prefixes": [{"Ipv4Prefix": "10.0.1.16/28"}],
        "PublicIpDnsNameOptions": {"DnsHostnameType": "public-ipv4-dns-name"},
        "Operator": {"Managed": false},
        "AssociatedSubnets": ["subnet-1", "subnet-2"],
    });
    assert_eq!(document("network-interface", xml).await, expected);
}

#[tokio::test]
async fn an_address_reads_as_the_aws_cli_prints_it() {
    let xml = "<addressesSet><item><publicIp>203.0.113.7</publicIp><allocationId>eipalloc-1</allocationId>\
        <associationId>eipassoc-1</associationId><domain>vpc</domain><instanceId>i-1</instanceId>\
        <networkInterfaceId>eni-1</networkInterfaceId><networkInterfaceOwnerId>123456789012</networkInterfaceOwnerId>\
        <privateIpAddress>10.0.1.4</privateIpAddress><publicIpv4Pool>amazon</publicIpv4Pool>\
        <networkBorderGroup>us-east-1</networkBorderGroup><subnetId>subnet-1</subnetId>\
        <serviceManaged>nlb</serviceManaged></item></addressesSet>";
    let expected = json!({
        "PublicIp": "203.0.113.7",
        "AllocationId": "eipalloc-1",
        "AssociationId": "eipassoc-1",
        "Domain": "vpc",
        "InstanceId": "i-1",
        "NetworkInterfaceId": "eni-1",
        "NetworkInterfaceOwnerId": "123456789012",
        "PrivateIpAddress": "10.0.1.4",
        "PublicIpv4Pool": "amazon",
        "NetworkBorderGroup": "us-east-1",
        "SubnetId": "subnet-1",
        "ServiceManaged": "nlb",
    });
    assert_eq!(document("address", xml).await, expected);
}

#[tokio::test]
async fn a_volume_reads_as_the_aws_cli_prints_it() {
    let xml = "<volumeSet><item><volumeId>vol-1</volumeId><size>100</size><snapshotId/><status>in-use</status>\
        <availabilityZone>us-east-1a</availabilityZone><createTime>2026-11-22T12:55:10.123Z</createTime>\
        <attachmentSet><item><volumeId>vol-1</volumeId><instanceId>i-1</instanceId><device>/dev/sdf</device>\
        <status>attached</status><attachTime>2026-11-22T12:56:00.000Z</attachTime>\
        <deleteOnTermination>true</deleteOnTermination><ebsCardIndex>0</ebsCardIndex></item></attachmentSet>\
        <volumeType>gp3</volumeType><iops>3000</iops><throughput>125</throughput><encrypted>true</encrypted>\
        <kmsKeyId>arn:k</kmsKeyId><multiAttachEnabled>false</multiAttachEnabled>\
        <volumeInitializationRate>200</volumeInitializationRate><operator><managed>false</managed></operator>\
        </item></volumeSet>";
    let expected = json!({
        "VolumeId": "vol-1",
        "Size": 100,
        "SnapshotId": "",
        "State": "in-use",
        "AvailabilityZone": "us-east-1a",
        "CreateTime": "2026-11-22T12:55:10.123000+00:00",
        "Attachments": [{
            "VolumeId": "vol-1",
            "InstanceId": "i-1",
            "Device": "/dev/sdf",
            "State": "attached",
            "AttachTime": "2026-11-22T12:56:00+00:00",
            "DeleteOnTermination": true,
            "EbsCardIndex": 0,
        }],
        "VolumeType": "gp3",
        "Iops": 3000,
        "Throughput": 125,
        "Encrypted": true,
        "KmsKeyId": "arn:k",
        "MultiAttachEnabled": false,
        "VolumeInitializationRate": 200,
        "Operator": {"Managed": false},
    });
    assert_eq!(document("volume", xml).await, expected);
}

#[tokio::test]
async fn a_snapshot_reads_as_the_aws_cli_prints_it() {
    let xml = "<snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>pending</status>\
        <statusMessage>slow</statusMessage><startTime>2026-11-22T12:55:10.000Z</startTime><progress>42%</progress>\
        <ownerId>123456789012</ownerId><volumeSize>100</volumeSize><description/><encrypted>false</encrypted>\
        <storageTier>standard</storageTier><fullSnapshotSizeInBytes>5000000000000</fullSnapshotSizeInBytes>\
        <completionDurationMinutes>15</completionDurationMinutes></item></snapshotSet>";
    let expected = json!({
        "SnapshotId": "snap-1",
        "VolumeId": "vol-1",
        "State": "pending",
        "StateMessage": "slow",
        "StartTime": "2026-11-22T12:55:10+00:00",
        "Progress": "42%",
        "OwnerId": "123456789012",
        "VolumeSize": 100,
        "Description": "",
        "Encrypted": false,
        "StorageTier": "standard",
        "FullSnapshotSizeInBytes": 5_000_000_000_000_i64,
        "CompletionDurationMinutes": 15,
    });
    assert_eq!(document("snapshot", xml).await, expected);
}

#[tokio::test]
async fn a_route_table_reads_as_the_aws_cli_prints_it() {
    let xml = "<routeTableSet><item><routeTableId>rtb-0123456789abcdef0</routeTableId><vpcId>vpc-1</vpcId><ownerId>123456789012</ownerId>\
        <routeSet><item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId><state>active</state>\
        <origin>CreateRouteTable</origin></item><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock>\
        <natGatewayId>nat-1</natGatewayId><state>blackhole</state><origin>CreateRoute</origin></item></routeSet>\
        <associationSet><item><routeTableAssociationId>rtbassoc-1</routeTableAssociationId><routeTableId>rtb-0123456789abcdef0\
        </routeTableId><main>true</main><associationState><state>associated</state></associationState></item></associationSet>\
        <propagatingVgwSet><item><gatewayId>vgw-1</gatewayId></item></propagatingVgwSet><tagSet/></item></routeTableSet>";
    let expected = json!({
        "RouteTableId": "rtb-0123456789abcdef0",
        "VpcId": "vpc-1",
        "OwnerId": "123456789012",
        "Routes": [
            {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole", "Origin": "CreateRoute"},
            {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active", "Origin": "CreateRouteTable"},
        ],
        "Associations": [{
            "RouteTableAssociationId": "rtbassoc-1",
            "RouteTableId": "rtb-0123456789abcdef0",
            "Main": true,
            "AssociationState": {"State": "associated"},
        }],
        "PropagatingVgws": [{"GatewayId": "vgw-1"}],
        "Tags": [],
    });
    assert_eq!(document("route-table", xml).await, expected);
}

#[tokio::test]
async fn an_internet_gateway_reads_as_the_aws_cli_prints_it() {
    let xml = "<internetGatewaySet><item><internetGatewayId>igw-0123456789abcdef0</internetGatewayId><ownerId>123456789012</ownerId>\
        <attachmentSet><item><vpcId>vpc-1</vpcId><state>available</state></item></attachmentSet>\
        <tagSet><item><key>Name</key><value>out</value></item></tagSet></item></internetGatewaySet>";
    let expected = json!({
        "InternetGatewayId": "igw-0123456789abcdef0",
        "OwnerId": "123456789012",
        "Attachments": [{"VpcId": "vpc-1", "State": "available"}],
        "Tags": [{"Key": "Name", "Value": "out"}],
    });
    assert_eq!(document("internet-gateway", xml).await, expected);
}

#[tokio::test]
async fn a_nat_gateway_reads_as_the_aws_cli_prints_it() {
    let xml = "<natGatewaySet><item><natGatewayId>nat-0123456789abcdef0</natGatewayId><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>\
        <state>deleted</state><createTime>2026-11-22T12:55:10.000Z</createTime><deleteTime>2026-11-22T13:55:10.000Z</deleteTime>\
        <connectivityType>public</connectivityType><natGatewayAddressSet><item><allocationId>eipalloc-1</allocationId>\
        <networkInterfaceId>eni-1</networkInterfaceId><privateIp>10.0.0.9</privateIp><publicIp>203.0.113.9</publicIp>\
        <isPrimary>true</isPrimary><status>succeeded</status></item></natGatewayAddressSet></item></natGatewaySet>";
    let expected = json!({
        "NatGatewayId": "nat-0123456789abcdef0",
        "SubnetId": "subnet-1",
        "VpcId": "vpc-1",
        "State": "deleted",
        "CreateTime": "2026-11-22T12:55:10+00:00",
        "DeleteTime": "2026-11-22T13:55:10+00:00",
        "ConnectivityType": "public",
        "NatGatewayAddresses": [{
            "AllocationId": "eipalloc-1",
            "NetworkInterfaceId": "eni-1",
            "PrivateIp": "10.0.0.9",
            "PublicIp": "203.0.113.9",
            "IsPrimary": true,
            "Status": "succeeded",
        }],
    });
    assert_eq!(document("nat-gateway", xml).await, expected);
}

#[tokio::test]
async fn a_network_acl_reads_as_the_aws_cli_prints_it() {
    let xml = "<networkAclSet><item><networkAclId>acl-0123456789abcdef0</networkAclId><vpcId>vpc-1</vpcId><default>true</default>\
        <ownerId>123456789012</ownerId><entrySet><item><ruleNumber>100</ruleNumber><protocol>1</protocol><ruleAction>allow</ruleAction>\
        <egress>false</egress><cidrBlock>0.0.0.0/0</cidrBlock><icmpTypeCode><code>-1</code><type>8</type></icmpTypeCode></item>\
        <item><ruleNumber>101</ruleNumber><protocol>6</protocol><ruleAction>deny</ruleAction><egress>true</egress>\
        <ipv6CidrBlock>::/0</ipv6CidrBlock><portRange><from>22</from><to>23</to></portRange></item></entrySet><associationSet><item>\
        <networkAclAssociationId>aclassoc-1</networkAclAssociationId><networkAclId>acl-0123456789abcdef0</networkAclId>\
        <subnetId>subnet-1</subnetId></item></associationSet><tagSet/></item></networkAclSet>";
    let expected = json!({
        "NetworkAclId": "acl-0123456789abcdef0",
        "VpcId": "vpc-1",
        "IsDefault": true,
        "OwnerId": "123456789012",
        "Entries": [
            {
                "RuleNumber": 100,
                "Protocol": "1",
                "RuleAction": "allow",
                "Egress": false,
                "CidrBlock": "0.0.0.0/0",
                "IcmpTypeCode": {"Code": -1, "Type": 8},
            },
            {
                "RuleNumber": 101,
                "Protocol": "6",
                "RuleAction": "deny",
                "Egress": true,
                "Ipv6CidrBlock": "::/0",
                "PortRange": {"From": 22, "To": 23},
            },
        ],
        "Associations": [{
            "NetworkAclAssociationId": "aclassoc-1",
            "NetworkAclId": "acl-0123456789abcdef0",
            "SubnetId": "subnet-1",
        }],
        "Tags": [],
    });
    assert_eq!(document("network-acl", xml).await, expected);
}

#[tokio::test]
async fn a_foreign_image_that_is_asked_for_by_id_reads_as_the_aws_cli_prints_it() {
    let xml = "<imagesSet><item><imageId>ami-0123456789abcdef0</imageId><imageLocation>amazon/al2023</imageLocation>\
        <imageState>available</imageState><imageOwnerId>137112412989</imageOwnerId><creationDate>2026-11-22T12:55:10.000Z</creationDate>\
        <isPublic>true</isPublic><architecture>arm64</architecture><imageType>machine</imageType><name>al2023</name>\
        <imageOwnerAlias>amazon</imageOwnerAlias><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>\
        <blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><snapshotId>snap-1</snapshotId><volumeSize>8</volumeSize>\
        <deleteOnTermination>true</deleteOnTermination><volumeType>gp3</volumeType><encrypted>false</encrypted></ebs></item>\
        </blockDeviceMapping><virtualizationType>hvm</virtualizationType><enaSupport>true</enaSupport><hypervisor>xen</hypervisor>\
        <deprecationTime>2028-11-22T12:55:00.000Z</deprecationTime></item></imagesSet>";
    let expected = json!({
        "ImageId": "ami-0123456789abcdef0",
        "ImageLocation": "amazon/al2023",
        "State": "available",
        "OwnerId": "137112412989",
        "CreationDate": "2026-11-22T12:55:10.000Z",
        "Public": true,
        "Architecture": "arm64",
        "ImageType": "machine",
        "Name": "al2023",
        "ImageOwnerAlias": "amazon",
        "RootDeviceType": "ebs",
        "RootDeviceName": "/dev/xvda",
        "BlockDeviceMappings": [{
            "DeviceName": "/dev/xvda",
            "Ebs": {
                "SnapshotId": "snap-1",
                "VolumeSize": 8,
                "DeleteOnTermination": true,
                "VolumeType": "gp3",
                "Encrypted": false,
            },
        }],
        "VirtualizationType": "hvm",
        "EnaSupport": true,
        "Hypervisor": "xen",
        "DeprecationTime": "2028-11-22T12:55:00.000Z",
    });
    assert_eq!(document("image", xml).await, expected);
}
