//! The face of the room: one [`Templates`] a run, shared by all hosts.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diag::{Diagnostic, Kind, Origin, Result, SourceFile, SourceMap, Span, guarded};
use crate::value::{Key, Map, Value, python_str};
use crate::vars::Scope;
use crate::yaml::Node;

use super::code::Code;
use super::cx::{Cx, Env, Place};
use super::exec::{self, Ev, Locals};
use super::fail::{Fail, R};
use super::lower::{self, SyntaxError};
use super::val::Val;
use super::{check, condition, header, lookups};

/// What lookups may ask of the controller. The engine implements it.
pub trait LookupHost: Send + Sync {
    /// Finds a file as Ansible's search path does (`files/`, `templates/`, role, playbook).
    fn find(&self, subfolder: &str, name: &str, scope: &Scope) -> Option<PathBuf>;
    /// The folders that such names are searched in, in order.
    fn folders(&self, _subfolder: &str, _scope: &Scope) -> Vec<PathBuf> {
        Vec::new()
    }
    /// Reads a controller file.
    fn read(&self, path: &Path) -> Result<Vec<u8>>;
    /// The same, and one that ansible-vault encrypted as it is.
    fn read_sealed(&self, path: &Path) -> Result<Vec<u8>> {
        self.read(path)
    }
    /// A variable of hostctl's own process.
    fn env(&self, name: &str) -> Option<String>;
    /// Runs a command for the `pipe` and `lines` lookups; its standard output.
    fn pipe(&self, command: &str) -> Result<String>;
    /// A setting of Ansible, or an option of one of its plugins (type and name): the `config` lookup.
    /// `None` if there is no such setting.
    fn setting(&self, _plugin: Option<(&str, &str)>, _name: &str) -> Result<Option<lookups::Setting>> {
        Ok(None)
    }
    /// What is at a URL: the `url` lookup.
    fn fetch(&self, request: &lookups::WebLookup) -> Result<Vec<u8>> {
        let text = format!("`{}` cannot be fetched here", request.url);
        Err(Diagnostic::new("T0202", Kind::Template, text))
    }
    /// The hosts that a pattern selects of some groups (a mapping of names to lists of hosts).
    fn hosts(&self, _pattern: &str, _groups: &Value) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    /// What a template file knows of itself (`template_path`, `ansible_managed` ...); `name`: as it was asked for.
    fn template_vars(&self, _name: &str, _path: &Path, _scope: &Scope) -> Result<Vec<(Arc<str>, Value)>> {
        Ok(Vec::new())
    }
    /// Opens ansible-vault text (`!vault` values, vaulted files); the redactor learns it.
    fn unseal(&self, text: &str) -> Result<String>;
    /// A secret that was made or read by a lookup (`password`): it must not be shown from now on.
    fn learn(&self, _secret: &str) {}
    /// Knows the secrets of the run; what templates make of them is told to it.
    fn redactor(&self) -> Option<&crate::secret::Redactor> {
        None
    }
}

/// Settings of a template file (`#jinja2:` line, `template` module arguments).
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// `{%`, `%}`
    pub block: (String, String),
    /// `{{`, `}}`
    pub variable: (String, String),
    /// `{#`, `#}`
    pub comment: (String, String),
    /// What begins a line that is a statement.
    pub line_statement: Option<String>,
    /// What begins a comment up to the end of its line.
    pub line_comment: Option<String>,
    /// Remove the first line break after a block.
    pub trim_blocks: bool,
    /// Strip white space before a block at the start of a line.
    pub lstrip_blocks: bool,
    /// Line ends of the result.
    pub newline: String,
    /// Keep the last line break.
    pub keep_trailing_newline: bool,
}

impl Default for FileOptions {
    fn default() -> Self {
        let pair = |open: &str, close: &str| (open.to_owned(), close.to_owned());
        Self {
            block: pair("{%", "%}"),
            variable: pair("{{", "}}"),
            comment: pair("{#", "#}"),
            line_statement: None,
            line_comment: None,
            trim_blocks: true,
            lstrip_blocks: false,
            newline: "\n".to_owned(),
            keep_trailing_newline: true,
        }
    }
}

