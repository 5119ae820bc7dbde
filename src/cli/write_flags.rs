//! The flags that say what tools may change in AWS.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Args;
use clap::builder::BoolishValueParser;

use crate::mcp::tools::TOOLS;
use crate::policy::write_rule::{self, ADDS, RuleError};
use crate::policy::{DeniedTarget, WriteCap, WritePolicy, WriteRule};

/// What tools may change in AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(super) struct WriteFlags {
    /// Offer the tools that change AWS: all of them, only those that add something (`snapshot`), or those named
    ///
    /// Without it they do not exist. Several names are separated by commas. `muster help writes` says what they do and what
    /// they never do.
    #[arg(long, env = "MUSTER_ALLOW_WRITES", value_name = "TOOLS", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = allowed, hide_env_values = true)]
    allow_writes: Option<AllowedTools>,
    /// Change only instances that have this tag, such as mcp-managed=true (repeatable: all of them)
    ///
    /// Key and value are compared letter by letter.
    #[arg(long, env = "MUSTER_WRITE_TAG", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = write_rule::tag, hide_env_values = true)]
    write_tag: Vec<(String, String)>,
    /// Change only instances of this AWS account (repeatable: any of them)
    #[arg(long, env = "MUSTER_WRITE_ACCOUNT", value_name = "ACCOUNT", value_delimiter = ',', value_parser = write_rule::account, hide_env_values = true)]
    write_account: Vec<String>,
    /// Change only instances of this AWS region (repeatable: any of them)
    #[arg(long, env = "MUSTER_WRITE_REGION", value_name = "REGION", value_delimiter = ',', value_parser = write_rule::region, hide_env_values = true)]
    write_region: Vec<String>,
    /// Never change what has this tag, such as tag:Env=prod, or is account:ID, region:NAME, tool:NAME or instance:ID (repeatable)
    ///
    /// It takes precedence over everything that allows. tag:KEY means the key with any value.
    #[arg(long, env = "MUSTER_DENY_WRITE", value_name = "TARGET", value_delimiter = ',', value_parser = denied, hide_env_values = true)]
    deny_write: Vec<DeniedTarget>,
    /// Change at most so many different instances within a time, such as 20/1h (repeatable: all hold)
    ///
    /// The log counts, so that a new connection begins no new count. The time is at most 24h.
    #[arg(long, env = "MUSTER_WRITE_CAP", value_name = "COUNT/TIME", value_delimiter = ',', hide_env_values = true)]
    write_cap: Vec<WriteCap>,
    /// Refuse what needs a confirmation where the client cannot ask a person for it
    ///
    /// Without it such a client gets a token, with which it confirms the call itself. What needs no confirmation stays as it is.
    #[arg(long, env = "MUSTER_REQUIRE_HUMAN", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = BoolishValueParser::new(), hide_env_values = true)]
    require_human: Option<bool>,
}

/// Which tools that change AWS are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AllowedTools {
    None,
    All,
    Only(BTreeSet<String>),
}

/// A word that names no tool that changes AWS.
#[derive(Debug, thiserror::Error)]
#[error("`{word}` is no tool that changes AWS: {}", hint(*is_list))]
struct NoSuchTool {
    word: String,
    is_list: bool,
}

fn hint(is_list: bool) -> String {
    let names = tools().collect::<Vec<_>>().join(", ");
    if is_list { format!("give no value, `{ADDS}`, or some of {names}") } else { format!("give one of {names}") }
}

#[derive(Debug, thiserror::Error)]
enum DenialError {
    #[error(transparent)]
    Rule(#[from] RuleError),
    #[error(transparent)]
    Tool(#[from] NoSuchTool),
    #[error("`{0}` is not the id of an instance, in small letters: give for example instance:i-0123456789abcdef0")]
    Instance(String),
}

/// The values of a flag, or those of the file where there are none.
pub(super) fn given_or<T>(given: Vec<T>, file: Vec<T>) -> Vec<T> {
    if given.is_empty() { file } else { given }
}

/// The names of the tools that change AWS.
fn tools() -> impl Iterator<Item = &'static str> {
    TOOLS.iter().filter(|spec| spec.is_write()).map(|spec| spec.name)
}

fn allowed(text: &str) -> Result<AllowedTools, NoSuchTool> {
    let text = text.trim();
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" | "all" => return Ok(AllowedTools::All),
        "false" | "f" | "no" | "n" | "off" | "0" | "none" => return Ok(AllowedTools::None),
        _ => {}
    }
    let words: BTreeSet<String> = text.split(',').map(|word| word.trim().to_owned()).collect();
    match words.iter().find(|word| *word != ADDS && !tools().any(|tool| tool == *word)) {
        Some(word) => Err(NoSuchTool { word: word.clone(), is_list: true }),
        None => Ok(AllowedTools::Only(words)),
    }
}

