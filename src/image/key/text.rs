//! The Dockerfile as it counts: parents by bare name, labels of time and commit without their values.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::model::{LINE, digest};
use crate::image::dockerfile::Dockerfile;

/// Labels that differ in every run and change nothing else in the image.
pub(super) fn is_volatile_label(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "org.opencontainers.image.created",
        "org.opencontainers.image.revision",
        "org.label-schema.build-date",
        "org.label-schema.vcs-ref",
        "build-date",
        "vcs-ref",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

static VOLATILE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = r"org\.opencontainers\.image\.(?:created|revision)|(?:org\.label-schema\.)?(?:build-date|vcs-ref)";
    let value = r#""(?:\\.|[^"\\])*"|'[^']*'|[^\s"']\S*"#;
    Regex::new(&format!(r#"(?i)(^|\s)["']?({names})["']?=(?:{value})?"#)).ok()
});

/// The text. `parents` are places that name images of the set, with the bare names. Lines stay where they are.
pub(super) fn normalised(file: &Dockerfile, parents: &[(Range<usize>, &str)]) -> String {
    let changes = parents.iter().map(|(range, name)| (range.clone(), format!("<{name}>"))).collect();
    let text = file.rewritten(changes).replace("\r\n", "\n");
    let labels: Vec<_> =
        file.instructions.iter().filter(|one| one.keyword == "LABEL").map(|one| one.line..=one.end_line).collect();
    let Some(volatile) = VOLATILE.as_ref().filter(|_| !labels.is_empty()) else { return text };
    let line = |(number, line): (usize, &str)| {
        if labels.iter().any(|lines| lines.contains(&(number + 1))) {
            volatile.replace_all(line, "${1}${2}=").into_owned()
        } else {
            line.to_owned()
        }
    };
    text.split('\n').enumerate().map(line).collect::<Vec<_>>().join("\n")
}

/// A short digest of each line, so that the first line that differs can be named.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(|line| digest(line)[..LINE].to_owned()).collect()
}

/// Addresses that `ADD` fetches without a checksum or commit: they may change unseen.
pub(super) fn fetched(file: &Dockerfile) -> Vec<String> {
    let mut found = Vec::new();
    for instruction in file.instructions.iter().filter(|one| one.keyword == "ADD") {
        let words: Vec<&str> = instruction.arguments().split_whitespace().collect();
        if words.iter().any(|word| word.starts_with("--checksum=")) {
            continue;
        }
        for word in words.iter().map(|word| word.trim_matches(['"', '\'', '[', ']', ','])) {
            let remote =
                ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|start| word.starts_with(start));
            let commit = word.rsplit_once('#').is_some_and(|(_, end)| {
                let commit = end.split(':').next().unwrap_or_default();
                commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit())
            });
            if remote && !commit {
                // What stands before an `@` may be a password.
                let shown = match word.split_once("://") {
                    Some((scheme, rest)) => {
                        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                        let host = host.rsplit('@').next().unwrap_or_default();
                        let path = path.split(['?', '#']).next().unwrap_or_default();
                        format!("{scheme}://{host}/{path}")
                    }
                    None => word.to_owned(),
                };
                found.push(shown);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(normalised(&Dockerfile::parse(text).unwrap(), &[]), expected);
    }

    #[test]
    fn labels_of_time_and_commit_lose_their_values() {
        check("FROM a\r\nRUN x\r\n", "FROM a\nRUN x\n");
        check(
            "FROM a\nLABEL maintainer=\"me\" name=\"x\" build-date=\"2026\\\"1122\" z=1\nRUN echo build-date=1\n",
            "FROM a\nLABEL maintainer=\"me\" name=\"x\" build-date= z=1\nRUN echo build-date=1\n",
        );
        check(
            "FROM a\nLABEL a=b \\\n  \"org.opencontainers.image.created\"=$NOW \\\n  org.opencontainers.image.revision='a b'\n",
            "FROM a\nLABEL a=b \\\n  org.opencontainers.image.created= \\\n  org.opencontainers.image.revision=\n",
        );
        check(
            "FROM a\nLABEL my-build-date=1 org.opencontainers.image.version=1\n",
            "FROM a\nLABEL my-build-date=1 org.opencontainers.image.version=1\n",
        );
    }

    #[test]
    fn parents_stand_by_their_bare_names() {
        let file = Dockerfile::parse("FROM r:5000/lab/base:old AS x\nCOPY --from=tools /a /b\n").unwrap();
        let text = normalised(&file, &[(5..24, "base"), (42..47, "tools")]);
        assert_eq!(text, "FROM <base> AS x\nCOPY --from=<tools> /a /b\n");
    }

    #[test]
    fn what_is_fetched_unchecked_is_named_without_its_login() {
        let file = Dockerfile::parse(
            "FROM a\nADD https://u:p@h/x.tgz?token=1 /x\nADD --checksum=sha256:1 https://h/y /y\n\
             ADD https://h/z.git#0123456789012345678901234567890123456789 /z\nADD [\"http://h/w\", \"/w\"]\nADD local /l\n",
        )
        .unwrap();
        assert_eq!(fetched(&file), ["https://h/x.tgz", "http://h/w"]);
    }
}
