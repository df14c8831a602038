//! The `json` stdout callback: one document at the end, with every play, task and host.

use std::collections::HashMap;
use std::io::Write;

use super::display::{AnsibleOptions, Display, Tone};
use super::message;
use crate::diag::SourceMap;
use crate::event::{Event, EventKind, Reporter, TaskId, Trouble};
use crate::map;
use crate::value::{JsonStyle, Map, Value, insert, to_json_text};

/// The `json` stdout callback.
pub struct JsonStats<O: Write + Send, E: Write + Send> {
    display: Display<O, E>,
    retry: Option<super::RetryFiles>,
    playbook: String,
    plays: Vec<Map>,
    tasks: Vec<(TaskId, Map, Map)>,
    names: HashMap<TaskId, usize>,
}

impl<O: Write + Send, E: Write + Send> JsonStats<O, E> {
    /// Onto stdout and stderr.
    pub fn new(out: O, err: E, options: AnsibleOptions) -> Self {
        Self {
            display: Display::new(out, err, &options),
            retry: options.retry,
            playbook: String::new(),
            plays: Vec::new(),
            tasks: Vec::new(),
            names: HashMap::new(),
        }
    }

    fn end_play(&mut self) {
        self.names.clear();
        let tasks: Vec<Value> = std::mem::take(&mut self.tasks)
            .into_iter()
            .map(|(_, task, hosts)| Value::from(map! { "hosts" => hosts, "task" => task }))
            .collect();
        if let Some(play) = self.plays.last_mut() {
            insert(play, "tasks", Value::from(tasks));
        }
    }
}

impl<O: Write + Send, E: Write + Send> Reporter for JsonStats<O, E> {
    fn event(&mut self, event: &Event, sources: &SourceMap) {
        let host = event.host.as_deref().unwrap_or_default();
        match &event.kind {
            EventKind::RunStarted { playbook, .. } => playbook.clone_into(&mut self.playbook),
            EventKind::PlayStarted { name, .. } => {
                self.end_play();
                let play = map! {
                    "duration" => map! { "start" => event.time.as_str() },
                    "name" => name.as_str(),
                };
                self.plays.push(map! { "play" => play, "tasks" => Value::from(Vec::<Value>::new()) });
            }
            EventKind::BatchStarted { .. } => {
                self.end_play();
                let name = match self.plays.last().and_then(|play| play.get(&crate::value::StrKey("play"))) {
                    Some(Value::Map(play)) => play.get(&crate::value::StrKey("name")).cloned(),
                    _ => None,
                };
                let play = map! {
                    "duration" => map! { "start" => event.time.as_str() },
                    "name" => name.unwrap_or_default(),
                };
                self.plays.push(map! { "play" => play, "tasks" => Value::from(Vec::<Value>::new()) });
            }
            EventKind::TaskStarted { task, name, role, place, .. } => {
                if self.names.contains_key(task) {
                    return;
                }
                let name = role.as_ref().map_or_else(|| name.clone(), |role| format!("{role} : {name}"));
                let path = place.rsplit_once(':').map_or(place.as_str(), |(path, _)| path);
                let shown = map! {
                    "duration" => map! { "start" => event.time.as_str() },
                    "name" => name,
                    "path" => path,
                };
                self.names.insert(*task, self.tasks.len());
                self.tasks.push((*task, shown, Map::new()));
            }
            EventKind::HostDone { task, done, .. } => {
                let at = self.names.get(task).copied();
                if let Some((_, shown, hosts)) = at.and_then(|at| self.tasks.get_mut(at)) {
                    let mut result = done.result.clone();
                    let action = shown.get(&crate::value::StrKey("name")).cloned().unwrap_or_default();
                    if !result.contains_key(&crate::value::StrKey("action")) {
                        insert(&mut result, "action", action);
                    }
                    result.retain(|key, _| !key.as_str().is_some_and(|key| key.starts_with("_ansible_")));
                    insert(hosts, host, Value::from(result));
                    if let Some(Value::Map(duration)) = shown.get_mut(&crate::value::StrKey("duration")) {
                        insert(std::sync::Arc::make_mut(duration), "end", event.time.as_str());
                    }
                }
            }
            EventKind::Warning { diagnostic } => {
                self.display.diagnostic(diagnostic.lead(), diagnostic, sources);
            }
            EventKind::Error { diagnostic } => {
                let text = message::diagnostic("ERROR", diagnostic, sources);
                let text = self.display.painted(&text, Some(Tone::Error));
                self.display.write_err(&text);
            }
            EventKind::Recap { stats, failed } => {
                if let Some(retry) = &self.retry {
                    retry.tell(&self.playbook, failed, &mut self.display);
                }
                self.end_play();
                let counts: Map = stats
                    .iter()
                    .map(|(host, stats)| {
                        let counts = map! {
                            "changed" => stats.changed,
                            "failures" => stats.failed,
                            "ignored" => stats.ignored,
                            "ok" => stats.ok,
                            "rescued" => stats.rescued,
                            "skipped" => stats.skipped,
                            "unreachable" => stats.unreachable,
                        };
                        (crate::value::Key::from(host.clone()), Value::from(counts))
                    })
                    .collect();
                let plays: Vec<Value> = std::mem::take(&mut self.plays).into_iter().map(Value::from).collect();
                let all = map! {
                    "custom_stats" => Map::new(),
                    "global_custom_stats" => Map::new(),
                    "plays" => Value::from(plays),
                    "stats" => counts,
                };
                let style = JsonStyle { indent: Some(4), sort_keys: true, ascii: true };
                let text = to_json_text(&Value::from(all), style);
                self.display.line(&text, None);
                self.display.flush();
            }
            _ => {}
        }
    }

    fn trouble(&mut self) -> Option<Trouble> {
        self.display.trouble()
    }
}
