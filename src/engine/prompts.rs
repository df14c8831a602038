//! `vars_prompt`: variables that a person is asked for when a play begins.

use std::sync::Arc;

use indexmap::IndexMap;
use tokio_util::sync::CancellationToken;

use super::conditions::flag_of;
use super::person::{Answer, Person, Question, Until, waiting};
use super::run::Engine;
use crate::diag::{Diagnostic, Result};
use crate::event::EventKind;
use crate::secret::Secret;
use crate::value::{Map, Value, python_str};
use crate::vars::{Entry, Layer, Level, Origin, Scope};
use crate::yaml::Node;

/// How often answers may differ from their confirmation.
const TRIES: usize = 50;

/// Names whose values are kept out of all output, also where the playbook leaves `private` out.
fn sounds_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    ["pass", "pwd", "secret", "token", "credential", "_key", "apikey"].iter().any(|part| name.contains(part))
}

/// One entry of `vars_prompt`, rendered.
struct Prompt {
    name: Arc<str>,
    question: String,
    default: Option<Value>,
    hidden: bool,
    secret: bool,
    confirm: bool,
    crypt: Option<Crypt>,
    data: bool,
}

/// How an answer is hashed.
struct Crypt {
    kind: Value,
    salt: Value,
    salt_size: Value,
}

impl Prompt {
    fn read(engine: &Engine, item: &Node, early: &Scope) -> Result<Option<Self>> {
        let Some(name) = item.get("name").and_then(Node::as_str) else { return Ok(None) };
        let field = |key: &str| -> Result<Option<Value>> {
            let value = item.get(key).map(|node| engine.templates.render(node, early)).transpose()?;
            Ok(value.filter(|value| *value != Value::Null && !crate::template::is_omit(value)))
        };
        let flag = |key: &str, default: bool| -> Result<bool> {
            let Some(value) = field(key)? else { return Ok(default) };
            flag_of(key, &value, item.get(key).map(Node::place))
        };
        let default = field("default")?;
        let question = match (field("prompt")?.map(|prompt| python_str(&prompt)), &default) {
            (Some(prompt), _) if prompt.is_empty() => format!("input for {name}: "),
            (prompt, Some(default)) => {
                format!("{} [{}]: ", prompt.unwrap_or_else(|| name.to_owned()), python_str(default))
            }
            (prompt, None) => format!("{}: ", prompt.unwrap_or_else(|| name.to_owned())),
        };
        let crypt = match field("encrypt")? {
            Some(kind) => Some(Crypt {
                kind,
                salt: field("salt")?.unwrap_or_default(),
                salt_size: field("salt_size")?.unwrap_or_default(),
            }),
            None => None,
        };
        let hidden = flag("private", true)?;
        Ok(Some(Self {
            name: name.into(),
            question,
            default,
            hidden,
            // Many playbooks leave `private` out where there is nothing to hide: the default hides the typing only.
            secret: hidden && (item.get("private").is_some() || crypt.is_some() || sounds_secret(name)),
            confirm: flag("confirm", false)?,
            crypt,
            data: flag("unsafe", false)?,
        }))
    }

    /// The entry for events; what may be secret itself is left out.
    fn told(&self, item: &Node) -> Map {
        let written = |key: &str| item.get(key).map(Node::to_value).unwrap_or_default();
        let open = |value: Option<&Value>| value.filter(|_| !self.secret).cloned().unwrap_or_default();
        crate::map! {
            "private" => self.hidden,
            "prompt" => match written("prompt") {
                Value::Null => Value::from(&*self.name),
                prompt => prompt,
            },
            "encrypt" => self.crypt.as_ref().map(|crypt| crypt.kind.clone()).unwrap_or_default(),
            "confirm" => self.confirm,
            "salt_size" => self.crypt.as_ref().map(|crypt| crypt.salt_size.clone()).unwrap_or_default(),
            "salt" => open(self.crypt.as_ref().map(|crypt| &crypt.salt)),
            "default" => open(self.default.as_ref()),
            "unsafe" => self.data,
        }
    }

