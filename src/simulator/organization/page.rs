//! Pages of at most 20 items, with tokens that only the same question can use.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::simulator::organization::question::{Answer, Question, refuse};
use crate::simulator::refusal::Refusal;

/// The most items of a page, and the number of items unless the call asks for fewer.
const MOST: i64 = 20;

/// The page of `items` that a call asks for, as the member `name` of its answer. Items are in the order of their keys, and a
/// page begins after the last key of the one before, so items that come and go in between move no others.
pub(super) fn page(question: &Question, name: &str, items: impl IntoIterator<Item = (String, Value)>) -> Answer {
    let most = question.max_results.unwrap_or(MOST);
    if !(1..=MOST).contains(&most) {
        return Err(refuse(
            "InvalidInputException",
            "You specified an invalid value: MaxResults must be from 1 to 20.",
        ));
    }
    let place = question.next_token.as_deref().map(|token| Place::read(question, name, token)).transpose()?;
    if let Some(place) = place.as_ref().filter(|place| place.pauses) {
        let next = Place { pauses: false, after: place.after.clone() }.token(question, name);
        return Ok(json!({ name: [], "NextToken": next }));
    }
    let mut items: Vec<(String, Value)> = items.into_iter().collect();
    items.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut left = items.into_iter().filter(|(key, _)| place.as_ref().is_none_or(|place| *key > place.after));
    let (mut shown, mut last) = (Vec::new(), String::new());
    for (key, item) in left.by_ref().take(usize::try_from(most).unwrap_or(1)) {
        last = key;
        shown.push(item);
    }
    let mut answer = json!({ name: shown });
    if let (Some(_), Some(members)) = (left.next(), answer.as_object_mut()) {
        let next = Place { pauses: place.is_none(), after: last };
        members.insert("NextToken".to_owned(), next.token(question, name).into());
    }
    Ok(answer)
}

/// Where a page begins.
struct Place {
    /// Whether the page is empty.
    pauses: bool,
    /// The key of the last item before.
    after: String,
}

impl Place {
    fn token(&self, question: &Question, name: &str) -> String {
        let mut text = tie(question, name);
        _ = write!(text, "\n{}\n{}", self.pauses, self.after);
        URL_SAFE_NO_PAD.encode(text)
    }

    fn read(question: &Question, name: &str, token: &str) -> Result<Self, Refusal> {
        let text = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let place = text.as_deref().and_then(|text| {
            let (pauses, after) = text.strip_prefix(&tie(question, name))?.strip_prefix('\n')?.split_once('\n')?;
            Some(Self { pauses: pauses == "true", after: after.to_owned() })
        });
        place.ok_or_else(|| refuse("InvalidInputException", "You specified an invalid value: NextToken is not valid."))
    }
}

/// What a token is tied to.
fn tie(question: &Question, name: &str) -> String {
    format!("{name}/{}/{}/{}", question.parent_id, question.child_id, question.resource_id)
}
