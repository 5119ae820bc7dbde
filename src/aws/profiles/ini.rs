//! Parses AWS's configuration files as the AWS CLI does.
//!
//! The CLI uses Python's `configparser`: settings and headers may be indented, `:` separates as well as `=`, whole lines can be
//! comments, and lines indented deeper than a setting continue it. The SDK's own parser refuses a whole file for most of that, and
//! treats a file with a byte order mark, or one that is not UTF-8, as empty. So the files are parsed here and given to the SDK in
//! the form that it accepts. A byte order mark, which the CLI refuses, is skipped.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::text::shown;

/// The two files: each has its own form of profile headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileKind {
    Config,
    Credentials,
}

/// Why a file cannot be read. It never quotes a setting, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IniFault {
    /// Counted from 1; `None` if it concerns the whole file.
    pub(super) line: Option<usize>,
    pub(super) what: String,
}

/// A setting and the line it starts on.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) line: usize,
    pub(super) value: String,
    /// Continuation lines, which belong to the value or are nested settings.
    further: Vec<String>,
}

impl fmt::Debug for Setting {
    /// Without the value, which may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a setting on line {}", self.line)
    }
}

/// The meaning of a section's header.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Profile(String),
    /// `sso-session` or `services`, with its name.
    Other(&'static str, String),
    /// A header that the CLI ignores.
    Ignored(String),
}

/// The sections of a file, each with the line of its first header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ini {
    pub(super) sections: BTreeMap<Section, (usize, BTreeMap<String, Setting>)>,
}

impl Ini {
    /// Reads a file's bytes.
    pub(super) fn parse(bytes: &[u8], kind: FileKind) -> Result<Ini, Vec<IniFault>> {
        let text = decoded(bytes).map_err(|fault| vec![fault])?;
        let (mut ini, mut faults) = (Ini::default(), Vec::new());
        let mut section: Option<Section> = None;
        let mut setting: Option<String> = None;
        let mut level = 0;
        for (number, line) in (1..).zip(lines(text)) {
            let said = line.trim();
            if said.is_empty() || said.starts_with(['#', ';']) {
                continue;
            }
            let indent = line.chars().take_while(|c| c.is_whitespace()).count();
            if let (Some(section), Some(name), true) = (&section, &setting, indent > level) {
                let below = ini.sections.get_mut(section).and_then(|(_, settings)| settings.get_mut(name));
                if let Some(below) = below {
                    if below.value.is_empty() && !said.contains('=') {
                        faults.push(IniFault::on(number, format!("a setting below `{}` has no `=`", shown(name, 60))));
                    }
                    below.further.push(said.to_owned());
                }
                continue;
            }
            level = indent;
            if let Some(rest) = said.strip_prefix('[') {
                setting = None;
                match rest.rsplit_once(']').map(|(header, _)| header) {
                    Some(header) if !header.trim().is_empty() => {
                        let named = Section::of(header, kind);
                        ini.sections.entry(named.clone()).or_insert_with(|| (number, BTreeMap::new()));
                        section = Some(named);
                    }
                    _ => {
                        let what = format!("the header `{}` is not of the form [{}]", shown(said, 60), kind.header());
                        faults.push(IniFault::on(number, what));
                        // The following lines belong to no known section.
                        section = Some(Section::Ignored(String::new()));
                    }
                }
                continue;
            }
            let Some(current) = &section else {
                faults.push(IniFault::on(
                    number,
                    format!("a setting precedes the first header, such as [{}]", kind.header()),
                ));
                continue;
            };
            let Some((name, value)) = said.split_once(['=', ':']).filter(|(name, _)| !name.trim().is_empty()) else {
                faults.push(IniFault::on(
                    number,
                    "it is neither a header nor a setting of the form name = value".to_owned(),
                ));
                setting = None;
                continue;
            };
            let name = name.trim().to_lowercase();
            let read = Setting { line: number, value: value.trim().to_owned(), further: Vec::new() };
            let (_, settings) = ini.sections.entry(current.clone()).or_insert_with(|| (number, BTreeMap::new()));
            settings.insert(name.clone(), read);
            setting = Some(name);
        }
        if faults.is_empty() { Ok(ini) } else { Err(faults) }
    }

    /// The settings of a profile.
    pub(super) fn profile(&self, name: &str) -> Option<&BTreeMap<String, Setting>> {
        self.sections.get(&Section::Profile(name.to_owned())).map(|(_, settings)| settings)
    }

    /// The line of a section with this name that is not a profile because the word `profile` is missing or superfluous.
    pub(super) fn mistaken(&self, name: &str) -> Option<usize> {
        let of = |section: &Section| matches!(section, Section::Ignored(header) if header.split_whitespace().last() == Some(name));
        self.sections.iter().find(|(section, _)| of(section)).map(|(_, (line, _))| *line)
    }

    /// The sections in the form that the SDK accepts. A setting without a value is omitted.
    pub(super) fn text(&self, kind: FileKind) -> String {
        let mut out = String::new();
        for (section, (_, settings)) in &self.sections {
            let header = match (section, kind) {
                (Section::Profile(name), FileKind::Config) if name != "default" => format!("profile {name}"),
                (Section::Profile(name), _) => name.clone(),
                (Section::Other(word, name), _) => format!("{word} {name}"),
                (Section::Ignored(_), _) => continue,
            };
            out.extend(["[", &header, "]\n"]);
            for (name, setting) in settings {
                if setting.value.is_empty() && setting.further.is_empty() {
                    continue;
                }
                out.extend([name, " = ", &setting.value, "\n"]);
                for line in &setting.further {
                    out.extend(["  ", line, "\n"]);
                }
            }
        }
        out
    }
}