    /// What was typed; `None` when the run is to end.
    fn asked(&self, person: &dyn Person, cancel: &CancellationToken) -> Result<Option<Secret>> {
        let ask = |prompt: &str| {
            let question = Question { prompt, hidden: self.hidden, seconds: None, until: Until::Line };
            match person.ask(&question, cancel) {
                Some(Answer::Text(text)) => Some(Secret::new(text)),
                Some(Answer::Interrupted | Answer::TimedOut) | None => {
                    person.show("User interrupted execution\n");
                    cancel.cancel();
                    None
                }
            }
        };
        for _ in 0..TRIES {
            let Some(answer) = ask(&self.question) else { return Ok(None) };
            if !self.confirm {
                return Ok(Some(answer));
            }
            let Some(second) = ask(&format!("confirm {}", self.question)) else { return Ok(None) };
            if answer.expose() == second.expose() {
                return Ok(Some(answer));
            }
            person.show("***** VALUES ENTERED DO NOT MATCH ****\n");
        }
        Err(Diagnostic::source("P0159", format!("`{}` was not confirmed", self.name)).with_hint("type the same twice"))
    }

    /// The variable: the answer, or the default if it is empty.
    fn value(&self, engine: &Engine, answer: Option<&Secret>) -> Result<Value> {
        let typed = answer.map(Secret::expose).filter(|text| !text.is_empty());
        let value = match (typed, &self.default, answer) {
            (Some(text), ..) => Value::from(text),
            (None, Some(default), _) => Value::from(python_str(default)),
            (None, None, Some(_)) => Value::from(""),
            // Python's word for nothing, as text.
            (None, None, None) => Value::from("None"),
        };
        // The default, too.
        if self.secret && (typed.is_some() || self.default.is_some()) {
            engine.redactor.learn(&python_str(&value));
        }
        let Some(crypt) = &self.crypt else { return Ok(value) };
        let names = [("value", value), ("kind", crypt.kind.clone()), ("salt", crypt.salt.clone())];
        let layer = Layer::data(Level::Magic, "vars_prompt", names.map(|(name, value)| (Arc::from(name), value)));
        let size = python_str(&crypt.salt_size)
            .parse::<u8>()
            .map_or_else(|_| String::new(), |size| format!(", salt_size={size}"));
        let salt = if crypt.salt == Value::Null { "" } else { ", salt=salt" };
        let text = format!("value | password_hash(kind{salt}{size})");
        let span = engine.templates.sources().add("<vars_prompt>", None, text.as_str());
        let end = u32::try_from(text.len()).unwrap_or(0);
        engine.templates.expression(&text, crate::diag::Span::new(span.id, 0, end), &Scope::new().with(layer))
    }
}

