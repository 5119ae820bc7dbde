//! Searches the copy for tags, of several kinds one after the other.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::copy_fault::CopyFault;
use super::document_rule::DocumentRule;
use super::found_page::{FoundPage, PART};
use super::id_codes::may_exist;
use super::missed_ids::{AskedBy, MissStance, MissedIds, names_of};
use super::sent_text::shown;
use super::standing::CopyStanding;
use super::tags_page::{DESCRIBE_TAGS, TagsPage};
use super::walk_mark::WalkMark;
use crate::kinds::{self, KindSpec};
use crate::model::{Document, LogId, ResourceId, Scope, ScopeFilter, Timestamp};
use crate::query::document_walk::WalkedDocument;
use crate::query::walk::{MOST_READ, WalkGround, WalkQuery, WalkStep};
use crate::query::{Cursor, Filters};
use crate::store::Store;

/// About how many tags are found before they are written, where an answer is not asked for in pages.
const TAGS: usize = 5 * PART;

/// The parts of documents that tell of tags, and whose they are.
const TAGGED: [&str; 2] = ["OwnerId", "Tags"];

/// A page of tags: those of one kind after the other, those of one resource in the order of their keys, and never more than it may have,
/// so that it can end within a resource. A walk that began longer than `longest` ago goes on from now. `standing` is how fresh the copy is
/// now. Blocks while it reads.
///
/// # Errors
/// When it names what may have tags and is not held, a redacted value decides, or the store cannot be read.
pub fn found_tags(
    store: &Store,
    page: &TagsPage,
    scope: &Scope,
    now: Timestamp,
    longest: Option<Duration>,
    standing: &CopyStanding,
    stance: MissStance,
) -> Result<FoundPage, CopyFault> {
    let ground = WalkGround::of(store, now)?;
    let step = ground.step(page.cursor.as_ref(), longest);
    let mark = WalkMark::of(&step, page.cursor.as_ref(), standing.as_of);
    let before = page.cursor.as_ref().and_then(|cursor| WalkMark::read(cursor.sorted.as_ref()?));
    let within = before.and_then(|before| before.within);
    if page.cursor.is_none() {
        are_held(store, page, scope, &step, standing, stance)?;
    }
    found_from(store, page, scope, ground.log, &step, TagsMoment { mark, within })
}

/// What follows the part of an answer without pages that ended with `cursor`, as of the same moment, however long ago it was. Blocks
/// while it reads.
///
/// # Errors
/// As [`found_tags`], or when the log does not reach back to the moment any more.
pub fn tags_after(store: &Store, page: &TagsPage, scope: &Scope, cursor: &Cursor) -> Result<FoundPage, CopyFault> {
    let (step, mark) = WalkMark::going_on(cursor).ok_or(CopyFault::Token)?;
    let within = mark.within.clone();
    found_from(store, page, scope, cursor.log, &step, TagsMoment { mark, within })
}

/// Refuses a question that names what the copy lacks and may have tags all the same: images and snapshots that the account does not own,
/// as far as the copy knows, since it may have tagged those of others; and what may have been made since.
fn are_held(
    store: &Store,
    page: &TagsPage,
    scope: &Scope,
    step: &WalkStep,
    standing: &CopyStanding,
    stance: MissStance,
) -> Result<(), CopyFault> {
    let (filter, none) = (ScopeFilter::from(scope), Filters::default());
    let own = DocumentRule::OwnedBy(scope.account.clone());
    let (mut others, mut unheld, mut missed) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for kind in &page.question.kinds {
        let of = kind.kind();
        let query = WalkQuery { kind: &of, scope: &filter, filters: &none, conditions: &[], limit: None };
        let mut names = Vec::new();
        for id in named(page, kind, scope) {
            match query.one(store, &id, step.point)? {
                Some(document) if kind.own_only && !own.admits(&document) => {
                    others.insert(shown(&id.id));
                }
                // What nothing has for an id has no tags.
                None if may_exist(&id.id) => names.push(id.id.to_string()),
                Some(_) | None => {}
            }
        }
        if kind.own_only {
            unheld.extend(names.iter().map(|id| shown(id)));
        }
        if !names.is_empty() {
            let (scope, by) = (Box::new(scope.clone()), AskedBy::Ids);
            missed.push(MissedIds { kind, scope, names, by, are_needed: false });
        }
    }
    if missed.is_empty() && others.is_empty() {
        return Ok(());
    }
    // Nothing is asked for where something else cannot be answered anyway.
    let is_asked = others.is_empty() && stance == MissStance::Ask;
    others.append(&mut unheld);
    let said = if others.is_empty() {
        let names = names_of(&missed);
        let made_since = || "it has what its last complete sweep showed, and what was seen since".to_owned();
        match &standing.stale {
            None if !is_asked => return Ok(()),
            Some(_) if stance == MissStance::Asked => return Ok(()),
            stale => CopyFault::Unsure { names, why: stale.clone().unwrap_or_else(made_since) },
        }
    } else {
        let what = others.into_iter().collect::<Vec<_>>().join(", ");
        let why = "it has the tags of images and snapshots that the account itself owns, and an account may tag those of others as \
                   well";
        CopyFault::Beyond { action: DESCRIBE_TAGS, what, why }
    };
    if !is_asked && matches!(said, CopyFault::Beyond { .. }) {
        return Err(said);
    }
    Err(CopyFault::Absent { missed, as_of: standing.as_of, said: Box::new(said) })
}

