use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use aws_sdk_ec2::types;

use super::facet_reading::FacetReading;
use super::fields::Fields;
use super::*;
use crate::model::fixtures::scope;

/// The registry's projection is what the store takes.
const _: crate::model::row::Project = project;

fn unique<T: Ord + fmt::Debug>(values: impl IntoIterator<Item = T>) {
    let mut seen = BTreeSet::new();
    for value in values {
        assert!(!seen.contains(&value), "{value:?} twice");
        seen.insert(value);
    }
}

#[test]
fn names_slugs_and_titles_are_unique() {
    unique(KINDS.iter().map(|spec| spec.name));
    unique(KINDS.iter().map(|spec| spec.slug));
    unique(KINDS.iter().map(|spec| spec.title));
    unique(KINDS.iter().map(|spec| spec.plural));
}

#[test]
fn every_kind_can_be_found_under_each_of_its_names() {
    for spec in KINDS {
        assert!(std::ptr::eq(by_slug(spec.slug).unwrap(), *spec));
        assert!(std::ptr::eq(of(&spec.kind()).unwrap(), *spec));
        let others = [spec.slug, spec.name, spec.title, spec.plural, spec.counted(1)].map(str::to_owned);
        let tables =
            [spec.slug.replace('-', "_"), spec.plural.replace(' ', "_").to_uppercase(), format!("{}s", spec.slug)];
        for written in others.iter().chain(&tables) {
            assert_eq!(meant(written).map(|found| found.slug), Some(spec.slug), "{written}");
        }
    }
    for (short, slug) in SHORT_NAMES {
        for written in [short.to_owned(), format!("{short}s").to_uppercase()] {
            assert_eq!(meant(&written).map(|found| found.slug), Some(slug), "{written}");
        }
    }
    assert!(meant("thing").is_none() && meant("").is_none() && meant("s").is_none());
}

#[test]
fn one_resource_is_called_by_the_singular() {
    let one: Vec<&str> = KINDS.iter().map(|spec| spec.counted(1)).collect();
    for word in ["instance", "instance status", "VPC", "Elastic IP address", "network ACL", "security group"] {
        assert!(one.contains(&word), "{one:?}");
    }
}

