//! `ansible-doc`: what modules and plugins there are, and the manual of each.
//!
//! Everything comes from the documentation that is compiled in (`modules`, the table of keywords, `plugins` beside);
//! nothing is looked for on disk.

mod plugins;
mod roles;
mod text;

use clap::Parser;

use super::super::completion;
use super::super::output::Output;
use super::{display, options};
use crate::diag::{ExitCode, Result};
use crate::map;
use crate::modules::{ArgSpec, ArgType, MODULES, ModuleEntry};
use crate::playbook::{KEYWORDS, Keyword, KeywordType, Places};
use crate::value::{JsonStyle, Key, Map, Value, from_json, to_json_text};

/// The kinds that ansible-doc knows, as it lists them.
const TYPES: &str = "{become,cache,callback,cliconf,connection,httpapi,inventory,lookup,netconf,shell,vars,module,strategy,test,filter,role,keyword}";

/// Modules that ansible-core has an action plugin for.
const ACTIONS: &[&str] = &[
    "add_host",
    "assemble",
    "assert",
    "async_status",
    "command",
    "copy",
    "debug",
    "dnf",
    "fail",
    "fetch",
    "gather_facts",
    "group_by",
    "include_vars",
    "package",
    "pause",
    "raw",
    "reboot",
    "script",
    "service",
    "set_fact",
    "set_stats",
    "shell",
    "template",
    "unarchive",
    "uri",
    "validate_argument_spec",
    "wait_for_connection",
];

/// plugin documentation tool
#[derive(Debug, Parser)]
#[command(name = "ansible-doc", infer_long_args = true, disable_version_flag = true, max_term_width = 80)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of ansible-doc")]
pub(super) struct DocProgramArgs {
    /// Plugin
    #[arg(value_name = "plugin", add = completion::modules())]
    plugins: Vec<String>,
    /// show program's version number, config file location, configured module search path, module location, executable
    /// location and exit
    #[arg(long)]
    version: bool,
    /// Causes Ansible to print more debug messages. Adding multiple -v will increase the verbosity, the builtin plugins
    /// currently evaluate up to -vvvvvv. A reasonable level to start is -vvv, connection debugging might require -vvvv.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// prepend colon-separated path(s) to module library (default={{ ANSIBLE_HOME ~
    /// "/plugins/modules:/usr/share/ansible/plugins/modules" }})
    #[arg(short = 'M', long, value_name = "MODULE_PATH")]
    module_path: Vec<String>,
    /// a substitute playbook directory
    #[arg(long, value_name = "BASEDIR", help = options::BASEDIR)]
    playbook_dir: Option<std::path::PathBuf>,
    /// Choose which plugin type
    #[arg(short, long, value_name = TYPES, default_value = "module", help = KINDS)]
    r#type: String,
    #[arg(short, long, help = "Change output into json format.")]
    json: bool,
    /// The path to the directory containing your roles
    #[arg(short, long, value_name = "ROLES_PATH")]
    roles_path: Vec<String>,
    #[arg(short, long, help = "Select the entry point for role(s).", value_name = "ENTRY_POINT", conflicts_with_all = ["snippet", "list_files", "list", "metadata_dump"])]
    entry_point: Option<String>,
    /// Show playbook snippet for these plugin types: inventory, lookup, module
    #[arg(short, long, conflicts_with_all = ["list_files", "list", "metadata_dump"])]
    snippet: bool,
    #[arg(short = 'F', long = "list_files", help = LIST_FILES, conflicts_with_all = ["list", "metadata_dump"])]
    list_files: bool,
    #[arg(short, long, help = LIST, conflicts_with = "metadata_dump")]
    list: bool,
    #[arg(long, help = DUMP)]
    metadata_dump: bool,
    #[arg(long, help = NO_FAIL)]
    no_fail_on_errors: bool,
}

const KINDS: &str = "Choose which plugin type (defaults to \"module\"). Available plugin types are : ('become', 'cache', \
    'callback', 'cliconf', 'connection', 'httpapi', 'inventory', 'lookup', 'netconf', 'shell', 'vars', 'module', 'strategy', \
    'test', 'filter', 'role', 'keyword')";

