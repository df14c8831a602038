//! `fact_caching = jsonfile`: facts that outlive a run, in the files that ansible-core 2.19 writes and reads.
//!
//! A file that cannot be used is told once and counts as missing; it is written anew with the next facts.

use std::collections::HashSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::Value as Json;

use super::config::Config;
use crate::diag::read::read_capped;
use crate::diag::{Diagnostic, Kind, Result};
use crate::engine::FactCache;
use crate::event::{EventKind, Sink};
use crate::value::{Map, Value, from_json, to_json};

/// The largest file that is read; facts of a host take some tens of kilobytes.
const LARGEST: u64 = 64 << 20;

/// Where and how long facts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactCaching {
    /// The folder, `fact_caching_connection`.
    pub folder: PathBuf,
    /// What file names begin with.
    pub prefix: String,
    /// After which time facts count as missing; never without one.
    pub timeout: Option<Duration>,
}

impl FactCaching {
    /// What the settings say: nothing for `memory` and for plugins that are not here (the settings tell of those).
    pub fn configured(config: &Config) -> Result<Option<Self>> {
        let plugin = config.text("CACHE_PLUGIN");
        if plugin.rsplit('.').next() != Some("jsonfile") {
            return Ok(None);
        }
        let Some(folder) = config.given("CACHE_PLUGIN_CONNECTION").filter(|folder| !folder.is_empty()) else {
            return Err(Diagnostic::new("C0120", Kind::Local, "the fact cache `jsonfile` needs a folder")
                .with_hint("fact_caching_connection = FOLDER in [defaults], or ANSIBLE_CACHE_PLUGIN_CONNECTION"));
        };
        Ok(Some(Self {
            folder: PathBuf::from(folder),
            prefix: config.given("CACHE_PLUGIN_PREFIX").unwrap_or_default().to_owned(),
            timeout: config.number("CACHE_PLUGIN_TIMEOUT").filter(|seconds| *seconds > 0).map(Duration::from_secs),
        }))
    }
}

/// Facts in one JSON file for each host.
pub(super) struct JsonFacts {
    settings: FactCaching,
    sink: Sink,
    told: Mutex<HashSet<String>>,
}

impl JsonFacts {
    /// The folder is made if it is missing.
    pub fn open(settings: FactCaching, sink: Sink) -> Result<Self> {
        std::fs::create_dir_all(&settings.folder).map_err(|error| {
            Diagnostic::local("C0120", format!("the folder `{}` cannot be made: {error}", settings.folder.display()))
                .with_hint("name another in `fact_caching_connection`")
        })?;
        Ok(Self { settings, sink, told: Mutex::default() })
    }

    /// The file of a host. Names that are paths have none.
    fn path(&self, host: &str) -> Option<PathBuf> {
        let plain = !host.is_empty() && !host.contains(['/', '\0']);
        // `s1_` is the number of Ansible's format.
        plain.then(|| self.settings.folder.join(format!("{}s1_{host}", self.settings.prefix)))
    }

    fn tell(&self, path: &Path, why: &str) {
        let text = format!("the cached facts in `{}` are not used: {why}", path.display());
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
            let diagnostic = Diagnostic::local("C0121", text).warning();
            self.sink.emit(None, EventKind::Warning { diagnostic });
        }
    }

    fn read(&self, path: &Path) -> std::result::Result<Option<Map>, String> {
        let meta = match std::fs::metadata(path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let age = meta.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        if self.settings.timeout.is_some_and(|timeout| age > timeout) {
            return Ok(None);
        }
        let bytes = read_capped(path, LARGEST).map_err(|error| error.to_string())?;
        let wrong = |error: serde_json::Error| format!("no valid JSON: {error}");
        let mut json: Json = serde_json::from_slice(&bytes).map_err(wrong)?;
        if let Some(Json::String(payload)) = json.get("__payload__") {
            json = serde_json::from_str(payload).map_err(wrong)?;
        }
        match decoded(json) {
            Value::Map(map) => Ok(Some(map.as_ref().clone())),
            _ => Err("expected a mapping".to_owned()),
        }
    }

    fn write(&self, path: &Path, facts: &Map) -> std::io::Result<()> {
        let facts: serde_json::Map<String, Json> =
            facts.iter().map(|(key, value)| (key.text().to_string(), encoded(value))).collect();
        let payload = serde_json::to_string(&facts)?;
        let text = serde_json::to_vec(&serde_json::json!({ "__payload__": payload }))?;
        let mut file = tempfile::Builder::new()
            .prefix(".facts-")
            .permissions(std::fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.settings.folder)?;
        file.write_all(&text)?;
        // As Ansible leaves it: for the owner and its group.
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o640))?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    }
}

