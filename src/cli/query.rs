//! `muster query`.

use std::io::{self, Read};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::arguments;
use super::output::Output;
use super::store_flags::RegionalStoreFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field, in_flags};
use crate::app::client::admin::{AdminError, AdminOutput, AdminStream};
use crate::config::Environment;
use crate::connection::admin::AdminRequest;
use crate::model::FailureCode;
use crate::model::text::shown;

/// What to ask.
#[derive(Clone, Debug, Args)]
pub(super) struct SqlQuery {
    /// One SELECT in SQLite's dialect, or - to read it from standard input
    #[arg(value_name = "SQL", required_unless_present = "file", conflicts_with = "file")]
    sql: Option<String>,
    /// Read the SELECT from a file
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Ask about what was known then: an RFC 3339 time, or that long ago, such as -15m
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = arguments::moment)]
    as_of: Option<String>,
    /// Print the answer as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print the rows as CSV
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

/// Why there is nothing to ask, or no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// The statement cannot be read.
    #[error("the statement cannot be read from {from}")]
    Unreadable {
        /// Where it was to be read from.
        from: String,
        /// Why it cannot.
        #[source]
        source: io::Error,
    },
    /// The statement has no answer.
    #[error("{0}")]
    Refused(String),
}

impl SqlQuery {
    /// Shows the rows on standard output, and what lessens them on standard error.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let sql = self.statement()?;
        let request = AdminRequest::Query { sql, as_of: self.as_of.clone() };
        let (rows, answer) = asked(AdminStream::start(&self.store.config(environment)?, &request).await?).await?;
        let columns: Vec<String> =
            answer.get("columns").and_then(Value::as_array).into_iter().flatten().map(text).collect();
        let mut output = Output::stdout();
        if self.json {
            return Ok(output.line(&harmless(&format!("{:#}", whole(answer, &columns, rows))))?);
        }
        if self.csv {
            output.text(csv(&columns, &rows).as_bytes())?;
        } else {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            let mut table = Table::new(&names);
            for row in &rows {
                table.row(row.iter().map(text).collect());
            }
            output.text(table.print(Medium::stdout()).as_bytes())?;
        }
        warnings::say(&headline(&answer));
        warnings::tell(&answer);
        Ok(())
    }

    fn statement(&self) -> Result<String, QueryError> {
        let unreadable = |from: String| move |source| QueryError::Unreadable { from, source };
        match (&self.file, self.sql.as_deref()) {
            (Some(path), _) => std::fs::read_to_string(path).map_err(unreadable(path.display().to_string())),
            (None, Some("-")) => {
                let mut sql = String::new();
                io::stdin().read_to_string(&mut sql).map_err(unreadable("standard input".to_owned()))?;
                Ok(sql)
            }
            (None, sql) => Ok(sql.unwrap_or_default().to_owned()),
        }
    }
}

/// All rows, and what is said of them.
async fn asked(mut stream: AdminStream) -> anyhow::Result<(Vec<Vec<Value>>, Value)> {
    let mut rows = Vec::new();
    loop {
        match stream.next().await {
            Ok(AdminOutput::Record(line)) => rows.push(serde_json::from_slice(&line).map_err(AdminError::from)?),
            Ok(AdminOutput::Note(note)) => warnings::say(&note),
            Ok(AdminOutput::Done(answer)) => return Ok((rows, answer)),
            Err(AdminError::Failed { code: FailureCode::InvalidArgument, error }) => {
                return Err(QueryError::Refused(shown(&in_flags(&error), 4_000)).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The answer with its rows, each as an object of its columns.
fn whole(mut answer: Value, columns: &[String], rows: Vec<Vec<Value>>) -> Value {
    let object = |row: Vec<Value>| Value::Object(columns.iter().cloned().zip(row).collect::<Map<String, Value>>());
    if let Value::Object(fields) = &mut answer {
        fields.insert("rows".to_owned(), json!(rows.into_iter().map(object).collect::<Vec<_>>()));
    }
    answer
}

/// How many rows there are, as of when.
fn headline(answer: &Value) -> String {
    let total = answer.get("total").and_then(Value::as_u64).unwrap_or_default();
    let rows = if total == 1 { "row" } else { "rows" };
    let at_least = if answer.get("at_least") == Some(&Value::Bool(true)) { "at least " } else { "" };
    match field(answer, "as_of") {
        as_of if as_of.is_empty() => format!("{at_least}{total} {rows}"),
        as_of => format!("{at_least}{total} {rows}, as of {as_of}"),
    }
}

/// The rows below the names of their columns, as RFC 4180 has it. NULL is an empty cell.
fn csv(columns: &[String], rows: &[Vec<Value>]) -> String {
    let quoted = |cell: &str| {
        let cell = harmless(cell);
        if cell.contains([',', '"', '\n', '\r']) || cell.starts_with(' ') || cell.ends_with(' ') {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    let mut csv = columns.iter().map(|column| quoted(column)).collect::<Vec<_>>().join(",");
    csv.push_str("\r\n");
    for row in rows {
        csv.push_str(&row.iter().map(|cell| quoted(&text(cell))).collect::<Vec<_>>().join(","));
        csv.push_str("\r\n");
    }
    csv
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_a_comma_or_quotes_is_quoted() {
        let rows = [
            vec![json!("a,b"), json!("say \"x\"")],
            vec![json!(1), Value::Null],
            vec![json!("two\nlines"), json!(0.5)],
        ];
        let columns = ["one".to_owned(), "other".to_owned()];
        assert_eq!(csv(&columns, &rows), "one,other\r\n\"a,b\",\"say \"\"x\"\"\"\r\n1,\r\n\"two\nlines\",0.5\r\n");
    }

    #[test]
    fn json_has_a_row_as_an_object() {
        let answer = whole(json!({"total": 1}), &["id".to_owned(), "n".to_owned()], vec![vec![json!("i-1"), json!(2)]]);
        assert_eq!(answer, json!({"total": 1, "rows": [{"id": "i-1", "n": 2}]}));
        assert_eq!(headline(&answer), "1 row");
    }
}
