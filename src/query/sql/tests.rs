use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use serde_json::json;

use super::samples::{ALL, Account, at, instance, scope, text, volume};
use super::*;
use crate::query::prices::PriceTable;

#[test]
fn a_kind_is_a_table() {
    let account = Account::sample();
    let rows = |sql| account.rows(sql);
    assert_eq!(
        rows("SELECT instance_type, count(*) FROM instance GROUP BY instance_type ORDER BY 1"),
        "c5.xlarge 4; m5.large 4; t3.micro 4"
    );
    assert_eq!(
        rows("SELECT id, name, account, region, state, instance_id FROM instance WHERE id = 'i-00000000000000001'"),
        "i-00000000000000001 web-1 123456789012 eu-west-1 stopped i-00000000000000001"
    );
    assert_eq!(rows("SELECT count(*), count(name) FROM instance"), "12 11");
    assert_eq!(rows("SELECT sum(size), max(size), typeof(size) FROM volume"), "162 19 integer");
    assert_eq!(rows("SELECT count(*) FROM volume WHERE encrypted"), "6");
    assert_eq!(
        rows("SELECT instance_group_id FROM instance WHERE id = 'i-00000000000000001'"),
        "[\"sg-00000000000000001\",\"sg-00000000000000002\"]"
    );
    assert_eq!(
        rows(
            "SELECT count(DISTINCT i.id) FROM instance i, json_each(i.instance_group_id) g WHERE g.value = 'sg-00000000000000002'"
        ),
        "6"
    );
    assert_eq!(rows("SELECT tags ->> 'team', count(*) FROM instance GROUP BY 1 ORDER BY 1"), "- 1; blue 5; red 6");
    assert_eq!(rows("SELECT name FROM instance WHERE tags ->> '$.Name' = 'web-3'"), "web-3");
}

#[test]
fn times_compare_with_those_of_sqlite_and_of_rfc_3339() {
    let account = Account::sample();
    let rows = |sql| account.rows(sql);
    assert_eq!(rows("SELECT launch_time FROM instance WHERE id = 'i-00000000000000000'"), "2026-11-01 10:00:00");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time >= '2026-11-05T10:00:00Z'"), "8");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time > datetime('2026-11-12', '-7 days')"), "8");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time > ago('12d')"), "5");
    assert_eq!(
        rows("SELECT max(changed_at), min(first_seen) FROM instance"),
        "2026-11-20 00:01:00 2026-11-20 00:01:00"
    );
    assert!(account.refusal("SELECT ago('a while')").contains("'7d'"));
}

#[test]
fn a_document_is_read_for_the_rows_that_need_it() {
    let account = Account::sample();
    assert_eq!(
        account
            .rows("SELECT document ->> '$.State.Code', document ->> 'InstanceType' FROM instance WHERE name = 'web-4'"),
        "16 m5.large"
    );
    let whole = account.ask("SELECT * FROM instance WHERE id = 'i-00000000000000002'").unwrap();
    assert_eq!(whole.columns.last().map(String::as_str), Some("document"));
    let Some(SqlValue::Text(document)) = whole.rows[0].last() else { panic!("{whole:?}") };
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(document, serde_json::to_value(super::samples::document(instance(2, "running"))).unwrap());
}

#[test]
fn too_many_documents_are_refused_and_what_is_only_counted_is_not_finished() {
    let mut account = Account::new();
    let ids: Vec<String> = (0..60).map(|n| format!("vol-000000000000000{n:02}")).collect();
    let volumes: Vec<_> = ids.iter().map(|id| ("volume", "eu-west-1", id.as_str(), volume(1))).collect();
    account.put(&volumes);
    assert!(account.refusal("SELECT id FROM volume WHERE document ->> 'x' = 'y'").contains("40 whole documents"));
    let most = Most { rows: 5, bytes: 1 << 20 };
    let found = account.prepare("SELECT * FROM volume").unwrap();
    let found = found.ask(&account.store, None, &Visible::all(), &Outside::default(), most).unwrap();
    assert_eq!((found.rows.len(), found.total), (5, 40));
    assert!(found.uncounted.unwrap().contains("40 whole documents"));
}

