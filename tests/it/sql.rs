//! A statement answers what Python's sqlite3 answers on the same rows.
//!
//! `tests/python/sql.py` describes a simulated account with boto3 and puts it into tables of its own. A server that has swept the
//! same account is asked the same statements through `query_inventory`. They are generated from a seed, of every shape that
//! decides what SQLite reads: joins by USING and NATURAL, outer joins, `IN` a table, common tables that have the names of real
//! ones, counts of whole tables, and subqueries wherever they can stand.

mod generated;

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use crate::harness::moto::ACCOUNT;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

use generated::Generator;

const PATIENCE: Duration = Duration::from_mins(1);

/// How many statements are compared; `MUSTER_STATEMENTS` takes another number.
const STATEMENTS: usize = 1_000;

/// How many numbers may differ by in their last digits.
const NEAR: f64 = 1e-9;

/// Python's sqlite3 over what boto3 describes.
struct Judge(Running);

impl Judge {
    fn at(endpoint: &Endpoint) -> Judge {
        let mut script = Environment::Moto.script("sql.py");
        script.arg(json!({"endpoint": endpoint.url, "region": endpoint.region, "account": ACCOUNT}).to_string());
        Judge(Running::start("sql", script))
    }

    fn line(&mut self) -> Value {
        serde_json::from_str(&self.0.line(PATIENCE)).unwrap()
    }

    fn ask(&mut self, sql: &str) -> Result<Vec<Vec<Value>>, String> {
        assert!(self.0.say(&json!({ "sql": sql }).to_string()), "sqlite3 has ended{}", self.0.tail());
        let answer = self.line();
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(serde_json::from_value(answer["rows"].clone()).unwrap()),
        }
    }
}

/// What `query_inventory` answers: rows, and how many there are.
fn queried(client: &mut Client, sql: &str) -> Result<(Vec<Vec<Value>>, u64), String> {
    let answer = client.call("query_inventory", &json!({ "sql": sql })).unwrap();
    if answer.is_error {
        return Err(answer.text);
    }
    let data = &answer.structured;
    let columns: Vec<String> = serde_json::from_value(data["columns"].clone()).unwrap();
    let row = |row: &Value| columns.iter().map(|column| row[column].clone()).collect();
    let rows = data["rows"].as_array().unwrap().iter().map(row).collect();
    Ok((rows, data["total"].as_u64().unwrap()))
}

fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => (one - other).abs() <= NEAR * one.abs().max(1.0),
        _ => one == other,
    }
}

/// Rows in an order of their own.
fn sorted(mut rows: Vec<Vec<Value>>) -> Vec<Vec<Value>> {
    rows.sort_by_key(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>());
    rows
}

#[test]
fn a_statement_answers_what_sqlite_answers_on_what_boto3_describes() {
    let count = std::env::var("MUSTER_STATEMENTS").map_or(STATEMENTS, |count| count.parse().unwrap());
    let simulator = Simulator::start(30, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let serve = sandbox.serve(&RARELY);
    serve.swept();
    let mut judge = Judge::at(&endpoint);
    let sizes = judge.line();
    let mut client = Client::http(&serve.http);
    for (table, size) in sizes.as_object().unwrap() {
        assert!(size.as_u64() > Some(0), "the judge has no {table}: {sizes}");
        let (rows, _) = queried(&mut client, &format!("SELECT count(*) FROM {table}")).unwrap();
        assert_eq!(rows[0][0], *size, "{table}");
    }
    let mut generator = Generator::new(Rng::with_seed(7));
    let (mut compared, mut refused, mut filled) = (0, 0, 0);
    while compared < count {
        let (sql, is_ordered) = generator.statement();
        let (theirs, ours) = (judge.ask(&sql), queried(&mut client, &sql));
        let (theirs, (ours, total)) = match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (Err(_), Err(_)) => {
                refused += 1;
                continue;
            }
            // What can never be equal is refused, where sqlite3 finds nothing.
            (Ok(theirs), Err(why)) if why.contains("can never match") && theirs.is_empty() => {
                refused += 1;
                continue;
            }
            (theirs, ours) => panic!("{sql}\n  sqlite3 {theirs:?}\n  Muster {ours:?}"),
        };
        assert_eq!(theirs.len() as u64, total, "{sql}");
        compared += 1;
        filled += usize::from(!theirs.is_empty());
        if (ours.len() as u64) < total {
            continue;
        }
        let (theirs, ours) = if is_ordered { (theirs, ours) } else { (sorted(theirs), sorted(ours)) };
        for (theirs, ours) in theirs.iter().zip(&ours) {
            let is_same = theirs.len() == ours.len() && theirs.iter().zip(ours).all(|(one, other)| is_same(one, other));
            assert!(is_same, "{sql}\n  sqlite3 {theirs:?}\n  Muster {ours:?}");
        }
    }
    eprintln!("{compared} statements compared, {filled} of them with rows; {refused} more were refused by both");
    assert!(filled * 2 > compared, "most statements find nothing: {filled} of {compared}");
    assert!(refused * 4 < compared, "many statements are no SQL: {refused}");
}

