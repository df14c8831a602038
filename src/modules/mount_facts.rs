//! `mount_facts`: what is mounted, or shall be, from the tables that a host has.
//!
//! The tables of other systems (vfstab, mnttab, AIX's filesystems) are read as well, as Ansible does: which form a
//! file has is known by its columns, not by its name.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as JsonValue;

use super::call::Failure;
use super::cx::Cx;
use super::refusal::{no_program, refused};
use super::spec::{Meta, Module};
use crate::diag::{Diagnostic, Result};
use crate::map;
use crate::system::facts::unescape_mount;
use crate::system::glob::matches;
use crate::system::process::Program;
use crate::value::{Map, PythonRegex, StrKey, Value, from_json, insert, python_repr, python_str};

/// Tells mounts as the facts `mount_points` (by mount point; the first definition counts) and, if asked for,
/// `aggregate_mounts` (all of them).
///
/// ```yaml
/// - mount_facts:
///     fstypes: [nfs, nfs4]
///     timeout: 10
///     on_timeout: warn
/// - debug:
///     msg: "{{ ansible_facts.mount_points | dict2items | map(attribute='value.device') | list }}"
/// ```
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Patterns of devices and remote file systems.
    devices: Option<Vec<String>>,
    /// Patterns of file system types.
    fstypes: Option<Vec<String>>,
    /// Where to look: files, `mount` (the program of `mount_binary`), and `dynamic`, `static` or `all` for the usual
    /// places.
    sources: Option<Vec<String>>,
    /// The program that lists mounts where no file does; null for none.
    #[serde(default = "mount_program")]
    mount_binary: JsonValue,
    /// Seconds to wait for each file system.
    timeout: Option<f64>,
    /// What happens if one does not answer in time.
    #[serde(default)]
    on_timeout: OnTimeout,
    /// Give `aggregate_mounts`; unless it is said, a warning tells of mount points that come twice.
    include_aggregate_mounts: Option<bool>,
}

fn mount_program() -> JsonValue {
    "mount".into()
}

#[derive(Clone, Copy, Deserialize, Serialize, JsonSchema, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum OnTimeout {
    #[default]
    Error,
    Warn,
    Ignore,
}

/// The module.
pub struct MountFacts;

const STATIC: &[&str] = &["/etc/fstab", "/etc/vfstab", "/etc/filesystems"];
const DYNAMIC: &[&str] = &["/etc/mtab", "/proc/mounts", "/etc/mnttab"];
/// The time that Ansible gives each file system if nothing is said.
const USUAL: Duration = Duration::from_secs(10);

impl Module for MountFacts {
    type Args = Args;
    const META: Meta = Meta {
        name: "mount_facts",
        full_name: "ansible.builtin.mount_facts",
        also: &["ansible.legacy.mount_facts"],
        summary: "Tell what is mounted",
        reads: &["blkid --uuid", "lsblk", "udevadm info"],
        ..Meta::NONE
    };

    fn run(cx: &Cx, args: Args) -> Result<Map, Failure> {
        let limit = match args.timeout {
            Some(seconds) if seconds.is_nan() || seconds <= 0.0 => {
                let shown = python_str(&Value::from(seconds));
                let words = format!("argument 'timeout' must be a positive number or null, not {shown}");
                return Err(refused("M0004", words));
            }
            Some(seconds) => Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)),
            None => None,
        };
        let program = match &args.mount_binary {
            JsonValue::Null => None,
            JsonValue::String(name) => Some(name.clone()),
            other => {
                let shown = python_str(&from_json(other.clone()));
                return Err(refused("M0004", format!("argument 'mount_binary' must be a string or null, not {shown}")));
            }
        };
        let look = Look { cx, args: &args, limit, program, lsblk: std::cell::OnceCell::new() };
        let mut mounts = Vec::new();
        for entry in look.entries()? {
            mounts.extend(look.described(entry)?);
        }
        Ok(map! { "ansible_facts" => collected(cx, &mounts, args.include_aggregate_mounts) })
    }
}