/// What a text was compiled as.
#[derive(Clone, PartialEq, Eq, Hash)]
enum As {
    Text,
    Expression,
    Condition,
    File(String),
}

/// Compiled texts that are kept.
const MAX_CACHED: usize = 8192;
/// Bytes of the texts that are kept.
const MAX_CACHED_BYTES: usize = 32 * 1024 * 1024;

/// What was compiled, up to a limit: then all is forgotten, since what is in use comes back at once.
#[derive(Default)]
struct Cache {
    known: HashMap<(As, Arc<str>), Arc<Code>>,
    bytes: usize,
}

impl Cache {
    fn keep(&mut self, key: (As, Arc<str>), code: &Arc<Code>) {
        let size = key.1.len();
        if self.known.len() >= MAX_CACHED || self.bytes.saturating_add(size) > MAX_CACHED_BYTES {
            self.known.clear();
            self.bytes = 0;
        }
        if size <= MAX_CACHED_BYTES && self.known.insert(key, Arc::clone(code)).is_none() {
            self.bytes += size;
        }
    }
}

/// Takes what templates warn of.
pub type Warned = Box<dyn Fn(Diagnostic) + Send + Sync>;

/// Compiles and renders; keeps what it compiled. Shared by all hosts of a run.
pub struct Templates {
    sources: Arc<SourceMap>,
    host: Arc<dyn LookupHost>,
    cache: Mutex<Cache>,
    files: Mutex<HashMap<PathBuf, Arc<SourceFile>>>,
    stopped: AtomicBool,
    warned: std::sync::OnceLock<Warned>,
    pub(super) resolver: std::sync::OnceLock<super::names::Resolver>,
    /// A condition may be any value (`ALLOW_BROKEN_CONDITIONALS`).
    broken_conditions: bool,
    /// Strings in conditions and lookups may be templates (`ALLOW_EMBEDDED_TEMPLATES`).
    embedded: bool,
    /// What is deprecated is told (`DEPRECATION_WARNINGS`).
    deprecations: bool,
}

impl Templates {
    /// For a run.
    pub fn new(sources: Arc<SourceMap>, host: Arc<dyn LookupHost>) -> Self {
        let flag = |name: &str, default: bool| match host.setting(None, name) {
            Ok(Some(lookups::Setting { value: Value::Bool(flag), .. })) => flag,
            _ => default,
        };
        let (broken_conditions, embedded) =
            (flag("ALLOW_BROKEN_CONDITIONALS", false), flag("ALLOW_EMBEDDED_TEMPLATES", true));
        let deprecations = flag("DEPRECATION_WARNINGS", true);
        let stopped = AtomicBool::new(false);
        Self {
            resolver: std::sync::OnceLock::new(),
            sources,
            host,
            cache: Mutex::default(),
            files: Mutex::default(),
            stopped,
            warned: std::sync::OnceLock::new(),
            broken_conditions,
            embedded,
            deprecations,
        }
    }

    /// Says who takes warnings from now on; the first counts.
    pub fn on_warning(&self, take: Warned) {
        let _ = self.warned.set(take);
    }

    /// Warns, if somebody takes it.
    pub(super) fn warn(&self, warning: Diagnostic) {
        if let Some(take) = self.warned.get() {
            take(warning.warning());
        }
    }

    /// True if a person is told what is deprecated (`DEPRECATION_WARNINGS`); results hold it anyway.
    pub fn tells_deprecations(&self) -> bool {
        self.deprecations
    }

    /// True if a condition need not be a boolean.
    pub(super) fn allows_broken(&self) -> bool {
        self.broken_conditions
    }

    /// True if strings in conditions and lookups may be templates.
    pub(super) fn allows_embedded(&self) -> bool {
        self.embedded
    }

    /// Ends what renders now; whatever is rendered later ends after a few steps.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// True after [`stop`](Self::stop).
    pub(super) fn stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The source map that spans refer to.
    pub fn sources(&self) -> &Arc<SourceMap> {
        &self.sources
    }