#[test]
fn a_statement_that_takes_too_much_is_ended_and_the_server_goes_on() {
    let simulator = Simulator::start(200, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let serve = sandbox.serve(&RARELY);
    serve.swept();
    let mut client = Client::http(&serve.http);
    let endless = "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x)";
    let wide = "WITH RECURSIVE x(n, s) AS (SELECT 1, printf('%.*c', 500000, 'x') UNION ALL SELECT n + 1, s FROM x)";
    for (sql, words) in [
        (format!("{endless} SELECT count(*) FROM x"), "longer than 2 s"),
        (format!("{wide} SELECT count(*) FROM (SELECT s || n AS t FROM x LIMIT 100000) GROUP BY t"), "memory"),
        (format!("{wide} SELECT group_concat(s) FROM (SELECT s FROM x LIMIT 9)"), "1 MiB"),
        ("SELECT count(*) FROM tag a, tag b, tag c, tag d ORDER BY a.value || b.value".to_owned(), "longer than 2 s"),
        ("SELECT load_extension('/tmp/x.so')".to_owned(), "load_extension"),
        ("ATTACH '/tmp/x' AS x".to_owned(), "ATTACH"),
    ] {
        let asked = queried(&mut client, &sql);
        assert!(asked.as_ref().is_err_and(|why| why.contains(words)), "{sql}: {asked:?}");
        let (rows, _) = queried(&mut client, "SELECT count(*) FROM instance").unwrap();
        assert_eq!(rows[0][0], 200);
    }
}

#[test]
fn people_ask_statements_from_the_command_line() {
    let simulator = Simulator::start(30, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let run = |words: &[&str]| {
        let mut muster = sandbox.muster(&["query", "--data-dir"]);
        let output = muster.arg(sandbox.data()).args(words).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let mut serve = sandbox.serve(&RARELY);
    serve.swept();
    let statement = sandbox.path().join("statement.sql");
    std::fs::write(&statement, "SELECT count(*) AS n FROM instance; -- all\n").unwrap();
    for runs in [true, false] {
        if !runs {
            serve.terminate();
        }
        let (code, out, err) = run(&["SELECT state, count(*) AS n FROM instance GROUP BY state ORDER BY state"]);
        assert_eq!(code, Some(0), "{err}");
        assert!(out.starts_with("STATE") && out.contains("running"), "{out}");
        assert_eq!(err.contains("no server runs"), !runs, "{err}");
        let (_, out, err) = run(&["--csv", "--file", statement.to_str().unwrap()]);
        assert_eq!(out, "n\r\n30\r\n", "{err}");
        let (_, out, _) = run(&["--json", "SELECT id, name FROM instance ORDER BY id"]);
        let answer: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((answer["total"].as_u64(), answer["rows"].as_array().unwrap().len()), (Some(30), 30));
        let (code, _, err) = run(&["SELECT * FROM instances"]);
        assert_eq!(code, Some(2));
        assert!(err.contains("did you mean `instance`?"), "{err}");
        let (code, out, err) = run(&["--as-of", "2020-01-01T00:00:00Z", "SELECT count(*) FROM volume"]);
        assert!(code == Some(1) && err.contains("does not reach back"), "{out} {err}");
    }
    let mut asked = sandbox.muster(&["query", "-", "--csv", "--data-dir"]);
    asked.arg(sandbox.data()).stdin(std::process::Stdio::from(std::fs::File::open(&statement).unwrap()));
    assert_eq!(asked.output().unwrap().stdout, b"n\r\n30\r\n");
}