/// The two facts.
fn collected(cx: &Cx, mounts: &[Mount], aggregate: Option<bool>) -> Map {
    let mut points = Map::new();
    let mut by_source: IndexMap<&str, Vec<Value>> = IndexMap::new();
    for mount in mounts {
        if !points.contains_key(&StrKey(&mount.point)) {
            insert(&mut points, &mount.point, mount.fields.clone());
        }
        by_source.entry(&mount.source).or_default().push(mount.point.as_str().into());
    }
    let repeats = |points: &Vec<Value>| points.iter().enumerate().any(|(at, point)| points[..at].contains(point));
    let repeated: Vec<String> = by_source
        .into_iter()
        .filter(|(_, points)| repeats(points))
        .map(|(source, points)| format!("{source} ({})", python_repr(&Value::from(points))))
        .collect();
    if !repeated.is_empty() && aggregate.is_none() {
        cx.warn(format!(
            "mount_facts: ignoring repeat mounts in the following sources: {}. You can disable this warning by configuring the 'include_aggregate_mounts' option as True or False.",
            repeated.join(", ")
        ));
    }
    let all = if aggregate == Some(true) { mounts } else { &[] };
    let all: Vec<Value> = all.iter().map(|mount| mount.fields.clone().into()).collect();
    map! { "mount_points" => points, "aggregate_mounts" => all }
}

/// One line of a table.
struct Entry {
    point: String,
    line: String,
    fields: Map,
}

struct Mount {
    source: String,
    point: String,
    fields: Map,
}

struct Look<'a> {
    cx: &'a Cx,
    args: &'a Args,
    limit: Option<Duration>,
    program: Option<String>,
    /// Device and UUID of each line, or why there are none.
    lsblk: std::cell::OnceCell<Vec<(String, String)>>,
}

