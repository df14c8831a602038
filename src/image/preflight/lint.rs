//! What makes builds slow or large, read from Dockerfiles and contexts: no builder is asked.

use std::path::Path;
use std::sync::OnceLock;

use regex::Regex;

use super::line::Line;
use crate::image::def::{ImageDef, Place};
use crate::system::{Probe, TreeKind};

/// A context of more bytes wants a `.dockerignore`.
const LARGE: u64 = 100 << 20;

/// All findings: one line each kind, with the first place and how many there are. Contexts lie below
/// `root`, where it is known.
pub(super) fn lint(probe: &Probe, images: &[&ImageDef], root: Option<&Path>, lines: &mut Vec<Line>) {
    if let Some(root) = root {
        contexts(probe, images, root, lines);
    }
    let uncached = images.iter().flat_map(|image| uncached(image)).collect();
    lines.push(of_kind(
        uncached,
        ("B0124", "cache"),
        "package installs without a cache mount: every build loads the packages again",
        "package installs have cache mounts",
        "RUN --mount=type=cache,target=/var/cache/apt,sharing=locked ... (`/root/.cache/pip`, `/root/.npm`)",
    ));
    let early = images.iter().flat_map(|image| copied_early(image)).collect();
    lines.push(of_kind(
        early,
        ("B0125", "order"),
        "the whole context is copied before the dependencies are installed: any change installs them again",
        "dependencies are installed before the whole context is copied",
        "COPY the list of dependencies alone (`COPY package.json package-lock.json ./`), install, then `COPY . .`",
    ));
}

fn of_kind(
    mut places: Vec<Place>,
    (code, check): (&'static str, &'static str),
    bad: &str,
    good: &str,
    fix: &str,
) -> Line {
    let count = places.len();
    if count == 0 {
        return Line::ok(code, check, good);
    }
    let first = places.remove(0);
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    Line::warn(code, check, format!("{bad}: {first}{more}"), fix)
}

fn contexts(probe: &Probe, images: &[&ImageDef], root: &Path, lines: &mut Vec<Line>) {
    let mut found = false;
    for image in images {
        let context = root.join(&image.context);
        let own = format!("{}.dockerignore", image.dockerfile_path.display());
        let Ok(items) = probe.tree_items(&context) else { continue };
        let ignored = items.iter().any(|item| item.path == Path::new(".dockerignore") || item.path == Path::new(&own));
        if ignored {
            continue;
        }
        let size = items.iter().fold(0_u64, |sum, item| match item.kind {
            TreeKind::File(size) => sum.saturating_add(size),
            _ => sum,
        });
        if size <= LARGE {
            continue;
        }
        found = true;
        let mut largest: Vec<_> = items
            .iter()
            .filter_map(|item| match item.kind {
                TreeKind::File(size) => Some((size, &item.path)),
                _ => None,
            })
            .collect();
        largest.sort_by(|a, b| b.cmp(a));
        let name = largest.first().map_or(".git".to_owned(), |(_, path)| path.display().to_string());
        let text = format!("the context of `{}` has {} MB and no `.dockerignore`", image.name, size >> 20);
        let place = context.join(".dockerignore");
        let fix = format!("printf '%s\\n' .git '{}' > {}", name.replace('\'', "'\\''"), place.display());
        lines.push(Line::warn("B0123", "context", text, fix));
    }
    if !found {
        lines.push(Line::ok("B0123", "context", "no context over 100 MB without a `.dockerignore`"));
    }
}

/// Installs of packages by a program that keeps what it loads.
fn installs() -> &'static Regex {
    static FOUND: OnceLock<Regex> = OnceLock::new();
    FOUND.get_or_init(|| {
        let pattern = r"(?x) (?:^|[\s;&|(])(?:
            (?:apt-get|apt|dnf|yum|microdnf|zypper) (?:\s+-\S+)* \s+ install
            | (?:python3?\s+-m\s+)?pip3? (?:\s+-\S+)* \s+ install
            | npm (?:\s+-\S+)* \s+ (?:ci|install)
            | yarn \s+ install | pnpm \s+ install | go \s+ mod \s+ download | cargo \s+ build | bundle \s+ install
            ) (?:\s|;|&|$)";
        Regex::new(pattern).expect("a valid pattern")
    })
}

fn is_install(text: &str) -> bool {
    installs().is_match(text)
}

fn uncached(image: &ImageDef) -> Vec<Place> {
    let lines = image.dockerfile.instructions.iter();
    let bad = lines.filter(|one| one.keyword == "RUN" && is_install(&one.text) && !one.text.contains("type=cache"));
    bad.map(|one| image.place(one.line)).collect()
}

