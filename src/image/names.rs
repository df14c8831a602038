//! Full image names, and which references mean an image of the tree.

/// What all images of a run have in their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// `registry.example.org:5000`; empty for none.
    pub registry: String,
    /// `lab`.
    pub namespace: String,
    /// Put before every image's name.
    pub prefix: String,
    /// The run's tag.
    pub tag: String,
}

impl Names {
    /// `[registry/]namespace/[prefix]name`.
    pub fn untagged(&self, name: &str) -> String {
        format!("{}{}{name}", self.base(), self.prefix)
    }

    /// `[registry/]namespace/[prefix]name:tag`.
    pub fn full(&self, name: &str) -> String {
        format!("{}:{}", self.untagged(name), self.tag)
    }

    /// The part of the name that the registry sees.
    pub fn repository(&self, name: &str) -> String {
        let untagged = self.untagged(name);
        match untagged.strip_prefix(&format!("{}/", self.registry)) {
            Some(rest) if !self.registry.is_empty() => rest.to_owned(),
            _ => untagged,
        }
    }

    fn base(&self) -> String {
        let mut base = String::new();
        for part in [&self.registry, &self.namespace].into_iter().filter(|part| !part.is_empty()) {
            base.push_str(part);
            base.push('/');
        }
        base
    }

    /// What a reference in a Dockerfile means.
    pub fn meaning<'a>(&self, reference: &'a str) -> Meaning<'a> {
        if reference.contains('@') {
            // A digest names exact content, which no image of this run has yet.
            return Meaning::Other;
        }
        let untagged = without_tag(reference);
        let own = format!("{}{}", self.base(), self.prefix);
        if !self.base().is_empty()
            && let Some(name) = untagged.strip_prefix(&own)
            && !name.is_empty()
        {
            return Meaning::Full(name);
        }
        if untagged.contains('/') { Meaning::Other } else { Meaning::Bare(untagged) }
    }

    /// Why the parts cannot make a name, if they cannot.
    pub fn problem(&self) -> Option<String> {
        let bad_path = |text: &str| {
            text.split('/').any(|part| {
                part.is_empty()
                    || !part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                    || !part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
            })
        };
        if !self.namespace.is_empty() && bad_path(&self.namespace) {
            return Some(format!(
                "namespace `{}`: expected lower case letters, digits, `.`, `_`, `-` and `/`",
                self.namespace
            ));
        }
        if !self.prefix.is_empty() && bad_path(&self.prefix) {
            return Some(format!("prefix `{}`: expected lower case letters, digits, `.`, `_` and `-`", self.prefix));
        }
        if !self.registry.is_empty() && (self.registry.contains('/') || self.registry.contains(char::is_whitespace)) {
            return Some(format!(
                "registry `{}`: expected `host` or `host:port` without a scheme or path",
                self.registry
            ));
        }
        if !valid_tag(&self.tag) {
            return Some(format!(
                "tag `{}`: expected up to 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`",
                self.tag
            ));
        }
        None
    }
}

/// What a reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning<'a> {
    /// It has this run's registry, namespace and prefix: an image of the tree of this name, or a mistake.
    Full(&'a str),
    /// A name without a path: an image of the tree if there is one of this name.
    Bare(&'a str),
    /// An image from elsewhere.
    Other,
}

/// True for a tag that registries take.
pub fn valid_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
}

/// True for a name that can be the last part of an image's name.
pub fn valid_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
}

/// `host:5000/a/b:tag` is `host:5000/a/b`.
pub fn without_tag(reference: &str) -> &str {
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => reference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_together_and_recognised() {
        let names = Names { registry: "r:5000".into(), namespace: "lab".into(), prefix: "k-".into(), tag: "1".into() };
        assert_eq!(names.full("base"), "r:5000/lab/k-base:1");
        assert_eq!(names.repository("base"), "lab/k-base");
        assert_eq!(names.meaning("r:5000/lab/k-base"), Meaning::Full("base"));
        assert_eq!(names.meaning("r:5000/lab/k-base:old"), Meaning::Full("base"));
        assert_eq!(names.meaning("base"), Meaning::Bare("base"));
        assert_eq!(names.meaning("nginx:1.25"), Meaning::Bare("nginx"));
        assert_eq!(names.meaning("lab/k-base"), Meaning::Other);
        assert_eq!(names.meaning("r:5000/lab/k-base@sha256:00"), Meaning::Other);
        assert_eq!(names.problem(), None);
        let plain = Names { registry: String::new(), ..names };
        assert_eq!(plain.full("base"), "lab/k-base:1");
        assert_eq!(plain.repository("base"), "lab/k-base");
    }

    #[test]
    fn parts_that_make_no_name_are_told() {
        let ok = Names { registry: "r".into(), namespace: "a/b".into(), prefix: String::new(), tag: "x".into() };
        for bad in [
            Names { registry: "https://r".into(), ..ok.clone() },
            Names { namespace: "Lab".into(), ..ok.clone() },
            Names { namespace: "a//b".into(), ..ok.clone() },
            Names { tag: String::new(), ..ok.clone() },
            Names { tag: "a:b".into(), ..ok.clone() },
        ] {
            assert!(bad.problem().is_some(), "{bad:?}");
        }
        assert_eq!(ok.problem(), None);
    }
}