#[test]
fn things_that_documents_hold_several_of_are_rows() {
    let account = Account::sample();
    let rows = |sql| account.rows(sql);
    assert_eq!(
        rows("SELECT kind, count(*) FROM tag WHERE key = 'team' GROUP BY 1 ORDER BY 1"),
        "instance 11; volume 12"
    );
    assert_eq!(rows("SELECT count(*) FROM tag WHERE kind = 'security_group'"), "0");
    assert_eq!(
        rows(
            "SELECT is_egress, protocol, from_port, to_port, cidr_ipv4, cidr_ipv6, referenced_group_id, description \
              FROM security_group_rule ORDER BY 1, 3, 5, 6"
        ),
        "0 tcp 22 22 0.0.0.0/0 - - all; 0 tcp 22 22 10.0.0.0/8 - - -; 0 tcp 443 443 - - sg-00000000000000002 -; \
         1 -1 0 65535 - ::/0 - -; 1 -1 0 65535 0.0.0.0/0 - - -"
    );
    assert_eq!(
        rows("SELECT count(*) FROM security_group_rule WHERE 22 BETWEEN from_port AND to_port AND NOT is_egress"),
        "2"
    );
    assert_eq!(
        rows("SELECT destination, target FROM route ORDER BY 1"),
        "0.0.0.0/0 nat-00000000000000001; 10.0.0.0/16 local"
    );
    assert_eq!(
        rows(
            "SELECT network_interface_id, address, is_primary, public_ip, instance_id FROM network_interface_address ORDER BY 1, 2"
        ),
        "eni-00000000000000001 10.0.0.1 1 203.0.113.1 i-00000000000000001; eni-00000000000000002 10.0.0.2 1 203.0.113.2 \
         i-00000000000000002; eni-00000000000000002 10.0.0.20 0 - i-00000000000000002"
    );
    assert_eq!(
        rows("SELECT count(*), count(DISTINCT volume_id), sum(delete_on_termination) FROM instance_volume"),
        "12 11 7"
    );
    assert_eq!(
        rows(
            "SELECT i.name, v.device FROM instance i JOIN instance_volume v USING (instance_id) WHERE v.volume_id LIKE '%a' ORDER BY 1"
        ),
        "web-1 /dev/xvda; web-2 /dev/xvda"
    );
    assert_eq!(
        rows("SELECT group_id, count(*) FROM instance_security_group GROUP BY 1 ORDER BY 1"),
        "sg-00000000000000001 12; sg-00000000000000002 6"
    );
}

#[test]
fn references_are_relations_by_the_column_that_holds_them() {
    let account = Account::sample();
    assert_eq!(
        account.rows("SELECT DISTINCT from_kind, via, to_kind FROM relation WHERE from_kind = 'instance' ORDER BY 2"),
        "instance instance_group_id security-group; instance vpc_id vpc"
    );
    assert_eq!(
        account.rows(
            "SELECT count(*) FROM relation WHERE to_id = 'sg-00000000000000002' AND from_kind <> 'security-group'"
        ),
        "6"
    );
    // Kinds are written with underscores as well.
    assert_eq!(account.rows("SELECT count(*) > 0 FROM relation WHERE to_kind = 'security_group'"), "1");
}

#[test]
fn health_is_one_verdict_and_the_next_event() {
    let account = Account::sample();
    assert_eq!(
        account.rows(
            "SELECT instance_id, verdict, failed_checks, next_event, next_event_at FROM instance_health ORDER BY 1"
        ),
        "i-00000000000000001 impaired [\"system\"] instance-stop 2026-12-01 00:00:00; \
         i-00000000000000002 ok [] instance-stop 2026-12-01 00:00:00"
    );
}

#[test]
fn the_log_is_a_table_with_bounds() {
    let mut account = Account::sample();
    account.put(&[("instance", "eu-west-1", "i-00000000000000001", instance(1, "running"))]);
    account.remove("volume", "eu-west-1", "vol-0000000000000000b");
    let rows = |sql| account.rows(sql);
    assert_eq!(
        rows(
            "SELECT time, id, what, path, before, after, cause, who FROM change WHERE time > '2026-11-20 00:01:30' ORDER BY seq"
        ),
        "2026-11-20 00:02:00 i-00000000000000001 changed State.Name stopped running sweep -; \
         2026-11-20 00:03:00 vol-0000000000000000b removed - - - sweep -"
    );
    assert_eq!(
        rows("SELECT what FROM change WHERE id = 'i-00000000000000001' AND kind = 'instance' ORDER BY seq"),
        "appeared; changed"
    );
    assert_eq!(rows("SELECT count(*) FROM change WHERE time >= ago('2m')"), "2");
    assert_eq!(rows("SELECT count(*) FROM change WHERE time > '2027-01-01'"), "0");
    assert!(account.refusal("SELECT * FROM change").contains("bound it"));
    assert!(account.refusal("SELECT * FROM change WHERE kind = 'instance'").contains("bound it"));
    assert!(account.refusal("SELECT * FROM change WHERE seq > 0").contains("more than 20 records"));
}

