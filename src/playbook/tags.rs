//! Which tasks `--tags` and `--skip-tags` choose.

use crate::value::{Value, python_str};
use crate::yaml::Node;

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

/// The tags of a `tags` value whose templates `render` renders: text is split at commas outside of templates, an item
/// of a list is one tag, and a template may give a list of them.
pub fn rendered_tags(node: &Node, render: &dyn Fn(&Node) -> Value) -> Vec<String> {
    let mut tags = Vec::new();
    if let Some(items) = node.as_list() {
        for item in items {
            match item.as_list() {
                Some(_) => tags.extend(rendered_tags(item, render)),
                None => add_tags(&if item.has_template() { render(item) } else { item.to_value() }, &mut tags),
            }
        }
        return tags;
    }
    let Some(text) = node.as_str() else { return tags };
    if node.has_template() {
        let parts = split_outside(text);
        if parts.len() == 1 {
            add_tags(&render(node), &mut tags);
        } else {
            for part in parts {
                add_tags(&render(&Node::text(part.trim(), node.place())), &mut tags);
            }
        }
    } else {
        tags.extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    tags.retain(|tag| !tag.is_empty());
    tags
}

fn add_tags(value: &Value, tags: &mut Vec<String>) {
    match value {
        Value::List(items) => items.iter().for_each(|item| add_tags(item, tags)),
        Value::Null => {}
        other => tags.push(python_str(other)),
    }
}

/// Splits at commas that stand in no `{{ }}`.
fn split_outside(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        let rest = &text[at..];
        if rest.starts_with("{{") {
            inside = true;
        } else if rest.starts_with("}}") {
            inside = false;
        } else if c == ',' && !inside {
            parts.push(&text[start..at]);
            start = at + 1;
        }
    }
    parts.push(&text[start..]);
    parts
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
    fn tags_come_from_text_lists_and_templates() {
        let check = |yaml: &str, expected: &str| {
            let sources = crate::diag::SourceMap::new();
            let file = sources.add("t.yml", None, yaml);
            let node = crate::yaml::load(&sources, &file, &crate::yaml::LoadOptions::default()).one(&file).unwrap();
            // Any template gives two tags in one text here, and `list` gives a list.
            let render = |node: &Node| match node.as_str() {
                Some(text) if text.contains("list") => Value::from(vec![Value::from("l1"), Value::from("l2")]),
                _ => Value::from("t1,t2"),
            };
            assert_eq!(rendered_tags(&node, &render).join("|"), expected, "{yaml}");
        };
        check("a, b", "a|b");
        check("[a, 'b, c', 4]", "a|b, c|4");
        check("'{{ x }}'", "t1,t2");
        check("'a,{{ x }}'", "a|t1,t2");
        check("['{{ list }}', a]", "l1|l2|a");
        check("'{{ [list, 1] }}'", "l1|l2");
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
