//! AWS's configuration files: their paths, contents and faults.
//!
//! The files are read here and given to the SDK as text (see [`ini`]); that text is only kept in memory, and the SDK shows none of
//! it. A missing or inaccessible file counts as empty, as for the AWS CLI, and is named if something is missing because of it. A
//! file that cannot be understood is named as soon as anything in it is needed.

mod ini;
pub mod known;
pub mod stamps;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};

use self::ini::{FileKind, Ini};
use crate::model::text::shown;

/// The setting that names a role to assume.
pub(super) const ROLE: &str = "role_arn";
/// The setting that names its session.
pub(super) const ROLE_SESSION: &str = "role_session_name";

/// A fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    /// The file, with the line if the fault is on one.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// How serious it is.
    pub weight: Weight,
}

/// How serious a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The file counts as empty, so something may be missing.
    Missing,
    /// Calls that need the files are refused.
    Broken,
    /// All calls are refused.
    Always,
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// A file as it was read.
#[derive(Clone, Debug)]
struct Read {
    kind: FileKind,
    path: PathBuf,
    ini: Ini,
    faults: Vec<FileFault>,
}

/// Both files as they were read.
#[derive(Clone, Debug, Default)]
pub(super) struct Profiles {
    read: Vec<Read>,
    /// The profile in use.
    selected: String,
}

impl Profiles {
    /// Reads the files that the environment of this process names.
    pub(super) fn read(selected: &str) -> Self {
        let read = places().map(|(kind, path, variable)| {
            let bytes = std::fs::read(&path);
            Read::new(kind, path, variable, bytes)
        });
        Profiles { read: read.collect(), selected: selected.to_owned() }
    }

    /// The files in the SDK's form, where the role of the profile in use, if it has one, is assumed in a session of this name.
    pub(super) fn for_sdk_as(&self, session: Option<&str>) -> EnvConfigFiles {
        // It requires at least one.
        let mut files = EnvConfigFiles::builder().with_contents(EnvConfigFileKind::Config, "");
        for read in &self.read {
            let kind = match read.kind {
                FileKind::Config => EnvConfigFileKind::Config,
                FileKind::Credentials => EnvConfigFileKind::Credentials,
            };
            files = files.with_contents(kind, read.ini.text(read.kind));
        }
        if let Some(session) = session.filter(|_| self.setting(ROLE).is_some()) {
            // Of several settings with one name, the SDK takes the last one of this file.
            let section = format!("[{}]\n{ROLE_SESSION} = {session}\n", self.selected);
            files = files.with_contents(EnvConfigFileKind::Credentials, section);
        }
        files.build()
    }

    /// A setting of the profile in use.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        let settings = self.read.iter().filter_map(|read| read.ini.profile(&self.selected));
        let mut found = settings.filter_map(|settings| settings.get(name)).map(|setting| setting.value.as_str());
        found.find(|value| !value.is_empty())
    }

    /// All faults. A fault in the `region` of the profile matters only if `needs_region`.
    pub(super) fn faults(&self, needs_region: bool) -> Vec<FileFault> {
        let mut faults: Vec<FileFault> = self.read.iter().flat_map(|read| read.faults.iter().cloned()).collect();
        faults.extend(self.undefined());
        if needs_region {
            faults.extend(self.read.iter().filter_map(|read| read.region(&self.selected)));
        }
        faults
    }

    /// Why the profile in use is not defined, if a section with its name exists.
    fn undefined(&self) -> Option<FileFault> {
        if self.read.iter().any(|read| read.ini.profile(&self.selected).is_some()) {
            return None;
        }
        let name = &self.selected;
        let Some((read, line)) = self.read.iter().find_map(|read| Some((read, read.ini.mistaken(name)?))) else {
            return self.nonexistent();
        };
        let what = match read.kind {
            FileKind::Config => format!("the header of profile {name} has to be [profile {name}] in this file"),
            FileKind::Credentials => format!("the header of profile {name} has to be [{name}] in this file"),
        };
        Some(FileFault { place: read.place(Some(line)), what, weight: Weight::Missing })
    }
}

impl Profiles {
    /// Says that the files have no profile of the name that is selected. Nobody has to have the default profile.
    fn nonexistent(&self) -> Option<FileFault> {
        if self.selected == "default" || self.read.iter().any(|read| !read.faults.is_empty()) {
            return None;
        }
        let place = self.read.iter().map(|read| read.place(None)).collect::<Vec<_>>().join(" and ");
        let what = format!("there is no profile {}", shown(&self.selected, 100));
        (!place.is_empty()).then_some(FileFault { place, what, weight: Weight::Missing })
    }
}

