//! Hosts that run a task together are shown in their order as long as none is late: what a quick host has to tell
//! waits a moment for those before it. Includes are gathered, so that each file is told once with its hosts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::TaskId;

/// So long a host waits for those before it.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a host has to tell about the running task.
struct Waiting<P> {
    pieces: Vec<P>,
    done: bool,
    since: Instant,
}

/// The hosts of the running task, and what they have to tell.
pub(super) struct Turns<P> {
    /// Hosts that have not been shown whole, in order.
    turn: Vec<Arc<str>>,
    waiting: HashMap<String, Waiting<P>>,
}

impl<P> Default for Turns<P> {
    fn default() -> Self {
        Self { turn: Vec::new(), waiting: HashMap::new() }
    }
}

impl<P> Turns<P> {
    /// These hosts run a task together from now on.
    pub(super) fn begin(&mut self, hosts: &[Arc<str>]) {
        self.turn = hosts.to_vec();
    }

    /// The piece, unless it waits for its host's turn.
    pub(super) fn tell(&mut self, host: &str, piece: P) -> Option<P> {
        let waits = self.turn.first().is_some_and(|first| **first != *host);
        if !waits || !self.turn.iter().any(|other| **other == *host) {
            return Some(piece);
        }
        let waiting = self.waiting.entry(host.to_owned()).or_insert_with(|| Waiting {
            pieces: Vec::new(),
            done: false,
            since: Instant::now(),
        });
        waiting.pieces.push(piece);
        None
    }

    /// The host has ended its task: what may be shown now.
    pub(super) fn ended(&mut self, host: &str) -> Vec<P> {
        if let Some(waiting) = self.waiting.get_mut(host) {
            waiting.done = true;
        }
        let mut shown = Vec::new();
        if self.turn.first().is_some_and(|first| **first == *host) {
            self.turn.remove(0);
            while let Some(waiting) = self.turn.first().and_then(|next| self.waiting.get_mut(&**next)) {
                shown.append(&mut waiting.pieces);
                if !waiting.done {
                    break;
                }
                self.turn.remove(0);
            }
        } else if self.waiting.get(host).is_none_or(|waiting| waiting.pieces.is_empty()) {
            self.turn.retain(|other| **other != *host);
        }
        shown
    }

    /// What hosts told of the task that runs, whosever turn it is.
    pub(super) fn make_way(&mut self) -> Vec<P> {
        let turn = std::mem::take(&mut self.turn);
        let shown = turn.iter().filter_map(|host| self.waiting.remove(&**host)).flat_map(|waiting| waiting.pieces);
        let shown = shown.collect();
        self.waiting.clear();
        shown
    }

    /// What hosts told that ended and waited long enough.
    pub(super) fn late(&mut self) -> Vec<P> {
        let late =
            |waiting: &Waiting<P>| waiting.done && waiting.since.elapsed() >= PATIENCE && !waiting.pieces.is_empty();
        let hosts: Vec<Arc<str>> =
            self.turn.iter().filter(|host| self.waiting.get(&***host).is_some_and(late)).cloned().collect();
        let mut shown = Vec::new();
        for host in hosts {
            if let Some(waiting) = self.waiting.remove(&*host) {
                shown.extend(waiting.pieces);
            }
            self.turn.retain(|other| *other != host);
        }
        shown
    }
}

/// An include's file with the hosts that include it.
pub(super) struct IncludedFile {
    pub(super) task: TaskId,
    pub(super) name: String,
    pub(super) label: Option<String>,
    pub(super) hosts: Vec<String>,
}

/// The includes since they were shown last.
#[derive(Default)]
pub(super) struct Includes {
    files: Vec<IncludedFile>,
    seen: HashMap<(String, String, Option<String>), usize>,
}

impl Includes {
    /// A host includes a file; as often as it did, so often it is told.
    pub(super) fn add(&mut self, host: &str, task: TaskId, name: &str, label: Option<&String>) {
        let times = self.seen.entry((host.to_owned(), name.to_owned(), label.cloned())).or_default();
        *times += 1;
        let nth = *times;
        let same = |file: &&mut IncludedFile| file.task == task && file.name == name && file.label.as_ref() == label;
        if let Some(file) = self.files.iter_mut().filter(same).nth(nth - 1) {
            file.hosts.push(host.to_owned());
        } else {
            let hosts = vec![host.to_owned()];
            self.files.push(IncludedFile { task, name: name.to_owned(), label: label.cloned(), hosts });
        }
    }

    /// The files, their hosts in the play's order.
    pub(super) fn take(&mut self, order: &HashMap<String, usize>) -> Vec<IncludedFile> {
        self.seen.clear();
        let mut files = std::mem::take(&mut self.files);
        for file in &mut files {
            file.hosts.sort_by_key(|host| order.get(host).copied().unwrap_or(usize::MAX));
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_host_waits_for_those_before_it() {
        let mut turns = Turns::default();
        turns.begin(&["a".into(), "b".into(), "c".into()]);
        assert_eq!(turns.tell("b", 1), None);
        assert!(turns.ended("b").is_empty());
        assert_eq!(turns.tell("a", 2), Some(2));
        assert_eq!(turns.tell("other", 3), Some(3));
        assert_eq!(turns.ended("a"), [1]);
        assert_eq!(turns.tell("c", 4), Some(4));
    }

    #[test]
    fn what_waits_is_shown_when_it_must() {
        let mut turns = Turns::default();
        turns.begin(&["a".into(), "b".into()]);
        assert_eq!(turns.tell("b", 1), None);
        assert!(turns.late().is_empty());
        assert_eq!(turns.make_way(), [1]);
        assert_eq!(turns.tell("b", 2), Some(2));
    }

    #[test]
    fn a_file_is_told_once_with_its_hosts_in_order() {
        let mut includes = Includes::default();
        for host in ["b", "a", "a"] {
            includes.add(host, TaskId(1), "x.yml", None);
        }
        let order = HashMap::from([("a".to_owned(), 0), ("b".to_owned(), 1)]);
        let files: Vec<Vec<String>> = includes.take(&order).into_iter().map(|file| file.hosts).collect();
        assert_eq!(files, [vec!["a", "b"], vec!["a"]]);
        assert!(includes.take(&order).is_empty());
    }
}
