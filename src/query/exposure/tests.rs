//! Answers against a plain model that sends one packet at a time.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::fixtures::json_document;

/// A range of IPv4 addresses of the model.
#[derive(Clone, Copy, Debug)]
enum Range {
    /// `length` bits of a first number, so that it holds whole sixteenths of all addresses.
    Wide { first: u8, length: u8 },
    /// A range that somebody named.
    Narrow,
}

impl Range {
    fn text(self) -> String {
        match self {
            Range::Wide { first, length } => format!("{}.0.0.0/{length}", first & mask(length)),
            Range::Narrow => "9.9.9.0/24".to_owned(),
        }
    }

    fn holds(self, address: [u8; 4]) -> bool {
        match self {
            Range::Wide { first, length } => address[0] & mask(length) == first & mask(length),
            Range::Narrow => address[..3] == [9, 9, 9],
        }
    }
}

fn mask(length: u8) -> u8 {
    u8::MAX.checked_shl(u32::from(8 - length)).unwrap_or(0)
}

/// One address of each sixteenth, and one that a narrow range holds.
fn senders() -> impl Iterator<Item = [u8; 4]> {
    (0..16).map(|sixteenth| [sixteenth * 16 + 8, 0, 0, 1])
}

/// The ports at which anything may begin in the model.
const STARTS: [u16; 10] = [0, 22, 23, 80, 444, 1024, 1025, 32_768, 61_000, 65_535];
const PORTS: [(u16, u16); 7] =
    [(0, 65_535), (1024, 65_535), (22, 22), (80, 443), (32_768, 60_999), (1024, 1024), (65_535, 65_535)];

/// A rule of a security group, or an entry of a network ACL.
#[derive(Clone, Copy, Debug)]
struct Rule {
    egress: bool,
    allows: bool,
    /// In which protocols, `None`: all.
    protocol: Option<Protocol>,
    ports: (u16, u16),
    range: Range,
}

impl Rule {
    fn matches(&self, protocol: Protocol, port: u16, address: [u8; 4]) -> bool {
        // A rule for all protocols is for all ports, whatever it names.
        let is_meant = |own| own == protocol && self.ports.0 <= port && port <= self.ports.1;
        self.protocol.is_none_or(is_meant) && self.range.holds(address)
    }
}

#[derive(Clone, Debug)]
struct Model {
    groups: Vec<Rule>,
    acl: Vec<Rule>,
    /// Ranges, and whether what goes there leaves by the internet gateway.
    routes: Vec<(Range, bool)>,
    attached: bool,
    blocked: bool,
    public: bool,
}

impl Model {
    /// The first entry that matches decides.
    fn acl_allows(&self, egress: bool, protocol: Protocol, port: u16, address: [u8; 4]) -> bool {
        let mut entries = self.acl.iter().filter(|entry| entry.egress == egress);
        entries.find(|entry| entry.matches(protocol, port, address)).is_some_and(|entry| entry.allows)
    }

    fn leaves_by_gateway(&self, address: [u8; 4]) -> bool {
        let length = |range: Range| if let Range::Wide { length, .. } = range { length } else { 24 };
        let routes = self.routes.iter().filter(|(range, _)| range.holds(address));
        routes.max_by_key(|(range, _)| length(*range)).is_some_and(|(_, is_gateway)| *is_gateway)
    }

    /// Sends a packet, and for TCP an answer.
    fn reaches(&self, protocol: Protocol, port: u16, address: [u8; 4]) -> bool {
        let answered = protocol == Protocol::Udp
            || STARTS.iter().filter(|port| **port >= 1024).any(|port| self.acl_allows(true, protocol, *port, address));
        self.public
            && self.attached
            && !self.blocked
            && self.leaves_by_gateway(address)
            && self.acl_allows(false, protocol, port, address)
            && answered
            && self.groups.iter().any(|rule| rule.matches(protocol, port, address))
    }

    /// Sends one from everywhere that is the internet.
    fn is_reachable(&self, protocol: Protocol, port: u16) -> bool {
        senders().filter(|sender| sender[0] < 224).any(|sender| self.reaches(protocol, port, sender))
    }

