//! What the commands do: a request in, events out; no terminal.

mod ansible_vault;
mod check;
mod config;
mod env;
mod extra_vars;
mod fact_cache;
mod hosts;
mod image_graph;
mod image_render;
mod inventory;
mod listing;
mod project;
mod refused;
mod resume;
mod run;
mod tag_history;
mod tag_login;
mod tag_verify;
mod tags;
mod tree;
mod tree_sum;
mod vault;
mod vault_passwords;

pub use crate::environment::ShownVariable;
pub use ansible_vault::{Keep, Unsealed, replace, seal, sealing_password, unseal};
pub use check::{Checked, check, syntax};
pub use config::{
    Config, SettingOrigin, SettingRow, ShownSetting, TemplateParts, definitions, plugin_definitions, plugins_of,
    setting_rows, template_environment, template_file,
};
pub use env::{environment_list, environment_show, host_show};
pub use extra_vars::ExtraVars;
pub use fact_cache::FactCaching;
pub use image_graph::{ImageGraphRequest, ImageGraphView, ImageSource, image_graph};
pub use image_render::{Rendered, render_kolla};
pub use inventory::{InventoryView, ListedHost};
pub use listing::{Listing, hosts_of, list};
pub use project::{Policy, ProjectRequest, passphrase_file, password_program, playbook_file, state_base};
pub use refused::refused_code;
pub use resume::{Earlier, Work, find as find_run, play_of, works};
pub use run::{RunRequest, run};
pub use tag_history::{TagHistory, TagStep, tag_history};
pub use tag_login::{GivenLogin, GivenPassword};
pub use tag_verify::{TagState, Verified, VerifyOptions, verify_tags};
pub use tags::{TagFileView, tag_files};
pub use tree::{Tell, check_tree, is_part};
pub use tree_sum::{Missing, Sum};
pub use vault::{Edited, Imported, ImportedFile, Made, VaultPlace, edit, import, init, open_vault, recipients, rekey};
pub use vault_passwords::{PasswordSource, Passwords, read_passwords};
