use std::collections::BTreeMap;

use proptest::prelude::*;
use xmlparser::{ElementEnd, Token, Tokenizer};

use super::*;

const VOLUMES: Path = &["volumeSet", "item"];
const INSTANCES: Path = &["reservationSet", "item", "instancesSet", "item"];

fn texts(body: &str, path: Path) -> Vec<&str> {
    Split::read(body.as_bytes(), path).unwrap().items.iter().map(|item| &body[item.at.clone()]).collect()
}

/// The items as a plain XML reader finds them: by the names of the open elements.
fn plain(body: &str, path: Path) -> Vec<&str> {
    let (mut open, mut found): (Vec<(&str, usize)>, Vec<&str>) = (Vec::new(), Vec::new());
    for token in Tokenizer::from(body) {
        match token.unwrap() {
            Token::ElementStart { local, span, .. } => open.push((local.as_str(), span.start())),
            Token::ElementEnd { end: ElementEnd::Empty | ElementEnd::Close(..), span } => {
                let names: Vec<&str> = open.iter().skip(1).map(|(name, _)| *name).collect();
                let (_, from) = open.pop().unwrap();
                if names == path {
                    found.push(&body[from..span.end()]);
                }
            }
            _ => {}
        }
    }
    found
}

#[test]
fn items_are_the_elements_at_the_path_only() {
    let body = "<R><volumeSet><item a='<>'>1<item>no</item></item></volumeSet></R>".replace("'<>'", "'>'");
    assert_eq!(texts(&body, VOLUMES), ["<item a='>'>1<item>no</item></item>"]);
    let body = "<R><item>no</item><a><volumeSet><item>no</item></volumeSet></a><volumeSet><other/><item/>\
                <!-- <item>no</item> --><![CDATA[<item>no</item>]]><item>2</item></volumeSet><item/></R>";
    assert_eq!(texts(body, VOLUMES), ["<item/>", "<item>2</item>"]);
    let body = "<e:R xmlns:e='u'><e:volumeSet><e:item>1</e:item></e:volumeSet></e:R>";
    assert_eq!(texts(body, VOLUMES), ["<e:item>1</e:item>"]);
}

#[test]
fn a_reduced_body_has_the_kept_items_and_everything_around_them() {
    let body = "<R><volumeSet><item>1</item> <item>2</item><item>3</item></volumeSet><nextToken>t</nextToken></R>";
    let split = Split::read(body.as_bytes(), VOLUMES).unwrap();
    let reduced = split.reduced(|place| place == 1);
    assert_eq!(reduced, "<R><volumeSet> <item>2</item></volumeSet><nextToken>t</nextToken></R>");
    assert_eq!(split.reduced(|_| true), body);
}

#[test]
fn an_instance_keeps_its_reservation_and_other_reservations_go() {
    let reservation = |id: u8, instances: &str| {
        format!("<item><reservationId>{id}</reservationId><instancesSet>{instances}</instancesSet></item>")
    };
    let two = reservation(1, "<item>a</item><item>b</item>");
    let body = format!(
        "<R><reservationSet>{two}{}{}</reservationSet></R>",
        reservation(2, "<item>c</item>"),
        reservation(3, "")
    );
    let split = Split::read(body.as_bytes(), INSTANCES).unwrap();
    assert_eq!(split.len(), 3);
    let alone = split.reduced(|place| place == 1);
    assert_eq!(alone, format!("<R><reservationSet>{}</reservationSet></R>", reservation(1, "<item>b</item>")));
}

