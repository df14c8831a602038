use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::list::{Fetched, List, Stamps};
use crate::diag::{Diagnostic, SourceMap};
use crate::image::graph::tests::names;
use crate::image::{Found, Graph, Names};

fn stamps() -> Stamps {
    Stamps {
        branch: Some("feature/x".into()),
        commit: Some("0123456789abcdef0123456789abcdef01234567".into()),
        version: Some("v1.2-3-gabc".into()),
    }
}

fn loaded(text: &str) -> (Arc<SourceMap>, List, Vec<Diagnostic>) {
    let sources = SourceMap::new();
    let file = sources.add("images.yml", None, text);
    let (list, diagnostics) = List::load(&sources, &file);
    (sources, list, diagnostics)
}

fn defined(text: &str, files: &[(&str, &str)]) -> Result<Found, Vec<Diagnostic>> {
    let (sources, list, diagnostics) = loaded(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    list.define(&sources, "lists", "run1", &stamps(), &Fetched::new(), &|path| {
        let found = files.iter().find(|(name, _)| Path::new(name) == path);
        found.map(|(_, text)| (*text).to_owned()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    })
}

/// Messages with their line, column and hints.
fn mistakes(text: &str) -> Vec<String> {
    let (sources, _, diagnostics) = loaded(text);
    shown(&sources, &diagnostics)
}

fn shown(sources: &SourceMap, diagnostics: &[Diagnostic]) -> Vec<String> {
    let one = |error: &Diagnostic| {
        let place = error.span().map_or_else(String::new, |span| sources.place(span));
        format!("{place}: {} {} | {}", error.code, error.message, error.hints.join("; "))
    };
    diagnostics.iter().map(one).collect()
}

#[test]
fn the_example_of_the_manual_is_a_good_list() {
    let manual = include_str!("../../../docs/images.md");
    let text = manual.split("```yaml\n").find(|part| part.contains("\nimages:\n")).expect("an example");
    let text = text.split("\n```").next().expect("its end");
    let (_, list, diagnostics) = loaded(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    assert!(list.images.len() >= 8 && list.repositories().len() == 1, "{:?}", list.images.len());
}

#[test]
fn an_image_has_all_that_the_list_says() {
    let found = defined(
        "defaults:\n  platforms: [linux/amd64]\n  args: {A: 1, B: 1.10}\n  secrets: []\nimages:\n\
         - name: base\n  context: ./base/\n  push: false\n\
         - name: app\n  context: {path: images/app}\n  dockerfile: docker/Prod.Dockerfile\n  target: run\n\
         \x20 args: {B: yes, C: }\n  labels: {x.y: 2, at: '{{ created }}', of: '{{ branch }} {{ commit }} {{ tag }}'}\n  parents: base\n  groups: [web, api]\n  secrets: [npm]\n\
         \x20 tags: ['{{ branch }}', latest, 'v{{ version }}-{{ short_commit }}', 'ghcr.io/lab/app:{{ tag }}']\n\
         \x20 allowed_to_fail: true\n  network: host\n  nocache: true\n  platforms: [linux/arm64, linux/arm/v7]\n\
         - name: far\n  context: {host: /srv/far}\n",
        &[
            ("base/Dockerfile", "FROM scratch"),
            ("images/app/docker/Prod.Dockerfile", "# syntax=x/y:1\nFROM scratch AS run"),
            ("/srv/far/Dockerfile", "FROM scratch"),
        ],
    )
    .unwrap();
    let [base, app, far] = &found.images[..] else { panic!("{found:?}") };
    assert!(base.local_only && !base.push && base.platforms == ["linux/amd64"]);
    assert_eq!((base.context.as_path(), base.shown.as_str()), (Path::new("base"), "lists/base/Dockerfile"));
    assert_eq!(base.secrets, Some(Vec::new()));
    assert!(!base.may_see("npm") && app.may_see("npm") && !app.may_see("other"));
    let args: Vec<_> = app.args.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(args, ["A=1", "B=yes", "C="]);
    assert_eq!(base.args["B"], "1.10");
    assert_eq!(app.tags, ["feature-x", "latest", "vv1.2-3-gabc-0123456789ab", "ghcr.io/lab/app:run1"]);
    assert_eq!((app.target.as_deref(), app.platforms.len()), (Some("run"), 2));
    assert_eq!(app.dockerfile_path, Path::new("docker/Prod.Dockerfile"));
    assert_eq!(app.parents[0].place.to_string(), "images.yml:15: parents: base");
    assert_eq!(app.groups, ["web", "api"]);
    assert!(app.allowed_to_fail && app.network_host == Some(true) && app.no_cache == Some(true));
    assert_eq!(app.labels["x.y"], "2");
    assert_eq!(app.labels["of"], format!("feature/x {} run1", stamps().commit.unwrap()));
    assert!(app.labels["at"].parse::<jiff::Timestamp>().is_ok(), "{:?}", app.labels);
    assert_eq!((far.context.as_path(), far.shown.as_str()), (Path::new("/srv/far"), "/srv/far/Dockerfile"));
    assert_eq!(found.warnings.len(), 1);
    let graph = Graph::new(found.images, &names(), &BTreeMap::new()).unwrap();
    assert_eq!(graph.parents, [vec![], vec![0], vec![]]);
}

#[test]
fn variants_multiply_an_image() {
    let files = [("app/Dockerfile", "FROM scratch"), ("py/Dockerfile", "FROM scratch"), ("x/D", "FROM py-3.12-slim")];
    let found = defined(
        "images:\n- name: app\n  context: app\n  args: {A: a, B: b}\n  tags: [latest]\n  variants:\n\
         \x20 - {}\n  - suffix: -slim\n    args: {A: slim}\n  - tag_suffix: -CUDA\n    platforms: [linux/amd64]\n\
         - name: py\n  context: py\n  variants:\n    matrix: {V: [3.11, '3.12'], KIND: [full, slim]}\n\
         - name: m\n  context: py\n  variants: {matrix: {V: [a/b, C]}, suffix: tag}\n\
         - name: x\n  context: x\n  dockerfile: D\n  parents: [app-cuda]\n",
        &files,
    )
    .unwrap();
    let graph = Graph::new(found.images, &names(), &BTreeMap::new()).unwrap();
    let names = Names { tag: "t".into(), ..names() };
    let all: Vec<String> = (0..graph.images.len())
        .map(|image| format!("{} {}", graph.images[image].name, graph.full(image, &names)))
        .collect();
    assert_eq!(
        all,
        [
            "app r:5000/lab/app:t",
            "app-slim r:5000/lab/app-slim:t",
            "app-cuda r:5000/lab/app:t-CUDA",
            "py-3.11-full r:5000/lab/py-3.11-full:t",
            "py-3.11-slim r:5000/lab/py-3.11-slim:t",
            "py-3.12-full r:5000/lab/py-3.12-full:t",
            "py-3.12-slim r:5000/lab/py-3.12-slim:t",
            "m-a-b r:5000/lab/m:t-a-b",
            "m-c r:5000/lab/m:t-C",
            "x r:5000/lab/x:t",
        ]
    );
    assert_eq!(graph.images[1].args, BTreeMap::from([("A".into(), "slim".into()), ("B".into(), "b".into())]));
    assert_eq!(graph.images[4].args, BTreeMap::from([("V".into(), "3.11".into()), ("KIND".into(), "slim".into())]));
    assert_eq!(graph.extra_names(2, &names), ["r:5000/lab/app:latest-CUDA"]);
    assert_eq!(graph.parents[9], [6, 2]);
}

#[test]
fn every_mistake_has_its_place_and_a_hint() {
    let text = "images:\n- name: app\n  contxt: app\n- name: Bad\n  context: x\n- name: a\n  context: ../a\n\
                - name: b\n  context: {host: b, path: c}\n- name: c\n  context: {git: 'ext::sh -c x'}\n\
                - name: d\n  context: {git: https://g.example/x, branch: a, tag: b}\n- name: e\n  context: e\n\
                \x20 dockerfile: ../D\n  platforms: [arm]\n  network: none\n  tags: ['{{ brnch }}']\n  parents: [ee]\n\
                - name: e\n  context: e\n- name: g\n  context: g\n  variants: {matrix: {V: 1}}\n\
                - name: h\n  context: h\n  variants: []\n- name: i\n  context: {host: srv}\n  args: {A: [1]}\n\
                - name: j\n  context: j\n  labels: {at: '{{ creatd }}'}\n";
    assert_eq!(
        mistakes(text),
        [
            "images.yml:2:3: Y0102 an image needs `context` | add `context: ...`",
            "images.yml:3:3: Y0101 an image has no key `contxt` | did you mean `context`?",
            "images.yml:4:9: B0051 `Bad` cannot be an image's name | use lower case letters, digits, `.`, `_` and `-`, such as `web-api`",
            "images.yml:7:12: B0051 a context must lie below the list's own folder | move the list up; for a path on the build host write `context: {host: /srv/app}`",
            "images.yml:9:12: B0051 `context` needs one of `path`, `host` and `git` | write `context: images/app`, `context: {host: /srv/app}` or `context: {git: https://..., tag: v1}`",
            "images.yml:11:18: B0051 git's own transports (`NAME::ADDRESS`) run what the address says | write the address itself, such as `ssh://git@git.example/lab/tools.git`",
            "images.yml:13:12: B0051 a repository has one of `branch`, `tag` and `commit` | a commit alone is the most exact",
            "images.yml:16:15: B0051 `dockerfile` must be a path below the context, found `../D` | write it without `..` and `/` in front",
            "images.yml:17:15: B0051 `arm` cannot be one of `platforms` | write `os/architecture` or `os/architecture/variant`, such as `linux/arm64`",
            "images.yml:18:12: B0051 `network` is `default` or `host` | write `network: host`, or leave it out",
            "images.yml:19:11: B0054 a tag has an unknown placeholder `{{ brnch }}` | did you mean `{{ branch }}`?",
            "images.yml:20:13: B0053 the list has no image `ee` | images from elsewhere need no entry in `parents`; `FROM` is enough",
            "images.yml:21:9: B0051 two images have the name `e` | rename one, or give variants a `suffix` or `tag_suffix` of their own",
            "images.yml:25:26: Y0103 `matrix.V` must be a list, found an integer | write the items as `- item` lines below the key; name the values of the build argument: `V: [\"1\", \"2\"]`",
            "images.yml:28:13: B0051 `variants` is empty, so the image would not be built | leave `variants` out, or name one",
            "images.yml:30:19: B0051 `host` must be a whole path on the build host | for example `host: /srv/images/app`",
            "images.yml:31:13: Y0103 `args.A` must be a string, found a list | ",
            "images.yml:34:17: B0054 a label has an unknown placeholder `{{ creatd }}` | did you mean `{{ created }}`?",
        ]
    );
    // What is made from the image is not what was meant.
    let text = "images:\n- {name: img1, context: n1, parents: [img0]}\n- {name: img2, context: n2, parents: [img1]}\n\
                - {name: imx0, context: m1}\n";
    assert_eq!(mistakes(text), ["images.yml:2:39: B0053 the list has no image `img0` | did you mean `imx0`?"]);
    assert_eq!(mistakes("images: []\n").len(), 1);
    assert_eq!(mistakes("").len(), 1);
    assert_eq!(mistakes("- a\n").len(), 1);
    // A mistake of the syntax before `images` does not hide that they are there.
    let broken = mistakes("images:\n- name: \"a\n");
    assert!(broken.len() == 1 && broken[0].contains("Y0003"), "{broken:?}");
    assert!(mistakes("images:\n- name: a\n  context: a\n  variants: {matrix: {A: [1,2,3,4,5,6,7,8,9,10], B: [1,2,3,4,5,6,7,8,9,10], C: [1,2,3,4,5,6,7,8,9,10,11]}}\n")[0].contains("more than 1000 combinations"));
}

#[test]
fn what_the_files_and_the_repository_do_not_give_is_told_at_the_list() {
    let check = |text: &str, here: &Stamps| {
        let (sources, list, diagnostics) = loaded(text);
        assert!(diagnostics.is_empty(), "{diagnostics:?}");
        let read = |path: &Path| match path.to_str() {
            Some("a/Dockerfile") => Ok("FROM scratch".to_owned()),
            Some("b/Dockerfile") => Ok("RUN x".to_owned()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        };
        shown(&sources, &list.define(&sources, "", "run1", here, &Fetched::new(), &read).unwrap_err())
    };
    assert_eq!(
        check(
            "images:\n- name: a\n  context: a\n  tags: ['x-{{ branch }}', 'a b', 'ghcr.io/x', '{{ version }}']\n\
             - name: b\n  context: b\n- name: c\n  context: c\n",
            &Stamps::default()
        ),
        [
            "images.yml:4:13: B0054 `{{ branch }}` has no value | use `{{ tag }}`, the run's own tag, which is always there",
            "images.yml:4:28: B0054 `a b` is no tag | write a tag such as `latest`, or a whole name with a tag: `registry.example/lab/app:latest`",
            "images.yml:4:35: B0054 `ghcr.io/x` is no tag | write a tag such as `latest`, or a whole name with a tag: `registry.example/lab/app:latest`",
            "images.yml:4:49: B0054 `{{ version }}` has no value | use `{{ tag }}`, the run's own tag, which is always there",
            "images.yml:6:12: B0002 b/Dockerfile:1: expected `FROM` or `ARG`, found `RUN` | `docker build` would refuse it too; correct the line",
            "images.yml:8:12: B0052 `c/Dockerfile` cannot be read: entity not found | name the Dockerfile inside the context with `dockerfile: NAME`",
        ]
    );
    // A variant's mistake is one mistake.
    assert_eq!(
        check("images:\n- name: c\n  context: c\n  variants: [{suffix: -a}, {suffix: -b}]\n", &Stamps::default()).len(),
        1
    );
}

#[test]
fn a_git_context_has_the_stamps_of_its_repository() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("docker/app")).unwrap();
    let text = "images:\n- name: a\n  context: {git: 'https://u:pw@g.example/x.git', branch: main, folder: docker/app}\n\
                \x20 tags: ['{{ branch }}-{{ short_commit }}']\n- name: b\n\
                \x20 context: {git: https://g.example/x.git, tag: v2}\n  tags: ['{{ version }}']\n";
    let (sources, list, diagnostics) = loaded(text);
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let checkout = |branch: Option<&str>, tag: Option<&str>| crate::system::git_source::GitCheckout {
        folder: temp.path().to_path_buf(),
        commit: "f".repeat(40),
        branch: branch.map(str::to_owned),
        tag: tag.map(str::to_owned),
    };
    let fetched: Fetched = list
        .repositories()
        .into_iter()
        .map(crate::system::git_source::GitSource::key)
        .zip([checkout(Some("main"), None), checkout(None, Some("v2"))])
        .collect();
    let read = |_: &Path| Ok("FROM scratch".to_owned());
    let found = list.define(&sources, "lists", "t", &stamps(), &fetched, &read).unwrap();
    assert_eq!(found.images[0].tags, ["main-ffffffffffff"]);
    assert_eq!(found.images[0].context, temp.path().join("docker/app"));
    assert_eq!(found.images[0].shown, "https://g.example/x.git#main:docker/app/Dockerfile");
    assert_eq!(found.images[1].tags, ["v2"]);
    let errors = list.define(&sources, "", "t", &stamps(), &Fetched::new(), &read).unwrap_err();
    assert!(errors[0].message.ends_with("it was not fetched") && !format!("{errors:?}").contains("pw"), "{errors:?}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "(images:|- |name: |context: |variants: |matrix: |tags: |\\{|\\}|\\[|\\]|a|\n|  |'|,|:|\\{\\{ tag \\}\\}|é){0,30}") {
        let (sources, list, _) = loaded(&text);
        let _ = list.define(&sources, "", "t", &Stamps::default(), &Fetched::new(), &|_| Ok("FROM a".to_owned()));
    }
}
