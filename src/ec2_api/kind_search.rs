//! Searches the copy of one kind for what a question asks: named resources, or a page of a walk.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::copy_fault::CopyFault;
use super::default_vpc::default_vpc;
use super::fault::Ec2Fault;
use super::found_page::{FoundPage, PART, PARTS};
use super::id_codes;
use super::missed_ids::MissedIds;
use super::question::DescribeQuestion;
use super::reservation_book::{FollowedBook, ReservationBooks, ReservationMembers};
use super::standing::CopyStanding;
use super::walk_mark::WalkMark;
use crate::kinds::{INSTANCE, KindSpec, by_slug};
use crate::model::{Document, Kind, LogId, ResourceId, Scope, ScopeFilter, Timestamp};
use crate::query::document_walk::WalkedDocument;
use crate::query::walk::{WalkGround, WalkQuery, WalkStep, document_at};
use crate::query::{Cursor, Filters, PastError, Point};
use crate::store::Store;

/// A search of one kind in one scope.
pub struct KindSearch<'q> {
    /// What is searched.
    pub store: &'q Store,
    /// Which instances belong together.
    pub books: &'q ReservationBooks,
    /// What is searched for.
    pub question: &'q DescribeQuestion,
    /// The kind.
    pub kind: Kind,
    /// The scope.
    pub scope: Scope,
    /// The same as a filter.
    pub filter: ScopeFilter,
    /// How long ago a walk may have begun, if that is less than for any walk.
    pub longest: Option<Duration>,
}

impl<'q> KindSearch<'q> {
    /// A search for what `question` asks of `scope`.
    #[must_use]
    pub fn new(store: &'q Store, books: &'q ReservationBooks, question: &'q DescribeQuestion, scope: Scope) -> Self {
        let (kind, filter) = (question.kind.kind(), ScopeFilter::from(&scope));
        KindSearch { store, books, question, kind, scope, filter, longest: None }
    }

    /// What answers the question at `now`. Blocks while it reads.
    ///
    /// # Errors
    /// When a named resource is not held, or the store cannot be read.
    pub fn found(&self, standing: &CopyStanding, now: Timestamp) -> Result<FoundPage, CopyFault> {
        let ground = WalkGround::of(self.store, now)?;
        if self.question.is_named() {
            let step = WalkStep::first(&ground);
            let documents = self.named(standing, step.point)?.into_iter().map(WalkedDocument::from).collect();
            let (as_of, seq) = (standing.as_of, step.point.seq);
            return Ok(FoundPage { documents, next: None, as_of, seq, is_moved: false });
        }
        let cursor = self.question.cursor.as_ref();
        let step = ground.step(cursor, self.longest);
        self.page(&step, ground.log, &WalkMark::of(&step, cursor, standing.as_of), self.question.limit)
    }

    /// What follows the part of an answer without pages that ended with `cursor`, as of the same moment, however long ago it was.
    /// Blocks while it reads.
    ///
    /// # Errors
    /// When the log does not reach back to the moment any more, or the store cannot be read.
    pub fn part_after(&self, cursor: &Cursor) -> Result<FoundPage, CopyFault> {
        let (step, mark) = WalkMark::going_on(cursor).ok_or(CopyFault::Token)?;
        self.page(&step, cursor.log, &mark, Some(PART))
    }

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
    fn named(&self, standing: &CopyStanding, point: Point) -> Result<Vec<Document>, CopyFault> {
        let mut wanted: Vec<ResourceId> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for id in &self.question.ids {
            let id = self.id(id);
            match document_at(self.store, &id, point)? {
                Some(_) => wanted.push(id),
                None => unknown.push(id.id.to_string()),
            }
        }
        if !unknown.is_empty() {
            return Err(self.unknown_ids(unknown, standing, point)?);
        }
        if !self.question.public_ips.is_empty() {
            let ips = &self.question.public_ips;
            let missing = self.called(ips, point, &mut wanted, |document| document.text("PublicIp"))?;
            if !missing.is_empty() {
                let fault = Ec2Fault::UnknownIds { codes: &id_codes::PUBLIC_IPS, ids: missing.clone() };
                return Err(absent(None, standing, gone(fault, missing, standing)));
            }
        }
        if !self.question.group_names.is_empty() {
            let names = &self.question.group_names;
            let Some(vpc) = default_vpc(self.store, &self.scope, point)? else {
                return Err(absent(None, standing, gone(Ec2Fault::NoDefaultVpc, names.clone(), standing)));
            };
            let missing = self.called(names, point, &mut wanted, |document| {
                document.text("GroupName").filter(|_| document.text("VpcId") == Some(vpc.as_str()))
            })?;
            if !missing.is_empty() {
                let fault = Ec2Fault::UnknownGroups { names: missing.clone(), vpc };
                return Err(absent(None, standing, gone(fault, missing, standing)));
            }
        }
        let mut documents = Vec::with_capacity(wanted.len());
        for id in wanted {
            documents.extend(self.walk().one(self.store, &id, point)?.filter(|document| self.admits(document)));
        }
        Ok(documents)
    }

