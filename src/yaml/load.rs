//! Text to nodes: saphyr's events with anchors, merge keys, tags and budgets applied.
//!
//! Never fails as a whole: what was read is returned beside the diagnostics. Knows nothing of
//! plays or variables.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag as RawTag};

use super::json;
use super::mapping::{Entries, finish_mapping};
use super::position::{self, Offsets};
use super::resolve::resolve;
use super::tags::{Kept, apply_tag, classify, deprecated};
use super::{Node, NodeData, Scalar, Style, Tag, flow, lenient, syntax};
use crate::diag::{Diagnostic, FileId, Kind, Result, SourceFile, SourceMap, Span};
use crate::value::Value;

/// How strictly a file is read.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Duplicate keys are errors (hostctl's own files); otherwise warnings, and the last wins.
    pub strict_keys: bool,
    /// Deepest nesting of lists and mappings.
    pub max_depth: usize,
    /// Most nodes that aliases and merge keys may stand for.
    pub max_expansion: usize,
    /// The text came out of a vault: no diagnostic shows a part of it.
    pub sealed: bool,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { strict_keys: false, max_depth: 100, max_expansion: 1_000_000, sealed: false }
    }
}

impl LoadOptions {
    /// For hostctl's own files: duplicate keys are errors.
    pub fn strict() -> Self {
        Self { strict_keys: true, ..Self::default() }
    }

    /// The same for a text that came out of a vault, if it did.
    #[must_use]
    pub fn sealed(self, sealed: bool) -> Self {
        Self { sealed, ..self }
    }
}

/// What a file holds, and what is wrong with it.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// One node for each document; none for an empty file.
    pub documents: Vec<Node>,
    /// Errors and warnings in file order.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// True if there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The only document: null for an empty file. A second document is an error at its place.
    pub fn single(mut self, file: &SourceFile) -> (Node, Vec<Diagnostic>) {
        if let Some(second) = self.documents.get(1) {
            self.diagnostics.push(
                Diagnostic::source("Y0020", "expected one document, found several")
                    .with_label(Span::new(second.span.file, second.span.start, second.span.start), "second document")
                    .with_hint("remove the `---` line before it, or move it to a file of its own"),
            );
        }
        let node = self.documents.into_iter().next();
        (node.unwrap_or_else(|| empty_scalar(Span::new(file.id, 0, 0), None)), self.diagnostics)
    }

    /// The only document, or the first error.
    pub fn one(self, file: &SourceFile) -> Result<Node> {
        let (node, diagnostics) = self.single(file);
        match diagnostics.into_iter().find(Diagnostic::is_error) {
            Some(error) => Err(error),
            None => Ok(node),
        }
    }
}

/// Reads a text as YAML 1.1.
pub fn load(_sources: &SourceMap, file: &SourceFile, options: &LoadOptions) -> Loaded {
    let mut loaded = read(file, options);
    if options.sealed {
        loaded.diagnostics = loaded.diagnostics.into_iter().map(Diagnostic::without_source).collect();
    }
    loaded
}

fn read(file: &SourceFile, options: &LoadOptions) -> Loaded {
    if file.text.len() >= u32::MAX as usize {
        let error = Diagnostic::source("Y0015", "the file is too large to be YAML");
        return Loaded { diagnostics: vec![error], ..Loaded::default() };
    }
    let json = json::is_json(&file.text);
    let mut parsed = if json { json::as_yaml(&file.text) } else { std::borrow::Cow::Borrowed(&*file.text) };
    let mut masked = flow::Masked::default();
    loop {
        let mut loader = Loader {
            text: &file.text,
            offsets: Offsets::new(&file.text),
            file: file.id,
            options,
            json,
            anchors: HashMap::new(),
            open: Vec::new(),
            expanded: 0,
            folded: masked.folded(),
            nodes: masked.guesses().then(HashSet::new),
            out: Loaded::default(),
        };
        let stop = loader.run(&parsed);
        let nodes = loader.nodes.take();
        let Err(stop) = stop else {
            if nodes.is_none_or(|nodes| masked.guessed_right(&nodes)) {
                return loader.out;
            }
            masked.start_over();
            parsed = std::borrow::Cow::Borrowed(&*file.text);
            continue;
        };
        let error = match stop {
            Stop::Told(error) => error,
            Stop::Parser(at, info) => {
                let byte = at as usize;
                let again = if flow::is_indentation(&info) {
                    syntax::unclosed_bracket(&file.text, byte).and_then(|open| masked.again(&file.text, open, byte))
                } else if info == QUOTED {
                    masked.quoted(&file.text, byte)
                } else if info == TAB {
                    masked.tabs(&file.text, byte)
                } else if BLANKS.contains(&&*info) {
                    masked.blank(&file.text, byte)
                } else {
                    None
                };
                if let Some(text) = again {
                    parsed = text.into();
                    continue;
                }
                match masked.blame(&file.text, byte).and_then(|open| u32::try_from(open).ok()) {
                    Some(open) => syntax::explain(&file.text, file.id, open, QUOTED),
                    None => syntax::explain(&file.text, file.id, at, &info),
                }
            }
        };
        if masked.guesses() {
            // It may be about what was guessed.
            masked.start_over();
            parsed = std::borrow::Cow::Borrowed(&*file.text);
            continue;
        }
        loader.out.diagnostics.push(error);
        return loader.out;
    }
}

