//! What somebody gets who does not see everything: the answers of a server that holds only what they may see.

mod escapes;
mod estate;
mod figures;
mod seam;
mod walks;

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use rmcp::model::CallToolResponse;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use self::estate::{Estate, TwoLogs, at, grants, id, ops, scopes, visibility};
use crate::kinds;
use crate::mcp::Core;
use crate::mcp::complete::CompletionSource;
use crate::mcp::policy::{ListMode, Writes};
use crate::mcp::resources::answer_cache::AnswerCache;
use crate::mcp::resources::{list, read};
use crate::mcp::tests::text;
use crate::mcp::tools;
use crate::mcp::tools::spec::CallSetting;
use crate::mcp::uri::Address;
use crate::policy::{Grant, Visibility};

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Tool(&'static str, Value),
    Read(String),
    List(ListMode),
    Complete(Value),
}

impl Question {
    /// Whether its answer tells of records, or of a time in the past.
    fn is_about_the_log(&self) -> bool {
        match self {
            Question::Tool("list_changes" | "compare_resource", _) => true,
            Question::Tool("query_inventory", given) => {
                let of_log = ["FROM change", "FROM action", "first_seen"];
                given.get("as_of").is_some() || of_log.iter().any(|part| given["sql"].as_str().unwrap().contains(part))
            }
            Question::Tool(_, given) => given.get("as_of").is_some(),
            Question::Read(uri) => uri.ends_with("/history") || uri.ends_with("/changes"),
            Question::List(_) | Question::Complete(_) => false,
        }
    }
}

/// What an answer says that follows from absence, where only some of a kind can be seen: the one thing that a server which holds
/// nothing else has no reason to say.
const DOUBT: &str = "you may see only those with certain tags";

/// The texts that are each server's own: what its log is called, and cursors.
fn plain(text: &str, core: &Core) -> String {
    let text = text.replace(&core.log().to_string(), "LOG");
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-';
    let mut plain = String::new();
    for word in text.split_inclusive(|letter: char| !is_part(letter)) {
        let bare = word.trim_end_matches(|letter: char| !is_part(letter));
        plain.push_str(if bare.len() >= 40 { "CURSOR" } else { bare });
        plain.push_str(&word[bare.len()..]);
    }
    plain
}

/// What is told only to who may see all of a kind: how many a sweep showed, and how long it took.
const OF_ALL: [&str; 3] = ["visible_by_grants", "seen", "sweep_seconds"];
/// When a resource changed last. Status checks that came into sight with their instance did so while they were hidden.
const CHANGED: [&str; 2] = ["changed_at", "changed_seq"];

/// An answer without what is each server's own.
fn normal(answer: Value, core: &Core) -> Value {
    match answer {
        Value::String(text) => Value::String(match serde_json::from_str::<Value>(&text) {
            // The text of a resource is JSON.
            Ok(inner @ Value::Object(_)) => normal(inner, core).to_string(),
            _ => plain(&text, core),
        }),
        Value::Array(items) => items.into_iter().map(|item| normal(item, core)).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !OF_ALL.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, normal(value, core))).collect())
        }
        other => other,
    }
}

/// An answer without these fields.
fn without(names: &[&str], answer: Value) -> Value {
    match answer {
        Value::String(text) => Value::String(match serde_json::from_str::<Value>(&text) {
            Ok(inner @ Value::Object(_)) => without(names, inner).to_string(),
            _ => text,
        }),
        Value::Array(items) => items.into_iter().map(|item| without(names, item)).collect(),
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(name, _)| !names.contains(&name.as_str()));
            Value::Object(kept.map(|(name, value)| (name, without(names, value))).collect())
        }
        other => other,
    }
}

