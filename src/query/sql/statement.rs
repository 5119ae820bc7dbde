//! One statement, from its text to its answer.

use std::collections::BTreeSet;

use sqlparser::tokenizer::Token;

use super::absent::SoughtValues;
use super::answer::{self, Most, SqlRows, SqlValue};
use super::fill::{self, filling::Filling};
use super::guard::SqlGuard;
use super::joined::JoinedColumns;
use super::limits::{DEPTH, Expired, LENGTH};
use super::links::{self, TableLink};
use super::narrow::{self, Narrowed};
use super::parse_tree;
use super::reads::{self, Reads};
use super::schema::{self, Flat, TableSource};
use super::{Outside, SqlError, Visible, absent, doubt, lookup, pitfalls, shell_words};
use crate::kinds::{KINDS, KindSpec, NETWORK_INTERFACE};
use crate::model::Timestamp;
use crate::query::Point;
use crate::store::Store;

/// The most values of a column that are looked through for one that is near to what was sought.
const LISTED: Most = Most { rows: 5_000, bytes: 1 << 20 };

/// A statement that was understood and is permitted, before anything is read for it.
pub struct SqlStatement {
    guard: SqlGuard,
    sql: String,
    reads: Reads,
    narrowed: Narrowed,
    links: BTreeSet<TableLink>,
    sought: Vec<SoughtValues>,
}

impl SqlStatement {
    /// Reads a statement. `now` is what `ago` counts from; `expired` says when its time is up.
    ///
    /// # Errors
    /// When it is not one SELECT that SQLite understands, asks for what is not permitted, or compares what can never be equal.
    pub fn prepare(sql: &str, now: Timestamp, expired: Expired) -> Result<Self, SqlError> {
        let mut sql = single(sql)?.to_owned();
        if sql.is_empty() {
            return Err(SqlError::Empty);
        }
        if let Some(answer) = shell_words::answered(&sql) {
            return Err(answer);
        }
        let guard = SqlGuard::open(&sql, now, expired)?;
        {
            let statement = guard.connection.prepare(&sql).map_err(|error| guard.failure(&error, &sql))?;
            if statement.is_explain() != 0 || !statement.readonly() || statement.column_count() == 0 {
                return Err(SqlError::NotSelect);
            }
            if statement.parameter_count() > 0 {
                return Err(SqlError::Parameters);
            }
        }
        let reads = reads::reads(&guard.connection, &guard.roots, &sql).map_err(|error| guard.failure(&error, &sql))?;
        // SQLite has bound the statement's depth by now: what the parser makes of it is no deeper.
        let mut query = parse_tree::parsed(&sql);
        let (mut narrowed, mut links, mut sought) = (Narrowed::new(), BTreeSet::new(), Vec::new());
        if let Some(parsed) = &query {
            let ago = doubt::check(parsed)?;
            if let Some(written) = (!ago.is_empty()).then(|| doubt::with_ago(&sql, ago)).flatten() {
                query = parse_tree::parsed(&written);
                sql = written;
            }
        }
        if let Some(query) = &query {
            narrowed = narrow::narrowed(&guard.connection, &sql, query, &reads);
            // What was tried for a value and failed is no failure of the statement.
            guard.lookup.lock().failure = None;
            let singles = narrow::singles(&sql, &reads);
            links = links::links(query, &singles);
            sought = absent::sought(query, &singles);
        }
        Ok(SqlStatement { guard, sql, reads, narrowed, links, sought })
    }

