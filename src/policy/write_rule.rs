//! The rules that narrow what tools may change.
//!
//! Each rule is a condition, and a change has to meet all of them: what one rule refuses no other can allow. So the order of rules
//! does not matter, and rules of two policies are put together by listing both.
//!
//! Keys and values of tags are compared letter by letter, as AWS does. Values may hold `=` and `:`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::model::text::shown;

/// The word for every tool that only adds something and interrupts nothing.
pub const ADDS: &str = "snapshot";

/// The tools that [`ADDS`] stands for.
pub const ADDING: [&str; 1] = ["create_snapshot"];

/// Whether a list of tools has one, by its name or by [`ADDS`].
#[must_use]
pub fn has_tool(tools: &BTreeSet<String>, tool: &str) -> bool {
    tools.contains(tool) || (ADDING.contains(&tool) && tools.contains(ADDS))
}

/// The longest window of a cap: as long as anything is kept about an action.
const MAX_WINDOW: Duration = Duration::from_hours(24);

/// A condition that a change has to meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WriteRule {
    /// Changes are allowed at all.
    Writes(bool),
    /// The tool is one of these, or only adds something where [`ADDS`] is one of them.
    Tools(BTreeSet<String>),
    /// The instance is in one of these accounts.
    Accounts(BTreeSet<String>),
    /// The instance is in one of these regions.
    Regions(BTreeSet<String>),
    /// The instance has this tag.
    Tag {
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: String,
    },
    /// The change is not one of these.
    Deny(DeniedTarget),
    /// No more than so many instances are changed.
    Cap(WriteCap),
    /// Where a call needs a confirmation, a person gives it, whom the client asks.
    Human,
    /// What tools do is in the audit file.
    Audit,
    /// A rule of this name that this version cannot read. Nothing meets it.
    Unknown(String),
}

/// What is never changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeniedTarget {
    /// Instances with this tag; with any value of the key where none is given.
    Tag {
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: Option<String>,
    },
    /// Instances of this account.
    Account(String),
    /// Instances of this region.
    Region(String),
    /// This tool.
    Tool(String),
    /// This instance.
    Instance(String),
}

/// The most different instances that are changed within a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WriteCap {
    /// How many.
    pub instances: usize,
    /// Within how long.
    pub window: Duration,
}

/// Why a text is not a rule.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// Nothing where a rule belongs. A rule that vanished would allow more.
    #[error("it is blank: give a value, or remove the flag or variable")]
    Blank,
    /// A tag that no instance has.
    #[error(
        "`{0}` has a blank before or after the key or the value of the tag, so that no tag would equal it: remove the blank"
    )]
    PaddedTag(String),
    /// No tag.
    #[error("`{0}` is not a tag: give KEY=VALUE, for example mcp-managed=true")]
    Tag(String),
    /// No target.
    #[error(
        "`{0}` names nothing that can be denied: give tag:KEY=VALUE, tag:KEY, account:ID, region:NAME, tool:NAME or instance:ID, for \
         example tag:Env=prod"
    )]
    Target(String),
    /// No cap.
    #[error("`{0}` is not a number of instances in a time of at most 24h: give for example 20/1h")]
    Cap(String),
    /// No account.
    #[error("`{0}` is not an AWS account: give its 12 digits, for example 123456789012")]
    Account(String),
    /// No region.
    #[error("`{0}` is not the name of a region, in small letters: give for example eu-central-1")]
    Region(String),
}

/// Reads `KEY=VALUE`, whose value may hold further `=`. An empty value is a value.
///
/// # Errors
/// [`RuleError::Tag`] without a `=` or a key, [`RuleError::PaddedTag`] with blanks around one of the two.
pub fn tag(text: &str) -> Result<(String, String), RuleError> {
    given(text)?;
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            if is_padded(key) || is_padded(value) {
                return Err(RuleError::PaddedTag(text.to_owned()));
            }
            Ok((key.to_owned(), value.to_owned()))
        }
        _ => Err(RuleError::Tag(text.to_owned())),
    }
}

