//! Reads the settings of a configuration file with the flags of the same names, so that both take the same values.

use std::any::TypeId;
use std::error::Error;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, Command};

use crate::config::{
    AccessOptions, ConfigError, ConfigFault, ConfigFile, Environment, FileSetting, GivenFile, Interval, SettingValue,
    environment,
};
use crate::model::text::chain;

/// The flag that names the file, which the file cannot have.
const CONFIG: &str = "config";

/// A configuration file whose settings are read as the flags `F`.
#[derive(Debug)]
pub(super) struct ReadFile<F> {
    pub(super) file: ConfigFile,
    flags: PhantomData<F>,
}

/// The values that a key of a configuration file takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SettingForm {
    /// One text or number.
    One,
    /// Several.
    Several,
    /// `true` or `false`.
    Switch,
    /// `true`, `false`, one text, or several.
    SwitchOrSeveral,
    /// `true`, `false`, or one text.
    SwitchOrOne,
    /// A table of durations by kind.
    Intervals,
}

/// A key of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingKey {
    pub(super) key: String,
    pub(super) form: SettingForm,
    /// What the flag's help says of it, in a line.
    pub(super) about: String,
    /// The only values, if there are such.
    pub(super) values: Vec<String>,
}

/// The keys of a file whose settings are read as the flags `F`.
pub(super) fn keys<F: Args>() -> Vec<SettingKey> {
    let command = command::<F>();
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let keys = arguments.filter_map(|argument| {
        let long = argument.get_long().filter(|long| *long != CONFIG)?;
        let is_free = argument.get_value_parser().possible_values().is_none()
            || argument.get_value_parser().type_id() == TypeId::of::<bool>();
        let values = argument.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
        Some(SettingKey {
            key: long.replace('-', "_"),
            form: form(argument),
            about: argument.get_help().map(ToString::to_string).unwrap_or_default(),
            values: if is_free { Vec::new() } else { values.collect() },
        })
    });
    keys.collect()
}

impl<F: Args> ReadFile<F> {
    /// Reads a whole file.
    ///
    /// # Errors
    /// [`ConfigError::File`].
    pub(super) fn whole(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let known: Vec<String> = keys::<F>().into_iter().map(|key| key.key).collect();
        Ok(ReadFile { file: ConfigFile::read(path, environment, &known)?, flags: PhantomData })
    }

    /// Reads of a file only what these flags are, and what leads to its data directory. Where that cannot be read, what can be is
    /// returned with the error.
    pub(super) fn selecting(path: &Path, environment: &Environment) -> (Self, Option<ConfigError>) {
        let known: Vec<String> = keys::<F>().into_iter().map(|key| key.key).collect();
        let (file, fault) = ConfigFile::read_selecting(path, environment, &known);
        (ReadFile { file, flags: PhantomData }, fault)
    }

    /// The same file with this one of its settings alone.
    pub(super) fn with_only(mut self, key: &str) -> Self {
        self.file.settings.retain(|setting| setting.key == key);
        self
    }

    /// The flags that the settings are.
    ///
    /// # Errors
    /// [`ConfigError::File`], with every setting whose value its flag does not take.
    pub(super) fn flags(&self) -> Result<F, ConfigError> {
        let (mut words, mut faults) = (Vec::new(), Vec::new());
        for setting in &self.file.settings {
            match self.words(setting) {
                Ok(of_setting) => words.extend(of_setting),
                Err(what) => faults.push(fault(setting, what)),
            }
        }
        faults.sort_by_key(|fault: &ConfigFault| fault.place);
        if !faults.is_empty() {
            return Err(self.refused(faults));
        }
        parse(&words).map_err(|error| self.refused(vec![ConfigFault::of_all(said(&error))]))
    }

    /// The flags of each setting alone.
    pub(super) fn each(&self) -> impl Iterator<Item = (&FileSetting, F)> {
        self.file.settings.iter().filter_map(|setting| Some((setting, parse(&self.words(setting).ok()?).ok()?)))
    }

    /// An error of this file.
    pub(super) fn refused(&self, faults: Vec<ConfigFault>) -> ConfigError {
        ConfigError::File { path: self.file.path.clone(), faults }
    }

    /// What is known of the file, besides its settings. `named` are the flags that were given.
    pub(super) fn given(&self, named: impl IntoIterator<Item = String>) -> GivenFile {
        let ConfigFile { path, canonical, has_accounts, accounts, organization, issuers, grants, .. } =
            self.file.clone();
        let named = named.into_iter().collect();
        let access = AccessOptions { issuers, grants, ..AccessOptions::default() };
        GivenFile { path, canonical, has_accounts, accounts, organization, access, named, ..GivenFile::default() }
    }

