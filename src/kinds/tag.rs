//! Tags, which every kind carries the same way.

use aws_sdk_ec2::types;

use super::fields::Fields;

pub(super) fn tag(tag: types::Tag) -> Fields {
    Fields::new().text("Key", tag.key).text("Value", tag.value)
}
