//! What an answer says about damaged records: it lacks what they hold, and must say so.

use serde_json::{Value, json};

use super::core::Core;
use super::tools::schema;
use super::tools::table::AnswerText;
use crate::kinds::{self, KindSpec};
use crate::model::text::shown;
use crate::model::{ResourceId, ScopeFilter};
use crate::store::DamagedRecord;

/// Damaged records shown one by one as data.
const SHOWN: usize = 20;
/// Damaged records shown one by one as text.
const SAID: usize = 3;
/// What to do about it.
const FIX: &str = "Stop the Muster server and run `muster log verify --repair`";

/// The damaged records that an answer may lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DamagedRecords {
    found: Vec<DamagedRecord>,
    more: bool,
}

/// The part of the store that an answer is about.
#[derive(Clone, Copy, Debug)]
pub enum AnswerSubject<'a> {
    /// Resources of these kinds as they are now, in one scope or in all.
    Now(&'a [&'static KindSpec], &'a ScopeFilter),
    /// The same at a point in the past.
    Then(&'a [&'static KindSpec], &'a ScopeFilter),
    /// Records of the log: about these resources, or about anything.
    Log(Option<&'a [ResourceId]>),
    /// Everything.
    All,
}

impl AnswerSubject<'_> {
    fn is_about(&self, damaged: &DamagedRecord) -> bool {
        let concerns = |kinds: &[&'static KindSpec], scope: &ScopeFilter| {
            kinds.iter().any(|kind| damaged.concerns(Some(&kind.kind()), scope))
        };
        match self {
            AnswerSubject::Now(kinds, scope) => damaged.is_of_now() && concerns(kinds, scope),
            AnswerSubject::Then(kinds, scope) => concerns(kinds, scope),
            AnswerSubject::Log(None) => damaged.is_of_log(),
            AnswerSubject::Log(Some(ids)) => {
                damaged.is_of_log() && damaged.id.as_ref().is_none_or(|id| ids.contains(id))
            }
            AnswerSubject::All => true,
        }
    }
}

impl Core {
    /// The damaged records that an answer about `question` may lack. Call this after reading everything for the answer, because
    /// reading finds the damage.
    #[must_use]
    pub fn damage(&self, question: AnswerSubject<'_>) -> DamagedRecords {
        let (mut found, more) = self.store.damage();
        found.retain(|damaged| question.is_about(damaged));
        DamagedRecords { found, more }
    }
}

impl DamagedRecords {
    /// Whether no record is damaged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty() && !self.more
    }

    /// As fields of an answer: none where nothing is damaged.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        if self.is_empty() {
            return Vec::new();
        }
        let each = self.found.iter().take(SHOWN).map(|damaged| {
            let DamagedRecord { table, key, id, why } = damaged;
            let mut entry = json!({"table": table, "key": shown(key, 200), "why": why});
            if let (Some(id), Value::Object(entry)) = (id, &mut entry) {
                let about = [
                    ("kind", json!(slug(id))),
                    ("id", json!(shown(&id.id, 80))),
                    ("account", json!(id.account)),
                    ("region", json!(id.region)),
                ];
                entry.extend(about.map(|(name, value)| (name.to_owned(), value)));
            }
            entry
        });
        let mut fields = vec![("damaged", Value::Array(each.collect())), ("damaged_fix", json!(FIX))];
        let left_out = self.found.len().saturating_sub(SHOWN);
        if left_out > 0 {
            fields.push(("damaged_not_shown", json!(left_out)));
        }
        fields
    }

    /// Adds a line to the text of an answer.
    pub fn say(&self, text: &mut AnswerText) {
        if self.is_empty() {
            return;
        }
        let count = self.found.len();
        let at_least = if self.more { "at least " } else { "" };
        let (records, hold) = if count == 1 { ("record", "it holds") } else { ("records", "they hold") };
        let each: Vec<String> = self.found.iter().take(SAID).map(words).collect();
        let rest = count.saturating_sub(SAID);
        let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
        text.add(format_args!(
            "\nDamaged: {at_least}{count} stored {records} cannot be read, so this answer may lack what {hold}: {}{rest}. \
            {FIX}",
            each.join("; ")
        ));
    }
}

fn words(damaged: &DamagedRecord) -> String {
    let DamagedRecord { table, key, id, why } = damaged;
    match id {
        Some(id) => format!("{} {} in {} (table {table}: {why})", slug(id), shown(&id.id, 80), id.scope()),
        None => format!("{} of table {table} ({why})", shown(key, 80)),
    }
}

fn slug(id: &ResourceId) -> &str {
    kinds::of(&id.kind).map_or(id.kind.as_str(), |kind| kind.slug)
}

/// The properties of an output schema that describe damaged records.
#[must_use]
pub fn described() -> [(&'static str, Value); 3] {
    let each = schema::object(
        &["table", "key", "why"],
        json!({
            "table": schema::text("The table of the store that the record is in."),
            "key": schema::text("Its key."),
            "why": schema::text("What is wrong with it."),
            "kind": schema::text("The kind of the resource that it is about, if known."),
            "id": schema::text("The ID of the resource."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
        }),
    );
    [
        ("damaged", schema::list(each, "Stored records that cannot be read; this answer may lack what they hold.")),
        ("damaged_fix", schema::text("What to do about it.")),
        ("damaged_not_shown", schema::count("How many more damaged records were left out.")),
    ]
}

/// Adds the properties for damaged records to those of an output schema.
pub fn describe(properties: &mut Value) {
    if let Value::Object(properties) = properties {
        properties.extend(described().map(|(name, schema)| (name.to_owned(), schema)));
    }
}
