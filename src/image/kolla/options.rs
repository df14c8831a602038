//! What a user asks of a Kolla tree, as `kolla-build`'s command line would say it.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What to render and how. Paths are those of the host that the [`Reader`](super::Reader) reads.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Options of `kolla-build` by the names that they have in `kolla-build.conf` (`base`, `base_arch`, `tag`,
    /// `namespace`, ...) with their values as text; they win over the configuration file.
    pub set: BTreeMap<String, String>,
    /// The tag where no option says one, in place of Kolla's own default.
    pub default_tag: Option<String>,
    /// Files like `kolla-build.conf`; what a later one says wins.
    pub config: Vec<PathBuf>,
    /// Template overrides, in order; those of the configuration file come first.
    pub template_override: Vec<PathBuf>,
    /// Further folders of templates that are laid over `docker/`, in order.
    pub docker_dir: Vec<PathBuf>,
    /// Profiles; without effect if there are patterns.
    pub profiles: Vec<String>,
    /// Regular expressions of Python; images that one is found in, with their ancestors. Empty: all images.
    pub patterns: Vec<String>,
    /// The build host's machine name (`x86_64`, `aarch64`), the default of `base_arch`.
    pub host_arch: String,
    /// What templates see as `env`.
    pub environment: BTreeMap<String, String>,
    /// Kolla's own version if the tree does not tell it (a checkout: its short commit).
    pub version: Option<String>,
    /// Today as `YYYYMMDD`: the `build_date` of Kolla 21 and 22.
    pub today: String,
}