impl FactCache for JsonFacts {
    fn load(&self, host: &str) -> Option<Map> {
        let path = self.path(host)?;
        self.read(&path).unwrap_or_else(|why| {
            self.tell(&path, &why);
            None
        })
    }

    fn save(&self, host: &str, facts: &Map) {
        let Some(path) = self.path(host) else { return };
        if let Err(error) = self.write(&path, facts) {
            let text = format!("the facts of `{host}` could not be kept in `{}`: {error}", path.display());
            if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
                let diagnostic = Diagnostic::local("C0121", text).warning();
                self.sink.emit(None, EventKind::Warning { diagnostic });
            }
        }
    }

    fn forget(&self, host: &str) {
        if let Some(path) = self.path(host)
            && let Err(error) = std::fs::remove_file(&path)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            self.tell(&path, &format!("they cannot be removed: {error}"));
        }
    }
}

const TYPE: &str = "__ansible_type";

/// A value with Ansible's wrappers around what JSON does not have.
fn encoded(value: &Value) -> Json {
    match value {
        Value::Date(date) => serde_json::json!({ "iso8601": date.to_string(), TYPE: "AnsibleSerializableDate" }),
        Value::DateTime(at, offset) => {
            let offset = offset.map_or_else(String::new, |minutes| {
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", minutes.unsigned_abs() / 60, minutes.unsigned_abs() % 60)
            });
            serde_json::json!({ "iso8601": format!("{at}{offset}"), "fold": 0, TYPE: "AnsibleSerializableDateTime" })
        }
        Value::List(items) => items.iter().map(encoded).collect(),
        Value::Map(map) => {
            Json::Object(map.iter().map(|(key, value)| (key.text().to_string(), encoded(value))).collect())
        }
        other => to_json(other),
    }
}

/// A value without Ansible's wrappers.
fn decoded(json: Json) -> Value {
    match json {
        Json::Array(items) => Value::from(items.into_iter().map(decoded).collect::<Vec<_>>()),
        Json::Object(mut map) => {
            if let Some(Json::String(kind)) = map.get(TYPE) {
                let date = kind.starts_with("AnsibleSerializableDate");
                if kind.starts_with("_AnsibleTagged")
                    && let Some(value) = map.shift_remove("value")
                {
                    return decoded(value);
                }
                if date && let Some(Json::String(text)) = map.get("iso8601") {
                    return moment(text);
                }
            }
            Value::from(
                map.into_iter().map(|(key, value)| (crate::value::Key::from(key), decoded(value))).collect::<Map>(),
            )
        }
        other => from_json(other),
    }
}

