//! Host names with ranges (`web[01:10]`, `db-[a:c:2]`) and ports (`host:2222`).

/// What one entry of an inventory stands for.
#[derive(Debug, PartialEq)]
pub(super) struct Expanded {
    pub(super) names: Vec<String>,
    pub(super) port: Option<u16>,
}

const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// More hosts than this in one entry is a slip of the keyboard.
const MOST: usize = 100_000;

/// Digits of the longest number of a range.
const WIDEST: usize = 20;

/// Expands a host entry; an error is a message.
pub(super) fn expand(entry: &str) -> Result<Expanded, String> {
    let (name, port) = split_port(entry);
    if entry.ends_with(':') && port.is_none() {
        return Err("a host cannot end in `:`, which stands before a port".to_owned());
    }
    let mut names = Vec::new();
    if name.contains('[') {
        expand_into(name, &mut names, 0)?;
    } else {
        names.push(name.to_owned());
    }
    if names.iter().any(|name| name == "---") {
        return Err("`---` is no host: is this a YAML file?".to_owned());
    }
    Ok(Expanded { names, port })
}

/// `host:port`, `[host]:port`; text that is no address keeps its colon.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    let whole = (entry, None);
    let Some((host, digits)) = entry.rsplit_once(':') else { return whole };
    let Some(port) = digits.parse::<u16>().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit())) else {
        return whole;
    };
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'))
        && is_address(inner)
    {
        return (inner, Some(port));
    }
    // Colons are for ports and inside ranges only; an IPv6 address has more of them.
    let mut depth = 0;
    for c in host.chars() {
        match c {
            '[' => depth += 1,
            ']' if depth > 0 => depth -= 1,
            ':' if depth == 0 => return whole,
            _ => {}
        }
    }
    if depth == 0 && is_address(host) { (host, Some(port)) } else { whole }
}

/// A host name, with ranges, or an IPv6 address.
pub(super) fn is_address(text: &str) -> bool {
    if text.is_empty() {
        return false;
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return true;
    }
    let mut depth = 0;
    let mut label = 0;
    for c in text.chars() {
        match c {
            '[' if depth == 0 => depth = 1,
            ']' if depth == 1 => {
                depth = 0;
                label += 1;
            }
            ':' if depth == 1 => {}
            '.' if depth == 0 && label > 0 => label = 0,
            '-' if depth == 0 && label > 0 => label += 1,
            c if c.is_alphanumeric() || c == '_' => label += 1,
            _ => return false,
        }
    }
    depth == 0 && label > 0
}

fn expand_into(name: &str, out: &mut Vec<String>, depth: usize) -> Result<(), String> {
    let Some((head, rest)) = name.split_once('[') else {
        out.push(name.to_owned());
        return if out.len() > MOST { Err(format!("the range stands for more than {MOST} hosts")) } else { Ok(()) };
    };
    let (range, tail) = rest.split_once(']').ok_or("a range needs a closing `]`")?;
    if depth > 8 {
        return Err("too many ranges in one name".to_owned());
    }
    let bounds: Vec<&str> = range.split(':').collect();
    let (begin, end, step) = match bounds.as_slice() {
        [begin, end] => (*begin, *end, 1),
        [begin, end, step] => {
            let step = step.parse::<usize>().ok().filter(|step| *step > 0);
            (*begin, *end, step.ok_or("the step of a range is a positive number")?)
        }
        _ => return Err("a range is written `[begin:end]` or `[begin:end:step]`".to_owned()),
    };
    let begin = if begin.is_empty() { "0" } else { begin };
    if end.is_empty() {
        return Err("a range needs an end: `[begin:end]`".to_owned());
    }
    let width = if begin.len() > 1 && begin.starts_with('0') { begin.len() } else { 0 };
    if width > WIDEST {
        return Err(format!("a number of a range has at most {WIDEST} digits"));
    }
    if width > 0 && width != end.len() {
        return Err("begin and end of a range with leading zeros have the same length".to_owned());
    }
    if let (Some(first), Some(last)) = (LETTERS.find(begin), LETTERS.find(end)) {
        if first > last {
            return Err("the begin of a range stands before its end".to_owned());
        }
        // As in Ansible, several letters count by where they stand in the alphabet.
        for letter in LETTERS[first..=last].chars().step_by(step) {
            expand_into(&format!("{head}{letter}{tail}"), out, depth + 1)?;
        }
        return Ok(());
    }
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("`{text}` is neither a number nor a letter"));
    let (first, last) = (number(begin)?, number(end)?);
    if first > last {
        return Err("the begin of a range stands before its end".to_owned());
    }
    for number in (first..=last).step_by(step) {
        expand_into(&format!("{head}{number:0width$}{tail}"), out, depth + 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str, names: &[&str], port: Option<u16>) {
        let expanded = expand(entry).unwrap();
        assert_eq!(
            (expanded.names, expanded.port),
            (names.iter().map(|name| (*name).to_owned()).collect(), port),
            "{entry}"
        );
    }

    #[test]
    fn ranges_and_ports_follow_ansible() {
        check("web[01:03]", &["web01", "web02", "web03"], None);
        check("web[8:12:2].x", &["web8.x", "web10.x", "web12.x"], None);
        check("db-[a:c]", &["db-a", "db-b", "db-c"], None);
        check("n[1:2][a:b]:22", &["n1a", "n1b", "n2a", "n2b"], Some(22));
        check("[:2]", &["0", "1", "2"], None);
        check("host:2222", &["host"], Some(2222));
        check("[::1]:22", &["::1"], Some(22));
        check("::1", &["::1"], None);
        check("fe80::1:2", &["fe80::1:2"], None);
        check("10.0.0.1:8022", &["10.0.0.1"], Some(8022));
        check("user@host:22", &["user@host:22"], None);
        assert!(expand(&format!("x[{0}0:{0}1]", "0".repeat(70_000))).is_err());
        for bad in ["h[1]", "h[3:1]", "h[01:3]", "h[1:]", "h[a:2]", "h[1:2:0]", "h[1:9999999]", "h:", "h[1:2", "---"] {
            assert!(expand(bad).is_err(), "{bad}");
        }
    }
}
