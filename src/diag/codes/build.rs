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
        code: "B0100",
        title: "an image holds a secret",
        text: "The finished image was searched for the vault's values, the build secrets and the registry's password, in \
               all their encodings: every layer by itself (also what a later layer deletes), names, links and \
               attributes, configuration, history and provenance, and inside gzip, xz, zstd, zip, tar and ar members \
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
];
