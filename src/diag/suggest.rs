//! The nearest known name to a misspelt one.

/// Characters of the longest name that is looked at.
const LONGEST: usize = 200;

/// The known name with the smallest edit distance, if it is close enough to be meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let chars: Vec<char> = found.chars().take(LONGEST + 1).collect();
    if chars.len() > LONGEST {
        return None;
    }
    let limit = (chars.len() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|name| *name != found)
        .filter_map(|name| Some((distance(&chars, name, limit)?, name)))
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name)
}

/// Edit distance in which a swap of neighbours is one step (optimal string alignment), if it is within the limit.
fn distance(a: &[char], b: &str, limit: usize) -> Option<usize> {
    let b: Vec<char> = b.chars().take(a.len() + limit + 1).collect();
    if a.len().abs_diff(b.len()) > limit {
        return None;
    }
    let mut before_last: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = row;
    }
    Some(last[b.len()]).filter(|steps| *steps <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far() {
        assert_eq!(nearest("destt", ["src", "dest", "mode"]), Some("dest"));
        assert_eq!(nearest("mirorr_url", ["mirror_url", "other"]), Some("mirror_url"));
        assert_eq!(nearest("zzz", ["src", "dest"]), None);
        assert_eq!(nearest("src", ["src", "srd"]), Some("srd"));
    }

    /// A table of all their characters would take hours and a terabyte.
    #[test]
    fn long_texts_are_no_names() {
        let (long, other) = ("x".repeat(2_000_000), "y".repeat(2_000_001));
        assert_eq!(nearest(&long, [other.as_str(), "x"]), None);
        assert_eq!(nearest("xy", [other.as_str(), "x"]), Some("x"));
    }
}
