//! Statements that mean harm, and text of strangers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::super::samples::{ALL, SampleAccount, volume};
use super::super::*;

/// What is said of a statement that has so many looks at the clock.
fn attacked(sql: &str) -> String {
    let account = SampleAccount::sample();
    let looks = Arc::new(AtomicU64::new(0));
    let expired: Expired = Arc::new(move || looks.fetch_add(1, Ordering::Relaxed) > 20_000);
    let asked = SqlStatement::prepare(sql, account.now(), expired);
    let asked =
        asked.and_then(|statement| statement.ask(&account.store, None, &Visible::all(), &Outside::default(), ALL));
    asked.map_or_else(|error| error.to_string(), |found| format!("{} rows", found.total))
}

#[test]
fn an_attack_is_refused_or_bounded() {
    let deep = format!("SELECT {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    let long = format!("SELECT 1{}", "+1".repeat(3_000));
    let longer = format!("SELECT '{}'", "x".repeat(100_000));
    let wide = format!("SELECT {}", vec!["1"; 2_000].join(","));
    let unions = vec!["SELECT 1"; 200].join(" UNION ALL ");
    let many = "SELECT 1;".repeat(3_000);
    let narrower = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(45), ")".repeat(45));
    let nested = format!("{}SELECT 1{}", "SELECT * FROM (".repeat(300), ")".repeat(300));
    for (sql, said) in [
        ("ATTACH DATABASE '/tmp/x' AS x", "ATTACH"),
        ("PRAGMA hard_heap_limit = 0", "PRAGMA"),
        ("SELECT load_extension('/tmp/x.so')", "load_extension"),
        ("SELECT writefile('/tmp/x', 'y')", "function"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT 1; DROP TABLE instance", "more than one statement"),
        ("INSERT INTO instance(id) VALUES ('i')", "INSERT"),
        ("WITH x AS (SELECT 1) DELETE FROM instance", "DELETE"),
        ("REPLACE INTO tag(id) VALUES (1)", "INSERT"),
        ("EXPLAIN SELECT * FROM instance", "not a SELECT"),
        ("EXPLAIN QUERY PLAN SELECT * FROM instance", "not a SELECT"),
        ("WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT count(*) FROM x", "longer than 2 s"),
        (
            "WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM x) SELECT n FROM x WHERE n < 0",
            "longer than 2 s",
        ),
        ("WITH RECURSIVE x(n) AS (SELECT 'a' UNION ALL SELECT n || n FROM x) SELECT max(length(n)) FROM x", "1 MiB"),
        (
            "WITH RECURSIVE x(n, s) AS (SELECT 1, printf('%.*c', 500000, 'x') UNION ALL SELECT n + 1, s || n FROM x) \
             SELECT group_concat(s) FROM (SELECT s FROM x LIMIT 9)",
            "1 MiB",
        ),
        ("SELECT printf('%.*c', 2000000000, 'x')", "1 MiB"),
        ("SELECT length(printf('%2000000d', 1))", "1 MiB"),
        ("SELECT replace(printf('%.*c', 100000, 'x'), 'x', printf('%.*c', 100000, 'y'))", "1 MiB"),
        ("SELECT zeroblob(1000000000)", "zeroblob"),
        ("SELECT randomblob(1000000000)", "randomblob"),
        ("SELECT hex(printf('%.*c', 1000000, 'x'))", "1 MiB"),
        (
            "SELECT group_concat(a.id || b.id || c.id || d.id) FROM instance a, instance b, instance c, instance d",
            "1 MiB",
        ),
        (
            "SELECT json_group_array(a.id || b.id || c.id || d.id) FROM instance a, instance b, instance c, instance d",
            "1 MiB",
        ),
        ("SELECT count(*) FROM tag a, tag b, tag c, tag d, tag e, tag f", "longer than 2 s"),
        ("SELECT count(*) FROM tag a JOIN tag b JOIN tag c JOIN tag d JOIN tag e ORDER BY random()", "longer than 2 s"),
        ("SELECT '%' LIKE printf('%.*c', 10000, '%')", "too complex"),
        (&deep, "60 parentheses deep"),
        (&long, "SQLite"),
        (&longer, "longer than 32 KiB"),
        (&wide, "SQLite"),
        (&unions, "SQLite"),
        (&nested, "60 parentheses deep"),
        (&narrower, "1 rows"),
        (&many, "more than one statement"),
        ("SELECT * FROM instance WHERE id REGEXP '('", "REGEXP"),
        ("SELECT fts3_tokenizer('simple')", "fts3_tokenizer"),
        ("SELECT * FROM fts5vocab", "no table"),
        ("SELECT * FROM main.dbstat", "dbstat"),
        ("SELECT * FROM json_each('[1,2]')", "2 rows"),
        ("VALUES (1), (2)", "2 rows"),
        ("WITH instance AS (SELECT 1 AS id) SELECT id FROM instance", "1 rows"),
        ("WITH sqlite_schema AS (SELECT 1) SELECT * FROM sqlite_schema", "1 rows"),
        ("SELECT 1 -- ; DROP TABLE instance", "1 rows"),
        ("SELECT 1;", "1 rows"),
        ("SELECT 1 /* unclosed", "1 rows"),
        ("SELECT\0 1", "SQLite"),
    ] {
        let found = attacked(sql);
        assert!(found.contains(said), "{}: {found}", &sql[..sql.len().min(80)]);
    }
}

#[test]
fn text_of_strangers_is_data() {
    let mut account = SampleAccount::new();
    let hostile = "'; DROP TABLE tag; -- \u{202E}\u{1b}[31m<b>\u{0}x";
    let mut body = volume(1);
    body["Tags"] = json!([{"Key": "Name", "Value": hostile}, {"Key": "'\"]$.x", "Value": "1"}]);
    account.put(&[("volume", "eu-west-1", "vol-00000000000000001", body)]);
    let found = account.ask("SELECT name, tags FROM volume").unwrap();
    assert_eq!(found.rows[0][0], SqlValue::Text(hostile.to_owned()));
    let SqlValue::Text(tags) = &found.rows[0][1] else { panic!("{found:?}") };
    let tags: serde_json::Value = serde_json::from_str(tags).unwrap();
    assert_eq!(tags, json!({"Name": hostile, "'\"]$.x": "1"}));
    assert_eq!(account.rows("SELECT count(*) FROM tag WHERE value LIKE '%DROP%'"), "1");
}