/// Complaints of the parser about what PyYAML reads.
const QUOTED: &str = "invalid indentation in quoted scalar";
/// At the tab, which the parser says of lines of a quoted scalar only.
const TAB: &str = "tab cannot be used as indentation";
const BLANKS: [&str; 2] =
    ["':' must be followed by a valid YAML whitespace", "comments must be separated from other tokens by whitespace"];

/// Why reading ended early.
enum Stop {
    Told(Diagnostic),
    /// The parser's complaint with its byte.
    Parser(u32, String),
}

impl From<Diagnostic> for Stop {
    fn from(error: Diagnostic) -> Self {
        Self::Told(error)
    }
}

/// A finished node with what its budgets need.
#[derive(Clone)]
struct Done {
    node: Node,
    size: usize,
    depth: usize,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Entries, key: Option<Node> },
}

/// A list or mapping whose end was not reached yet.
struct Open {
    items: Items,
    start: u32,
    end: u32,
    flow: bool,
    tag: Option<Kept>,
    anchor: usize,
    size: usize,
    depth: usize,
    /// `{{ ... }}` without quotes: read as text after the error.
    template: bool,
}

enum Anchor {
    /// Still being read: an alias here would contain itself.
    Open(Span),
    Done(Done),
}

struct Loader<'a> {
    text: &'a str,
    offsets: Offsets,
    file: FileId,
    options: &'a LoadOptions,
    /// Numbers are those of JSON.
    json: bool,
    anchors: HashMap<usize, Anchor>,
    open: Vec<Open>,
    expanded: usize,
    /// Scalars hold the marks of `lenient`.
    folded: bool,
    /// Where nodes begin, if that is asked for.
    nodes: Option<HashSet<u32>>,
    out: Loaded,
}

