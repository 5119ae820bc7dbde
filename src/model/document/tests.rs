use proptest::prelude::*;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        "[a-c]{0,3}".prop_map(Value::Text),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            prop::collection::btree_map("[A-C]", inner, 0..4)
                .prop_map(|fields| Value::Map(fields.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = Document> {
    prop::collection::btree_map("State|StateReason|Tags|[A-D]", value(), 0..6)
        .prop_map(|fields| Document::new(fields.into_iter().collect()))
}

fn tag(key: &str, value: &str) -> Value {
    Value::Map(Map::from([("Key", key.into()), ("Value", value.into())]))
}

#[test]
fn the_order_of_list_elements_does_not_matter() {
    let one = Document::new(Map::from([("Tags", vec![tag("b", "2"), tag("a", "1")].into())]));
    let two = Document::new(Map::from([("Tags", vec![tag("a", "1"), tag("b", "2")].into())]));
    assert_eq!(one, two);
    assert_eq!(one.digest(), two.digest());
    assert_eq!(one.tags().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
}

fn map(fields: &[(&'static str, Value)]) -> Value {
    Value::Map(fields.iter().map(|(name, value)| (*name, value.clone())).collect())
}

/// An interface whose name and address sort against its device index.
fn interface(id: &str, card: Option<i64>, index: i64) -> Value {
    let address = |ip: &str, primary: bool| map(&[("PrivateIpAddress", ip.into()), ("Primary", primary.into())]);
    let mut attachment = vec![("DeviceIndex", Value::Int(index))];
    attachment.extend(card.map(|card| ("NetworkCardIndex", Value::Int(card))));
    map(&[
        ("NetworkInterfaceId", id.into()),
        ("Attachment", map(&attachment)),
        (
            "PrivateIpAddresses",
            vec![address("10.0.0.2", false), address("10.0.0.9", true), address("10.0.0.1", false)].into(),
        ),
    ])
}

fn ids(document: &Document) -> Vec<String> {
    document.scalars("NetworkInterfaces.NetworkInterfaceId")
}

#[test]
fn the_first_interface_has_device_index_0_and_the_first_address_is_the_primary_one() {
    let loose = map(&[("NetworkInterfaceId", "eni-0".into())]);
    let list = vec![
        loose,
        interface("eni-1", Some(1), 0),
        interface("eni-2", None, 1),
        interface("eni-3", Some(0), 2),
        interface("eni-9", Some(0), 0),
    ];
    let document = Document::new(Map::from([("NetworkInterfaces", list.into())]));
    assert_eq!(ids(&document), ["eni-9", "eni-2", "eni-3", "eni-1", "eni-0"]);
    let addresses = document.scalars("NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress");
    assert_eq!(addresses[..3], ["10.0.0.9", "10.0.0.1", "10.0.0.2"]);
    let address = |ip: &str, primary: bool| map(&[("Ipv6Address", ip.into()), ("IsPrimaryIpv6", primary.into())]);
    let list = vec![address("::1", false), address("::2", true)];
    let document = Document::new(Map::from([("Ipv6Addresses", list.into())]));
    assert_eq!(document.scalars("Ipv6Addresses.Ipv6Address"), ["::2", "::1"]);
}

#[test]
fn a_list_that_an_older_rule_sorted_is_sorted_anew() {
    let interfaces = |list: &[Value]| Value::List(list.to_vec());
    let (first, second) = (interface("eni-9", None, 0), interface("eni-1", None, 1));
    let path = "NetworkInterfaces".to_owned();
    let mut document = Document::default();
    document.apply(&[Change { path, before: None, after: Some(interfaces(&[second.clone(), first.clone()])) }]);
    assert_eq!(ids(&document), ["eni-9", "eni-1"]);
    let same = Document::new(Map::from([("NetworkInterfaces", interfaces(&[first, second]))]));
    assert_eq!(document.changes_to(&same), []);
    assert_eq!(document.digest(), same.digest());
}

#[test]
fn scalars_go_through_lists() {
    let group = |id: &str| Value::Map(Map::from([("GroupId", id.into()), ("Port", 22.into())]));
    let document = Document::new(Map::from([("SecurityGroups", vec![group("sg-1"), group("sg-2")].into())]));
    assert_eq!(document.scalars("SecurityGroups.GroupId"), ["sg-1", "sg-2"]);
    assert_eq!(document.scalars("SecurityGroups.Port"), ["22", "22"]);
    assert!(document.scalars("SecurityGroups.Nothing").is_empty());
}

#[test]
fn a_nested_change_names_its_path_and_group() {
    let state = |name: &str| {
        let state = Map::from([("Name", name.into()), ("Code", 16.into())]);
        Document::new(Map::from([("State", state.into())]))
    };
    let changes = state("running").changes_to(&state("stopping"));
    let expected = Change { path: "State.Name".into(), before: Some("running".into()), after: Some("stopping".into()) };
    assert_eq!(changes, [expected]);
    assert_eq!(changes[0].group(), Group::State);
}

proptest! {
    #[test]
    fn applying_the_changes_gives_the_next_document(before in document(), after in document()) {
        let mut applied = before.clone();
        applied.apply(&before.changes_to(&after));
        prop_assert_eq!(&applied, &after);
        prop_assert_eq!(before == after, before.digest() == after.digest());
    }

    #[test]
    fn interfaces_and_addresses_are_equal_in_whatever_order_they_come(
        places in prop::collection::vec((0..3_i64, 0..3_i64, "[a-c]"), 0..6),
        seed in any::<u64>(),
    ) {
        let list: Vec<Value> = places.iter().map(|(card, index, id)| interface(id, Some(*card), *index)).collect();
        let mut other = list.clone();
        other.sort_by_cached_key(|value| xxhash_rust::xxh3::xxh3_64_with_seed(format!("{value:?}").as_bytes(), seed));
        other.rotate_left(usize::try_from(seed % 7).unwrap() % list.len().max(1));
        let [one, two] = [list, other].map(|list| Document::new(Map::from([("NetworkInterfaces", list.into())])));
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(one.changes_to(&two), []);
    }

    #[test]
    fn merging_takes_each_group_whole(mine in document(), other in document()) {
        let merged = mine.merged(&other, |group| group == Group::State);
        for (name, value) in merged.fields().iter() {
            let from = if Group::of(name) == Group::State { &other } else { &mine };
            prop_assert_eq!(Some(value), from.fields().get(name));
        }
    }
}