/// What a tool answers.
pub(super) async fn called(core: &Arc<Core>, name: &str, given: Value) -> Value {
    let (writes, stop) = (Writes::allowed(), CancellationToken::new());
    let spec = tools::find(name, &writes).unwrap();
    let Value::Object(given) = given else { panic!("{given}") };
    loop {
        let (given, writes, setting) = (Some(given.clone()), writes.clone(), CallSetting::default());
        let response = tools::call(spec, Arc::clone(core), given, writes, &stop, setting).await;
        let CallToolResponse::Complete(result) = response else { panic!("{response:?}") };
        if !text(&result).starts_with("other SQL statements are still running") {
            return serde_json::to_value(result).unwrap();
        }
        // One statement runs at a time, and other tests have theirs. Here nothing waits for real.
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The answer to a question, as the real functions of the server give it.
pub(super) async fn answer(core: &Arc<Core>, question: &Question) -> Value {
    let said = match question {
        Question::Tool(name, given) => called(core, name, given.clone()).await,
        Question::Read(uri) => match Address::parse(uri) {
            Ok(address) => {
                let cache = AnswerCache::new(1 << 20);
                match read::read(core, &cache, &address, uri, &Writes::allowed()).await {
                    Ok(content) => json!(content.text),
                    Err(error) => json!({"error": error.protocol(Some(uri))}),
                }
            }
            Err(error) => json!(error.to_string()),
        },
        Question::List(mode) => match list::list(core, &AnswerCache::new(1 << 20), *mode, None).await {
            Ok(page) => serde_json::to_value(page).unwrap(),
            Err(error) => json!({"error": error.protocol(None)}),
        },
        Question::Complete(request) => {
            let request = serde_json::from_value(request.clone()).unwrap();
            let source = CompletionSource::of(&request).unwrap();
            json!(source.complete(core, &request).map(|found| serde_json::to_value(found).unwrap()).unwrap())
        }
    };
    normal(said, core)
}

fn questions() -> Vec<Question> {
    let tool = |name, given| Question::Tool(name, given);
    let sql = |sql: &str| Question::Tool("query_inventory", json!({"sql": sql}));
    let then = at(8).to_string();
    let mut questions = vec![
        tool("search_inventory", json!({"kind": "instance"})),
        tool("search_inventory", json!({"kind": "volume", "limit": 2})),
        tool(
            "search_inventory",
            json!({"kind": "instance", "filters": {"tag:team": ["payments*"]}, "fields": ["tag:team"]}),
        ),
        tool("search_inventory", json!({"kind": "instance", "sort": "tag:Name", "limit": 3})),
        tool("search_inventory", json!({"kind": "instance", "filters": {"instance-state-name": ["running"]}})),
        tool("search_inventory", json!({"kind": "vpc", "as_of": then})),
        tool("search_inventory", json!({"kind": "instance", "as_of": then, "filters": {"tag:team": ["quarry"]}})),
        tool("search_inventory", json!({"kind": "instance", "filters": {"tag:nowhere": ["x"]}})),
        tool("count_inventory", json!({"kind": "instance"})),
        tool("count_inventory", json!({"kind": "instance", "group_by": ["tag:team"]})),
        tool("count_inventory", json!({"kind": "volume", "group_by": ["account", "region"]})),
        tool("count_inventory", json!({"kind": "instance", "group_by": ["instance-state-name"], "as_of": then})),
        tool("get_inventory_summary", json!({})),
        tool("list_changes", json!({"since": at(0).to_string(), "limit": 100})),
        tool("list_changes", json!({"since": at(0).to_string(), "kind": "instance", "order": "oldest", "limit": 3})),
        tool("list_changes", json!({"since": at(3).to_string(), "summary": true})),
        tool("list_changes", json!({"since": at(0).to_string(), "cause": "action"})),
        tool("list_changes", json!({"since": at(0).to_string(), "cause": "event"})),
        tool("list_changes", json!({"since": at(0).to_string(), "field": "Tags[team]"})),
        tool("get_instance_status", json!({"filters": {"tag:team": ["payments*"]}})),
        tool("get_instance_status", json!({})),
        tool("search_inventory", json!({"kind": "instance-status"})),
        tool("count_inventory", json!({"kind": "instance-status", "group_by": ["instance-status.status"]})),
        tool("list_changes", json!({"since": at(0).to_string(), "kind": "instance-status", "limit": 100})),
        sql("SELECT id, account, region, health FROM instance_status ORDER BY id, account"),
        tool("report_stopped_instances", json!({})),
        sql("SELECT id, account, region, state FROM instance ORDER BY id, account"),
        sql("SELECT count(*) AS n FROM volume"),
        sql("SELECT i.id, v.id AS volume FROM instance i JOIN volume v ON v.account = i.account ORDER BY 1, 2"),
        sql("SELECT id, first_seen, changed_at FROM vpc ORDER BY id"),
        sql("SELECT id, document FROM instance ORDER BY id"),
        sql("SELECT * FROM change WHERE seq > 0 ORDER BY seq, id, path"),
        sql("SELECT * FROM action WHERE seq > 0 ORDER BY seq"),
        sql("SELECT key, value, count(*) AS n FROM tag GROUP BY 1, 2 ORDER BY 1, 2"),
        sql("SELECT * FROM freshness ORDER BY 1, 2, 3"),
        sql("SELECT * FROM account ORDER BY 1"),
        sql("SELECT count(*) AS n FROM relation"),
        sql("SELECT count(*) AS n FROM instance WHERE state = 'nowhere'"),
        Question::Tool("query_inventory", json!({"sql": "SELECT id FROM instance ORDER BY id", "as_of": then})),
        Question::List(ListMode::Auto),
        Question::List(ListMode::All),
        Question::List(ListMode::Collections),
        Question::Read("ec2://inventory/summary".to_owned()),
        Question::Read("ec2://inventory/freshness".to_owned()),
        Question::Read("ec2://inventory/changes".to_owned()),
    ];
    for scope in scopes() {
        questions.push(Question::Read(format!("ec2://inventory/{}/{}/instance", scope.account, scope.region)));
        let given = json!({"kind": "instance", "account": scope.account, "region": scope.region});
        questions.push(tool("search_inventory", given));
        questions.push(Question::Read(format!("ec2://inventory/{}/{}/instance-status", scope.account, scope.region)));
    }
    for place in [0, 1, 13] {
        let id = id(place).id;
        questions.push(Question::Read(format!("ec2://instance/{id}/status")));
        questions.push(tool("get_instance_status", json!({"instance_ids": [&*id]})));
    }
    for place in [0, 1, 6, 8, 13, 22] {
        let id = id(place);
        let slug = kinds::of(&id.kind).unwrap().slug;
        let uri = format!("ec2://{slug}/{}", id.id);
        questions.push(Question::Read(uri.clone()));
        questions.push(Question::Read(format!("{uri}/history")));
        questions.push(Question::Read(format!("ec2://inventory/{}/{}/{slug}/{}", id.account, id.region, id.id)));
        questions.push(tool("get_resource", json!({"uri": uri})));
        questions.push(tool("get_resource", json!({"uri": uri, "as_of": then})));
        questions.push(tool("list_changes", json!({"uri": uri, "since": at(0).to_string()})));
        questions.push(tool("compare_resource", json!({"uri": uri, "from": then})));
        questions.push(tool("find_relations", json!({"kind": slug, "id": &*id.id})));
    }
    let of = |uri: &str, name: &str, value: &str| {
        Question::Complete(
            json!({"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}}),
        )
    };
    questions.push(of("ec2://instance/{id}", "id", "i-"));
    questions.push(of("ec2://instance/{id}", "id", "n"));
    for name in ["account", "region"] {
        questions.push(of("ec2://inventory/{account}/{region}/{kind}", name, ""));
    }
    questions
}

/// A runtime whose time goes on only where somebody waits.
fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// Everything of the kinds that grants hold something of: others are refused by what grants say.
fn of_kinds(grants: &[estate::PlainGrant]) -> Visibility {
    Visibility::of(grants.iter().map(|grant| Grant {
        kinds: grant.slug.map(|slug| [kinds::by_slug(slug).unwrap().kind()].into()),
        ..Grant::default()
    }))
}

/// How many logs are tried: each makes two servers. More on request.
fn cases() -> u32 {
    let asked = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    asked.unwrap_or(24)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn an_answer_is_that_of_a_server_that_holds_only_what_may_be_seen(
        ops in ops(),
        grants in grants(),
        asked in prop::collection::vec(select(questions()), 12),
    ) {
        paused().block_on(async {
            let logs = TwoLogs::of(&ops, &grants);
            let whole = Estate::new(&logs.whole, None);
            let part = Estate::new(&logs.part, Some(&grants));
            let limited = whole.seen_by(&visibility(&grants));
            let all = part.seen_by(&of_kinds(&grants));
            // What follows from absence is doubted where tags decide, although there is nothing else to see in the part. An answer may
            // differ by that, and by nothing else; the summary that a tool gives also by how many scopes fit beside what is told only of
            // all of a kind.
            let doubting = part.seen_by(&visibility(&grants));
            for question in &asked {
                if logs.has_turned && question.is_about_the_log() {
                    continue;
                }
                let seen = answer(&limited, question).await;
                let is_fitted = matches!(question, Question::Tool("get_inventory_summary", _));
                let own = if is_fitted || seen.to_string().contains(DOUBT) { &doubting } else { &all };
                let expected = answer(own, question).await;
                let left: &[&str] = if logs.has_turned { &CHANGED } else { &[] };
                prop_assert_eq!(without(left, seen), without(left, expected), "{:?}", question);
            }
            Ok(())
        })?;
    }
}

#[test]
fn a_grant_of_everything_shows_what_is_shown_without_any() {
    paused().block_on(async {
        let ops: Vec<estate::Op> = (0..estate::PLACES)
            .map(|place| estate::Op::Put(place, place % 3 > 0, Some(estate::TEAMS[place % 3])))
            .collect();
        let whole = Estate::new(&TwoLogs::of(&ops, &[]).whole, None);
        let limited = whole.seen_by(&Visibility::of([Grant::default()]));
        for question in questions() {
            // The server's own credentials and counts are not theirs.
            let is_of_server = match &question {
                Question::Read(uri) => uri.starts_with("ec2://inventory/summary") || uri.ends_with("/freshness"),
                Question::Tool(name, _) => *name == "get_inventory_summary",
                _ => false,
            };
            if !is_of_server {
                assert_eq!(answer(&limited, &question).await, answer(&whole.core, &question).await, "{question:?}");
            }
        }
    });
}
