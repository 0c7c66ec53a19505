//! "Did you mean": the names that exist and are most like one that does not.

use std::collections::BTreeSet;

/// Suggestions beyond this are no help.
const MOST: usize = 5;
/// Comparing takes the product of the lengths; nobody types names longer than this.
const LONGEST: usize = 256;
/// The most names that are compared: a large library has a hundred thousand functions.
const COMPARED: usize = 200_000;

/// The candidates most like `wanted`, best first: those where at most every third letter is wrong, and those whose
/// part behind the last `:` is so (the same probe of another provider).
pub(super) fn nearest<'a>(wanted: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let wanted = wanted.to_lowercase();
    if wanted.len() > LONGEST || wanted.contains(['*', '?']) {
        return Vec::new();
    }
    let (last, penalty) = wanted.rsplit_once(':').map_or((wanted.as_str(), 0), |(_, name)| (name, 1));
    let mut near = BTreeSet::new();
    for candidate in candidates.take(COMPARED) {
        let lower = candidate.to_lowercase();
        let part = lower.rsplit(':').next();
        // Being right but for the provider is a mistake of its own, a little worse than a letter.
        let distance = [distance(&wanted, &lower), part.and_then(|p| distance(last, p)).map(|d| d + penalty)]
            .into_iter()
            .flatten()
            .min();
        if let Some(distance) = distance {
            near.insert((distance, candidate));
            if near.len() > MOST {
                near.pop_last();
            }
        }
    }
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}

/// How many letters differ, if it may be a slip: two letters that changed places count as one.
fn distance(wanted: &str, other: &str) -> Option<usize> {
    let most = (wanted.len() / 3).max(1);
    // The compiler's own copies of a function: `handle.isra.0`, `handle.part.0`.
    if other.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('.')) {
        return Some(1);
    }
    if wanted.is_empty() || wanted.len().abs_diff(other.len()) > most {
        return None;
    }
    Some(strsim::osa_distance(wanted, other)).filter(|d| *d <= most)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_other_names_are_not() {
        let names = ["hotspot:gc__begin", "hotspot:gc__end", "hotspot:thread__start", "other:gc__start"];
        let near = |wanted| nearest(wanted, names.into_iter());
        assert_eq!(near("hotspot:gc_begin"), ["hotspot:gc__begin", "hotspot:gc__end"]);
        assert_eq!(near("Hotspot:GC__END")[0], "hotspot:gc__end");
        assert_eq!(near("hotspot:gc__start"), ["other:gc__start", "hotspot:gc__begin", "hotspot:gc__end"]);
        assert_eq!(near("postgres:query__start"), Vec::<String>::new());
        assert_eq!(near("gc__begn")[0], "hotspot:gc__begin");
        assert_eq!(near("hotspot:*"), Vec::<String>::new());
        assert_eq!(nearest("handle", ["main", "handle.isra.0"].into_iter()), ["handle.isra.0"]);
    }
}
