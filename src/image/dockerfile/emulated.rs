//! Whether a build for another platform runs programs of that platform.

use super::{Dockerfile, references};

impl Dockerfile {
    /// The line (from 1) of the first instruction that runs a program of the platform that is built for: `RUN` in a
    /// stage of that platform. A stage with `--platform` (but `$TARGETPLATFORM`), or on such a stage, runs its programs
    /// on the platform named there whatever is built; `COPY` and all that only describes the image runs nothing.
    /// `ONBUILD RUN` counts: it runs in the children.
    pub fn runs_programs(&self) -> Option<usize> {
        // Of each stage: its name, and whether it is of the platform that is built for.
        let mut stages: Vec<(Option<String>, bool)> = Vec::new();
        for instruction in &self.instructions {
            match instruction.keyword.as_str() {
                "FROM" => {
                    let words = references::words(instruction.arguments());
                    let (flags, rest): (Vec<&str>, Vec<&str>) =
                        words.into_iter().partition(|word| word.starts_with("--"));
                    let named = flags.iter().find_map(|flag| flag.strip_prefix("--platform="));
                    let base = rest.first().map(|base| base.to_ascii_lowercase());
                    let below = stages.iter().rev().find(|(name, _)| name.is_some() && *name == base);
                    let target = match named {
                        Some(platform) => platform.contains("TARGET"),
                        None => below.is_none_or(|(_, target)| *target),
                    };
                    stages.push((rest.get(2).map(|name| name.to_ascii_lowercase()), target));
                }
                "RUN" if stages.last().is_some_and(|(_, target)| *target) => return Some(instruction.line),
                "ONBUILD" => {
                    let then = instruction.arguments().split_whitespace().next().unwrap_or_default();
                    if then.eq_ignore_ascii_case("RUN") {
                        return Some(instruction.line);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_the_platform_itself_need_an_emulation() {
        for (text, expected) in [
            ("FROM scratch\nCOPY a /\nENV RUN=x\nCMD [\"RUN\"]\n", None),
            ("FROM a\nCOPY a /\nRUN x\n", Some(3)),
            ("FROM --platform=$BUILDPLATFORM go AS b\nRUN x\nFROM scratch\nCOPY --from=b /x /\n", None),
            ("FROM --platform=${BUILDPLATFORM} go AS b\nFROM B AS c\nRUN x\nFROM scratch\nCOPY --from=c /x /\n", None),
            ("FROM --platform=$BUILDPLATFORM go AS b\nRUN x\nFROM alpine\nRUN y\n", Some(4)),
            ("FROM --platform=$TARGETPLATFORM go\nrun x\n", Some(2)),
            ("FROM --platform=linux/amd64 go\nRUN x\n", None),
            ("FROM scratch\nONBUILD COPY a /\nONBUILD run x\n", Some(3)),
            ("FROM scratch\nCOPY <<E /x\nRUN no\nE\n", None),
        ] {
            assert_eq!(Dockerfile::parse(text).unwrap().runs_programs(), expected, "{text}");
        }
    }
}
