//! What a template makes of a secret is a secret too: a slice, a field, another encoding, a hash.
//!
//! Looks at the operations of an expression, before and after: the redactor learns what of the result stood in the
//! secret, and the whole of a result that shows nothing of the secret it was made of. What is short, or a plain word, is not learned: it would mask half
//! of every output. Nor is what a loop over single characters builds.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::diag::{Diagnostic, Kind};
use crate::secret::Redactor;
use crate::value::Value;

use super::cx::Cx;
use super::val::Val;

/// Shortest part of a secret that is learned, in characters.
const SHORTEST: usize = 6;

/// Longest text that is searched for secrets, in bytes.
const LONGEST: usize = 64 << 10;

/// What has no capitals but at its beginning, or nothing else, is a word of a language up to this length.
const WORD: usize = 16;

/// Least number of different characters of a text that is learned whole: a row of asterisks is no secret.
const DIFFERENT: usize = 4;

/// Filters whose result shares no text with what they got and yet gives it away, of any length.
const ENCODINGS: [&str; 11] = [
    "b64decode",
    "b64encode",
    "checksum",
    "hash",
    "md5",
    "password_hash",
    "sha1",
    "swapcase",
    "title",
    "to_uuid",
    "urldecode",
];

/// Filters that take apart what is mostly no secret: paths and addresses.
const PLACES: [&str; 10] =
    ["basename", "dirname", "expanduser", "ipaddr", "ipv4", "ipv6", "ipwrap", "realpath", "splitext", "urlsplit"];

/// Filters whose result is chosen by what they got, not made of it, or is made to be shown.
const CHOICES: [&str; 7] = ["d", "default", "extract", "fileglob", "ternary", "type_debug", "vault"];

/// Operations that lay out their arguments, those in lists and mappings too.
const FORMATS: [&str; 3] = ["%", "format", "format_map"];

/// What an operation begins with, as far as secrets are in it.
#[derive(Default)]
pub struct Given {
    secrets: Vec<String>,
    /// How many of the secrets are of what the operation works on; the rest is of its arguments.
    own: usize,
    /// The text that it works on, if secrets are most of it.
    text: Option<String>,
    /// The texts of its arguments.
    args: Vec<String>,
}

