//! Splits the list in an answer into its items, in the same pass that proves the body complete.
//!
//! A list is at a path below the root, such as `volumeSet/item`; instances are inside reservations, at
//! `reservationSet/item/instancesSet/item`. Names are compared without their namespace prefix, as in the SDK's decoder. Text that
//! only looks like markup, in CDATA sections, comments and attribute values, is ignored. A hash of each item tells whether it is as
//! it was in an earlier answer.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::markup::{Broken, Mark, MarkKind, Marks};
use crate::model::ItemHash;

/// The path of a list's items below the root: the names of the elements.
pub(super) type Path = &'static [&'static str];

/// How many elements of a path lead to a group of items, such as a reservation, if there are groups.
const GROUP: usize = 2;

/// The seed of the hashes. Whoever can write tags cannot know it, and so cannot make two items that hash alike.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

/// An answer split into items.
#[derive(Debug)]
pub(super) struct Split<'a> {
    text: &'a str,
    items: Vec<Cut>,
    /// The groups of items, tags included.
    groups: Vec<Range<usize>>,
}

/// The position of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cut {
    /// Its bytes, tags included.
    at: Range<usize>,
    /// The index of its group.
    group: Option<usize>,
    /// The position of its id; empty if it has none.
    id: Range<usize>,
}

/// Reads the ids of items: the characters of an item's direct child of one of some names. The first of these names that an item has
/// holds its id.
struct IdReader<'n> {
    names: &'n [String],
    /// The open element that may hold it: which name it has, and where its characters start.
    open: Option<(usize, usize)>,
    /// What was found of the current item, by name.
    found: Option<(usize, Range<usize>)>,
}

/// An element inside an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct XmlElement<'a> {
    /// Its name below the item, such as `placement.tenancy`.
    pub(super) name: String,
    /// Its characters as written in the body; empty if it has child elements.
    pub(super) text: &'a str,
    /// Its depth below the item.
    pub(super) depth: usize,
    /// Its bytes, tags included.
    at: Range<usize>,
    /// The names of the elements around it, with their prefixes, starting at the root.
    around: Vec<&'a str>,
}

impl<'a> Split<'a> {
    /// Reads `body`, whose items are at `path`.
    ///
    /// # Errors
    /// [`Broken`], if it is not complete.
    pub(super) fn read(body: &'a [u8], path: Path) -> Result<Self, Broken> {
        Split::with_ids(body, path, &[])
    }

    /// Like [`Split::read`]; also reads the id of each item, which one of its direct children of these names holds.
    ///
    /// # Errors
    /// [`Broken`], if it is not complete.
    pub(super) fn with_ids(body: &'a [u8], path: Path, ids: &[String]) -> Result<Self, Broken> {
        let mut marks = Marks::new(body)?;
        let text = std::str::from_utf8(body)?;
        let mut split = Split { text, items: Vec::new(), groups: Vec::new() };
        // How many names of the path the open elements match; the innermost of these is the `depth`th below the root.
        let (mut matched, mut item_from, mut group_from) = (0, 0, 0);
        let is_grouped = path.len() > GROUP;
        let mut reader = IdReader { names: ids, open: None, found: None };
        while let Some(Mark { what, at, depth }) = marks.next()? {
            match what {
                MarkKind::Start(name) if depth == matched + 1 && path.get(matched) == Some(&name) => {
                    matched += 1;
                    if matched == path.len() {
                        item_from = at.start;
                    } else if is_grouped && matched == GROUP {
                        group_from = at.start;
                        // Its end is not known yet.
                        split.groups.push(at.start..at.start);
                    }
                }
                MarkKind::Empty(name)
                    if depth == matched + 1 && matched + 1 == path.len() && path.last() == Some(&name) =>
                {
                    split.push(at, is_grouped, 0..0);
                }
                MarkKind::Start(name) if matched == path.len() && depth == matched + 1 => reader.starts(name, &at),
                MarkKind::End if matched == path.len() && depth == matched + 1 => reader.ends(&at),
                MarkKind::End if depth == matched && matched > 0 => {
                    if matched == path.len() {
                        split.push(item_from..at.end, is_grouped, reader.taken());
                    } else if is_grouped
                        && matched == GROUP
                        && let Some(group) = split.groups.last_mut()
                    {
                        *group = group_from..at.end;
                    }
                    matched -= 1;
                }
                MarkKind::Start(_) | MarkKind::Empty(_) | MarkKind::End | MarkKind::Text | MarkKind::Aside => {}
            }
        }
        Ok(split)
    }

