//! Every keyword at every place, held to ansible-core's own classes (tests/oracle/make_keywords.py).

use super::keywords::{Inherit, KEYWORDS, Keyword, KeywordType, LOOP_CONTROL, Places, find};
use super::testing::Project;
use super::{CheckInput, TemplateCheck};
use crate::diag::{Diagnostic, Span};
use crate::yaml::Node;

/// What ansible-core's classes say.
const KNOWN: &str = include_str!("../../tests/data/keywords.json");

/// Our places by their names there; a dynamic include is a list only.
const PLACES: &[(&str, Places)] = &[
    ("play", Places::PLAY),
    ("role", Places::ROLE),
    ("block", Places::BLOCK),
    ("task", Places::TASK),
    ("handler", Places::HANDLER),
    ("import_playbook", Places::IMPORT),
];

fn known() -> serde_json::Value {
    serde_json::from_str(KNOWN).unwrap()
}

/// The kinds that stand for one of Ansible's.
fn kinds(isa: &str) -> &'static [KeywordType] {
    use KeywordType as K;
    match isa {
        "string" => &[K::Str, K::Variable, K::Any],
        "bool" => &[K::Bool],
        "int" => &[K::Int],
        "float" => &[K::Float],
        "percent" => &[K::Percent],
        "dict" => &[K::Mapping, K::Vars],
        "class" => &[K::Mapping],
        _ => &[K::Names, K::List, K::Loop, K::Condition, K::Tasks, K::Roles, K::Mappings, K::Any],
    }
}

#[test]
fn kinds_and_inheritance_are_ansibles() {
    let known = known();
    for (name, place) in PLACES {
        for (keyword, told) in known[name].as_object().unwrap() {
            let ours = find(keyword).unwrap_or_else(|| panic!("{keyword} of {name}"));
            assert!(ours.places.contains(*place), "{keyword} may stand in {name}");
            let isa = told["isa"].as_str().unwrap_or("list");
            assert!(kinds(isa).contains(&ours.kind), "{keyword}: {isa} is not {:?}", ours.kind);
            assert_eq!(ours.inherit == Inherit::Extend, told["extends"], "{keyword} of {name} adds up");
            assert_eq!(ours.inherit != Inherit::No, told["inherits"], "{keyword} of {name} is inherited");
        }
    }
    for (keyword, told) in known["loop_control"].as_object().unwrap() {
        let (_, kind) = LOOP_CONTROL.iter().find(|(name, _)| name == keyword).unwrap();
        assert!(kinds(told["isa"].as_str().unwrap()).contains(kind), "{keyword}");
    }
}

/// A good literal value of a keyword.
fn good(keyword: &Keyword) -> &'static str {
    match (keyword.name, keyword.kind) {
        ("strategy", _) => "linear",
        ("order", _) => "sorted",
        ("connection", _) => "local",
        ("become_method", _) => "sudo",
        ("debugger", _) => "never",
        ("action" | "local_action", _) => "command ls",
        ("vars_prompt", _) => "[]",
        (_, KeywordType::Str | KeywordType::Variable | KeywordType::Any) => "text",
        (_, KeywordType::Bool | KeywordType::Condition) => "true",
        (_, KeywordType::Int | KeywordType::Float | KeywordType::Percent) => "3",
        (_, KeywordType::Names | KeywordType::List | KeywordType::Loop) => "[a.b]",
        (_, KeywordType::Mapping | KeywordType::Vars | KeywordType::Mappings) => "{}",
        (_, KeywordType::Tasks | KeywordType::Roles) => "[]",
    }
}

/// A literal value that it must refuse, if there is one.
fn bad(keyword: &Keyword) -> Option<&'static str> {
    Some(match (keyword.name, keyword.kind) {
        // The loader itself looks at those.
        ("vars_prompt" | "role" | "import_playbook" | "user" | "args", _) => return None,
        (_, KeywordType::Bool) => "maybe",
        (_, KeywordType::Int) => "3.5",
        (_, KeywordType::Float | KeywordType::Percent) => "much",
        (_, KeywordType::Str) => "[text]",
        (_, KeywordType::Variable) => "a-b",
        (_, KeywordType::Mapping | KeywordType::Vars) => "[1]",
        (_, KeywordType::Mappings | KeywordType::Loop) => "text",
        (_, KeywordType::Names | KeywordType::Condition) => "[{a: 1}]",
        (_, KeywordType::List) => "{a: 1}",
        (_, KeywordType::Tasks | KeywordType::Roles | KeywordType::Any) => return None,
    })
}