#[test]
fn slugs_are_safe_in_a_uri_and_every_kind_is_described() {
    for spec in KINDS {
        assert!(spec.slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{spec:?}");
        assert!(spec.description.len() > 40 && spec.description.ends_with('.'), "{spec:?}");
        assert!(spec.mapping > 0 && !spec.actions.is_empty() && !spec.interval.is_zero(), "{spec:?}");
    }
}

#[test]
fn filter_numbers_and_names_are_unique_within_a_kind_and_every_filter_reads_something() {
    for spec in KINDS {
        unique(spec.filters.iter().map(|filter| filter.number));
        let in_documents = spec.in_documents.iter().map(|filter| filter.name);
        unique(spec.filters.iter().map(|filter| filter.name).chain(in_documents));
        assert!(spec.filters.iter().all(|filter| !filter.paths.is_empty()), "{spec:?}");
        assert!(spec.filters.iter().all(|filter| !filter.name.starts_with("tag")), "{spec:?}: tags are not facets");
    }
}

#[test]
fn every_file_of_a_kind_is_registered() {
    let registered: BTreeSet<String> = KINDS.iter().map(|spec| spec.slug.replace('-', "_")).collect();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let kinds = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let kinds =
        kinds.filter(|path| std::fs::read_to_string(path).unwrap().contains("\npub(super) static SPEC: KindSpec"));
    let found: BTreeSet<String> = kinds.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(found, registered);
}

#[test]
fn ids_and_arns_tell_kinds_apart_and_columns_show_filters() {
    unique(prefixes());
    unique(KINDS.iter().filter_map(|spec| spec.arn_type()));
    for spec in KINDS {
        assert_eq!(spec.prefix.is_none(), spec.status_of.is_some(), "{spec:?}");
        if let Some(prefix) = spec.prefix {
            assert!(std::ptr::eq(of_id(&format!("{prefix}0123456789abcdef0")).unwrap(), *spec), "{spec:?}");
        }
        if let Some(arn_type) = spec.arn_type() {
            assert!(std::ptr::eq(of_arn_type(arn_type).unwrap(), *spec), "{spec:?}");
        }
        for (slug, path) in spec.also_by_id {
            let filters = by_slug(slug).unwrap().filters;
            assert!(filters.iter().any(|filter| filter.paths == [*path]), "{spec:?}: rows of {slug} lack {path}");
        }
        unique(spec.columns.iter().map(|(_, column)| column));
        assert!(spec.columns.iter().all(|(filter, _)| spec.filter(filter).is_some()), "{spec:?}");
    }
}

#[test]
fn a_status_belongs_to_a_kind_there_is() {
    assert!(KINDS.iter().filter_map(|spec| spec.status_of).all(|slug| by_slug(slug).is_some()));
    let kinds = |id: &str| KINDS.iter().filter(|kind| may_have(kind, id)).map(|kind| kind.slug).collect::<Vec<_>>();
    assert_eq!(kinds("i-0123456789abcdef0"), ["instance", "instance-status"]);
    assert_eq!(kinds("vol-0123456789abcdef0"), ["volume"]);
    assert_eq!(kinds("203.0.113.7").len(), KINDS.len());
}

/// The SDK's structs by name, as `Debug` shows an empty one: with the names of all its fields.
macro_rules! structs {
    ($($name:ident),* $(,)?) => {
        [$((stringify!($name), format!("{:?}", types::$name::builder().build()))),*]
    };
}

/// An update of the SDK that adds a field to a struct fails this test until the field is mapped.
#[test]
#[expect(clippy::too_many_lines, reason = "most of it is the list of structs")]
fn every_field_of_every_mapped_struct_is_mapped() {
    let structs = structs![
        Address,
        ApplicationStatusSummary,
        AttachmentEnaSrdSpecification,
        AttachmentEnaSrdUdpSpecification,
        AvailabilityZone,
        AvailabilityZoneGeography,
        AvailabilityZoneMessage,
        AvailabilityZoneSubGeography,
        BlockDeviceMapping,
        BlockPublicAccessStates,
        CapacityReservationSpecificationResponse,
        CapacityReservationTargetResponse,
        ConnectionTrackingConfiguration,
        ConnectionTrackingSpecificationResponse,
        CpuOptions,
        EbsBlockDevice,
        EbsInstanceBlockDevice,
        EbsStatusDetails,
        EbsStatusSummary,
        ElasticGpuAssociation,
        ElasticInferenceAcceleratorAssociation,
        EnclaveOptions,
        GroupIdentifier,
        HibernationOptions,
        IamInstanceProfile,
        IcmpTypeCode,
        Image,
        ImageWatermark,
        Instance,
        InstanceAttachmentEnaSrdSpecification,
        InstanceAttachmentEnaSrdUdpSpecification,
        InstanceBlockDeviceMapping,
        InstanceIpv4Prefix,
        InstanceIpv6Address,
        InstanceIpv6Prefix,
        InstanceMaintenanceOptions,
        InstanceMetadataOptionsResponse,
        InstanceNetworkInterface,
        InstanceNetworkInterfaceAssociation,
        InstanceNetworkInterfaceAttachment,
        InstanceNetworkPerformanceOptions,
        InstancePrivateIpAddress,
        InstanceSecondaryInterface,
        InstanceSecondaryInterfaceAttachment,
        InstanceSecondaryInterfacePrivateIpAddress,
        InstanceState,
        InstanceStatus,
        InstanceStatusDetails,
        InstanceStatusEvent,
        InstanceStatusSummary,
        InstanceTypeItem,
        InstanceTypeSpecification,
        InternetGateway,
        InternetGatewayAttachment,
        IpPermission,
        IpRange,
        Ipv4PrefixSpecification,
        Ipv6PrefixSpecification,
        Ipv6Range,
        LicenseConfiguration,
        Monitoring,
        NatGateway,
        NatGatewayAddress,
        NatGatewayAttachedAppliance,
        NetworkAcl,
        NetworkAclAssociation,
        NetworkAclEntry,
        NetworkInterface,
        NetworkInterfaceAssociation,
        NetworkInterfaceAttachment,
        NetworkInterfaceIpv6Address,
        NetworkInterfacePrivateIpAddress,
        OperatorResponse,
        PerformanceStatusSummary,
        Placement,
        PortRange,
        PrefixListId,
        PrivateDnsNameOptionsOnLaunch,
        PrivateDnsNameOptionsResponse,
        ProductCode,
        PropagatingVgw,
        ProvisionedBandwidth,
        PublicIpDnsNameOptions,
        Region,
        RegionGeography,
        Route,
        RouteTable,
        RouteTableAssociation,
        RouteTableAssociationState,
        ScanResults,
        SecurityGroup,
        Snapshot,
        StateReason,
        Subnet,
        SubnetCidrBlockState,
        SubnetIpv6CidrBlockAssociation,
        Tag,
        UserIdGroupPair,
        Volume,
        VolumeAttachment,
        Vpc,
        VpcCidrBlockAssociation,
        VpcCidrBlockState,
        VpcEncryptionControl,
        VpcEncryptionControlExclusion,
        VpcEncryptionControlExclusions,
        VpcIpv6CidrBlockAssociation,
    ];
    let mut mapped = mappers();
    for (name, shown) in &structs {
        let mapping = mapped.remove(*name).unwrap_or_else(|| panic!("no mapper of {name}"));
        let words: BTreeSet<&str> = mapping.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        let (_, fields) = shown.split_once('{').unwrap();
        for field in fields.trim_end_matches('}').split(',') {
            let field = field.split_once(':').unwrap().0.trim();
            assert!(words.contains(field), "{name}.{field} is not mapped");
        }
    }
    assert!(mapped.is_empty(), "structs that are missing in this test: {:?}", mapped.keys());
}

/// The text of each use of `mapped!` in the sources of this module, by the structs that it is for.
fn mappers() -> BTreeMap<String, String> {
    let mut mapped = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(path).unwrap();
            for use_of_it in text.split("\nmapped!(|").skip(1) {
                let closure = use_of_it.split_once(");\n").unwrap().0;
                let (types, body) = closure.split_once('|').unwrap();
                for name in types.split_once(':').unwrap().1.split(',') {
                    mapped.insert(name.trim().to_owned(), body.to_owned());
                }
            }
        }
    }
    mapped
}

