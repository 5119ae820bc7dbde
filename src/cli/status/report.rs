//! What the summary of the inventory says about how well everything goes: how fresh each kind is, and what fails.

use serde_json::Value;

use crate::cli::table::text;
use crate::cli::warnings::field;

/// How many places are named one by one.
const PLACES: usize = 3;

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What is wrong.
    pub(super) what: String,
    /// What to do; empty where there is nothing but to wait.
    pub(super) fix: String,
    /// Whether it keeps the copy from being fresh and complete.
    pub(super) is_failure: bool,
    /// The kinds, and the accounts and regions, that it is about; none for everything.
    about: Vec<(String, String)>,
}

/// A kind, where it is equally fresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KindRow {
    kind: String,
    freshness: &'static str,
    count: u64,
    /// The oldest of them.
    as_of: String,
    places: Vec<String>,
}

/// How well everything goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StatusReport {
    /// A row for each kind, or several where it is not equally fresh everywhere.
    pub(super) kinds: Vec<KindRow>,
    /// What is wrong, each once.
    pub(super) problems: Vec<Problem>,
    /// How many kinds in accounts and regions the summary leaves out for its size.
    pub(super) left_out: u64,
    /// When AWS last showed some of it; empty where it never did.
    pub(super) last_seen: String,
}

impl StatusReport {
    /// What `summary` says, which is the answer of the tool `get_inventory_summary`.
    pub(super) fn of(summary: &Value) -> Self {
        let mut report = StatusReport {
            left_out: summary.get("scopes_not_shown").and_then(Value::as_u64).unwrap_or_default(),
            ..StatusReport::default()
        };
        let trouble = summary.get("trouble");
        if let Some(trouble) = trouble {
            report.add(field(trouble, "what"), field(trouble, "fix"), true, None);
        }
        for scope in list(summary, "scopes") {
            report.scope(scope, trouble.is_some());
        }
        if report.left_out > 0 {
            report.complete(summary);
        }
        if summary.get("accounts").is_some() {
            report.outline(summary, trouble.is_some());
        }
        for account in list(summary, "unreached_accounts") {
            let what = format!("account {} was not reached: {}", field(account, "account"), field(account, "what"));
            report.add(what, field(account, "fix"), true, None);
        }
        for damaged in summary.get("damaged_fix").into_iter().map(text) {
            report.add("records of the store cannot be read".to_owned(), damaged, true, None);
        }
        for name in ["identity", "organization", "unwatched_events", "unwatched_kinds", "clock", "log", "audit"] {
            if let Some(of) = summary.get(name).filter(|of| of.get("what").is_some()) {
                report.add(field(of, "what"), field(of, "fix"), false, None);
            }
        }
        for path in list(summary, "events").iter().filter(|path| path.get("proved") == Some(&Value::Bool(false))) {
            report.add(
                format!("events are not proved to arrive: {}", field(path, "why")),
                String::new(),
                false,
                place(path),
            );
        }
        report
    }

    /// Whether everything is fresh and complete.
    pub(super) fn is_fresh(&self) -> bool {
        let is_fresh = |row: &KindRow| row.freshness == FRESH || row.freshness == NOT_SHOWN;
        !self.kinds.is_empty() && self.kinds.iter().all(is_fresh) && !self.problems.iter().any(|one| one.is_failure)
    }

    /// Counts what the summary leaves out for its size: what it shows is not all there is of a kind.
    fn complete(&mut self, summary: &Value) {
        let totals = summary.get("totals").and_then(Value::as_object).into_iter().flatten();
        for (kind, total) in totals {
            let shown: u64 = self.kinds.iter().filter(|row| row.kind == *kind).map(|row| row.count).sum();
            let count = total.as_u64().unwrap_or_default().saturating_sub(shown);
            if count > 0 {
                let (kind, places) = (kind.clone(), vec!["other accounts and regions".to_owned()]);
                self.kinds.push(KindRow { kind, freshness: NOT_SHOWN, count, as_of: String::new(), places });
            }
        }
    }

