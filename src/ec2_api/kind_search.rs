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
use super::missed_ids::{AskedBy, MissStance, MissedIds};
use super::question::DescribeQuestion;
use super::request::FILTER_LENGTH;
use super::reservation_book::{FollowedBook, ReservationBooks};
use super::reservation_turns::{ReadMember, ReservationTurns};
use super::sent_text::shown;
use super::standing::CopyStanding;
use super::walk_mark::WalkMark;
use crate::kinds::{INSTANCE, KindSpec, VPC, by_slug};
use crate::model::{Document, Kind, LogId, ResourceId, Scope, ScopeFilter, Seq, Timestamp, Value};
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
    /// What becomes of what is named and not held.
    pub stance: MissStance,
    /// The ids that AWS, asked for them by the last complete sweep, does not know.
    pub absent: Option<Arc<BTreeSet<Arc<str>>>>,
}

impl<'q> KindSearch<'q> {
    /// A search for what `question` asks of `scope`.
    #[must_use]
    pub fn new(store: &'q Store, books: &'q ReservationBooks, question: &'q DescribeQuestion, scope: Scope) -> Self {
        let (kind, filter) = (question.kind.kind(), ScopeFilter::from(&scope));
        KindSearch {
            store,
            books,
            question,
            kind,
            scope,
            filter,
            longest: None,
            stance: MissStance::Copy,
            absent: None,
        }
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
        let mark = WalkMark::of(&step, cursor, standing.as_of);
        let cursor = cursor.filter(|cursor| self.is_reserved() && cursor.log == ground.log);
        let mark = mark.with_legs(&step, cursor, ground.horizon);
        self.page(&step, ground.log, &mark, self.question.limit)
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

    /// Whether the resources are of reservations, which stay together.
    fn is_reserved(&self) -> bool {
        self.question.kind.slug == INSTANCE.slug
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
        let never: Vec<String> = self.question.ids.iter().filter(|id| !id_codes::may_exist(id)).cloned().collect();
        if let Some(codes) = id_codes::of(self.question.kind).filter(|_| !never.is_empty()) {
            // However old the copy is, nothing has them, and AWS is not asked.
            return Err(Ec2Fault::UnknownIds { codes, ids: never }.into());
        }
        let mut wanted: Vec<ResourceId> = Vec::new();
        let mut unknown: Vec<String> = Vec::new();
        for id in &self.question.ids {
            let id = self.id(id);
            match document_at(self.store, &id, point)? {
                Some(_) => wanted.push(id),
                None => unknown.push(id.id.to_string()),
            }
        }
        let (mut missed, mut said) = (Vec::new(), Vec::new());
        if !unknown.is_empty() {
            missed.push(self.missed(self.question.kind, unknown.clone(), AskedBy::Ids));
            said.push(self.unknown_ids(unknown, standing, point)?);
        }
        if !self.question.public_ips.is_empty() {
            let ips = &self.question.public_ips;
            let unknown = self.called(ips, point, &mut wanted, |document| document.text("PublicIp"))?;
            if !unknown.is_empty() {
                let by = AskedBy::Filters(vec![("public-ip", unknown.clone())]);
                missed.push(self.missed(self.question.kind, unknown.clone(), by));
                let fault = Ec2Fault::UnknownIds { codes: &id_codes::PUBLIC_IPS, ids: unknown.clone() };
                said.push(self.gone(fault, unknown, standing));
            }
        }
        if !self.question.group_names.is_empty() {
            let names = &self.question.group_names;
            if let Some(vpc) = default_vpc(self.store, &self.scope, point)? {
                let unknown = self.called(names, point, &mut wanted, |document| {
                    document.text("GroupName").filter(|_| document.text("VpcId") == Some(vpc.as_str()))
                })?;
                if !unknown.is_empty() {
                    let told = unknown.iter().map(|name| shown(name)).collect();
                    let fault = Ec2Fault::UnknownGroups { names: told, vpc: vpc.clone() };
                    said.push(match &standing.stale {
                        // One of them is not AWS's any more, and nobody knows which.
                        Some(why) if self.has_several_defaults(point)? => {
                            CopyFault::Unsure { names: unknown.clone(), why: why.clone() }
                        }
                        _ => self.gone(fault, unknown.clone(), standing),
                    });
                    missed.extend(self.missed_groups(unknown, Some(vpc).filter(|_| standing.stale.is_none())));
                }
            } else {
                missed.extend(self.missed_groups(names.clone(), None));
                said.push(self.gone(Ec2Fault::NoDefaultVpc, names.clone(), standing));
            }
        }
        if let Some(said) = said.into_iter().next() {
            return Err(match said {
                // By what AWS said a moment ago.
                said @ CopyFault::Request(_) if self.stance == MissStance::Asked => said,
                said => CopyFault::Absent { missed, as_of: standing.as_of, said: Box::new(said) },
            });
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
        if let Some(whole) = self.whole_held(&ids, point)? {
            let why =
                format!("it has {} of such ids, and their {} are seen apart from them", whole.plural, kind.plural);
            return Ok(CopyFault::Unsure { names: ids, why });
        }
        if let Some(fault) = self.unknown_to_aws(&ids, standing) {
            return Ok(fault.into());
        }
        if kind.own_only {
            // It may be another owner's.
            let shown: Vec<String> = ids.iter().map(|id| shown(id)).collect();
            let (action, what) = (self.question.action, shown.join(", "));
            let why = "it holds what the account itself owns, and images that its instances use, and not that";
            return Ok(CopyFault::Beyond { action, what, why });
        }
        Ok(match id_codes::of(kind) {
            Some(codes) => self.gone(Ec2Fault::UnknownIds { codes, ids: ids.clone() }, ids, standing),
            None => CopyFault::Unsure { names: ids, why: "it cannot be told".to_owned() },
        })
    }

    /// What AWS is asked for, so that it can be answered.
    fn missed(&self, kind: &'static KindSpec, names: Vec<String>, by: AskedBy) -> MissedIds {
        MissedIds { kind, scope: Box::new(self.scope.clone()), names, by, are_needed: true }
    }

    /// What AWS is asked for, so that groups of the default VPC can be answered: those of `vpc`; or where it is not known to be the
    /// default one, those of every VPC, with the default one.
    fn missed_groups(&self, names: Vec<String>, vpc: Option<String>) -> Vec<MissedIds> {
        let asked: Vec<String> = names.iter().filter(|name| is_askable(name)).cloned().collect();
        let mut missed = Vec::new();
        if vpc.is_none() {
            let of_vpc = AskedBy::Filters(vec![("is-default", vec!["true".to_owned()])]);
            missed.push(self.missed(VPC, names, of_vpc));
        }
        if !asked.is_empty() {
            let of_groups = [("group-name", asked.clone())].into_iter().chain(vpc.map(|vpc| ("vpc-id", vec![vpc])));
            missed.push(self.missed(self.question.kind, asked, AskedBy::Filters(of_groups.collect())));
        }
        missed
    }

    /// Whether the copy has more than one default VPC, of which AWS has one.
    fn has_several_defaults(&self, point: Point) -> Result<bool, PastError> {
        let (kind, mut count) = (VPC.kind(), 0);
        let all = WalkQuery { kind: &kind, filters: &Filters::default(), conditions: &[], limit: None, ..self.walk() };
        all.page(self.store, &WalkStep { point, after: None, is_moved: false }, |_, _, document| {
            count += usize::from(document.get("IsDefault") == Some(&Value::Bool(true)));
            ControlFlow::Continue(1)
        })?;
        Ok(count > 1)
    }

    /// `fault`, if the copy is fresh or AWS was asked; else that the copy may be out of date, and so lacks `names`.
    fn gone(&self, fault: Ec2Fault, names: Vec<String>, standing: &CopyStanding) -> CopyFault {
        match &standing.stale {
            Some(why) if self.stance != MissStance::Asked => CopyFault::Unsure { names, why: why.clone() },
            _ => fault.into(),
        }
    }

    /// What AWS says of those of `ids` that the last complete sweep asked it for in vain; `None` where there are none, or the copy may be
    /// out of date. Of other owners' resources, nothing else tells that they do not exist.
    fn unknown_to_aws(&self, ids: &[String], standing: &CopyStanding) -> Option<Ec2Fault> {
        let absent = self.absent.as_ref().filter(|_| standing.stale.is_none())?;
        let codes = id_codes::of(self.question.kind)?;
        let ids: Vec<String> = ids.iter().filter(|id| absent.contains(id.as_str())).cloned().collect();
        (!ids.is_empty()).then_some(Ec2Fault::UnknownIds { codes, ids })
    }

    /// How much is found at first where no pages are asked for: more of what the index knows, since what follows that is looked for row by
    /// row.
    fn first_part(&self) -> usize {
        let is_indexed = !self.question.filters.matcher().conditions().is_empty();
        if is_indexed { 3 * PART } else { PART }
    }

    /// A page of what meets the question, of at most `limit`; or without a limit all of it, if that is not more than a part. Either ends
    /// where it has looked at as much as a page may.
    fn page(&self, step: &WalkStep, log: LogId, mark: &WalkMark, limit: Option<usize>) -> Result<FoundPage, CopyFault> {
        let is_reserved = self.is_reserved();
        // What stands before a page that goes on may have taken instances after it along.
        let is_in_books = is_reserved && (limit.is_some() || step.after.is_some());
        let first_part = self.first_part();
        let (mut reserved, mut documents, mut failed) = (None, Vec::new(), None);
        let walk = WalkQuery { limit: Some(limit.unwrap_or(usize::MAX)), ..self.walk() };
        let walked = walk.page_of(self.store, step, Some(&PARTS), |point, id, document| {
            if !self.admits(&document.parts) {
                return ControlFlow::Continue(0);
            }
            if limit.is_none() && documents.len() >= first_part {
                return ControlFlow::Break(());
            }
            let shown =
                if is_in_books { self.shown_at(&mut reserved, mark, point, &id, document) } else { Ok(vec![document]) };
            let shown = match shown {
                Ok(shown) => shown,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            let (room, count) = (limit.map(|limit| limit.saturating_sub(documents.len())), shown.len());
            if !documents.is_empty() && room.is_some_and(|room| count > room) {
                return ControlFlow::Break(());
            }
            documents.extend(shown);
            ControlFlow::Continue(count)
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if is_reserved
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

    /// What a page shows where it reaches an instance. The book is read after the moment is known, so that it knows every instance of that
    /// moment.
    fn shown_at<'m>(
        &self,
        reserved: &mut Option<(FollowedBook, ReservationTurns<'m>)>,
        mark: &'m WalkMark,
        point: Point,
        id: &ResourceId,
        document: WalkedDocument,
    ) -> Result<Vec<WalkedDocument>, PastError> {
        let (book, turns) = match reserved {
            Some(reserved) => reserved,
            None => reserved.insert((self.books.followed(self.store, &self.scope)?, ReservationTurns::new(mark))),
        };
        let several = document.parts.text("ReservationId").and_then(|reservation| book.several(reservation));
        match several.filter(|members| members.contains(&id.id)) {
            Some(members) => turns.shown_at(&members, &id.id, document, &PageMembers { search: self, point }),
            None => Ok(vec![document]),
        }
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
                others.extend(self.member(member, point)?.map(WalkedDocument::from));
            }
        }
        Ok(others)
    }

    /// An instance, if it met the question at `point`.
    fn member(&self, id: &str, point: Point) -> Result<Option<Document>, PastError> {
        let document = self.walk().one(self.store, &self.id(id), point)?;
        Ok(document.filter(|document| self.admits(document)))
    }
}

/// The instances of reservations at the moment of a page, and before.
struct PageMembers<'k, 'q> {
    search: &'k KindSearch<'q>,
    point: Point,
}

impl ReadMember for PageMembers<'_, '_> {
    fn found(&self, id: &str) -> Result<Option<Document>, PastError> {
        self.search.member(id, self.point)
    }

    fn has_met(&self, id: &str, then: Seq) -> Result<Option<bool>, PastError> {
        match self.search.member(id, Point { seq: then, ..self.point }) {
            Ok(found) => Ok(Some(found.is_some())),
            Err(PastError::Read(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    fn horizon(&self) -> Result<Seq, PastError> {
        Ok(self.search.store.snapshot()?.horizon())
    }
}

/// Whether AWS can be asked for a name by a filter. It has none that are longer, and nothing is called so.
fn is_askable(name: &str) -> bool {
    name.chars().nth(FILTER_LENGTH).is_none()
}

#[cfg(test)]
mod tests;
