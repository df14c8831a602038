//! `hostctl image why`: the first input that differs from the last recorded build.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::{Output, OutputForm};
use crate::diag::{ExitCode, Result};
use crate::image::record::{Entry, Store};
use crate::image::why::{WhyAnswer, why};
use crate::system::Probe;

/// Name the first input of an image that differs from its last recorded build
///
/// Reads the files of the image and of its parents as they are now, with the arguments of the last run, and compares
/// them with the record of this machine. Neither engine nor registry is asked: base images count as they were then.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The image's name without registry and tag.
    name: String,
    /// The image tree, where it is not where the last run had it.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// The folder of the record; default: `/var/lib/hostctl/images` for root, else `hostctl/images` in
    /// `$XDG_STATE_HOME` or `~/.local/state`.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(super) fn main(args: &WhyArgs, output: &Output) -> Result<ExitCode> {
    let probe = Probe::new(Vec::new());
    let store = match &args.state_dir {
        Some(folder) => Store::new(folder.clone()),
        None => Store::of_user(&probe)?,
    };
    let now = jiff::Timestamp::now().as_second();
    let (answer, warnings) = why(&probe, &store, &args.name, args.tree.as_deref(), now)?;
    output.show(&warnings);
    match output.form {
        OutputForm::Jsonl => output.data(&format!("{}\n", json(&answer))),
        OutputForm::Human | OutputForm::Ansible => output.data(&human(&answer, now)),
    }
    Ok(ExitCode::Ok)
}

fn human(answer: &WhyAnswer, now: i64) -> String {
    let image = &answer.image;
    let mut text = match (&answer.last, &answer.difference) {
        (None, _) => format!("{image}: never built here\n"),
        (Some(last), Some(difference)) => format!("{image}: {difference}\n  differs from {}\n", build(last, now)),
        (Some(last), None) => format!("{image}: nothing differs\n  from {}\n", build(last, now)),
    };
    if let Some(earlier) = &answer.earlier {
        text.push_str(&format!("  the same as {}\n", build(earlier, now)));
    }
    if !answer.unpinned.is_empty() {
        text.push_str(&format!("  not looked for changes: {}\n", answer.unpinned.join(", ")));
    }
    text
}

/// `tag t1, run 20261122-1, 3 days ago`.
fn build(entry: &Entry, now: i64) -> String {
    let mut parts = vec![format!("tag {}", entry.tag)];
    if !entry.run.is_empty() {
        parts.push(format!("run {}", entry.run));
    }
    let seconds = now.saturating_sub(entry.time).max(0);
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7200 => (seconds / 60, "minute"),
        7200..172_800 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    parts.push(format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" }));
    parts.join(", ")
}

fn json(answer: &WhyAnswer) -> serde_json::Value {
    let build = |entry: &Option<Entry>| {
        entry.as_ref().map(|entry| {
            serde_json::json!({
                "key": entry.key, "tag": entry.tag, "run": entry.run, "time": entry.time, "digest": entry.digest,
            })
        })
    };
    serde_json::json!({
        "image": answer.image, "repository": answer.repository, "key": answer.key, "difference": answer.difference,
        "last": build(&answer.last), "earlier": build(&answer.earlier), "unpinned": answer.unpinned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> WhyAnswer {
        let last = Entry { tag: "t2".into(), run: "r7".into(), time: 1_000_000, ..Entry::default() };
        WhyAnswer {
            image: "web".into(),
            repository: "r/lab/web".into(),
            key: "k".into(),
            difference: Some("parent `base`: context file `a`".into()),
            last: Some(last),
            earlier: None,
            unpinned: Vec::new(),
            root: PathBuf::new(),
        }
    }

    #[test]
    fn the_answer_is_one_line_with_the_build_below() {
        let now = 1_000_000 + 3 * 86_400;
        assert_eq!(
            human(&answer(), now),
            "web: parent `base`: context file `a`\n  differs from tag t2, run r7, 3 days ago\n"
        );
        let earlier = Some(Entry { tag: "t1".into(), time: now - 1, ..Entry::default() });
        let more = WhyAnswer { earlier, unpinned: vec!["debian:12".into()], ..answer() };
        assert_eq!(
            human(&more, now),
            "web: parent `base`: context file `a`\n  differs from tag t2, run r7, 3 days ago\n  the same as tag t1, 1 second \
             ago\n  not looked for changes: debian:12\n"
        );
        let same = WhyAnswer { difference: None, ..answer() };
        assert_eq!(human(&same, now), "web: nothing differs\n  from tag t2, run r7, 3 days ago\n");
        assert_eq!(human(&WhyAnswer { last: None, ..same }, now), "web: never built here\n");
    }

    #[test]
    fn programs_get_all_of_it() {
        let json = json(&answer());
        assert_eq!(json["difference"], "parent `base`: context file `a`");
        assert_eq!((&json["last"]["tag"], &json["earlier"]), (&"t2".into(), &serde_json::Value::Null));
    }
}
