use super::*;

use std::path::Component;

use proptest::prelude::*;

fn first(data_dir: &Path, runtime_dir: Option<&Path>) -> PathBuf {
    candidates(data_dir, runtime_dir, 7, None).remove(0).path
}

/// A data directory whose path has `length` bytes, in `dir`.
fn long(dir: &Path, length: usize) -> PathBuf {
    let mut path = dir.to_owned();
    while path.as_os_str().len() + 202 < length {
        path.push("x".repeat(200));
    }
    path.push("y".repeat(length - path.as_os_str().len() - 1));
    data_dir::prepare(&path).unwrap();
    path
}

#[test]
fn the_runtime_directory_is_preferred_and_long_paths_fall_back() {
    let long = PathBuf::from("/home").join("x".repeat(120));
    let runtime = Path::new("/run/user/1000");
    assert!(first(&long, Some(runtime)).starts_with("/run/user/1000/muster"));
    assert_eq!(first(Path::new("/data"), None), PathBuf::from("/data/muster.sock"));
    assert!(first(&long, None).starts_with("/tmp/muster-7"));
    assert!(first(&long, Some(&long)).starts_with("/tmp/muster-7"));
}

#[test]
fn two_data_directories_never_share_a_socket() {
    let runtime = Some(Path::new("/run/user/1000"));
    assert_ne!(first(Path::new("/a"), runtime), first(Path::new("/b"), runtime));
}

proptest! {
    /// Without the link, whatever either end knows of a runtime directory: a place that counts as known to clients is known to
    /// them, and every place fits into an address of macOS.
    #[test]
    fn both_ends_go_by_one_list(data in "(/[a-z]{1,250}){1,16}", runtime in proptest::option::of("(/[a-z]{1,60}){1,3}")) {
        let (data, runtime) = (Path::new(&data), runtime.as_deref().map(Path::new));
        let server = candidates(data, runtime, 7, Some("0123456789abcdef"));
        let client = candidates(data, None, 7, None);
        prop_assert!(server.iter().all(|candidate| candidate.path.as_os_str().len() < 104));
        let known: Vec<&Candidate> = server.iter().filter(|candidate| candidate.known).collect();
        prop_assert_eq!(known, client.iter().collect::<Vec<_>>());
        prop_assert!(server.len() >= 2);
    }
}

#[tokio::test]
async fn a_runtime_directory_that_does_not_exist_or_is_somebody_else_s_is_done_without() {
    let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = run.path().join("file");
    std::fs::write(&file, "").unwrap();
    let missing = run.path().join("missing");
    for runtime in [Path::new("/proc/nowhere"), &file, &missing, Path::new("/proc/1")] {
        let lock = Lock::take(data.path()).unwrap();
        let bound = ServerSocket::bind(&lock, data.path(), Some(runtime)).unwrap();
        assert_eq!(bound.path(), data.path().canonicalize().unwrap().join("muster.sock"), "{}", runtime.display());
    }
    assert!(!missing.exists(), "a runtime directory is not for Muster to make");
}

#[tokio::test]
async fn a_client_finds_the_socket_through_the_data_directory_alone() {
    let (data, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lock = Lock::take(data.path()).unwrap();
    let bound = ServerSocket::bind(&lock, data.path(), Some(run.path())).unwrap();
    assert!(bound.path().starts_with(run.path()));
    assert_eq!(std::fs::metadata(bound.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let (client, server) = tokio::join!(connect(data.path()), bound.accept());
    client.unwrap();
    server.unwrap();
    drop(bound);
    assert_eq!(connect(data.path()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[tokio::test]
async fn what_a_dead_server_left_behind_is_replaced() {
    let data = tempfile::tempdir().unwrap();
    let lock = Lock::take(data.path()).unwrap();
    let dead = ServerSocket::bind(&lock, data.path(), None).unwrap();
    std::mem::forget(dead);
    ServerSocket::bind(&lock, data.path(), None).unwrap();
}

#[tokio::test]
async fn data_directories_of_every_length_have_a_server_and_before_it_starts_none() {
    let (dir, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let base = dir.path().as_os_str().len();
    for length in [base + 2, 90, 91, 92, 95, 96, 103, 104, 107, 108, 109, 256, 1000, 4000] {
        let data = long(dir.path(), length);
        assert_eq!(data.as_os_str().len(), length);
        for runtime in [None, Some(run.path())] {
            assert!(is_absent(&connect(&data).await.unwrap_err()), "{length}");
            let lock = Lock::take(&data).unwrap();
            let bound = ServerSocket::bind(&lock, &data, runtime).unwrap();
            let (client, server) = tokio::join!(connect(&data), bound.accept());
            client.unwrap_or_else(|error| panic!("{length}: {error}"));
            server.unwrap();
            // A file system without links: where clients know the place, they need none.
            if runtime.is_none() && bound.path() != link(&real(&data)) {
                std::fs::remove_file(link(&data)).unwrap();
                connect(&data).await.unwrap();
            }
        }
    }
}

#[tokio::test]
async fn a_data_directory_is_the_same_one_however_it_is_spelled() {
    let (dir, run) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let data = long(dir.path(), 150);
    let alias = dir.path().join("alias");
    std::os::unix::fs::symlink(&data, &alias).unwrap();
    let dotted = data.join(".").join("..").join(data.components().next_back().map(Component::as_os_str).unwrap());
    for (ours, theirs) in [(&data, &alias), (&alias, &data), (&dotted, &data), (&data, &dotted)] {
        let lock = Lock::take(ours).unwrap();
        assert!(Lock::take(theirs).is_err());
        let bound = ServerSocket::bind(&lock, ours, None).unwrap();
        connect(theirs).await.unwrap();
        drop(bound);
        let bound = ServerSocket::bind(&lock, ours, Some(run.path())).unwrap();
        connect(theirs).await.unwrap();
        drop(bound);
    }
}

#[tokio::test]
async fn the_server_of_another_user_is_not_talked_to() {
    let data = tempfile::tempdir().unwrap();
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let me = rustix::process::geteuid().as_raw();
    let mine = trusted(ours, Path::new("/s"), data.path(), me);
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let error = trusted(ours, Path::new("/s"), Path::new("/nonexistent"), me + 1);
    assert!(mine.is_ok());
    // Root's server is everybody's.
    assert_eq!(error.is_err(), me != 0);
}
