//! D: roles and collections of `requirements.yml`.

use super::CodeEntry;

pub(super) const ENTRIES: &[CodeEntry] = &[
    CodeEntry {
        code: "D0001",
        title: "a requirements file cannot be read",
        text: "`hostctl deps` reads `requirements.yml` of the working folder, or the file that `-r` names; a file may `include` others.",
    },
    CodeEntry {
        code: "D0002",
        title: "something that is no requirement",
        text: "A requirements file is a list of roles, or a mapping with `roles` and `collections`. A role is `SRC[,VERSION[,NAME]]` or a mapping with `src`, `scm`, `version` and `name`; a collection is a name, an address or a mapping with `name`, `source`, `version` and `type`, as ansible-galaxy reads them.",
    },
    CodeEntry {
        code: "D0003",
        title: "a key of a requirement that is not read",
        text: "ansible-galaxy passes over keys that it does not know, and so does hostctl; most often it is a slip of the pen.",
    },
    CodeEntry {
        code: "D0004",
        title: "a source that is not supported",
        text: "Roles and collections come from git repositories, archives (`.tar.gz`, `.tar`) and folders. Mercurial, downloads from the web and signatures of collections are not supported. An address is known as that of a git repository by `git+` before it, by `scm: git` (roles) or `type: git` (collections). Transports of git that run what an address says (`ext::`, `fd::`) and addresses with a secret where git would show it (in a query, or as `USER:PASSWORD@HOST:PATH`) are refused.",
    },
    CodeEntry {
        code: "D0005",
        title: "a source that is not there",
        text: "A path names an archive or a folder. It is meant from the working folder, as ansible-galaxy has it, and else from the folder of the requirements file.",
    },
    CodeEntry {
        code: "D0006",
        title: "a file of a source cannot be read",
        text: "An archive, a folder or the lock file may not be read by this user, or the disk failed.",
    },
    CodeEntry {
        code: "D0101",
        title: "only a Galaxy server has it",
        text: "A role or a collection is asked for by its name alone. hostctl asks no Galaxy server: write the address of the git repository that it is made from, which every page of a collection on a Galaxy server names. A dependency is met as well by a collection of that name among the requirements, or by one that is in a folder that playbooks search.",
    },
    CodeEntry {
        code: "D0201",
        title: "git failed",
        text: "The git program could not clone a repository or read a commit; its own words stand below the message, without credentials. git asks its credential helpers and ssh agents as always.",
    },
    CodeEntry {
        code: "D0202",
        title: "a version that is not in the repository",
        text: "The version of a git source is a tag, a branch or a commit. Ranges such as `>=1.0` are for Galaxy servers.",
    },
    CodeEntry {
        code: "D0301",
        title: "an archive cannot be read",
        text: "Archives are tar files, packed by gzip or not at all.",
    },
    CodeEntry {
        code: "D0302",
        title: "content that leads out of its folder",
        text: "A name, a link or a special file in an archive, a repository or a folder would reach outside of the role or collection: an absolute or climbing path, a link to such a one, an entry behind a link. It is refused, and nothing is installed.",
    },
    CodeEntry {
        code: "D0303",
        title: "a source without role or collection",
        text: "A role has a `meta/main.yml`; a collection has a `galaxy.yml` with `namespace`, `name`, `version`, `readme` and `authors`, or is built and has a `MANIFEST.json`. A git repository may hold several collections in folders at its top; others are named by `#/FOLDER` behind the address.",
    },
    CodeEntry {
        code: "D0304",
        title: "an archive that is not what its manifest says",
        text: "The archive of a collection lists its files with checksums in `FILES.json`. A file is missing or has other content.",
    },
    CodeEntry {
        code: "D0401",
        title: "one name, two sources",
        text: "Two requirements mean the same role or collection and name different sources or versions. Of a requirements file this is an error; of a dependency a warning, and what was asked for first is installed.",
    },
    CodeEntry {
        code: "D0402",
        title: "a version that does not fit",
        text: "A collection says which versions of others it works with. The one that is installed or chosen is another.",
    },
    CodeEntry {
        code: "D0501",
        title: "the lock file cannot be read",
        text: "The lock was edited by hand, holds marks of a merge, or was written by a newer hostctl. A name or a folder in it that leads out of the folder of roles or collections is refused, and so is a name that stands in it twice.",
    },
    CodeEntry {
        code: "D0502",
        title: "the lock file does not fit",
        text: "`hostctl deps install --locked` installs only what the lock pins: each requirement with the same source and version must be in it, and nothing else. Run `hostctl deps install` and keep the lock that it writes.",
    },
    CodeEntry {
        code: "D0503",
        title: "a local source is not what was pinned",
        text: "Archives and folders are pinned by the checksum of their content, which has changed.",
    },
    CodeEntry {
        code: "D0504",
        title: "nothing of that name to update",
        text: "`hostctl deps update NAME` takes names that the lock file pins.",
    },
    CodeEntry {
        code: "D0601",
        title: "a folder would be lost",
        text: "A role or collection is to be installed where a folder is that hostctl did not make, or whose files were changed since. `--force` replaces it.",
    },
    CodeEntry {
        code: "D0602",
        title: "a role or collection cannot be written",
        text: "Roles go to the first folder of `roles_path`, collections to the first of `collections_path`, or to those that `--roles-path` and `--collections-path` name.",
    },
    CodeEntry {
        code: "D0603",
        title: "`manifest` of a collection is not followed",
        text: "`galaxy.yml` may choose by `manifest` directives which files an archive of the collection has. hostctl installs all files then.",
    },
    CodeEntry {
        code: "D0604",
        title: "a link is left out",
        text: "A folder of a collection is a link to a folder outside of it. ansible-galaxy leaves it out too.",
    },
];