/// A playbook with a keyword at a place, or nothing where the place holds that keyword anyway.
fn playbook(place: Places, keyword: &Keyword, value: &str) -> Option<String> {
    let line = format!("{}: {value}", keyword.name);
    let names_action = matches!(keyword.name, "action" | "local_action");
    let task = |base: &str, list: &str| {
        let lead = format!("- hosts: all\n  {list}:\n  - ");
        if names_action { format!("{lead}{line}\n") } else { format!("{lead}{base}\n    {line}\n") }
    };
    Some(match place {
        Places::PLAY if keyword.name != "hosts" => format!("- hosts: all\n  {line}\n"),
        Places::ROLE if keyword.name != "role" => format!("- hosts: all\n  roles:\n  - role: r\n    {line}\n"),
        Places::BLOCK if keyword.name != "block" => {
            task("block: []", "tasks").replace("- action", "- block: []\n    action")
        }
        Places::TASK if keyword.name != "block" => task("command: ls", "tasks"),
        Places::HANDLER if keyword.name != "block" => task("command: ls", "handlers"),
        Places::INCLUDE if keyword.name != "block" && !names_action => task("include_tasks: more.yml", "tasks"),
        Places::IMPORT if keyword.name != "import_playbook" => format!("- import_playbook: other.yml\n  {line}\n"),
        _ => return None,
    })
}

fn project(text: &str) -> Project {
    Project::new(&[
        ("site.yml", text),
        ("other.yml", "- hosts: all\n"),
        ("more.yml", "- command: ls\n"),
        ("roles/r/tasks/main.yml", "- command: ls\n"),
    ])
}

const ALL: &[Places] =
    &[Places::PLAY, Places::ROLE, Places::BLOCK, Places::TASK, Places::HANDLER, Places::INCLUDE, Places::IMPORT];

#[test]
fn keywords_are_taken_where_they_may_stand_and_refused_elsewhere() {
    for keyword in KEYWORDS {
        for place in ALL {
            let Some(text) = playbook(*place, keyword, good(keyword)) else { continue };
            if *place == Places::BLOCK && keyword.name == "local_action" {
                continue;
            }
            let problems = project(&text).load("site.yml").problems;
            let errors: Vec<&str> =
                problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.message.as_str()).collect();
            if keyword.places.contains(*place) {
                assert!(errors.is_empty(), "{text}{errors:?}");
            } else if *place != Places::ROLE {
                // What a role's entry does not know is a parameter of the role.
                assert!(!errors.is_empty(), "{text}is taken");
            }
        }
    }
}

/// No templates here.
struct Literal;

impl TemplateCheck for Literal {
    fn check(&self, _: &Node, _: bool) -> Vec<Diagnostic> {
        Vec::new()
    }

    fn free_names(&self, _: &Node, _: bool) -> Vec<(String, Span)> {
        Vec::new()
    }
}

fn checked(text: &str) -> Vec<String> {
    let project = project(text);
    let loaded = project.load("site.yml");
    let input = CheckInput {
        loader: &project.loader,
        templates: &Literal,
        known: std::collections::HashSet::new(),
        variables: Vec::new(),
        inventory: Vec::new(),
        settings: Vec::new(),
        complete: false,
        runs: None,
    };
    let problems = super::check(&loaded, &input);
    problems.iter().filter(|problem| problem.is_error()).map(|problem| problem.code.to_string()).collect()
}

#[test]
fn literal_values_of_another_kind_are_refused_at_every_place() {
    let mut taken = Vec::new();
    for keyword in KEYWORDS {
        let Some(value) = bad(keyword) else { continue };
        for place in ALL.iter().filter(|place| keyword.places.contains(**place)) {
            let Some(text) = playbook(*place, keyword, value) else { continue };
            let codes = checked(&text);
            // An entry of `roles` may have a name of any kind as a parameter.
            let parameter = *place == Places::ROLE && keyword.name == "name";
            if !parameter && !codes.iter().any(|code| matches!(code.as_str(), "P0103" | "P0106" | "P0141")) {
                taken.push(format!("{text}{codes:?}"));
            }
        }
    }
    assert!(taken.is_empty(), "{}", taken.join("\n"));
}
