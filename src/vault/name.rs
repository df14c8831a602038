//! Full names of sealed values: keys joined by dots, a dot inside a key written `\.`.

/// The keys of a full name.
pub fn split_name(name: &str) -> Vec<String> {
    let mut keys = vec![String::new()];
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match c {
            '.' => keys.push(String::new()),
            '\\' => {
                if let (Some(last), Some(next)) = (keys.last_mut(), chars.next()) {
                    last.push(next);
                }
            }
            c => {
                if let Some(last) = keys.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    keys
}

/// The full name of keys.
pub fn join_name<S: AsRef<str>>(keys: &[S]) -> String {
    let escaped: Vec<String> = keys.iter().map(|key| key.as_ref().replace('\\', "\\\\").replace('.', "\\.")).collect();
    escaped.join(".")
}

/// A variable's name as Ansible allows it.
pub(super) fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !matches!(name, "true" | "false" | "none" | "True" | "False" | "None" | "not")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unambiguous() {
        for keys in [&["a", "b"][..], &["a.b"], &["a\\", "b."], &["x"]] {
            assert_eq!(split_name(&join_name(keys)), keys);
        }
        assert_ne!(join_name(&["a", "b"]), join_name(&["a.b"]));
    }
}
