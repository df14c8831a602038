//! The variables that a task on a host sees, by Ansible's ranks.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, LazyLock, Weak};

use indexmap::{IndexMap, IndexSet};

use super::play::PlayRun;
use super::state::{HostRecord, lock};
use crate::diag::Diagnostic;
use crate::playbook::{Context, ContextKind, Item, Role, Task};
use crate::value::{Map, Value, insert};
use crate::vars::{Entry, HostVars, Layer, Level, Origin, Scope};
use crate::yaml::{Node, NodeData};

/// Variables of dynamic includes around a task: loop variables and parameters, outermost first.
#[derive(Clone, Debug, Default)]
pub(super) struct Frames(pub Vec<Layer>);

impl Frames {
    /// Goes into what an include brings in, for one item of its loop. Of an include's variables and the loops around
    /// it the inner ones count, so both stand here, in order.
    pub(super) fn enter(&mut self, include: &Task, item: Option<Layer>) {
        if item.is_none() && self.0.is_empty() {
            return;
        }
        self.0.extend(include.keywords.get("vars").map(|node| source(Level::IncludeParams, "include vars", node)));
        self.0.extend(
            item.map(|layer| Layer { origin: Origin { level: Level::IncludeParams, ..layer.origin }, ..layer }),
        );
    }
}

impl PlayRun {
    /// The scope of a host at a place of the play (`context`), with the task's own variables.
    pub(super) fn scope(
        self: &Arc<Self>,
        host: &Arc<str>,
        context: Option<&Arc<Context>>,
        task: Option<&Task>,
        frames: &Frames,
    ) -> Scope {
        let mut layers: Vec<Layer> = Vec::with_capacity(24);
        layers.push(self.builtin.clone());
        layers.push(address(host).task_only());
        // Static roles of the play export their defaults and variables to the whole play.
        layers.extend(self.role_exports.iter().cloned());
        if let Some(record) = self.record(host) {
            layers.extend(record.layers.iter().cloned());
        }
        self.state_layers(host, &mut layers);
        if let Some(context) = context {
            context_layers(context, &mut layers);
        } else {
            context_layers(&self.play.context, &mut layers);
        }
        layers.extend(self.prompts.iter().cloned());
        layers.extend(lock(&self.vars_files).get(host).into_iter().flatten().cloned());
        if let Some(node) = task.and_then(|task| task.keywords.get("vars")) {
            layers.push(source(Level::TaskVars, "task vars", node));
        }
        layers.extend(frames.0.iter().cloned());
        if let Some(task) = task.filter(|task| matches!(task.action, crate::playbook::Action::Include(_))) {
            // An include's own variables are parameters for itself too, before those of the includes around it.
            layers.extend(task.keywords.get("vars").map(|node| source(Level::IncludeParams, "include vars", node)));
        }
        layers.extend(self.engine.options.layers.iter().cloned());
        layers.push(self.magic(host, context));
        layers.push(self.run_info());
        if let Some(task) = task {
            let own = [("ansible_search_path".into(), self.search_path(task))];
            layers.push(Layer::data(Level::Magic, "hostctl", own).task_only());
            layers.push(Layer {
                origin: Origin { level: Level::Magic, name: "hostctl".into() },
                entries: Arc::new(IndexMap::from([("environment".into(), environment(task))])),
            });
        }
        Scope::from_layers(layers).merging(self.engine.options.hash_merge)
    }

    /// What is known of a task without a host: variables of the play, its roles and the command line.
    pub(super) fn hostless_scope(self: &Arc<Self>, task: &Task) -> Scope {
        let mut layers = vec![self.builtin.clone()];
        layers.extend(self.role_exports.iter().cloned());
        context_layers(&task.context, &mut layers);
        layers.extend(self.prompts.clone());
        if let Some(node) = task.keywords.get("vars") {
            layers.push(source(Level::TaskVars, "task vars", node));
        }
        layers.extend(self.engine.options.layers.iter().cloned());
        layers.push(Layer {
            origin: Origin { level: Level::Magic, name: "hostctl".into() },
            entries: self.magic_shared(),
        });
        layers.push(self.run_info());
        Scope::from_layers(layers)
    }

    /// `hostctl_run`, which Ansible does not know.
    fn run_info(&self) -> Layer {
        let run = [("hostctl_run".into(), self.engine.options.run_info.clone())];
        Layer::data(Level::Magic, "hostctl", run).task_only()
    }

