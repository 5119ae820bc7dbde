//! AWS's reasons for the state of an instance, which end with the time of the transition.

use crate::model::Timestamp;

/// The time in a reason such as `User initiated (2026-11-22 10:15:00 GMT)`.
#[must_use]
pub fn told_at(reason: &str) -> Option<Timestamp> {
    let (_, time) = reason.rsplit_once('(')?;
    let (time, _) = time.split_once(" GMT)")?;
    Timestamp::parse(&format!("{}Z", time.replacen(' ', "T", 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_stands_at_the_end_of_the_reason() {
        let at = |reason| told_at(reason).map(|at| at.to_string());
        let expected = Some("2026-11-22T10:15:00.000Z".to_owned());
        assert_eq!(at("User initiated (2026-11-22 10:15:00 GMT)"), expected);
        assert_eq!(at("Server.ScheduledStop: Stopped due to scheduled retirement (2026-11-22 10:15:00 GMT)"), expected);
        for none in
            ["", "User initiated", "User initiated (yesterday GMT)", "(2026-11-22 10:15:00)", "2026-11-22 10:15:00 GMT"]
        {
            assert_eq!(at(none), None, "{none}");
        }
    }
}
