//! Reads a Dockerfile as far as the order of builds needs it: instructions with their lines,
//! ARGs, stages, and the images it names with their exact places, so that they can be replaced.
//! Knows nothing of other images.

mod emulated;
mod expand;
mod lexer;
mod references;

use std::collections::BTreeMap;
use std::ops::Range;

pub use references::{Reference, ReferenceKind};

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Upper case.
    pub keyword: String,
    /// Its text with continuation lines joined and comments left out, keyword first.
    pub text: String,
    /// First line, from 1.
    pub line: usize,
    /// Last line.
    pub end_line: usize,
    /// (offset in `text`, offset in the file) where each piece begins.
    segments: Vec<(usize, usize)>,
}

impl Instruction {
    /// What follows the keyword.
    pub fn arguments(&self) -> &str {
        self.text.get(self.keyword.len()..).unwrap_or_default().trim()
    }

    /// The file's byte range of a range of `text` that lies on one line.
    fn file_range(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let index = self.segments.partition_point(|(start, _)| *start <= range.start).checked_sub(1)?;
        let (start, file) = self.segments[index];
        let end = self.segments.get(index + 1).map_or(self.text.len(), |(next, _)| *next);
        (range.end <= end).then(|| file + range.start - start..file + range.end - start)
    }
}

/// What is wrong with a Dockerfile, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// Lower case start, no final period.
    pub message: String,
}

impl Problem {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

/// A Dockerfile that was read.
#[derive(Clone, Debug)]
pub struct Dockerfile {
    /// The file's text.
    pub text: String,
    /// All instructions in order.
    pub instructions: Vec<Instruction>,
    /// `# syntax=` and its line: the build pulls a frontend from a registry.
    pub syntax: Option<(String, usize)>,
    escape: char,
}

impl Dockerfile {
    /// Reads a text.
    pub fn parse(text: impl Into<String>) -> Result<Self, Problem> {
        let text = text.into();
        let (directives, instructions) = lexer::lex(&text)?;
        let first = instructions.iter().find(|instruction| instruction.keyword != "ARG");
        match first {
            None => return Err(Problem::new(1, "the file has no `FROM`")),
            Some(other) if other.keyword != "FROM" => {
                return Err(Problem::new(other.line, format!("expected `FROM` or `ARG`, found `{}`", other.keyword)));
            }
            Some(_) => {}
        }
        Ok(Self { text, instructions, syntax: directives.syntax, escape: directives.escape.unwrap_or('\\') })
    }