    /// The folders that files of a task are searched in, before `files/`, `templates/` and the like are added.
    fn search_path(&self, task: &Task) -> Value {
        let mut dirs: IndexSet<std::path::PathBuf> = IndexSet::new();
        let absolute = |path: &std::path::Path| {
            let path = if path.as_os_str().is_empty() { std::path::Path::new(".") } else { path };
            std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
        };
        for context in task.context.chain() {
            if let ContextKind::Role(role) = &context.kind {
                dirs.insert(absolute(&role.path));
            }
        }
        dirs.extend(task.file.parent().map(absolute));
        dirs.insert(self.playbook_dir());
        Value::from(dirs.iter().map(|dir| Value::from(dir.display().to_string())).collect::<Vec<_>>())
    }

    /// What a delegated task knows of a host and connects with: its inventory, facts and set
    /// variables. Variables of plays, roles and tasks are no part of a host.
    pub(super) fn host_scope(self: &Arc<Self>, host: &Arc<str>) -> Scope {
        self.scope_of_host(host, self.magic(host, None))
    }

    /// What `hostvars` shows of a host: the same, without what Ansible tells only within a play.
    fn host_vars(self: &Arc<Self>, host: &Arc<str>) -> Scope {
        let mut magic = self.magic(host, None);
        Arc::make_mut(&mut magic.entries).retain(|name, _| !OF_PLAYS.contains(&&**name));
        self.scope_of_host(host, magic)
    }

    fn scope_of_host(self: &Arc<Self>, host: &Arc<str>, magic: Layer) -> Scope {
        let mut layers = vec![self.builtin.clone()];
        if let Some(record) = self.record(host) {
            layers.extend(record.layers.iter().cloned());
        }
        self.state_layers(host, &mut layers);
        // What roles make public is the play's, not the host's.
        layers.retain(|layer| !matches!(layer.origin.level, Level::RoleDefaults | Level::RoleVars));
        layers.extend(self.engine.options.layers.iter().cloned());
        layers.push(magic);
        Scope::from_layers(layers).merging(self.engine.options.hash_merge)
    }

    /// What the run has learned about a host.
    fn state_layers(&self, host: &Arc<str>, layers: &mut Vec<Layer>) {
        let state = self.engine.states.get(host);
        let mut state = lock(&state);
        layers.extend(state.facts_layer());
        layers.extend(state.exported.iter().cloned());
        if !state.included.is_empty() {
            layers.push(Layer {
                origin: Origin { level: Level::IncludeVars, name: "include_vars".into() },
                entries: Arc::clone(&state.included),
            });
        }
        if !state.set_facts.is_empty() {
            layers.push(Layer {
                origin: Origin { level: Level::SetFact, name: "set_fact or register".into() },
                entries: Arc::clone(&state.set_facts),
            });
        }
    }

    /// A host's inventory record, kept for the play.
    pub(super) fn record(&self, host: &Arc<str>) -> Option<Arc<HostRecord>> {
        let mut records = lock(&self.records);
        if let Some(record) = records.get(host) {
            return Some(Arc::clone(record));
        }
        let record = Arc::new(self.engine.hosts.host(host)?);
        for password in record.layers.iter().flat_map(Layer::passwords) {
            self.engine.redactor.learn(&password);
        }
        records.insert(Arc::clone(host), Arc::clone(&record));
        drop(records);
        self.warn_reserved_layers(&record.layers);
        Some(record)
    }

