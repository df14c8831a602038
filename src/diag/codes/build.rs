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
        code: "B0018",
        title: "an image needs a build secret that the run does not have",
        text: "A list of images names the secrets that an image's build may see. This run was given none of that name, so the \
               build would fail, or go on without it. `secrets` of `image_build` and `--secret` of `hostctl image build` give it.",
    },
    CodeEntry {
        code: "B0140",
        title: "no name of a build",
        text: "A build that runs on its host is named by the run and its task, `20261122T010203-7f3a.0a1b2c3d.4e5f6071`. \
               `hostctl attach` without a name takes the newest run.",
    },
    CodeEntry {
        code: "B0141",
        title: "the build's own process cannot be started",
        text: "Images are built by a process of its own on the build host, so that a lost connection does not end the \
               build. Its folder is below `/var/lib/hostctl/builds` for root, else below `~/.local/state/hostctl/builds`. \
               It could not be made there, or the process ended at once.",
    },
    CodeEntry {
        code: "B0142",
        title: "what a build tells cannot be read",
        text: "The build's events or its end could not be read in its folder on the host.",
    },
    CodeEntry {
        code: "B0143",
        title: "the process that built the images is gone",
        text: "It was killed, or the machine was restarted, before it could write its end. `hostctl run ... --resume` \
               goes on: images that were finished are neither built nor pushed again, and the tag stays.",
    },
    CodeEntry {
        code: "B0144",
        title: "this build runs already, with other arguments",
        text: "A build of this run's task still runs on the host, but the task asks for something else now. Let it end \
               (`hostctl attach`), or stop it (`hostctl attach --stop`).",
    },
    CodeEntry {
        code: "B0150",
        title: "`kolla` without a Kolla tree",
        text: "The argument `kolla` of `image_build` says how a Kolla tree is rendered and built, which is so only with \
               `from: kolla`.",
    },
    CodeEntry {
        code: "B0151",
        title: "a source of an image cannot be fetched",
        text: "What a Kolla image is made from (`[NAME]`, `[NAME-plugin-X]`, `[NAME-additions-X]` in `kolla-build.conf` or the \
               tree's own list) did not come: the server did not answer or refused, or a local path is not there. Flaky \
               answers are tried again as `retries` says. The image fails, its children are blocked, others are built.",
    },
    CodeEntry {
        code: "B0152",
        title: "a source has another checksum",
        text: "What came has not the SHA-256 that its section says for this architecture, or the section has none for it. \
               It is not used, and not tried again. If upstream changed the file on purpose, write the new sum into the \
               section.",
    },
    CodeEntry {
        code: "B0153",
        title: "an archive of sources cannot be packed or unpacked",
        text: "Plugins and additions of a Kolla image are unpacked and packed together: each has to be a tar archive (plain, \
               gzip, xz or zstd) with names that stay inside it.",
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
        code: "B0070",
        title: "`reuse` is none of its values",
        text: "`reuse` says when an image that was built before is taken again: `inputs` (its inputs are the same; the \
               default), `never`, or `{max_age: 7d}` (the same inputs, and nothing in it is older than that). Spans of \
               time are a number and `s`, `m`, `h`, `d` or `w`.",
    },
    CodeEntry {
        code: "B0071",
        title: "the record of builds cannot be read",
        text: "A file below `/var/lib/hostctl/images` (for users other than root: `hostctl/images` in \
               `$XDG_STATE_HOME` or `~/.local/state`) is broken or out of reach. Its images count as never built. The \
               file is kept: the next build writes a new one and gives the old one the name `FILE.unreadable-N`.",
    },
    CodeEntry {
        code: "B0072",
        title: "the record of builds cannot be written",
        text: "What was built could not be recorded (a full disk, missing rights, a folder that others may write to). \
               The images are built and pushed all the same; the next run will build them again.",
    },
    CodeEntry {
        code: "B0073",
        title: "the record of builds was written by a newer hostctl",
        text: "A later version of hostctl wrote this file in a form that this one does not know. It is neither read nor \
               replaced: its images count as never built, and what is built now is not recorded.",
    },
    CodeEntry {
        code: "B0074",
        title: "the files of the last build are not there",
        text: "`hostctl image why` reads the image tree of the last run again. A tree that is sent from a controller is \
               on the build host only during the build, and is known by its place on the controller: it is read there \
               if that is the same machine, or named with `--tree DIR`.",
    },
    CodeEntry {
        code: "B0075",
        title: "no recorded build has this image",
        text: "`hostctl image why` knows the images of the last run of each set on this machine and of this user. Build \
               once, name the record with `--state-dir DIR`, or correct the name.",
    },
    CodeEntry {
        code: "B0080",
        title: "there is no tag file",
        text: "`hostctl tags` reads the tag file that an environment names (`tag_file: image-tags.yml` in its \
               `environment.yml`), or the files that are given. The environment names none, or the first image build \
               has not written it yet.",
    },
    CodeEntry {
        code: "B0081",
        title: "recorded images are not in the registry as recorded",
        text: "`hostctl tags verify` asked the registry for each digest of the tag file. `moved`: the tag points to \
               another digest now; the recorded one is still there. `missing`: the registry has neither. `differs`: it \
               gives something else under the digest. Build and push the images again, or correct the tag file. For \
               `denied` and `unreachable` see B0205.",
    },
    CodeEntry {
        code: "B0082",
        title: "the registry cannot be asked",
        text: "The credentials for a registry could not be read, or no client could be made for it. Credentials come \
               from the environment (`registry`, `registry_username`, `registry_password`), then from Docker's and \
               Podman's credential files and helpers of this user.",
    },
    CodeEntry {
        code: "B0105",
        title: "the builder cannot do what a Dockerfile or the run asks",
        text: "The classic builder knows no build secrets, ssh agents, cache mounts, heredocs, foreign platforms or \
               newer flags of `COPY`; some engines' own frontend reads no heredocs. All places are told with file \
               and line before anything is built. Use an engine with BuildKit, or write `# \
               syntax=docker/dockerfile:1` in the file's first line.",
    },
    CodeEntry {
        code: "B0106",
        title: "the builder cannot write its cache there",
        text: "`cache_to` names a place that this builder has no exporter for; that was asked by a trial, not taken \
               from a version. `cache_to: inline` works with every BuildKit; a registry with Docker's containerd \
               image store and with `buildah`.",
    },
    CodeEntry {
        code: "B0107",
        title: "a platform cannot be built on this host",
        text: "Programs of a foreign platform run by an interpreter of the kernel that is there in containers too: \
               `/proc/sys/fs/binfmt_misc/qemu-*`, enabled, with flag F. Install it: `apt-get install qemu-user- \
               static binfmt-support`.",
    },
    CodeEntry {
        code: "B0108",
        title: "squash is refused",
        text: "BuildKit has no squash. One layer for the whole image loses the history, and with it the sharing of \
               layers between images and the cache. Copy the result into a second stage instead: `FROM base`, `COPY \
               --from=build /out /`.",
    },
    CodeEntry {
        code: "B0109",
        title: "there is no ssh agent",
        text: "`RUN --mount=type=ssh` gets keys by an agent's socket; key files are never read or sent. Start one: \
               `eval \"$(ssh-agent)\" && ssh-add`.",
    },
    CodeEntry {
        code: "B0110",
        title: "there is no container engine",
        text: "Nothing listens at the engine's socket, or what listens is no engine. Start it with `systemctl start \
               docker`, or name the socket in `docker_host` or `--engine`.",
    },
    CodeEntry {
        code: "B0111",
        title: "this user may not use the engine",
        text: "The engine's socket is there, but this user may not write to it. Add the user to the group `docker` \
               and log in again, or run with sudo.",
    },
    CodeEntry {
        code: "B0112",
        title: "images lie on a nested overlay",
        text: "An overlay cannot have its upper folder on an overlay: mounts end with \"invalid argument\". It \
               happens when the engine or `buildah` runs in a container and keeps images in the container's own \
               file system. Give it a volume for its data folder.",
    },
    CodeEntry {
        code: "B0113",
        title: "the engine is old",
        text: "The engine's newest API is older than that of the first engines with BuildKit. Builds use the \
               classic builder. Install a newer engine.",
    },
    CodeEntry {
        code: "B0114",
        title: "BuildKit is off or missing",
        text: "The engine does not take `/session` and `/grpc`, so builds use the classic builder: no secrets, no \
               cache mounts, no heredocs. Podman's socket has none at all.",
    },
    CodeEntry {
        code: "B0115",
        title: "a frontend cannot be pulled",
        text: "A Dockerfile begins with `# syntax=`, and its registry does not have that frontend or is not \
               reachable. Without the line the engine's own frontend is used; or name a copy in a registry that can \
               be reached.",
    },
    CodeEntry {
        code: "B0116",
        title: "too little disk",
        text: "The root or the file system of the engine's data has little room, or less than the forecast expects. \
               `docker builder prune` removes build cache.",
    },
    CodeEntry {
        code: "B0117",
        title: "too little memory",
        text: "Little memory is available for builds. Lower `parallel`, or end other programs.",
    },
    CodeEntry {
        code: "B0118",
        title: "the registry refuses the login",
        text: "The registry answered, but not with this login, or its certificate is not trusted. Asked before the \
               first build, so that no build is paid for in vain.",
    },
    CodeEntry {
        code: "B0119",
        title: "there is no registry at the address",
        text: "Nobody listens there, something else answers, or it speaks plain HTTP where TLS is expected. Look at \
               the port: a registry's is often 5000.",
    },
    CodeEntry {
        code: "B0120",
        title: "the clock is wrong",
        text: "This host's clock differs from the registry's. Tokens and certificates are refused when it is \
               minutes. `timedatectl set-ntp true` lets the host set it.",
    },
    CodeEntry {
        code: "B0121",
        title: "the package mirror is not reachable",
        text: "Nobody answers at the mirror's address, so package installs in builds would fail.",
    },
    CodeEntry {
        code: "B0122",
        title: "a firewall stands between builds and the mirror",
        text: "Builds reach the mirror from the engine's bridge. The rules of `iptables` and `nft` are read; what \
               they leave open is told as unknown, since only a container can try it. Allow the port on the bridge, \
               or build with `network: host`.",
    },
    CodeEntry {
        code: "B0123",
        title: "a large context without `.dockerignore`",
        text: "Everything in the context's folder is sent to the builder in each build. List what no `COPY` needs \
               in `.dockerignore`.",
    },
    CodeEntry {
        code: "B0124",
        title: "packages are installed without a cache mount",
        text: "A `RUN` that installs packages loads all of them again in every build. With \
               `--mount=type=cache,target=/var/cache/apt,sharing=locked` what was loaded stays for the next build, \
               and out of the image.",
    },
    CodeEntry {
        code: "B0125",
        title: "the whole context is copied before the dependencies",
        text: "`COPY . .` before an install step makes any change of the context install all dependencies again. \
               Copy the list of dependencies alone, install, then copy the rest.",
    },
    CodeEntry {
        code: "B0126",
        title: "`buildah` cannot be used",
        text: "Builds without an engine need the program `buildah`: `apt-get install buildah`. It is used when it \
               is chosen (`builder: buildah`), or when the host is itself a container without an engine.",
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
        title: "a tag or a label in a list cannot be made",
        text: "A tag may have `{{ branch }}`, `{{ commit }}`, `{{ short_commit }}`, `{{ version }}` and `{{ tag }}`, a label \
               `{{ created }}` too, and no expressions. Branch, commit and version are those of the repository that the image comes from; on a \
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
        code: "B0100",
        title: "an image holds a secret",
        text: "The finished image was searched for the vault's values, the build secrets and the registry's password, in \
               all their encodings: every layer by itself (also what a later layer deletes), names, links and \
               attributes, configuration, history and provenance, and inside gzip, bzip2, xz, zstd, zip, tar and ar members \
               down to three levels. The message names the value, not its text, with layer and path; the image is not \
               pushed. Read secrets with `RUN --mount=type=secret,id=ID`, which leaves them in no layer, and build \
               again: a later `RUN rm` does not remove them. The engine still has the image. A value that is an \
               ordinary word is found by chance: choose one that nobody can guess.",
    },
    CodeEntry {
        code: "B0101",
        title: "an image could not be searched",
        text: "After a build the image is read back from the engine and searched for secrets. It did not come whole, so \
               nothing is proved, and it was not pushed. The message holds the reason; the engine's own log may tell \
               more (`journalctl -u docker`).",
    },
    CodeEntry {
        code: "B0038",
        title: "a rendered tree cannot be written",
        text: "A file or folder below `--output` could not be written or replaced. Files there are never written through \
               links. What was written before the error stays.",
    },
    CodeEntry {
        code: "B0180",
        title: "the registry takes no pushes there",
        text: "An upload was opened and cancelled in one repository of each namespace before the first build, and the \
               registry refused it: the login may read but not write, the project does not exist, or the registry is \
               read-only. The message says which right is missing.",
    },
    CodeEntry {
        code: "B0181",
        title: "a context was changed while its image was built",
        text: "What was built may hold old and new files. The image is pushed under the run's tag, but neither it nor \
               what is made from it is recorded for reuse, and the next run builds them again.",
    },
    CodeEntry {
        code: "B0198",
        title: "a tree has sockets, FIFOs or devices",
        text: "They are never opened and belong to no build context: Docker's own client leaves sockets out or refuses them. \
               Files, folders and links are sent.",
    },
    CodeEntry {
        code: "B0199",
        title: "a file was changed while it was read",
        text: "What an image is made from is hashed on the controller and then sent. The file grew, shrank or was written \
               to meanwhile, so that the key would stand for something else. Nothing was built. A file that no image \
               needs (a log, a database) belongs into `.dockerignore`: it is not read then.",
    },
    CodeEntry {
        code: "B0200",
        title: "interrupted while a tree was read",
        text: "An interrupt at the keyboard came while the controller read the tree's files. Nothing was sent or built.",
    },
    CodeEntry {
        code: "B0170",
        title: "no host",
        text: "`--host` takes one host as ssh does: `build1`, `builder@build1.example.org`, `root@192.0.2.7:2222`, \
               `root@[2001:db8::7]:22`. Names of `~/.ssh/config` count. For several hosts use `--env` or `--inventory`, with \
               `--limit`.",
    },
    CodeEntry {
        code: "B0171",
        title: "a password or secret cannot be read",
        text: "`hostctl image build` reads the registry's password from standard input, from the first line of a file or \
               from a variable (`--password-var`, for example one of the environment's vault), and build secrets from a file \
               or an environment variable. It was not there, was empty or was no text. Neither is ever taken from the \
               command line, where all users of the machine can see it.",
    },
    CodeEntry {
        code: "B0172",
        title: "a mistake in an option of an image command",
        text: "The option takes words of another form; the message and its hint show one.",
    },
    CodeEntry {
        code: "B0205",
        title: "recorded images could not be verified",
        text: "`hostctl tags verify` could not ask a registry for recorded digests, and no other digest was found wrong. \
               `denied`: the registry wants a login (`docker login HOST`, or `--username USER` with `--password-stdin`, \
               `--password-file` or `--password-var`), refused it, or the login may not read there. `unreachable`: it did \
               not answer, or something else than a registry did. The exit code is 4.",
    },
    CodeEntry {
        code: "B0206",
        title: "a login for no registry",
        text: "The login of `hostctl tags verify` belongs to one registry: `--registry` names it, by default the \
               environment's own or the only one of the tag files. `--password-var` needs an environment that has the \
               variable.",
    },
];
