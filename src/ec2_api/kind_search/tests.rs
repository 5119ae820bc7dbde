use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::ec2_api::request::parse;
use crate::ec2_api::response;
use crate::model::event::Overlay;
use crate::model::fixtures::{at_millis, scope, state};
use crate::model::secret_tags::MarkKey;
use crate::model::{Cause, Event, Evidence, Group, Map, SecretTags, Source, Value};
use crate::store::{CommitBatch, StoreOptions, Writer};

/// Instances, each of a reservation that its number says.
const INSTANCES: usize = 30;
const RESERVATIONS: usize = 9;

fn reservation(n: usize) -> String {
    // Some are alone, one is larger than a page.
    format!("r-{}", if n < 8 { 0 } else { n * 5 % RESERVATIONS })
}

/// An account that changes, and what it should hold.
struct Account {
    _dir: TempDir,
    writer: Writer,
    store: Store,
    plain: BTreeMap<String, Document>,
}

impl Account {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
        Account { _dir: dir, writer, store, plain: BTreeMap::new() }
    }

    /// Resources of any kind are there from now on.
    fn hold(&mut self, resources: impl IntoIterator<Item = (String, &'static str, Document)>) {
        let entries = resources.into_iter().map(|(id, slug, document)| {
            let (kind, evidence) = (by_slug(slug).unwrap(), Evidence { source: Source::Sweep, at: at_millis(1) });
            let id = ResourceId::new(&scope(), &kind.kind(), id.as_str());
            (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: kind.mapping })
        });
        let batch = CommitBatch { recorded_at: at_millis(1), entries: entries.collect(), ..CommitBatch::default() };
        self.writer.commit(batch).unwrap();
    }

    /// Each instance is put into a state, or removed.
    fn play(&mut self, ops: &[(usize, Option<bool>)]) {
        for (n, op) in ops {
            let text = format!("i-{n:02}");
            let id = ResourceId::new(&scope(), &INSTANCE.kind(), text.as_str());
            let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
            let event = match (op, self.plain.get(&text)) {
                (None, None) => continue,
                (None, Some(_)) => Event::Removed { id, at: evidence.at },
                (Some(runs), before) => {
                    let document = Document::new(Map::from([
                        ("InstanceId", Value::Text(text.as_str().into())),
                        ("ReservationId", Value::Text(reservation(*n))),
                        ("State", state(if *runs { "running" } else { "stopped" })),
                    ]));
                    match before {
                        None => Event::Discovered { id, document, evidence, mapping: INSTANCE.mapping },
                        Some(before) => {
                            let changes = before.changes_to(&document);
                            let evidence = vec![(Group::State, evidence)];
                            Event::Changed { id, changes, evidence, overlay: Overlay::Keep }
                        }
                    }
                }
            };
            let entries = vec![(Cause::Sweep, event.clone())];
            self.writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
            if let Event::Removed { .. } = event {
                self.plain.remove(&text);
            } else {
                let id = ResourceId::new(&scope(), &INSTANCE.kind(), text.as_str());
                let now = self.store.snapshot().unwrap().current(&id).unwrap().unwrap();
                self.plain.insert(text, now.document);
            }
        }
    }
}

fn question(parameters: &str) -> DescribeQuestion {
    let body = format!("Action=DescribeInstances&Version=2016-11-15{parameters}");
    let request = parse("POST", "", body.as_bytes()).unwrap();
    let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
    DescribeQuestion::of(&request, INSTANCE, &scope(), &secrets, at_millis(1)).unwrap()
}

fn whole(documents: &[WalkedDocument]) -> Vec<Document> {
    documents.iter().map(WalkedDocument::whole).collect()
}

