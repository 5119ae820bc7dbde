//! Reads `[[issuers]]` and `[[grants]]` of a configuration file: whose tokens are accepted over HTTP, and what they let see.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::account_entry::{AccountKey, KeyForm, key};
use super::reading::{Reading, Said, Spot, entries, entry, plain};
use crate::config::{account, regions};
use crate::kinds::{self, KINDS};
use crate::mcp::auth::IssuerPlan;
use crate::mcp::auth::issuer_plan::EVERYBODY;
use crate::mcp::auth::public_url::is_proved;
use crate::model::Region;
use crate::policy::{Grant, GrantBook, TagValues};

/// The key of the issuers.
pub const ISSUERS: &str = "issuers";
/// The key of the grants.
pub const GRANTS: &str = "grants";

/// The keys of an entry of `issuers`.
pub const ISSUER_KEYS: [AccountKey; 11] = [
    key("issuer", KeyForm::Text, "The URL of the issuer, as its tokens say it in iss"),
    key("jwks_uri", KeyForm::Text, "Where its keys are; where its metadata says without it"),
    key("audiences", KeyForm::Texts, "What a token must be for, in aud: one of these; public_url without it"),
    key("algorithms", KeyForm::Texts, "What tokens may be signed with; RS256 and ES256 without it"),
    key("types", KeyForm::Texts, "The types of token that are accepted: at+jwt, JWT; at+jwt without it"),
    key(
        "same_client",
        KeyForm::Switch,
        "Whether tokens may be for the client that got them, where clients and this server are one application; false without it",
    ),
    key("scope_claim", KeyForm::Text, "The claim with the scopes; scope, else scp without it"),
    key("scopes", KeyForm::Texts, "The scopes without which nobody is let in"),
    key("principal_claim", KeyForm::Text, "The claim with the name of whoever asks; sub without it"),
    key(
        "grant_claim",
        KeyForm::Text,
        "The claim whose values have grants, such as groups or realm_access.roles; the scopes without it",
    ),
    key(
        "grants",
        KeyForm::TextsByName,
        "Values of that claim, each with the names of grants; * stands for every token of the issuer",
    ),
];

/// The keys of an entry of `grants`.
pub const GRANT_KEYS: [AccountKey; 6] = [
    key("name", KeyForm::Text, "The name by which tokens and issuers refer to the grant; several of one name add up"),
    key("accounts", KeyForm::Texts, "The accounts that may be seen, by their numbers; all without it"),
    key("regions", KeyForm::Texts, "The regions that may be seen; all without it"),
    key("kinds", KeyForm::Texts, "The kinds that may be seen, such as instance; all without it"),
    key(
        "tags",
        KeyForm::TextsByName,
        "Tags that a resource must have to be seen, each with its values, in which * stands for any text",
    ),
    key("writes", KeyForm::Switch, "Whether tools may change it, as far as the server allows; false without it"),
];

/// Reads the entries about who is let in.
pub(super) struct AccessEntries<'r, 'a>(pub(super) &'r mut Reading<'a>);

impl AccessEntries<'_, '_> {
    /// Reads both lists.
    pub(super) fn read(&mut self, table: &DeTable<'_>) -> (Vec<IssuerPlan>, GrantBook) {
        let grants = self.each(table, GRANTS, Self::grant);
        let book = GrantBook::new(grants);
        let mut named = BTreeSet::new();
        let issuers = self.each(table, ISSUERS, |reader, table, span| {
            let plan = reader.issuer(table, span, &book)?;
            if !named.insert(plan.issuer.clone()) {
                let what = "it stands twice: give each issuer one entry, with all its audiences and grants";
                reader.fault(span, "issuers.issuer", what);
            }
            Some(plan)
        });
        (issuers, book)
    }

