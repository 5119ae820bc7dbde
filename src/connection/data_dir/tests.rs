use super::*;

use std::os::unix::fs::MetadataExt;

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_new_directory_is_for_its_owner_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b");
    prepare(&path).unwrap();
    assert_eq!(mode(&path), 0o700);
    prepare(&path).unwrap();
}

#[test]
fn a_directory_that_everybody_can_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    chmod(dir.path(), 0o777);
    assert!(matches!(prepare(dir.path()), Err(DataDirError::NotPrivate { .. })));
}

#[test]
fn a_file_in_the_way_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    for path in [path.clone(), path.join("below")] {
        let error = prepare(&path).unwrap_err();
        assert!(error.to_string().contains(&format!("{} is a file", dir.path().join("file").display())), "{error}");
    }
}

#[test]
fn in_a_volume_that_others_can_write_a_private_directory_is_made_and_found_again() {
    for open in [0o777, 0o1777, 0o2775, 0o770] {
        let dir = tempfile::tempdir().unwrap();
        chmod(dir.path(), open);
        let settled = settle(dir.path());
        assert_eq!(settled.parent(), Some(dir.path()), "{open:o}");
        prepare(&settled).unwrap();
        assert_eq!(mode(&settled), 0o700);
        assert_eq!(settle(&settled), settled);
        assert_eq!(settle(dir.path()), settled);
        assert_eq!(mode(dir.path()), open & 0o777, "what was named keeps its mode");
        assert_eq!(caution(&settled).is_some(), open == 0o777);
        // A volume that is mounted again has its files given to the group.
        chmod(&settled, 0o770);
        assert_eq!(settle(&settled), settled);
        prepare(&settled).unwrap();
        assert_eq!(mode(&settled), 0o700);
    }
}

#[test]
fn a_link_in_the_place_of_the_private_directory_is_refused() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    chmod(dir.path(), 0o777);
    let settled = settle(dir.path());
    std::os::unix::fs::symlink(elsewhere.path(), &settled).unwrap();
    let error = prepare(&settled).unwrap_err();
    assert!(matches!(error, DataDirError::NotPrivate { fault: Distrust::Link, .. }), "{error}");
    // One that a person named leads where that person wants it.
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
    prepare(&link).unwrap();
}

#[test]
fn below_a_directory_where_anybody_can_swap_it_a_data_directory_is_refused_with_path_owner_mode_and_fix() {
    let dir = tempfile::tempdir().unwrap();
    let open = dir.path().join("open");
    std::fs::create_dir(&open).unwrap();
    chmod(&open, 0o777);
    for path in [open.join("data"), open.join("a/b")] {
        let error = prepare(&path).unwrap_err().to_string();
        let me = rustix::process::geteuid().as_raw();
        for part in [open.to_str().unwrap(), &format!("user {me}"), "0777", "chmod +t"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!path.exists());
    }
    chmod(&open, 0o1777);
    prepare(&open.join("data")).unwrap();
}

#[test]
fn a_path_that_is_too_long_says_so_and_the_longest_one_works() {
    let dir = tempfile::tempdir().unwrap();
    let mut path = dir.path().to_owned();
    while path.as_os_str().len() + 202 <= LONGEST {
        path.push("x".repeat(200));
    }
    path.push("y".repeat(LONGEST - path.as_os_str().len() - 1));
    prepare(&path).unwrap();
    std::fs::write(store(&path), "").unwrap();
    for long in [path.with_file_name("z".repeat(256)), path.join("one more")] {
        let error = prepare(&long).unwrap_err().to_string();
        assert!(error.contains("too long"), "{error}");
    }
}

#[test]
fn what_may_not_be_looked_into_is_not_said_to_be_empty() {
    let dir = tempfile::tempdir().unwrap();
    for empty in [dir.path().to_owned(), dir.path().join("none/at/all")] {
        assert!(matches!(require_store(&empty), Err(DataDirError::NoStore { .. })));
    }
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = require_store(&file).unwrap_err();
    assert!(matches!(error, DataDirError::Unusable { .. }), "{error}");
    let error = error.to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
}
