//! What the file system says of a directory, and what that means for keeping Muster's files there. Decisions are pure.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The user that this process acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CurrentUser(pub(super) u32);

/// What a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// Its owner's number.
    pub(super) owner: u32,
    /// Its permissions.
    pub(super) mode: u32,
    /// Whether it is a directory at all.
    pub(super) is_directory: bool,
    /// Whether it is a link, where links are not followed.
    pub(super) is_link: bool,
    /// Whether a file system begins here, as in a container's volume: nobody can rename it.
    pub(super) is_mount: bool,
}

/// Where files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Into the directory itself.
    Itself,
    /// Into a directory of this user's own inside it.
    Inside,
}

/// What is wrong with a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// It belongs to somebody else.
    Foreign,
    /// Everybody can write it.
    Open,
    /// It is a symbolic link where somebody else may have put one.
    Link,
    /// Everybody can rename what is in it.
    Swappable,
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Distrust::Foreign => "belongs to another user",
            Distrust::Open => "is writable for everybody",
            Distrust::Link => "is a symbolic link, which another user may have put there",
            Distrust::Swappable => {
                "is writable for everybody and not sticky, so that anybody can put another directory there"
            }
        })
    }
}

impl Distrust {
    /// What to do about it.
    pub(super) fn fix(self) -> &'static str {
        match self {
            Distrust::Foreign => {
                "give it to this user (chown; in Kubernetes by fsGroup), or name another directory with --data-dir"
            }
            Distrust::Link => "remove it, or name another directory with --data-dir",
            Distrust::Open => "take the permission away (chmod go-w), or name another directory with --data-dir",
            Distrust::Swappable => "make it sticky (chmod +t), or name another directory with --data-dir",
        }
    }
}

impl CurrentUser {
    pub(super) fn current() -> Self {
        CurrentUser(rustix::process::geteuid().as_raw())
    }

    /// The name of this user's own directory inside a shared one.
    pub(super) fn name(self) -> String {
        format!("muster-{}", self.0)
    }

    /// Whether `path` is a file of this user, or any file for root.
    pub(super) fn owns(self, path: &Path) -> bool {
        path.symlink_metadata().is_ok_and(|file| file.is_file() && (self.is_root() || file.uid() == self.0))
    }

    /// Whether permissions do not hold for this user.
    fn is_root(self) -> bool {
        self.0 == 0
    }
}

impl Standing {
    /// Of what `path` leads to.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Standing::new(&path.metadata()?, path))
    }

    /// Of what is at `path`, be it a link.
    pub(super) fn of_link(path: &Path) -> io::Result<Self> {
        Ok(Standing::new(&path.symlink_metadata()?, path))
    }

    fn new(metadata: &std::fs::Metadata, path: &Path) -> Self {
        let above = path.join("..").metadata().ok().filter(|_| metadata.is_dir());
        Standing {
            owner: metadata.uid(),
            mode: metadata.mode(),
            is_directory: metadata.is_dir(),
            is_link: metadata.is_symlink(),
            is_mount: above.is_some_and(|above| above.dev() != metadata.dev()),
        }
    }

    /// Where the files of `me` go when this directory was named. `is_own`: it is the one inside another. `holds_store`: a store
    /// that is for `me` to use lies in it already.
    pub(super) fn judge(self, me: CurrentUser, is_own: bool, holds_store: bool) -> Use {
        let mine = self.owner == me.0;
        let group = self.mode & 0o020 != 0;
        let shared = self.is_open() || (group && !((mine || me.is_root()) && holds_store));
        if self.is_directory && shared && !(is_own && mine) { Use::Inside } else { Use::Itself }
    }

    /// What is wrong with it as the place of the files of `me`.
    pub(super) fn fault(self, me: CurrentUser) -> Option<Distrust> {
        if self.is_link {
            Some(Distrust::Link)
        } else if self.owner != me.0 && !me.is_root() {
            Some(Distrust::Foreign)
        } else if self.is_directory && self.is_open() {
            Some(Distrust::Open)
        } else {
            None
        }
    }

    /// What is wrong with it as a directory that `me`, root too, made for itself.
    pub(super) fn fault_as_own(self, me: CurrentUser) -> Option<Distrust> {
        if self.is_link {
            Some(Distrust::Link)
        } else if self.owner != me.0 || !self.is_directory {
            Some(Distrust::Foreign)
        } else {
            None
        }
    }

    /// Whether `me` owns it and others have permissions on it.
    pub(super) fn is_opened(self, me: CurrentUser) -> bool {
        self.is_directory && self.owner == me.0 && self.mode & 0o077 != 0
    }

    /// Whether others than its owner, root and its group can rename what is in it. What a volume's provisioner made for
    /// everybody is for whoever has the volume.
    pub(super) fn lets_others_swap(self, me: CurrentUser) -> bool {
        // The owner of a sticky directory may rename everything in it as well; 65534 is who root is outside of a container.
        let trusted = [me.0, 0, 65534].contains(&self.owner);
        let sticky = self.mode & 0o1000 != 0;
        self.is_directory && self.is_open() && !(sticky && trusted) && !self.is_mount
    }

    fn is_open(self) -> bool {
        self.mode & 0o002 != 0
    }
}