impl Loader<'_> {
    /// Reads `parsed`, which is the text or the text with other line breaks.
    fn run(&mut self, parsed: &str) -> std::result::Result<(), Stop> {
        let mut parser = Parser::new_from_str(parsed);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                let at = self.offsets.byte(*error.marker());
                Stop::Parser(at, error.info().to_owned())
            })?;
            let (start, end) = (self.offsets.byte(span.start), self.offsets.byte(span.end));
            match event {
                Event::DocumentStart(_) => self.anchors.clear(),
                Event::Alias(id) => self.alias(id, start, end)?,
                Event::Scalar(text, style, anchor, tag) => {
                    let text = if self.folded { lenient::unfold(&text).into() } else { text };
                    self.scalar(&text, style, anchor, tag.as_deref(), start, end)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.begin(Items::List(Vec::new()), anchor, tag.as_deref(), start, end)?;
                }
                Event::MappingStart(anchor, tag) => {
                    let items = Items::Map { entries: Entries::default(), key: None };
                    self.begin(items, anchor, tag.as_deref(), start, end)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.finish(end)?,
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn span(&self, start: u32, end: u32) -> Span {
        Span::new(self.file, start, end.max(start))
    }

    /// The tag of a node, checked; an unknown one is reported and dropped.
    fn tag(&mut self, tag: Option<&RawTag>, start: u32) -> Option<Kept> {
        let tag = tag?;
        let kept = classify(tag);
        let old = deprecated(tag);
        if kept.is_none() || old.is_some() {
            let written = self.text[start as usize..]
                .split(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}'))
                .find(|word| word.starts_with('!'))
                .unwrap_or("!");
            let at = start + u32::try_from(self.text[start as usize..].find(written).unwrap_or(0)).unwrap_or(0);
            let span = self.span(at, at + u32::try_from(written.len()).unwrap_or(0));
            if let Some((words, instead)) = old {
                let mut hint = instead.trim_end_matches('.').to_owned();
                hint[..1].make_ascii_lowercase();
                self.out.diagnostics.push(
                    Diagnostic::deprecated("Y0021", Kind::Source, format!("the tag `{written}` is deprecated"), words)
                        .with_label(span, "ansible-core 2.23 will not know it")
                        .with_hint(hint),
                );
                return kept;
            }
            let known = ["!vault", "!unsafe", "!!str", "!!int", "!!float", "!!bool", "!!binary"];
            let mut error = Diagnostic::source("Y0013", format!("unknown tag `{written}`"))
                .with_label(span, "not a tag that hostctl knows")
                .with_nearest(written, known);
            if error.hints.is_empty() {
                error = error.with_hint("remove the tag, or put the value in quotes if the `!` belongs to it");
            }
            self.out.diagnostics.push(error);
        }
        kept
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&RawTag>,
        start: u32,
        end: u32,
    ) -> Result<()> {
        let props = anchor > 0 || tag.is_some();
        let kept = self.tag(tag, start);
        let node = if text.is_empty() && style == ScalarStyle::Plain {
            let at = if props { end } else { start };
            let node = empty_scalar(self.span(at, at), None);
            match kept {
                Some(kept) => self.tagged(node, kept),
                None => node,
            }
        } else {
            let mut begin = start as usize;
            if props {
                begin = position::skip_properties(self.text, begin);
            }
            let place = position::locate(self.text, begin, end as usize, text, style, props);
            let offset = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
            if let Some(nodes) = &mut self.nodes {
                nodes.insert(offset(place.start));
            }
            let span = self.span(offset(place.start), offset(place.end));
            let text: Arc<str> = text.into();
            let value = match style {
                ScalarStyle::Plain if self.json => json::scalar(&text),
                ScalarStyle::Plain => resolve(&text),
                _ => Value::Str(Arc::clone(&text)),
            };
            let node = Node {
                span,
                data: NodeData::Scalar(Arc::new(Scalar {
                    text,
                    value,
                    style: match style {
                        ScalarStyle::Plain => Style::Plain,
                        ScalarStyle::SingleQuoted => Style::Single,
                        ScalarStyle::DoubleQuoted => Style::Double,
                        ScalarStyle::Literal => Style::Literal,
                        ScalarStyle::Folded => Style::Folded,
                    },
                    map: place.map.into(),
                    content_start: offset(place.content_start),
                })),
                tag: None,
                alias: None,
            };
            match kept {
                Some(kept) => self.tagged(node, kept),
                None => node,
            }
        };
        let done = Done { node, size: 1, depth: 1 };
        if anchor > 0 {
            self.anchors.insert(anchor, Anchor::Done(done.clone()));
        }
        self.add(done)
    }

    fn tagged(&mut self, node: Node, tag: Kept) -> Node {
        match apply_tag(node.clone(), tag) {
            Ok(node) => node,
            Err(error) => {
                self.out.diagnostics.push(error);
                node
            }
        }
    }

    fn begin(&mut self, items: Items, anchor: usize, tag: Option<&RawTag>, start: u32, end: u32) -> Result<()> {
        if self.open.len() >= self.options.max_depth {
            return Err(self.too_deep(self.span(start, start + 1)));
        }
        let kept = self.tag(tag, start);
        let mut at = start as usize;
        if anchor > 0 || tag.is_some() {
            at = position::skip_properties(self.text, at);
        }
        if let Some(nodes) = &mut self.nodes {
            nodes.insert(u32::try_from(at).unwrap_or(u32::MAX));
        }
        let bytes = self.text.as_bytes();
        // saphyr does not say whether brackets are there, but its event ends behind them.
        let bracket = if matches!(items, Items::List(_)) { b'[' } else { b'{' };
        let flow = bytes.get(at) == Some(&bracket) && end as usize == at + 1;
        if !flow
            && matches!(items, Items::List(_))
            && !matches!(self.open.last().map(|o| &o.items), Some(Items::List(_)))
        {
            // saphyr starts a list that is not indented behind its first dash.
            let line = position::line_start(self.text, at);
            let before = self.text[line..at].trim_end();
            if before.ends_with('-') {
                at = line + before.len() - 1;
            }
        }
        let start = u32::try_from(at).unwrap_or(u32::MAX);
        if let (Some(parent), Items::Map { .. }) = (self.open.last_mut(), &items) {
            // `{{ name }}` is a mapping whose key is a mapping: nobody means that.
            if let Items::Map { key: None, .. } = parent.items
                && parent.flow
                && parent.start + 1 == start
                && bytes.get(at) == Some(&b'{')
                && !parent.template
            {
                parent.template = true;
                let error = syntax::unquoted_template(self.text, self.file, parent.start);
                self.out.diagnostics.push(error);
            }
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Anchor::Open(self.span(start, start + 1)));
        }
        self.open.push(Open { items, start, end: start, flow, tag: kept, anchor, size: 1, depth: 1, template: false });
        Ok(())
    }

    fn finish(&mut self, end: u32) -> Result<()> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let closes = open.flow && end > 0 && matches!(self.text.as_bytes().get(end as usize - 1), Some(b']' | b'}'));
        let span = self.span(open.start, if closes { end } else { open.end });
        let mut size = open.size;
        let mut node = if open.template {
            Node::text(&self.text[span.start as usize..span.end as usize], span)
        } else {
            let data = match open.items {
                Items::List(items) => NodeData::List(items.into()),
                Items::Map { entries, .. } => {
                    let merged = finish_mapping(entries, span, self.options.strict_keys, &mut self.out.diagnostics);
                    size += merged.added;
                    self.expanded += merged.added;
                    NodeData::Map(merged.pairs.into())
                }
            };
            Node { span, data, tag: None, alias: None }
        };
        if self.expanded > self.options.max_expansion {
            return Err(self.too_large(span));
        }
        if let Some(tag) = open.tag {
            node = self.tagged(node, tag);
        }
        if let Some(parent) = self.open.last_mut() {
            parent.end = parent.end.max(span.end);
        }
        let done = Done { node, size, depth: open.depth };
        if open.anchor > 0 {
            self.anchors.insert(open.anchor, Anchor::Done(done.clone()));
        }
        self.add(done)
    }

    fn alias(&mut self, id: usize, start: u32, end: u32) -> Result<()> {
        let place = self.span(start, end);
        let name = &self.text[start as usize..end as usize];
        match self.anchors.get(&id) {
            Some(Anchor::Done(done)) => {
                let mut done = done.clone();
                done.node.alias = Some(place);
                self.expanded = self.expanded.saturating_add(done.size);
                if self.expanded > self.options.max_expansion {
                    return Err(self.too_large(place));
                }
                self.add(done)
            }
            Some(Anchor::Open(anchor)) => {
                Err(Diagnostic::source("Y0019", format!("the alias `{name}` contains itself"))
                    .with_label(place, "used here")
                    .with_label(*anchor, "inside the value that it names")
                    .with_hint("write the part that is meant instead of the alias"))
            }
            None => Err(Diagnostic::source("Y0009", format!("unknown anchor `{name}`"))
                .with_label(place, "no `&` with this name before it in this document")
                .with_hint("define the anchor first, or put the value in quotes")),
        }
    }

    /// Hands a finished node to what contains it.
    fn add(&mut self, done: Done) -> Result<()> {
        let outer = self.open.len();
        if outer + done.depth > self.options.max_depth + 1 {
            return Err(self.too_deep(done.node.place()));
        }
        let Some(parent) = self.open.last_mut() else {
            self.out.documents.push(done.node);
            return Ok(());
        };
        parent.end = parent.end.max(done.node.place().end);
        parent.size = parent.size.saturating_add(done.size);
        parent.depth = parent.depth.max(done.depth + 1);
        match &mut parent.items {
            Items::List(items) => items.push(done.node),
            Items::Map { entries, key } => match key.take() {
                None => *key = Some(done.node),
                Some(key) => {
                    if !parent.template {
                        entries.add(key, done.node, &mut self.out.diagnostics);
                    }
                }
            },
        }
        Ok(())
    }

    fn too_deep(&self, span: Span) -> Diagnostic {
        Diagnostic::source("Y0015", format!("nested more than {} levels deep", self.options.max_depth))
            .with_label(span, "too deep")
            .with_hint("flatten the structure, or split it into several variables")
    }

    fn too_large(&self, span: Span) -> Diagnostic {
        Diagnostic::source("Y0016", format!("aliases stand for more than {} values", self.options.max_expansion))
            .with_label(span, "the limit is passed here")
            .with_hint("write the values out, or use fewer aliases to large structures")
    }
}