    fn documents(&self) -> Documents {
        let name = |protocol: Option<Protocol>| protocol.map_or("-1".to_owned(), |protocol| protocol.to_string());
        let permissions = self.groups.iter().map(|rule| {
            let ranges = [json!({"CidrIp": rule.range.text()})];
            json!({"IpProtocol": name(rule.protocol), "FromPort": rule.ports.0, "ToPort": rule.ports.1, "IpRanges": ranges})
        });
        let entries = self.acl.iter().enumerate().map(|(place, rule)| {
            let protocol = match rule.protocol {
                None => "-1",
                Some(Protocol::Tcp) => "6",
                Some(Protocol::Udp) => "17",
            };
            json!({
                "RuleNumber": place + 1, "Egress": rule.egress, "CidrBlock": rule.range.text(), "Protocol": protocol,
                "RuleAction": if rule.allows { "allow" } else { "deny" },
                "PortRange": {"From": rule.ports.0, "To": rule.ports.1},
            })
        });
        let routes = self.routes.iter().map(|(range, is_gateway)| {
            json!({"DestinationCidrBlock": range.text(), "GatewayId": if *is_gateway { "igw-1" } else { "vgw-1" }, "State": "active"})
        });
        let attachments = if self.attached { vec![json!({"VpcId": "vpc-1", "State": "available"})] } else { vec![] };
        let mode = if self.blocked { "block-ingress" } else { "off" };
        let group = json!({"GroupId": "sg-1", "IpPermissions": permissions.collect::<Vec<_>>()});
        let subnet = json!({"BlockPublicAccessStates": {"InternetGatewayBlockMode": mode}});
        let table = RouteTable {
            id: "rtb-1".to_owned(),
            document: json_document(&json!({"Routes": routes.collect::<Vec<_>>()})),
            is_explicit: false,
            edge: None,
        };
        let gateway = json_document(&json!({"Attachments": attachments}));
        Documents {
            vpc: "vpc-1".to_owned(),
            subnet: ("subnet-1".to_owned(), Ok(json_document(&subnet))),
            groups: vec![("sg-1".to_owned(), Ok(json_document(&group)))],
            acl: Ok(("acl-1".to_owned(), json_document(&json!({"Entries": entries.collect::<Vec<_>>()})))),
            table: Ok(table),
            gateways: Ok(vec![("igw-1".to_owned(), gateway)]),
        }
    }

    fn addresses(&self) -> PublicAddresses {
        let ipv4 = if self.public { vec!["198.51.100.7".to_owned()] } else { Vec::new() };
        PublicAddresses { ipv4, ipv6: Vec::new() }
    }
}

fn range() -> impl Strategy<Value = Range> {
    let wide = (any::<u8>(), prop_oneof![3 => Just(0), 1 => 1..5_u8])
        .prop_map(|(first, length)| Range::Wide { first, length });
    prop_oneof![4 => wide, 1 => Just(Range::Narrow)]
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocol = prop_oneof![Just(None), Just(Some(Protocol::Tcp)), Just(Some(Protocol::Udp))];
    let ports = proptest::sample::select(PORTS.to_vec());
    (any::<bool>(), prop::bool::weighted(0.7), protocol, ports, range())
        .prop_map(|(egress, allows, protocol, ports, range)| Rule { egress, allows, protocol, ports, range })
}

fn model() -> impl Strategy<Value = Model> {
    let rules = |most| proptest::collection::vec(rule(), 0..most);
    // Two routes of one table never have the same destination.
    let routes = proptest::collection::btree_map(0..5_u8, (any::<u8>(), any::<bool>()), 0..4).prop_map(|routes| {
        let route =
            |(length, (first, gateway)): (u8, (u8, bool))| (Range::Wide { first, length }, length == 0 || gateway);
        routes.into_iter().map(route).collect::<Vec<_>>()
    });
    let often = || prop::bool::weighted(0.95);
    (rules(6), rules(8), routes, often(), prop::bool::weighted(0.05), often()).prop_map(
        |(groups, acl, routes, attached, blocked, public)| Model { groups, acl, routes, attached, blocked, public },
    )
}

/// Each thing that may not be known.
const MASKS: usize = 5;

fn masked(mut documents: Documents, mask: usize) -> Documents {
    let why = || "not held".to_owned();
    match mask {
        0 => documents.subnet.1 = Err(why()),
        1 => documents.groups[0].1 = Err(why()),
        2 => documents.acl = Err(why()),
        3 => documents.table = Err(why()),
        _ => documents.gateways = Err(why()),
    }
    documents
}

