//! B: image builds, engines, registries, tag files.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "B0001",
        title: "no image was found",
        text: "The tree that `image_build` was given holds no Dockerfile. Each image is a folder with a file named \
               `Dockerfile`; the folder's name is the image's name.",
    },
    CodeEntry {
        code: "B0002",
        title: "the image tree has mistakes",
        text: "A Dockerfile could not be read, or its folder's name cannot name an image. All mistakes are listed with \
               their file and line. Names are lower case letters, digits, `.`, `_` and `-`, and each is used once.",
    },
    CodeEntry {
        code: "B0003",
        title: "a parent is not in the tree",
        text: "A `FROM`, `COPY --from=` or `RUN --mount=from=` names an image with this run's registry, namespace and \
               prefix, but the tree has no image of that name. Correct the name, or use a name from elsewhere.",
    },
    CodeEntry {
        code: "B0004",
        title: "images need each other",
        text: "Following `FROM` and `COPY --from=` leads back to where it began, so no image of the ring can be built \
               first. Every edge is listed with its file and line: one of them has to go.",
    },
    CodeEntry {
        code: "B0005",
        title: "no valid image name",
        text: "Registry, namespace, prefix and tag do not make a name that a registry takes. A full name is \
               `[registry/]namespace/[prefix]name:tag`.",
    },
    CodeEntry {
        code: "B0006",
        title: "the selection of images cannot be met",
        text: "`only` or `skip` names no image of the tree, or `only` asks for an image that needs one that `skip` \
               leaves out. Names may hold `*` and `?`.",
    },
    CodeEntry {
        code: "B0007",
        title: "the container engine cannot be used",
        text: "The engine does not answer at its socket, or it cannot do what is asked. Check that it runs \
               (`systemctl status docker`), or name its socket in `docker_host`.",
    },
    CodeEntry {
        code: "B0008",
        title: "an image could not be built",
        text: "The message names the instruction with its file and line; the notes hold the last lines of the log and \
               where the whole log is. Images that need the failed one are `blocked by` it; all others were built.",
    },
    CodeEntry {
        code: "B0009",
        title: "an image was built, but not pushed",
        text: "The image is on the build host under its full name; only the push failed. Flaky answers of the registry \
               were tried again; wrong credentials and certificates were not.",
    },
    CodeEntry {
        code: "B0010",
        title: "an image still names the package mirror",
        text: "With `forbid_mirror_in_image`, the finished image's configuration, history and layers are searched for \
               the names in `mirror_names`. Restore the package sources in the same `RUN` that used the mirror: a later \
               `RUN` leaves the name in the earlier layer.",
    },
    CodeEntry {
        code: "B0011",
        title: "the registry cannot be used",
        text: "The registry is asked for its API before the first build. It did not answer, refused the login, or its \
               certificate is not trusted. CAs are read from `/etc/docker/certs.d/HOST:PORT/*.crt`, `registry_ca` and \
               the host's own store. Plain HTTP is used for loopback and with `registry_insecure: true` only.",
    },
    CodeEntry {
        code: "B0012",
        title: "the image builds were interrupted",
        text: "The run was stopped while images were built. Running builds were ended at once and nothing more was \
               started; finished images stay.",
    },
    CodeEntry {
        code: "B0013",
        title: "the tag file cannot be used",
        text: "The tag file has merge markers, was written by a newer hostctl, or is no mapping of image sets to \
               distributions to tags. It was not changed.",
    },
    CodeEntry {
        code: "B0014",
        title: "the tag file could not be written",
        text: "The new content was written beside the file and did not get there whole (a full disk, missing rights). \
               The old file is as it was.",
    },
    CodeEntry {
        code: "B0015",
        title: "no tag can be made",
        text: "A tag is `<release>-<distribution>-<version>-<YYYYMMDDThhmmss>`: at most 128 letters, digits, `_`, `.` \
               and `-`. The distribution comes from `/etc/os-release` unless `base_distro` is given.",
    },
    CodeEntry {
        code: "B0016",
        title: "the build context cannot be read",
        text: "A file or folder of the image tree could not be read or laid out on the build host.",
    },
    CodeEntry {
        code: "B0017",
        title: "a build argument holds a password",
        text: "Build arguments are written into the image's history, where everyone who pulls the image can read them. \
               Give the value in `secrets` and read it with `RUN --mount=type=secret,id=ID`.",
    },
    CodeEntry {
        code: "B0050",
        title: "a setting of the image tree cannot be used",
        text: "The template of names, a pattern of Dockerfiles' names or an ignore pattern is wrong. Names may have \
               `{{ dir }}`, `{{ parent }}`, `{{ path }}`, `{{ file }}` and `{{ root }}`. A Dockerfile's pattern has at most \
               one `*`. Ignore patterns match whole components of a path: `build*`, `docs/*`, `/top`.",
    },
    CodeEntry {
        code: "B0051",
        title: "a list of images has a mistake",
        text: "The frame shows the place in the list. Each image has a `name` and a `context`: a path below the list's \
               folder, `{host: /path}` on the build host, or `{git: ADDRESS}` with `branch`, `tag` or `commit` and `folder`. \
               `docs/images.md` has every key with an example.",
    },
    CodeEntry {
        code: "B0052",
        title: "the context of a listed image cannot be used",
        text: "The Dockerfile of an image in a list could not be read, or the folder is not in its repository. Paths are \
               below the list's own folder; `dockerfile` is inside the context. No part of the way to a folder of a \
               repository may be a link.",
    },
    CodeEntry {
        code: "B0053",
        title: "a parent is not in the list",
        text: "`parents` names images of the same list, variants with their suffix. Images from elsewhere need no entry: \
               the `FROM` that names them is enough.",
    },
    CodeEntry {
        code: "B0054",
        title: "a tag in a list cannot be made",
        text: "A tag may have `{{ branch }}`, `{{ commit }}`, `{{ short_commit }}`, `{{ version }}` and `{{ tag }}`, and no \
               expressions. Branch, commit and version are those of the repository that the image comes from; on a \
               detached head there is no branch, without tags no version. A whole name needs a tag: \
               `registry.example/lab/app:latest`.",
    },
    CodeEntry {
        code: "B0055",
        title: "a repository of an image cannot be fetched",
        text: "The build host's git could not fetch the address at the branch, tag or commit; its words are in the notes. \
               Nothing is ever asked: credentials come from the address, git's own helpers or ssh keys of the build host's \
               user. A commit that is in no branch or tag is given by few servers.",
    },
    CodeEntry {
        code: "B0056",
        title: "the images cannot be shown",
        text: "`hostctl image graph` shows one source: `--tree DIR`, `--labels DIR` or `--list FILE`. The folder or file must \
               be on this machine and readable.",
    },
    CodeEntry {
        code: "B0030",
        title: "this is no Kolla tree",
        text: "`--source` names the folder `kolla` of an installed package or of a checkout: `docker/` with a `Dockerfile.j2` for \
               each image, beside `template/repos.yaml`, `common/` and `image/`. In packages before 23 `docker/` is in \
               `share/kolla`, which is found from there. Python files are read as data; nothing in them is run.",
    },
    CodeEntry {
        code: "B0031",
        title: "kolla-build.conf cannot be read",
        text: "The file is read as oslo.config reads it: `[section]`, `name = value` or `name: value`, continuation lines that \
               begin with white space, comments with `#` or `;` at the line's start. The message names the line.",
    },
    CodeEntry {
        code: "B0032",
        title: "an option of Kolla has no valid value",
        text: "A value does not fit its option (a number, true or false, one of a list), or `$name` in it names no option. \
               `$$` is a dollar sign. Options are those of the tree's own `common/config.py`.",
    },
    CodeEntry {
        code: "B0033",
        title: "a Kolla template cannot be rendered",
        text: "The message names the template and the line. Templates see what Kolla's see: Jinja2 with undefined variables that \
               are empty, `handle_repos`, `debian_package_install`, `cleanup_repos`, `raise_error` and `customizable`.",
    },
    CodeEntry {
        code: "B0034",
        title: "a package repository of a Kolla tree cannot be used",
        text: "A template asks for a repository that `template/repos.yaml` does not describe for this distribution and \
               architecture, or its entry lacks something.",
    },
    CodeEntry {
        code: "B0035",
        title: "the selection of Kolla images cannot be met",
        text: "A pattern is no regular expression of Python, or a profile does not exist or is empty. Profiles are lists in the \
               section `[profiles]`.",
    },
    CodeEntry {
        code: "B0036",
        title: "this option of kolla-build is not followed",
        text: "The option has no meaning here or asks for something that hostctl refuses. The message says which, and what to \
               use instead.",
    },
    CodeEntry {
        code: "B0037",
        title: "the images of a Kolla tree contradict each other",
        text: "Two folders name the same image, or images are built from each other in a ring. The message lists them.",
    },
    CodeEntry {
        code: "B0038",
        title: "a rendered tree cannot be written",
        text: "A file or folder below `--output` could not be written or replaced. Files there are never written through \
               links. What was written before the error stays.",
    },
];
