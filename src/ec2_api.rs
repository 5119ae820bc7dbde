//! EC2's own read API, answered from the copy.
//!
//! What it speaks on the wire is pure, requests in, answers and errors out:
//!
//! - [`wire`] has the names that fields and parameters have on the wire, by tables that are made of botocore's model.
//! - [`request`] reads what a client sends; [`form`] is what it is written in, [`action`] what it may be about, and
//!   [`parameter_use`] what the copy makes of each parameter.
//! - [`tag_question`] is what a request for tags asks of the copy.
//! - [`response`] writes what is answered, [`fault`] what is refused, with [`id_codes`] of each kind.
//!
//! What is answered is decided from the copy:
//!
//! - [`signing_scope`] says who signed a request and for which region, [`key_owners`] which account the key belongs to, and
//!   [`place`] which account and region it is about, of those that are watched ([`asked_scope`]).
//! - [`standing`] judges how old the copy is, and [`question`] whether it can have all of the answer, by filters, those that AWS does
//!   not document any more ([`former_filter`]) or never did ([`unknown_filter`]) among them, and by [`document_rule`]s; [`tags_page`]
//!   is which page of tags is asked for.
//! - [`desk`] answers with what [`kind_search`] and [`tags_search`] find ([`found_page`]), page by page as of one moment ([`walk`],
//!   [`walk_mark`]) and with instances of one reservation together ([`reservation_book`]), and
//!   what is not asked for in pages part by part ([`answer_rest`]); [`copy_fault`] says why it does not, [`missed_ids`] what AWS can be
//!   asked for, and [`damage_concern`] which damage of the store an answer may lack.
//! - [`geography_desk`] answers which regions and zones there are, from what AWS said last ([`geography`]), by names and filters
//!   ([`place_question`]).
//! - What the copy cannot answer AWS may be asked ([`passing`]), if it only reads ([`passable_read`]), by a request that is made anew
//!   ([`passed_call`]); [`pass_desk`] answers with what AWS says.
//! - [`call_tally`] counts requests.
//!
//! [`walk`]: crate::query::walk

pub mod action;
pub mod answer_rest;
pub mod asked_scope;
pub mod call_tally;
pub mod copy_fault;
pub mod damage_concern;
mod default_vpc;
pub mod desk;
pub mod document_rule;
pub mod fault;
pub mod form;
pub mod former_filter;
pub mod found_page;
pub mod geography;
pub mod geography_desk;
pub mod id_codes;
pub mod key_owners;
pub mod kind_search;
pub mod missed_ids;
pub mod parameter_use;
pub mod pass_desk;
pub mod passable_read;
pub mod passed_call;
pub mod passing;
pub mod place;
pub mod place_question;
pub mod question;
pub mod request;
pub mod reservation_book;
pub mod reservation_turns;
pub mod response;
pub mod sent_text;
pub mod signing_scope;
pub mod standing;
pub mod tag_question;
pub mod tags_page;
pub mod tags_search;
pub mod unknown_filter;
pub mod walk_mark;
pub mod wire;
mod xml_fields;
mod xml_text;
