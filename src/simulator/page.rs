//! Paging: `MaxResults`, from 5 to 1000 for most actions, and a token that only the same request can use.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;

/// The part of a listing that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// The first position of the page. Positions never change, so without faults a walk shows each lasting item exactly
    /// once. AWS promises neither that an item is shown nor that it is shown only once; the `hide` fault leaves items
    /// out, and no fault repeats an item.
    pub(crate) from: u64,
    /// The most items on the page; `None` asks for all in one answer.
    pub(crate) limit: Option<usize>,
    /// A hash of what the token is tied to: the action and everything that chooses items.
    tie: u64,
    seed: u64,
}

impl Page {
    /// Reads `MaxResults` and `NextToken`. `ids` is the parameter that names resources and excludes paging; `chosen`
    /// are the parameters, besides filters, that the token is tied to. Because of `seed`, a token is invalid in other
    /// accounts.
    pub(crate) fn parse(params: &Params, ids: &str, chosen: &[&str], seed: u64) -> Result<Self, Refusal> {
        Self::within(params, ids, chosen, seed, (5, 1_000))
    }

    /// Like [`Page::parse`], with other bounds of `MaxResults`.
    pub(crate) fn within(
        params: &Params,
        ids: &str,
        chosen: &[&str],
        seed: u64,
        bounds: (i64, i64),
    ) -> Result<Self, Refusal> {
        let paged = params.get("MaxResults").is_some() || params.get("NextToken").is_some();
        if paged && params.get(&format!("{ids}.1")).is_some() {
            let set = if ids == "InstanceId" { "instancesSet".to_owned() } else { format!("{ids}s") };
            return Err(Refusal::invalid_combination(format!(
                "The parameter {set} cannot be used with the parameter maxResults"
            )));
        }
        let limit = params.get("MaxResults").map(|text| limit(text, bounds)).transpose()?;
        let tie = tie(params, chosen);
        let mut page = Self { from: 0, limit, tie, seed };
        if let Some(token) = params.get("NextToken") {
            page.from = page.open(token).ok_or_else(Refusal::invalid_token)?;
        }
        Ok(page)
    }

    /// The token of the page that begins at `position`.
    pub(crate) fn token(&self, position: u64) -> String {
        let mut bytes = Vec::with_capacity(24);
        bytes.extend(position.to_be_bytes());
        bytes.extend(self.tie.to_be_bytes());
        bytes.extend(xxh3_64_with_seed(&bytes, self.seed).to_be_bytes());
        STANDARD.encode(bytes)
    }

    fn open(&self, token: &str) -> Option<u64> {
        let bytes = STANDARD.decode(token).ok()?;
        let (position, _) = bytes.split_first_chunk::<8>()?;
        let position = u64::from_be_bytes(*position);
        (self.token(position) == token).then_some(position)
    }
}

fn limit(text: &str, (least, most): (i64, i64)) -> Result<usize, Refusal> {
    let refuse =
        |why: &str| Err(Refusal::invalid_value(format!("Value ( {text} ) for parameter maxResults is invalid. {why}")));
    match text.parse::<i64>() {
        Ok(n) if n < least => refuse(&format!("Expecting a value greater than {least}.")),
        Ok(n) if n > most => refuse(&format!("Expecting a value less than or equal to {most}.")),
        Ok(n) => Ok(usize::try_from(n).unwrap_or(usize::MAX)),
        Err(_) => refuse("Expecting an integer."),
    }
}

fn tie(params: &Params, chosen: &[&str]) -> u64 {
    let mut text = params.get("Action").unwrap_or_default().to_owned();
    for name in chosen {
        text.push('\n');
        text.push_str(params.get(name).unwrap_or_default());
    }
    for n in 1_u32.. {
        let Some(name) = params.get(&format!("Filter.{n}.Name")) else { break };
        text.push('\n');
        text.push_str(name);
        for value in params.list(&format!("Filter.{n}.Value")) {
            text.push('\t');
            text.push_str(value);
        }
    }
    xxh3_64_with_seed(text.as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Page, Refusal> {
        Page::parse(&Params::parse("", body.as_bytes()), "InstanceId", &[], 7)
    }

    fn with_token(body: &str, token: &str) -> Result<Page, Refusal> {
        let token: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
        parse(&format!("{body}&NextToken={token}"))
    }

    #[test]
    fn a_page_holds_from_5_to_1000_items() {
        assert_eq!(parse("").unwrap().limit, None);
        assert_eq!(parse("MaxResults=5").unwrap().limit, Some(5));
        for bad in ["4", "0", "-1", "1001", "many"] {
            let refusal = parse(&format!("MaxResults={bad}")).unwrap_err();
            assert_eq!(refusal.code, "InvalidParameterValue");
        }
        let refusal = parse("MaxResults=5&InstanceId.1=i-1").unwrap_err();
        assert_eq!(refusal.code, "InvalidParameterCombination");
    }

    #[test]
    fn a_token_serves_only_the_request_it_came_from() {
        let filtered = "Action=A&Filter.1.Name=n&Filter.1.Value.1=v";
        let token = parse(filtered).unwrap().token(42);
        assert_eq!(with_token(filtered, &token).unwrap().from, 42);
        for other in
            ["Action=A", "Action=B&Filter.1.Name=n&Filter.1.Value.1=v", "Action=A&Filter.1.Name=n&Filter.1.Value.1=w"]
        {
            assert_eq!(with_token(other, &token), Err(Refusal::invalid_token()));
        }
        assert_eq!(with_token(filtered, "bogus"), Err(Refusal::invalid_token()));
    }
}