proptest! {
    #[test]
    fn a_port_is_reachable_exactly_when_a_packet_gets_there(model in model()) {
        let reach = Reach::of(&model.documents());
        for protocol in Protocol::ALL {
            for port in STARTS {
                let answer = reach.ask(&model.addresses(), protocol, Ports::one(port));
                let expected = if model.is_reachable(protocol, port) { ReachVerdict::Reachable } else { ReachVerdict::NotReachable };
                prop_assert_eq!(answer.verdict, expected, "{} {}: {:?}", protocol, port, answer.hops);
                prop_assert_eq!(reach.verdict(&model.addresses(), protocol, Ports::one(port)), expected);
                let blocks = answer.hops.iter().filter(|hop| hop.does == Does::Blocks).count();
                prop_assert_eq!(blocks, usize::from(expected == ReachVerdict::NotReachable));
            }
            let any = STARTS.iter().any(|port| model.is_reachable(protocol, *port));
            let answer = reach.ask(&model.addresses(), protocol, Ports::ALL);
            prop_assert_eq!(answer.verdict == ReachVerdict::Reachable, any);
            if any {
                prop_assert!(model.is_reachable(protocol, answer.ports.from), "{:?}", answer);
            }
        }
    }

    #[test]
    fn what_is_not_known_makes_an_answer_unknown_and_never_another(model in model(), masks in proptest::collection::vec(0..MASKS, 1..4)) {
        let (whole, part) = (model.documents(), masks.into_iter().fold(model.documents(), masked));
        let (whole, part) = (Reach::of(&whole), Reach::of(&part));
        for protocol in Protocol::ALL {
            for port in STARTS {
                let ask = |reach: &Reach| reach.ask(&model.addresses(), protocol, Ports::one(port)).verdict;
                let (known, told) = (ask(&whole), ask(&part));
                prop_assert!(told == known || told == ReachVerdict::Unknown, "{:?} became {:?}", known, told);
                prop_assert_ne!(told, ReachVerdict::Reachable);
            }
        }
    }
}

/// Everything is open.
fn open() -> Model {
    let all = Range::Wide { first: 0, length: 0 };
    let rule = Rule { egress: false, allows: true, protocol: None, ports: (0, 65_535), range: all };
    Model {
        groups: vec![Rule { protocol: Some(Protocol::Tcp), ports: (22, 22), ..rule }],
        acl: vec![rule, Rule { egress: true, ..rule }],
        routes: vec![(all, true)],
        attached: true,
        blocked: false,
        public: true,
    }
}

fn ask(documents: &Documents, port: u16) -> Exposure {
    Reach::of(documents).ask(&open().addresses(), Protocol::Tcp, Ports::one(port))
}

/// The hop that decides, and what it says.
fn last(answer: &Exposure) -> (&str, &str) {
    let hop = answer.hops.iter().rfind(|hop| hop.does != Does::Passes).or(answer.hops.last()).unwrap();
    (hop.hop, &hop.why)
}

#[test]
fn each_hop_names_the_resource_that_decides() {
    let answer = ask(&open().documents(), 22);
    assert_eq!(answer.verdict, ReachVerdict::Reachable);
    let said: Vec<&str> = answer.hops.iter().map(|hop| hop.why.as_str()).collect();
    let expected = [
        "198.51.100.7",
        "rtb-1, the main one of vpc-1, routes 0.0.0.0/0 to igw-1, which is attached",
        "VPC Block Public Access is off for subnet-1",
        "rule 1 of acl-1 allows it",
        "sg-1 allows tcp 22 from 0.0.0.0/0",
    ];
    assert_eq!(said, expected);

    let closed = ask(&open().documents(), 23);
    assert_eq!(closed.verdict, ReachVerdict::NotReachable);
    assert_eq!(last(&closed), ("security groups", "no rule of sg-1 allows it from the internet"));

    let mut model = open();
    model.groups[0].range = Range::Narrow;
    let why = "only from addresses that are named, not from the internet: sg-1 allows tcp 22 from 9.9.9.0/24";
    assert_eq!(last(&ask(&model.documents(), 22)), ("security groups", why));

    let mut model = open();
    model.acl.truncate(1);
    let why = "no outbound rule of acl-1 allows answers to ports 1024-65535";
    assert_eq!(last(&ask(&model.documents(), 22)), ("network ACL", why));
    model.acl.insert(0, Rule { allows: false, ..model.acl[0] });
    assert_eq!(last(&ask(&model.documents(), 22)), ("network ACL", "rule 1 of acl-1 denies it"));

    let detached = Model { attached: false, ..open() };
    let why = "igw-1, to which rtb-1 routes, is not attached to vpc-1";
    assert_eq!(last(&ask(&detached.documents(), 22)), ("internet gateway and route table", why));
    let unrouted = Model { routes: Vec::new(), ..open() };
    let why = "rtb-1, the main one of vpc-1, has no route from 0.0.0.0/0 to an internet gateway";
    assert_eq!(last(&ask(&unrouted.documents(), 22)), ("internet gateway and route table", why));
}

