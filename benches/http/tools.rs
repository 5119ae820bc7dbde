//! Calls of tools that read, one at a time, beside what each may take.

use std::time::Duration;

use serde_json::{Value, json};

use crate::load::{self, Load, Questions};
use crate::question::Question;
use crate::rounds::{Pace, Target};

/// One call.
struct ToolCase {
    name: &'static str,
    tool: &'static str,
    arguments: Value,
    /// The longest p50 at 100,000 instances.
    budget: Duration,
}

/// What a call took.
pub(crate) struct ToolOutcome {
    /// What was asked.
    pub(crate) name: &'static str,
    /// What it took.
    pub(crate) load: Load,
    /// The longest p50 at 100,000 instances.
    pub(crate) budget: Duration,
}

fn cases() -> Vec<ToolCase> {
    let case =
        |name, tool, arguments, budget| ToolCase { name, tool, arguments, budget: Duration::from_millis(budget) };
    let running = json!({"instance-state-name": ["running"]});
    vec![
        case("count by type", "count_inventory", json!({"kind": "instance", "group_by": ["instance-type"]}), 5),
        case("search page", "search_inventory", json!({"kind": "instance", "filters": running}), 2),
        case(
            "search page, newest first",
            "search_inventory",
            json!({"kind": "instance", "filters": running, "sort": "-launch-time"}),
            2,
        ),
        case("changes of an hour", "list_changes", json!({"since": "-1h"}), 2),
        case("stopped instances", "report_stopped_instances", json!({}), 100),
        case("health of all", "get_instance_status", json!({}), 100),
        case(
            "SQL, group by type",
            "query_inventory",
            json!({"sql": "SELECT instance_type, count(*) AS n FROM instance GROUP BY instance_type ORDER BY n DESC"}),
            60,
        ),
        case("summary", "get_inventory_summary", json!({}), 20),
    ]
}

/// Calls each tool over one connection.
pub(crate) async fn run(ours: &Target, pace: Pace) -> anyhow::Result<Vec<ToolOutcome>> {
    let wanted: String = crate::setting("MUSTER_BENCH_CASES", "")?;
    let mut outcomes = Vec::new();
    for ToolCase { name, tool, arguments, budget } in cases() {
        if !format!("tool: {name}").contains(&wanted) {
            continue;
        }
        let params = json!({"name": tool, "arguments": arguments});
        let questions = Questions::One(Question::new("tools/call", Some(tool), params));
        let load = load::run(&ours.authority, ours.pid, &questions, 1, pace.length).await?;
        outcomes.push(ToolOutcome { name, load, budget });
    }
    Ok(outcomes)
}
