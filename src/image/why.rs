//! Why an image would be built: the first input that differs from its last recorded build, with the key computed anew
//! from the last request of its set. Asks neither engine nor registry: bases count as they were for that request.

use std::collections::BTreeSet;
use std::path::Path;

use super::key::{Contents, Inputs, compute};
use super::record::{Request, Store};
use super::reuse::{Reuse, Setting, explain};
pub use super::why_answer::WhyAnswer;
use crate::diag::{Diagnostic, Result};
use crate::system::Probe;

/// Answers for an image of the newest request that has it and whose files are all there: several sets may have a `base`,
/// and `tree` tells which of them is meant. If no set's files are there, the newest that has it. `tree` is read in the place
/// of the request's folder; without it a tree that this machine sent (to a host that it is itself) is read where it lies.
/// Warnings are about records that cannot be read.
pub fn why(
    probe: &Probe,
    store: &Store,
    image: &str,
    tree: Option<&Path>,
    now: i64,
) -> Result<(WhyAnswer, Vec<Diagnostic>)> {
    let (requests, mut warnings) = store.requests(probe)?;
    let request = find(&requests, image, store, &warnings, &|request| {
        let root = tree.or_else(|| request.place(probe));
        root.is_some_and(|root| probe.is_dir(root) && request.graph(probe, root).is_ok())
    })?;
    let root = tree.or_else(|| request.place(probe)).filter(|root| probe.is_dir(root));
    let Some(root) = root else { return Err(gone(probe, request, image, tree)) };
    let graph = request.graph(probe, root)?;
    let names = request.names();
    let index = graph.find(image).ok_or_else(|| Diagnostic::internal("an image of the request is not in its graph"))?;
    let wanted = graph.closure(&BTreeSet::from([index]), |image| graph.parents(image));
    let repositories: Vec<String> = wanted.iter().map(|image| graph.untagged(*image, &names)).collect();
    let records = store.read(probe, repositories.iter().map(String::as_str));
    warnings.extend(records.warnings.iter().cloned());
    let bases = |reference: &str| request.bases.get(reference).cloned();
    let inputs = Inputs {
        graph: &graph,
        tag: &request.tag,
        root,
        args: &request.args,
        labels: &request.labels,
        secrets: &request.secrets,
        network_host: request.network_host,
        target: request.target.as_deref(),
        platform: &request.platform,
        bases: &bases,
    };
    let mut contents = Contents::load(probe, store.folder(), now);
    let keys = compute(probe, &inputs, &wanted, &mut contents);
    let Some(key) = keys.get(index) else {
        let problems =
            keys.problems.iter().map(|(image, problem)| format!("`{}`: {problem}", graph.images[*image].name));
        let diagnostic = Diagnostic::task("B0074", format!("the inputs of `{image}` cannot be read"));
        return Err(problems
            .fold(diagnostic, Diagnostic::with_note)
            .with_hint(format!("ls -l {}", root.join(&graph.images[index].context).display())));
    };
    let no_cache = BTreeSet::new();
    let setting = Setting {
        graph: &graph,
        names: &names,
        keys: &keys,
        records: &records,
        policy: Reuse::Inputs,
        no_cache: &no_cache,
        push: false,
        now,
    };
    let repository = graph.untagged(index, &names);
    let record = records.get(&repository);
    let last = record.last_of(key.platform()).or(record.last()).cloned();
    let same = last.as_ref().is_some_and(|last| last.key == key.digest);
    Ok((
        WhyAnswer {
            image: image.to_owned(),
            difference: if same { None } else { explain(&setting, index) },
            earlier: record.by_key(&key.digest).filter(|_| !same).cloned(),
            last,
            repository,
            key: key.digest.clone(),
            unpinned: key.unpinned.clone(),
            root: root.to_owned(),
        },
        warnings,
    ))
}

/// The tree is not here: what it is called, and where it was.
fn gone(probe: &Probe, request: &Request, image: &str, tree: Option<&Path>) -> Diagnostic {
    let wrong = |message: String| Diagnostic::task("B0074", message);
    let elsewhere = request.sent_from.as_ref().filter(|from| tree.is_none() && from.host != probe.node_name());
    let Some(from) = elsewhere else {
        let place = tree.or_else(|| request.place(probe)).unwrap_or(&request.root);
        return wrong(format!("the tree `{}` of the last build is not here any more", place.display()))
            .with_hint(format!("name the tree as it is now: `hostctl image why {image} --tree DIR`"));
    };
    let path = from.path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    let typed = if path.chars().all(plain) { path.as_str() } else { "DIR" };
    wrong(format!("the tree of the last build is `{path}` on `{}`, which sent it", from.host))
        .with_note("a tree that is sent from a controller is on the host only while it is built")
        .with_hint(format!("there: `hostctl image why {image} --tree {typed} --host {}`", probe.node_name()))
}

