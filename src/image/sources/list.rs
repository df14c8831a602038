//! A list of images in YAML: `docs/images.md` describes the form.
//!
//! It is read in two steps, since what lies in git repositories has to be fetched between them: [`List::load`] takes the
//! text apart, [`List::define`] reads the Dockerfiles and makes the definitions.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::super::def::{ImageDef, ParentName, Place};
use super::super::discover::Found;
use super::super::dockerfile::Dockerfile;
use super::super::names::{valid_name, valid_tag};
use super::list_fields::{Options, StampedText, bad, inner_path, inside};
use super::list_variants::{self, Variant};
use super::placeholders::Piece;
use crate::diag::{Diagnostic, SourceFile, SourceMap, Span, nearest};
use crate::system::git_source::{GitCheckout, GitReference, GitSource};
use crate::yaml::{Fields, LoadOptions, Node, load, wrong_type};

/// Where the context of an image is.
#[derive(Clone, Debug)]
pub enum Context {
    /// Below the list's own folder, and sent with it.
    Sent(PathBuf),
    /// On the build host.
    Host(PathBuf),
    /// A folder of a git repository, fetched on the build host.
    Git(GitSource, PathBuf),
}

/// One image of a list, variants multiplied out.
#[derive(Clone, Debug)]
pub struct ListedImage {
    /// Its bare name, unique in the list.
    pub name: String,
    /// Where its files are.
    pub context: Context,
    published: Option<String>,
    tag_suffix: String,
    options: Options,
    place: Span,
    context_place: Span,
}

/// A list that was read.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Its images in file order.
    pub images: Vec<ListedImage>,
}

/// What placeholders of tags and labels stand for; `None` where there is no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps {
    /// `{{ branch }}`.
    pub branch: Option<String>,
    /// `{{ commit }}`; `{{ short_commit }}` is its first 12 digits.
    pub commit: Option<String>,
    /// `{{ version }}`.
    pub version: Option<String>,
}

/// Repositories that were fetched, by [`GitSource::key`].
pub type Fetched = BTreeMap<String, GitCheckout>;

impl List {
    /// Reads a list; all mistakes are returned beside what could be read.
    pub fn load(sources: &SourceMap, file: &SourceFile) -> (Self, Vec<Diagnostic>) {
        let (node, mut diagnostics) = load(sources, file, &LoadOptions::strict()).single(file);
        let mut list = Self::default();
        let mut found = Vec::new();
        // What fields give lives as long as their diagnostics.
        let mut own = Vec::new();
        // What is missing behind a mistake of the syntax may well be there.
        let broken = diagnostics.iter().any(Diagnostic::is_error);
        if let Some(mut fields) = Fields::new(&node, "a list of images", &mut own) {
            let defaults = fields.optional("defaults");
            if let Some(items) = if broken { fields.optional("images") } else { fields.required("images") } {
                match items.as_list() {
                    Some(items) => found.extend(items),
                    None => fields.report(wrong_type(items, "`images`", "a list")),
                }
            }
            fields.finish();
            let defaults = defaults.map_or_else(Options::default, |node| {
                let Some(mut fields) = Fields::new(node, "`defaults`", &mut diagnostics) else {
                    return Options::default();
                };
                let options = Options::read(&mut fields);
                fields.finish();
                options
            });
            for item in found {
                list.images.extend(image(item, &defaults, &mut diagnostics));
            }
        }
        diagnostics.extend(own);
        list.check_names(&mut diagnostics);
        if list.images.is_empty() && !diagnostics.iter().any(Diagnostic::is_error) {
            diagnostics.push(
                bad(node.place(), "the list names no image", "nothing here")
                    .with_hint("write `images:` with `- name: app` and `context: app` below it"),
            );
        }
        diagnostics.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        (list, diagnostics)
    }

