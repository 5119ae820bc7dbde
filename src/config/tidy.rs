//! Tidies the environment: removes blank variables and spaces, and expands paths.
//!
//! Clients fill their templates with nothing, with spaces, or with `~`. Muster, the SDK and their child processes read the variables
//! independently, so the process tidies them once, for all: it starts itself again with the tidied variables. (Changing the
//! environment of a running process is not safe.)

use std::collections::BTreeMap;

use super::path_expansion::{PathContext, expanded};
use super::placeholder::placeholder;

/// Variables that hold a path.
const PATHS: &[&str] = &[
    "MUSTER_DATA_DIR",
    "MUSTER_TOKEN_FILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Variables of AWS that the SDK reads and that are not part of the configuration. Other variables may contain `${..}`, as the
/// prompt of a shell does.
const OF_AWS: &[&str] = &[
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
];

/// Variables of the rules that narrow what tools may change, or who is let in. Neither a blank one nor a blank entry of one is removed,
/// so that it is refused: without the rule more would be allowed than whoever set it means.
pub const NARROWING: [&str; 8] = [
    "MUSTER_WRITE_TAG",
    "MUSTER_WRITE_ACCOUNT",
    "MUSTER_WRITE_REGION",
    "MUSTER_DENY_WRITE",
    "MUSTER_WRITE_CAP",
    "MUSTER_REQUIRE_HUMAN",
    "MUSTER_AUDIT_REQUIRED",
    "MUSTER_TOKEN_FILE",
];

/// The changes of an environment: `None` removes a variable.
pub type TidiedVariables = BTreeMap<String, Option<String>>;

/// Tidies `MUSTER_*` and `AWS_*` variables: a blank one is removed, and others lose spaces around them. In a path `~` and `$HOME`
/// are replaced, and a list loses blank entries. What is [`NARROWING`] keeps what is blank. Only variables that change are returned.
#[must_use]
pub fn tidy<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    is_list: &dyn Fn(&str) -> bool,
    known: PathContext<'_>,
) -> TidiedVariables {
    let ours = |name: &str| name.starts_with("MUSTER_") || name.starts_with("AWS_");
    let mended = variables.into_iter().filter(|(name, _)| ours(name)).map(|(name, value)| {
        let mut said = bare(value).to_owned();
        if is_list(name) {
            said = if NARROWING.contains(&name) { bare_entries(&said) } else { without_blanks(&said) };
        }
        if PATHS.contains(&name) {
            let path = bare(&expanded(&said, known)).to_owned();
            // A path that would change a second time is not understood; see [`unexpanded`](super::path_expansion::unexpanded).
            if expanded(&path, known) == path {
                said = path;
            }
        }
        (name.to_owned(), value, Some(said).filter(|said| !said.is_empty()))
    });
    let stays = |name: &str, said: &Option<String>| said.is_none() && NARROWING.contains(&name);
    let changed = mended.filter(|(name, value, said)| said.as_deref() != Some(value) && !stays(name, said));
    changed.map(|(name, _, said)| (name, said)).collect()
}

/// Finds the variables that hold a placeholder, with the placeholder. [`Config::merge`](super::Config::merge) checks those that
/// name the account and the region. Variables that are `is_overruled` by a flag are not checked.
#[must_use]
pub fn unfilled<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    is_overruled: &dyn Fn(&str) -> bool,
) -> Vec<(&'a str, &'a str)> {
    let read =
        |name: &str| name.starts_with("MUSTER_") || name.starts_with("AWS_ENDPOINT_URL_") || OF_AWS.contains(&name);
    let ours = |name: &str| read(name) && !is_overruled(name);
    let found = variables.into_iter().filter(|(name, _)| ours(name));
    found.filter_map(|(name, value)| Some((name, placeholder(value)?))).collect()
}

/// Returns `text` without spaces, line ends and byte order marks around it.
#[must_use]
pub fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{feff}' | '\u{200b}'))
}

/// Returns a list, separated by commas, without blank entries.
#[must_use]
pub fn without_blanks(list: &str) -> String {
    list.split(',').map(bare).filter(|entry| !entry.is_empty()).collect::<Vec<_>>().join(",")
}