/// The files that the environment of this process names, or the usual ones, each with the variable that names it.
fn places() -> impl Iterator<Item = (FileKind, PathBuf, Option<&'static str>)> {
    let files = [
        (FileKind::Config, "AWS_CONFIG_FILE", "config"),
        (FileKind::Credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
    ];
    files.into_iter().filter_map(|(kind, variable, name)| {
        let named = std::env::var(variable).ok().filter(|path| !path.trim().is_empty());
        let home = || Some(etcetera::home_dir().ok()?.join(".aws").join(name));
        let path = named.as_ref().map(|path| at_home(path)).or_else(home)?;
        Some((kind, path, named.map(|_| variable)))
    })
}

impl Read {
    /// `variable` is the environment variable that names the path, if any.
    fn new(kind: FileKind, path: PathBuf, variable: Option<&str>, bytes: io::Result<Vec<u8>>) -> Self {
        let mut read = Read { kind, path, ini: Ini::default(), faults: Vec::new() };
        let named = variable.map(|variable| format!(" ({variable} names it)")).unwrap_or_default();
        let whole = |read: &Read, what: String| FileFault { place: read.place(None), what, weight: Weight::Missing };
        match bytes.map(|bytes| Ini::parse(&bytes, kind)) {
            Ok(Ok(ini)) => read.ini = ini,
            Ok(Err(faults)) => {
                let faults = faults.into_iter().map(|fault| FileFault {
                    place: read.place(fault.line),
                    what: fault.what,
                    weight: Weight::Broken,
                });
                read.faults = faults.collect();
            }
            // No file is required.
            Err(error) if error.kind() == io::ErrorKind::NotFound && variable.is_none() => {}
            Err(error) => {
                let why = match error.kind() {
                    io::ErrorKind::NotFound => "it does not exist".to_owned(),
                    io::ErrorKind::IsADirectory => "it is a directory, not a file".to_owned(),
                    io::ErrorKind::PermissionDenied => {
                        "this user may not read it: allow it with chmod, or run as its owner".to_owned()
                    }
                    _ => format!("it cannot be read: {error}"),
                };
                read.faults = vec![whole(&read, why + &named)];
            }
        }
        read
    }

    fn place(&self, line: Option<usize>) -> String {
        let path = shown(&self.path.to_string_lossy(), 300);
        line.map_or_else(|| path.clone(), |line| format!("{path} line {line}"))
    }

    /// The fault of a profile's region, if any.
    fn region(&self, profile: &str) -> Option<FileFault> {
        let setting = self.ini.profile(profile)?.get("region")?;
        let is_region = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        // The SDK strips a comment after it.
        let value = setting.value.split([' ', '\t']).next().filter(|_| setting.value.contains([' ', '\t']));
        let rest = value.map(|value| setting.value.get(value.len()..).unwrap_or_default().trim_start());
        let value = match (value, rest) {
            (Some(value), Some(rest)) if rest.starts_with(['#', ';']) => value,
            _ => &setting.value,
        };
        let what =
            format!("the region of profile {profile} is `{}`, which is not the name of a region", shown(value, 60));
        let place = self.place(Some(setting.line));
        (!is_region(value)).then_some(FileFault { place, what, weight: Weight::Broken })
    }
}

/// `path` with `~` replaced; configuration files may contain it too.
pub(super) fn at_home(path: &str) -> PathBuf {
    match path.trim().strip_prefix("~/").zip(etcetera::home_dir().ok()) {
        Some((below, home)) => home.join(below),
        None => Path::new(path.trim()).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: FileKind, variable: Option<&str>, bytes: io::Result<&[u8]>) -> Read {
        Read::new(kind, "/home/me/.aws/config".into(), variable, bytes.map(<[u8]>::to_vec))
    }

    fn told(read: Read, profile: &str) -> Vec<String> {
        let profiles = Profiles { read: vec![read], selected: profile.to_owned() };
        profiles.faults(true).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_the_reason_and_the_variable() {
        let of = |kind: io::ErrorKind, variable| told(read(FileKind::Config, variable, Err(kind.into())), "default");
        assert_eq!(of(io::ErrorKind::NotFound, None), [""; 0]);
        for (kind, part) in [
            (io::ErrorKind::NotFound, "does not exist (AWS_CONFIG_FILE names it)"),
            (io::ErrorKind::IsADirectory, "is a directory"),
            (io::ErrorKind::PermissionDenied, "may not read it"),
            (io::ErrorKind::Other, "cannot be read"),
        ] {
            let said = of(kind, Some("AWS_CONFIG_FILE"));
            assert!(said[0].starts_with("/home/me/.aws/config: ") && said[0].contains(part), "{said:?}");
        }
        assert!(of(io::ErrorKind::PermissionDenied, None)[0].contains("may not read it"));
    }

    #[test]
    fn an_invalid_region_is_reported_with_its_line() {
        let of = |region: &str| {
            let text = format!("[profile corp]\nregion = {region}\n");
            told(read(FileKind::Config, None, Ok(text.as_bytes())), "corp")
        };
        for wrong in ["<region>", "${input:region}", "us-east-1,eu-west-1", "us east 1"] {
            assert!(of(wrong)[0].contains("config line 2: the region of profile corp is `"), "{:?}", of(wrong));
        }
        for right in ["us-east-1", "us-east-1 # home", "RegionOne", ""] {
            assert_eq!(of(right), [""; 0], "{right}");
        }
    }

    #[test]
    fn a_header_without_the_word_profile_is_reported_for_the_profile_in_use_only() {
        let said = told(read(FileKind::Config, None, Ok(b"[corp]\nregion = us-east-1\n")), "corp");
        assert!(said[0].contains("config line 1: the header of profile corp has to be [profile corp]"), "{said:?}");
        assert_eq!(told(read(FileKind::Config, None, Ok(b"[corp]\nregion = <x>\n")), "default"), [""; 0]);
    }

    #[test]
    fn a_profile_that_no_file_has_is_named_with_the_file() {
        let said = told(read(FileKind::Config, None, Ok(b"[profile corp]\nregion = us-east-1\n")), "crop");
        assert_eq!(said, ["/home/me/.aws/config: there is no profile crop"]);
        assert_eq!(told(read(FileKind::Config, None, Ok(b"[profile corp]\n")), "default"), [""; 0], "it is optional");
    }

    #[test]
    fn debug_output_of_the_files_for_the_sdk_shows_no_contents() {
        let text = b"[default]\naws_secret_access_key = s3cret\n";
        let profiles = Profiles { read: vec![read(FileKind::Credentials, None, Ok(text))], selected: "default".into() };
        assert!(!format!("{:?}", profiles.for_sdk_as(None)).contains("s3cret"));
    }
}
