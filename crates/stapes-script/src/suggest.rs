//! "Did you mean …?": the known name that is most like one that is not known.

/// The candidate nearest to a name, if one is near enough to have been meant.
///
/// Near enough: of every three letters one may be wrong, and two letters that changed places count as one.
/// Of several the first wins.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    if lower.is_empty() {
        return None;
    }
    // The distance takes quadratic time; nobody meant a known name with hundreds of letters.
    if lower.len() > 256 {
        return None;
    }
    let most = (lower.chars().count() / 3).max(1);
    candidates
        .into_iter()
        // A script may have thousands of names, and as many that are unknown.
        .take(1000)
        // A character has up to 4 bytes.
        .filter(|c| c.len().abs_diff(lower.len()) <= most.saturating_mul(4))
        .map(|c| (strsim::osa_distance(&lower, &c.to_lowercase()), c))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let known = ["count", "comm", "cpu", "usdt", "uprobe", "uretprobe"];
        assert_eq!(nearest("cuont", known), Some("count"));
        assert_eq!(nearest("conut", known), Some("count"));
        assert_eq!(nearest("uprbe", known), Some("uprobe"));
        assert_eq!(nearest("USDT", known), Some("usdt"));
        assert_eq!(nearest("cpi", known), Some("cpu"));
        assert_eq!(nearest("histogram", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1 << 20), known), None);
    }
}
