//! Global functions: `range`, `dict`, `lookup`, `query`, `now`, `undef`, `namespace`, ...

use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::diag::{Diagnostic, Kind};
use crate::value::{Key, Value};

use super::args::{Args, Call};
use super::eval::short;
use super::fail::{Fail, R, Undef};
use super::unload::Items;
use super::val::{Func, Val};
use super::{lookups, time};

const NAMES: &[&str] =
    &["range", "dict", "lookup", "query", "q", "now", "undef", "namespace", "cycler", "joiner", "lipsum"];

/// The function of a name.
pub fn find(name: &str) -> Option<&'static str> {
    NAMES.iter().copied().find(|known| *known == name)
}

/// Calls one.
pub fn call(call: &Call, name: &str, mut args: Args) -> R<Val> {
    let result = match name {
        "range" => {
            let words = "range expected at least 1 argument, got 0";
            let first = range_part(&mut args, 0)?.ok_or_else(|| Fail::said("`range` needs an argument", words))?;
            let second = range_part(&mut args, 1)?;
            let step = range_part(&mut args, 2)?.unwrap_or(1);
            let (start, stop) = second.map_or((0, first), |stop| (first, stop));
            if step == 0 {
                return Err(Fail::said("the step of `range` can not be zero", "range() arg 3 must not be zero"));
            }
            call.cx().room_for_items(steps(start, stop, step))?;
            let mut items = Vec::new();
            let mut at = start;
            while if step > 0 { at < stop } else { at > stop } {
                items.push(Val::from(at));
                let Some(next) = at.checked_add(step) else { break };
                at = next;
            }
            Val::range((start, stop, step), items)
        }
        "dict" | "namespace" => {
            let mut map: IndexMap<Key, Val> = IndexMap::new();
            if let Some(first) = args.take(0, "iterable") {
                match first.defined()? {
                    Val::Map(other) => map.extend(other.items(call.cx())?),
                    other => {
                        for pair in call.items(&other)? {
                            match call.items(&pair)?.as_slice() {
                                [key, value] => map.insert(key.key()?, value.clone()),
                                _ => return Err(Fail::msg("`dict` wants a mapping or pairs")),
                            };
                        }
                    }
                }
            }
            map.extend(args.rest_kw().into_iter().map(|(name, value)| (Key::Str(name), value)));
            if name == "namespace" { Val::namespace(map) } else { Val::map(map) }
        }
        "now" => {
            let utc = args.flag(0, "utc", false)?;
            let format = args.text(call, 1, "fmt")?;
            let at = time::local(None, utc)?;
            match format {
                Some(format) => Val::from(time::format(&at, &format.replace("%z", "").replace("%Z", ""), false)),
                None => Val::V(Value::DateTime(super::moments::whole_micros(at.datetime()), None)),
            }
        }
        "undef" => {
            let hint = args.text(call, 0, "hint")?;
            args.finish()?;
            let hint: Arc<str> = hint.unwrap_or_else(|| "Mandatory variable has not been overridden".into());
            return Ok(Val::Undef(Rc::new(Undef::hint(&*hint))));
        }
        "cycler" => {
            let items = args.rest();
            if items.is_empty() {
                return Err(Fail::said("`cycler` needs an item", "at least one item has to be provided"));
            }
            Val::Func(Func::Cycler(Rc::new(Items::new(items)), Rc::default()))
        }
        "joiner" => {
            let sep = args.text(call, 0, "sep")?.unwrap_or_else(|| ", ".into());
            Val::Func(Func::Joiner((*sep).into(), Rc::default()))
        }
        "lipsum" => lipsum(call, &mut args)?,
        "lookup" | "query" | "q" => return lookup(call, name, args),
        _ => return Err(Fail::msg(format!("there is no function `{name}`"))),
    };
    args.finish()?;
    Ok(result)
}

/// How many steps lead from one number to another, that one not counted.
pub(super) fn steps(start: i128, stop: i128, step: i128) -> usize {
    if if step > 0 { stop < start } else { stop > start } {
        return 0;
    }
    usize::try_from(stop.abs_diff(start).div_ceil(step.unsigned_abs().max(1))).unwrap_or(usize::MAX)
}

fn range_part(args: &mut Args, index: usize) -> R<Option<i128>> {
    match args.take(index, "") {
        Some(Val::V(Value::Int(int))) => Ok(Some(int)),
        Some(Val::V(Value::Bool(flag))) => Ok(Some(i128::from(flag))),
        Some(Val::Undef(undef)) => Err(Fail::Undef(undef)),
        Some(other) => Err(Fail::said(
            format!("`range` wants integers, not {}", other.kind()),
            format!("'{}' object cannot be interpreted as an integer", other.type_name()),
        )),
        None => Ok(None),
    }
}

