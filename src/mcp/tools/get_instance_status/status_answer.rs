//! The answer of a call: rows as text and as data, within the budget.

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::choice::{ChosenInstances, Verdicts};
use super::row::{HEADER, KnownInstance, StatusRow, lines};
use crate::kinds::health;
use crate::mcp::error::RequestError;
use crate::mcp::tools::answer::ToolResult;
use crate::mcp::tools::budget::RowBudget;
use crate::mcp::tools::table::AnswerText;
use crate::mcp::tools::tokens::tokens;
use crate::mcp::tools::{as_of, schema, zero};
use crate::mcp::unreadable;
use crate::model::Seq;

/// The tokens that are kept for what stands below the rows.
const FRAME: usize = 500;

/// The structured content of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusAnswer<'a> {
    /// The least healthy first; IDs of which nothing is known last.
    instances: Vec<&'a StatusRow>,
    /// Asked IDs left out because of the answer's size: call again with these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    not_shown: Vec<&'a str>,
    /// With filters: how many match.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<u64>,
    /// With filters: how many that match have each verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdicts: Option<&'a Verdicts>,
    /// With filters: how many healthier ones are not shown; narrow the filters to see them.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<u64>,
    /// The newest record of the log at this read.
    #[schemars(with = "u64")]
    seq: Seq,
    /// How fresh and complete the search for instances was.
    #[serde(flatten)]
    #[schemars(skip)]
    label: Map<String, Value>,
}

/// The schema of an answer.
pub(super) fn described() -> Value {
    let mut fields = json!({
        "at_least": {"type": "boolean", "description": "`true` if more may match that Muster has not seen yet."},
        "hints": zero::described(),
        "readings": schema::readings(),
        "as_of": schema::text("When everything searched was last confirmed."),
        "changes_until": schema::changes_until(),
        "missing_unproved": schema::count("How many of the searched resources the last complete sweep did not list; they may be \
        gone."),
        "stale": schema::stale(),
        "unreadable": unreadable::described(),
        "incomplete": schema::incomplete(),
        "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were searched."),
    });
    let of_type = schema::answer::<StatusAnswer<'static>>();
    if let (Value::Object(fields), Some(Value::Object(own))) = (&mut fields, of_type.get("properties")) {
        fields.extend(own.clone());
    }
    as_of::object(&["instances", "seq"], fields)
}

/// The answer for all instances, the least healthy first: for those that were asked for, or the worst of those that filters chose.
pub(super) fn answer(
    mut rows: Vec<StatusRow>,
    chosen: Option<&ChosenInstances>,
    seq: Seq,
) -> Result<ToolResult, RequestError> {
    // Equally healthy ones stay in the order of the call or of their ids.
    rows.sort_by_key(|row| {
        let known = row.known.as_ref().map(KnownInstance::rank);
        (known.is_none(), known)
    });
    let mut text = AnswerText::default();
    if let Some(ChosenInstances { headline, verdicts, .. }) = chosen {
        let verdicts: Vec<String> = health::VERDICTS
            .iter()
            .filter_map(|verdict| Some(format!("{} {verdict}", verdicts.get(verdict)?)))
            .collect();
        text.add(format_args!("{headline}\n"));
        if !verdicts.is_empty() {
            text.add(format_args!("Verdicts: {}\n", verdicts.join(", ")));
        }
    }
    text.add(HEADER);
    let label = chosen.map(|chosen| chosen.fields.clone()).unwrap_or_default();
    let frame = FRAME + tokens(&String::from(text.clone())).max(tokens(&serde_json::to_string(&label)?));
    let (mut budget, mut shown_rows) = (RowBudget::beside(frame), Vec::new());
    for row in &rows {
        let lines = lines(row);
        if !budget.takes(&lines, &serde_json::to_string(row)?) {
            break;
        }
        text.add(lines);
        shown_rows.push(row);
    }
    let mut not_shown: Vec<&str> = rows.iter().skip(shown_rows.len()).map(|row| row.instance_id.as_str()).collect();
    let more = chosen.map(|chosen| chosen.total.saturating_sub(shown_rows.len() as u64));
    match more {
        Some(more) => {
            not_shown.clear();
            if more > 0 {
                text.add(format_args!(
                    "\n{more} more are not shown, none of them less healthy: narrow the filters, or call search_inventory with kind \
                     instance-status and the filter health"
                ));
            }
        }
        None if !not_shown.is_empty() => {
            text.add(format_args!(
                "\nNot shown because of the answer's size; call again with: {}",
                not_shown.join(", ")
            ));
        }
        None => {}
    }
    let (total, verdicts) = (chosen.map(|chosen| chosen.total), chosen.map(|chosen| &chosen.verdicts));
    let structured = StatusAnswer { instances: shown_rows, not_shown, total, verdicts, more, seq, label };
    let answer = ToolResult::new(text, &structured)?;
    // If nothing is known about any instance that was asked for, the failure of the first one counts.
    let failure = if chosen.is_some() || rows.iter().any(|row| row.known.is_some()) {
        None
    } else {
        rows.first().and_then(|row| row.failure)
    };
    Ok(ToolResult { failure, ..answer })
}
