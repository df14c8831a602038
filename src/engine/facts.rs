//! The facts that a play gathers before its first task.

use std::sync::Arc;

use indexmap::IndexMap;

use super::interp::{Flow, Here, HostRun};
use super::schedule::{Position, Turn};
use super::state::lock;
use crate::diag::Result;
use crate::event::TaskId;
use crate::playbook::{Action, Keywords, ModuleUse, Task};
use crate::value::Value;
use crate::yaml::Node;

impl HostRun {
    /// Runs `setup` for this host if the play asks for it.
    pub(super) async fn gather(&self, position: &Position) -> Flow {
        let keywords = &self.play.play.context.keywords;
        let engine = &self.play.engine;
        let here = Here::default();
        let wanted = match keywords.get("gather_facts") {
            Some(node) => {
                let scope = self.play.scope(&self.host, None, None, &here.frames);
                match super::play::play_flag(engine, "gather_facts", Some(node), &scope) {
                    Ok(wanted) => wanted,
                    Err(diagnostic) => return self.play.give_up(diagnostic).await,
                }
            }
            None => None,
        };
        let gathered = lock(&engine.states.get(&self.host)).gathered;
        let run = match (wanted, engine.options.gathering.as_str()) {
            // What is there need not be gathered again, also where a play asks for it.
            (wanted, "smart") => wanted.unwrap_or(true) && !gathered,
            (Some(wanted), _) => wanted,
            (None, "explicit") => false,
            (None, _) => true,
        };
        if !run || !self.started.load(std::sync::atomic::Ordering::SeqCst) {
            return Flow::Next;
        }
        match self.gathers_by_tags(&here) {
            Ok(true) => {}
            Ok(false) => return Flow::Next,
            Err(diagnostic) => return self.play.give_up(diagnostic).await,
        }
        let Some(entry) = crate::modules::find("setup") else { return Flow::Next };
        let play = &self.play.play;
        let mut args: IndexMap<Arc<str>, _> = IndexMap::new();
        for (keyword, arg) in
            [("gather_subset", "gather_subset"), ("gather_timeout", "gather_timeout"), ("fact_path", "fact_path")]
        {
            if let Some(node) = keywords.get(keyword) {
                args.insert(Arc::from(arg), (node.place(), node.clone()));
            }
        }
        let mut own = Keywords::default();
        own.0.insert("name", (play.span, Node::scalar(Value::from("Gathering Facts"), play.span)));
        // One number for all hosts: the play's place among all tasks, from the top down.
        let id = TaskId(u64::MAX - u64::from(play.span.start) - (u64::from(play.span.file.0) << 32));
        let task = Arc::new(Task {
            id,
            span: play.span,
            label_span: play.span,
            file: play.file.clone(),
            keywords: own,
            action: Action::Module(ModuleUse {
                name: Arc::from("ansible.builtin.setup"),
                name_span: play.span,
                entry,
                args,
                full_name: Arc::from("ansible.builtin.setup"),
                program: None,
                args_template: None,
                deprecated: Vec::new(),
            }),
            context: Arc::clone(&play.context),
            handler: false,
        });
        self.asks();
        let round = match self.gate.turn(&self.host, position, id, false).await {
            Turn::Go(round) => round,
            Turn::Fail(_) => return self.fails(Flow::Failed),
            Turn::Stop => return Flow::Gone,
        };
        self.begins(&round);
        let _stay = round.stay(self, true);
        if !self.step(&task, &round, &here).await {
            return Flow::Next;
        }
        let Action::Module(module) = &task.action else { return Flow::Next };
        let flow = self.run_module(&task, module, &round, &here).await;
        if flow == Flow::Next {
            let state = engine.states.get(&self.host);
            let mut state = lock(&state);
            if !std::mem::replace(&mut state.gathered, true) {
                engine.states.keep_facts(&self.host, &state);
            }
        }
        let flow = self.count_failure(flow, &here);
        let flow = self.share_failure(&task, &round, &here, flow).await;
        self.unless_pardoned(flow).await
    }

    /// Whether `--tags` and `--skip-tags` let the play gather facts: it has the play's tags, `always` without any.
    fn gathers_by_tags(&self, here: &Here) -> Result<bool> {
        let context = &self.play.play.context;
        let nodes: Vec<&Node> = context.chain().filter_map(|around| around.keywords.get("tags")).collect();
        let mut tags = self.tags(&nodes, context, here)?;
        if tags.is_empty() {
            tags.push("always".to_owned());
        }
        let options = &self.play.engine.options;
        Ok(crate::playbook::selected(&tags, &options.tags, &options.skip_tags))
    }
}
