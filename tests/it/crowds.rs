//! Clients that open sessions and never end them, and clients that send halves of requests: they cost a bounded amount, and
//! whoever else asks is answered.
//!
//! Halves of requests trickle in for three seconds in `cargo test`. In the documented run they do so for a minute, which is longer
//! than a head or a body may take; each test prints the p99 of others' reads with the crowd and without it, and the ratio:
//!
//! ```console
//! MUSTER_CROWD_SECONDS=60 cargo test --release --test it crowds:: -- --nocapture
//! ```

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use http_body_util::BodyExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::web::{self, Latencies, WebClient, process_figure};

/// How long halves of requests trickle in, and how long others are measured without them.
fn crowded_for() -> Duration {
    let seconds = std::env::var("MUSTER_CROWD_SECONDS").map_or(3, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

/// What a p99 with a crowd is of that without one.
fn ratio(with: Duration, without: Duration) -> f64 {
    with.as_secs_f64() / without.as_secs_f64()
}

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
            "{ABANDONED} abandoned sessions: p99 of reads {:?} before, {:?} while they open ({} reads; {:.2} of before), {:?} with \
             them ({:.2} of before); RSS {before} KiB before, {rss} KiB after",
            alone.p99(),
            crowded.p99(),
            crowded.count(),
            ratio(crowded.p99(), alone.p99()),
            after.p99(),
            ratio(after.p99(), alone.p99()),
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
struct Halves {
    authority: String,
    open: Vec<(TcpStream, String)>,
}

impl Halves {
    /// Opens `count` connections, a third of each kind.
    fn open(url: &str, count: usize) -> Halves {
        let url: hyper::Uri = url.parse().unwrap();
        let authority = url.authority().unwrap().as_str();
        let head = format!("POST {} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n", url.path());
        let body = format!("{head}Accept: application/json\r\nContent-Length: 1000\r\n\r\n{{\"jsonrpc\": \"2.0\",");
        let halves = [String::new(), head, body];
        let open = halves.iter().cycle().take(count).map(|half| (Halves::connect(authority, half), half.clone()));
        Halves { open: open.collect(), authority: authority.to_owned() }
    }

    fn connect(authority: &str, half: &str) -> TcpStream {
        let mut stream = TcpStream::connect(authority).unwrap();
        // The server may close it at once, in favour of another.
        drop(stream.write_all(half.as_bytes()));
        stream.set_nonblocking(true).unwrap();
        stream
    }

    /// Sends one more byte where something was begun. Where the server has closed, begins `again` or gives up. Returns how many it
    /// had closed.
    fn trickle(&mut self, again: bool) -> usize {
        let (mut closed, authority) = (0, &self.authority);
        self.open.retain_mut(|(stream, half)| {
            let is_open = half.is_empty() || stream.write_all(b" ").is_ok();
            // What the server says before it closes is read away.
            let mut said = [0; 4096];
            if is_open && !stream.read(&mut said).is_ok_and(|length| length == 0) {
                return true;
            }
            closed += 1;
            if again {
                *stream = Halves::connect(authority, half);
            }
            again
        });
        closed
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
    let mut alone = runtime.block_on(async { Latencies::of_reads(&url, sleep(crowded_for())).await });
    let mut halves = Halves::open(&url, 500);
    let mut closed = 0;
    let crowd = async {
        let until = Instant::now() + crowded_for();
        while Instant::now() < until {
            sleep(Duration::from_millis(100)).await;
            // With few files to open, who comes again and again is refused as everybody is.
            closed += halves.trickle(files.is_none());
        }
    };
    let mut crowded = runtime.block_on(async { Latencies::of_reads(&url, crowd).await });
    // The socket too, by a client that comes now.
    let mut client = Client::stdio(&sandbox, &[]);
    client.must("server/discover", &json!({}));
    assert!(client.is_swept());
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.running.pid())).unwrap().count();
    eprintln!(
        "500 halves of requests for {:?}, {files:?} files: p99 of reads {:?} without, {:?} with them ({} reads), {:.2} of that \
         without; {open} files open, {closed} halves closed by the server",
        crowded_for(),
        alone.p99(),
        crowded.p99(),
        crowded.count(),
        ratio(crowded.p99(), alone.p99()),
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

/// How many connections are opened and left idle.
const IDLE: usize = 10_000;

#[test]
fn ten_thousand_idle_connections_keep_nobody_waiting() {
    let wanted = IDLE as u64 + 1_000;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        assert!(raised.is_ok(), "the test opens {IDLE} connections: ulimit -n {wanted}");
    }
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let runtime = web::runtime();
    let (url, pid) = (server.http.clone(), server.running.pid());
    let mut alone = runtime.block_on(async { Latencies::of_reads(&url, sleep(crowded_for())).await });
    let before = process_figure(pid, "VmRSS");
    // Somebody who was there before them goes on with the connection that he uses.
    let mut kept = runtime.block_on(async { WebClient::connect(&url).await });
    let uri: hyper::Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap().as_str();
    let mut idle = Vec::new();
    for number in 0..IDLE {
        idle.push(Halves::connect(authority, ""));
        if number % 100 == 0 {
            runtime.block_on(async { kept.must("tools/list", &json!({})).await });
        }
    }
    let mut crowded = runtime.block_on(async { Latencies::of_reads(&url, sleep(crowded_for())).await });
    runtime.block_on(async { kept.must("tools/list", &json!({})).await });
    let (rss, open) = (process_figure(pid, "VmRSS"), std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count());
    eprintln!(
        "{IDLE} idle connections: p99 of reads {:?} without, {:?} with them, {:.2} of that without; {open} files open; RSS \
         {before} KiB before, {rss} KiB after",
        alone.p99(),
        crowded.p99(),
        ratio(crowded.p99(), alone.p99()),
    );
    assert!(rss < before + COST, "RSS grew from {before} to {rss} KiB");
    drop(idle);
}
