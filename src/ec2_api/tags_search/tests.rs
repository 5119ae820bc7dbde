use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::ec2_api::missed_ids::AskedBy;
use crate::ec2_api::request::parse;
use crate::kinds::{SNAPSHOT, VOLUME, VPC};
use crate::model::event::Overlay;
use crate::model::fixtures::{at_millis, scope, tags};
use crate::model::secret_tags::MarkKey;
use crate::model::{Cause, Event, Evidence, Group, Map, SecretTags, Source, Value};
use crate::store::{CommitBatch, StoreOptions, Writer};

fn standing() -> CopyStanding {
    CopyStanding { as_of: at_millis(1), stale: None, doubt: None }
}

/// A store with nine volumes, each with three tags.
fn volumes() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
    let discovered = |n: usize| {
        let document = Document::new(Map::from([("Tags", tags([("a", "1"), ("b", "2"), ("c", "3")]))]));
        let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
        let id = ResourceId::new(&scope(), &VOLUME.kind(), format!("vol-{n}"));
        (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: VOLUME.mapping })
    };
    let entries = (0..9).map(discovered).collect();
    writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
    (dir, store)
}

/// The pages of a walk of tags: whose each has, and how many.
fn walked(store: &Store, filters: &str) -> Vec<(Vec<String>, usize)> {
    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let body = format!("Action=DescribeTags&Version=2016-11-15&MaxResults=5{filters}{token}");
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let page = TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap();
        let found = found_tags(store, &page, &scope(), at_millis(2), None, &standing(), MissStance::Copy).unwrap();
        assert_eq!((found.as_of, found.is_moved), (at_millis(1), false));
        let of_page: BTreeSet<String> =
            found.documents.iter().map(|tag| tag.parts.text("ResourceId").unwrap().to_owned()).collect();
        pages.push((of_page.into_iter().collect::<Vec<_>>(), found.documents.len()));
        let Some(next) = found.next else { return pages };
        token = format!("&NextToken={}", next.encode());
    }
}

#[test]
fn tags_by_ids_are_those_of_these_resources_page_by_page() {
    let (_dir, store) = volumes();
    let ids = "&Filter.1.Name=resource-id&Filter.1.Value.1=vol-7&Filter.1.Value.2=vol-2&Filter.1.Value.3=vol-9";
    let of_both = vec!["vol-2".to_owned(), "vol-7".to_owned()];
    assert_eq!(walked(&store, ids), [(of_both, 5), (vec!["vol-7".to_owned()], 1)]);
}

#[test]
fn a_page_that_finds_nothing_ends_where_it_has_read_much() {
    let (_dir, store) = volumes();
    let of_volumes = "&Filter.1.Name=resource-type&Filter.1.Value.1=volume&Filter.2.Name=key&Filter.2.Value.1=";
    assert_eq!(walked(&store, &format!("{of_volumes}none")), vec![(Vec::<String>::new(), 0); 3]);
    let of_page = |from: usize| ((from..from + 3).map(|n| format!("vol-{n}")).collect::<Vec<_>>(), 3);
    assert_eq!(walked(&store, &format!("{of_volumes}b")), [of_page(0), of_page(3), of_page(6)]);
}

#[test]
fn images_and_snapshots_that_are_not_owned_are_refused_since_they_may_be_tagged() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
    let discovered = |(id, owner): (&str, &str)| {
        let fields = [("OwnerId", Value::from(owner)), ("Tags", tags([("a", "1")]))];
        let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
        let id = ResourceId::new(&scope(), &SNAPSHOT.kind(), id);
        let document = Document::new(Map::from(fields));
        (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: SNAPSHOT.mapping })
    };
    let account = scope().account;
    let entries = [("snap-1", account.as_str()), ("snap-2", "999999999999")].map(discovered).into();
    writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
    let found = |ids: &[&str]| {
        let values = ids.iter().enumerate().map(|(at, id)| format!("&Filter.1.Value.{}={id}", at + 1));
        let ids = values.collect::<Vec<_>>().concat();
        let body = format!("Action=DescribeTags&Version=2016-11-15&Filter.1.Name=resource-id{ids}");
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let page = TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap();
        found_tags(&store, &page, &scope(), at_millis(2), None, &standing(), MissStance::Copy)
            .map(|found| found.documents.len())
    };
    assert_eq!(found(&["snap-1"]).unwrap(), 1);
    assert_eq!(found(&["vol-1"]).unwrap(), 0, "what is held whole has no tags that the copy lacks");
    for (ids, lacked) in [
        (&["snap-2"][..], "snap-2"),
        (&["snap-1", "snap-3"][..], "snap-3"),
        (&["ami-0123456789abcdef0", "snap-1"][..], "ami-0123456789abcdef0"),
    ] {
        let error = found(ids).unwrap_err();
        assert!(matches!(&error, CopyFault::Beyond { what, .. } if what == lacked), "{error}");
    }
}