/// A date or a time of a day; anything else stays text.
fn moment(text: &str) -> Value {
    if let Ok(date) = text.parse::<crate::value::Date>()
        && !text.contains('T')
    {
        return Value::Date(date);
    }
    let zone = text.get(19..).and_then(|rest| rest.find(['+', '-'])).map(|at| at + 19);
    let (clock, offset) = match zone {
        Some(at) => {
            let minutes = text[at + 1..].split_once(':').and_then(|(hours, minutes)| {
                hours.parse::<i16>().ok()?.checked_mul(60)?.checked_add(minutes.parse::<i16>().ok()?)
            });
            (&text[..at], minutes.map(|minutes| if text[at..].starts_with('-') { -minutes } else { minutes }))
        }
        None => (text, None),
    };
    clock.parse::<crate::value::DateTime>().map_or_else(|_| Value::from(text), |at| Value::DateTime(at, offset))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diag::SourceMap;
    use crate::event::{Event, Reporter};
    use crate::map;
    use crate::secret::Redactor;

    struct Told(Arc<Mutex<Vec<String>>>);

    impl Reporter for Told {
        fn event(&mut self, event: &Event, _: &SourceMap) {
            if let EventKind::Warning { diagnostic } = &event.kind {
                self.0.lock().unwrap().push(diagnostic.message.clone());
            }
        }
    }

    fn cache(folder: &Path, timeout: Option<Duration>) -> (JsonFacts, Arc<Mutex<Vec<String>>>) {
        let told = Arc::<Mutex<Vec<String>>>::default();
        let reporter: Box<dyn Reporter> = Box::new(Told(Arc::clone(&told)));
        let sink = Sink::new("run", Arc::new(Redactor::default()), SourceMap::new(), vec![reporter]);
        let settings = FactCaching { folder: folder.join("made"), prefix: "p_".to_owned(), timeout };
        (JsonFacts::open(settings, sink).unwrap(), told)
    }

    #[test]
    fn facts_come_back_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, told) = cache(folder.path(), None);
        assert_eq!(kept.load("web"), None);
        let facts = map! {
            "ansible_a" => 1, "b" => vec![Value::Null, Value::from(2.5), Value::from("{{ x }}")],
            "d" => moment("2024-01-02"), "t" => moment("2024-01-02T10:00:00"), "z" => moment("2024-01-02T10:00:00+02:30"),
        };
        kept.save("web", &facts);
        assert_eq!(kept.load("web"), Some(facts));
        let path = folder.path().join("made/p_s1_web");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        kept.forget("web");
        kept.forget("web");
        assert!(!path.exists() && told.lock().unwrap().is_empty());
    }

    #[test]
    fn ansibles_own_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _) = cache(folder.path(), None);
        let payload = r#"{"foo": {"value": [{"value": 1, "tags": [], "__ansible_type": "_AnsibleTaggedInt"}], "tags": [], "__ansible_type": "_AnsibleTaggedList"}, "d": {"value": {"iso8601": "2024-01-02", "__ansible_type": "AnsibleSerializableDate"}, "__ansible_type": "_AnsibleTaggedDate"}}"#;
        let text = serde_json::json!({ "__payload__": payload }).to_string();
        std::fs::write(folder.path().join("made/p_s1_web"), text).unwrap();
        assert_eq!(kept.load("web"), Some(map! { "foo" => vec![Value::from(1)], "d" => moment("2024-01-02") }));
    }

    #[test]
    fn what_cannot_be_used_is_told_once_and_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, told) = cache(folder.path(), None);
        let made = folder.path().join("made");
        std::fs::write(made.join("p_s1_bad"), "{").unwrap();
        std::fs::write(made.join("p_s1_list"), "[1]").unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, made.join("p_s1_fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        for host in ["bad", "bad", "list", "fifo", "../up", ""] {
            assert_eq!(kept.load(host), None, "{host}");
        }
        assert_eq!(told.lock().unwrap().len(), 3);
        kept.save("../up", &map! { "a" => 1 });
        assert!(!folder.path().join("up").exists() && !folder.path().join("p_s1_up").exists());
        kept.save("fifo", &map! { "a" => 1 });
        assert_eq!(kept.load("fifo"), Some(map! { "a" => 1 }));
    }

    #[test]
    fn old_facts_count_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let (kept, _) = cache(folder.path(), Some(Duration::from_mins(1)));
        kept.save("web", &map! { "a" => 1 });
        assert!(kept.load("web").is_some());
        let file = std::fs::File::open(folder.path().join("made/p_s1_web")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_mins(2)).unwrap();
        assert_eq!(kept.load("web"), None);
    }
}
