//! The end of Ansible's `default` callback: the recap in its columns, custom statistics.

use std::collections::BTreeMap;
use std::io::Write;

use super::default::AnsibleDefault;
use super::display::Tone;
use super::dump;
use super::result::truthy;
use crate::event::Stats;
use crate::value::{Map, StrKey, Value};

/// What `set_stats` says, by host; `_run` for all.
pub(super) type Custom = BTreeMap<String, Map>;

/// Keeps what `set_stats` says in a result, or in those of its items, added up.
pub(super) fn take_stats(custom: &mut Custom, host: &str, result: &Map) {
    if let Some(Value::Map(stats)) = result.get(&StrKey("ansible_stats")) {
        add_stats(custom, host, stats);
    } else if let Some(Value::List(items)) = result.get(&StrKey("results")) {
        for item in items.iter() {
            if let Value::Map(item) = item
                && let Some(Value::Map(stats)) = item.get(&StrKey("ansible_stats"))
            {
                add_stats(custom, host, stats);
            }
        }
    }
}

fn add_stats(custom: &mut Custom, host: &str, stats: &Map) {
    let Some(Value::Map(data)) = stats.get(&StrKey("data")) else { return };
    let name = if truthy(stats, "per_host") { host } else { "_run" };
    let aggregate = stats.get(&StrKey("aggregate")).is_none_or(Value::truthy);
    let known = custom.entry(name.to_owned()).or_default();
    for (key, value) in data.iter() {
        let sum = match (known.get(key), value) {
            (Some(Value::Int(old)), Value::Int(new)) if aggregate => Value::Int(old.saturating_add(*new)),
            (Some(Value::List(old)), Value::List(new)) if aggregate => {
                Value::from(old.iter().chain(new.iter()).cloned().collect::<Vec<_>>())
            }
            (Some(Value::Map(old)), Value::Map(new)) if aggregate => {
                let mut all = Map::clone(old);
                all.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
                Value::from(all)
            }
            _ => value.clone(),
        };
        known.insert(key.clone(), sum);
    }
}

impl<O: Write + Send, E: Write + Send> AnsibleDefault<O, E> {
    /// The recap, and the custom statistics behind it.
    pub(super) fn recap(&mut self, stats: &BTreeMap<String, Stats>) {
        self.display.banner("PLAY RECAP");
        for (host, stats) in stats {
            let line = recap_line(host, stats, self.display.colored());
            self.display.write(&line);
        }
        self.display.write("\n");
        if self.options.custom_stats && !self.custom.is_empty() {
            self.display.banner("CUSTOM STATS: ");
            let custom = std::mem::take(&mut self.custom);
            let one_line =
                |this: &Self, map: &Map| dump::dump_indented(map, false, Some(1), &this.options).replace('\n', "");
            for (host, map) in custom.iter().filter(|(host, _)| *host != "_run") {
                let text = format!("\t{host}: {}", one_line(self, map));
                self.display.line(&text, None);
            }
            if let Some(map) = custom.get("_run") {
                self.display.write("\n");
                let text = format!("\tRUN: {}", one_line(self, map));
                self.display.line(&text, None);
            }
            self.display.write("\n");
        }
        if self.check && self.options.check_markers {
            self.display.banner("DRY RUN");
        }
        self.display.flush();
    }
}

/// One line of the recap, in Ansible's columns.
fn recap_line(host: &str, stats: &Stats, color: bool) -> String {
    let paint = if stats.failed > 0 || stats.unreachable > 0 {
        Tone::Error
    } else if stats.changed > 0 {
        Tone::Changed
    } else {
        Tone::Ok
    };
    let name = if color { format!("{:<37}", paint.apply(host, true)) } else { format!("{host:<26}") };
    let count = |word: &str, number: u32, paint: Tone| {
        let text = format!("{word}={number:<4}");
        if number > 0 { paint.apply(&text, color) } else { text }
    };
    format!(
        "{name} : {} {} {} {} {} {} {}\n",
        count("ok", stats.ok, Tone::Ok),
        count("changed", stats.changed, Tone::Changed),
        count("unreachable", stats.unreachable, Tone::Unreachable),
        count("failed", stats.failed, Tone::Error),
        count("skipped", stats.skipped, Tone::Skipped),
        count("rescued", stats.rescued, Tone::Ok),
        count("ignored", stats.ignored, Tone::Warning),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recap_has_ansibles_columns() {
        let stats = Stats { ok: 12, changed: 1, ..Stats::default() };
        assert_eq!(
            recap_line("h1", &stats, false),
            "h1                         : ok=12   changed=1    unreachable=0    failed=0    skipped=0    rescued=0    ignored=0   \n"
        );
    }
}