    fn push(&mut self, at: Range<usize>, is_grouped: bool, id: Range<usize>) {
        let group = if is_grouped { self.groups.len().checked_sub(1) } else { None };
        self.items.push(Cut { at, group, id });
    }

    /// The id of an item, if it has one and it is plain text.
    pub(super) fn id(&self, place: usize) -> Option<&'a str> {
        let id = self.text.get(self.items.get(place)?.id.clone())?;
        (!id.is_empty() && !id.contains(['&', '<'])).then_some(id)
    }

    /// A hash of each item, and of everything in its group except the other items.
    pub(super) fn hashes(&self) -> Vec<ItemHash> {
        let bytes = |at: Range<usize>| self.text.as_bytes().get(at).unwrap_or_default();
        let mut items = self.items.iter().peekable();
        let (mut groups, mut around) = (Vec::with_capacity(self.groups.len()), Vec::new());
        for (number, group) in self.groups.iter().enumerate() {
            let mut from = group.start;
            around.clear();
            while let Some(item) = items.next_if(|item| item.group == Some(number)) {
                around.extend_from_slice(bytes(from..item.at.start));
                from = item.at.end;
            }
            around.extend_from_slice(bytes(from..group.end));
            groups.push(xxh3_128_with_seed(&around, *SEED));
        }
        let hash = |item: &Cut| {
            let own = xxh3_128_with_seed(bytes(item.at.clone()), *SEED);
            match item.group.and_then(|group| groups.get(group)) {
                Some(group) => xxh3_128_with_seed([own.to_le_bytes(), group.to_le_bytes()].as_flattened(), *SEED),
                None => own,
            }
        };
        self.items.iter().map(|item| ItemHash::new(hash(item))).collect()
    }

    /// How many items there are.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// The body with only the items whose index `keep` accepts. A group without kept items is left out as well.
    pub(super) fn reduced(&self, keep: impl Fn(usize) -> bool) -> String {
        let kept_groups: Vec<bool> = {
            let mut kept = vec![false; self.groups.len()];
            let groups =
                self.items.iter().enumerate().filter(|(place, _)| keep(*place)).filter_map(|(_, item)| item.group);
            for group in groups {
                if let Some(kept) = kept.get_mut(group) {
                    *kept = true;
                }
            }
            kept
        };
        let stays = |group: usize| kept_groups.get(group).copied().unwrap_or_default();
        let groups = self.groups.iter().enumerate().filter(|(place, _)| !stays(*place)).map(|(_, at)| at);
        let items = self.items.iter().enumerate().filter(|(place, item)| !keep(*place) && item.group.is_none_or(stays));
        let mut cuts: Vec<&Range<usize>> = groups.chain(items.map(|(_, item)| &item.at)).collect();
        cuts.sort_unstable_by_key(|cut| cut.start);
        let mut reduced = String::with_capacity(self.text.len() - cuts.iter().map(|cut| cut.len()).sum::<usize>());
        let mut from = 0;
        for cut in cuts {
            reduced.push_str(self.text.get(from..cut.start).unwrap_or_default());
            from = cut.end;
        }
        reduced.push_str(self.text.get(from..).unwrap_or_default());
        reduced
    }

    /// The elements of the first item and its group, in the order in which they end. Meant for a body that [`Split::reduced`] cut
    /// to this item.
    pub(super) fn elements(&self) -> Vec<XmlElement<'a>> {
        let unit = match (self.groups.first(), self.items.first()) {
            (Some(group), _) => group.clone(),
            (None, Some(item)) => item.at.clone(),
            (None, None) => return Vec::new(),
        };
        let item = self.items.first().map(|item| item.at.clone()).unwrap_or_default();
        let mut elements: Vec<XmlElement<'a>> = Vec::new();
        let mut open: Vec<(&'a str, usize, bool)> = Vec::new();
        let Ok(mut marks) = Marks::new(self.text.as_bytes()) else { return Vec::new() };
        while let Ok(Some(Mark { what, at, .. })) = marks.next() {
            if let (MarkKind::Start(_) | MarkKind::Empty(_), Some((_, _, is_leaf))) = (what, open.last_mut()) {
                *is_leaf = false;
            }
            let (from, is_leaf) = match what {
                MarkKind::Start(_) => {
                    open.push((name_of(self.text, at.start), at.start, true));
                    continue;
                }
                MarkKind::Empty(_) => (at.start, true),
                MarkKind::End => match open.pop() {
                    Some((_, from, is_leaf)) => (from, is_leaf),
                    None => break,
                },
                MarkKind::Text | MarkKind::Aside => continue,
            };
            if from <= unit.start || at.end >= unit.end || from == item.start {
                continue;
            }
            let own = |start: usize| start > unit.start && start != item.start;
            let names = open.iter().filter(|(_, start, _)| own(*start)).map(|(name, ..)| local(name));
            let names: Vec<&str> = names.chain([local(name_of(self.text, from))]).collect();
            let within_item = from > item.start && at.end < item.end;
            // The list that contains the item belongs to the group.
            let depth = open.iter().filter(|(_, start, _)| *start > item.start).count();
            let name = if within_item {
                names.get(names.len() - 1 - depth..).unwrap_or_default().join(".")
            } else {
                names.join(".")
            };
            let text = if is_leaf { inner(self.text.get(from..at.end).unwrap_or_default()) } else { "" };
            elements.push(XmlElement {
                name,
                text,
                depth: if within_item { depth } else { usize::MAX },
                at: from..at.end,
                around: open.iter().map(|(name, ..)| *name).collect(),
            });
        }
        elements
    }

    /// The body up to the end of an element, with all open elements closed.
    pub(super) fn up_to(&self, element: &XmlElement<'_>) -> String {
        self.closed(element.at.end, &element.around)
    }

    /// The body without an element.
    pub(super) fn without(&self, element: &XmlElement<'_>) -> String {
        let (before, after) = (self.text.get(..element.at.start), self.text.get(element.at.end..));
        [before.unwrap_or_default(), after.unwrap_or_default()].concat()
    }

    fn closed(&self, end: usize, around: &[&str]) -> String {
        let mut text = self.text.get(..end).unwrap_or_default().to_owned();
        for name in around.iter().rev() {
            text.extend(["</", name, ">"]);
        }
        text
    }
}