const LIST_FILES: &str = "Show plugin names and their source files without summaries (implies --list). A supplied argument \
    will be used for filtering, can be a namespace or full collection name.";
const LIST: &str = "List available plugins. A supplied argument will be used for filtering, can be a namespace or full \
    collection name.";
const DUMP: &str = "**For internal use only** Dump json metadata for all entries, ignores other options.";
const NO_FAIL: &str = "**For internal use only** Only used for --metadata-dump. Do not fail on errors. Report the error \
    message in the JSON instead.";

fn types() -> impl Iterator<Item = &'static str> {
    TYPES.trim_matches(['{', '}']).split(',')
}

pub(super) fn main(args: DocProgramArgs, output: &mut Output) -> Result<ExitCode> {
    let config = crate::ops::Config::load(&output.sources)?;
    display::configure(output, &config);
    let kind = args.r#type.as_str();
    if !types().any(|known| known == kind) {
        let known: Vec<String> = types().map(|name| format!("'{name}'")).collect();
        let quoted = crate::value::python_repr(&Value::from(kind));
        let text = format!("argument -t/--type: invalid choice: {quoted} (choose from {})", known.join(", "));
        let parser = super::argparse::Parser::of(<DocProgramArgs as clap::CommandFactory>::command());
        super::wrong_words(&parser, "ansible-doc", &text, output);
        return Ok(ExitCode::HostFailed);
    }
    let wrong = |text: &str, code: ExitCode| {
        output.note(&format!("[ERROR]: {text}\n"));
        Ok(code)
    };
    if args.metadata_dump {
        let all: Map = types()
            .filter(|kind| *kind != "role")
            .map(|kind| {
                let names: Vec<String> = listed(kind).into_iter().map(|(name, _)| name).collect();
                (Key::from(kind), Value::from(documents(kind, &names, output)))
            })
            .collect();
        output.data(&json(&Value::from(map! { "all" => all })));
        return Ok(ExitCode::Ok);
    }
    if kind == "role" {
        return of_roles(&args, &config, output);
    }
    if args.list || args.list_files {
        if kind == "keyword" {
            let all: Map = KEYWORDS.iter().map(|keyword| (Key::from(keyword.name), Value::from(keyword.doc))).collect();
            let all = Value::from(all);
            output.data(&if args.json { json(&all) } else { crate::yaml::emit(&all)? });
            return Ok(ExitCode::Ok);
        }
        if let Some(name) = args.plugins.iter().find(|name| name.matches('.').count() != 1) {
            return wrong(
                &format!("Invalid collection name (must be of the form namespace.collection): {name}"),
                ExitCode::Error,
            );
        }
        let own = ["ansible.builtin", "ansible.legacy", "hostctl.core"];
        if let Some(name) = args.plugins.iter().find(|name| !own.contains(&name.as_str())) {
            return wrong(
                &format!("Cannot use supplied collection '{name}': unable to locate collection {name}"),
                ExitCode::Error,
            );
        }
        let within =
            |name: &str| args.plugins.is_empty() || args.plugins.iter().any(|of| name.starts_with(&format!("{of}.")));
        let mut rows: Vec<(String, String)> = listed(kind).into_iter().filter(|(name, _)| within(name)).collect();
        if args.list_files {
            let file = filename();
            rows.iter_mut().for_each(|(_, about)| about.clone_from(&file));
        }
        rows.sort();
        if args.json {
            let all: Map = rows.into_iter().map(|(name, about)| (Key::from(name), Value::from(about))).collect();
            output.data(&json(&Value::from(all)));
        } else if !rows.is_empty() {
            output.data(&text::list(&rows, columns(output), args.list_files));
        }
        return Ok(ExitCode::Ok);
    }
    if args.plugins.is_empty() {
        return wrong("Missing name(s), incorrect options passed for detailed documentation.", ExitCode::Usage);
    }
    if args.snippet && !args.json && !matches!(kind, "inventory" | "lookup" | "module" | "keyword") {
        return wrong(
            "Snippets are only available for the following plugin types: inventory, lookup, module",
            ExitCode::Error,
        );
    }
    let found = documents(kind, &args.plugins, output);
    if args.json {
        output.data(&json(&Value::from(found)));
    } else if kind == "keyword" {
        if !found.is_empty() {
            output.data(&crate::yaml::emit(&Value::from(found))?);
        }
    } else {
        let columns = columns(output);
        let shown: Vec<String> = found
            .values()
            .map(|one| {
                if args.snippet {
                    text::snippet(one, kind, columns)
                } else {
                    text::manual(one, kind, columns, output.paint)
                }
            })
            .collect();
        if !shown.is_empty() {
            show(&shown.concat(), output);
        }
    }
    Ok(ExitCode::Ok)
}

