//! `muster search`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::arguments;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::app::client::InventoryClient;
use crate::config::Environment;
use crate::kinds::KindSpec;

/// How many rows are shown without `--limit`.
const SHOWN: usize = 100;

/// How many rows one call of the tool returns at most.
const PAGE: usize = 500;

/// The arguments of `muster search`.
#[derive(Clone, Debug, Args)]
pub(super) struct Search {
    #[command(flatten)]
    matching: Matching,
    /// Columns to show beside the id instead of the usual ones: names of filters, tag:KEY, name or region (repeatable)
    ///
    /// Several are separated by commas, such as instance-type,tag:env.
    #[arg(long, visible_alias = "fields", value_name = "FIELD", value_delimiter = ',')]
    field: Vec<String>,
    /// Sort by this column, such as launch-time; -launch-time shows the latest first
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// How many to show at most [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Show everything that matches
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    #[command(flatten)]
    question: QuestionFlags,
}

/// The arguments that select resources.
#[derive(Clone, Debug, Args)]
pub(super) struct Matching {
    /// name=value,value, such as state=running tag:Team=web
    ///
    /// A resource must match all filters, each with any of its values; * and ? are wildcards. A name is AWS's name of the filter,
    /// tag:KEY, tag-key, or the name of a column. A backslash takes the next character literally.
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// The kind, such as volume or security-group [default: instance]
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Ask about what was known at this time, such as 2026-11-17T12:00:00Z, or -15m for 15 minutes ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = arguments::moment)]
    as_of: Option<String>,
}

impl Matching {
    /// Returns the arguments for a tool, and the kind.
    ///
    /// # Errors
    /// When there is no such kind, or a word is not one of its filters.
    pub(super) fn arguments(&self, region: Option<&String>) -> anyhow::Result<(Map<String, Value>, &'static KindSpec)> {
        let kind = arguments::kind(self.kind.as_deref().unwrap_or("instance"))?;
        let mut arguments = Map::new();
        arguments.insert("kind".to_owned(), json!(kind.slug));
        if !self.filters.is_empty() {
            arguments.insert("filters".to_owned(), arguments::filters(&self.filters, kind)?);
        }
        self.scope.put(region, &mut arguments);
        if let Some(as_of) = &self.as_of {
            arguments.insert("as_of".to_owned(), json!(as_of));
        }
        Ok((arguments, kind))
    }
}

impl Search {
    /// Prints the resources that match on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let (mut arguments, kind) = self.matching.arguments(self.question.region.as_ref())?;
        if !self.field.is_empty() {
            arguments.insert("fields".to_owned(), json!(self.field));
        }
        if let Some(sort) = &self.sort {
            arguments.insert("sort".to_owned(), json!(sort));
        }
        let most = match self.limit {
            _ if self.all => usize::MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            None => SHOWN,
        };
        let client = self.question.client(&self.question.config(environment)?).await?;
        let answer = pages(&client, "search_inventory", "rows", arguments, most).await?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        let rows = warnings::rows(&answer);
        // A column that was asked for is shown, even if it is the same in all rows.
        let hidden: Vec<&str> =
            hidden(rows).into_iter().filter(|name| !self.field.iter().any(|field| field == name)).collect();
        output.text(Table::of(rows, &hidden).print(Medium::stdout()).as_bytes())?;
        warnings::say(&headline(&answer, kind, Some(rows.len())));
        warnings::tell(&answer);
        Ok(())
    }
}

/// Asks for pages until there are `most` rows, or no more. The answer is the last page with the rows of all pages, the earliest
/// `as_of`, the unobserved intervals of all pages, and the `newest_cursor` of the first.
///
/// # Errors
/// When nobody answers, or the tool refuses.
pub(super) async fn pages(
    client: &InventoryClient,
    tool: &str,
    rows: &str,
    mut arguments: Map<String, Value>,
    most: usize,
) -> anyhow::Result<Value> {
    let (mut found, mut earliest): (Vec<Value>, Option<Value>) = (Vec::new(), None);
    let (mut unobserved, mut newest, mut left_out) = (Vec::new(), None, 0);
    loop {
        let limit = most.saturating_sub(found.len()).clamp(1, PAGE);
        arguments.insert("limit".to_owned(), json!(limit));
        let mut page = warnings::granted(client.ask(tool, Value::Object(arguments.clone())).await?)?;
        if let Some(Value::Array(more)) = page.get_mut(rows).map(Value::take) {
            found.extend(more);
        }
        if let Some(Value::Array(more)) = page.get_mut("unobserved").map(Value::take) {
            for interval in more {
                join(&mut unobserved, interval);
            }
        }
        newest = newest.or_else(|| page.get("newest_cursor").cloned());
        left_out += page.get("hidden").and_then(Value::as_u64).unwrap_or(0);
        let as_of = page.get("as_of").filter(|as_of| !as_of.is_null()).cloned();
        // RFC 3339 in UTC with milliseconds sorts by time.
        earliest = earliest.into_iter().chain(as_of).min_by_key(text);
        let next = page.get("next_cursor").filter(|next| !next.is_null()).cloned();
        // The cursor alone does not say whether there is more: a growing log always has one.
        let more = page.get("more").and_then(Value::as_bool).unwrap_or(true);
        match next {
            Some(next) if more && found.len() < most => drop(arguments.insert("cursor".to_owned(), next)),
            _ => {
                if let Some(slot) = page.get_mut(rows) {
                    *slot = Value::Array(found);
                }
                if let Some(slot) = page.get_mut("unobserved") {
                    *slot = Value::Array(unobserved);
                }
                if let Some(slot) = page.get_mut("hidden") {
                    *slot = json!(left_out);
                }
                if let (Some(newest), Value::Object(page)) = (newest, &mut page) {
                    page.insert("newest_cursor".to_owned(), newest);
                }
                if let (Some(slot), Some(earliest)) = (page.get_mut("as_of"), earliest) {
                    *slot = earliest;
                }
                return Ok(page);
            }
        }
    }
}