/// Reads the number of an account.
///
/// # Errors
/// [`RuleError::Account`].
pub fn account(text: &str) -> Result<String, RuleError> {
    let number = given(text)?;
    let is_number = number.len() == 12 && number.bytes().all(|digit| digit.is_ascii_digit());
    if is_number { Ok(number.to_owned()) } else { Err(RuleError::Account(text.to_owned())) }
}

/// Reads the name of a region. An emulator may have regions of any name, though none with capital letters.
///
/// # Errors
/// [`RuleError::Region`] for what no name could be.
pub fn region(text: &str) -> Result<String, RuleError> {
    let name = given(text)?;
    let is_name = name.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-');
    if is_name { Ok(name.to_owned()) } else { Err(RuleError::Region(text.to_owned())) }
}

/// Whether a text has blanks around it. Tags are compared letter by letter, and AWS's have none there.
fn is_padded(text: &str) -> bool {
    let is_blank = |letter: char| letter.is_whitespace() || matches!(letter, '\u{feff}' | '\u{200b}');
    text.starts_with(is_blank) || text.ends_with(is_blank)
}

fn given(text: &str) -> Result<&str, RuleError> {
    Some(text.trim()).filter(|text| !text.is_empty()).ok_or(RuleError::Blank)
}

impl FromStr for DeniedTarget {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = || RuleError::Target(text.to_owned());
        given(text)?;
        let (what, of) = text.split_once(':').filter(|(_, of)| !of.trim().is_empty()).ok_or_else(wrong)?;
        Ok(match what.trim() {
            "tag" => match of.split_once('=') {
                Some(("", _)) => return Err(wrong()),
                Some((key, value)) if is_padded(key) || is_padded(value) => {
                    return Err(RuleError::PaddedTag(text.to_owned()));
                }
                None if is_padded(of) => return Err(RuleError::PaddedTag(text.to_owned())),
                Some((key, value)) => DeniedTarget::Tag { key: key.to_owned(), value: Some(value.to_owned()) },
                None => DeniedTarget::Tag { key: of.to_owned(), value: None },
            },
            "account" => DeniedTarget::Account(account(of)?),
            "region" => DeniedTarget::Region(region(of)?),
            "tool" => DeniedTarget::Tool(of.trim().to_owned()),
            "instance" => DeniedTarget::Instance(of.trim().to_owned()),
            _ => return Err(wrong()),
        })
    }
}

impl fmt::Display for DeniedTarget {
    /// Writes it as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeniedTarget::Tag { key, value: Some(value) } => write!(f, "tag:{key}={value}"),
            DeniedTarget::Tag { key, value: None } => write!(f, "tag:{key}"),
            DeniedTarget::Account(account) => write!(f, "account:{account}"),
            DeniedTarget::Region(region) => write!(f, "region:{region}"),
            DeniedTarget::Tool(tool) => write!(f, "tool:{tool}"),
            DeniedTarget::Instance(id) => write!(f, "instance:{id}"),
        }
    }
}

impl FromStr for WriteCap {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        given(text)?;
        let wrong = || RuleError::Cap(text.to_owned());
        let (instances, window) = text.split_once('/').ok_or_else(wrong)?;
        let instances = instances.trim().parse().map_err(|_| wrong())?;
        let window = window.trim().strip_suffix('d').map_or_else(
            || window.trim().parse::<jiff::SignedDuration>().ok(),
            |days| days.trim_end().parse().ok().map(|days: i64| jiff::SignedDuration::from_hours(days.min(999) * 24)),
        );
        let window = window.and_then(|window| Duration::try_from(window).ok()).ok_or_else(wrong)?;
        if window.as_millis() == 0 || window > MAX_WINDOW {
            return Err(wrong());
        }
        Ok(WriteCap { instances, window })
    }
}

impl fmt::Display for WriteCap {
    /// Writes it as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.window.as_millis();
        let (count, unit) = match millis {
            _ if millis.is_multiple_of(3_600_000) => (millis / 3_600_000, "h"),
            _ if millis.is_multiple_of(60_000) => (millis / 60_000, "m"),
            _ if millis.is_multiple_of(1_000) => (millis / 1_000, "s"),
            _ => (millis, "ms"),
        };
        write!(f, "{}/{count}{unit}", self.instances)
    }
}

