//! Answers requests of EC2's API from the copy.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::action::Ec2Action;
use super::copy_fault::CopyFault;
use super::fault::Ec2Fault;
use super::id_codes;
use super::place::{AskedPlace, place};
use super::question::DescribeQuestion;
use super::request::Ec2Request;
use super::reservation_book::{FollowedBook, ReservationBooks};
use super::response;
use super::standing::{CopyStanding, standing};
use crate::freshness::{Freshness, ScopeFreshness, StatesWanted};
use crate::kinds::{INSTANCE, KindSpec};
use crate::model::{Document, Kind, ResourceId, Scope, ScopeFilter, Seq, SharedClock, Timestamp};
use crate::query::walk::{WalkGround, WalkQuery, WalkStep, document_at};
use crate::query::{Cursor, PastError, Point};
use crate::store::Store;

/// The most resources of an answer that is not asked for in pages.
const MOST: usize = 20_000;

/// Where an answer of EC2's API comes from.
pub struct Ec2Desk {
    /// Reads.
    pub store: Store,
    /// How fresh they are.
    pub freshness: Freshness,
    /// AWS time.
    pub clock: SharedClock,
    /// How old the copy may be.
    pub max_stale: Option<Duration>,
    /// Which instances belong together.
    pub books: ReservationBooks,
}

/// An answer from the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyAnswer {
    /// The document.
    pub body: Vec<u8>,
    /// How fresh the copy is.
    pub standing: CopyStanding,
    /// The newest record that it takes into account.
    pub seq: Seq,
    /// Whether its walk goes on from another moment than that of the page before.
    pub is_moved: bool,
}

/// What was found for a question.
struct Found {
    documents: Vec<Document>,
    next: Option<Cursor>,
    seq: Seq,
    is_moved: bool,
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
        let kind = request.action.kind().ok_or(Ec2Fault::NotHeld(table.action))?;
        let now = self.clock.now();
        let states = self.states(kind);
        let scope = self.scope(kind, &states, asked)?;
        let question = DescribeQuestion::of(request, kind, &scope, now)?;
        // Read before the data, which then is newer than this says, never older.
        let standing = self.standing(kind, &scope, &states, now)?;
        if request.is_dry_run() {
            return Err(Ec2Fault::DryRun.into());
        }
        let about = QuestionAbout { question: &question, kind: kind.kind(), filter: ScopeFilter::from(&scope), scope };
        let found = match self.found(&about, &standing, now) {
            // Retention went past the moment while it was read: a page goes on from now.
            Err(CopyFault::Past(PastError::Outrun { .. })) => self.found(&about, &standing, now)?,
            found => found?,
        };
        let damaged = self.store.damaged_rows(&about.kind, &about.filter);
        if damaged > 0 && !question.is_named() {
            return Err(CopyFault::Damaged { plural: kind.plural, count: damaged });
        }
        let Found { documents, next, seq, is_moved } = found;
        let token = next.map(|next| next.encode());
        let body = response::write(table, &documents, token.as_deref(), request_id);
        Ok(CopyAnswer { body, standing, seq, is_moved })
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
        let watched: BTreeSet<Scope> = if self.freshness.watches_kind(&kind.kind()) || !states.is_empty() {
            states.iter().map(|state| state.scope.clone()).collect()
        } else {
            // It is said of the kind, not of the place.
            self.freshness.scopes().into_iter().map(|state| state.scope).collect()
        };
        Ok(place(asked, &watched)?)
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

    fn found(
        &self,
        about: &QuestionAbout<'_>,
        standing: &CopyStanding,
        now: Timestamp,
    ) -> Result<Found, CopyFault> {
        let ground = WalkGround::of(&self.store, now)?;
        if about.question.is_named() {
            let step = WalkStep::first(&ground);
            let documents = about.named(self, standing, step.point)?;
            return Ok(Found { documents, next: None, seq: step.point.seq, is_moved: false });
        }
        let cursor = about.question.cursor.as_ref();
        let step = cursor.map_or_else(|| WalkStep::first(&ground), |cursor| WalkStep::next(cursor, &ground));
        about.page(self, &step, &ground)
    }
}

/// A question and what it is about.
struct QuestionAbout<'q> {
    question: &'q DescribeQuestion,
    kind: Kind,
    scope: Scope,
    filter: ScopeFilter,
}

