//! Which tasks `--tags` and `--skip-tags` choose.

/// True if a task with these tags (its own and all inherited) is to run. The rule is that of
/// ansible-core: `always` and `never` on tasks; `all`, `tagged` and `untagged` on the command line.
pub fn selected<S: AsRef<str>>(tags: &[S], only: &[String], skip: &[String]) -> bool {
    let has = |name: &str| {
        if tags.is_empty() { name == "untagged" } else { tags.iter().any(|tag| tag.as_ref() == name) }
    };
    let names = |list: &[String], name: &str| list.iter().any(|item| item == name);
    // A task that is tagged with the one word `untagged` counts as untagged.
    let tagged = !tags.iter().all(|tag| tag.as_ref() == "untagged");
    let wanted = if only.is_empty() {
        // No `--tags` is `--tags all`.
        has("always") || !has("never")
    } else {
        has("always")
            || (names(only, "all") && !has("never"))
            || only.iter().any(|tag| has(tag))
            || (names(only, "tagged") && tagged && !has("never"))
    };
    if !wanted || skip.is_empty() {
        return wanted;
    }
    let skipped = if names(skip, "all") {
        !has("always") || names(skip, "always")
    } else {
        skip.iter().any(|tag| has(tag)) || (names(skip, "tagged") && tagged)
    };
    !skipped
}

/// The tags of a literal `tags` value: a list, or one text split at commas.
pub fn literal_tags(node: &crate::yaml::Node) -> Vec<String> {
    if let Some(items) = node.as_list() {
        let words = |item: &crate::yaml::Node| match item.as_scalar() {
            Some(scalar) => vec![scalar.text.to_string()],
            None => literal_tags(item),
        };
        return items.iter().flat_map(words).collect();
    }
    let split = |text: &str| text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned).collect();
    node.as_str().map(split).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words of each list, separated by blanks.
    fn check(tags: &str, only: &str, skip: &str, expected: bool) {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            selected(&words(tags), &words(only), &words(skip)),
            expected,
            "tags [{tags}] only [{only}] skip [{skip}]"
        );
    }

    #[test]
    fn selects_as_ansible_does() {
        check("", "", "", true);
        check("a", "", "", true);
        check("never", "", "", false);
        check("never a", "", "", false);
        check("never always", "", "", true);
        check("a", "a", "", true);
        check("b", "a", "", false);
        check("", "a", "", false);
        check("always", "a", "", true);
        check("never a", "a", "", true);
        check("never a", "never", "", true);
        check("never", "all", "", false);
        check("", "all", "", true);
        check("a", "tagged", "", true);
        check("", "tagged", "", false);
        check("never", "tagged", "", false);
        check("", "untagged", "", true);
        check("a", "untagged", "", false);
        check("always", "untagged", "", true);
    }

    #[test]
    fn skips_as_ansible_does() {
        check("a", "", "a", false);
        check("a b", "a", "b", false);
        check("always", "", "all", true);
        check("a", "", "all", false);
        check("always", "", "all always", false);
        check("always", "", "always", false);
        check("a", "", "tagged", false);
        check("", "", "tagged", true);
        check("", "", "untagged", false);
        check("a", "", "untagged", true);
    }
}
