//! Answers requests of EC2's API from the copy.

use std::collections::BTreeSet;
use std::time::Duration;

use super::action::Ec2Action;
use super::answer_rest::{AnswerPart, AnswerRest};
use super::asked_scope::asked_scope;
use super::copy_fault::CopyFault;
use super::damage_concern::may_lack;
use super::fault::Ec2Fault;
use super::found_page::FoundPage;
use super::kind_search::KindSearch;
use super::missed_ids::MissStance;
use super::place::AskedPlace;
use super::question::DescribeQuestion;
use super::request::Ec2Request;
use super::reservation_book::ReservationBooks;
use super::response;
use super::standing::{CopyStanding, standing};
use super::tags_page::{DESCRIBE_TAGS, TagsPage};
use super::tags_search::{found_tags, tags_after};
use super::wire::WireTable;
use crate::aws::Aws;
use crate::freshness::{Freshness, ScopeFreshness, StatesWanted};
use crate::kinds::{KindSpec, VPC};
use crate::model::{ResourceId, Scope, ScopeFilter, Seq, SharedClock, Timestamp};
use crate::query::walk::LONGEST;
use crate::query::{Cursor, PastError};
use crate::store::{Snapshot, Store};

/// Where an answer of EC2's API comes from.
#[derive(Clone)]
pub struct Ec2Desk {
    /// Reads.
    pub store: Store,
    /// How fresh they are.
    pub freshness: Freshness,
    /// AWS time.
    pub clock: SharedClock,
    /// Knows the tags whose values are redacted.
    pub aws: Aws,
    /// How old the copy may be.
    pub max_stale: Option<Duration>,
    /// Which instances belong together.
    pub books: ReservationBooks,
    /// What becomes of what the copy does not have.
    pub stance: MissStance,
}

/// An answer from the copy.
#[derive(Debug)]
pub struct CopyAnswer {
    /// The document, or its first part.
    pub body: Vec<u8>,
    /// What follows it.
    pub rest: Option<AnswerRest>,
    /// How fresh the copy is.
    pub standing: CopyStanding,
    /// The newest record that it takes into account; `None` where it is of what is not recorded.
    pub seq: Option<Seq>,
    /// Whether its walk goes on from another moment than that of the page before.
    pub is_moved: bool,
}

/// What an answer that is not asked for in pages is about, and where.
enum PartQuestion {
    Kind(Box<DescribeQuestion>, Scope),
    Tags(Box<TagsPage>, Scope),
}

/// Where an answer that is not asked for in pages goes on.
struct PartAfter {
    table: &'static WireTable,
    question: PartQuestion,
    after: Cursor,
    begun: Timestamp,
}

impl Ec2Desk {
    /// Answers a request from the copy. Blocks while it reads.
    ///
    /// # Errors
    /// [`CopyFault`], where the copy does not have all of the answer, or AWS would refuse it as well.
    pub fn answer(
        &self,
        request: &Ec2Request,
        asked: AskedPlace<'_>,
        request_id: &str,
    ) -> Result<CopyAnswer, CopyFault> {
        let table = match request.action {
            Ec2Action::Describe(table) => table,
            Ec2Action::Other(name) => return Err(Ec2Fault::NotHeld(name).into()),
            Ec2Action::Change(name) => return Err(Ec2Fault::Changes(name).into()),
        };
        let now = self.clock.now();
        if table.action == DESCRIBE_TAGS {
            return self.tags(request, table, asked, request_id, now);
        }
        let kind = request.action.kind().ok_or(Ec2Fault::NotHeld(table.action))?;
        let states = self.states(kind);
        let scope = self.scope(kind, &states, asked)?;
        let question = DescribeQuestion::of(request, kind, &scope, self.aws.secrets(), now)?;
        // Read before the data, which then is newer than this says, never older.
        let mut standing = self.standing(kind, &scope, &states, now)?;
        let is_of_default = !question.group_names.is_empty();
        if is_of_default {
            standing = standing.and(self.standing(VPC, &scope, &self.states(VPC), now)?);
        }
        if request.is_dry_run() {
            return Err(Ec2Fault::DryRun.into());
        }
        let before = self.store.snapshot()?.seq();
        let (longest, stance) = (self.max_stale, self.stance);
        let absent = states.iter().find(|state| state.scope == scope).and_then(|state| state.absent.clone());
        let search = KindSearch::new(&self.store, &self.books, &question, scope);
        let search = KindSearch { longest, stance, absent, ..search };
        let found = not_outrun(|| search.found(&standing, now));
        let seq = match &found {
            Ok(found) => Some(found.seq),
            Err(CopyFault::Absent { .. }) => Some(before),
            Err(_) => None,
        };
        // What is named by id is read by it, and reading what is damaged fails.
        if let Some(seq) = seq.filter(|_| question.is_searched() || !question.is_named()) {
            self.intact(kind, &search.filter, seq, question.cursor.is_some())?;
            if is_of_default {
                self.intact(VPC, &search.filter, seq, false)?;
            }
        }
        let scope = search.scope.clone();
        let found = found?;
        let (standing, seq, is_moved) = (standing.then(found.as_of), found.seq, found.is_moved);
        let is_page = question.limit.is_some() || question.is_named();
        let question = PartQuestion::Kind(Box::new(question), scope);
        let (body, rest) = self.written(table, found, request_id, is_page, question, now);
        Ok(CopyAnswer { body, rest, standing, seq: Some(seq), is_moved })
    }