impl Look<'_> {
    /// The files and the like to look into.
    fn sources(&self) -> Result<Vec<String>, Failure> {
        let mut sources: Vec<String> = Vec::new();
        let mut add = |names: &[&str]| sources.extend(names.iter().map(|&name| name.to_owned()));
        let all = ["all".to_owned()];
        let given = self.args.sources.as_deref().filter(|given| !given.is_empty()).unwrap_or(&all);
        for source in given {
            match source.as_str() {
                "" => return Err(refused("M0004", "sources contains an empty string")),
                "all" => {
                    add(DYNAMIC);
                    add(STATIC);
                }
                "dynamic" => add(DYNAMIC),
                "static" => add(STATIC),
                other => add(&[other]),
            }
        }
        Ok(sources)
    }

    /// Every line of every source, with the source's name.
    fn entries(&self) -> Result<Vec<(String, Entry)>, Failure> {
        let sources = self.sources()?;
        let distinct: HashSet<&String> = sources.iter().collect();
        if distinct.len() < sources.len() {
            let shown = python_repr(&Value::from(sources.iter().map(|name| name.as_str().into()).collect::<Vec<_>>()));
            self.cx.warn(format!(
                "mount_facts option 'sources' contains duplicate entries, repeat sources will be ignored: {shown}"
            ));
        }
        let mut fall_back = self.program.is_some() && sources.iter().any(|name| DYNAMIC.contains(&name.as_str()));
        let mut seen: HashSet<String> = HashSet::new();
        let mut entries = Vec::new();
        for source in sources {
            let real = self.cx.probe().real(Path::new(&source)).display().to_string();
            if seen.contains(&source) || seen.contains(&real) {
                continue;
            }
            let found = if source == "mount" {
                seen.insert(source.clone());
                of_program(&self.run_program()?)
            } else {
                seen.insert(real);
                let bytes = self.cx.probe().read(Path::new(&source)).unwrap_or_default();
                of_file(String::from_utf8_lossy(&bytes).trim())
            };
            if !found.is_empty() && (source == "mount" || DYNAMIC.contains(&source.as_str())) {
                fall_back = false;
            }
            entries.extend(found.into_iter().map(|entry| (source.clone(), entry)));
        }
        if fall_back {
            let found = of_program(&self.run_program()?);
            entries.extend(found.into_iter().map(|entry| ("mount".to_owned(), entry)));
        }
        Ok(entries)
    }

    /// What the program for mounts prints.
    fn run_program(&self) -> Result<String, Failure> {
        let Some(name) = &self.program else {
            return Err(refused("M0006", "the source 'mount' needs 'mount_binary'"));
        };
        let path = self.cx.probe().which(name).ok_or_else(|| no_program(self.cx, name))?;
        // The user names it, and it is there to tell.
        let run = |program: Program<'_>| self.cx.probe().run_fact(program);
        let Some((rc, text)) = self.output(&[&path.display().to_string()], run)? else { return Ok(String::new()) };
        if rc != 0 {
            let words =
                format!("Failed to execute {0}: Command '{0}' returned non-zero exit status {rc}.", path.display());
            return Err(refused("H0102", words));
        }
        Ok(text)
    }

    /// Exit code and output of a program; `None` if it took too long and that is taken.
    fn output(
        &self,
        words: &[&str],
        run: impl for<'a> FnOnce(Program<'a>) -> Result<crate::system::process::Output>,
    ) -> Result<Option<(i32, String)>, Failure> {
        let mut program = Program::new(words.iter().copied()).parsable();
        if let Some(limit) = self.limit {
            program = program.timeout(limit);
        }
        match run(program) {
            Ok(output) => Ok(Some((output.rc, output.out()))),
            Err(error) if error.code == "H0104" && self.limit.is_some() => {
                let seconds = python_str(&Value::from(self.limit.unwrap_or_default().as_secs_f64()));
                let command = match words {
                    [only] => (*only).to_owned(),
                    words => python_repr(&Value::from(words.iter().map(|&word| word.into()).collect::<Vec<_>>())),
                };
                self.late(format!("Command '{command}' timed out after {seconds} seconds"))?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Something did not answer in time.
    fn late(&self, words: String) -> Result<(), Failure> {
        match self.args.on_timeout {
            OnTimeout::Error => Err(Diagnostic::task("H0104", words.clone())
                .with_registered(words)
                .with_hint("raise `timeout`, or set `on_timeout: warn`")
                .into()),
            OnTimeout::Warn => {
                self.cx.warn(words);
                Ok(())
            }
            OnTimeout::Ignore => Ok(()),
        }
    }

    /// A line with what the file system itself tells; `None` if it was not asked for.
    fn described(&self, (source, entry): (String, Entry)) -> Result<Option<Mount>, Failure> {
        let Entry { point, line, mut fields } = entry;
        let text = |name: &str| fields.get(&StrKey(name)).map(python_str).unwrap_or_default();
        let (mut device, fstype) = (text("device"), text("fstype"));
        let mut uuid = device.strip_prefix("UUID=").map(str::to_owned);
        if let Some(uuid) = &uuid
            && let Some(found) = self.device_of(uuid)?
        {
            device = found;
        }
        let fits = |text: &str, patterns: &Option<Vec<String>>| {
            patterns.as_ref().is_none_or(|all| all.is_empty() || all.iter().any(|pattern| matches(pattern, text)))
        };
        if !fits(&device, &self.args.devices) || !fits(&fstype, &self.args.fstypes) {
            return Ok(None);
        }
        match self.cx.probe().mount_size(Path::new(&point), self.limit.unwrap_or(USUAL)) {
            Some(sizes) => fields.extend(sizes),
            None => {
                let seconds = python_str(&match self.args.timeout {
                    Some(seconds) => Value::from(seconds),
                    None => Value::from(USUAL.as_secs()),
                });
                let what = format!("Timed out getting mount size for mount {point} (type {fstype})");
                self.late(format!("{what} after {seconds} seconds"))?;
            }
        }
        if uuid.is_none() {
            uuid = self.uuid_of(&device)?;
        }
        insert(&mut fields, "ansible_context", map! { "source" => source.as_str(), "source_data" => line });
        insert(&mut fields, "uuid", uuid);
        Ok(Some(Mount { source, point, fields }))
    }

    fn device_of(&self, uuid: &str) -> Result<Option<String>, Failure> {
        if self.cx.probe().which("blkid").is_none() {
            return Ok(None);
        }
        let found = self.output(&["blkid", "--uuid", uuid], |program: Program<'_>| self.cx.probe().run(program))?;
        Ok(found.filter(|(rc, _)| *rc == 0).map(|(_, text)| text.trim().to_owned()).filter(|text| !text.is_empty()))
    }

    fn uuid_of(&self, device: &str) -> Result<Option<String>, Failure> {
        let probe = self.cx.probe();
        for link in probe.list(Path::new("/dev/disk/by-uuid")).unwrap_or_default() {
            if probe.real(&link) == Path::new(device) {
                return Ok(link.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        let known = match self.lsblk.get() {
            Some(known) => known,
            None => {
                let words = ["lsblk", "--list", "--noheadings", "--paths", "--output", "NAME,UUID", "--exclude", "2"];
                let found = match probe.which("lsblk") {
                    Some(_) => self.output(&words, |program: Program<'_>| probe.run(program))?,
                    None => None,
                };
                let text = found.filter(|(rc, _)| *rc == 0).map(|(_, text)| text).unwrap_or_default();
                self.lsblk.get_or_init(|| {
                    let pair = |line: &str| {
                        let mut words = line.split_whitespace().map(str::to_owned);
                        Some((words.next()?, words.next()?)).filter(|_| words.next().is_none())
                    };
                    text.lines().filter_map(pair).collect()
                })
            }
        };
        if let Some((_, uuid)) = known.iter().find(|(name, _)| name == device) {
            return Ok(Some(uuid.clone()));
        }
        // It knows nothing of what is no device.
        if probe.which("udevadm").is_none() || !probe.exists(&Path::new("/dev").join(device)) {
            return Ok(None);
        }
        let words = ["udevadm", "info", "--query", "property", "--name", device];
        let found = self.output(&words, |program: Program<'_>| probe.run(program))?;
        let text = found.filter(|(rc, _)| *rc == 0).map(|(_, text)| text).unwrap_or_default();
        Ok(text.lines().find_map(|line| line.strip_prefix("ID_FS_UUID=")).map(str::to_owned))
    }
}

/// What a program for mounts printed, in the form of Linux, of the BSDs, or of AIX.
fn of_program(text: &str) -> Vec<Entry> {
    const LINUX: &str = r"^(?P<device>\S+) on (?P<mount>\S+) type (?P<fstype>\S+) \((?P<options>.+)\)$";
    const BSD: &str = r"^(?P<device>\S+) on (?P<mount>\S+) \((?P<fstype>.+)\)$";
    const AIX: &str = r"^(?P<node>\S*)\s+(?P<mounted>\S+)\s+(?P<mount>\S+)\s+(?P<fstype>\S+)\s+(?P<time>\S+\s+\d+\s+\d+:\d+)\s+(?P<options>.*)$";
    let lines: Vec<&str> = text.lines().collect();
    let groups = |pattern: &PythonRegex, line: &str| -> Option<Map> {
        let found = pattern.search(line).ok()??;
        Some(found.named().into_iter().map(|(name, text)| (name.into(), Value::from(text))).collect())
    };
    // The pattern, if all lines that count have its form.
    let form = |pattern: &str, counts: &dyn Fn(usize, &str) -> bool| -> Option<PythonRegex> {
        let pattern = PythonRegex::text(pattern).ok()?;
        let mut counted = lines.iter().enumerate().filter(|(at, line)| counts(*at, line));
        counted.all(|(_, line)| groups(&pattern, line).is_some()).then_some(pattern)
    };
    let linux = form(LINUX, &|_, _| true);
    let bsd = if linux.is_none() { form(BSD, &|_, line| !line.starts_with("map ")) } else { None };
    let aix = lines.len() > 2 && linux.is_none() && bsd.is_none();
    let of_aix = if aix { form(AIX, &|at, _| at >= 2) } else { None };
    let Some(pattern) = linux.or_else(|| bsd.clone()).or(of_aix) else { return Vec::new() };
    let mut entries = Vec::new();
    for line in lines {
        let Some(mut fields) = groups(&pattern, line) else { continue };
        let text = |fields: &Map, name: &str| fields.get(&StrKey(name)).map(python_str).unwrap_or_default();
        if bsd.is_some() {
            let inner = text(&fields, "fstype");
            let (fstype, options) = match inner.split_once(',') {
                Some((fstype, options)) => (fstype.trim_end(), Some(options.trim_start())),
                None => (inner.as_str(), None),
            };
            insert(&mut fields, "fstype", fstype);
            if let Some(options) = options {
                insert(&mut fields, "options", options);
            }
        } else if aix {
            let (mut device, node) = (text(&fields, "mounted"), text(&fields, "node"));
            fields.shift_remove(&StrKey("mounted"));
            fields.shift_remove(&StrKey("node"));
            if !device.is_empty() && !node.is_empty() {
                device = format!("{node}:{device}");
            }
            insert(&mut fields, "device", device);
        }
        entries.push(Entry { point: text(&fields, "mount"), line: line.to_owned(), fields });
    }
    entries
}

/// The lines of a table, by the first form that fits all of them.
fn of_file(text: &str) -> Vec<Entry> {
    let lines: Vec<&str> = text.lines().collect();
    [vfstab, mnttab, fstab, filesystems].iter().find_map(|form| form(&lines)).unwrap_or_default()
}

/// `/etc/vfstab`: seven columns.
fn vfstab(lines: &[&str]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in lines.iter().filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, to_check, mount, fstype, pass, at_boot, options, ..] = words.as_slice() else { return None };
        let pass = pass.parse::<i64>().map_or_else(|_| Value::from(*pass), Value::from);
        let fields = map! {
            "device" => *device, "device_to_fsck" => *to_check, "mount" => *mount, "fstype" => *fstype,
            "passno" => pass, "mount_at_boot" => *at_boot, "options" => *options,
        };
        entries.push(Entry { point: (*mount).to_owned(), line: (*line).to_owned(), fields });
    }
    Some(entries)
}

/// `/etc/mnttab`: five columns, the last one a time.
fn mnttab(lines: &[&str]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut timed = false;
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [device, mount, fstype, options, time, ..] = words.as_slice() else { return None };
        timed |= time.len() == 10;
        let time: i64 = time.parse().ok()?;
        let fields = map! {
            "device" => *device, "mount" => *mount, "fstype" => *fstype, "options" => *options, "time" => time,
        };
        entries.push(Entry { point: (*mount).to_owned(), line: (*line).to_owned(), fields });
    }
    timed.then_some(entries)
}

/// `/etc/fstab`, and what the kernel tells: four to six columns.
fn fstab(lines: &[&str]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    for line in lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<String> = line.split_whitespace().map(unescape_mount).collect();
        let [device, mount, fstype, options, ..] = words.as_slice() else { return None };
        let mut fields = map! {
            "device" => device.as_str(), "mount" => mount.as_str(), "fstype" => fstype.as_str(),
            "options" => options.as_str(),
        };
        for (name, word) in ["dump", "passno"].iter().zip(&words[4..]) {
            insert(&mut fields, name, word.parse::<i64>().ok()?);
        }
        entries.push(Entry { point: mount.clone(), line: line.to_owned(), fields });
    }
    Some(entries)
}

/// AIX's `/etc/filesystems`: paragraphs of `name = value`. Linux has a file of that name which holds only names.
fn filesystems(lines: &[&str]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut stanzas: Vec<Vec<&str>> = Vec::new();
    for line in lines.iter().filter(|line| !line.starts_with('*') && !line.trim().is_empty()) {
        if line.trim_end().ends_with(':') {
            stanzas.push(vec![*line]);
        } else if line.contains('=') {
            stanzas.last_mut()?.push(line);
        } else {
            return Some(Vec::new());
        }
    }
    for stanza in stanzas {
        let Some((name, rest)) = stanza.split_first() else { continue };
        let mount: String = name.chars().take(name.chars().count().saturating_sub(1)).collect();
        let attributes: Map = rest
            .iter()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.trim().into(), Value::from(value.trim())))
            .collect();
        let text = |name: &str| attributes.get(&StrKey(name)).map(python_str).filter(|text| !text.is_empty());
        let device = match (text("nodename"), text("dev")) {
            (Some(node), Some(device)) => format!("{node}:{device}"),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => "unknown".to_owned(),
        };
        let fields = map! {
            "mount" => mount.as_str(), "device" => device, "fstype" => text("vfs").unwrap_or_else(|| "unknown".to_owned()),
            "attributes" => attributes,
        };
        entries.push(Entry { point: mount, line: stanza.join("\n"), fields });
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::super::testing::{get, module};
    use super::*;

    fn facts(text: &str, more: Map) -> (Json, Json) {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("table");
        std::fs::write(&path, text).expect("write");
        let mut args = map! { "sources" => Value::from(vec![path.display().to_string().into()]) };
        args.extend(more);
        let facts = get(&module("mount_facts", args).ok(), "ansible_facts");
        (facts["mount_points"].clone(), facts["aggregate_mounts"].clone())
    }

    #[test]
    fn tables_are_known_by_their_columns() {
        let (points, all) =
            facts("# x\n\nserver:/a\\040b /nowhere/a\\040b nfs rw,x 0 7\nnone /nowhere/c auto y\n", Map::new());
        assert_eq!(points.as_object().map(serde_json::Map::len), Some(2));
        let one = &points["/nowhere/a b"];
        assert_eq!((&one["device"], &one["passno"], &one["uuid"]), (&json!("server:/a b"), &json!(7), &Json::Null));
        assert_eq!(one["ansible_context"]["source_data"], json!("server:/a\\040b /nowhere/a\\040b nfs rw,x 0 7"));
        assert!(points["/nowhere/c"].get("dump").is_none() && all == json!([]));
        let (points, _) = facts("/dev/d /dev/r /nowhere/v ufs - yes rw\n", Map::new());
        assert_eq!(
            (&points["/nowhere/v"]["passno"], &points["/nowhere/v"]["mount_at_boot"]),
            (&json!("-"), &json!("yes"))
        );
        let (points, _) = facts("d /nowhere/m ufs rw 1700000000\n", Map::new());
        assert_eq!(points["/nowhere/m"]["time"], json!(1_700_000_000));
        let aix = "* note\n/nowhere/x:\n\tdev = /dev/hd4\n\tvfs = jfs2\n\tnodename = n\n";
        let (points, _) = facts(aix, Map::new());
        let one = &points["/nowhere/x"];
        assert_eq!((&one["device"], &one["attributes"]["vfs"]), (&json!("n:/dev/hd4"), &json!("jfs2")));
        assert_eq!(facts("ext4\nxfs\n", Map::new()).0, json!({}));
    }

    #[test]
    fn patterns_choose_and_all_are_given_if_asked_for() {
        let text = "a /nowhere ext4 rw 0 0\nb /nowhere nfs rw 0 0\n/c /nowhere/c nfs4 rw 0 0\n";
        let list = |words: &[&str]| Value::from(words.iter().map(|&word| word.into()).collect::<Vec<Value>>());
        let (points, all) = facts(text, map! { "include_aggregate_mounts" => true });
        assert_eq!((&points["/nowhere"]["device"], all.as_array().map(Vec::len)), (&json!("a"), Some(3)));
        let (points, _) = facts(text, map! { "devices" => list(&["[!/]*"]), "fstypes" => list(&["nfs", "nfs4"]) });
        assert_eq!(points["/nowhere"]["device"], json!("b"));
        assert!(points.get("/nowhere/c").is_none());
    }

    #[test]
    fn programs_of_three_kinds_of_systems() {
        let one = |text: &str| -> Map { of_program(text).remove(0).fields };
        assert_eq!(
            one("a on /b type c (rw,x)\n"),
            map! { "device" => "a", "mount" => "/b", "fstype" => "c", "options" => "rw,x" }
        );
        assert_eq!(
            one("a on /b (ufs, local, soft)\nmap auto_home on /home (autofs)\n"),
            map! { "device" => "a", "mount" => "/b", "fstype" => "ufs", "options" => "local, soft" }
        );
        let aix = "  node       mounted        mounted over    vfs       date        options\n-------- ------\n         /dev/hd4         /                jfs2   Apr 20 12:59 rw,log=/dev/hd8\n";
        assert_eq!(one(aix).get(&StrKey("device")), Some(&"/dev/hd4".into()));
        assert!(of_program("what is this\n").is_empty());
    }

    #[test]
    fn the_host_has_mounts() {
        let facts = get(&module("mount_facts", Map::new()).check(true).ok(), "ansible_facts");
        assert!(facts["mount_points"]["/proc"]["fstype"] == json!("proc"), "{facts}");
        let wrong = module("mount_facts", map! { "timeout" => 0 }).fails();
        assert!(wrong.diagnostic.message.contains("must be a positive number or null, not 0.0"));
    }
}
