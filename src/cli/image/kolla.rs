//! What commands that render a Kolla tree here tell its reader of this machine.

use crate::image::kolla::Options;

/// Options with nothing but this machine: its architecture, the environment that templates see, the day.
pub(super) fn of_this_machine() -> Options {
    Options {
        host_arch: std::env::consts::ARCH.to_owned(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        today: jiff::Zoned::now().strftime("%Y%m%d").to_string(),
        ..Options::default()
    }
}
