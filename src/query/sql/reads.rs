//! Which tables and columns a statement reads, by its compiled program.
//!
//! `EXPLAIN` lists the program's instructions. `OpenRead` opens a table by the page that it begins on, and `Column` takes a column
//! of what was opened, counted among those that rows hold. SQLite is bundled, and a test pins what these instructions mean.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use rusqlite::Connection;

use super::schema;

/// What is read of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TableRead {
    /// The places of the columns that are read, of those that rows hold.
    pub(super) columns: BTreeSet<usize>,
    /// How many times it is opened.
    pub(super) times: usize,
}

/// What is read, by the place of the table.
pub(super) type Reads = BTreeMap<usize, TableRead>;

/// The tables by the page that each begins on.
pub(super) type Roots = BTreeMap<i64, usize>;

/// Finds out on which page each table begins.
pub(super) fn roots(connection: &Connection) -> rusqlite::Result<Roots> {
    let mut found = Roots::new();
    let mut statement = connection.prepare("SELECT name, rootpage FROM sqlite_schema WHERE type = 'table'")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((place, _)) = schema::find(&row.get::<_, String>(0)?) {
            found.insert(row.get(1)?, place);
        }
    }
    Ok(found)
}

/// What `sql` reads.
pub(super) fn reads(connection: &Connection, roots: &Roots, sql: &str) -> rusqlite::Result<Reads> {
    let mut statement = connection.prepare(&format!("EXPLAIN {sql}"))?;
    let mut rows = statement.query([])?;
    let mut reads = Reads::new();
    let mut cursors: BTreeMap<i64, BTreeSet<usize>> = BTreeMap::new();
    let mut taken: Vec<(i64, Option<usize>)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (p1, p2, p3): (i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        match row.get_ref(1)?.as_str().unwrap_or_default() {
            // Of the database `main`.
            "OpenRead" | "ReopenIdx" | "OpenWrite" if p3 == 0 => {
                if let Some(table) = roots.get(&p2) {
                    reads.entry(*table).or_default().times += 1;
                    cursors.entry(p1).or_default().insert(*table);
                }
            }
            "Column" => taken.push((p1, usize::try_from(p2).ok())),
            // Whole rows are taken: none of the statements tried does so of a table, but nothing may be missed.
            "RowData" | "RowCell" => taken.push((p1, None)),
            _ => {}
        }
    }
    for (cursor, nth) in taken {
        for table in cursors.get(&cursor).into_iter().flatten() {
            let Some(of) = schema::tables().get(*table) else { continue };
            let read = reads.entry(*table).or_default();
            match nth {
                Some(nth) => read.columns.extend(of.stored().nth(nth)),
                None => read.columns.extend(of.stored()),
            }
        }
    }
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::sql::guard::SqlGuard;

    /// The tables that a statement reads, each with its columns.
    fn read(sql: &str) -> Vec<(String, Vec<String>)> {
        let guard = SqlGuard::open(sql, crate::model::Timestamp::EPOCH, std::sync::Arc::new(|| false)).unwrap();
        let found = reads(&guard.connection, &guard.roots, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let of = |(table, read): (&usize, &TableRead)| {
            let table = &schema::tables()[*table];
            let mut columns: Vec<String> =
                read.columns.iter().map(|column| table.columns[*column].name.clone()).collect();
            columns.sort();
            (table.name.clone(), columns)
        };
        let mut found: Vec<(String, Vec<String>)> = found.iter().map(of).collect();
        found.sort();
        found
    }

    /// Tables with their columns.
    type TablesRead<'a> = &'a [(&'a str, &'a [&'a str])];

    fn expected(tables: TablesRead<'_>) -> Vec<(String, Vec<String>)> {
        tables
            .iter()
            .map(|(table, columns)| ((*table).to_owned(), columns.iter().map(|column| (*column).to_owned()).collect()))
            .collect()
    }

    #[test]
    fn a_program_names_every_table_and_column_that_it_reads() {
        let cases: &[(&str, TablesRead<'_>)] = &[
            (
                "SELECT instance_type, count(*) FROM instance GROUP BY instance_type",
                &[("instance", &["instance_type"])],
            ),
            ("SELECT count(*) FROM instance", &[("instance", &[])]),
            ("SELECT 1", &[]),
            ("SELECT instance_id FROM instance", &[("instance", &["id"])]),
            (
                "SELECT count(*) FROM instance JOIN instance_volume USING (instance_id)",
                &[("instance", &["id"]), ("instance_volume", &["instance_id"])],
            ),
            (
                "SELECT device FROM instance NATURAL JOIN instance_volume",
                &[
                    ("instance", &["account", "id", "region"]),
                    ("instance_volume", &["account", "device", "instance_id", "region"]),
                ],
            ),
            (
                "SELECT i.name, t.value FROM instance i FULL JOIN tag t USING (id)",
                &[("instance", &["id", "name"]), ("tag", &["id", "value"])],
            ),
            (
                "SELECT i.name FROM instance i LEFT JOIN volume v ON v.name = i.name WHERE v.size > 5",
                &[("instance", &["name"]), ("volume", &["name", "size"])],
            ),
            (
                "WITH x AS (SELECT id AS k FROM vpc) SELECT id FROM subnet WHERE vpc_id IN x",
                &[("subnet", &["id", "vpc_id"]), ("vpc", &["id"])],
            ),
            ("WITH instance AS (SELECT id, size FROM volume) SELECT size FROM instance", &[("volume", &["size"])]),
            (
                "SELECT id FROM instance WHERE vpc_id IN (SELECT id FROM vpc WHERE is_default)",
                &[("instance", &["id", "vpc_id"]), ("vpc", &["id", "is_default"])],
            ),
            (
                "SELECT id, (SELECT count(*) FROM instance_volume v WHERE v.instance_id = i.id) FROM instance i",
                &[("instance", &["id"]), ("instance_volume", &["instance_id"])],
            ),
            (
                "SELECT n FROM (SELECT vpc_id, count(*) AS n FROM instance GROUP BY 1) WHERE n > 3",
                &[("instance", &["vpc_id"])],
            ),
            (
                "SELECT id FROM instance i WHERE EXISTS (SELECT 1 FROM tag t WHERE t.id = i.id AND t.key = 'a')",
                &[("instance", &["id"]), ("tag", &["id", "key"])],
            ),
            (
                "SELECT id FROM volume UNION SELECT id FROM snapshot ORDER BY 1",
                &[("snapshot", &["id"]), ("volume", &["id"])],
            ),
            (
                "SELECT rank() OVER (PARTITION BY vpc_id ORDER BY launch_time) FROM instance",
                &[("instance", &["launch_time", "vpc_id"])],
            ),
            ("SELECT e.value FROM instance, json_each(instance_group_id) e", &[("instance", &["instance_group_id"])]),
            ("SELECT document FROM instance", &[("instance", &["account", "id", "region"])]),
            ("SELECT max(launch_time) FROM instance", &[("instance", &["launch_time"])]),
            ("SELECT (id, region) = ('a', 'b') FROM instance", &[("instance", &["id", "region"])]),
            ("SELECT v.rowid FROM volume v", &[("volume", &[])]),
            (
                "WITH RECURSIVE up(id, n) AS (SELECT id, 0 FROM vpc UNION SELECT s.id, n + 1 FROM subnet s JOIN up ON s.vpc_id = up.id) SELECT * FROM up",
                &[("subnet", &["id", "vpc_id"]), ("vpc", &["id"])],
            ),
            (
                "SELECT a.id FROM instance a JOIN instance b ON a.private_ip_address = b.ip_address",
                &[("instance", &["id", "ip_address", "private_ip_address"])],
            ),
        ];
        for (sql, tables) in cases {
            assert_eq!(read(sql), expected(tables), "{sql}");
        }
    }

    #[test]
    fn a_whole_row_is_all_of_what_it_holds() {
        let found = read("SELECT * FROM volume");
        let (_, volume) = schema::find("volume").unwrap();
        assert_eq!(found[0].1.len(), volume.stored().count());
        let found = read("SELECT * FROM instance_volume JOIN route USING (region)");
        assert_eq!((found[0].1.len(), found[1].1.len()), (8, 8));
    }
}
