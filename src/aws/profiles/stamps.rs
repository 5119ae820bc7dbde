//! Which state AWS's configuration files and logins are in, without reading them.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::places;

/// Where `aws sso login` and `aws login` keep what they get, below the home directory.
const LOGINS: [&str; 2] = [".aws/sso/cache", ".aws/login/cache"];
/// How many files of each are looked at.
const MOST: usize = 100;

/// The size of each file and when it last changed; `None` where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileStamps(Vec<(PathBuf, Option<(SystemTime, u64)>)>);

impl FileStamps {
    /// As they are now. Blocks on the disk.
    #[must_use]
    pub fn now() -> Self {
        let home = etcetera::home_dir().ok();
        let logins = home.iter().flat_map(|home| LOGINS.map(|below| home.join(below))).flat_map(|cache| within(&cache));
        FileStamps::of(places().map(|(_, path, _)| path).chain(logins))
    }

    fn of(paths: impl Iterator<Item = PathBuf>) -> Self {
        let stamp = |path: &Path| {
            let found = std::fs::metadata(path).ok()?;
            Some((found.modified().ok()?, found.len()))
        };
        FileStamps(paths.map(|path| (stamp(&path), path)).map(|(stamp, path)| (path, stamp)).collect())
    }
}

/// The files of a directory, in order.
fn within(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut paths: Vec<PathBuf> = entries.take(MOST).map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn another_content_a_file_that_goes_and_one_that_comes_are_seen() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (directory.path().join("config"), directory.path().join("credentials"));
        let stamps = || FileStamps::of([first.clone(), second.clone()].into_iter());
        let empty = stamps();
        fs::write(&first, "[default]").unwrap();
        let written = stamps();
        assert_ne!(written, empty);
        assert_eq!(stamps(), written);
        fs::write(&first, "[default]\nregion = eu-west-1").unwrap();
        assert_ne!(stamps(), written);
        fs::remove_file(&first).unwrap();
        assert_eq!(stamps(), empty);
        fs::write(&second, "").unwrap();
        assert_ne!(stamps(), empty);
        assert_eq!(within(directory.path()), std::slice::from_ref(&second));
        assert!(within(&second).is_empty());
    }
}