#[test]
fn elements_are_named_below_the_item_and_a_body_up_to_one_is_whole() {
    let body = "<R><reservationSet><item><ownerId>9</ownerId><instancesSet><item><instanceId>i-1</instanceId><tagSet/>\
                <placement x='>'><tenancy>d &amp; e</tenancy></placement></item></instancesSet></item></reservationSet></R>";
    let split = Split::read(body.as_bytes(), INSTANCES).unwrap();
    let elements = split.elements();
    let named: Vec<(&str, &str, bool)> =
        elements.iter().map(|element| (&*element.name, element.text, element.depth == 0)).collect();
    assert_eq!(
        named,
        [
            ("ownerId", "9", false),
            ("instanceId", "i-1", true),
            ("tagSet", "", true),
            ("placement.tenancy", "d &amp; e", false),
            ("placement", "", true),
            ("instancesSet", "", false),
        ]
    );
    for element in &elements {
        assert!(Split::read(split.up_to(element).as_bytes(), INSTANCES).is_ok(), "{}", split.up_to(element));
        let without = split.without(element);
        assert!(Split::read(without.as_bytes(), INSTANCES).is_ok() && without.len() < body.len());
    }
    assert!(split.up_to(&elements[1]).ends_with("</instanceId></item></instancesSet></item></reservationSet></R>"));
}

/// Some XML: elements with few names, so that they are often on a path, with text between them that only looks like markup.
fn xml() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("text".to_owned()),
        Just("a &lt;item&gt; b".to_owned()),
        Just("<![CDATA[</item><item>]]>".to_owned()),
        Just("<!-- <item> -->".to_owned()),
        Just("<?pi <item> ?>".to_owned()),
        Just("<item/>".to_owned()),
        Just("<x y = \"</item>\" />".replace("</item>", "> /item>")),
    ];
    leaf.prop_recursive(6, 60, 5, |inner| {
        let name = prop_oneof![
            Just("item"),
            Just("instancesSet"),
            Just("reservationSet"),
            Just("volumeSet"),
            Just("n:item"),
            Just("x"),
        ];
        (name, proptest::collection::vec(inner, 0..5))
            .prop_map(|(name, content)| format!("<{name} a='/>'>{}</{name} >", content.concat()))
    })
}

/// Hashes of the instances in `body`, by id.
fn hashed(body: &str) -> BTreeMap<String, ItemHash> {
    let ids = ["instanceId".to_owned()];
    let split = Split::with_ids(body.as_bytes(), INSTANCES, &ids).unwrap();
    let hashes = split.hashes();
    assert_eq!(hashes.len(), split.len());
    hashes.into_iter().enumerate().map(|(place, hash)| (split.id(place).unwrap().to_owned(), hash)).collect()
}

/// A reservation of instances, each with an id and a state.
fn reserved(owner: &str, instances: &[(&str, &str)]) -> String {
    let instance = |(id, state): &(&str, &str)| {
        format!("<item> <instanceId>{id}</instanceId><state><instanceId>no</instanceId>{state}</state></item>")
    };
    let instances: String = instances.iter().map(instance).collect();
    format!("<item><ownerId>{owner}</ownerId><instancesSet>{instances}</instancesSet><note/></item>")
}

fn reservations(all: &[String]) -> String {
    format!("<R><reservationSet>{}</reservationSet><nextToken>t</nextToken></R>", all.concat())
}

#[test]
fn an_id_is_the_text_of_a_direct_child_and_the_first_name_counts() {
    let names = ["allocationId".to_owned(), "publicIp".to_owned()];
    let body = "<R><volumeSet><item><publicIp>1</publicIp><allocationId>a</allocationId></item>\
                <item><allocationId>b</allocationId><publicIp>2</publicIp></item><item><publicIp>3</publicIp></item>\
                <item><allocationId/><publicIp>4</publicIp></item><item><allocationId></allocationId></item><item/>\
                <item><x><publicIp>5</publicIp></x></item><item><publicIp>a&amp;b</publicIp></item>\
                <item><publicIp><x>6</x></publicIp></item></volumeSet></R>";
    let split = Split::with_ids(body.as_bytes(), VOLUMES, &names).unwrap();
    let ids: Vec<Option<&str>> = (0..split.len()).map(|place| split.id(place)).collect();
    assert_eq!(ids, [Some("a"), Some("b"), Some("3"), Some("4"), None, None, None, None, None]);
}

