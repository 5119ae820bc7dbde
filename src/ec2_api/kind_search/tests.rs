use std::collections::BTreeMap;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::ec2_api::request::parse;
use crate::ec2_api::response;
use crate::model::event::Overlay;
use crate::model::fixtures::{at_millis, scope, state};
use crate::model::secret_tags::MarkKey;
use crate::model::{Cause, Event, Evidence, Group, Map, SecretTags, Source};
use crate::store::retain::Due;
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

    /// One in which this has happened.
    fn of(before: &[(usize, Option<bool>)], indexed: bool) -> Self {
        let mut account = Account::new();
        account.play(before);
        if indexed {
            account.store.build_index().unwrap();
        }
        account
    }

    /// The instances that meet a question for all of them, or for those that run.
    fn met(&self, running: bool) -> Vec<Document> {
        let is_met = |document: &&Document| !running || document.text("State.Name") == Some("running");
        self.plain.values().filter(is_met).cloned().collect()
    }

    /// The oldest records are folded away.
    fn fold(&mut self, records: usize) {
        self.writer.fold(Due { until: at_millis(1_000), down_to: 0 }, records, || true).unwrap();
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
            let text = format!("i-{n:08}");
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

/// The filter of a question for all instances, or for those that run.
fn states(running: bool) -> &'static str {
    if running { "&Filter.1.Name=instance-state-name&Filter.1.Value.1=running" } else { "" }
}

fn standing() -> CopyStanding {
    CopyStanding { as_of: at_millis(1), stale: None, doubt: None }
}