/// How many resources of each of two kinds may have tags.
const EACH: usize = 5;

/// The tags of a resource from now on: their keys, and the value of all of them. `None` removes it.
type TagsOp = (usize, Option<(BTreeSet<u8>, u8)>);

/// An account whose tags change, and what a plain list of them has.
struct TaggedAccount {
    _dir: TempDir,
    writer: Writer,
    store: Store,
    plain: BTreeMap<String, Document>,
}

impl TaggedAccount {
    fn of(before: &[TagsOp]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
        let mut account = TaggedAccount { _dir: dir, writer, store, plain: BTreeMap::new() };
        account.play(before);
        account
    }

    fn play(&mut self, ops: &[TagsOp]) {
        for (n, op) in ops {
            let (kind, text) = resource(*n);
            let id = ResourceId::new(&scope(), &kind.kind(), text.as_str());
            let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
            let listed = op.as_ref().map(|(keys, value)| {
                let pairs: Vec<_> = keys.iter().map(|key| (format!("k{key:02}"), value.to_string())).collect();
                let pairs = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()));
                Document::new(Map::from([("Tags", tags(pairs))]))
            });
            let event = match (&listed, self.plain.get(&text)) {
                (None, None) => continue,
                (None, Some(_)) => Event::Removed { id, at: evidence.at },
                (Some(document), None) => {
                    Event::Discovered { id, document: document.clone(), evidence, mapping: kind.mapping }
                }
                (Some(document), Some(before)) => {
                    let (changes, evidence) = (before.changes_to(document), vec![(Group::Tags, evidence)]);
                    Event::Changed { id, changes, evidence, overlay: Overlay::Keep }
                }
            };
            let entries = vec![(Cause::Sweep, event)];
            self.writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
            match listed {
                Some(document) => self.plain.insert(text, document),
                None => self.plain.remove(&text),
            };
        }
    }

    /// Every tag: whose it is, its key and its value.
    fn tags(&self) -> Vec<[String; 3]> {
        let of = |(id, document): (&String, &Document)| -> Vec<[String; 3]> {
            document.tags().map(|(key, value)| [id.clone(), key.to_owned(), value.to_owned()]).collect()
        };
        self.plain.iter().flat_map(of).collect()
    }
}

fn resource(n: usize) -> (&'static KindSpec, String) {
    if n < EACH { (VOLUME, format!("vol-{n}")) } else { (VPC, format!("vpc-{n}")) }
}

/// A question for the tags of both kinds, or of all the resources by their ids.
fn of_both(by_ids: bool, rest: &str) -> TagsPage {
    let (name, values): (_, Vec<String>) = if by_ids {
        ("resource-id", (0..2 * EACH).map(|n| resource(n).1).collect())
    } else {
        ("resource-type", vec!["volume".to_owned(), "vpc".to_owned()])
    };
    let values = values.iter().enumerate().map(|(at, value)| format!("&Filter.1.Value.{}={value}", at + 1));
    let values = values.collect::<Vec<_>>().concat();
    let body = format!("Action=DescribeTags&Version=2016-11-15&Filter.1.Name={name}{values}{rest}");
    let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
    TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap()
}

fn listed(found: &FoundPage) -> Vec<[String; 3]> {
    let tag =
        |tag: &WalkedDocument| ["ResourceId", "Key", "Value"].map(|name| tag.parts.text(name).unwrap().to_owned());
    found.documents.iter().map(tag).collect()
}