/// The reservation is taken apart by name, so its own new fields would go unseen otherwise.
#[test]
fn a_reservation_has_no_field_but_those_that_instances_carry() {
    let shown = format!("{:?}", types::Reservation::builder().build());
    let fields = ["reservation_id", "owner_id", "requester_id", "groups", "instances"];
    assert_eq!(shown.matches(':').count(), fields.len(), "{shown}");
    assert!(fields.iter().all(|field| shown.contains(field)), "{shown}");
}

fn row(slug: &str, document: &Document) -> RowFields {
    project(&ResourceId::new(&scope(), &by_slug(slug).unwrap().kind(), "x"), document)
}

fn tags(tags: &[(&str, &str)]) -> Vec<types::Tag> {
    tags.iter().map(|(key, value)| types::Tag::builder().key(*key).value(*value).build()).collect()
}

#[test]
fn a_row_has_the_name_tag_or_else_the_kinds_own_name() {
    let group = |tags| Fields::new().text("GroupName", Some("web".to_owned())).list("Tags", tags).document();
    assert_eq!(row("security-group", &group(None)).name.as_deref(), Some("web"));
    assert_eq!(row("security-group", &group(Some(tags(&[("Name", "")])))).name.as_deref(), Some("web"));
    assert_eq!(row("security-group", &group(Some(tags(&[("Name", "front")])))).name.as_deref(), Some("front"));
}

#[test]
fn a_kinds_own_name_is_the_value_of_a_filter() {
    for spec in KINDS {
        let filter = spec.filters.iter().find(|filter| Some(filter.number) == spec.named_by());
        assert_eq!(filter.map(|filter| filter.paths), spec.name_field.as_ref().map(std::slice::from_ref), "{spec:?}");
        assert!(filter.is_none_or(|filter| filter.reading == FacetReading::Scalars), "{spec:?}");
    }
}

#[test]
fn a_row_holds_each_value_once_and_no_empty_ones() {
    let placement = types::Placement::builder().group_name("").tenancy(types::Tenancy::Default).build();
    let group = |id: &str| types::GroupIdentifier::builder().group_id(id).group_name("web").build();
    let instance = types::Instance::builder()
        .instance_id("i-1")
        .placement(placement)
        .security_groups(group("sg-1"))
        .security_groups(group("sg-2"))
        .set_tags(Some(tags(&[("Name", "a"), ("env", "")])))
        .build();
    let reservation = types::Reservation::builder().owner_id("123456789012").instances(instance).build();
    let document = &instance::reserved(reservation)[0].document;
    let fields = row("instance", document);
    let facet = |name: &str| {
        let number = by_slug("instance").unwrap().filter(name).unwrap().number;
        fields.facets.iter().filter(|(facet, _)| *facet == number).map(|(_, value)| value.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(facet("instance-id"), ["i-1"]);
    assert_eq!(facet("owner-id"), ["123456789012"]);
    assert_eq!(facet("instance.group-id"), ["sg-1", "sg-2"]);
    assert_eq!(facet("instance.group-name"), ["web"]);
    assert_eq!(facet("tenancy"), ["default"]);
    assert_eq!(facet("placement-group-name"), [""; 0]);
    assert_eq!(fields.owner.as_deref(), Some("123456789012"));
    assert_eq!(fields.tags, [("Name".to_owned(), "a".to_owned()), ("env".to_owned(), String::new())]);
}

#[test]
fn only_a_terminated_instance_may_vanish_without_proof() {
    let spec = by_slug("instance").unwrap();
    let document = |name| {
        let state = types::InstanceState::builder().name(name).build();
        Fields::new().map("State", Some(state)).document()
    };
    assert!(spec.rules().is_gone(&document(types::InstanceStateName::Terminated)));
    assert!(!spec.rules().is_gone(&document(types::InstanceStateName::ShuttingDown)));
    assert!(!spec.rules().is_gone(&Document::default()));
}

#[test]
fn a_kind_of_a_newer_version_still_has_its_tags() {
    let document = Fields::new().list("Tags", Some(tags(&[("a", "b")]))).document();
    let fields = project(&ResourceId::new(&scope(), &Kind::new("AWS::EC2::Moon"), "x"), &document);
    assert_eq!(fields, RowFields { tags: vec![("a".to_owned(), "b".to_owned())], ..RowFields::default() });
}