    /// The controller's side of lookups.
    pub fn host(&self) -> &Arc<dyn LookupHost> {
        &self.host
    }

    /// Renders a node with native types: a template that is one expression gives its value,
    /// anything else text. Lists and mappings are rendered throughout; entries that come out
    /// as `omit` are left out.
    pub fn render(&self, node: &Node, scope: &Scope) -> Result<Value> {
        if !node.has_template() && node.tag.is_none() && node.as_scalar().is_some() && !has_header(node) {
            return Ok(node.to_value());
        }
        Self::guard(Some(node.place()), || {
            let cx = Cx::new(self);
            let value = cx.lazy(node, &Env::new(scope)).and_then(|value| value.result(&cx));
            value.map_err(|fail| Self::finish(&cx, fail, node.place()))
        })
    }

    /// Runs the engine: a panic in it is a defect, which fails what asked for this and nothing else.
    pub(super) fn guard<T>(place: Option<Span>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        guarded(work).unwrap_or_else(|panic| Err(Diagnostic::crash("the template", &panic, place)))
    }

    /// The value of a variable, rendered; `None` if it is not defined.
    pub fn variable(&self, name: &str, scope: &Scope) -> Result<Option<Value>> {
        let place = scope.get(name).and_then(|(entry, _)| entry.span());
        Self::guard(place, || {
            let cx = Cx::new(self);
            let found = cx.variable(name, &Env::new(scope), None);
            let value = found.and_then(|value| value.map(|value| value.result(&cx)).transpose());
            value.map_err(|fail| cx.diagnostic(fail))
        })
    }

    /// Renders all variables that render without error (for `vars`, `hostvars` dumps).
    pub fn variables(&self, scope: &Scope) -> Result<Map> {
        let cx = Cx::new(self);
        let env = Env::new(scope);
        let mut out = Map::new();
        for name in scope.names() {
            if matches!(scope.get(&name), Some((crate::vars::Entry::HostVars(_), _))) {
                continue;
            }
            let found = guarded(|| cx.variable(&name, &env, None)?.map(|value| value.result(&cx)).transpose());
            if let Ok(Ok(Some(value))) = found {
                out.insert(Key::Str(name), value);
            }
        }
        Ok(out)
    }

    /// A condition (`when`, `failed_when`, `until`): a bare expression, a boolean, or a list of
    /// them (all must hold). On false the text of the condition that was false.
    pub fn condition(&self, node: &Node, scope: &Scope) -> Result<std::result::Result<(), String>> {
        Self::guard(Some(node.place()), || self.holds(node, scope))
    }

    fn holds(&self, node: &Node, scope: &Scope) -> Result<std::result::Result<(), String>> {
        let cx = Cx::new(self);
        condition::holds(&cx, node, &Env::new(scope)).map_err(|fail| {
            let undefined = matches!(fail, Fail::Undef(_));
            let mut diag = Self::finish(&cx, fail, node.place());
            let item = Origin::At(cx.condition.get().unwrap_or(node.place()));
            if undefined {
                return diag.within_at("Error while evaluating conditional: ", item);
            }
            if diag.code == "T0106" {
                return diag.about(Some(item), Some(condition::MAY_BE_ALLOWED));
            }
            for start in ["Error rendering", "Syntax error in"] {
                if let Some(rest) = diag.registered().strip_prefix(&format!("{start} template")) {
                    let rest = match rest {
                        // What stands behind an expression is its end.
                        ": Expected an expression, got 'end of print statement'" => ": unexpected 'end of template'",
                        other => other,
                    };
                    let braces = if start == "Syntax error in" && condition::has_delimiters(node) {
                        ". Template delimiters are not supported in expressions"
                    } else {
                        ""
                    };
                    let (words, home) = (format!("{start} expression{braces}{rest}"), diag.origin());
                    diag = diag.with_registered(words).about(home, None);
                    break;
                }
            }
            diag
        })
    }

