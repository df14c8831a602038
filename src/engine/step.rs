//! `--step`: a person confirms each task before it runs.
//!
//! The hosts that run a task together are asked for once; hosts that do not wait for each other
//! (`strategy: free`) are asked for one by one, as in Ansible.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::interp::{Here, HostRun};
use super::person::waiting;
use super::schedule::Round;
use crate::event::EventKind;
use crate::playbook::{Action, Task};

impl HostRun {
    /// Whether the task is to run on the hosts of a round.
    pub(super) async fn step(&self, task: &Arc<Task>, round: &Round, here: &Here) -> bool {
        let internal = matches!(&task.action, Action::Module(module) if module.entry.meta.name == "meta");
        if internal || !self.play.engine.stepping.load(Ordering::SeqCst) {
            return true;
        }
        *round.confirmed.get_or_init(|| self.confirm(task, here)).await
    }

    /// Asks: `y` runs the task, `c` this one and all that follow, everything else leaves it out.
    async fn confirm(&self, task: &Task, here: &Here) -> bool {
        let engine = &self.play.engine;
        let _turn = engine.asking.lock().await;
        // Another host's answer may have come meanwhile.
        if engine.cancel.is_cancelled() {
            // The run ends; nothing goes on from here.
            return std::future::pending().await;
        }
        if !engine.stepping.load(Ordering::SeqCst) {
            return true;
        }
        let name = self.task_name(task, here);
        let name = task.context.role().map_or_else(|| name.clone(), |role| format!("{} : {name}", role.name));
        let word = if task.handler { "HANDLER" } else { "TASK" };
        let host = if self.play.free { format!(" on {}", self.host) } else { String::new() };
        let prompt = format!("Perform task: {word}: {name}{host} (N)o/(y)es/(c)ontinue: ");
        let prompt = engine.redactor.redact(&prompt).into_owned();
        self.emit(EventKind::Asked { task: task.id, prompt: prompt.clone() });
        let line = waiting(&engine.person, move |person| person.line(&prompt)).await.flatten();
        let Some(line) = line else {
            // Nobody is there to answer any more.
            engine.person.show("User interrupted execution\n");
            engine.cancel.cancel();
            return std::future::pending().await;
        };
        match line.trim().to_lowercase().as_str() {
            "y" | "yes" => true,
            "c" | "continue" => {
                engine.stepping.store(false, Ordering::SeqCst);
                true
            }
            _ => false,
        }
    }
}
