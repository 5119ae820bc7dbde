//! The AWS service that manages a resource on the account's behalf, if one does.

use aws_sdk_ec2::types;

use super::fields::Fields;

pub(super) fn operator(operator: types::OperatorResponse) -> Fields {
    Fields::new()
        .flag("Managed", operator.managed)
        .text("Principal", operator.principal)
        .flag("HiddenByDefault", operator.hidden_by_default)
}
