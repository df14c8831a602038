//! Sealed values: hostctl's own `secrets.yml` (age) and Ansible's vault text.
//!
//! In `secrets.yml` names are in clear and values are sealed one by one with a random file key,
//! which the header keeps wrapped for the recipients. The [`Keyring`] holds what opens things and
//! unwraps each header once a run. This room reads no environment and asks nobody: the caller
//! passes identities and passwords.

pub mod ansible;
mod file;
mod identity;
mod import;
mod key;
mod keyring;
mod name;
mod recipient;
mod seal;
mod source;
mod store;
mod write;

pub use file::{SealedValue, VaultFile, is_vault_file};
pub use import::{Source, take_out};
pub use keyring::{Ask, Keyring, generate_identity};
pub use name::{join_name, split_name};
pub use recipient::recipients_file;
pub use source::{Text, read_text};
pub use store::{SealFor, Vault};
pub use write::keep_owner;
