use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use super::*;
use crate::config::{Environment, Given};
use crate::connection::admin::{LogPlace, STALL};
use crate::connection::attach::AttachError;
use crate::connection::data_dir::DataDirError;
use crate::connection::handshake;
use crate::connection::lock::Lock;
use crate::connection::socket::ServerSocket;
use crate::kinds::{self, INSTANCE};
use crate::model::Evidence;
use crate::model::fixtures::scope;
use crate::model::observation::Source;
use crate::model::{Cause, Document, Event, ResourceId, Timestamp};
use crate::store::{self, CommitBatch, StoreOptions};

fn config(dir: &TempDir) -> Config {
    let given = Given { data_dir: Some(dir.path().to_owned()), ..Given::default() };
    Config::merge(given, &Environment::of(&[], Some("/state")), &[]).unwrap()
}

/// A closed store with a log of so many records, one each second.
fn stocked(records: u64) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = store::open(StoreOptions::new(dir.path(), kinds::project)).unwrap();
    for number in 1..=records {
        let id = ResourceId::new(&scope(), &INSTANCE.kind(), format!("i-{number}").as_str());
        let at = Timestamp::from_millis(i64::try_from(number).unwrap() * 1000);
        let fields = [("InstanceId", id.id.to_string()), ("Note", "x".repeat(500))];
        let event = Event::Discovered {
            id,
            document: Document::new(
                fields.into_iter().map(|(name, text)| (name.to_owned(), text.as_str().into())).collect(),
            ),
            evidence: Evidence { source: Source::Sweep, at },
            mapping: 1,
        };
        let entries = vec![(Cause::Sweep, event)];
        writer.commit(CommitBatch { recorded_at: at, entries, ..CommitBatch::default() }).unwrap();
    }
    drop((writer, store));
    dir
}

fn export(since: Option<LogPlace>) -> AdminRequest {
    AdminRequest::Export { since, follow: false, log: None }
}

/// What a request brings, up to its end.
async fn all(config: &Config, request: &AdminRequest) -> Result<(Vec<u64>, Vec<String>, Value), AdminError> {
    let mut stream = AdminStream::start(config, request).await?;
    let (mut seqs, mut notes) = (Vec::new(), Vec::new());
    loop {
        match stream.next().await? {
            AdminOutput::Record(line) => {
                let record: Value = serde_json::from_slice(&line).unwrap();
                seqs.push(record["seq"].as_u64().unwrap());
            }
            AdminOutput::Note(note) => notes.push(note),
            AdminOutput::Done(result) => return Ok((seqs, notes, result)),
        }
    }
}

#[tokio::test]
async fn an_export_begins_where_it_is_asked_to() {
    let dir = stocked(600);
    let config = config(&dir);
    let (seqs, notes, result) = all(&config, &export(None)).await.unwrap();
    assert_eq!(seqs, (1..=600).collect::<Vec<_>>());
    assert_eq!((notes.len(), &result["records"], &result["newest"]), (0, &json!(600), &json!(600)));
    for (since, first) in
        [(LogPlace::Seq(0), 1), (LogPlace::Seq(599), 599), (LogPlace::At(2000), 2), (LogPlace::At(2001), 3)]
    {
        assert_eq!(all(&config, &export(Some(since))).await.unwrap().0[0], first, "{since:?}");
    }
    assert_eq!(all(&config, &export(Some(LogPlace::Seq(601)))).await.unwrap().0, Vec::<u64>::new());
}

#[tokio::test]
async fn a_place_in_another_log_is_refused() {
    let dir = stocked(3);
    let request =
        AdminRequest::Export { since: Some(LogPlace::Seq(2)), follow: false, log: Some("0123456789abcdef".to_owned()) };
    let refused = all(&config(&dir), &request).await;
    assert!(matches!(refused, Err(AdminError::Failed { code: FailureCode::OtherLog, .. })), "{refused:?}");
}

#[tokio::test]
async fn without_a_server_nothing_is_followed_and_no_store_is_made() {
    let dir = stocked(1);
    let request = AdminRequest::Export { since: None, follow: true, log: None };
    let refused = AdminStream::start(&config(&dir), &request).await.err();
    assert!(matches!(refused, Some(AdminError::Ask(AskError::NoServer { .. }))));
    let empty = tempfile::tempdir().unwrap();
    let refused = AdminStream::start(&config(&empty), &AdminRequest::Stat).await.err();
    assert!(matches!(
        refused,
        Some(AdminError::Ask(AskError::Attach(AttachError::Directory(DataDirError::NoStore { .. }))))
    ));
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn figures_and_a_backup_are_of_the_store_as_it_is() {
    let dir = stocked(300);
    let config = config(&dir);
    let (_, _, figures) = all(&config, &AdminRequest::Stat).await.unwrap();
    assert_eq!((&figures["records"], &figures["resources"]["instance"]), (&json!(300), &json!(300)));
    assert_eq!((&figures["first_seq"], &figures["newest_at"]), (&json!(1), &json!("1970-01-01T00:05:00.000Z")));
    let to = dir.path().join("copy.redb");
    let (_, _, made) = all(&config, &AdminRequest::Backup { to: to.clone() }).await.unwrap();
    assert_eq!((&made["records"], &made["of"]), (&json!(300), &figures["log"]));
    let Err(AdminError::Failed { error, .. }) = all(&config, &AdminRequest::Backup { to }).await else {
        panic!("overwritten")
    };
    assert!(error.contains("overwrites nothing"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_reads_nothing_is_given_up() {
    let dir = stocked(400);
    let offline = Offline::open(&config(&dir)).await.unwrap();
    let (_reader, mut writer) = tokio::io::duplex(CHUNK);
    let begun = Instant::now();
    let error = execute(export(None), offline.core(), None, &mut writer).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(begun.elapsed() >= STALL && begun.elapsed() < 2 * STALL, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_gets_everything() {
    let dir = stocked(400);
    let offline = Offline::open(&config(&dir)).await.unwrap();
    let (mut reader, mut writer) = tokio::io::duplex(CHUNK);
    let core = Arc::clone(offline.core());
    let sending = async move {
        execute(export(None), &core, None, &mut writer).await.unwrap();
        drop(writer);
    };
    let reading = async {
        let (mut text, mut some) = (Vec::new(), vec![0; CHUNK]);
        loop {
            tokio::time::sleep(STALL / 2).await;
            match reader.read(&mut some).await.unwrap() {
                0 => return text,
                count => text.extend_from_slice(&some[..count]),
            }
        }
    };
    let ((), text) = tokio::join!(sending, reading);
    let records = String::from_utf8(text).unwrap().lines().filter(|line| line.starts_with("{\"seq\"")).count();
    assert_eq!(records, 400);
}

#[tokio::test]
async fn a_stream_that_ends_without_saying_so_was_cut() {
    let dir = stocked(1);
    let lock = Lock::take(dir.path()).unwrap();
    let bound = ServerSocket::bind(&lock, dir.path(), None).unwrap();
    for said in ["", "{\"seq\":1}\n", "{\"seq\":1}\n{\"seq\":2"] {
        let serving = async {
            let (reader, mut writer) = bound.accept().await.unwrap().into_split();
            handshake::answer(&mut BufReader::new(reader), &mut writer, &handshake::ServerTerms::default())
                .await
                .unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut writer, said.as_bytes()).await.unwrap();
        };
        let config = config(&dir);
        let request = export(None);
        let (got, ()) = tokio::join!(all(&config, &request), serving);
        assert!(matches!(got, Err(AdminError::Cut(_))), "{said}: {got:?}");
    }
}
