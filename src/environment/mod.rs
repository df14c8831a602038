//! Projects and environments: `environments/NAME/` with parents, variables, secrets and inventory.
//!
//! Parents apply first, each once, and the child wins; mappings are replaced, not merged. Needs no
//! key: secrets stay sealed until a template uses them.

mod load;
mod project;
mod show;

#[cfg(test)]
mod tests;

pub use load::Environment;
pub use project::{Listed, Project};
pub use show::{ShownPlace, ShownVariable, show};