    /// Takes in what stands in the place of scopes where they are many.
    fn outline(&mut self, summary: &Value, has_trouble: bool) {
        let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).unwrap_or_default();
        for kind in list(summary, "kinds") {
            let (failed, pending, stale) = (number(kind, "failed"), number(kind, "pending"), number(kind, "stale"));
            let freshness = match (failed, pending, stale) {
                (1.., ..) => "failing",
                (0, 1.., _) => "not complete",
                (0, 0, 1..) => "stale",
                (0, 0, 0) => FRESH,
            };
            let places = match failed.max(pending).max(stale) {
                0 => String::new(),
                count => format!("{count} accounts and regions"),
            };
            let as_of = field(kind, "as_of");
            if as_of > self.last_seen {
                self.last_seen.clone_from(&as_of);
            }
            let (kind, count) = (field(kind, "kind"), number(kind, "count"));
            self.kinds.push(KindRow { kind, freshness, count, as_of, places: vec![places] });
        }
        let place = |of: &Value| Some((String::new(), format!("{} accounts and regions", field(of, "scopes"))));
        for failed in list(summary, "failed") {
            let what = if failed.get("what").is_some() { "what" } else { "cause" };
            self.add(field(failed, what), field(failed, "fix"), true, place(failed));
        }
        for stale in list(summary, "stale").iter().filter(|_| !has_trouble) {
            let about = if stale.get("scopes").is_some() { place(stale) } else { self::place(stale) };
            self.add(field(stale, "why"), String::new(), true, about);
        }
    }

    fn scope(&mut self, scope: &Value, has_trouble: bool) {
        let (kind, place) = (field(scope, "kind"), place(scope));
        let about = place.clone().map(|(_, place)| (kind.clone(), place));
        let freshness = match () {
            () if scope.get("failure").is_some() => "failing",
            () if field(scope, "sweep") != "complete" => "not complete",
            () if scope.get("stale").is_some() => "stale",
            () => FRESH,
        };
        match (scope.get("failure"), scope.get("stale")) {
            (Some(failure), _) => self.add(field(failure, "what"), field(failure, "fix"), true, about.clone()),
            // What is wrong everywhere is why it is stale.
            (None, Some(stale)) if !has_trouble => self.add(field(stale, "why"), String::new(), true, about.clone()),
            _ => {}
        }
        for (name, is_failure) in [("unreadable", true), ("left_out", false)] {
            if let Some(of) = scope.get(name) {
                self.add(
                    format!("{}: {}", name.replace('_', " "), field(of, "what")),
                    String::new(),
                    is_failure,
                    about.clone(),
                );
            }
        }
        let count = scope.get("count").and_then(Value::as_u64).unwrap_or_default();
        let (as_of, place) = (field(scope, "as_of"), place.map(|(_, place)| place).unwrap_or_default());
        if as_of > self.last_seen {
            self.last_seen.clone_from(&as_of);
        }
        match self.kinds.iter_mut().find(|row| row.kind == kind && row.freshness == freshness) {
            Some(row) => {
                row.count += count;
                row.places.push(place);
                if !as_of.is_empty() && (row.as_of.is_empty() || as_of < row.as_of) {
                    row.as_of = as_of;
                }
            }
            None => self.kinds.push(KindRow { kind, freshness, count, as_of, places: vec![place] }),
        }
    }

    fn add(&mut self, what: String, fix: String, is_failure: bool, about: Option<(String, String)>) {
        match self.problems.iter_mut().find(|known| known.what == what && known.fix == fix) {
            Some(known) => known.about.extend(about),
            None => self.problems.push(Problem { what, fix, is_failure, about: about.into_iter().collect() }),
        }
    }
}

