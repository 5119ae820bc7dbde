//! Data directories on volumes of containers, and what is refused of them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::harness::muster::{Endpoint, MUSTER, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{eventually, process::Running};

/// A user who is not root, as containers have.
const SOMEBODY: u32 = 65533;

fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Who runs Muster in these tests: somebody who is not root. A test that is run by root becomes somebody; another runs as it is.
fn user() -> u32 {
    if geteuid().is_root() { SOMEBODY } else { geteuid().as_raw() }
}

/// A sandbox that [`user`] may use, with the program where that user can run it.
fn sandbox(endpoint: &Endpoint) -> Sandbox {
    let sandbox = Sandbox::new(endpoint);
    chmod(sandbox.path(), 0o755);
    let program = sandbox.path().join("muster");
    if fs::hard_link(MUSTER, &program).is_err() {
        fs::copy(MUSTER, &program).unwrap();
    }
    if geteuid().is_root() {
        for name in ["home", "state", "run"] {
            chown(sandbox.path().join(name), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }
    }
    sandbox
}

/// `muster` as [`user`], whose groups are its own and `group`.
fn as_user(sandbox: &Sandbox, group: u32, words: &[&str]) -> Command {
    let program = sandbox.path().join("muster");
    let mut command = if geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &SOMEBODY.to_string(), "--regid", &SOMEBODY.to_string()]);
        command.args(["--groups", &group.to_string()]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(words).current_dir(sandbox.path());
    command
}

/// What a volume is like: its owner (where root runs the test), group and mode.
fn volume(sandbox: &Sandbox, owner: u32, group: u32, mode: u32) -> PathBuf {
    let volume = sandbox.path().join("volume");
    fs::create_dir(&volume).unwrap();
    if geteuid().is_root() {
        chown(&volume, Some(owner), Some(group)).unwrap();
    }
    chmod(&volume, mode);
    volume
}

#[test]
fn on_a_volume_that_others_can_write_a_private_directory_inside_it_is_used_by_every_command() {
    let simulator = Simulator::start(5, &[]);
    // emptyDir; emptyDir with fsGroup; a volume of this user; a sticky one.
    for (owner, mode) in [(0, 0o777), (0, 0o2775), (0, 0o2770), (user(), 0o777), (user(), 0o775), (0, 0o1777)] {
        let mut sandbox = sandbox(&simulator.endpoint());
        let volume = volume(&sandbox, owner, 2000, mode);
        let named = volume.to_str().unwrap().to_owned();
        let inside = volume.join(format!("muster-{}", user()));
        sandbox.keep_data_in(inside.clone());
        let words = ["mcp", "--data-dir", &named, RARELY[0], RARELY[1], RARELY[2], RARELY[3]];
        let mut client = Client::over(Running::start("mcp", as_user(&sandbox, 2000, &words)));
        eventually(&format!("a first sweep on a volume of {owner} with mode {mode:o}"), || {
            client.is_swept().then_some(())
        });
        let made = fs::metadata(&inside).unwrap();
        assert_eq!((made.uid(), made.mode() & 0o7777 & !0o2000), (user(), 0o700), "{owner} {mode:o}");
        assert_eq!(fs::read_dir(&volume).unwrap().count(), 1, "only the private directory was made");
        assert_eq!(fs::metadata(&volume).unwrap().mode() & 0o7777, mode, "the volume keeps its mode");
        // The other commands come to the same place, also when the volume's provisioner gave everything to the group again.
        chmod(&inside, 0o2770);
        let counted = as_user(&sandbox, 2000, &["count", "--kind", "instance", "--data-dir", &named]).output().unwrap();
        assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
    }
}

#[test]
fn root_uses_a_volume_of_another_user_as_it_is_and_a_private_directory_in_an_open_one() {
    // Whoever runs the test: root in a container, or another user.
    let simulator = Simulator::start(5, &[]);
    let me = geteuid().as_raw();
    for (mode, inside) in [(0o755, false), (0o777, true), (0o1777, true)] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        let volume = volume(&sandbox, SOMEBODY, SOMEBODY, mode);
        sandbox.keep_data_in(volume.clone());
        let mut server = sandbox.serve(&RARELY);
        server.swept();
        let made = if inside { volume.join(format!("muster-{me}")) } else { volume.clone() };
        assert!(made.join("muster.redb").exists(), "{mode:o}");
        assert!(server.terminate().0.success());
    }
}

#[test]
fn what_another_user_could_put_in_the_place_of_the_data_directory_is_refused_with_path_owner_and_mode() {
    let sandbox = sandbox(&Endpoint::dead());
    let open = volume(&sandbox, 0, 0, 0o777);
    let refused = |path: &Path| {
        let output = as_user(&sandbox, 2000, &["serve", "--data-dir", path.to_str().unwrap()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{}", path.display());
        String::from_utf8(output.stderr).unwrap()
    };
    // A directory below one where anybody can rename it, and no mount point in between.
    let said = refused(&open.join("data"));
    let owner = fs::metadata(&open).unwrap().uid();
    for part in [open.to_str().unwrap(), &format!("user {owner}"), "0777", "chmod +t"] {
        assert!(said.contains(part), "{said}");
    }
    // A link, or a file, where the private directory would be.
    let inside = open.join(format!("muster-{}", user()));
    symlink(sandbox.path().join("home"), &inside).unwrap();
    assert!(refused(&open).contains("symbolic link"));
    fs::remove_file(&inside).unwrap();
    fs::write(&inside, "").unwrap();
    let said = refused(&open);
    assert!(said.contains(inside.to_str().unwrap()), "{said}");
    fs::remove_file(&inside).unwrap();
    // Another user's directory there.
    if geteuid().is_root() {
        fs::create_dir(&inside).unwrap();
        chmod(&inside, 0o777);
        let said = refused(&open);
        for part in [inside.to_str().unwrap(), "another user", "user 0", "0777"] {
            assert!(said.contains(part), "{said}");
        }
    }
    // What this user may not write says whose it is.
    let said = refused(Path::new("/proc/1/data"));
    assert!(said.contains("/proc/1"), "{said}");
}
