//! Roles: where they are, what is in them, and what they depend on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::collections::full_name;
use super::include::{join, missing, not_found};
use super::keywords::{self, Places};
use super::loader::{clean, expand_home, vars_mapping};
use super::model::{Context, ContextKind, Item, Keywords, Role, RoleUse};
use super::parse::{Here, Parser, RoleRequest, literal_names, playbook_dir};
use crate::diag::{Diagnostic, Span};
use crate::yaml::{Node, NodeData};

/// Files of a role that are taken instead of `main`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RoleFrom {
    /// `tasks_from`
    pub tasks: Option<String>,
    /// `vars_from`
    pub vars: Option<String>,
    /// `defaults_from`
    pub defaults: Option<String>,
    /// `handlers_from`
    pub handlers: Option<String>,
    /// `rolespec_validate`
    pub validate: bool,
    /// `allow_duplicates`
    pub duplicates: bool,
}

impl Default for RoleFrom {
    fn default() -> Self {
        Self { tasks: None, vars: None, defaults: None, handlers: None, validate: true, duplicates: true }
    }
}

/// Keys of a role's meta file.
const OWN: &[&str] = &["allow_duplicates", "argument_specs", "collections", "dependencies", "galaxy_info"];

/// What a role's meta file says.
#[derive(Default)]
struct MetaFile {
    dependencies: Vec<Node>,
    allow_duplicates: bool,
    collections: Vec<String>,
}

/// A role's folder, the collection it belongs to, and its name without that.
struct Place {
    path: PathBuf,
    collection: Option<String>,
    name: String,
}

