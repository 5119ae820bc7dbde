//! EC2's own read API, answered from the copy: what it speaks on the wire. Pure: requests in, answers and errors out.
//!
//! - [`wire`] has the names that fields and parameters have on the wire, by tables that are made of botocore's model.
//! - [`request`] reads what a client sends; [`form`] is what it is written in, [`action`] what it may be about, and
//!   [`parameter_use`] what the copy makes of each parameter.
//! - [`tag_question`] is what a request for tags asks of the copy.
//! - [`response`] writes what is answered, [`fault`] what is refused, with [`id_codes`] of each kind.

pub mod action;
pub mod fault;
pub mod form;
pub mod id_codes;
pub mod parameter_use;
pub mod request;
pub mod response;
pub mod tag_question;
pub mod wire;
mod xml_text;