/// `-t role`
fn of_roles(args: &DocProgramArgs, config: &crate::ops::Config, output: &Output) -> Result<ExitCode> {
    let given = args.roles_path.iter().flat_map(|paths| paths.split(':')).map(std::path::PathBuf::from);
    let mut paths: Vec<std::path::PathBuf> = given.chain(config.paths("DEFAULT_ROLES_PATH")).collect();
    if let Some(dir) = &args.playbook_dir {
        paths.insert(0, dir.join("roles"));
        paths.push(dir.clone());
    }
    let listing = args.list || args.list_files;
    if !listing && args.plugins.is_empty() {
        output.note("[ERROR]: Missing name(s), incorrect options passed for detailed documentation.\n");
        return Ok(ExitCode::Usage);
    }
    if let Some(name) = args.plugins.iter().find(|name| listing && name.matches('.').count() != 1) {
        output.note(&format!("[ERROR]: Invalid collection name (must be of the form namespace.collection): {name}\n"));
        return Ok(ExitCode::Error);
    }
    let within: &[String] = if listing { &args.plugins } else { &[] };
    let mut found = Map::new();
    for role in roles::find(&paths, &config.paths("COLLECTIONS_PATHS"), within) {
        let document = if listing {
            role.summary().map(Some)
        } else if args.plugins.iter().any(|asked| role.is(asked)) {
            role.document(args.entry_point.as_deref())
        } else {
            continue;
        };
        match document {
            Ok(Some(document)) => drop(found.insert(Key::from(role.name), Value::from(document))),
            Ok(None) => {}
            Err(error) => output.note(&format!("[WARNING]: Skipping role ({}) due to: {error}\n", role.name)),
        }
    }
    let columns = columns(output);
    if args.json {
        output.data(&json(&Value::from(found)));
    } else if listing && !found.is_empty() {
        output.data(&roles::list(&found, columns));
    } else if !found.is_empty() {
        let mut texts = Vec::new();
        for (name, document) in &found {
            match text::role(&name.text(), document, columns, output.paint) {
                Ok(text) => texts.push(text),
                Err(error) => {
                    output.note(&format!("[ERROR]: {error}\n"));
                    return Ok(ExitCode::Unreachable);
                }
            }
        }
        show(&texts.join("\n"), output);
    }
    Ok(ExitCode::Ok)
}

/// Prints a text, ended by a line break if it has none.
fn show(text: &str, output: &Output) {
    output.data(text);
    if !text.ends_with('\n') {
        output.data("\n");
    }
}

fn json(value: &Value) -> String {
    to_json_text(value, JsonStyle { indent: Some(4), sort_keys: true, ascii: false }) + "\n"
}

/// As ansible-core's `Display.columns`.
fn columns(output: &Output) -> usize {
    if output.terminal { output.width.saturating_sub(1).max(79) } else { 79 }
}

/// The file that everything is in.
fn filename() -> String {
    std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default()
}

/// Full names of a kind with a line about each.
fn listed(kind: &str) -> Vec<(String, String)> {
    match kind {
        "module" => MODULES
            .iter()
            .flat_map(|entry| {
                let names = std::iter::once(entry.meta.full_name).chain(entry.meta.also.iter().copied());
                names
                    .filter(|name| !name.starts_with("ansible.legacy.") && name.contains('.'))
                    .map(|name| (name.to_owned(), entry.meta.summary.to_owned()))
            })
            .collect(),
        "keyword" => KEYWORDS.iter().map(|keyword| (keyword.name.to_owned(), keyword.doc.to_owned())).collect(),
        _ => plugins::all(kind)
            .into_iter()
            .map(|(name, about)| (format!("ansible.builtin.{name}"), about.to_owned()))
            .collect(),
    }
}