    /// Names that nobody may override.
    fn magic(self: &Arc<Self>, host: &Arc<str>, context: Option<&Arc<Context>>) -> Layer {
        let mut entries: IndexMap<Arc<str>, Entry> = (*self.magic_shared()).clone();
        let mut set = |name: &str, value: Value| {
            entries.insert(name.into(), Entry::Data(value, None));
        };
        set("inventory_hostname", Value::Str(Arc::clone(host)));
        let address = host.parse::<std::net::IpAddr>().is_ok();
        let short = if address { host } else { host.split('.').next().unwrap_or(host) };
        set("inventory_hostname_short", Value::from(short));
        if let Some(record) = self.record(host) {
            let names: Vec<Value> = if record.groups.is_empty() {
                vec![Value::from("ungrouped")]
            } else {
                record.groups.iter().map(|group| Value::Str(Arc::clone(group))).collect()
            };
            set("group_names", Value::from(names));
            if record.added {
                set("inventory_dir", Value::Null);
                set("inventory_file", Value::Null);
            }
            if let Some(file) = &record.source {
                set("inventory_dir", file.parent().map(|dir| dir.display().to_string()).into());
                set("inventory_file", Value::from(file.display().to_string()));
            }
        }
        if let Some(role) = context.and_then(|context| context.role()) {
            set("role_name", Value::Str(Arc::clone(&role.short)));
            set("role_uuid", Value::from(role_uuid(&role.key)));
            set("ansible_role_name", Value::Str(Arc::clone(&role.name)));
            set("ansible_collection_name", role.collection.clone().map_or(Value::Null, Value::Str));
            // Tasks may run commands elsewhere, so it is absolute, as Ansible has it.
            let path = std::path::absolute(&role.path).unwrap_or_else(|_| role.path.clone());
            set("role_path", Value::from(path.display().to_string()));
            // Roles that import or include this one; those that depend on it are not its parents.
            let mut parents: Vec<Value> = Vec::new();
            let mut paths: Vec<Value> = Vec::new();
            for outer in context.into_iter().flat_map(parents_of).filter(|outer| !outer.dependent) {
                parents.push(Value::Str(Arc::clone(&outer.name)));
                let path = std::path::absolute(&outer.path).unwrap_or_else(|_| outer.path.clone());
                paths.push(Value::from(path.display().to_string()));
            }
            if !parents.is_empty() {
                set("ansible_parent_role_names", Value::from(parents));
                set("ansible_parent_role_paths", Value::from(paths));
            }
        }
        Layer { origin: Origin { level: Level::Magic, name: "hostctl".into() }, entries: Arc::new(entries) }
    }

    /// The part of [`PlayRun::magic`] that is the same for all hosts, made again when the batch
    /// or the groups change.
    fn magic_shared(self: &Arc<Self>) -> Arc<IndexMap<Arc<str>, Entry>> {
        // Held to the end: what changes meanwhile makes it anew afterwards.
        let mut cache = lock(&self.magic_cache);
        if let Some(shared) = &*cache {
            return Arc::clone(shared);
        }
        let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
        let list =
            |hosts: &[Arc<str>]| Value::from(hosts.iter().map(|host| Value::Str(Arc::clone(host))).collect::<Vec<_>>());
        let batch = lock(&self.batch).clone();
        let alive = self.alive(&batch);
        let groups: Map = self
            .engine
            .hosts
            .groups()
            .into_iter()
            .map(|(name, hosts)| (crate::value::Key::Str(name), list(&hosts)))
            .collect();
        let mut set = |name: &str, value: Value| {
            entries.insert(name.into(), Entry::Data(value, None));
        };
        set("groups", Value::from(groups));
        set("ansible_play_hosts_all", list(&self.listed));
        set("ansible_play_hosts", list(&self.alive(&self.listed)));
        set("ansible_play_batch", list(&alive));
        set("play_hosts", list(&alive));
        set("ansible_play_name", Value::from(self.name.clone()));
        let listed = self.play.roles.iter().filter(|role| parents_of(&role.context).next().is_none());
        let mut direct: Vec<Arc<str>> = listed.map(|role| Arc::clone(&role.role.name)).collect();
        for role in &self.play.roles {
            imported_names(&role.tasks, &mut direct);
        }
        for items in [&self.play.pre_tasks, &self.play.tasks, &self.play.post_tasks] {
            imported_names(items, &mut direct);
        }
        direct.extend(lock(&self.included_roles).iter().cloned());
        let dependent = self.play.roles.iter().filter(|role| parents_of(&role.context).next().is_some());
        let mut dependent: IndexSet<Arc<str>> = dependent.map(|role| Arc::clone(&role.role.name)).collect();
        dependent.extend(lock(&self.included_dependencies).iter().cloned());
        let every: IndexSet<Arc<str>> = direct.iter().chain(&dependent).cloned().collect();
        let every: Vec<Arc<str>> = every.into_iter().collect();
        let dependent: Vec<Arc<str>> = dependent.into_iter().collect();
        set("role_names", list(&direct));
        set("ansible_play_role_names", list(&direct));
        set("ansible_dependent_role_names", list(&dependent));
        set("ansible_role_names", list(&every));
        let sources = self.engine.options.inventory.iter();
        set(
            "ansible_inventory_sources",
            Value::from(sources.map(|source| Value::from(source.as_str())).collect::<Vec<_>>()),
        );
        set("playbook_dir", Value::from(self.playbook_dir().display().to_string()));
        set("ansible_check_mode", Value::Bool(self.engine.options.check));
        set("ansible_diff_mode", Value::Bool(self.engine.options.diff));
        set("ansible_forks", Value::from(self.engine.options.forks));
        set("ansible_verbosity", Value::from(u32::from(self.engine.options.verbosity)));
        set("ansible_version", ansible_version());
        set("ansible_playbook_python", Value::from(crate::inventory::controller_python()));
        let config_file = self.engine.templates.host().setting(None, "CONFIG_FILE").ok().flatten();
        set("ansible_config_file", config_file.map_or(Value::Null, |setting| setting.value));
        let tags = |tags: &[String]| Value::from(tags.iter().map(|tag| Value::from(tag.as_str())).collect::<Vec<_>>());
        let run_tags = &self.engine.options.tags;
        // Ad hoc tasks have no tags.
        if !self.engine.options.ad_hoc {
            set("ansible_run_tags", if run_tags.is_empty() { tags(&["all".to_owned()]) } else { tags(run_tags) });
            set("ansible_skip_tags", tags(&self.engine.options.skip_tags));
        }
        if let Some(limit) = &self.engine.options.limit {
            set("ansible_limit", Value::from(limit.as_str()));
        }
        if let Some(file) = self.engine.hosts.location() {
            let dir = if file.is_dir() { Some(file.as_path()) } else { file.parent() };
            set("inventory_dir", dir.map(|dir| dir.display().to_string()).into());
            set("inventory_file", Value::from(file.display().to_string()));
        } else if let Some(list) = self.engine.options.inventory.iter().find(|source| source.contains(',')) {
            set("inventory_dir", Value::Null);
            set("inventory_file", Value::from(list.as_str()));
        }
        entries.insert("hostvars".into(), Entry::HostVars(Arc::new(RunHostVars { play: Arc::downgrade(self) })));
        let shared = Arc::new(entries);
        *cache = Some(Arc::clone(&shared));
        shared
    }

