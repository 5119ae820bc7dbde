//! Security groups as what carries them names them.

use aws_sdk_ec2::types;

use super::fields::Fields;

pub(super) fn group(identifier: types::GroupIdentifier) -> Fields {
    Fields::new().text("GroupId", identifier.group_id).text("GroupName", identifier.group_name)
}