/// The resources of a kind that a question names.
fn named(page: &TagsPage, kind: &KindSpec, scope: &Scope) -> BTreeSet<ResourceId> {
    let ids = page.question.ids.iter().flatten();
    let of_kind = ids.filter(|id| kinds::of_id(id).is_some_and(|named| named.slug == kind.slug));
    of_kind.map(|id| ResourceId::new(scope, &kind.kind(), id.as_str())).collect()
}

/// The tags from a place on.
fn found_from(
    store: &Store,
    page: &TagsPage,
    scope: &Scope,
    log: LogId,
    step: &WalkStep,
    moment: TagsMoment,
) -> Result<FoundPage, CopyFault> {
    let (filter, none) = (ScopeFilter::from(scope), Filters::default());
    let TagsMoment { mark, within } = moment;
    let mut filled = FilledPage::new(page, scope, step);
    let begins = step.after.as_ref().map(|after| after.kind.clone());
    let is_before = |kind: &&&'static KindSpec| begins.as_ref().is_some_and(|begins| begins.as_str() != kind.name);
    for kind in page.question.kinds.iter().skip_while(is_before) {
        let of = kind.kind();
        let after = step.after.clone().filter(|after| after.kind == of);
        let query = WalkQuery { kind: &of, scope: &filter, filters: &none, conditions: &[], limit: None };
        // Where the walk moved, it is the resource as it is now.
        if let (Some(id), Some(key)) = (&after, &within)
            && let Some(document) = query.one(store, id, step.point)?
            && filled.take(kind, id.clone(), &document, Some(key))?.is_break()
        {
            break;
        }
        if page.question.ids.is_some() {
            for id in named(page, kind, scope).into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after)) {
                if let Some(document) = query.one(store, &id, step.point)?
                    && filled.take(kind, id, &document, None)?.is_break()
                {
                    break;
                }
            }
        } else {
            let (parts, mut failed) = (Some(&TAGGED[..]), None);
            let step = WalkStep { after, ..step.clone() };
            query.page_of(store, &step, parts, |_, id, document| {
                let taken = filled.take(kind, id, &document.parts, None).unwrap_or_else(|error| {
                    failed = Some(error);
                    ControlFlow::Break(())
                });
                taken.map_continue(|()| 0)
            })?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        if filled.is_full {
            break;
        }
    }
    let FilledPage { documents, last, within, is_full, .. } = filled;
    let (point, as_of) = (Some(step.point), mark.as_of);
    let sorted = Some(WalkMark { within, ..mark }.sorted());
    let next = last.filter(|_| is_full);
    let next = next.map(|after| Cursor { log, question: page.hash, point, after, sorted });
    Ok(FoundPage { documents, next, as_of, seq: step.point.seq, is_moved: step.is_moved })
}

/// What is known of the moment of a page, and where it begins.
struct TagsMoment {
    mark: WalkMark,
    /// The key after which it begins within the resource where the page before ended.
    within: Option<String>,
}

/// A page of tags while it is filled.
struct FilledPage<'p> {
    page: &'p TagsPage,
    own: DocumentRule,
    /// The most tags.
    limit: usize,
    /// The most resources that are looked at, of which few may have such tags: a page ends with what it has then.
    most_read: usize,
    read: usize,
    documents: Vec<WalkedDocument>,
    /// The last resource that was looked at.
    last: Option<ResourceId>,
    /// The key of its last tag that is taken, where it has more of them.
    within: Option<String>,
    /// Whether more may follow.
    is_full: bool,
}

impl<'p> FilledPage<'p> {
    /// An empty page that begins with `step`.
    fn new(page: &'p TagsPage, scope: &Scope, step: &WalkStep) -> Self {
        FilledPage {
            page,
            own: DocumentRule::OwnedBy(scope.account.clone()),
            limit: page.limit.unwrap_or(TAGS),
            most_read: page.limit.map_or(usize::MAX, |_| MOST_READ),
            read: 0,
            documents: Vec::new(),
            last: step.after.clone(),
            within: None,
            is_full: false,
        }
    }

    /// Takes the tags of a resource for which there is room, in the order of their keys: only those after the key `after`, if it is given.
    ///
    /// # Errors
    /// When the value of a redacted tag may decide.
    fn take(
        &mut self,
        kind: &KindSpec,
        id: ResourceId,
        document: &Document,
        after: Option<&str>,
    ) -> Result<ControlFlow<()>, CopyFault> {
        let room = self.limit.saturating_sub(self.documents.len());
        self.is_full = room == 0 || self.read >= self.most_read;
        if self.is_full {
            return Ok(ControlFlow::Break(()));
        }
        let is_others = kind.own_only && !self.own.admits(document);
        let mut tags = if is_others { Vec::new() } else { self.page.tags(kind, &id.id, document)? };
        tags.retain(|tag| after.is_none_or(|after| key(tag) > after));
        tags.sort_by(|one, other| key(one).cmp(key(other)));
        self.is_full = tags.len() > room;
        tags.truncate(room);
        self.within = tags.last().filter(|_| self.is_full).map(|tag| key(tag).to_owned());
        self.read += 1;
        self.documents.extend(tags.into_iter().map(WalkedDocument::from));
        self.last = Some(id);
        Ok(if self.is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

/// The key of a tag as the answer lists it.
fn key(tag: &Document) -> &str {
    tag.text("Key").unwrap_or_default()
}

#[cfg(test)]
mod tests;