    /// Names that `ARG` declares anywhere in the file.
    pub fn declared_args(&self) -> Vec<String> {
        let mut names = Vec::new();
        for instruction in self.instructions.iter().filter(|instruction| instruction.keyword == "ARG") {
            for word in references::words(instruction.arguments()) {
                let name = word.split('=').next().unwrap_or_default().to_owned();
                if !name.is_empty() && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        names
    }

    /// Every image or stage of another image that the file names, with ARGs expanded. `args` are the
    /// build arguments of this run, which win over defaults.
    pub fn references(&self, args: &BTreeMap<String, String>) -> Result<Vec<Reference>, Problem> {
        references::find(&self.instructions, args, self.escape)
    }

    /// The text with byte ranges replaced; ranges do not overlap.
    pub fn rewritten(&self, mut changes: Vec<(Range<usize>, String)>) -> String {
        changes.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.text.clone();
        for (range, with) in changes {
            if text.is_char_boundary(range.start) && text.is_char_boundary(range.end) && range.start <= range.end {
                text.replace_range(range, &with);
            }
        }
        text
    }

    /// The instruction a builder failed at: by its place for the classic builder (which counts all
    /// instructions), by text and then by its place in its stage for BuildKit.
    pub fn instruction_of(&self, classic: bool, step: u32, text: &str) -> Option<&Instruction> {
        let place = usize::try_from(step).ok()?;
        if classic {
            return self.instructions.get(place.checked_sub(1)?);
        }
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = squeeze(text);
        let keyword = wanted.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let same: Vec<&Instruction> =
            self.instructions.iter().filter(|instruction| instruction.keyword == keyword).collect();
        if let Some(exact) = same.iter().find(|instruction| squeeze(&instruction.text) == wanted) {
            return Some(exact);
        }
        // Flags, ONBUILD and expanded variables change the text: the longest common beginning or end wins.
        let likeness = |instruction: &Instruction| {
            let own = squeeze(&instruction.text);
            let front = own.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
            let back = own.chars().rev().zip(wanted.chars().rev()).take_while(|(a, b)| a == b).count();
            front + back
        };
        same.into_iter().rev().max_by_key(|instruction| likeness(instruction))
    }

    /// A line of the file, from 1.
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refs(text: &str, args: &[(&str, &str)]) -> Vec<(usize, String)> {
        let args = args.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let file = Dockerfile::parse(text).unwrap();
        file.references(&args).unwrap().into_iter().map(|found| (found.line, found.image)).collect()
    }

    #[track_caller]
    fn check(text: &str, expected: &[(usize, &str)]) {
        let expected: Vec<_> = expected.iter().map(|(line, image)| (*line, (*image).to_owned())).collect();
        assert_eq!(refs(text, &[]), expected, "{text}");
    }

    #[test]
    fn images_are_told_from_stages_and_scratch() {
        check("FROM base\n", &[(1, "base")]);
        check("FROM scratch\nCOPY --from=tools /a /b\n", &[(2, "tools")]);
        check("FROM a AS build\nFROM Build\nCOPY --from=build /x /\nCOPY --from=0 /x /\n", &[(1, "a")]);
        check("FROM a AS b\nFROM --platform=$BUILDPLATFORM c AS d\nFROM b\n", &[(1, "a"), (2, "c")]);
        // A name that is a stage only later is an image here.
        check("FROM later\nFROM x AS later\n", &[(1, "later"), (2, "x")]);
        check("FROM a\nRUN --mount=type=bind,from=tools,target=/t ls\n", &[(1, "a"), (2, "tools")]);
        check("FROM a\nRUN --network=none --mount=from=t,target=/t ls --mount=from=no\n", &[(1, "a"), (2, "t")]);
        check("FROM a\nCOPY --chown=1:1 --from=lib:2 x y\n", &[(1, "a"), (2, "lib:2")]);
        check("from a\ncopy --from=b x y\n", &[(1, "a"), (2, "b")]);
    }

    #[test]
    fn arguments_before_from_count_and_are_overridden() {
        let text = "ARG NS=lab\nARG BASE=${NS}/base\nARG TAG\nFROM ${BASE}:${TAG:-latest}\n";
        assert_eq!(refs(text, &[]), [(4, "lab/base:latest".to_owned())]);
        assert_eq!(refs(text, &[("NS", "x"), ("TAG", "7")]), [(4, "x/base:7".to_owned())]);
        // An ARG of a stage is not seen by the next FROM; one without a default takes the global value.
        let text = "ARG T=1\nFROM a\nARG T\nARG T2=b\nCOPY --from=x:$T y z\nFROM c:$T2\n";
        assert_eq!(refs(text, &[]), [(2, "a".to_owned()), (5, "x:1".to_owned()), (6, "c:".to_owned())]);
    }

    #[test]
    fn continuations_comments_and_heredocs_hide_nothing_and_invent_nothing() {
        check("# a comment\n\nFROM \\\n  # inside\n\n  base \\\n  AS x\nRUN a && \\\n    FROM no\n", &[(3, "base")]);
        check("FROM a\nRUN <<EOF\nFROM not-an-image\nCOPY --from=neither x y\nEOF\nFROM b\n", &[(1, "a"), (6, "b")]);
        check("FROM a\nCOPY <<-\"X\" <<Y /d/\nFROM n\n\tX\nFROM m\nY\nFROM b\n", &[(1, "a"), (7, "b")]);
        check("FROM a\nRUN cat <<< word\nFROM b\n", &[(1, "a"), (3, "b")]);
        check("# escape=`\nFROM a\nRUN x `\n  FROM y\nRUN c:\\\nFROM b\n", &[(2, "a"), (6, "b")]);
        check("\u{feff}FROM a\r\nRUN b \\\r\n  c\r\nFROM d\r\n", &[(1, "a"), (4, "d")]);
        check("FROM a\nRUN echo \\\\\nFROM b\n", &[(1, "a"), (3, "b")]);
    }

    #[test]
    fn a_reference_is_replaced_in_place() {
        let text = "ARG B=base\nFROM --platform=linux/amd64 \\\n   ${B}:1 AS x\nCOPY --from=tools /a /b\nRUN --mount=type=bind,from=t,target=/t x\n";
        let file = Dockerfile::parse(text).unwrap();
        let changes = file
            .references(&BTreeMap::new())
            .unwrap()
            .into_iter()
            .map(|found| (found.range, format!("NEW-{}", found.image)))
            .collect();
        assert_eq!(
            file.rewritten(changes),
            "ARG B=base\nFROM --platform=linux/amd64 \\\n   NEW-base:1 AS x\nCOPY --from=NEW-tools /a /b\nRUN --mount=type=bind,from=NEW-t,target=/t x\n"
        );
    }

    #[test]
    fn bad_files_name_the_line() {
        let line = |text: &str| Dockerfile::parse(text).unwrap_err().line;
        assert_eq!(line("# only\n"), 1);
        assert_eq!(line("\nRUN x\n"), 2);
        assert_eq!(line("FROM a\nRUN <<EOF\nx\n"), 2);
        assert_eq!(line("# escape=x\nFROM a\n"), 1);
        let bad = Dockerfile::parse("ARG A=1\nFROM ${A\n").unwrap();
        assert_eq!(bad.references(&BTreeMap::new()).unwrap_err().line, 2);
    }

    #[test]
    fn arguments_of_arguments_do_not_fill_the_memory() {
        let doubled = |count: usize| {
            let more: String = (1..count).map(|at| format!("ARG A{at}=$A{0}$A{0}\n", at - 1)).collect();
            format!("ARG A0=0123456789\n{more}FROM x:$A{}\n", count - 1)
        };
        assert_eq!(refs(&doubled(10), &[])[0].1.len(), 2 + 10 * 512);
        let error = Dockerfile::parse(doubled(60)).unwrap().references(&BTreeMap::new()).unwrap_err();
        assert!(error.line < 25 && error.message.contains("over 4 MiB"), "{}: {}", error.line, error.message);
    }

    #[test]
    fn the_failing_instruction_is_found_for_both_builders() {
        let file =
            Dockerfile::parse("ARG A\nFROM a AS x\nRUN  one\nRUN two \\\n  three\nFROM x\nRUN --network=none four\n")
                .unwrap();
        let line = |classic, step, text| file.instruction_of(classic, step, text).unwrap().line;
        assert_eq!(line(true, 4, ""), 4);
        assert_eq!(line(false, 3, "RUN two   three"), 4);
        assert_eq!(line(false, 2, "RUN four"), 7);
        assert_eq!(line(false, 2, "RUN one"), 3);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(?s)(FROM |COPY --from=|RUN --mount=from=|ARG |<<E|\\$\\{|\\\\|\n|#|é|.){0,40}") {
            if let Ok(file) = Dockerfile::parse(text) {
                if let Ok(found) = file.references(&BTreeMap::new()) {
                    let changes = found.into_iter().map(|found| (found.range, "x".to_owned())).collect();
                    let _ = file.rewritten(changes);
                }
                let _ = file.instruction_of(false, 1, "RUN x");
            }
        }
    }
}