#[test]
fn the_past_is_asked_as_the_present_is() {
    let mut account = Account::sample();
    account.put(&[("instance", "eu-west-1", "i-00000000000000001", instance(1, "running"))]);
    account.put(&[("volume", "us-east-1", "vol-000000000000000ff", volume(3))]);
    account.remove("volume", "eu-west-1", "vol-00000000000000002");
    let sql = "SELECT state FROM instance WHERE id = 'i-00000000000000001'";
    assert_eq!(text(&account.then(sql, 1).unwrap()), "stopped");
    assert_eq!(text(&account.then(sql, 2).unwrap()), "running");
    let sql = "SELECT count(*), sum(size) FROM volume";
    assert_eq!(account.rows(sql), "12 163");
    assert_eq!(text(&account.then(sql, 1).unwrap()), "12 162");
    assert_eq!(text(&account.then(sql, 3).unwrap()), "13 173");
    let sql = "SELECT state, document ->> 'State' FROM volume WHERE id = 'vol-00000000000000002'";
    assert_eq!(text(&account.then(sql, 3).unwrap()), "in-use in-use");
    assert_eq!(
        text(
            &account.then("SELECT count(*) FROM instance_volume WHERE volume_id = 'vol-00000000000000002'", 1).unwrap()
        ),
        "1"
    );
    assert_eq!(
        text(
            &account
                .then("SELECT count(*) FROM change WHERE seq > 0 AND what = 'changed' AND time > '2026'", 1)
                .unwrap_or_else(|_| account.ask("SELECT 0").unwrap())
        ),
        "0"
    );
    assert_eq!(account.then(sql, 3).unwrap().seq, account.point(3).seq);
}

#[test]
fn of_a_past_that_has_changed_too_much_only_a_part_is_told() {
    let mut account = Account::sample();
    for n in 0..12_u64 {
        let region = ["eu-west-1", "us-east-1"][usize::from(n % 3 == 0)];
        account.put(&[("instance", region, &format!("i-0000000000000000{n:x}"), instance(n, "stopping"))]);
    }
    let refused = account.then("SELECT count(*) FROM instance", 1).unwrap_err().to_string();
    assert!(refused.contains("more than 10 resources"), "{refused}");
    let found =
        account.then("SELECT state FROM instance WHERE id IN ('i-00000000000000001', 'i-00000000000000002')", 1);
    assert_eq!(text(&found.unwrap()), "stopped; running");
}

#[test]
fn rows_beyond_what_is_shown_are_counted() {
    let account = Account::sample();
    let found = account.prepare("SELECT id FROM instance ORDER BY 1").unwrap();
    let found = found.ask(&account.store, None, &Visible::all(), &Outside::default(), Most { rows: 2, bytes: 1 << 20 });
    let found = found.unwrap();
    assert_eq!((text(&found).as_str(), found.total), ("i-00000000000000000; i-00000000000000001", 12));
    let found = account.prepare("SELECT id FROM instance ORDER BY 1").unwrap();
    let found =
        found.ask(&account.store, None, &Visible::all(), &Outside::default(), Most { rows: 9, bytes: 1 }).unwrap();
    assert_eq!((found.rows.len(), found.total), (1, 12));
}

#[test]
fn no_table_holds_anything_that_the_asker_may_not_see() {
    let account = Account::sample();
    let seen = |sql: &str| {
        let visible = Visible::only(|id| id.region.as_str() == "us-east-1");
        let found = account.prepare(sql).unwrap();
        text(&found.ask(&account.store, None, &visible, &Outside::default(), ALL).unwrap())
    };
    assert_eq!(seen("SELECT count(*) FROM instance"), "4");
    assert_eq!(seen("SELECT count(*) FROM instance WHERE id = 'i-00000000000000001'"), "0");
    assert_eq!(seen("SELECT count(*) FROM security_group_rule"), "0");
    assert_eq!(seen("SELECT count(*) FROM change WHERE seq > 0 AND region = 'eu-west-1' AND seq < 3"), "0");
    for table in ["tag", "relation", "instance_volume", "instance_security_group", "network_interface_address", "route"]
    {
        assert_eq!(seen(&format!("SELECT count(*) FROM {table} WHERE region = 'eu-west-1'")), "0", "{table}");
    }
    assert_eq!(seen("SELECT count(*) FROM instance_health"), "0");
}

