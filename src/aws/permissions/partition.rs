//! The partitions of AWS: which one a region belongs to, as ARNs name it.

/// The beginnings of the names of regions outside of the partition `aws`. Source: the SDK's list of partitions,
/// `partitions.json` of smithy-rs.
const PARTITIONS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
];

/// The partition of a region; `None` for a name that no region of AWS can have: a place in words and a number.
#[must_use]
pub fn partition_of(region: &str) -> Option<&'static str> {
    let words: Vec<&str> = region.split('-').collect();
    let [places @ .., number] = words.as_slice() else { return None };
    let is_place = |word: &&str| word.len() > 1 && word.bytes().all(|letter| letter.is_ascii_lowercase());
    let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    if places.len() < 2 || !places.iter().all(is_place) || !is_number {
        return None;
    }
    let other = PARTITIONS.iter().find(|(begin, _)| region.starts_with(begin));
    Some(other.map_or("aws", |(_, partition)| partition))
}