    /// Names are unique, and parents are names of the list.
    fn check_names(&self, diagnostics: &mut Vec<Diagnostic>) {
        let mut taken: HashMap<&str, Span> = HashMap::new();
        for image in &self.images {
            if let Some(first) = taken.get(image.name.as_str()) {
                diagnostics.push(
                    bad(image.place, format!("two images have the name `{}`", image.name), "second time")
                        .with_label(*first, "first time")
                        .with_hint("rename one, or give variants a `suffix` or `tag_suffix` of their own"),
                );
            } else {
                taken.insert(&image.name, image.place);
            }
        }
        let mut children: HashMap<&str, Vec<&str>> = HashMap::new();
        for image in &self.images {
            for (parent, _) in &image.options.parents {
                children.entry(parent).or_default().push(&image.name);
            }
        }
        let mut told: Vec<Span> = Vec::new();
        let named = self.images.iter().flat_map(|image| image.options.parents.iter().map(move |one| (image, one)));
        for (image, (name, place)) in named {
            if taken.contains_key(name.as_str()) || told.contains(place) {
                continue;
            }
            told.push(*place);
            let error = Diagnostic::source("B0053", format!("the list has no image `{name}`"))
                .with_label(*place, "named as a parent here");
            let variants = self.images.iter().filter(|image| image.published.as_deref() == Some(name));
            let variants: Vec<String> = variants.map(|image| format!("`{}`", image.name)).collect();
            diagnostics.push(if variants.is_empty() {
                // No image is made from itself or from what is made from it.
                let below = below(&image.name, &children);
                let others = self.images.iter().map(|image| image.name.as_str());
                match nearest(name, others.filter(|name| !below.contains(name))) {
                    Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                    None => error.with_hint("images from elsewhere need no entry in `parents`; `FROM` is enough"),
                }
            } else {
                error.with_hint(format!("name a variant: {}", variants.join(", ")))
            });
        }
    }

    /// The repositories that have to be fetched, each once.
    pub fn repositories(&self) -> Vec<&GitSource> {
        let mut found: BTreeMap<String, &GitSource> = BTreeMap::new();
        for image in &self.images {
            if let Context::Git(source, _) = &image.context {
                found.entry(source.key()).or_insert(source);
            }
        }
        found.into_values().collect()
    }

    /// True if a tag or a label says something of the repository around the list.
    pub fn needs_stamps(&self) -> bool {
        let of_git = |text: &StampedText| {
            text.pieces
                .iter()
                .any(|(piece, _)| matches!(piece, Piece::Name(name) if !["tag", "created"].contains(name)))
        };
        let local = self.images.iter().filter(|image| !matches!(image.context, Context::Git(..)));
        local.flat_map(|image| image.options.tags.iter().flatten().chain(image.options.labels.values())).any(of_git)
    }

    /// The contexts below the list's own folder, each with its Dockerfile in it.
    pub fn contexts(&self) -> Vec<(PathBuf, PathBuf)> {
        let file = |image: &ListedImage| image.options.dockerfile.clone().unwrap_or_else(|| "Dockerfile".into());
        let sent = self.images.iter().filter_map(|image| match &image.context {
            Context::Sent(path) => Some((path.clone(), file(image))),
            Context::Host(_) | Context::Git(..) => None,
        });
        let all: std::collections::BTreeSet<_> = sent.collect();
        all.into_iter().collect()
    }

