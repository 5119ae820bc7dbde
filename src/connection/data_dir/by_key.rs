//! Which directory the keys of an environment lead to, when they rotate.
//!
//! The place of a server is named by what selects the account, and for keys in the environment that is the id of the key. A session's
//! keys are new ones every few hours, so by that alone each session would begin with an empty history and a server of its own.
//! STS tells which account and role a key belongs to, and that never changes for a key: what it told once is kept here.
//!
//! ```text
//! <state>/muster/by-key/<hash of key id and selection>   the hash of a principal, once STS has proved that the key is that principal's
//! <state>/muster/by-key/role-<hash of principal>         the name of that principal's directory
//! <state>/muster/<directory>/principal                   the hash of the principal whose directory it is
//! <state>/muster/<directory>/silent                      STS did not answer in time when a server with this key started last
//! ```
//!
//! - A principal is the ARN that STS answers, without the name of a role's session, with the endpoint and regions asked. So two roles,
//!   accounts or endpoints never share a directory, and all sessions of a role do.
//! - A key that STS has not proved yet uses its own place, named by itself. The first key of a principal makes its own place the
//!   principal's.
//! - A pointer counts only if the files agree. One that does not is ignored with a warning, and written anew once STS answers.
//! - A server serves every key of its principal: one that is started with a newer key offers it to the server, whose own may have
//!   expired. A key keeps to its own place while a server of its own runs there, which began before STS had answered.
//! - Hashes and a directory's name are all that is written: no key id, no secret, no ARN.
//! - Only the newest [`MAX_POINTERS`] pointers are kept. With an older one goes what its key left in a place of its own, unless
//!   that is a principal's directory or somebody uses it.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;

use xxhash_rust::xxh3::xxh3_128;

use super::DataDirError;
use crate::config::KeyPlace;
use crate::connection::lock::{self, Lock};

/// The most pointers that are kept: more than the hours for which AWS lets a session last (36).
pub const MAX_POINTERS: usize = 64;

/// The file of a directory that says whose it is.
const PRINCIPAL: &str = "principal";
/// The file of a key's own place that says that STS did not answer in time.
const SILENT: &str = "silent";
/// The most that is read of a file; what is written is much shorter.
const MAX_FILE: u64 = 4096;

/// Where the keys of `place` lead now: to the directory of their principal, if that is proved, else to their own place.
#[must_use]
pub fn resolve(place: &KeyPlace) -> PathBuf {
    match pointed(place) {
        Some(home) if home == place.own => home,
        // The lock of its own place is looked at last, so that a server which takes it is hardly ever disturbed.
        Some(home) if lock::probe(&place.own).is_ok() => home,
        _ => place.own.clone(),
    }
}

/// Where a server or a client belongs that was sent to `data_dir`: where its keys lead now, if they chose that directory.
#[must_use]
pub fn locate(data_dir: &Path, place: Option<&KeyPlace>) -> PathBuf {
    match place {
        Some(place) if data_dir == place.own || pointed(place).as_deref() == Some(data_dir) => resolve(place),
        _ => data_dir.to_owned(),
    }
}

/// Whether STS has proved whose the keys of `place` are.
#[must_use]
pub fn is_proved(place: &KeyPlace) -> bool {
    pointed(place).is_some()
}

/// Notes that STS says the keys of `place` are those of the user or role session `arn`, and gives where they lead now.
///
/// # Errors
/// [`DataDirError`] when the pointer cannot be written: then the keys keep to their own place.
pub fn prove(place: &KeyPlace, arn: &str) -> Result<PathBuf, DataDirError> {
    let Some(key) = name(&place.own) else { return Ok(place.own.clone()) };
    let principal = principal(place, arn);
    let pointers = place.pointers();
    super::prepare(&pointers)?;
    let role = pointers.join(format!("role-{principal}"));
    if home(place, &principal).is_none() {
        super::prepare(&place.own)?;
        // A directory has one principal for ever: the id of a key is never given to another one.
        write(&place.own.join(PRINCIPAL), &principal)?;
        write(&role, key)?;
    }
    write(&pointers.join(key), &principal)?;
    // It is not there as a rule; one that stays says nothing as long as there is the pointer.
    // Often there is none.
    drop(fs::remove_file(place.own.join(SILENT)));
    sweep(place);
    Ok(resolve(place))
}