    /// The kind whose status this is, if the copy has a resource of it with one of `ids`: AWS then knows the id, whatever is held of
    /// its status.
    fn whole_held(&self, ids: &[String], point: Point) -> Result<Option<&'static KindSpec>, PastError> {
        let Some(whole) = self.question.kind.status_of.and_then(by_slug) else { return Ok(None) };
        for id in ids {
            if document_at(self.store, &ResourceId::new(&self.scope, &whole.kind(), id.as_str()), point)?.is_some() {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Adds the resources to `wanted` that are called one of `names`, and gives the names that none has.
    fn called(
        &self,
        names: &[String],
        point: Point,
        wanted: &mut Vec<ResourceId>,
        name: impl for<'d> Fn(&'d Document) -> Option<&'d str>,
    ) -> Result<Vec<String>, PastError> {
        let mut missing: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let all = WalkQuery { filters: &Filters::default(), conditions: &[], limit: None, ..self.walk() };
        let step = WalkStep { point, after: None, is_moved: false };
        all.page(self.store, &step, |_, id, document| {
            if name(&document).is_some_and(|name| missing.remove(name)) && !wanted.contains(&id) {
                wanted.push(id);
            }
            ControlFlow::Continue(1)
        })?;
        Ok(missing.into_iter().map(str::to_owned).collect())
    }

    /// What is said of ids that are not in the copy.
    fn unknown_ids(&self, ids: Vec<String>, standing: &CopyStanding, point: Point) -> Result<CopyFault, PastError> {
        let kind = self.question.kind;
        let said = if let Some(whole) = self.whole_held(&ids, point)? {
            let why =
                format!("it has {} of such ids, and their {} are seen apart from them", whole.plural, kind.plural);
            CopyFault::Unsure { names: ids.clone(), why }
        } else if kind.own_only {
            // It may be another owner's.
            let (action, what) = (self.question.action, ids.join(", "));
            let why = "it holds what the account itself owns, and images that its instances use, and not that";
            CopyFault::Beyond { action, what, why }
        } else {
            match id_codes::of(kind) {
                Some(codes) => gone(Ec2Fault::UnknownIds { codes, ids: ids.clone() }, ids.clone(), standing),
                None => CopyFault::Unsure { names: ids.clone(), why: "it cannot be told".to_owned() },
            }
        };
        Ok(absent(Some(MissedIds { kind, scope: Box::new(self.scope.clone()), ids }), standing, said))
    }

    /// How much is found at first where no pages are asked for: more of what the index knows, since what follows that is looked for row by
    /// row.
    fn first_part(&self) -> usize {
        let is_indexed = !self.question.filters.matcher().conditions().is_empty();
        if is_indexed { 3 * PART } else { PART }
    }

    /// A page of what meets the question, of at most `limit`; or without a limit all of it, if that is not more than a part.
    fn page(&self, step: &WalkStep, log: LogId, mark: &WalkMark, limit: Option<usize>) -> Result<FoundPage, CopyFault> {
        let is_reserved = self.question.kind.slug == INSTANCE.slug;
        // What stands before a page that goes on may have taken instances after it along.
        let is_in_books = is_reserved && (limit.is_some() || step.after.is_some());
        let first_part = self.first_part();
        let mut book: Option<FollowedBook> = None;
        let (mut documents, mut failed, mut is_over) = (Vec::new(), None, false);
        // The first of each reservation that the page has come to: it has all of its instances by then, or none. Who is before another is
        // read once for that, not for each of them again.
        let mut met: BTreeSet<Arc<str>> = BTreeSet::new();
        let walk = WalkQuery { limit, ..self.walk() };
        let walked = walk.page_of(self.store, step, Some(&PARTS), |point, id, document| {
            if !self.admits(&document.parts) {
                return ControlFlow::Continue(0);
            }
            if limit.is_none() && documents.len() >= first_part {
                is_over = true;
                return ControlFlow::Break(());
            }
            // Read after the moment is known, so that it knows every instance of that moment.
            if is_in_books && book.is_none() {
                match self.books.followed(self.store, &self.scope) {
                    Ok(followed) => book = Some(followed),
                    Err(error) => {
                        failed = Some(PastError::from(error));
                        return ControlFlow::Break(());
                    }
                }
            }
            let several = book.as_ref().and_then(|book| book.several(document.parts.text("ReservationId")?));
            let several = several.filter(|members| members.contains(&id.id));
            let first = several.as_ref().and_then(|members| members.first());
            if first.is_some_and(|first| met.contains(first)) {
                return ControlFlow::Continue(0);
            }
            let members = match self.together(several.as_ref(), mark.begun.as_deref(), &id, document, point) {
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
            met.extend(first.map(Arc::clone));
            ControlFlow::Continue(count)
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if is_over
            && is_reserved
            && !is_in_books
            && let Some(last) = &walked.next
        {
            let others = self.others_after(&documents, last, walked.point)?;
            documents.extend(others);
        }
        let point = Some(walked.point);
        let next = walked.next.map(|after| Cursor {
            log,
            question: self.question.hash,
            point,
            after,
            sorted: Some(mark.sorted()),
        });
        Ok(FoundPage { documents, next, as_of: mark.as_of, seq: walked.point.seq, is_moved: step.is_moved })
    }

    /// The instances after `last` that are of one reservation with some of `documents`. Most answers without pages have only one part, so
    /// books are not opened for them before that is known.
    fn others_after(
        &self,
        documents: &[WalkedDocument],
        last: &ResourceId,
        point: Point,
    ) -> Result<Vec<WalkedDocument>, PastError> {
        let book = self.books.followed(self.store, &self.scope)?;
        let reservations: BTreeSet<&str> =
            documents.iter().filter_map(|document| document.parts.text("ReservationId")).collect();
        let mut others = Vec::new();
        for members in reservations.into_iter().filter_map(|reservation| book.several(reservation)) {
            for member in members.iter().filter(|member| ***member > *last.id) {
                let other = self.walk().one(self.store, &self.id(member), point)?;
                others.extend(other.filter(|other| self.admits(other)).map(WalkedDocument::from));
            }
        }
        Ok(others)
    }

    /// The instances that belong into an answer where `id` is reached: all of its reservation, where it is the first of them, and none
    /// where it is another. Anything else belongs there alone. What is not after `begun` was passed as of another moment: whether its
    /// page had it, or the others of its reservation, is not known any more, so it neither comes again nor leaves anything out.
    fn together(
        &self,
        members: Option<&ReservationMembers>,
        begun: Option<&str>,
        id: &ResourceId,
        document: WalkedDocument,
        point: Point,
    ) -> Result<Vec<WalkedDocument>, PastError> {
        let Some(members) = members else { return Ok(vec![document]) };
        let mut together = Vec::new();
        for member in members.iter() {
            if *member == id.id || begun.is_some_and(|begun| **member <= *begun) {
                continue;
            }
            let other = self.walk().one(self.store, &self.id(member), point)?;
            let Some(other) = other.filter(|other| self.admits(other)) else { continue };
            if *member < id.id {
                return Ok(Vec::new());
            }
            together.push(other.into());
        }
        together.insert(0, document);
        Ok(together)
    }
}

/// That something is not in the copy, of which `said` is all that the copy tells.
fn absent(missed: Option<MissedIds>, standing: &CopyStanding, said: CopyFault) -> CopyFault {
    CopyFault::Absent { missed, as_of: standing.as_of, said: Box::new(said) }
}

/// `fault`, if the copy is fresh; else that it may be out of date, and so lacks `names`.
fn gone(fault: Ec2Fault, names: Vec<String>, standing: &CopyStanding) -> CopyFault {
    match &standing.stale {
        None => fault.into(),
        Some(why) => CopyFault::Unsure { names, why: why.clone() },
    }
}

#[cfg(test)]
mod tests;