    fn each<T>(
        &mut self,
        table: &DeTable<'_>,
        list: &str,
        mut one: impl FnMut(&mut Self, &DeTable<'_>, &Range<usize>) -> Option<T>,
    ) -> Vec<T> {
        let Some(spot) = entry(table, list) else { return Vec::new() };
        let DeValue::Array(values) = spot.value else {
            let what = format!("it must be a list of tables: write [[{list}]] before each");
            self.0.fault(Some(spot.key_span), Some(list), &what);
            return Vec::new();
        };
        let mut read = Vec::new();
        for value in values {
            match value.get_ref() {
                DeValue::Table(table) => read.extend(one(self, table, &value.span())),
                _ => self.0.fault(Some(value.span()), Some(list), "each entry must be a table"),
            }
        }
        read
    }

    fn issuer(&mut self, table: &DeTable<'_>, span: &Range<usize>, book: &GrantBook) -> Option<IssuerPlan> {
        const PATH: &str = "issuers.";
        self.0.keys(table, PATH, &ISSUER_KEYS.map(|key| key.name));
        let Some((issuer, at)) = self.0.text(table, PATH, "issuer") else {
            if entry(table, "issuer").is_none() {
                self.0.fault(
                    Some(span.clone()),
                    Some("issuers.issuer"),
                    "there is no issuer: give its URL, as iss of its tokens",
                );
            }
            return None;
        };
        let usual = IssuerPlan::of(&issuer);
        let proved = "an issuer and its keys must be at an https URL, or at one of this machine";
        if !is_proved(&issuer) {
            self.fault(&at, "issuers.issuer", proved);
        }
        let jwks_uri = self.0.text(table, PATH, "jwks_uri");
        if let Some((_, at)) = jwks_uri.as_ref().filter(|(url, _)| !is_proved(url)) {
            self.fault(at, "issuers.jwks_uri", proved);
        }
        // Without any it is the URL of the server, which a flag may give: see `AccessOptions::plans`.
        let audiences = self.texts(table, PATH, "audiences").unwrap_or_default();
        let mut algorithms = Vec::new();
        for (name, at) in self.texts(table, PATH, "algorithms").unwrap_or_default() {
            if let Some(algorithm) = IssuerPlan::algorithm(&name) {
                algorithms.push(algorithm);
            } else {
                let what = format!("`{name}` cannot be used: give some of {}", IssuerPlan::algorithms().join(", "));
                self.fault(&at, "issuers.algorithms", &what);
            }
        }
        let set = |texts: Option<Vec<Said>>| texts.map(|texts| texts.into_iter().map(|(text, _)| text).collect());
        let types = self.texts(table, PATH, "types");
        let types = types.map(|types| types.iter().map(|(name, _)| IssuerPlan::token_type(Some(name))).collect());
        let grants = self.by_name(table, PATH, "grants");
        for (name, at) in grants.values().flatten().filter(|(name, _)| !book.has(name)) {
            let what = format!("there is no grant `{name}`: {}", known(&book.names()));
            self.fault(at, "issuers.grants", &what);
        }
        let grant_claim = self.text(table, PATH, "grant_claim");
        if grants.is_empty() {
            let what = format!(
                "there are no grants, so nobody of this issuer would see anything: write [issuers.grants] with values of the claim, \
                 or \"{EVERYBODY}\", each with the name of an entry of [[grants]]"
            );
            self.fault(span, "issuers.grants", &what);
        }
        Some(IssuerPlan {
            jwks_uri: jwks_uri.map(|(url, _)| url),
            audiences: audiences.into_iter().map(|(text, _)| text).collect(),
            algorithms: if algorithms.is_empty() { usual.algorithms } else { algorithms },
            types: types.unwrap_or(usual.types),
            same_client: self.switch(table, PATH, "same_client"),
            scope_claim: self.text(table, PATH, "scope_claim"),
            scopes: set(self.texts(table, PATH, "scopes")).unwrap_or_default(),
            principal_claim: self.text(table, PATH, "principal_claim").unwrap_or(usual.principal_claim),
            grant_claim,
            grants: grants
                .into_iter()
                .map(|(value, names)| (value, names.into_iter().map(|(name, _)| name).collect()))
                .collect(),
            issuer,
        })
    }

    fn grant(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<Grant> {
        const PATH: &str = "grants.";
        self.0.keys(table, PATH, &GRANT_KEYS.map(|key| key.name));
        let name = self.text(table, PATH, "name");
        if name.is_none() && entry(table, "name").is_none() {
            self.fault(span, "grants.name", "there is no name: give the one by which tokens and issuers refer to it");
        }
        let accounts = self.parsed(table, "accounts", |text| account::account(text).map_err(|error| error.to_string()));
        let regions = self.parsed(table, "regions", |text| {
            let is_known = regions::is_region(text);
            if is_known { Ok(Region::new(text)) } else { Err(format!("`{text}` is no region, such as eu-west-1")) }
        });
        let kinds = self.parsed(table, "kinds", |text| {
            let slugs: Vec<&str> = KINDS.iter().map(|spec| spec.slug).collect();
            let unknown = || format!("`{text}` is no kind: give some of {}", slugs.join(", "));
            kinds::by_slug(text).map(kinds::KindSpec::kind).ok_or_else(unknown)
        });
        let tags = self.by_name(table, PATH, "tags").into_iter();
        let tags = tags.map(|(key, values)| (key, TagValues::new(values.into_iter().map(|(value, _)| value))));
        let writes = self.switch(table, PATH, "writes");
        Some(Grant { name: name?.as_str().into(), accounts, regions, kinds, tags: tags.collect(), writes })
    }

    fn fault(&mut self, span: &Range<usize>, key: &str, what: &str) {
        self.0.fault(Some(span.clone()), Some(key), what);
    }

    /// Whether a key is there and says `true`.
    fn switch(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> bool {
        let Some(spot) = entry(table, key) else { return false };
        let given = spot.value.as_bool();
        if given.is_none() {
            self.fault(&spot.span, &format!("{path}{key}"), "it must be true or false");
        }
        given == Some(true)
    }

    fn text(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> Option<String> {
        self.0.text(table, path, key).map(|(text, _)| text)
    }

    /// The texts of a condition of a grant, each parsed. One that cannot be is named, and the condition stays, so that the grant does
    /// not become wider.
    fn parsed<T: Ord>(
        &mut self,
        table: &DeTable<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<BTreeSet<T>> {
        let texts = self.texts(table, "grants.", key)?;
        let mut parsed = BTreeSet::new();
        for (text, span) in texts {
            match parse(&text) {
                Ok(value) => drop(parsed.insert(value)),
                Err(what) => self.fault(&span, &format!("grants.{key}"), &what),
            }
        }
        Some(parsed)
    }

    /// The texts of a key: one, or a list.
    fn texts(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> Option<Vec<Said>> {
        let spot = entry(table, key)?;
        Some(self.texts_of(&spot, &format!("{path}{key}")))
    }

    fn texts_of(&mut self, spot: &Spot<'_, '_>, path: &str) -> Vec<Said> {
        let one = |value: &DeValue<'_>, span: Range<usize>| {
            let text = plain(value)?.trim().to_owned();
            (!text.is_empty()).then_some((text, span))
        };
        let texts: Option<Vec<Said>> = match spot.value {
            DeValue::Array(values) => values.iter().map(|value| one(value.get_ref(), value.span())).collect(),
            value => one(value, spot.span.clone()).map(|text| vec![text]),
        };
        match texts {
            Some(texts) if !texts.is_empty() => texts,
            _ => {
                self.fault(&spot.span, path, "it must be a text, or a list of texts that are not empty");
                Vec::new()
            }
        }
    }

    /// A table of texts, or lists of them, by name.
    fn by_name(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> BTreeMap<String, Vec<Said>> {
        let Some(spot) = entry(table, key) else { return BTreeMap::new() };
        let DeValue::Table(named) = spot.value else {
            let what = format!("it must be a table, such as {key} = {{ \"a name\" = [\"one\", \"two\"] }}");
            self.fault(&spot.span, &format!("{path}{key}"), &what);
            return BTreeMap::new();
        };
        let each = entries(named).map(|spot| {
            let texts = self.texts_of(&spot, &format!("{path}{key}.{}", spot.key));
            (spot.key.to_owned(), texts)
        });
        each.collect()
    }
}

fn known(names: &[&str]) -> String {
    if names.is_empty() {
        return "write a [[grants]] of this name".to_owned();
    }
    format!("there are {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigError, ConfigFile, Environment};
    use crate::model::Kind;

    const PAGE: &str = include_str!("../../cli/help/http-auth.md");

    fn read(text: &str) -> Result<ConfigFile, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("muster.toml");
        std::fs::write(&path, text).unwrap();
        let read = ConfigFile::read(&path, &Environment::of(&[], Some("/home/me")), &["public_url".to_owned()]);
        read.map_err(|error: ConfigError| error.to_string())
    }

    /// The examples of the page of help, which are indented.
    fn examples(with: &str) -> Vec<String> {
        let mut blocks = vec![String::new()];
        for line in PAGE.lines() {
            match line.strip_prefix("    ") {
                Some(line) => blocks.last_mut().unwrap().extend([line, "\n"]),
                None if line.is_empty() => blocks.last_mut().unwrap().push('\n'),
                None => blocks.push(String::new()),
            }
        }
        blocks.into_iter().filter(|block| block.contains(with)).collect()
    }

    #[test]
    fn every_example_of_the_page_of_help_can_be_used() {
        let [grants] = <[String; 1]>::try_from(examples("[[grants]]")).unwrap();
        let examples = examples("[[issuers]]");
        assert_eq!(examples.len(), 3);
        let plans: Vec<IssuerPlan> = examples
            .iter()
            .flat_map(|example| read(&format!("{example}\n{grants}")).unwrap_or_else(|error| panic!("{error}")).issuers)
            .collect();
        assert_eq!(plans.len(), 3);
        assert_eq!(plans[0].grants["OTHER-GROUP"].len(), 2);
        assert!(plans.iter().all(|plan| plan.types.contains("jwt") && !plan.audiences.is_empty()));
        let file = read(&grants).unwrap();
        assert_eq!(file.grants.names(), ["payments", "platform"]);
        let payments = file.grants.visibility(["payments"]);
        let [payments] = payments.grants().unwrap() else { panic!("{payments:?}") };
        assert!(payments.writes && payments.tags["team"].take("payments-eu") && !payments.tags["team"].take("search"));
        let kinds: Vec<&str> = payments.kinds.iter().flatten().map(Kind::as_str).collect();
        assert_eq!(kinds, ["AWS::EC2::Instance", "AWS::EC2::Volume"]);
    }

    #[test]
    fn an_issuer_without_more_has_the_usual_settings_and_names_no_audiences() {
        let grant = "[[grants]]\nname = \"all\"\n";
        let issuer = "[[issuers]]\nissuer = \"https://id.test\"\ngrants = { \"*\" = \"all\" }\n";
        let file = read(&format!("public_url = \"https://m.test/mcp\"\n{issuer}{grant}")).unwrap();
        let expected = IssuerPlan {
            grants: [("*".to_owned(), ["all".to_owned()].into())].into(),
            ..IssuerPlan::of("https://id.test")
        };
        assert_eq!(file.issuers, [expected]);
        // A flag may give the URL of the server.
        assert_eq!(read(&format!("{issuer}{grant}")).unwrap().issuers, file.issuers);
    }

    #[test]
    fn what_is_wrong_is_named_and_a_condition_that_cannot_be_read_makes_no_grant_wider() {
        let good = "issuer = \"https://id.test\"\naudiences = \"a\"\ngrants = { x = \"all\" }\n";
        let issuer = |more: &str| format!("[[grants]]\nname = \"all\"\n[[issuers]]\n{good}{more}");
        assert!(read(&issuer("")).is_ok());
        for (text, what) in [
            (issuer("algorithms = \"HS256\""), "`HS256` cannot be used: give some of RS256"),
            (issuer("algorithms = [\"none\"]"), "`none` cannot be used"),
            (issuer("jwks_uri = \"http://id.test/keys\""), "must be at an https URL"),
            (issuer("audience = \"b\""), "did you mean audiences?"),
            (issuer("scopes = []"), "list of texts"),
            (issuer("").replace("https://id", "http://id"), "must be at an https URL"),
            (issuer(&format!("[[issuers]]\n{good}")), "it stands twice"),
            (issuer("").replace("x = \"all\"", "x = \"gone\""), "there is no grant `gone`: there are all"),
            (issuer("").replace("grants = { x = \"all\" }", ""), "nobody of this issuer would see anything"),
            (issuer("").replace("issuer = \"https://id.test\"", ""), "there is no issuer"),
            ("issuers = 5".to_owned(), "write [[issuers]] before each"),
            ("[[grants]]\nname = \"a\"\naccounts = [\"1\"]".to_owned(), "is not an AWS account"),
            ("[[grants]]\nname = \"a\"\nregions = \"mars\"".to_owned(), "is no region"),
            ("[[grants]]\nname = \"a\"\nkinds = [\"bucket\"]".to_owned(), "is no kind"),
            ("[[grants]]\nname = \"a\"\nkinds = []".to_owned(), "list of texts"),
            ("[[grants]]\nname = \"a\"\ntags = \"x\"".to_owned(), "must be a table"),
            ("[[grants]]\nname = \"a\"\ntags = { x = [] }".to_owned(), "list of texts"),
            ("[[grants]]\nname = \"a\"\nwrites = \"yes\"".to_owned(), "true or false"),
            ("[[grants]]\naccounts = \"111122223333\"".to_owned(), "there is no name"),
        ] {
            let error = read(&text).unwrap_err();
            assert!(error.contains(what), "{text}\n{error}");
        }
    }
}