/// Random words to fill a page with.
fn lipsum(call: &Call, args: &mut Args) -> R<Val> {
    const WORDS: [&str; 24] = [
        "lorem",
        "ipsum",
        "dolor",
        "sit",
        "amet",
        "consectetuer",
        "adipiscing",
        "elit",
        "sed",
        "diam",
        "nonummy",
        "nibh",
        "euismod",
        "tincidunt",
        "ut",
        "laoreet",
        "dolore",
        "magna",
        "aliquam",
        "erat",
        "volutpat",
        "enim",
        "minim",
        "veniam",
    ];
    let count = args.int(0, "n")?.unwrap_or(5);
    let html = args.flag(1, "html", true)?;
    let least = args.int(2, "min")?.unwrap_or(20);
    let most = args.int(3, "max")?.unwrap_or(100);
    if most <= least && count > 0 {
        let words = format!("empty range for randrange() ({least}, {most}, {})", most.saturating_sub(least));
        return Err(Fail::said("`max` of `lipsum` must be above `min`", words));
    }
    let longest = WORDS.iter().map(|word| word.len() + 2).max().unwrap_or(0);
    let words = super::methods::size(Some(count)).saturating_mul(super::methods::size(Some(most)));
    call.cx().room_for_product(longest, words)?;
    call.cx().step(words as u64)?;
    let mut rng = super::random::Rng::new(call, None)?;
    let mut below = |end: i128| rng.below(u64::try_from(end).unwrap_or(1));
    let mut parts = Vec::new();
    for _ in 0..count {
        let length = least + i128::from(below(most - least));
        let mut text = String::new();
        let mut start = true;
        for index in 0..length {
            let word = WORDS[usize::try_from(below(24)).unwrap_or(0)];
            text.push_str(if index == 0 { "" } else { " " });
            text.push_str(&if start { super::methods::capitalize(word) } else { word.to_owned() });
            start = index + 1 == length || below(12) == 0;
            text.push_str(if start { "." } else { "" });
        }
        parts.push(if html { format!("<p>{text}</p>") } else { text });
    }
    Ok(Val::from(parts.join(if html { "\n" } else { "\n\n" })))
}

fn lookup(call: &Call, function: &str, mut args: Args) -> R<Val> {
    let plugin = args.need(0, "plugin_name")?.defined()?;
    let Some(plugin) = plugin.as_text() else {
        return Err(Fail::msg("the name of a lookup must be a string"));
    };
    let plugin = short(&plugin);
    let mut options = args.rest_kw();
    let terms = args.rest();
    let mut option = |name: &str| options.iter().position(|(key, _)| **key == *name).map(|at| options.remove(at).1);
    let list = function != "lookup" || option("wantlist").is_some_and(|value| value.truthy().unwrap_or(false));
    let _ = option("wantlist");
    let errors = option("errors").and_then(|value| value.as_text());
    if !matches!(plugin, "first_found" | "env") {
        let undefined =
            terms.iter().chain(options.iter().map(|(_, value)| value)).find(|value| matches!(value, Val::Undef(_)));
        if let Some(undefined) = undefined {
            return Ok(undefined.clone());
        }
    }
    let items = match lookups::run(call, plugin, terms, options, false) {
        Ok(items) => items,
        Err(Fail::Diag(diag)) if diag.code != "T0107" && matches!(errors.as_deref(), Some("ignore" | "warn")) => {
            if errors.as_deref() == Some("warn") {
                let why = diag.registered();
                let why = why.strip_prefix(&format!("The lookup plugin '{plugin}' failed: ")).unwrap_or(why);
                let said = format!("An error occurred while running the lookup plugin '{plugin}': {why}");
                let mut warning =
                    Diagnostic::new("T0110", Kind::Template, format!("the lookup `{plugin}` failed: {}", diag.message));
                warning.labels.clone_from(&diag.labels);
                call.cx().templates.warn(warning.with_registered(said));
            }
            return Ok(if list { Val::list(Vec::new()) } else { Val::NONE });
        }
        Err(fail) => return Err(fail),
    };
    if list {
        return Ok(Val::list(items));
    }
    Ok(match items.as_slice() {
        [] => Val::list(Vec::new()),
        [one] => one.clone(),
        many if many.iter().all(|item| item.as_str().is_some()) => {
            Val::from(many.iter().filter_map(Val::as_str).collect::<Vec<_>>().join(","))
        }
        _ => Val::list(items),
    })
}