/// The variables of `vars_prompt`: one that `-e` gives is left alone, the others are asked for. Without a terminal the
/// default counts. `None` if the run was ended meanwhile.
pub(super) async fn prompts(engine: &Arc<Engine>, node: Option<&Node>, early: &Scope) -> Result<Option<Vec<Layer>>> {
    let Some(node) = node else { return Ok(Some(Vec::new())) };
    let items: Vec<&Node> = node.as_list().map_or_else(|| vec![node], |items| items.iter().collect());
    let mut entries: IndexMap<Arc<str>, Entry> = IndexMap::new();
    for item in items {
        let Some(prompt) = Prompt::read(engine, item, early)? else { continue };
        if engine.options.layers.iter().any(|layer| layer.entries.contains_key(&prompt.name)) {
            continue;
        }
        let prompt = Arc::new(prompt);
        engine.sink.emit(None, EventKind::VarPrompt { name: prompt.name.to_string(), entry: prompt.told(item) });
        let answer = if engine.person.is_there() {
            // What was written so far is on the screen before the question is.
            engine.sink.tick();
            let (cancel, asked) = (engine.cancel.clone(), Arc::clone(&prompt));
            let asked = waiting(&engine.person, move |person| asked.asked(person, &cancel)).await;
            let asked = asked.ok_or_else(|| Diagnostic::internal("a question ended early".to_owned()))?;
            match asked.map_err(|error| error.with_label_opt(Some(item.place()), "asked for here"))? {
                Some(answer) => Some(answer),
                None => return Ok(None),
            }
        } else {
            let shown = if prompt.default.is_some() { "its default" } else { "without a value" };
            engine.warn_once(
                None,
                Diagnostic::source("P0157", format!("`{}` was not asked for: it is {shown}", prompt.name))
                    .with_label(item.place(), "not asked, without a terminal")
                    .with_hint(format!("-e {}=VALUE", prompt.name)),
            );
            None
        };
        let value = prompt
            .value(engine, answer.as_ref())
            .map_err(|error| error.with_label_opt(Some(item.place()), "asked for here"))?;
        let entry = match &value {
            // What a person types is source, as a variable of the command line is.
            Value::Str(text) if !prompt.data => {
                let file = engine.templates.sources().add("<vars_prompt>", None, &**text);
                if prompt.secret {
                    engine.templates.sources().mask(file.id);
                }
                let end = u32::try_from(text.len()).unwrap_or(u32::MAX);
                Entry::Lazy(Node::text(Arc::clone(text), crate::diag::Span::new(file.id, 0, end)))
            }
            _ => Entry::Data(value, Some(item.place())),
        };
        entries.insert(Arc::clone(&prompt.name), entry);
    }
    let origin = Origin { level: Level::PlayPrompt, name: "vars_prompt".into() };
    Ok(Some(vec![Layer { origin, entries: Arc::new(entries) }]))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Gives answers in order and keeps what was shown.
    struct Script {
        answers: Mutex<Vec<Answer>>,
        shown: Mutex<Vec<String>>,
    }

    impl Person for Script {
        fn is_there(&self) -> bool {
            true
        }
        fn ask(&self, question: &Question<'_>, _: &CancellationToken) -> Option<Answer> {
            let hidden = if question.hidden { "*" } else { "" };
            self.shown.lock().unwrap().push(format!("{}{hidden}", question.prompt));
            let mut answers = self.answers.lock().unwrap();
            (!answers.is_empty()).then(|| answers.remove(0))
        }
        fn line(&self, _: &str) -> Option<String> {
            None
        }
        fn show(&self, text: &str) {
            self.shown.lock().unwrap().push(text.to_owned());
        }
    }

    fn asked(confirm: bool, answers: &[Answer]) -> (Option<String>, Vec<String>, bool) {
        let script = Script { answers: Mutex::new(answers.to_vec()), shown: Mutex::default() };
        let cancel = CancellationToken::new();
        let prompt = Prompt {
            name: "x".into(),
            question: "x: ".to_owned(),
            default: None,
            hidden: true,
            secret: true,
            confirm,
            crypt: None,
            data: false,
        };
        let answer = prompt.asked(&script, &cancel).unwrap().map(|answer| answer.expose().to_owned());
        (answer, script.shown.into_inner().unwrap(), cancel.is_cancelled())
    }

    #[test]
    fn an_answer_is_confirmed_and_an_interrupt_ends_the_run() {
        let text = |text: &str| Answer::Text(text.to_owned());
        assert_eq!(asked(false, &[text("a")]), (Some("a".to_owned()), vec!["x: *".to_owned()], false));
        let (answer, shown, ended) = asked(true, &[text("a"), text("b"), text("c"), text("c")]);
        assert_eq!((answer.as_deref(), ended), (Some("c"), false));
        assert_eq!(shown, ["x: *", "confirm x: *", "***** VALUES ENTERED DO NOT MATCH ****\n", "x: *", "confirm x: *"]);
        assert!(asked(true, &[text("a"), Answer::Interrupted]).2);
        assert_eq!(asked(false, &[]).0, None);
    }

    #[test]
    fn names_that_sound_secret() {
        let check = |name: &str, expected: bool| assert_eq!(sounds_secret(name), expected, "{name}");
        check("admin_password", true);
        check("API_TOKEN", true);
        check("ssh_key", true);
        check("input", false);
        check("keyboard", false);
    }
}