impl Cx<'_> {
    /// The secrets in what an operation begins with; mostly none.
    pub fn given<'v>(&self, operation: &str, value: &Val, args: impl Iterator<Item = &'v Val>) -> Given {
        let mut given = Given::default();
        let Some(redactor) = self.templates.host().redactor().filter(|redactor| !redactor.is_empty()) else {
            return given;
        };
        let mut left = LONGEST;
        let mut sought = |text: &str, found: &mut Vec<String>| {
            if text.len() <= left {
                left -= text.len();
                found.extend(redactor.secrets_in(text));
            }
        };
        // What is in a list or a mapping is looked at where it does not come back as it is.
        within(self, value, ENCODINGS.contains(&operation), &mut |text| sought(text, &mut given.secrets));
        given.own = given.secrets.len();
        let mut texts = Vec::new();
        for arg in args {
            within(self, arg, FORMATS.contains(&operation), &mut |text| texts.push(text.to_owned()));
        }
        texts.iter().for_each(|text| sought(text, &mut given.secrets));
        if given.own > 0 {
            let most = 2 * given.secrets[..given.own].iter().map(String::len).sum::<usize>();
            within(self, value, false, &mut |text| given.text = (most >= text.len()).then(|| text.to_owned()));
            given.args = texts;
        }
        given
    }

    /// Learns what an operation made of secrets.
    pub fn derived(&self, operation: &str, given: &Given, made: &Val) {
        if given.secrets.is_empty() || matches!(made, Val::Undef(_) | Val::Omit | Val::Func(_)) {
            return;
        }
        let Some(redactor) = self.templates.host().redactor() else { return };
        let Ok(made) = made.value(self) else { return };
        let mut full = false;
        if operation == "urlsplit" {
            // The host of a sealed URL is none that must not be named.
            each_text(&made, &mut |text| {
                if given.secrets.iter().any(|secret| secret.contains(&format!(":{text}@"))) {
                    full |= redactor.derive(text);
                }
            });
        }
        if PLACES.contains(&operation) {
            return self.tell_full(full);
        }
        if given.own > 0 && ENCODINGS.contains(&operation) {
            each_text(&made, &mut |text| full |= tells(text) && redactor.derive(text));
            return self.tell_full(full);
        }
        let known: Vec<HashSet<&[u8]>> =
            given.secrets.iter().map(|secret| secret.as_bytes().windows(SHORTEST).collect()).collect();
        let mut found: Vec<String> = Vec::new();
        each_text(&made, &mut |text| {
            if (SHORTEST..=LONGEST).contains(&text.len()) {
                found.extend(known.iter().flat_map(|known| shared(known, text)).map(str::to_owned));
            }
        });
        // What shows most of a secret gives it away, words or not.
        let most = 2 * found.iter().map(String::len).sum::<usize>() >= given.secrets.iter().map(String::len).sum();
        found.iter().filter(|part| most || tells(part)).for_each(|part| full |= redactor.derive_part(part));
        if found.is_empty() && !CHOICES.contains(&operation) {
            full |= given.learn_hidden(redactor, &made);
        }
        self.tell_full(full);
    }

    /// Warns that not all that is made of secrets is masked from now on.
    fn tell_full(&self, full: bool) {
        if full {
            let text = "templates made too many different texts of secrets: what they make from now on is not masked";
            let hint = "mark the tasks that make them with `no_log: true`";
            self.templates.warn(Diagnostic::new("T0114", Kind::Template, text).with_hint(hint));
        }
    }
}

impl Given {
    /// Learns a result that shows nothing of the secrets it was made of: it may spell them in another way. True if no
    /// more of its kind is learned.
    fn learn_hidden(&self, redactor: &Redactor, made: &Value) -> bool {
        let Some(whole) = &self.text else { return false };
        let text: Cow<'_, str> = match made {
            Value::Str(text) => Cow::Borrowed(text),
            Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
            _ => return false,
        };
        let trimmed = text.trim();
        // What stood in the text beside the secret, or in an argument, is not made of the secret.
        if whole.contains(trimmed) || self.args.iter().any(|arg| arg.contains(trimmed)) {
            return false;
        }
        let different: HashSet<char> = trimmed.chars().collect();
        if different.len() < DIFFERENT || !tells(trimmed) || !redactor.secrets_in(&text).is_empty() {
            return false;
        }
        match made {
            Value::Bytes(bytes) => redactor.derive_bytes(bytes),
            _ => redactor.derive(&text),
        }
    }
}

/// The texts of a value; those in lists and mappings with `deep`. Nothing is rendered for it.
fn within(cx: &Cx, value: &Val, deep: bool, found: &mut impl FnMut(&str)) {
    match value {
        Val::V(value) => each_text(value, found),
        Val::List(_) | Val::Map(_) if deep => {
            if let Ok(value) = value.value(cx) {
                each_text(&value, found);
            }
        }
        _ => {}
    }
}

fn each_text(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Str(text) => found(text),
        Value::Bytes(bytes) => found(&String::from_utf8_lossy(bytes)),
        Value::Int(_) | Value::BigInt(_) => found(&crate::value::python_str(value)),
        Value::List(items) => items.iter().for_each(|item| each_text(item, found)),
        Value::Map(map) => map.values().for_each(|item| each_text(item, found)),
        _ => {}
    }
}

/// True if a text is long enough and no word that stands in other texts too.
fn tells(text: &str) -> bool {
    let text = text.trim();
    let count = text.chars().count();
    // `BEGIN RSA PRIVATE KEY`, `production`, `Bearer`
    let letters = text.chars().all(|c| c.is_alphabetic() || c.is_whitespace() || "-_.".contains(c));
    let capitals = text.chars().all(|c| !c.is_lowercase());
    let inner_capital = text.chars().skip(1).any(char::is_uppercase);
    count >= SHORTEST && !(letters && count <= WORD && (capitals || !inner_capital)) && !text.starts_with("-----")
}