    /// The folders below the list's own that are contexts.
    pub fn sent(&self) -> Vec<&Path> {
        let mut found: Vec<&Path> = self
            .images
            .iter()
            .filter_map(|image| match &image.context {
                Context::Sent(path) => Some(path.as_path()),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The definitions. `shown` is the list's folder as the user wrote it (empty for the working folder), `tag` that of the
    /// run, `here` what the repository around the list says of itself. `read` gets a Dockerfile's path: relative to the
    /// list's folder, or absolute on the build host. All mistakes are returned together.
    pub fn define(
        &self,
        sources: &SourceMap,
        shown: &str,
        tag: &str,
        here: &Stamps,
        fetched: &Fetched,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<Found, Vec<Diagnostic>> {
        let mut found = Found::default();
        let mut wrong = Vec::new();
        for image in &self.images {
            match image.define(sources, shown, tag, here, fetched, read) {
                Ok(def) => {
                    if let Some((frontend, line)) = &def.dockerfile.syntax {
                        found.warnings.push(format!(
                            "{}:{line}: `# syntax={frontend}` pulls this frontend from a registry in every build",
                            def.shown
                        ));
                    }
                    found.images.push(def);
                }
                Err(errors) => {
                    // Variants share their places, and so their mistakes.
                    for error in errors {
                        if !wrong
                            .iter()
                            .any(|other: &Diagnostic| other.message == error.message && other.span() == error.span())
                        {
                            wrong.push(error);
                        }
                    }
                }
            }
        }
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    }
}

/// All variants of one entry.
fn image(node: &Node, defaults: &Options, diagnostics: &mut Vec<Diagnostic>) -> Vec<ListedImage> {
    let mut own = Vec::new();
    let images = variants_of(node, defaults, &mut own, diagnostics);
    diagnostics.extend(own);
    images
}

fn variants_of<'a>(
    node: &'a Node,
    defaults: &Options,
    own: &'a mut Vec<Diagnostic>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<ListedImage> {
    let Some(mut fields) = Fields::new(node, "an image", own) else { return Vec::new() };
    let name = fields.required("name");
    let context = fields.required("context");
    let variants = fields.optional("variants");
    let options = Options::read(&mut fields).over(defaults);
    let name = name.and_then(|node| match node.as_str() {
        Some(text) => Some((text.to_owned(), node.place())),
        None => {
            fields.report(wrong_type(node, "`name`", "a string"));
            None
        }
    });
    fields.finish();
    let context_place = context.map(Node::place);
    let context = context.and_then(|node| read_context(node, diagnostics));
    let variants = list_variants::read(variants, diagnostics);
    let (Some((name, place)), Some(context), Some(context_place)) = (name, context, context_place) else {
        return Vec::new();
    };
    let mut images = Vec::new();
    for Variant { suffix, tag_suffix, options: own, place: own_place } in variants {
        let published = format!("{name}{suffix}");
        // In the set it needs a name of its own even where the registry has it under another tag only.
        let whole = format!("{published}{}", tag_suffix.to_ascii_lowercase());
        let at = own_place.unwrap_or(place);
        let good_suffix = valid_tag(&format!("x{tag_suffix}")) || tag_suffix.is_empty();
        if !valid_name(&published) || !valid_name(&whole) || !good_suffix {
            let bad_name = if valid_name(&published) { &whole } else { &published };
            diagnostics.push(
                bad(
                    if valid_name(&name) { at } else { place },
                    format!("`{bad_name}` cannot be an image's name"),
                    "named here",
                )
                .with_hint("use lower case letters, digits, `.`, `_` and `-`, such as `web-api`"),
            );
            break;
        }
        images.push(ListedImage {
            name: whole,
            context: context.clone(),
            published: (!tag_suffix.is_empty()).then_some(published),
            tag_suffix,
            options: own.over(&options),
            place: at,
            context_place,
        });
    }
    images
}

const CONTEXT_FORMS: &str =
    "write `context: images/app`, `context: {host: /srv/app}` or `context: {git: https://..., tag: v1}`";

fn read_context(node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Context> {
    if let Some(text) = node.as_str() {
        return sent(text, node, diagnostics);
    }
    if node.as_map().is_none() {
        diagnostics.push(wrong_type(node, "`context`", "a path or a mapping").with_hint(CONTEXT_FORMS));
        return None;
    }
    let mut own = Vec::new();
    let found = context_of(node, &mut own, diagnostics);
    diagnostics.extend(own);
    found
}

fn context_of<'a>(node: &'a Node, own: &'a mut Vec<Diagnostic>, diagnostics: &mut Vec<Diagnostic>) -> Option<Context> {
    let mut fields = Fields::new(node, "`context`", own)?;
    let (path, host, git) = (fields.optional("path"), fields.optional("host"), fields.optional("git"));
    let git_place = git.map(Node::place);
    let folder = inner_path(&mut fields, "folder");
    let branch = fields.text("branch").map(|name| GitReference::Branch(name.to_string()));
    let tag = fields.text("tag").map(|name| GitReference::Tag(name.to_string()));
    let commit = fields.text("commit").map(|name| GitReference::Commit(name.to_string()));
    let place = fields.place();
    let references: Vec<GitReference> = [branch, tag, commit].into_iter().flatten().collect();
    let kinds = usize::from(path.is_some()) + usize::from(host.is_some()) + usize::from(git_place.is_some());
    if kinds != 1 {
        fields.report(
            bad(place, "`context` needs one of `path`, `host` and `git`", "which of them?").with_hint(CONTEXT_FORMS),
        );
        fields.finish();
        return None;
    }
    if git_place.is_none() && (!references.is_empty() || folder.is_some()) {
        fields.report(
            bad(place, "`branch`, `tag`, `commit` and `folder` belong to `git`", "no `git` here")
                .with_hint(CONTEXT_FORMS),
        );
    }
    if references.len() > 1 {
        fields.report(
            bad(place, "a repository has one of `branch`, `tag` and `commit`", "several here")
                .with_hint("a commit alone is the most exact"),
        );
    }
    fields.finish();
    if let Some(node) = path {
        return match node.as_str() {
            Some(text) => sent(text, node, diagnostics),
            None => {
                diagnostics.push(wrong_type(node, "`path`", "a string"));
                None
            }
        };
    }
    if let Some(node) = host {
        return match node.as_str().filter(|text| text.starts_with('/') && !text.split('/').any(|part| part == "..")) {
            Some(text) => Some(Context::Host(text.into())),
            None => {
                diagnostics.push(
                    bad(node.place(), "`host` must be a whole path on the build host", "not from the root")
                        .with_hint("for example `host: /srv/images/app`"),
                );
                None
            }
        };
    }
    let reference = references.into_iter().next().unwrap_or(GitReference::Head);
    let Some(address) = git?.as_str() else {
        diagnostics.push(wrong_type(git?, "`git`", "a string").with_hint(CONTEXT_FORMS));
        return None;
    };
    match GitSource::parse(address, reference) {
        Ok(source) => Some(Context::Git(source, folder.unwrap_or_default())),
        Err((problem, hint)) => {
            diagnostics.push(bad(git_place.unwrap_or(place), problem, "given to git here").with_hint(hint));
            None
        }
    }
}

fn sent(text: &str, node: &Node, diagnostics: &mut Vec<Diagnostic>) -> Option<Context> {
    let found = inside(text).map(Context::Sent);
    if found.is_none() {
        diagnostics.push(
            bad(node.place(), "a context must lie below the list's own folder", "it leads out")
                .with_hint("move the list up; for a path on the build host write `context: {host: /srv/app}`"),
        );
    }
    found
}

impl ListedImage {
    fn define(
        &self,
        sources: &SourceMap,
        shown: &str,
        tag: &str,
        here: &Stamps,
        fetched: &Fetched,
        read: &dyn Fn(&Path) -> std::io::Result<String>,
    ) -> Result<ImageDef, Vec<Diagnostic>> {
        let options = &self.options;
        let inner = options.dockerfile.clone().unwrap_or_else(|| "Dockerfile".into());
        let mut stamps = here.clone();
        let (context, file) = match &self.context {
            Context::Sent(path) => {
                let shown = if shown.is_empty() { PathBuf::new() } else { PathBuf::from(shown) };
                (path.clone(), shown.join(path).join(&inner).display().to_string())
            }
            Context::Host(path) => (path.clone(), path.join(&inner).display().to_string()),
            Context::Git(source, folder) => {
                let at = |problem: String| {
                    vec![
                        Diagnostic::source("B0052", format!("`{}`: {problem}", source.shown()))
                            .with_label(self.context_place, "the context of this image")
                            .with_hint("name a folder of the repository in `folder`"),
                    ]
                };
                let checkout = fetched.get(&source.key()).ok_or_else(|| at("it was not fetched".to_owned()))?;
                stamps = Stamps {
                    branch: checkout.branch.clone(),
                    commit: Some(checkout.commit.clone()),
                    version: checkout.tag.clone(),
                };
                let path = checkout.inside(folder).map_err(at)?;
                (path, format!("{}:{}", source.shown(), folder.join(&inner).display()))
            }
        };
        let mut wrong = Vec::new();
        let dockerfile = match read(&context.join(&inner)) {
            Ok(text) => Dockerfile::parse(text).map_err(|problem| {
                Diagnostic::source("B0002", format!("{file}:{}: {}", problem.line, problem.message))
                    .with_label(self.context_place, "the Dockerfile of this image")
                    .with_hint("`docker build` would refuse it too; correct the line")
            }),
            Err(error) => Err(Diagnostic::source("B0052", format!("`{file}` cannot be read: {}", reason(&error)))
                .with_label(self.context_place, "the context of this image")
                .with_hint("name the Dockerfile inside the context with `dockerfile: NAME`")),
        };
        let mut tags = Vec::new();
        for text in options.tags.iter().flatten() {
            match render_tag(text, tag, &stamps) {
                Ok(text) => tags.push(text),
                Err(error) => wrong.push(*error),
            }
        }
        let mut labels = BTreeMap::new();
        for (name, text) in &options.labels {
            let hint = "leave the label out, or write its value";
            match render(text, tag, &stamps, hint, str::to_owned) {
                Ok(text) => {
                    labels.insert(name.clone(), text);
                }
                Err(error) => wrong.push(*error),
            }
        }
        let dockerfile = match dockerfile {
            Ok(dockerfile) if wrong.is_empty() => dockerfile,
            Ok(_) => return Err(wrong),
            Err(error) => {
                wrong.push(error);
                return Err(wrong);
            }
        };
        let mut def = ImageDef::new(&self.name, context, inner, file, dockerfile);
        def.published.clone_from(&self.published);
        def.tag_suffix.clone_from(&self.tag_suffix);
        def.args.clone_from(&options.args);
        def.labels = labels;
        def.target.clone_from(&options.target);
        def.platforms = options.platforms.clone().unwrap_or_default();
        def.tags = tags;
        def.groups = options.groups.clone().unwrap_or_default();
        def.secrets.clone_from(&options.secrets);
        def.push = options.push.unwrap_or(true);
        def.local_only = !def.push;
        def.allowed_to_fail = options.allowed_to_fail.unwrap_or(false);
        def.network_host = options.network_host;
        def.no_cache = options.no_cache;
        def.parents = options
            .parents
            .iter()
            .map(|(name, span)| ParentName { name: name.clone(), place: place(sources, *span) })
            .collect();
        Ok(def)
    }
}

/// Why a file cannot be read, without the system's number for it.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// A span's line for messages of the graph.
fn place(sources: &SourceMap, span: Span) -> Place {
    match sources.file(span.file) {
        Some(file) => {
            let line = file.line_col(span.start).line;
            Place { file: file.name.clone(), line, text: file.line(line).unwrap_or_default().trim().to_owned() }
        }
        None => Place { file: String::new(), line: 0, text: String::new() },
    }
}

/// A text with its placeholders filled in, each value as `clean` makes it.
fn render(
    text: &StampedText,
    tag: &str,
    stamps: &Stamps,
    hint: &str,
    clean: impl Fn(&str) -> String,
) -> Result<String, Box<Diagnostic>> {
    let mut made = String::new();
    for (piece, place) in &text.pieces {
        let name = match piece {
            Piece::Text(text) => {
                made.push_str(text);
                continue;
            }
            Piece::Name(name) => *name,
        };
        let short = |commit: &String| commit.chars().take(12).collect::<String>();
        let value = match name {
            "branch" => stamps.branch.clone(),
            "commit" => stamps.commit.clone(),
            "short_commit" => stamps.commit.as_ref().map(short),
            "version" => stamps.version.clone(),
            "created" => Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            _ => Some(tag.to_owned()),
        };
        let Some(value) = value.filter(|value| !value.is_empty()) else {
            let why = match name {
                "branch" => "no branch is checked out where the image comes from",
                "version" => {
                    "`git describe` finds no tag where the image comes from, or it is fetched by branch or commit"
                }
                _ => "the image comes from no git repository",
            };
            return Err(Box::new(
                Diagnostic::source("B0054", format!("`{{{{ {name} }}}}` has no value"))
                    .with_label(*place, "used here")
                    .with_note(why)
                    .with_hint(hint),
            ));
        };
        made.push_str(&clean(&value));
    }
    Ok(made)
}

/// A tag with its placeholders filled in.
fn render_tag(text: &StampedText, tag: &str, stamps: &Stamps) -> Result<String, Box<Diagnostic>> {
    // `feature/x` is a branch and no tag.
    let clean = |value: &str| -> String {
        value.chars().map(|c| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' }).collect()
    };
    let made = render(text, tag, stamps, "use `{{ tag }}`, the run's own tag, which is always there", clean)?;
    let last = match made.rsplit_once('/') {
        Some((before, last)) if !before.is_empty() => last.split_once(':').map(|(_, tag)| tag),
        Some(_) => None,
        None => Some(made.split_once(':').map_or(made.as_str(), |(_, tag)| tag)),
    };
    if last.is_some_and(valid_tag) && !made.chars().any(char::is_whitespace) {
        return Ok(made);
    }
    Err(Box::new(
        Diagnostic::source("B0054", format!("`{made}` is no tag"))
            .with_label(text.place, "this one")
            .with_hint("write a tag such as `latest`, or a whole name with a tag: `registry.example/lab/app:latest`"),
    ))
}

/// An image and all that have it among their parents' parents.
fn below<'a>(name: &'a str, children: &HashMap<&str, Vec<&'a str>>) -> HashSet<&'a str> {
    let mut found = HashSet::from([name]);
    let mut waiting = vec![name];
    while let Some(next) = waiting.pop() {
        waiting.extend(children.get(next).into_iter().flatten().copied().filter(|child| found.insert(child)));
    }
    found
}