/// Adds an interval, and joins it to one that it meets: the end of a page may have cut it in two.
fn join(intervals: &mut Vec<Value>, interval: Value) {
    let same = |other: &Value| ["account", "region", "kind"].iter().all(|name| other.get(name) == interval.get(name));
    let [from, to] = ["from", "to"].map(|name| field(&interval, name));
    let meets = |other: &Value| same(other) && field(other, "from") <= to && from <= field(other, "to");
    match intervals.iter_mut().find(|other| meets(other)) {
        Some(other) => {
            let (from, to) = (from.min(field(other, "from")), to.max(field(other, "to")));
            other["from"] = json!(from);
            other["to"] = json!(to);
        }
        None => intervals.push(interval),
    }
}

/// The columns that a table of these rows hides: account and region where all are the same, and what warnings say.
pub(super) fn hidden(rows: &[Value]) -> Vec<&'static str> {
    let mut hidden = vec!["uri", "provisional"];
    let same = |name: &&str| rows.windows(2).all(|pair| matches!(pair, [a, b] if a.get(name) == b.get(name)));
    hidden.extend(["account", "region"].into_iter().filter(same));
    hidden
}

/// Says how many resources match, in which scopes and as of when, and how many of them are shown.
pub(super) fn headline(answer: &Value, kind: &KindSpec, shown: Option<usize>) -> String {
    let at_least = if answer.get("at_least") == Some(&Value::Bool(true)) { "at least " } else { "" };
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or_default();
    let plural = if total == 1 { kind.title } else { kind.plural };
    let watched: Vec<String> =
        answer.get("watched").and_then(Value::as_array).into_iter().flatten().map(text).collect();
    let mut headline = format!("{at_least}{total} {plural}");
    // An answer about the past does not list the watched scopes.
    if !watched.is_empty() {
        headline = format!("{headline} in {}", watched.join(", "));
    }
    if let Some(shown) = shown.filter(|shown| (*shown as u64) < total) {
        headline = format!("{headline}, {shown} shown (--all shows all)");
    }
    match (field(answer, "as_of"), field(answer, "changes_until")) {
        (as_of, _) if as_of.is_empty() => headline,
        (as_of, until) if until.is_empty() => format!("{headline}, as of {as_of}"),
        (as_of, until) => format!("{headline}, complete as of {as_of}; newer changes up to {until} are included"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_all_are_the_same_place_it_is_not_repeated() {
        let row = |region: &str| json!({"id": "i-1", "account": "1", "region": region});
        assert_eq!(hidden(&[row("a"), row("a")]), ["uri", "provisional", "account", "region"]);
        assert_eq!(hidden(&[row("a"), row("b")]), ["uri", "provisional", "account"]);
    }

    #[test]
    fn the_headline_says_how_much_there_is_and_how_much_is_shown() {
        let answer = json!({"total": 7, "at_least": true, "watched": ["1/r"], "as_of": "2026-11-22T00:00:00Z"});
        let expected = "at least 7 instances in 1/r, 2 shown (--all shows all), as of 2026-11-22T00:00:00Z";
        assert_eq!(headline(&answer, crate::kinds::INSTANCE, Some(2)), expected);
    }

    #[test]
    fn what_nobody_saw_on_any_page_is_told_once() {
        let of = |kind: &str, from: &str, to: &str| json!({"kind": kind, "from": from, "to": to});
        let mut found = Vec::new();
        for interval in
            [of("vpc", "t5", "t7"), of("instance", "t5", "t7"), of("vpc", "t3", "t5"), of("vpc", "t0", "t1")]
        {
            join(&mut found, interval);
        }
        assert_eq!(found, [of("vpc", "t3", "t7"), of("instance", "t5", "t7"), of("vpc", "t0", "t1")]);
    }
}
