//! `muster demo` needs no AWS account and shows the whole path.

use std::time::Duration;

use crate::harness::muster::Sandbox;
use crate::harness::process::Running;

#[test]
fn the_demo_goes_through_every_step_and_ends_well() {
    let sandbox = Sandbox::bare();
    let mut demo = Running::start("demo", sandbox.muster(&["demo"]));
    let status = demo.wait(Duration::from_mins(3));
    let mut shown = String::new();
    while let Ok(line) = demo.next_line(Duration::from_secs(5)) {
        shown += &line;
        shown.push('\n');
    }
    // Progress belongs to standard error, the story may be on either.
    let told = format!("{shown}{}", demo.errors()).to_lowercase();
    assert!(status.success(), "{status}\n{told}");
    for step in ["sweep", "list", "read", "search", "subscri", "stop_instance", "notif"] {
        assert!(told.contains(step), "the demo does not tell of {step}:\n{told}");
    }
}
