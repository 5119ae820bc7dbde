//! Which columns a statement compares with columns, so that tables get an index over them before they are joined.
//!
//! Without an index SQLite makes one of its own for a join, over whatever column is compared with anything. It takes every such
//! index to lead to 20 rows, also one over `state = 'running'`, and then reads all running instances for each volume: 2 s for
//! 10,000 of both. With an index over the columns that are joined, and the number of rows behind its values, it takes that one. It
//! has one as well for a subquery that is asked for every row, for which SQLite makes none.

use std::collections::BTreeSet;

use rusqlite::Connection;
use sqlparser::tokenizer::Token;

use super::reads::TableRead;
use super::schema::{self, Field, SqlTable};

/// Fewer rows than this need no index.
const FEW: u64 = 100;

/// How many indexes a table gets at most.
const INDEXES: usize = 4;

/// About how many bytes an index takes for a row.
pub(super) const ROW: usize = 40;

/// How many rows behind a value are looked at to see how many there are.
const LIMIT: usize = 1_000;

/// A column that is compared with another, as the statement names it: behind the name of what it is taken from, if there is one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ComparedColumn {
    of: Option<String>,
    name: String,
}

/// The columns of tables that a statement compares with columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct JoinedColumns {
    columns: BTreeSet<ComparedColumn>,
    /// The names that tables go by, in lower case.
    names: BTreeSet<(String, usize)>,
}