/// Reads what is denied. A name that nothing has would deny nothing, so it is refused.
fn denied(text: &str) -> Result<DeniedTarget, DenialError> {
    let target: DeniedTarget = text.parse()?;
    match &target {
        DeniedTarget::Tool(name) if !tools().any(|tool| tool == name) => {
            Err(NoSuchTool { word: name.clone(), is_list: false }.into())
        }
        DeniedTarget::Instance(id) if !is_instance(id) => Err(DenialError::Instance(id.clone())),
        _ => Ok(target),
    }
}

/// Whether a text can be the id of an instance.
fn is_instance(id: &str) -> bool {
    let is_part = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    id.strip_prefix("i-").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(is_part))
}

impl WriteFlags {
    /// These flags, and those of a file where they are not given.
    pub(super) fn over(self, file: Self) -> Self {
        WriteFlags {
            allow_writes: self.allow_writes.or(file.allow_writes),
            write_tag: given_or(self.write_tag, file.write_tag),
            write_account: given_or(self.write_account, file.write_account),
            write_region: given_or(self.write_region, file.write_region),
            deny_write: given_or(self.deny_write, file.deny_write),
            write_cap: given_or(self.write_cap, file.write_cap),
            require_human: self.require_human.or(file.require_human),
        }
    }

    /// The policy that the flags give.
    pub(super) fn policy(&self) -> WritePolicy {
        WritePolicy::with(self.rules())
    }

    /// The rules that the flags give, in the order of the flags.
    fn rules(&self) -> Vec<WriteRule> {
        let tools = match &self.allow_writes {
            None | Some(AllowedTools::None) => WriteRule::Writes(false),
            Some(AllowedTools::All) => WriteRule::Writes(true),
            Some(AllowedTools::Only(tools)) => WriteRule::Tools(tools.clone()),
        };
        let set = |names: &[String]| Some(names.iter().cloned().collect::<BTreeSet<_>>()).filter(|set| !set.is_empty());
        let tags = self.write_tag.iter().map(|(key, value)| WriteRule::Tag { key: key.clone(), value: value.clone() });
        [tools]
            .into_iter()
            .chain(set(&self.write_account).map(WriteRule::Accounts))
            .chain(set(&self.write_region).map(WriteRule::Regions))
            .chain(tags)
            .chain(self.deny_write.iter().cloned().map(WriteRule::Deny))
            .chain(self.write_cap.iter().copied().map(WriteRule::Cap))
            .chain(self.require_human.filter(|is_required| *is_required).map(|_| WriteRule::Human))
            .collect()
    }

    /// The flags as arguments of a command line.
    pub(super) fn words(&self) -> Vec<OsString> {
        // A variable could demand it otherwise.
        let lifts = self.require_human == Some(false);
        let lifted = lifts.then(|| "--require-human=false".to_owned());
        flags(&self.rules()).chain(lifted).map(OsString::from).collect()
    }
}

/// The flags that give a policy to another process. Of one with a rule that cannot be read nothing is given, so that nothing is
/// allowed.
pub(super) fn words(policy: &WritePolicy) -> Vec<OsString> {
    let rules = policy.rules();
    if rules.iter().any(|rule| matches!(rule, WriteRule::Writes(false) | WriteRule::Unknown(_))) {
        return Vec::new();
    }
    flags(&rules).map(OsString::from).collect()
}

