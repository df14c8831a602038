//! Words of `hostctl image build`: its play is made of options, so hints about the module's arguments name those.

use crate::diag::{FileId, SourceMap, made};

/// Arguments of `image_build` and the options that stand for them.
const OPTIONS: &[(&str, &str)] = &[
    ("build_retries", "--retries"),
    ("builder", "--builder"),
    ("docker_host", "--engine"),
    ("extra_hosts", "--add-host"),
    ("min_free", "--min-free"),
    ("network", "--network"),
    ("nocache", "--no-cache"),
    ("parallel", "--parallel"),
    ("platforms", "--platform"),
    ("pull", "--pull"),
    ("pushes", "--pushes"),
    ("registry", "--registry"),
    ("registry_ca", "--registry-ca"),
    ("registry_insecure", "--insecure"),
    ("registry_password", "--password-stdin"),
    ("registry_username", "--username"),
];

/// The argument whose option names a file and not the value.
const SECRETS: &str = "secrets";

/// True for a play that a command made.
pub(super) fn is_made(file: FileId, sources: &SourceMap) -> bool {
    sources.file(file).is_some_and(|file| made::is_made(&file.name))
}

/// A hint in the command's words: `docker_host: unix:///path` becomes `--engine unix:///path`, in backticks or alone.
pub(super) fn options(hint: &str) -> String {
    if !hint.contains('`') {
        let end = hint.find(", or ").unwrap_or(hint.len());
        return format!("{}{}", option(&hint[..end]), &hint[end..]);
    }
    let parts = hint.split('`').enumerate();
    parts.map(|(place, part)| if place % 2 == 1 { option(part) } else { part.to_owned() }).collect::<Vec<_>>().join("`")
}

fn option(text: &str) -> String {
    let (name, value) = text.split_once(": ").map_or((text, None), |(name, value)| (name, Some(value)));
    if let (SECRETS, Some((id, _))) = (name, value.and_then(|value| value.strip_prefix('{')?.split_once(": "))) {
        return format!("--secret id={id},src=FILE");
    }
    let known = OPTIONS.iter().find(|(argument, _)| *argument == name);
    // A word alone may be an image's name.
    let Some((_, option)) = known.filter(|_| value.is_some() || name.contains('_')) else { return text.to_owned() };
    match value.map(|value| value.trim_matches(['[', ']', '"'])) {
        None | Some("true") => (*option).to_owned(),
        Some(value) => format!("{option} {}", value.replace(", ", ",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_name_the_options() {
        for (hint, expected) in [
            ("allow plain HTTP for it: `registry_insecure: true`", "allow plain HTTP for it: `--insecure`"),
            ("check `registry_username`, `registry_password`", "check `--username`, `--password-stdin`"),
            ("or name it: `registry_ca: FILE`", "or name it: `--registry-ca FILE`"),
            ("platforms: [linux/amd64, linux/arm64]", "--platform linux/amd64,linux/arm64"),
            ("parallel: 1, or leave it out", "--parallel 1, or leave it out"),
            ("`platforms: [linux/amd64, linux/arm64]`", "`--platform linux/amd64,linux/arm64`"),
            ("min_free: 20g", "--min-free 20g"),
            ("give it: `secrets: {npm: \"{{ x }}\"}`", "give it: `--secret id=npm,src=FILE`"),
            ("docker login r:5000", "docker login r:5000"),
            ("did you mean `registry`?", "did you mean `registry`?"),
        ] {
            assert_eq!(options(hint), expected);
        }
    }
}