    /// The hosts of a list that were not out of reach, those that failed among them.
    pub(super) fn present(&self, hosts: &[Arc<str>]) -> Vec<Arc<str>> {
        hosts.iter().filter(|host| !lock(&self.engine.states.get(host)).unreachable).cloned().collect()
    }

    /// The hosts of a list that are still in the play, as its variables tell.
    pub(super) fn alive(&self, hosts: &[Arc<str>]) -> Vec<Arc<str>> {
        hosts.iter().filter(|host| lock(&self.engine.states.get(host)).removed == 0).cloned().collect()
    }

    /// Folder of the play's file.
    pub(super) fn playbook_dir(&self) -> std::path::PathBuf {
        let dir = self.play.file.parent().filter(|dir| !dir.as_os_str().is_empty());
        let dir = dir.unwrap_or(std::path::Path::new("."));
        std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf())
    }

    /// Warns once of a variable that one of the environment hides.
    pub(super) fn warn_hidden<'a>(
        &self,
        names: impl Iterator<Item = (&'a str, Option<crate::diag::Span>)>,
        what: &str,
    ) {
        let environment: Vec<&Layer> =
            self.engine.options.layers.iter().filter(|layer| layer.origin.level == Level::Environment).collect();
        if environment.is_empty() {
            return;
        }
        for (name, span) in names {
            if let Some((layer, entry)) =
                environment.iter().rev().find_map(|layer| Some((layer, layer.entries.get(name)?)))
            {
                self.engine.warn_once(
                    None,
                    Diagnostic::source(
                        "E0301",
                        format!("{what} `{name}` has no effect: the environment sets it and outranks it"),
                    )
                    .with_label_opt(span, "hidden")
                    .with_label_opt(entry.span(), format!("wins, from {}", layer.origin.name))
                    .with_hint(format!("remove one of them, or override with `-e {name}=VALUE`")),
                );
            }
        }
    }
}

