//! The images that a Dockerfile names: `FROM`, `COPY --from=`, `RUN --mount=from=`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::expand::{MOST, expand};
use super::{Instruction, Problem};

/// How an image is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// `FROM image`.
    From,
    /// `COPY --from=image`.
    CopyFrom,
    /// `RUN --mount=from=image`.
    Mount,
}

/// One image that the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// How.
    pub kind: ReferenceKind,
    /// The image with ARGs expanded.
    pub image: String,
    /// The instruction's line, from 1.
    pub line: usize,
    /// Where the name stands in the file.
    pub range: Range<usize>,
}

/// Words of an argument text, quotes kept.
pub(super) fn words(text: &str) -> Vec<&str> {
    word_ranges(text, 0).into_iter().map(|range| &text[range]).collect()
}

fn word_ranges(text: &str, from: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut quote = None;
    for (at, c) in text.char_indices().filter(|(at, _)| *at >= from) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c.is_whitespace() => {
                if let Some(start) = start.take() {
                    found.push(start..at);
                }
                continue;
            }
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None => {}
        }
        start.get_or_insert(at);
    }
    if let Some(start) = start {
        found.push(start..text.len());
    }
    found
}

pub(super) fn find(
    instructions: &[Instruction],
    args: &BTreeMap<String, String>,
    escape: char,
) -> Result<Vec<Reference>, Problem> {
    let mut globals = platform_args();
    for (name, value) in &mut globals {
        if let Some(given) = args.get(name) {
            value.clone_from(given);
        }
    }
    let mut stage_scope: Option<BTreeMap<String, String>> = None;
    // Names in lower case; thousands of stages must not be looked through for each reference.
    let mut stages: BTreeSet<String> = BTreeSet::new();
    let mut count = 0;
    let mut found = Vec::new();
    let mut left = MOST;
    for instruction in instructions {
        let bad = |message: String| Problem::new(instruction.line, message);
        match instruction.keyword.as_str() {
            "ARG" => {
                for word in words(instruction.arguments()) {
                    let (name, default) = match word.split_once('=') {
                        Some((name, default)) => (name, Some(default)),
                        None => (word, None),
                    };
                    let scope = stage_scope.as_ref().unwrap_or(&globals);
                    let value = match (args.get(name), default) {
                        (Some(value), _) => Some(value.clone()),
                        (None, Some(default)) => Some(expand(default, scope, escape, &mut left).map_err(bad)?),
                        (None, None) => globals.get(name).cloned(),
                    };
                    if let Some(value) = value {
                        stage_scope.as_mut().unwrap_or(&mut globals).insert(name.to_owned(), value);
                    }
                }
            }
            "FROM" => {
                let mut words = word_ranges(&instruction.text, instruction.keyword.len())
                    .into_iter()
                    .filter(|range| !instruction.text[range.clone()].starts_with("--"));
                let Some(range) = words.next() else { return Err(bad("`FROM` names no image".to_owned())) };
                let image = expand(&instruction.text[range.clone()], &globals, escape, &mut left).map_err(bad)?;
                let rest: Vec<&str> = words.map(|range| &instruction.text[range]).collect();
                let name = match rest.as_slice() {
                    [] => None,
                    [word, name] if word.eq_ignore_ascii_case("as") => Some(name.to_ascii_lowercase()),
                    _ => return Err(bad("expected `FROM image` or `FROM image AS name`".to_owned())),
                };
                if image.is_empty() {
                    return Err(bad(format!("`{}` expands to nothing", &instruction.text[range])));
                }
                let is_stage = stages.contains(&image.to_ascii_lowercase());
                if !is_stage && image != "scratch" {
                    push(&mut found, instruction, ReferenceKind::From, image, &range)?;
                }
                stages.extend(name);
                count += 1;
                stage_scope = Some(BTreeMap::new());
            }
            "COPY" | "ADD" | "RUN" => {
                let scope = stage_scope.as_ref().unwrap_or(&globals);
                for (kind, range) in flags(instruction) {
                    let image = expand(&instruction.text[range.clone()], scope, escape, &mut left).map_err(bad)?;
                    let is_stage = stages.contains(&image.to_ascii_lowercase())
                        || image.parse::<usize>().is_ok_and(|index| index.saturating_add(1) < count);
                    if !is_stage && !image.is_empty() && image != "scratch" {
                        push(&mut found, instruction, kind, image, &range)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(found)
}

fn push(
    found: &mut Vec<Reference>,
    instruction: &Instruction,
    kind: ReferenceKind,
    image: String,
    range: &Range<usize>,
) -> Result<(), Problem> {
    let Some(range) = instruction.file_range(range) else {
        return Err(Problem::new(instruction.line, format!("the name of the image `{image}` goes over two lines")));
    };
    found.push(Reference { kind, image, line: instruction.line, range });
    Ok(())
}

/// The values of `--from=` and of `from=` inside `--mount=`, among the leading flags.
fn flags(instruction: &Instruction) -> Vec<(ReferenceKind, Range<usize>)> {
    let text = &instruction.text;
    let mut found = Vec::new();
    if !text.contains("from=") {
        return found;
    }
    for range in word_ranges(text, instruction.keyword.len()) {
        let word = &text[range.clone()];
        if !word.starts_with("--") {
            break;
        }
        if instruction.keyword != "RUN" && word.starts_with("--from=") {
            found.push((ReferenceKind::CopyFrom, range.start + "--from=".len()..range.end));
        } else if instruction.keyword == "RUN" && word.starts_with("--mount=") {
            let mut at = range.start + "--mount=".len();
            for part in text[at..range.end].split(',') {
                if part.starts_with("from=") {
                    found.push((ReferenceKind::Mount, at + "from=".len()..at + part.len()));
                }
                at += part.len() + 1;
            }
        }
    }
    found
}

/// The arguments that BuildKit sets by itself.
fn platform_args() -> BTreeMap<String, String> {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let platform = format!("linux/{arch}");
    [("PLATFORM", platform.as_str()), ("OS", "linux"), ("ARCH", arch), ("VARIANT", "")]
        .into_iter()
        .flat_map(|(name, value)| ["TARGET", "BUILD"].map(|side| (format!("{side}{name}"), value.to_owned())))
        .collect()
}
