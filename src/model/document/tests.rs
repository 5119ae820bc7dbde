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
    fn merging_takes_each_group_whole(mine in document(), other in document()) {
        let merged = mine.merged(&other, |group| group == Group::State);
        for (name, value) in merged.fields().iter() {
            let from = if Group::of(name) == Group::State { &other } else { &mine };
            prop_assert_eq!(Some(value), from.fields().get(name));
        }
    }
}