impl KindRow {
    /// The names of [`KindRow::cells`].
    pub(super) const COLUMNS: [&'static str; 5] = ["kind", "count", "freshness", "as of", "where"];

    /// The cells of a table.
    pub(super) fn cells(&self) -> Vec<String> {
        let KindRow { kind, freshness, count, as_of, places } = self;
        vec![kind.clone(), count.to_string(), (*freshness).to_owned(), as_of.clone(), few(places)]
    }
}

impl Problem {
    /// What is wrong, with what it is about.
    pub(super) fn said(&self) -> String {
        let (mut kinds, mut places) = (Vec::new(), Vec::new());
        for (kind, place) in &self.about {
            for (list, name) in [(&mut kinds, kind), (&mut places, place)] {
                if !name.is_empty() && !list.contains(name) {
                    list.push(name.clone());
                }
            }
        }
        let kinds = few(&kinds);
        match (kinds.is_empty(), places.is_empty()) {
            (_, true) => self.what.clone(),
            (true, false) => format!("{} (in {})", self.what, few(&places)),
            (false, false) => format!("{} ({kinds} in {})", self.what, few(&places)),
        }
    }
}

/// The word for a copy as new as it should be.
const FRESH: &str = "fresh";
/// How fresh is what the summary leaves out for its size: problems are left out last.
const NOT_SHOWN: &str = "not shown";

/// The account and region that an entry is about, without a kind.
fn place(of: &Value) -> Option<(String, String)> {
    let region = field(of, "region");
    (!region.is_empty()).then(|| (String::new(), format!("{}/{region}", field(of, "account"))))
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The first few names, and how many more there are.
fn few(names: &[String]) -> String {
    match names.len().saturating_sub(PLACES) {
        0 => names.join(", "),
        more => {
            format!("{} and {more} more", names.iter().take(PLACES).map(String::as_str).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scope(kind: &str, region: &str, count: u64, as_of: &str) -> Value {
        json!({"kind": kind, "account": "1", "region": region, "sweep": "complete", "count": count, "as_of": as_of})
    }

    #[test]
    fn kinds_that_are_equally_fresh_stand_in_one_row_and_what_fails_is_said_once() {
        let mut scopes: Vec<Value> = (0..5).map(|region| scope("instance", &format!("r{region}"), 2, "t2")).collect();
        scopes[3]["as_of"] = json!("t1");
        scopes.push(scope("vpc", "r0", 1, "t2"));
        let fine = StatusReport::of(&json!({"scopes": scopes, "complete": true}));
        assert!(fine.is_fresh() && fine.problems.is_empty());
        assert_eq!(fine.last_seen, "t2");
        let rows: Vec<Vec<String>> = fine.kinds.iter().map(KindRow::cells).collect();
        assert_eq!(rows[0], ["instance", "10", "fresh", "t1", "1/r0, 1/r1, 1/r2 and 2 more"]);
        assert_eq!(rows[1], ["vpc", "1", "fresh", "t2", "1/r0"]);

        for scope in &mut scopes[..2] {
            scope["failure"] = json!({"what": "denied", "fix": "allow it"});
            scope["stale"] = json!({"why": "denied. allow it"});
        }
        let identity = json!({"what": "assumed", "fix": "allow STS"});
        let failing = StatusReport::of(&json!({"scopes": scopes, "identity": identity}));
        assert!(!failing.is_fresh());
        assert_eq!(failing.kinds[0].cells(), ["instance", "4", "failing", "t2", "1/r0, 1/r1"]);
        let said: Vec<(String, &str)> =
            failing.problems.iter().map(|problem| (problem.said(), problem.fix.as_str())).collect();
        let expected =
            [("denied (instance in 1/r0, 1/r1)".to_owned(), "allow it"), ("assumed".to_owned(), "allow STS")];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_is_wrong_everywhere_is_no_reason_of_each_kind_and_nothing_seen_is_not_fresh() {
        let mut stale = scope("vpc", "r", 1, "t");
        stale["stale"] = json!({"why": "no server runs"});
        let trouble = json!({"what": "no server runs", "fix": "start one"});
        let report = StatusReport::of(&json!({"scopes": [stale], "trouble": trouble}));
        assert_eq!((report.problems.len(), report.kinds[0].freshness), (1, "stale"));
        assert!(!StatusReport::of(&json!({"scopes": []})).is_fresh());
        let kind = |failed: u64| json!({"kind": "vpc", "count": 7, "failed": failed, "as_of": "t1"});
        let outline = |failed: u64| json!({"scopes": [], "accounts": [{}], "kinds": [kind(failed)], "failed": []});
        let report = StatusReport::of(&outline(0));
        assert!(report.is_fresh(), "{report:?}");
        let mut failing = outline(850);
        failing["failed"] = json!([{"what": "denied", "fix": "allow", "scopes": 850}]);
        let report = StatusReport::of(&failing);
        assert!(!report.is_fresh());
        assert_eq!(report.kinds[0].cells(), ["vpc", "7", "failing", "t1", "850 accounts and regions"]);
        assert_eq!(report.problems[0].said(), "denied (in 850 accounts and regions)");
        let mut pending = scope("vpc", "r", 1, "");
        pending["sweep"] = json!("not complete yet");
        assert!(!StatusReport::of(&json!({"scopes": [pending]})).is_fresh());
    }
}