#[test]
fn freshness_is_what_the_caller_knows() {
    let account = Account::sample();
    let row = FreshnessRow {
        kind: "security-group",
        scope: scope("eu-west-1"),
        as_of: Some(at(1)),
        stale: Some("not swept since".to_owned()),
        is_complete: true,
    };
    let outside = Outside { freshness: vec![row], prices: None };
    let found =
        account.prepare("SELECT kind, as_of, is_stale, why FROM freshness WHERE kind = 'security_group'").unwrap();
    let found = found.ask(&account.store, None, &Visible::all(), &outside, ALL).unwrap();
    assert_eq!(text(&found), "security-group 2026-11-20 00:01:00 1 not swept since");
}

#[test]
fn list_prices_join_with_what_they_are_the_price_of() {
    let account = Account::sample();
    let outside = Outside { prices: Some(PriceTable::carried()), ..Outside::default() };
    let ask = |sql: &str| {
        let found = account.prepare(sql).unwrap().ask(&account.store, None, &Visible::all(), &outside, ALL).unwrap();
        text(&found)
    };
    let carried = PriceTable::carried();
    let count = ask("SELECT count(*) FROM price");
    assert_eq!(count, carried.each().count().to_string());
    let known =
        ask("SELECT count(*) FROM instance i JOIN price p ON p.region = i.region AND p.name = i.instance_type \
                     AND p.unit = 'instance-hour'");
    assert_eq!(known, ask("SELECT count(*) FROM instance"), "every type of the sample has a price");
    assert_eq!(ask("SELECT micro_usd FROM price WHERE name = 'm5.large' AND region = 'us-east-1'"), "96000");
}

#[test]
fn a_wrong_name_is_answered_with_the_right_one() {
    let account = Account::sample();
    let said = account.refusal("SELECT * FROM instances");
    assert!(said.contains("did you mean `instance`?") && said.contains("instance_type"), "{said}");
    let said = account.refusal("SELECT private_ip FROM instance");
    assert!(said.contains("did you mean `private_ip_address`?") && said.contains("launch_time time"), "{said}");
    let said = account.refusal("SELECT v.sise FROM volume v JOIN instance i ON 1");
    assert!(said.contains("did you mean `size`?"), "{said}");
    assert!(account.refusal("SELECT * FROM instance WHERE state = \"running\"").contains("running"));
    assert!(account.refusal("SELECT frobnicate(id) FROM instance").contains("no function `frobnicate`"));
    assert!(account.refusal("SELEC 1").contains("SQLite"));
    assert_eq!(account.refusal(""), SqlError::NotSelect.to_string());
    assert_eq!(account.refusal(" -- nothing"), SqlError::NotSelect.to_string());
    assert!(account.refusal("SELECT * FROM instance WHERE id = ?").contains("parameters"));
    assert_eq!(account.rows("SELECT count(*) > 20 FROM sqlite_schema"), "1");
}

#[test]
fn the_kinds_that_a_statement_reads_are_known_before_it_is_asked() {
    let account = Account::sample();
    let kinds = |sql| account.prepare(sql).unwrap().kinds().iter().map(|kind| kind.slug).collect::<Vec<_>>();
    assert_eq!(kinds("SELECT 1"), Vec::<&str>::new());
    assert_eq!(kinds("SELECT i.id FROM instance i JOIN instance_volume USING (instance_id)"), ["instance", "volume"]);
    assert_eq!(kinds("SELECT count(*) FROM instance_health"), ["instance-status"]);
    assert!(kinds("SELECT count(*) FROM tag").len() > 10);
}

