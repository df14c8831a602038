//! What one rendering of `plain` may use: steps, bytes of a text and of all that it makes.
//!
//! minijinja counts steps itself. Sizes are looked at by two filters that `plain_guard` puts into the text, by the
//! filters that can make much of little, and where values are written.

use std::cell::Cell;
use std::fmt::{self, Write};

use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value as Mini, filters};

use super::plain_guard::{LOOPED, MADE};

/// Steps of minijinja's machine in one rendering; the largest of Kolla's templates need a hundredth of it.
const MAX_STEPS: u64 = if cfg!(test) { 1_000_000 } else { 20_000_000 };
/// Bytes of one text, or of a list or mapping with all that is in it.
const MAX_TEXT: usize = if cfg!(test) { 1 << 20 } else { 16 << 20 };
/// Bytes of all that one rendering writes, and of all large values that it makes.
const MAX_MADE: usize = if cfg!(test) { 16 << 20 } else { 256 << 20 };
/// Values below this do not count towards the sum.
const LARGE: usize = 1 << 12;
/// What an item weighs in memory, about.
const ITEM: usize = 24;
/// Widths and counts as arguments.
const MAX_COUNT: usize = 100_000;

thread_local! {
    /// Bytes made in the rendering that runs on this thread.
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

/// A rendering; what it made is forgotten at its end.
pub struct Rendering(usize);

impl Rendering {
    /// Begins a rendering on this thread.
    pub fn begin() -> Self {
        Self(BYTES.replace(0))
    }
}

impl Drop for Rendering {
    fn drop(&mut self) {
        BYTES.set(self.0);
    }
}

fn too_much(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

fn too_large() -> Error {
    too_much(format!("a value would have more than {} MiB; does it grow in a loop?", MAX_TEXT >> 20))
}

/// The words for an error of minijinja's that is a limit.
pub fn words(error: &Error) -> Option<String> {
    (error.kind() == ErrorKind::OutOfFuel).then(|| {
        format!("the template was not done after {MAX_STEPS} steps; does a loop have a larger count than meant?")
    })
}

fn charge(bytes: usize) -> Result<(), Error> {
    let made = BYTES.get().saturating_add(bytes);
    BYTES.set(made);
    if made > MAX_MADE {
        return Err(too_much(format!(
            "the template made more than {} MiB; does a loop have a larger count than meant?",
            MAX_MADE >> 20
        )));
    }
    Ok(())
}

/// Takes what a value weighs from the room there is; false if it does not fit. What has no length is left alone:
/// going through it could use it up.
fn take(value: &Mini, room: &mut usize, depth: usize) -> bool {
    let own = value.as_str().map_or(0, str::len);
    let Some(rest) = room.checked_sub(own + ITEM) else { return false };
    *room = rest;
    if own > 0 || !matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable) {
        return true;
    }
    let Some(len) = value.len() else { return true };
    if len.saturating_mul(ITEM) > *room || depth > super::plain::DEEPEST {
        return false;
    }
    let map = value.kind() == ValueKind::Map;
    value.try_iter().into_iter().flatten().all(|item| {
        take(&item, room, depth + 1) && (!map || value.get_item(&item).is_ok_and(|under| take(&under, room, depth + 1)))
    })
}

/// An error if a value is too large, or all of them together.
pub fn fits(value: &Mini) -> Result<(), Error> {
    let mut room = MAX_TEXT;
    if !take(value, &mut room, 0) {
        return Err(too_large());
    }
    let weight = MAX_TEXT - room;
    if weight >= LARGE { charge(weight) } else { Ok(()) }
}

fn made(value: Mini) -> Result<Mini, Error> {
    fits(&value)?;
    Ok(value)
}

/// A loop over this value writes so many bytes of text in each turn.
fn looped(value: Mini, bytes: usize) -> Result<Mini, Error> {
    charge(value.len().unwrap_or(1).saturating_mul(bytes))?;
    Ok(value)
}

fn number(value: Option<&Mini>, name: &str) -> usize {
    let plain = value.and_then(|value| usize::try_from(value.clone()).ok());
    let named = value.and_then(|value| value.get_attr(name).ok()).and_then(|value| usize::try_from(value).ok());
    plain.or(named).unwrap_or(0)
}

/// An error if a filter or method (its value is argument 0) would make too much of what it is given.
pub fn room_for(name: &str, args: &[Mini]) -> Result<(), Error> {
    let text = |at: usize| args.get(at).and_then(Mini::as_str).unwrap_or_default();
    let bytes = match name {
        "replace" => {
            let (old, new) = (text(1), text(2));
            let found = if old.is_empty() { text(0).len() + 1 } else { text(0).matches(old).count() };
            text(0).len().saturating_add(found.saturating_mul(new.len()))
        }
        "join" => args.first().and_then(Mini::len).unwrap_or(0).saturating_mul(text(1).len()),
        "indent" => {
            let width = args.iter().skip(1).map(|arg| number(Some(arg), "width")).max().unwrap_or(0);
            text(0).len().saturating_add((text(0).matches('\n').count() + 1).saturating_mul(width))
        }
        "batch" | "slice" if number(args.get(1), "count") > MAX_COUNT => usize::MAX,
        "tojson" if args.iter().skip(1).any(|arg| number(Some(arg), "indent") > 64) => usize::MAX,
        // A width is written in digits, or is an argument.
        "format" => {
            let digits = text(0).split(|c: char| !c.is_ascii_digit()).any(|digits| digits.len() > 4);
            let given = text(0).contains('*') && args.iter().skip(1).any(|arg| number(Some(arg), "") > MAX_COUNT);
            if digits && text(0).contains('%') || given { usize::MAX } else { 0 }
        }
        _ => 0,
    };
    if bytes > MAX_TEXT { Err(too_large()) } else { Ok(()) }
}

/// A text up to the limit.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > MAX_TEXT.saturating_sub(self.0.len()) {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Writes a value where one is to be written.
fn write(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Mini) -> Result<(), Error> {
    let shown = |text: &str, out: &mut Output<'_>| {
        charge(text.len())?;
        out.write_str(text).map_err(Error::from)
    };
    if let Some(text) = value.as_str() {
        return shown(text, out);
    }
    let mut text = Bounded(String::new());
    write!(text, "{value}").map_err(|_| too_large())?;
    shown(&text.0, out)
}