/// A null from nothing: `key:`.
fn empty_scalar(span: Span, tag: Option<Tag>) -> Node {
    Node {
        span,
        data: NodeData::Scalar(Arc::new(Scalar {
            text: Arc::from(""),
            value: Value::Null,
            style: Style::Plain,
            map: Arc::from([]),
            content_start: span.start,
        })),
        tag,
        alias: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::python_repr;

    fn read(text: &str) -> (Loaded, Arc<SourceFile>) {
        let sources = SourceMap::new();
        let file = sources.add("t.yml", None, text);
        (load(&sources, &file, &LoadOptions::default()), file)
    }

    /// Loads one document and compares it in Python's spelling.
    fn check(text: &str, expected: &str) {
        let (loaded, file) = read(text);
        assert!(!loaded.has_errors(), "{text}\n{:?}", loaded.diagnostics);
        let (node, _) = loaded.single(&file);
        assert_eq!(python_repr(&node.to_value()), expected, "{text}");
    }

    /// The first error: code and the text under its first label, and the rest for a look.
    fn fails(text: &str, code: &str, under: &str, words: &str) {
        let (loaded, _) = read(text);
        let Some(error) = loaded.diagnostics.iter().find(|error| error.is_error()) else { panic!("no error: {text}") };
        let span = error.span().expect("a label");
        let shown = format!("{error:?}");
        assert_eq!((&*error.code, &text[span.start as usize..span.end as usize]), (code, under), "{text}\n{shown}");
        assert!(shown.contains(words), "{words} not in {shown}");
        assert!(!error.hints.is_empty(), "no hint: {text}");
    }

    fn under(text: &str, span: Span) -> &str {
        &text[span.start as usize..span.end as usize]
    }

    #[test]
    fn values_are_read_as_ansible_reads_them() {
        check(
            "a: yes\nb: 0644\nc: '0644'\nd: ~\ne:\nf: 1:30\n",
            "{'a': True, 'b': 420, 'c': '0644', 'd': None, 'e': None, 'f': 90}",
        );
        check("1: a\ntrue: b\n2.5: c\n~: d\n", "{1: 'a', True: 'b', 2.5: 'c', None: 'd'}");
        check("", "None");
        check("# only a comment\n", "None");
        check("---\n", "None");
        check("a: |\n  x\n   y\n\nb: >-\n  p\n  q\n\n  r\n", "{'a': 'x\\n y\\n', 'b': 'p q\\nr'}");
        check("e:\n- 1\n-\n- k: v\n", "{'e': [1, None, {'k': 'v'}]}");
        check("a: [1, {b: 2}, c: 3]\n", "{'a': [1, {'b': 2}, {'c': 3}]}");
        check("\u{feff}a: 1\r\nb: 2\r\n", "{'a': 1, 'b': 2}");
    }

    #[test]
    fn tabs_begin_lines_inside_quotes_only() {
        check(
            "a:\n  b: '{{ x\n\t\tif y }}'\n  c: \"p\n\t  q\n\n \tr \\\n\ts\"\nd: 'u\n\t'\n",
            "{'a': {'b': '{{ x if y }}', 'c': 'p q\\nr s'}, 'd': 'u '}",
        );
        check(&format!("a:\n  b: '{}'\nc: 1\n", "x\n\t".repeat(5)), "{'a': {'b': 'x x x x x '}, 'c': 1}");
        fails("a: 'x\n\ty'\n\tb: 1\n", "Y0002", "\t", "spaces");
    }

    #[test]
    fn merge_keys_follow_pyyaml() {
        check("x: &x {a: 1, b: 2}\ny:\n  b: 3\n  <<: *x\n", "{'x': {'a': 1, 'b': 2}, 'y': {'a': 1, 'b': 3}}");
        check(
            "- &x {a: 1}\n- &y {a: 2, c: 3}\n- {<<: [*x, *y], d: 4}\n",
            "[{'a': 1}, {'a': 2, 'c': 3}, {'a': 1, 'c': 3, 'd': 4}]",
        );
        check("'<<': 1\n", "{'<<': 1}");
        fails("a: {<<: 5}\n", "Y0017", "5", "needs a mapping");
    }

    #[test]
    fn tags_are_applied_or_refused() {
        check(
            "a: !!str 5\nb: !!int \"7\"\nc: !!float 1\nd: !!binary aGk=\ne: !!bool 'no'\n",
            "{'a': '5', 'b': 7, 'c': 1.0, 'd': b'hi', 'e': False}",
        );
        check("!!set {a, b}\n", "['a', 'b']");
        check("!!omap [{a: 1}, {b: 2}]\n", "[['a', 1], ['b', 2]]");
        check("!!pairs [{a: 1}, {a: 2}]\n", "[['a', 1], ['a', 2]]");
        let (loaded, _) = read("a: !!pairs [{a: 1}]\nb: !vault-encrypted x\n");
        let codes: Vec<_> = loaded.diagnostics.iter().map(|found| (&*found.code, found.is_error())).collect();
        assert_eq!(codes, [("Y0021", false), ("Y0021", false)]);
        fails("a: !valut x\n", "Y0013", "!valut", "did you mean `!vault`");
        fails("a: !foo [x]\n", "Y0013", "!foo", "unknown tag");
        fails("a: !!int x\n", "Y0014", "x", "!!int");
        fails("a: !vault [x]\n", "Y0014", "[x]", "!vault");
        let (loaded, file) = read("a: !unsafe\n  b: ['{{ x }}', !vault q]\nc: '{{ y }}'\n");
        let (node, _) = loaded.single(&file);
        assert!(!node.get("a").unwrap().has_template());
        assert!(node.get("c").unwrap().has_template());
        let items = node.get("a").unwrap().get("b").unwrap().as_list().unwrap();
        assert_eq!((items[0].tag, items[1].tag), (Some(Tag::Unsafe), Some(Tag::Vault)));
    }

    #[test]
    fn aliases_keep_both_places_and_stay_in_their_document() {
        let text = "a: &x [1]\nb: *x\n";
        let (loaded, file) = read(text);
        let (node, _) = loaded.single(&file);
        let alias = node.get("b").unwrap();
        assert_eq!(under(text, alias.span), "[1]");
        assert_eq!(under(text, alias.place()), "*x");
        fails("- &x a\n- *x\n--- \n- *x\n", "Y0009", "*x", "unknown anchor");
        fails("a: *nobody\n", "Y0009", "*nobody", "quotes");
        fails("a: &x [*x]\n", "Y0019", "*x", "contains itself");
    }

    #[test]
    fn budgets_stop_bombs() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", "));
        }
        let (loaded, _) = read(&bomb);
        assert_eq!(loaded.diagnostics[0].code, "Y0016");
        let (loaded, _) = read(&"- ".repeat(5000));
        assert_eq!(loaded.diagnostics[0].code, "Y0015");
        let (loaded, _) = read(&"[".repeat(5000));
        assert_eq!(loaded.diagnostics[0].code, "Y0015");
        // Depth through aliases counts too.
        let mut chain = "a0: &a0 [x]\n".to_owned();
        for level in 1..200 {
            chain += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
        }
        assert_eq!(read(&chain).0.diagnostics[0].code, "Y0015");
    }

    #[test]
    fn duplicate_keys_warn_and_the_last_wins() {
        let text = "a: 1\nb: 2\na: 3\n";
        let (loaded, file) = read(text);
        let warning = loaded.diagnostics[0].clone();
        assert!(!warning.is_error());
        assert_eq!((warning.labels[0].span.start, warning.labels[1].span.start), (10, 0));
        assert_eq!(
            python_repr(&loaded.single(&file).0.to_value()),
            "{'b': 2, 'a': 3}".replace("{'b': 2, 'a': 3}", "{'a': 3, 'b': 2}")
        );
        let sources = SourceMap::new();
        let file = sources.add("t.yml", None, text);
        assert!(load(&sources, &file, &LoadOptions::strict()).has_errors());
    }

    #[test]
    fn one_document_where_one_is_wanted() {
        let (loaded, file) = read("a: 1\n---\nb: 2\n");
        assert_eq!(loaded.documents.len(), 2);
        assert_eq!(loaded.one(&file).unwrap_err().code, "Y0020");
    }

    #[test]
    fn spans_are_exact() {
        let text = "ä: \"q\\n\"   # hi\nb: plain text  # c\nc: !vault |\n  $A\n   x\n\nd: &x !!str 'it''s' \nl:\n- [1, 2]\n-  k: v\n   z: |2-\n      ab\ne:\nf: {a: 1}\n";
        let (loaded, file) = read(text);
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics);
        let (node, _) = loaded.single(&file);
        let at = |key: &str| under(text, node.get(key).unwrap().span);
        assert_eq!(at("ä"), "\"q\\n\"");
        assert_eq!(at("b"), "plain text");
        assert_eq!(at("c"), "|\n  $A\n   x");
        assert_eq!(at("d"), "'it''s'");
        assert_eq!(at("f"), "{a: 1}");
        assert_eq!(at("e"), "");
        assert_eq!(at("l"), "- [1, 2]\n-  k: v\n   z: |2-\n      ab");
        let items = node.get("l").unwrap().as_list().unwrap();
        assert_eq!(under(text, items[0].span), "[1, 2]");
        assert_eq!(under(text, items[1].span), "k: v\n   z: |2-\n      ab");
        assert_eq!(under(text, items[1].get("z").unwrap().span), "|2-\n      ab");
    }

    /// Every occurrence of `needle` in a scalar's text is found again in the source.
    fn finds(text: &str, needle: &str) {
        let (loaded, file) = read(text);
        assert!(!loaded.has_errors(), "{text}\n{:?}", loaded.diagnostics);
        let (node, _) = loaded.single(&file);
        let scalar = node.get("a").unwrap();
        let value = scalar.as_scalar().unwrap().text.clone();
        let mut found = 0;
        for (start, _) in value.match_indices(needle) {
            found += 1;
            let span = scalar.text_span(start, start + needle.len());
            assert_eq!(under(text, span), needle, "{text:?} text {value:?} map {:?}", scalar.as_scalar().unwrap().map);
        }
        assert!(found > 0, "{text}");
    }

    #[test]
    fn places_inside_scalars_are_exact() {
        for text in [
            "a: one NAME two\n",
            "a: 'it''s NAME, it''s NAME'\n",
            "a: \"t\\tab \\x41\\u00e4 NAME \\\"q\\\" NAME\"\n",
            "a: \"one \\\n   NAME\\n\\\n  NAME\"\n",
            "a: \"one\n   NAME\n\n   NAME  \n  x\"\n",
            "a: 'one\n   NAME\n\n   NAME'\n",
            "a: one\n   NAME two\n\n   NAME\n",
            "a: |\n  x\n    NAME\n\n  NAME\n",
            "a: |2\n    x\n   NAME\n",
            "a: |\n\n\n  NAME\n",
            "a: >\n  x\n  NAME\n\n  y NAME\n    NAME\n  z\n  NAME\n",
            "a: >-   # comment | here\n  é NAME\n",
            "ö: 1\na: |   \n    é NAME\n     ü NAME",
            "a: !vault |\n  NAME\n",
            "a: &x |\n  q\n  NAME\nb: *x\n",
            "a: |\r\n  q\r\n  NAME\r\n",
            "a: x\r\n  NAME y\r\n",
            "a: |+\n  | NAME\n  > NAME\n\n",
            "a: [x, NAME]\na: NAME # two\n",
        ] {
            finds(text, "NAME");
        }
    }

    #[test]
    fn syntax_errors_say_what_to_type() {
        fails("foo: {{ bar }}\n", "Y0004", "{{ bar }}", "`foo: \\\"{{ bar }}\\\"`");
        fails("foo: {{ bar }}/x # c\n", "Y0004", "{{ bar }}/x", "quotes");
        fails("foo: {{ a | b('x', \"y\") }}\n", "Y0004", "{{ a | b('x', \"y\") }}", "quotes");
        fails("x: {msg: {{ a }}}\n", "Y0004", "{{ a }}", "`x: {msg: \\\"{{ a }}\\\"}`");
        fails("- {{ a }} {{ b }}\n", "Y0004", "{{ a }} {{ b }}", "- \\\"{{ a }} {{ b }}");
        fails("foo:\n\tbar: 1\n", "Y0002", "\t", "spaces");
        fails("foo:\n  \tbar: 1\n  \tbaz: 2\n", "Y0002", "\t", "spaces");
        fails("foo: \"a\nb: c\n", "Y0003", "\"", "never closed");
        fails("foo: 'it's'\n", "Y0010", "s", "quotes");
        fails("foo: \"x\" y\n", "Y0010", "y", "quotes");
        fails("foo: a: b\n", "Y0005", ":", "`\\\"a: b\\\"`");
        fails("a\nb: c\n", "Y0005", "a", "expected `:` after `a`");
        fails("a: 1\n b: 2\n", "Y0006", ":", "line up");
        fails("a:\n  b: 1\n c: 2\n", "Y0006", "c", "fit the indentation");
        fails("a: 1\n- b\n", "Y0006", "b", "list item");
        fails("- a\nb: 1\n", "Y0006", "b", "fit the indentation");
        fails("foo: [a\nb: c\n", "Y0007", "[", "never closed");
        fails("foo: {a: 1\n", "Y0007", "{", "never closed");
        fails("foo: ]\n", "Y0007", "]", "nothing to close");
        fails("a: @b\n", "Y0008", "@", "`\\\"@b\\\"`");
        fails("a: \"\\q\"\n", "Y0011", "\\q", "single quotes");
        fails("a: [b]c\n", "Y0006", "c", "quotes");
        fails("? [x]\n: 1\n", "Y0018", "[x]", "a list");
    }

    #[test]
    fn every_unquoted_template_is_reported_and_reading_goes_on() {
        let (loaded, file) = read("a: {{ x }}\nb: {{ y }}\nc: 1\n");
        assert_eq!(loaded.diagnostics.len(), 2);
        let (node, _) = loaded.single(&file);
        assert_eq!(node.get("a").unwrap().as_str(), Some("{{ x }}"));
        assert_eq!(node.get("c").unwrap().to_value(), Value::Int(1));
    }

    #[test]
    fn sealed_texts_stay_out_of_messages() {
        for text in [
            "p: @Secret4711",
            "p: Secret: 4711",
            "p: {{Secret4711",
            "p: !Secret4711 x",
            "p: *Secret4711",
            "Secret\nb: 1",
            "p: \"Secret\\q\"",
        ] {
            let sources = SourceMap::new();
            let file = sources.add("t.yml", None, text);
            let loaded = load(&sources, &file, &LoadOptions::default().sealed(true));
            assert!(loaded.has_errors(), "{text}");
            let shown = format!("{:?}", loaded.diagnostics);
            assert!(!shown.contains("Secret") && !shown.contains("4711") && shown.contains("vault"), "{shown}");
        }
    }

    /// One place at a time, this would take hours.
    #[test]
    fn many_places_that_only_pyyaml_reads_are_read_at_once() {
        let mut text = String::new();
        for index in 0..3000 {
            text += &format!(
                "q{index}: \"a\nb\"\nf{index}: [\n1, 'x\ny'\n]\nt{index}:\t'2'\nb{index}: |\n  k: \"p\n  q\"\n"
            );
        }
        let (loaded, _) = read(&text);
        assert!(!loaded.has_errors(), "{:?}", loaded.diagnostics.first());
        let value = loaded.documents[0].to_value();
        let found = |name: &str| python_repr(value.get(&format!("{name}2999")).unwrap());
        assert_eq!(["q", "f", "t", "b"].map(found), ["'a b'", "[1, 'x y']", "'2'", "'k: \"p\\nq\"\\n'"]);
        // A guess that is wrong: a line of a plain scalar.
        let wrong = "a: \"x\ny\"\n".repeat(4).replace("a:", "- a:") + "- p: q\n    - \"r\n\n    s\"\n";
        let (loaded, _) = read(&wrong);
        assert!(python_repr(&loaded.documents[0].to_value()).ends_with("{'p': 'q - \"r\\ns\"'}]"));
    }

    #[test]
    fn scalars_agree_with_pyyaml() {
        let table = include_str!("../../tests/data/yaml/scalars.tsv");
        let mut count = 0;
        for line in table.lines() {
            let (text, expected) = line.split_once('\t').expect("two columns");
            assert_eq!(python_repr(&resolve(text)), expected, "{text}");
            count += 1;
        }
        assert!(count > 1500, "{count}");
    }

    #[test]
    fn documents_agree_with_pyyaml() {
        let table = include_str!("../../tests/data/yaml/documents.txt");
        let mut count = 0;
        for case in table.split("=====\n").skip(1) {
            let (text, expected) = case.split_once("-----\n").expect("two parts");
            check(text, expected.trim_end());
            count += 1;
        }
        assert!(count > 20, "{count}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
        #[test]
        fn no_text_panics(text in "[-:a1 \\n\\t{}\\[\\]\"'|>#&*!?,%@ä<\\\\.]{0,60}") {
            let (loaded, file) = read(&text);
            for node in &loaded.documents {
                let span = node.place();
                assert!(span.start <= span.end && span.end as usize <= file.text.len());
                assert!(file.text.is_char_boundary(span.start as usize) && file.text.is_char_boundary(span.end as usize), "{text:?}");
            }
            for error in &loaded.diagnostics {
                for label in &error.labels {
                    assert!(file.text.get(label.span.start as usize..label.span.end as usize).is_some(), "{text:?} {error:?}");
                }
            }
        }
    }

    #[test]
    fn quoted_lines_may_start_anywhere_as_for_pyyaml() {
        check("a: \"{{ x |\ny }}\"\nb: 'p\n\n q'\nc: 1\n", "{'a': '{{ x | y }}', 'b': 'p\\nq', 'c': 1}");
        check(
            "- b:\n    msg: \"a \\\n    b\\n\\\n    c\"\n    d: [\"x\n  y\", z]\n",
            "[{'b': {'msg': 'a b\\nc', 'd': ['x y', 'z']}}]",
        );
        check("a:\t1\nb: \tx\t# c\nc: 'x'#y\n", "{'a': 1, 'b': 'x', 'c': 'x'}");
        let (loaded, _) = read("k: \"\u{e9}\n\nb\"\nafter: here\n");
        let node = loaded.documents[0].get("after").unwrap();
        assert_eq!(under("k: \"\u{e9}\n\nb\"\nafter: here\n", node.span), "here");
        fails("a: \"one\nb: \"two\"\n", "Y0003", "\"", "never closed");
        fails("a: \"one\n---\nb: 2\n", "Y0003", "\"", "never closed");
        fails("a: \"one\nx\"\nb: [1\n", "Y0007", "[", "never closed");
    }
}
