//! That narrowing what is filled in changes no answer.

use proptest::prelude::*;

use super::super::samples::{ALL, SampleAccount};
use super::super::*;

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
        prop_oneof![Just("'running'"), Just("'stopped'"), Just("'Running'")]
            .prop_map(|state| format!("i.state = {state}")),
        Just("i.instance_type IN ('t3.micro', 'm5.large')".to_owned()),
        Just("i.name = 'web-1'".to_owned()),
        Just("i.private_ip_address = '10.0.0.4'".to_owned()),
        Just("i.launch_time = '2026-11-02T10:00:00Z'".to_owned()),
    ]
}

/// A part of a condition on an instance, its attachments and their volumes.
fn attached() -> impl Strategy<Value = String> {
    let size = prop_oneof![Just("9"), Just("'9'"), Just("'09'"), Just("9.0"), Just("12")];
    prop_oneof![
        Just("i.state = 'stopped'".to_owned()),
        Just("i.id IN ('i-00000000000000001', 'i-00000000000000002')".to_owned()),
        Just("i.instance_type <> 'm5.large'".to_owned()),
        size.prop_map(|size| format!("v.size = {size}")),
        Just("v.encrypted = 1".to_owned()),
        Just("v.volume_type = 'gp3'".to_owned()),
        Just("v.state IN ('available', 'in-use')".to_owned()),
        Just("a.device = '/dev/xvda'".to_owned()),
        Just("a.volume_id = 'vol-0000000000000000a'".to_owned()),
        Just("a.region = i.region".to_owned()),
        Just("v.name IS NULL".to_owned()),
        Just("v.id = a.volume_id".to_owned()),
        Just("i.id = a.instance_id".to_owned()),
        Just("i.id < v.id".to_owned()),
    ]
}

/// An instance, its attachments and their volumes, joined in every way.
fn joined() -> impl Strategy<Value = String> {
    let join = || prop_oneof![4 => Just("JOIN"), 2 => Just("LEFT JOIN"), 1 => Just("RIGHT JOIN"), 1 => Just("FULL JOIN"), 1 => Just("CROSS JOIN")];
    let wanted = proptest::collection::vec(attached(), 1..4);
    (join(), join(), wanted, attached(), 0..6).prop_map(|(one, other, wanted, on, shape)| {
        let (columns, wanted) = ("i.id, i.state, a.device, v.id, v.size", wanted.join(" AND "));
        match shape {
            0 => format!(
                "SELECT {columns} FROM instance i {one} instance_volume a USING (instance_id) {other} volume v ON v.id = a.volume_id WHERE {wanted}"
            ),
            1 => format!(
                "SELECT {columns} FROM instance i {one} instance_volume a ON a.instance_id = i.id AND {on} {other} volume v ON v.id = a.volume_id WHERE {wanted}"
            ),
            2 => format!(
                "SELECT {columns} FROM volume v {one} instance_volume a ON v.id = a.volume_id {other} instance i ON i.id = a.instance_id AND {on} WHERE {wanted}"
            ),
            3 => format!(
                "SELECT {columns} FROM instance i, instance_volume a, volume v WHERE i.instance_id = a.instance_id AND a.volume_id = v.volume_id AND {wanted}"
            ),
            4 => format!(
                "SELECT {columns} FROM instance i {one} instance_volume a USING (instance_id, region) {other} volume v USING (volume_id, region) WHERE {wanted}"
            ),
            _ => format!(
                "SELECT count(*) FROM instance i {one} instance_volume a ON a.instance_id = i.id {other} volume v ON v.id = a.volume_id WHERE {wanted} AND EXISTS (SELECT 1 FROM vpc WHERE vpc.id = i.vpc_id AND vpc.state = 'available')"
            ),
        }
    })
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
fn answer(account: &SampleAccount, sql: &str, narrowed: bool) -> Result<Vec<String>, String> {
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
    fn narrowing_changes_no_answer(
        statements in proptest::collection::vec(prop_oneof![statement(), joined()], 8),
    ) {
        thread_local! {
            /// One account as stored, and one with an index.
            static ACCOUNTS: [SampleAccount; 2] = {
                let indexed = SampleAccount::sample();
                indexed.store.build_index().unwrap();
                [SampleAccount::sample(), indexed]
            };
        }
        ACCOUNTS.with(|[stored, indexed]| {
            for sql in &statements {
                let whole = answer(stored, sql, false);
                prop_assert_eq!(answer(stored, sql, true), whole.clone(), "{}", sql);
                prop_assert_eq!(answer(indexed, sql, true), whole.clone(), "{}", sql);
                prop_assert_eq!(answer(indexed, sql, false), whole, "{}", sql);
            }
            Ok(())
        })?;
    }
}