    /// Writes what was found: the page, or the first part of an answer that is not asked for in pages.
    fn written(
        &self,
        table: &'static WireTable,
        found: FoundPage,
        request_id: &str,
        is_page: bool,
        question: PartQuestion,
        now: Timestamp,
    ) -> (Vec<u8>, Option<AnswerRest>) {
        let FoundPage { documents, next, .. } = found;
        match next {
            Some(next) if !is_page => {
                let part = PartAfter { table, question, after: next, begun: now };
                let body = response::begin(table, &documents, request_id);
                (body.into_bytes(), Some(self.rest(part)))
            }
            next => {
                let token = next.map(|next| next.encode());
                (response::write(table, &documents, token.as_deref(), request_id), None)
            }
        }
    }

    fn rest(&self, part: PartAfter) -> AnswerRest {
        let desk = self.clone();
        AnswerRest::new(move || desk.part(part))
    }

    /// The next part of an answer that is not asked for in pages.
    fn part(&self, part: PartAfter) -> Result<AnswerPart, CopyFault> {
        let PartAfter { table, question, after, begun } = part;
        if self.clock.now().since(begun) > LONGEST {
            return Err(CopyFault::TooLong { most: LONGEST });
        }
        let found = match &question {
            PartQuestion::Kind(question, scope) => {
                let search = KindSearch::new(&self.store, &self.books, question, scope.clone());
                let found = search.part_after(&after)?;
                self.intact(question.kind, &search.filter, found.seq, true)?;
                found
            }
            PartQuestion::Tags(page, scope) => {
                let found = tags_after(&self.store, page, scope, &after)?;
                for kind in &page.question.kinds {
                    self.intact(kind, &ScopeFilter::from(scope), found.seq, true)?;
                }
                found
            }
        };
        let body = response::more(table, &found.documents);
        Ok(match found.next {
            Some(after) => {
                let rest = self.rest(PartAfter { table, question, after, begun });
                AnswerPart { body: body.into_bytes(), rest: Some(rest) }
            }
            None => AnswerPart { body: response::finish(table, body, None), rest: None },
        })
    }

