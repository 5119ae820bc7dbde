//! Who serves a data directory: whoever has its lock.

use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::connection::admin::ProcessRequest;
use crate::connection::attach::{self, ProcessError};
use crate::connection::lock::{Lock, LockError};
use crate::connection::server_facts::StartedBy;
use crate::connection::socket;

/// How long a detached server, or that of a service, waits for the lock of one that is stopping.
const SUCCESSION: Duration = Duration::from_millis(2500);

/// How long a server that was asked to make room may take: it lets calls that change AWS end first.
const ROOM: Duration = Duration::from_secs(14);

/// Who serves a data directory.
#[derive(Debug)]
pub(super) enum Owned {
    /// This process does.
    Lock(Lock),
    /// Another one does, so that this one is not needed.
    Elsewhere,
    /// Another one does, and does not make room.
    Taken(TakenDirectory),
}

/// That another server serves the data directory, which goes on until a person ends it.
#[derive(Debug, thiserror::Error)]
#[error("{held}{}", why.as_ref().map_or_else(String::new, |why| format!(". It does not make room: {why}")))]
pub struct TakenDirectory {
    held: LockError,
    why: Option<String>,
}

/// Takes the lock. A detached server waits for one that is stopping, and leaves when another one serves. That of a service has a server
/// that a front end started make room.
pub(super) async fn own(data_dir: &Path, started_by: StartedBy) -> Result<Owned, LockError> {
    let mut deadline = Instant::now() + SUCCESSION;
    let mut has_asked = false;
    loop {
        match (Lock::take(data_dir), started_by) {
            (Err(LockError::Held { .. }), StartedBy::FrontEnd) if Instant::now() < deadline => {
                if socket::connect(data_dir).await.is_ok() {
                    return Ok(Owned::Elsewhere);
                }
            }
            (Err(held @ LockError::Held { .. }), StartedBy::Systemd | StartedBy::Launchd)
                if Instant::now() < deadline =>
            {
                if !has_asked {
                    match attach::ask(data_dir, ProcessRequest::GiveWay).await {
                        Ok(_) => (has_asked, deadline) = (true, Instant::now() + ROOM),
                        Err(ProcessError::Refused(why)) => {
                            return Ok(Owned::Taken(TakenDirectory { held, why: Some(why) }));
                        }
                        // It does not listen yet, or not any more.
                        Err(_) => {}
                    }
                }
            }
            (Err(held @ LockError::Held { .. }), StartedBy::Person) => {
                return Ok(Owned::Taken(TakenDirectory { held, why: None }));
            }
            (taken, _) => return taken.map(Owned::Lock),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::socket::ServerSocket;

    #[tokio::test]
    async fn in_the_foreground_a_held_data_directory_is_an_error_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let _lock = Lock::take(dir.path()).unwrap();
        let Ok(Owned::Taken(taken)) = own(dir.path(), StartedBy::Person).await else { panic!("it is held") };
        assert!(taken.to_string().contains(&format!("process {}", std::process::id())), "{taken}");
    }

    #[tokio::test]
    async fn detached_it_leaves_to_another_that_listens() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let _bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
        assert!(matches!(own(dir.path(), StartedBy::FrontEnd).await, Ok(Owned::Elsewhere)));
    }

    #[tokio::test(start_paused = true)]
    async fn detached_it_succeeds_one_that_is_stopping() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        let stopping = async {
            sleep(Duration::from_secs(2)).await;
            drop(lock);
        };
        let (taken, ()) = tokio::join!(own(dir.path(), StartedBy::FrontEnd), stopping);
        assert!(matches!(taken, Ok(Owned::Lock(_))));
    }
}
