//! `count_inventory`: how many resources there are, grouped by any filter or tag.

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::filters::{GivenFilters, Settled, tag_called};
use super::arguments::kind::KindArgument;
use super::arguments::past::{self, PastArgument};
use super::arguments::selection::SelectionArguments;
use super::as_of;
use super::budget::RowBudget;
use super::label::FreshnessLabel;
use super::schema::ToolSchema;
use super::spec::{ToolCall, ToolEffect, ToolSpec};
use super::table::{self, AnswerText};
use super::{schema, zero};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::unreadable;
use crate::model::AccountId;
use crate::model::text::shown;
use crate::query::Point;
use crate::query::column::KindColumn;
use crate::query::filter_name;
use crate::query::tally::{Breakdown, GroupKey, GroupSize, GroupedCounts, OtherGroups, tally};

/// The default number of groups that are shown one by one.
const SHOWN: usize = 100;
/// The most groups that are shown one by one; the [`RowBudget`] may allow fewer.
const MAX_GROUPS: usize = 500;
/// The most columns to group by.
const MAX_KEYS: usize = 3;
/// The tokens that are kept for what stands around the groups.
const FRAME: usize = 1_500;
/// The longest value of a group.
const VALUE: usize = 80;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "count_inventory",
    title: "Count the EC2 inventory",
    description: "Counts resources exactly, by the filters of search_inventory, in groups (`group_by`) and with the `sum` \
                  of a number. Use it instead of paging through searches.",
    effect: ToolEffect::Read,
    input: ToolSchema::of_arguments::<Arguments>(),
    output: ToolSchema::written(output),
    example: r#"{"kind": "instance", "filters": {"instance-state-name": ["running"]}, "group_by": ["region", "tag:Team"]}"#,
    call: |call, given| call.with(given, serve),
};

/// What to count.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    selection: SelectionArguments,
    /// Up to 3: filter names, tag:KEY, region, account, ou.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    group_by: Vec<String>,
    /// Number column to add up, such as size.
    sum: Option<String>,
    /// How many groups to show.
    #[serde(default = "default_groups")]
    #[schemars(range(min = 1, max = MAX_GROUPS))]
    top: usize,
    as_of: Option<PastArgument>,
}

fn default_groups() -> usize {
    SHOWN
}

