//! One render call: the variables in reach, what was computed already, and the way down
//! through variables (for cycles and for labels).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::diag::{Diagnostic, FileId, Kind, Origin, Span};
use crate::value::Value;
use crate::vars::{Entry, HostVars, Scope};
use crate::yaml::{Node, NodeData, Scalar, Tag};

use super::code::At;
use super::engine::Templates;
use super::exec;
use super::fail::{Fail, R, Step, Undef, What, add_trail};
use super::val::Val;

/// The codes of a vault text that cannot be opened.
const NO_PASSWORD: &str = "V0103";
const WRONG_PASSWORD: &str = "V0102";

/// The variables of hosts that were asked for, by who knows them: `hostvars` and `ansible_delegated_vars` differ.
type KnownHosts = (Arc<dyn HostVars>, HashMap<Arc<str>, Rc<Env>>);

/// Variables nested deeper than this are refused.
const MAX_DEPTH: usize = 200;

/// The variables of one host with what was rendered of them.
pub struct Env {
    /// The variables.
    pub scope: Scope,
    memo: RefCell<HashMap<Arc<str>, Val>>,
}

impl Env {
    /// For a scope.
    pub fn new(scope: &Scope) -> Rc<Self> {
        Rc::new(Self { scope: scope.clone(), memo: RefCell::new(HashMap::new()) })
    }
}

/// Where a template's text stands in the source.
pub enum Place {
    /// In a node.
    Node(Node),
    /// In a file, from an offset on.
    File(FileId, u32),
    /// In a range.
    Range(Span),
    /// Nowhere.
    None,
}

impl Place {
    /// The place in the source of a range of the text.
    pub fn span(&self, at: At) -> Option<Span> {
        match self {
            Self::Node(node) => Some(node.text_span(at.0 as usize, at.1 as usize)),
            Self::File(file, base) => Some(Span::new(*file, base + at.0, base + at.1)),
            Self::Range(span) => Some(span.slice(at.0 as usize, at.1 as usize)),
            Self::None => None,
        }
    }

    /// The same as ansible-core tells it: the whole of what the text stands in.
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::Node(node) => Some(Origin::At(node.place())),
            Self::File(file, _) => Some(Origin::In(*file)),
            Self::Range(span) => Some(Origin::At(*span)),
            Self::None => None,
        }
    }
}

enum Ring {
    Name(Rc<str>),
    Node(Arc<Scalar>, *const Env, Span),
}

/// One render call.
pub struct Cx<'t> {
    /// The engine.
    pub templates: &'t Templates,
    /// Folders of the template files that are being rendered, innermost last.
    pub folders: RefCell<Vec<std::path::PathBuf>>,
    /// The filter or lookup that is applied, for what it has to tell.
    pub place: Cell<Option<Span>>,
    /// The template that is rendered, as ansible-core tells it.
    pub home: Cell<Option<Origin>>,
    /// What is undefined is shown in its place, and kept here, where an error would hide all the rest.
    pub shown: Option<RefCell<Vec<Rc<Undef>>>>,
    /// The condition that is evaluated.
    pub condition: Cell<Option<Span>>,
    depth: Cell<usize>,
    ring: RefCell<Vec<Ring>>,
    hosts: RefCell<Vec<KnownHosts>>,
    /// What of the limits is used up.
    pub used: super::limits::Used,
    /// Scopes that hold macros refer to themselves; they are emptied at the end.
    pub cyclic: RefCell<Vec<Rc<exec::Locals>>>,
}

/// Counts the depth while it lives.
pub struct Deeper<'c>(&'c Cell<usize>);

impl Drop for Deeper<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Drop for Cx<'_> {
    fn drop(&mut self) {
        for locals in self.cyclic.borrow_mut().drain(..) {
            locals.clear();
        }
    }
}

/// True if a text can be a template at all.
pub fn may_be_template(text: &str) -> bool {
    text.contains('{') && (text.contains("{{") || text.contains("{%") || text.contains("{#"))
        || text.starts_with("#jinja2:")
}

impl<'t> Cx<'t> {
    /// For one call.
    pub fn new(templates: &'t Templates) -> Self {
        Self {
            templates,
            folders: RefCell::default(),
            place: Cell::default(),
            home: Cell::default(),
            shown: None,
            condition: Cell::default(),
            depth: Cell::new(0),
            ring: RefCell::default(),
            hosts: RefCell::default(),
            used: super::limits::Used::default(),
            cyclic: RefCell::default(),
        }
    }

    /// One that shows what is undefined in its place.
    pub fn showing(templates: &'t Templates) -> Self {
        let mut cx = Self::new(templates);
        cx.shown = Some(RefCell::default());
        cx
    }