/// What to do about an error, where `existing` is the nearest part of the path that exists.
pub(super) fn advice(error: &io::Error, existing: Option<(&Path, Standing)>) -> String {
    let elsewhere = "name another directory with --data-dir";
    let at = existing.map(|(path, _)| path.display().to_string()).unwrap_or_default();
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => {
            format!("the file system of {at} is read-only; mount a writable volume there, or {elsewhere}")
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            format!("the disk of {at} has no space left; free some, or {elsewhere}")
        }
        io::ErrorKind::InvalidFilename => format!("its path is too long; {elsewhere} whose path is shorter"),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => match existing {
            Some((_, standing)) if !standing.is_directory => format!("{at} is a file; remove it, or {elsewhere}"),
            _ => format!("something on the way is not a directory; remove it, or {elsewhere}"),
        },
        io::ErrorKind::PermissionDenied => match existing {
            Some((_, Standing { owner, mode, .. })) => format!(
                "this user (number {}) may not write {at}, which belongs to user {owner} with mode {:04o}; change its \
                 permissions, or {elsewhere}",
                CurrentUser::current().0,
                mode & 0o7777
            ),
            None => format!("this user may not write there; {elsewhere}"),
        },
        _ => format!("make it writable, or {elsewhere}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: CurrentUser = CurrentUser(1000);

    fn directory(owner: u32, mode: u32) -> Standing {
        Standing { owner, mode, is_directory: true, is_link: false, is_mount: false }
    }

    #[test]
    fn files_go_into_a_directory_of_ones_own_where_others_can_write_the_one_that_was_named() {
        // An emptyDir; a volume by fsGroup, of root and of this user; one of this user that everybody can write; a sticky one.
        for (owner, mode) in [(0, 0o777), (0, 0o2775), (1000, 0o2775), (1000, 0o777), (0, 0o1777), (1001, 0o775)] {
            assert_eq!(directory(owner, mode).judge(ME, false, false), Use::Inside, "{owner} {mode:o}");
        }
        for (owner, mode) in [(1000, 0o700), (1000, 0o755), (1001, 0o755)] {
            assert_eq!(directory(owner, mode).judge(ME, false, false), Use::Itself, "{owner} {mode:o}");
        }
        let root = CurrentUser(0);
        assert_eq!(directory(1000, 0o755).judge(root, false, false), Use::Itself);
        assert_eq!(directory(0, 0o755).judge(root, false, false), Use::Itself);
        assert_eq!(directory(0, 0o777).judge(root, false, false), Use::Inside);
    }

    #[test]
    fn what_was_settled_stays_so_and_a_store_in_a_group_s_directory_stays_in_use() {
        assert_eq!(directory(1000, 0o2770).judge(ME, true, false), Use::Itself);
        assert_eq!(directory(1000, 0o775).judge(ME, false, true), Use::Itself);
        assert_eq!(directory(1000, 0o777).judge(ME, false, true), Use::Inside);
    }

    #[test]
    fn only_what_another_user_can_put_something_in_the_place_of_is_refused() {
        let swappable = |owner, mode| directory(owner, mode).lets_others_swap(ME);
        assert!(swappable(0, 0o777) && swappable(1000, 0o777) && swappable(1001, 0o1777));
        assert!(!swappable(0, 0o1777) && !swappable(1000, 0o1777) && !swappable(0, 0o755) && !swappable(0, 0o775));
        assert!(!Standing { is_mount: true, ..directory(0, 0o777) }.lets_others_swap(ME));
        assert_eq!(directory(1001, 0o700).fault(ME), Some(Distrust::Foreign));
        assert_eq!(directory(1001, 0o700).fault(CurrentUser(0)), None);
        assert_eq!(directory(1001, 0o700).fault_as_own(CurrentUser(0)), Some(Distrust::Foreign));
        assert_eq!(Standing { is_link: true, ..directory(1000, 0o777) }.fault(ME), Some(Distrust::Link));
    }

    #[test]
    fn every_reason_of_the_file_system_is_named_with_what_to_do() {
        let at = Some((Path::new("/data"), directory(0, 0o755)));
        let said = |kind: io::ErrorKind| advice(&kind.into(), at);
        for (kind, part) in [
            (io::ErrorKind::ReadOnlyFilesystem, "/data is read-only"),
            (io::ErrorKind::StorageFull, "no space left"),
            (io::ErrorKind::PermissionDenied, "belongs to user 0 with mode 0755"),
            (io::ErrorKind::InvalidFilename, "too long"),
        ] {
            let said = said(kind);
            assert!(said.contains(part) && said.contains("--data-dir"), "{said}");
        }
        let file = Standing { is_directory: false, ..directory(1000, 0o644) };
        let said = advice(&io::ErrorKind::NotADirectory.into(), Some((Path::new("/data/x"), file)));
        assert!(said.starts_with("/data/x is a file"), "{said}");
    }
}