impl fmt::Display for WriteRule {
    /// Writes it as the flag that gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        match self {
            WriteRule::Writes(_) => f.write_str("--allow-writes"),
            WriteRule::Tools(tools) => write!(f, "--allow-writes={}", listed(tools)),
            WriteRule::Accounts(accounts) => write!(f, "--write-account {}", listed(accounts)),
            WriteRule::Regions(regions) => write!(f, "--write-region {}", listed(regions)),
            WriteRule::Tag { key, value } => write!(f, "--write-tag {key}={value}"),
            WriteRule::Deny(target) => write!(f, "--deny-write {target}"),
            WriteRule::Cap(cap) => write!(f, "--write-cap {cap}"),
            WriteRule::Human => f.write_str("--require-human"),
            WriteRule::Audit => f.write_str("--audit-required"),
            WriteRule::Unknown(name) => write!(f, "the rule `{}`", shown(name, 60)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_cap_read_back_as_they_are_written() {
        for text in [
            "tag:Env=prod",
            "tag:Env=",
            "tag:protected",
            "tag:a=b=c:d",
            "tag:aws:autoscaling:groupName=web",
            "account:123456789012",
            "region:eu-west-1",
            "tool:stop_instance",
            "instance:i-1",
        ] {
            assert_eq!(text.parse::<DeniedTarget>().unwrap().to_string(), text);
        }
        for text in ["20/1h", "0/24h", "1/90s", "5/1500ms"] {
            assert_eq!(text.parse::<WriteCap>().unwrap().to_string(), text);
        }
        assert_eq!("3/1d".parse::<WriteCap>().unwrap().to_string(), "3/24h");
        assert_eq!(tag("a=b=c:d").unwrap(), ("a".to_owned(), "b=c:d".to_owned()));
        assert_eq!(tag("a=").unwrap(), ("a".to_owned(), String::new()), "AWS has empty values");
    }

    #[test]
    fn what_is_no_rule_is_refused_with_an_example() {
        for blank in ["", " \t"] {
            assert_eq!(tag(blank), Err(RuleError::Blank));
            assert_eq!(account(blank), Err(RuleError::Blank));
            assert_eq!(region(blank), Err(RuleError::Blank));
            assert_eq!(blank.parse::<DeniedTarget>(), Err(RuleError::Blank));
            assert_eq!(blank.parse::<WriteCap>(), Err(RuleError::Blank));
        }
        for wrong in ["Env", "=prod"] {
            assert!(tag(wrong).unwrap_err().to_string().contains("mcp-managed=true"), "{wrong}");
        }
        for wrong in ["prod", "tag:", "tag:=x", "name:x", "instance:", "Env=prod"] {
            assert!(wrong.parse::<DeniedTarget>().unwrap_err().to_string().contains("tag:Env=prod"), "{wrong}");
        }
        for wrong in ["20", "20/", "/1h", "-1/1h", "20/25h", "20/0s", "20/2d", "x/1h", "20/1"] {
            assert!(wrong.parse::<WriteCap>().unwrap_err().to_string().contains("20/1h"), "{wrong}");
        }
        for padded in
            ["tag: Env=prod", "tag:Env =prod", "tag:Env= prod", "tag:Env=prod\u{a0}", "tag: Env", "tag:Env=\u{200b}"]
        {
            let expected = RuleError::PaddedTag(padded.to_owned());
            assert_eq!(padded.parse::<DeniedTarget>(), Err(expected), "no tag would equal it");
        }
        for padded in [" Env=prod", "Env =prod", "Env= prod", "Env=prod "] {
            assert_eq!(tag(padded), Err(RuleError::PaddedTag(padded.to_owned())));
        }
        assert_eq!(tag("Env=a b").unwrap().1, "a b");
        assert!(account("12345").is_err() && region("eu west").is_err() && region("EU-WEST-1").is_err());
        assert!("account:prod".parse::<DeniedTarget>().is_err() && "region:a b".parse::<DeniedTarget>().is_err());
    }
}
