//! What a request is read as, and what is refused.

use proptest::prelude::*;

use super::*;

fn read(form: &str) -> Result<Ec2Request, Ec2Fault> {
    parse("POST", "", format!("Version=2016-11-15&{form}").as_bytes())
}

fn volumes(form: &str) -> Result<Ec2Request, Ec2Fault> {
    read(&format!("Action=DescribeVolumes&{form}"))
}

#[test]
fn parameters_are_read_by_what_the_action_takes() {
    let request = volumes(
        "Filter.2.Name=status&Filter.2.Value.1=in-use&Filter.1.Name=tag%3AName&Filter.1.Value.10=b*&Filter.1.Value.2=a\
         &MaxResults=500&NextToken=abc&DryRun=true&IncludeManagedResources=False",
    )
    .unwrap();
    assert_eq!(request.action.name(), "DescribeVolumes");
    let filter = |name: &str, values: &[&str]| AskedFilter {
        name: name.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    assert_eq!(request.filters, [filter("tag:Name", &["a", "b*"]), filter("status", &["in-use"])]);
    assert_eq!((request.page_size(), request.token(), request.is_dry_run()), (Some(500), Some("abc"), true));
    assert!(!request.flag("IncludeManagedResources"));
    assert_eq!(request.given().collect::<Vec<_>>(), ["DryRun", "IncludeManagedResources", "MaxResults", "NextToken"]);
    assert!(request.ids().is_empty());
}

#[test]
fn lists_are_in_the_order_of_their_numbers_with_each_value_once() {
    let request = volumes("VolumeId.10=c&VolumeId.2=b&VolumeId.1=a&VolumeId.3=a&VolumeId.007=d").unwrap();
    assert_eq!(request.ids(), ["a", "b", "d", "c"]);
    assert_eq!(request.texts("VolumeIds"), request.ids());
    let gateways = read("Action=DescribeNatGateways&Filter.1.Name=state&Filter.1.Value.1=available").unwrap();
    assert_eq!(gateways.filters.len(), 1, "the one action whose filters are called otherwise");
    let gateways = read("Action=DescribeInternetGateways&InternetGatewayId.1=igw-1").unwrap();
    assert_eq!(gateways.ids(), ["igw-1"]);
}

#[test]
fn the_query_of_a_url_is_read_as_well_and_a_signature_in_it_is_none_of_the_parameters() {
    let query = "Action=DescribeVpcs&Version=2016-11-15&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2Fb\
                 &X-Amz-Date=x&X-Amz-SignedHeaders=host&X-Amz-Signature=y&X-Amz-Expires=60";
    let request = parse("GET", query, b"VpcId.1=vpc-1").unwrap();
    assert_eq!(request.ids(), ["vpc-1"]);
}

#[test]
fn a_signature_older_than_version_4_is_refused_by_name() {
    let fault = volumes("AWSAccessKeyId=key&SignatureVersion=2&SignatureMethod=HmacSHA256&Signature=x").unwrap_err();
    assert_eq!(fault, Ec2Fault::OldSignature("2".to_owned()));
    assert_eq!((fault.code(), fault.status()), ("AuthFailure", 401));
    assert!(fault.to_string().contains("Sign it with version 4"), "{fault}");
}

#[test]
fn an_action_that_is_not_answered_is_read_without_its_parameters() {
    let request = read("Action=RunInstances&ImageId=ami-1&BlockDeviceMapping.1.Ebs.VolumeSize=1").unwrap();
    assert_eq!(request.action, Ec2Action::Change("RunInstances"));
    let request = read("Action=GetConsoleOutput&InstanceId=i-1").unwrap();
    assert_eq!((request.action, request.given().count()), (Ec2Action::Other("GetConsoleOutput"), 0));
}

#[test]
fn a_token_that_is_empty_is_none() {
    assert_eq!(volumes("NextToken=&VolumeId.1=vol-1").unwrap().token(), None);
}

#[test]
fn refusals_have_the_codes_of_aws() {
    let many = |of: &str, count: usize| (1..=count).map(|at| format!("&{of}.{at}=x{at}")).collect::<Vec<_>>().concat();
    let filters = |count: usize| {
        (1..=count).map(|at| format!("&Filter.{at}.Name=tag:a&Filter.{at}.Value.1=x")).collect::<Vec<_>>().concat()
    };
    let describe = "Action=DescribeVolumes&Version=2016-11-15";
    for (form, code, message) in [
        ("Version=2016-11-15", "MissingParameter", "parameter Action"),
        ("Action=DescribeVolumes", "MissingParameter", "parameter Version"),
        ("Action=DescribeVolumes&Version=2015-10-01", "NoSuchVersion", "of version 2015-10-01. Send it to AWS"),
        ("Action=DescribeEverything&Version=2016-11-15", "InvalidAction", "DescribeEverything"),
        (&format!("{describe}&Colour=red"), "UnknownParameter", "Colour"),
        (&format!("{describe}&OwnerId.1=self"), "UnknownParameter", "OwnerId.1"),
        (&format!("{describe}&VolumeId=vol-1"), "UnknownParameter", "VolumeId"),
        (&format!("{describe}&VolumeId.one=vol-1"), "UnknownParameter", "VolumeId.one"),
        (&format!("{describe}&VolumeId.-1=vol-1"), "UnknownParameter", "VolumeId.-1"),
        (&format!("{describe}&VolumeId.9999999999=vol-1"), "UnknownParameter", "VolumeId.9999999999"),
        (&format!("{describe}&DryRun.1=true"), "UnknownParameter", "DryRun.1"),
        (&format!("{describe}&Filter.1=status"), "UnknownParameter", "Filter.1"),
        (&format!("{describe}&Filter.1.Value=in-use"), "UnknownParameter", "Filter.1.Value"),
        (&format!("{describe}&VolumeId.1=a&VolumeId.1=b"), "MalformedQueryString", "VolumeId.1"),
        (&format!("{describe}&VolumeId.1=a&VolumeId.01=b"), "MalformedQueryString", "VolumeId.1"),
        (&format!("{describe}&Action=DescribeVpcs"), "MalformedQueryString", "Action"),
        (&format!("{describe}&x=%zz"), "MalformedQueryString", "hexadecimal"),
        (&format!("{describe}&DryRun=yes"), "InvalidParameterValue", "Value ( yes ) for parameter DryRun"),
        (&format!("{describe}&MaxResults=many"), "InvalidParameterValue", "Expecting an integer."),
        (
            &format!("{describe}&MaxResults=4"),
            "InvalidParameterValue",
            "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5.",
        ),
        (&format!("{describe}&MaxResults=1001"), "InvalidParameterValue", "less than or equal to 1000."),
        (&format!("{describe}&MaxResults=99999999999999999999"), "InvalidParameterValue", "an integer"),
        (&format!("{describe}&MaxResults=5&VolumeId.1=vol-1"), "InvalidParameterCombination", "VolumeIds"),
        (&format!("{describe}&NextToken=x&VolumeId.1=vol-1"), "InvalidParameterCombination", "maxResults"),
        (&format!("{describe}&Filter.3.Value.1=x"), "MissingParameter", "Filter.3.Name"),
        (&format!("{describe}&Filter.1.Name=status"), "InvalidParameterValue", "'status' has no values"),
        (&format!("{describe}{}", many("VolumeId", 1_001)), "InvalidParameterValue", "1001 values of VolumeIds"),
        (&format!("{describe}&Filter.1.Name=status{}", many("Filter.1.Value", 201)), "FilterLimitExceeded", "200"),
        (&format!("{describe}{}", filters(51)), "FilterLimitExceeded", "of filters specified on a single call is 50"),
        (
            &format!("Action=DescribeTags&Version=2016-11-15{}", filters(51)),
            "FilterLimitExceeded",
            "of filters specified on a single call is 50",
        ),
        (
            &format!("{describe}&Filter.1.Name=tag:a&Filter.1.Value.1={}", "x".repeat(256)),
            "FilterLimitExceeded",
            "a filter value is 255 characters",
        ),
        (
            &format!("Action=DescribeInstanceStatus&Version=2016-11-15{}", many("InstanceId", 101)),
            "InvalidRequest",
            "101 exceeds the maximum number of instance IDs that can be specified (100)",
        ),
    ] {
        let fault = parse("POST", "", form.as_bytes()).unwrap_err();
        assert_eq!(fault.code(), code, "{form}");
        assert!(fault.to_string().contains(message), "{form}: {fault}");
        assert_eq!(fault.status(), 400, "{form}");
    }
    assert!(volumes(&many("VolumeId", 1_000)).is_ok());
    assert!(volumes(&filters(50)).is_ok());
    assert!(volumes(&format!("Filter.1.Name=tag:a&Filter.1.Value.1={}", "é".repeat(255))).is_ok());
    assert!(read(&format!("Action=DescribeInstanceStatus{}", many("InstanceId", 100))).is_ok());
    assert!(read(&format!("Action=DescribeInstances{}", many("InstanceId", 101))).is_ok());
    let images = "Action=DescribeImages&MaxResults=1";
    assert_eq!(read(images).unwrap().page_size(), Some(1));
    assert!(read("Action=DescribeRouteTables&MaxResults=101").is_err());
    assert_eq!(parse("PUT", "", b"").unwrap_err().status(), 405);
    assert_eq!(parse("POST", "", &vec![b'x'; 2 << 20]).unwrap_err().status(), 413);
    let instances = read("Action=DescribeInstances&MaxResults=5&InstanceId.1=i-1").unwrap_err();
    assert_eq!(instances.to_string(), "The parameter instancesSet cannot be used with the parameter maxResults");
}

/// A part of a request that may be right, or wrong in every way there is.
fn part() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "Action",
        "Version",
        "VolumeId",
        "VolumeId.1",
        "VolumeId.2",
        "Filter.1.Name",
        "Filter.1.Value.1",
        "Filter",
        "Filter.2",
        "Filter.1.Value",
        "Filter.1.Value.1.2",
        "MaxResults",
        "NextToken",
        "DryRun",
        "Owner.1",
        "",
        ".",
        "..",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec!["DescribeVolumes", "2016-11-15", "5", "true", "</item>", "%00", "%", "+"])
            .prop_map(str::to_owned),
        "[^&]{0,8}",
    ];
    prop_oneof![(name, value).prop_map(|(name, value)| format!("{name}={value}")), ".{0,10}"]
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_or_refused_in_a_document(
        parts in prop::collection::vec(part(), 0..8),
        is_named: bool,
    ) {
        let first = if is_named { "Action=DescribeVolumes&Version=2016-11-15&" } else { "" };
        let body = format!("{first}{}", parts.join("&"));
        match parse("POST", "", body.as_bytes()) {
            Ok(request) => {
                prop_assert!(request.filters.iter().all(|filter| !filter.values.is_empty()));
                prop_assert!(request.page_size().is_none_or(|size| (5..=1_000).contains(&size)));
            }
            Err(fault) => {
                let xml = String::from_utf8(fault.xml("id")).unwrap();
                let well = xmlparser::Tokenizer::from(xml.as_str()).all(|token| token.is_ok());
                prop_assert!(well && xml.contains(fault.code()), "{}", xml);
                prop_assert!((400..=413).contains(&fault.status()));
                prop_assert!(xml.len() < 4_000, "{}", xml.len());
            }
        }
    }

    #[test]
    fn what_a_client_writes_is_what_is_read(
        ids in prop::collection::btree_set("vol-[0-9a-f]{1,4}", 0..6),
        filters in prop::collection::vec(("[a-z:-]{1,6}", prop::collection::vec(".{0,6}", 1..4)), 0..4),
        dry: bool,
    ) {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", "DescribeVolumes").append_pair("Version", API_VERSION);
        form.append_pair("DryRun", if dry { "true" } else { "false" });
        for (at, id) in ids.iter().enumerate() {
            form.append_pair(&format!("VolumeId.{}", at + 1), id);
        }
        for (at, (name, values)) in filters.iter().enumerate() {
            form.append_pair(&format!("Filter.{}.Name", at + 1), name);
            for (of, value) in values.iter().enumerate() {
                form.append_pair(&format!("Filter.{}.Value.{}", at + 1, of + 1), value);
            }
        }
        let request = parse("POST", "", form.finish().as_bytes()).unwrap();
        prop_assert_eq!(request.ids(), ids.into_iter().collect::<Vec<_>>());
        let read: Vec<_> = request.filters.iter().map(|it| (it.name.clone(), it.values.clone())).collect();
        prop_assert_eq!(read, filters);
        prop_assert_eq!(request.is_dry_run(), dry);
    }
}
