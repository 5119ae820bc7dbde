//! The EC2 instance lifecycle as a graph.
//!
//! Source: "Amazon EC2 instance state changes", EC2 User Guide (ec2-instance-lifecycle.html).

/// From, to.
const EDGES: &[(&str, &str)] = &[
    ("pending", "running"),
    ("pending", "shutting-down"),
    ("running", "stopping"),
    ("running", "shutting-down"),
    ("stopping", "stopped"),
    ("stopping", "shutting-down"),
    ("stopped", "pending"),
    ("stopped", "shutting-down"),
    ("stopped", "terminated"),
    ("shutting-down", "terminated"),
];

/// Whether an instance in `from` can be in `to` after one or two transitions. False for states of other kinds.
#[must_use]
pub fn is_shortly_before(from: &str, to: &str) -> bool {
    let after =
        |state: &str| EDGES.iter().filter(move |(from, _)| *from == state).map(|(_, to)| *to).collect::<Vec<_>>();
    from != to && after(from).into_iter().any(|next| next == to || after(next).contains(&to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_transitions_ahead_is_near_and_backwards_is_not() {
        assert!(is_shortly_before("pending", "running"));
        assert!(is_shortly_before("running", "stopped"));
        assert!(is_shortly_before("stopped", "running"));
        assert!(!is_shortly_before("running", "pending"));
        assert!(!is_shortly_before("stopped", "stopping"));
        assert!(!is_shortly_before("running", "running"));
        assert!(!is_shortly_before("no such state", "running"));
    }
}