#[test]
fn what_a_prefix_list_holds_is_not_known() {
    let mut documents = open().documents();
    let lists =
        json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": "pl-1"}]}]);
    documents.groups.push(("sg-2".to_owned(), Ok(json_document(&json!({"IpPermissions": lists})))));
    assert_eq!(ask(&documents, 22).verdict, ReachVerdict::Reachable);
    let answer = ask(&documents, 443);
    assert_eq!(answer.verdict, ReachVerdict::Unknown);
    assert_eq!(last(&answer), ("security groups", "sg-2 lets in pl-1, a prefix list that is not held"));
    // Another group is no source on the internet.
    let pairs = json!([{"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": "sg-1"}]}]);
    documents.groups[1].1 = Ok(json_document(&json!({"IpPermissions": pairs})));
    assert_eq!(ask(&documents, 443).verdict, ReachVerdict::NotReachable);
}

#[test]
fn ways_that_are_not_followed_are_not_known() {
    let mut documents = open().documents();
    if let Ok(table) = &mut documents.table {
        table.edge = Some("rtb-9".to_owned());
    }
    let answer = ask(&documents, 22);
    assert_eq!(answer.verdict, ReachVerdict::Unknown);
    assert!(last(&answer).1.starts_with("rtb-9 leads what comes in by igw-1 another way"), "{answer:?}");
    // The gateway of a shared VPC belongs to its owner.
    let documents = Documents { gateways: Ok(Vec::new()), ..open().documents() };
    assert_eq!(last(&ask(&documents, 22)).1, "rtb-1 routes to igw-1, which is not held");
    let answer = ask(&documents, 23);
    assert_eq!(answer.verdict, ReachVerdict::NotReachable, "what is known to block blocks: {answer:?}");
    let odd = json!({"Entries": [{"RuleNumber": 1, "Egress": false}]});
    let documents = Documents { acl: Ok(("acl-1".to_owned(), json_document(&odd))), ..open().documents() };
    assert_eq!(last(&ask(&documents, 22)), ("network ACL", "an entry of acl-1 cannot be read"));
}

#[test]
fn ipv6_has_addresses_rules_and_routes_of_its_own() {
    let mut documents = open().documents();
    let range = json!([{"CidrIpv6": "::/0"}]);
    let permission = json!([{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "Ipv6Ranges": range}]);
    documents.groups[0].1 = Ok(json_document(&json!({"IpPermissions": permission})));
    let entry = |egress| json!({"RuleNumber": 1, "Egress": egress, "Ipv6CidrBlock": "::/0", "Protocol": "-1", "RuleAction": "allow"});
    documents.acl = Ok(("acl-1".to_owned(), json_document(&json!({"Entries": [entry(false), entry(true)]}))));
    if let Ok(table) = &mut documents.table {
        table.document =
            json_document(&json!({"Routes": [{"DestinationIpv6CidrBlock": "::/0", "GatewayId": "igw-1"}]}));
    }
    let reach = Reach::of(&documents);
    let mut addresses = PublicAddresses::default();
    addresses.add_ipv6("fd00::7");
    assert!(addresses.is_empty(), "a private address is none of the internet's");
    addresses.add_ipv6("2600:1f18::7");
    let ask = |addresses: &PublicAddresses, port| reach.ask(addresses, Protocol::Tcp, Ports::one(port)).verdict;
    assert_eq!(ask(&addresses, 443), ReachVerdict::Reachable);
    assert_eq!(ask(&addresses, 22), ReachVerdict::NotReachable);
    assert_eq!(ask(&open().addresses(), 443), ReachVerdict::NotReachable);
    let both = PublicAddresses { ipv6: addresses.ipv6, ..open().addresses() };
    assert_eq!(ask(&both, 443), ReachVerdict::Reachable, "one way in is enough");
    let none = reach.ask(&PublicAddresses::default(), Protocol::Tcp, Ports::ALL);
    assert_eq!((none.verdict, last(&none).0), (ReachVerdict::NotReachable, "public address"));
}
