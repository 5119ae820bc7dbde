//! That every table, narrowed by any column by which it can be, has the rows that all of it has with that value; also narrowed by
//! what it is joined with, and of the past.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use super::super::cell::ColumnForm;
use super::super::samples::{ALL, SampleAccount, at, instance, interface, status};
use super::super::schema::{Flat, SqlTable, TableSource, tables};
use super::super::*;
use crate::kinds::{INSTANCE, KINDS, KindSpec};
use crate::model::fixtures::scope_in;
use crate::model::{
    AccountId, ActionId, ActionOutcome, ActionRequest, Event, Form, Principal, Repeats, ResourceId, WriteAttempt,
};
use crate::query::Point;
use crate::query::prices::PriceTable;

/// The minute after which five resources change.
const BEFORE: u64 = 3;
/// How many records of the log one statement may read in tests, and a few less.
const RECORDS: u64 = 15;
/// The columns that nearly all tables have in common.
const PLACES: [&str; 2] = ["account", "region"];

type Row = Vec<SqlValue>;

/// What a value of a filter may look like.
fn value(name: &str, form: Form, n: usize) -> Json {
    let id = |prefix: &str| json!(format!("{prefix}0000000000000000{n}"));
    match form {
        Form::Id(prefixes) | Form::IdOr(prefixes, _) => id(prefixes[0]),
        Form::Prefixed(prefix) => id(prefix),
        Form::Word(words) => json!(words[n % words.len()]),
        Form::Flag => json!(n == 1),
        Form::Number | Form::Port => json!(n),
        Form::Time => json!(format!("2026-11-0{n}T10:00:00+00:00")),
        _ => json!(format!("{name} {n}")),
    }
}

/// A document in which every filter of a kind finds something.
fn document(spec: &KindSpec, id: &str, n: usize) -> Json {
    let mut document = json!({ spec.id_field: id, "Tags": [{"Key": "team", "Value": "green"}] });
    for filter in spec.filters {
        let path = filter.paths[0];
        if path == spec.id_field || path.starts_with("Tags") {
            continue;
        }
        let mut place = &mut document;
        for name in path.split('.') {
            if place.is_null() {
                *place = json!({});
            }
            let Json::Object(fields) = place else { break };
            place = fields.entry(name).or_insert(Json::Null);
        }
        if place.is_null() {
            *place = value(filter.name, filter.form, n);
        }
    }
    document
}

/// A call of a tool that AWS carried out, and one that a rule refused.
fn actions() -> Vec<Event> {
    let target = ResourceId::new(&scope_in("eu-west-1"), &INSTANCE.kind(), "i-00000000000000001");
    let action = ActionId(7);
    let by = Some(Principal::of_user("uid:1000").with_client(Some("agent"), Some("1.0")));
    let request = ActionRequest { by: by.clone(), ..ActionRequest::of("stop_instance", vec![target.clone()]) };
    let outcome = ActionOutcome::Succeeded { created: Vec::new() };
    let attempt = WriteAttempt { tool: "stop_instance".to_owned(), targets: vec![target], by, arguments: None };
    let repeats = Repeats { count: 3, first_at: at(1), last_at: at(2) };
    vec![
        request.requested(action),
        Event::ActionFinished { action, outcome, request_id: Some("r-1".to_owned()) },
        Event::ActionRefused { attempt, rule: "--deny-write tag:Env=prod".to_owned(), repeats },
    ]
}

/// The sample, two more of each kind, calls of tools, and after [`BEFORE`] five changes.
fn account() -> SampleAccount {
    let mut account = SampleAccount::sample();
    let mut resources = Vec::new();
    for spec in KINDS {
        let table = spec.slug.replace('-', "_");
        let is_new = account.rows(&format!("SELECT count(*) FROM {table}")) == "0";
        let prefix = spec.prefix.unwrap_or("i-");
        for n in [1, 2] {
            let id =
                if is_new { format!("{prefix}0000000000000000{n}") } else { format!("{prefix}000000000000000a{n}") };
            let body = document(spec, &id, n);
            resources.push((spec.slug, ["eu-west-1", "us-east-1"][n % 2], id, body));
        }
    }
    // What their groups let in is not known.
    for n in [1, 2] {
        let mut body = interface(n);
        body["Groups"] = json!([{"GroupId": "sg-9"}]);
        resources.push(("network-interface", "eu-west-1", format!("eni-000000000000000b{n}"), body));
    }
    let resources: Vec<(&str, &str, &str, Json)> =
        resources.iter().map(|(slug, region, id, body)| (*slug, *region, id.as_str(), body.clone())).collect();
    account.put(&resources);
    account.commit(actions());
    let rules = json!([{"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    account.put(&[
        ("instance", "eu-west-1", "i-00000000000000001", instance(1, "running")),
        ("instance-status", "eu-west-1", "i-00000000000000001", status("ok")),
        ("security-group", "eu-west-1", "sg-00000000000000001", json!({"GroupName": "other", "IpPermissions": rules})),
    ]);
    account.remove("instance-status", "eu-west-1", "i-00000000000000002");
    account.remove("volume", "eu-west-1", "vol-00000000000000004");
    account
}

/// One account, asked about one moment.
struct Asked<'a> {
    account: &'a SampleAccount,
    point: Option<Point>,
    outside: &'a Outside,
}