/// The roles that tasks import: they count as roles of the play.
fn imported_names(items: &[Item], names: &mut Vec<Arc<str>>) {
    for item in items {
        match item {
            Item::Task(_) => {}
            Item::Block(block) => {
                for part in [&block.body, &block.rescue, &block.always] {
                    imported_names(part, names);
                }
            }
            Item::Role(role) => {
                names.push(Arc::clone(&role.role.name));
                imported_names(&role.tasks, names);
            }
        }
    }
}

/// The variable `environment`: what the keyword says for a task, outermost first, whatever a playbook sets of that name.
fn environment(task: &Task) -> Entry {
    let mut nodes: Vec<Node> = Vec::new();
    for node in super::conditions::stacked(task, "environment").into_iter().filter(|node| !node.is_null()) {
        match node.as_list() {
            Some(items) => nodes.extend(items.iter().cloned()),
            None => nodes.push(node.clone()),
        }
    }
    match nodes.first().map(Node::place) {
        Some(span) => Entry::Lazy(Node { span, data: NodeData::List(nodes.into()), tag: None, alias: None }),
        None => Entry::Data(Value::List(Arc::default()), None),
    }
}

/// The roles around a role's use, innermost first.
pub(super) fn parents_of(context: &Arc<Context>) -> impl Iterator<Item = &Arc<Role>> {
    context
        .chain()
        .filter_map(|context| match &context.kind {
            ContextKind::Role(role) => Some(role),
            _ => None,
        })
        .skip(1)
}

/// The layers of a chain of contexts: play, roles, blocks, includes.
fn context_layers(context: &Arc<Context>, layers: &mut Vec<Layer>) {
    let chain: Vec<&Context> = context.chain().collect();
    let (mut in_play, mut imported) = (false, Vec::new());
    let own = chain.iter().position(|context| matches!(context.kind, ContextKind::Role(_)));
    for (place, context) in chain.into_iter().enumerate().rev() {
        let vars = context.keywords.get("vars");
        match &context.kind {
            ContextKind::Play => {
                layers.extend(vars.map(|node| source(Level::PlayVars, "play vars", node)));
                // An imported playbook's variables outrank those of its plays, the innermost import's first.
                layers.extend(imported.drain(..).rev());
                in_play = true;
            }
            ContextKind::Role(role) => {
                let entry = vars.map(|node| source(Level::RoleVars, "role entry", node));
                // The entry's variables outrank the role's own in its tasks, but not in those of roles that it brings in.
                if own == Some(place) {
                    role_layers(role, layers);
                    layers.extend(entry);
                } else {
                    layers.extend(entry);
                    role_layers(role, layers);
                }
                if !role.params.is_empty() {
                    layers.push(Layer {
                        origin: Origin {
                            level: Level::RoleParams,
                            name: format!("parameters of role {}", role.name).into(),
                        },
                        entries: Arc::new(
                            role.params
                                .iter()
                                .map(|(name, node)| (Arc::clone(name), Entry::Lazy(node.clone())))
                                .collect(),
                        ),
                    });
                }
            }
            ContextKind::Block => layers.extend(vars.map(|node| source(Level::BlockVars, "block vars", node))),
            ContextKind::Include { dynamic: true, .. } => {
                layers.extend(vars.map(|node| source(Level::IncludeParams, "include vars", node)));
            }
            ContextKind::Include { .. } if in_play => {
                layers.extend(vars.map(|node| source(Level::BlockVars, "import vars", node)));
            }
            ContextKind::Include { .. } => {
                imported.extend(vars.map(|node| source(Level::PlayVars, "import_playbook vars", node)));
            }
        }
    }
}

/// A role's defaults and vars, its dependencies' first.
pub(super) fn role_layers(role: &Arc<Role>, layers: &mut Vec<Layer>) {
    for dependency in &role.dependencies {
        role_layers(dependency, layers);
    }
    for node in &role.defaults {
        layers.push(source(Level::RoleDefaults, &format!("defaults of role {}", role.name), node));
    }
    for node in &role.vars {
        layers.push(source(Level::RoleVars, &format!("vars of role {}", role.name), node));
    }
}

/// A layer from a `vars` node: a mapping, or a list of mappings (old style).
pub(super) fn source(level: Level, name: &str, node: &Node) -> Layer {
    match node.as_list() {
        Some(items) => {
            let mut entries = IndexMap::new();
            for item in items {
                let layer = Layer::source(level, name, item);
                entries.extend(layer.entries.iter().map(|(name, entry)| (Arc::clone(name), entry.clone())));
            }
            Layer { origin: Origin { level, name: name.into() }, entries: Arc::new(entries) }
        }
        None => Layer::source(level, name, node),
    }
}

