//! What each table holds, now and in the past.

mod attacks;
mod every_table;
mod exposed;
mod indexed;
mod narrowing;

use serde_json::json;

use super::samples::{ALL, SampleAccount, at, instance, interface, text, volume};
use super::*;
use crate::model::fixtures::{json_document, scope_in};
use crate::query::prices::PriceTable;

#[test]
fn a_kind_is_a_table() {
    let account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
    let rows = |sql| account.rows(sql);
    assert_eq!(rows("SELECT launch_time FROM instance WHERE id = 'i-00000000000000000'"), "2026-11-01 10:00:00");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time >= '2026-11-05T10:00:00Z'"), "8");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time > datetime('2026-11-12', '-7 days')"), "8");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time > ago('12d')"), "5");
    assert_eq!(rows("SELECT count(*) FROM instance WHERE launch_time > '12 days ago'"), "5");
    assert_eq!(
        rows("SELECT max(changed_at), min(first_seen) FROM instance"),
        "2026-11-20 00:01:00 2026-11-20 00:01:00"
    );
    assert!(account.refusal("SELECT ago('a while')").contains("'7d'"));
}

#[test]
fn a_document_is_read_for_the_rows_that_need_it() {
    let account = SampleAccount::sample();
    assert_eq!(
        account
            .rows("SELECT document ->> '$.State.Code', document ->> 'InstanceType' FROM instance WHERE name = 'web-4'"),
        "16 m5.large"
    );
    let whole = account.ask("SELECT * FROM instance WHERE id = 'i-00000000000000002'").unwrap();
    assert_eq!(whole.columns.last().map(String::as_str), Some("document"));
    let Some(SqlValue::Text(document)) = whole.rows[0].last() else { panic!("{whole:?}") };
    let document: serde_json::Value = serde_json::from_str(document).unwrap();
    assert_eq!(document, serde_json::to_value(json_document(&instance(2, "running"))).unwrap());
}