/// Returns a list, separated by commas, without spaces around its entries. Blank entries stay, to be refused.
#[must_use]
pub fn bare_entries(list: &str) -> String {
    list.split(',').map(bare).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn tidied(variables: &[(&str, &str)]) -> TidiedVariables {
        let home = |user: Option<&str>| user.is_none().then(|| PathBuf::from("/home/me"));
        let variable = |name: &str| (name == "HOME").then(|| "/home/me".to_owned());
        let known = PathContext { variable: &variable, home: &home };
        tidy(variables.iter().copied(), &|name| ["MUSTER_INTERVAL", "MUSTER_DENY_WRITE"].contains(&name), known)
    }

    #[test]
    fn blank_variables_say_nothing_and_spaces_around_a_value_are_not_part_of_it() {
        let changes = tidied(&[
            ("AWS_REGION", ""),
            ("AWS_PROFILE", " \t\n"),
            ("MUSTER_ALLOW_WRITES", ""),
            ("MUSTER_HTTP", "\u{feff}"),
            ("AWS_DEFAULT_REGION", "us-east-1 "),
            ("AWS_SECRET_ACCESS_KEY", "secret\r\n"),
            ("MUSTER_INTERVAL", " instance=30s, ,vpc=1m,"),
            ("MUSTER_QUEUE_URL", "a,,b"),
            ("PATH", " "),
            ("AWS_MAX_ATTEMPTS", "3"),
        ]);
        let said = |name: &str| changes.get(name).map(Option::as_deref);
        for blank in ["AWS_REGION", "AWS_PROFILE", "MUSTER_ALLOW_WRITES", "MUSTER_HTTP"] {
            assert_eq!(said(blank), Some(None), "{blank}");
        }
        assert_eq!(said("AWS_DEFAULT_REGION"), Some(Some("us-east-1")));
        assert_eq!(said("AWS_SECRET_ACCESS_KEY"), Some(Some("secret")));
        assert_eq!(said("MUSTER_INTERVAL"), Some(Some("instance=30s,vpc=1m")));
        for untouched in ["PATH", "AWS_MAX_ATTEMPTS", "MUSTER_QUEUE_URL"] {
            assert_eq!(said(untouched), None, "{untouched}");
        }
    }

    #[test]
    fn what_narrows_writes_keeps_its_blanks_so_that_they_are_refused() {
        for kept in ["", " ", ",", "tag:Env=prod,", "tag:a,,tag:b"] {
            assert_eq!(tidied(&[("MUSTER_DENY_WRITE", kept)]), TidiedVariables::new(), "{kept}");
        }
        assert_eq!(tidied(&[("MUSTER_AUDIT_REQUIRED", ""), ("MUSTER_WRITE_CAP", " ")]), TidiedVariables::new());
        let changes = tidied(&[("MUSTER_DENY_WRITE", " tag:a , tag:b, ")]);
        assert_eq!(changes.get("MUSTER_DENY_WRITE"), Some(&Some("tag:a,tag:b,".to_owned())));
    }

    #[test]
    fn a_blank_file_of_tokens_stays_so_that_it_is_refused_and_a_path_of_one_leads_home() {
        for kept in ["", " ", "\t\n"] {
            assert_eq!(tidied(&[("MUSTER_TOKEN_FILE", kept)]), TidiedVariables::new(), "{kept:?}");
        }
        let changes = tidied(&[("MUSTER_TOKEN_FILE", " ~/tokens.toml ")]);
        assert_eq!(changes.get("MUSTER_TOKEN_FILE"), Some(&Some("/home/me/tokens.toml".to_owned())));
    }

    #[test]
    fn paths_in_variables_lead_to_the_home_directory() {
        let changes = tidied(&[("MUSTER_DATA_DIR", "~/m "), ("AWS_CONFIG_FILE", "$HOME/c"), ("AWS_PROFILE", "~/p")]);
        assert_eq!(changes.get("MUSTER_DATA_DIR"), Some(&Some("/home/me/m".to_owned())));
        assert_eq!(changes.get("AWS_CONFIG_FILE"), Some(&Some("/home/me/c".to_owned())));
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn a_placeholder_is_found_in_whatever_muster_or_the_sdk_reads() {
        let variables = [
            ("AWS_SESSION_TOKEN", "${input:token}"),
            ("MUSTER_AWS_SHARE", "<share>"),
            ("MUSTER_PROFILE", "<profile>"),
            ("AWS_ENDPOINT_URL_STS", "{{url}}"),
            ("AWS_PROMPT", "${x}"),
            ("PS1", "${x}"),
            ("AWS_CA_BUNDLE", "/ca.pem"),
        ];
        let found = unfilled(variables, &|name| name == "MUSTER_PROFILE");
        let named: Vec<&str> = found.into_iter().map(|(name, _)| name).collect();
        assert_eq!(named, ["AWS_SESSION_TOKEN", "MUSTER_AWS_SHARE", "AWS_ENDPOINT_URL_STS"]);
    }

    proptest! {
        /// Else the process would start itself again and again.
        #[test]
        fn what_is_tidy_stays_as_it_is(value in "[ ~$,{}/a-zHOME\u{feff}\n]{0,24}") {
            for name in ["MUSTER_DATA_DIR", "MUSTER_TOKEN_FILE", "MUSTER_INTERVAL", "MUSTER_DENY_WRITE", "AWS_PROFILE"] {
                if let Some(Some(said)) = tidied(&[(name, &value)]).get(name) {
                    prop_assert!(tidied(&[(name, said)]).is_empty(), "{name} {value:?} {said:?}");
                }
            }
        }
    }
}