/// Whether STS did not answer in time when a server with the keys of `place` started last.
#[must_use]
pub fn was_silent(place: &KeyPlace) -> bool {
    read(&place.own.join(SILENT)).is_some()
}

/// Notes that STS did not answer in time whose the keys of `place` are.
///
/// # Errors
/// [`DataDirError`] when that cannot be written.
pub fn note_silence(place: &KeyPlace) -> Result<(), DataDirError> {
    let Some(key) = name(&place.own) else { return Ok(()) };
    super::prepare(&place.own)?;
    write(&place.own.join(SILENT), key)
}

/// Whether `data_dir` is the directory of the user or role session `arn`, for the selection of `place`.
#[must_use]
pub fn belongs(data_dir: &Path, place: &KeyPlace, arn: &str) -> bool {
    read(&data_dir.join(PRINCIPAL)).is_some_and(|whose| whose == principal(place, arn))
}

/// The directory that the pointer of `place` leads to.
fn pointed(place: &KeyPlace) -> Option<PathBuf> {
    static TOLD: Once = Once::new();
    let pointer = place.pointers().join(name(&place.own)?);
    let principal = read(&pointer)?;
    let home = home(place, &principal);
    if home.is_none() {
        TOLD.call_once(|| tracing::warn!(pointer = %pointer.display(), "the pointer of this key leads nowhere, so it is ignored until STS says whose the key is"));
    }
    home
}

/// The directory of a principal, which says itself that it is.
fn home(place: &KeyPlace, principal: &str) -> Option<PathBuf> {
    if !is_hash(principal, 32) {
        return None;
    }
    let directory = read(&place.pointers().join(format!("role-{principal}")))?;
    let home = place.own.parent()?.join(Some(directory).filter(|name| is_hash(name, 16))?);
    (read(&home.join(PRINCIPAL))? == principal).then_some(home)
}

/// The hash of what STS and the selection say of a key, without the name of a role's session.
fn principal(place: &KeyPlace, arn: &str) -> String {
    let role = match arn.split_once(":assumed-role/") {
        Some((account, session)) => format!("{account}:assumed-role/{}", session.split('/').next().unwrap_or(session)),
        None => arn.to_owned(),
    };
    format!("{:032x}", xxh3_128(format!("{}\n{role}", place.selection).as_bytes()))
}

/// Forgets the oldest pointers, and removes what their keys left in places of their own.
fn sweep(place: &KeyPlace) {
    let entries = fs::read_dir(place.pointers()).into_iter().flatten().flatten();
    let mut pointers: Vec<_> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| is_hash(name, 16)))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    pointers.sort();
    let old = pointers.len().saturating_sub(MAX_POINTERS);
    for (_, pointer) in pointers.into_iter().take(old) {
        let own = place.own.with_file_name(name(&pointer).unwrap_or_default());
        let is_home = read(&own.join(PRINCIPAL)).is_some();
        let removed = if is_home { Ok(()) } else { remove(&own) };
        if let Err(error) = removed.and_then(|()| fs::remove_file(&pointer)) {
            tracing::debug!(pointer = %pointer.display(), %error, "an old pointer stays");
        }
    }
}

/// Removes the directory of a key that is in use no more. It is moved away under its lock first: nobody can lock a part of it.
fn remove(own: &Path) -> io::Result<()> {
    let away = own.with_extension("removed");
    // Who began this before may have ended in the middle.
    match fs::remove_dir_all(&away) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if !own.is_dir() {
        return Ok(());
    }
    let _lock = Lock::take(own).map_err(io::Error::other)?;
    fs::rename(own, &away)?;
    fs::remove_dir_all(away)
}