/// What is known of each name; of the others a warning, as ansible-doc has it.
fn documents(kind: &str, names: &[String], output: &Output) -> Map {
    let mut found = Map::new();
    for name in names {
        let document = match kind {
            "module" => crate::modules::find(name).map(|entry| module(entry, name)),
            "keyword" => keyword(name),
            _ => plugin(kind, name),
        };
        match document {
            Some(document) => drop(found.insert(Key::from(name.as_str()), Value::from(document))),
            None if kind == "keyword" => {
                output.note(&format!("[WARNING]: Skipping invalid keyword '{name}': '{name}'\n"));
            }
            None => output.note(&format!("[WARNING]: {name} was not found\n")),
        }
    }
    found
}

/// A module's manual in ansible-doc's form.
fn module(entry: &ModuleEntry, asked: &str) -> Map {
    let spec = entry.spec();
    let meta = &entry.meta;
    let short = asked.rsplit('.').next().unwrap_or(asked);
    let full = if short == meta.name { meta.full_name.to_owned() } else { format!("ansible.builtin.{short}") };
    let (description, examples) = parts(&spec.doc);
    let options: Map = spec.args.values().map(|arg| (Key::from(arg.name.as_str()), Value::from(option(arg)))).collect();
    let mut doc = map! {
        "collection" => full.rsplit_once('.').map_or("", |(collection, _)| collection),
        "description" => description,
        "filename" => filename(),
        "has_action" => ACTIONS.contains(&short),
        "module" => short,
        "plugin_name" => full.as_str(),
        "short_description" => meta.summary,
        "version_added" => "historical",
        "version_added_collection" => "ansible.builtin",
    };
    if !options.is_empty() {
        doc.insert(Key::from("options"), Value::from(options));
    }
    let notes: Vec<Value> = meta
        .refused
        .iter()
        .map(|(name, reason)| Value::from(format!("O({name}) is not supported: {reason}")))
        .collect();
    if !notes.is_empty() {
        doc.insert(Key::from("notes"), Value::from(notes));
    }
    map! { "doc" => doc, "examples" => examples, "metadata" => Value::Null, "return" => Value::Null }
}

/// An argument in ansible-doc's form.
fn option(arg: &ArgSpec) -> Map {
    fn word(kind: &ArgType) -> &'static str {
        match kind {
            ArgType::Str => "str",
            ArgType::Path => "path",
            ArgType::Bool => "bool",
            ArgType::Int => "int",
            ArgType::Float => "float",
            ArgType::List(_) => "list",
            ArgType::Dict => "dict",
            ArgType::Raw => "raw",
        }
    }
    let text = arg.doc.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut option = map! { "description" => vec![Value::from(text)], "type" => word(&arg.ty) };
    if let ArgType::List(item) = &arg.ty {
        option.insert(Key::from("elements"), Value::from(word(item)));
    }
    if arg.required {
        option.insert(Key::from("required"), Value::Bool(true));
    }
    if let Some(default) = &arg.default {
        option.insert(Key::from("default"), from_json(default.clone()));
    }
    let texts = |texts: &mut dyn Iterator<Item = &str>| Value::from(texts.map(Value::from).collect::<Vec<_>>());
    if !arg.choices.is_empty() {
        option.insert(Key::from("choices"), texts(&mut arg.choices.iter().map(String::as_str)));
    }
    if !arg.aliases.is_empty() {
        option.insert(Key::from("aliases"), texts(&mut arg.aliases.iter().copied()));
    }
    option
}

/// Paragraphs of a manual, and its examples.
fn parts(doc: &str) -> (Vec<Value>, Value) {
    let (mut paragraphs, mut examples) = (vec![String::new()], String::new());
    let mut inside = false;
    for line in doc.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            if inside && !examples.is_empty() {
                examples.push('\n');
            }
        } else if inside {
            examples.push_str(line);
            examples.push('\n');
        } else if line.trim().is_empty() {
            paragraphs.push(String::new());
        } else if let Some(last) = paragraphs.last_mut() {
            if !last.is_empty() {
                last.push(' ');
            }
            last.push_str(line.trim());
        }
    }
    let paragraphs = paragraphs.into_iter().filter(|text| !text.is_empty()).map(Value::from).collect();
    (paragraphs, if examples.is_empty() { Value::Null } else { Value::from(format!("\n{examples}")) })
}