impl Parser<'_> {
    /// An entry of `roles:` or `dependencies:`: the uses it makes, dependencies first.
    pub(super) fn role_entry(&mut self, entry: &Node, here: &Here, beside: Option<&Path>) -> Vec<RoleUse> {
        let mut keywords = Keywords::default();
        let mut params = Vec::new();
        let mut name = None;
        if let Some(pairs) = entry.as_map() {
            for pair in pairs {
                let (key, value) = pair;
                let Some(text) = self.key(key, "a role") else { continue };
                match text {
                    "role" => name = Some(value),
                    "name" => name = name.or(Some(value)),
                    // The old form of requirements; the name is the last part of the source.
                    "src" if beside.is_some() => name = name.or(Some(value)),
                    _ if self.take(Places::ROLE, pair, &mut keywords) => {}
                    _ => params.push((Arc::from(text), value.clone())),
                }
            }
        } else {
            name = Some(entry);
        }
        let Some(node) = name.filter(|node| node.as_scalar().is_some() && !node.is_null()) else {
            self.problem(
                Diagnostic::source("P0503", "the role has no name")
                    .with_label(name.map_or(entry.place(), Node::place), "expected `role: NAME` or `NAME`")
                    .with_hint("- role: NAME"),
            );
            return Vec::new();
        };
        let name = match self.loader.static_name(node, "the role's name", Some(&here.context)) {
            Ok(name) => name,
            Err(error) => {
                self.problem(error);
                return Vec::new();
            }
        };
        if entry.as_map().is_none() && name.contains(',') {
            self.problem(
                Diagnostic::source("P0503", "this form of a role was removed from Ansible")
                    .with_registered(format!("Invalid old style role requirement: {name}"))
                    .with_label(entry.place(), "a name with commas")
                    .with_hint(
                        "write `role: NAME`; its version belongs into `requirements.yml`, see `hostctl deps install`",
                    ),
            );
            return Vec::new();
        }
        let name = match (beside, name.contains("://")) {
            (Some(_), true) => name.rsplit('/').next().unwrap_or(&name).trim_end_matches(".git").to_owned(),
            _ => name,
        };
        let request = RoleRequest {
            name,
            span: Some(node.place()),
            from: RoleFrom::default(),
            params,
            public: self.loader.options.public_roles.unwrap_or(true),
            allow_duplicates: None,
            validate: true,
            beside: beside.map(Path::to_path_buf),
            included: false,
            vars: None,
        };
        self.role(&request, keywords, here)
    }

    /// The arguments of `import_role`.
    pub(super) fn static_role(
        &mut self,
        args: &indexmap::IndexMap<Arc<str>, (Span, Node)>,
        place: Span,
        context: &Arc<Context>,
    ) -> Option<RoleRequest> {
        let before = self.problems.len();
        let mut text = |name: &str| {
            let (_, node) = args.get(name)?;
            match self.loader.static_name(node, &format!("`{name}`"), Some(context)) {
                Ok(text) => Some(text),
                Err(error) => {
                    self.problem(error);
                    None
                }
            }
        };
        let name = text("name");
        let from = RoleFrom {
            tasks: text("tasks_from"),
            vars: text("vars_from"),
            defaults: text("defaults_from"),
            handlers: text("handlers_from"),
            ..RoleFrom::default()
        };
        if self.problems.len() > before {
            return None;
        }
        let allow = args.get("allow_duplicates").and_then(|(_, node)| boolean(node));
        Some(RoleRequest {
            name: name?,
            span: args.get("name").map_or(Some(place), |(_, node)| Some(node.place())),
            from,
            params: Vec::new(),
            public: args
                .get("public")
                .and_then(|(_, node)| boolean(node))
                .or(self.loader.options.public_roles)
                .unwrap_or(true),
            allow_duplicates: Some(allow.unwrap_or(true)),
            validate: args.get("rolespec_validate").and_then(|(_, node)| boolean(node)).unwrap_or(true),
            beside: None,
            included: true,
            vars: None,
        })
    }

    /// Loads a role and those it depends on: uses in the order they run.
    pub(super) fn role(&mut self, request: &RoleRequest, keywords: Keywords, here: &Here) -> Vec<RoleUse> {
        let place = match self.find_role(request, &here.context) {
            Ok(place) => place,
            Err(error) => {
                self.problem(error);
                return Vec::new();
            }
        };
        let part = request.from.tasks.clone().unwrap_or_else(|| "main".to_owned());
        let name = match request.from.tasks.as_deref() {
            Some(tasks) => format!("role {} ({tasks})", request.name),
            None => format!("role {}", request.name),
        };
        let path = place.path.clone();
        self.nested(&path, &part, &name, request.span, |parser| parser.load_role(request, place, keywords, here))
            .unwrap_or_default()
    }

    fn load_role(
        &mut self,
        request: &RoleRequest,
        place: Place,
        keywords: Keywords,
        here: &Here,
    ) -> Option<Vec<RoleUse>> {
        let Place { path, collection, name: short } = place;
        let from = &request.from;
        if collection.is_none() {
            self.loader.add_shelf(&path);
        }
        let defaults = self.role_vars(&path, "defaults", from.defaults.as_deref(), request);
        let vars = self.role_vars(&path, "vars", from.vars.as_deref(), request);
        let meta = self.meta(&path);
        let name: Arc<str> = match &collection {
            Some(collection) => format!("{collection}.{short}").into(),
            None => short.as_str().into(),
        };
        let collections = self.loader.collections_of_role(collection.as_deref(), meta.collections, &here.context);
        let key = role_key(&name, &path, request, &keywords);

        // Dependencies see this role's variables and keywords, so they are loaded inside of it.
        let bare = |dependencies: Vec<Arc<Role>>, dependent: bool| Role {
            name: Arc::clone(&name),
            short: short.as_str().into(),
            collection: collection.as_deref().map(Arc::from),
            collections: collections.clone(),
            key: Arc::clone(&key),
            path: path.clone(),
            defaults: defaults.clone(),
            vars: vars.clone(),
            params: request.params.clone(),
            dependencies,
            allow_duplicates: request.allow_duplicates.unwrap_or(meta.allow_duplicates),
            dependent,
        };
        let outer = Arc::new(Context {
            kind: ContextKind::Role(Arc::new(bare(Vec::new(), true))),
            keywords: keywords.clone(),
            parent: Some(Arc::clone(&here.context)),
        });
        let mut uses = Vec::new();
        let mut dependencies = Vec::new();
        let beside = path.parent().map(Path::to_path_buf).unwrap_or_default();
        for entry in &meta.dependencies {
            let found = self.role_entry(entry, &here.inside(Arc::clone(&outer)), Some(&beside));
            dependencies.extend(found.last().map(|last| Arc::clone(&last.role)));
            uses.extend(found);
        }
        let role = Arc::new(bare(dependencies, false));
        let context = Arc::new(Context {
            kind: ContextKind::Role(Arc::clone(&role)),
            keywords,
            parent: Some(Arc::clone(&here.context)),
        });
        let mut tasks = self.role_items(&path, "tasks", from.tasks.as_deref(), request, &context, false);
        if request.validate {
            tasks.splice(0..0, self.spec_task(&path, &role.short, request, &context));
        }
        let handlers = self.role_items(&path, "handlers", from.handlers.as_deref(), request, &context, true);
        uses.push(RoleUse { role, context, tasks, handlers, public: request.public });
        Some(uses)
    }

    /// The task that checks the role's arguments, if it has a spec for its entry point.
    fn spec_task(&mut self, path: &Path, name: &Arc<str>, request: &RoleRequest, context: &Arc<Context>) -> Vec<Item> {
        let own = ["yml", "yaml"].map(|ending| path.join("meta").join(format!("argument_specs.{ending}")));
        let main = candidates(&path.join("meta"), None);
        let Some(file) = own.into_iter().chain(main).find(|path| path.is_file()) else { return Vec::new() };
        let Some(node) = self.read(&file, request.span) else { return Vec::new() };
        let entry = request.from.tasks.as_deref().unwrap_or("main");
        let entry = [".yml", ".yaml"].iter().find_map(|ending| entry.strip_suffix(ending)).unwrap_or(entry);
        let Some(spec) = node.get("argument_specs").and_then(|specs| specs.get(entry)) else { return Vec::new() };
        if spec.as_map().is_none() {
            return Vec::new();
        }
        let span = spec.place();
        let text = |text: &str| Node::text(text, span);
        let map = |pairs: Vec<(Node, Node)>| Node { span, data: NodeData::Map(pairs.into()), tag: None, alias: None };
        let mut title = format!("Validating arguments against arg spec '{entry}'");
        if let Some(short) = spec.get("short_description").and_then(Node::as_str) {
            title = format!("{title} - {short}");
        }
        let options = spec.get("options").cloned().unwrap_or_else(|| map(Vec::new()));
        let given = request.params.iter().map(|(key, value)| (text(key), value.clone())).collect();
        let about = [
            ("type", "role"),
            ("name", name),
            ("argument_spec_name", entry),
            ("path", &std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()),
        ];
        let args = map(vec![
            (text("argument_spec"), options),
            (text("provided_arguments"), map(given)),
            (text("validate_args_context"), map(about.map(|(key, value)| (text(key), text(value))).to_vec())),
        ]);
        let tags = Node { span, data: NodeData::List(vec![text("always")].into()), tag: None, alias: None };
        let task = map(vec![
            (text("name"), text(&title)),
            (text("ansible.builtin.validate_argument_spec"), args),
            (text("tags"), tags),
        ]);
        let tasks = Node { span, data: NodeData::List(vec![task].into()), tag: None, alias: None };
        let here = Here { context: Arc::clone(context), file, handler: false };
        self.items(&tasks, "the check of a role's arguments", &here, true)
    }

    fn role_items(
        &mut self,
        role: &Path,
        folder: &str,
        from: Option<&str>,
        request: &RoleRequest,
        context: &Arc<Context>,
        handler: bool,
    ) -> Vec<Item> {
        let Some(path) = self.role_file(role, folder, from, request) else { return Vec::new() };
        let here = Here { context: Arc::clone(context), file: path.clone(), handler };
        let what = format!("`{}`", clean(&path).display());
        match self.read(&path, request.span) {
            Some(node) => self.items(&node, &what, &here, true),
            None => Vec::new(),
        }
    }

    /// `FOLDER/main.yml` and its other names, or the file that `*_from` names.
    fn role_file(&mut self, role: &Path, folder: &str, from: Option<&str>, request: &RoleRequest) -> Option<PathBuf> {
        let tried = candidates(&role.join(folder), from);
        let found = tried.iter().find(|path| path.is_file()).cloned();
        match (from, &found) {
            (Some(name), None) => {
                let error = not_found(
                    "P0504",
                    &format!("file of role `{}`", request.name),
                    &format!("{folder}/{name}"),
                    &tried,
                );
                // Of tasks Ansible says that they are not there, of others where the role has their folder.
                let said = folder == "tasks" || role.join(folder).is_dir();
                let error = if said { error } else { error.warning() };
                self.problem(error.with_label_opt(request.span, "asked for here"));
                None
            }
            (Some(name), Some(path)) if !inside(path, role) => {
                // Ansible's words: playbooks and scripts look for them.
                let message = format!(
                    "failed loading `{name}` for role (`{}`) as it is not inside the expected role path: `{}`",
                    request.name,
                    clean(&role.join(folder)).display()
                );
                self.problem(Diagnostic::source("P0504", message).with_label_opt(request.span, "asked for here"));
                None
            }
            _ => found,
        }
    }

    /// Variables of a role: a file, or a folder whose files add up.
    fn role_vars(&mut self, role: &Path, folder: &str, from: Option<&str>, request: &RoleRequest) -> Vec<Node> {
        let dir = role.join(folder);
        let tried = candidates(&dir, from);
        let mut files = Vec::new();
        match tried.iter().find(|path| path.exists()) {
            Some(path) if path.is_dir() => vars_in_folder(path, &mut files, 0),
            Some(_) => files.extend(self.role_file(role, folder, from, request)),
            None if from.is_some() => {
                self.role_file(role, folder, from, request);
            }
            None => {}
        }
        let mut nodes = Vec::new();
        for file in files {
            let Some(node) = self.read(&file, request.span) else { continue };
            match vars_mapping(&node, &file) {
                Ok(node) => nodes.push(node),
                Err(error) => self.problem(error),
            }
        }
        nodes
    }

    fn meta(&mut self, role: &Path) -> MetaFile {
        let mut meta = MetaFile::default();
        let Some(path) = candidates(&role.join("meta"), None).into_iter().find(|path| path.is_file()) else {
            return meta;
        };
        let Some(node) = self.read(&path, None).filter(|node| !node.is_null()) else { return meta };
        let Some(pairs) = node.as_map() else {
            self.problem(
                Diagnostic::source(
                    "P0505",
                    format!("expected a role's meta file as a mapping, found {}", node.type_name()),
                )
                .with_label(node.place(), "not a mapping"),
            );
            return meta;
        };
        for (key, value) in pairs {
            let Some(name) = self.key(key, "a role's meta file").map(str::to_owned) else { continue };
            match name.as_str() {
                "dependencies" => match value.as_list() {
                    Some(entries) => meta.dependencies = entries.to_vec(),
                    None if value.is_null() => {}
                    None => self.problem(
                        Diagnostic::source(
                            "P0505",
                            format!("expected `dependencies` as a list, found {}", value.type_name()),
                        )
                        .with_label(value.place(), "not a list")
                        .with_hint("write `dependencies: [NAME]`"),
                    ),
                },
                "allow_duplicates" => match boolean(value) {
                    Some(flag) => meta.allow_duplicates = flag,
                    None => self.problem(
                        Diagnostic::source("P0505", "expected `allow_duplicates` as a boolean")
                            .with_label(value.place(), "not a boolean")
                            .with_hint("write `true` or `false`"),
                    ),
                },
                "collections" => meta.collections = literal_names(value),
                name if OWN.contains(&name)
                    || keywords::find(name).is_some_and(|word| word.places.contains(Places::ROLE)) => {}
                name => self.problem(
                    Diagnostic::source("P0505", format!("a role's meta file has no key `{name}`"))
                        .with_label(key.place(), "unknown key")
                        .with_nearest(name, OWN.iter().copied()),
                ),
            }
        }
        meta
    }

    /// Where a role is: in a collection, or in the first folder of the search path that has it.
    fn find_role(&self, request: &RoleRequest, context: &Context) -> Result<Place, Diagnostic> {
        let name = request.name.as_str();
        let dir = playbook_dir(context);
        let mut tried = Vec::new();
        let options = &self.loader.options;
        let plain = !name.contains('/') && !name.starts_with('~');
        if plain {
            let own =
                self.loader.collections_around(context).into_iter().map(|collection| (collection, name.to_owned()));
            // A full name is looked for under that name alone.
            let full = full_name(name).map(|(collection, rest)| (collection, rest.replace('.', "/")));
            let wanted: Vec<(String, String)> = if full.is_some() { full.into_iter().collect() } else { own.collect() };
            for (collection, role) in wanted {
                let Some(found) = self.loader.collection(&collection, &dir) else { continue };
                let path = found.root.join("roles").join(&role);
                if path.is_dir() {
                    let name = name.strip_prefix(&format!("{collection}.")).unwrap_or(name).to_owned();
                    return Ok(Place { path, collection: Some(collection), name });
                }
                tried.push(path);
            }
        }
        let mut folders = vec![dir.join("roles")];
        folders.extend(options.project_dir.iter().map(|project| project.join("roles")));
        folders.extend(options.roles_path.iter().cloned());
        folders.extend(request.beside.clone());
        folders.push(dir);
        for folder in &folders {
            let path = join(folder, name);
            if path.is_dir() {
                return Ok(Place { path, collection: None, name: name.to_owned() });
            }
            if !tried.contains(&path) {
                tried.push(path);
            }
        }
        let path = clean(&expand_home(name));
        if !plain && path.is_dir() {
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            return Ok(Place { path, collection: None, name });
        }
        let mut error = missing("P0501", "role", name, &tried).with_label_opt(request.span, "no such role");
        if error.hints.is_empty() && plain && name.matches('.').count() == 1 {
            error = error.with_hint("name its git repository in `requirements.yml`, and run `hostctl deps install`");
        }
        Err(error.with_hint_else("correct the name, or make the role"))
    }
}

