//! Resources that AWS lists in a form that cannot be read: they exist, so answers always report them.

use serde_json::{Map, Value, json};

use crate::freshness::ScopeFreshness;
use crate::kinds;
use crate::mcp::tools::schema;
use crate::model::UnreadableItem;
use crate::model::text::shown;

/// How many of them one answer names.
const NAMED: usize = 10;

/// The unreadable resources of one (scope, kind), as a field of freshness; `None` when there are none.
#[must_use]
pub fn of(state: &ScopeFreshness) -> Option<Value> {
    let unread = &state.unreadable;
    if unread.is_empty() {
        return None;
    }
    let items: Vec<Value> = unread.iter().take(NAMED).map(item).collect();
    let mut fields = json!({"count": unread.count(), "what": said([state])?, "items": items});
    if let (1.., Value::Object(fields)) = (unread.nameless(), &mut fields) {
        fields.insert("without_id".to_owned(), json!(unread.nameless()));
    }
    Some(fields)
}

/// A sentence about the unreadable resources of several (scope, kind)s: how many there are, and the first of them.
#[must_use]
pub fn said<'a>(states: impl IntoIterator<Item = &'a ScopeFreshness>) -> Option<String> {
    let states: Vec<&ScopeFreshness> = states.into_iter().filter(|state| !state.unreadable.is_empty()).collect();
    let count: u64 = states.iter().map(|state| state.unreadable.count()).sum();
    let kind = states.first().and_then(|state| kinds::of(&state.kind))?;
    let title = if count == 1 { kind.title } else { kind.plural };
    let first = states.iter().flat_map(|state| state.unreadable.iter()).take(NAMED).map(named);
    let first: Vec<String> = first.collect();
    let rest = count.saturating_sub(first.len() as u64);
    let more = if rest > 0 { format!("; and {rest} more") } else { String::new() };
    Some(format!("{count} {title} listed by AWS cannot be read: {}{more}", first.join("; ")))
}

/// The fields about unreadable resources in an answer about many resources.
#[must_use]
pub fn fields<'a>(states: impl IntoIterator<Item = &'a ScopeFreshness>) -> Map<String, Value> {
    let mut fields = Map::new();
    let states: Vec<&ScopeFreshness> = states.into_iter().collect();
    let count: u64 = states.iter().map(|state| state.unreadable.count()).sum();
    if count > 0 {
        let items = states.iter().flat_map(|state| state.unreadable.iter()).take(NAMED).map(item);
        fields.insert("unreadable".to_owned(), json!({"count": count, "items": items.collect::<Vec<_>>()}));
    }
    fields
}

/// The schema of [`fields`].
#[must_use]
pub fn described() -> Value {
    schema::object(
        &["count", "items"],
        json!({
            "count": schema::count("How many resources AWS lists in a form that cannot be read. This answer holds only the last \
            readable versions of them."),
            "items": schema::list(
                schema::object(
                    &["why"],
                    json!({"id": schema::text("Its ID, if AWS gave one."), "why": schema::text("Which part cannot be read.")}),
                ),
                "The first of them.",
            ),
        }),
    )
}

fn item(item: &UnreadableItem) -> Value {
    match &item.id {
        Some(id) => json!({"id": id, "why": item.why()}),
        None => json!({"why": item.why()}),
    }
}

fn named(item: &UnreadableItem) -> String {
    let id = item.id.as_deref().unwrap_or("one without an ID");
    format!("{} ({})", shown(id, 80), item.why())
}

#[cfg(test)]
mod tests;