/// What is said of a statement that has so many looks at the clock.
fn attacked(sql: &str) -> String {
    let account = Account::sample();
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
    let mut account = Account::new();
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

/// A part of a condition.
fn term() -> impl Strategy<Value = String> {
    let id = (0..13_u64).prop_map(|n| format!("'i-0000000000000000{n:x}'"));
    let region = prop_oneof![Just("'eu-west-1'"), Just("'us-east-1'"), Just("'nowhere'")];
    prop_oneof![
        (prop_oneof![Just("i.id"), Just("i.instance_id"), Just("t.id")], id.clone())
            .prop_map(|(column, id)| format!("{column} = {id}")),
        (id.clone(), id.clone()).prop_map(|(one, other)| format!("i.id IN ({one}, {other})")),
        id.clone().prop_map(|id| format!("{id} = i.id")),
        id.clone().prop_map(|id| format!("NOT i.id = {id}")),
        id.clone().prop_map(|id| format!("i.id <> {id}")),
        id.prop_map(|id| format!("i.id > {id}")),
        region.clone().prop_map(|region| format!("i.region = {region}")),
        region.clone().prop_map(|region| format!("t.region IN ({region}, 'eu-west-1')")),
        region.prop_map(|region| format!("lower(i.region) = {region}")),
        Just("i.account = 123456789012".to_owned()),
        Just("t.key = 'team'".to_owned()),
        Just("t.key IN ('team', 'Name')".to_owned()),
        Just("t.kind = 'instance'".to_owned()),
        Just("t.kind IN ('volume', 'security_group')".to_owned()),
        Just("t.key = upper('team')".to_owned()),
        Just("i.state = 'running'".to_owned()),
        Just("t.value IS NULL".to_owned()),
        Just("t.id = i.id".to_owned()),
        Just("i.id IS NULL".to_owned()),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    term().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            6 => proptest::collection::vec(inner.clone(), 2..4).prop_map(|terms| terms.join(" AND ")),
            2 => proptest::collection::vec(inner.clone(), 2..3).prop_map(|terms| format!("({})", terms.join(" OR "))),
            1 => inner.clone().prop_map(|term| format!("NOT ({term})")),
            1 => inner.prop_map(|term| format!("({term})")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let join = prop_oneof![
        Just("JOIN"),
        Just("LEFT JOIN"),
        Just("RIGHT JOIN"),
        Just("FULL JOIN"),
        Just("CROSS JOIN"),
        Just("INNER JOIN")
    ];
    let order = any::<bool>();
    let shape = 0..7;
    (join, condition(), condition(), order, shape).prop_map(|(join, on, wanted, turned, shape)| {
        let (one, other) = if turned { ("tag t", "instance i") } else { ("instance i", "tag t") };
        let columns = "i.id, i.region, i.state, t.id, t.key, t.value";
        match shape {
            0..=2 => format!("SELECT {columns} FROM {one} {join} {other} ON t.id = i.id AND {on} WHERE {wanted}"),
            3 => format!("SELECT {columns} FROM {one} {join} {other} ON {on} WHERE {wanted}"),
            4 => format!("WITH x AS (SELECT {columns} FROM {one} {join} {other} ON t.id = i.id WHERE {wanted}) SELECT count(*) FROM x"),
            5 => format!(
                "SELECT {columns} FROM {one} {join} {other} USING (id) WHERE {wanted} UNION ALL SELECT id, region, state, 1, 2, 3 FROM volume WHERE region = 'eu-west-1'"
            ),
            _ => format!(
                "SELECT {columns} FROM {one} {join} {other} ON t.id = i.id WHERE {wanted} AND i.vpc_id IN (SELECT v.id FROM vpc v WHERE v.region = 'eu-west-1' AND {on})"
            ),
        }
    })
}

/// All rows in order, or why there are none.
fn answer(account: &Account, sql: &str, narrowed: bool) -> Result<Vec<String>, String> {
    let statement = account.prepare(sql).map_err(|error| error.to_string())?;
    let statement = if narrowed { statement } else { statement.whole() };
    let found = statement.ask(&account.store, None, &Visible::all(), &Outside::default(), ALL);
    let found = found.map_err(|error| error.to_string())?;
    let mut rows: Vec<String> = found.rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    Ok(rows)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

    #[test]
    fn narrowing_changes_no_answer(statements in proptest::collection::vec(statement(), 8)) {
        thread_local! {
            static ACCOUNT: Account = Account::sample();
        }
        ACCOUNT.with(|account| {
            for sql in &statements {
                prop_assert_eq!(answer(account, sql, true), answer(account, sql, false), "{}", sql);
            }
            Ok(())
        })?;
    }
}