    /// The conditions of the list in the source that a template names, which `assert` takes for its own.
    pub fn listed_conditions(&self, node: &Node, scope: &Scope) -> Result<Option<Vec<Node>>> {
        Self::guard(Some(node.place()), || {
            let cx = Cx::new(self);
            let found = condition::listed(&cx, node, &Env::new(scope));
            found.map(|items| items.map(|items| items.to_vec())).map_err(|fail| Self::finish(&cx, fail, node.place()))
        })
    }

    /// The source behind a template that names a variable, or what stands below one, and is nothing but that: what it
    /// holds is used as if it stood in the template's place (arguments as one template).
    pub fn named_source(&self, node: &Node, scope: &Scope) -> Option<Node> {
        guarded(|| condition::source_behind(&Cx::new(self), node, &Env::new(scope)).ok().flatten()).ok().flatten()
    }

    /// The value of a bare expression.
    pub fn expression(&self, text: &str, span: Span, scope: &Scope) -> Result<Value> {
        Self::guard(Some(span), || {
            let cx = Cx::new(self);
            let value = self
                .compiled_expression(&Arc::from(text), &Place::Range(span))
                .and_then(|code| exec::render(&cx, &code, Rc::new(Place::Range(span)), &Env::new(scope))?.result(&cx));
            value.map_err(|fail| Self::finish(&cx, fail, span))
        })
    }

    /// Renders a template file to text. Reads a `#jinja2:` first line.
    pub fn file(&self, file: &SourceFile, options: &FileOptions, scope: &Scope) -> Result<String> {
        Self::guard(Some(Span::new(file.id, 0, 0)), || self.file_text(file, options, scope))
    }

    fn file_text(&self, file: &SourceFile, options: &FileOptions, scope: &Scope) -> Result<String> {
        let cx = Cx::new(self);
        let value = self.file_value(&cx, file, options, &Env::new(scope)).and_then(|value| match value {
            value if value.is_none() => Ok(String::new()),
            Val::List(list) if list.is_range() => super::text::str_of(&cx, &Val::List(list)),
            value => value.value(&cx).map(|value| python_str(&value)),
        });
        let whole = Span::new(file.id, 0, u32::try_from(file.text.len()).unwrap_or(u32::MAX));
        value.map_err(|fail| {
            let home = if let Fail::Diag(diag) = &fail { diag.origin() } else { None };
            let diag = Self::finish(&cx, fail, whole);
            // What is wrong with the file as a whole has no place in it.
            if diag.origin() == Some(Origin::At(whole)) || home.is_none() && diag.code == "T0100" {
                return diag.about(Some(Origin::In(file.id)), None);
            }
            diag
        })
    }

    /// Runs a lookup by name (`with_*` loops). Source terms are rendered already.
    pub fn lookup(&self, name: &str, terms: &[Value], options: &Map, span: Span, scope: &Scope) -> Result<Vec<Value>> {
        Self::guard(Some(span), || self.looked_up(name, terms, options, span, scope))
    }

    fn looked_up(&self, name: &str, terms: &[Value], options: &Map, span: Span, scope: &Scope) -> Result<Vec<Value>> {
        let cx = Cx::new(self);
        let empty = Arc::new(Code {
            body: Vec::new(),
            blocks: Default::default(),
            extends: false,
            shift: 0,
            embedded: false,
            newlines: 0,
            newline: None,
        });
        let ev = Ev::new(&cx, &empty, Rc::new(Place::Range(span)), &Env::new(scope));
        let locals = Rc::new(Locals::default());
        let call = super::args::Call { ev: &ev, locals: &locals };
        let terms = terms.iter().cloned().map(Val::from).collect();
        let options = options.iter().map(|(key, value)| (key.text(), Val::from(value.clone()))).collect();
        let found = lookups::run(&call, name, terms, options, true);
        found
            .and_then(|items| items.iter().map(|item| item.value(&cx)).collect())
            .map_err(|fail| Self::finish(&cx, fail, span))
    }

    /// Finds broken templates in a node without rendering: syntax, unknown filters, tests and
    /// lookups. `expression` says that scalars are bare expressions (`when`).
    pub fn check(&self, node: &Node, expression: bool) -> Vec<Diagnostic> {
        guarded(|| check::node(self, node, expression))
            .unwrap_or_else(|panic| vec![Diagnostic::crash("the check of this template", &panic, Some(node.place()))])
    }

