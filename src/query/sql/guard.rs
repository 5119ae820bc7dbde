//! A database that can only be asked, and only so much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use super::limits::{Expired, HEAP, VALUE};
use super::lookup::{self, Lookup};
use super::reads::{self, Roots};
use super::{SqlError, functions, like, said, schema, search};
use crate::model::Timestamp;
use crate::model::text::shown;

/// How many instructions are run between two looks at the clock.
const INSTRUCTIONS: i32 = 25;

/// What a statement may take at most.
const LIMITS: [(Limit, i32); 10] = [
    (Limit::SQLITE_LIMIT_LENGTH, VALUE),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, 64 << 10),
    (Limit::SQLITE_LIMIT_COLUMN, 500),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
    (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// The functions that a statement may call.
const FUNCTIONS: &str = " abs ago avg ceil ceiling char coalesce concat concat_ws count cume_dist current_date current_time \
    current_timestamp date datetime dense_rank first_value floor format glob group_concat hex if ifnull iif instr json -> ->> \
    json_array json_array_length json_each json_error_position json_extract json_group_array json_group_object json_insert \
    json_object json_patch json_pretty json_quote json_remove json_replace json_set json_tree json_type json_valid julianday lag \
    last_value lead length like likelihood likely lower ltrim max median min mod nth_value ntile nullif octet_length \
    percent_rank percentile printf quote random rank replace round row_number rtrim sign strftime string_agg substr \
    substring subtype sum time timediff total trim trunc typeof unhex unicode unistr unixepoch unlikely upper ";

/// Tables beside ours that may be read.
const TABLES: [&str; 4] = ["sqlite_schema", "sqlite_master", "json_each", "json_tree"];

/// A connection to a database with the tables that a statement names, which are empty.
pub(super) struct SqlGuard {
    pub(super) connection: Connection,
    /// The tables by the page that each begins on.
    pub(super) roots: Roots,
    /// Where lazy columns are looked up, and why something failed.
    pub(super) lookup: Arc<Mutex<Lookup>>,
    /// Whether the time of the statement is up.
    pub(super) expired: Expired,
    /// Whether the tables are being filled: then nothing is forbidden.
    is_filling: Arc<AtomicBool>,
}

impl SqlGuard {
    /// Opens one for a statement.
    pub(super) fn open(sql: &str, now: Timestamp, expired: Expired) -> Result<Self, SqlError> {
        let lookup = Arc::new(Mutex::new(Lookup::default()));
        let is_filling = Arc::new(AtomicBool::new(false));
        let opened = opened(sql, now, expired.clone(), &lookup, &is_filling);
        let (connection, roots) = opened.map_err(|error| said::of(&error, ""))?;
        Ok(SqlGuard { connection, roots, lookup, expired, is_filling })
    }

    /// Runs `fill`, to which nothing is forbidden.
    pub(super) fn filling<T>(&self, fill: impl FnOnce() -> T) -> T {
        self.is_filling.store(true, Ordering::Relaxed);
        let filled = fill();
        self.is_filling.store(false, Ordering::Relaxed);
        filled
    }

    /// Why something failed: what a function or the authorizer says of it, else what SQLite does.
    pub(super) fn failure(&self, error: &rusqlite::Error, sql: &str) -> SqlError {
        let known = self.lookup.lock().failure.take();
        match (said::of(error, sql), known) {
            // A look at a row may fail before the time is up that ends the statement.
            (SqlError::Time, None) => SqlError::Time,
            (_, Some(known)) => known,
            (other, None) => other,
        }
    }
}

fn opened(
    sql: &str,
    now: Timestamp,
    expired: Expired,
    lookup: &Arc<Mutex<Lookup>>,
    is_filling: &Arc<AtomicBool>,
) -> rusqlite::Result<(Connection, Roots)> {
    let mut connection = Connection::open_in_memory()?;
    for (config, is_on) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(config, is_on)?;
    }
    connection.execute_batch(&format!(
        "PRAGMA hard_heap_limit={HEAP}; PRAGMA temp_store=MEMORY; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
    ))?;
    functions::add(&connection, now, lookup)?;
    search::add(&connection, &expired)?;
    like::add(&connection, &expired)?;
    lookup::add(&connection, lookup, &expired)?;
    connection.execute_batch(&schema::definitions(sql))?;
    let roots = reads::roots(&connection)?;
    for (limit, most) in LIMITS {
        connection.set_limit(limit, most)?;
    }
    connection.progress_handler(INSTRUCTIONS, Some(move || expired()))?;
    let (lookup, is_filling) = (Arc::clone(lookup), Arc::clone(is_filling));
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if is_filling.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        match forbidden(&context) {
            None => Authorization::Allow,
            Some(what) => {
                lookup.lock().failure.get_or_insert(SqlError::Forbidden(what));
                Authorization::Deny
            }
        }
    }))?;
    Ok((connection, roots))
}