fn named(document: &Document, field: &str) -> String {
    document.text(field).unwrap().to_owned()
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
        let mut account = Account::of(&before, indexed);
        let (filter, then) = (states(running), account.met(running));
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
            let page = KindSearch::new(&account.store, &books, &asked, scope()).found(&standing(), at_millis(2)).unwrap();
            prop_assert!(!page.is_moved);
            let documents = whole(&page.documents);
            let of_page: BTreeSet<String> =
                documents.iter().map(|document| named(document, "ReservationId")).collect();
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
        let mut account = Account::of(&before, indexed);
        let (filter, then) = (states(running), account.met(running));
        let books = ReservationBooks::default();
        let search = |store: &Store, parameters: &str, after: Option<&Cursor>| {
            let asked = question(&format!("{filter}{parameters}"));
            let search = KindSearch::new(store, &books, &asked, scope());
            match after {
                Some(after) => search.part_after(after),
                None => search.found(&standing(), at_millis(2)),
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
                let named = documents.iter().map(|document| named(document, "ReservationId"));
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
                documents.iter().map(|document| named(document, "ReservationId")).collect();
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_that_moves_shows_nothing_twice_and_leaves_nothing_out_that_was_there_throughout(
        before in proptest::collection::vec((0..INSTANCES, any::<bool>().prop_map(Some)), 20..60),
        between in proptest::collection::vec((ops(), any::<bool>()), 16),
        limit in 5..9_usize,
        running: bool,
        indexed: bool,
        restarted in proptest::option::of(0..4_usize),
    ) {
        let mut account = Account::of(&before, indexed);
        let filter = states(running);
        let ids = |met: Vec<Document>| met.iter().map(|met| named(met, "InstanceId")).collect::<BTreeSet<_>>();
        let mut throughout = ids(account.met(running));
        // What met the question at the moment of the page.
        let mut then = account.met(running);
        let (mut books, mut seen, mut token) = (ReservationBooks::default(), BTreeSet::new(), None::<String>);
        let mut between = between.into_iter();
        for round in 0.. {
            if restarted == Some(round) {
                books = ReservationBooks::default();
            }
            let (ops, moves) = between.next().unwrap_or_default();
            if token.is_some() {
                account.play(&ops);
                let met = account.met(running);
                throughout.retain(|id| met.iter().any(|met| named(met, "InstanceId") == *id));
                if moves {
                    then = met;
                }
            }
            let continued = token.take().map(|token| format!("&NextToken={token}")).unwrap_or_default();
            let asked = question(&format!("&MaxResults={limit}{filter}{continued}"));
            let longest = moves.then_some(Duration::ZERO);
            let search = KindSearch { longest, ..KindSearch::new(&account.store, &books, &asked, scope()) };
            let page = search.found(&standing(), at_millis(10 + i64::try_from(round).unwrap())).unwrap();
            prop_assert_eq!(page.is_moved, moves && !continued.is_empty());
            for document in whole(&page.documents) {
                prop_assert!(then.contains(&document), "not of the moment: {:?}", document);
                let id = named(&document, "InstanceId");
                prop_assert!(seen.insert(id.clone()), "{} comes twice", id);
            }
            match page.next {
                Some(next) => token = Some(next.encode()),
                None => break,
            }
        }
        let missing: Vec<_> = throughout.difference(&seen).collect();
        prop_assert!(missing.is_empty(), "left out: {:?}", missing);
    }
}

/// A token that does not tell of the first legs of its walk, as those of which there are too many.
fn forget(cursor: &mut Cursor, legs: usize) {
    let Some(mut mark) = cursor.sorted.as_ref().and_then(WalkMark::read) else { return };
    mark.legs.drain(..legs.min(mark.legs.len()));
    cursor.sorted = Some(mark.sorted());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_shows_what_its_legs_pass_also_where_legs_before_them_are_forgotten(
        before in proptest::collection::vec((0..INSTANCES, any::<bool>().prop_map(Some)), 20..60),
        between in proptest::collection::vec(
            (ops(), any::<bool>(), 0..3_usize, proptest::option::weighted(0.3, 0..60_usize)),
            16,
        ),
        limit in 5..9_usize,
        running: bool,
        indexed: bool,
    ) {
        let mut account = Account::of(&before, indexed);
        let (filter, books) = (states(running), ReservationBooks::default());
        let (mut then, mut seen, mut cursor) = (account.met(running), BTreeSet::new(), None::<Cursor>);
        let mut between = between.into_iter();
        for now in 10.. {
            let (ops, moves, forgotten, folded) = between.next().unwrap_or_default();
            if let Some(cursor) = &mut cursor {
                account.play(&ops);
                account.fold(folded.unwrap_or_default());
                if moves {
                    forget(cursor, forgotten);
                }
            }
            let met = account.met(running);
            let continued = cursor.as_ref().map(|cursor| format!("&NextToken={}", cursor.encode()));
            let asked = question(&format!("&MaxResults={limit}{filter}{}", continued.unwrap_or_default()));
            let longest = moves.then_some(Duration::ZERO);
            let search = KindSearch { longest, ..KindSearch::new(&account.store, &books, &asked, scope()) };
            let page = search.found(&standing(), at_millis(now)).unwrap();
            if page.is_moved {
                then = met;
            }
            for document in whole(&page.documents) {
                prop_assert!(then.contains(&document), "not of the moment: {:?}", document);
                seen.insert(named(&document, "InstanceId"));
            }
            // Whatever met the question as of the page, and lies within it, was shown by then.
            let after = cursor.take().map(|cursor| cursor.after.id.to_string());
            let end = page.next.as_ref().map(|next| next.after.id.to_string());
            let passed = then.iter().map(|met| named(met, "InstanceId")).filter(|id| {
                after.as_ref().is_none_or(|after| id > after) && end.as_ref().is_none_or(|end| id <= end)
            });
            let left_out: Vec<String> = passed.filter(|id| !seen.contains(id)).collect();
            prop_assert!(left_out.is_empty(), "left out: {:?}", left_out);
            match page.next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
    }
}

#[test]
fn a_walk_that_moved_shows_what_a_later_start_of_an_earlier_instance_would_hide() {
    let mut account = Account::new();
    // 0, 7 and 9 are of one reservation.
    let first = [(0, false), (8, true), (7, true), (9, true), (10, true), (11, true), (12, true), (13, true)];
    account.play(&first.map(|(n, runs)| (n, Some(runs))));
    let running = states(true);
    let books = ReservationBooks::default();
    let hash = question(&format!("&MaxResults=5{running}")).hash;
    let ground = WalkGround::of(&account.store, at_millis(2)).unwrap();
    // The page before ended after the third, as of a moment that is too long ago.
    let after = ResourceId::new(&scope(), &INSTANCE.kind(), "i-00000003");
    let old = Cursor { log: ground.log, question: hash, point: None, after, sorted: None };
    account.play(&[(0, Some(true))]);
    let (mut token, mut seen, mut moved) = (old.encode(), Vec::new(), Vec::new());
    loop {
        let asked = question(&format!("&MaxResults=5{running}&NextToken={token}"));
        let page = KindSearch::new(&account.store, &books, &asked, scope()).found(&standing(), at_millis(2)).unwrap();
        seen.extend(whole(&page.documents).iter().map(|document| named(document, "InstanceId")));
        moved.push(page.is_moved);
        let Some(next) = page.next else { break };
        let mark = WalkMark { as_of: at_millis(1), begun: Some("i-00000003".to_owned()), ..WalkMark::default() };
        assert_eq!(next.sorted, Some(mark.sorted()));
        token = next.encode();
    }
    assert!(moved.len() > 1 && moved[0] && !moved[1], "{moved:?}");
    seen.sort();
    assert_eq!(
        seen,
        ["i-00000007", "i-00000008", "i-00000009", "i-00000010", "i-00000011", "i-00000012", "i-00000013"]
    );
}

/// The first part had no end where few of many met the question, so that its turn lasted for minutes.
#[test]
fn a_question_that_few_meet_is_answered_whole_in_parts_of_which_some_are_empty() {
    let (books, table) = (ReservationBooks::default(), crate::ec2_api::wire::table("DescribeInstances").unwrap());
    let id = |n: usize| format!("i-{n:08}");
    // Those that a service manages are not in the answer. 1 and 9 are of one reservation.
    let instance = |n: usize, is_hidden: bool| {
        let reservation = format!("r-{}", if n == 9 { 1 } else { n });
        let fields = [
            ("InstanceId", Value::Text(id(n))),
            ("ReservationId", Value::Text(reservation)),
            ("State", state("running")),
            ("Operator", Value::Map(Map::from([("HiddenByDefault", Value::Bool(is_hidden))]))),
        ];
        (id(n), "instance", Document::new(Map::from(fields)))
    };
    let cases: [(&[usize], [&[usize]; 4]); 2] =
        [(&[1, 9, 12], [&[1, 9], &[], &[], &[12]]), (&[12], [&[], &[], &[], &[12]])];
    for (shown, expected) in cases {
        for running in [false, true] {
            let mut account = Account::new();
            account.hold((1..=12).map(|n| instance(n, !shown.contains(&n))));
            account.store.build_index().unwrap();
            let asked = question(states(running));
            let search = KindSearch::new(&account.store, &books, &asked, scope());
            let mut part = search.found(&standing(), at_millis(2)).unwrap();
            let (seq, mut parts) = (part.seq, Vec::new());
            let mut written = response::begin(table, &part.documents, "r");
            loop {
                parts.push(whole(&part.documents));
                let Some(after) = part.next else { break };
                part = search.part_after(&after).unwrap();
                assert_eq!(part.seq, seq);
                written.push_str(&response::more(table, &part.documents));
            }
            let ids = |part: &Vec<Document>| part.iter().map(|one| named(one, "InstanceId")).collect::<Vec<_>>();
            let found: Vec<Vec<String>> = parts.iter().map(ids).collect();
            assert_eq!(found, expected.map(|part| part.iter().map(|n| id(*n)).collect::<Vec<_>>()), "{running}");
            let all: Vec<WalkedDocument> = parts.concat().into_iter().map(WalkedDocument::from).collect();
            assert_eq!(response::finish(table, written, None), response::write(table, &all, None, "r"));
        }
    }
}

#[test]
fn an_id_that_is_longer_than_any_does_not_exist_and_is_not_asked_for() {
    let (account, books, fresh) = (Account::new(), ReservationBooks::default(), standing());
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    for (action, parameter, slug, code) in [
        ("DescribeSubnets", "SubnetId", "subnet", "InvalidSubnetID.NotFound"),
        ("DescribeVpcs", "VpcId", "vpc", "InvalidVpcID.NotFound"),
        ("DescribeImages", "ImageId", "image", "InvalidAMIID.NotFound"),
    ] {
        let kind = by_slug(slug).unwrap();
        let (prefix, long) = (kind.prefix.unwrap(), "0".repeat(10_000));
        let named = format!("&{parameter}.1={prefix}{long}&{parameter}.2={prefix}01234567");
        let request = parse("POST", "", format!("Action={action}&Version=2016-11-15{named}").as_bytes()).unwrap();
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        for (standing, stance) in [(&fresh, MissStance::Copy), (&stale, MissStance::Ask), (&stale, MissStance::Asked)] {
            let search = KindSearch { stance, ..KindSearch::new(&account.store, &books, &asked, scope()) };
            let error = search.found(standing, at_millis(2)).unwrap_err();
            assert!(matches!(error, CopyFault::Request(_)) && error.code() == code, "{error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
    }
}

#[test]
fn a_named_resource_is_there_or_unknown_or_cannot_be_told() {
    let mut account = Account::new();
    account.play(&[(1, Some(true)), (2, Some(false)), (3, Some(true)), (3, None)]);
    let books = ReservationBooks::default();
    let fresh = standing();
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let found = |parameters: &str, standing: &CopyStanding| {
        let asked = question(parameters);
        let page = KindSearch::new(&account.store, &books, &asked, scope()).found(standing, at_millis(2))?;
        Ok::<_, CopyFault>(page.documents.len())
    };
    assert_eq!(found("&InstanceId.1=i-00000001&InstanceId.2=i-00000002", &fresh).unwrap(), 2);
    let running = states(true);
    assert_eq!(found(&format!("&InstanceId.1=i-00000001&InstanceId.2=i-00000002{running}"), &fresh).unwrap(), 1);
    let status = |id: &str| {
        let body = format!("Action=DescribeInstanceStatus&Version=2016-11-15&InstanceId.1={id}");
        let (request, kind) = (parse("POST", "", body.as_bytes()).unwrap(), crate::kinds::INSTANCE_STATUS);
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        KindSearch::new(&account.store, &books, &asked, scope()).found(&fresh, at_millis(2)).unwrap_err().code()
    };
    assert_eq!(status("i-00000001"), "MusterStale", "its instance is held, and its status is not seen yet");
    assert_eq!(status("i-00000004"), "InvalidInstanceID.NotFound");
    let error = found("&InstanceId.1=i-00000004", &fresh).unwrap_err();
    assert_eq!(error.as_of(), Some(at_millis(1)), "how far the copy can tell");
    assert!(
        matches!(&error, CopyFault::Absent { missed, .. } if missed.len() == 1 && missed[0].names == ["i-00000004"]),
        "{error:?}"
    );
    for gone in ["i-00000003", "i-00000004"] {
        let gone = format!("&InstanceId.1=i-00000001&InstanceId.2={gone}");
        assert_eq!(found(&gone, &fresh).unwrap_err().code(), "InvalidInstanceID.NotFound");
        let unsure = found(&gone, &stale).unwrap_err();
        assert_eq!((unsure.code(), unsure.status()), ("MusterStale", 400));
        assert!(unsure.to_string().contains("99 s ago"), "{unsure}");
    }
}

#[test]
fn an_image_that_a_sweep_asked_aws_for_in_vain_does_not_exist() {
    let (account, books, fresh) = (Account::new(), ReservationBooks::default(), standing());
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let absent = Some(Arc::new(BTreeSet::from([Arc::from("ami-1"), Arc::from("ami-2")])));
    let found = |ids: &[&str], standing: &CopyStanding| {
        let named =
            ids.iter().enumerate().map(|(n, id)| format!("&ImageId.{}={id}", n + 1)).collect::<Vec<_>>().concat();
        let body = format!("Action=DescribeImages&Version=2016-11-15{named}");
        let (request, kind) = (parse("POST", "", body.as_bytes()).unwrap(), by_slug("image").unwrap());
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        let search = KindSearch::new(&account.store, &books, &asked, scope());
        KindSearch { absent: absent.clone(), ..search }.found(standing, at_millis(2)).unwrap_err()
    };
    let gone = found(&["ami-1"], &fresh);
    assert_eq!((gone.code(), gone.status(), gone.as_of()), ("InvalidAMIID.NotFound", 400, Some(at_millis(1))));
    let both = found(&["ami-2", "ami-1"], &fresh).to_string();
    assert!(both.contains("ami-1") && both.contains("ami-2"), "{both}");
    // Of another nobody knows whether it exists: AWS names those that do not, as is done here.
    let mixed = found(&["ami-1", "ami-3"], &fresh);
    assert!(mixed.code() == "InvalidAMIID.NotFound" && !mixed.to_string().contains("ami-3"), "{mixed}");
    assert_eq!(found(&["ami-3"], &fresh).code(), "UnsupportedOperation");
    assert_eq!(found(&["ami-1"], &stale).code(), "UnsupportedOperation", "it may be one that AWS shows since");
}

#[test]
fn names_of_security_groups_are_of_the_default_vpc() {
    let mut account = Account::new();
    let (books, fresh) = (ReservationBooks::default(), standing());
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
    let groups = [
        group("sg-00000001", "vpc-1", "web"),
        group("sg-00000002", "vpc-2", "web"),
        group("sg-00000003", "vpc-2", "db"),
    ];
    account.hold(groups.into_iter().chain([vpc("vpc-1", false)]));
    let none = found(&account, "&GroupName.1=web", &fresh).unwrap_err();
    assert_eq!((none.code(), none.status()), ("VPCIdNotSpecified", 400));
    account.hold([vpc("vpc-2", true)]);
    assert_eq!(found(&account, "&GroupName.1=web", &fresh).unwrap(), ["sg-00000002"]);
    assert_eq!(
        found(&account, "&GroupName.1=web&GroupId.1=sg-00000001", &fresh).unwrap(),
        ["sg-00000001", "sg-00000002"]
    );
    let unknown = found(&account, "&GroupName.1=web&GroupName.2=none", &fresh).unwrap_err();
    assert_eq!(unknown.code(), "InvalidGroup.NotFound");
    let said = "The security group 'none' does not exist in default VPC 'vpc-2' (as of ";
    assert!(unknown.to_string().starts_with(said), "{unknown}");
    assert_eq!(found(&account, "&GroupName.1=none", &stale).unwrap_err().code(), "MusterStale");
    let paged = found(&account, "&GroupName.1=web&MaxResults=5", &fresh).unwrap_err();
    assert_eq!(paged.code(), "InvalidParameterCombination");
}

#[test]
fn what_is_named_by_something_else_than_ids_is_asked_for_by_filters() {
    let mut account = Account::new();
    let (books, fresh) = (ReservationBooks::default(), standing());
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let found = |account: &Account, slug: &str, names: &str, standing: &CopyStanding, stance| {
        let kind = by_slug(slug).unwrap();
        let action = if slug == "address" { "DescribeAddresses" } else { "DescribeSecurityGroups" };
        let request = parse("POST", "", format!("Action={action}&Version=2016-11-15{names}").as_bytes()).unwrap();
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        let search = KindSearch { stance, ..KindSearch::new(&account.store, &books, &asked, scope()) };
        search.found(standing, at_millis(2)).map(|page| page.documents.len())
    };
    let text = |text: &str| Value::Text(text.into());
    let address = Document::new(Map::from([("PublicIp", text("192.0.2.1"))]));
    account.hold([("eipalloc-1".to_owned(), "address", address)]);
    let both = "&PublicIp.1=192.0.2.1&PublicIp.2=192.0.2.2";
    let missed = |error| match error {
        Err(CopyFault::Absent { missed, .. }) => missed,
        other => panic!("{other:?}"),
    };
    let filters = |filters: &[(&'static str, &str)]| {
        AskedBy::Filters(filters.iter().map(|(name, value)| (*name, vec![(*value).to_owned()])).collect())
    };
    for standing in [&fresh, &stale] {
        let asked = missed(found(&account, "address", both, standing, MissStance::Ask));
        assert_eq!((asked.len(), &asked[0].by), (1, &filters(&[("public-ip", "192.0.2.2")])));
        // AWS knows none, however old the copy is.
        let told = found(&account, "address", both, standing, MissStance::Asked).unwrap_err();
        assert_eq!((told.code(), told.to_string().contains("copy")), ("InvalidAddress.NotFound", false), "{told}");
    }
    let ids_too =
        missed(found(&account, "address", "&AllocationId.1=eipalloc-2&PublicIp.1=192.0.2.2", &fresh, MissStance::Ask));
    let by: Vec<&AskedBy> = ids_too.iter().map(|missed| &missed.by).collect();
    assert_eq!(by, [&AskedBy::Ids, &filters(&[("public-ip", "192.0.2.2")])]);

    // The default VPC may have been made since as well.
    let asked = missed(found(&account, "security-group", "&GroupName.1=web", &fresh, MissStance::Ask));
    let by: Vec<(&str, &AskedBy)> = asked.iter().map(|missed| (missed.kind.slug, &missed.by)).collect();
    let (of_vpc, of_groups) = (filters(&[("is-default", "true")]), filters(&[("group-name", "web")]));
    assert_eq!(by, [("vpc", &of_vpc), ("security-group", &of_groups)]);
    let vpc = Document::new(Map::from([("VpcId", text("vpc-1")), ("IsDefault", Value::Bool(true))]));
    account.hold([("vpc-1".to_owned(), "vpc", vpc)]);
    let asked = missed(found(&account, "security-group", "&GroupName.1=web", &fresh, MissStance::Ask));
    assert_eq!((asked.len(), &asked[0].by), (1, &filters(&[("group-name", "web"), ("vpc-id", "vpc-1")])));
}

/// A client never got AWS's word on a group that does not exist while the copy was old, and was told to have AWS asked, which it was.
#[test]
fn groups_that_aws_does_not_show_do_not_exist_however_old_the_copy_is() {
    let mut account = Account::new();
    let (books, fresh) = (ReservationBooks::default(), standing());
    let stale = CopyStanding { stale: Some("last complete sweep 99 s ago".to_owned()), ..fresh.clone() };
    let found = |account: &Account, standing: &CopyStanding, stance| {
        let body = "Action=DescribeSecurityGroups&Version=2016-11-15&GroupName.1=web";
        let (request, kind) = (parse("POST", "", body.as_bytes()).unwrap(), by_slug("security-group").unwrap());
        let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
        let asked = DescribeQuestion::of(&request, kind, &scope(), &secrets, at_millis(1)).unwrap();
        let search = KindSearch { stance, ..KindSearch::new(&account.store, &books, &asked, scope()) };
        search.found(standing, at_millis(2)).map(|page| page.documents.len())
    };
    let asked = |account: &Account, standing: &CopyStanding| match found(account, standing, MissStance::Ask) {
        Err(CopyFault::Absent { missed, said, .. }) => {
            (missed.into_iter().map(|missed| (missed.kind.slug, missed.by)).collect::<Vec<_>>(), said.code())
        }
        other => panic!("{other:?}"),
    };
    let filter = |name: &'static str, value: &str| (name, vec![value.to_owned()]);
    let vpc = |id: &str| {
        let fields = [("VpcId", Value::Text(id.to_owned())), ("IsDefault", Value::Bool(true))];
        (id.to_owned(), "vpc", Document::new(Map::from(fields)))
    };
    account.hold([vpc("vpc-1")]);
    let of_one = AskedBy::Filters(vec![filter("group-name", "web"), filter("vpc-id", "vpc-1")]);
    assert_eq!(asked(&account, &fresh), (vec![("security-group", of_one)], "InvalidGroup.NotFound"));
    let of_vpc = AskedBy::Filters(vec![filter("is-default", "true")]);
    let of_any = AskedBy::Filters(vec![filter("group-name", "web")]);
    assert_eq!(asked(&account, &stale), (vec![("vpc", of_vpc), ("security-group", of_any)], "MusterStale"));
    for standing in [&fresh, &stale] {
        let told = found(&account, standing, MissStance::Asked).unwrap_err();
        assert_eq!(told.code(), "InvalidGroup.NotFound", "{told}");
        assert!(told.to_string().contains("'web' does not exist in default VPC 'vpc-1'"), "{told}");
    }
    // AWS showed another default VPC, and one of the two is gone: nobody knows which.
    account.hold([vpc("vpc-2")]);
    assert_eq!(found(&account, &stale, MissStance::Asked).unwrap_err().code(), "MusterStale");
}