fn find<'a>(
    requests: &'a [Request],
    image: &str,
    store: &Store,
    warnings: &[Diagnostic],
    readable: &dyn Fn(&Request) -> bool,
) -> Result<&'a Request> {
    let has = |request: &&Request| request.images.iter().any(|saved| saved.name == image);
    let mut having = requests.iter().filter(has);
    if let Some(newest) = having.next() {
        let found = std::iter::once(newest).chain(having).find(|request| readable(request));
        return Ok(found.unwrap_or(newest));
    }
    let mut diagnostic = if requests.is_empty() {
        Diagnostic::task("B0075", format!("no build is recorded in `{}`", store.folder().display()))
            .with_hint("build once, or name the folder of the record with `--state-dir DIR`")
    } else {
        let known = requests.iter().flat_map(|request| &request.images).map(|saved| saved.name.as_str());
        Diagnostic::task("B0075", format!("no recorded build has an image `{image}`"))
            .with_note(format!("looked in `{}`", store.folder().display()))
            .with_nearest(image, known)
    };
    for warning in warnings {
        diagnostic = diagnostic.with_note(warning.message.clone());
    }
    Err(diagnostic)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;

    use super::super::dockerfile::Dockerfile;
    use super::super::graph::tests::image;
    use super::super::key::Keys;
    use super::super::{Graph, ImageDef, Names, SentFrom};
    use super::*;
    use crate::image::record::Entry;
    use crate::system::Mutate;

    fn names(tag: &str) -> Names {
        Names { registry: "r:5000".into(), namespace: "lab".into(), prefix: String::new(), tag: tag.into() }
    }

    /// Two images, built and recorded as the lead does it.
    fn build(tree: &Path, store: &Store, tag: &str) -> Keys {
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let def = |name: &str| ImageDef {
            dockerfile: Dockerfile::parse(fs::read_to_string(tree.join(name).join("Dockerfile")).unwrap()).unwrap(),
            ..image(name, "FROM scratch")
        };
        let graph = Graph::new(vec![def("base"), def("web")], &names(tag), &BTreeMap::new()).unwrap();
        let request = Request {
            time: 5,
            platform: "linux/amd64".into(),
            bases: BTreeMap::from([("debian:12".to_owned(), "sha256:1".to_owned())]),
            ..Request::new("set", &graph, &names(tag), tree)
        };
        store.save_request(&mutate, &request).unwrap();
        let bases = |reference: &str| request.bases.get(reference).cloned();
        let inputs = Inputs {
            graph: &graph,
            tag,
            root: tree,
            args: &request.args,
            labels: &request.labels,
            secrets: &request.secrets,
            network_host: false,
            target: None,
            platform: "linux/amd64",
            bases: &bases,
        };
        let keys = compute(mutate.probe(), &inputs, &[0, 1].into(), &mut Contents::new(0));
        for (image, name) in ["base", "web"].iter().enumerate() {
            let entry = Entry { tag: tag.into(), ..Entry::new(keys.get(image).unwrap()) };
            store.add(&mutate, &names(tag).untagged(name), entry).unwrap();
        }
        keys
    }

    fn tree() -> (tempfile::TempDir, PathBuf, Store) {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        for (path, text) in [
            ("base/Dockerfile", "FROM debian:12\nCOPY a /\n"),
            ("base/a", "1"),
            ("web/Dockerfile", "FROM base\nCOPY b /\n"),
            ("web/b", "1"),
        ] {
            fs::create_dir_all(tree.join(path).parent().unwrap()).unwrap();
            fs::write(tree.join(path), text).unwrap();
        }
        let store = Store::new(place.path().join("state"));
        (place, tree, store)
    }

    #[test]
    fn the_tree_tells_which_of_several_sets_is_meant() {
        let (place, ours, store) = tree();
        build(&ours, &store, "t1");
        // Another tree, with a `base` too, was built later and is gone.
        let mutate = Mutate::with_probe(Probe::new(Vec::new()));
        let graph =
            Graph::new(vec![image("base", "FROM scratch"), image("db", "FROM base")], &names("t2"), &BTreeMap::new());
        let (graph, gone) = (graph.unwrap(), place.path().join("gone"));
        let later = Request { time: 9, ..Request::new("other", &graph, &names("t2"), &gone) };
        store.save_request(&mutate, &later).unwrap();
        fs::write(ours.join("base/a"), "2").unwrap();
        let probe = Probe::new(Vec::new());
        for tree in [None, Some(ours.as_path())] {
            let answer = why(&probe, &store, "base", tree, 0).unwrap().0;
            assert_eq!(answer.difference.as_deref(), Some("context file `a`"), "{tree:?}");
        }
        assert_eq!(why(&probe, &store, "db", None, 0).unwrap_err().code, "B0074");
    }

    /// A tree that was sent lay in a scratch folder: it is known by its place on the controller.
    #[test]
    fn a_tree_that_was_sent_is_known_by_its_place_on_the_controller() {
        let (place, ours, store) = tree();
        build(&ours, &store, "t1");
        let probe = Probe::new(Vec::new());
        let mutate = Mutate::with_probe(probe.clone());
        let sent = |host: &str, path: &Path| {
            let request = store.requests(&probe).unwrap().0.remove(0);
            let sent_from = Some(SentFrom { host: host.to_owned(), path: path.to_owned() });
            // What is being built now may lie there in part.
            let scratch = place.path().to_path_buf();
            store.save_request(&mutate, &Request { root: scratch, sent_from, ..request }).unwrap();
        };
        sent(&probe.node_name(), &ours);
        assert_eq!(why(&probe, &store, "web", None, 0).unwrap().0.difference, None);
        fs::write(ours.join("base/a"), "2").unwrap();
        let answer = why(&probe, &store, "base", None, 0).unwrap().0;
        assert_eq!((answer.difference.as_deref(), answer.root), (Some("context file `a`"), ours.clone()));

        sent(&probe.node_name(), Path::new("/none/images"));
        let error = why(&probe, &store, "web", None, 0).unwrap_err();
        assert_eq!(error.message, "the tree `/none/images` of the last build is not here any more");
        assert_eq!(error.hints, ["name the tree as it is now: `hostctl image why web --tree DIR`"]);

        // Another machine's folder of that name is not what was built.
        sent("ctl1", &ours);
        let error = why(&probe, &store, "web", None, 0).unwrap_err();
        let (shown, here) = (ours.display(), probe.node_name());
        assert_eq!(error.message, format!("the tree of the last build is `{shown}` on `ctl1`, which sent it"));
        assert_eq!(error.hints, [format!("there: `hostctl image why web --tree {shown} --host {here}`")]);
        assert_eq!(
            why(&probe, &store, "web", Some(&ours), 0).unwrap().0.difference.unwrap(),
            "parent `base`: context file `a`"
        );
        sent("ctl1", Path::new("/home/u/my images"));
        let error = why(&probe, &store, "web", None, 0).unwrap_err();
        assert!(error.hints[0].contains("--tree DIR "), "{error:?}");
    }

    #[test]
    fn the_first_input_that_differs_is_named() {
        let (place, tree, store) = tree();
        let probe = Probe::new(Vec::new());
        let ask = |image: &str| why(&probe, &store, image, None, 0).unwrap().0;
        assert_eq!(why(&probe, &store, "web", None, 0).unwrap_err().code, "B0075");
        let first = build(&tree, &store, "t1");
        let answer = ask("web");
        assert_eq!((answer.difference, answer.last.unwrap().tag.as_str()), (None, "t1"));
        fs::write(tree.join("base/a"), "2").unwrap();
        assert_eq!(ask("base").difference.unwrap(), "context file `a`");
        assert_eq!(ask("web").difference.unwrap(), "parent `base`: context file `a`");
        fs::write(tree.join("web/Dockerfile"), "FROM base\nCOPY b /x\n").unwrap();
        assert_eq!(ask("web").difference.unwrap(), "`Dockerfile` line 2");
        // Built so, and then back: the build before has the key of now.
        build(&tree, &store, "t2");
        fs::write(tree.join("base/a"), "1").unwrap();
        let answer = ask("base");
        assert_eq!(answer.key, first.get(0).unwrap().digest);
        assert_eq!(
            (answer.difference.as_deref(), answer.earlier.unwrap().tag.as_str()),
            (Some("context file `a`"), "t1")
        );
        let error = why(&probe, &store, "wbe", None, 0).unwrap_err();
        assert_eq!((error.code.as_ref(), error.hints[0].as_str()), ("B0075", "did you mean `web`?"));
        // The tree has moved.
        let moved = place.path().join("moved");
        fs::rename(&tree, &moved).unwrap();
        assert_eq!(why(&probe, &store, "web", None, 0).unwrap_err().code, "B0074");
        assert_eq!(
            why(&probe, &store, "web", Some(&moved), 0).unwrap().0.difference.unwrap(),
            "parent `base`: context file `a`"
        );
        fs::remove_file(moved.join("web/Dockerfile")).unwrap();
        let error = why(&probe, &store, "web", Some(&moved), 0).unwrap_err();
        assert!(error.code == "B0074" && error.notes[0].contains("web/Dockerfile"), "{error:?}");
    }
}