/// The runs of a text that stand in a secret, too; `known` has the secret's parts of [`SHORTEST`] bytes.
fn shared<'t>(known: &HashSet<&[u8]>, text: &'t str) -> Vec<&'t str> {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (at, window) in text.as_bytes().windows(SHORTEST).enumerate() {
        match runs.last_mut() {
            _ if !known.contains(window) => {}
            Some((_, end)) if *end == at + SHORTEST - 1 => *end += 1,
            _ => runs.push((at, at + SHORTEST)),
        }
    }
    let inside = |(mut start, mut end): (usize, usize)| {
        // A character that both begin with the same byte is none that both hold.
        while !text.is_char_boundary(start) {
            start += 1;
        }
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.get(start..end)
    };
    runs.into_iter().filter_map(inside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex};

    use super::super::table_tests::{Plain, node, setup};
    use super::super::{LookupHost, Templates};
    use crate::diag::{Result, SourceMap};
    use crate::vars::Scope;

    const LONG: &str = "CorrectHorse9BatteryStaple77Zebra";
    const MARKS: &str = "Tr0ub4dor&3<horse>battery\"";

    /// A controller that knows secrets.
    struct Knowing(Redactor);

    impl LookupHost for Knowing {
        fn find(&self, folder: &str, name: &str, scope: &Scope) -> Option<PathBuf> {
            Plain.find(folder, name, scope)
        }
        fn read(&self, path: &Path) -> Result<Vec<u8>> {
            Plain.read(path)
        }
        fn env(&self, name: &str) -> Option<String> {
            Plain.env(name)
        }
        fn pipe(&self, command: &str) -> Result<String> {
            Plain.pipe(command)
        }
        fn unseal(&self, text: &str) -> Result<String> {
            Plain.unseal(text)
        }
        fn redactor(&self) -> Option<&Redactor> {
            Some(&self.0)
        }
    }

    /// What a template gives, masked as the report masks it, and what was warned of.
    fn shown(text: &str) -> (String, Vec<String>) {
        let host = Arc::new(Knowing(Redactor::default()));
        for secret in [LONG, MARKS] {
            host.0.learn(secret);
        }
        let (_, scope, _) = setup("{}");
        let templates = Templates::new(SourceMap::new(), Arc::clone(&host) as Arc<dyn LookupHost>);
        let warned = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&warned);
        templates.on_warning(Box::new(move |warning| told.lock().unwrap().push(warning.code.to_string())));
        let names = [(Arc::from("pw"), Value::from(LONG)), (Arc::from("marks"), Value::from(MARKS))];
        let scope = scope.with(crate::vars::Layer::data(crate::vars::Level::PlayVars, "vars", names));
        let value =
            templates.render(&node(&templates, text), &scope).unwrap_or_else(|error| panic!("{text}: {error:?}"));
        let json = serde_json::Value::from(crate::value::python_str(&value)).to_string();
        (host.0.redact(&json).into_owned(), warned.lock().unwrap().clone())
    }

    #[test]
    fn what_formats_make_of_a_secret_is_masked() {
        for text in [
            "{{ '%.20s' % pw }}",
            "{{ '%.20s' % (pw,) }}",
            "{{ '%(a).20s' % {'a': pw} }}",
            "{{ '{:.20}'.format(pw) }}",
            "{{ '{a:.20}'.format(a=pw) }}",
            "{{ '{0[a]:.20}'.format({'a': pw}) }}",
            "{{ '{a:.20}'.format_map({'a': pw}) }}",
            "{{ '%.20s' | format(pw) }}",
            "{% set f = '{:.20}'.format %}{{ f(pw) }}",
        ] {
            assert_eq!(shown(text).0, "\"********\"", "{text}");
        }
        assert_eq!(shown("{{ '%s and %d items' % ('Configured-42', 7) }}").0, "\"Configured-42 and 7 items\"");
    }

    #[test]
    fn a_result_that_shows_nothing_of_its_secret_is_masked_whole() {
        for text in [
            "{{ pw.encode('utf-16-le') | b64encode }}",
            "{{ pw.encode('utf-16-le').hex() }}",
            "{{ pw.encode('utf-16') | b64encode }}",
            "{{ pw.encode().hex() }}",
            "{{ pw | wordwrap(5, wrapstring='-') }}",
            "{% set f = pw.swapcase %}{{ f() }}",
            "{{ pw[::2] }}",
            "{{ marks | tojson }}",
            "{{ marks | e }}",
        ] {
            let shown = shown(text).0;
            let left = shown.replace("********", "").chars().filter(|c| c.is_alphanumeric()).count();
            assert!(shown.contains("********") && left <= 4, "{text}: {shown}");
        }
        let made = shown("{{ pw.translate({97: 'a_'}) }}").0;
        assert!(!made.contains("Battery") && !made.contains("CorrectHorse") && made.contains("********"), "{made}");
    }

    #[test]
    fn what_is_chosen_by_a_secret_is_none() {
        for text in [
            "{{ pw | ternary('Enabled-42-x', 'b') }}",
            "{{ {pw: 'Enabled-42-x'}[pw] }}",
            "{{ pw | extract({pw: 'Enabled-42-x'}) }}",
            "{{ pw | regex_replace('.+', 'Enabled-42-x') }}",
            "{{ pw | type_debug ~ 'Enabled-42-x'[3:] }}",
            "{{ ('version: Enabled-42-x, key: ' ~ pw) | regex_search('Enabled-42-x') }}",
            "{{ ('Enabled-42-x, and so on: ' * 9 ~ pw) | regex_replace('Correct.*', 'gone') }}",
            "{{ pw | regex_replace('.', '*') }}",
        ] {
            let shown = shown(text).0;
            assert!(!shown.contains("********") || shown.contains("*********"), "{text}: {shown}");
        }
    }

    #[test]
    fn hashes_in_a_loop_crowd_out_no_part_of_a_secret_and_are_told() {
        let hashes = "{% for i in range(520) %}{{ (pw ~ i) | sha1 }}{% endfor %}";
        let (text, warned) = shown(&format!("{hashes}{{{{ ' ' ~ pw[2:21] }}}}"));
        assert!(text.ends_with(" ********\""), "{}", &text[text.len() - 40..]);
        assert_eq!(warned, ["T0114"]);
        assert!(shown("{{ pw | sha1 }}").1.is_empty());
    }

    #[test]
    fn words_are_no_secrets() {
        for word in ["PRIVATE", "production", "Bearer", "short", "db.example", "-----BEGIN RSA PRIVATE KEY-----"] {
            assert!(!tells(word), "{word}");
        }
        for part in ["Kan-arie_W", "hunter2", "correcthorsebattery", "pwKanarie7", "0123456", "aBcDeF"] {
            assert!(tells(part), "{part}");
        }
    }

    #[test]
    fn what_stood_in_the_secret_is_found() {
        let shared =
            |secret: &str, text: &'static str| super::shared(&secret.as_bytes().windows(SHORTEST).collect(), text);
        assert_eq!(shared("Kan-arie_Wert/99-tail", "user:Kan-arie_ and Wert/99!"), ["Kan-arie_", "Wert/99"]);
        assert_eq!(shared("Kan-arie_Wert/99-tail", "Kan_arie_Wert/99_tail"), ["arie_Wert/99"]);
        assert!(shared("hunter2-long", "configured").is_empty() && shared("abc", "abcdef").is_empty());
        assert_eq!(shared("geheim\u{e4}x", "geheim\u{e5}"), ["geheim"]);
    }
}