fn tag_ops(count: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<TagsOp>> {
    let tagged = (proptest::collection::btree_set(0..40_u8, 0..20), 0..3_u8);
    proptest::collection::vec((0..2 * EACH, proptest::option::weighted(0.8, tagged)), count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn a_page_has_no_more_tags_than_it_may_and_a_walk_has_every_tag_of_its_moment_once(
        before in tag_ops(5..20),
        between in proptest::collection::vec(tag_ops(0..5), 100),
        limits in proptest::collection::vec(5..12_usize, 100),
        by_ids: bool,
        is_paged: bool,
    ) {
        let mut account = TaggedAccount::of(&before);
        let then = account.tags();
        let (mut seen, mut cursor) = (Vec::new(), None::<Cursor>);
        for (changes, limit) in between.iter().zip(limits) {
            let most = if is_paged { format!("&MaxResults={limit}") } else { String::new() };
            let found = match &cursor {
                Some(cursor) if !is_paged => tags_after(&account.store, &of_both(by_ids, ""), &scope(), cursor),
                cursor => {
                    let token = cursor.as_ref().map(|cursor| format!("&NextToken={}", cursor.encode()));
                    let page = of_both(by_ids, &(most + &token.unwrap_or_default()));
                    found_tags(&account.store, &page, &scope(), at_millis(2), None, &standing(), MissStance::Copy)
                }
            };
            let found = found.unwrap();
            prop_assert!(!found.is_moved);
            let most = if is_paged { limit } else { TAGS };
            prop_assert!(found.documents.len() <= most);
            seen.extend(listed(&found));
            account.play(changes);
            cursor = found.next;
            if cursor.is_none() {
                break;
            }
        }
        prop_assert!(cursor.is_none(), "the walk ends");
        seen.sort();
        prop_assert_eq!(seen, then);
    }

    #[test]
    fn a_walk_that_moves_has_no_tag_twice_and_all_that_were_there_throughout(
        before in tag_ops(5..20),
        between in proptest::collection::vec(tag_ops(0..3), 100),
        limit in 5..12_usize,
        by_ids: bool,
    ) {
        let mut account = TaggedAccount::of(&before);
        let named = |tags: Vec<[String; 3]>| tags.into_iter().map(|[id, key, _]| (id, key)).collect::<BTreeSet<_>>();
        let mut throughout = named(account.tags());
        let (mut seen, mut cursor) = (BTreeSet::new(), None::<Cursor>);
        for (now, changes) in (2..).zip(&between) {
            let token = cursor.as_ref().map(|cursor| format!("&NextToken={}", cursor.encode())).unwrap_or_default();
            let page = of_both(by_ids, &format!("&MaxResults={limit}{token}"));
            // Every page is later than a walk may go on as of its moment.
            let longest = Some(Duration::ZERO);
            let found = found_tags(&account.store, &page, &scope(), at_millis(now), longest, &standing(), MissStance::Copy).unwrap();
            prop_assert_eq!(found.is_moved, cursor.is_some());
            prop_assert!(found.documents.len() <= limit);
            for [id, key, _] in listed(&found) {
                prop_assert!(seen.insert((id.clone(), key.clone())), "{} of {} comes twice", key, id);
            }
            cursor = found.next;
            if cursor.is_none() {
                break;
            }
            account.play(changes);
            throughout = throughout.intersection(&named(account.tags())).cloned().collect();
        }
        prop_assert!(cursor.is_none(), "the walk ends");
        prop_assert!(throughout.is_subset(&seen));
    }
}

#[test]
fn ids_that_the_copy_lacks_have_no_tags_only_where_that_is_certain() {
    let (_dir, store) = volumes();
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..standing() };
    let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
    let found = |ids: &[&str], standing: &CopyStanding, stance| {
        let values = ids.iter().enumerate().map(|(at, id)| format!("&Filter.1.Value.{}={id}", at + 1));
        let ids = values.collect::<Vec<_>>().concat();
        let body = format!("Action=DescribeTags&Version=2016-11-15&Filter.1.Name=resource-id{ids}");
        let page = TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap();
        found_tags(&store, &page, &scope(), at_millis(2), None, standing, stance).map(|found| found.documents.len())
    };
    let (held, some) = (&["vol-1"][..], &["vol-1", "vol-77", "vpc-7"][..]);
    for (standing, stance) in [(&stale, MissStance::Copy), (&standing(), MissStance::Ask)] {
        assert_eq!(found(held, standing, stance).unwrap(), 3, "nothing is missed");
    }
    assert_eq!(found(some, &standing(), MissStance::Copy).unwrap(), 3);
    let unsure = found(some, &stale, MissStance::Copy).unwrap_err();
    assert_eq!((unsure.code(), unsure.status()), ("MusterStale", 400));
    assert!(unsure.to_string().contains("does not have vol-77, vpc-7") || unsure.to_string().contains("vpc-7, vol-77"));
    assert!(unsure.to_string().contains("99 s ago"), "{unsure}");
    for standing in [&standing(), &stale] {
        let CopyFault::Absent { missed, .. } = found(some, standing, MissStance::Ask).unwrap_err() else { panic!() };
        let asked: BTreeSet<&str> = missed.iter().flat_map(|missed| &missed.names).map(String::as_str).collect();
        assert_eq!(asked, BTreeSet::from(["vol-77", "vpc-7"]), "AWS is asked for those alone");
        assert!(missed.iter().all(|missed| !missed.are_needed && missed.by == AskedBy::Ids));
        assert_eq!(found(some, standing, MissStance::Asked).unwrap(), 3, "AWS knows no more");
    }
    // What is the account's own is asked for; what may be another's is refused after that as before.
    let own = &["snap-7", "vol-1"][..];
    let asked = found(own, &standing(), MissStance::Ask).unwrap_err();
    assert!(matches!(&asked, CopyFault::Absent { missed, .. } if missed.len() == 1), "{asked:?}");
    for stance in [MissStance::Copy, MissStance::Asked] {
        let error = found(own, &standing(), stance).unwrap_err();
        assert!(matches!(&error, CopyFault::Beyond { what, .. } if what == "snap-7"), "{error}");
    }
}
