//! Checks whether the data directory can be used, and how full its disk is.

use std::path::Path;

use super::finding::{Check, Finding, Verdict};
use crate::connection::data_dir;
use crate::model::text::chain;

pub(crate) static CHECK: Check =
    Check { name: "data-directory", title: "The data directory is this user's own and its disk has room" };

/// Checks the directory without making it.
pub(crate) fn look(data_dir: &Path, keep_free: u64) -> Finding {
    let subject = data_dir.display().to_string();
    if let Err(error) = data_dir::check(data_dir) {
        return CHECK.failed(
            subject,
            chain(&error),
            "Do what the message says, or name another directory with --data-dir.",
        );
    }
    // While the directory does not exist, the nearest existing parent counts.
    let Some(existing) = data_dir.ancestors().find(|place| place.exists()) else {
        return CHECK.failed(subject, "no part of its path exists", "Name another directory with --data-dir.");
    };
    match (data_dir::caution(data_dir), rustix::fs::statvfs(existing)) {
        (_, Err(error)) => {
            let fact = format!("{} cannot be looked at: {error}", existing.display());
            CHECK.failed(subject, fact, "Make it readable for this user, or name another directory with --data-dir.")
        }
        (caution, Ok(disk)) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = judge(subject.clone(), existing == data_dir, free, keep_free);
            match caution.filter(|_| found.verdict == Verdict::Ok) {
                Some(caution) => CHECK.warning(
                    subject,
                    caution,
                    "Make the directory sticky (chmod +t), or name another with --data-dir.",
                ),
                None => found,
            }
        }
    }
}

fn judge(subject: String, exists: bool, free: u64, keep_free: u64) -> Finding {
    let what = if exists { "writable" } else { "does not exist yet, and can be made" };
    let fact = format!("{what}; {} MiB of the disk are free", free >> 20);
    if free < keep_free {
        let fact = format!(
            "{fact}, less than the {} MiB that --keep-free keeps free, so nothing is recorded",
            keep_free >> 20
        );
        return CHECK.failed(subject, fact, "Free some space, or lower --keep-free.");
    }
    if free < keep_free.saturating_mul(4) {
        let fact = format!("{fact}, and writing stops below {} MiB", keep_free >> 20);
        return CHECK.warning(subject, fact, "Free some space soon.");
    }
    CHECK.ok(subject, fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_fails_and_one_that_fills_up_warns() {
        let verdict = |free: u64| judge("d".to_owned(), true, free << 20, 256 << 20).verdict;
        assert_eq!([255, 257, 1025].map(verdict), [Verdict::Failed, Verdict::Warning, Verdict::Ok]);
    }

    #[test]
    fn what_others_could_swap_fails_with_path_owner_and_mode_and_makes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let path = dir.path().join("data");
        let finding = look(&path, 0);
        assert_eq!(finding.verdict, Verdict::Failed);
        assert!(finding.fact.contains("0777") && finding.fact.contains("chmod +t"), "{}", finding.fact);
        // Named itself, it is given to Muster: a private directory inside works, and who shares the machine is warned.
        let finding = look(&data_dir::settle(dir.path()), 0);
        assert_eq!(finding.verdict, Verdict::Warning, "{finding:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let finding = look(&path, 0);
        assert_eq!(finding.verdict, Verdict::Ok, "{finding:?}");
        assert!(finding.fact.contains("does not exist yet") && !path.exists());
    }
}