impl Section {
    fn of(header: &str, kind: FileKind) -> Self {
        let header = header.trim();
        if kind == FileKind::Credentials {
            let is_of_config = header.starts_with("profile ") || header.starts_with("sso-session ");
            return if is_of_config {
                Section::Ignored(header.to_owned())
            } else {
                Section::Profile(header.to_owned())
            };
        }
        if header == "default" {
            return Section::Profile(header.to_owned());
        }
        let (word, name) = header.split_once(char::is_whitespace).unwrap_or((header, ""));
        // As in a shell, a name may be quoted.
        let name = name.trim();
        let quoted = ['"', '\''].iter().find_map(|quote| name.strip_prefix(*quote)?.strip_suffix(*quote));
        match (word, quoted.unwrap_or(name)) {
            (_, "") => Section::Ignored(header.to_owned()),
            ("profile", name) => Section::Profile(name.to_owned()),
            ("sso-session", name) => Section::Other("sso-session", name.to_owned()),
            ("services", name) => Section::Other("services", name.to_owned()),
            _ => Section::Ignored(header.to_owned()),
        }
    }
}

impl FileKind {
    /// The form of a header.
    fn header(self) -> &'static str {
        match self {
            FileKind::Config => "profile NAME",
            FileKind::Credentials => "NAME",
        }
    }
}

impl IniFault {
    fn on(line: usize, what: String) -> Self {
        IniFault { line: Some(line), what }
    }
}

/// The text of a file.
fn decoded(bytes: &[u8]) -> Result<&str, IniFault> {
    let is_wide = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    if is_wide || bytes.iter().take(64).any(|byte| *byte == 0) {
        return Err(IniFault { line: None, what: "it is UTF-16 or not text: save it as UTF-8".to_owned() });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        IniFault::on(line, "it holds a character that is not UTF-8: save the file as UTF-8".to_owned())
    })
}

/// The lines as Python splits them: at `
/// `, `\r
/// ` or `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(config: &str) -> String {
        Ini::parse(config.as_bytes(), FileKind::Config).unwrap().text(FileKind::Config)
    }

    fn faults(config: &[u8]) -> Vec<(Option<usize>, String)> {
        let faults = Ini::parse(config, FileKind::Config).unwrap_err();
        faults.into_iter().map(|fault| (fault.line, fault.what)).collect()
    }

    #[test]
    fn what_the_aws_cli_reads_becomes_what_the_sdk_reads() {
        let plain = "[profile dev]\noutput = json\nregion = us-east-1\n";
        for written in [
            plain,
            "\u{feff}[profile dev]\nregion = us-east-1\noutput = json\n",
            "[profile dev]\r\nregion = us-east-1\r\noutput=json\r\n",
            "[profile dev]\rregion=us-east-1\routput=json",
            "[profile dev]\n  region = us-east-1\n  output = json\n",
            "[profile dev]\n\tREGION: us-east-1\n\t# a comment\n\toutput: json\n",
            "  [profile dev]\nregion = us-east-1\n\n  ; a comment\noutput = json\nca_bundle =\n",
            "[profile \"dev\"] # mine\nregion = us-east-1\noutput = json\n[preview]\nx = y\n",
            "[ profile   dev ]\nregion = us-east-1\n[profile dev]\noutput = json",
        ] {
            assert_eq!(text(written), plain, "{written:?}");
        }
    }

    #[test]
    fn deeper_indented_lines_belong_to_the_setting_above() {
        let written =
            "[default]\n  s3 =\n    max_queue_size = 10\n    # a comment\n    use = x\n  region = eu-west-1\n";
        assert_eq!(text(written), "[default]\nregion = eu-west-1\ns3 = \n  max_queue_size = 10\n  use = x\n");
    }

    #[test]
    fn faults_are_reported_with_their_line_and_never_quoted() {
        let fault = |config: &[u8]| faults(config).remove(0);
        assert_eq!(fault(b"[default]\nregion = x\n[profile other\naws_secret_access_key = s3cret\n").0, Some(3));
        assert!(fault(b"[profile other\n").1.contains("[profile other"));
        assert_eq!(fault(b"\n\nregion = x\n").0, Some(3));
        let (line, what) = fault(b"[default]\naws_secret_access_key s3cret\n");
        assert!(line == Some(2) && !what.contains("s3cret"), "{what}");
        assert_eq!(fault(b"[default]\n= x\n").0, Some(2));
        assert_eq!(fault(b"[default]\ns3 =\n  nothing\n").0, Some(3));
        assert_eq!(fault(b"[default]\n# caf\xe9\n").0, Some(2));
        for wide in [&b"\xff\xfe[\0d\0"[..], b"\xfe\xff\0[\0d", b"[\0d\0e\0"] {
            assert!(fault(wide).1.contains("UTF-16"));
        }
        assert_eq!(faults(b"[default\n[profile x\n").len(), 2);
    }

    #[test]
    fn a_section_without_the_word_profile_is_not_a_profile() {
        let config = Ini::parse(b"[default]\n[corp]\nregion = x\n", FileKind::Config).unwrap();
        assert_eq!((config.profile("corp"), config.mistaken("corp")), (None, Some(2)));
        let credentials = Ini::parse(b"[profile corp]\n[dev]\na = b\n", FileKind::Credentials).unwrap();
        assert_eq!((credentials.profile("corp"), credentials.mistaken("corp")), (None, Some(1)));
        assert!(credentials.profile("dev").is_some());
    }
}