    /// The filters, tests and lookups that a node's templates name.
    pub fn plugins(&self, node: &Node, expression: bool) -> Vec<check::PluginUse> {
        check::plugins(self, node, expression)
    }

    /// The names that a node's templates use from outside, each with its place.
    pub fn free_names(&self, node: &Node, expression: bool) -> Vec<(String, Span)> {
        check::free_names(self, node, expression)
    }

    pub(super) fn finish(cx: &Cx, fail: Fail, place: Span) -> Diagnostic {
        let home = match &fail {
            Fail::Undef(undef) => undef.home,
            Fail::Diag(diag) => diag.origin(),
        };
        let diag = cx.diagnostic(fail).about(Some(home.unwrap_or(Origin::At(place))), None);
        if diag.labels.is_empty() { diag.with_label(place, "") } else { diag }
    }

    fn cached(
        &self,
        kind: As,
        text: &Arc<str>,
        compile: impl FnOnce() -> std::result::Result<Code, SyntaxError>,
    ) -> std::result::Result<Arc<Code>, SyntaxError> {
        let key = (kind, Arc::clone(text));
        if let Some(code) = self.cache.lock().unwrap_or_else(PoisonError::into_inner).known.get(&key) {
            return Ok(Arc::clone(code));
        }
        let code = Arc::new(compile()?);
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).keep(key, &code);
        Ok(code)
    }

    /// The compiled template of a scalar of source.
    pub(super) fn compiled(&self, text: &Arc<str>, node: &Node) -> R<Arc<Code>> {
        let place = Place::Node(node.clone());
        self.cached(As::Text, text, || match header::split(text) {
            None => lower::template(text, &FileOptions { keep_trailing_newline: false, ..Default::default() }, true),
            Some(_) => {
                let (body, options) = header::read(text, &FileOptions::default())?;
                let mut code = lower::template(body, &options, true)?;
                code.shift = u32::try_from(text.len() - body.len()).unwrap_or(0);
                Ok(code)
            }
        })
        .map_err(|error| syntax(&error, &place))
    }

    /// The compiled form of a bare expression.
    pub(super) fn compiled_expression(&self, text: &Arc<str>, place: &Place) -> R<Arc<Code>> {
        self.cached(As::Expression, text, || lower::expression(text, false)).map_err(|error| syntax(&error, place))
    }

    /// The compiled form of a condition: an expression whose strings may be templates.
    pub(super) fn compiled_condition(&self, text: &Arc<str>, place: &Place) -> R<Arc<Code>> {
        let compile = || lower::expression(text, false).map(|code| Code { embedded: true, ..code });
        self.cached(As::Condition, text, compile).map_err(|error| syntax(&error, place))
    }

    /// The compiled form of a template that is a string in a template.
    pub(super) fn compiled_embedded(&self, text: &Arc<str>, place: &Place) -> R<Arc<Code>> {
        let options = FileOptions { keep_trailing_newline: false, ..Default::default() };
        self.cached(As::Text, text, || lower::template(text, &options, true)).map_err(|error| syntax(&error, place))
    }

    /// Renders a file's text with native types.
    pub(super) fn file_value(&self, cx: &Cx, file: &SourceFile, options: &FileOptions, env: &Rc<Env>) -> R<Val> {
        let (body, options) = match header::split(&file.text) {
            None => (&*file.text, Cow::Borrowed(options)),
            Some(_) => {
                let (body, options) =
                    header::read(&file.text, options).map_err(|error| syntax(&error, &Place::File(file.id, 0)))?;
                (body, Cow::Owned(options))
            }
        };
        let base = u32::try_from(file.text.len() - body.len()).unwrap_or(0);
        let place = Place::File(file.id, base);
        let text: Arc<str> = if base == 0 { Arc::clone(&file.text) } else { body.into() };
        let code = self
            .cached(As::File(format!("{options:?}")), &text, || {
                let mut code = lower::template(&text, &options, false)?;
                if !options.keep_trailing_newline {
                    code.newlines = 0;
                }
                Ok(code)
            })
            .map_err(|error| syntax(&error, &place))?;
        let folder = file.path.as_ref().and_then(|path| path.parent()).map(Path::to_path_buf);
        let pushed = folder.is_some();
        cx.folders.borrow_mut().extend(folder);
        let value = exec::render(cx, &code, Rc::new(place), env);
        if pushed {
            cx.folders.borrow_mut().pop();
        }
        value
    }

    /// The template that another includes, imports or extends.
    pub(super) fn included(&self, cx: &Cx, name: &str, scope: &Scope) -> R<Option<(Arc<Code>, Rc<Place>)>> {
        let Some(file) = self.template_file(cx, name, scope)? else { return Ok(None) };
        let place = Place::File(file.id, 0);
        let options = FileOptions { keep_trailing_newline: false, ..FileOptions::default() };
        let code = self
            .cached(As::File(format!("{options:?}")), &file.text, || {
                let mut code = lower::template(&file.text, &options, false)?;
                code.newlines = 0;
                Ok(code)
            })
            .map_err(|error| syntax(&error, &place))?;
        Ok(Some((code, Rc::new(place))))
    }

    /// A template file by the name that a template or the `template` lookup gives.
    pub(super) fn template_file(&self, cx: &Cx, name: &str, scope: &Scope) -> R<Option<Arc<SourceFile>>> {
        let mut path = self.host.find("templates", name, scope);
        if path.is_none() {
            for folder in cx.folders.borrow().iter().rev() {
                let beside = folder.join(name);
                if beside.is_file() {
                    path = Some(beside);
                    break;
                }
            }
        }
        let Some(path) = path else { return Ok(None) };
        let bytes = self.host.read(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = files.get(&path)
            && *file.text == *text
        {
            return Ok(Some(Arc::clone(file)));
        }
        let file = self.sources.add(path.display().to_string(), Some(&path), &*text);
        files.insert(path, Arc::clone(&file));
        Ok(Some(file))
    }
}