#[test]
fn an_item_hashes_alike_wherever_it_stands_until_it_or_its_reservation_changes() {
    let (a, b) = (reserved("1", &[("i-1", "on"), ("i-2", "off")]), reserved("1", &[("i-3", "on")]));
    let before = hashed(&reservations(&[a.clone(), b.clone()]));
    assert_eq!(before, hashed(&reservations(&[b.clone(), a])), "reservations have no order");
    let swapped = reserved("1", &[("i-2", "off"), ("i-1", "on")]);
    assert_eq!(before, hashed(&reservations(&[swapped, b.clone()])), "instances have none either");
    let after = hashed(&reservations(&[reserved("1", &[("i-1", "on"), ("i-2", "on")]), b.clone()]));
    let changed: Vec<&String> = before.keys().filter(|id| before[*id] != after[*id]).collect();
    assert_eq!(changed, ["i-2"], "the others of a reservation stay known");
    let after = hashed(&reservations(&[reserved("2", &[("i-1", "on"), ("i-2", "off")]), b]));
    let changed: Vec<&String> = before.keys().filter(|id| before[*id] != after[*id]).collect();
    assert_eq!(changed, ["i-1", "i-2"], "the reservation's fields are part of each document");
}

#[test]
fn one_byte_that_flips_inside_an_item_or_its_reservation_is_seen() {
    // No flip makes one of these ids another one.
    let whole = reservations(&[reserved("1", &[("i-1", "on"), ("i-2", "off")]), reserved("1", &[("i-7", "on")])]);
    let before = hashed(&whole);
    let ends = whole.find("<item>").unwrap()..whole.rfind("</item></reservationSet>").unwrap();
    let mut seen = 0;
    for at in ends {
        for bit in 0..8 {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(split) = Split::read(&bytes, INSTANCES) else { continue };
            let after = split.hashes();
            let known = after.iter().filter(|hash| before.values().any(|known| known == *hash)).count();
            assert!(known < 3, "byte {at}, bit {bit}");
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen}");
}

proptest! {
    /// As plain as possible: equal bytes of item and surroundings, equal hashes.
    #[test]
    fn items_hash_alike_exactly_if_they_are_alike(
        one in proptest::collection::vec(xml(), 0..4),
        other in proptest::collection::vec(xml(), 0..4),
    ) {
        let body = |content: &[String]| format!("<R><volumeSet>{}</volumeSet></R>", content.concat());
        let (one, other) = (body(&one), body(&other));
        let hashes = |body: &str| Split::read(body.as_bytes(), VOLUMES).unwrap().hashes();
        for (text, hash) in texts(&one, VOLUMES).iter().zip(hashes(&one)) {
            for (another, its) in texts(&other, VOLUMES).iter().zip(hashes(&other)) {
                prop_assert_eq!(text == another, hash == its);
            }
        }
    }

    #[test]
    fn items_are_those_that_a_plain_reader_finds(content in proptest::collection::vec(xml(), 0..4)) {
        let body = format!("<?xml version='1.0'?><R>{}</R>", content.concat());
        for path in [VOLUMES, INSTANCES] {
            prop_assert_eq!(texts(&body, path), plain(&body, path));
        }
    }

    #[test]
    fn a_reduced_body_has_exactly_the_kept_items(
        content in proptest::collection::vec(xml(), 0..4),
        wanted in proptest::collection::vec(proptest::bool::ANY, 1..8),
    ) {
        let body = format!("<R><volumeSet>{}</volumeSet></R>", content.concat());
        let split = Split::read(body.as_bytes(), VOLUMES).unwrap();
        let keep = |place: usize| wanted[place % wanted.len()];
        let reduced = split.reduced(keep);
        let expected: Vec<&str> = texts(&body, VOLUMES).into_iter().enumerate().filter(|(place, _)| keep(*place)).map(|(_, text)| text).collect();
        prop_assert_eq!(texts(&reduced, VOLUMES), expected);
        prop_assert_eq!(split.reduced(|_| true), body);
    }
}