impl Asked<'_> {
    fn rows(&self, sql: &str, is_narrowed: bool) -> Vec<Row> {
        let statement = self.account.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let statement = if is_narrowed { statement } else { statement.whole() };
        let found = statement.ask(&self.account.store, self.point, &Visible::all(), self.outside, ALL);
        let mut rows = found.unwrap_or_else(|error| panic!("{sql}: {error}")).rows;
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    }

    /// All rows of a table, with nothing narrowed.
    fn all(&self, table: &SqlTable) -> Vec<Row> {
        let sql = format!("SELECT {} FROM \"{}\"", columns(table, ""), table.name);
        if !is_log(table) {
            return self.rows(&sql, false);
        }
        // The log is read a stretch at a time.
        let last = self.account.store.snapshot().unwrap().seq().0;
        let steps = (0..=last).step_by(usize::try_from(RECORDS).unwrap());
        steps
            .flat_map(|seq| self.rows(&format!("{sql} WHERE seq >= {seq} AND seq < {}", seq + RECORDS), true))
            .collect()
    }
}

fn is_log(table: &SqlTable) -> bool {
    matches!(table.source, TableSource::Flat(Flat::Change | Flat::Action))
}

/// The columns that rows hold, by name.
fn columns(table: &SqlTable, prefix: &str) -> String {
    let names = table.stored().map(|place| format!("{prefix}\"{}\"", table.columns[place].name));
    names.collect::<Vec<_>>().join(", ")
}

/// The columns by which a table can be narrowed, each with its place in a row.
fn narrowing(table: &SqlTable) -> Vec<(usize, &str, ColumnForm)> {
    let columns = table.stored().enumerate().map(|(nth, place)| (nth, &table.columns[place]));
    let of = columns.filter(|(_, column)| table.is_narrowed_by(&column.name));
    of.map(|(nth, column)| (nth, column.name.as_str(), column.form)).collect()
}

fn literal(value: &SqlValue) -> String {
    match value {
        SqlValue::Int(number) => number.to_string(),
        SqlValue::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => panic!("{other:?} narrows nothing"),
    }
}