/// The version of the language that hostctl speaks.
fn ansible_version() -> Value {
    Value::from(crate::map! {
        "full" => "2.19.0", "major" => 2, "minor" => 19, "revision" => 0, "string" => "2.19.0",
    })
}

/// The lowest layer: names with a default.
pub(super) fn builtin_layer() -> Layer {
    let mut map = Map::new();
    insert(&mut map, "ansible_facts", Value::empty_map());
    Layer::data(Level::Builtin, "hostctl", map.into_iter().map(|(key, value)| (key.text(), value)))
}

/// `ansible_delegated_vars`: the host that a task is delegated to, under the name of the task's own host.
struct DelegatedVars {
    play: Weak<PlayRun>,
    delegate: Arc<str>,
    host: Arc<str>,
}

impl HostVars for DelegatedVars {
    fn hosts(&self) -> Vec<Arc<str>> {
        vec![Arc::clone(&self.delegate)]
    }

    fn scope(&self, host: &str) -> Option<Scope> {
        let play = self.play.upgrade().filter(|_| *host == *self.delegate)?;
        let own = [("inventory_hostname".into(), Value::Str(Arc::clone(&self.host)))];
        let mut scope = play.host_scope(&self.delegate);
        if scope.get("ansible_host").is_none() {
            scope = scope.with(address(&self.delegate));
        }
        Some(scope.with(Layer::data(Level::Magic, "hostctl", own)))
    }
}

/// The host that a task's scope is delegated to: rendered once for each item, since a template may give another
/// host each time.
pub(super) fn delegate_of(scope: &Scope) -> Option<Arc<str>> {
    match scope.get("ansible_delegated_vars") {
        Some((Entry::HostVars(vars), _)) => vars.hosts().first().cloned(),
        _ => None,
    }
}

/// Tasks see where their host is reached, whether or not the inventory says so.
fn address(host: &Arc<str>) -> Layer {
    Layer::data(Level::Builtin, "hostctl", [("ansible_host".into(), Value::Str(Arc::clone(host)))])
}

/// What a delegated task sees beside the rest.
pub(super) fn delegated(play: &Arc<PlayRun>, host: &Arc<str>, delegate: Arc<str>) -> [Layer; 2] {
    let address = address(&delegate).task_only();
    let vars = DelegatedVars { play: Arc::downgrade(play), delegate, host: Arc::clone(host) };
    let vars = Layer {
        origin: Origin { level: Level::Magic, name: "hostctl".into() },
        entries: Arc::new(IndexMap::from([("ansible_delegated_vars".into(), Entry::HostVars(Arc::new(vars)))])),
    };
    [address, vars.task_only()]
}

/// Magic variables that belong to a play, not to a host: `hostvars` does not have them, least of all itself.
const OF_PLAYS: &[&str] = &[
    "ansible_dependent_role_names",
    "ansible_play_batch",
    "ansible_play_hosts",
    "ansible_play_hosts_all",
    "ansible_play_name",
    "ansible_play_role_names",
    "ansible_role_names",
    "hostvars",
    "play_hosts",
    "role_names",
];

/// `hostvars`: scopes of other hosts, made when asked for.
struct RunHostVars {
    play: Weak<PlayRun>,
}

impl HostVars for RunHostVars {
    fn hosts(&self) -> Vec<Arc<str>> {
        self.play.upgrade().and_then(|play| play.engine.hosts.groups().get("all").cloned()).unwrap_or_default()
    }

    fn scope(&self, host: &str) -> Option<Scope> {
        let play = self.play.upgrade()?;
        let host: Arc<str> = host.into();
        play.record(&host)?;
        Some(play.host_vars(&host))
    }
}
/// What tells a role's use from the others of this run.
fn role_uuid(key: &str) -> String {
    static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(Default::default);
    let [first, last] = [KEYS[0].hash_one(key), KEYS[1].hash_one(key)].map(|half| format!("{half:016x}"));
    format!("{}-{}-{}-{}-{}", &first[..8], &first[8..12], &first[12..], &last[..4], &last[4..])
}