    /// The kinds that it reads something of, in the order of all kinds.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static KindSpec> {
        let tables = self.reads.keys().filter_map(|place| schema::tables().get(*place));
        let read: BTreeSet<&str> = tables.flat_map(schema::SqlTable::kinds).map(|kind| kind.slug).collect();
        KINDS.iter().copied().filter(|kind| read.contains(kind.slug)).collect()
    }

    /// The kinds without which what it reads has nothing to tell. A table of several kinds has rows of the others.
    #[must_use]
    pub fn named_kinds(&self) -> Vec<&'static KindSpec> {
        let tables = self.reads.keys().filter_map(|place| schema::tables().get(*place));
        let named = tables.flat_map(|table| match table.source {
            TableSource::Flat(Flat::Tag | Flat::Relation | Flat::Change) => Vec::new(),
            // Its rows are made of these, and the other kinds judge them.
            TableSource::Flat(Flat::Exposure) => vec![NETWORK_INTERFACE],
            _ => table.kinds(),
        });
        named.collect()
    }

    /// Whether it reads a table of several kinds, which lacks what is new or there of those that are not watched.
    #[must_use]
    pub fn reads_several_kinds(&self) -> bool {
        let of_several = [Flat::Tag, Flat::Relation, Flat::Change, Flat::Freshness];
        of_several.into_iter().any(|table| self.reads_table(table))
    }

    /// Whether it reads records of the log.
    #[must_use]
    pub fn reads_log(&self) -> bool {
        self.reads_table(Flat::Change) || self.reads_table(Flat::Action)
    }

    /// Whether it reads nothing but tools' calls, which the log holds whatever sweeps have seen.
    #[must_use]
    pub fn reads_only_actions(&self) -> bool {
        self.reads_table(Flat::Action) && self.reads.len() == 1
    }

    /// The table that it reads of which only the present is known, if it reads one.
    #[must_use]
    pub fn reads_present(&self) -> Option<&'static str> {
        [(Flat::Freshness, "freshness"), (Flat::Account, "account"), (Flat::Exposure, "exposure")]
            .into_iter()
            .find_map(|(table, name)| self.reads_table(table).then_some(name))
    }

    /// Whether it reads what the internet can reach, which depends on how complete kinds are.
    #[must_use]
    pub fn reads_exposure(&self) -> bool {
        self.reads_table(Flat::Exposure)
    }

    fn reads_table(&self, wanted: Flat) -> bool {
        let is_wanted = |place: &usize| {
            let table = schema::tables().get(*place);
            table.is_some_and(|table| matches!(table.source, TableSource::Flat(flat) if flat == wanted))
        };
        self.reads.keys().any(is_wanted)
    }

    /// The same statement with nothing narrowed: everything that it reads is filled in.
    #[must_use]
    pub fn whole(mut self) -> Self {
        self.narrowed.clear();
        self.links.clear();
        self
    }

    /// The keys of tags whose values it compares with something.
    #[must_use]
    pub fn compared_tags(&self) -> BTreeSet<String> {
        pitfalls::compared_tags(&self.sql)
    }

    /// Asks the store: as it is now, or as it was at `point`.
    ///
    /// # Errors
    /// When it reads or takes too much, the log does not know `point`, or the store cannot be read.
    pub fn ask(
        self,
        store: &Store,
        point: Option<Point>,
        visible: &Visible,
        outside: &Outside,
        most: Most,
    ) -> Result<SqlRows, SqlError> {
        let is_exposure = self.reads_exposure();
        let SqlStatement { guard, sql, reads, narrowed, links, sought } = self;
        let snapshot = store.snapshot()?;
        let point = match point {
            Some(point) => point,
            None => lookup::end(&snapshot)?,
        };
        if point.seq < snapshot.seq() && is_exposure {
            return Err(SqlError::PresentOnly("exposure"));
        }
        let filling = Filling {
            connection: &guard.connection,
            snapshot,
            store,
            point,
            visible,
            outside,
            expired: &guard.expired,
        };
        let fill::FilledTables { partial, notes } =
            guard.filling(|| fill::fill(&filling, &reads, narrowed, &links, &JoinedColumns::of(&sql)))?;
        let is_now = point.seq >= filling.snapshot.seq();
        // No read transaction is held while SQLite works.
        drop(filling);
        guard.lookup.lock().open(store, point);
        let mut statement = guard.connection.prepare(&sql).map_err(|error| guard.failure(&error, &sql))?;
        let columns = statement.column_names().map(str::to_owned).collect();
        let (rows, total, uncounted) = answer::run(&guard, &mut statement, &sql, most)?;
        // Of the past, and of what not all of is seen, nobody says which values there are.
        let mut hints = notes;
        hints.extend(pitfalls::dotted(&sql));
        if is_now && visible.is_all() && absent::is_nothing(&rows, total) {
            let listed = |sql: &str| listed(sql, point, &guard.expired, store, outside);
            hints.extend(absent::hints(store, &store.snapshot()?, &sought, listed)?);
        }
        Ok(SqlRows { columns, rows, total, uncounted, seq: point.seq, partial, hints })
    }
}

/// The different values of a statement's only column; `None` where they are too many or there is no time left for them.
fn listed(sql: &str, point: Point, expired: &Expired, store: &Store, outside: &Outside) -> Option<BTreeSet<String>> {
    let statement = SqlStatement::prepare(sql, point.at, Expired::clone(expired)).ok()?;
    let found = statement.ask(store, None, &Visible::all(), outside, LISTED).ok()?;
    let is_whole = found.uncounted.is_none() && found.total == found.rows.len() as u64;
    let values = found.rows.into_iter().flatten().filter_map(|value| match value {
        SqlValue::Text(text) => Some(text),
        _ => None,
    });
    is_whole.then(|| values.collect())
}

/// The one statement of a text, without what ends it.
fn single(sql: &str) -> Result<&str, SqlError> {
    if sql.len() > LENGTH {
        return Err(SqlError::Long(LENGTH >> 10));
    }
    let sql = sql.trim().trim_end_matches(';');
    let mut depth = (0_usize, 0_usize);
    // What stands in quotes counts as well: nobody writes so many there.
    for letter in sql.chars() {
        match letter {
            '(' => depth.0 += 1,
            ')' => depth.0 = depth.0.saturating_sub(1),
            _ => {}
        }
        depth.1 = depth.1.max(depth.0);
    }
    if depth.1 > DEPTH {
        return Err(SqlError::Deep(DEPTH));
    }
    let is_several = match schema::tokens(sql) {
        Some(mut tokens) => {
            while tokens.last() == Some(&Token::SemiColon) {
                tokens.pop();
            }
            tokens.contains(&Token::SemiColon)
        }
        // SQLite says what is wrong with it.
        None => sql.matches(';').count() > 1,
    };
    if is_several { Err(SqlError::Several) } else { Ok(sql) }
}
