//! The flags of a server in a form that can be compared, sent and changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::shell_word;

/// Flags with their values. A flag that takes no value has none, and one that is given several times has several.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlagSet(BTreeMap<String, Vec<String>>);

/// A flag whose value a client asks for otherwise than its server has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlagDifference {
    /// The flag, such as `--list`.
    pub flag: String,
    wanted: Vec<String>,
    running: Vec<String>,
}

impl FlagSet {
    /// Reads flags out of the arguments of a command line. What is no flag and no flag's value is left out.
    pub fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut flags: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for part in parts(words) {
            if let CommandPart::Flag { name, value, .. } = part {
                flags.entry(name).or_default().extend(value);
            }
        }
        FlagSet(flags)
    }

    /// Those of these flags that `named` has as well, whatever their values are there.
    #[must_use]
    pub fn only(mut self, named: &FlagSet) -> Self {
        self.0.retain(|flag, _| named.0.contains_key(flag));
        self
    }

    /// These flags without some.
    #[must_use]
    pub fn without(mut self, flags: &[&str]) -> Self {
        self.0.retain(|flag, _| !flags.contains(&flag.as_str()));
        self
    }

    /// Which of these flags have other values in `running`.
    #[must_use]
    pub fn differing(&self, running: &FlagSet) -> Vec<FlagDifference> {
        let values = |of: &FlagSet, flag: &str| {
            let mut values = of.0.get(flag).cloned().unwrap_or_default();
            values.sort();
            values
        };
        let all = self.0.keys().map(|flag| FlagDifference {
            flag: flag.clone(),
            wanted: values(self, flag),
            running: values(running, flag),
        });
        all.filter(|one| one.wanted != one.running).collect()
    }

    /// The flags as arguments.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        self.0.iter().flat_map(|(flag, values)| given(flag, values)).collect()
    }
}

impl FlagDifference {
    /// The arguments that give the flag the value that the client asks for.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        given(&self.flag, &self.wanted)
    }

    /// Says how the values differ.
    #[must_use]
    pub fn said(&self) -> String {
        let shown = |values: &[String]| match values {
            [] => "unset".to_owned(),
            values => shell_word::command_line(values.iter().map(String::as_str)),
        };
        format!("{} is {} at the running server, not {}", self.flag, shown(&self.running), shown(&self.wanted))
    }
}

/// The arguments of a command with some of its flags replaced by those in `by`.
#[must_use]
pub fn replaced(arguments: &[String], by: &[String]) -> Vec<String> {
    let new = FlagSet::of(by.iter().map(String::as_str));
    let kept = parts(arguments.iter().map(String::as_str)).into_iter().filter_map(|part| match part {
        CommandPart::Word(word) => Some(vec![word]),
        CommandPart::Flag { name, .. } if new.0.contains_key(&name) => None,
        CommandPart::Flag { words, .. } => Some(words),
    });
    kept.flatten().chain(by.iter().cloned()).collect()
}

fn given(flag: &str, values: &[String]) -> Vec<String> {
    match values {
        [] => vec![flag.to_owned()],
        values => values.iter().flat_map(|value| [flag.to_owned(), value.clone()]).collect(),
    }
}

/// A part of a command line.
enum CommandPart {
    Word(String),
    Flag { name: String, value: Option<String>, words: Vec<String> },
}

/// The parts of a command line. The word after a flag is its value, unless it is a flag itself.
fn parts<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<CommandPart> {
    let mut parts = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if !word.starts_with("--") {
            parts.push(CommandPart::Word(word.to_owned()));
        } else if let Some((name, value)) = word.split_once('=') {
            let value = Some(value.to_owned());
            parts.push(CommandPart::Flag { name: name.to_owned(), value, words: vec![word.to_owned()] });
        } else {
            let value = words.next_if(|next| !next.starts_with("--")).map(str::to_owned);
            let all = [Some(word.to_owned()), value.clone()].into_iter().flatten().collect();
            parts.push(CommandPart::Flag { name: word.to_owned(), value, words: all });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(line: &str) -> FlagSet {
        FlagSet::of(line.split_whitespace())
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn only_flags_that_were_asked_for_and_differ_are_named() {
        let running = set("--interval a=1 --interval b=2 --list auto --events muster");
        assert_eq!(set("--interval b=2 --interval=a=1 --list auto").differing(&running), []);
        let differing = set("--list all --profile dev").differing(&running);
        let said: Vec<String> = differing.iter().map(FlagDifference::said).collect();
        assert_eq!(
            said,
            ["--list is auto at the running server, not all", "--profile is unset at the running server, not dev"]
        );
        assert_eq!(differing[0].words(), words("--list all"));
    }

    #[test]
    fn a_replaced_flag_loses_all_its_values_and_everything_else_stays() {
        let own = words("--log debug serve --detached --interval a=1 --list=auto --interval b=2 --allow-writes");
        let expected = words("--log debug serve --detached --list=auto --allow-writes --interval a=9");
        assert_eq!(replaced(&own, &words("--interval a=9")), expected);
        assert_eq!(replaced(&own, &[]), own);
    }

    #[test]
    fn a_set_can_be_narrowed_and_read_back() {
        let all = set("--list auto --events --interval a=1 --data-dir /d");
        let narrowed = all.clone().without(&["--data-dir"]).only(&set("--list all --events x"));
        assert_eq!(narrowed, set("--list auto --events"));
        assert_eq!(FlagSet::of(all.words().iter().map(String::as_str)), all);
    }
}
