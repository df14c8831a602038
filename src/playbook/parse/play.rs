//! Playbooks and plays.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::words::special;
use super::{Here, Parser};
use crate::diag::{Diagnostic, Span};
use crate::playbook::keywords::Places;
use crate::playbook::loader::clean;
use crate::playbook::model::{Context, ContextKind, Item, Keywords, Play, RoleUse};
use crate::yaml::{Node, Pair};

impl Parser<'_> {
    /// All plays of a playbook file. `around` stands for an `import_playbook`.
    pub(in crate::playbook) fn playbook(
        &mut self,
        path: &Path,
        asked: Option<Span>,
        around: (Keywords, Option<Arc<Context>>),
    ) -> Vec<Arc<Play>> {
        let name = clean(path).display().to_string();
        let (keywords, parent) = around;
        self.nested(path, "", &name, asked, |parser| {
            let node = parser.read(path, asked)?;
            let Some(entries) = node.as_list().filter(|entries| !entries.is_empty()) else {
                let found = if node.is_null() || node.as_list().is_some() { "nothing" } else { node.type_name() };
                parser.problem(
                    Diagnostic::source("P0002", format!("expected a list of plays in `{name}`, found {found}"))
                        .with_registered(no_plays(&node, path))
                        .with_label(node.place(), "not a list of plays")
                        .with_hint("a play starts with `- hosts: PATTERN`"),
                );
                return None;
            };
            parser.loader.add_playbook_dir(path.parent().unwrap_or(Path::new("")));
            let context = Arc::new(Context {
                kind: ContextKind::Include { file: path.to_path_buf(), dynamic: false },
                keywords,
                parent,
            });
            let mut plays = Vec::new();
            for entry in entries {
                parser.entry(entry, path, &context, &mut plays);
            }
            Some(plays)
        })
        .unwrap_or_default()
    }

    fn entry(&mut self, entry: &Node, path: &Path, around: &Arc<Context>, plays: &mut Vec<Arc<Play>>) {
        let Some(pairs) = entry.as_map() else {
            self.problem(
                Diagnostic::source("P0003", format!("expected a play as a mapping, found {}", entry.type_name()))
                    .with_label(entry.place(), "not a play")
                    .with_hint("a play starts with `- hosts: PATTERN`"),
            );
            return;
        };
        let import = pairs.iter().find(|(key, _)| key.as_str().and_then(special) == Some("import_playbook"));
        match import {
            Some((key, value)) => self.import_playbook(pairs, key, value, path, around, plays),
            None => {
                let around = self.behind_import(path, around);
                if let Some(play) = self.play(entry, pairs, path, &around) {
                    plays.push(Arc::new(play));
                }
            }
        }
    }

    /// What stands around a play behind an `import_playbook` from a collection.
    fn behind_import(&self, path: &Path, around: &Arc<Context>) -> Arc<Context> {
        let Some(name) = self.imported_from.as_ref().filter(|_| self.loader.default_collection(path).is_none()) else {
            return Arc::clone(around);
        };
        let mut keywords = Keywords::default();
        keywords.0.insert("collections", (name.place(), name.clone()));
        let kind = ContextKind::Include { file: path.to_path_buf(), dynamic: false };
        Arc::new(Context { kind, keywords, parent: Some(Arc::clone(around)) })
    }

    fn import_playbook(
        &mut self,
        pairs: &[Pair],
        key: &Node,
        value: &Node,
        path: &Path,
        around: &Arc<Context>,
        plays: &mut Vec<Arc<Play>>,
    ) {
        let mut keywords = Keywords::default();
        for pair in pairs {
            if pair.0.place() != key.place() && !self.take(Places::IMPORT, pair, &mut keywords) {
                self.unknown(Places::IMPORT, &pair.0);
            }
        }
        // The import's own `vars` may be used in its name.
        let own = Arc::new(Context {
            kind: ContextKind::Include { file: path.to_path_buf(), dynamic: false },
            keywords: keywords.clone(),
            parent: Some(Arc::clone(around)),
        });
        match self.loader.static_name(value, "the playbook's name", Some(&own)) {
            Ok(name) => match self.loader.find_playbook(&name, path) {
                Ok(found) => {
                    if let Some(name) = self.loader.default_collection(&found) {
                        self.imported_from = Some(Node::text(name, value.place()));
                    }
                    let around = (keywords, Some(Arc::clone(around)));
                    plays.extend(self.playbook(&found, Some(value.place()), around));
                }
                Err(error) => self.problem(error.with_label(value.place(), "no such playbook")),
            },
            Err(error) => self.problem(error),
        }
    }

    fn play(&mut self, node: &Node, pairs: &[Pair], path: &Path, around: &Arc<Context>) -> Option<Play> {
        let mut keywords = Keywords::default();
        for pair in pairs {
            if !self.take(Places::PLAY, pair, &mut keywords) {
                self.unknown(Places::PLAY, &pair.0);
            }
        }
        if keywords.get("hosts").is_none() {
            let first = pairs.first().map_or(node.place(), |(key, _)| key.place());
            self.problem(
                Diagnostic::source("P0004", "the play does not say on which hosts it runs")
                    .with_label(first, "a play starts here")
                    .with_hint("add `hosts: all` or another host pattern"),
            );
        }
        let mut part = |name: &str| keywords.0.shift_remove(name).map(|(_, value)| value);
        let (pre_tasks, roles, tasks) = (part("pre_tasks"), part("roles"), part("tasks"));
        let (post_tasks, handlers) = (part("post_tasks"), part("handlers"));
        let context = Arc::new(Context { kind: ContextKind::Play, keywords, parent: Some(Arc::clone(around)) });
        let here = Here { context: Arc::clone(&context), file: path.to_path_buf(), handler: false };
        let handling = Here { handler: true, ..here.clone() };
        let list = |parser: &mut Self, node: Option<Node>, what: &str, here: &Here| match node {
            Some(node) => parser.items(&node, what, here, true),
            None => Vec::new(),
        };
        self.imported_handlers.clear();
        // Roles first, as in Ansible: they bring modules of their own for the whole play.
        let roles = self.play_roles(roles.as_ref(), &here);
        let own = list(self, handlers, "`handlers`", &handling);
        let pre_tasks = list(self, pre_tasks, "`pre_tasks`", &here);
        let tasks = list(self, tasks, "`tasks`", &here);
        let post_tasks = list(self, post_tasks, "`post_tasks`", &here);
        // Ansible's order: of several handlers with one name, the last counts.
        let mut all: Vec<Item> = roles.iter().flat_map(|role| role.handlers.iter().cloned()).collect();
        all.extend(own);
        all.append(&mut self.imported_handlers);
        Some(Play {
            span: node.place(),
            file: path.to_path_buf(),
            context,
            roles,
            pre_tasks,
            tasks,
            post_tasks,
            handlers: all,
        })
    }

    fn play_roles(&mut self, roles: Option<&Node>, here: &Here) -> Vec<RoleUse> {
        let Some(roles) = roles.filter(|roles| !roles.is_null()) else { return Vec::new() };
        let Some(entries) = roles.as_list() else {
            self.problem(
                Diagnostic::source("P0103", format!("expected `roles` as a list, found {}", roles.type_name()))
                    .with_registered("A malformed role declaration was encountered.")
                    .with_label(roles.place(), "not a list")
                    .with_hint("write each role on a line of its own: `- NAME`"),
            );
            return Vec::new();
        };
        entries.iter().flat_map(|entry| self.role_entry(entry, here, None)).collect()
    }
}

/// The texts of a literal list, or a single one.
pub(in crate::playbook) fn literal_names(node: &Node) -> Vec<String> {
    match node.as_list() {
        Some(items) => items.iter().filter_map(Node::as_str).map(str::to_owned).collect(),
        None => node.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// The playbook that a context belongs to: its folder is searched.
pub(in crate::playbook) fn playbook_dir(context: &Context) -> PathBuf {
    let mut chain = context.chain().skip_while(|context| !matches!(context.kind, ContextKind::Play));
    let file = chain.find_map(|context| match &context.kind {
        ContextKind::Include { file, .. } => Some(file),
        _ => None,
    });
    file.and_then(|file| file.parent()).map(Path::to_path_buf).unwrap_or_default()
}

/// What Ansible says of a playbook without plays.
fn no_plays(node: &Node, path: &Path) -> String {
    let whole = std::path::absolute(path).map_or_else(|_| path.to_path_buf(), |path| clean(&path));
    let whole = whole.display();
    if node.is_null() {
        format!("Empty playbook, nothing to do: {whole}")
    } else if node.as_list().is_some() {
        format!("A playbook must contain at least one play: {whole}")
    } else {
        format!("A playbook must be a list of plays, got {} instead: {whole}", node.type_name())
    }
}