impl QuestionAbout<'_> {
    fn walk(&self) -> WalkQuery<'_> {
        let DescribeQuestion { filters, conditions, limit, .. } = self.question;
        WalkQuery { kind: &self.kind, scope: &self.filter, filters, conditions, limit: *limit }
    }

    fn admits(&self, document: &Document) -> bool {
        self.question.rules.iter().all(|rule| rule.admits(document))
    }

    fn id(&self, id: &str) -> ResourceId {
        ResourceId::new(&self.scope, &self.kind, id)
    }

    /// The resources that are named.
    fn named(&self, desk: &Ec2Desk, standing: &CopyStanding, point: Point) -> Result<Vec<Document>, CopyFault> {
        let mut wanted: Vec<ResourceId> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for id in &self.question.ids {
            let id = self.id(id);
            match document_at(&desk.store, &id, point)? {
                Some(document) if self.is_held(&document) => wanted.push(id),
                _ => unknown.push(id.id.to_string()),
            }
        }
        if !unknown.is_empty() {
            let codes = id_codes::of(self.question.kind);
            return Err(self.unknown(unknown, codes, standing));
        }
        if !self.question.public_ips.is_empty() {
            let mut missing: BTreeSet<&str> = self.question.public_ips.iter().map(String::as_str).collect();
            let all = WalkQuery { filters: &crate::query::Filters::default(), conditions: &[], limit: None, ..self.walk() };
            let step = WalkStep { point, after: None, is_moved: false };
            all.page(&desk.store, &step, |_, id, document| {
                if document.text("PublicIp").is_some_and(|ip| missing.remove(ip)) && !wanted.contains(&id) {
                    wanted.push(id);
                }
                ControlFlow::Continue(1)
            })?;
            if !missing.is_empty() {
                let missing = missing.into_iter().map(str::to_owned).collect();
                return Err(self.unknown(missing, Some(&id_codes::PUBLIC_IPS), standing));
            }
        }
        let mut documents = Vec::with_capacity(wanted.len());
        for id in wanted {
            documents.extend(self.walk().one(&desk.store, &id, point)?.filter(|document| self.admits(document)));
        }
        Ok(documents)
    }

    /// Whether a named resource is one that the request may name: for a question about the account's own, one of its own.
    fn is_held(&self, document: &Document) -> bool {
        !self.question.kind.own_only || self.admits(document) || self.question.is_open
    }

    /// What is said of ids that are not in the copy.
    fn unknown(
        &self,
        ids: Vec<String>,
        codes: Option<&'static id_codes::IdCodes>,
        standing: &CopyStanding,
    ) -> CopyFault {
        if self.question.is_open {
            let what = format!("{}, which is not among what Muster holds", ids.join(", "));
            let why = "only what the account owns, and images that its instances use, are held";
            return CopyFault::Beyond { action: self.question.kind.title, what, why };
        }
        match (&standing.stale, codes) {
            (None, Some(codes)) => Ec2Fault::UnknownIds { codes, ids }.into(),
            (stale, _) => {
                let why = stale.clone().unwrap_or_else(|| "it cannot be told".to_owned());
                CopyFault::Unsure { ids: ids.join(", "), why }
            }
        }
    }

    /// A page of what meets the question.
    fn page(&self, desk: &Ec2Desk, step: &WalkStep, ground: &WalkGround) -> Result<Found, CopyFault> {
        let limit = self.question.limit;
        let book = match limit {
            Some(_) if self.question.kind.slug == INSTANCE.slug => {
                Some(desk.books.followed(&desk.store, &self.scope)?)
            }
            _ => None,
        };
        let (mut documents, mut failed, mut is_over) = (Vec::new(), None, false);
        let walked = self.walk().page(&desk.store, step, |point, id, document| {
            if !self.admits(&document) {
                return ControlFlow::Continue(0);
            }
            if limit.is_none() && documents.len() >= MOST {
                is_over = true;
                return ControlFlow::Break(());
            }
            let members = match self.together(desk, book.as_ref(), &id, document, point) {
                Ok(members) => members,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            let (room, count) = (limit.map(|limit| limit.saturating_sub(documents.len())), members.len());
            if !documents.is_empty() && room.is_some_and(|room| count > room) {
                return ControlFlow::Break(());
            }
            documents.extend(members);
            ControlFlow::Continue(count)
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if is_over {
            return Err(CopyFault::TooMany { plural: self.question.kind.plural, most: MOST });
        }
        let point = Some(walked.point);
        let next = walked.next.map(|after| Cursor {
            log: ground.log,
            question: self.question.hash,
            point,
            after,
            sorted: None,
        });
        Ok(Found { documents, next, seq: walked.point.seq, is_moved: step.is_moved })
    }

    /// The instances that belong into an answer where `id` is reached: all of its reservation, where it is the first of them, and none
    /// where it is another. Anything else belongs there alone.
    fn together(
        &self,
        desk: &Ec2Desk,
        book: Option<&FollowedBook>,
        id: &ResourceId,
        document: Document,
        point: Point,
    ) -> Result<Vec<Document>, PastError> {
        let members = book.and_then(|book| book.several(document.text("ReservationId")?));
        let Some(members) = members else { return Ok(vec![document]) };
        let mut together = Vec::new();
        for member in members.iter() {
            if *member == id.id {
                continue;
            }
            let other = self.walk().one(&desk.store, &self.id(member), point)?;
            let Some(other) = other.filter(|other| self.admits(other)) else { continue };
            if *member < id.id {
                return Ok(Vec::new());
            }
            together.push(other);
        }
        together.insert(0, document);
        Ok(together)
    }
}