/// The different values of a column, in the order of rows.
fn values(rows: &[Row], nth: usize) -> Vec<SqlValue> {
    let mut found = Vec::new();
    for value in rows.iter().map(|row| &row[nth]).filter(|value| **value != SqlValue::Null) {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}

fn having(rows: &[Row], nth: usize, values: &[SqlValue]) -> Vec<Row> {
    rows.iter().filter(|row| values.contains(&row[nth])).cloned().collect()
}

/// One account out of the index and as stored, and as it was before it changed.
fn each_moment(test: impl Fn(&Asked<'_>, &BTreeMap<&str, Vec<Row>>)) {
    let (stored, indexed) = (account(), account());
    indexed.store.build_index().unwrap();
    let row = |kind, region| {
        let (scope, standing) = (scope_in(region), "covered");
        FreshnessRow { kind, scope, as_of: None, stale: None, is_complete: true, standing, cause: None }
    };
    let freshness = vec![row("instance", "eu-west-1"), row("security-group", "us-east-1")];
    let account = |number: &str| AccountRow {
        account: Some(AccountId::new(number)),
        name: Some(format!("account {number}")),
        ou: None,
        regions: 2,
        covered: 1,
        pending: 0,
        failed: 1,
        as_of: None,
        cause: Some("UnauthorizedOperation".to_owned()),
        state: "watched",
        reason: None,
    };
    let accounts = vec![account("111111111111"), account("222222222222")];
    let outside = Outside { freshness, accounts, prices: Some(PriceTable::carried()), ..Outside::default() };
    for (account, point) in [(&stored, None), (&indexed, None), (&indexed, Some(BEFORE))] {
        let asked = Asked { account, point: point.map(|minutes| account.point(minutes)), outside: &outside };
        let is_known =
            |table: &&SqlTable| point.is_none() || !matches!(table.source, TableSource::Flat(Flat::Exposure));
        let all: BTreeMap<&str, Vec<Row>> =
            tables().iter().filter(is_known).map(|table| (table.name.as_str(), asked.all(table))).collect();
        for (name, rows) in &all {
            assert!(!rows.is_empty(), "the sample has no row in {name}");
        }
        test(&asked, &all);
    }
}

/// A stretch of the log that may be read, as a condition.
fn bound(asked: &Asked<'_>, prefix: &str) -> (u64, String) {
    let first = asked.account.store.snapshot().unwrap().seq().0 - RECORDS;
    (first, format!(" AND {prefix}seq > {first}"))
}

/// The rows of the log in the stretch; all of another table.
fn bounded(table: &SqlTable, rows: &[Row], first: u64) -> Vec<Row> {
    let (place, _) = tables().iter().find(|table| is_log(table)).unwrap().column("seq").unwrap();
    let is_within = |row: &&Row| matches!(row[place], SqlValue::Int(seq) if u64::try_from(seq).unwrap() > first);
    if is_log(table) { rows.iter().filter(is_within).cloned().collect() } else { rows.to_vec() }
}

#[test]
fn a_table_narrowed_by_any_column_has_the_rows_with_that_value() {
    each_moment(|asked, all| {
        for table in tables() {
            let Some(rows) = all.get(table.name.as_str()) else { continue };
            for (nth, column, form) in narrowing(table) {
                let held = values(rows, nth);
                let absent = if matches!(form, ColumnForm::Number | ColumnForm::Flag) { "77" } else { "'i-0'" };
                let absent = if form == ColumnForm::Kind { "'snapshot'" } else { absent };
                // One, one that nothing has with another, and more than are looked for one by one.
                let sets =
                    [&held[..held.len().min(1)], &held[held.len().saturating_sub(1)..], &held[..held.len().min(6)]];
                for (place, wanted) in sets.into_iter().enumerate().filter(|(_, wanted)| !wanted.is_empty()) {
                    let list: Vec<String> = wanted.iter().map(literal).collect();
                    let condition = match place {
                        0 => format!("\"{column}\" = {}", list[0]),
                        1 if form != ColumnForm::Kind => format!("\"{column}\" IN ({absent}, {})", list[0]),
                        _ => format!("\"{column}\" IN ({})", list.join(", ")),
                    };
                    let mut sql = format!("SELECT {} FROM \"{}\" WHERE {condition}", columns(table, ""), table.name);
                    let mut expected = rows.clone();
                    if is_log(table) && column != "id" {
                        let (first, more) = bound(asked, "");
                        sql.push_str(&more);
                        expected = bounded(table, &expected, first);
                    }
                    let mut expected = having(&expected, nth, wanted);
                    expected.sort_by_key(|row| format!("{row:?}"));
                    assert_eq!(asked.rows(&sql, true), expected, "{sql}");
                }
            }
        }
    });
}

#[test]
fn a_table_narrowed_by_another_has_the_rows_that_are_joined() {
    each_moment(|asked, all| {
        let mut pairs = BTreeSet::new();
        for table in tables() {
            let Some(rows) = all.get(table.name.as_str()) else { continue };
            let plain = narrowing(table).into_iter().filter(|(_, _, form)| *form == ColumnForm::Text);
            for (nth, column, _) in plain {
                let held = values(rows, nth);
                for partner in tables().iter().filter(|partner| partner.name != table.name) {
                    let Some(others) = all.get(partner.name.as_str()) else { continue };
                    for (at, place) in partner.stored().enumerate() {
                        let other = &partner.columns[place];
                        let is_place = PLACES.contains(&column) || PLACES.contains(&other.name.as_str());
                        // Of what all tables have in common, one partner is enough.
                        if other.form != ColumnForm::Text || is_place && !pairs.insert((&table.name, column)) {
                            continue;
                        }
                        let joined = others.iter().filter(|row| held.contains(&row[at]));
                        let narrowed = narrowing(partner);
                        let by = |row: &Row| {
                            let of = narrowed.iter().find(|(by, name, _)| {
                                *by != at && !PLACES.contains(name) && row[*by] != SqlValue::Null
                            });
                            of.or(narrowed.iter().find(|(by, ..)| row[*by] != SqlValue::Null)).copied()
                        };
                        let Some((row, (by, name, _))) = joined.clone().find_map(|row| Some((row, by(row)?))) else {
                            continue;
                        };
                        let mut sql = format!(
                            "SELECT {}, {} FROM \"{}\" x JOIN \"{}\" y ON y.\"{}\" = x.\"{column}\" WHERE y.\"{name}\" = {}",
                            columns(table, "x."),
                            columns(partner, "y."),
                            table.name,
                            partner.name,
                            other.name,
                            literal(&row[by])
                        );
                        let (mut ours, mut theirs) = (rows.clone(), others.clone());
                        for (of, rows, prefix) in [(table, &mut ours, "x."), (partner, &mut theirs, "y.")] {
                            if is_log(of) {
                                let (first, more) = bound(asked, prefix);
                                sql.push_str(&more);
                                *rows = bounded(of, rows, first);
                            }
                        }
                        let theirs = having(&theirs, by, std::slice::from_ref(&row[by]));
                        let mut expected: Vec<Row> = Vec::new();
                        for row in &theirs {
                            let met = ours.iter().filter(|our| our[nth] == row[at] && our[nth] != SqlValue::Null);
                            expected.extend(met.map(|our| [our.as_slice(), row].concat()));
                        }
                        expected.sort_by_key(|row| format!("{row:?}"));
                        assert_eq!(asked.rows(&sql, true), expected, "{sql}");
                    }
                }
            }
        }
        assert!(pairs.len() > 30, "{pairs:?}");
    });
}
