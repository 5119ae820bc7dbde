//! `count_inventory`: how many resources there are, in groups of anything that they can be filtered on.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;

use super::answer::Answer;
use super::arguments::ArgumentError;
use super::arguments::filters::{FilterArgument, GivenFilters, Settled};
use super::arguments::kind::KindArgument;
use super::arguments::past::{self, PastArgument};
use super::arguments::scope::ScopeArguments;
use super::as_of;
use super::label::FreshnessLabel;
use super::schema::ToolSchema;
use super::spec::{Call, Effect, ToolSpec};
use super::table::{self, Text};
use super::{schema, zero};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::unreadable;
use crate::model::Scope;
use crate::model::text::shown;
use crate::query::Point;
use crate::query::filter::has_tags;
use crate::query::tally::{Grouping, Tally, tally};

/// Groups shown one by one.
const MAX_GROUPS: usize = 100;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "count_inventory",
    title: "Count the EC2 inventory",
    description: "Counts resources of a kind exactly, by the same filters as search_inventory, in groups of a filter's values \
                  or a tag's (`group_by`: instance-type, vpc-id, tag:Team), now or as it was known in the past (`as_of`). \
                  Use it instead of paging through search results to count them. Makes no AWS call.",
    effect: Effect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "instance", "filters": {"instance-state-name": ["running"]}, "group_by": "tag:Team"}"#,
    call: |call, given| call.with(given, serve),
};

/// What to count.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// What to count; instance unless given.
    #[serde(default)]
    kind: KindArgument,
    #[serde(default)]
    filters: FilterArgument,
    #[serde(flatten)]
    scope: ScopeArguments,
    /// A filter name or tag:KEY, to count each of its values.
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
            "kind": schema::text("What was counted."),
            "total": schema::count("How many match."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that were not seen yet."},
            "hints": zero::described(),
            "group_by": schema::text("What the groups are of."),
            "groups": schema::list(group, "The largest groups first. A resource with several values counts in each."),
            "without_value": schema::count("How many have no value at all."),
            "other_groups": schema::count("Smaller groups that are not shown."),
            "other_count": schema::count("The counts of these, added up."),
            "readings": schema::readings(),
            "as_of": schema::text("When everything counted was last confirmed."),
            "missing_unproved": schema::count("How many of those counted were missing from the last complete sweep: perhaps gone."),
            "seq": schema::count("The log's end at this count, or the last record up to as_of."),
            "stale": schema::stale(),
            "unreadable": unreadable::described(),
            "incomplete": schema::incomplete(),
            "watched": schema::list(json!({"type": "string"}), "The accounts and regions that were counted."),
        }),
    )
}

async fn serve(call: Call, arguments: Arguments) -> Result<Answer, Fault> {
    let core = call.core;
    let Arguments { kind: KindArgument(kind), filters, scope, group_by, as_of } = arguments;
    let filters = GivenFilters::read(&filters, kind)?;
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

/// A call's question, read.
struct Counting {
    kind: &'static KindSpec,
    settled: Settled,
    grouping: Option<(String, Grouping)>,
    point: Option<Point>,
    scope: Option<Scope>,
}

fn grouping(name: &str, kind: &'static KindSpec) -> Result<(String, Grouping), Fault> {
    if let Some(key) = name.strip_prefix("tag:") {
        has_tags(kind, name)?;
        return Ok((name.to_owned(), Grouping::Tag(key.to_owned())));
    }
    let found = kind.filter(kind.filter_of_column(name).unwrap_or(name));
    let found = found.ok_or_else(|| ArgumentError::no_filter(kind, name))?;
    Ok((found.name.to_owned(), Grouping::Facet(found.number)))
}

impl Counting {
    fn answer(&self, core: &Core) -> Result<Answer, Fault> {
        let Counting { kind, settled: Settled { filters, readings, is_at_least }, grouping, point, scope } = self;
        let scope = scope.as_ref();
        let mut hints = zero::settle(core, kind, filters)?;
        // How fresh they are comes before the count: see `fresh`.
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
        let mut text = Text::new(label.headline(kind, counted.total, None, counted.partial));
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
        Ok(Answer { text: text.into(), structured: Value::Object(data), failure: None })
    }
}

/// The groups, largest first, the rest added up.
fn groups(name: &str, counted: Tally, text: &mut Text, put: &mut impl FnMut(&str, Value)) {
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
