//! The nearest known name to a misspelt one.

/// The known name with the smallest edit distance, if it is close enough to be meant.
pub fn nearest<'a>(found: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (found.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|name| (distance(found, name), name))
        .filter(|(steps, name)| *steps <= limit && *name != found)
        .min_by_key(|(steps, _)| *steps)
        .map(|(_, name)| name)
}

/// Edit distance in which a swap of neighbours is one step (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
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
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant_and_nothing_far() {
        assert_eq!(nearest("destt", ["src", "dest", "mode"]), Some("dest"));
        assert_eq!(nearest("mirorr_url", ["mirror_url", "other"]), Some("mirror_url"));
        assert_eq!(nearest("zzz", ["src", "dest"]), None);
    }
}