fn output() -> Value {
    let sum = || schema::count("The sum of their numbers, with `sum`.");
    let values = json!({
        "type": "object",
        "description": "With several columns: the value in each. A column in which they have no value is left out.",
        "additionalProperties": {"type": "string"},
    });
    let group = schema::object(
        &["count"],
        json!({
            "value": schema::text("With one column: the value."),
            "values": values,
            "count": schema::count("How many have it."),
            "sum": sum(),
        }),
    );
    as_of::object(
        &["kind", "total", "at_least", "seq"],
        json!({
            "kind": schema::text("The kind that was counted."),
            "total": schema::count("How many match."),
            "at_least": {"type": "boolean", "description": "`true` if more may match that Muster has not seen yet."},
            "hints": zero::described(),
            "sum": schema::count("The sum of the numbers of all that match."),
            "sum_of": schema::text("The column that is added up."),
            "without_number": schema::count("How many have no number to add up."),
            "group_by": schema::list(json!({"type": "string"}), "The columns whose values make the groups."),
            "groups": schema::list(group, "The largest groups first, by their sums with `sum`. A resource with several values \
            counts in each."),
            "without_value": schema::count("With one column: how many have no value."),
            "without_value_sum": schema::count("The sum of their numbers."),
            "other_groups": schema::count("Smaller groups that are not shown."),
            "other_count": schema::count("The sum of their counts."),
            "other_sum": schema::count("The sum of their numbers."),
            "readings": schema::readings(),
            "as_of": schema::text("When everything counted was last confirmed."),
            "changes_until": schema::changes_until(),
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
    let Arguments { selection, group_by, sum, top, as_of } = arguments;
    let SelectionArguments { kind: KindArgument(kind), filters, scope } = selection;
    let filters = GivenFilters::asked(&filters, kind, &core)?;
    let breakdown = breakdown(&core, kind, group_by, sum)?;
    let point = past::as_of(&core, as_of.as_ref())?;
    core.watched_kind_at(kind, point)?;
    let scope = scope.scopes(&core, kind).await?;
    if point.is_none() {
        core.anything(&[kind], &scope).await?;
    }
    core.walk(move |core| {
        let settled = filters.settle(core, &scope, point)?;
        Counting { kind, settled, breakdown, top, point }.answer(core)
    })
    .await
}

/// What a call counts, read from its arguments.
struct Counting {
    kind: &'static KindSpec,
    settled: Settled,
    breakdown: Breakdown,
    top: usize,
    point: Option<Point>,
}

/// Whether a column is that of organizational units.
fn is_ou(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case("ou")
}

/// Puts the unit of each account in its place where units make the groups. Returns a hint where none of them is known.
fn by_unit(core: &Core, breakdown: &Breakdown, counted: &mut GroupedCounts) -> Option<String> {
    let (place, _) = breakdown.by.iter().enumerate().find(|(_, column)| is_ou(&column.name))?;
    let known = core.known_accounts();
    let unit = |account: &str| known.of(&AccountId::new(account))?.ou.as_deref().map(str::to_owned);
    counted.rename(place, unit);
    let is_known = counted.groups.keys().any(|key| key.get(place).is_some_and(Option::is_some));
    let hint = "no organizational unit of these accounts is known: accounts that [organization] of the configuration file finds \
                have one";
    (!is_known && counted.total.count > 0).then(|| hint.to_owned())
}

fn breakdown(
    core: &Core,
    kind: &'static KindSpec,
    group_by: Vec<String>,
    sum: Option<String>,
) -> Result<Breakdown, ArgumentError> {
    let unknown = |name: &str| ArgumentError::no_filter(kind, name, tag_called(core, kind, name).as_deref());
    let mut by: Vec<KindColumn> = Vec::new();
    for name in group_by {
        // The unit of a resource is that of its account.
        let column = KindColumn::named(kind, if is_ou(&name) { "account" } else { &name });
        let column = KindColumn { name: name.clone(), ..column.ok_or_else(|| unknown(&name))? };
        // Two spellings of a column are one column.
        let is_same = |other: &KindColumn| other.value == column.value && is_ou(&other.name) == is_ou(&name);
        if !by.iter().any(is_same) {
            by.push(column);
        }
    }
    if by.len() > MAX_KEYS {
        let found = format!("{} names", by.len());
        return Err(ArgumentError::form("group_by", &format!("at most {MAX_KEYS} names"), found));
    }
    let number = |name: String| {
        let numbers: Vec<&str> = KindColumn::numbers(kind).collect();
        let asked = filter_name::meant(kind, &name);
        match numbers.iter().find(|number| asked.as_deref() == Some(**number)) {
            Some(number) => Ok(KindColumn::named(kind, number)),
            None if numbers.is_empty() => {
                Err(ArgumentError::form("sum", &format!("left out: {} has no number column", kind.slug), name))
            }
            None => Err(ArgumentError::one_of("sum", &numbers, &name)),
        }
    };
    Ok(Breakdown { by, sum: sum.map(number).transpose()?.flatten() })
}

impl Counting {
    fn answer(&self, core: &Core) -> Result<ToolResult, RequestError> {
        let Counting { kind, settled, breakdown, point, .. } = self;
        let Settled { filters, readings, is_at_least, scope } = settled;
        let mut hints = zero::settle(core, kind, filters)?;
        // Freshness is read before the data: see `fresh`.
        let label = FreshnessLabel::of(core, kind, scope, *point)?;
        let (mut counted, seq) = tally(&core.store, &kind.kind(), scope, filters, breakdown, *point)?;
        hints.extend(by_unit(core, breakdown, &mut counted));
        let label = label.damaged(core, kind, scope);
        let total = counted.total.count;
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("kind", json!(kind.slug));
        put("total", json!(total));
        put("at_least", json!(*is_at_least || label.is_at_least(counted.partial)));
        put("seq", json!(seq));
        let mut text = AnswerText::new(label.headline(kind, total, None, counted.partial));
        if total == 0 && !filters.is_empty() {
            hints.extend(zero::hints(core, kind, scope, filters, point.is_some())?);
        }
        if point.is_none() {
            let tags = zero::unheld_tags(core, kind, filters, breakdown.by.iter())?;
            hints.extend(tags.into_iter().filter(|hint| !hints.contains(hint)).collect::<Vec<_>>());
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
        if let Some(column) = &breakdown.sum {
            let sum = counted.total.sum;
            text.add(format_args!("\nSum of {}: {sum}", column.name));
            put("sum_of", json!(column.name));
            put("sum", json!(sum));
            if counted.without_number > 0 {
                text.add(format_args!(" ({} have none)", counted.without_number));
                put("without_number", json!(counted.without_number));
            }
        }
        if !breakdown.by.is_empty() {
            self.groups(&counted, &mut text, &mut put);
        }
        label.fields().into_iter().for_each(|(name, value)| put(&name, value));
        Ok(ToolResult { text: text.into(), structured: Value::Object(data), failure: None, input: None })
    }

    /// The groups, largest first, as many as fit, and the rest added up.
    fn groups(&self, counted: &GroupedCounts, text: &mut AnswerText, put: &mut impl FnMut(&str, Value)) {
        let Breakdown { by, sum } = &self.breakdown;
        let names: Vec<String> = by.iter().map(|column| shown(&column.name, 200)).collect();
        let mut counted = counted.clone();
        // One column has a place of its own for what has no value.
        let without = if by.len() == 1 { counted.groups.remove(&vec![None]) } else { None }.unwrap_or_default();
        let (largest, smaller) = counted.largest(&self.breakdown, self.top);
        let numbers = |size: GroupSize| match sum {
            Some(_) => vec![size.count.to_string(), size.sum.to_string()],
            None => vec![size.count.to_string()],
        };
        let line = |values: &[&str], size| {
            let numbers = numbers(size);
            format!("\n{}", table::line(values.iter().copied().chain(numbers.iter().map(String::as_str))))
        };
        let heads =
            ["count".to_owned()].into_iter().chain(sum.as_ref().map(|column| format!("sum of {}", column.name)));
        let heads: Vec<String> = names.iter().cloned().chain(heads).collect();
        text.add(format_args!("\n{}", table::line(heads.iter().map(String::as_str))));
        let (mut groups, mut budget) = (Vec::new(), RowBudget::beside(FRAME));
        for (key, size) in &largest {
            let values: Vec<&str> = key.iter().map(|value| value.as_deref().unwrap_or("(no value)")).collect();
            let (line, group) = (line(&values, *size), self.group(&names, key, *size));
            if !budget.takes(&line, &group.to_string()) {
                break;
            }
            text.add(line);
            groups.push(group);
        }
        let mut others = OtherGroups::of(largest.iter().skip(groups.len()).map(|(_, size)| *size));
        others.add(smaller);
        put("group_by", json!(names));
        put("groups", Value::Array(groups));
        let mut rest = |what: &str, size: GroupSize, count: &str, of_sum: &str| {
            text.add(format_args!("\n{what} | {}", numbers(size).join(" | ")));
            put(count, json!(size.count));
            if sum.is_some() {
                put(of_sum, json!(size.sum));
            }
        };
        if without.count > 0 {
            rest("(no value)", without, "without_value", "without_value_sum");
        }
        if others.groups > 0 {
            rest(&format!("{} smaller groups not shown", others.groups), others.size, "other_count", "other_sum");
            put("other_groups", json!(others.groups));
        }
        if by.len() == 1 && without.count == 0 {
            put("without_value", json!(0));
        }
    }

    /// A group as data.
    fn group(&self, names: &[String], key: &GroupKey, size: GroupSize) -> Value {
        let mut group = Map::new();
        match key.as_slice() {
            [one] => drop(group.insert("value".to_owned(), json!(shown(one.as_deref().unwrap_or_default(), VALUE)))),
            several => {
                let values = names.iter().zip(several);
                let values =
                    values.filter_map(|(name, value)| Some((name.clone(), json!(shown(value.as_deref()?, VALUE)))));
                group.insert("values".to_owned(), Value::Object(values.collect()));
            }
        }
        group.insert("count".to_owned(), json!(size.count));
        if self.breakdown.sum.is_some() {
            group.insert("sum".to_owned(), json!(size.sum));
        }
        Value::Object(group)
    }
}