/// The name of a directory or pointer.
fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str().filter(|name| is_hash(name, 16))
}

fn is_hash(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The one line of a small file; `None` where there is none that can be read.
fn read(path: &Path) -> Option<String> {
    // Anything else could keep the reader waiting.
    if !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    fs::File::open(path).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
    text.strip_suffix('\n').map(str::to_owned)
}

/// Puts a file there as a whole or not at all.
fn write(path: &Path, line: &str) -> Result<(), DataDirError> {
    let draft = path.with_extension(format!("{}.draft", std::process::id()));
    let written =
        fs::File::create(&draft).and_then(|mut file| writeln!(file, "{line}")).and_then(|()| fs::rename(&draft, path));
    written.map_err(|source| super::unusable(path, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const READER: &str = "arn:aws:sts::111111111111:assumed-role/reader/session-1";

    fn place(root: &Path, key: u64) -> KeyPlace {
        KeyPlace { own: root.join(format!("{key:016x}")), selection: "0123456789abcdef".to_owned() }
    }

    fn arn(account: &str, role: &str, session: &str) -> String {
        format!("arn:aws:sts::{account}:assumed-role/{role}/{session}")
    }

    #[test]
    fn keys_of_one_role_lead_to_one_directory_and_those_of_others_never_do() {
        let root = tempfile::tempdir().unwrap();
        let places: Vec<KeyPlace> = (0..5).map(|key| place(root.path(), key)).collect();
        assert_eq!(resolve(&places[0]), places[0].own, "before STS said anything");
        assert_eq!(prove(&places[0], &arn("111111111111", "reader", "monday")).unwrap(), places[0].own);
        assert_eq!(resolve(&places[1]), places[1].own, "it is not proved yet");
        assert_eq!(prove(&places[1], &arn("111111111111", "reader", "tuesday")).unwrap(), places[0].own);
        assert_eq!(resolve(&places[1]), places[0].own);
        for (place, other) in [
            (&places[2], arn("111111111111", "writer", "monday")),
            (&places[3], arn("222222222222", "reader", "monday")),
            (&places[4], "arn:aws:iam::111111111111:user/reader".to_owned()),
        ] {
            assert_eq!(prove(place, &other).unwrap(), place.own, "{other}");
        }
    }

    #[test]
    fn the_same_role_at_another_endpoint_or_of_other_regions_has_another_directory() {
        let root = tempfile::tempdir().unwrap();
        let (one, mut other) = (place(root.path(), 1), place(root.path(), 2));
        other.selection = "fedcba9876543210".to_owned();
        assert_eq!(prove(&one, READER).unwrap(), one.own);
        assert_eq!(prove(&other, READER).unwrap(), other.own);
    }

    #[test]
    fn a_wrong_or_damaged_pointer_is_ignored_and_mended_by_the_next_proof() {
        let root = tempfile::tempdir().unwrap();
        let (first, second, stranger) = (place(root.path(), 1), place(root.path(), 2), place(root.path(), 3));
        prove(&first, READER).unwrap();
        prove(&second, READER).unwrap();
        prove(&stranger, &arn("222222222222", "reader", "x")).unwrap();
        let pointer = second.pointers().join(second.own.file_name().unwrap());
        let role = second.pointers().join(format!("role-{}", principal(&second, READER)));
        for (file, wrong) in
            [(&pointer, "../../etc\n"), (&pointer, "0"), (&pointer, ""), (&role, "..\n"), (&role, "0000000000000003\n")]
        {
            fs::write(file, wrong).unwrap();
            assert_eq!(resolve(&second), second.own, "{wrong:?} in {}", file.display());
            prove(&first, READER).unwrap();
            prove(&second, READER).unwrap();
            assert_eq!(resolve(&second), resolve(&first), "{wrong:?} in {}", file.display());
        }
        fs::remove_dir_all(resolve(&first)).unwrap();
        assert!(!is_proved(&second), "the directory is gone");
    }

    #[test]
    fn a_directory_that_is_served_with_another_key_of_its_principal_serves_this_one_too() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (place(root.path(), 1), place(root.path(), 2));
        prove(&first, READER).unwrap();
        let _lock = Lock::take(&first.own).unwrap();
        assert_eq!(prove(&second, READER).unwrap(), first.own);
        assert!(belongs(&first.own, &second, &READER.replace("session-1", "session-2")));
        assert!(!belongs(&first.own, &second, &arn("111111111111", "writer", "session-1")));
        assert!(!belongs(&second.own, &second, READER), "nothing is proved of that directory");
    }

    #[test]
    fn a_key_whose_server_began_in_its_own_place_keeps_to_it_while_that_runs() {
        let root = tempfile::tempdir().unwrap();
        let (first, second) = (place(root.path(), 1), place(root.path(), 2));
        prove(&first, READER).unwrap();
        fs::create_dir(&second.own).unwrap();
        let lock = Lock::take(&second.own).unwrap();
        assert_eq!(prove(&second, READER).unwrap(), second.own);
        assert_eq!(locate(&first.own, Some(&second)), second.own);
        drop(lock);
        assert_eq!(resolve(&second), first.own);
    }

    #[test]
    fn that_sts_was_silent_is_remembered_until_it_answers() {
        let root = tempfile::tempdir().unwrap();
        let place = place(root.path(), 1);
        assert!(!was_silent(&place));
        note_silence(&place).unwrap();
        assert!(was_silent(&place));
        prove(&place, READER).unwrap();
        assert!(!was_silent(&place));
    }

    #[test]
    fn what_a_crash_left_of_a_removal_goes_with_the_next_one() {
        let root = tempfile::tempdir().unwrap();
        let own = place(root.path(), 1).own;
        let away = own.with_extension("removed");
        for has_own in [true, false] {
            fs::create_dir_all(away.join("part")).unwrap();
            if has_own {
                fs::create_dir(&own).unwrap();
            }
            remove(&own).unwrap();
            assert!(!away.exists() && !own.exists());
        }
    }

    #[test]
    fn only_small_regular_files_are_read() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "line\n").unwrap();
        assert_eq!(read(&file).as_deref(), Some("line"));
        let link = root.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!((read(&link), read(root.path())), (None, None));
        fs::write(&file, format!("{}\n", "0".repeat(5000))).unwrap();
        assert_eq!(read(&file), None);
    }

    #[test]
    fn old_pointers_go_with_what_their_keys_left_and_no_principals_directory_does() {
        let root = tempfile::tempdir().unwrap();
        let home = prove(&place(root.path(), 0), READER).unwrap();
        let left = place(root.path(), 1);
        prove(&left, READER).unwrap();
        fs::create_dir(&left.own).unwrap();
        fs::write(left.own.join("muster.redb"), "a store").unwrap();
        for key in 2..200 {
            prove(&place(root.path(), key), READER).unwrap();
        }
        let pointers = fs::read_dir(left.pointers()).unwrap().count();
        assert!(pointers <= MAX_POINTERS + 1, "{pointers} files");
        assert!(home.is_dir() && !left.own.exists());
        assert_eq!(resolve(&place(root.path(), 199)), home);
    }

    #[test]
    fn nothing_that_is_written_holds_an_arn_or_a_key() {
        let root = tempfile::tempdir().unwrap();
        let place = place(root.path(), 7);
        prove(&place, READER).unwrap();
        let files = [root.path().to_owned(), place.pointers(), place.own.clone()].map(|dir| fs::read_dir(dir).unwrap());
        for file in files.into_iter().flatten().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
            let line = read(&file).unwrap();
            assert!(is_hash(&line, 16) || is_hash(&line, 32), "{line}");
        }
    }
}