/// Whether a name is that of a table which SQLite has of itself.
fn is_of_sqlite(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["sqlite_", "pragma_", "dbstat", "fts", "rtree", "bytecode", "tables_used"].iter().any(|own| name.starts_with(own))
}

/// What is forbidden about an action; `None` where it is allowed.
fn forbidden(context: &AuthContext<'_>) -> Option<String> {
    let quoted = |name: &str| shown(name, 60);
    match context.action {
        AuthAction::Select | AuthAction::Recursive => None,
        AuthAction::Read { table_name, column_name } => {
            let is_ours = schema::find(table_name).is_some() || TABLES.contains(&table_name);
            // Of a common table of the statement itself, it is only told that rows are read.
            let is_own = column_name.is_empty() && !is_of_sqlite(table_name);
            (!is_ours && !is_own).then(|| format!("the table {}", quoted(table_name)))
        }
        AuthAction::Function { function_name } => {
            let name = function_name.to_ascii_lowercase();
            let is_listed = !name.contains(' ') && FUNCTIONS.contains(&format!(" {name} "));
            (!is_listed).then(|| format!("the function {}", quoted(function_name)))
        }
        AuthAction::Pragma { pragma_name, .. } => Some(format!("PRAGMA {}", quoted(pragma_name))),
        AuthAction::Attach { .. } | AuthAction::Detach { .. } => Some("ATTACH".to_owned()),
        AuthAction::Insert { .. } => Some("INSERT".to_owned()),
        AuthAction::Update { .. } => Some("UPDATE".to_owned()),
        AuthAction::Delete { .. } => Some("DELETE".to_owned()),
        AuthAction::Transaction { .. } | AuthAction::Savepoint { .. } => Some("a transaction".to_owned()),
        _ => Some("a change of the schema".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> String {
        let guard = SqlGuard::open(sql, Timestamp::EPOCH, Arc::new(|| false)).unwrap();
        match guard.connection.prepare(sql) {
            Ok(_) => String::new(),
            Err(error) => guard.failure(&error, sql).to_string(),
        }
    }

    #[test]
    fn what_is_no_question_is_refused_with_its_name() {
        for (sql, named) in [
            ("ATTACH 'x.db' AS x", "ATTACH"),
            ("DETACH main", "ATTACH"),
            ("PRAGMA user_version", "PRAGMA user_version"),
            ("PRAGMA hard_heap_limit=0", "PRAGMA hard_heap_limit"),
            ("SELECT * FROM pragma_table_info('instance')", "pragma_table_info"),
            ("SELECT load_extension('x')", "load_extension"),
            ("SELECT zeroblob(10)", "zeroblob"),
            ("SELECT randomblob(10)", "randomblob"),
            ("SELECT sqlite_version()", "sqlite_version"),
            ("SELECT muster_document(0, 'i-1', '1', 'r')", "muster_document"),
            ("SELECT * FROM dbstat", "dbstat"),
            ("SELECT count(*) FROM dbstat", "dbstat"),
            ("SELECT count(*) FROM pragma_function_list", "pragma_function_list"),
            ("INSERT INTO tag(id) VALUES ('x')", "INSERT"),
            ("UPDATE tag SET id = 'x'", "UPDATE"),
            ("DELETE FROM tag", "DELETE"),
            ("DROP TABLE tag", "not permitted"),
            ("CREATE TABLE x(a)", "not permitted"),
            ("CREATE TEMP VIEW v AS SELECT 1", "not permitted"),
            ("CREATE VIRTUAL TABLE f USING fts5(a)", "not permitted"),
            ("BEGIN", "a transaction"),
            ("VACUUM INTO 'x.db'", ""),
        ] {
            let said = refused(sql);
            assert!(said.contains(named), "{sql}: {said}");
        }
        for fine in ["SELECT 1", "SELECT name FROM sqlite_schema", "SELECT '{}' ->> '$.a', upper('x'), ago('1d')"] {
            assert_eq!(refused(fine), "", "{fine}");
        }
    }

    #[test]
    fn the_heap_and_every_value_are_bounded() {
        let guard = SqlGuard::open("", Timestamp::EPOCH, Arc::new(|| false)).unwrap();
        let heap: i64 =
            guard.filling(|| guard.connection.query_row("PRAGMA hard_heap_limit", [], |row| row.get(0))).unwrap();
        assert_eq!(heap, i64::try_from(HEAP).unwrap());
        for (limit, most) in LIMITS {
            assert_eq!(guard.connection.limit(limit).unwrap(), most, "{limit:?}");
        }
    }
}