impl IdReader<'_> {
    /// A direct child of an item starts.
    fn starts(&mut self, name: &str, tag: &Range<usize>) {
        self.open = self.names.iter().position(|wanted| wanted == name).map(|number| (number, tag.end));
    }

    /// A direct child of an item ends.
    fn ends(&mut self, tag: &Range<usize>) {
        if let Some((number, from)) = self.open.take()
            && from < tag.start
            && self.found.as_ref().is_none_or(|(found, _)| number <= *found)
        {
            self.found = Some((number, from..tag.start));
        }
    }

    /// What was found of an item that ends.
    fn taken(&mut self) -> Range<usize> {
        self.found.take().map(|(_, at)| at).unwrap_or_default()
    }
}

/// The full name of the element whose tag starts at `from`.
fn name_of(text: &str, from: usize) -> &str {
    let tag = text.get(from + 1..).unwrap_or_default();
    let ends = |letter: char| letter.is_ascii_whitespace() || matches!(letter, '/' | '>');
    tag.split(ends).next().unwrap_or_default()
}

/// A name without its namespace prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// The content of an element without child elements.
fn inner(element: &str) -> &str {
    // Read again as markup: an attribute's value may contain `>`.
    let Ok(mut marks) = Marks::new(element.as_bytes()) else { return "" };
    let (mut from, mut to) = (0, 0);
    while let Ok(Some(mark)) = marks.next() {
        match mark.what {
            MarkKind::Start(_) => from = mark.at.end,
            MarkKind::End => to = mark.at.start,
            MarkKind::Empty(_) | MarkKind::Text | MarkKind::Aside => {}
        }
    }
    element.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests;
