//! Modules: typed arguments in, probes and guarded changes on one host, a result out.
//!
//! A module sees no YAML, templates, variables or vault. The table [`MODULES`] is the one
//! place that lists them: names, argument checks, `hostctl doc`, schema and completion
//! come from it. To add a module: one file, one line here (see CONTRIBUTING.md).

mod ansible_words;
mod apt;
mod apt_deb;
mod apt_key;
mod apt_names;
mod apt_ppa;
mod apt_repository;
pub mod argspec;
mod assemble;
mod async_status;
mod attributes;
mod blockinfile;
mod call;
mod coerce;
mod command;
mod copy;
mod cron;
mod custom;
mod cx;
mod deb822_repository;
mod debconf;
mod deprecated;
mod derive;
mod dnf;
mod dnf_list;
mod dpkg_selections;
pub mod engine_args;
mod expect;
mod file;
mod file_times;
mod find;
mod folders;
mod get_url;
mod getent;
mod git;
mod group;
mod hostname;
mod image_attach;
mod image_build;
mod image_doctor;
mod image_tag;
mod image_tags;
mod image_why;
mod iptables;
mod known_hosts;
mod lineinfile;
pub mod mirror_proxy;
mod mount_facts;
mod multipart;
pub mod network_bridge;
#[cfg(test)]
mod oracle;
mod package;
mod package_facts;
mod ping;
mod pip;
mod pip_names;
mod place;
mod raw;
mod reconnect;
mod reference;
mod refusal;
mod replace;
mod rpm_key;
mod script;
mod service;
mod service_facts;
mod setup;
mod shlex;
mod slurp;
mod spec;
mod stat;
mod subversion;
mod systemd;
mod table;
mod tempfile;
#[cfg(test)]
mod testing;
mod types;
mod unarchive;
mod uri;
mod user;
mod user_key;
pub mod volume_grow;
mod wait_for;
mod web;
mod yum_repository;

pub use ansible_words::ansible_message;
pub use async_status::job_result;
pub use call::{AskedBy, Blob, BlobSource, Call, DIFF_LIMIT, Failure, Input, InputKind, Outcome, Outlives, TreeEntry};
pub use custom::{CUSTOM, ENTRY as CUSTOM_ENTRY};
pub use cx::{Cx, Link};
pub use deprecated::deprecated_arguments;
pub use engine_args::{ABSENT, ABSENT_ENTRY};
pub use image_attach::{EndOfWork, follow_work};
pub use reconnect::{RebootArgs, WaitForConnectionArgs};
pub use reference::reference;
pub use shlex::{first_word, words};
pub use spec::{
    ArgError, ArgSpec, ArgType, ChangedAt, HandsTo, InputArg, Meta, Module, ModuleEntry, Needs, PathPart, RunsOn, Spec,
    entry,
};
pub use table::{MODULES, find};
pub use types::{HostPath, Mode, without_zero as mode_without_zero};