    /// Answers a request about tags, of resources of several kinds.
    fn tags(
        &self,
        request: &Ec2Request,
        table: &'static WireTable,
        asked: AskedPlace<'_>,
        request_id: &str,
        now: Timestamp,
    ) -> Result<CopyAnswer, CopyFault> {
        let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
        let scope = asked_scope(&self.freshness, asked, &watched)?;
        let page = TagsPage::of(request, &scope, self.aws.secrets())?;
        let mut standing: Option<CopyStanding> = None;
        for kind in &page.question.kinds {
            let one = self.standing(kind, &scope, &self.states(kind), now)?;
            standing = Some(match standing {
                Some(all) => all.and(one),
                None => one,
            });
        }
        if request.is_dry_run() {
            return Err(Ec2Fault::DryRun.into());
        }
        // Of no kind at all there is nothing that could be out of date.
        let standing = standing.unwrap_or(CopyStanding { as_of: now, stale: None, doubt: None });
        let search = || found_tags(&self.store, &page, &scope, now, self.max_stale, &standing, self.stance);
        let found = not_outrun(search)?;
        let filter = ScopeFilter::from(&scope);
        for kind in &page.question.kinds {
            self.intact(kind, &filter, found.seq, page.cursor.is_some())?;
        }
        let (standing, seq, is_moved) = (standing.then(found.as_of), found.seq, found.is_moved);
        let is_page = page.limit.is_some();
        let question = PartQuestion::Tags(Box::new(page), scope);
        let (body, rest) = self.written(table, found, request_id, is_page, question, now);
        Ok(CopyAnswer { body, rest, standing, seq: Some(seq), is_moved })
    }

    /// Checks, after everything is read as of `seq`, that an answer lacks nothing of a kind because it is damaged.
    fn intact(&self, kind: &KindSpec, filter: &ScopeFilter, seq: Seq, goes_on: bool) -> Result<(), CopyFault> {
        let (found, more) = self.store.damage();
        if found.is_empty() && !more {
            return Ok(());
        }
        let (of_kind, snapshot) = (kind.kind(), self.store.snapshot()?);
        let lacked = found.iter().filter(|damaged| {
            may_lack(damaged, &of_kind, filter, goes_on, |id| has_changed(&snapshot, id, seq).unwrap_or(true))
        });
        let count = if more { found.len().max(1) } else { lacked.count() };
        if count == 0 {
            return Ok(());
        }
        Err(CopyFault::Damaged { plural: kind.plural, count })
    }

    /// How fresh a kind is in every scope.
    fn states(&self, kind: &KindSpec) -> Vec<ScopeFreshness> {
        self.freshness.those(&StatesWanted { kinds: Some(&[kind.name]), ..StatesWanted::default() })
    }

    /// The scope that a request is about.
    fn scope(
        &self,
        kind: &'static KindSpec,
        states: &[ScopeFreshness],
        asked: AskedPlace<'_>,
    ) -> Result<Scope, CopyFault> {
        // A kind that somebody may see nothing of has no states for them.
        let is_expected = self.freshness.watches_kind(&kind.kind()) && self.store.visibility().is_everything();
        let watched: BTreeSet<Scope> = if is_expected || !states.is_empty() {
            states.iter().map(|state| state.scope.clone()).collect()
        } else {
            // It is said of the kind, not of the place.
            self.freshness.scopes().into_iter().map(|state| state.scope).collect()
        };
        asked_scope(&self.freshness, asked, &watched)
    }

    fn standing(
        &self,
        kind: &'static KindSpec,
        scope: &Scope,
        states: &[ScopeFreshness],
        now: Timestamp,
    ) -> Result<CopyStanding, CopyFault> {
        let one = BTreeSet::from([scope.clone()]);
        // A question is what has a quiet scope swept, or one that is new before others.
        drop(self.freshness.rouse(&one, true));
        let state = states.iter().find(|state| state.scope == *scope);
        if state.is_some_and(|state| state.complete.is_none()) {
            self.freshness.hurry(&one);
        }
        Ok(standing(kind, scope, state, self.freshness.trouble().as_ref(), now, self.max_stale)?)
    }
}

/// What a search finds. Where retention goes past its moment while it reads, it is made once more: a page goes on from now.
fn not_outrun(search: impl Fn() -> Result<FoundPage, CopyFault>) -> Result<FoundPage, CopyFault> {
    match search() {
        Err(CopyFault::Past(PastError::Outrun { .. })) => search(),
        found => found,
    }
}

/// Whether a resource has changed since `seq`; `None` if that cannot be read.
fn has_changed(snapshot: &Snapshot, id: &ResourceId, seq: Seq) -> Option<bool> {
    if let Some(row) = snapshot.row(id).ok()? {
        return Some(row.changed > seq);
    }
    Some(snapshot.tombstone(id).ok()??.seq > seq)
}