/// The flags that give these rules. Nothing is given by a rule that allows nothing or that cannot be read.
fn flags(rules: &[WriteRule]) -> impl Iterator<Item = String> {
    let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let has_tools = rules.iter().any(|rule| matches!(rule, WriteRule::Tools(_)));
    rules.iter().filter_map(move |rule| match rule {
        WriteRule::Writes(true) if !has_tools => Some("--allow-writes".to_owned()),
        // The audit file is given with flags of its own.
        WriteRule::Writes(_) | WriteRule::Unknown(_) | WriteRule::Audit => None,
        WriteRule::Tools(tools) => Some(format!("--allow-writes={}", list(tools))),
        WriteRule::Accounts(accounts) => Some(format!("--write-account={}", list(accounts))),
        WriteRule::Regions(regions) => Some(format!("--write-region={}", list(regions))),
        WriteRule::Tag { key, value } => Some(format!("--write-tag={key}={value}")),
        WriteRule::Deny(target) => Some(format!("--deny-write={target}")),
        WriteRule::Cap(cap) => Some(format!("--write-cap={cap}")),
        WriteRule::Human => Some("--require-human".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct WriteLine {
        #[command(flatten)]
        writes: WriteFlags,
    }

    fn flags(words: &[&str]) -> Result<WriteFlags, String> {
        let line = WriteLine::try_parse_from(["muster"].iter().chain(words));
        line.map(|line| line.writes).map_err(|error| error.to_string())
    }

    #[test]
    fn all_tools_are_allowed_or_none_or_some() {
        let policy = |words: &[&str]| flags(words).unwrap().policy();
        assert_eq!(policy(&[]), WritePolicy::of(false));
        for yes in ["--allow-writes", "--allow-writes=true", "--allow-writes=1", "--allow-writes=ALL"] {
            assert_eq!(policy(&[yes]), WritePolicy::of(true), "{yes}");
        }
        for no in ["--allow-writes=false", "--allow-writes=0", "--allow-writes=None"] {
            assert_eq!(policy(&[no]), WritePolicy::of(false), "{no}");
        }
        let only = |names: &[&str]| WriteRule::Tools(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(policy(&["--allow-writes=snapshot"]), WritePolicy::with([only(&["snapshot"])]));
        let some = ["--allow-writes=start_instance,stop_instance"];
        assert_eq!(policy(&some), WritePolicy::with([only(&["start_instance", "stop_instance"])]));
        for wrong in ["--allow-writes=perhaps", "--allow-writes=snapshot,stop", "--allow-writes=search_inventory"] {
            assert!(flags(&[wrong]).unwrap_err().contains("start_instance, stop_instance"), "{wrong}");
        }
    }

    #[test]
    fn flags_made_of_flags_are_the_same() {
        let given = [
            "--allow-writes=snapshot",
            "--write-tag=mcp-managed=true",
            "--write-tag=a:b=c=d:e",
            "--write-account=123456789012,210987654321",
            "--write-region=eu-west-1",
            "--deny-write=tag:Env=prod,tool:reboot_instance",
            "--deny-write=instance:i-0123456789abcdef0",
            "--write-cap=20/1h",
            "--write-cap=100/1d",
            "--require-human",
        ];
        let once = flags(&given).unwrap();
        let words = once.words();
        let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(flags(&words).unwrap(), once);
        assert_eq!(once.policy().rules().len(), 12);
        assert_eq!(once.policy().unknown(), Vec::<&str>::new());
        let lifted = flags(&["--allow-writes", "--require-human=false"]).unwrap();
        assert_eq!(lifted.policy(), WritePolicy::of(true), "a variable may say otherwise");
        for policy in [once.policy(), WritePolicy::of(true), WritePolicy::of(false)] {
            let words = super::words(&policy);
            let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(flags(&words).unwrap().policy(), policy, "{words:?}");
        }
        let later = WritePolicy::with([WriteRule::Unknown("quantum".to_owned())]);
        assert_eq!(
            super::flags(&later.rules()).collect::<Vec<_>>(),
            ["--allow-writes"],
            "the unknown rule gives no flag"
        );
        assert!(super::words(&later).is_empty(), "what cannot be passed on allows nothing");
    }

    #[test]
    fn a_rule_that_is_blank_or_names_nothing_is_refused() {
        for wrong in [
            "--write-tag=",
            "--write-tag=,",
            "--write-tag=Env",
            "--write-account=12",
            "--write-region=",
            "--deny-write=",
            "--deny-write=prod",
            "--deny-write=tool:stop_instances",
            "--deny-write=instance:web-1",
            "--deny-write=instance:i-",
            "--deny-write=instance:i-0123456789ABCDEF0",
            "--deny-write=instance:I-0123456789abcdef0",
            "--deny-write=region:EU-WEST-1",
            "--deny-write=tag: Env=prod",
            "--deny-write=tag:Env=prod,",
            "--deny-write=tag:Env=prod,,tag:Env=dev",
            "--write-region=EU-WEST-1",
            "--write-tag=Env= prod",
            "--write-tag=Env=prod,",
            "--write-cap=",
            "--write-cap=20",
        ] {
            assert!(flags(&[wrong]).is_err(), "{wrong}");
        }
    }
}
