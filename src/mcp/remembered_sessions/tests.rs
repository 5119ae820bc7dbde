use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rmcp::model::{ClientCapabilities, Implementation};

use super::table::{KEPT, MOST};
use super::*;
use crate::model::Timestamp;

/// A clock that a test sets.
struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

impl Hand {
    fn advance(&self, time: Duration) {
        let mut now = self.0.lock();
        *now = *now + time;
    }
}

fn clock() -> Arc<Hand> {
    Arc::new(Hand(Mutex::new(Timestamp::from_millis(1_000_000))))
}

fn opening(name: &str) -> SessionState {
    let params = InitializeRequestParams::new(ClientCapabilities::default(), Implementation::new(name, "1"));
    SessionState::new(params)
}

async fn client(sessions: &RememberedSessions, session: &str) -> Option<String> {
    sessions.load(session).await.unwrap().map(|state| state.initialize_params.client_info.name)
}

#[tokio::test]
async fn a_session_and_its_subscriptions_outlive_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.jsonl");
    let clock = clock();
    {
        let sessions = RememberedSessions::open(Some(path.clone()), clock.clone()).await;
        sessions.store("a", &opening("first")).await.unwrap();
        sessions.store("b", &opening("second")).await.unwrap();
        sessions.store("c", &opening("third")).await.unwrap();
        for uri in ["ec2://instance/i-1", "ec2://instance/i-2", "ec2://instance/i-2"] {
            sessions.subscribed("a", uri).await;
        }
        sessions.unsubscribed("a", "ec2://instance/i-1").await;
        sessions.subscribed("nobody", "ec2://instance/i-1").await;
        sessions.delete("b").await.unwrap();
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // The last line may have been cut off.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(br#"{"session":"c","at":1,"news":"en"#);
    std::fs::write(&path, bytes).unwrap();
    let sessions = RememberedSessions::open(Some(path.clone()), clock.clone()).await;
    assert_eq!(client(&sessions, "a").await.as_deref(), Some("first"));
    assert_eq!(sessions.uris("a"), ["ec2://instance/i-2"]);
    assert_eq!(
        (client(&sessions, "b").await, sessions.contains("b"), sessions.contains("nobody")),
        (None, false, false)
    );
    assert_eq!(client(&sessions, "c").await.as_deref(), Some("third"));
    // The first change rewrites the file, and all of it is there again.
    sessions.subscribed("c", "ec2://vpc/vpc-1").await;
    let sessions = RememberedSessions::open(Some(path), clock).await;
    assert_eq!((sessions.uris("a").len(), sessions.uris("c").len()), (1, 1));
}

#[tokio::test]
async fn a_session_is_remembered_for_hours_after_its_last_use_and_as_long_as_it_is_served() {
    let clock = clock();
    let sessions = RememberedSessions::open(None, clock.clone()).await;
    sessions.store("served", &opening("x")).await.unwrap();
    sessions.store("left", &opening("x")).await.unwrap();
    sessions.left("left").await;
    clock.advance(KEPT);
    assert!(sessions.contains("left"));
    clock.advance(Duration::from_millis(1));
    assert!(!sessions.contains("left") && sessions.contains("served"));
    sessions.left("served").await;
    clock.advance(KEPT);
    sessions.used("served").await;
    clock.advance(KEPT);
    assert!(sessions.contains("served"), "used in between");
}

#[tokio::test]
async fn of_too_many_sessions_those_are_forgotten_that_were_used_longest_ago_and_the_file_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions.jsonl");
    let sessions = RememberedSessions::open(Some(path.clone()), clock()).await;
    sessions.store("served", &opening("x")).await.unwrap();
    let surplus = 500;
    for number in 0..MOST + surplus {
        let session = format!("s{number}");
        sessions.store(&session, &opening("x")).await.unwrap();
        sessions.left(&session).await;
    }
    assert!(sessions.contains("served") && !sessions.contains("s0") && !sessions.contains(&format!("s{surplus}")));
    assert!(sessions.contains(&format!("s{}", surplus + 1)) && sessions.contains(&format!("s{}", MOST + surplus - 1)));
    let lines = std::fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines <= 2 * MOST + 1001, "{lines}");
}

#[tokio::test]
async fn an_opening_of_any_size_is_served_but_only_one_of_a_usual_size_is_remembered() {
    let sessions = RememberedSessions::open(None, clock()).await;
    sessions.store("large", &opening(&"x".repeat(100_000))).await.unwrap();
    assert!(!sessions.contains("large"));
    let uri = format!("ec2://instance/{}", "x".repeat(1000));
    for number in 0..40 {
        sessions.store(&format!("s{number}"), &opening("x")).await.unwrap();
        for other in 0..1000 {
            sessions.subscribed(&format!("s{number}"), &format!("{uri}{other}")).await;
        }
        sessions.left(&format!("s{number}")).await;
    }
    // A megabyte each: not all of them fit.
    assert!(sessions.contains("s39") && !sessions.contains("s0"));
}
