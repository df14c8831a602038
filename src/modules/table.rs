//! The table of modules: one line each, by name.

use super::spec::{ModuleEntry, entry};

macro_rules! table {
    ($($module:ty),+ $(,)?) => {
        /// Every module.
        pub static MODULES: &[ModuleEntry] = {
            static TABLE: [ModuleEntry; [$(stringify!($module)),+].len()] = [$(entry::<$module>()),+];
            &TABLE
        };
    };
}

table![
    super::engine_args::AddHost,
    super::apt::Apt,
    super::apt_key::AptKey,
    super::apt_repository::AptRepository,
    super::assemble::Assemble,
    super::engine_args::Assert,
    super::async_status::AsyncStatus,
    super::blockinfile::BlockInFile,
    super::command::Command,
    super::copy::Copy,
    super::cron::Cron,
    super::deb822_repository::Deb822Repository,
    super::debconf::Debconf,
    super::engine_args::Debug,
    super::dnf::Dnf,
    super::dpkg_selections::DpkgSelections,
    super::expect::Expect,
    super::engine_args::Fail,
    super::engine_args::Fetch,
    super::file::File,
    super::find::Find,
    super::get_url::GetUrl,
    super::getent::Getent,
    super::git::Git,
    super::group::Group,
    super::engine_args::GroupBy,
    super::engine_args::ImportPlaybook,
    super::engine_args::ImportRole,
    super::engine_args::ImportTasks,
    super::engine_args::IncludeRole,
    super::engine_args::IncludeTasks,
    super::engine_args::IncludeVars,
    super::hostname::Hostname,
    super::image_attach::ImageAttach,
    super::image_doctor::ImageDoctor,
    super::image_why::ImageWhy,
    super::image_build::ImageBuild,
    super::image_tag::ImageTag,
    super::image_tags::ImageTags,
    super::iptables::Iptables,
    super::known_hosts::KnownHosts,
    super::lineinfile::LineInFile,
    super::mirror_proxy::MirrorProxy,
    super::mount_facts::MountFacts,
    super::network_bridge::NetworkBridge,
    super::ping::Ping,
    super::pip::Pip,
    super::engine_args::MetaModule,
    super::package::Package,
    super::package_facts::PackageFacts,
    super::engine_args::Pause,
    super::raw::Raw,
    super::reconnect::Reboot,
    super::replace::Replace,
    super::rpm_key::RpmKey,
    super::script::Script,
    super::service::Service,
    super::service_facts::ServiceFacts,
    super::engine_args::SetFact,
    super::engine_args::SetStats,
    super::setup::Setup,
    super::command::Shell,
    super::slurp::Slurp,
    super::stat::Stat,
    super::subversion::Subversion,
    super::systemd::Systemd,
    super::service::Sysvinit,
    super::tempfile::TempFile,
    super::copy::Template,
    super::unarchive::Unarchive,
    super::uri::UriModule,
    super::engine_args::ValidateArgumentSpec,
    super::user::User,
    super::volume_grow::VolumeGrow,
    super::wait_for::WaitFor,
    super::reconnect::WaitForConnection,
    super::yum_repository::YumRepository,
];

/// The module of a short or full name.
pub fn find(name: &str) -> Option<&'static ModuleEntry> {
    if name == super::CUSTOM {
        return Some(&super::CUSTOM_ENTRY);
    }
    MODULES
        .iter()
        .find(|entry| entry.meta.name == name || entry.meta.full_name == name || entry.meta.also.contains(&name))
}