impl JoinedColumns {
    /// Those of `sql`. More than those that are joined do no harm.
    pub(super) fn of(sql: &str) -> Self {
        let tokens = schema::tokens(sql).unwrap_or_default();
        let mut found = JoinedColumns::default();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                Token::Eq | Token::DoubleEq => {
                    let (before, behind) = (before(&tokens, place), behind(&tokens, place));
                    if before != Operand::Literal && behind != Operand::Literal {
                        found.columns.extend([before, behind].into_iter().filter_map(Operand::column));
                    }
                }
                Token::Word(word) if word.value.eq_ignore_ascii_case("using") => {
                    let listed = tokens.iter().skip(place + 2).take_while(|token| **token != Token::RParen);
                    let names = listed.filter_map(word_of).map(|name| ComparedColumn { of: None, name });
                    found.columns.extend(names);
                }
                Token::Word(word) => {
                    let Some((table, _)) = schema::find(&word.value) else { continue };
                    // `instance i`, `instance AS i`; a keyword behind it is nobody's name.
                    let names = tokens.get(place..).unwrap_or_default().iter().take(3).filter_map(word_of);
                    found.names.extend(names.map(|name| (name, table)));
                }
                _ => {}
            }
        }
        found
    }

    /// The columns of a table that get an index, of those that are read of it.
    fn of_table(&self, place: usize, table: &'static SqlTable, read: &TableRead) -> Vec<&'static str> {
        let is_of = |column: &&ComparedColumn| {
            column.of.as_ref().is_none_or(|name| self.names.contains(&(name.clone(), place)))
        };
        let read = |column: &ComparedColumn| {
            let (nth, known) = table.column(&column.name)?;
            let held = if let Field::Same(held) = known.field { held } else { nth };
            read.columns.contains(&held).then_some(known.name.as_str())
        };
        let names: BTreeSet<&str> = self.columns.iter().filter(is_of).filter_map(read).collect();
        names.into_iter().take(INDEXES).collect()
    }

    /// Makes the indexes of a table of `rows` rows, and returns how many.
    ///
    /// # Errors
    /// What SQLite has against it: no time or memory left.
    pub(super) fn index(
        &self,
        connection: &Connection,
        place: usize,
        read: &TableRead,
        rows: u64,
    ) -> rusqlite::Result<usize> {
        let Some(table) = schema::tables().get(place).filter(|_| rows >= FEW) else { return Ok(0) };
        let columns = self.of_table(place, table, read);
        for column in &columns {
            let index = format!("CREATE INDEX \"joined_{0}_{column}\" ON \"{0}\"(\"{column}\")", table.name);
            connection.execute_batch(&index)?;
        }
        Ok(columns.len())
    }

    /// Counts the rows behind the values of all indexes.
    ///
    /// # Errors
    /// What SQLite has against it: no time or memory left.
    pub(super) fn count(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute_batch(&format!("PRAGMA analysis_limit={LIMIT}; ANALYZE"))
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Operand {
    Column(ComparedColumn),
    Literal,
    Expression,
}

impl Operand {
    fn column(self) -> Option<ComparedColumn> {
        if let Operand::Column(column) = self { Some(column) } else { None }
    }
}

fn word_of(token: &Token) -> Option<String> {
    if let Token::Word(word) = token { Some(word.value.to_ascii_lowercase()) } else { None }
}

/// What stands before the sign at `place`.
fn before(tokens: &[Token], place: usize) -> Operand {
    let at = |back: usize| place.checked_sub(back).and_then(|place| tokens.get(place));
    match (at(3).and_then(word_of), at(2), at(1)) {
        (of, Some(Token::Period), Some(Token::Word(word))) => {
            Operand::Column(ComparedColumn { of, name: word.value.to_ascii_lowercase() })
        }
        (_, _, Some(token)) => operand(token),
        _ => Operand::Expression,
    }
}

/// What stands behind the sign at `place`.
fn behind(tokens: &[Token], place: usize) -> Operand {
    let at = |on: usize| tokens.get(place + on);
    match (at(1), at(2), at(3).and_then(word_of)) {
        (Some(Token::Word(of)), Some(Token::Period), Some(name)) => {
            Operand::Column(ComparedColumn { of: Some(of.value.to_ascii_lowercase()), name })
        }
        (Some(Token::Word(_)), Some(Token::LParen), _) => Operand::Expression,
        (Some(token), ..) => operand(token),
        _ => Operand::Expression,
    }
}

fn operand(token: &Token) -> Operand {
    match token {
        Token::Word(word) => Operand::Column(ComparedColumn { of: None, name: word.value.to_ascii_lowercase() }),
        Token::SingleQuotedString(_) | Token::Number(..) | Token::Minus => Operand::Literal,
        _ => Operand::Expression,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::json;

    use super::*;
    use crate::query::sql::samples::{SampleAccount, at, instance};
    use crate::query::sql::{Most, Outside, SqlStatement, Visible};

    /// The columns that get an index, of tables of which everything is read.
    fn said(sql: &str) -> Vec<String> {
        let joined = JoinedColumns::of(sql);
        let mut said = Vec::new();
        for (place, table) in schema::tables().iter().enumerate() {
            let read = TableRead { columns: (0..table.columns.len()).collect(), times: 1 };
            let is_named = schema::named_in(sql).iter().any(|named| named.name == table.name);
            let columns = if is_named { joined.of_table(place, table, &read) } else { Vec::new() };
            said.extend(columns.into_iter().map(|column| format!("{}.{column}", table.name)));
        }
        said.sort();
        said
    }

    #[test]
    fn columns_that_are_joined_get_an_index_and_those_of_literals_none() {
        let both = ["instance.id", "instance_volume.instance_id"];
        for sql in [
            "SELECT 1 FROM instance i JOIN instance_volume v ON v.instance_id = i.id AND i.state = 'running'",
            "SELECT 1 FROM instance AS i, instance_volume AS v WHERE (i.id == v.instance_id) AND v.is_root = 1",
            "SELECT 1 FROM instance I WHERE NOT EXISTS (SELECT 1 FROM instance_volume WHERE instance_volume.INSTANCE_ID=i.ID)",
        ] {
            assert_eq!(said(sql), both, "{sql}");
        }
        assert_eq!(
            said("SELECT 1 FROM instance JOIN instance_volume USING (instance_id)"),
            ["instance.instance_id", "instance_volume.instance_id"]
        );
        assert_eq!(
            said("SELECT 1 FROM volume v JOIN instance_volume a ON a.volume_id = lower(v.id)"),
            ["instance_volume.volume_id"]
        );
        assert_eq!(said("SELECT 1 FROM instance WHERE state = 'running' AND -1 = id"), Vec::<String>::new());
    }

    /// How much SQLite works on a statement over so many instances, each with a volume.
    fn work(instances: usize, sql: &str) -> (String, u64) {
        let mut account = SampleAccount::new();
        let of = |n: usize, prefix: &str| format!("{prefix}-{n:017x}");
        for n in 0..instances {
            let volume = json!({"VolumeId": of(n, "vol"), "Size": 8, "Encrypted": n % 4 > 0,
                                "Attachments": [{"InstanceId": of(n, "i"), "VolumeId": of(n, "vol")}]});
            let mut one = instance(0, if n % 8 > 0 { "running" } else { "stopped" });
            one["InstanceId"] = json!(of(n, "i"));
            one["BlockDeviceMappings"] = json!([{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": of(n, "vol")}}]);
            account.put(&[("volume", "eu-west-1", &of(n, "vol"), volume), ("instance", "eu-west-1", &of(n, "i"), one)]);
        }
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        let expired = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            false
        });
        let statement = SqlStatement::prepare(sql, at(0), expired).unwrap();
        let found =
            statement.ask(&account.store, None, &Visible::all(), &Outside::default(), Most { rows: 9, bytes: 999 });
        (format!("{:?}", found.unwrap().rows), asked.load(Ordering::Relaxed))
    }

    #[test]
    fn ten_times_the_rows_are_about_ten_times_the_work() {
        for sql in [
            "SELECT count(*), sum(v.size) FROM volume v JOIN instance_volume a ON a.volume_id = v.id \
             JOIN instance i ON i.id = a.instance_id WHERE v.encrypted = 0 AND i.state = 'running'",
            "SELECT count(*) FROM volume v WHERE NOT EXISTS (SELECT 1 FROM instance_volume a WHERE a.volume_id = v.id)",
            "SELECT count(*) FROM instance i JOIN instance_volume USING (instance_id) WHERE i.state = 'running'",
        ] {
            let ((_, few), (rows, many)) = (work(120, sql), work(1_200, sql));
            assert!(many < 20 * few, "{sql}: {few} and {many}: {rows}");
        }
    }
}
