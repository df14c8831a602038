//! Turns BuildKit's status stream into steps and log lines, and remembers the step that failed.

use std::collections::HashMap;

use bollard_buildkit_proto::moby::buildkit::v1::{StatusResponse, Vertex};

use super::lines::Lines;
use super::{BuildEvent, FailedStep, Feed};

struct Seen {
    name: String,
    started: bool,
    completed: bool,
    lines: Lines,
}

/// What is known of one solve.
pub(super) struct Progress {
    feed: Feed,
    vertices: HashMap<String, Seen>,
    failed: Option<FailedStep>,
}

impl Progress {
    pub(super) fn new(feed: Feed) -> Self {
        Self { feed, vertices: HashMap::new(), failed: None }
    }

    /// One message of the stream.
    pub(super) fn update(&mut self, update: StatusResponse) {
        for vertex in update.vertexes {
            self.vertex(vertex);
        }
        for log in update.logs {
            let feed = &self.feed;
            if let Some(seen) = self.vertices.get_mut(&log.vertex) {
                seen.lines.push(&log.msg, &mut |line| feed.send(BuildEvent::Log(line)));
            }
        }
        for warning in update.warnings {
            let text = String::from_utf8_lossy(&warning.short).into_owned();
            self.tell(BuildEvent::Log(format!("WARNING: {text}")));
        }
    }

    fn vertex(&mut self, vertex: Vertex) {
        let seen = self.vertices.entry(vertex.digest.clone()).or_insert_with(|| Seen {
            name: vertex.name.clone(),
            started: false,
            completed: false,
            lines: Lines::default(),
        });
        let internal = ["[internal]", "[auth]", "copy /context"].iter().any(|own| seen.name.starts_with(own));
        if vertex.started.is_some() && !seen.started {
            seen.started = true;
            let name = seen.name.clone();
            if !internal {
                if let Some((step, of, text)) = step_of(&name) {
                    self.tell(BuildEvent::Step { step, of, text: text.to_owned() });
                }
                let cached = if vertex.cached { "CACHED " } else { "" };
                self.tell(BuildEvent::Log(format!("{cached}{name}")));
            }
        }
        let Some(seen) = self.vertices.get_mut(&vertex.digest) else { return };
        if vertex.completed.is_some() && !seen.completed {
            seen.completed = true;
            let feed = &self.feed;
            seen.lines.finish(&mut |line| feed.send(BuildEvent::Log(line)));
        }
        if !vertex.error.is_empty() && !vertex.error.contains("context canceled") {
            let name = vertex.name;
            self.tell(BuildEvent::Log(format!("ERROR {name}: {}", vertex.error)));
            if self.failed.is_none() && !internal {
                let (stage, step, text) = match step_of(&name) {
                    Some((step, _, text)) => (stage_of(&name), step, text.to_owned()),
                    None => (None, 0, name.clone()),
                };
                self.failed = Some(FailedStep { step, stage, text, classic: false });
            }
        }
    }

    /// The end of the stream: unfinished lines are told.
    pub(super) fn finish(&mut self) {
        let feed = &self.feed;
        for seen in self.vertices.values_mut() {
            seen.lines.finish(&mut |line| feed.send(BuildEvent::Log(line)));
        }
    }

    /// The first step that failed.
    pub(super) fn failed_step(&self) -> Option<FailedStep> {
        self.failed.clone()
    }

    fn tell(&self, event: BuildEvent) {
        self.feed.send(event);
    }
}

/// `[build 2/5] RUN make` is step 2 of 5, `RUN make`.
fn step_of(name: &str) -> Option<(u32, u32, &str)> {
    let (inside, text) = name.strip_prefix('[')?.split_once("] ")?;
    let (step, of) = inside.rsplit(' ').next()?.split_once('/')?;
    Some((step.trim().parse().ok()?, of.trim().parse().ok()?, text))
}

/// `[build 2/5] ...` is of stage `build`; `[2/5] ...` tells none.
fn stage_of(name: &str) -> Option<String> {
    let (inside, _) = name.strip_prefix('[')?.split_once("] ")?;
    let words: Vec<&str> = inside.split_whitespace().filter(|word| !word.contains('/')).collect();
    words.last().map(|word| (*word).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_numbers_and_stages_are_read_from_vertex_names() {
        assert_eq!(step_of("[2/3] RUN false"), Some((2, 3, "RUN false")));
        assert_eq!(step_of("[build 10/12] COPY [a, b] /"), Some((10, 12, "COPY [a, b] /")));
        assert_eq!(step_of("[ 2/13] RUN x"), Some((2, 13, "RUN x")));
        assert_eq!(step_of("[internal] load metadata for x"), None);
        assert_eq!(step_of("exporting to image"), None);
        assert_eq!(stage_of("[build 2/3] RUN x"), Some("build".to_owned()));
        assert_eq!(stage_of("[2/3] RUN x"), None);
    }
}
