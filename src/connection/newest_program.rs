//! The newest program that served a data directory: where it is, and of which version.
//!
//! An upgrade leaves programs of both versions running for a while. An older front end that has to start a server starts the newest
//! program, so that a store never goes back to an older version by chance.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::version;

/// The name of the file in the data directory.
const FILE: &str = "program.json";
/// The most that is read of it.
const MAX_FILE: u64 = 16 << 10;

/// A program that served a data directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewestProgram {
    /// Its version.
    pub version: String,
    /// Where it is.
    pub path: PathBuf,
}

impl NewestProgram {
    /// Reads what `data_dir` says; `None` where it says nothing that can be read.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let path = data_dir.join(FILE);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
        let text = fs::read(path).ok().filter(|_| is_small)?;
        serde_json::from_slice(&text).ok()
    }

    /// Writes it to `data_dir`, whose server is to be this process: where a person started it they decided on the version, and else
    /// only a newer one counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note(&self, data_dir: &Path, is_decided: bool) -> io::Result<()> {
        let known = NewestProgram::read(data_dir);
        let is_older = known.as_ref().is_some_and(|known| version::is_newer(&known.version, &self.version));
        if known.as_ref() == Some(self) || (is_older && !is_decided) {
            return Ok(());
        }
        let draft = data_dir.join(format!("{FILE}.{}", std::process::id()));
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft);
        file?.write_all(&serde_json::to_vec(self)?)?;
        fs::rename(draft, data_dir.join(FILE))
    }

    /// Why it is not to be started for the user of `data_dir`, as the end of a sentence about it; `None` where nothing is in the way.
    #[must_use]
    pub fn obstacle(&self, data_dir: &Path) -> Option<String> {
        if !self.path.is_file() {
            return Some("is not there any more".to_owned());
        }
        // Who may write one of them decides which program runs.
        let program = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        let places = [data_dir, &data_dir.join(FILE), &program];
        let places = places.into_iter().chain(program.parent());
        let open = places.into_iter().find(|place| !is_trusted(place))?;
        Some(format!("is not started because another user may write {}", open.display()))
    }

    /// Whether it is newer than this program.
    #[must_use]
    pub fn is_newer(&self) -> bool {
        version::is_newer(&self.version, version::current())
    }
}

/// Whether only this user and root may write `place`.
fn is_trusted(place: &Path) -> bool {
    let me = rustix::process::geteuid().as_raw();
    place.metadata().is_ok_and(|found| {
        // A user's own group has the user's number, and nobody else in it.
        let others = if found.gid() == me { 0o002 } else { 0o022 };
        [me, 0].contains(&found.uid()) && found.mode() & others == 0
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(version: &str) -> NewestProgram {
        NewestProgram { version: version.to_owned(), path: PathBuf::from("/opt").join(version) }
    }

    #[test]
    fn an_older_program_counts_only_where_a_person_decided_on_it() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(NewestProgram::read(dir.path()), None);
        let (old, new) = (program("0.1.0"), program("0.2.0"));
        for (noted, is_decided, known) in
            [(&old, false, &old), (&new, false, &new), (&old, false, &new), (&old, true, &old)]
        {
            noted.note(dir.path(), is_decided).unwrap();
            assert_eq!(NewestProgram::read(dir.path()).as_ref(), Some(known));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft stays");
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{}", "{\"version\":1}"] {
            fs::write(dir.path().join(FILE), text).unwrap();
            assert_eq!(NewestProgram::read(dir.path()), None);
        }
        program("0.1.0").note(dir.path(), false).unwrap();
        assert_eq!(NewestProgram::read(dir.path()), Some(program("0.1.0")));
    }

    #[test]
    fn a_program_is_started_only_where_nobody_else_could_have_chosen_or_changed_it() {
        let dir = tempfile::tempdir().unwrap();
        let named = NewestProgram { version: "99.0.0".to_owned(), path: dir.path().join("muster") };
        named.note(dir.path(), false).unwrap();
        let mode = |name: &str| fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777;
        assert_eq!(mode(FILE), 0o600);
        assert_eq!(named.obstacle(dir.path()).as_deref(), Some("is not there any more"));
        fs::write(&named.path, "").unwrap();
        let set =
            |name: &str, mode| fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
        set("muster", 0o755);
        assert_eq!(named.obstacle(dir.path()), None);
        for (name, open, private) in [("muster", 0o757, 0o755), (FILE, 0o602, 0o600), (".", 0o703, 0o700)] {
            set(name, open);
            assert!(named.obstacle(dir.path()).unwrap().contains("another user may write"), "{name}");
            set(name, private);
            assert_eq!(named.obstacle(dir.path()), None);
        }
    }
}
