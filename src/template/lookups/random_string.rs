//! `community.general.random_string`: random text of chosen kinds of characters.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::value::Value;

use super::super::args::{Args, Call};
use super::super::fail::{Fail, R};
use super::super::random::{self, Rng};
use super::super::val::Val;

/// Python's `string.punctuation`.
const SPECIAL: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// What Ansible takes as true for an option.
fn flag(args: &mut Args, name: &str, default: bool) -> R<bool> {
    match args.take_kw(name) {
        None => Ok(default),
        Some(Val::V(Value::Str(text))) => {
            Ok(matches!(text.to_lowercase().as_str(), "y" | "yes" | "on" | "1" | "true" | "t" | "1.0"))
        }
        Some(other) => other.truthy(),
    }
}

fn number(call: &Call, args: &mut Args, name: &str, default: usize) -> R<usize> {
    let Some(value) = args.take_kw(name) else { return Ok(default) };
    let text = call.text(&value.defined()?)?;
    text.trim().parse().map_err(|_| {
        Fail::said(
            format!("`{name}` must be a number, found `{text}`"),
            format!("Invalid value provided for '{name}': '{text}' is not a valid integer"),
        )
    })
}

/// One text; terms mean nothing.
pub fn random_string(call: &Call, args: &mut Args) -> R<Vec<Val>> {
    let seed = args.take_kw("seed").filter(|seed| !seed.is_none());
    let seed = seed.map(|seed| call.text(&seed.defined()?)).transpose()?.map(Val::from);
    let length = number(call, args, "length", 8)?;
    let base64 = flag(args, "base64", false)?;
    let all = args.text(call, usize::MAX, "override_all")?.filter(|all| !all.is_empty());
    let special = args.text(call, usize::MAX, "override_special")?.filter(|special| !special.is_empty());
    let similar = args.text(call, usize::MAX, "similar_chars")?.unwrap_or_else(|| "il1LoO0".into());
    let alike = if flag(args, "ignore_similar_chars", false)? { similar } else { "".into() };
    let chars = |text: &str| text.chars().filter(|c| !alike.contains(*c)).collect::<Vec<char>>();
    let kinds = [
        ("numbers", "min_numeric", chars("0123456789")),
        ("lower", "min_lower", chars(LOWER)),
        ("upper", "min_upper", chars(UPPER)),
        ("special", "min_special", special.map_or_else(|| chars(SPECIAL), |special| special.chars().collect())),
    ];
    let mut rng = Rng::new(call, seed.as_ref())?;
    let mut out = String::new();
    let mut from: Vec<char> = all.as_deref().map(|all| all.chars().collect()).unwrap_or_default();
    if from.is_empty() {
        // Python's order of the alphabet decides what a seed gives.
        for name in ["upper", "lower", "numbers", "special"] {
            if flag(args, name, true)? {
                from.extend(kinds.iter().filter(|(kind, ..)| *kind == name).flat_map(|(.., chars)| chars));
            }
        }
        for (_, least, chars) in &kinds {
            let least = number(call, args, least, 0)?;
            if least > 0 {
                out.push_str(&some(call, chars, least, &mut rng)?);
            }
        }
    }
    let rest = length.saturating_sub(out.chars().count());
    out.push_str(&some(call, &from, rest, &mut rng)?);
    let mut letters: Vec<char> = out.chars().collect();
    if seed.is_none() {
        for at in (1..letters.len()).rev() {
            let other = usize::try_from(rng.below(at as u64 + 1)).unwrap_or(at);
            letters.swap(at, other);
        }
    }
    let text: String = letters.into_iter().collect();
    Ok(vec![Val::from(if base64 { STANDARD.encode(&text) } else { text })])
}

fn some(call: &Call, chars: &[char], length: usize, rng: &mut Rng) -> R<String> {
    if chars.is_empty() {
        let words = "Available characters cannot be None, please change constraints";
        return Err(Fail::said("no characters are left to choose from", words));
    }
    random::text(call.cx(), chars, length, rng)
}