/// Sets the limits of an environment.
pub fn limit(environment: &mut Environment<'static>) {
    environment.set_fuel(Some(MAX_STEPS));
    environment.set_formatter(write);
    environment.add_filter(MADE, made);
    environment.add_filter(LOOPED, looped);
    macro_rules! bounded {
        ($($name:ident)*) => {
            $(
                let run = Mini::from_function(filters::$name);
                environment.add_filter(stringify!($name), move |state: &mut State<'_, '_>, Rest(args): Rest<Mini>| {
                    room_for(stringify!($name), &args)?;
                    made(run.call(state, &args)?)
                });
            )*
        };
    }
    bounded!(
        join replace indent format batch slice list map select reject selectattr rejectattr sort unique string tojson
        pprint dictsort items reverse groupby zip chain upper lower title capitalize trim split lines
    );
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::template::Plain;

    fn fails_with(text: &str, message: &str) {
        let text = Arc::<str>::from(format!("\n{text}"));
        let plain = Plain::new(move |name| (name == "t").then(|| text.clone()));
        let error = plain.render("t", &[]).expect_err(message);
        assert!(error.message.contains(message), "{error:?}");
        assert_eq!((error.template.as_str(), error.line), ("t", Some(2)), "{error:?}");
    }

    #[test]
    fn loops_end() {
        for body in ["", "{{ i }}{{ j }}", "{% set x = [i, j] %}"] {
            let text = format!(
                "{{% for i in range(100000) %}}{{% for j in range(100000) %}}{body}{{% endfor %}}{{% endfor %}}"
            );
            fails_with(&text, if body.is_empty() { "not done after" } else { "" });
        }
        fails_with(
            "{% macro m(d) %}{% if d %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}{% endmacro %}{{ m(18) }}",
            "not done after",
        );
    }

    #[test]
    fn what_grows_is_refused() {
        let twice = |text: &str| text.repeat(40);
        for text in [
            format!("{{% set s = 'x' * 99 %}}{}", twice("{% set s = s ~ s %}")),
            format!("{{% set s = 'x' %}}{}", twice("{% set s = s + s %}")),
            format!("{{% set s = ['x'] %}}{}", twice("{% set s = s + s %}")),
            format!("{{% set s = ['x'] %}}{}", twice("{% set s = [s, s] %}")),
            format!("{{% set s = ['x'] %}}{}", twice("{% set s = (s, s) %}")),
            format!("{{% set s = 'x' %}}{}", twice("{% set s = {'a': s, 'b': s} %}")),
            format!("{{% set s = 'x' %}}{}", twice("{% set s %}{{ s }}{{ s }}{% endset %}")),
            format!("{{% set s = 'x' %}}{}", twice("{% set s = s.replace('x', 'xx') %}")),
            format!("{{% set s = 'x' %}}{}", twice("{% set s = s | replace('x', 'xxx') %}")),
            "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}"
                .to_owned(),
            "{% macro m(s, d) %}{{ m(s ~ s, d - 1) if d else s }}{% endmacro %}{{ m('x' * 99, 18) }}".to_owned(),
            format!("{{{{ {}'x' }}}}", "('x' * 100000) ~ ".repeat(50)),
            "{{ range(100000) | join('x' * 100000) }}".to_owned(),
            "{{ ('x' * 10000).join(range(100000) | map('string')) }}".to_owned(),
            "{{ 'x' | indent(1000000000, true) }}{{ 'x' | indent(width=1000000000, first=true) }}".to_owned(),
            "{{ [1] | batch(1000000000, 'x') | list }}".to_owned(),
            "{{ '%1000000000d' | format(1) }}".to_owned(),
            "{{ '%1000000000d' % 1 }}".to_owned(),
            "{{ '%*d' | format(1000000000, 1) }}".to_owned(),
        ] {
            fails_with(&text, "MiB");
        }
        let body = "y".repeat(1000);
        fails_with(
            &format!("{{% set s %}}{{% for i in range(100000) %}}{body}{{% endfor %}}{{% endset %}}"),
            "made more than 16 MiB",
        );
        fails_with(&format!("{{{{ {}1 }}}}", "1 + ".repeat(100_000)), "operators in a row");
    }

    /// Each rendering has its own room.
    #[test]
    fn renderings_do_not_add_up() {
        let plain = Plain::new(|_| Some("{{ 'x' * 1000000 }}".into()));
        for _ in 0..40 {
            assert_eq!(plain.render("t", &[]).expect("small").len(), 1_000_000);
        }
    }
}