/// What makes two uses of a role the same: ansible-core's `Role._get_hash_dict`.
fn role_key(name: &str, path: &Path, request: &RoleRequest, keywords: &Keywords) -> Arc<str> {
    use std::fmt::Write as _;
    let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let mut key = format!("{name}\n{}\n{}", path.display(), request.included);
    let from = &request.from;
    for (what, file) in
        [("tasks", &from.tasks), ("vars", &from.vars), ("defaults", &from.defaults), ("handlers", &from.handlers)]
    {
        if let Some(file) = file {
            let _ = write!(key, "\n{what}_from {file}");
        }
    }
    let mut add = |name: &str, node: &Node| {
        let _ = write!(key, "\n{name}={}", crate::value::python_repr(&node.to_value()));
    };
    request.params.iter().for_each(|(name, node)| add(name, node));
    // The conditions and tags of an include are the task's, not the role's.
    let own: &[&str] = if request.included { &["vars"] } else { &["when", "tags", "vars"] };
    for name in own {
        if let Some(node) = keywords.get(name) {
            add(&format!(":{name}"), node);
        }
    }
    if let Some(vars) = &request.vars {
        add(":vars", vars);
    }
    key.into()
}

/// The files that stand for a folder of a role, best first.
fn candidates(dir: &Path, from: Option<&str>) -> Vec<PathBuf> {
    match from {
        None => ["main.yml", "main.yaml", "main.json", "main"].iter().map(|name| dir.join(name)).collect(),
        Some(name) => ["", ".yml", ".yaml", ".json"].iter().map(|ending| dir.join(format!("{name}{ending}"))).collect(),
    }
}

/// Variable files below a folder, by name, as Ansible takes them.
fn vars_in_folder(dir: &Path, files: &mut Vec<PathBuf>, depth: usize) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.starts_with('.') || name.ends_with('~') {
            continue;
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            if ending.is_none() && depth < 20 {
                vars_in_folder(&path, files, depth + 1);
            }
        } else if matches!(ending, None | Some("yml" | "yaml" | "json")) {
            files.push(path);
        }
    }
}

/// True if a file lies below a folder, links followed.
fn inside(path: &Path, dir: &Path) -> bool {
    match (path.canonicalize(), dir.canonicalize()) {
        (Ok(path), Ok(dir)) => path.starts_with(dir),
        _ => false,
    }
}

/// A literal boolean, also as one of Ansible's words.
pub(super) fn boolean(node: &Node) -> Option<bool> {
    crate::value::boolean(&node.as_scalar()?.value)
}
