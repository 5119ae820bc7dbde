//! Both ends of the socket meet wherever the data directory is, and whatever each of them knows of the machine.

use std::path::{Path, PathBuf};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// A path below `base` of `length` bytes.
fn long(base: &Path, length: usize) -> PathBuf {
    let mut path = base.to_owned();
    while path.as_os_str().len() + 202 < length {
        path.push("d".repeat(200));
    }
    path.push("e".repeat(length - path.as_os_str().len() - 1));
    path
}

/// A front end over stdio starts a server, which then is asked from a command line.
fn is_served(sandbox: &Sandbox, what: &str) {
    let mut client = Client::stdio(sandbox, &RARELY);
    eventually(what, || client.is_swept().then_some(()));
    let counted = sandbox.muster(&["count", "--kind", "instance", "--data-dir"]).arg(sandbox.data()).output().unwrap();
    assert!(counted.status.success(), "{what}: {}", String::from_utf8_lossy(&counted.stderr));
}

#[test]
fn a_front_end_starts_a_server_in_a_data_directory_of_any_length() {
    let simulator = Simulator::start(5, &[]);
    for (length, runtime) in [(96, true), (96, false), (130, false), (255, true), (4000, false)] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        if !runtime {
            sandbox.unset("XDG_RUNTIME_DIR");
        }
        sandbox.keep_data_in(long(sandbox.path(), length));
        is_served(&sandbox, &format!("a data directory of {length} bytes"));
    }
}

#[test]
fn a_front_end_starts_a_server_under_a_home_with_a_long_name() {
    let simulator = Simulator::start(5, &[]);
    for length in [60, 90, 200] {
        let mut sandbox = Sandbox::new(&simulator.endpoint());
        let home = long(sandbox.path(), length);
        std::fs::create_dir_all(&home).unwrap();
        sandbox.set("HOME", home.to_str().unwrap());
        for name in ["XDG_STATE_HOME", "XDG_RUNTIME_DIR"] {
            sandbox.unset(name);
        }
        let command = sandbox.muster(&["mcp", RARELY[0], RARELY[1], RARELY[2], RARELY[3]]);
        let mut client = Client::over(Running::start("mcp", command));
        // Its directory is one for the selection; from here on the sandbox ends what runs there.
        let state = home.join(".local/state/muster");
        let made = eventually("the data directory", || std::fs::read_dir(&state).ok()?.next()?.ok());
        sandbox.keep_data_in(made.path());
        eventually("the first sweep", || client.is_swept().then_some(()));
        let counted = sandbox.muster(&["count", "--kind", "instance"]).output().unwrap();
        assert!(counted.status.success(), "{length}: {}", String::from_utf8_lossy(&counted.stderr));
    }
}

#[test]
fn the_runtime_directory_of_one_end_need_not_be_known_to_the_other() {
    let simulator = Simulator::start(5, &[]);
    for (of_server, of_client) in [(true, false), (false, true)] {
        for length in [60, 150] {
            let mut sandbox = Sandbox::new(&simulator.endpoint());
            sandbox.keep_data_in(long(sandbox.path(), length));
            let runtime = sandbox.path().join("run");
            let set = |sandbox: &mut Sandbox, known: bool| {
                sandbox.unset("XDG_RUNTIME_DIR");
                if known {
                    sandbox.set("XDG_RUNTIME_DIR", runtime.to_str().unwrap());
                }
            };
            set(&mut sandbox, of_server);
            let server = sandbox.serve(&RARELY);
            server.swept();
            set(&mut sandbox, of_client);
            let pid = i32::try_from(server.running.pid()).unwrap();
            is_served(&sandbox, "the server of the other environment");
            assert_eq!(sandbox.server_pid(), Some(pid), "another server was started");
        }
    }
}

#[test]
fn relative_paths_and_links_lead_to_the_same_server() {
    let simulator = Simulator::start(5, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    sandbox.unset("XDG_RUNTIME_DIR");
    let real = long(sandbox.path(), 150);
    let link = sandbox.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    std::fs::create_dir(&real).unwrap();
    sandbox.keep_data_in(real.clone());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    let name = real.file_name().unwrap().to_str().unwrap();
    for spelled in ["link", "./link/", &format!("home/../{name}"), link.to_str().unwrap()] {
        // From the sandbox's own directory.
        let mut client = Client::over(Running::start("mcp", sandbox.muster(&["mcp", "--data-dir", spelled])));
        assert!(client.is_swept(), "{spelled} has another server");
        client.front_end().hang_up();
        assert!(client.front_end().wait(PATIENCE).success());
    }
    assert!(server.terminate().0.success());
}
