//! Clients that open sessions and never end them, and clients that send halves of requests: they cost a bounded amount, and
//! whoever else asks is answered.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use http_body_util::BodyExt;
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, Latencies, WebClient, process_figure};

/// How many sessions are opened and left alone.
const ABANDONED: usize = 10_000;
/// How many of them are opened at once.
const AT_ONCE: usize = 16;
/// What ten thousand sessions may cost in all, in KiB. Served, each would cost 90 KiB.
const COST: u64 = 200 * 1024;

#[test]
fn ten_thousand_abandoned_sessions_cost_a_bounded_amount_and_lock_nobody_out() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    let url = server.http.clone();
    let pid = server.running.pid();
    let (mut kept, subscribed) = web::runtime().block_on(async {
        let mut alone = Latencies::of_reads(&url, sleep(Duration::from_secs(3))).await;
        let before = process_figure(pid, "VmRSS");
        // A client of the older era that is there now and then, and one that has subscribed and waits.
        let mut kept = WebClient::connect(&url).await.older().await;
        let mut stream = WebClient::connect(&url).await.older().await.subscribe(&["ec2://inventory/summary".to_owned()]).await;
        let flood = async {
            let opening = (0..AT_ONCE).map(|_| async {
                let mut client = WebClient::connect(&url).await;
                for _ in 0..ABANDONED / AT_ONCE {
                    client.open_session().await;
                }
            });
            let flood = futures::future::join_all(opening);
            let asking = async {
                loop {
                    kept.must("tools/list", &json!({})).await;
                    sleep(Duration::from_millis(100)).await;
                }
            };
            tokio::select! {
                _ = flood => {}
                () = asking => {}
            }
        };
        let mut crowded = Latencies::of_reads(&url, flood).await;
        let mut after = Latencies::of_reads(&url, sleep(Duration::from_secs(3))).await;
        let rss = process_figure(pid, "VmRSS");
        eprintln!(
            "{ABANDONED} abandoned sessions: p99 of reads {:?} before, {:?} meanwhile ({} reads), {:?} after; RSS {before} KiB \
             before, {rss} KiB after",
            alone.p99(),
            crowded.p99(),
            crowded.count(),
            after.p99(),
        );
        assert!(rss < before + COST, "RSS grew from {before} to {rss} KiB");
        WebClient::connect(&url).await.older().await.must("tools/list", &json!({})).await;
        while let Ok(frame) = timeout(Duration::from_millis(200), stream.body_mut().frame()).await {
            assert!(frame.is_some_and(|frame| frame.is_ok()), "the stream ended");
        }
        (kept, stream)
    });
    drop(subscribed);
    // Its session goes on with the next server, which listens elsewhere.
    server.terminate();
    let server = sandbox.serve(&RARELY);
    web::runtime().block_on(async {
        kept = kept.moved(&server.http).await;
        kept.must("tools/list", &json!({})).await;
    });
}

/// Connections that send a part of a request and no more, or a byte now and then.
struct Halves(Vec<TcpStream>);

impl Halves {
    /// Opens `count` connections, a third of each kind.
    fn open(url: &str, count: usize) -> Halves {
        let url: hyper::Uri = url.parse().unwrap();
        let authority = url.authority().unwrap().as_str();
        let head = format!("POST {} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n", url.path());
        let body = format!("{head}Accept: application/json\r\nContent-Length: 1000\r\n\r\n{{\"jsonrpc\": \"2.0\",");
        let halves = [String::new(), head, body];
        let connect = |half: &String| {
            let mut stream = TcpStream::connect(authority).unwrap();
            // The server may close it at once, in favour of another.
            drop(stream.write_all(half.as_bytes()));
            stream
        };
        Halves(halves.iter().cycle().take(count).map(connect).collect())
    }

    /// Sends one more byte on each; those that were closed are opened again by `open`.
    fn trickle(&mut self) {
        for stream in &mut self.0 {
            drop(stream.write_all(b" "));
        }
    }
}

fn halves_starve_nobody(files: Option<u32>) {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = match files {
        Some(files) => sandbox.serve_with_files(files, &RARELY),
        None => sandbox.serve(&RARELY),
    };
    server.swept();
    let runtime = web::runtime();
    let url = server.http.clone();
    let mut alone = runtime.block_on(Latencies::of_reads(&url, sleep(Duration::from_secs(3))));
    let mut halves = Halves::open(&url, 500);
    let crowd = async {
        for _ in 0..30 {
            sleep(Duration::from_millis(100)).await;
            halves.trickle();
        }
    };
    let mut crowded = runtime.block_on(Latencies::of_reads(&url, crowd));
    // The socket too, by a client that comes now.
    let mut client = Client::stdio(&sandbox, &[]);
    client.must("server/discover", &json!({}));
    assert!(client.is_swept());
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.running.pid())).unwrap().count();
    eprintln!(
        "500 halves of requests, {files:?} files: p99 of reads {:?} before, {:?} meanwhile ({} reads); {open} files open",
        alone.p99(),
        crowded.p99(),
        crowded.count(),
    );
}

#[test]
fn five_hundred_halves_of_requests_keep_nobody_waiting() {
    halves_starve_nobody(None);
}

#[test]
fn under_a_low_limit_of_open_files_they_do_not_starve_the_socket_either() {
    halves_starve_nobody(Some(128));
}