#[test]
fn too_many_documents_are_refused_and_what_is_only_counted_is_not_finished() {
    let mut account = SampleAccount::new();
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
    let account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
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
fn what_ties_two_resources_together_is_no_relation() {
    let mut account = SampleAccount::new();
    let mut body = interface(1);
    body["Attachment"]["AttachmentId"] = json!("eni-attach-00000000000000001");
    account.put(&[("network-interface", "eu-west-1", "eni-00000000000000001", body)]);
    assert_eq!(account.rows("SELECT count(*) FROM network_interface WHERE attachment_attachment_id IS NOT NULL"), "1");
    assert_eq!(account.rows("SELECT count(*) FROM relation WHERE to_id LIKE 'eni-%'"), "0");
}

#[test]
fn health_is_one_verdict_and_the_next_event() {
    let account = SampleAccount::sample();
    assert_eq!(
        account.rows(
            "SELECT instance_id, verdict, failed_checks, next_event, next_event_at FROM instance_health ORDER BY 1"
        ),
        "i-00000000000000001 impaired [\"system\"] instance-stop 2026-12-01 00:00:00; \
         i-00000000000000002 ok [] instance-stop 2026-12-01 00:00:00"
    );
    // A status has the id of its instance.
    let sql = "SELECT verdict FROM instance_health WHERE instance_id = 'i-00000000000000001'";
    assert_eq!(account.rows(sql), "impaired");
    let sql = "SELECT verdict FROM instance i JOIN instance_health h ON h.instance_id = i.id WHERE i.state = 'running'";
    assert_eq!(account.rows(sql), "ok");
}

#[test]
fn the_log_is_a_table_with_bounds() {
    let mut account = SampleAccount::sample();
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
    let mut account = SampleAccount::sample();
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
    let mut account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
    let row = FreshnessRow {
        kind: "security-group",
        scope: scope_in("eu-west-1"),
        as_of: Some(at(1)),
        stale: Some("not swept since".to_owned()),
        is_complete: true,
        standing: "covered",
        cause: None,
    };
    let outside = Outside { freshness: vec![row], ..Outside::default() };
    let found =
        account.prepare("SELECT kind, as_of, is_stale, why FROM freshness WHERE kind = 'security_group'").unwrap();
    let found = found.ask(&account.store, None, &Visible::all(), &outside, ALL).unwrap();
    assert_eq!(text(&found), "security-group 2026-11-20 00:01:00 1 not swept since");
}

#[test]
fn list_prices_join_with_what_they_are_the_price_of() {
    let account = SampleAccount::sample();
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
    let account = SampleAccount::sample();
    let said = account.refusal("SELECT * FROM instances");
    assert!(said.contains("did you mean `instance`?") && said.contains("instance_type"), "{said}");
    let said = account.refusal("SELECT private_ip FROM instance");
    assert!(said.contains("did you mean `private_ip_address`?") && said.contains("launch_time time"), "{said}");
    let said = account.refusal("SELECT v.sise FROM volume v JOIN instance i ON 1");
    assert!(said.contains("did you mean `size`?"), "{said}");
    assert!(account.refusal("SELECT * FROM instance WHERE state = \"running\"").contains("single quotes, 'running'"));
    assert!(account.refusal("SELECT \"instance-type\" FROM instance").contains("did you mean `instance_type`?"));
    assert!(account.refusal("SELECT frobnicate(id) FROM instance").contains("no function `frobnicate`"));
    assert!(account.refusal("SELEC 1").contains("SQLite"));
    for nothing in ["", " ; ", " -- nothing"] {
        assert!(account.refusal(nothing).contains("empty: write one SELECT, such as SELECT state"), "{nothing}");
    }
    assert!(account.refusal("SELECT * FROM instance WHERE id = ?").contains("parameters"));
    assert_eq!(account.rows("SELECT count(*) > 20 FROM sqlite_schema"), "1");
}

#[test]
fn the_words_of_shells_are_answered_with_the_tables() {
    let account = SampleAccount::sample();
    for sql in ["show tables", "SHOW TABLES;", "\\d", ".tables", "\\dt"] {
        let said = account.refusal(sql);
        assert!(said.contains("The tables are instance, ") && said.contains("security_group_rule"), "{sql}: {said}");
    }
    for sql in [
        "describe volume",
        "DESC volume;",
        "\\d volumes",
        ".schema volume",
        "PRAGMA table_info(volume)",
        "show columns from volume",
    ] {
        let said = account.refusal(sql);
        assert!(said.contains("The table is volume(id, name, ") && said.contains("size integer"), "{sql}: {said}");
    }
    assert!(account.refusal("describe xyzzy").contains("no table `xyzzy`"));
    assert!(account.refusal("PRAGMA user_version").contains("PRAGMA"));
}

#[test]
fn what_nothing_has_is_told_where_nothing_is_found() {
    let mut account = SampleAccount::sample();
    let hints = |account: &SampleAccount, sql: &str| account.ask(sql).unwrap().hints.join("; ");
    for (sql, hint) in [
        (
            "SELECT * FROM instance WHERE state = 'Running'",
            "has the state 'Running': the nearest that exists is `running`",
        ),
        ("SELECT count(*) FROM instance WHERE instance_type = 't3.micr'", "the nearest that exists is `t3.micro`"),
        (
            "SELECT count(*), sum(size) FROM volume v WHERE v.region = 'mars'",
            "those that exist are `eu-west-1`, `us-east-1`",
        ),
        ("SELECT name FROM instance WHERE 'web-12' = name AND state = 'running'", "has the name 'web-12'"),
        ("SELECT i.id FROM instance i JOIN tag t USING (id) WHERE i.state IN ('on', 'off')", "'on' or 'off'"),
        ("WITH x AS (SELECT * FROM vpc WHERE state = 'gone') SELECT * FROM x", "`available`"),
        ("SELECT id FROM volume WHERE snapshot_id = 'snap-1'", "there is no value at all"),
        ("SELECT * FROM tag WHERE key = 'Team'", "no row of tag has the key 'Team': the nearest that exists is `team`"),
        (
            "SELECT * FROM instance_health WHERE verdict = 'Impaired'",
            "has the verdict 'Impaired': the nearest that exists is `impaired`",
        ),
        ("SELECT count(*) FROM security_group_rule r WHERE r.protocol IN ('TCP')", "the nearest that exists is `tcp`"),
        ("SELECT * FROM exposure WHERE protocol = 'TCP'", "no row of exposure has the protocol 'TCP'"),
        ("SELECT * FROM route WHERE region = 'mars'", "those that exist are `eu-west-1`, `us-east-1`"),
        (
            "SELECT document ->> 'State.Name' AS s FROM instance WHERE id = 'i-00000000000000001'",
            "write '$.State.Name'",
        ),
    ] {
        let said = hints(&account, sql);
        assert!(said.contains(hint), "{sql}: {said}");
    }
    for sql in [
        "SELECT count(*) FROM instance WHERE state = 'running'",
        "SELECT * FROM instance WHERE state = 'stopped' AND name = 'web-2'",
        "SELECT * FROM instance WHERE state = 'Running' OR name = 'web-x'",
        "SELECT * FROM instance WHERE id = 'i-0'",
        "SELECT * FROM tag WHERE id = 'i-0' AND value = 'x' AND key = 'team'",
        "SELECT * FROM change WHERE seq > 1000 AND what = 'gone'",
        "SELECT * FROM instance_health WHERE verdict = 'ok' AND state = 'running' AND instance_id = 'i-0'",
        "SELECT 0 FROM instance WHERE name = 'web-1'",
        "WITH instance AS (SELECT 'on' AS state) SELECT * FROM instance WHERE state = 'off'",
        "SELECT count(*) FROM instance WHERE state = 'Running' UNION SELECT 7",
    ] {
        assert_eq!(hints(&account, sql), "", "{sql}");
    }
    account.remove("instance", "eu-west-1", "i-00000000000000001");
    let sql = "SELECT * FROM instance WHERE state = 'Running'";
    assert_eq!(account.then(sql, 1).unwrap().hints, Vec::<String>::new());
    let visible = Visible::only(|_| true);
    let found = account.prepare(sql).unwrap().ask(&account.store, None, &visible, &Outside::default(), ALL).unwrap();
    assert_eq!(found.hints, Vec::<String>::new());
}

#[test]
fn the_kinds_that_a_statement_reads_are_known_before_it_is_asked() {
    let account = SampleAccount::sample();
    let kinds = |sql| account.prepare(sql).unwrap().kinds().iter().map(|kind| kind.slug).collect::<Vec<_>>();
    assert_eq!(kinds("SELECT 1"), Vec::<&str>::new());
    assert_eq!(kinds("SELECT i.id FROM instance i JOIN instance_volume USING (instance_id)"), ["instance", "volume"]);
    assert_eq!(kinds("SELECT count(*) FROM instance_health"), ["instance-status"]);
    assert!(kinds("SELECT count(*) FROM tag").len() > 10);
}
