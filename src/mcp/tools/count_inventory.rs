//! `count_inventory`: how many resources there are, grouped by any filter or tag.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::filters::{GivenFilters, Settled};
use super::arguments::kind::KindArgument;
use super::arguments::past::{self, PastArgument};
use super::arguments::selection::SelectionArguments;
use super::as_of;
use super::label::FreshnessLabel;
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use super::{schema, zero};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::unreadable;
use crate::model::Scope;
use crate::model::text::shown;
use crate::query::Point;
use crate::query::filter::has_tags;
use crate::query::tally::{GroupedCounts, Grouping, tally};

/// Groups shown one by one.
const MAX_GROUPS: usize = 100;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "count_inventory",
    title: "Count the EC2 inventory",
    description: "Counts the resources of one kind exactly, with the filters of search_inventory, optionally in groups by the \
                  values of a filter or tag (`group_by`: instance-type, vpc-id, tag:Team), now or at a time in the past \
                  (`as_of`). Use it instead of paging through search results to count them. Makes no AWS call.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "instance", "filters": {"instance-state-name": ["running"]}, "group_by": "tag:Team"}"#,
    call: |call, given| call.with(given, serve),
};

/// What to count.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    selection: SelectionArguments,
    /// Count each value of this filter or tag: a filter name or tag:KEY.
    group_by: Option<String>,
    as_of: Option<PastArgument>,
}

fn output() -> Value {
    let group = schema::object(
        &["value", "count"],
        json!({"value": schema::text("The value."), "count": schema::count("How many have it.")}),
    );
    as_of::object(
        &["kind", "total", "at_least", "seq"],
        json!({
            "kind": schema::text("The kind that was counted."),
            "total": schema::count("How many match."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that Muster has not seen yet."},
            "hints": zero::described(),
            "group_by": schema::text("The filter or tag whose values are the groups."),
            "groups": schema::list(group, "The largest groups first. A resource with several values counts in each."),
            "without_value": schema::count("How many have no value."),
            "other_groups": schema::count("Smaller groups that are not shown."),
            "other_count": schema::count("The sum of their counts."),
            "readings": schema::readings(),
            "as_of": schema::text("When everything counted was last confirmed."),
            "missing_unproved": schema::count("How many of the counted resources the last complete sweep did not list; they may \
            be gone."),
            "seq": schema::count("The newest record of the log at this count; with the argument as_of, the last record up to \
            that time."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were counted."),
        }),
    )
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let core = call.core;
    let Arguments { selection, group_by, as_of } = arguments;
    let SelectionArguments { kind: KindArgument(kind), filters, scope } = selection;
    let filters = GivenFilters::read(&filters, kind, core.now())?;
    let grouping = group_by.map(|name| grouping(&name, kind)).transpose()?;
    let point = past::as_of(&core, as_of.as_ref())?;
    let scope = scope.scope(&core, kind).await?;
    if point.is_none() {
        core.anything(&[kind], scope.as_ref()).await?;
    }
    core.walk(move |core| {
        let settled = filters.settle(core, scope.as_ref(), point)?;
        Counting { kind, settled, grouping, point, scope }.answer(core)
    })
    .await
}

/// What a call counts, read from its arguments.
struct Counting {
    kind: &'static KindSpec,
    settled: Settled,
    grouping: Option<(String, Grouping)>,
    point: Option<Point>,
    scope: Option<Scope>,
}

fn grouping(name: &str, kind: &'static KindSpec) -> Result<(String, Grouping), RequestError> {
    if let Some(key) = name.strip_prefix("tag:") {
        has_tags(kind, name)?;
        return Ok((name.to_owned(), Grouping::Tag(key.to_owned())));
    }
    let found = kind.filter(kind.filter_of_column(name).unwrap_or(name));
    let found = found.ok_or_else(|| ArgumentError::no_filter(kind, name))?;
    Ok((found.name.to_owned(), Grouping::Facet(found.number)))
}

impl Counting {
    fn answer(&self, core: &Core) -> Result<ToolResult, RequestError> {
        let Counting { kind, settled: Settled { filters, readings, is_at_least }, grouping, point, scope } = self;
        let scope = scope.as_ref();
        let mut hints = zero::settle(core, kind, filters)?;
        // Freshness is read before the data: see `fresh`.
        let label = FreshnessLabel::of(core, kind, scope, *point)?;
        let by = grouping.as_ref().map(|(_, grouping)| grouping);
        let (counted, seq) = tally(&core.store, &kind.kind(), scope, filters, by, *point)?;
        let label = label.damaged(core, kind, scope);
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("kind", json!(kind.slug));
        put("total", json!(counted.total));
        put("at_least", json!(*is_at_least || label.is_at_least(counted.partial)));
        put("seq", json!(seq));
        let mut text = AnswerText::new(label.headline(kind, counted.total, None, counted.partial));
        if counted.total == 0 && !filters.is_empty() {
            hints.extend(zero::hints(core, kind, scope, filters, point.is_some())?);
        }
        if !hints.is_empty() {
            text.add(zero::said(&hints));
            put("hints", json!(hints));
        }
        for reading in readings {
            text.add(format_args!("\n{reading}"));
        }
        if !readings.is_empty() {
            put("readings", json!(readings));
        }
        if let Some((name, _)) = grouping {
            let name = shown(name, 200);
            put("group_by", json!(name));
            groups(&name, counted, &mut text, &mut put);
        }
        label.fields().into_iter().for_each(|(name, value)| put(&name, value));
        Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None })
    }
}

/// The groups, largest first, the rest added up.
fn groups(name: &str, counted: GroupedCounts, text: &mut AnswerText, put: &mut impl FnMut(&str, Value)) {
    let mut groups: Vec<(String, u64)> = counted.groups.into_iter().collect();
    // Equal counts stay in the order of their values.
    groups.sort_by_key(|(_, count)| Reverse(*count));
    let rest = groups.split_off(groups.len().min(MAX_GROUPS));
    text.add(format_args!("\n{name} | count"));
    for (value, count) in &groups {
        text.add(format_args!("\n{}", table::line([value.as_str(), count.to_string().as_str()])));
    }
    if counted.without > 0 {
        text.add(format_args!("\n(no value) | {}", counted.without));
    }
    let shown_groups = groups.iter().map(|(value, count)| json!({"value": shown(value, 80), "count": count}));
    put("groups", shown_groups.collect());
    put("without_value", json!(counted.without));
    if !rest.is_empty() {
        let sum: u64 = rest.iter().map(|(_, count)| count).sum();
        text.add(format_args!("\n{} smaller groups not shown | {sum}", rest.len()));
        put("other_groups", json!(rest.len()));
        put("other_count", json!(sum));
    }
}