fn has_header(node: &Node) -> bool {
    node.as_str().is_some_and(|text| text.starts_with("#jinja2:"))
}

/// A syntax error as a failure with its place.
pub(super) fn syntax(error: &SyntaxError, place: &Place) -> Fail {
    let said = match &error.words {
        Some(words) => format!("Syntax error in template: {words}"),
        None => format!("Syntax error in template: {}", error.message.replace('`', "'")),
    };
    let diag = Diagnostic::new("T0100", Kind::Template, error.message.clone()).with_registered(said);
    let hint = if error.message.contains("in a row") {
        "set parts of it as variables of their own"
    } else if error.message.starts_with("unexpected `=`") {
        "`=` compares nothing: write `==`"
    } else if error.message.starts_with("unexpected `}`") || error.message.contains("end of variable block") {
        "a template is `{{ expression }}`; braces that are text stand in quotes inside: `{{ '}' }}`"
    } else if error.message.starts_with("unexpected end of input") {
        "a `{% if %}`, `{% for %}` or another block is never closed: write its `{% endif %}`, `{% endfor %}`"
    } else {
        "an expression is a name, a literal, a filter (`name | filter(1)`), a test (`name is defined`) or a call"
    };
    Fail::Diag(diag.with_label_opt(place.span(error.at), "here").with_hint(hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_stays_within_its_limits() {
        let mut cache = Cache::default();
        let code = Arc::new(lower::template("x", &FileOptions::default(), true).ok().unwrap());
        for index in 0..MAX_CACHED + 10 {
            cache.keep((As::Text, index.to_string().into()), &code);
        }
        assert_eq!(cache.known.len(), 10);
        let big: Arc<str> = "x".repeat(MAX_CACHED_BYTES - 5).into();
        cache.keep((As::Text, big), &code);
        assert_eq!(cache.known.len(), 1);
        cache.keep((As::Text, "x".repeat(MAX_CACHED_BYTES + 1).into()), &code);
        assert_eq!((cache.known.len(), cache.bytes), (0, 0));
    }
}