/// A plugin's manual: what there is of it.
fn plugin(kind: &str, asked: &str) -> Option<Map> {
    let short = ["ansible.builtin.", "ansible.legacy."].iter().find_map(|of| asked.strip_prefix(of)).unwrap_or(asked);
    let (name, about) = plugins::all(kind).into_iter().find(|(name, _)| *name == short)?;
    let doc = map! {
        "collection" => "ansible.builtin",
        "description" => vec![Value::from(about)],
        "filename" => filename(),
        "name" => name,
        "plugin_name" => format!("ansible.builtin.{name}"),
        "short_description" => about,
        "version_added" => "historical",
        "version_added_collection" => "ansible.builtin",
    };
    Some(map! { "doc" => doc, "examples" => Value::Null, "metadata" => Value::Null, "return" => Value::Null })
}

/// A keyword's manual.
fn keyword(asked: &str) -> Option<Map> {
    let keyword: &Keyword = if asked.starts_with("with_") {
        KEYWORDS.iter().find(|keyword| keyword.name == "loop")?
    } else {
        KEYWORDS.iter().find(|keyword| keyword.name == asked)?
    };
    let places = [
        (Places::PLAY, "Play"),
        (Places::ROLE, "Role"),
        (Places::BLOCK, "Block"),
        (Places::TASK, "Task"),
        (Places::HANDLER, "Handler"),
    ];
    let places = places.iter().filter(|(place, _)| keyword.places.contains(*place));
    let places: Vec<Value> = places.map(|(_, name)| Value::from(*name)).collect();
    let kind = match keyword.kind {
        KeywordType::Bool => "bool",
        KeywordType::Int => "int",
        KeywordType::Float => "float",
        KeywordType::Percent => "percent",
        KeywordType::Names
        | KeywordType::List
        | KeywordType::Loop
        | KeywordType::Condition
        | KeywordType::Mappings
        | KeywordType::Tasks
        | KeywordType::Roles => "list",
        KeywordType::Mapping | KeywordType::Vars => "dict",
        KeywordType::Str | KeywordType::Variable | KeywordType::Any => "string",
    };
    let template = match keyword.kind {
        KeywordType::Condition => "implicit",
        _ if keyword.templatable => "explicit",
        _ => "static",
    };
    Some(map! {
        "applies_to" => places,
        "description" => keyword.doc,
        "priority" => 0,
        "template" => template,
        "type" => kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_has_a_document_as_scripts_read_it() {
        for entry in MODULES {
            let document = Value::from(module(entry, entry.meta.name));
            let doc = document.get("doc").unwrap();
            assert_eq!(doc.get("plugin_name").and_then(Value::as_str), Some(entry.meta.full_name));
            assert!(
                doc.get("description").and_then(Value::as_list).is_some_and(|list| !list.is_empty()),
                "{}",
                entry.meta.name
            );
            let examples = document.get("examples").and_then(Value::as_str).unwrap_or_default();
            assert!(examples.contains(entry.meta.name), "{}: {examples}", entry.meta.name);
            assert!(!examples.contains("```"));
        }
        let copy = crate::modules::find("copy").unwrap();
        let document = Value::from(module(copy, "ansible.builtin.copy"));
        let dest = document.get("doc").and_then(|doc| doc.get("options")?.get("dest").cloned()).unwrap();
        assert_eq!(dest.get("required"), Some(&Value::Bool(true)));
        assert_eq!(dest.get("type").and_then(Value::as_str), Some("path"));
    }

    #[test]
    fn plugins_are_listed_by_their_full_names() {
        for kind in types().filter(|kind| !matches!(*kind, "cliconf" | "httpapi" | "netconf" | "role")) {
            let rows = listed(kind);
            assert!(!rows.is_empty(), "{kind}");
            for (name, about) in rows {
                assert!(!about.is_empty(), "{kind} {name} has no line about it");
            }
        }
        assert!(plugin("lookup", "ansible.builtin.env").is_some() && plugin("lookup", "nosuch").is_none());
        assert!(keyword("with_items").is_some() && keyword("nosuch").is_none());
    }
}