/// `COPY . .` before an install of what a list in the context names (`pip`, `npm`, ...), in one stage.
fn copied_early(image: &ImageDef) -> Vec<Place> {
    let mut found = Vec::new();
    let mut copied = None;
    for one in &image.dockerfile.instructions {
        match one.keyword.as_str() {
            "FROM" => copied = None,
            "COPY" | "ADD" => {
                let words: Vec<&str> = one.arguments().split_whitespace().collect();
                let flags = words.iter().take_while(|word| word.starts_with("--")).count();
                let from = words[..flags].iter().any(|flag| flag.starts_with("--from"));
                if !from && words.len() > flags + 1 && matches!(words[flags], "." | "./" | "*") {
                    copied.get_or_insert(one.line);
                }
            }
            "RUN" if is_install(&one.text) => found.extend(copied.take().map(|line| image.place(line))),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::graph::tests::image;
    use crate::image::preflight::Severity;

    #[track_caller]
    fn check(text: &str, code: &str, expected: &[usize]) {
        let image = image("web", text);
        let places = if code == "B0124" { uncached(&image) } else { copied_early(&image) };
        assert_eq!(places.iter().map(|place| place.line).collect::<Vec<_>>(), expected, "{text}");
        let mut lines = Vec::new();
        lint(&Probe::new(Vec::new()), &[&image], None, &mut lines);
        let line = lines.iter().find(|line| line.code == code).unwrap();
        let severity = if expected.is_empty() { Severity::Ok } else { Severity::Warn };
        assert_eq!(line.severity, severity, "{line:?}");
    }

    #[test]
    fn installs_without_a_cache_mount_are_told() {
        check("FROM a\nRUN apt-get update && apt-get install -y x\n", "B0124", &[2]);
        check(
            "FROM a\nRUN apt-get -y install x\nRUN dnf -y install y\nRUN pip3 install --no-cache z\n",
            "B0124",
            &[2, 3, 4],
        );
        check("FROM a\nRUN npm ci\nRUN python3 -m pip install -r r.txt\n", "B0124", &[2, 3]);
        check("FROM a\nRUN --mount=type=cache,target=/var/cache/apt apt-get install -y x\n", "B0124", &[]);
        check("FROM a\nRUN echo apt-get-install; ls npm\nENV X=\"pip install\"\n", "B0124", &[]);
        check("FROM a\nRUN set -x \\\n  && yum install -y x\n", "B0124", &[2]);
    }

    #[test]
    fn a_context_copied_too_early_is_told() {
        check("FROM a\nCOPY . .\nRUN npm ci\nRUN pip install x\n", "B0125", &[2]);
        check("FROM a\nADD --chown=1 ./ /app\nRUN pip install -r /app/r.txt\n", "B0125", &[2]);
        check("FROM a\nCOPY package.json .\nRUN npm ci\nCOPY . .\n", "B0125", &[]);
        check("FROM a\nCOPY . .\nFROM b\nRUN npm ci\nCOPY --from=0 . .\nRUN npm ci\n", "B0125", &[]);
    }

    #[test]
    fn a_large_context_without_an_ignore_file_is_told() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("web");
        std::fs::create_dir(&folder).unwrap();
        // No blocks are written.
        std::fs::File::create(folder.join("big.iso")).unwrap().set_len(LARGE + (1 << 20)).unwrap();
        let mut image = image("web", "FROM scratch\n");
        image.context = "web".into();
        let told = || {
            let mut lines = Vec::new();
            lint(&Probe::new(Vec::new()), &[&image], Some(root.path()), &mut lines);
            lines.remove(0)
        };
        let line = told();
        assert_eq!((line.severity, line.code), (Severity::Warn, "B0123"));
        assert!(line.text().contains("the context of `web` has 101 MB"), "{}", line.text());
        assert!(line.text().contains("'big.iso' > "), "{}", line.text());
        std::fs::write(folder.join(".dockerignore"), "big.iso\n").unwrap();
        assert_eq!(told().severity, Severity::Ok);
    }

    #[test]
    fn many_findings_of_one_kind_are_one_line() {
        let images = [image("a", "FROM x\nRUN apt-get install -y y\n"), image("b", "FROM x\nRUN npm ci\nRUN npm ci\n")];
        let mut lines = Vec::new();
        lint(&Probe::new(Vec::new()), &[&images[0], &images[1]], None, &mut lines);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].found.ends_with("a/Dockerfile:2: RUN apt-get install -y y and 2 more"), "{:?}", lines[0]);
    }
}