    /// What stands in the place of an undefined value, or the failure.
    pub fn undefined(&self, undef: &Rc<Undef>) -> R<Value> {
        let Some(shown) = &self.shown else { return Err(Fail::Undef(Rc::clone(undef))) };
        let mut shown = shown.borrow_mut();
        shown.push(Rc::clone(undef));
        Ok(Value::from(format!("<< error {} - {} >>", shown.len(), undef.registered())))
    }

    /// One level deeper, or an error.
    pub fn deeper(&self) -> R<Deeper<'_>> {
        let depth = self.depth.get() + 1;
        if depth > MAX_DEPTH {
            return Err(Fail::Diag(Diagnostic::new("T0102", Kind::Template, "the value is nested too deep")));
        }
        self.depth.set(depth);
        Ok(Deeper(&self.depth))
    }

    /// The variables of another host.
    pub fn host_env(&self, hosts: &Arc<dyn HostVars>, name: &str) -> Option<Rc<Env>> {
        let mut known = self.hosts.borrow_mut();
        let known = match known.iter().position(|(from, _)| Arc::ptr_eq(from, hosts)) {
            Some(at) => &mut known[at].1,
            None => {
                known.push((Arc::clone(hosts), HashMap::new()));
                &mut known.last_mut()?.1
            }
        };
        if let Some(env) = known.get(name) {
            return Some(Rc::clone(env));
        }
        let env = Env::new(&hosts.scope(name)?);
        known.insert(name.into(), Rc::clone(&env));
        Some(env)
    }

    /// The value of a variable; `None` if there is none of that name.
    pub fn variable(&self, name: &str, env: &Rc<Env>, used: Option<Span>) -> R<Option<Val>> {
        if let Some(value) = env.memo.borrow().get(name) {
            return Ok(Some(value.clone()));
        }
        let Some((entry, origin)) = env.scope.get(name) else { return Ok(None) };
        if name == "play_hosts" && used.is_some() && origin.level == crate::vars::Level::Magic {
            self.templates.deprecated_play_hosts(used, self.home.get());
        }
        let value = match entry {
            Entry::Data(value, _) if super::omit::is_omit(value) => Val::Omit,
            Entry::Data(value, _) | Entry::Rendered(value, _) => Val::from(value.clone()),
            Entry::Sealed(sealed, _) => Val::from(sealed.open()?),
            Entry::HostVars(hosts) => Val::hosts(Arc::clone(hosts)),
            Entry::Merged(parts) => self.merged(parts, env)?,
            Entry::Lazy(node) => {
                let defined = Some(node.place());
                self.ring.borrow_mut().push(Ring::Name(name.into()));
                let value = self.lazy(node, env);
                self.ring.borrow_mut().pop();
                let step = Step { name: name.into(), used, defined };
                match value {
                    Ok(Val::Undef(undef)) => Val::Undef(with_step(&undef, step)),
                    Ok(value) => value,
                    Err(Fail::Undef(undef)) => Val::Undef(with_step(&undef, step)),
                    Err(Fail::Diag(diag)) => {
                        let known = diag.code == "T0102" || diag.labels.iter().any(|label| Some(label.span) == used);
                        return Err(Fail::Diag(if known { diag } else { add_trail(diag, &[step]) }));
                    }
                }
            }
        };
        if crate::secret::names_password(name)
            && let Some(password) = value.as_str()
        {
            self.templates.host().learn(password);
        }
        env.memo.borrow_mut().insert(name.into(), value.clone());
        Ok(Some(value))
    }

    /// Mappings of source and data as one: the source is rendered, the data is as it is.
    fn merged(&self, parts: &[Entry], env: &Rc<Env>) -> R<Val> {
        let mut all = Value::empty_map();
        for part in parts {
            let value = match part {
                Entry::Data(value, _) | Entry::Rendered(value, _) => value.clone(),
                Entry::Lazy(node) => self.lazy(node, env)?.value(self)?,
                Entry::Merged(_) | Entry::Sealed(..) | Entry::HostVars(_) => continue,
            };
            all = crate::vars::merge_values(&all, &value);
        }
        Ok(Val::from(all))
    }

    /// The value of a node: containers stay lazy, a scalar is rendered. A value that comes out
    /// undefined is returned as such.
    pub fn lazy(&self, node: &Node, env: &Rc<Env>) -> R<Val> {
        match &node.data {
            NodeData::List(items) => Ok(Val::nodes(Arc::clone(items), Rc::clone(env))),
            NodeData::Map(pairs) => Ok(Val::node_map(Arc::clone(pairs), Rc::clone(env))),
            NodeData::Scalar(scalar) => match &scalar.value {
                Value::Str(text) if node.tag == Some(Tag::Vault) => {
                    let opened = self.templates.host().unseal(text);
                    opened.map(Val::from).map_err(|error| Fail::Diag(self.sealed(error, node)))
                }
                Value::Str(text) if node.tag != Some(Tag::Unsafe) && may_be_template(text) => {
                    match self.scalar(node, scalar, env) {
                        Err(Fail::Undef(undef)) => Ok(Val::Undef(undef)),
                        other => other,
                    }
                }
                other => Ok(Val::from(other.clone())),
            },
        }
    }

    /// A vault text that cannot be opened: the variable and the place that it comes from, and Ansible's words.
    fn sealed(&self, mut error: Diagnostic, node: &Node) -> Diagnostic {
        let why = match &*error.code {
            NO_PASSWORD => "Attempting to decrypt but no vault secrets found.",
            WRONG_PASSWORD => "Decryption failed (no vault secrets were found that could decrypt).",
            _ => return error.with_label(node.place(), "this vault text"),
        };
        if let Some(Ring::Name(name)) = self.ring.borrow().iter().rev().find(|part| matches!(part, Ring::Name(_))) {
            error.message = format!("`{name}` is a vault text: {}", error.message);
        }
        error
            .with_registered(format!("Error rendering template: Attempt to use undecryptable variable: {why}"))
            .with_label(node.place(), "this vault text")
    }

    fn scalar(&self, node: &Node, scalar: &Arc<Scalar>, env: &Rc<Env>) -> R<Val> {
        let env_id = Rc::as_ptr(env);
        let start =
            self.ring.borrow().iter().position(
                |entry| matches!(entry, Ring::Node(other, other_env, _) if Arc::ptr_eq(other, scalar) && *other_env == env_id),
            );
        if let Some(start) = start {
            return Err(self.cycle(start));
        }
        let _deeper = self.deeper()?;
        self.ring.borrow_mut().push(Ring::Node(Arc::clone(scalar), env_id, node.place()));
        let value = stacker::maybe_grow(128 * 1024, 2 * 1024 * 1024, || {
            let code = self.templates.compiled(&scalar.text, node)?;
            exec::render(self, &code, Rc::new(Place::Node(node.clone())), env)
        });
        self.ring.borrow_mut().pop();
        value
    }

    fn cycle(&self, start: usize) -> Fail {
        let ring = self.ring.borrow();
        // The name that led to the first node stands before it.
        let start = if start > 0 && matches!(ring[start - 1], Ring::Name(..)) { start - 1 } else { start };
        let mut names: Vec<Rc<str>> = Vec::new();
        let mut labels: Vec<(Span, String)> = Vec::new();
        let mut current: Option<Rc<str>> = None;
        for entry in &ring[start..] {
            match entry {
                Ring::Name(name) => {
                    if !names.contains(name) {
                        names.push(Rc::clone(name));
                    }
                    current = Some(Rc::clone(name));
                }
                Ring::Node(_, _, span) => {
                    let text = current.as_ref().map_or_else(String::new, |name| format!("`{name}`"));
                    if !labels.iter().any(|(known, _)| known == span) {
                        labels.push((*span, text));
                    }
                }
            }
        }
        let text = match &ring[start..] {
            [Ring::Node(scalar, ..), ..] => Rc::from(&*scalar.text),
            _ => Rc::from("value"),
        };
        let first = names.first().cloned().unwrap_or(text);
        let chain: Vec<String> = names.iter().chain([&first]).map(|name| format!("`{name}`")).collect();
        let mut diag = Diagnostic::new("T0102", Kind::Template, format!("`{first}` refers to itself"))
            .with_note(format!("{} ", chain.join(" -> ")).trim_end())
            .with_hint("give one of them another name");
        for (span, text) in labels {
            diag = diag.with_label(span, text);
        }
        Fail::Diag(diag)
    }

    /// A failure as a diagnostic.
    pub fn diagnostic(&self, fail: Fail) -> Diagnostic {
        fail.into_diagnostic(|span| self.templates.sources().place(span))
    }
}

fn with_step(undef: &Rc<Undef>, step: Step) -> Rc<Undef> {
    let what = match &undef.what {
        What::Name(name, env) => What::Name(Rc::clone(name), Rc::clone(env)),
        What::Var(name, env) => What::Var(Rc::clone(name), Rc::clone(env)),
        What::Attr { name, kind, python, has } => What::Attr { name: Rc::clone(name), kind, python, has: has.clone() },
        What::Hint(text) => What::Hint(Rc::clone(text)),
        What::Soft => What::Soft,
    };
    let mut trail = undef.trail.clone();
    trail.push(step);
    Rc::new(Undef { what, span: undef.span, home: undef.home, trail })
}