    /// The arguments that a setting stands for, which its flag takes.
    fn words(&self, setting: &FileSetting) -> Result<Vec<String>, String> {
        let command = command::<F>();
        let argument = command.get_arguments().find(|known| known.get_long().is_some_and(|long| is_key(long, setting)));
        let argument = argument.ok_or("there is no such key")?;
        let long = argument.get_long().unwrap_or_default();
        let is_path = argument.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        let flag = |value: &str| {
            let value = if is_path { self.located(value) } else { value.to_owned() };
            format!("--{long}={value}")
        };
        let words = match (form(argument), &setting.value) {
            (SettingForm::Intervals, SettingValue::Table(table)) => {
                table.iter().map(|(kind, every)| flag(&format!("{kind}={every}"))).collect()
            }
            (SettingForm::Intervals, _) => {
                return Err(format!("it must be a table, such as {} = {{ instance = \"30s\" }}", setting.key));
            }
            (SettingForm::SwitchOrOne, SettingValue::Switch(false)) => Vec::new(),
            (SettingForm::SwitchOrOne, SettingValue::Switch(true)) => vec![format!("--{long}")],
            (SettingForm::Switch | SettingForm::SwitchOrSeveral, SettingValue::Switch(is_on)) => {
                vec![flag(&is_on.to_string())]
            }
            (SettingForm::Switch, _) => return Err("it must be true or false".to_owned()),
            (SettingForm::SwitchOrSeveral, SettingValue::List(values)) => vec![flag(&values.join(","))],
            (SettingForm::Several, SettingValue::List(values)) => values.iter().map(|value| flag(value)).collect(),
            (_, SettingValue::Text(value)) => vec![flag(value)],
            (_, SettingValue::Switch(_)) => return Err("it must be a text, in quotes".to_owned()),
            (_, SettingValue::List(_)) => return Err("it takes one value, not a list".to_owned()),
            (_, SettingValue::Table(_)) => return Err("it must not be a table".to_owned()),
        };
        match parse::<F>(&words) {
            Ok(_) => Ok(words),
            Err(error) => Err(said(&error)),
        }
    }

    /// A path in the file: relative ones are below its directory.
    fn located(&self, path: &str) -> String {
        let path = environment::expand(path);
        // What is left of a home directory that is not known is named later.
        let is_known = !path.starts_with(['~', '$']);
        let located = if is_known { self.file.directory().join(&path) } else { PathBuf::from(&path) };
        located.to_str().map(str::to_owned).unwrap_or(path)
    }
}

/// A fault of a setting.
pub(super) fn fault(setting: &FileSetting, what: String) -> ConfigFault {
    ConfigFault { place: Some(setting.place), key: Some(setting.key.clone()), what }
}

/// What is said of flags, said of the keys of a file.
pub(super) fn of_keys<F: Args>(text: &str) -> String {
    let mut longs: Vec<String> = keys::<F>().into_iter().map(|key| key.key).collect();
    longs.sort_by_key(|key| std::cmp::Reverse(key.len()));
    longs.iter().fold(text.to_owned(), |text, key| text.replace(&format!("--{}", key.replace('_', "-")), key))
}

fn is_key(long: &str, setting: &FileSetting) -> bool {
    long.replace('-', "_") == setting.key
}

/// The flags as a command line of their own, without variables.
fn command<F: Args>() -> Command {
    let line = Command::new("muster").no_binary_name(true).disable_help_flag(true).disable_version_flag(true);
    F::augment_args(line).mut_args(|argument| argument.env(Resettable::Reset))
}

fn parse<F: Args>(words: &[String]) -> Result<F, clap::Error> {
    let matches = command::<F>().try_get_matches_from(words)?;
    F::from_arg_matches(&matches)
}

/// The values that a flag takes in a file.
fn form(argument: &Arg) -> SettingForm {
    let of = argument.get_value_parser().type_id();
    let may_be_bare = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    if of == TypeId::of::<Interval>() {
        SettingForm::Intervals
    } else if of == TypeId::of::<bool>() {
        SettingForm::Switch
    } else if argument.get_value_delimiter().is_some() {
        SettingForm::Several
    } else if may_be_bare && argument.is_require_equals_set() {
        SettingForm::SwitchOrSeveral
    } else if may_be_bare {
        SettingForm::SwitchOrOne
    } else {
        SettingForm::One
    }
}

/// Why a flag does not take a value, without the name of the flag.
fn said(error: &clap::Error) -> String {
    if let Some(source) = error.source() {
        return chain(source);
    }
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    match (text(ContextKind::InvalidValue), text(ContextKind::ValidValue)) {
        (Some(given), Some(allowed)) => format!("`{given}` cannot be used: give one of {allowed}"),
        _ => error.render().to_string().lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}