fn ops() -> impl Strategy<Value = Vec<(usize, Option<bool>)>> {
    proptest::collection::vec((0..INSTANCES, proptest::option::weighted(0.8, any::<bool>())), 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_reservation_is_whole_on_one_page_of_a_walk_of_one_moment(
        before in proptest::collection::vec((0..INSTANCES, any::<bool>().prop_map(Some)), 20..60),
        between in proptest::collection::vec(ops(), 12),
        limit in 5..9_usize,
        running: bool,
        indexed: bool,
        restarted in proptest::option::of(0..4_usize),
    ) {
        let mut account = Account::new();
        account.play(&before);
        if indexed {
            account.store.build_index().unwrap();
        }
        let filter = if running { "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running" } else { "" };
        let is_met = |document: &Document| !running || document.text("State.Name") == Some("running");
        let then: Vec<Document> = account.plain.values().filter(|document| is_met(document)).cloned().collect();
        let standing = CopyStanding { as_of: at_millis(1), stale: None, doubt: None };
        let mut books = ReservationBooks::default();
        let (mut seen, mut reservations, mut token) = (Vec::new(), BTreeSet::new(), None::<String>);
        let mut between = between.into_iter();
        for round in 0.. {
            // A server that starts again knows no reservations.
            if restarted == Some(round) {
                books = ReservationBooks::default();
            }
            let continued = token.take().map(|token| format!("&NextToken={token}")).unwrap_or_default();
            let asked = question(&format!("&MaxResults={limit}{filter}{continued}"));
            let page = KindSearch::new(&account.store, &books, &asked, scope()).found(&standing, at_millis(2)).unwrap();
            prop_assert!(!page.is_moved);
            let documents = whole(&page.documents);
            let of_page: BTreeSet<String> =
                documents.iter().map(|document| document.text("ReservationId").unwrap().to_owned()).collect();
            prop_assert!(documents.len() <= limit || of_page.len() == 1);
            for reservation in of_page {
                prop_assert!(reservations.insert(reservation.clone()), "{} comes twice", reservation);
            }
            seen.extend(documents);
            account.play(&between.next().unwrap_or_default());
            match page.next {
                Some(next) => token = Some(next.encode()),
                None => break,
            }
        }
        seen.sort_by(|a, b| a.text("InstanceId").cmp(&b.text("InstanceId")));
        prop_assert_eq!(seen, then);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn an_answer_without_pages_is_of_one_moment_part_by_part(
        before in proptest::collection::vec((0..INSTANCES, any::<bool>().prop_map(Some)), 0..60),
        between in proptest::collection::vec(ops(), 12),
        running: bool,
        indexed: bool,
        begun in proptest::option::of(5..9_usize),
    ) {
        let mut account = Account::new();
        account.play(&before);
        if indexed {
            account.store.build_index().unwrap();
        }
        let filter = if running { "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running" } else { "" };
        let is_met = |document: &Document| !running || document.text("State.Name") == Some("running");
        let then: Vec<Document> = account.plain.values().filter(|document| is_met(document)).cloned().collect();
        let standing = CopyStanding { as_of: at_millis(1), stale: None, doubt: None };
        let books = ReservationBooks::default();
        let search = |store: &Store, parameters: &str, after: Option<&Cursor>| {
            let asked = question(&format!("{filter}{parameters}"));
            let search = KindSearch::new(store, &books, &asked, scope());
            match after {
                Some(after) => search.part_after(after),
                None => search.found(&standing, at_millis(2)),
            }
        };
        let (mut seen, mut reservations, mut between) = (Vec::new(), BTreeSet::new(), between.into_iter());
        // A page may come before, and the rest without pages.
        let token = begun.map(|limit| {
            let page = search(&account.store, &format!("&MaxResults={limit}"), None).unwrap();
            account.play(&between.next().unwrap());
            (whole(&page.documents), page.next.map(|next| format!("&NextToken={}", next.encode())))
        });
        let first = match token {
            Some((documents, None)) => Err(documents),
            Some((documents, Some(token))) => {
                let named = documents.iter().map(|document| document.text("ReservationId").unwrap().to_owned());
                reservations.extend(named);
                seen.extend(documents);
                Ok(search(&account.store, &token, None).unwrap())
            }
            None => Ok(search(&account.store, "", None).unwrap()),
        };
        let mut part = match first {
            Ok(part) => Some(part),
            Err(documents) => {
                seen.extend(documents);
                None
            }
        };
        let table = crate::ec2_api::wire::table("DescribeInstances").unwrap();
        while let Some(FoundPage { documents: found, next, .. }) = part {
            let documents = whole(&found);
            let built: Vec<WalkedDocument> = documents.iter().cloned().map(WalkedDocument::from).collect();
            // What is stored is written as what is built of it.
            prop_assert_eq!(response::more(table, &found), response::more(table, &built));
            let of_part: BTreeSet<String> =
                documents.iter().map(|document| document.text("ReservationId").unwrap().to_owned()).collect();
            for reservation in of_part {
                prop_assert!(reservations.insert(reservation.clone()), "{} comes twice", reservation);
            }
            seen.extend(documents);
            account.play(&between.next().unwrap_or_default());
            part = next.map(|after| search(&account.store, "", Some(&after)).unwrap());
        }
        seen.sort_by(|a, b| a.text("InstanceId").cmp(&b.text("InstanceId")));
        prop_assert_eq!(seen, then);
    }
}

#[test]
fn a_walk_that_moved_shows_what_a_later_start_of_an_earlier_instance_would_hide() {
    let mut account = Account::new();
    // 0, 7 and 9 are of one reservation.
    let first = [(0, false), (8, true), (7, true), (9, true), (10, true), (11, true), (12, true), (13, true)];
    account.play(&first.map(|(n, runs)| (n, Some(runs))));
    let running = "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
    let (books, standing) =
        (ReservationBooks::default(), CopyStanding { as_of: at_millis(1), stale: None, doubt: None });
    let hash = question(&format!("&MaxResults=5{running}")).hash;
    let ground = WalkGround::of(&account.store, at_millis(2)).unwrap();
    // The page before ended after the third, as of a moment that is too long ago.
    let after = ResourceId::new(&scope(), &INSTANCE.kind(), "i-03");
    let old = Cursor { log: ground.log, question: hash, point: None, after, sorted: None };
    account.play(&[(0, Some(true))]);
    let (mut token, mut seen, mut moved) = (old.encode(), Vec::new(), Vec::new());
    loop {
        let asked = question(&format!("&MaxResults=5{running}&NextToken={token}"));
        let page = KindSearch::new(&account.store, &books, &asked, scope()).found(&standing, at_millis(2)).unwrap();
        seen.extend(whole(&page.documents).iter().map(|document| document.text("InstanceId").unwrap().to_owned()));
        moved.push(page.is_moved);
        let Some(next) = page.next else { break };
        let mark = WalkMark { as_of: at_millis(1), begun: Some("i-03".to_owned()) };
        assert_eq!(next.sorted, Some(mark.sorted()));
        token = next.encode();
    }
    assert!(moved.len() > 1 && moved[0] && !moved[1], "{moved:?}");
    seen.sort();
    assert_eq!(seen, ["i-07", "i-08", "i-09", "i-10", "i-11", "i-12", "i-13"]);
}

#[test]
fn a_named_resource_is_there_or_unknown_or_cannot_be_told() {
    let mut account = Account::new();
    account.play(&[(1, Some(true)), (2, Some(false)), (3, Some(true)), (3, None)]);
    let books = ReservationBooks::default();
    let fresh = CopyStanding { as_of: at_millis(1), stale: None, doubt: None };
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let found = |parameters: &str, standing: &CopyStanding| {
        let asked = question(parameters);
        let page = KindSearch::new(&account.store, &books, &asked, scope()).found(standing, at_millis(2))?;
        Ok::<_, CopyFault>(page.documents.len())
    };
    assert_eq!(found("&InstanceId.1=i-01&InstanceId.2=i-02", &fresh).unwrap(), 2);
    let running = "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running";
    assert_eq!(found(&format!("&InstanceId.1=i-01&InstanceId.2=i-02{running}"), &fresh).unwrap(), 1);
    let status = |id: &str| {
        let body = format!("Action=DescribeInstanceStatus&Version=2016-11-15&InstanceId.1={id}");
        let (request, kind) = (parse("POST", "", body.as_bytes()).unwrap(), crate::kinds::INSTANCE_STATUS);
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        KindSearch::new(&account.store, &books, &asked, scope()).found(&fresh, at_millis(2)).unwrap_err().code()
    };
    assert_eq!(status("i-01"), "MusterStale", "its instance is held, and its status is not seen yet");
    assert_eq!(status("i-04"), "InvalidInstanceID.NotFound");
    let error = found("&InstanceId.1=i-04", &fresh).unwrap_err();
    assert_eq!(error.as_of(), Some(at_millis(1)), "how far the copy can tell");
    assert!(matches!(&error, CopyFault::Absent { missed: Some(missed), .. } if missed.ids == ["i-04"]), "{error:?}");
    for gone in ["i-03", "i-04"] {
        let gone = format!("&InstanceId.1=i-01&InstanceId.2={gone}");
        assert_eq!(found(&gone, &fresh).unwrap_err().code(), "InvalidInstanceID.NotFound");
        let unsure = found(&gone, &stale).unwrap_err();
        assert_eq!((unsure.code(), unsure.status()), ("MusterStale", 400));
        assert!(unsure.to_string().contains("99 s ago"), "{unsure}");
    }
}

#[test]
fn names_of_security_groups_are_of_the_default_vpc() {
    let mut account = Account::new();
    let (books, fresh) = (ReservationBooks::default(), CopyStanding { as_of: at_millis(1), stale: None, doubt: None });
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let found = |account: &Account, names: &str, standing: &CopyStanding| {
        let body = format!("Action=DescribeSecurityGroups&Version=2016-11-15{names}");
        let (request, kind) = (parse("POST", "", body.as_bytes()).unwrap(), by_slug("security-group").unwrap());
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1))?;
        let page = KindSearch::new(&account.store, &books, &asked, scope()).found(standing, at_millis(2))?;
        let ids = whole(&page.documents).into_iter().map(|document| document.text("GroupId").unwrap().to_owned());
        Ok::<_, CopyFault>(ids.collect::<Vec<_>>())
    };
    let text = |text: &str| Value::Text(text.into());
    let group = |id: &str, vpc: &str, name: &str| {
        let fields = [("GroupId", text(id)), ("VpcId", text(vpc)), ("GroupName", text(name))];
        (id.to_owned(), "security-group", Document::new(Map::from(fields)))
    };
    let vpc = |id: &str, is_default| {
        let fields = [("VpcId", text(id)), ("IsDefault", Value::Bool(is_default))];
        (id.to_owned(), "vpc", Document::new(Map::from(fields)))
    };
    let groups = [group("sg-1", "vpc-1", "web"), group("sg-2", "vpc-2", "web"), group("sg-3", "vpc-2", "db")];
    account.hold(groups.into_iter().chain([vpc("vpc-1", false)]));
    let none = found(&account, "&GroupName.1=web", &fresh).unwrap_err();
    assert_eq!((none.code(), none.status()), ("VPCIdNotSpecified", 400));
    account.hold([vpc("vpc-2", true)]);
    assert_eq!(found(&account, "&GroupName.1=web", &fresh).unwrap(), ["sg-2"]);
    assert_eq!(found(&account, "&GroupName.1=web&GroupId.1=sg-1", &fresh).unwrap(), ["sg-1", "sg-2"]);
    let unknown = found(&account, "&GroupName.1=web&GroupName.2=none", &fresh).unwrap_err();
    assert_eq!(unknown.code(), "InvalidGroup.NotFound");
    let said = "The security group 'none' does not exist in default VPC 'vpc-2' (in Muster's copy as of ";
    assert!(unknown.to_string().starts_with(said), "{unknown}");
    assert_eq!(found(&account, "&GroupName.1=none", &stale).unwrap_err().code(), "MusterStale");
    let paged = found(&account, "&GroupName.1=web&MaxResults=5", &fresh).unwrap_err();
    assert_eq!(paged.code(), "InvalidParameterCombination");
}
